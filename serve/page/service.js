// Calls of the service: the token, refusals, and answers line by line.
export class Refusal extends Error {
  constructor(status, code, message = "") {
    super(message);
    Object.assign(this, { status, code });
  }
}

export const token = {
  get: () => sessionStorage.getItem("token"),
  set: (text) => sessionStorage.setItem("token", text),
  drop: () => sessionStorage.removeItem("token"),
};

let role = "operator";
/** Whether the token is one that may search and read, and change nothing. */
export const reader = () => role === "reader";

/** Ask; resolves to an answer that is fine, else throws a `Refusal` or, if it was stopped, an `AbortError`. */
export async function ask(path, { json, ...options } = {}) {
  const sent = token.get();
  const headers = { ...options.headers };
  if (sent) headers.authorization = `Bearer ${sent}`;
  if (json !== undefined) {
    headers["content-type"] = "application/json";
    options = { method: "POST", ...options, body: JSON.stringify(json) };
  }
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refusal(0, "NoAnswer");
  }
  role = answer.headers.get("dass-role") ?? role;
  if (answer.ok) return answer;
  const { error = {} } = await answer.json().catch(() => ({}));
  if (error.code === "NotAllowed") role = "reader";
  const wrong = answer.status === 401 && sent;
  if (wrong) token.drop();
  throw new Refusal(answer.status, wrong ? "WrongToken" : error.code ?? "", error.message);
}

export const get = async (path) => (await ask(path)).json();

/** Read an answer of one JSON value a line. */
export async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Refusal(0, "Cut");
    }
    rest += part.value ?? "";
    const whole = rest.split("\n");
    rest = whole.pop();
    for (const line of whole) {
      if (!line) continue;
      const reply = JSON.parse(line);
      if (reply.error) throw new Refusal(200, reply.error.code, reply.error.message);
      yield reply;
    }
    if (part.done) return;
  }
}

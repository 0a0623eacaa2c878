// The OpenAPI document as a page: every call, its example, and a button that runs it.
const made = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

async function run(method, path, body, out) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body) headers["content-type"] = "application/json";
  out.textContent = "…";
  const answer = await fetch(path, { method, headers, body });
  const text = await answer.text();
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* lines of JSON stay lines */ }
  out.textContent = `${answer.status}\n${shown}`;
}

function call(path, method, about) {
  const content = about.requestBody?.content["application/json"];
  const examples = Object.values(content?.examples ?? {}).map((example) => example.value);
  const article = made("article", {},
    made("h2", { textContent: `${method.toUpperCase()} ${path}` }),
    made("p", { textContent: about.description ?? "" }));
  if (path.includes("{")) path = path.replace("{name}", "digits");
  const bodies = content ? examples : [null];
  for (const value of method === "delete" ? [] : bodies) {
    const text = value && made("textarea", { value: JSON.stringify(value, null, 2), ariaLabel: "Request" });
    const out = made("pre", { hidden: true, tabIndex: 0 });
    const button = made("button", { textContent: "Run", type: "button" });
    button.addEventListener("click", () => {
      out.hidden = false;
      run(method.toUpperCase(), path, text?.value, out).catch((error) => { out.textContent = error.message; });
    });
    article.append(...(text ? [text] : []), made("div", { className: "buttons" }, button), out);
  }
  return article;
}

const schema = await (await fetch("/openapi.json")).json();
for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, about] of Object.entries(methods)) {
    document.getElementById("calls").append(call(path, method, about));
  }
}

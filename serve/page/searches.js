// Searches that the service keeps: asked for, followed, listed, forgotten.
import { ask, get, Refusal } from "./service.js";

const PATH = "/v1/searches", PAGE = 20;
const FIRST_MS = 100, MOST_MS = 1000, PATIENCE_MS = 90_000; // between two looks; with a service that is silent
const ELSEWHERE = [403, 404, 405, 413, 503];

/** Ask for one; null where the service keeps none, or no more, so that it must be asked at once instead. */
export async function post(request) {
  try {
    return await (await ask(PATH, { json: request })).json();
  } catch (error) {
    if (!ELSEWHERE.includes(error.status) || error.code === "UnknownName") throw error;
    console.info("the service keeps no search:", error.code);
    return null;
  }
}

/** Tell how one stands until it is done, an answer at a time; null for as long as the service, restarting, is silent. */
export async function* follow(id, signal) {
  let pause = FIRST_MS, heard = Date.now();
  for (;;) {
    const found = await look(id, signal, heard);
    if (found?.state === "failed") throw new Refusal(200, found.error?.code ?? "", found.error?.message);
    if (found) heard = Date.now();
    yield found;
    if (found?.state === "done") return;
    await later(pause, signal);
    pause = Math.min(MOST_MS, 1.5 * pause);
  }
}

async function look(id, signal, heard) {
  try {
    return await (await ask(`${PATH}/${encodeURIComponent(id)}`, { signal })).json();
  } catch (error) {
    if (error.status === 404) throw new Refusal(404, "Forgotten");
    const passing = error.status === 0 || error.status >= 500;
    if (!passing || Date.now() - heard > PATIENCE_MS) throw error;
    return null;
  }
}

const later = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
});

/** A page of them, newest first, as entries of the history without their answers. */
export async function page(after) {
  const { searches, next } = await get(`${PATH}?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
  return { next, entries: searches.map((found) => ({ ...entry(found), state: found.state, name: found.teacher })) };
}

/** Remove one, whoever asked for it, and stop it. */
export const forget = (id) => ask(`${PATH}/${encodeURIComponent(id)}`, { method: "DELETE" });

/** What the page makes of one, as it does of its own. */
export const entry = ({ id, created, request }) => ({ id, stored: true, at: Date.parse(created), request: plain(request) });

/** A request without what stands at its default. */
function plain({ k, support, precision, batch, ...request }) {
  const timed = { ...(precision === "int8" ? { precision } : {}), ...(batch > 1 ? { batch } : {}) };
  const found = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null));
  const measured = support.map(({ epochs, ...s }) => (epochs ? { ...s, epochs } : s));
  return { ...found, ...timed, ...(k === 5 ? {} : { k }), ...(measured.length ? { support: measured } : {}) };
}

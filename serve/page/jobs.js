// Jobs that train: started from a search, told while their list is open, and what came of them taken away.
import { save } from "./files.js";
import { permit, waits } from "./role.js";
import { ask, get } from "./service.js";
import { $, made, renew } from "./svg.js";
import { short } from "./teachers.js";

const PATH = "/v1/jobs", EVERY_MS = 2000, LINES = 6;
const ENDED = ["done", "failed", "cancelled"];
const STATES = { queued: "waits for its turn", running: "under way", done: "done", failed: "failed", cancelled: "stopped by you", stopped: "stopped with the service; it goes on once that does jobs again" };
const KINDS = { compress: "A trained student", verify: "Short trainings" };
let turn = 0, talk = null;

/** Told once: where messages go, and of which search the page is. */
export function begin(does) {
  talk = does;
  $("jobs").addEventListener("toggle", watch);
  document.addEventListener("visibilitychange", watch);
  $("train").addEventListener("submit", start);
}

/** Fetch whether the service trains, and on what; without that nothing of it is shown. */
export async function load() {
  const found = await get(PATH).catch(() => null);
  $("jobs").hidden = !found?.at_once && !found?.jobs.length;
  $("images").replaceChildren(...(found?.data ?? []).map((name) => new Option(name, name)));
  $("train").dataset.offered = Boolean(found?.at_once && found.data.length);
  offer(false);
}

/** Offer to train within the budget of a search that the service keeps. */
export function offer(kept) {
  $("train").hidden = $("train").dataset.offered !== "true" || !kept;
}

async function start(event) {
  event.preventDefault();
  const search = talk.search();
  waits("train-button", true);
  try {
    const json = { kind: $("alone-verify").checked ? "verify" : "compress", search, data: $("images").value, minutes: Number($("minutes").value) };
    await ask(PATH, { json });
    talk.say("The service trains now: its list of jobs tells how far it is.");
    $("jobs").hidden = false;
    $("jobs").open = true;
    watch();
  } catch (error) {
    talk.failed(error);
  } finally {
    waits("train-button", false);
  }
}

/** Ask now and then, until the list is closed or the page is hidden. */
async function watch() {
  const mine = ++turn;
  while (mine === turn && $("jobs").open && document.visibilityState === "visible") {
    try {
      const { jobs } = await get(PATH);
      const newest = await Promise.all(jobs.slice(0, 10).map(({ id }) => get(`${PATH}/${id}`)));
      if (mine !== turn) return;
      show(newest);
      if (newest.every(({ state }) => ENDED.includes(state))) return;
    } catch (error) {
      if (mine !== turn) return;
      if (error.status !== 404) talk.failed(error); // deleted at this moment
      if (error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

function show(jobs) {
  renew($("jobs-list"), jobs.map(row));
  $("jobs-none").hidden = jobs.length > 0;
  permit();
}

function row(job) {
  const { id, state, request, lines, files, error } = job, ended = ENDED.includes(state);
  const name = `${KINDS[request.kind]} of ${short(request.teacher)} on ${request.data}`;
  const button = (text, act, role = " operator") => {
    const it = made("button", { type: "button", className: `quiet${role}`, textContent: text });
    it.setAttribute("aria-label", `${text}: ${name}`);
    it.addEventListener("click", () => act().catch(talk.failed));
    return it;
  };
  const it = made("li", {},
    made("p", { className: "title", textContent: `${name}: ${STATES[state]}` }),
    ...(error ? [made("p", { className: "failed", textContent: error.message })] : []),
    made("ul", { className: "lines" }, ...lines.slice(-LINES).map((line) => made("li", { textContent: line }))),
    made("div", { className: "buttons" },
      ...files.map((file) => button(file.name, () => take(id, file.name), "")),
      ended ? button("Remove", () => change(id, { method: "DELETE" })) : button("Stop", () => change(id, { method: "POST" }, "/cancel"))));
  it.dataset.of = id;
  return it;
}

async function take(id, name) {
  save(name, "application/octet-stream", await (await ask(`${PATH}/${id}/files/${name}`)).blob());
}

async function change(id, how, more = "") {
  await ask(`${PATH}/${id}${more}`, how);
  watch();
}

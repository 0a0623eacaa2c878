// Builds and tunes of the service's store, told while somebody looks: asked for only as long as the list is open.
import { get } from "./service.js";
import { $, made, renew } from "./svg.js";
import { short } from "./teachers.js";
import { told } from "./words.js";

const EVERY_MS = 4000, FEW = 8;
const NAMES = { build: "Build", tune: "Tune" };
const STATES = { running: "running", ended: "ended", silent: "silent for a while: was it killed?" };
let turn = 0;

const hours = (h) => (h >= 1 ? `${h.toFixed(1)} h` : `${(60 * h).toFixed(1)} min`);
const line = (text, properties = {}) => made("p", { className: "hint", textContent: text, ...properties });

/** Told once. */
export function begin() {
  $("runs").addEventListener("toggle", watch);
  document.addEventListener("visibilitychange", watch);
}

/** Ask now and then, until the list is closed or the page is hidden. */
async function watch() {
  const mine = ++turn;
  while (mine === turn && $("runs").open && document.visibilityState === "visible") {
    const found = await get("/v1/runs").catch((error) => error);
    if (mine !== turn) return;
    if (found instanceof Error) $("runs-list").replaceChildren(line(told(found), { className: "hint failed" }));
    else show(found);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

function show({ runs, failures, teachers, records }) {
  if (!runs.length && !records) {
    $("runs-list").replaceChildren(line("None has written to this service's store: `dass build` and `dass tune` with its --store do."));
    return;
  }
  renew($("runs-list"), [
    ...runs.flatMap(run),
    ...(failures.length ? [folded("failures", `${failures.length} given up`, failures.map(({ label, error, attempts }) => `${label}: ${error} (${attempts} attempts)`))] : []),
    ...(records ? [folded("costs", `${records.toLocaleString("en")} measured students`, teachers.slice(0, FEW).map(cost), teachers.length - FEW)] : []),
  ]);
}

function run({ kind, state, line: words, done, failed, total, fraction, running, age_seconds: age, cost: spent }) {
  const bar = made("progress", { max: 1, value: state === "ended" && done === total ? 1 : fraction });
  bar.setAttribute("aria-label", `${NAMES[kind]}: ${done + failed} of ${total}`);
  const worked = running.length ? `; now ${running.slice(0, 2).join(", ")}${running.length > 2 ? "…" : ""}` : "";
  return [
    made("p", { className: "title", textContent: `${NAMES[kind]}: ${STATES[state]}` }), bar,
    line(`${words}${state === "running" ? worked : ""}`),
    line(`${spent.map(({ unit, hours: h }) => `${h.toFixed(2)} ${unit}-hours`).join(", ")}; told ${age < 90 ? `${age.toFixed(0)} s` : hours(age / 3600)} ago.`),
  ];
}

const cost = ({ teacher, students, hours: h }) => `${short(teacher)}: ${students.toLocaleString("en")} ${students === 1 ? "student" : "students"}, ${hours(h)}`;

/** A list that stays open or closed while it is written anew. */
function folded(name, title, items, more = 0) {
  const open = $("runs-list").querySelector(`[data-name=${name}]`)?.open ?? false;
  const rest = more > 0 ? [made("li", { textContent: `and ${more} more teachers` })] : [];
  const it = made("details", { open }, made("summary", { textContent: title }),
    made("ul", { className: "rows" }, ...items.map((text) => made("li", { textContent: text })), ...rest));
  it.dataset.name = name;
  return it;
}

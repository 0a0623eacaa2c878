// Searches of before: those that the service keeps and, beside them or in their place, this browser's.
import { on } from "./budget.js";
import { page } from "./searches.js";
import { reader } from "./service.js";
import { $, made, renew } from "./svg.js";
import { short } from "./teachers.js";
import { count, percent } from "./words.js";

const KEY = "dass.searches", MOST = 20;
const STATES = { queued: "waits for its turn", running: "under way", failed: "failed" };
let service = null; // { entries, next }, or null where it cannot be had
let acts = {};

/** Read this browser's, newest first; a browser that keeps nothing has none. */
export function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((entry) => entry?.reply?.pareto?.length && entry.teacher && entry.request) : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch { /* full, or forbidden: the list then ends with this page */ }
  return entries;
}

const same = (a, b) => a.id === b.id || JSON.stringify(a.request) === JSON.stringify(b.request);

/** Keep a search; the same one again takes the place of the former. */
export const keep = (entry) => write([entry, ...kept().filter((other) => !same(other, entry))].slice(0, MOST));

/** Forget a search in this browser and in the list. */
export function drop(entry) {
  write(kept().filter((other) => other.id !== entry.id));
  if (service) service.entries = service.entries.filter((other) => other.id !== entry.id);
  list();
}

/** What a search was, in a line; what came of it where that is known here. */
export function summary({ request, reply, teacher, name, state }) {
  const best = reply?.pareto.at(-1);
  const limits = [
    ...(request.max_flops_share ? [`${+(100 * request.max_flops_share).toFixed(1)} % of FLOPs`] : []),
    ...(request.max_flops ? [`${count(request.max_flops)} FLOPs`] : []),
    ...(request.max_parameters ? [`${count(request.max_parameters)} parameters`] : []),
    ...(request.max_latency_ms ? [`${request.max_latency_ms} ms`] : []),
    ...(request.latency_table ? [on(request)] : []),
    ...(request.seed ? [`seed ${request.seed}`] : []),
    ...(request.algorithm === "random" ? ["random"] : []),
    ...(request.support?.length ? [`${request.support.length} measured`] : []),
  ];
  const end = best ? `: ${percent(best.accuracy)} at ${count(best.flops)}` : state in STATES ? `: ${STATES[state]}` : "";
  return `${[teacher?.short ?? short(name), ...limits].join(", ")}${end}`;
}

/** Told once: what `show`, `compare` and `forget` do with one. */
export function begin(does) {
  acts = does;
  list();
}

/** Fetch the service's newest; without them the list is this browser's. */
export async function refresh() {
  service = await page().catch(nothing);
  list();
}

async function older() {
  const { entries, next } = (await page(service.next).catch(nothing)) ?? { entries: [], next: null };
  const known = new Set(service.entries.map(({ id }) => id));
  service = { entries: [...service.entries, ...entries.filter(({ id }) => !known.has(id))], next };
  list();
}

function nothing(error) {
  console.info("no searches of the service:", error.code ?? error.name);
  return null;
}

/** Those of the list, newest first. */
function entries() {
  const own = kept();
  if (!service) return own;
  const answered = new Map(own.map((entry) => [entry.id, entry]));
  const found = service.entries.map((entry) => answered.get(entry.id) ?? entry);
  return [...found, ...own.filter((entry) => !entry.stored)].sort((a, b) => b.at - a.at);
}

/** Write the list. */
export function list() {
  const found = entries();
  $("history").hidden = !found.length;
  $("older").hidden = !service?.next;
  $("older").onclick = older;
  $("history-hint").textContent = service ? "Kept by the service; whoever uses it sees them." : "Kept in this browser only.";
  renew($("searches"), found.map(row));
}

function row(entry) {
  const words = summary(entry), when = new Date(entry.at).toLocaleString();
  const button = (text, act) => {
    const it = made("button", { type: "button", className: "quiet", textContent: text, title: when });
    it.setAttribute("aria-label", `${text}: ${words}`);
    it.addEventListener("click", () => act(entries().find(({ id }) => id === entry.id) ?? entry));
    return it;
  };
  const li = made("li", {}, made("span", { textContent: words, title: when }), made(
    "div", { className: "buttons" },
    button("Show", acts.show),
    button("Compare", acts.compare),
    ...(own(entry) || !reader() ? [button("Forget", (it) => (own(it) ? drop : acts.forget)(it))] : []),
  ));
  li.dataset.of = entry.id;
  return li;
}

/** Is it of this browser alone? Everybody may forget such a one. */
const own = (entry) => !service || !entry.stored;

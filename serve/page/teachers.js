// Teachers: the list, one more by its file, one less with time to think again.
import { ask, get } from "./service.js";
import { $, made } from "./svg.js";
import { count, labels, percent } from "./words.js";

const UNDO_MS = 8000;
let teachers = [];
let doomed = null;
let last = null;

export const chosen = () => teachers.find((t) => t.name === $("teacher").value);
/** Name of the one that the page describes at the moment. */
export const described = () => last;
export const some = () => teachers.length > 0;

/** Fetch the list; keeps the choice where it can. */
export async function load(wanted) {
  const found = (await get("/v1/teachers")).teachers;
  const named = labels(found);
  teachers = found.map((t, i) => ({ ...t, label: named[i], short: named[i].split(" · ")[0] }));
  fill(wanted);
}

function fill(wanted) {
  const before = wanted || $("teacher").value || "digits";
  const there = teachers.filter((t) => t.name !== doomed?.name);
  there.sort((a, b) => a.label.localeCompare(b.label));
  $("teacher").replaceChildren(...there.map((t) => Object.assign(new Option(t.label, t.name), { title: t.name })));
  if (there.some((t) => t.name === before)) $("teacher").value = before;
  about();
}

/** The name of one in a list, also of one that is not here. */
export const short = (name) => teachers.find((t) => t.name === name)?.short ?? name;

/** What is known of one by its name: listed, or deleted. */
export async function facts(name) {
  const found = teachers.find((t) => t.name === name) ?? (await get("/v1/teachers?deleted=true")).teachers.find((t) => t.name === name);
  if (!found) throw new Error(`The teacher of this search, ${name}, is no longer there, so that there is nothing to compare its students with.`);
  return { short: labels([found])[0].split(" · ")[0], ...found };
}

/** Choose one, if it is here; returns it. */
export function choose(name) {
  const found = teachers.find((t) => t.name === name);
  if (found) $("teacher").value = name;
  about();
  return found;
}

/** Describe the chosen one. */
export function about() {
  const t = chosen();
  last = t?.name ?? null;
  $("remove").hidden = !t;
  $("teacher").title = t?.name ?? "";
  const facts = t ? {
    Dataset: t.dataset ?? "not known", Classes: t.classes, "Accuracy (validation)": percent(t.accuracy),
    FLOPs: count(t.flops), Parameters: count(t.parameters),
  } : {};
  $("about").replaceChildren(...Object.entries(facts).map(([name, value]) =>
    made("div", {}, made("dt", { textContent: name }), made("dd", { textContent: value }))));
}

/** Take the chosen one off the list at once, and off the service once nobody took it back. */
export function remove({ changed, say, failed }) {
  finish();
  const t = chosen();
  const end = async () => {
    clearTimeout(doomed.timer);
    doomed = null;
    $("undo").hidden = true;
    try {
      await ask(`/v1/teachers/${encodeURIComponent(t.name)}`, { method: "DELETE" });
      teachers = teachers.filter((other) => other !== t);
      say(`Deleted ${t.short}.`);
    } catch (error) {
      fill();
      failed(error);
    }
  };
  doomed = { name: t.name, end, timer: setTimeout(end, UNDO_MS) };
  $("undo-text").textContent = `${t.short} will be deleted.`;
  $("undo").hidden = false;
  fill();
  changed();
  $("undo-button").focus();
}

/** Take a deletion back. */
export function undo({ changed, say }) {
  if (!doomed) return;
  const { name, timer } = doomed;
  clearTimeout(timer);
  doomed = null;
  $("undo").hidden = true;
  fill(name);
  changed();
  say("Nothing was deleted.");
  $("teacher").focus();
}

const finish = () => doomed?.end();

/** Read from a safetensors file how many classes its classifier has; null where it does not tell. */
async function classes(file) {
  try {
    const size = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
    const head = JSON.parse(await file.slice(8, 8 + Math.min(size, 2 ** 22)).text());
    const key = Object.keys(head).find((name) => /(^|\.)fc\.weight$/.test(name));
    return key ? head[key].shape[0] : null;
  } catch {
    return null;
  }
}

/** A file was dropped or picked: fill in what it tells. */
export async function picked(file) {
  $("file-name").textContent = file.name;
  $("new-name").value ||= file.name.replace(/\.[^.]*$/, "").replace(/[^\w.+-]+/g, "-").replace(/\.{2,}/g, ".").replace(/^[^A-Za-z0-9]+/, "").slice(0, 128);
  $("new-classes").value = (await classes(file)) ?? $("new-classes").value;
}

/** Send it. */
export async function upload(file, space) {
  const name = $("new-name").value.trim();
  const facts = new URLSearchParams({ space, classes: $("new-classes").value, accuracy: Number($("new-accuracy").value) / 100 });
  await ask(`/v1/teachers/${encodeURIComponent(name)}?${facts}`, { method: "PUT", body: file });
  await load(name);
}

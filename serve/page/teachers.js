// Teachers: the list, one more by its file, one less and back again.
import { permit } from "./role.js";
import { ask, get } from "./service.js";
import { $, made, renew } from "./svg.js";
import { count, labels, percent } from "./words.js";

let teachers = [];
let days = 30, gone = null;
let last = null;

const path = (name) => `/v1/teachers/${encodeURIComponent(name)}`;
/** Told once: for how many days a deleted one is kept. */
export const kept = (limits) => (days = limits.find(({ name }) => name === "deleted_days")?.most ?? days);

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
  const there = [...teachers];
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
    Dataset: t.dataset ?? "not known", Classes: classNames(t), "Accuracy (validation)": percent(t.accuracy),
    FLOPs: count(t.flops), Parameters: count(t.parameters),
    ...(t.created ? { Added: new Date(t.created).toLocaleDateString() } : {}), ...(t.note ? { Note: t.note } : {}),
  } : {};
  $("about").replaceChildren(...Object.entries(facts).map(([name, value]) =>
    made("div", {}, made("dt", { textContent: name }), made("dd", {}, value))));
}

/** How many classes and, for who asks, which. */
function classNames({ classes, class_names: names }) {
  if (!names?.length) return String(classes);
  const list = made("p", { textContent: names.join(", "), tabIndex: 0, role: "region", ariaLabel: "Names of the classes" });
  return made("details", {}, made("summary", { textContent: `${classes}, by name` }), list);
}

/** Delete the chosen one; it can be restored. */
export async function remove({ changed, say, failed }) {
  const t = chosen();
  try {
    await ask(path(t.name), { method: "DELETE" });
  } catch (error) {
    return failed(error);
  }
  teachers = teachers.filter((other) => other !== t);
  fill();
  changed();
  gone = t.name;
  $("undo-text").textContent = `${t.short} is deleted. It can be restored for ${days} days.`;
  $("undo").hidden = false;
  say(`Deleted ${t.short}.`);
  $("undo-button").focus();
  await deleted({ changed, say, failed });
}

/** Take the last deletion back. */
export const undo = (talk) => restore(gone, talk);

async function restore(name, talk) {
  try {
    await ask(`${path(name)}/restore`, { method: "POST" });
    await load(name);
  } catch (error) {
    const words = {
      AlreadyExists: `Another teacher is called ${name} by now: delete that one first.`,
      UnknownName: `${name} is no longer kept, and cannot be restored.`,
    }[error.code];
    return talk.failed(words ? new Error(words) : error);
  }
  talk.changed();
  talk.say(`Restored ${short(name)}.`);
  $("teacher").focus();
  await deleted(talk);
}

/** List those that can be restored, if somebody looks at the list. */
export async function deleted(talk) {
  if (!$("deleted").open) return;
  let found;
  try {
    found = (await get("/v1/teachers?deleted=true")).teachers.filter((t) => t.deleted);
  } catch (error) {
    return talk.failed(error);
  }
  const named = labels(found), latest = new Set();
  $("deleted-hint").textContent = found.length ? `Each can be restored for ${days} days.` : "None: each is kept here for a while once it is deleted.";
  renew($("deleted-list"), found.map((t, i) => {
    const words = `${named[i]}, deleted ${new Date(t.deleted).toLocaleString()}`;
    const newest = !latest.has(t.name) && latest.add(t.name);
    const button = made("button", { type: "button", className: "quiet operator", textContent: "Restore" });
    button.setAttribute("aria-label", `Restore: ${named[i]}`);
    button.addEventListener("click", () => restore(t.name, talk));
    return made("li", {}, made("span", { textContent: words, title: t.name }), newest ? made("div", { className: "buttons" }, button) : " (once the later one of this name is restored)");
  }));
  permit();
}

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
  for (const [key, id] of [["dataset", "new-dataset"], ["note", "new-note"]]) if ($(id).value.trim()) facts.set(key, $(id).value.trim());
  for (const each of $("new-class-names").value.split(/[,\n]/).map((text) => text.trim())) if (each) facts.append("class_names", each);
  await ask(`${path(name)}?${facts}`, { method: "PUT", body: file });
  await load(name);
}

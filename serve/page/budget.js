// What a student may cost beside its FLOPs: its size, and milliseconds on a device that the service has a table of.
import { get } from "./service.js";
import { $ } from "./svg.js";
import { BYTES } from "./words.js";

let tables = [];

/** The most parameters that the size field allows; null without a limit, NaN where it is no number. */
export function size() {
  const text = $("size").value.trim();
  if (!text) return null;
  const found = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*([kMG]?)$/.exec(text);
  const number = found ? Number(found[1]) * { "": 1, k: 1e3, M: 1e6, G: 1e9 }[found[2]] : NaN;
  return Math.floor($("unit").value === "megabytes" ? (number * 1e6) / BYTES : number);
}

/** The most milliseconds; null without a limit or a device, NaN where it is no number. */
function milliseconds() {
  const text = $("ms").value.trim();
  if (!text || !device()) return null;
  return /^\d*\.?\d+(e-?\d+)?$/.test(text) && Number(text) > 0 ? Number(text) : NaN;
}

const key = (table, { precision, batch }) => `${table}/${precision}/${batch}`;
const figure = (ms) => +ms.toPrecision(3);
export const ms = (value) => `${figure(value)} ms`;

/** What students are timed on: a table and one of its price lists; null if nothing is chosen. */
export function device() {
  for (const table of tables) {
    const price = table.prices.find((each) => key(table.name, each) === $("device").value);
    if (price) return { table, price };
  }
  return null;
}

/** Name what a request is timed on. */
export function on({ latency_table: name, precision = "float32", batch = 1 }) {
  const found = tables.find((table) => table.name === name);
  return `${found?.device ?? name}, ${precision}${batch === 1 ? "" : `, batches of ${batch}`}`;
}

/** Fetch the tables; without any, nothing of time is offered. */
export async function load() {
  const wanted = $("device").dataset.wanted ?? $("device").value;
  tables = await get("/v1/latency-tables").then((found) => found.tables, (error) => {
    console.info("no latency tables:", error.code ?? error.name); // a service of before has none
    return [];
  });
  const options = tables.flatMap(({ name, prices }) => prices.map((price) =>
    new Option(on({ latency_table: name, ...price }), key(name, price))));
  $("device").replaceChildren(new Option("any: no time is asked for", ""), ...options);
  choose(wanted);
  $("time").hidden = !tables.length;
}

/** Choose a device if it is here; before the tables are, it is remembered. */
export function choose(wanted) {
  $("device").dataset.wanted = wanted ?? "";
  $("device").value = [...$("device").options].some(({ value }) => value === wanted) ? wanted : "";
}

/** Choose what a request is timed on. */
export function fill(request) {
  const { latency_table: name, precision = "float32", batch = 1 } = request;
  choose(name ? key(name, { precision, batch }) : "");
  $("ms").value = request.max_latency_ms ?? "";
}

/** Write beside the fields what they mean. */
export function show() {
  const found = device(), wrong = Number.isNaN(milliseconds());
  $("device").dataset.wanted = $("device").value;
  $("ms").disabled = !found;
  $("ms-hint").classList.toggle("failed", wrong);
  $("ms-hint").textContent = !found ? "Choose a device, and students have their milliseconds on it."
    : wrong ? "Write a number above 0, such as 1.5." : `${ms(found.price.fastest_ms)} to ${ms(found.price.slowest_ms)}; half of the predictions are within ${(100 * found.price.median_error).toFixed(0)} %.`;
}

/** The part of a request that is about time; throws what is wrong with it. */
export function asked() {
  const found = device(), most = milliseconds();
  if (Number.isNaN(most)) throw new Error("The milliseconds must be a number above 0, such as 1.5.");
  if (!found) return {};
  const { precision, batch } = found.price;
  return {
    ...(most === null ? {} : { max_latency_ms: most }), latency_table: found.table.name,
    ...(precision === "float32" ? {} : { precision }), ...(batch === 1 ? {} : { batch }),
  };
}

/** What is least possible, where a limit of milliseconds is one that no student keeps. */
export function least() {
  const found = device();
  return found && milliseconds() !== null ? ` The fastest takes ${ms(found.price.fastest_ms)} on ${found.table.device}.` : "";
}

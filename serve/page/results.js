// What a search found: the chart, its table, one student and what to do with it.
import { blocks } from "./blocks.js";
import { ms, on } from "./budget.js";
import { compress, curl, distill } from "./commands.js";
import { chart, KINDS } from "./draw.js";
import { copied } from "./files.js";
import { summary } from "./history.js";
import { token } from "./service.js";
import { $, made } from "./svg.js";
import { between, count, interval, LEVEL, megabytes, percent, points as difference, ratio, UNLIKE } from "./words.js";

const COSTS = {
  flops: { of: (p) => p.flops, told: (p) => `${count(p.flops)} FLOPs`, tick: count, axis: "FLOPs (multiply-adds), logarithmic" },
  milliseconds: { of: (p) => p.milliseconds, told: (p) => ms(p.milliseconds), tick: (x) => +x.toPrecision(2), axis: "Milliseconds, logarithmic" },
};
const EMPTY = "Search, and the best students for each cost appear here.";
let space = null, recipe = "";
let shown = null, other = null, points = [], chosen = null, say = () => {};

/** Told once: the space, the recipe that predictions hold for, and where messages go. */
export function about(facts) {
  ({ space, recipe, say } = facts);
}

export const current = () => ({ shown, points, chosen });

/** Remember which student to choose once it is there. */
export function wish(architecture) {
  chosen = architecture;
}

/** Take everything away, as another teacher's students are none of this one's. */
export function clear() {
  [shown, other, points, chosen] = [null, null, [], null];
  $("plot").replaceChildren(made("p", { className: "empty", textContent: EMPTY }));
  for (const id of ["student", "table", "keep", "unlike", "legend", "compared", "axis"]) $(id).hidden = true;
}

/** Lay a former search beside the one that is shown, or show it if there is none. */
export function beside(entry) {
  if (!shown) return draw(entry);
  other = entry;
  draw(shown);
}

/** Draw a search as far as it is. */
export function draw(entry) {
  if (entry.id !== shown?.id && other?.id === entry.id) other = null;
  shown = entry;
  const { reply, teacher } = entry;
  points = together(entry);
  $("rows").replaceChildren(...points.map((q) => row(q, teacher)));
  $("unlike").hidden = !reply.out_of_distribution;
  $("unlike").textContent = reply.out_of_distribution ? UNLIKE : "";
  for (const id of ["table", "keep", "legend"]) $(id).hidden = false;
  for (const item of $("legend").children) item.hidden = item.dataset.kind === "other" ? !other : !points.some((q) => q.kind === item.dataset.kind);
  $("axis").hidden = $("ms-column").hidden = !timed();
  compared();
  const best = points.findIndex((q) => q.p.architecture === reply.top[0].architecture);
  const there = points.findIndex((q) => q.p.architecture === chosen);
  const wanted = chosen;
  plot();
  choose(there >= 0 ? there : Math.max(0, best));
  if (!reply.done && there < 0) chosen = wanted; // it may come with a later generation
}

function together({ reply, teacher, choices }) {
  const found = reply.pareto.map((p) => ({ p, kind: "student", also: [] }));
  for (const kind of choices ? ["largest", "random"] : []) {
    const twin = found.find((q) => q.p.architecture === choices[kind].architecture);
    if (twin) twin.also.push(kind);
    else found.push({ p: choices[kind], kind, also: [] });
  }
  const { accuracy, flops, parameters } = teacher, milliseconds = choices?.teacher.milliseconds ?? null;
  const itself = { architecture: space.largest, accuracy, flops, parameters, uncertainty: null, milliseconds };
  if (reply.top[0].milliseconds != null && milliseconds === null) return found; // not timed yet
  return [...found, { p: itself, kind: "teacher", also: [] }];
}

const timed = () => points.every(({ p }) => p.milliseconds != null);
const across = () => (timed() ? document.querySelector("[name=axis]:checked").value : "flops");

/** Draw it anew over the cost that was chosen. */
export const axis = () => shown && plot();

/** Draw the chart as wide as there is room for. */
function plot() {
  const focused = $("plot").contains(document.activeElement);
  const cost = COSTS[across()], beside = other?.reply.pareto.filter((p) => cost.of(p) != null);
  const svg = chart({ points, other: beside, cost, width: Math.max(280, $("plot").clientWidth), choose });
  $("plot").replaceChildren(svg);
  const i = points.findIndex((q) => q.p.architecture === chosen);
  if (i >= 0) svg.choose(i);
  if (focused) svg.querySelector("[aria-checked=true]")?.focus({ preventScroll: true });
}

let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (shown && Math.abs(contentRect.width - width) > 1) {
    plot();
    drawBlocks();
  }
  width = contentRect.width;
}).observe($("plot"));

const drawBlocks = () => $("blocks").replaceChildren(blocks(chosen, space, Math.max(280, $("plot").clientWidth)));

function row({ p, kind, also }, teacher) {
  const what = [...(kind === "student" ? [] : [kind]), ...also].map((k) => KINDS[k]).join(", ");
  const cells = [
    what ? `${what}: ${p.architecture}` : p.architecture, percent(p.accuracy), between(p), difference(p.accuracy - teacher.accuracy),
    count(p.flops), count(p.parameters), megabytes(p.parameters),
    ...(timed() ? [ms(p.milliseconds)] : []),
  ];
  return made("tr", {}, ...cells.map((text) => made("td", { textContent: text })));
}

function facts({ p, kind }, { teacher, choices, request }) {
  const largest = choices?.largest;
  return {
    ...(kind === "teacher" ? { "Measured accuracy": percent(p.accuracy) } : { "Predicted accuracy": percent(p.accuracy) }),
    ...(between(p) ? { "90 % interval": between(p) } : {}),
    ...(kind === "teacher" ? {} : { "Gap to the teacher": difference(p.accuracy - teacher.accuracy) }),
    ...(largest && !["teacher", "largest"].includes(kind) ? { "Against the largest in the budget": difference(p.accuracy - largest.accuracy) } : {}),
    FLOPs: kind === "teacher" ? count(p.flops) : `${count(p.flops)} (${ratio(p.flops, teacher.flops)})`,
    Parameters: kind === "teacher" ? count(p.parameters) : `${count(p.parameters)} (${ratio(p.parameters, teacher.parameters)})`,
    "Size at 4 bytes a parameter": megabytes(p.parameters),
    ...(p.milliseconds == null ? {} : { [`Time on ${on(request)}`]: ms(p.milliseconds) }),
  };
}

function choose(i) {
  const q = points[i], { p } = q, { teacher, request } = shown;
  chosen = p.architecture;
  $("plot").querySelector("svg").choose(i);
  $("student").hidden = false;
  $("student-title").textContent = [q.kind, ...q.also].filter((k) => k !== "student").map((k) => KINDS[k]).join(", ") || "Student";
  $("id").textContent = chosen;
  $("facts").replaceChildren(...Object.entries(facts(q, shown)).map(([name, value]) =>
    made("div", {}, made("dt", { textContent: name }), made("dd", { textContent: value }))));
  drawBlocks();
  const [low, high] = interval(p);
  const config = {
    space: space.name, architecture: chosen, num_classes: teacher.classes, teacher: teacher.name,
    [q.kind === "teacher" ? "measured_accuracy" : "predicted_accuracy"]: p.accuracy, uncertainty: p.uncertainty, interval: p.uncertainty == null ? null : { level: LEVEL, low, high },
    flops: p.flops, parameters: p.parameters, ...(p.milliseconds == null ? {} : { milliseconds: p.milliseconds, device: on(request) }),
  };
  URL.revokeObjectURL($("download").href);
  $("download").href = URL.createObjectURL(new Blob([JSON.stringify(config, null, 2)], { type: "application/json" }));
  const lines = {
    ...(q.kind === "teacher" ? {} : { "Distil this student": distill({ space: space.name, teacher: teacher.name, recipe, architecture: chosen }) }),
    "Compress a network of your own within this budget": compress({ request }),
    "This search from a shell": curl({ request, locked: token.get() !== null }),
  };
  $("next").replaceChildren(...Object.entries(lines).map(([name, line]) => command(name, line)));
}

function command(name, line) {
  const code = made("code", { textContent: line, tabIndex: 0 });
  const button = made("button", { type: "button", className: "quiet", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy: ${name}`);
  button.addEventListener("click", async () => say(await copied(line, "line", code)));
  return made("li", {}, made("p", { textContent: name }), code, button);
}

function compared() {
  $("compared").hidden = !other;
  if (!other) return;
  const [a, b] = [shown, other].map((entry) => entry.reply.pareto.at(-1));
  const apart = a.accuracy - b.accuracy;
  const [[lowA, highA], [lowB, highB]] = [interval(a), interval(b)];
  const sure = a.uncertainty == null || b.uncertainty == null ? "" : lowA > highB || lowB > highA ? "; their intervals do not overlap" : "; their intervals overlap";
  $("compared-text").replaceChildren(
    made("b", { textContent: "Shown: " }), summary(shown), ". ", made("b", { textContent: "Beside it: " }), summary(other),
    `. The best of the one less that of the other: ${difference(apart)} of accuracy, ${(a.flops / b.flops).toFixed(2)}× its FLOPs${sure}.`,
  );
}

/** Show one search alone again. */
export function alone() {
  other = null;
  if (shown) draw(shown);
}

// The chart: students of the front, what one would take without a search, the teacher, another search.
import { node, logTicks, ticks } from "./svg.js";
import { count, interval, percent } from "./words.js";

export const KINDS = {
  student: "Student of the front",
  largest: "Largest in the budget",
  random: "One at random",
  teacher: "The teacher",
};
const FLOPS = { of: (p) => p.flops, told: (p) => `${count(p.flops)} FLOPs`, tick: count, axis: "FLOPs (multiply-adds), logarithmic" };
const NEAR = 44; // pixels within which a click means a point

/** Draw points `{p, kind}` as a radio group: arrow keys go by cost, a click takes the nearest. */
export function chart({ points, other = [], width, choose, cost = FLOPS }) {
  const height = width < 560 ? 300 : 380;
  const scales = scaled([...points.map((q) => q.p), ...other], { width, height, cost });
  const svg = node("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, role: "radiogroup",
    "aria-label": `Students by ${cost.axis.split(/[ ,]/)[0]}, cheapest first`,
  });
  svg.append(...axes(scales, width, height));
  if (other.length) {
    const line = other.map((p) => `${scales.x(p)},${scales.y(p.accuracy)}`).join(" ");
    svg.append(node("polyline", { class: "other", points: line }));
    svg.append(...other.map((p) => node("circle", { class: "other", cx: scales.x(p), cy: scales.y(p.accuracy), r: 3.5 })));
  }
  const students = points.filter((q) => q.kind === "student").map((q) => q.p);
  svg.append(...band(students, scales));
  const marks = points.map((q) => mark(q, scales));
  svg.append(...marks);
  const top = node("g", { class: "chosen", "aria-hidden": "true" });
  svg.append(top);
  listen(svg, { points, marks, scales, width, choose });
  svg.choose = (i) => {
    marks.forEach((m, j) => {
      m.setAttribute("aria-checked", i === j);
      m.setAttribute("tabindex", i === j ? 0 : -1);
    });
    // A copy above all others, since moving the mark itself would lose the focus.
    const copy = shape(points[i], scales);
    const x = scales.x(points[i].p), y = scales.y(points[i].p.accuracy);
    top.replaceChildren(node("circle", { class: "halo", cx: x, cy: y, r: 11 }), ...copy);
  };
  return svg;
}

function scaled(all, { width, height, cost }) {
  const margin = { left: 54, right: 16, top: 18, bottom: 44 };
  let low = Math.min(...all.map((p) => interval(p)[0])), high = Math.max(...all.map((p) => interval(p)[1]));
  const room = Math.max(0.01, 0.06 * (high - low));
  [low, high] = [Math.max(0, low - room), Math.min(1, high + room)];
  const left = Math.min(...all.map(cost.of)) / 1.06, right = Math.max(...all.map(cost.of)) * 1.06;
  const across = width - margin.left - margin.right, down = height - margin.top - margin.bottom;
  return {
    low, high, left, right, margin, cost,
    at: (value) => margin.left + (Math.log(value / left) / Math.log(right / left)) * across,
    x(p) { return this.at(cost.of(p)); },
    y: (accuracy) => margin.top + ((high - accuracy) / (high - low)) * down,
  };
}

function axes({ low, high, left, right, margin, at, y, cost }, width, height) {
  const made = [];
  for (const a of ticks(low, high, 5)) {
    made.push(node("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(a), y2: y(a) }));
    made.push(node("text", { x: margin.left - 8, y: y(a) + 4, "text-anchor": "end" }, `${+(100 * a).toFixed(1)} %`));
  }
  for (const f of logTicks(left, right, Math.floor(width / 75))) {
    const x = Math.min(at(f), width - 18);
    made.push(node("text", { x, y: height - margin.bottom + 18, "text-anchor": "middle" }, String(cost.tick(f))));
  }
  made.push(node("text", { x: width - margin.right, y: height - 6, "text-anchor": "end" }, cost.axis));
  return made;
}

function band(found, scales) {
  const { y } = scales, x = (p) => scales.x(p), students = [...found].sort((a, b) => scales.cost.of(a) - scales.cost.of(b));
  const edge = [
    ...students.map((p) => `${x(p)},${y(interval(p)[1])}`),
    ...students.map((p) => `${x(p)},${y(interval(p)[0])}`).reverse(),
  ];
  const line = students.map((p) => `${x(p)},${y(p.accuracy)}`);
  return [node("polygon", { class: "band", points: edge.join(" ") }), node("polyline", { class: "front", points: line.join(" ") })];
}

function shape({ p, kind }, scales) {
  const { y } = scales, cx = scales.x(p), cy = y(p.accuracy), [low, high] = interval(p);
  const drawn = {
    student: () => node("circle", { class: "dot", cx, cy, r: 5 }),
    largest: () => node("rect", { class: "dot", x: cx - 5, y: cy - 5, width: 10, height: 10 }),
    random: () => node("path", { class: "dot", d: `M${cx} ${cy - 7}L${cx + 6} ${cy + 5}H${cx - 6}Z` }),
    teacher: () => node("path", { class: "dot", d: `M${cx} ${cy - 7}L${cx + 7} ${cy}L${cx} ${cy + 7}L${cx - 7} ${cy}Z` }),
  }[kind]();
  return [...(p.uncertainty == null ? [] : [node("line", { class: "whisker", x1: cx, x2: cx, y1: y(low), y2: y(high) })]), drawn];
}

function mark(q, scales) {
  const { p, kind, also = [] } = q;
  const names = [...(kind === "student" ? [] : [KINDS[kind]]), ...also.map((k) => KINDS[k])];
  const words = `${names.map((n) => `${n}: `).join("")}${percent(p.accuracy)}, ${scales.cost.told(p)}`;
  const made = node(
    "g",
    { class: `point ${kind}`, role: "radio", tabindex: -1, "aria-checked": false, "aria-label": words },
    ...shape(q, scales),
    node("title", {}, `${words}\n${p.architecture}`),
  );
  made.dataset.id = p.architecture;
  return made;
}

function listen(svg, { points, marks, scales, width, choose }) {
  const order = points.map((_, i) => i).sort((a, b) => scales.cost.of(points[a].p) - scales.cost.of(points[b].p));
  const take = (i) => {
    choose(i);
    marks[i].focus({ preventScroll: true });
  };
  marks.forEach((made, i) => made.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Enter: 0, " ": 0 }[event.key];
    const at = { Home: 0, End: order.length - 1 }[event.key] ?? order.indexOf(i) + (step ?? NaN);
    if (Number.isNaN(at)) return;
    event.preventDefault();
    take(order[(at + order.length) % order.length]);
  }));
  const nearest = (event) => {
    const box = svg.getBoundingClientRect(), zoom = width / box.width;
    const x = (event.clientX - box.left) * zoom, y = (event.clientY - box.top) * zoom;
    const far = points.map(({ p }) => Math.hypot(scales.x(p) - x, scales.y(p.accuracy) - y));
    const least = Math.min(...far);
    if (least > NEAR) return null;
    // Points in one place take turns.
    const there = order.filter((i) => far[i] < least + 1);
    const now = there.findIndex((i) => marks[i].getAttribute("aria-checked") === "true");
    return there[(now + 1) % there.length];
  };
  svg.addEventListener("click", (event) => {
    const i = nearest(event);
    if (i !== null) take(i);
  });
  svg.addEventListener("pointermove", (event) => {
    const i = nearest(event);
    marks.forEach((m, j) => m.classList.toggle("near", i === j));
  });
}

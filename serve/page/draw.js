// Drawings as SVG: the front of students, and the blocks of one.
const WIDTH = 760, HEIGHT = 380;
const MARGIN = { left: 58, right: 20, top: 16, bottom: 44 };

function node(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function ticks(low, high, number) {
  const rough = (high - low) / number;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step / 1e6; x += step) found.push(x);
  return found;
}

const short = (n) => (n >= 1e6 ? `${+(n / 1e6).toFixed(2)} M` : `${Math.round(n / 1e3)} k`);

/** The 90 % interval of a predicted accuracy, within 0 and 1; what the service sends is one standard deviation. */
export function interval(p) {
  const half = 1.645 * (p.uncertainty ?? 0);
  const clip = (accuracy) => Math.min(1, Math.max(0, accuracy));
  return [clip(p.accuracy - half), clip(p.accuracy + half)];
}

/** Draw predictions, cheapest first, as a radio group: arrow keys move along the front. */
export function front(students, teacher, choose) {
  const lows = students.map((p) => interval(p)[0]), highs = students.map((p) => interval(p)[1]);
  let low = Math.min(...lows, teacher.accuracy), high = Math.max(...highs, teacher.accuracy);
  const room = Math.max(0.01, 0.06 * (high - low));
  [low, high] = [low - room, high + room];
  const left = students[0].flops * 0.92, right = students.at(-1).flops * 1.04 + 1;
  const x = (flops) => MARGIN.left + ((flops - left) / (right - left)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (accuracy) => MARGIN.top + ((high - accuracy) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const svg = node("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "radiogroup",
    "aria-label": "Students of the Pareto front, cheapest first",
  });
  for (const a of ticks(low, high, 5)) {
    svg.append(node("line", { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(a), y2: y(a) }));
    svg.append(node("text", { x: MARGIN.left - 8, y: y(a) + 4, "text-anchor": "end" }, `${+(100 * a).toFixed(1)} %`));
  }
  for (const f of ticks(left, right, 6)) {
    svg.append(node("text", { x: x(f), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" }, short(f)));
  }
  svg.append(node("text", { x: WIDTH - MARGIN.right, y: HEIGHT - 6, "text-anchor": "end" }, "FLOPs (multiply-adds)"));
  svg.append(node("line", {
    class: "teacher-line", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(teacher.accuracy), y2: y(teacher.accuracy),
  }));
  svg.append(node("text", { class: "teacher-word", x: MARGIN.left + 6, y: y(teacher.accuracy) - 5 }, "teacher"));
  const edge = [
    ...students.map((p, i) => `${x(p.flops)},${y(highs[i])}`),
    ...students.map((p, i) => `${x(p.flops)},${y(lows[i])}`).reverse(),
  ];
  svg.append(node("polygon", { class: "band", points: edge.join(" ") }));
  svg.append(node("polyline", { class: "front", points: students.map((p) => `${x(p.flops)},${y(p.accuracy)}`).join(" ") }));
  const points = students.map((p, i) => point(p, x(p.flops), y(p.accuracy), y(lows[i]), y(highs[i])));
  const move = (i) => {
    const next = (i + points.length) % points.length;
    choose(students[next]);
    points[next].focus();
  };
  points.forEach((made, i) => {
    made.addEventListener("click", () => move(i));
    made.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Enter: 0, " ": 0 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      move(i + step);
    });
  });
  svg.append(...points);
  return svg;
}

function point(p, x, y, low, high) {
  const words = `${p.architecture}, ${(100 * p.accuracy).toFixed(1)} percent, ${short(p.flops)} FLOPs`;
  const made = node(
    "g",
    { class: "point", role: "radio", tabindex: -1, "aria-checked": false, "aria-label": words },
    node("line", { x1: x, x2: x, y1: low, y2: high }),
    node("circle", { cx: x, cy: y, r: 5 }),
    node("circle", { class: "reach", cx: x, cy: y, r: 11 }),
    node("title", {}, words),
  );
  made.dataset.id = p.architecture;
  return made;
}

/** Draw a student: a row per stage, a bar per block, as wide as its fraction of the teacher's channels. */
export function blocks(architecture, space) {
  const stages = architecture.split("_").map((stage) => stage.split("-").map(Number));
  const row = 44, label = 74, gap = 10;
  const wide = (WIDTH - label) / space.depth - gap;
  const svg = node("svg", {
    viewBox: `0 0 ${WIDTH} ${row * stages.length}`, role: "img",
    "aria-label": `Blocks by stage: ${stages.map((s, i) => `stage ${i + 1}: ${s.join(", ")} channels`).join("; ")}`,
  });
  stages.forEach((stage, i) => {
    const full = space.stages[i].options.at(-1), top = i * row;
    svg.append(node("text", { x: 0, y: top + 24 }, `stage ${i + 1}`));
    for (let slot = 0; slot < space.depth; slot++) {
      const left = label + slot * (wide + gap), width = stage[slot];
      svg.append(node("rect", { class: width ? "slot" : "slot-none", x: left, y: top + 6, width: wide, height: 16, rx: 4 }));
      if (!width) continue;
      svg.append(node("rect", { class: "block", x: left, y: top + 6, width: (wide * width) / full, height: 16, rx: 4 }));
      svg.append(node("text", { x: left, y: top + 37 }, `${width} of ${full} channels`));
    }
  });
  return svg;
}

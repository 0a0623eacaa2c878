// A student drawn: a row per stage, a bar per block, as wide as its fraction of the teacher's channels.
import { node } from "./svg.js";

export function blocks(architecture, space, width) {
  const stages = architecture.split("_").map((stage) => stage.split("-").map(Number));
  const narrow = width < 560;
  const row = 44, label = narrow ? 22 : 74, gap = narrow ? 6 : 10;
  const wide = (width - label) / space.depth - gap;
  const svg = node("svg", {
    width, height: row * stages.length, viewBox: `0 0 ${width} ${row * stages.length}`, role: "img",
    "aria-label": `Blocks by stage: ${stages.map((s, i) => `stage ${i + 1}: ${s.join(", ")} channels`).join("; ")}`,
  });
  stages.forEach((stage, i) => {
    const full = space.stages[i].options.at(-1), top = i * row;
    svg.append(node("text", { x: 0, y: top + 19 }, narrow ? `${i + 1}` : `stage ${i + 1}`));
    for (let slot = 0; slot < space.depth; slot++) {
      const left = label + slot * (wide + gap), channels = stage[slot];
      svg.append(node("rect", { class: channels ? "slot" : "slot-none", x: left, y: top + 6, width: wide, height: 16, rx: 4 }));
      if (!channels) continue;
      svg.append(node("rect", { class: "block", x: left, y: top + 6, width: (wide * channels) / full, height: 16, rx: 4 }));
      svg.append(node("text", { x: left, y: top + 37 }, narrow ? `${channels}/${full}` : `${channels} of ${full}${wide > 130 ? " channels" : ""}`));
    }
  });
  return svg;
}

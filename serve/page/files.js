// What is taken away from the page: tables, pictures, text on the clipboard.
import { made, node } from "./svg.js";
import { between, BYTES, interval } from "./words.js";

/** Hand a file to the browser. */
export function save(name, type, content) {
  const link = made("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** All points of a search as comma-separated values; accuracies are fractions. */
export function csv(points, teacher) {
  const head = ["what", "architecture", "accuracy", "low_90", "high_90", "gap_to_teacher", "flops", "flops_fraction", "parameters", "megabytes", "milliseconds"];
  const rows = points.map(({ p, kind }) => {
    const [low, high] = between(p) ? interval(p) : ["", ""];
    return [
      kind, p.architecture, p.accuracy, low, high, p.accuracy - teacher.accuracy,
      p.flops, p.flops / teacher.flops, p.parameters, (BYTES * p.parameters) / 1e6, p.milliseconds ?? "",
    ];
  });
  return [head, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "font-size", "font-family"];

/** A drawing as PNG, two real pixels to each, as it looks here and now, with lines of text above. */
export async function png(svg, texts) {
  const copy = svg.cloneNode(true), width = Number(svg.getAttribute("width")), height = Number(svg.getAttribute("height"));
  const copies = copy.querySelectorAll("*");
  svg.querySelectorAll("*").forEach((element, i) => {
    const look = getComputedStyle(element);
    for (const name of LOOKS) copies[i].setAttribute(name, look.getPropertyValue(name));
  });
  const page = getComputedStyle(svg.closest("section")), ink = getComputedStyle(document.body).color, above = 10 + 20 * texts.length;
  copy.setAttribute("viewBox", `0 ${-above} ${width} ${height + above}`);
  copy.setAttribute("height", height + above);
  copy.prepend(
    node("rect", { x: 0, y: -above, width, height: height + above, fill: page.backgroundColor }),
    ...texts.map((text, i) => node("text", { x: 10, y: 20 * (i + 1) - above, fill: ink, "font-size": "13px", "font-family": page.fontFamily }, text)),
  );
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  try {
    const picture = Object.assign(new Image(), { src: url });
    await picture.decode();
    const canvas = made("canvas", { width: 2 * width, height: 2 * (height + above) });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Copy a text; where the browser forbids it, select the element that shows it. Returns what to say. */
export async function copied(text, what, element) {
  try {
    await navigator.clipboard.writeText(text);
    return `Copied the ${what}.`;
  } catch {
    getSelection().selectAllChildren(element);
    return `Selected the ${what === "student's id" ? "id" : what}: press Ctrl+C.`;
  }
}

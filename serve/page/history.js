// Searches of before, kept in this browser: shown again, or beside another one.
import { $, made } from "./svg.js";
import { count, percent } from "./words.js";

const KEY = "dass.searches", MOST = 20;

/** Read them, newest first; a browser that keeps nothing has none. */
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

const same = (a, b) => JSON.stringify(a.request) === JSON.stringify(b.request);

/** Keep a search; the same one again takes the place of the former. */
export const keep = (entry) => write([entry, ...kept().filter((other) => !same(other, entry))].slice(0, MOST));

/** What a search was, in a line. */
export function summary({ request, reply, teacher }) {
  const best = reply.pareto.at(-1);
  const limits = [
    `${+(100 * request.max_flops_share).toFixed(1)} % of FLOPs`,
    ...(request.max_parameters ? [`${count(request.max_parameters)} parameters`] : []),
    ...(request.seed ? [`seed ${request.seed}`] : []),
    ...(request.algorithm === "random" ? ["random"] : []),
    ...(request.support?.length ? [`${request.support.length} measured`] : []),
  ];
  return `${teacher.short}, ${limits.join(", ")}: ${percent(best.accuracy)} at ${count(best.flops)}`;
}

/** List them; `show` and `compare` take one. */
export function list({ show, compare }) {
  const entries = kept();
  $("history").hidden = !entries.length;
  $("searches").replaceChildren(...entries.map((entry) => {
    const words = summary(entry), when = new Date(entry.at).toLocaleString();
    const button = (text, act) => {
      const it = made("button", { type: "button", className: "quiet", textContent: text, title: when });
      it.setAttribute("aria-label", `${text}: ${words}`);
      it.addEventListener("click", act);
      return it;
    };
    return made("li", {}, made("span", { textContent: words, title: when }), made(
      "div", { className: "buttons" },
      button("Show", () => show(entry)),
      button("Compare", () => compare(entry)),
      button("Forget", () => {
        write(kept().filter((other) => !same(other, entry)));
        list({ show, compare });
      }),
    ));
  }));
}

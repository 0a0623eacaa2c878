// The page: asks for a search, reads its progress line by line, draws what came of it.
import { blocks, front, interval } from "./draw.js";

const $ = (id) => document.getElementById(id);
const percent = (x) => `${(100 * x).toFixed(1)} %`;
const between = (p) => interval(p).map(percent).join(" to ");
export const count = (n) =>
  n >= 1e6 ? `${(n / 1e6).toFixed(2)} M` : n >= 1e4 ? `${(n / 1e3).toFixed(0)} k` : String(n);

let teachers = [];
let space = null;
let running = null;
let chosen = null;

function headers() {
  const token = sessionStorage.getItem("token");
  return token ? { authorization: `Bearer ${token}` } : {};
}

async function ask(path, options = {}) {
  const answer = await fetch(path, {
    ...options,
    headers: { ...headers(), ...(options.body ? { "content-type": "application/json" } : {}) },
  });
  if (answer.status === 401) $("locked").hidden = false;
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error?.message ?? answer.statusText);
  }
  return answer;
}

function say(text, failed = false) {
  $("status").textContent = text;
  $("status").classList.toggle("failed", failed);
}

async function load() {
  try {
    space = await (await ask("/v1/space")).json();
    teachers = (await (await ask("/v1/teachers")).json()).teachers;
  } catch (error) {
    say(error.message, true);
    return;
  }
  $("locked").hidden = true;
  const kept = $("teacher").value || "digits";
  $("teacher").replaceChildren(...teachers.map((t) => new Option(t.name, t.name)));
  if (teachers.some((t) => t.name === kept)) $("teacher").value = kept;
  say(teachers.length ? "" : "There is no teacher yet: register one (see API).", !teachers.length);
  show();
}

const teacher = () => teachers.find((t) => t.name === $("teacher").value);

function show() {
  const t = teacher();
  $("candidates-value").textContent = Number($("candidates").value).toLocaleString("en");
  if (!t) return;
  $("budget").min = Math.ceil((100 * t.smallest_flops) / t.flops);
  const fraction = $("budget").value / 100;
  $("budget-value").textContent = `${$("budget").value} % · ${count(fraction * t.flops)}`;
  $("budget").setAttribute("aria-valuetext", `${$("budget").value} percent of the teacher`);
  $("about").textContent =
    `${t.classes} classes, ${percent(t.accuracy)} on validation, ${count(t.flops)} FLOPs, ` +
    `${count(t.parameters)} parameters`;
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const parts = rest.split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
    if (done) return;
  }
}

async function search(event) {
  event.preventDefault();
  if ($("token").value) sessionStorage.setItem("token", $("token").value);
  if (!teachers.length) await load();
  const t = teacher();
  if (!t) return;
  running?.abort();
  running = new AbortController();
  $("go").disabled = true;
  $("stop").disabled = false;
  $("progress").value = 0;
  say("Searching…");
  try {
    const answer = await ask("/v1/search", {
      method: "POST",
      signal: running.signal,
      body: JSON.stringify({
        teacher: t.name,
        max_flops_share: $("budget").value / 100,
        candidates: Number($("candidates").value),
        algorithm: new FormData($("form")).get("algorithm"),
        stream: true,
      }),
    });
    for await (const reply of lines(answer.body)) {
      if (reply.error) throw new Error(reply.error.message);
      draw(reply, t);
      $("progress").value = reply.done ? 1 : reply.scored / reply.candidates;
      const by = reply.out_of_distribution ? ". This teacher is unlike all of meta-training: intervals are wider, the order less sure" : "";
      const so = `${reply.scored.toLocaleString("en")} candidates in ${reply.seconds.toFixed(1)} s`;
      say(reply.done ? `Done: ${so}${by}.` : `${so}…`);
    }
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped." : error.message, error.name !== "AbortError");
  } finally {
    $("go").disabled = false;
    $("stop").disabled = true;
  }
}

function draw(reply, t) {
  const best = reply.top[0];
  const there = reply.pareto.find((p) => p.architecture === chosen) ?? best;
  $("plot").replaceChildren(front(reply.pareto, t, (p) => choose(p, t)));
  $("rows").replaceChildren(
    ...reply.pareto.map((p) => {
      const row = document.createElement("tr");
      const cells = [
        p.architecture, percent(p.accuracy),
        p.uncertainty == null ? "" : between(p), count(p.flops), count(p.parameters),
      ];
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }),
  );
  $("table").hidden = false;
  const kept = chosen;
  choose(there, t);
  if (!reply.done) chosen = kept;
}

function choose(p, t) {
  chosen = p.architecture;
  for (const point of document.querySelectorAll(".point")) {
    const is = point.dataset.id === p.architecture;
    point.setAttribute("aria-checked", is);
    point.setAttribute("tabindex", is ? 0 : -1);
  }
  $("student").hidden = false;
  $("id").textContent = p.architecture;
  const facts = {
    "Predicted accuracy": percent(p.accuracy),
    ...(p.uncertainty == null ? {} : { "90 % interval": between(p) }),
    FLOPs: `${count(p.flops)} (${((100 * p.flops) / t.flops).toFixed(0)} % of the teacher)`,
    Parameters: `${count(p.parameters)} (${((100 * p.parameters) / t.parameters).toFixed(0)} %)`,
  };
  $("facts").replaceChildren(
    ...Object.entries(facts).map(([name, value]) => {
      const pair = document.createElement("div");
      pair.append(
        Object.assign(document.createElement("dt"), { textContent: name }),
        Object.assign(document.createElement("dd"), { textContent: value }),
      );
      return pair;
    }),
  );
  $("blocks").replaceChildren(blocks(p.architecture, space));
  const config = {
    space: space.name, architecture: p.architecture, num_classes: t.classes, teacher: t.name,
    predicted_accuracy: p.accuracy, uncertainty: p.uncertainty, flops: p.flops, parameters: p.parameters,
  };
  URL.revokeObjectURL($("download").href);
  const file = new Blob([JSON.stringify(config, null, 2)], { type: "application/json" });
  $("download").href = URL.createObjectURL(file);
}

async function copy() {
  const text = $("id").textContent;
  try {
    await navigator.clipboard.writeText(text);
    say("Copied the student's id.");
  } catch {
    getSelection().selectAllChildren($("id"));
    say("Selected the id: press Ctrl+C.");
  }
}

$("form").addEventListener("submit", search);
$("stop").addEventListener("click", () => running?.abort());
$("copy").addEventListener("click", copy);
for (const id of ["teacher", "budget", "candidates"]) $(id).addEventListener("input", show);
$("token").addEventListener("change", () => {
  sessionStorage.setItem("token", $("token").value);
  load();
});
load();

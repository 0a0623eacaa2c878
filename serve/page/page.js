// The page: asks for a search, follows it, and joins the parts.
import * as budget from "./budget.js";
import { copied, csv, png, save } from "./files.js";
import * as history from "./history.js";
import * as jobs from "./jobs.js";
import { address, fill, restore } from "./link.js";
import * as results from "./results.js";
import { waits } from "./role.js";
import * as running from "./running.js";
import * as runs from "./runs.js";
import * as searches from "./searches.js";
import { get, token } from "./service.js";
import * as students from "./students.js";
import { measured } from "./support.js";
import { $ } from "./svg.js";
import * as teachers from "./teachers.js";
import { count, megabytes, told } from "./words.js";

let space = null;
let of = null; // the search of the service that the form is of
let loading = null;
let file = null;
const asked = restore(location);

/** Say something where it is seen and, unless it is progress, heard. */
function say(text, { failed = false, heard = true } = {}) {
  $("status").textContent = text;
  $("status").classList.toggle("failed", failed);
  if (heard) $("live").textContent = text;
}

function fail(error) {
  if (error.name === "AbortError") return say("Stopped.");
  console.info(error.code ?? error.name, error.message);
  const smallest = teachers.chosen();
  const least = error.code === "InfeasibleBudget" && smallest
    ? ` The smallest student has ${count(smallest.smallest_flops)} FLOPs and ${count(smallest.smallest_parameters)} parameters (${megabytes(smallest.smallest_parameters)}).${budget.least()}` : "";
  if (error.code === "UnknownName") load();
  if (error.status === 401) {
    $("locked").hidden = false;
    $("token").value = "";
    $("token").focus();
  }
  say(told(error) + least, { failed: true });
  $("status").scrollIntoView({ block: "nearest" });
}

/** Fetch what the form needs, once at a time; resolves to whether it is there. */
function load(wanted) {
  loading ??= (async () => {
    try {
      space = await get("/v1/space");
      const { recipe, limits } = await get("/v1/predictor");
      teachers.kept(limits);
      results.about({ space, recipe, say });
      await Promise.all([budget.load(), jobs.load()]);
      await teachers.load(wanted);
    } catch (error) {
      fail(error);
      return false;
    } finally {
      loading = null;
    }
    $("locked").hidden = true;
    const none = !teachers.some();
    say(none ? "There is no teacher yet: add one below." : "", { failed: none });
    show();
    students.list(teachers.chosen()?.name, talk);
    history.refresh();
    return true;
  })();
  return loading;
}

/** Write beside the controls what they mean for this teacher. */
function show() {
  const t = teachers.chosen();
  $("candidates-value").textContent = Number($("candidates").value).toLocaleString("en");
  const most = budget.size(), read = measured($("measured").value);
  $("size-hint").textContent = Number.isNaN(most) ? "Write a number, such as 250k or 1.5M."
    : most === null ? "Without a number, any size. A megabyte holds 250,000 parameters of 4 bytes (float32)."
      : `${count(most)} parameters, ${megabytes(most)} at 4 bytes each (float32).`;
  $("measured-hint").textContent = read.wrong.length ? `Not understood: ${read.wrong[0].slice(0, 60)}`
    : read.students.length ? `${read.students.length} measured students go with the search.`
      : "Lines of architecture,accuracy,epochs, or JSON. Accuracy as 0.81 or 81 %; no epochs: the whole recipe.";
  waits("keep-students", !t || !read.students.length || read.wrong.length > 0);
  $("measured-hint").classList.toggle("failed", read.wrong.length > 0);
  $("size-hint").classList.toggle("failed", Number.isNaN(most));
  budget.show();
  jobs.offer(of !== null);
  if (!t) return;
  $("budget").min = Math.ceil((100 * t.smallest_flops) / t.flops);
  $("budget-value").textContent = `${$("budget").value} % · ${count(($("budget").value / 100) * t.flops)}`;
  $("budget").setAttribute("aria-valuetext", `${$("budget").value} percent of the teacher`);
  window.history.replaceState(null, "", address({ search: of }));
}

function request(t) {
  const most = budget.size(), { students, wrong } = measured($("measured").value);
  if (Number.isNaN(most) || wrong.length) $("more").open = true;
  if (Number.isNaN(most)) throw new Error("The size limit must be a number, such as 250k or 1.5M.");
  if (wrong.length) throw new Error(`A measured student must be architecture,accuracy,epochs, but one is: ${wrong[0].slice(0, 80)}`);
  return {
    teacher: t.name,
    max_flops_share: $("budget").value / 100,
    ...(most === null ? {} : { max_parameters: most }),
    candidates: Number($("candidates").value),
    algorithm: new FormData($("form")).get("algorithm"),
    seed: Number($("seed").value || 0),
    ...budget.asked(),
    ...(students.length ? { support: students } : {}),
  };
}

/** Remember which search of the service the form is of, and say so in the address. */
function known(id, request) {
  of = id;
  const t = request && teachers.some() && teachers.choose(request.teacher);
  if (t) {
    fill(request, t);
    students.list(t.name, talk);
  }
  show();
}

/** Show a search of before, as it was answered then. */
function again(entry) {
  running.halt();
  results.clear();
  if (!entry.reply) return running.open(entry.id);
  known(entry.stored ? entry.id : null, entry.request);
  results.draw(entry);
  say("Shown as it was answered then.");
}

/** Lay one beside that which is shown. */
async function compare(entry) {
  try {
    results.beside(entry.reply ? entry : await running.answer(entry.id));
  } catch (error) {
    fail(error);
  }
}

async function forget(entry) {
  try {
    await searches.forget(entry.id);
  } catch (error) {
    if (error.status !== 404) return fail(error);
  }
  history.drop(entry);
  if (of === entry.id) known(null);
  say("Forgot the search.");
}

async function search(t) {
  of = null;
  await running.search(t, () => request(t));
}

async function submit(event) {
  event.preventDefault();
  if ($("token").value) {
    await unlock();
    return;
  }
  if (!teachers.some() && !(await load())) return;
  const t = teachers.chosen();
  if (!t) return;
  if (matchMedia("(max-width: 50rem)").matches) $("students").scrollIntoView();
  await search(t);
}

async function unlock() {
  if (!$("token").value) return;
  token.set($("token").value);
  $("token").value = "";
  await load(asked.teacher);
}

/** Let the service keep what was pasted, for all later searches of the teacher. */
async function keepStudents() {
  const t = teachers.chosen();
  waits("keep-students", true);
  try {
    await students.keep(t.name, measured($("measured").value).students, talk);
    $("measured").value = "";
    say(`Kept for ${t.short}: every later search of it uses them.`);
  } catch (error) {
    fail(error);
  }
  show();
}

/** Another teacher: what is shown is of the former one. */
function changed() {
  running.halt();
  of = null;
  $("undo").hidden = true;
  $("progress").value = 0;
  results.clear();
  teachers.about();
  say("");
  show();
  students.list(teachers.chosen()?.name, talk);
}

async function copy(what, text, element) {
  say(await copied(text, what, element));
}

async function picture() {
  const marks = [...$("legend").children].filter((item) => !item.hidden).map((item) => item.textContent);
  const texts = [`${history.summary(results.current().shown)} · 90 % intervals`, marks.join(" · ")];
  save("students.png", "image/png", await png($("plot").querySelector("svg"), texts));
}

async function add(event) {
  event.preventDefault();
  if (!file) return say("Choose a safetensors file first.", { failed: true });
  waits("add", true);
  say("Uploading…");
  try {
    await teachers.upload(file, space.name);
    event.target.reset();
    file = null;
    $("file-name").textContent = "";
    changed();
    say(`Added ${teachers.chosen().short}.`);
  } catch (error) {
    fail(error);
  } finally {
    waits("add", false);
  }
}

function take(files) {
  if (!files.length) return;
  file = files[0];
  teachers.picked(file);
}

const talk = { changed, failed: fail, say };
$("form").addEventListener("submit", submit);
$("upload").addEventListener("submit", add);
$("stop").addEventListener("click", running.stop);
$("copy").addEventListener("click", () => copy("student's id", $("id").textContent, $("id")));
$("link").addEventListener("click", () => {
  $("address").textContent = address({ student: results.current().chosen, search: of });
  $("address").hidden = false;
  copy("link", $("address").textContent, $("address"));
});
$("csv").addEventListener("click", () => save("students.csv", "text/csv", csv(results.current().points, results.current().shown.teacher)));
$("png").addEventListener("click", picture);
$("axis").addEventListener("input", results.axis);
$("alone").addEventListener("click", results.alone);
$("remove").addEventListener("click", () => teachers.remove(talk));
$("undo-button").addEventListener("click", () => teachers.undo(talk));
$("deleted").addEventListener("toggle", () => teachers.deleted(talk));
$("keep-students").addEventListener("click", keepStudents);
$("file").addEventListener("change", () => take($("file").files));
for (const kind of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}
for (const kind of ["input", "change"]) {
  $("teacher").addEventListener(kind, () => $("teacher").value !== teachers.described() && changed());
}
/** The form is of no search once it is changed. */
function edited() {
  of = null;
  show();
}
for (const id of ["budget", "candidates", "size", "unit", "seed", "measured", "device", "ms"]) $(id).addEventListener("input", edited);
$("device").addEventListener("change", edited);
for (const radio of document.getElementsByName("algorithm")) radio.addEventListener("input", edited);
$("token").addEventListener("change", unlock);
running.begin({ say, failed: fail, known });
runs.begin();
jobs.begin({ say, failed: fail, search: () => of });
history.begin({ show: again, compare, forget });
const there = await load(asked.teacher);
if (asked.search && there) {
  if (asked.student) results.wish(asked.student);
  await running.open(asked.search);
} else if (there && asked.teacher && teachers.chosen()?.name !== asked.teacher) {
  say("The teacher of this link is not here. Choose another one.", { failed: true });
} else if (asked.student && teachers.chosen()) {
  results.wish(asked.student);
  await search(teachers.chosen());
}

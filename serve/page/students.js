// Measured students that the service keeps for a teacher: listed, added, forgotten.
import { permit } from "./role.js";
import { ask, get } from "./service.js";
import { $, made, renew } from "./svg.js";
import { percent } from "./words.js";

let latest = 0;

const path = (teacher) => `/v1/teachers/${encodeURIComponent(teacher)}/students`;
const trained = (epochs) => (epochs ? `after ${epochs} epochs` : "after the whole recipe");

/** List those of a teacher, or of none; one that is chosen meanwhile comes first. */
export async function list(teacher, talk) {
  const mine = ++latest;
  show([], teacher, talk);
  if (!teacher) return;
  try {
    const { students } = await get(path(teacher));
    if (mine === latest) show(students, teacher, talk);
  } catch (error) { // a service of before has none
    console.info("no measured students:", error.code ?? error.name);
  }
}

/** Keep more of a teacher, for every later search of whoever asks. */
export async function keep(teacher, students, talk) {
  const posted = students.map(({ architecture, validation_accuracy, epochs = 0 }) => ({ architecture, accuracy: validation_accuracy, epochs }));
  const answer = await ask(path(teacher), { json: { students: posted } });
  latest++;
  show((await answer.json()).students, teacher, talk);
}

async function forget(teacher, architecture, talk) {
  try {
    await ask(`${path(teacher)}/${architecture}`, { method: "DELETE" });
    await list(teacher, talk);
    talk.say(`Forgot ${architecture}.`);
    $("keep-students").focus();
  } catch (error) {
    talk.failed(error);
  }
}

function show(students, teacher, talk) {
  const found = Map.groupBy(students, (s) => s.architecture);
  $("kept").hidden = !students.length;
  $("kept-hint").textContent = `${students.length} measured students are kept for this teacher; every search of it uses them.`;
  renew($("kept-students"), [...found].map(([architecture, of]) => {
    const words = of.map((s) => `${percent(s.accuracy)} ${trained(s.epochs)}`).join(", ");
    const button = made("button", { type: "button", className: "quiet operator", textContent: "Forget" });
    button.setAttribute("aria-label", `Forget: ${architecture}`);
    button.addEventListener("click", () => forget(teacher, architecture, talk));
    const it = made("li", {}, made("code", { textContent: architecture }), ` ${words}`, made("div", { className: "buttons" }, button));
    it.dataset.of = teacher;
    return it;
  }));
  permit();
}

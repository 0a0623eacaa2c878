// A search under way: kept by the service and looked at, or streamed where it keeps none.
import * as history from "./history.js";
import * as results from "./results.js";
import * as searches from "./searches.js";
import { ask, get, lines } from "./service.js";
import { $ } from "./svg.js";
import * as teachers from "./teachers.js";

let running = null, followed = null;
let say = () => {}, failed = () => {}, known = () => {};

/** Told once: where messages go, and who is told which search of the service the page is of. */
export function begin(does) {
  ({ say, failed, known } = does);
}

function busy(is) {
  $("go").disabled = is;
  $("stop").disabled = !is;
  $("students").setAttribute("aria-busy", is);
}

/** Look at it no more, without a word. */
export function halt() {
  running?.abort();
  running = followed = null;
  busy(false);
}

/** End it, for everybody if the service keeps it. */
export async function stop() {
  const id = followed;
  running?.abort();
  if (id) await end(id);
}

async function end(id) {
  try {
    await searches.forget(id);
    known(null);
  } catch (error) {
    if (error.code === "NotAllowed") say("No longer followed here. The search goes on, since only the operator's token stops it; it is in the list.");
    else if (error.status !== 404) failed(error);
  }
  history.refresh();
}

/** Do what takes until an answer is there, one at a time; resolves to whether it came. */
async function during(work) {
  running?.abort();
  const mine = (running = new AbortController());
  followed = null;
  busy(true);
  $("progress").value = 0;
  try {
    await work(mine.signal, () => running === mine);
    return true;
  } catch (error) {
    if (running === mine || error.name !== "AbortError") failed(error);
    if (error.name !== "AbortError" && followed) history.refresh();
    return false;
  } finally {
    if (running === mine) {
      followed = null;
      busy(false);
    }
  }
}

/** Search; `request` makes what is asked, or throws what is wrong with it. */
export function search(teacher, request) {
  return during(async (signal, current) => {
    const json = request();
    say("Searching…");
    const kept = await searches.post(json);
    if (kept && signal.aborted && current()) await end(kept.id);
    signal.throwIfAborted();
    if (kept) await answered(await follow(kept.id, { teacher }, signal), signal);
    else await answered(await stream({ id: crypto.randomUUID?.() ?? String(Math.random()), at: Date.now(), request: json, teacher }, signal), signal);
  });
}

/** Show one that the service keeps; one that is under way is followed. */
export function open(id) {
  return during(async (signal) => {
    say("Fetching the search…", { heard: false });
    const entry = await follow(id, {}, signal, (request) => known(id, request));
    await answered(entry, signal);
  });
}

/** Return one that is done, without showing it. */
export async function answer(id) {
  const found = await get(`/v1/searches/${id}`);
  if (found.state !== "done") throw new Error("That search has no answer yet: show it to follow it.");
  const entry = searches.entry(found);
  return { ...entry, teacher: await teachers.facts(entry.request.teacher), reply: found.result };
}

/** Follow one of the service's to its end; returns what was found. */
async function follow(id, about, signal, asked = () => known(id)) {
  followed = id;
  let entry = null, state = "";
  for await (const found of searches.follow(id, signal)) {
    signal.throwIfAborted();
    if (found && !entry) {
      entry = { ...searches.entry(found), ...about };
      entry.teacher ??= await teachers.facts(entry.request.teacher);
      asked(entry.request);
    }
    if (found && found.state !== state && found.state !== "done") history.refresh(); // which tells it
    state = found?.state ?? state;
    if (!found) say("The service does not answer; it may be restarting. It keeps the search, and is asked again…", { heard: false });
    else if (found.state === "queued") say("Waiting for its turn…", { heard: false });
    else if (found.state === "running") progress(found.progress);
    else results.draw(Object.assign(entry, { reply: found.result }));
  }
  return entry;
}

/** Search in one call, a reply after every generation. */
async function stream(entry, signal) {
  for await (const reply of lines(await ask("/v1/search", { json: { ...entry.request, stream: true }, signal }))) {
    signal.throwIfAborted();
    results.draw(Object.assign(entry, { reply }));
    if (!reply.done) progress(reply);
  }
  if (!entry.reply?.done) throw Object.assign(new Error(), { code: "Cut" });
  return entry;
}

const so = ({ scored, seconds }) => `${scored.toLocaleString("en")} candidates in ${seconds.toFixed(1)} s`;

function progress(it) {
  $("progress").value = it.scored / it.candidates;
  say(`${so(it)}…`, { heard: false });
}

async function answered(entry, signal) {
  const alone = entry.stored ? "" : " The service does not keep it, this browser does.";
  $("progress").value = 1;
  say(`Done: ${so(entry.reply)}, ${entry.reply.pareto.length} students on the front.${alone}`);
  $("go").disabled = false;
  $("stop").disabled = true;
  await compareWithChoices(entry, signal);
  history.keep(entry);
  if (entry.stored) await history.refresh();
  else history.list();
}

/** Add what one would take without a search; its absence spoils nothing. */
async function compareWithChoices(entry, signal) {
  try {
    const choices = await (await ask("/v1/choices", { json: entry.request, signal })).json();
    Object.assign(entry, { choices });
    if (results.current().shown === entry) results.draw(entry);
  } catch (error) {
    console.info("no points to compare with:", error.code ?? error.name);
  }
}

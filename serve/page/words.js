// Numbers, names and errors in a user's words.
export const LEVEL = 0.9;
const REACH = 1.6448536; // standard deviations to either side that hold 90 % of a normal distribution
export const BYTES = 4; // of a parameter, as float32

export const percent = (x) => `${(100 * x).toFixed(1)} %`;
export const count = (n) =>
  n >= 1e9 ? `${+(n / 1e9).toFixed(2)} G` : n >= 1e6 ? `${+(n / 1e6).toFixed(2)} M`
    : n >= 1e3 ? `${+(n / 1e3).toPrecision(3)} k` : String(n);
export const megabytes = (parameters) => `${+((BYTES * parameters) / 1e6).toPrecision(3)} MB`;
export const points = (x) => `${x < 0 ? "−" : "+"}${Math.abs(100 * x).toFixed(1)} points`;

/** The 90 % interval of a prediction, within 0 and 1: the one that all of the page shows. */
export function interval(p) {
  const half = REACH * (p.uncertainty ?? 0);
  const clip = (accuracy) => Math.min(1, Math.max(0, accuracy));
  return [clip(p.accuracy - half), clip(p.accuracy + half)];
}
export const between = (p) => (p.uncertainty == null ? "" : interval(p).map(percent).join(" to "));

/** How much cheaper than a teacher a cost is. */
export function ratio(cost, whole) {
  const part = (100 * cost) / whole;
  return `${part < 10 ? part.toFixed(1) : part.toFixed(0)} % of the teacher, ${(whole / cost).toFixed(1)}× less`;
}

const OPAQUE = /-[0-9a-f]{8}\./;
/** Names for a list: what a teacher is of; the name itself only where somebody chose it. */
export function labels(teachers) {
  const seen = new Map();
  return teachers.map((t) => {
    const opaque = OPAQUE.test(t.name) && t.dataset;
    const dataset = t.dataset && t.dataset !== t.name && !opaque ? ` · ${t.dataset}` : "";
    const label = `${opaque ? t.dataset : t.name}${dataset} · ${t.classes} classes · ${percent(t.accuracy)}`;
    seen.set(label, (seen.get(label) ?? 0) + 1);
    return seen.get(label) > 1 ? `${label} (${seen.get(label)})` : label;
  });
}

export const UNLIKE =
  "This teacher is unlike those that the predictor learned from: the order of its students is less sure and the intervals are wider. " +
  "Measure a few students before you rely on it.";

const SILENT = "The service did not answer; it may be restarting. Try again in a moment.";
const WORDS = {
  NoAnswer: SILENT,
  Forgotten: "This search is not kept by the service, or was forgotten. Search again.",
  Interrupted: "The service was stopped during this search. Search again.",
  NotAllowed: "Your token may search and read; this needs the operator's.",
  Cut: "The service stopped answering in the middle of the search; it may be restarting. Search again in a moment.",
  Unauthenticated: "This service asks for a token: enter it above.",
  WrongToken: "The service does not know this token; it may have changed. Enter it again.",
  UnknownName: "This teacher is no longer there. Choose another one.",
  InfeasibleBudget: "No student is that small. Raise the budget.",
  TookTooLong: "The search took longer than this service allows. Try fewer candidates, or later.",
  Overloaded: "The service is busy with other searches. Try again in a few seconds.",
  Unavailable: "A part of the service does not answer at the moment. Try again in a moment.",
  StorageError: "The service cannot reach its store at the moment. Try again in a moment.",
  CorruptArtifact: "This teacher's files are broken. Choose another one; the service's log says more.",
  AlreadyExists: "Another teacher has that name already. Choose another name.",
  InternalError: "The service failed at this request; its log says why.",
};

/** What a user is told of an error; a refusal about a value of theirs keeps the service's own words. */
export function told(error) {
  if (error.code in WORDS) return WORDS[error.code];
  if (error.status >= 500) return SILENT;
  return error.message ? `${error.message[0].toUpperCase()}${error.message.slice(1)}` : SILENT;
}

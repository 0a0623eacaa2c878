// The state of the form as an address, so that it can be kept, sent and opened again. Never the token.
import * as budget from "./budget.js";
import { $ } from "./svg.js";
import { measured, written } from "./support.js";

const FIELDS = { teacher: "teacher", flops: "budget", size: "size", unit: "unit", candidates: "candidates", seed: "seed", device: "device", ms: "ms" };
const DEFAULTS = { flops: "50", size: "", unit: "parameters", candidates: "1000", seed: "0", algorithm: "evolution" };

/** Write the form; what stands at its default is left out. `search` is one that the service keeps. */
export function address({ student, search } = {}) {
  const found = new URLSearchParams();
  const put = (key, value) => value && value !== DEFAULTS[key] && found.set(key, value);
  for (const [key, id] of Object.entries(FIELDS)) put(key, $(id).value);
  put("algorithm", new FormData($("form")).get("algorithm"));
  put("measured", written(measured($("measured").value).students));
  put("student", student);
  const query = found.toString();
  return `${location.origin}${location.pathname}${query && `?${query}`}${search ? `#search=${search}` : ""}`;
}

/** Fill the form with a request; `flops` are those of its teacher. */
export function fill(request, { flops }) {
  const share = request.max_flops_share ?? (request.max_flops ? request.max_flops / flops : 1);
  $("budget").value = Math.round(100 * share);
  $("size").value = request.max_parameters ?? "";
  $("unit").value = "parameters";
  budget.fill(request);
  $("candidates").value = request.candidates;
  $("seed").value = request.seed;
  $("measured").value = written(request.support ?? []).replaceAll(";", "\n");
  for (const radio of document.getElementsByName("algorithm")) radio.checked = radio.value === request.algorithm;
  const unusual = request.seed || request.max_parameters || request.support?.length || request.algorithm !== DEFAULTS.algorithm;
  if (unusual) $("more").open = true;
}

/** Fill the form with an address; the teacher is chosen once the list is there. */
export function restore({ search, hash }) {
  const found = new URLSearchParams(search);
  for (const [key, id] of Object.entries(FIELDS)) {
    if (found.has(key) && key === "device") budget.choose(found.get(key));
    else if (found.has(key) && key !== "teacher") $(id).value = found.get(key);
  }
  for (const radio of document.getElementsByName("algorithm")) {
    if (radio.value === found.get("algorithm")) radio.checked = true;
  }
  if (found.has("measured")) $("measured").value = found.get("measured").replaceAll(";", "\n");
  if (["size", "seed", "algorithm", "measured"].some((key) => found.has(key))) $("more").open = true;
  return { teacher: found.get("teacher"), student: found.get("student"), search: new URLSearchParams(hash.slice(1)).get("search") };
}

// What to type next: lines for a shell, with placeholders in capitals for what the page cannot know.
const PRESETS = ["micro", "small", "paper"];

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** Train this student, by distillation from its teacher. */
export function distill({ space, teacher, recipe, architecture }) {
  const preset = PRESETS.includes(space) ? space : "small";
  return `dass distill ${preset} --store STORE --teacher ${quoted(teacher)} --architecture ${quoted(architecture)} --recipe-name ${quoted(recipe)}`;
}

/** Do the whole for a network and pictures of one's own, in the same budget. */
export function compress({ request }) {
  const budget = [
    ...(request.max_flops_share ? [`--max-flops-fraction ${request.max_flops_share}`] : []),
    ...(request.max_parameters ? [`--max-parameters ${request.max_parameters}`] : []),
    ...(request.max_latency_ms ? [`--max-latency-ms ${request.max_latency_ms} --latency TABLE.json`] : []),
    ...(request.max_latency_ms && request.precision ? [`--latency-precision ${request.precision}`] : []),
    ...(request.max_latency_ms && request.batch ? [`--latency-batch ${request.batch}`] : []),
  ].join(" ");
  return `dass compress --teacher torchvision:NAME --weights FILE.safetensors --data folder:PICTURES --into FOLDER ${budget}`.trim();
}

/** Ask the same from a shell; the token is read from the environment, never written out. */
export function curl({ request, locked }) {
  const token = locked ? ' -H "authorization: Bearer $DASS_TOKEN"' : "";
  return `curl -s ${location.origin}/v1/search -H 'content-type: application/json'${token} -d ${quoted(JSON.stringify(request))}`;
}

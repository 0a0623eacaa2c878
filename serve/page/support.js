// Measured students, pasted: lines "architecture,accuracy,epochs" or JSON.
const ID = /^\d+(-\d+)*(_\d+(-\d+)*)*$/;

/** Read them; the epochs are taken but not sent, since the service asks for accuracies alone. */
export function measured(text) {
  const students = [], wrong = [];
  for (const [line, architecture, accuracy] of rows(text.trim())) {
    const value = fraction(accuracy);
    if (ID.test(architecture) && value >= 0 && value <= 1) students.push({ architecture, validation_accuracy: value });
    else wrong.push(line);
  }
  return { students, wrong };
}

/** Write them on one line, for an address. */
export const written = (students) => students.map((s) => `${s.architecture},${s.validation_accuracy}`).join(";");

function fraction(text) {
  const found = /^([\d.]+)\s*(%?)$/.exec(String(text ?? "").trim());
  return found ? Number(found[1]) / (found[2] ? 100 : 1) : NaN;
}

function rows(text) {
  if (!text) return [];
  if (text.startsWith("[") || text.startsWith("{")) {
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      found = text.split("\n").map(object).filter((row) => row !== null);
    }
    return [found].flat().map((row) => [JSON.stringify(row), row.architecture, row.accuracy ?? row.validation_accuracy]);
  }
  return text.split("\n").map((line) => line.trim()).filter((line) => line && !/^architecture\b/.test(line))
    .map((line) => [line, ...line.split(/[,;\t]/).map((cell) => cell.trim())]);
}

function object(line) {
  if (!line.trim()) return null;
  try {
    return JSON.parse(line);
  } catch {
    return { line };
  }
}

// Measured students, pasted: lines "architecture,accuracy,epochs" or JSON.
const ID = /^\d+(-\d+)*(_\d+(-\d+)*)*$/;

/** Read them as a request's `support`; a student without epochs was trained by the whole recipe. */
export function measured(text) {
  const students = [], wrong = [];
  for (const [line, architecture, accuracy, trained] of rows(text.trim())) {
    const value = fraction(accuracy), epochs = whole(trained);
    if (ID.test(architecture) && value >= 0 && value <= 1 && epochs >= 0) {
      students.push({ architecture, validation_accuracy: value, ...(epochs ? { epochs } : {}) });
    } else wrong.push(line);
  }
  return { students, wrong };
}

/** Write them on one line, for an address. */
export const written = (students) => students.map((s) => [s.architecture, s.validation_accuracy, ...(s.epochs ? [s.epochs] : [])].join(",")).join(";");

function fraction(text) {
  const found = /^([\d.]+)\s*(%?)$/.exec(String(text ?? "").trim());
  return found ? Number(found[1]) / (found[2] ? 100 : 1) : NaN;
}

/** Epochs; 0 where nothing is said, NaN where it is no whole number. */
const whole = (text) => (/^\d*$/.test(String(text ?? "").trim()) ? Number(text ?? 0) : NaN);

function rows(text) {
  if (!text) return [];
  if (text.startsWith("[") || text.startsWith("{")) {
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      found = text.split("\n").map(object).filter((row) => row !== null);
    }
    return [found].flat().map((row) => [JSON.stringify(row), row.architecture, row.accuracy ?? row.validation_accuracy, row.epochs]);
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

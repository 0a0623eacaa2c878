// Elements of HTML and SVG, and scales.
export const $ = (id) => document.getElementById(id);

export function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Write a list again: a row equal to one that is there stays where it is, with its focus and what it listens to. */
export function renew(list, rows) {
  const left = [...list.children];
  const wanted = rows.map((row) => {
    const same = left.findIndex((it) => it.isEqualNode(row));
    return same < 0 ? row : left.splice(same, 1)[0];
  });
  for (const it of left) it.remove();
  let at = list.firstElementChild;
  for (const it of wanted) {
    if (it === at) at = at.nextElementSibling;
    else list.insertBefore(it, at);
  }
}

export function node(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Round values between two bounds, about so many. */
export function ticks(low, high, number) {
  const rough = (high - low) / number;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let x = Math.ceil(low / step) * step; x <= high + step / 1e6; x += step) found.push(x);
  return found;
}

/** Round values on a logarithmic scale, as many as there is room for. */
export function logTicks(low, high, most) {
  const choices = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]];
  let found = [];
  for (const mantissas of choices) {
    const some = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const m of mantissas) if (m * 10 ** e >= low && m * 10 ** e <= high) some.push(m * 10 ** e);
    }
    if (some.length > most && found.length) break;
    found = some.length > most ? some.filter((_, i) => i % 2 === 0) : some;
  }
  return found;
}

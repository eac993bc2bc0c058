/** Paths as viewers send them, and as objects are called. */
const UNSAFE = /%(?:2f|5c|00)/i;
export const ROOT = '/';

export function isSafe(path) {
  return path.charAt(0) === ROOT && !UNSAFE.test(path) && path.indexOf('\\') < 0;
}

export function segments(path) {
  return path.split(ROOT).filter(function (part) {
    return part !== '';
  });
}

export function normalize(path) {
  const out = [];
  const parts = segments(path);
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part === '.' || part === '%2e') {
      continue;
    }
    if (part === '..' || part.toLowerCase() === '%2e%2e') {
      out.pop();
      continue;
    }
    out.push(part);
  }
  const slash = path.endsWith(ROOT) && out.length > 0 ? ROOT : '';
  return ROOT + out.join(ROOT) + slash;
}

export function join() {
  return normalize(Array.prototype.slice.call(arguments).join(ROOT));
}

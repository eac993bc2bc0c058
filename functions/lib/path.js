// What a path is, read as it was typed.

// Pages that read the rest of their path themselves. The uri they are given is made of nothing a visitor
// typed, so that all their visitors share one cached object.
const appPages = { track: '/track/index.html', book: '/book/index.html' };

// `/track`, `/track/`, `/track/{token}` and `/track/{token}/`, and the same for `/book`.
//
// Case counts, as it does in the names of objects. Of a token we only ask that it is one part of a path and no
// file: no dot, no slash, no backslash, no control character, and none of these in disguise. A lone `%`
// or `%ff` is nothing we decode: the page says that there is no such job, which is more than the origin would.
//
// Two plain expressions, not one with a look-ahead at each letter: the edge's engine gives up on the repetition of a
// group after some thousand turns, and a path may have eight thousand characters.
const app = /^\/(track|book)(?:\/([^/.\\\u0000-\u0020\u007f]*)\/?)?$/;
const disguised = /%(?:[01][0-9a-f]|2[ef]|5c|7f)/i;

export function appPage(uri) {
  const match = app.exec(uri);
  return match !== null && !disguised.test(match[2] || '') ? appPages[match[1]] : undefined;
}

// Only as it is written: `//api/` is not the API, but an odd path like any other.
export function isApi(uri) {
  return uri === '/api' || uri.startsWith('/api/');
}

// Longer paths than any page of ours has: not worth a redirect that repeats them.
const longest = 1024;

// Paths that mean what they say: no empty part (`//` begins another site's name), no part that begins with a dot
// (`..`, `/.well-known/` with its files without extensions), no backslash, which browsers take for a slash, no
// blank or control character, and no escape that is malformed or hides any of these, or a letter or digit.
const odd = /\/[/.]|[\\\u0000-\u0020\u007f]|%(?![0-9a-f][0-9a-f])|%(?:[01]|2[def]|3[0-9]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9aef])/i;

export function isPlain(uri) {
  return uri.length <= longest && !odd.test(uri);
}

// Whether the last part has an extension.
export function isFile(uri) {
  return uri.lastIndexOf('.') > uri.lastIndexOf('/');
}

// Everything a page writes goes through `textContent`: no string from a job is ever parsed as HTML.

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/** Show the one child of `root` for this state, hide its siblings. */
export function show(root, state) {
  for (const part of root.querySelectorAll('[data-show]')) part.hidden = part.dataset.show !== state;
}

/** Write `text` into every element of `root` marked `data-f="name"`. */
export function fill(root, name, text) {
  for (const place of root.querySelectorAll(`[data-f="${name}"]`)) place.textContent = text ?? '';
}

/** The words for `id` in a list the page carries, such as #windows. */
export function words(list, id) {
  return byId(list)?.querySelector(`[data-id="${CSS.escape(id ?? '')}"]`)?.textContent ?? id ?? '';
}

/** A copy of the first element in a template. */
export function clone(id) {
  return byId(id).content.firstElementChild.cloneNode(true);
}

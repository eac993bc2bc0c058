import { byId } from './dom.js';

let timer = 0;

/** Say it to screen readers, after the focus change that often goes with it: they drop what is said during one. */
export function announce(text) {
  const place = byId('live');
  // Everything outside an open dialog is inert, and silent.
  const dialog = document.querySelector('dialog[open]');
  if (dialog && !dialog.contains(place)) dialog.append(place);
  clearTimeout(timer);
  place.textContent = '';
  timer = setTimeout(() => {
    place.textContent = text;
  }, 1000);
}

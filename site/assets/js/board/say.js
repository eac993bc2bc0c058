// Saying what happened: to the eye at the edge of the window, to screen readers through the live region.

import { byId } from '../lib/dom.js';
import { announce } from '../lib/live.js';

const box = byId('toast');
let timer = 0;
let stands = () => true;

/** @param {string} text @param {() => void} [undo] @param {() => boolean} [still] whether that can still be undone */
export function say(text, undo, still = () => true) {
  stands = still;
  box.querySelector('p').textContent = text;
  byId('undo').hidden = !undo;
  byId('undo').onclick = undo ? () => (hush(), undo()) : null;
  [...document.querySelectorAll('dialog[open]')].at(-1)?.append(box);
  box.hidden = false;
  announce(text);
  clearTimeout(timer);
  timer = setTimeout(fade, 20000);
}

/** Take the message away if what it offers to undo is no longer the last that happened. */
export function outdate() {
  if (box.hidden || stands()) return;
  clearTimeout(timer);
  fade();
}

/** Nobody is interrupted on the way to the button. */
function fade() {
  if (box.matches(':hover') || box.contains(document.activeElement)) timer = setTimeout(fade, 5000);
  else box.hidden = true;
}

export function hush() {
  const held = box.contains(document.activeElement);
  box.hidden = true;
  if (held) (document.querySelector('dialog[open] h2') ?? byId('find')).focus();
}

byId('dismiss').addEventListener('click', hush);

// A dialog lends the message its place while it is open: outside, nothing could be read or pressed.
for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('close', () => byId('dispatch').append(box, byId('live')));
}

// One job, whole: whom to call, where, what has happened, and the changes that are not a step forward.

import { byId, clone, fill, words } from '../lib/dom.js';
import { sayDay, sayMoment } from '../lib/time.js';
import { fillEdit, priceOf, sayPhone } from './forms.js';
import { jobOf, step, titleOf } from './jobs.js';

const drawer = byId('job');
let id = '';

export const openJob = () => (drawer.open ? id : '');
export const linkOf = (job) => new URL(job.tracking_url, location.href).href;

const deeds = {
  book: () => 'booked it',
  move: ({ to }) => `moved it to ${step(to).label}`,
  undo: ({ from, to }) => (from === to ? 'took the cancellation back' : `took it back to ${step(to).label}`),
  cancel: () => 'canceled it',
  edit: ({ note }) => `changed ${note}`,
  link: () => 'made a new tracking link',
  purge: () => 'removed the customer’s data',
};

function said(event) {
  const who = event.who ?? (event.kind === 'book' ? 'The customer' : 'The system');
  const note = event.kind !== 'edit' && event.note ? `: ${event.note}` : '';
  return `${who} ${deeds[event.kind]?.(event) ?? event.kind}${note}`;
}

function button(label, act, kind = '') {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = `button ${kind}`;
  made.textContent = label;
  made.dataset.act = act;
  return made;
}

/** A link for the phone in the hand; nothing where there is no number left. */
function reach(name, href, text) {
  const link = drawer.querySelector(`[data-f="${name}"]`);
  link.hidden = !href;
  link.href = href || '#';
  if (text) link.textContent = text;
}

export function redrawJob() {
  if (!drawer.open) return;
  const job = jobOf(id);
  if (!job) {
    drawer.close();
    return;
  }
  const { street, city, state, zip } = job.address;
  const where = [street, city, `${state} ${zip}`].filter(Boolean).join(', ');
  fill(drawer, 'title', titleOf(job));
  drawer.querySelector('[data-f="pill"]').replaceChildren(clone(`pill-${job.canceled_at ? 'canceled' : job.status}`));
  byId('look').hidden = !job.needs_review || Boolean(job.canceled_at);
  byId('gone').hidden = !job.canceled_at;
  fill(drawer, 'reason', job.cancel_reason);
  fill(drawer, 'name', job.name);
  fill(drawer, 'where', where);
  fill(drawer, 'when', `${sayDay(job.window.date)}, ${words('windows', job.window.part)}`);
  fill(drawer, 'what', `${job.service_label}, ${priceOf(job)}`);
  fill(drawer, 'details', job.details);
  fill(drawer, 'access', job.access ?? 'Nothing noted');
  const message = job.tracking_url && `Your pickup: ${linkOf(job)}`;
  reach('call', job.phone && `tel:${job.phone}`, `Call ${sayPhone(job.phone)}`);
  reach('text', job.phone && message && `sms:${job.phone}?body=${encodeURIComponent(message)}`);
  reach('mail', job.email && `mailto:${encodeURIComponent(job.email)}`, job.email);
  reach('map', street && `https://www.google.com/maps/search/?api=1&query=${encodeURIComponent(where)}`);
  byId('copy').hidden = !job.tracking_url;
  fill(drawer, 'link', job.link_ends ? `Works until ${sayMoment(job.link_ends)}. A new link turns the old one off at once.` : 'A new link turns the old one off at once.');

  const moves = [];
  const { verb, next } = step(job.status);
  if (verb && !job.canceled_at) moves.push(button(verb, next));
  if (job.canceled_at) moves.push(button('Take the cancellation back', 'undo', 'quiet'));
  else if (job.status !== 'submitted') moves.push(button('Undo the last step', 'undo', 'quiet'));
  const place = drawer.querySelector('[data-f="moves"]');
  const held = place.contains(document.activeElement);
  // The buttons that are right already stay, and with them the focus and a finger that is on its way down.
  const same = moves.map(({ dataset }) => dataset.act).join() === [...place.children].map(({ dataset }) => dataset.act).join();
  if (!same) place.replaceChildren(...moves);
  if (held && !same) (place.querySelector('button') ?? byId('job-title')).focus();

  fillEdit(job);
  byId('cancel').hidden = Boolean(job.canceled_at) || job.status === 'completed';
  drawer.querySelector('.history').replaceChildren(
    ...job.history.map((event) => {
      const line = clone('event');
      line.querySelector('time').dateTime = event.at;
      line.querySelector('time').textContent = sayMoment(event.at);
      line.querySelector('span').textContent = said(event);
      return line;
    }),
  );
}

export function refuse(text) {
  const place = drawer.querySelector('[data-f="refusal"]');
  place.textContent = text;
  place.hidden = !text;
}

/** Ask why an old step is taken back. */
export function askForNote() {
  byId('back').hidden = false;
  byId('note').focus();
}

export function noteGiven() {
  byId('back').hidden = true;
  byId('back').reset();
}

export function openDrawer(which) {
  id = which;
  refuse('');
  noteGiven();
  byId('cancel').reset();
  byId('edit-box').open = false;
  fillEdit(jobOf(id), true);
  if (!drawer.open) drawer.showModal();
  redrawJob();
  drawer.scrollTop = 0;
  byId('job-title').focus();
}

for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('click', (event) => {
    if (event.target.closest('[data-close]')) dialog.close();
  });
  // The dialog itself is only hit outside its pane: on the backdrop. Pressed and let go there, since a text
  // that is selected with the pointer may end outside.
  let outside = false;
  dialog.addEventListener('pointerdown', (event) => (outside = event.target === dialog));
  dialog.addEventListener('pointerup', (event) => outside && event.target === dialog && dialog.id !== 'again' && dialog.close());
}

// The columns. Every card is one element for as long as its job is on the board, so that focus and a drag
// survive a redraw.

import { statuses } from 'qdn:statuses';
import { byId, clone, fill, words } from '../lib/dom.js';
import { dayAfter, dayOf, sayDay, today } from '../lib/time.js';
import { allJobs, isPending, jobOf, mayMove, step, titleOf } from './jobs.js';

const page = byId('dispatch');
const board = byId('board');
/** @type {Map<string, HTMLElement>} */
const cards = new Map();
/** The job under the pointer, while it is dragged: until it is dropped nothing on the board moves. */
let dragged;
let missed = false;

export const view = { filter: 'all', query: '', readOnly: false };

const isLate = (job) => !job.canceled_at && job.status !== 'completed' && job.window.date < today();
const isToday = (job) => !job.canceled_at && job.window.date === today();
/** Done for a week: folded away, so that the column shows what is new. A step on its way has no time yet. */
const isOld = (job) => job.status === 'completed' && Boolean(job.completed_at) && dayOf(job.completed_at) < dayAfter(-7);

const filters = { all: () => true, today: isToday, late: isLate };

function matches(job) {
  const { street, city, zip } = job.address;
  const text = [street, city, zip, job.name, job.phone].join(' ').toLowerCase();
  return view.query.toLowerCase().split(/\s+/).every((word) => {
    // "(619) 555-0142" is kept as +16195550142.
    const digits = word.replace(/[()+.-]/g, '');
    return text.includes(word) || (/^\d+$/.test(digits) && text.includes(digits));
  });
}

function draw(job) {
  let card = cards.get(job.id);
  if (!card) {
    card = clone('card');
    card.dataset.id = job.id;
    cards.set(job.id, card);
  }
  const title = titleOf(job);
  card.querySelector('h3 button').textContent = title;
  card.querySelector('.more').setAttribute('aria-label', `More about ${title}`);
  fill(card, 'what', job.service_label);
  fill(card, 'name', job.name);
  fill(card, 'city', job.address.city);
  const when = card.querySelector('time');
  when.dateTime = job.window.date;
  when.textContent = `${job.window.date === today() ? 'Today' : sayDay(job.window.date)}, ${words('windows', job.window.part)}`;
  card.querySelector('.late').hidden = !isLate(job);
  card.querySelector('.look').hidden = !job.needs_review || Boolean(job.canceled_at);
  const why = card.querySelector('.why');
  why.hidden = !job.canceled_at;
  why.textContent = job.cancel_reason ?? '';
  const next = card.querySelector('[data-do="next"]');
  const { verb } = step(job.status);
  next.hidden = !verb || Boolean(job.canceled_at);
  next.textContent = verb ?? '';
  next.setAttribute('aria-label', `${verb}: ${title}`);
  next.setAttribute('aria-disabled', String(view.readOnly));
  card.draggable = !next.hidden && !view.readOnly && matchMedia('(min-width: 44rem)').matches;
  card.toggleAttribute('data-pending', isPending(job.id));
  card.setAttribute('aria-busy', String(isPending(job.id)));
  return card;
}

/** Put exactly these cards into the list, and touch only what is out of place. */
function arrange(list, wanted) {
  wanted.forEach((card, index) => {
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
  });
  while (list.children.length > wanted.length) list.lastElementChild.remove();
}

const count = (name, number) => {
  for (const place of document.querySelectorAll(`[data-n="${name}"]`)) place.textContent = number;
};

/** What is due first is on top; of what is done, the latest. */
const age = (job) => `${job.window.date} ${job.submitted_at} ${job.id}`;
const byAge = (a, b) => (age(a) < age(b) ? -1 : 1);
const end = (job) => job.completed_at ?? '~';
const byEnd = (a, b) => (end(a) > end(b) ? -1 : 1);

export function redraw() {
  if (dragged) {
    missed = true;
    return;
  }
  const focused = document.activeElement;
  const all = allJobs().sort(byAge);
  const open = all.filter((job) => !job.canceled_at);
  const found = open.filter(matches);
  const shown = found.filter(filters[view.filter]);
  for (const [name, test] of Object.entries(filters)) fill(page, `n-${name}`, found.filter((job) => test(job) && !isOld(job)).length);
  for (const { id, next } of statuses) {
    const column = board.querySelector(`[data-column="${id}"]`);
    const here = shown.filter((job) => job.status === id);
    const now = here.filter((job) => !isOld(job));
    if (!next) now.sort(byEnd);
    arrange(column.querySelector('ul'), now.map(draw));
    column.querySelector('.none').hidden = now.length > 0;
    count(id, now.length);
    if (!next) fold(byId('older'), here.filter(isOld).sort(byEnd));
  }
  fold(byId('tray'), all.filter((job) => job.canceled_at && matches(job)));
  for (const [id] of cards) if (!jobOf(id)) cards.delete(id);
  // A card that changes columns leaves the document for a moment, and takes the focus with it.
  if (focused === document.activeElement || !focused?.isConnected) return;
  // On a phone it has gone to a column that is not on show, and at the end no step is left to press for.
  const places = [focused, focused.closest('li')?.querySelector('h3 button'), page.querySelector('.tabs [aria-pressed="true"]'), byId('find')];
  places.find((place) => {
    place?.focus();
    return place === document.activeElement;
  });
}

function fold(details, jobs) {
  details.hidden = jobs.length === 0;
  fill(details, 'n', jobs.length);
  arrange(details.querySelector('ul'), jobs.map(draw));
}

/** Show where a card went, and keep the keyboard on it when it was there. */
export function settle(id) {
  const card = cards.get(id);
  if (!card?.isConnected) return;
  card.removeAttribute('data-moved');
  requestAnimationFrame(() => card.setAttribute('data-moved', ''));
  if (card.contains(document.activeElement)) {
    const button = card.querySelector('[data-do="next"]');
    (button.hidden ? card.querySelector('h3 button') : button).focus();
  }
}

/** Where the keyboard goes when what it was on is gone. */
export const focusCard = (id) => cards.get(id)?.querySelector('h3 button').focus();

export function placeOf(id) {
  const list = [...(cards.get(id)?.parentElement?.children ?? [])];
  return { index: list.findIndex((card) => card.dataset.id === id) + 1, of: list.length };
}

/**
 * Dragging is a shortcut for the button on the card, never the only way.
 * @param {(job: any, to: string) => void} drop
 * @param {(job: any, to: string) => void} refuse
 */
export function dragging(drop, refuse) {
  /** The column under the pointer. */
  let over = '';
  let dropped = false;
  const columns = [...board.querySelectorAll('[data-column]')];

  board.addEventListener('dragstart', (event) => {
    dragged = jobOf(event.target.closest?.('[data-id]')?.dataset.id);
    if (!dragged) return;
    over = '';
    dropped = false;
    event.dataTransfer.effectAllowed = 'move';
    event.dataTransfer.setData('text/plain', titleOf(dragged));
    for (const column of columns) {
      const to = column.dataset.column;
      if (to !== dragged.status) column.dataset.drop = mayMove(dragged, to) ? 'yes' : 'no';
    }
  });
  document.addEventListener('dragover', (event) => {
    if (!dragged) return;
    const column = event.target.closest?.('[data-column]');
    over = column?.dataset.column ?? '';
    for (const one of columns) one.toggleAttribute('data-over', one === column);
    if (column?.dataset.drop !== 'yes') return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'move';
  });
  board.addEventListener('drop', (event) => {
    if (!dragged) return;
    event.preventDefault();
    dropped = true;
  });
  board.addEventListener('dragend', () => {
    for (const column of columns) {
      delete column.dataset.drop;
      column.removeAttribute('data-over');
    }
    const id = dragged?.id;
    dragged = undefined;
    if (missed) redraw();
    missed = false;
    // As it stands now: it may have been moved by someone else while it hung in the air.
    const job = id && jobOf(id);
    if (!job || !over || over === job.status) return;
    if (dropped && mayMove(job, over)) drop(job, over);
    else refuse(job, over);
  });
}

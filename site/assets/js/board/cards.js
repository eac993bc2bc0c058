// The columns. Every card is one element for as long as its job is on the board, so that focus, a drag and a
// half-typed word survive a redraw.

import { statuses } from 'qdn:statuses';
import { byId, clone, fill, words } from '../lib/dom.js';
import { sayDay, today } from '../lib/time.js';
import { allJobs, isPending, jobOf, mayMove, step, titleOf } from './jobs.js';

const board = byId('board');
const cards = new Map();

export const view = { filter: 'all', query: '', readOnly: false };

const isLate = (job) => !job.canceled_at && job.status !== 'completed' && Boolean(job.window?.date) && job.window.date < today();
const isToday = (job) => !job.canceled_at && job.window?.date === today();

const filters = { all: () => true, today: isToday, late: isLate };

function matches(job) {
  const text = [job.address?.street, job.address?.city, job.address?.zip, job.name, job.phone].join(' ').toLowerCase();
  return view.query.toLowerCase().split(/\s+/).every((word) => text.includes(word));
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
  fill(card, 'what', job.service_label ?? words('services', job.service));
  fill(card, 'name', job.name);
  const when = card.querySelector('time');
  when.dateTime = job.window?.date ?? '';
  when.textContent = job.window?.date ? `${sayDay(job.window.date)}, ${words('windows', job.window.part)}` : 'no day yet';
  card.querySelector('.late').hidden = !isLate(job);
  const next = card.querySelector('[data-do="next"]');
  const { verb } = step(job.status) ?? {};
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

const age = (job) => `${job.window?.date ?? '9'} ${job.submitted_at ?? ''}`;

export function redraw() {
  const focused = document.activeElement;
  const page = byId('dispatch');
  const all = allJobs().sort((a, b) => (age(a) < age(b) ? -1 : 1));
  const open = all.filter((job) => !job.canceled_at);
  const shown = open.filter((job) => filters[view.filter](job) && matches(job));
  for (const [name, test] of Object.entries(filters)) fill(page, `n-${name}`, open.filter(test).length);
  for (const { id } of statuses) {
    const column = board.querySelector(`[data-column="${id}"]`);
    const here = shown.filter((job) => job.status === id);
    arrange(column.querySelector('ul'), here.map(draw));
    column.querySelector('.none').hidden = here.length > 0;
    count(id, here.length);
  }
  const canceled = all.filter((job) => job.canceled_at);
  byId('tray').hidden = canceled.length === 0;
  fill(page, 'n-canceled', canceled.length);
  arrange(byId('tray').querySelector('ul'), canceled.map(draw));
  for (const id of cards.keys()) if (!jobOf(id)) cards.delete(id);
  // A card that changes columns leaves the document for a moment, and takes the focus with it.
  if (focused === document.activeElement || !focused?.isConnected) return;
  focused.focus();
  // On a phone it has gone to a column that is not on show.
  if (focused !== document.activeElement) page.querySelector('.tabs [aria-pressed="true"]').focus();
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
  let job;
  let over = '';
  const mark = (column, state) => (state ? column.setAttribute('data-drop', state) : column.removeAttribute('data-drop'));
  const columns = [...board.querySelectorAll('[data-column]')];

  board.addEventListener('dragstart', (event) => {
    job = jobOf(event.target.closest?.('[data-id]')?.dataset.id);
    if (!job) return;
    over = '';
    event.dataTransfer.effectAllowed = 'move';
    event.dataTransfer.setData('text/plain', titleOf(job));
    for (const column of columns) {
      const to = column.dataset.column;
      mark(column, to === job.status ? '' : mayMove(job, to) ? 'yes' : 'no');
    }
  });
  board.addEventListener('dragover', (event) => {
    const column = event.target.closest('[data-column]');
    if (!job || !column) return;
    over = column.dataset.column;
    column.toggleAttribute('data-over', true);
    for (const other of columns) if (other !== column) other.removeAttribute('data-over');
    if (column.dataset.drop !== 'yes') return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'move';
  });
  board.addEventListener('drop', (event) => {
    const to = event.target.closest('[data-column]')?.dataset.column;
    if (!job || !to || !mayMove(job, to)) return;
    event.preventDefault();
    drop(job, to);
    over = '';
  });
  board.addEventListener('dragend', () => {
    for (const column of columns) {
      mark(column, '');
      column.removeAttribute('data-over');
    }
    if (job && over && over !== job.status) refuse(job, over);
    job = undefined;
  });
}

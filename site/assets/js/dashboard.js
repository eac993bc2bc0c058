import { call, Problem } from './lib/http.js';
import { byId, fill, show } from './lib/dom.js';
import { announce } from './lib/live.js';
import { poll } from './lib/poll.js';
import { sayClock, today } from './lib/time.js';
import { change, create, forget, jobOf, mayMove, refresh, step, titleOf } from './board/jobs.js';
import { dragging, placeOf, redraw as redrawCards, settle, view } from './board/cards.js';
import { openDrawer, openJob, redrawJob, refuse } from './board/drawer.js';

const page = byId('dispatch');
let loaded = false;
let user = '';
/** A change that met an ended session: made again, once, after the sign-in. */
let intent;

function redraw() {
  redrawCards();
  redrawJob();
}

// Whether anyone answers

function setReadOnly(on) {
  if (view.readOnly === on) return;
  view.readOnly = on;
  byId('offline').hidden = !on;
  if (on) fill(byId('offline'), 'since', sayClock(new Date()));
  announce(on ? 'Offline. The board is read-only.' : 'Back online.');
  redrawCards();
}

function signIn() {
  loaded = false;
  document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());
  byId('who').hidden = true;
  show(page, 'sign-in');
  byId('user').focus();
}

async function ask() {
  try {
    const changed = await refresh();
    if (!user) {
      user = (await call('/api/v1/session').catch(() => null))?.user ?? '';
      fill(byId('who'), 'user', user);
      byId('who').hidden = false;
    }
    setReadOnly(false);
    if (changed || !loaded) redraw();
    if (!loaded) show(page, 'board');
    loaded = true;
    fill(page, 'checked', sayClock(new Date()));
    return 10;
  } catch (problem) {
    if (problem.status === 401) {
      signIn();
      return 0;
    }
    if (loaded) setReadOnly(true);
    else show(page, 'off');
    throw problem;
  }
}

show(page, 'loading');
const now = poll(ask);
byId('retry').addEventListener('click', now);
addEventListener('offline', () => loaded && setReadOnly(true));

// Sessions

byId('sign-in').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const place = byId('sign-in-error');
  place.hidden = true;
  try {
    await call('/api/v1/session', { method: 'POST', body: { user: form.elements.user.value.trim(), passphrase: form.elements.passphrase.value } });
    form.reset();
    now();
    const again = intent;
    intent = undefined;
    again?.();
  } catch (problem) {
    place.textContent =
      problem.status === 401 ? 'That name and passphrase do not match.'
      : problem.status === 429 ? 'Too many tries. Wait a few minutes.'
      : 'The service could not be reached. Try again.';
    place.hidden = false;
    byId('passphrase').focus();
  }
});

byId('sign-out').addEventListener('click', async () => {
  try {
    await call('/api/v1/session', { method: 'DELETE' });
  } catch {
    toast('Not signed out: the service could not be reached.');
    return;
  }
  forget();
  user = '';
  redraw();
  signIn();
});

// Saying what happened

let hideToast = 0;

function toast(text, undo) {
  const box = byId('toast');
  box.querySelector('p').textContent = text;
  byId('undo').hidden = !undo;
  byId('undo').onclick = undo ?? null;
  document.querySelector('dialog[open]')?.append(box);
  box.hidden = false;
  announce(text);
  clearTimeout(hideToast);
  hideToast = setTimeout(() => (box.hidden = true), 20000);
}

byId('dismiss').addEventListener('click', () => (byId('toast').hidden = true));

// A dialog lends the message its place while it is open: outside, nothing could be read or pressed.
for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('close', () => page.append(byId('toast'), byId('live')));
}

/** @returns {Promise<any>} the job as it is now, or undefined when the change was refused */
async function request(id, path, options) {
  if (view.readOnly) {
    toast('Offline: the board is read-only.');
    return undefined;
  }
  const { job, refusal, unauthorised } = await change(id, path, options, redraw);
  if (job) {
    if (openJob() === id) refuse('');
    return job;
  }
  if (unauthorised) {
    intent = () => request(id, path, options);
    signIn();
  }
  if (openJob() === id) refuse(refusal);
  else toast(refusal);
  return undefined;
}

async function move(job, to) {
  if (!mayMove(job, to)) return explain(job, to);
  const saving = request(job.id, '/transitions', { body: { to }, guess: { status: to } });
  settle(job.id);
  const moved = await saving;
  if (!moved) return;
  settle(job.id);
  const { index, of } = placeOf(job.id);
  toast(`${titleOf(moved)} moved to ${step(moved.status).label}${index ? `, ${index} of ${of}` : ''}`, () => back(job.id));
}

async function back(id) {
  const job = await request(id, '/undo');
  if (!job) return;
  settle(id);
  toast(`${titleOf(job)} is back in ${step(job.status).label}`);
}

function explain(job, to) {
  const here = step(job.status);
  const next = here?.next ? `The next step is ${step(here.next).label}.` : 'It is done.';
  toast(`${titleOf(job)} can’t go from ${here?.label} to ${step(to)?.label}. ${next}`);
}

dragging(move, explain);

// The board

page.addEventListener('click', ({ target }) => {
  const deed = target.closest('[data-do]')?.dataset.do;
  const id = target.closest('[data-id]')?.dataset.id;
  const job = id && jobOf(id);
  if (!deed || !job) return;
  if (deed === 'open') openDrawer(id);
  else move(job, step(job.status).next);
});

const press = (buttons, chosen) => {
  for (const button of buttons) button.setAttribute('aria-pressed', String(button === chosen));
};

page.querySelector('.filters').addEventListener('click', ({ target }) => {
  const button = target.closest('button');
  if (!button) return;
  view.filter = button.dataset.filter;
  press(page.querySelectorAll('[data-filter]'), button);
  redrawCards();
});

page.querySelector('.tabs').addEventListener('click', ({ target }) => {
  const button = target.closest('button');
  if (!button) return;
  byId('board').dataset.tab = button.dataset.tab;
  press(page.querySelectorAll('.tabs button'), button);
});

byId('find').addEventListener('input', ({ target }) => {
  view.query = target.value.trim();
  redrawCards();
});

// One job

byId('job').addEventListener('click', ({ target }) => {
  const act = target.closest('[data-act]')?.dataset.act;
  const id = openJob();
  if (!act || !id) return;
  if (act === 'undo') back(id);
  else move(jobOf(id), act);
});

byId('schedule').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { date, part } = event.target.elements;
  const job = await request(openJob(), '', {
    method: 'PATCH',
    type: 'application/merge-patch+json',
    body: { window: { date: date.value, part: part.value } },
  });
  if (job) toast(`Schedule of ${titleOf(job)} saved`);
});

byId('cancel').addEventListener('submit', async (event) => {
  event.preventDefault();
  const job = await request(openJob(), '/cancel', { body: { reason: event.target.elements.reason.value.trim() } });
  if (!job) return;
  byId('job').close();
  toast(`${titleOf(job)} canceled`, () => back(job.id));
});

byId('copy').addEventListener('click', async () => {
  const link = new URL(jobOf(openJob()).tracking_url, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    toast('Link copied');
  } catch {
    refuse(`The browser did not allow copying. The link is ${link}`);
  }
});

byId('renew').addEventListener('click', async () => {
  const job = await request(openJob(), '/tracking-link');
  if (job) toast('New link made. The old one no longer works.');
});

// A job that came in by phone

let key = '';

byId('new').addEventListener('click', () => {
  key = crypto.randomUUID();
  byId('phone-job').showModal();
  const { date } = byId('create').elements;
  date.min = today();
  date.value ||= today();
});

byId('create').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const { name, phone, street, city, zip, service, details, date, part, access } = Object.fromEntries(new FormData(form));
  const place = byId('create-error');
  place.hidden = true;
  try {
    await create({ name, phone, address: { street, city, zip }, service, details, window: { date, part }, access: access || undefined }, key);
    form.reset();
    byId('phone-job').close();
    redraw();
    toast(`${street} added to ${step('submitted')?.label ?? 'the board'}`);
    now();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    place.textContent = (problem.body.errors ?? []).map(({ detail }) => detail).join(' ') || problem.body.detail || 'Not saved: the service could not be reached. Try again.';
    place.hidden = false;
    place.focus();
  }
});

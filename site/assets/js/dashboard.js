import { Problem } from './lib/http.js';
import { byId, fill, show } from './lib/dom.js';
import { announce } from './lib/live.js';
import { poll } from './lib/poll.js';
import { sayClock, sayMonth, today } from './lib/time.js';
import { change, create, forget, jobOf, mayMove, refresh, step, titleOf } from './board/jobs.js';
import { dragging, focusCard, placeOf, redraw as redrawCards, settle, view } from './board/cards.js';
import { askForNote, linkOf, noteGiven, openDrawer, openJob, redrawJob, refuse } from './board/drawer.js';
import { begin, begun, edited, rebase, refused, saved, typed } from './board/forms.js';
import { hush, outdate, say } from './board/say.js';
import { askToSignIn, greet, sessions, signedInAgain, user } from './board/session.js';

const page = byId('dispatch');
let loaded = false;
let day = '';
/** Counts who comes and goes: what was asked for one is not shown to the next. */
let visit = 0;

function redraw() {
  redrawCards();
  redrawJob();
  outdate();
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

async function ask() {
  const mine = visit;
  try {
    const changed = await refresh();
    await greet();
    if (mine !== visit) {
      forget();
      return loaded ? 1 : 0;
    }
    // What is due and what is late changes with the day.
    if (changed || !loaded || day !== today()) redraw();
    if (!loaded) show(page, 'board');
    loaded = true;
    day = today();
    setReadOnly(false);
    fill(page, 'checked', sayClock(new Date()));
    return 10;
  } catch (problem) {
    if (problem.status === 401) {
      askToSignIn(loaded);
      return 0;
    }
    if (loaded) setReadOnly(true);
    else show(page, 'off');
    throw problem;
  }
}

// Changes

/** @returns {Promise<{ job?: any, problem?: Problem }>} the job as it is now, or why not, which has been said */
async function request(id, path, options = {}) {
  if (view.readOnly) {
    tell(id, 'Offline: the board is read-only.');
    return {};
  }
  const mine = visit;
  const { job, refusal, problem } = await change(id, path, { ...options, who: user }, redraw);
  if (mine !== visit) return {};
  if (job) {
    if (openJob() === id) refuse('');
    return { job };
  }
  if (problem?.status === 401) {
    askToSignIn(true);
    return (await signedInAgain()) ? request(id, path, options) : {};
  }
  tell(id, refusal);
  if (problem?.unknown) now();
  return { problem };
}

/** Where it is seen: in the drawer if that is open, at the edge of the window if not. */
function tell(id, text) {
  if (openJob() === id) refuse(text);
  else say(text);
}

async function move(job, to) {
  if (!mayMove(job, to)) return explain(job, to);
  const saving = request(job.id, '/transitions', { body: { to }, guess: { status: to } });
  settle(job.id);
  const { job: moved } = await saving;
  settle(job.id);
  if (!moved) return;
  const { index, of } = placeOf(job.id);
  say(`${titleOf(moved)} moved to ${step(moved.status).label}${index ? `, ${index} of ${of}` : ''}`, () => {
    focusCard(job.id);
    back(moved);
  }, isLast(moved));
}

/** Whether nothing has happened to a job since. */
const isLast = ({ id, version }) => () => jobOf(id)?.version === version;

/** The version whose last step the note is about. */
let doubted = 0;

/** Undo what was done last to a job as it was seen, and nothing that somebody did since. */
async function back({ id, version }, note) {
  const { job, problem } = await request(id, '/undo', { body: { note }, version });
  if (problem?.body.type === '/problems/note-needed') {
    // Over another job, or over a form, what was said at the edge of the window is enough.
    if (openJob() !== id && document.querySelector('dialog[open]')) return;
    if (openJob() !== id) openDrawer(id);
    refuse('');
    doubted = version;
    askForNote();
  }
  if (problem?.status === 412 && openJob() === id) doubted = problem.body.current.version;
  if (!job) return;
  if (openJob() === id) noteGiven();
  settle(id);
  say(`${titleOf(job)} is back in ${step(job.status).label}`);
}

function explain(job, to) {
  const here = step(job.status);
  const next = here.next ? `The next step is ${step(here.next).label}.` : 'It is done.';
  say(`${titleOf(job)} can’t go from ${here.label} to ${step(to)?.label}. ${next}`);
}

dragging(move, explain);

// The board

page.addEventListener('click', ({ target, detail }) => {
  const deed = target.closest('[data-do]')?.dataset.do;
  const id = target.closest('[data-id]')?.dataset.id;
  const job = id && jobOf(id);
  if (!deed || !job) return;
  if (deed === 'open') openDrawer(id);
  // The second half of a double click meets the next step, or the next card.
  else if (detail < 2) move(job, step(job.status).next);
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

// Bookings reach half a year ahead.
for (let age = -6; age < 12; age++) {
  const [year, number] = today().split('-');
  const month = new Date(Date.UTC(year, number - 1 - age, 15)).toISOString().slice(0, 7);
  byId('month').add(new Option(sayMonth(month), month));
}
byId('month').addEventListener('change', ({ target }) => {
  byId('csv').href = target.value ? `/api/v1/jobs.csv?month=${target.value}` : '/api/v1/jobs.csv';
});

// One job

byId('job').addEventListener('click', ({ target }) => {
  const act = target.closest('[data-act]')?.dataset.act;
  const id = openJob();
  if (!act || !id) return;
  if (act === 'undo') back(jobOf(id));
  else move(jobOf(id), act);
});

byId('back').addEventListener('submit', (event) => {
  event.preventDefault();
  back({ id: openJob(), version: doubted }, event.target.elements.note.value.trim());
});

/** @param {object} body a merge patch */
const patch = (id, body, version) => request(id, '', { method: 'PATCH', type: 'application/merge-patch+json', body, version });

byId('edit').addEventListener('submit', async (event) => {
  event.preventDefault();
  const edit = edited();
  if (!edit) return;
  const { id, version, body, values } = edit;
  const { job, problem } = await patch(id, body, version);
  if (problem?.status === 412) rebase(problem.body.current);
  // Another job may be in the form by now.
  if (openJob() === id && refused(event.target, problem)) refuse('');
  if (!job) return;
  saved(job, values);
  say(`${titleOf(job)} saved`);
});

byId('looked').addEventListener('click', async () => {
  const id = openJob();
  const { job } = await patch(id, { needs_review: false });
  if (!job) return;
  if (openJob() === id) byId('job-title').focus();
  say(`${titleOf(job)} is looked at`);
});

byId('cancel').addEventListener('submit', async (event) => {
  event.preventDefault();
  const id = openJob();
  const { job } = await request(id, '/cancel', { body: { reason: event.target.elements.reason.value.trim() } });
  if (!job) return;
  if (openJob() === id) byId('job').close();
  say(`${titleOf(job)} canceled`, () => back(job), isLast(job));
});

byId('copy').addEventListener('click', async () => {
  const id = openJob();
  const link = linkOf(jobOf(id));
  try {
    await navigator.clipboard.writeText(link);
    say('Link copied');
  } catch {
    tell(id, `The browser did not allow copying. The link is ${link}`);
  }
});

byId('renew').addEventListener('click', async () => {
  const { job } = await request(openJob(), '/tracking-link');
  if (job) say('New link made. The old one no longer works.');
});

// A job that came in by phone

let sent = '';
let key = '';

byId('new').addEventListener('click', () => {
  byId('phone-job').showModal();
  begin();
});

byId('create').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const place = byId('create-error');
  const fields = begun();
  place.hidden = true;
  if (!fields || form.hasAttribute('aria-busy')) return;
  form.setAttribute('aria-busy', 'true');
  // The same words sent again are the same job, until it is known that there is one.
  const text = JSON.stringify(fields);
  if (text !== sent) key = crypto.randomUUID();
  sent = text;
  const mine = visit;
  const words = typed();
  try {
    const job = await create(fields, key);
    if (mine !== visit) return;
    sent = '';
    // What has been typed since is the next job.
    if (typed() === words) {
      form.reset();
      byId('phone-job').close();
    }
    redraw();
    settle(job.id);
    say(`${titleOf(job)} added to ${step(job.status).label}`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine !== visit || refused(form, problem)) return;
    if (problem.unknown) now();
    if (problem.status === 401) askToSignIn(true);
    place.textContent =
      problem.status === 401 ? 'Your session had ended. Create the job again.'
      : problem.unknown ? 'It is not known whether the job was saved: the service could not be reached. Create it again: the same words never make a second job.'
      : problem.body.detail ?? 'Not saved. Try again.';
    place.hidden = false;
    if (!byId('phone-job').open) say(place.textContent);
    else if (problem.status !== 401) place.focus();
  } finally {
    form.removeAttribute('aria-busy');
  }
});

// Now it can begin

show(page, 'loading');
let now = () => {};
await sessions(
  () => now(),
  () => {
    visit += 1;
    forget();
    loaded = false;
    // Half a sentence about a customer is not the next one's to read.
    for (const form of page.querySelectorAll('form')) form.reset();
    byId('create-error').hidden = true;
    sent = '';
    byId('find').value = view.query = '';
    hush();
    redrawCards();
  },
);
now = poll(ask);
byId('retry').addEventListener('click', now);
addEventListener('offline', () => loaded && setReadOnly(true));

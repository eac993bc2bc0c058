import { call } from './lib/http.js';
import { byId, fill, show, words } from './lib/dom.js';
import { poll } from './lib/poll.js';
import { sayClock, sayDay, sayMoment } from './lib/time.js';

const page = byId('track');
const shape = /^[A-Za-z0-9_-]{16,64}$/;
let known = false;

/** The token is the last part of the path; links of the older form carry it in the query. */
function token() {
  const old = new URLSearchParams(location.search).get('t');
  if (old && shape.test(old)) history.replaceState(null, '', `/track/${old}`);
  return location.pathname.match(/^\/track\/([^/]+)\/?$/)?.[1] ?? old ?? '';
}

function setTime(place, text) {
  place.textContent = text ? sayMoment(text) : '';
  if (text) place.dateTime = text;
}

function render(job) {
  const status = job.canceled_at ? 'canceled' : job.status;
  for (const part of page.querySelectorAll('[data-now]')) part.hidden = part.dataset.now !== status;
  const began = { submitted: job.submitted_at, in_progress: job.pickup_at, completed: job.completed_at };
  let passed = true;
  for (const step of page.querySelectorAll('[data-step]')) {
    const current = step.dataset.step === job.status;
    step.dataset.at = current ? 'now' : passed ? 'past' : 'next';
    if (current) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
    passed &&= !current;
    setTime(step.querySelector('time'), began[step.dataset.step]);
  }
  page.querySelector('.line').hidden = status === 'canceled';
  const { street, city, state, zip } = job.address ?? {};
  fill(page, 'where', [street, city, [state, zip].filter(Boolean).join(' ')].filter(Boolean).join(', '));
  fill(page, 'when', job.window?.date ? `${sayDay(job.window.date)}, ${words('windows', job.window.part)}` : 'To be confirmed');
  fill(page, 'what', job.service_label);
  fill(page, 'updated', job.updated_at ? sayMoment(job.updated_at) : '');
  fill(page, 'checked', sayClock(new Date()));
  byId('stale').hidden = true;
  show(page, 'job');
}

async function ask(id) {
  try {
    const job = await call(`/api/v1/track/${id}`);
    render(job);
    known = true;
    return job.poll_after;
  } catch (problem) {
    const missing = problem.kind === 'refused' && problem.status === 404;
    if (missing) {
      show(page, 'gone');
      return 0;
    }
    if (known) byId('stale').hidden = false;
    else show(page, problem.kind === 'absent' ? 'off' : 'unreachable');
    throw problem;
  }
}

const id = token();
if (id === '') show(page, 'empty');
else if (!shape.test(id)) show(page, 'gone');
else {
  show(page, 'loading');
  const now = poll(() => ask(id));
  byId('retry').addEventListener('click', now);
}

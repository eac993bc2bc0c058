// One job, whole: whom to call, where, what has happened, and the changes that are not a step forward.

import { byId, clone, fill, words } from '../lib/dom.js';
import { sayMoment, today } from '../lib/time.js';
import { jobOf, step, titleOf } from './jobs.js';

const drawer = byId('job');
let id = '';

export const openJob = () => (drawer.open ? id : '');

const digits = (phone) => {
  const plain = String(phone ?? '').replace(/[^\d+]/g, '');
  return plain.length === 10 ? `+1${plain}` : plain;
};

function said(event) {
  const what =
    event.kind === 'undo' ? `went back to ${step(event.to)?.label ?? event.to}`
    : event.kind === 'cancel' ? 'canceled the job'
    : event.kind === 'edit' ? 'changed the details'
    : event.from ? `moved it to ${step(event.to)?.label ?? event.to}`
    : 'booked it';
  return `${event.who ?? 'Customer'} ${what}${event.note ? `: ${event.note}` : ''}`;
}

function button(label, act, kind = '') {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = `button ${kind}`;
  made.textContent = label;
  made.dataset.act = act;
  return made;
}

export function redrawJob() {
  const job = jobOf(id);
  if (!drawer.open || !job) return;
  const { street, city, state, zip } = job.address ?? {};
  fill(drawer, 'title', titleOf(job));
  drawer.querySelector('[data-f="pill"]').replaceChildren(clone(`pill-${job.canceled_at ? 'canceled' : job.status}`));
  fill(drawer, 'name', job.name);
  fill(drawer, 'where', [street, city, [state, zip].filter(Boolean).join(' ')].filter(Boolean).join(', '));
  fill(drawer, 'what', job.service_label ?? words('services', job.service));
  fill(drawer, 'details', job.details || 'Not described');
  fill(drawer, 'access', job.access || 'Nothing noted');
  const phone = digits(job.phone);
  const call = drawer.querySelector('[data-f="call"]');
  call.href = `tel:${phone}`;
  call.textContent = `Call ${job.phone}`;
  const text = drawer.querySelector('[data-f="text"]');
  text.hidden = !job.tracking_url;
  text.href = `sms:${phone}?body=${encodeURIComponent(`Your pickup: ${new URL(job.tracking_url ?? '/', location.href).href}`)}`;
  byId('copy').hidden = !job.tracking_url;

  const moves = [];
  const { verb, next } = step(job.status) ?? {};
  if (verb && !job.canceled_at) moves.push(button(verb, next));
  if (job.canceled_at || job.status !== 'submitted') moves.push(button('Undo the last step', 'undo', 'quiet'));
  const place = drawer.querySelector('[data-f="moves"]');
  const held = place.contains(document.activeElement);
  place.replaceChildren(...moves);
  if (held) (place.querySelector('button') ?? byId('job-title')).focus();

  const schedule = byId('schedule');
  if (!schedule.contains(document.activeElement)) {
    schedule.elements.date.value = job.window?.date ?? '';
    schedule.elements.date.min = today();
    schedule.elements.part.value = job.window?.part ?? 'any';
  }
  byId('cancel').hidden = Boolean(job.canceled_at) || job.status === 'completed';
  drawer.querySelector('.history').replaceChildren(
    ...(job.history ?? []).map((event) => {
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

export function openDrawer(which) {
  id = which;
  drawer.showModal();
  refuse('');
  byId('cancel').reset();
  redrawJob();
  byId('job-title').focus();
}

for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('click', (event) => {
    // The dialog itself is only hit outside its pane: on the backdrop.
    if (event.target === dialog || event.target.closest('[data-close]')) dialog.close();
  });
}

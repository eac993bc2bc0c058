import { call } from './lib/http.js';
import { byId, fill } from './lib/dom.js';
import { announce } from './lib/live.js';
import { faultsOf, remark, showFaults } from './lib/form.js';
import { sayDay, today } from './lib/time.js';

const form = byId('book');
const place = 'booking-draft';
/** What `GET /api/v1/form` says: the stamp that goes back with the booking, and where we work. */
let terms = {};
let sending = false;
/** A booking that could not leave: sent by itself when the connection is back. */
let waiting = false;

// The draft lives in this tab only. Its key makes a repeated send the same booking, whatever the network did to the answer.

function draft() {
  try {
    return JSON.parse(sessionStorage.getItem(place)) ?? {};
  } catch {
    return {};
  }
}

function keep() {
  const fields = Object.fromEntries(new FormData(form));
  delete fields.company_url;
  // A changed booking is another booking; the same words sent again are the same one.
  const before = draft();
  const same = JSON.stringify(before.fields) === JSON.stringify(fields);
  const key = same && before.key ? before.key : crypto.randomUUID?.();
  try {
    sessionStorage.setItem(place, JSON.stringify({ key, fields }));
  } catch {
    // Private windows may refuse storage; the form still works.
  }
  return key;
}

function restore() {
  const asked = new URLSearchParams(location.search).get('service');
  const fields = { ...draft().fields, ...(asked && { service: asked }) };
  for (const [name, value] of Object.entries(fields)) {
    const input = form.elements[name];
    if (input) input.value = value;
  }
}

// What is wrong, in the words of the person who has to put it right.

const missing = {
  service: 'Choose how much is going',
  details: 'Describe what is going',
  street: 'Enter the street address',
  city: 'Enter the city',
  zip: 'Enter the ZIP code',
  date: 'Choose a day',
  name: 'Enter your name',
  phone: 'Enter a phone number so we can confirm',
};

/** @param {string} name @returns {string} what is wrong with a field, '' when nothing is */
function fault(name) {
  const input = form.elements[name];
  const value = input.value.trim();
  if (missing[name] && !value) return missing[name];
  if (name === 'zip' && !/^\d{5}(-\d{4})?$/.test(value)) return 'Enter a ZIP code of five digits';
  if (name === 'phone' && value.replace(/\D/g, '').length < 10) return 'Enter a phone number with its area code';
  if (name === 'date' && value < today()) return 'Choose a day from today on';
  if (name === 'email' && value && !/^\S+@\S+\.\S+$/.test(value)) return 'Enter an email address like name@example.com, or leave it empty';
  if (name === 'details' && value.length > 1000) return `Shorten the description to 1,000 characters (it has ${value.length})`;
  return '';
}

function faults() {
  return [...Object.keys(missing), 'email'].map((field) => ({ field, text: fault(field) })).filter(({ text }) => text)
    .sort((a, b) => order(a.field) - order(b.field));
}

const order = (field) => [...form.elements].findIndex((input) => input.name === field);

function booking() {
  const { service, details, street, city, zip, access, date, part, name, phone, email, company_url } = Object.fromEntries(new FormData(form));
  const text = (value) => value.trim() || undefined;
  return {
    service,
    details: details.trim(),
    address: { street: street.trim(), city: city.trim(), zip: zip.trim() },
    access: text(access),
    window: { date, part },
    name: name.trim(),
    phone: phone.trim(),
    email: text(email),
    company_url,
    form_stamp: terms.stamp,
  };
}

function fail(heading, text) {
  const box = byId('failed');
  box.querySelector('h2').textContent = heading;
  box.querySelector('p').textContent = text;
  box.hidden = false;
  box.focus();
}

function explain(problem) {
  if (problem.kind === 'absent') {
    return fail("Online booking isn’t switched on yet", 'Your booking has not been sent. Please call or text us; what you typed stays in this tab.');
  }
  if (problem.kind === 'offline') {
    waiting = !navigator.onLine;
    return waiting
      ? fail('You are offline', 'Your booking has not been sent yet. Keep this tab open and we send it as soon as you are connected.')
      : fail("We couldn’t be reached", 'Your booking may not have arrived. Try again in a moment: the same booking is never made twice. Or call or text us.');
  }
  const found = faultsOf(problem);
  if (problem.status === 422 && found.length) return showFaults(form, found);
  if (problem.status === 429) return fail('That was a lot of bookings', 'Please wait a few minutes and try again, or call or text us.');
  if (problem.status === 503) return fail("We can’t take bookings online right now", problem.body.detail ?? 'Please call or text us; what you typed stays in this tab.');
  return fail('Your booking did not go through', problem.body.detail ?? 'Please try again, or call or text us.');
}

function showBooked({ tracking_url: link }) {
  const { date, part } = Object.fromEntries(new FormData(form));
  const url = new URL(link, location.href);
  const done = byId('booked');
  const when = form.querySelector(`[name="part"][value="${CSS.escape(part)}"]`).parentElement.querySelector('b').textContent;
  fill(done, 'summary', `${sayDay(date)}, ${when.toLowerCase()}, at ${form.elements.street.value.trim()}.`);
  const anchor = done.querySelector('[data-f="link"]');
  anchor.href = url.href;
  anchor.textContent = url.host + url.pathname;
  byId('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(url.href);
      byId('copy').textContent = 'Copied';
      announce('Link copied');
    } catch {
      getSelection().selectAllChildren(anchor);
      announce('The link is selected. Copy it with your keyboard or the menu.');
    }
  });
  if (navigator.share) {
    byId('share').hidden = false;
    byId('share').addEventListener('click', () => navigator.share({ title: document.title, url: url.href }).catch(() => {}));
  }
  sessionStorage.removeItem(place);
  form.hidden = true;
  document.querySelector('.intro').hidden = true;
  byId('off').hidden = true;
  done.hidden = false;
  byId('booked-title').focus();
  document.title = document.title.replace(/^.*?·/, 'You are booked ·');
}

async function send() {
  if (sending) return;
  byId('failed').hidden = true;
  const found = faults();
  showFaults(form, found);
  if (found.length) return;
  const button = form.querySelector('[type="submit"]');
  const label = button.textContent;
  sending = true;
  waiting = false;
  // Not disabled: a disabled button loses the focus.
  button.textContent = 'Sending…';
  button.setAttribute('aria-busy', 'true');
  announce('Sending your booking');
  try {
    const key = keep() ?? '';
    showBooked(await call('/api/v1/jobs', { method: 'POST', body: booking(), headers: key && { 'idempotency-key': key }, timeout: 15000 }));
  } catch (problem) {
    if (problem.kind === undefined) throw problem;
    explain(problem);
  } finally {
    sending = false;
    button.textContent = label;
    button.removeAttribute('aria-busy');
  }
}

async function ask() {
  try {
    terms = (await call('/api/v1/form')) ?? {};
    byId('off').hidden = true;
  } catch (problem) {
    // Say so before eight questions are answered, not after.
    byId('off').hidden = problem.kind !== 'absent';
  }
}

form.noValidate = true;
form.elements.date.min = today();
restore();
form.hidden = false;
form.addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});
form.addEventListener('input', ({ target }) => {
  keep();
  if (target.name in missing || target.name === 'email') remark(form, target.name, fault(target.name));
  const near = terms.zips?.map(String);
  byId('zip-note').hidden = !near || !/^\d{5}/.test(form.elements.zip.value) || near.includes(form.elements.zip.value.slice(0, 5));
});
addEventListener('online', () => waiting && send());
ask();

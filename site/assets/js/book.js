import { call, Problem } from './lib/http.js';
import { byId, fill } from './lib/dom.js';
import { announce } from './lib/live.js';
import { faultsOf, remark, showFaults } from './lib/form.js';
import { insist, pause } from './lib/insist.js';
import { dayAfter, sayDay, today } from './lib/time.js';

const form = byId('book');
const title = document.title;
const place = 'booking-draft';
const receipt = 'booking-made';
/** The service takes a booking that comes sooner after its stamp for a program's. */
const reading = 3.2;
/** Seconds for which a stamp is good, with a day to spare. */
const fresh = 6 * 24 * 3600;
/** What `GET /api/v1/form` says: the stamp that goes back with the booking, and where we work. */
let terms = {};
let asked = 0;
/** @type {{ key?: string, fields?: Record<string, string> }} */
let kept = {};
let sending = false;
/** A booking that could not leave: sent by itself when the connection is back. */
let waiting = false;
/** Whether the page sends by itself: then the focus stays where it is. */
let itself = false;
/** How often it has done so in vain, and when it does so next. */
let misses = 0;
let timer = 0;

// The draft lives in this tab only. Its key makes a repeated send the same booking, whatever the network did to
// the answer. So does the link to what was booked: a phone that reloads the tab must not lose it.

function recall(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? {};
  } catch {
    return {};
  }
}

function store(name, value) {
  try {
    if (value) sessionStorage.setItem(name, JSON.stringify(value));
    else sessionStorage.removeItem(name);
  } catch {
    // Private windows may refuse storage; the form still works.
  }
}

/** @returns {string} the key of the booking as it stands */
function keep() {
  const fields = Object.fromEntries(new FormData(form));
  delete fields.company_url;
  // A changed booking is another booking; the same words sent again are the same one.
  const same = JSON.stringify(kept.fields) === JSON.stringify(fields);
  // Browsers offer `randomUUID` only where they offer the hash that a write needs, so no write goes without.
  if (!same) kept = { key: crypto.randomUUID?.() ?? '', fields };
  store(place, kept);
  return kept.key;
}

function restore() {
  const service = new URLSearchParams(location.search).get('service');
  const wish = service && { service };
  kept = recall(place);
  // The link says what was wanted on the way here, and nothing at a reload, when something else has been chosen.
  const fields = arriving ? { ...kept.fields, ...wish } : { ...wish, ...kept.fields };
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
  if (name === 'date' && value > dayAfter(180)) return 'Choose a day in the next six months';
  if (name === 'email' && value && !/^\S+@\S+\.\S+$/.test(value)) return 'Enter an email address like name@example.com, or leave it empty';
  if (name === 'details' && value.length > 1000) return `Shorten the description to 1,000 characters (it has ${value.length})`;
  return '';
}

function faults() {
  return [...Object.keys(missing), 'email'].map((field) => ({ field, text: fault(field) })).filter(({ text }) => text);
}

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
  };
}

function complain(found) {
  if (found.length) byId('failed').hidden = true;
  showFaults(form, found);
  document.title = found.length ? `Error: ${title}` : title;
}

function fail(heading, text) {
  const box = byId('failed');
  // Said already, and on show.
  if (!box.hidden && box.querySelector('h2').textContent === heading) return;
  box.querySelector('h2').textContent = heading;
  box.querySelector('p').textContent = text;
  box.hidden = false;
  if (itself) announce(`${heading}. ${text}`);
  else box.focus();
}

function explain(problem) {
  if (problem.unknown) {
    waiting ||= !navigator.onLine;
    if (!navigator.onLine) return fail('You are offline', 'Keep this tab open and we send your booking as soon as you are connected.');
    // Browsers speak of a connection before it carries anything.
    if (waiting) timer = setTimeout(resend, Math.min(5 * 2 ** misses++, 60) * 1000);
    return waiting
      ? fail("We can’t be reached yet", 'Keep this tab open: we go on sending your booking until it arrives, and it is never made twice. Or call or text us.')
      : fail("We couldn’t be reached", 'Your booking may not have arrived. Try again in a moment: the same booking is never made twice. Or call or text us.');
  }
  waiting = false;
  if (problem.kind === 'absent') {
    return fail("Online booking isn’t switched on yet", 'Your booking has not been sent. Please call or text us; what you typed stays in this tab.');
  }
  const found = faultsOf(problem);
  if (problem.status === 422 && found.length) return complain(found);
  if (problem.status === 429) return fail('That was a lot of bookings', 'Please wait a few minutes and try again, or call or text us.');
  if (problem.status === 503) return fail("We can’t take bookings online right now", problem.body.detail ?? 'Please call or text us; what you typed stays in this tab.');
  return fail('Your booking did not go through', problem.body.detail ?? 'Please try again, or call or text us.');
}

function showBooked({ url, summary }) {
  const done = byId('booked');
  fill(done, 'summary', summary);
  const anchor = done.querySelector('[data-f="link"]');
  anchor.href = url;
  anchor.textContent = url.replace(/^https?:\/\//, '');
  byId('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(url);
      byId('copy').textContent = 'Copied';
      announce('Link copied');
    } catch {
      getSelection().selectAllChildren(anchor);
      announce('The link is selected. Copy it with your keyboard or the menu.');
    }
  });
  if (navigator.share) {
    byId('share').hidden = false;
    byId('share').addEventListener('click', () => navigator.share({ title, url }).catch(() => {}));
  }
  form.hidden = true;
  document.querySelector('.intro').hidden = true;
  byId('off').hidden = true;
  done.hidden = false;
  document.title = title.replace(/^.*?·/, 'You are booked ·');
}

/** What the service says was booked: the form may have been changed on the way. */
function booked({ tracking_url: link, job: { address, window: { date, part } } }) {
  const when = form.querySelector(`[name="part"][value="${CSS.escape(part)}"]`).parentElement.querySelector('b').textContent;
  const summary = `${sayDay(date)}, ${when.toLowerCase()}, at ${address.street}.`;
  const made = { url: new URL(link, location.href).href, summary };
  kept = {};
  store(place);
  store(receipt, made);
  showBooked(made);
  byId('booked-title').focus();
}

async function ask() {
  terms = (await call('/api/v1/form')) ?? {};
  asked = Date.now();
  byId('off').hidden = true;
}

/** Send the booking with a stamp that is neither too young nor too old. */
async function deliver() {
  const headers = { 'idempotency-key': keep() };
  const fields = booking();
  for (let tries = 0; ; tries++) {
    const age = () => (Date.now() - asked) / 1000;
    if (!terms.stamp || age() > fresh) await ask();
    if (age() < reading) await pause(reading - age());
    try {
      return await insist(() => call('/api/v1/jobs', { method: 'POST', body: { ...fields, form_stamp: terms.stamp }, headers, timeout: 15000 }), [1, 2]);
    } catch (problem) {
      const stamp = problem.body.errors?.find(({ pointer }) => pointer === '/form_stamp');
      if (!stamp || tries === 2) throw problem;
      if (stamp.code === 'too-fast') await pause(reading);
      else terms = {};
    }
  }
}

async function send() {
  if (sending) return;
  clearTimeout(timer);
  if (!itself) byId('failed').hidden = true;
  const found = faults();
  complain(found);
  if (found.length) return;
  const button = form.querySelector('[type="submit"]');
  const label = button.textContent;
  sending = true;
  // Not disabled: a disabled button loses the focus.
  button.textContent = 'Sending…';
  button.setAttribute('aria-busy', 'true');
  if (!itself || misses === 0) announce('Sending your booking');
  try {
    const answer = await deliver();
    waiting = false;
    booked(answer);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    explain(problem);
  } finally {
    sending = false;
    button.textContent = label;
    button.removeAttribute('aria-busy');
  }
}

/** Send without having been asked to. */
async function resend() {
  if (!waiting || sending) return;
  itself = true;
  await send().finally(() => (itself = false));
}

form.noValidate = true;
form.elements.date.min = today();
form.elements.date.max = dayAfter(180);
const arriving = performance.getEntriesByType('navigation')[0]?.type === 'navigate';
restore();
// Whoever comes by a link wants to book; whoever comes back wants to see what was booked.
if (arriving) store(receipt);
const made = kept.fields ? {} : recall(receipt);
if (made.url) showBooked(made);
else form.hidden = false;
form.addEventListener('submit', (event) => {
  event.preventDefault();
  misses = 0;
  send();
});
form.addEventListener('input', ({ target }) => {
  keep();
  // Half a word must not leave by itself.
  if (waiting) {
    waiting = false;
    clearTimeout(timer);
    byId('failed').hidden = true;
    announce('Your booking does not wait any more. Send it when it is as you want it.');
  }
  if (target.name in missing || target.name === 'email') remark(form, target.name, fault(target.name));
  const zip = form.elements.zip.value.trim();
  byId('zip-note').hidden = !terms.zips?.length || !/^\d{5}/.test(zip) || terms.zips.includes(zip.slice(0, 5));
});
addEventListener('online', resend);
ask().catch((problem) => {
  // Say so before eight questions are answered, not after.
  byId('off').hidden = Boolean(made.url) || problem.kind !== 'absent';
});

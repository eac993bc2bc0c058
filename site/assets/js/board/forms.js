// The office's two forms: a job that came in by phone, and a job that is put right. Both have the same fields.

import { byId } from '../lib/dom.js';
import { faultsOf, showFaults } from '../lib/form.js';
import { today } from '../lib/time.js';

const dollars = (cents) => (cents == null ? '' : (cents / 100).toFixed(cents % 100 ? 2 : 0));

/** As it is said here; a number from abroad as it is dialled. */
export const sayPhone = (phone) => phone.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '($1) $2-$3');

/** @param {any} job @returns {Record<string, string>} what the fields say of a job */
function valuesOf(job) {
  const { name, phone, email, details, access, service } = job;
  const { street, city, zip } = job.address;
  const { date, part } = job.window;
  return { name, phone: sayPhone(phone), email: email ?? '', street, city, zip, service, price: dollars(job.price_cents), details, access: access ?? '', date, part };
}

/** @returns {number | null | undefined} in cents; null for nothing, undefined for what is no price */
function cents(text) {
  const plain = text.replace(/[$,\s]/g, '');
  if (plain === '') return null;
  return /^\d{1,6}(\.\d{1,2})?$/.test(plain) ? Math.round(Number(plain) * 100) : undefined;
}

function valuesIn(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
}

/** @returns {boolean} whether the price is one; if not, it is said */
function priced(form) {
  const wrong = cents(valuesIn(form).price) === undefined;
  showFaults(form, wrong ? [{ field: 'price', text: 'Enter the price in dollars, like 330 or 329.50' }] : []);
  return !wrong;
}

/** Say what the server found. @returns {boolean} whether that was about fields */
export function refused(form, problem) {
  const found = problem?.status === 422 ? faultsOf(problem) : [];
  showFaults(form, found.map(({ field, text }) => ({ field: field === 'price_cents' ? 'price' : field, text })));
  return found.length > 0;
}

// What was on the form when it was filled in: only what differs from that is sent, so that what someone else
// changed in the meantime stays.

const edit = byId('edit');
let shown = {};
let base = '';
/** Whose values they are, and as of which version: a late answer about one job must not get into another's form. */
let id = '';
let version = 0;

const changed = () => Object.entries(valuesIn(edit)).filter(([name, value]) => value !== shown[name]);

/** Fill the form in, unless somebody is typing in it. @param {any} job @param {boolean} [anew] */
export function fillEdit(job, anew = false) {
  const values = valuesOf(job);
  const text = JSON.stringify(values);
  if (anew) showFaults(edit, []);
  if (!anew && job.id === id && changed().length) {
    if (text === base) version = job.version;
    return;
  }
  const { service } = edit.elements;
  if (![...service.options].some(({ value }) => value === job.service)) service.add(new Option(job.service_label, job.service));
  for (const [name, value] of Object.entries(values)) edit.elements[name].value = value;
  shown = valuesIn(edit);
  base = text;
  id = job.id;
  version = job.version;
}

/** What was sent is saved; what was typed since then stays. @param {any} job @param {Record<string, string>} sent */
export function saved(job, sent) {
  if (job.id !== id) return;
  const since = changed().filter(([name, value]) => value !== sent[name]);
  fillEdit(job, true);
  for (const [name, value] of since) edit.elements[name].value = value;
}

/** Keep what is typed; the next try is a change of the job as it stands now. */
export function rebase(job) {
  if (job.id !== id) return;
  version = job.version;
  base = JSON.stringify(valuesOf(job));
}

/**
 * @returns {{ id: string, version: number, body: object, values: Record<string, string> } | undefined} nothing
 * where a field is wrong, or none was changed
 */
export function edited() {
  if (!priced(edit)) return undefined;
  const body = {};
  const put = (group, name, value) => (body[group] = { ...body[group], [name]: value });
  for (const [name, value] of changed()) {
    if (['street', 'city', 'zip'].includes(name)) put('address', name, value);
    else if (['date', 'part'].includes(name)) put('window', name, value);
    else if (name === 'price') body.price_cents = cents(value);
    else body[name] = ['email', 'access'].includes(name) ? value || null : value;
  }
  return Object.keys(body).length ? { id, version, body, values: valuesIn(edit) } : undefined;
}

const form = byId('create');

/** Begin a job by phone. */
export function begin() {
  showFaults(form, []);
  form.elements.date.value ||= today();
}

/** What is typed now, to compare it with what was typed before. */
export const typed = () => JSON.stringify(valuesIn(form));

/** @returns {object | undefined} the new job's fields; nothing where one is wrong */
export function begun() {
  if (!priced(form)) return undefined;
  const { name, phone, email, street, city, zip, service, price, details, access, date, part } = valuesIn(form);
  return {
    name, phone, email: email || undefined,
    address: { street, city, zip },
    service, details, access: access || undefined,
    window: { date, part },
    price_cents: cents(price) ?? undefined,
  };
}

export const priceOf = (job) => (job.price_cents == null ? 'Not agreed' : `$${dollars(job.price_cents)}`);

// The jobs as the board knows them, and every change it can ask for. What is shown at once is a guess until
// the server answers; a guess that turns out wrong is taken back and the reason is said.

import { statuses } from 'qdn:statuses';
import { call, Problem } from '../lib/http.js';
import { insist } from '../lib/insist.js';

/** @type {Map<string, any>} as the server last told it */
const known = new Map();
/** @type {Map<string, object>} what a change on its way will make of a job */
const guesses = new Map();
let revision = 0;

export const isPending = (id) => guesses.has(id);
export const jobOf = (id) => (guesses.has(id) && known.has(id) ? { ...known.get(id), ...guesses.get(id) } : known.get(id));
export const allJobs = () => [...known.keys()].map(jobOf);
export const step = (id) => statuses.find((status) => status.id === id);
export const mayMove = (job, to) => !job.canceled_at && step(job.status)?.next === to;
export const titleOf = (job) => job.address?.street || 'Removed';

/** An answer to an older question may come late: what is newer stays. */
function take(job) {
  if (!(known.get(job.id)?.version > job.version)) known.set(job.id, job);
}

/** What changed since the last question. @returns {Promise<boolean>} whether anything did */
export async function refresh() {
  const answer = await call(`/api/v1/jobs?since=${revision}`);
  if (!answer) return false;
  if (answer.reset) known.clear();
  for (const job of answer.jobs) take(job);
  for (const id of answer.gone) known.delete(id);
  revision = answer.rev;
  return true;
}

export function forget() {
  known.clear();
  revision = 0;
}

function reason(problem, job) {
  const { current } = problem.body;
  if (current) {
    const last = current.history.at(-1);
    const who = last.who ?? 'Someone else';
    if (last.kind === 'move') return `${who} already moved ${titleOf(job)} to ${step(current.status).label}. This is how it stands now.`;
    if (last.kind === 'cancel') return `${who} canceled ${titleOf(job)} in the meantime.`;
    return `${who} changed ${titleOf(job)} a moment ago. This is how it stands now.`;
  }
  if (problem.unknown) return `It is not known whether this was saved: the service could not be reached. Look at ${titleOf(job)} before you do it again.`;
  return problem.body.detail ?? problem.body.title ?? 'Not saved. Try again.';
}

/**
 * Ask for one change of one job.
 * @param {string} id
 * @param {string} path what comes after the job's own address, such as `/undo`
 * @param {{ method?: string, body?: object, type?: string, version?: number, who?: string, guess?: object }} options
 * `guess` is shown until the answer is here; `version` is what was seen, if that was not the newest
 * @param {() => void} redraw
 * @returns {Promise<{ job?: any, refusal?: string, problem?: Problem }>}
 */
export async function change(id, path, { method = 'POST', body, type, version, who, guess = {} }, redraw) {
  const before = known.get(id);
  if (!before) return { refusal: 'This job is no longer on the board.' };
  if (isPending(id)) return { refusal: `Still saving the last change of ${titleOf(before)}.` };
  guesses.set(id, guess);
  redraw();
  const seen = version ?? before.version;
  const headers = { 'if-match': `"${seen}"`, ...(type && { 'content-type': type }) };
  let tries = 0;
  const ask = () => {
    tries += 1;
    return call(`/api/v1/jobs/${encodeURIComponent(id)}${path}`, { method, body, headers });
  };
  try {
    const job = await insist(ask, [1, 2, 4, 8]);
    take(job);
    return { job };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const { current } = problem.body;
    if (current) {
      known.set(id, current);
      // Someone else had the same idea, or an answer got lost and this is what we did ourselves.
      const same = guess.status && guess.status === current.status && !current.canceled_at;
      const ours = tries > 1 && current.version === seen + 1 && current.history.at(-1).who === who;
      if (same || ours) return { job: current };
    }
    if (problem.status === 404 && problem.kind === 'refused') known.delete(id);
    return { refusal: reason(problem, before), problem };
  } finally {
    guesses.delete(id);
    redraw();
  }
}

/** @param {string} key makes a repeated send the same job */
export async function create(fields, key) {
  const ask = () => call('/api/v1/staff/jobs', { method: 'POST', body: fields, headers: { 'idempotency-key': key } });
  const { job } = await insist(ask, [1, 2]);
  take(job);
  return job;
}

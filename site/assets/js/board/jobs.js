// The jobs as the board knows them, and every change it can ask for. What is shown at once is a guess until
// the server answers; a guess that turns out wrong is taken back and the reason is said.

import { statuses } from 'qdn:statuses';
import { call, Problem } from '../lib/http.js';

/** @type {Map<string, any>} */
const jobs = new Map();
/** Jobs with a change on its way: what a poll says about them is older than what is on the screen. */
const pending = new Set();
let revision = 0;

export const isPending = (id) => pending.has(id);
export const jobOf = (id) => jobs.get(id);
export const allJobs = () => [...jobs.values()];
export const step = (id) => statuses.find((status) => status.id === id);
export const mayMove = (job, to) => !job.canceled_at && step(job.status)?.next === to;
export const titleOf = (job) => job.address?.street || job.name || 'Job';

function take(job) {
  jobs.set(job.id, job);
}

/** What changed since the last question. @returns {Promise<boolean>} whether anything did */
export async function refresh() {
  const answer = await call(`/api/v1/jobs?since=${revision}`);
  if (!answer) return false;
  for (const job of answer.jobs) if (!pending.has(job.id)) take(job);
  for (const id of answer.gone ?? []) jobs.delete(id);
  // A change on its way may have been skipped above: its own answer brings that job up to date.
  revision = answer.rev;
  return true;
}

export function forget() {
  jobs.clear();
  revision = 0;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Ask again while the network or the server is unwell, for about a quarter of a minute. */
async function insist(ask) {
  for (const seconds of [1, 2, 4, 8]) {
    try {
      return await ask();
    } catch (problem) {
      const unwell = problem.kind === 'offline' || problem.status === 429 || problem.status >= 500;
      if (!unwell || !navigator.onLine) throw problem;
      await pause(problem.wait || seconds);
    }
  }
  return ask();
}

function reason(problem, job) {
  if (problem.status === 412) return `Someone else changed ${titleOf(job)} a moment ago. This is how it stands now.`;
  if (problem.kind === 'offline') return 'Not saved: the service could not be reached. Try again.';
  if (problem.status === 401) return 'Sign in again; the change is then made.';
  return problem.body.detail ?? problem.body.title ?? 'Not saved. Try again.';
}

/**
 * Ask for one change of one job.
 * @param {string} id
 * @param {string} path what comes after the job's own address, such as `/undo`
 * @param {{ method?: string, body?: object, type?: string, guess?: object }} options `guess` is shown until the answer is here
 * @param {() => void} redraw
 * @returns {Promise<{ job?: any, refusal?: string, unauthorised?: boolean }>}
 */
export async function change(id, path, { method = 'POST', body, type, guess } = {}, redraw) {
  const before = jobs.get(id);
  if (!before) return { refusal: 'This job is no longer on the board.' };
  if (pending.has(id)) return { refusal: `Still saving the last change of ${titleOf(before)}.` };
  pending.add(id);
  if (guess) take({ ...before, ...guess });
  redraw();
  const headers = { 'if-match': `"${before.version}"`, ...(type && { 'content-type': type }) };
  try {
    const job = await insist(() => call(`/api/v1/jobs/${encodeURIComponent(id)}${path}`, { method, body, headers }));
    take(job);
    return { job };
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const current = problem.status === 412 ? problem.body.current : undefined;
    take(current ?? before);
    // Someone else had the same idea: that is what was wanted.
    if (current && guess?.status === current.status) return { job: current };
    return { refusal: reason(problem, before), unauthorised: problem.status === 401 };
  } finally {
    pending.delete(id);
    redraw();
  }
}

/** @param {string} key makes a repeated send the same job */
export async function create(fields, key) {
  const answer = await call('/api/v1/staff/jobs', { method: 'POST', body: fields, headers: { 'idempotency-key': key } });
  const job = answer.job ?? answer;
  if (job?.id) take(job);
  return job;
}

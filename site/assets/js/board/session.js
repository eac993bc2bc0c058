// Who works here. A session that ends in between takes nothing with it: the form comes over what is on the
// screen, and what was asked for is asked again once.

import { call } from '../lib/http.js';
import { byId, fill, show } from '../lib/dom.js';
import { say } from './say.js';

const page = byId('dispatch');
const form = byId('sign-in');
const over = byId('again');
const fault = byId('sign-in-error');
const home = form.parentElement;

/** The cookie is one for all tabs of the browser: whoever signs in or out in one of them does so in all. */
const tabs = new BroadcastChannel('session');

/** Who is signed in; '' for nobody. */
export let user = '';
let asking = false;
/** @type {{ who: string, go: () => void, drop: () => void }[]} changes that met an ended session */
let waiting = [];

/** Learn who is signed in, once. */
export async function greet() {
  if (user) return;
  user = (await call('/api/v1/session')).user;
  fill(byId('who'), 'user', user);
  byId('who').hidden = false;
}

/** Ask for name and passphrase: over the board if there is one, in its place if there is none. */
export function askToSignIn(covering) {
  if (asking) return;
  asking = true;
  if (covering) {
    fill(form, 'why', 'Your session has ended. Sign in to go on where you were.');
    form.elements.user.value = user;
    over.append(form);
    form.hidden = false;
    over.showModal();
  } else {
    show(page, 'sign-in');
  }
  (form.elements.user.value ? form.elements.passphrase : form.elements.user).focus();
}

/** @returns {Promise<boolean>} whether the same person has signed in again, so that the change may be asked for again */
export function signedInAgain() {
  const who = user;
  return new Promise((resolve) => waiting.push({ who, go: () => resolve(true), drop: () => resolve(false) }));
}

function settle(signedIn) {
  const changes = waiting;
  waiting = [];
  for (const { who, go, drop } of changes) (signedIn && who === user ? go : drop)();
}

function complain(text) {
  fault.textContent = text;
  fault.hidden = !text;
}

async function enter(credentials) {
  complain('');
  try {
    await call('/api/v1/session', { method: 'POST', body: credentials });
    tabs.postMessage('entered');
    return true;
  } catch (problem) {
    complain(
      problem.status === 401 && credentials.link ? 'This sign-in link is no longer good. Start preview again for a new one, or sign in by name.'
      : problem.status === 401 ? 'That name and passphrase do not match.'
      : problem.status === 429 ? 'Too many tries. Wait a few minutes.'
      : 'The service could not be reached. Try again.',
    );
    return false;
  }
}

/** A link that signs in. It leaves the address at once: nobody bookmarks it, and no history keeps it. */
async function enterByLink() {
  const link = location.hash.match(/^#sign-in=(.+)/)?.[1];
  if (!link) return false;
  history.replaceState(null, '', location.pathname);
  return enter({ link });
}

/**
 * @param {() => void} arrived somebody has signed in
 * @param {() => void} left somebody has signed out, or gave up
 */
export async function sessions(arrived, left) {
  /** What one leaves open is not the next one's to read. */
  function part() {
    left();
    for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  }

  async function welcome() {
    const before = user;
    user = '';
    asking = false;
    form.reset();
    fill(form, 'why', '');
    await greet().catch(() => {});
    if (before && before !== user) part();
    if (over.open) over.close();
    arrived();
    settle(true);
  }

  function leave() {
    user = '';
    asking = false;
    byId('who').hidden = true;
    part();
    settle(false);
    askToSignIn(false);
  }

  tabs.addEventListener('message', ({ data }) => {
    if (data === 'entered') welcome();
    else if (!asking) leave();
  });

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { user: name, passphrase } = form.elements;
    if (form.hasAttribute('aria-busy')) return;
    form.setAttribute('aria-busy', 'true');
    const done = await enter({ user: name.value.trim(), passphrase: passphrase.value });
    form.removeAttribute('aria-busy');
    if (done) await welcome();
    else passphrase.focus();
  });

  over.addEventListener('close', () => {
    home.append(form);
    form.hidden = asking === false;
    if (asking) leave();
  });

  addEventListener('hashchange', async () => {
    if (await enterByLink()) await welcome();
  });

  byId('sign-out').addEventListener('click', async () => {
    try {
      await call('/api/v1/session', { method: 'DELETE' });
      tabs.postMessage('left');
      leave();
    } catch {
      say('Not signed out: the service could not be reached.');
    }
  });

  await enterByLink();
}

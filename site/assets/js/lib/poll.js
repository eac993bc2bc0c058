// Ask again and again, politely: one question at a time, none while the page is hidden, one at once when it comes back.

const longest = 120;

/**
 * @param {() => Promise<number>} ask resolves to the seconds until the next question, 0 to rest until the page
 * comes back into view; a rejection backs off
 * @returns {() => void} ask now
 */
export function poll(ask) {
  let timer = 0;
  let asking = false;
  let again = false;
  let failures = 0;

  async function now() {
    clearTimeout(timer);
    // What is on its way may have been sent too early to know, or into a network that was not there yet.
    again = asking;
    if (asking || document.hidden) return;
    asking = true;
    let seconds;
    try {
      seconds = await ask();
      failures = 0;
    } catch (problem) {
      failures += 1;
      seconds = problem.wait || Math.min(5 * 2 ** failures, longest) * (0.8 + 0.4 * Math.random());
    }
    asking = false;
    if (again) now();
    else if (seconds) timer = setTimeout(now, seconds * 1000);
  }

  document.addEventListener('visibilitychange', now);
  addEventListener('pageshow', (event) => event.persisted && now());
  addEventListener('online', now);
  now();
  return now;
}

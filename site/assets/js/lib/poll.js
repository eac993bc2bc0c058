// Ask again and again, politely: one question at a time, none while the page is hidden, one at once when it comes back.

const longest = 120;

/**
 * @param {() => Promise<number>} ask resolves to the seconds until the next question, 0 to stop; a rejection backs off
 * @returns {() => void} ask now
 */
export function poll(ask) {
  let timer = 0;
  let asking = false;
  let failures = 0;
  let stopped = false;

  async function now() {
    clearTimeout(timer);
    if (asking || stopped || document.hidden) return;
    asking = true;
    let seconds;
    try {
      seconds = await ask();
      failures = 0;
      stopped = seconds === 0;
    } catch (problem) {
      failures += 1;
      seconds = problem.wait || Math.min(5 * 2 ** failures, longest) * (0.8 + 0.4 * Math.random());
    }
    asking = false;
    if (!stopped) timer = setTimeout(now, seconds * 1000);
  }

  document.addEventListener('visibilitychange', now);
  addEventListener('pageshow', (event) => event.persisted && now());
  addEventListener('online', now);
  now();
  return () => {
    stopped = false;
    now();
  };
}

export const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/**
 * Ask again while the network or the server is unwell. Only for what may be asked twice.
 * @template T
 * @param {() => Promise<T>} ask
 * @param {number[]} waits seconds between the tries
 * @returns {Promise<T>}
 */
export async function insist(ask, waits) {
  for (const seconds of waits) {
    try {
      return await ask();
    } catch (problem) {
      const unwell = problem.kind === 'offline' || problem.status === 429 || problem.status >= 500;
      // Whoever is told to come back much later is better told so than left waiting.
      if (!unwell || !navigator.onLine || problem.wait > 10) throw problem;
      await pause(problem.wait || seconds);
    }
  }
  return ask();
}

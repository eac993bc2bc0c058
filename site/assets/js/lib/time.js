// Times are the firm's, not the reader's: a pickup at 9 is at 9 where the truck is.

const language = document.documentElement.lang;
const timeZone = document.documentElement.dataset.zone;

const moment = new Intl.DateTimeFormat(language, { timeZone, weekday: 'short', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' });
const clock = new Intl.DateTimeFormat(language, { timeZone, hour: 'numeric', minute: '2-digit' });
// A planned day has no time zone; noon UTC keeps it on its own date.
const day = new Intl.DateTimeFormat(language, { timeZone: 'UTC', weekday: 'short', month: 'short', day: 'numeric' });
const month = new Intl.DateTimeFormat(language, { timeZone: 'UTC', month: 'long', year: 'numeric' });
const iso = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });

/** @param {string} text RFC 3339 */
export const sayMoment = (text) => moment.format(new Date(text));
export const sayClock = (date) => clock.format(date);
/** @param {string} text YYYY-MM-DD */
export const sayDay = (text) => day.format(new Date(`${text}T12:00:00Z`));
/** Today where the firm is, YYYY-MM-DD. */
export const today = () => iso.format(new Date());
/** The day so many days from now where the firm is, YYYY-MM-DD. */
export const dayAfter = (days) => iso.format(new Date(Date.now() + days * 86400000));
/** The day of a moment where the firm is. @param {string} text RFC 3339 */
export const dayOf = (text) => iso.format(new Date(text));
/** @param {string} text YYYY-MM */
export const sayMonth = (text) => month.format(new Date(`${text}-15T12:00:00Z`));

// Times are the firm's, not the reader's: a pickup at 9 is at 9 where the truck is.

const { lang, dataset } = document.documentElement;
const timeZone = dataset.zone;

/** A formatter costs a phone some milliseconds, so it is made when it is first needed. */
function format(options, language = lang) {
  let made;
  return (date) => (made ??= new Intl.DateTimeFormat(language, options)).format(date);
}

const moment = format({ timeZone, weekday: 'short', month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit', timeZoneName: 'short' });
const clock = format({ timeZone, hour: 'numeric', minute: '2-digit' });
// A planned day has no time zone; noon UTC keeps it on its own date.
const day = format({ timeZone: 'UTC', weekday: 'short', month: 'short', day: 'numeric' });
const month = format({ timeZone: 'UTC', month: 'long', year: 'numeric' });
const iso = format({ timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }, 'en-CA');

/** @param {string} text RFC 3339 */
export const sayMoment = (text) => moment(new Date(text));
/** @param {Date} date */
export const sayClock = (date) => clock(date);
/** @param {string} text YYYY-MM-DD */
export const sayDay = (text) => day(new Date(`${text}T12:00:00Z`));
/** @param {string} text YYYY-MM */
export const sayMonth = (text) => month(new Date(`${text}-15T12:00:00Z`));
/** The day of a moment where the firm is, YYYY-MM-DD. @param {string} text RFC 3339 */
export const dayOf = (text) => iso(new Date(text));
/** Today where the firm is, YYYY-MM-DD. */
export const today = () => iso(new Date());
/** The day so many days from now where the firm is, YYYY-MM-DD. */
export function dayAfter(days) {
  // Counted from noon UTC, where a day has 24 hours: in the firm's zone two of a year do not.
  return new Date(Date.parse(`${today()}T12:00:00Z`) + days * 86400000).toISOString().slice(0, 10);
}

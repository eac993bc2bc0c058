// The clock: it stands still for a whole run, in UTC, and reads and writes dates as the edge's engine does.
(function ({ world, hide, methods, construct, now }) {
  const RealDate = Date;
  const proto = RealDate.prototype;
  const text = String;
  const matcher = (expression) => {
    expression.exec = RegExp.prototype.exec;
    return (given) => expression.exec(given);
  };
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  // The three forms that are read. There is no offset such as `+02:00` in the first, and no number is too great.
  const iso = matcher(/^([+-]?)(\d{4})(\d\d)?(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?Z?)?)?)?$/);
  const mail = matcher(/^(?:[^ ]* +)?(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? (?:GMT|UTC|([+-])(\d\d)(\d\d))/);
  const own = matcher(/^(?:[^ ]* +)?([A-Z][a-z]{2}) (\d\d) (\d{4})(?: (\d\d):(\d\d)(?::(\d\d))?(?: GMT(?:([+-])(\d\d)(\d\d).*)?)?)?$/);
  const time = (year, month, day, hour, minute, second, ms) => {
    const date = new RealDate(RealDate.UTC(2000, 0, 1, +hour || 0, +minute || 0, +second || 0, ms || 0));
    // Hours past the end of a day carry over, years below 100 are themselves.
    const carried = date.valueOf() - RealDate.UTC(2000, 0, 1);
    return new RealDate(0).setUTCFullYear(year, month, day) + carried;
  };
  const offset = (sign, hours, minutes) => (sign ? (sign === '-' ? -1 : 1) * (+hours * 60 + +minutes) * 60000 : 0);
  const parse = (given) => {
    given = text(given);
    let p = iso(given);
    if (p) {
      let year = p[3] === undefined ? +p[2] : +(p[2] + p[3]);
      if (p[1] === '-' && p[3] !== undefined) {
        if (year === 0) return NaN;
        year = -year;
      }
      const ms = p[9] === undefined ? 0 : +(p[9] + '00').slice(0, 3);
      return time(year, p[4] === undefined ? 0 : p[4] - 1, p[5] === undefined ? 1 : +p[5], p[6], p[7], p[8], ms);
    }
    p = mail(given);
    if (p && months.indexOf(p[2]) >= 0) {
      return time(+p[3], months.indexOf(p[2]), +p[1], p[4], p[5], p[6]) - offset(p[7], p[8], p[9]);
    }
    p = own(given);
    if (p && months.indexOf(p[1]) >= 0) {
      return time(+p[3], months.indexOf(p[1]), +p[2], p[4], p[5], p[6]) - offset(p[7], p[8], p[9]);
    }
    return NaN;
  };

  // The machine's zone must not be seen.
  for (const part of ['Date', 'Day', 'FullYear', 'Hours', 'Milliseconds', 'Minutes', 'Month', 'Seconds']) {
    hide(proto, 'get' + part, proto['getUTC' + part]);
    if (part !== 'Day') hide(proto, 'set' + part, proto['setUTC' + part]);
  }
  const utcString = Function.prototype.call.bind(proto.toUTCString);
  const parts = matcher(/^(\w+), (\d+) (\w+) (-?\d+) ([\d:]+) GMT$/);
  const split = (date) => parts(utcString(date));
  const dateText = (date) => { const p = split(date); return p ? `${p[1]} ${p[3]} ${p[2]} ${p[4]}` : 'Invalid Date'; };
  const timeText = (date) => { const p = split(date); return p ? `${p[5]} GMT+0000` : 'Invalid Date'; };
  const fullText = (date) => (split(date) ? `${dateText(date)} ${timeText(date)}` : 'Invalid Date');
  methods(proto, {
    getTimezoneOffset() { return 0; },
    toString() { return fullText(this); },
    toDateString() { return dateText(this); },
    toTimeString() { return timeText(this); },
    toLocaleString() { return fullText(this); },
    toLocaleDateString() { return dateText(this); },
    toLocaleTimeString() { return timeText(this); },
  });
  const FrozenDate = function Date(...given) {
    if (!new.target) return fullText(new RealDate(now()));
    let args = given;
    if (given.length === 0) args = [now()];
    else if (given.length === 1) args = typeof given[0] === 'string' ? [parse(given[0])] : given;
    else args = [RealDate.UTC(...given)];
    return construct(RealDate, args, new.target === FrozenDate ? RealDate : new.target);
  };
  FrozenDate.prototype = proto;
  methods(FrozenDate, { now, parse, UTC: RealDate.UTC });
  hide(proto, 'constructor', FrozenDate);
  hide(world, 'Date', FrozenDate);
  return RealDate;
})

// Texts as the edge has them: sequences of code points.
//
// The engine's texts are UTF-16, in which a character beyond U+FFFF is two units. Here each such character stands as
// *one* unit out of U+DC00…U+DFFF, its *slot*: the edge has no surrogates of its own (a lone one becomes U+FFFD), so the
// place is free, and low surrogates alone never make a pair. `inward` gives the characters of a real text their slots;
// `outward` gives a text back its characters, for whatever leaves the engine or is counted in bytes.
//
// `letters` are the code points that stand in the script itself, in order: they keep their slots for every event.
(function (letters, order, look) {
  const uncurry = (method) => Function.prototype.call.bind(method);
  const proto = String.prototype;
  const charCodeAt = uncurry(proto.charCodeAt);
  const indexOf = uncurry(proto.indexOf);
  const slice = uncurry(proto.slice);
  const isWellFormed = uncurry(proto.isWellFormed);
  const text = String;
  const fromCharCode = String.fromCharCode;
  const fromCodePoint = String.fromCodePoint;
  const number = parseInt;
  const ErrorOf = { SyntaxError, InternalError };
  const native = {
    charCodeAt: proto.charCodeAt, codePointAt: proto.codePointAt, toLowerCase: uncurry(proto.toLowerCase),
    toUpperCase: uncurry(proto.toUpperCase), parse: JSON.parse, stringify: JSON.stringify,
    encodeURI, encodeURIComponent, decodeURI, decodeURIComponent,
  };
  // A script may replace `exec` for all expressions; it does not reach these.
  const matcher = (expression) => {
    expression.exec = RegExp.prototype.exec;
    return RegExp.prototype.test.bind(expression);
  };
  // Looked for in Rust: an expression of ours over a long text would count as the function's own work.
  const hasLong = (real) => look.hasLong(real);
  const isAscii = (given) => isWellFormed(given) && look.isAscii(given);
  const isBlank = matcher(/^[ \t\n\r]$/);
  const numerals = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/;
  numerals.exec = RegExp.prototype.exec;
  const numeral = (given) => numerals.exec(given);
  const isHex = matcher(/^[0-9a-fA-F]$/);

  // --- slots

  const FIRST = 0xdc00;
  const MOST = 0x400;
  const points = [];
  const slots = new Map();
  let arm = () => {};
  let disarm = () => {};
  let isArmed = false;
  const slot = (point) => {
    let at = slots.get(point);
    if (at === undefined) {
      if (points.length === MOST) throw new ErrorOf.InternalError('qdn tells 1024 different characters beyond U+FFFF apart, and no more');
      at = points.length;
      points.push(point);
      slots.set(point, at);
      if (at === 0) arm();
    }
    return fromCharCode(FIRST + at);
  };
  for (const point of letters) slot(point);
  const pointOf = (code) => (code >= FIRST && code < FIRST + points.length ? points[code - FIRST] : code);

  const inward = (real) => {
    if (isWellFormed(real) && !hasLong(real)) return real;
    let result = '';
    let from = 0;
    for (let i = 0; i < real.length; i++) {
      const code = charCodeAt(real, i);
      if (code < 0xd800 || code > 0xdfff) continue;
      result += slice(real, from, i);
      const low = code < FIRST && i + 1 < real.length ? charCodeAt(real, i + 1) : 0;
      if (low >= FIRST && low <= 0xdfff) {
        result += slot(0x10000 + ((code - 0xd800) << 10) + (low - FIRST));
        i++;
      } else {
        result += '\ufffd';
      }
      from = i + 1;
    }
    return result + slice(real, from);
  };
  const outward = (inner) => {
    if (isWellFormed(inner)) return inner;
    let result = '';
    let from = 0;
    for (let i = 0; i < inner.length; i++) {
      const code = charCodeAt(inner, i);
      if (code < 0xd800 || code > 0xdfff) continue;
      const point = pointOf(code);
      result += slice(inner, from, i) + (point > 0xffff ? fromCodePoint(point) : '\ufffd');
      from = i + 1;
    }
    return result + slice(inner, from);
  };

  // `\ud83d\ude00` in a JSON text or a pattern: as one character, and a lone half as U+FFFD.
  const escapes = (written) => {
    if (indexOf(written, '\\u') < 0) return written;
    let result = '';
    let from = 0;
    const half = (at) => (written[at] === '\\' && written[at + 1] === 'u' ? number(slice(written, at + 2, at + 6), 16) : 0);
    for (let i = indexOf(written, '\\'); i >= 0; i = indexOf(written, '\\', i)) {
      const code = half(i);
      if (code < 0xd800 || code > 0xdfff) {
        i += 2;
        continue;
      }
      result += slice(written, from, i);
      const low = code < FIRST ? half(i + 6) : 0;
      const pair = low >= FIRST && low <= 0xdfff;
      result += pair ? slot(0x10000 + ((code - 0xd800) << 10) + (low - FIRST)) : '\ufffd';
      i += pair ? 12 : 6;
      from = i;
    }
    return result + slice(written, from);
  };
  // The engine writes slots as `\udc00` into its JSON.
  const unescape = (json) => {
    if (indexOf(json, '\\ud') < 0) return json;
    let result = '';
    let from = 0;
    for (let i = indexOf(json, '\\'); i >= 0; i = indexOf(json, '\\', i)) {
      if (json[i + 1] === 'u' && json[i + 2] === 'd') {
        result += slice(json, from, i) + fromCharCode(number(slice(json, i + 2, i + 6), 16));
        from = i + 6;
      }
      i += 2;
    }
    return result + slice(json, from);
  };

  // --- a JSON text that the engine does not take: what is wrong with it, in the words and at the place that the edge
  // gives. Numbers such as `007` and `1.` are none of JSON's, and the edge reads them: with these written properly the
  // text is handed back.

  const complaint = (json) => {
    let at = 0;
    let proper = '';
    let from = 0;
    const fail = (message, where) => { throw new ErrorOf.SyntaxError(`${message} at position ${where}`); };
    const more = () => (at < json.length ? json[at] : fail('Unexpected end of input', at));
    const blank = () => { while (at < json.length && isBlank(json[at])) at++; };
    const string = () => {
      for (at++; more() !== '"'; at++) {
        if (json[at] < ' ') fail('Forbidden source char', at);
        if (json[at] !== '\\') continue;
        at++;
        if (more() === 'u') {
          for (let i = 0; i < 4; i++) {
            at++;
            if (!isHex(more())) fail('Invalid Unicode escape sequence', at);
          }
        } else if (indexOf('"\\/bfnrt', json[at]) < 0) fail('Unknown escape char', at);
      }
      at++;
    };
    const list = (close, item) => {
      at++;
      blank();
      if (more() === close) { at++; return; }
      for (;;) {
        item();
        blank();
        if (more() === close) { at++; return; }
        if (json[at] !== ',') fail('Unexpected token', at);
        const comma = at++;
        blank();
        if (more() === close) fail('Trailing comma', comma);
      }
    };
    const value = (depth) => {
      if (depth > 32) fail('Nested too deep', at);
      blank();
      const first = more();
      if (first === '{') {
        return list('}', () => {
          if (more() !== '"') fail('Unexpected token', at);
          string();
          blank();
          if (more() !== ':') fail('Unexpected token', at);
          at++;
          value(depth + 1);
        });
      }
      if (first === '[') return list(']', () => value(depth + 1));
      if (first === '"') return string();
      for (const word of ['true', 'false', 'null']) {
        if (slice(json, at, at + word.length) === word) { at += word.length; return undefined; }
      }
      // The edge takes whatever comes before the digits for the beginning of a number.
      if (first > '9') fail('Unexpected token', at);
      const digits = numeral(slice(json, at));
      if (digits === null) fail('Unexpected number', json[at] === '-' && at + 1 < json.length ? at + 1 : at);
      proper += slice(json, from, at) + text(+digits[0]);
      at += digits[0].length;
      from = at;
      return undefined;
    };
    value(0);
    blank();
    if (at < json.length) fail('Unexpected token', at);
    return proper + slice(json, from);
  };

  // --- what replaces the engine's own

  const cased = (map) => (given) => {
    const whole = map(given);
    if (isAscii(whole) && whole.length === text(given).length) return whole;
    const before = text(given);
    let result = '';
    for (let i = 0; i < before.length; i++) {
      const point = pointOf(charCodeAt(before, i));
      result += point > 0xffff ? inward(map(fromCodePoint(point))) : single(map, before[i]);
    }
    return result;
  };
  // One character for one: where Unicode's full mapping has several, the edge has the simple one, mostly the letter itself.
  const single = (map, letter) => {
    const mapped = map(letter);
    if (mapped.length === 1) return mapped;
    const code = charCodeAt(letter, 0);
    if (code === 0x130) return 'i';
    if (code >= 0x1f80 && code <= 0x1faf && !(code & 8)) return fromCharCode(code + 8);
    if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return fromCharCode(code + 9);
    return letter;
  };
  const lower = cased(native.toLowerCase);
  const upper = cased(native.toUpperCase);

  const globals = {
    encodeURI(given) { return native.encodeURI(outward(text(given))); },
    encodeURIComponent(given) { return native.encodeURIComponent(outward(text(given))); },
    decodeURI(given) { return inward(native.decodeURI(outward(text(given)))); },
    decodeURIComponent(given) { return inward(native.decodeURIComponent(outward(text(given)))); },
  };
  const statics = {
    fromCharCode(...codes) { return inward(fromCharCode(...codes)); },
    fromCodePoint(...codes) { return inward(fromCodePoint(...codes)); },
  };
  const methods = {
    toLowerCase() { return lower(this); },
    toUpperCase() { return upper(this); },
    codePointAt(at) {
      const code = native.codePointAt.call(this, at);
      return code === undefined ? NaN : pointOf(code);
    },
  };
  // Only where there are slots: a loop over the characters of plain texts is not to pay for this.
  const armed = {
    charCodeAt(at) { return pointOf(native.charCodeAt.call(this, at)); },
  };
  const json = {
    parse(given, reviver) {
      let written = escapes(text(given));
      let parsed;
      try {
        parsed = order.parse(native.parse, written);
      } catch (error) {
        if (!(error instanceof ErrorOf.SyntaxError)) throw error;
        written = complaint(written);
        parsed = order.parse(native.parse, written);
      }
      return typeof reviver === 'function' ? native.parse(written, reviver) : parsed;
    },
    stringify(value, replacer, space) {
      const written = native.stringify(value, replacer, space);
      return written === undefined ? written : unescape(written);
    },
  };
  return {
    inward, outward, escapes, unescape, globals, statics, methods, json,
    // The slots of the event before are free again.
    begin() {
      while (points.length > letters.length) slots.delete(points.pop());
      if (letters.length === 0 && isArmed) disarm();
    },
    // How to put `charCodeAt` in and out.
    install(put) {
      arm = () => { put(armed); isArmed = true; };
      disarm = () => { put({ charCodeAt: native.charCodeAt }); isArmed = false; };
      if (points.length > 0) arm();
    },
  };
})

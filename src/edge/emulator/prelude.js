// The world a function finds at the edge, built out of the engine's own and of what `host` offers.
// It runs once in each fresh engine, before the function's script. What the edge lacks is taken away at
// the end, so everything needed later is held here by name.
(function (native, config, parts) {
  // What is different for each event: the time, the kind of event, the query as it came.
  let now = 0;
  let seed = 1;
  const state = { now: 0, request: true, rawQuery: null, headers: [] };
  const world = globalThis;
  const v1 = config.runtime === 1;
  const fromCharCode = String.fromCharCode;
  // Bytes cross into Rust as texts whose characters are bytes; they come back as arrays.
  const latin1 = (bytes) => {
    let text = '';
    for (let i = 0; i < bytes.length; i += 4096) text += fromCharCode(...Array.prototype.slice.call(bytes, i, i + 4096));
    return text;
  };
  const host = {
    log: native.log,
    origin: native.origin,
    encode: native.encode,
    fromBase64: native.fromBase64,
    decode: (bytes) => inward(native.decode(latin1(bytes))),
    isText: (bytes) => native.isText(latin1(bytes)),
    toBase64: (bytes, url) => native.toBase64(latin1(bytes), url),
    hash: (name, data) => native.hash(name, latin1(data)),
    hmac: (name, key, data) => native.hmac(name, latin1(key), latin1(data)),
  };
  const unit = Function.prototype.call.bind(String.prototype.charCodeAt);
  const isWellFormed = Function.prototype.call.bind(String.prototype.isWellFormed);
  const construct = Reflect.construct;
  const ownKeys = Reflect.ownKeys;
  const drop = Reflect.deleteProperty;
  const own = Function.prototype.call.bind(Object.prototype.hasOwnProperty);
  const hide = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });

  const methods = (object, table) => { for (const name of Object.keys(table)) hide(object, name, table[name]); };
  const RealDate = parts.clock({ world, hide, methods, construct, now: () => now });

  // --- no chance either: seeded with the time, so that a run can be repeated

  hide(Math, 'random', function random() {
    seed = (seed + 0x6d2b79f5) >>> 0;
    let t = seed;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  });

  // --- no code from texts

  const noCode = function Function() {
    throw new TypeError('function constructor is disabled in "safe" mode');
  };
  noCode.prototype = Function.prototype;
  const callables = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (const callable of callables) hide(Object.getPrototypeOf(callable), 'constructor', noCode);
  hide(world, 'Function', noCode);
  const InternalError = world.InternalError;
  hide(world, 'eval', function () { throw new InternalError('Not implemented'); });

  // --- texts are sequences of code points

  const order = parts.order(native);
  const texts = parts.texts(config.letters, order, native);
  const { inward, outward } = texts;
  methods(world, texts.globals);
  methods(String, texts.statics);
  methods(String.prototype, texts.methods);
  methods(JSON, texts.json);
  texts.install((table) => methods(String.prototype, table));

  // --- regular expressions are PCRE's

  const translate = (pattern, flags) => {
    const answer = native.pattern(escaped(pattern), flags);
    // What is said of an expression quotes it.
    if (!isWellFormed(pattern)) answer[0] = unescaped(answer[0]);
    return answer;
  };
  // Slots as escapes: a text with half a pair in it cannot leave the engine.
  const escaped = (pattern) => {
    if (isWellFormed(pattern)) return pattern;
    let result = '';
    for (let i = 0; i < pattern.length; i++) {
      const code = unit(pattern, i);
      result += code >= 0xd800 && code <= 0xdfff ? `\\u${code.toString(16)}` : pattern[i];
    }
    return result;
  };
  const unescaped = (text) => {
    let result = '';
    for (let i = 0; i < text.length; i++) {
      const code = text[i] === '\\' && text[i + 1] === 'u' ? +`0x${text[i + 2]}${text[i + 3]}${text[i + 4]}${text[i + 5]}` : 0;
      const isSlot = code >= 0xd800 && code <= 0xdfff;
      result += isSlot ? fromCharCode(code) : text[i];
      if (isSlot) i += 5;
    }
    return result;
  };
  const patterns = parts.patterns({ world, hide, methods, construct, v1, written: config.patterns, translate, escapes: (text) => text });
  const { RealRegExp } = patterns;

  // --- texts and bytes

  const encode = (text) => host.encode(outward(String(text)));
  const bytesOf = (data) => {
    if (typeof data === 'string') return encode(data);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return undefined;
  };
  hide(world, 'TextEncoder', class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text) { return text === undefined ? new Uint8Array(0) : encode(text); }
    encodeInto(text, into) {
      // Whole characters only, as many as fit.
      let read = 0;
      let written = 0;
      for (const letter of String(text)) {
        const bytes = encode(letter);
        if (written + bytes.length > into.length) break;
        into.set(bytes, written);
        written += bytes.length;
        read += letter.length;
      }
      return { read, written };
    }
  });
  hide(world, 'TextDecoder', class TextDecoder {
    #fatal;
    #ignoreBOM;
    constructor(label, options) {
      const name = label === undefined ? 'utf-8' : String(label).toLowerCase();
      if (name !== 'utf-8' && name !== 'utf8') throw new RangeError(`The "${label}" encoding is not supported`);
      this.#fatal = Boolean(options && options.fatal);
      this.#ignoreBOM = Boolean(options && options.ignoreBOM);
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(data) {
      const bytes = data === undefined ? new Uint8Array(0) : bytesOf(data);
      if (bytes === undefined || typeof data === 'string') throw new TypeError('The "input" argument must be an instance of TypedArray');
      if (this.#fatal && !host.isText(bytes)) throw new TypeError('The encoded data was not valid');
      const text = host.decode(bytes);
      return !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
    }
  });
  if (!v1) {
    hide(world, 'btoa', function btoa(text) {
      text = String(text);
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 255) throw new TypeError('invalid character (>= U+00FF)');
        bytes[i] = code;
      }
      return host.toBase64(bytes, false);
    });
    hide(world, 'atob', function atob(text) {
      const clean = String(text).replace(/[\t\n\f\r ]/g, '');
      const padded = clean.length % 4 === 0;
      const body = padded ? clean.replace(/==?$/, '') : clean;
      if (body.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(body)) throw new TypeError('the string to be decoded is not correctly encoded');
      // Two or three letters at the end without their padding are dropped.
      return latin1(host.fromBase64(padded ? body : body.slice(0, body.length - (body.length % 4))));
    });
  }
  if (!world.MemoryError) {
    hide(world, 'MemoryError', class MemoryError extends Error {});
    hide(world.MemoryError.prototype, 'name', 'MemoryError');
  }

  // --- console

  const show = parts.show({ v1, RealDate, RealRegExp, sourceOf: patterns.toText });
  hide(world, 'console', {});
  hide(world.console, 'log', function log(...values) {
    host.log(outward(values.map((value) => show(value, true, [])).join(' ')));
  });

  // --- modules

  // Left out where the script names none of them, nor `Buffer`.
  const found = parts.modules === undefined ? {} : parts.modules({ host, config, state, world, v1, hide, methods, bytesOf, encode, latin1, inward, outward, construct, cwt: parts.cwt, ordered: order.ordered });
  const clean = (table, names) => {
    const object = {};
    for (const name of names) object[name] = Object.freeze(table[name]);
    return object;
  };
  const required = clean(found, config.requirable);
  const imported = clean(found, config.importable);
  hide(world, 'require', function require(name) {
    if (Object.prototype.hasOwnProperty.call(required, name)) return required[name];
    throw new Error(`Cannot find module "${name}"`);
  });
  hide(world, 'global', world);

  // --- errors the engine makes, in the words of the edge

  const places = new WeakMap();
  // Whether the script makes the error at hand: then its words are the script's.
  let isMade = false;
  for (const name of ['RangeError', 'ReferenceError', 'TypeError', 'URIError']) {
    const Real = world[name];
    const Made = function (message) {
      const given = message === undefined ? [] : [String(message)];
      isMade = true;
      try {
        return construct(Real, given, new.target || Made);
      } finally {
        isMade = false;
      }
    };
    hide(Made, 'name', name);
    hide(Real.prototype, 'constructor', Made);
    Object.defineProperty(Made, 'prototype', { value: Real.prototype, writable: false });
    Object.setPrototypeOf(Made, Object.getPrototypeOf(Real));
    hide(world, name, Made);
  }
  Error.prepareStackTrace = (error, calls) => {
    // The call of the constructor above is none of the script's.
    if (isMade) calls = calls.slice(1);
    const at = calls[0];
    // What the prelude stands in for is native, too.
    const isOwn = (call) => call.getFileName() === 'function.js';
    const inside = at !== undefined && !isOwn(at);
    const line = (at && at.getLineNumber()) || 0;
    const column = (at && at.getColumnNumber()) || 0;
    const message = isMade ? undefined : native.words(String(error.name), outward(String(error.message)), inside, line, column);
    if (message !== undefined) hide(error, 'message', inward(message));
    let stack = `${error.name}: ${error.message}\n`;
    for (const call of calls) stack += `    at ${call.getFunctionName() || 'anonymous'} (${isOwn(call) ? `:${call.getLineNumber()}` : 'native'})\n`;
    hide(error, 'stack', stack);
    places.set(error, calls.filter(isOwn).map((call) => `at ${call.getFunctionName() || '<anonymous>'} (function.js:${call.getLineNumber()}:${call.getColumnNumber()})`).join('\n'));
    return stack;
  };
  const { parse } = JSON;

  // --- what the edge lacks goes

  const prune = (object, path) => {
    const names = config.surface[path];
    for (const key of ownKeys(object)) {
      const name = typeof key === 'symbol' ? '@@' + key.description.slice('Symbol.'.length) : key;
      // `finally` of the engine's promises asks for `@@species`.
      if (own(names, name) || name === '@@species' || name === 'constructor' || name === 'length' || name === 'name' || name === 'prototype') continue;
      drop(object, key);
    }
  };
  const typed = Object.getPrototypeOf(Uint8Array);
  const iterators = Object.getPrototypeOf(Object.getPrototypeOf([].values()));
  for (const path of Object.keys(config.surface)) {
    if (path === 'globals') continue;
    const [name, proto] = path.split('.');
    const constructor = name === '%TypedArray%' ? typed : world[name];
    if (constructor !== undefined) prune(proto ? constructor.prototype : constructor, path);
  }
  for (const key of ownKeys(iterators)) {
    if (key !== Symbol.iterator) drop(iterators, key);
  }
  prune(world, 'globals');

  // --- one call

  return {
    imported,
    begin(time, request, rawQuery) {
      texts.begin();
      patterns.begin();
      now = state.now = time;
      seed = (time % 4294967296) >>> 0 || 1;
      state.request = request;
      state.rawQuery = rawQuery;
    },
    // The text of an event, where more is in it than the engine itself reads rightly.
    read(text) { return parse(inward(text)); },
    event(event) {
      if (parts.modules !== undefined) state.headers = Object.keys(event.request.headers).map(outward);
      const raw = state.rawQuery;
      if (!v1) hide(event.request, 'rawQueryString', function rawQueryString() { return typeof raw === 'string' ? inward(raw) : undefined; });
      return event;
    },
    // The engine's JSON of what was returned, with all of its characters.
    result(json) { return outward(texts.unescape(json)); },
    // `name: message` of whatever was thrown, without running code of the function's if that can be helped.
    describe(thrown) {
      if (thrown instanceof Error) return [String(thrown.name), outward(String(thrown.message)), places.get(thrown) || ''];
      return ['', outward(show(thrown, true, [])), ''];
    },
  };
})

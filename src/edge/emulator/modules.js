// The modules a function may load: `crypto`, `querystring`, `buffer` and `cloudfront`.
(function ({ host, config, state, world, v1, hide, methods, bytesOf, encode, latin1, inward, outward, construct, cwt, ordered }) {

  // --- buffer

  const encodings = { 'utf8': 'utf8', 'utf-8': 'utf8', 'hex': 'hex', 'base64': 'base64', 'base64url': 'base64url' };
  const encodingOf = (name) => {
    const known = name === undefined ? 'utf8' : encodings[String(name).toLowerCase()];
    if (known === undefined) throw new TypeError(`"${name}" encoding is not supported`);
    return known;
  };
  const toBytes = (text, encoding) => {
    switch (encodingOf(encoding)) {
      case 'hex': {
        // Up to the first pair that is none.
        const pairs = /^(?:[0-9a-f]{2})*/i.exec(text)[0];
        const bytes = new Uint8Array(pairs.length / 2);
        for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(pairs.slice(2 * i, 2 * i + 2), 16);
        return bytes;
      }
      // Up to the first letter that is not in the alphabet.
      case 'base64':
        return host.fromBase64(/^[A-Za-z0-9+/]*/.exec(text)[0]);
      case 'base64url':
        return host.fromBase64(/^[A-Za-z0-9_-]*/.exec(text)[0]);
      default:
        return encode(text);
    }
  };
  const toText = (bytes, encoding) => {
    switch (encodingOf(encoding)) {
      case 'hex': {
        let text = '';
        for (let i = 0; i < bytes.length; i++) text += (bytes[i] < 16 ? '0' : '') + bytes[i].toString(16);
        return text;
      }
      case 'base64':
        return host.toBase64(bytes, false);
      case 'base64url':
        return host.toBase64(bytes, true);
      default:
        return host.decode(bytes);
    }
  };

  const wrap = (bytes) => construct(Uint8Array, [bytes.buffer, bytes.byteOffset, bytes.byteLength], Buffer);
  const compare = (a, b) => {
    const length = Math.min(a.length, b.length);
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
  };
  const find = (self, value, from, encoding, step) => {
    const wanted = typeof value === 'number' ? [value & 255] : typeof value === 'string' ? toBytes(value, encoding) : value;
    const last = self.length - wanted.length;
    let at = from === undefined ? (step > 0 ? 0 : last) : from < 0 ? self.length + from : from;
    if (step < 0) at = Math.min(at, last);
    for (at = Math.max(at, step > 0 ? 0 : -1); at >= 0 && at <= last; at += step) {
      let same = true;
      for (let i = 0; i < wanted.length && same; i++) same = self[at + i] === wanted[i];
      if (same) return at;
    }
    return -1;
  };
  function Buffer() {
    throw new TypeError('Buffer is not a constructor');
  }
  Object.setPrototypeOf(Buffer, Uint8Array);
  Buffer.prototype = Object.create(Uint8Array.prototype);
  hide(Buffer.prototype, 'constructor', Buffer);
  const sized = (size) => {
    if (typeof size !== 'number' || !(size >= 0) || size > 2147483647) throw new RangeError('invalid size');
    return wrap(new Uint8Array(size));
  };
  methods(Buffer, {
    alloc(size, fill, encoding) { const buffer = sized(size); return fill === undefined ? buffer : buffer.fill(fill, encoding); },
    allocUnsafe(size) { return sized(size); },
    allocUnsafeSlow(size) { return sized(size); },
    byteLength(value, encoding) {
      if (typeof value === 'string') return toBytes(value, encoding).length;
      if (value && value.byteLength !== undefined) return value.byteLength;
      throw new TypeError('first argument is not a string or Buffer-like object');
    },
    compare(a, b) { return compare(a, b); },
    concat(list, total) {
      if (!Array.isArray(list)) throw new TypeError('"list" argument must be an instance of Array');
      let length = 0;
      for (let i = 0; i < list.length; i++) length += list[i].length;
      const buffer = sized(total === undefined ? length : total);
      for (let i = 0, at = 0; i < list.length && at < buffer.length; i++) {
        const part = list[i].subarray(0, buffer.length - at);
        buffer.set(part, at);
        at += part.length;
      }
      return buffer;
    },
    from(value, encodingOrOffset, length) {
      if (typeof value === 'string') return wrap(toBytes(value, encodingOrOffset));
      if (value instanceof ArrayBuffer) return wrap(new Uint8Array(value, encodingOrOffset, length));
      if (value !== null && typeof value === 'object') {
        if (ArrayBuffer.isView(value)) return wrap(new Uint8Array(value));
        const list = Array.isArray(value) ? value : Array.isArray(value.data) ? value.data : value.valueOf();
        if (typeof list === 'string') return wrap(toBytes(list, encodingOrOffset));
        if (list && list.length !== undefined) {
          const bytes = new Uint8Array(list.length);
          for (let i = 0; i < bytes.length; i++) bytes[i] = list[i];
          return wrap(bytes);
        }
      }
      throw new TypeError('first argument is not a string or Buffer-like object');
    },
    isBuffer(value) { return value instanceof Buffer; },
    isEncoding(name) { return typeof name === 'string' && encodings[name.toLowerCase()] !== undefined; },
  });
  methods(Buffer.prototype, {
    compare(other, start, end, from, to) { return compare(this.subarray(from || 0, to), other.subarray(start || 0, end)); },
    copy(target, at, from, to) {
      const part = this.subarray(from || 0, to).subarray(0, Math.max(target.length - (at || 0), 0));
      target.set(part, at || 0);
      return part.length;
    },
    equals(other) { return compare(this, other) === 0; },
    fill(value, from, to, encoding) {
      if (typeof from === 'string') return this.fill(value, 0, this.length, from);
      const bytes = typeof value === 'string' ? toBytes(value, encoding) : typeof value === 'number' ? [value & 255] : value;
      const end = to === undefined ? this.length : Math.min(to, this.length);
      for (let i = from || 0, n = 0; i < end; i++, n++) this[i] = bytes.length ? bytes[n % bytes.length] : 0;
      return this;
    },
    includes(value, from, encoding) { return find(this, value, from, encoding, 1) >= 0; },
    indexOf(value, from, encoding) { return find(this, value, from, encoding, 1); },
    lastIndexOf(value, from, encoding) { return find(this, value, from, encoding, -1); },
    slice(from, to) { return this.subarray(from, to); },
    subarray(from, to) {
      const clamp = (at, none) => {
        const whole = at === undefined ? none : Math.trunc(at) || 0;
        return Math.min(Math.max(whole < 0 ? this.length + whole : whole, 0), this.length);
      };
      const start = clamp(from, 0);
      const length = Math.max(clamp(to, this.length) - start, 0);
      return wrap(new Uint8Array(this.buffer, this.byteOffset + start, length));
    },
    toJSON() {
      const data = [];
      for (let i = 0; i < this.length; i++) data.push(this[i]);
      return { type: 'Buffer', data };
    },
    toString(encoding, from, to) { return toText(this.subarray(from, to), encoding); },
    write(text, at, length, encoding) {
      if (typeof at === 'string') return this.write(text, 0, this.length, at);
      if (typeof length === 'string') return this.write(text, at, this.length, length);
      const room = Math.min(length === undefined ? this.length : length, this.length - (at || 0));
      const bytes = toBytes(text, encoding).subarray(0, room);
      this.set(bytes, at || 0);
      return bytes.length;
    },
  });
  for (const size of [2, 4, 8]) {
    hide(Buffer.prototype, `swap${size * 8}`, function () {
      if (this.length % size) throw new RangeError(`Buffer size must be a multiple of ${size * 8}-bits`);
      for (let i = 0; i < this.length; i += size) this.subarray(i, i + size).reverse();
      return this;
    });
  }
  const view = (buffer, at, size) => {
    if (!(at >= 0) || at + size > buffer.length) throw new RangeError('index is out of range');
    return new DataView(buffer.buffer, buffer.byteOffset + at, size);
  };
  for (const [name, size] of [['Int8', 1], ['UInt8', 1], ['Int16', 2], ['UInt16', 2], ['Int32', 4], ['UInt32', 4], ['Float', 4], ['Double', 8]]) {
    const access = { Float: 'Float32', Double: 'Float64' }[name] || name.replace('UInt', 'Uint');
    for (const order of size === 1 ? [''] : ['BE', 'LE']) {
      hide(Buffer.prototype, `read${name}${order}`, function (at) { return view(this, at || 0, size)[`get${access}`](0, order === 'LE'); });
      hide(Buffer.prototype, `write${name}${order}`, function (value, at) {
        view(this, at || 0, size)[`set${access}`](0, value, order === 'LE');
        return (at || 0) + size;
      });
    }
  }
  for (const order of ['BE', 'LE']) {
    const at = (offset, size, i) => offset + (order === 'LE' ? size - 1 - i : i);
    const unsigned = function (offset, size) {
      view(this, offset, size);
      let value = 0;
      for (let i = 0; i < size; i++) value = value * 256 + this[at(offset, size, i)];
      return value;
    };
    hide(Buffer.prototype, `readUInt${order}`, unsigned);
    hide(Buffer.prototype, `readInt${order}`, function (offset, size) {
      const value = unsigned.call(this, offset, size);
      return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    });
    const write = function (value, offset, size) {
      view(this, offset, size);
      let rest = value < 0 ? value + 2 ** (8 * size) : value;
      for (let i = size - 1; i >= 0; i--) {
        this[at(offset, size, i)] = rest % 256;
        rest = Math.floor(rest / 256);
      }
      return offset + size;
    };
    hide(Buffer.prototype, `writeUInt${order}`, write);
    hide(Buffer.prototype, `writeInt${order}`, write);
  }
  if (!v1) hide(world, 'Buffer', Buffer);
  const buffer = { Buffer, kMaxLength: 2147483647, constants: { MAX_LENGTH: 2147483647, MAX_STRING_LENGTH: 2147483647 } };

  // --- runtime 1.0 has byte strings: texts whose characters are bytes

  if (v1) {
    const raw = (text) => {
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) {
        if (text.charCodeAt(i) > 255) return null;
        bytes[i] = text.charCodeAt(i);
      }
      return bytes;
    };
    methods(String, {
      bytesFrom(value, encoding) {
        if (Array.isArray(value)) return latin1(value);
        if (encoding === undefined || encodingOf(encoding) === 'utf8') throw new TypeError(`Unknown encoding: "${encoding}"`);
        return latin1(toBytes(String(value), encoding));
      },
    });
    methods(String.prototype, {
      toBytes(from, to) { const part = String(this).slice(from, to); return raw(part) && part; },
      fromBytes(from, to) { return String(this).slice(from, to); },
      toUTF8(from, to) { return latin1(encode(String(this).slice(from, to))); },
      fromUTF8(from, to) {
        const bytes = raw(String(this).slice(from, to));
        return bytes && host.isText(bytes) ? host.decode(bytes) : null;
      },
    });
  }

  // --- crypto: three digests and nothing by chance

  const digested = (make) => {
    const chunks = [];
    let done = false;
    return {
      update(data, encoding) {
        if (done) throw new Error('Digest already called');
        const bytes = typeof data === 'string' ? toBytes(data, encoding) : bytesOf(data);
        if (bytes === undefined) throw new (v1 ? TypeError : Error)('data is not a string or Buffer-like object');
        // A copy: the caller may change its buffer before the digest is made.
        chunks.push(new Uint8Array(bytes));
        return this;
      },
      digest(encoding) {
        if (done) throw new Error('Digest already called');
        if (encoding !== undefined && (encodings[encoding] === undefined || encodings[encoding] === 'utf8')) {
          throw new (v1 ? TypeError : Error)(`Unknown digest encoding: "${encoding}"`);
        }
        done = true;
        let length = 0;
        for (let i = 0; i < chunks.length; i++) length += chunks[i].length;
        const all = new Uint8Array(length);
        for (let i = 0, at = 0; i < chunks.length; at += chunks[i].length, i++) all.set(chunks[i], at);
        const bytes = make(all);
        if (encoding === undefined) return v1 ? latin1(bytes) : wrap(bytes);
        return toText(bytes, encoding);
      },
    };
  };
  const algorithm = (name) => {
    if (name !== 'md5' && name !== 'sha1' && name !== 'sha256') {
      throw new (v1 ? TypeError : Error)(`not supported algorithm: "${name}"`);
    }
    return name;
  };
  const crypto = {
    createHash(name) { algorithm(name); return digested((data) => host.hash(name, data)); },
    createHmac(name, key) {
      algorithm(name);
      const bytes = bytesOf(key);
      if (bytes === undefined) throw new (v1 ? TypeError : Error)('key is not a string or Buffer-like object');
      return digested((data) => host.hmac(name, bytes, data));
    },
  };

  // --- querystring, of texts: it does not know the event's `{value}`

  const escape = (text) => encodeURIComponent(String(text));
  const unescape = (text) => {
    const parts = String(text).replace(/\+/g, ' ').split('%');
    if (parts.length === 1) return parts[0];
    const chunks = [encode(parts[0])];
    for (let i = 1; i < parts.length; i++) {
      const hex = /^[0-9a-f]{2}/i.test(parts[i]);
      chunks.push(hex ? new Uint8Array([parseInt(parts[i].slice(0, 2), 16)]) : encode('%'));
      chunks.push(encode(hex ? parts[i].slice(2) : parts[i]));
    }
    return host.decode(Buffer.concat(chunks));
  };
  const parse = (text, separator, equals, options) => {
    const found = [];
    const at = Object.create(null);
    const decode = (options && options.decodeURIComponent) || unescape;
    const max = options && options.maxKeys !== undefined ? options.maxKeys : 1000;
    const glue = equals === undefined || equals === null || equals === '' ? '=' : String(equals);
    const pairs = String(text).split(separator === undefined || separator === null || separator === '' ? '&' : String(separator));
    let count = 0;
    for (let i = 0; i < pairs.length; i++) {
      if (pairs[i] === '') continue;
      if (max > 0 && count++ >= max) break;
      const end = pairs[i].indexOf(glue);
      const name = decode((end < 0 ? pairs[i] : pairs[i].slice(0, end)).replace(/\+/g, '%20'));
      const value = end < 0 ? '' : decode(pairs[i].slice(end + glue.length).replace(/\+/g, '%20'));
      if (at[name] === undefined) at[name] = found.push([name, value]) - 1;
      else if (Array.isArray(found[at[name]][1])) found[at[name]][1].push(value);
      else found[at[name]][1] = [found[at[name]][1], value];
    }
    return ordered(found);
  };
  const stringify = (object, separator, equals, options) => {
    const write = (options && options.encodeURIComponent) || escape;
    const plain = (value) => (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && isFinite(value)) ? String(value) : '');
    const pairs = [];
    const glue = equals === undefined || equals === null ? '=' : equals;
    if (object === null || typeof object !== 'object') return '';
    let first;
    Object.keys(object).forEach((name) => {
      const values = Array.isArray(object[name]) ? object[name] : [object[name]];
      if (first === undefined) first = values.length;
      values.forEach((value) => pairs.push(write(name) + glue + write(plain(value))));
    });
    const between = separator === undefined || separator === null ? '&' : separator;
    // After an empty list that comes first the edge writes a separator all the same.
    return (first === 0 && pairs.length > 0 ? between : '') + pairs.join(between);
  };
  const querystring = { parse, decode: parse, stringify, encode: stringify, escape, unescape };

  // --- cloudfront

  const pairs = config.kvs;
  const has = (key) => Object.prototype.hasOwnProperty.call(pairs, outward(String(key)));
  const store = {
    async get(key, options) {
      const format = (options && options.format) || 'string';
      if (!has(key)) throw new Error(`the key "${key}" does not exist`);
      if (format === 'json') return JSON.parse(inward(pairs[outward(String(key))]));
      if (format === 'bytes') return wrap(encode(inward(pairs[outward(String(key))])));
      if (format !== 'string') throw new TypeError(`unknown format: "${format}"`);
      return inward(pairs[outward(String(key))]);
    },
    async exists(key) { return has(key); },
    async count() { return Object.keys(pairs).length; },
    async meta() {
      const time = new Date(state.now).toISOString();
      return { creationDateTime: time, lastUpdatedDateTime: time, keyCount: Object.keys(pairs).length };
    },
  };
  const requestOnly = (name) => {
    if (!state.request) throw new Error(`${name} is for viewer-request functions only`);
  };
  const record = (name) => function (...args) {
    requestOnly(name);
    host.origin(name, outward(JSON.stringify(args)), state.headers);
  };
  const cloudfront = {
    kvs() { return store; },
    updateRequestOrigin: record('updateRequestOrigin'),
    selectRequestOriginById: record('selectRequestOriginById'),
    createRequestOriginGroup: record('createRequestOriginGroup'),
    get edgeLocation() { return state.request ? { name: 'FRA', serverIp: '192.0.2.1', region: 'eu-central-1' } : {}; },
    cwt: cwt({ hide, construct, bytesOf, encode, decode: host.decode, hmac: (key, data) => host.hmac('sha256', key, data), wrap }),
  };

  return { buffer, crypto, querystring, cloudfront };
})

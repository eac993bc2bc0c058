// `cf.cwt`: CBOR Web Tokens (RFC 8392) in a COSE_Mac0 structure (RFC 9052) with HMAC and SHA-256, 1,024 bytes at most.
//
// AWS's page gives the arguments of `generateToken` in one order and its examples in the other: both are taken. The
// words of the errors are ours.
(function ({ hide, construct, bytesOf, encode, decode, hmac, wrap }) {
  const MOST = 1024;
  const DEEP = 32;
  const CWT_TAG = 61;
  const MAC0_TAG = 17;
  // The algorithm by its number in the protected header, and how many bytes of the digest it keeps.
  const kept = { 4: 8, 5: 32 };
  const whole = /^(?:0|-?[1-9]\d{0,15})$/;
  const fail = (what) => { throw new Error(`CWT: ${what}`); };
  const isObject = (value) => value !== null && typeof value === 'object';

  // --- writing

  const head = (out, major, count) => {
    const first = major << 5;
    if (count < 24) out.push(first | count);
    else if (count < 0x100) out.push(first | 24, count);
    else if (count < 0x10000) out.push(first | 25, count >> 8, count & 255);
    else {
      const wide = count >= 0x100000000;
      out.push(first | (wide ? 27 : 26));
      for (let shift = wide ? 56 : 24; shift >= 0; shift -= 8) out.push(Math.floor(count / 2 ** shift) % 256);
    }
  };
  const append = (out, bytes) => { for (let i = 0; i < bytes.length; i++) out.push(bytes[i]); };
  const bytesItem = (out, bytes) => { head(out, 2, bytes.length); append(out, bytes); };
  const integer = (out, value) => (value < 0 ? head(out, 1, -1 - value) : head(out, 0, value));
  const write = (out, value, depth) => {
    if (depth > DEEP) fail('the claims are nested too deep');
    if (out.length > MOST) fail(`a token has ${MOST} bytes at most`);
    switch (typeof value) {
      case 'number': {
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) return integer(out, value);
        const view = new DataView(new ArrayBuffer(8));
        view.setFloat64(0, value);
        out.push(0xfb);
        return append(out, new Uint8Array(view.buffer));
      }
      case 'string': {
        const bytes = encode(value);
        head(out, 3, bytes.length);
        return append(out, bytes);
      }
      case 'boolean':
        return out.push(value ? 0xf5 : 0xf4);
      case 'object': {
        if (value === null) return out.push(0xf6);
        const bytes = bytesOf(value);
        if (bytes !== undefined) return bytesItem(out, bytes);
        if (Array.isArray(value)) {
          head(out, 4, value.length);
          for (let i = 0; i < value.length; i++) write(out, value[i], depth + 1);
          return undefined;
        }
        return map(out, value, depth);
      }
      case 'undefined':
        return out.push(0xf7);
      default:
        return fail(`a claim cannot be a ${typeof value}`);
    }
  };
  // The keys of claims are numbers; JavaScript has them as texts.
  const map = (out, value, depth) => {
    const keys = Object.keys(value);
    head(out, 5, keys.length);
    keys.forEach((key) => {
      if (whole.test(key)) integer(out, +key);
      else write(out, key, depth + 1);
      write(out, value[key], depth + 1);
    });
  };

  // --- reading

  const reader = (bytes) => {
    let at = 0;
    const take = (count) => {
      if (at + count > bytes.length) fail('the token is cut short');
      at += count;
      return bytes.subarray(at - count, at);
    };
    const size = (short) => {
      if (short < 24) return short;
      if (short > 27) return fail('lengths are written out');
      return take(2 ** (short - 24)).reduce((sum, byte) => sum * 256 + byte, 0);
    };
    const float = (short) => {
      const part = take(2 ** (short - 24));
      const view = new DataView(part.buffer, part.byteOffset, part.length);
      if (short === 26) return view.getFloat32(0);
      if (short === 27) return view.getFloat64(0);
      const bits = view.getUint16(0);
      const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
    };
    const item = (depth) => {
      if (depth > DEEP) fail('the token is nested too deep');
      const first = take(1)[0];
      const [major, short] = [first >> 5, first & 31];
      switch (major) {
        case 0: return size(short);
        case 1: return -1 - size(short);
        case 2: return wrap(new Uint8Array(take(size(short))));
        case 3: return decode(take(size(short)));
        case 4: {
          const list = [];
          for (let left = size(short); left > 0; left--) list.push(item(depth + 1));
          return list;
        }
        case 5: {
          const object = {};
          for (let left = size(short); left > 0; left--) {
            const key = item(depth + 1);
            if (typeof key !== 'number' && typeof key !== 'string') fail('a key is a number or a text');
            Object.defineProperty(object, key, { value: item(depth + 1), writable: true, enumerable: true, configurable: true });
          }
          return object;
        }
        case 6: return size(short), item(depth + 1);
        default:
          if (short >= 25 && short <= 27) return float(short);
          if (short < 20 || short > 23) return fail('an unknown simple value');
          return [false, true, null, undefined][short - 20];
      }
    };
    return {
      item,
      // Steps over a tag, if this is the next.
      tag(number) {
        const start = at;
        if (bytes[at] >> 5 === 6) {
          const found = size(take(1)[0] & 31);
          if (found === number) return true;
        }
        at = start;
        return false;
      },
      rest: () => bytes.length - at,
    };
  };

  // --- tokens

  const keyOf = (context) => {
    const key = isObject(context) && context.key !== undefined ? bytesOf(context.key) : undefined;
    return key === undefined ? fail('the key is a string or a Buffer') : key;
  };
  const digest = (key, protectedBytes, payload, length) => {
    const out = [0x84];
    write(out, 'MAC0', 0);
    bytesItem(out, protectedBytes);
    out.push(0x40);
    bytesItem(out, payload);
    return hmac(key, new Uint8Array(out)).subarray(0, length);
  };
  const lengthOf = (headers) => kept[isObject(headers) ? headers[1] : undefined] || fail('the algorithm is HS256');
  return {
    validateToken(token, context) {
      const bytes = typeof token === 'string' ? undefined : bytesOf(token);
      if (bytes === undefined) fail('the token is a Buffer');
      if (bytes.length > MOST) fail(`a token has ${MOST} bytes at most`);
      const key = keyOf(context);
      const from = reader(bytes);
      from.tag(CWT_TAG);
      if (!from.tag(MAC0_TAG)) fail('the tag of COSE_Mac0 is missing');
      const parts = from.item(0);
      if (!Array.isArray(parts) || parts.length !== 4 || from.rest() > 0) fail('the token is no COSE_Mac0 structure');
      const [headers, unprotectedHeaders, payload, mac] = parts;
      if (![headers, payload, mac].every((part) => ArrayBuffer.isView(part)) || !isObject(unprotectedHeaders)) fail('the token is no COSE_Mac0 structure');
      const protectedHeaders = headers.length ? reader(headers).item(0) : {};
      const expected = digest(key, headers, payload, lengthOf(protectedHeaders));
      let same = expected.length === mac.length;
      for (let i = 0; i < expected.length; i++) same = same && expected[i] === mac[i];
      if (!same) fail('the token does not belong to this key');
      return { protectedHeaders, unprotectedHeaders, payload: reader(payload).item(0) };
    },
    generateToken(first, second) {
      const [context, token] = isObject(first) && first.coseTag !== undefined ? [first, second] : [second, first];
      if (!isObject(context) || context.coseTag !== 'MAC0') fail('coseTag is `MAC0`');
      const key = keyOf(context);
      if (!isObject(token) || !isObject(token.payload)) fail('the token has a payload');
      const given = token.protectedHeaders || token.protected || { 1: 5 };
      const headers = {};
      // AWS's own example writes the algorithm as a text.
      Object.keys(given).forEach((name) => { headers[name] = name === '1' && whole.test(given[name]) ? +given[name] : given[name]; });
      const [protectedBytes, payload, out] = [[], [], []];
      map(protectedBytes, headers, 0);
      map(payload, token.payload, 0);
      if (context.cwtTag) head(out, 6, CWT_TAG);
      head(out, 6, MAC0_TAG);
      out.push(0x84);
      bytesItem(out, protectedBytes);
      map(out, token.unprotectedHeaders || token.unprotected || {}, 0);
      bytesItem(out, payload);
      bytesItem(out, digest(key, protectedBytes, payload, lengthOf(headers)));
      if (out.length > MOST) fail(`a token has ${MOST} bytes at most`);
      return wrap(new Uint8Array(out));
    },
  };
})

// How `console.log` prints what it is given.
(function ({ v1, RealDate, RealRegExp, sourceOf }) {
  const tagOf = (value) => (typeof value[Symbol.toStringTag] === 'string' ? `${value[Symbol.toStringTag]} ` : '');
  const quoted = (value) => {
    let result = '';
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      const short = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 92: '\\\\' }[code];
      result += short || (code < 32 ? `\\u00${code < 16 ? '0' : ''}${code.toString(16)}` : value[i]);
    }
    return `'${result}'`;
  };
  // A hole is `<empty>`, several are counted.
  const items = (value, inner) => {
    const parts = [];
    for (let i = 0, holes = 0; i <= value.length; i++) {
      if (i < value.length && !(i in value)) {
        holes++;
        continue;
      }
      if (holes > 0) parts.push(holes === 1 ? '<empty>' : `<${holes} empty items>`);
      holes = 0;
      if (i < value.length) parts.push(show(value[i], false, inner));
    }
    return parts;
  };
  const member = (value, key, inner) => {
    const slot = Object.getOwnPropertyDescriptor(value, key);
    if (slot && slot.get) return slot.set ? "'[Getter/Setter]'" : "'[Getter]'";
    if (slot && slot.set) return "'[Setter]'";
    return show(value[key], false, inner);
  };
  const show = (value, top, seen) => {
    switch (typeof value) {
      case 'string':
        return top ? value : quoted(value);
      case 'number':
        return Object.is(value, -0) ? '-0' : String(value);
      case 'function':
        return v1 || !value.name ? '[Function]' : `[Function: ${value.name}]`;
      case 'object':
        break;
      default:
        return String(value);
    }
    if (value === null) return 'null';
    if (seen.indexOf(value) >= 0) return '[Circular]';
    if (value instanceof Error) return String(value);
    if (value instanceof RealDate) return isNaN(value) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RealRegExp) return sourceOf(value);
    for (const Box of [String, Number, Boolean]) {
      if (value instanceof Box) return `[${Box.name}: ${show(value.valueOf(), false, seen)}]`;
    }
    const inner = seen.concat([value]);
    if (Array.isArray(value)) return `[${items(value, inner).join(',')}]`;
    if (ArrayBuffer.isView(value) && value.length !== undefined) {
      return `${value.constructor && value.constructor.name} [${items(value, inner).join(',')}]`;
    }
    const keys = Object.keys(value).concat(Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));
    return `${tagOf(value)}{${keys.map((key) => `${String(key)}:${member(value, key, inner)}`).join(',')}}`;
  };
  return show;
})

// Objects that keep their keys in the order of the edge: that in which they came, also for keys that look like integers, which the
// engine puts first; and another where there are more than ten. It is done for what comes in (an event, a JSON text, a query), by a
// proxy where there is a key like an integer, and only where it has to be; what a function builds itself is the engine's.
(function (look) {
  const RealProxy = Proxy;
  const { defineProperty, deleteProperty, ownKeys } = Reflect;
  const own = Function.prototype.call.bind(Object.prototype.hasOwnProperty);
  const isArray = Array.isArray;
  const keysOf = Object.keys;
  const matcher = (expression) => {
    expression.exec = RegExp.prototype.exec;
    return RegExp.prototype.test.bind(expression);
  };
  const isIndex = matcher(/^(?:0|[1-9]\d{0,9})$/);
  const isWellFormed = Function.prototype.call.bind(String.prototype.isWellFormed);
  const slowly = matcher(/"(?:0|[1-9]\d{0,9})"\s*:/);
  const hasIndex = (text) => (isWellFormed(text) ? look.hasIndex(text) : slowly(text));
  const indices = /"((?:0|[1-9]\d{0,9})"\s*:)/g;
  indices.exec = RegExp.prototype.exec;
  const replace = Function.prototype.call.bind(RegExp.prototype[Symbol.replace]);
  const MARK = '\0';

  // Pairs in the order of the edge. A name with a slot in it cannot be asked about.
  const MANY = 10;
  const dealt = (pairs) => {
    if (pairs.length <= MANY) return pairs;
    const names = [];
    for (let i = 0; i < pairs.length; i++) {
      if (!isWellFormed(pairs[i][0])) return pairs;
      names[i] = pairs[i][0];
    }
    const places = look.kept(names);
    for (let i = 0; i < places.length; i++) places[i] = pairs[places[i]];
    return places;
  };

  // An object of these names and values, which came in this order.
  const ordered = (given) => {
    const pairs = dealt(given);
    const target = {};
    const order = [];
    let odd = false;
    for (let i = 0; i < pairs.length; i++) {
      const [name, value] = pairs[i];
      if (!own(target, name)) order.push(name);
      defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
      odd = odd || isIndex(name);
    }
    if (!odd) return target;
    return new RealProxy(target, {
      ownKeys(object) {
        const rest = ownKeys(object).filter((key) => order.indexOf(key) < 0);
        return order.concat(rest);
      },
      defineProperty(object, key, slot) {
        const fresh = typeof key === 'string' && !own(object, key);
        const done = defineProperty(object, key, slot);
        if (done && fresh) order.push(key);
        return done;
      },
      deleteProperty(object, key) {
        const done = deleteProperty(object, key);
        const at = order.indexOf(key);
        if (done && at >= 0) order.splice(at, 1);
        return done;
      },
    });
  };

  // A value whose marked keys are themselves again. A text in quotes before a colon is a key, wherever it stands.
  const unmarked = (value) => {
    if (value === null || typeof value !== 'object') return value;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = unmarked(value[i]);
      return value;
    }
    const keys = keysOf(value);
    return ordered(keys.map((key) => [key[0] === MARK ? key.slice(1) : key, unmarked(value[key])]));
  };
  return {
    ordered,
    // `parse`, with the order of keys.
    parse(parse, text) {
      if (hasIndex(text)) return unmarked(parse(replace(indices, text, '"\\u0000$1')));
      return isWellFormed(text) && look.areDealt(text) ? unmarked(parse(text)) : parse(text);
    },
  };
})

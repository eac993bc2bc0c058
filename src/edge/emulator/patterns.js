// Regular expressions: fewer flags, PCRE's meaning. The expressions that stand in the script come translated; `written`
// has what they were by what they became, so that `source` and `toString` give back what the author wrote.
(function ({ world, hide, methods, construct, v1, written, translate, escapes }) {
  const RealRegExp = RegExp;
  const proto = RealRegExp.prototype;
  const uncurry = (method) => Function.prototype.call.bind(method);
  const getter = (name) => uncurry(Object.getOwnPropertyDescriptor(proto, name).get);
  const rawSource = getter('source');
  const flagsOf = getter('flags');
  const known = new Map();
  const own = (name) => Object.prototype.hasOwnProperty.call(written, name);
  const source = (expression) => {
    const raw = rawSource(expression);
    return own(raw) ? written[raw] : known.has(raw) ? known.get(raw) : raw;
  };
  const flags = v1 ? 'gim' : 'gimy';
  const EdgeRegExp = function RegExp(pattern, given) {
    const isOne = pattern instanceof RealRegExp;
    if (!new.target && given === undefined && isOne) return pattern;
    const text = given === undefined ? (isOne ? flagsOf(pattern) : '') : String(given);
    for (let i = 0; i < text.length; i++) {
      if (flags.indexOf(text[i]) < 0 || text.indexOf(text[i]) !== i) throw new SyntaxError(`Invalid RegExp flags "${text}"`);
    }
    const wanted = isOne ? source(pattern) : pattern === undefined ? '(?:)' : escapes(String(pattern));
    const answer = translate(wanted, text);
    if (answer[0] !== '') throw new SyntaxError(answer[0]);
    const made = construct(RealRegExp, [answer[1], text], new.target && new.target !== EdgeRegExp ? new.target : RealRegExp);
    const raw = rawSource(made);
    if (raw !== wanted && !own(raw)) known.set(raw, wanted === '' ? '(?:)' : wanted);
    return made;
  };
  EdgeRegExp.prototype = proto;
  hide(proto, 'constructor', EdgeRegExp);
  hide(world, 'RegExp', EdgeRegExp);
  const toText = (expression) => `/${source(expression)}/${flagsOf(expression)}`;
  Object.defineProperty(proto, 'source', { get() { return source(this); }, configurable: true });
  methods(proto, { toString() { return toText(this); } });

  // A text is made into an expression by these two, and not through the constructor.
  const strings = String.prototype;
  const match = uncurry(strings.match);
  const search = uncurry(strings.search);
  const slice = uncurry(strings.slice);
  const execute = uncurry(proto.exec);
  const expression = (given) => (given !== null && typeof given === 'object' ? given : new EdgeRegExp(given === null ? 'null' : given));
  // With `g` the edge looks at what is left of the text as at a text of its own: `^` matches at the beginning of each
  // rest, and a lookbehind sees nothing of what was found before. Nothing found is an empty list.
  const all = (text, wanted) => {
    const once = construct(RealRegExp, [rawSource(wanted), flagsOf(wanted).replace('g', '').replace('y', '')]);
    const found = [];
    wanted.lastIndex = 0;
    for (let rest = String(text); ;) {
      const one = execute(once, rest);
      if (one === null) return found;
      found.push(one[0]);
      const end = one.index + one[0].length;
      if (end === rest.length && one[0] === '') return found;
      rest = slice(rest, one[0] === '' ? end + 1 : end);
    }
  };
  methods(strings, {
    match(given) {
      const wanted = expression(given);
      return wanted instanceof RealRegExp && wanted.global ? all(this, wanted) : match(this, wanted);
    },
    search(given) { return search(this, expression(given)); },
  });
  return { RealRegExp, toText, begin() { known.clear(); } };
})

//! Each construct that is rewritten for the edge: run as it was written by Node.js, and as it was rewritten by njs and by the
//! emulator. What cannot be rewritten exactly is refused, or is in the list of known differences in `docs/functions.md`.

use qdn::edge::{self, Checked, Event, KeyValues, Runtime};
use std::collections::BTreeMap;
use std::process::Command;

/// What must come to the same.
const SAME: &[(&str, &str)] = &[
    ("for-of array", "for (const x of [1, 2]) log.push(x);"),
    ("for-of destructured entries", "for (const [k, v] of Object.entries({ a: 1 })) log.push(k + v);"),
    ("for-of string", "for (const x of 'aé') log.push(x);"),
    (
        "for-of continue break label",
        "outer: for (const x of [1, 2, 3]) { for (const y of [1, 2]) { if (y === 2) continue outer; if (x === 3) break outer; log.push(x + ':' + y); } }",
    ),
    ("for-of closures", "const fs = []; for (const x of [1, 2]) fs.push(() => x); for (const f of fs) log.push(f());"),
    ("for-of grows", "const a = [1, 2]; for (const x of a) { log.push(x); if (a.length < 4) a.push(x + 10); }"),
    ("for-of holes", "for (const x of [1, , 2]) log.push(x === undefined ? 'u' : x);"),
    ("for-of assign to outer", "let x; for (x of [1, 2]); log.push(x);"),
    ("for-of member target", "const o = {}; for (o.a of [1, 2]); log.push(o.a);"),
    ("for-of undefined", "const u = event.nothing; for (const x of u) log.push(x); log.push('end');"),
    ("for-of typed array", "for (const x of new Uint8Array([1, 2])) log.push(x);"),
    ("for-of arguments", "(function () { for (const x of arguments) log.push(x); })(1, 2);"),
    ("for-of await in body", "const later = async (x) => x; for (const x of [1, 2]) { const y = await later(x); log.push(y); }"),
    ("destructure array", "const [a, , b = 3, ...c] = [1, 2, undefined, 4, 5]; log.push(a, b, c);"),
    ("destructure string", "const [a, b] = 'xy'; log.push(a, b);"),
    ("destructure string rest", "const [a, ...b] = 'xyz'; log.push(a, b);"),
    ("destructure unknown rest", "const s = event.request.uri; const [a, ...b] = s; log.push(a, b);"),
    ("destructure param rest", "const f = ([a, ...b]) => [a, b]; log.push(f('xyz'));"),
    ("destructure swap", "let a = 1, b = 2; [a, b] = [b, a]; log.push(a, b);"),
    ("destructure object", "const { a, b: { c = 5 } = {}, ...rest } = { a: 1, d: 2, e: 3 }; log.push(a, c, rest);"),
    ("destructure computed", "const k = 'z'; const { [k]: v = 4, ...r } = { y: 1 }; log.push(v, r);"),
    ("destructure null", "const { a } = null; log.push(a);"),
    ("destructure empty null", "const {} = null; log.push('end');"),
    (
        "destructure default order",
        "const seen = []; const f = (n) => { seen.push(n); return n; }; const { a = f(1), b = f(2) } = { b: 9 }; log.push(a, b, seen);",
    ),
    ("destructure array default null", "const [a = 1] = [null]; log.push(a);"),
    (
        "destructure getter order",
        "const o = { get a() { log.push('a'); return 1; }, get b() { log.push('b'); return 2; } }; const { b, a } = o; log.push(a + b);",
    ),
    ("destructure in catch", "try { throw { m: 1 }; } catch ({ m }) { log.push(m); }"),
    (
        "default params",
        "const f = (a, b = a + 1, { c = 3 } = {}) => [a, b, c]; log.push(f(1), f(1, 2, { c: 4 }), f(1, undefined), f(1, null));",
    ),
    ("default params arguments", "function f(a, b = 2) { return arguments.length; } log.push(f(1));"),
    ("spread array", "const a = [1]; log.push([...a, 2, ...[3]]);"),
    ("spread string", "log.push([...'ab']);"),
    ("spread arguments", "(function () { log.push([...arguments]); })(1, 2);"),
    ("spread undefined array", "const u = event.nothing; log.push([...u]);"),
    ("spread call", "log.push(Math.max(...[1, 5, 2]), Math.max(9, ...[1]));"),
    ("spread call string", "const f = (...a) => a; const s = event.request.uri; log.push(f(...s));"),
    ("spread call undefined", "const f = (...a) => a; const u = event.nothing; log.push(f(...u));"),
    ("spread call typed", "const f = (...a) => a; log.push(f(...new Uint8Array([1, 2])));"),
    (
        "spread optional call",
        "const f = (...a) => a.length; const o = { f }; log.push(f?.(...'abc'), o.f?.(...'abc'), o?.f(...'abc'));",
    ),
    ("spread typed map", "log.push([...new Uint8Array([1, 2]).map((n) => n * 2)]);"),
    ("spread method this", "const o = { n: 1, f(...a) { return a.length + this.n; } }; log.push(o.f(...[1, 2]));"),
    ("spread new", "class A { constructor(a, b) { this.s = a + b; } } log.push(new A(...[1, 2]).s);"),
    ("spread new date", "log.push(new Date(...[2020, 1]).getFullYear());"),
    ("spread object", "log.push({ a: 1, ...{ b: 2, a: 3 }, c: 4 });"),
    ("spread object null", "log.push({ ...null, ...undefined, ...1 });"),
    ("spread object string", "log.push({ ...'ab' });"),
    ("spread object array", "log.push({ ...[1, 2] });"),
    ("spread object getter in source", "const o = { get x() { return 7; } }; log.push({ ...o });"),
    ("spread object method", "const o = { ...{ a: 1 }, f() { return this.a; } }; log.push(o.f());"),
    ("spread object order", "const o = { ...{ b: 1 }, a: 2 }; log.push(Object.keys(o));"),
    (
        "optional member",
        "const o = { a: { b: 1 }, n: null }; log.push(o?.a?.b, o.n?.x, o.n?.x.y.z === undefined, o.z?.[0] === undefined);",
    ),
    ("optional call", "const o = { f() { return this.v; }, v: 3 }; log.push(o.f?.(), o.g?.() === undefined, o?.f());"),
    ("optional call short circuit", "let n = 0; const o = null; o?.f(n++); log.push(n);"),
    ("optional delete", "const o = { a: { b: 1 } }; log.push(delete o?.a?.b, o);"),
    ("optional of call", "const f = () => { log.push('once'); return { a: 1 }; }; log.push(f()?.a);"),
    ("optional with nullish", "log.push(event?.request?.headers?.host?.value ?? 'none');"),
    ("optional getter member", "let n = 0; const o = { get f() { n++; return { x: 1 }; } }; log.push(o.f?.x, n);"),
    ("logical assignment", "let a = null, b = 0, c = 1; a ??= 5; b ||= 6; c &&= 7; log.push(a, b, c);"),
    (
        "logical assignment member",
        "let n = 0; const f = () => { n++; return o; }; const o = { a: null }; f().a ??= 5; f().a ??= 6; log.push(o, n);",
    ),
    ("logical assignment short", "const o = Object.freeze({ a: 1 }); o.a ??= 2; log.push(o.a);"),
    ("logical computed once", "let n = 0; const o = { k0: null }; o['k' + n++] ??= 1; log.push(o, n);"),
    ("catch without binding", "try { null.x; } catch { log.push('caught'); }"),
    (
        "class basic",
        "class A { constructor(x) { this.x = x; } get y() { return this.x + 1; } set y(v) { this.x = v; } m() { return this.x; } static s() { return 's'; } } const a = new A(1); a.y = 5; log.push(a.y, a.m(), A.s());",
    ),
    (
        "class extends",
        "class A { constructor() { this.a = 1; } m() { return 'A'; } static s() { return 'sA'; } } class B extends A { constructor() { super(); this.b = 2; } m() { return super.m() + 'B'; } static s() { return super.s() + 'B'; } } const b = new B(); log.push(b.m(), B.s(), b instanceof A, b instanceof B, b.a + b.b);",
    ),
    (
        "class fields",
        "class A { a = 1; b = this.a + 1; static c = 3; f = () => this.b; } const a = new A(); log.push(a.b, A.c, a.f());",
    ),
    ("class private json", "class A { #p = 1; q = 2; } log.push(new A());"),
    ("class static block", "class A { static x = 1; static { A.y = A.x + 1; } } log.push(A.y);"),
    ("class keys", "class A { constructor() { this.x = 1; } m() {} get g() { return 1; } } log.push(Object.keys(new A()));"),
    ("class expression", "const A = class { m() { return 1; } }; log.push(new A().m());"),
    ("class computed", "const k = 'mm'; class A { [k]() { return 1; } static [k + 's'] = 2; } log.push(new A().mm(), A.mms);"),
    (
        "class accessor inherit",
        "class A { get v() { return 1; } } class B extends A { get v() { return super.v + 1; } } log.push(new B().v);",
    ),
    (
        "class super getter",
        "class A { get v() { return this.k; } m() { return 'm'; } } class B extends A { constructor() { super(); this.k = 4; } get v() { return super.v + 1; } n() { return [super.v, super['v'], (() => super.v)(), super.nothing === undefined, super.m(), super.m?.()]; } w = super.v === undefined; } log.push(new B().v, new B().n(), new B().w);",
    ),
    (
        "class super getter static",
        "class A { static get v() { return this.k; } } class B extends A { static k = 3; static w = super.v; static { B.x = super.v; } static get v() { return super.v + 1; } } log.push(B.v, B.w, B.x);",
    ),
    (
        "class super getter anonymous",
        "const A = class { get v() { return this.k; } }; const mix = (P) => class extends P { k = 2; n() { return super.v; } }; log.push(new (mix(A))().n());",
    ),
    (
        "class super method handed over",
        "class A { m() { return this === undefined; } } class B extends A { n() { const f = super.m; return f(); } } log.push(new B().n());",
    ),
    (
        "class with a name of the platform's",
        "class Response { constructor() { this.a = 1; } } class Page extends Response { b = 2; } class URL extends Page {} class Map extends URL {} log.push(new Map(), new Map() instanceof Response);",
    ),
    (
        "class field without a value",
        "class A { a; #p; static s; ['c' + 1]; m() { return this.#p; } } log.push(Object.keys(new A()), 's' in A, new A().m() === undefined); class B { get a() { return 1; } } class C extends A { b; } log.push(Object.keys(new C()));",
    ),
    ("class extends null", "class X extends null { static s() { return 1; } } log.push(X.s());"),
    (
        "class extends expr",
        "const mix = (B) => class extends B { m() { return 'mixed'; } }; class A {} class C extends mix(A) {} log.push(new C().m());",
    ),
    ("class async method", "class A { async m() { return 1; } } log.push(await new A().m());"),
    ("class getter static", "class A { static get x() { return 1; } } log.push(A.x);"),
    ("class in tdz", "const f = () => new A(); class A { x = 1; } log.push(f().x);"),
    ("class derived default ctor", "class A { constructor(x) { this.x = x; } } class B extends A {} log.push(new B(4).x);"),
    (
        "class super before this",
        "class A {} class B extends A { constructor() { try { this.x = 1; } catch (e) { log.push(e.name); } super(); } } new B(); log.push('end');",
    ),
    (
        "object super",
        "const a = { m() { return 'a'; } }; const b = { m() { return super.m() + 'b'; } }; Object.setPrototypeOf(b, a); log.push(b.m());",
    ),
    ("new.target", "function F() { return new.target === F; } log.push(typeof new F(), F());"),
    ("new.target2", "function F() { this.t = new.target !== undefined; } log.push(new F().t);"),
    ("tagged template", "const t = (s, ...v) => s.join('|') + v.join(','); log.push(t`a${1}b${2}c`);"),
    (
        "rest params everywhere",
        "const f = (a = 3, ...b) => b.length + a; class A { constructor(...x) { this.x = x.length; } m(a, ...r) { return r.map((q) => q + a); } } const g = (a, ...[b, c]) => b + c; const h = async (...l) => l.length; log.push(f(), f(1, 2, 3), new A(1, 2).x, new A().m(1, 2, 3), g(1, 2, 3), await h(1, 2), ((...e) => e)().length, (function (a, ...r) { r.push(a); return [arguments.length, r]; })(1, 2));",
    ),
    ("rest params", "const f = (a, ...b) => [a, b]; log.push(f(1, 2, 3), f());"),
    ("shorthand computed", "const a = 1; log.push({ a, ['b' + a]: 2, m() { return 3; } }.b1);"),
    ("exponent", "log.push(2 ** 3); let x = 2; x **= 2; log.push(x);"),
    ("nullish", "log.push(null ?? 1, 0 ?? 1);"),
    ("named groups", "log.push('2026-11'.replace(/(?<y>\\d+)-(?<m>\\d+)/, '$<m>'));"),
    ("await in args", "const l = async (x) => x; log.push(Math.max(await l(1), await l(2)));"),
    (
        "await in args order",
        "const l = async (x) => { log.push('l' + x); return x; }; const g = (x) => { log.push('g' + x); return x; }; log.push(Math.max(g(1), await l(2), g(3)));",
    ),
    ("await in ternary", "const l = async (x) => x; const g = (x) => x; log.push(event.request ? g(await l(1)) : 0);"),
    (
        "await short circuit",
        "const l = async (x) => { log.push('ran'); return x; }; const g = (x) => x; const v = false && g(await l(1)); log.push(v);",
    ),
    ("await optional", "const l = async (x) => x; const o = null; log.push((await l(o))?.x === undefined);"),
    ("await template", "const l = async (x) => x; log.push(`a${await l(1)}`);"),
    ("await spread", "const l = async (x) => x; log.push([...(await l([1, 2]))]);"),
    ("await default", "const l = async (x) => x; const { a = await l(3) } = {}; log.push(a);"),
    ("await in for-of head", "const l = async (x) => x; const g = (x) => x; for (const x of g(await l([1, 2]))) log.push(x);"),
    ("await for-of head", "const l = async (x) => x; for (const x of await l([1, 2])) log.push(x);"),
    ("switch lexical", "switch (1) { case 1: { let a = 2; log.push(a); } default: log.push('d'); }"),
    ("let loop closure", "const fs = []; for (let i = 0; i < 2; i++) fs.push(() => i); log.push(fs.map((f) => f()));"),
    ("numeric separators", "log.push(1_000);"),
    (
        "parameter kept over an await",
        "const later = async (v) => v; class Store { async read(key) { await later(0); return key; } } let n = 1; n += await later(2); log.push(n); log.push(await new Store().read('key')); const read = async function readKey(key) { await later(0); return key; }; log.push(await read('k')); const down = async function again(n) { return (await later(n)) > 0 ? again(n - 1) : 'end'; }; log.push(await down(2));",
    ),
    (
        "rest parameter kept over an await",
        "const later = async (v) => v; async function add(first, ...rest) { await later(0); return first + rest.length; } const all = async (...list) => { await later(0); return list; }; const value = async (...list) => (await later(list.length)) + list.join(); class A { async m(...list) { await later(0); list.push('x'); return list; } } const inner = async (...list) => { await later(0); return list.map((one) => one + list.length); }; log.push(await add(1, 2, 3), await all(1, 2), await value(1, 2), await new A().m(1), await inner(1, 2));",
    ),
    (
        "rest parameter beside the rest of an object",
        "function f({ level, ...ctx }, ...args) { return [level, ctx, args]; } const g = ({ a, ...c }, b, ...args) => [a, c, b, args]; class A { constructor({ id, ...o }, ...kids) { this.all = [id, o, kids]; } m = ({ q, ...o }, ...more) => [this.all.length, q, o, more]; } log.push(f({ level: 1, x: 2 }, 'y', 'z'), f({ level: 1 }), g({ a: 1, z: 2 }, 3, 4, 5), new A({ id: 1, k: 2 }, 3).all, new A({}).m({ q: 1, r: 2 }, 3)); const h = async ({ a, ...o }, ...list) => { await null; return [a, o, list]; }; log.push(await h({ a: 1, b: 2 }, 3));",
    ),
    (
        "object super at the top",
        "const base = { hi() { return 'hi'; } }; const other = { __proto__: base, hi() { return super.hi() + '!'; } }; const make = (parent) => ({ __proto__: parent, hi() { return super.hi() + '?'; } });\n---\nlog.push(other.hi(), make(other).hi()); const mine = { __proto__: base, hi() { return super.hi() + '.'; } }; function unrelated() { const list = []; list.push(1); return list; } log.push(mine.hi(), unrelated());",
    ),
    (
        "this at the top",
        "const nothing = () => this; const own = this;\n---\nlog.push(nothing() === undefined, own === undefined, (function () { return this === undefined; })());",
    ),
    (
        "constructor that returns",
        "class Box { constructor(v) { if (!v) return; return { inner: v }; } } class List { constructor(v) { return [v]; } } log.push(new Box('x').inner, new Box().inner === undefined, new List(1));",
    ),
    ("default value of an outer name", "const y = 1; function g(z = y) { let y = 2; return z + y; } log.push(g());"),
    ("default value beside a variable of its name", "const g = (x, z = x) => { var x = 10; return [x, z]; }; log.push(g(1));"),
];

/// What is refused, and by which rule.
const REFUSED: &[(&str, &str, &str)] = &[
    ("super assigned", "not-rewritten", "class A {} class B extends A { m() { super.x = 1; } } new B().m();"),
    ("super added to", "not-rewritten", "class A {} class B extends A { m() { super.x += 1; } } new B().m();"),
    ("super counted", "not-rewritten", "class A {} class B extends A { m() { super.x++; } } new B().m();"),
    ("super in a pattern", "not-rewritten", "class A {} class B extends A { m() { [super.x] = [1]; } } new B().m();"),
    ("super in a loop", "not-rewritten", "class A {} class B extends A { m() { for (super.x in {}); } } new B().m();"),
    ("super deleted", "not-rewritten", "class A {} class B extends A { m() { delete super.x; } } new B().m();"),
    ("super tag", "not-rewritten", "class A { t() {} } class B extends A { m() { return super.t`x`; } } new B().m();"),
    ("object super getter", "not-rewritten", "const o = { get a() { return super.b; } }; log.push(o.a);"),
    ("object super assigned", "not-rewritten", "const o = { a() { super.b = 1; } }; o.a(); log.push(o.b);"),
    ("optional method in parentheses", "not-rewritten", "const o = { n: 1, m() { return this.n; } }; log.push((o?.m)());"),
    ("default param closure", "not-rewritten", "const g = (x, z = () => x) => { var x = 10; return z(); }; log.push(g(1));"),
    ("default param tdz", "not-rewritten", "const f = (a = b, b = 1) => [a, b]; log.push(f());"),
    (
        "spread object getter after",
        "not-rewritten",
        "const o = { ...{ a: 1 }, get x() { log.push('early'); return 1; } }; log.push('made'); log.push(o.x);",
    ),
    (
        "spread object setter before",
        "not-rewritten",
        "const o = { set a(v) { log.push('set'); }, ...{ a: 1 } }; log.push(o.a === 1);",
    ),
    (
        "class private",
        "CFF014",
        "class A { #p = 1; #m() { return this.#p; } get v() { return this.#m(); } static #s = 5; static get s() { return A.#s; } has(o) { return #p in o; } } const a = new A(); log.push(a.v, A.s, a.has(a), a.has({}), Object.keys(a));",
    ),
    (
        "class extends error alias",
        "CFF014",
        "const E = Error; class X extends E { constructor(m) { super(m); this.name = 'X'; } } const x = new X('a'); log.push(x instanceof X, x.message, x.name);",
    ),
    ("class extends error", "CFF014", "class X extends Error {} log.push(new X('a') instanceof X);"),
    ("class extends array", "CFF014", "class X extends Array {} log.push(new X(1, 2).length);"),
    ("class generator method", "CFF016", "class A { *g() { yield 1; } } log.push([...new A().g()]);"),
    ("generator", "CFF016", "function* g() { yield 1; } for (const x of g()) log.push(x);"),
    ("async generator", "CFF016", "async function* g() { yield 1; } for await (const x of g()) log.push(x);"),
    ("for await", "CFF015", "for await (const x of [1]) log.push(x);"),
    ("bigint", "CFF019", "log.push(1n + 1n === 2n);"),
    (
        "symbol iterator",
        "not-rewritten",
        "const o = { [Symbol.iterator]() { let i = 0; return { next: () => ({ done: i > 1, value: i++ }) }; } }; for (const x of o) log.push(x); log.push('end');",
    ),
    (
        "await in condition args",
        "CFF030",
        "const l = async (x) => x; const g = (x) => x; while (log.length < 2 && g(await l(true))) log.push('turn');",
    ),
];

/// What comes to something else, and how.
const DIFFERENT: &[(&str, &str, &str)] = &[
    (
        "optional getter once",
        "a getter that is called with `?.()` is read twice",
        "let n = 0; const o = { get f() { n++; return () => 1; } }; o.f?.(); log.push(n);",
    ),
    ("for-of number", "what cannot be iterated is not refused", "for (const x of 5) log.push(x); log.push('end');"),
    ("for-of object", "what cannot be iterated is not refused", "for (const x of { a: 1 }) log.push(x); log.push('end');"),
    (
        "for-of keys iterator",
        "an iterator is taken for an empty array, and a warning says so",
        "for (const x of new Uint8Array([5]).keys()) log.push(x); log.push('end');",
    ),
    ("destructure empty array of number", "what cannot be iterated is not refused", "const [] = 5; log.push('end');"),
    (
        "destructure array of number",
        "what cannot be iterated is not refused",
        "const n = event.request.uri.length; const [x] = n; log.push('end');",
    ),
    ("default params length", "`length` of a function counts all parameters", "function f(a, b = 2) {} log.push(f.length);"),
    ("spread holes", "holes stay holes", "log.push(0 in [...[, 1]]);"),
    ("spread number array", "what cannot be iterated is not refused", "const n = event.request.uri.length; log.push([...n]);"),
    ("spread object in array", "what cannot be iterated is not refused", "const o = event.request; log.push([...o]);"),
    (
        "spread object proto key",
        "a key `__proto__` is assigned",
        "const o = { ...JSON.parse('{\"__proto__\": {\"x\": 1}}') }; log.push(Object.keys(o), o.x === undefined);",
    ),
    (
        "class for-in",
        "methods are enumerable",
        "class A { m() {} } const ks = []; for (const k in new A()) ks.push(k); log.push(ks);",
    ),
    (
        "class super getter called",
        "a getter whose value is called by `super.a()` sees the prototype",
        "class A { get f() { const k = this.k; return () => k; } } class B extends A { k = 1; m() { return super.f(); } } log.push(new B().m() === 1);",
    ),
    (
        "destructure computed order",
        "keys that are computed are asked for before default values, beside the rest of an object",
        "const seen = []; const t = (n, v) => { seen.push(n); return v; }; const { a = t('a', 1), [t('k', 'z')]: z, ...rest } = { x: 1 }; log.push(seen);",
    ),
    (
        "coercion at the top",
        "an object that does something when it is made a text does it no more at the top of a module",
        "let n = 0; `${{ toString() { n++; return ''; } }}`;\n---\nlog.push(n);",
    ),
    ("class call without new", "a class can be called", "class A {} A(); log.push('called');"),
    ("class name", "names of classes are shortened", "class A {} log.push(new A().constructor.name);"),
];

/// A function whose response tells what was logged; an exception is its name. What stands before a line of `---` comes before it.
fn function(body: &str) -> String {
    let (above, body) = body.split_once("\n---\n").unwrap_or(("", body));
    format!(
        "{above}\nexport async function handler(event) {{ const log = []; try {{ {body} }} catch (e) {{ log.push(e.name); }} \
         return {{ statusCode: 200, body: JSON.stringify(log) }}; }}\n"
    )
}

fn checked(body: &str) -> Checked {
    let sources = [("f.js", function(body).into_bytes())].into_iter().collect();
    let modules = BTreeMap::new();
    edge::check(&sources, &"f.js".into(), &edge::Options { runtime: Runtime::V2, virtual_modules: &modules })
}

fn bundled(name: &str, body: &str) -> String {
    checked(body).bundle().unwrap_or_else(|problems| panic!("{name}: {problems:#?}")).code
}

/// What a program prints, line by line.
fn printed(program: &str, package: &str, arguments: &[&std::ffi::OsStr]) -> Vec<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} does not run ({error}): `apt-get install -y {package}`, or ./scripts/setup"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() || !said.is_empty(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(str::to_owned).collect()
}

/// What Node.js makes of each function as it was written.
fn by_node(bodies: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut main = String::new();
    for (at, body) in bodies.iter().enumerate() {
        std::fs::write(folder.path().join(format!("f{at}.mjs")), function(body)).expect("written");
        main.push_str(&format!("import {{ handler as h{at} }} from './f{at}.mjs'; console.log((await h{at}({EVENT})).body);\n"));
    }
    let file = folder.path().join("main.mjs");
    std::fs::write(&file, main).expect("written");
    let lines = printed("node", "nodejs", &[file.as_os_str()]);
    assert_eq!(lines.len(), bodies.len(), "{lines:?}");
    lines
}

const EVENT: &str =
    "{ version: '1.0', context: {}, viewer: {}, request: { method: 'GET', uri: '/x', querystring: {}, headers: {}, cookies: {} } }";

/// What njs makes of a script.
fn by_njs(code: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("function.js");
    let call = format!("{code}\n;handler({EVENT}).then(r => console.log(r.body), e => console.log('thrown ' + e));\n");
    std::fs::write(&file, call).expect("written");
    printed("njs", "njs", &["-q".as_ref(), file.as_os_str()]).join("\n")
}

fn by_emulator(code: &str) -> String {
    let outcome =
        edge::run(code, Runtime::V2, KeyValues::default(), &Event::viewer_request("GET", "/x", None, &[], "198.51.100.1"));
    match (&outcome.error, outcome.response()) {
        (Some(error), _) => error.to_string(),
        (None, response) => response.and_then(|response| response["body"].as_str()).unwrap_or("no response").to_owned(),
    }
}

#[test]
fn what_is_rewritten_means_the_same() {
    let bodies: Vec<&str> = SAME.iter().map(|(_, body)| *body).collect();
    let mut wrong = String::new();
    for ((name, body), expected) in SAME.iter().zip(by_node(&bodies)) {
        let code = bundled(name, body);
        let (njs, emulator) = (by_njs(&code), by_emulator(&code));
        if njs != expected || emulator != expected {
            wrong.push_str(&format!("{name}\n  Node.js  {expected}\n  njs      {njs}\n  emulator {emulator}\n  {code}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_cannot_be_rewritten_is_refused() {
    for (name, rule, body) in REFUSED {
        let checked = checked(body);
        let errors: Vec<_> = checked.diagnostics().iter().filter(|problem| problem.is_error()).collect();
        assert!(errors.iter().any(|problem| problem.rule == *rule), "{name}: {errors:#?}");
        for problem in errors {
            assert!(problem.place.as_ref().is_some_and(|(path, _)| path.as_str() == "f.js"), "{name} has a place: {problem:?}");
            assert!(!problem.hints.is_empty(), "{name} has a hint: {problem:?}");
        }
    }
}

/// Once one of these is the same, it belongs into the other table, and the documentation is to be told.
#[test]
fn the_known_differences_are_differences() {
    let bodies: Vec<&str> = DIFFERENT.iter().map(|(.., body)| *body).collect();
    for ((name, why, body), expected) in DIFFERENT.iter().zip(by_node(&bodies)) {
        let code = bundled(name, body);
        let (njs, emulator) = (by_njs(&code), by_emulator(&code));
        assert!(njs != expected && njs == emulator, "{name} ({why})\n  {expected}\n  {njs}\n  {emulator}\n  {code}");
    }
}

#[test]
fn an_iterator_is_warned_of() {
    for (body, warned) in [
        ("for (const x of new Uint8Array([5]).keys()) log.push(x);", true),
        ("log.push([...event.request.list.values()]);", true),
        ("for (const x of Object.keys(event)) log.push(x);", false),
    ] {
        let checked = checked(body);
        let found = checked.diagnostics().iter().any(|problem| problem.rule == "not-rewritten" && !problem.is_error());
        assert_eq!(found, warned, "{body}: {:?}", checked.diagnostics());
    }
}

/// What rewriting costs, in bytes beside a function that has nothing to rewrite: no helpers where there need not be any.
#[test]
fn rewriting_is_cheap() {
    let nothing = bundled("nothing", "log.push(event);").len();
    for (body, most) in [
        ("for (const x of event.list) log.push(x);", 80),
        ("log.push({ ...event.request });", 40),
        ("log.push([...event.list]);", 50),
        ("const f = (...a) => a; log.push(f(...event.list));", 180),
        ("class A { m() { return 1; } } log.push(new A().m());", 120),
        ("log.push(event?.request?.headers?.host);", 130),
    ] {
        let code = bundled(body, body);
        assert!(code.len() <= nothing + most, "{} bytes, not {most}: {code}", code.len() - nothing);
        assert!(!code.contains("/*"), "{code}");
    }
}

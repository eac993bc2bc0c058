use super::*;

#[test]
fn helpers_become_part_of_the_script() {
    let out = same(&[
        (
            "f/main.js",
            "import { one, two as zwei } from './lib/numbers.js';\nexport function handler(event) { return [one(), zwei, event.request.uri]; }",
        ),
        ("f/lib/numbers.js", "export const two = 2;\nexport function one() { return two - 1; }"),
    ]);
    assert_eq!(out, r#"{"out":[1,2,"/a"],"log":[]}"#);
}

#[test]
fn names_that_collide_are_told_apart() {
    same(&[
        (
            "main.js",
            "import { get as a } from './a.js'; import { get as b } from './b.js'; const value = 'main'; export function handler() { return [a(), b(), value]; }",
        ),
        ("a.js", "const value = 'a'; export function get() { return value; }"),
        ("b.js", "const value = 'b'; export function get() { return value; }"),
    ]);
}

#[test]
fn a_helpers_own_handler_is_not_the_handler() {
    let files: Files<'_> = &[
        ("main.js", "import { call } from './a.js'; export function handler() { return ['main', call()]; }"),
        ("a.js", "function handler() { return 'helper'; } export function call() { return handler(); }"),
    ];
    assert_eq!(same(files), r#"{"out":["main","helper"],"log":[]}"#);
    assert!(plain(files).contains("function handler_1("));
}

#[test]
fn the_handler_need_not_be_exported_and_may_come_from_elsewhere() {
    for main in [
        "function handler() { return 1; }",
        "export default function handler() { return 1; }",
        "export { handler } from './a.js';",
        "import { main } from './a.js'; export { main as handler };",
        "import { main as handler } from './a.js';",
        "export * from './a.js';",
        "export const handler = () => 1;",
        "const handler = async function () { return 1; };",
    ] {
        let files: Files<'_> =
            &[("main.js", main), ("a.js", "export function handler() { return 1; } export const main = handler;")];
        for code in [plain(files), minified(files)] {
            assert_eq!(run_script(&code), r#"{"out":1,"log":[]}"#, "{main}\n{code}");
            assert!(code.contains("function handler(") || code.contains("var handler"), "{main}\n{code}");
        }
    }
}

#[test]
fn a_module_that_hides_a_global_hides_it_from_itself_alone() {
    let files: Files<'_> = &[
        (
            "main.js",
            "import { escape as quote } from './a.js'; import { other } from './b.js'; export function handler() { return [quote('<'), other('<')]; }",
        ),
        ("a.js", "export function escape(text) { return 'mine ' + text; }"),
        ("b.js", "export function other(text) { return escape(text); }"),
    ];
    assert_eq!(same(files), r#"{"out":["mine <","%3C"],"log":[]}"#);
}

#[test]
fn an_import_is_not_captured_by_what_stands_around_its_use() {
    same(&[
        (
            "main.js",
            "import { value as v, Thing as T } from './a.js';\nimport * as a from './a.js';
export function handler() { const value = 1; const f = (Thing) => [v, value, new T().name, a.value, { v }, Thing]; return f(3); }",
        ),
        ("a.js", "export const value = 'a'; export class Thing { constructor() { this.name = 'thing'; } }"),
    ]);
    // A made-up name, too, keeps clear of names further inside.
    same(&[
        (
            "main.js",
            "import a from './a.js'; const x = 1; export function handler() { const x_1 = 2, a_1 = 3; return [a(), x, x_1, a_1]; }",
        ),
        ("a.js", "const x = 'a'; export default function () { const x_1 = 5; return [x, x_1]; }"),
    ]);
}

#[test]
fn shorthand_properties_keep_their_keys() {
    same(&[
        (
            "main.js",
            "import { value } from './a.js'; import cf, { kvs } from 'cloudfront';\nconst other = 'main';
export function handler() { return { value, other, kvs: typeof kvs, cf: typeof cf, n: Object.keys({ kvs, cf }) }; }",
        ),
        ("a.js", "const other = 'a'; export const value = { other };"),
    ]);
    same(&[
        (
            "main.js",
            "import './a.js'; import { b } from './b.js'; const { x, y = 2, ...z } = { x: 1, w: 4 }; let p; ({ p, q: p = p } = { p: 5 }); export function handler() { return [x, y, z, p, b]; }",
        ),
        ("a.js", "const x = 0, y = 0, z = 0, p = 0; say(x + y + z + p);"),
        ("b.js", "const { x, y = 7 } = { x: 6 }; let p; ({ p } = { p: 8 }); export const b = [x, y, p];"),
    ]);
}

#[test]
fn exports_stay_alive() {
    let out = same(&[
        (
            "main.js",
            "import { count, add, default as now } from './a.js'; import * as a from './a.js'; import { total } from './b.js';
export function handler() { const before = [count, now, a.count, total]; add(); return [before, [count, now, a.count, total]]; }",
        ),
        ("a.js", "export let count = 1; export { count as default }; export function add() { count += 1; }"),
        ("b.js", "export { count as total } from './a.js';"),
    ]);
    assert_eq!(out, r#"{"out":[[1,1,1,1],[2,2,2,2]],"log":[]}"#);
}

#[test]
fn default_exports_of_every_kind() {
    for (kind, call) in [
        ("function () { return 1; }", "thing()"),
        ("function named() { return typeof named; }", "thing()"),
        ("class { get() { return 2; } }", "new thing().get()"),
        ("class Named { get() { return typeof Named; } }", "new thing().get()"),
        ("{ a: 1 }", "thing.a"),
        ("1 + 1", "thing"),
        ("() => 3", "thing()"),
        ("async () => 4", "thing()"),
        ("[1, 2].map(x => x * 2)", "thing"),
        ("(function () { return 5; })", "thing()"),
    ] {
        let lib = format!("export default {kind}");
        let main = format!(
            "import thing from './lib/index.js'; import * as all from './lib/index.js'; export async function handler() {{ return [await {call}, typeof all.default]; }}"
        );
        same(&[("main.js", &main), ("lib/index.js", &lib)]);
    }
}

#[test]
fn a_default_export_is_fixed_when_it_is_an_expression() {
    same(&[
        ("main.js", "import v, { set } from './a.js'; export function handler() { set(); return v; }"),
        ("a.js", "let v = 1; export default v; export function set() { v = 2; }"),
    ]);
}

#[test]
fn stars_and_their_precedence() {
    same(&[
        (
            "main.js",
            "import * as all from './all.js'; import { a, b, c, inner } from './all.js'; export function handler() { return [a, b, c, all.a, all.inner.b, inner.c]; }",
        ),
        ("all.js", "export * from './a.js'; export * from './b.js'; export const c = 'all'; export * as inner from './b.js';"),
        ("a.js", "export const a = 'a', c = 'a'; export default 'not this';"),
        ("b.js", "export * from './a.js'; export const b = 'b', c = 'b';"),
    ]);
}

pub(super) const NAMESPACES: Files<'static> = &[
        ("main.js", "import * as a from './a.js'; import * as b from './b.js';
export function handler() { const key = 'one'; const before = a.two; a.raise(); let frozen; try { a.one = 2; frozen = 'no'; } catch (e) { frozen = 'yes'; }
return [a[key], Object.keys(a).sort(), before, Object.values(a)[2], a['two'], frozen, typeof a.raise, b.inner[key], 'toString' in a]; }"),
        ("a.js", "export let two = 2; export const one = 1; export function raise() { two += 1; } const Object = 3; export { Object as default };"),
        ("b.js", "import * as inner from './a.js'; export { inner };"),
    ];

#[test]
fn namespaces_as_objects() {
    let files = NAMESPACES;
    same(files);
    let only_members = plain(&[
        ("main.js", "import * as a from './a.js'; export function handler() { return a.one + a['two']; }"),
        ("a.js", "export const one = 1, two = 2, three = 3;"),
    ]);
    assert!(!only_members.contains("freeze") && !only_members.contains("three"), "{only_members}");
}

#[test]
fn circles_of_imports() {
    same(&[
        (
            "main.js",
            "import { even } from './even.js'; import { late } from './odd.js'; export function handler() { return [even(10), even(7), late()]; }",
        ),
        (
            "even.js",
            "import { odd } from './odd.js'; export const zero = 0; export function even(n) { return n === zero || odd(n - 1); }",
        ),
        (
            "odd.js",
            "import { even, zero } from './even.js'; import * as self from './odd.js'; export function odd(n) { return n !== zero && even(n - 1); } export function late() { return [zero, self.odd(3)]; }",
        ),
    ]);
    same(&[(
        "main.js",
        "import { handler as me } from './main.js'; export function handler(n) { return n === 1 ? 'done' : me(1); }",
    )]);
}

#[test]
fn modules_run_once_and_in_order() {
    let out = same(&[
        (
            "main.js",
            "import './c.js'; import './a.js'; import { b } from './b.js'; say('main'); export function handler() { return b; }",
        ),
        ("a.js", "import './b.js'; say('a');"),
        ("b.js", "say('b'); export const b = 1;"),
        ("c.js", "import './a.js'; say('c'); var x = 1; { var x = 2; } if (x) say('x' + x);"),
    ]);
    assert_eq!(out, r#"{"out":1,"log":["b","a","c","x2","main"]}"#);
}

#[test]
fn what_nobody_needs_is_left_out() {
    let files: Files<'_> = &[
        ("main.js", "import { used } from './a.js'; import { nothing } from './b.js'; export function handler() { return used; }"),
        ("a.js", "import { deep } from './b.js'; export const used = 1; export const unused = deep(2); export function alsoUnused() { return deep(3); }
const TABLE = Object.freeze({ a: [1, { b: new Map([['k', 2]]) }] }); class Unused { static x = TABLE; m() {} } const re = /x/; const big = /* @__PURE__ */ deep(5); say('kept');"),
        ("b.js", "export function deep(n) { return 'deep' + n; } export const nothing = 'nothing at all';"),
    ];
    same(files);
    let code = plain(files);
    assert!(code.contains("kept") && code.contains("deep(2)"), "{code}");
    for gone in ["alsoUnused", "nothing at all", "TABLE", "Unused", "deep(5)", "/x/"] {
        assert!(!code.contains(gone), "{gone} in\n{code}");
    }
}

#[test]
fn typescript() {
    let files: Files<'_> = &[
        ("main.ts", "import { type Kind, greet, Level } from './lib.js'; import type { Only } from './types.ts'; import { Shape } from './types.ts';
enum Color { Red = 1, Green }
interface Event { request: { uri: string } }
export function handler(event: Event): string { const s: Shape = { side: 2 }; return greet(event.request.uri as Kind) + Color.Green + Level.High + s!.side + (<number>s.side); }"),
        ("lib.ts", "export type Kind = string; export const enum Level { Low, High = 'high' } export function greet(who: Kind, times?: number): string; export function greet(who: any) { return `hello ${who}`; }"),
        ("types.ts", "export interface Shape { side: number } export type Only = 1;"),
    ];
    for code in [plain(files), minified(files)] {
        assert_eq!(run_script(&code), r#"{"out":"hello /a2high22","log":[]}"#, "{code}");
    }
}

#[test]
fn generated_modules() {
    same(&[
        (
            "main.js",
            "import { table } from 'qdn:redirects'; import config from 'qdn:config'; export function handler() { return [table['/old'], config]; }",
        ),
        ("qdn:redirects", "export const table = { '/old': '/new' };"),
        ("qdn:config", "import { table } from 'qdn:redirects'; export default Object.keys(table).length;"),
    ]);
}

#[test]
fn modules_of_the_runtime_are_imported_once_and_by_default() {
    let files: Files<'_> = &[
        ("f/main.js", "import cf from 'cloudfront'; import { name } from './a.js'; import { createHash, createHash as make } from 'crypto'; import 'querystring';
export async function handler() { const cloudfront = 1; return [await cf.kvs().get('k'), name, createHash('md5').hex('x'), make('sha1').hex('y'), cloudfront]; }"),
        ("f/a.js", "import cloudfront from 'cloudfront'; import * as cf2 from 'crypto'; import unused from 'buffer'; const cf = 'mine'; export const name = [cloudfront.edgeLocation.name, cf, typeof cf2.createHash];"),
    ];
    let resolved: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, *text)).collect();
    let code = plain(&resolved);
    assert_eq!(code.matches("import ").count(), 2, "{code}");
    assert!(code.starts_with("import cf from \"cloudfront\";\nimport "), "{code}");
    let expected = r#"{"out":["value of k",["here","mine","function"],"md5(x)","sha1(y)",1],"log":[]}"#;
    assert_eq!(run_script(&code), expected, "{code}");
    assert_eq!(run_script(&minified(&resolved)), expected);
}

/// All that no runtime of CloudFront has, and that can be rewritten.
pub(super) const MODERN: Files<'static> = &[(
        "main.js",
        "class Animal { #secret = 1; static count = 0; kind = 'animal'; constructor(name) { this.name = name; Animal.count++; } get secret() { return this.#secret; } speak() { return this.name; } }
class Dog extends Animal { constructor(name = 'rex') { super(name); } speak() { return super.speak() + '!'; } }
export function handler({ request: { uri, headers = {}, ...rest } }) {
  const [first, , third = 'c', ...more] = ['a', 'b', undefined, 'd', 'e'];
  let text = ''; for (const letter of ['x', 'y']) { text += letter; } for (const [key, value] of Object.entries({ p: 1 })) { text += key + value; }
  let missing; missing ??= 'set'; missing &&= missing + '?'; let zero = 0; zero ||= 9;
  let caught = false; try { null.x; } catch { caught = true; }
  const merged = { ...headers, a: 1, ...{ b: 2 } }; const dog = new Dog();
  return { uri, rest, first, third, more, text, missing, zero, caught, merged, max: Math.max(...[1, 5, 3]), host: headers?.host?.value ?? 'none', call: headers.get?.('x'),
    dog: dog.speak(), count: Animal.count, secret: dog.secret, kind: dog.kind, fn: ((...all) => [...all, 'z'])(1, 2), named: '2026-11'.replace(/(?<y>\\d+)-(?<m>\\d+)/, '$<m>') };
}",
    )];

#[test]
fn what_the_runtime_lacks_is_rewritten_when_asked() {
    let files = MODERN;
    same(files);
    let lowered = script(files, &FunctionOptions { runtime: Runtime::Njs2, lower: true, minify: false }).code;
    for gone in ["class ", "...more", "...[", " of ", "?.", "??=", "catch {", "core-js", "require", "WeakMap"] {
        assert!(!lowered.contains(gone), "{gone} in\n{lowered}");
    }
    assert!(lowered.contains("(?<y>"), "the runtime knows named groups itself");
    assert!(lowered.contains("(...all)"), "and rest parameters");
    let old = script(files, &FunctionOptions { runtime: Runtime::Njs1, lower: true, minify: true }).code;
    assert_eq!(run_script(&old), run_modules(files), "{old}");
    assert!(!old.contains("let ") && !old.contains("const "), "{old}");
}

#[test]
fn the_older_runtime_has_no_let() {
    let files: Files<'_> = &[
        (
            "main.js",
            "import * as all from './a.js'; const late = []; for (let i = 0; i < 1_0; i += 5) { late.push(() => i); } export const handler = (event) => [late.map(f => f()), Object.keys(all)];",
        ),
        ("a.js", "export let a = 1; export const b = 2;"),
    ];
    let expected = run_modules(files);
    for minify in [false, true] {
        let code = script(files, &FunctionOptions { runtime: Runtime::Njs1, lower: true, minify }).code;
        assert_eq!(run_script(&code), expected, "{code}");
        assert!(!code.contains("let ") && !code.contains("const ") && !code.contains("1_0"), "{code}");
    }
}

#[test]
fn the_same_modules_make_the_same_script() {
    let files: Vec<(String, String)> = (0..12)
        .map(|n| {
            let imports: String = (n + 1..12).map(|m| format!("import {{ f{m}, value as v{m} }} from './m{m}.js';\n")).collect();
            let uses: String = (n + 1..12).map(|m| format!("+ f{m}(v{m})")).collect();
            (format!("m{n}.js"), format!("{imports}export const value = {n}; const shared = 's{n}'; export function f{n}(x) {{ return shared + x {uses}; }}\nfunction handler() {{ return f{n}(1); }}"))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let first = script(&files, &options(true));
    for _ in 0..3 {
        let again = std::thread::scope(|scope| scope.spawn(|| script(&files, &options(true))).join().expect("it does not panic"));
        assert_eq!((again.code, again.map), (first.code.clone(), first.map.clone()));
    }
}

#[test]
fn odd_texts() {
    same(&[("main.js", "#!/usr/bin/env node\n// @ts-check\nexport function handler() { return '\u{1F600} ü \\u2028'; }")]);
    same(&[(
        "main.js",
        "'use strict';;;\nvar a, b = 1, { c } = { c: 2 };\nlabel: for (;;) { break label; }\nexport function handler() { return [a === undefined, b, c]; }",
    )]);
    let marked = [("main.js", "\u{feff}export function handler() { return 1; }")];
    assert_eq!(run_script(&plain(&marked)), r#"{"out":1,"log":[]}"#);
    let problems = parse(&"a.js".into(), "\u{feff}let a = ;").expect_err("it is no script");
    assert_eq!(problems[0].place.as_ref().map(|(_, span)| span.start), Some(11), "the mark counts as bytes of the file");
    let long: String = (0..3000).map(|n| format!("import './m{n}.js';")).collect();
    let mut files = vec![("main.js".to_owned(), format!("{long}function handler() {{ return 1; }}"))];
    files.extend((0..3000).map(|n| (format!("m{n}.js"), format!("globalThis.n = {n};"))));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert!(plain(&files).contains("globalThis.n = 2999"));
}

#[test]
fn the_handlers_name_is_not_captured_where_it_was_given_late() {
    let files: Files<'_> = &[
        ("main.js", "import { main } from './a.js'; export { main as handler };"),
        (
            "a.js",
            "export function main(event) { return call(event => 'inner'); } function call(handler) { return typeof main + handler(1); }",
        ),
    ];
    assert_eq!(same(files), r#"{"out":"functioninner","log":[]}"#);
}

#[test]
fn labels_are_no_names() {
    same(&[
        (
            "main.js",
            "import './a.js'; const next = 1; export function handler() { next: for (;;) { for (;;) { break next; } } return next; }",
        ),
        ("a.js", "const next = 2; next: for (;;) { say('a' + next); break next; }"),
    ]);
}

#[test]
fn this_at_the_top_is_nothing_in_a_module_and_stays_in_a_script() {
    let text = "var own = this, later = () => this; function handler() { return [own, later(), function () { return this; }]; }";
    let script = plain(&[("a.js", text)]);
    assert_eq!(script.matches("this").count(), 3, "{script}");
    let module = plain(&[("a.js", &format!("export {text}"))]);
    assert_eq!((module.matches("this").count(), module.matches("void 0").count()), (1, 2), "{module}");
}

//! Every row of syntax that was asked of njs 0.4.3 and of njs of 2023-05-19, and what they answered.

use super::*;

/// A construct in a handler's body or, with `handler` in it, a whole script; and whether 1.0 and 2.0 take it.
const ROWS: &[(&str, &str, bool, bool)] = &[
    ("const", "const a = 1; use(a);", false, true),
    ("let and block scope", "let a = 1; { let a = 2; use(a); } use(a);", false, true),
    ("a closure for each round of a loop", "for (let i = 0; i < 2; i++) { use(function () { return i; }); }", false, true),
    ("arrow function", "use((a) => a + 1);", true, true),
    ("template literal", "use(`a${1}b`);", true, true),
    ("tagged template", "use`a${1}b`;", true, true),
    ("rest parameters", "use(function (a, ...rest) { return rest; });", true, true),
    ("default parameters", "use(function (a = 1) { return a; });", false, false),
    ("spread in a call", "var a = []; use(...a);", false, false),
    ("spread in an array", "var a = []; use([...a]);", false, false),
    ("object spread", "var o = {}; use({...o});", false, false),
    ("array destructuring", "var [a] = [1]; use(a);", false, false),
    ("object destructuring", "var {a} = {a: 1}; use(a);", false, false),
    ("destructured parameter", "use(function ({a}) { return a; });", false, false),
    ("class", "class A {} use(A);", false, false),
    ("for-of", "for (var x of []) { use(x); }", false, false),
    ("for-in", "for (var x in {}) { use(x); }", true, true),
    ("for-in over a constant", "for (const x in {}) { use(x); }", false, true),
    ("generator", "use(function* () { yield 1; });", false, false),
    ("labelled statements", "outer: for (;;) { for (;;) { break outer; } }", true, true),
    ("shorthand property", "var a = 1; use({a});", true, true),
    ("shorthand method", "use({m() { return 1; }});", true, true),
    ("computed property", "var k = 'k'; use({[k]: 1});", true, true),
    ("getter and setter", "use({get a() { return 1; }, set a(v) { use(v); }});", true, true),
    ("exponent", "use(2 ** 3);", true, true),
    ("exponent assignment", "var a = 2; a **= 3; use(a);", true, true),
    ("optional chaining", "use(event?.request);", false, false),
    ("optional call", "use(event.f?.());", false, false),
    ("nullish", "use(event.a ?? 1);", true, true),
    ("logical assignment ||=", "var a; a ||= 1; use(a);", false, false),
    ("logical assignment &&=", "var a; a &&= 1; use(a);", false, false),
    ("nullish assignment", "var a; a ??= 1; use(a);", false, false),
    ("numeric separator", "use(1_000);", false, true),
    ("binary and octal literals", "use(0b1 + 0o7);", true, true),
    ("big integer", "use(1n);", false, false),
    ("catch without a name", "try { use(1); } catch { use(2); }", false, false),
    ("trailing comma in a call", "use(1,);", true, true),
    ("new.target", "use(function () { return new.target; });", false, false),
    ("escape of a code point", "use('\\u{1F600}');", true, true),
    ("arrow that returns an object", "use((() => ({a: 1}))());", true, true),
    ("async function", "async function f() { await use(1); } use(f);", false, true),
    ("async arrow", "use(async () => { await use(1); });", false, true),
    ("async method", "use({async m(a) { await use(a); }});", false, true),
    ("await in arguments", "use(async () => { use(await use(1)); });", false, false),
    ("await in a template", "use(async () => { return `${await use(1)}`; });", false, true),
    ("await in literals", "use(async () => { return [await use(1), {a: await use(2)}]; });", false, true),
    ("await in a condition", "use(async () => { if (await use(1)) { use(2); } });", false, true),
    ("await in try", "use(async () => { try { await use(1); } catch (e) { use(e); } });", false, true),
    ("await in a loop", "use(async () => { for (var i = 0; i < 2; i++) { await use(i); } });", false, true),
    ("nested async closure", "use(async () => { let a = 1; return async () => { a++; }; });", false, true),
    ("for await", "use(async () => { for await (var x of []) { use(x); } });", false, false),
    ("await at the top", "await 1; function handler(event) { return event.request; }", false, false),
    (
        "import of a module of the edge",
        "import q from 'querystring'; function handler(event) { q.parse(''); return event.request; }",
        false,
        true,
    ),
    (
        "import of crypto",
        "import crypto from 'crypto'; function handler(event) { crypto.createHash('md5'); return event.request; }",
        false,
        true,
    ),
    (
        "named import",
        "import {parse} from 'querystring'; function handler(event) { parse(''); return event.request; }",
        false,
        false,
    ),
    ("dynamic import", "use(import('crypto'));", false, false),
    ("named groups", "use(/(?<a>b)/);", true, true),
    ("lookahead", "use(/a(?=b)(?!c)/);", true, true),
    ("lookbehind", "use(/(?<=a)b/);", true, true),
    ("lookbehind of any length", "use(/(?<=a+)b/);", false, false),
    ("sticky flag", "use(/a/y);", false, true),
    ("dotAll flag", "use(/a.b/s);", false, false),
    ("unicode flag", "use(/a/u);", false, false),
    ("unicode property", "use(/\\p{L}/u);", false, false),
    ("with", "with (event) { use(1); }", false, false),
    ("strict directive", "'use strict'; use(1);", true, true),
];

/// The whole script of a row.
fn script(snippet: &str) -> String {
    match snippet.contains("handler") {
        true => format!("{snippet}\nfunction use() {{}}\n"),
        false => format!("function use() {{}}\nfunction handler(event) {{\n  {snippet}\n  return event.request;\n}}\n"),
    }
}

#[test]
fn the_grammar_is_what_was_measured() {
    let mut wrong = Vec::new();
    for (name, snippet, v1, v2) in ROWS {
        for (runtime, taken) in [(Runtime::V1, *v1), (Runtime::V2, *v2)] {
            let text = script(snippet);
            let problems = syntax(&"f.js".into(), &text, runtime);
            let (_, checked) = checked(&[("f.js", &text)], runtime);
            let errors = checked.diagnostics().iter().any(Diagnostic::is_error);
            if problems.is_empty() != taken || errors == taken {
                wrong.push(format!("{name} in {}: {:?}", runtime.version(), checked.diagnostics()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn exports_are_no_syntax_of_a_script() {
    for text in [
        "export function handler(event) { return event.request; }",
        "export default function handler(event) { return event.request; }",
    ] {
        for runtime in [Runtime::V1, Runtime::V2] {
            let problems = syntax(&"f.js".into(), text, runtime);
            assert_eq!(problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["CFF004"], "{text}");
            good(runtime, text);
        }
    }
}

#[test]
fn every_complaint_about_syntax_has_its_rule_and_place() {
    let handler =
        |body: &str| format!("async function handler(event) {{\n  {body}\n  return event.request;\n}}\nfunction use() {{}}\n");
    let rows = [
        ("CFF011", "const ‸{uri} = event.request; use(uri);"),
        ("CFF012", "use(‸...[]);"),
        ("CFF013", "use(function (a ‸= 1) { return a; });"),
        ("CFF014", "use(‸class {});"),
        ("CFF015", "‸for (const x of []) use(x);"),
        ("CFF016", "use(function‸* () {});"),
        ("CFF017", "use(event‸?.request);"),
        ("CFF017", "let a = 1; a ‸??= 2; use(a);"),
        ("CFF018", "try { use(1); } ‸catch { use(2); }"),
        ("CFF019", "use(‸10n);"),
        ("CFF019", "use(function () { return ‸new.target; });"),
        ("CFF019", "var ‸größe = 1; use(größe ? 1 : 2);"),
        ("CFF020", "use(/a.b/‸s);"),
        ("CFF020", "use(/‸(?<=a+)b/);"),
        ("CFF020", "use(/a‸\\p{L}/);"),
        ("CFF030", "use(‸await use(1));"),
        ("CFF030", "use(use(1), ‸await use(2));"),
        ("CFF030", "use(new Date({a: [‸await use(2)]}));"),
        ("CFF031", "use`${‸await use(1)}`;"),
    ];
    for (rule, body) in rows {
        let marked = handler(body);
        let at = marked.find('‸').unwrap_or_default();
        let text = marked.replace('‸', "");
        let (line, column) = line_column(&text, at);
        assert_eq!(said(&text, Runtime::V2).first(), Some(&(rule, line, column)), "{body}");
    }
    bad(Runtime::V1, "CFF010", "function handler(event) { ‸const r = event.request; return r; }");
    bad(Runtime::V1, "CFF010", "‸async function handler(event) { return event.request; }");
    bad(
        Runtime::V2,
        "CFF003",
        "function handler(event) { return event.request; }\nfunction ‸handler(event) { return event.request; }",
    );
}

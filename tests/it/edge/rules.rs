//! The checker, from outside: each rule finds its mistake, and sound code is left alone. Where exactly it points
//! is tested beside it, in `src/edge/check/tests`.

use super::{complaints, value};
use qdn::edge::Runtime;

/// A handler around some statements.
fn within(body: &str) -> String {
    format!("function handler(event) {{   {body} return event.request; }}")
}

/// Says that these rules, and no others, are broken.
fn finds(code: &str, expected: &[&str]) {
    assert_eq!(broken(code, Runtime::V2), expected, "{code}");
}

/// The rules that are broken, each once.
fn broken(code: &str, runtime: Runtime) -> Vec<String> {
    let mut rules: Vec<String> = complaints(code, runtime)
        .iter()
        .map(|said| said.split(' ').take_while(|word| !word.contains([':'])).collect::<Vec<_>>().join(" "))
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

/// Rule, and what breaks it inside of a handler.
const BROKEN: &[(&str, &str)] = &[
    ("CFF011", "const {uri} = event.request;"),
    ("CFF011", "var [a] = [1];"),
    ("CFF011", "var a; [a] = [1];"),
    ("CFF011", "function f({a}) {}"),
    ("CFF011", "[1].forEach(([a]) => a);"),
    ("CFF012", "f(...[1]); function f() {}"),
    ("CFF012", "var a = [...[1]];"),
    ("CFF012", "var a = {...event};"),
    ("CFF013", "function f(a = 1) {}"),
    ("CFF013", "var f = (a = 1) => a;"),
    ("CFF014", "class A {}"),
    ("CFF014", "var A = class {};"),
    ("CFF015", "for (const x of [1]) {}"),
    ("CFF016", "function* g() {}"),
    ("CFF016", "var o = { *g() {} };"),
    ("CFF017", "var a = event?.request;"),
    ("CFF017", "var a; a ??= 1;"),
    ("CFF017", "var a; a ||= 1;"),
    ("CFF018", "try { f(); } catch { } function f() {}"),
    ("CFF019", "var a = 10n;"),
    ("CFF019", "function F() { return new.target; }"),
    ("CFF019", "var é = 1;"),
    ("CFF020", "/a.b/s.test('');"),
    ("CFF020", "/(?<=a+)b/.test('');"),
    ("CFF020", "/a/u.test('');"),
    ("CFF020", "/\\p{L}/.test('');"),
    ("CFF021", "new URL('/');"),
    ("CFF021", "var m = new Map();"),
    ("CFF021", "fetch('/');"),
    ("CFF021", "structuredClone(1);"),
    ("CFF021", "nonsense();"),
    ("CFF022", "[1].flat();"),
    ("CFF022", "'a'.at(0);"),
    ("CFF022", "Object.fromEntries([]);"),
    ("CFF022", "Object.hasOwn({}, 'a');"),
    ("CFF022", "'a'.matchAll(/a/g);"),
    ("CFF023", "String.bytesFrom([1]);"),
    ("CFF023", "'a'.toUTF8();"),
    ("CFF024", "eval('1');"),
    ("CFF024", "setTimeout(f, 0); function f() {}"),
    ("CFF024", "new Function('a');"),
    ("CFF024", "process.exit();"),
    ("CFF025", "require('crypto').createHash('sha512');"),
    ("CFF025", "require('crypto').randomBytes(1);"),
    ("CFF026", "Buffer.from('a').toString('latin1');"),
    ("CFF006", "require('path');"),
    ("CFF006", "require('cloudfront');"),
    ("CFF052", "event.request.headers['X-A'] = { value: '1' };"),
    ("CFF053", "event.request.headers['x-a'] = '1';"),
    ("CFF053", "event.request.headers['x-a'] = { val: '1' };"),
    ("CFF053", "event.request.headers['x-a'] = { value: 1 };"),
    ("CFF054", "event.request.headers['x-forwarded-proto'] = { value: 'https' };"),
    ("CFF055", "delete event.request.headers.host;"),
    ("CFF055", "event.request.headers.host.value = 'x';"),
    ("CFF055", "event.request.headers.via = { value: 'x' };"),
    ("CFF058", "event.request.uri = 'index.html';"),
    ("CFF058", "event.request.uri = 'x' + event.request.uri;"),
    ("CFF059", "event.request.uri = '/a?b=1';"),
    ("CFF059", "event.request.querystring = 'a b';"),
    ("CFF060", "event.request.method = 'GET';"),
    ("CFF061", "var o = event.request.headers.origin.value;"),
    ("CFF061", "var h = event.request.headers; var o = h.origin.value;"),
    ("CFF061", "var t = event.request.querystring.t.value;"),
    ("CFF062", "var u = decodeURIComponent(event.request.uri);"),
    ("CFF063", "JSON.parse(event.request.uri);"),
    ("CFF067", "if (event.request.uri.startsWith('/admin')) { return event.request; }"),
    ("CFF070", "/^(a+)+$/.test('');"),
    ("CFF081", "console.error('x');"),
    ("CFF081", "console.log('a', 'b');"),
    ("CFF091", "event.request.uri = '/book/';"),
    ("CFF051", "if (event.context) { return event; }"),
    ("CFF050", "if (event.context) { return; }"),
    ("CFF056", "if (event.context) { return { statusCode: '302' }; }"),
    ("CFF056", "if (event.context) { return { statusCode: 99 }; }"),
    ("CFF057", "if (event.context) { return { statusCode: 200, body: 1 }; }"),
    ("CFF057", "if (event.context) { return { statusCode: 204, body: 'x' }; }"),
    ("CFF057", "if (event.context) { return { statusCode: 200, body: { encoding: 'hex', data: '' } }; }"),
    ("CFF052", "if (event.context) { return { statusCode: 302, headers: { Location: { value: '/' } } }; }"),
    ("CFF053", "if (event.context) { return { statusCode: 302, headers: { location: '/' } }; }"),
    ("CFF054", "if (event.context) { return { statusCode: 302, headers: { connection: { value: 'x' } } }; }"),
];

#[test]
fn each_rule_finds_its_mistake() {
    let mut failures = String::new();
    for (rule, body) in BROKEN {
        let said = broken(&within(body), Runtime::V2);
        if said != [*rule] {
            failures.push_str(&format!("{body}\n  expected {rule}, said {said:?}\n"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn what_waits_is_looked_at() {
    let within = |body: &str| {
        format!(
            "import cf from 'cloudfront'; async function g(x) {{ return x; }} async function handler(event) {{ {body} return event.request; }}"
        )
    };
    for (rule, body) in [
        ("CFF030", "g(await g(1));"),
        ("CFF030", "JSON.stringify(await g(1));"),
        ("CFF030", "g(g(1), await g(2));"),
        ("CFF030", "g([await g(1)]);"),
        ("CFF030", "g({ a: await g(1) });"),
        ("CFF030", "g(`${await g(1)}`);"),
        ("CFF030", "new Date(await g(1));"),
        ("CFF031", "g`${await g(1)}`;"),
    ] {
        let rules = broken(&within(body), Runtime::V2);
        assert!(rules.contains(&rule.to_owned()), "{body}: {rules:?}");
    }
    for body in [
        "const a = await g(1); String(a);",
        "const a = [await g(1)];",
        "const a = `${await g(1)}`;",
        "(await g({ h: 1 })).h;",
        "if (await g(1)) { String(2); }",
        "await g(async function () { const b = await g(1); return b; });",
        "try { const v = await cf.kvs().get('a'); event.request.uri = '/' + v; } catch (e) { console.log(e); }",
    ] {
        finds(&within(body), &[]);
    }
    let outside = "await 1; function handler(event) { return event.request; }";
    assert!(broken(outside, Runtime::V2).contains(&"CFF019".to_owned()));
}

#[test]
fn a_handler_is_found_and_returns() {
    finds("function main(event) { return event.request; }", &["CFF001"]);
    finds("const handler = (event) => event.request;", &["CFF002"]);
    finds("var handler = function (event) { return event.request; };", &[]);
    finds("function handler(e) { return e.request; }\nfunction handler(e) { return e.request; }", &["CFF003"]);
    finds("globalThis.handler = function (event) { return event.request; };", &[]);
    finds("function handler(event) { }", &["CFF050"]);
    finds("function handler(event) { if (event.x) return event.request; }", &["CFF050"]);
    finds("function handler(event) { return event; }", &["CFF051"]);
    finds("async function handler(event) { while (true) { if (event.x) break; } }", &["CFF050"]);
    for code in [
        "function handler(event) { if (event.x) { return event.request; } else { return event.request; } }",
        "function handler(event) { switch (event.x) { case 1: return event.request; default: throw new Error('x'); } }",
        "function handler(event) { try { return event.request; } catch (e) { return event.request; } }",
        "function handler(event) { for (;;) { if (event.x) return event.request; } }",
        "function handler(event) { do { return event.request; } while (true); }",
        "async function handler(event) { try { event.x(); } finally { return event.request; } }",
        "function handler(event) { while (true) { switch (event.x) { case 1: break; default: return event.request; } } }",
        "function handler(event) { const f = function () { return; }; f(); return event.request; }",
    ] {
        finds(code, &[]);
    }
}

/// Code as people write it: nothing is wrong with it, so nothing is said.
#[test]
fn sound_code_is_silent() {
    for body in [
        "var request = event.request; var headers = request.headers; if (headers.origin && headers.origin.value === 'x') { request.uri = '/x.html'; }",
        "var h = event.request.headers.cookie; if (h) { console.log(h.value); }",
        "if (event.request.headers['x-a'] !== undefined) { console.log(event.request.headers['x-a'].value); }",
        "if ('x-a' in event.request.headers) { console.log(event.request.headers['x-a'].value); }",
        "if (event.request.headers.hasOwnProperty('x-a')) { console.log(event.request.headers['x-a'].value); }",
        "try { console.log(event.request.headers['x-a'].value); } catch (error) { console.log('none'); }",
        "console.log(event.request.headers.host.value);",
        "try { event.request.uri = '/' + decodeURIComponent(event.request.uri); } catch (error) { console.log(error); }",
        "function safe(x) { return decodeURIComponent(x); } try { safe('a'); } catch (error) { console.log(error); }",
        "var URL = function () { return 1; }; new URL();",
        "var o = { at: function () { return 1; }, flat: 1 }; o.at(0);",
        "if (typeof URL !== 'undefined') { console.log(new URL('/')); }",
        "var list = [1, 2]; if (list.at) { list.at(0); }",
        "globalThis.cache = {}; cache.x = 1;",
        "event.request.uri = event.request.uri + 'index.html';",
        "event.request.uri += 'index.html';",
        "event.request.uri = `/a${event.request.uri}`;",
        "event.request.querystring = 'a=1&b=%20';",
        "event.request.querystring.a = { value: '1' };",
        "var uri = event.request.uri.replace(/\\/{2,}/g, '/'); if (uri.startsWith('/admin')) { console.log('admin'); }",
        "if (event.request.uri.endsWith('/')) { event.request.uri += 'index.html'; } else if (!event.request.uri.includes('.')) { event.request.uri += '/index.html'; }",
        "event.request.headers['x-a'] = { value: 'a' + 1 }; delete event.request.headers['x-b'];",
        "delete event.request.headers['x-forwarded-proto'];",
        "if (event.x) { return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/x' }, 'cache-control': { value: 'no-store' } }, cookies: { a: { value: 'b', attributes: 'Path=/' } }, body: { encoding: 'text', data: 'x' } }; }",
        "var crypto = require('crypto'); var d = crypto.createHash('sha256').update('a').digest('hex'); console.log(d);",
        "var s = Buffer.from('a', 'base64url').toString('utf8'); console.log(s.replaceAll('a', 'b') + Array.from([1]).join());",
        "const f = (...rest) => rest.length; label: for (let i = 0; i < f(1, 2); i++) { if (i) { continue label; } }",
        "const o = { a: 1, ['b']: 2, m() { return this.a; }, get c() { return 3; } }; console.log(o.m() ** 2 + (o.a ?? 1) + 1_000);",
        "/^\\/(?:track|book)(?:\\/[^/]*)?\\/?$/i.test(event.request.uri);",
        "/(?<year>\\d{4})-(?<month>\\d\\d)/.exec('2026-01');",
        "Object.keys(event.request.querystring).forEach(function (name) { console.log(event.request.querystring[name].value); });",
        "Promise.resolve(1).then(function (x) { return x; }).catch(function () { return 0; });",
        "var a = Object.assign({}, { b: 1 }); Object.entries(a).filter(Boolean).map(encodeURIComponent);",
        "(function () { console.log(arguments.length); })(1);",
    ] {
        finds(&within(body), &[]);
    }
    finds(
        "function handler(event) { var response = event.response; var headers = response.headers; headers['strict-transport-security'] = { value: 'max-age=1' }; response.statusCode = 200; return response; }",
        &[],
    );
    finds("\u{feff}function handler(event) { return event.request; }", &[]);
}

#[test]
fn runtime_one_knows_less() {
    for (rule, body) in [
        ("CFF010", "const a = 1;"),
        ("CFF010", "let a = 1;"),
        ("CFF010", "var f = async function () {};"),
        ("CFF010", "var f = async () => 1;"),
        ("CFF010", "var n = 1_000;"),
        ("CFF010", "/a/y.test('');"),
        ("CFF011", "var {a} = event;"),
        ("CFF021", "Buffer.from('a');"),
        ("CFF021", "atob('a');"),
        ("CFF022", "'a'.replaceAll('a', 'b');"),
        ("CFF022", "Array.from([1]);"),
        ("CFF022", "Promise.all([]);"),
    ] {
        assert_eq!(broken(&within(body), Runtime::V1), [rule], "{body}");
    }
    for body in
        ["var f = (a) => `x${a}`; f(2 ** 3);", "String.bytesFrom([1]).toUTF8();", "var q = require('querystring'); q.parse('a=1');"]
    {
        assert_eq!(broken(&within(body), Runtime::V1), [""; 0], "{body}");
    }
    assert_eq!(broken("import c from 'crypto'; function handler(e) { return c; }", Runtime::V1), ["CFF005"]);
    assert_eq!(broken("import cf from 'cloudfront'; function handler(e) { return cf; }", Runtime::V1), ["CFF035"]);
}

#[test]
fn imports_are_default_imports_of_known_modules() {
    let with = |import: &str| format!("{import}\nfunction handler(event) {{ return event.request; }}");
    for import in ["import { kvs } from 'cloudfront';", "import * as cf from 'cloudfront';", "import 'crypto';"] {
        finds(&with(import), &["CFF005"]);
    }
    finds(&with("import fs from 'fs';"), &["CFF005"]);
    assert!(broken(&with("import('crypto');"), Runtime::V2).contains(&"CFF005".to_owned()));
}

#[test]
fn a_large_script_is_told_so() {
    let script = |bytes: usize| {
        let body = "function handler(event) { return event.request; }\n//";
        format!("{body}{}", "x".repeat(bytes - body.len()))
    };
    finds(&script(10_240), &[]);
    finds(&script(10_241), &["CFF040"]);
}

/// A module is judged as what the bundler makes of it.
#[test]
fn modules_may_say_what_the_bundler_rewrites() {
    finds(
        "export function handler(event) { const { uri } = event.request; for (const part of uri.split('/')) { console.log(part ?? 'x'); } return event.request; }",
        &[],
    );
    finds(
        "import cf from 'cloudfront';\nexport async function handler(event) { try { const value = JSON.parse(await cf.kvs().get('a')); event.request.uri = `/${value?.b}`; } catch { } return event.request; }",
        &[],
    );
    finds("export function handler(event) { return new Map([event]); }", &["CFF021"]);
    finds("export function handler(event) { return /a/s.test('') ? event.request : event.request; }", &["CFF020"]);
    finds(
        "export function handler(event) { const { headers } = event.request; headers['X-A'] = { value: '1' }; return event.request; }",
        &["CFF052"],
    );
    finds("export function other(event) { return event.request; }", &["CFF001"]);
}

/// The syntax rows of the probes, in both runtimes: whether njs 0.4.3 and njs of 2023-05-19 took them.
#[test]
fn syntax_is_refused_as_measured() {
    for (code, one, two) in [
        ("const a = 1;", false, true),
        ("let a = 1; { let a = 2; }", false, true),
        ("var f = []; for (let i = 0; i < 2; i++) { f.push(function () { return i; }); }", false, true),
        ("var f = (a) => a;", true, true),
        ("var a = `a${1}\nb`;", true, true),
        ("(function (x) { return x; })`a${1}`;", true, true),
        ("function f(...a) { return a; }", true, true),
        ("function f(a = 1) { return a; }", false, false),
        ("Math.max(...[1]);", false, false),
        ("var a = [...[1]];", false, false),
        ("var a = {...{}};", false, false),
        ("var [a] = [1];", false, false),
        ("var {a} = {};", false, false),
        ("function f({a}) {}", false, false),
        ("class A {}", false, false),
        ("for (var x of []) {}", false, false),
        ("for (var x in {}) {}", true, true),
        ("for (const x in {}) {}", false, true),
        ("function* g() {}", false, false),
        ("l: for (;;) { break l; }", true, true),
        ("var a = 1; var o = {a};", true, true),
        ("var o = {m() {}};", true, true),
        ("var o = {['k']: 1};", true, true),
        ("var o = {get a() { return 1; }, set a(v) {}};", true, true),
        ("var a = 2 ** 3;", true, true),
        ("var a = 2; a **= 3;", true, true),
        ("var o = {}; o?.a;", false, false),
        ("var o = {}; o.f?.();", false, false),
        ("var a = null ?? 1;", true, true),
        ("var a; a ||= 1;", false, false),
        ("var a; a &&= 1;", false, false),
        ("var a; a ??= 1;", false, false),
        ("var a = 1_000;", false, true),
        ("var a = 0b1 + 0o7;", true, true),
        ("var a = 1n;", false, false),
        ("try {} catch {}", false, false),
        ("function f(a,) {} f(1,);", true, true),
        ("function F() { return new.target; }", false, false),
        ("var s = '\\u{1F600}';", true, true),
        ("(() => ({a: 1}))();", true, true),
        ("async function f() { await 1; }", false, true),
        ("var f = async () => 1;", false, true),
        ("var o = {async m(a) {}};", false, true),
        ("async function f() { f(await 1); }", false, false),
        ("async function f() { return `${await 1}`; }", false, true),
        ("async function f() { return [await 1]; }", false, true),
        ("async function f() { if (await 1) {} }", false, true),
        ("async function f() { try { await 1; } catch (e) {} }", false, true),
        ("async function f() { for (var i = 0; i < 2; i++) await i; }", false, true),
        ("async function f() { [1].map(async (x) => x); }", false, true),
        ("async function f() { for await (var x of []) {} }", false, false),
        ("await 1;", false, false),
        ("import q from 'querystring';", false, true),
        ("import {parse} from 'querystring';", false, false),
        ("export function g() {}", false, false),
        ("export default 1;", false, false),
        ("import('crypto');", false, false),
        ("/(?<n>a)/;", true, true),
        ("/a(?=b)/;", true, true),
        ("/(?<=a)b/;", true, true),
        ("/(?<=a+)b/;", false, false),
        ("/a/y;", false, true),
        ("/a/s;", false, false),
        ("/a/u;", false, false),
        ("/\\p{L}/u;", false, false),
        ("'use strict';", true, true),
        ("with ({}) {}", false, false),
    ] {
        for (runtime, taken) in [(Runtime::V1, one), (Runtime::V2, two)] {
            // The emulator refuses what the checker refuses, before the engine sees it.
            let outcome = qdn::edge::run(
                &format!("{code}\nfunction handler(e) {{ return e.request; }}"),
                runtime,
                qdn::edge::KeyValues::default(),
                &super::get("/"),
            );
            assert_eq!(outcome.error.is_none(), taken, "{code} in {runtime:?}: {:?}", outcome.error);
        }
    }
    assert_eq!(value("1", Runtime::V1), "1");
}

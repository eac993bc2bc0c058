//! Functions that mean harm, through the real preview: each request gets its answer, and the next one too.

use crate::preview::Preview;
use crate::project::Project;

/// The path that sets it off, what the function does then, the viewer's status, and a part of what the page says.
const ATTACKS: &[(&str, &str, u16, &str)] = &[
    ("loop", "for (;;);", 503, "compute time"),
    ("caught-loop", "for (;;) { try { for (;;); } catch (e) { } }", 503, "compute time"),
    ("recursion", "(function f() { return f() + 1; })();", 503, "call stack"),
    ("caught-recursion", "(function f() { try { f(); } catch (e) { f(); } })();", 503, ""),
    ("regexp", "/^(a+)+$/.test('a'.repeat(40) + 'b');", 503, "compute time"),
    ("text", "var s = 'x'; for (;;) s += s;", 503, "MemoryError"),
    ("list", "var a = []; for (;;) a.push(new Array(9999).join('y' + a.length));", 503, "MemoryError"),
    ("caught-memory", "var a = []; for (;;) { try { a.push('x'.repeat(99999) + a.length); } catch (e) { } }", 503, ""),
    ("holes", "new Array(4000000000).join('x');", 503, "compute time"),
    ("fill", "new Array(4000000000).fill(0);", 503, ""),
    ("sort", "var a = []; a.length = 4294967295; a.sort();", 503, ""),
    ("pad", "'x'.padStart(1000000000);", 503, ""),
    ("repeat", "'😀'.repeat(1000000000);", 503, ""),
    ("storm", "for (var i = 0; i < 20000; i++) Promise.reject(new Error('no ' + i));", 503, ""),
    ("promises", "await new Promise(function () {});", 503, "never settled"),
    ("ticks", "for (;;) await null;", 503, "compute time"),
    ("thenable", "var r = { then: function (go) { go({ then: this.then }); } }; return r;", 503, ""),
    (
        "getters",
        "var r = {}; Object.defineProperty(r, 'uri', { enumerable: true, get: function () { for (;;); } }); return r;",
        503,
        "",
    ),
    ("throwing-getter", "return { get uri() { throw new Error('bang'); } };", 502, "bang"),
    ("to-json", "var r = { toJSON: function () { for (;;); } }; return r;", 503, ""),
    ("to-json-itself", "var o = { toJSON: function () { return { a: o }; } }; return o;", 502, ""),
    ("circle", "var o = {}; o.o = o; return o;", 502, ""),
    (
        "deep",
        "var o = {}; var at = o; for (var i = 0; i < 5000; i++) { at.o = {}; at = at.o; } request.headers.x = o; return request;",
        502,
        "",
    ),
    ("deep-json", "JSON.parse('['.repeat(100000));", 503, ""),
    ("deep-pattern", "new RegExp('('.repeat(5000) + ')'.repeat(5000)).test('x');", 503, ""),
    ("to-string", "throw { toString: function () { for (;;); } };", 503, ""),
    (
        "error-message",
        "var e = new Error('x'); Object.defineProperty(e, 'message', { get: function () { throw 1; } }); throw e;",
        503,
        "",
    ),
    (
        "error-name",
        "var e = new Error('x'); Object.defineProperty(e, 'name', { get: function () { for (;;); } }); throw e;",
        503,
        "",
    ),
    ("logs", "for (var i = 0; i < 3000; i++) console.log('y'.repeat(999)); return request;", 404, ""),
    ("log-getter", "console.log({ get a() { for (;;); } }); return request;", 404, ""),
    ("log-deep", "var o = []; for (var i = 0; i < 3000; i++) o = [o]; console.log(o); return request;", 503, ""),
    ("builtins", "Array.prototype.push = Object.keys = JSON.stringify = String = undefined; return request;", 404, ""),
    ("prototype", "Object.prototype.toJSON = function () { return 7; }; return request;", 502, ""),
    ("object-keys", "Object.prototype.statusCode = 200; return request;", 404, ""),
    ("headers", "for (var i = 0; i < 3000; i++) request.headers['x-' + i] = { value: 'y' }; return request;", 404, ""),
    ("nothing", "return [].pop();", 502, "must return"),
    ("number", "return JSON.parse('5');", 502, "must return"),
    (
        "letters",
        "var s = ''; for (var i = 0; i < 1100; i++) s += String.fromCodePoint(0x10000 + i); return request;",
        503,
        "1024 different",
    ),
    ("digest", "var h = require('crypto').createHash('sha256'); for (;;) h.update('x'.repeat(1000));", 503, ""),
    ("date", "new Date(8.64e15 + 1).toISOString();", 503, "Invalid time value"),
];

#[test]
fn no_function_takes_preview_down() {
    let project = Project::new();
    // Ten kilobytes are not enough for all of them, and a pattern that takes long is an error of the checker.
    for attacks in ATTACKS.chunks(14) {
        let branches: String =
            attacks.iter().map(|(path, body, ..)| format!("  if (request.uri === '/{path}') {{ {body} }}\n")).collect();
        let code = format!(
            "async function handler(event) {{\n  var request = event.request;\n  if (request.uri === '/') {{ request.uri = '/index.html'; }}\n{branches}  return request;\n}}\n"
        );
        project.write("functions/f.js", code.replace("/^(a+)+$/", "new RegExp('^(a' + '+)+$')"));
        let preview = Preview::of(&project);
        for (path, body, status, part) in attacks {
            let answer = preview.get(&format!("/{path}"));
            assert_eq!(answer.status, *status, "{path}: {body}\n{}", answer.body);
            assert!(answer.body.contains(part), "{path}: {}", answer.body);
            let after = preview.get("/");
            assert!(after.status == 200 && after.body.contains("Home"), "after {path}: {} {}", after.status, after.body);
        }
    }
}

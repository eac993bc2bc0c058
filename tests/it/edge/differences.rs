//! Where the emulator differs from njs: every row of the table in `docs/emulator.md`, tried in both.

use super::{cases, root, value};
use qdn::edge::Runtime;
use serde_json::json;

/// The row's name, an expression, what it comes to here, and what in njs. A row whose two sides agree is no difference
/// any more, and fails.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("numbers", "0.1 + 0.2", "0.30000000000000004", "0.30000000000000007"),
    ("numbers", "Math.sqrt(2)", "1.4142135623730951", "1.4142135623730952"),
    ("key-order", "Object.keys({ b: 1, 2: 1, a: 1, 1: 1 })", "1,2,b,a", "b,2,a,1"),
    (
        "many-keys",
        "(function () { var o = {}; 'abcdefghijk'.split('').forEach(function (k) { o['k' + k] = 1; }); return Object.keys(o); })()",
        "ka,kb,kc,kd,ke,kf,kg,kh,ki,kj,kk",
        "kj,kk,kh,ki,kf,kg,kd,ke,kb,kc,ka",
    ),
    ("getters", "Object.values({ get a() { return 1; } })", "1", ""),
    ("captures", "/(?:(a)|b)+/.exec('ab')", "ab,", "ab,a"),
    ("letter-ranges", "/[😀-😎]/.test(String.fromCodePoint(0x1f601))", "false", "true"),
    ("letter-order", "'😀' > '\\uffee'", "false", "true"),
    ("no-break-space", "Number('1\\u00a0')", "1", "NaN"),
    ("bases", "Number('0b11')", "3", "NaN"),
    ("bases", "+'0o7'", "7", "NaN"),
    ("bases", "Number('+0x1')", "NaN", "1"),
    ("raw-templates", "(function (parts) { return typeof parts.raw; })`a`", "object", "undefined"),
    (
        "not-a-function",
        "(function () { try { var o = {}; o['a' + 1](); } catch (e) { return e.message; } })()",
        "undefined is not a function",
        "(intermediate value)[\"a1\"] is not a function",
    ),
    (
        "stringified-lists",
        "(function () { var o = { a: [1] }; require('querystring').stringify(o); return typeof o.a[0]; })()",
        "number",
        "string",
    ),
    (
        "refused-writes",
        "(function () { try { Object.freeze([1]).push(2); } catch (e) { return e.message; } })()",
        "object is not extensible",
        "Cannot add property \"1\", object is not extensible",
    ),
    (
        "refused-writes",
        "(function () { try { 'abc'.foo = 1; } catch (e) { return e.message; } })()",
        "not an object",
        "property set on primitive string type",
    ),
    ("indentation", "JSON.stringify([], null, 1)", "[]", "[\n \n]"),
];

#[test]
fn every_known_difference_is_one() {
    let script: String = ROWS
        .iter()
        .map(|(_, expression, _, _)| format!("values.push(function () {{ return String({expression}); }});\n"))
        .collect();
    let script = format!("var values = []; function handler(event) {{ return values[event](); }}\n{script}");
    let events: Vec<serde_json::Value> = (0..ROWS.len()).map(|at| json!(at)).collect();
    let mut wrong = String::new();
    for ((name, expression, ours, theirs), line) in ROWS.iter().zip(cases::njs(&script, &events)) {
        let here = value(expression, Runtime::V2);
        if here != *ours || line["value"] != **theirs || ours == theirs {
            wrong.push_str(&format!("{name}: {expression} is {here:?} here, {line} in njs\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_has_a_row_for_each_and_no_other() {
    let text = std::fs::read_to_string(root().join("docs/emulator.md")).expect("the documentation");
    let rows: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(name, _)| name).collect();
    let mut tested: Vec<&str> = ROWS.iter().map(|(name, ..)| *name).collect();
    tested.dedup();
    assert_eq!(rows, tested);
}

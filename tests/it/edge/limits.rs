//! Whatever a function does, the run ends, and with an outcome.

use super::{get, run, value};
use qdn::edge::{self, Emulator, ErrorKind, KeyValues, Runtime};

fn fails(code: &str, kind: ErrorKind, part: &str) {
    let outcome = run(code);
    let error = outcome.error.unwrap_or_else(|| panic!("{code} has a result"));
    assert_eq!(error.kind, kind, "{code}: {}", error.message);
    assert!(error.message.contains(part), "{code}: {}", error.message);
}

#[test]
fn runaways_end_as_outcomes() {
    let execution = ErrorKind::Execution;
    fails("function handler(e) { for (;;); }", execution, "compute time");
    fails("function handler(e) { for (;;) { try { for (;;); } catch (x) {} } }", execution, "compute time");
    fails("function handler(e) { return /^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'); }", execution, "compute time");
    fails("function handler(e) { return new Array(4000000000).join('x'); }", execution, "compute time");
    fails("async function handler(e) { for (;;) { await null; } }", execution, "compute time");
    fails("function handler(e) { var s = 'x'; for (;;) s += s; }", execution, "MemoryError");
    fails("function handler(e) { var a = []; for (;;) a.push('x'.repeat(10000) + a.length); }", execution, "MemoryError");
    fails(
        "function handler(e) { var a = []; try { for (;;) a.push(new Array(9999).join(a.length)); } catch (x) { throw x; } }",
        execution,
        "MemoryError",
    );
    fails("function handler(e) { return new Uint8Array(3000000).length; }", execution, "MemoryError");
    fails("function handler(e) { function f() { return f() + 1; } return f(); }", execution, "Maximum call stack size exceeded");
    fails("function handler(e) { var o = {}; o.o = o; return JSON.stringify(o); }", execution, "TypeError");
    fails("function handler(e) { var o = {}; o.o = o; return o; }", ErrorKind::Validation, "invalid value");
    fails("async function handler(e) { await new Promise(function () {}); }", execution, "never settled");
    fails(
        "async function handler(e) { Promise.reject(new Error('boom')); return e.request; }",
        execution,
        "unhandled promise rejection: Error: boom",
    );
    fails("for (;;); function handler(e) { return e.request; }", execution, "compute time");
    fails("throw new Error('at the top'); function handler(e) {}", execution, "Error: at the top");
    fails("function handler(e) { for (var o = null; ; ) o = { a: o }; }", execution, "MemoryError");
    fails("async function handler(e) { for (var o = null; ; ) o = { a: o }; }", execution, "MemoryError");
    fails("function handler(e) { throw { get message() { throw 1; } }; }", execution, "");
    fails("function main(e) {}", execution, "\"handler\" is not defined");
}

/// Anything can be thrown; only the engine's own is a lack of memory.
#[test]
fn what_is_thrown_is_what_is_told() {
    for (thrown, message) in [
        ("null", "null"),
        ("undefined", "undefined"),
        ("'text'", "text"),
        ("1", "1"),
        ("{ a: 1 }", "{a:1}"),
        ("new Error('out of memory')", "Error: out of memory"),
        ("new TypeError('not a function')", "TypeError: not a function"),
        ("ReferenceError('x is not defined')", "ReferenceError: x is not defined"),
        ("new URIError('mine')", "URIError: mine"),
        ("new RangeError('invalid array length')", "RangeError: invalid array length"),
        ("new TypeError()", "TypeError"),
    ] {
        let message_of = |code: &str| run(code).error.unwrap_or_else(|| panic!("{code} has a result")).message;
        assert_eq!(message_of(&format!("function handler(e) {{ throw {thrown}; }}")), message);
        assert_eq!(message_of(&format!("async function handler(e) {{ await null; throw {thrown}; }}")), message);
        let unheard = format!("async function handler(e) {{ Promise.reject({thrown}); return e.request; }}");
        assert_eq!(message_of(&unheard), format!("Error: unhandled promise rejection: {message}"));
    }
}

#[test]
fn a_run_after_a_runaway_is_a_run_like_any_other() {
    let code = "function handler(e) { if (e.request.uri === '/loop') { for (;;); } if (e.request.uri === '/memory') { var a = []; for (;;) a.push('x'.repeat(9999) + a.length); } return e.request; }";
    let mut emulator = Emulator::load(code, Runtime::V2, KeyValues::default()).expect("it loads");
    let first = emulator.run(&get("/"));
    for uri in ["/loop", "/memory", "/loop"] {
        assert!(emulator.run(&get(uri)).error.is_some());
        assert_eq!(emulator.run(&get("/")), first);
    }
}

#[test]
fn size_is_counted_in_bytes_of_the_file() {
    let script = |bytes: usize| {
        let body = "function handler(e) { return e.request; } //";
        format!("{body}{}", "x".repeat(bytes - body.len()))
    };
    assert!(run(&script(10_240)).error.is_none());
    fails(&script(10_241), ErrorKind::SizeLimit, "10241 bytes");
}

#[test]
fn logs_are_cut_at_ten_kilobytes() {
    let outcome = run("function handler(e) { for (var i = 0; i < 500; i++) console.log('x'.repeat(100)); return e.request; }");
    assert_eq!(outcome.logs.iter().map(String::len).sum::<usize>(), 10_240);
    let outcome = run("function handler(e) { console.log('é'.repeat(10000)); return e.request; }");
    assert_eq!(outcome.logs.iter().map(String::len).sum::<usize>(), 10_240);
    let outcome = run("function handler(e) { console.log('before'); e.x.y; }");
    assert_eq!(outcome.logs, ["before"], "what was printed before an error is kept");
}

#[test]
fn utilization_is_the_same_every_time_and_grows_with_work() {
    let turns = |count: u32| {
        let code = format!("function handler(e) {{ for (var i = 0; i < {count}; i++); return e.request; }}");
        let mut emulator = Emulator::load(&code, Runtime::V2, KeyValues::default()).expect("it loads");
        let first = emulator.run(&get("/")).utilization;
        for _ in 0..5 {
            assert_eq!(emulator.run(&get("/")).utilization, first);
        }
        first
    };
    assert_eq!(turns(0), 1);
    assert!((19..=21).contains(&turns(2_000)), "{}", turns(2_000));
    assert!((48..=52).contains(&turns(5_000)), "{}", turns(5_000));
    assert_eq!(turns(50_000), 100);
}

#[test]
fn no_event_leaves_anything_for_the_next() {
    let samples = [
        "let n = 0; function handler(e) { n++; e.request.uri = '/' + n; return e.request; }",
        "function handler(e) { globalThis.n = (globalThis.n || 0) + 1; e.request.uri = '/' + globalThis.n; return e.request; }",
        "function handler(e) { Math.n = (Math.n || 0) + 1; e.request.uri = '/' + Math.n; return e.request; }",
        "const re = /x/g; function handler(e) { e.request.uri = re.test('x') ? '/1' : '/2'; return e.request; }",
        "import c from 'crypto'; function handler(e) { try { c.n = 1; } catch (x) { } e.request.uri = c.n === undefined ? '/1' : '/' + c.n; return e.request; }",
        "function handler(e) { e.request.uri = String.prototype.n ? '/2' : '/1'; String.prototype.n = 1; return e.request; }",
    ];
    for code in samples {
        let mut emulator = Emulator::load(code, Runtime::V2, KeyValues::default()).expect("it loads");
        for _ in 0..3 {
            let outcome = emulator.run(&get("/"));
            assert_eq!(outcome.request().map(|request| request["uri"].clone()), Some("/1".into()), "{code}: {:?}", outcome.error);
        }
    }
}

/// What does not tick stops the thread that it is run on for good; of all others something is told, and of it as well.
#[test]
fn a_case_that_never_ends_is_a_verdict_like_any_other() {
    let code = "function handler(e) { return e.request.uri === '/never' ? new Array(4000000000).join('x') : e.request; }";
    let case = |name: &str, part: &str| {
        let text = format!(r#"{{{part}, "expect": {{"request": {{"method": "GET"}}}}}}"#);
        let (case, problems) = edge::cases::parse(&qdn::source::SourcePath::new(format!("f.cases/{name}.json")), &text);
        case.unwrap_or_else(|| panic!("{problems:?}"))
    };
    let event = |uri: &str| {
        format!(
            r#""event": {{"version": "1.0", "context": {{"eventType": "viewer-request"}}, "request": {{"method": "GET", "uri": "{uri}"}}}}"#
        )
    };
    let cases = vec![
        case("a", &event("/")),
        case("b", &event("/never")),
        case("c", &event("/c")),
        case("d", r#""forall": {"uri": "/{token}"}"#),
    ];
    let verdicts = edge::cases::run_all(cases, code, Runtime::V2, edge::cases::Trial::default());
    let told: Vec<_> = verdicts.iter().map(|(case, verdict)| (case.name.as_str(), verdict.passes(), verdict.tries)).collect();
    assert_eq!(told, [("a", true, 0), ("b", false, 0), ("c", true, 0), ("d", true, 300)]);
    let error = verdicts[1].1.outcome.error.as_ref().expect("it has no result");
    assert!(error.message.contains("compute time"), "{}", error.message);
}

#[test]
fn an_emulator_may_be_sent_away() {
    let mut emulator =
        Emulator::load("function handler(e) { return e.request; }", Runtime::V2, KeyValues::default()).expect("it loads");
    let outcome = std::thread::spawn(move || emulator.run(&get("/"))).join().expect("it returns");
    assert!(outcome.error.is_none());
}

#[test]
fn time_and_chance_stand_still() {
    let code = "function handler(e) { return { statusCode: 200, body: JSON.stringify([Date.now(), new Date().getTime(), Math.random(), new Date().getHours(), new Date().getTimezoneOffset(), new Date(2020, 0, 2, 3).toISOString(), new Date('2020-01-02T03:00').toISOString(), String(new Date(0))]) }; }";
    let outcome = run(code);
    assert_eq!(outcome, run(code));
    let body = outcome.response().and_then(|response| response["body"].as_str()).unwrap_or_default().to_owned();
    assert!(body.starts_with("[1767225600000,1767225600000,0."), "{body}");
    assert!(
        body.ends_with(r#",0,0,"2020-01-02T03:00:00.000Z","2020-01-02T03:00:00.000Z","Thu Jan 01 1970 00:00:00 GMT+0000"]"#),
        "{body}"
    );
    let later = edge::run(code, Runtime::V2, KeyValues::default(), &get("/").at(5));
    assert!(later.response().and_then(|response| response["body"].as_str()).unwrap_or_default().starts_with("[5,5,"));
    assert_eq!(value("typeof Date.now() + (Date.now() === Date.now())", Runtime::V2), "numbertrue");
}

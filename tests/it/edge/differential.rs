//! The emulator against real njs: programs made by a grammar run in both, and have to come to the same.
//!
//! `QDN_PROGRAMS=5000` makes more of them, `QDN_SEED=7` others, `QDN_NJS=/path/to/njs` asks another build of njs than
//! Debian's. `cargo test --test it edge::differential -- --nocapture` prints the figures.

use super::programs::{self, Program, Seed};
use qdn::edge::{Emulator, Event, KeyValues, Runtime};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

/// How many programs the test makes, unless it is told. Each meets two events.
const PROGRAMS: usize = 400;

/// Programs in one script: a script has ten kilobytes.
const TOGETHER: usize = 6;

/// What both do with the outcome of a program, so that it is a text.
const REPORT: &str = "function told(value) { return 'value ' + JSON.stringify(value); }\n\
     function failed(error) { return 'error ' + error.name + ': ' + error.message; }\n";

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The programs as functions of a list.
fn listed(programs: &[Program]) -> String {
    let mut code = String::from("var programs = [];\n");
    for program in programs {
        let prefix = if program.is_async { "async " } else { "" };
        let _ = writeln!(code, "programs.push({prefix}function (event) {{\n{}\n}});", program.body);
    }
    code
}

/// What the emulator makes of them, event by event.
fn emulated(programs: &[Program], events: &[Vec<Value>]) -> Vec<String> {
    let mut results = Vec::new();
    for (programs, events) in programs.chunks(TOGETHER).zip(events.chunks(TOGETHER)) {
        let handler = "async function handler(event) { var at = event.request.headers['x-program'].value;\n\
             delete event.request.headers['x-program']; delete event.request.rawQueryString; var report;\n\
             try { var value = await programs[at](event); report = told(value); } catch (error) { report = failed(error); }\n\
             return { statusCode: 200, body: report }; }";
        let code = format!("{REPORT}{}{handler}", listed(programs));
        let mut emulator =
            Emulator::load(&code, Runtime::V2, KeyValues::default()).unwrap_or_else(|error| panic!("{error}\n{code}"));
        for (at, events) in events.iter().enumerate() {
            for event in events {
                let mut event = event.clone();
                event["request"]["headers"]["x-program"] = serde_json::json!({ "value": at.to_string() });
                let (event, problems) = Event::parse(&"e.json".into(), &event.to_string());
                let outcome = emulator.run(&event.unwrap_or_else(|| panic!("{problems:?}")));
                results.push(match (&outcome.error, outcome.response()) {
                    (None, Some(response)) => response["body"].as_str().unwrap_or_default().to_owned(),
                    (error, _) => format!("failed {error:?}"),
                });
            }
        }
    }
    results
}

/// What njs makes of them. One process runs them all.
fn real(programs: &[Program], events: &[Vec<Value>]) -> Vec<String> {
    let program = std::env::var("QDN_NJS").unwrap_or_else(|_| "njs".to_owned());
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let events = serde_json::to_string(events).expect("JSON");
    let run = "async function all() { for (var p = 0; p < programs.length; p++) { for (var e = 0; e < events[p].length; e++) { var report;\n\
         try { var value = await programs[p](events[p][e]); report = told(value); } catch (error) { report = failed(error); }\n\
         console.log(JSON.stringify(report)); } } }\nall();\n";
    let code = format!("{REPORT}{}var events = {events};\n{run}", listed(programs));
    file.write_all(code.as_bytes()).expect("written");
    let output = match Command::new(&program).arg("-q").arg(file.path()).output() {
        Ok(output) => output,
        Err(error) => panic!("{program} does not run ({error}): scripts/setup installs njs"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{program} said {line}"));
    text.lines().map(read).collect()
}

/// Why two results may differ: the number of the row in `docs/emulator.md`, or nothing.
fn known(ours: &str, theirs: &str) -> Option<&'static str> {
    if rounded(ours) == rounded(theirs) {
        return Some("numbers");
    }
    match (unordered(ours), unordered(theirs)) {
        (Some(ours), Some(theirs)) if ours == theirs => Some("key-order"),
        _ => None,
    }
}

/// The value that a text tells, in which the order of keys counts for nothing: neither in its objects, nor in the texts that are
/// JSON themselves.
fn unordered(text: &str) -> Option<Value> {
    fn within(value: Value) -> Value {
        match value {
            Value::String(text) => match serde_json::from_str(&text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => serde_json::json!({ "JSON": within(inner) }),
                _ => Value::String(text),
            },
            Value::Array(items) => items.into_iter().map(within).collect(),
            Value::Object(entries) => {
                entries.into_iter().map(|(name, value)| (name, within(value))).collect::<serde_json::Map<_, _>>().into()
            }
            other => other,
        }
    }
    serde_json::from_str(rounded(text).trim_end_matches('\0').strip_prefix("value ")?).ok().map(within)
}

/// The text with its numbers at fourteen digits.
fn rounded(text: &str) -> String {
    let mut result = String::new();
    let mut number = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_digit() || (letter == '.' && !number.is_empty()) {
            number.push(letter);
            continue;
        }
        match number.parse::<f64>() {
            Ok(value) if number.len() > 15 => {
                let _ = write!(result, "{value:.13e}");
            }
            _ => result.push_str(&number),
        }
        number.clear();
        result.push(letter);
    }
    result
}

#[test]
fn the_emulator_comes_to_what_njs_comes_to() {
    let count = number("QDN_PROGRAMS", PROGRAMS);
    let mut seed = Seed::new(number("QDN_SEED", 1) as u64);
    let programs: Vec<Program> = (0..count).map(|_| programs::program(&mut seed)).collect();
    let events: Vec<Vec<Value>> = programs.iter().map(|_| vec![programs::event(&mut seed), programs::event(&mut seed)]).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // njs keeps everything until it ends.
    for (programs, events) in programs.chunks(600).zip(events.chunks(600)) {
        ours.extend(emulated(programs, events));
        theirs.extend(real(programs, events));
        assert_eq!(ours.len(), theirs.len(), "njs ended early");
    }
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = String::new();
    let mut shown = 0;
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        if ours == theirs {
            *rows.entry("the same").or_default() += 1;
        } else if let Some(row) = known(ours, theirs) {
            *rows.entry(row).or_default() += 1;
        } else {
            *rows.entry("unknown").or_default() += 1;
            shown += 1;
            if shown <= number("QDN_SHOWN", 5) {
                let _ = writeln!(unknown, "--- {}\nours   {ours}\ntheirs {theirs}", programs[at / 2].body);
            }
        }
    }
    let same = rows.get("the same").copied().unwrap_or_default();
    let mut line = format!("{count} programs, {} runs: {:.2} % the same", ours.len(), 100.0 * same as f64 / ours.len() as f64);
    for (row, count) in rows.iter().filter(|(row, _)| **row != "the same") {
        let _ = write!(line, ", {row} {count}");
    }
    let _ = writeln!(std::io::stderr(), "{line}");
    assert!(unknown.is_empty(), "{line}\n{unknown}");
    assert!(same * 100 >= ours.len() * 95, "{line}");
    // A program that only fails, or sees nothing, would prove nothing.
    let fruitful = ours.iter().filter(|text| text.starts_with("value [") && text.len() > 20).count();
    assert!(fruitful * 10 >= ours.len() * 6, "only {fruitful} of {} runs came to something", ours.len());
}

#[test]
fn the_same_seed_makes_the_same_programs() {
    let made = |seed: u64| {
        let mut seed = Seed::new(seed);
        (0..20).map(|_| programs::program(&mut seed).body).collect::<Vec<_>>()
    };
    assert_eq!(made(3), made(3));
    assert_ne!(made(3), made(4));
}

#[test]
fn only_known_differences_are_excused() {
    assert_eq!(known("value [0.30000000000000004]", "value [0.30000000000000007]"), Some("numbers"));
    assert_eq!(known(r#"value [{"1":0,"b":[1,2]}]"#, r#"value [{"b":[1,2],"1":0}]"#), Some("key-order"));
    assert_eq!(known(r#"value ["{\"1\":0,\"b\":1}"]"#, r#"value ["{\"b\":1,\"1\":0}"]"#), Some("key-order"));
    assert_eq!(known(r#"value ["1","b"]"#, r#"value ["b","1"]"#), None);
    assert_eq!(known("value [12,3]", "value [21,3]"), None);
    assert_eq!(known(r#"value [{"b":[1,2]}]"#, r#"value [{"b":[2,1]}]"#), None);
    assert_eq!(known("value [1]", "value [2]"), None);
    assert_eq!(known("value [0.3]", "value [0.31]"), None);
    assert_eq!(known("value [\"ab\"]", "value [\"ba\"]"), None);
}

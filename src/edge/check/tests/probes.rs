//! Every question that was put to the two engines, and what they answered: the checker and the emulator have to say
//! the same, for both runtimes.

use super::*;
use crate::edge::{Event, KeyValues, run};

/// One row of `probes.txt`.
struct Probe<'t> {
    group: &'t str,
    what: &'t str,
    answers: [&'t str; 2],
    how: &'t str,
    code: &'t str,
}

fn probes() -> Vec<Probe<'static>> {
    let rows = include_str!("probes.txt").lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let columns: Vec<&str> = row.splitn(5, '\t').collect();
        let [group, what, one, two, asked] = columns[..] else { panic!("five columns: {row}") };
        let (how, code) = asked.split_once(": ").expect("how, and what");
        Probe { group, what, answers: [one, two], how, code }
    })
    .collect()
}

/// A handler around some statements.
fn handler(body: &str) -> String {
    format!("function use() {{}}\nfunction handler(event) {{\n  {body}\n  return event.request;\n}}\n")
}

/// Whether the checker has no error to tell.
fn is_passed(text: &str, runtime: Runtime) -> bool {
    let (_, checked) = checked(&[("f.js", text)], runtime);
    !checked.diagnostics().iter().any(Diagnostic::is_error)
}

/// Whether a script is parsed as it stands.
fn is_parsed(text: &str, runtime: Runtime) -> bool {
    syntax(&"f.js".into(), text, runtime).iter().all(|problem| !problem.is_error())
}

/// What an expression comes to in the emulator.
fn is_true(expression: &str, runtime: Runtime) -> bool {
    let code = format!("function handler(event) {{ return {{ statusCode: 200, body: String({expression}) }}; }}");
    let event = Event::viewer_request("GET", "/", None, &[("host".to_owned(), "a.example".to_owned())], "198.51.100.1");
    let outcome = run(&code, runtime, KeyValues::default(), &event);
    outcome.response().is_some_and(|response| response["body"] == "true")
}

/// A use of a built-in, as the checker sees it.
fn used(name: &str) -> String {
    match name.split_once(".prototype.") {
        Some(("Array", method)) => handler(&format!("use([1].{method}());")),
        Some(("String", method)) => handler(&format!("use('a'.{method}('b'));")),
        _ => handler(&format!("use({name});")),
    }
}

#[test]
fn every_probe_is_answered_as_the_engines_did() {
    let probes = probes();
    assert_eq!(probes.len(), 177);
    let mut wrong = Vec::new();
    for probe in &probes {
        for (runtime, answer) in [Runtime::V1, Runtime::V2].into_iter().zip(probe.answers) {
            let taken = match answer {
                "yes" | "here" => true,
                "no" | "blocked" | "refused" => false,
                other => panic!("no such answer: {other}"),
            };
            let code = probe.code;
            // Each way of asking, and what it says.
            let said: Vec<(&str, bool)> = match probe.how {
                "s" => vec![("parsed", is_parsed(&handler(code), runtime)), ("passed", is_passed(&handler(code), runtime))],
                "w" => vec![("parsed", is_parsed(code, runtime)), ("passed", is_passed(code, runtime))],
                "x" => vec![("parsed", is_parsed(code, runtime))],
                "r" => vec![("refused", !is_parsed(&handler(code), runtime) && !is_passed(&handler(code), runtime))],
                "e" => vec![("true", is_true(code, runtime))],
                "b" => vec![
                    ("there", is_true(&format!("typeof {code} !== 'undefined'"), runtime)),
                    ("passed", is_passed(&used(code), runtime)),
                ],
                other => panic!("no such question: {other}"),
            };
            for (question, found) in said.into_iter().filter(|(_, found)| *found != taken) {
                wrong.push(format!("{}: {} in {} is {answer}, {question}: {found}", probe.group, probe.what, runtime.version()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

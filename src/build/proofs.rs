//! What functions make of their cases here, to be compared with what CloudFront makes of them.
//!
//! A case says the parts of a result that its author cared about. A proof is of the whole result: where CloudFront and
//! the emulator differ in anything, either may be wrong, and nobody should find out from visitors.

use super::edge::entries;
use crate::deploy::options::Proof;
use crate::deploy::remote::Tested;
use crate::edge::cases::{self, Case, Difference, Expect, Trial, Verdict};
use crate::edge::{DEFAULT_TIME, Emulator, ErrorKind, Event, KeyValues, Outcome, RunError, Runtime, run};
use crate::release::Function;
use crate::source::{Diagnostic, SourcePath, Sources, Span};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The proofs of a release's functions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proofs {
    /// By function, in the order of the cases' names.
    pub by_function: BTreeMap<String, Vec<Proof>>,
    /// By function: how many cases have a key-value store, which a tested function does not find filled the same way.
    pub with_store: BTreeMap<String, usize>,
    /// By function: how many cases come out in another way at another time.
    pub by_clock: BTreeMap<String, usize>,
}

/// Runs bundled code for one event as CloudFront would: code, the runtime's name, the event.
pub type Tester = Arc<dyn Fn(&str, &str, &Value) -> Tested + Send + Sync>;

/// The proofs of functions, from their cases among the sources.
///
/// # Errors
/// Where a case cannot be read, or a function does not do what a case expects: it should not be published.
pub fn proofs(sources: &Sources, functions: &BTreeMap<String, Function>) -> Result<Proofs, Vec<Diagnostic>> {
    let mut proofs = Proofs::default();
    let mut problems = Vec::new();
    for (name, path) in entries(sources) {
        if let Some(function) = functions.get(&name) {
            proofs.add(sources, &path, function, &mut problems);
        }
    }
    if problems.is_empty() { Ok(proofs) } else { Err(problems) }
}

/// The proofs of one function, wherever it lies among the sources; its cases lie beside it.
///
/// # Errors
/// As those of [`proofs`].
pub fn proofs_of(sources: &Sources, path: &SourcePath, function: &Function) -> Result<Proofs, Vec<Diagnostic>> {
    let mut proofs = Proofs::default();
    let mut problems = Vec::new();
    proofs.add(sources, path, function, &mut problems);
    if problems.is_empty() { Ok(proofs) } else { Err(problems) }
}

impl Proofs {
    fn add(&mut self, sources: &Sources, path: &SourcePath, function: &Function, problems: &mut Vec<Diagnostic>) {
        let Some(runtime) = Runtime::from_name(&function.runtime) else { return };
        let name = &function.name;
        let mut found = Vec::new();
        let (cases, said) = cases::read(sources, path);
        problems.extend(said.into_iter().filter(Diagnostic::is_error));
        let verdicts = cases::run_all(cases, &function.code, runtime, Trial::default());
        let mut emulator = Emulator::load(&function.code, runtime, KeyValues::default());
        for (case, verdict) in verdicts {
            if !verdict.passes() {
                problems.push(failed(name, &case, &verdict));
                continue;
            }
            if !case.pairs.0.is_empty() {
                *self.with_store.entry(name.clone()).or_default() += 1;
                continue;
            }
            // One that cannot be loaded passes no case.
            let Ok(emulator) = &mut emulator else { continue };
            for (number, event) in case.events(SAMPLES).into_iter().enumerate() {
                let outcome = emulator.decide(&event);
                if emulator.decide(&event.clone().at(ANOTHER_TIME)).result != outcome.result {
                    *self.by_clock.entry(name.clone()).or_default() += 1;
                    break;
                }
                let name = if case.forall.is_some() { format!("{}#{}", case.name, number + 1) } else { case.name.clone() };
                found.push(Proof { expected: expected(&outcome), name, event: with_type(&event) });
            }
        }
        self.by_function.insert(name.clone(), found);
    }
}

/// How many events of a property are tried where each is a request.
const SAMPLES: u32 = 5;

/// 400 days, 7 hours, 11 minutes and 13 seconds later: no field of a date is the same.
const ANOTHER_TIME: i64 = DEFAULT_TIME + ((400 * 24 + 7) * 3_600 + 11 * 60 + 13) * 1_000 + 457;

fn failed(function: &str, case: &Case, verdict: &Verdict) -> Diagnostic {
    let problem =
        Diagnostic::error("case", format!("`{function}` does not do what this case expects")).at(&case.path, Span::default());
    let problem = problem.maybe_hint(verdict.found.as_ref().map(|event| format!("not for {}", event["request"])));
    verdict.differences.iter().fold(problem, |problem, difference| problem.hint(difference.to_string()))
}

/// The event with its type, which TestFunction wants and a case may leave out.
fn with_type(event: &Event) -> Value {
    let mut value = event.value().clone();
    if value.pointer("/context/eventType").is_none() {
        value["context"]["eventType"] = json!(event.kind().name());
    }
    value
}

fn expected(outcome: &Outcome) -> Result<Value, String> {
    match (&outcome.error, &outcome.result) {
        (None, Some(result)) => Ok(result.clone()),
        (error, _) => Err(error.as_ref().map_or(ErrorKind::Execution, |error| error.kind).name().to_owned()),
    }
}

/// Whether CloudFront made of an event what the emulator made of it.
///
/// Only what is written in two ways is forgiven: the order of keys; absent or empty `headers`, `cookies` and
/// `querystring`; one value alone or as a list of one; a body as a text or as an object; a status description that one
/// side leaves out. CloudFront's messages do not name the kind of an error as its metrics do, so it is told from their
/// beginnings where they do not.
///
/// # Errors
/// The first difference, in words.
pub fn agree(expected: &Result<Value, String>, tested: &Tested) -> Result<(), String> {
    match (expected, &tested.error, &tested.result) {
        (Err(kind), Some(message), _) => match kind_of(message) {
            Some(other) if other.name() != kind => Err(format!("error\n  - expected {kind}\n  + got      {message}")),
            _ => Ok(()),
        },
        (Err(kind), None, result) => {
            let got = result.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
            Err(format!("error\n  - expected {kind}\n  + got      {got}"))
        }
        (Ok(expected), Some(message), _) => Err(format!("error\n  - expected {expected}\n  + got      {message}")),
        (Ok(expected), None, None) => Err(format!("result\n  - expected {expected}\n  + got      nothing")),
        (Ok(expected), None, Some(result)) => same(expected, result),
    }
}

/// What a message says the kind is.
fn kind_of(message: &str) -> Option<ErrorKind> {
    let named = [ErrorKind::Execution, ErrorKind::Validation, ErrorKind::SizeLimit];
    named.into_iter().find(|kind| message.contains(kind.name())).or_else(|| {
        // The sentences that are known of CloudFront; there may be others.
        let is = |part: &str| message.contains(part);
        match () {
            () if is("returned an invalid value") || is("tried to ") => Some(ErrorKind::Validation),
            () if is("could not run") => Some(ErrorKind::Execution),
            () => None,
        }
    })
}

/// Compares whole results: each has all that the other has.
fn same(expected: &Value, got: &Value) -> Result<(), String> {
    let (expected, got) = (plain(expected), plain(got));
    let parts = |value: &Value| match (value.get("request"), value.get("response")) {
        (Some(request), None) => Some(Expect::Request(request.clone())),
        (None, Some(response)) => Some(Expect::Response(response.clone())),
        _ => None,
    };
    let outcome = |value: &Value| Outcome { result: Some(value.clone()), ..Outcome::default() };
    let (Some(wanted), Some(found)) = (parts(&expected), parts(&got)) else {
        return Err(format!("result\n  - expected {expected}\n  + got      {got}"));
    };
    if let Some(difference) = cases::compare(&wanted, &outcome(&got)).into_iter().find(is_meant) {
        return Err(difference.to_string());
    }
    let more = cases::compare(&found, &outcome(&expected)).into_iter().find(is_meant);
    match more {
        Some(Difference { place, expected, got }) => Err(Difference { place, expected: got, got: expected }.to_string()),
        None => Ok(()),
    }
}

/// A function need not say what its status is called, and CloudFront may.
fn is_meant(difference: &Difference) -> bool {
    difference.place != "response.statusDescription" || (difference.expected.is_some() && difference.got.is_some())
}

/// A result in the one form in which it is compared.
fn plain(result: &Value) -> Value {
    let Some(entries) = result.as_object() else { return result.clone() };
    let message = |message: &Value| {
        let Some(fields) = message.as_object() else { return message.clone() };
        let mut plain = Map::new();
        for (name, field) in fields {
            match (name.as_str(), field) {
                (_, Value::Null) => {}
                ("headers" | "cookies" | "querystring", Value::Object(values)) => {
                    plain.insert(
                        name.clone(),
                        Value::Object(values.iter().map(|(name, value)| (name.clone(), single(value))).collect()),
                    );
                }
                ("querystring", Value::String(text)) if text.is_empty() => {}
                ("body", Value::String(text)) => drop(plain.insert(name.clone(), json!({ "encoding": "text", "data": text }))),
                ("statusCode", Value::String(text)) => {
                    drop(plain.insert(name.clone(), text.parse::<u16>().map_or_else(|_| field.clone(), Value::from)));
                }
                _ => drop(plain.insert(name.clone(), field.clone())),
            }
        }
        for name in ["headers", "cookies", "querystring"] {
            if plain.get(name).and_then(Value::as_object).is_some_and(Map::is_empty) {
                plain.remove(name);
            }
        }
        Value::Object(plain)
    };
    Value::Object(entries.iter().map(|(name, inner)| (name.clone(), message(inner))).collect())
}

/// A header, cookie or query parameter: a list of one is the one. `value` beside a longer list is its first.
fn single(entry: &Value) -> Value {
    let Some(fields) = entry.as_object() else { return entry.clone() };
    let mut fields = fields.clone();
    if let Some(Value::Array(several)) = fields.get("multiValue") {
        let several = several.clone();
        match several.as_slice() {
            [] => drop(fields.remove("multiValue")),
            [one] => {
                let is_same = fields.get("value").is_none_or(|value| one.get("value") == Some(value));
                if let (true, Some(one)) = (is_same, one.as_object()) {
                    fields.remove("multiValue");
                    fields.extend(one.clone());
                }
            }
            [first, ..] => {
                if let Some(value) = first.get("value") {
                    fields.entry("value").or_insert_with(|| value.clone());
                }
            }
        }
    }
    if fields.get("attributes").and_then(Value::as_str) == Some("") {
        fields.remove("attributes");
    }
    Value::Object(fields)
}

/// The emulator in the place of CloudFront's TestFunction: for stages on this machine, and for tests.
pub fn tester() -> Tester {
    Arc::new(|code, runtime, event| {
        let failed = |error: RunError| Tested { error: Some(error.to_string()), ..Tested::default() };
        let Some(runtime) = Runtime::from_name(runtime) else {
            return failed(RunError::execution(format!("`{runtime}` is no runtime of CloudFront Functions")));
        };
        let (event, problems) = Event::parse(&SourcePath::new("event"), &event.to_string());
        let Some(event) = event else {
            let why = problems.iter().find(|problem| problem.is_error()).map_or("no event", |problem| problem.message.as_str());
            return failed(RunError::execution(format!("the event cannot be read: {why}")));
        };
        let outcome = run(code, runtime, KeyValues::default(), &event);
        let error = outcome.error.map(|error| error.to_string());
        Tested { result: outcome.result, error, utilization: u32::from(outcome.utilization) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(result: Value) -> Tested {
        Tested { result: Some(result), ..Tested::default() }
    }

    #[test]
    fn what_is_written_in_two_ways_is_the_same() {
        for (one, other) in [
            (
                json!({"request": {"uri": "/a", "method": "GET"}}),
                json!({"request": {"method": "GET", "uri": "/a", "cookies": {}, "headers": {}, "querystring": {}}}),
            ),
            (
                json!({"request": {"uri": "/", "headers": {"a": {"value": "1"}}}}),
                json!({"request": {"uri": "/", "headers": {"a": {"value": "1", "multiValue": [{"value": "1"}]}}}}),
            ),
            (
                json!({"request": {"uri": "/", "querystring": {"a": {"multiValue": [{"value": "1"}, {"value": "2"}]}}}}),
                json!({"request": {"uri": "/", "querystring": {"a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}}}}),
            ),
            (
                json!({"response": {"statusCode": 302}}),
                json!({"response": {"statusCode": 302, "statusDescription": "Found", "cookies": {}}}),
            ),
            (
                json!({"response": {"statusCode": 200, "body": "x"}}),
                json!({"response": {"statusCode": "200", "body": {"data": "x", "encoding": "text"}}}),
            ),
        ] {
            assert_eq!(agree(&Ok(one.clone()), &tested(other.clone())), Ok(()));
            assert_eq!(agree(&Ok(other), &tested(one)), Ok(()));
        }
    }

    #[test]
    fn the_first_difference_is_told_from_either_side() {
        let expected = Ok(json!({"request": {"uri": "/a", "headers": {"host": {"value": "x"}}}}));
        for (got, told) in [
            (
                json!({"request": {"uri": "/b", "headers": {"host": {"value": "x"}}}}),
                "request.uri\n  - expected \"/a\"\n  + got      \"/b\"",
            ),
            (json!({"request": {"uri": "/a"}}), "request.headers\n  - expected {\"host\":{\"value\":\"x\"}}\n  + got      nothing"),
            (
                json!({"request": {"uri": "/a", "headers": {"host": {"value": "x"}, "via": {"value": "y"}}}}),
                "request.headers.via\n  - expected nothing\n  + got      {\"value\":\"y\"}",
            ),
            (
                json!({"response": {"statusCode": 403}}),
                "request\n  - expected {\"headers\":{\"host\":{\"value\":\"x\"}},\"uri\":\"/a\"}\n  + got      {\"response\":{\"statusCode\":403}}",
            ),
        ] {
            assert_eq!(agree(&expected, &tested(got)).unwrap_err(), told);
        }
        let moved = |text: &str| json!({"response": {"statusCode": 301, "statusDescription": text}});
        assert!(agree(&Ok(moved("Moved")), &tested(moved("Gone"))).is_err(), "two names of one status differ");
    }

    #[test]
    fn errors_agree_by_their_kind() {
        let failed = |message: &str| Tested { error: Some(message.to_owned()), ..Tested::default() };
        let execution = Err("FunctionExecutionError".to_owned());
        for message in [
            "FunctionExecutionError: TypeError: x",
            "The CloudFront function associated with the CloudFront distribution is invalid or could not run. TypeError: x",
            "something new",
        ] {
            assert_eq!(agree(&execution, &failed(message)), Ok(()), "{message}");
        }
        for message in ["FunctionValidationError: x", "The CloudFront function returned an invalid value: response.headers"] {
            assert!(agree(&execution, &failed(message)).is_err(), "{message}");
            assert_eq!(agree(&Err("FunctionValidationError".to_owned()), &failed(message)), Ok(()), "{message}");
        }
        assert!(agree(&execution, &tested(json!({"request": {"uri": "/"}}))).is_err());
        assert!(agree(&Ok(json!({"request": {"uri": "/"}})), &failed("x")).is_err());
        assert!(agree(&Ok(json!({"request": {"uri": "/"}})), &Tested::default()).is_err());
    }

    #[test]
    fn a_functions_cases_become_proofs() {
        let code = "function handler(event) {
            var r = event.request;
            if (r.uri === '/bad') return 1;
            if (r.uri === '/now') r.uri = '/' + Date.now();
            return r;
        }";
        let case = |uri: &str, expect: &str, more: &str| {
            format!(
                r#"{{"event": {{"version": "1.0", "request": {{"method": "GET", "uri": "{uri}"}}}}, "expect": {expect}{more}}}"#
            )
        };
        let mut sources: Sources = [
            ("functions/f.js", code.to_owned()),
            ("functions/f.cases/a.json", case("/a", r#"{"request": {"uri": "/a"}}"#, "")),
            ("functions/f.cases/bad.json", case("/bad", r#"{"error": "FunctionValidationError"}"#, "")),
            ("functions/f.cases/now.json", case("/now", r#"{"request": {}}"#, "")),
            ("functions/f.cases/store.json", case("/b", r#"{"request": {}}"#, r#", "kvs": {"a": "b"}"#)),
        ]
        .map(|(path, text)| (path, text.into_bytes()))
        .into_iter()
        .collect();
        let runtime = Runtime::V2.name();
        let function = Function { name: "f".to_owned(), runtime: runtime.to_owned(), code: code.into() };
        let functions = BTreeMap::from([("f".to_owned(), function)]);
        let found = proofs(&sources, &functions).expect("the cases pass");
        assert_eq!((found.with_store["f"], found.by_clock["f"]), (1, 1));
        let tester = tester();
        let rows = &found.by_function["f"];
        assert_eq!(rows.iter().map(|proof| proof.name.as_str()).collect::<Vec<_>>(), ["a", "bad"]);
        assert_eq!(rows[1].expected, Err("FunctionValidationError".to_owned()));
        for proof in rows {
            assert_eq!(proof.event["context"]["eventType"], "viewer-request");
            let stored: Proof = serde_json::from_str(&serde_json::to_string(proof).unwrap()).unwrap();
            assert_eq!(&stored, proof);
            assert_eq!(agree(&proof.expected, &tester(code, runtime, &proof.event)), Ok(()), "{}", proof.name);
        }
        assert!(tester(code, "cloudfront-js-9.0", &rows[0].event).error.is_some());
        assert!(tester(code, runtime, &json!({})).error.is_some());
        sources.insert("functions/f.cases/wrong.json", case("/a", r#"{"request": {"uri": "/b"}}"#, "").into_bytes());
        let problems = proofs(&sources, &functions).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].hints, ["request.uri\n  - expected \"/b\"\n  + got      \"/a\""]);
    }
}

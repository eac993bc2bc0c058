//! Cases: an event, and what is expected of it.
//!
//! A case says only the parts of the result it cares about: what it leaves out may be anything, and
//! `null` says that a part must not be there.

use super::emulator::Emulator;
use super::event::Event;
use super::kvs::KeyValues;
use super::outcome::{ErrorKind, Outcome, RunError};
use super::places::{self, Step};
use super::runtime::Runtime;
use crate::source::{Diagnostic, SourcePath, Sources};
use serde_json::Value;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file's name without `.json`.
    pub name: String,
    /// Where it is written.
    pub path: SourcePath,
    /// What the function is called with.
    pub event: Event,
    /// What must come of it.
    pub expect: Expect,
    /// What its key-value store holds.
    pub pairs: KeyValues,
}

/// What must come of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// These parts of a request.
    Request(Value),
    /// These parts of a response.
    Response(Value),
    /// An error of this kind.
    Error(ErrorKind),
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What came of the event.
    pub outcome: Outcome,
    /// Every part that is not as expected. None: the case passes.
    pub differences: Vec<Difference>,
}

impl Verdict {
    /// Whether everything is as expected.
    pub fn passes(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A part of a result that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its place, such as `request.headers.host.value`.
    pub place: String,
    /// What the case wants; nothing where it wants the part to be absent.
    pub expected: Option<Value>,
    /// What was there.
    pub got: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
        write!(f, "{}\n  - expected {}\n  + got      {}", self.place, text(&self.expected), text(&self.got))
    }
}

/// The case files of a function: `functions/<name>.cases/*.json`, in the order of their names.
pub fn of(sources: &Sources, function: &SourcePath) -> Vec<SourcePath> {
    let stem = function.as_str().rsplit_once('.').map_or(function.as_str(), |(stem, _)| stem);
    let folder = format!("{stem}.cases");
    sources
        .under(&folder)
        .map(|(path, _)| path)
        .filter(|path| path.folder() == folder && path.extension() == "json")
        .cloned()
        .collect()
}

/// Reads a case. There is one if nothing said of it is an error.
pub fn parse(path: &SourcePath, text: &str) -> (Option<Case>, Vec<Diagnostic>) {
    let value = match places::parse(path, text) {
        Ok(value) => value,
        Err(problems) => return (None, problems),
    };
    let mut problems = Vec::new();
    let at = |steps: &[Step]| places::find(text, steps);
    let error = |steps: &[Step], message: String, hint: &str| Diagnostic::error("CFF094", message).at(path, at(steps)).hint(hint);
    let Some(entries) = value.as_object() else {
        let hint = "it has the form `{\"event\": …, \"expect\": …}`";
        return (None, vec![error(&[], "a case is an object".to_owned(), hint)]);
    };
    let known = ["event", "expect", "kvs", "about"];
    for name in entries.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = match crate::source::near(name, known) {
            Some(near) => format!("a key with a similar name exists: `{near}`"),
            None => "a case has `event`, `expect`, and perhaps `kvs` and `about`".to_owned(),
        };
        problems.push(error(&[name.as_str().into()], format!("unknown key `{name}` in a case"), &hint));
    }
    let event = match entries.get("event") {
        Some(event) => {
            let (event, said) = Event::from_part(path, text, &["event".into()], event);
            problems.extend(said);
            event
        }
        None => {
            problems.push(error(&[], "the case has no `event`".to_owned(), "see `docs/functions.md` for one to start from"));
            None
        }
    };
    let expect = match entries.get("expect") {
        Some(expect) => expected(expect).map_err(|(steps, message, hint)| {
            let steps: Vec<Step> = std::iter::once("expect").chain(steps).map(Step::from).collect();
            problems.push(error(&steps, message, hint));
        }),
        None => {
            problems.push(error(&[], "the case expects nothing".to_owned(), "add `\"expect\": {\"request\": {\"uri\": \"/…\"}}`"));
            Err(())
        }
    };
    let pairs = match entries.get("kvs").map(KeyValues::from_json) {
        None => Some(KeyValues::default()),
        Some(Ok(pairs)) => Some(pairs),
        Some(Err(said)) => {
            problems.extend(said.into_iter().map(|message| error(&["kvs".into()], message, "see `docs/functions.md`")));
            None
        }
    };
    if problems.iter().any(Diagnostic::is_error) {
        return (None, problems);
    }
    let name = path.as_str().rsplit('/').next().unwrap_or_default().trim_end_matches(".json").to_owned();
    let case = match (event, expect, pairs) {
        (Some(event), Ok(expect), Some(pairs)) => Some(Case { name, path: path.clone(), event, expect, pairs }),
        _ => None,
    };
    (case, problems)
}

type Wrong = (Option<&'static str>, String, &'static str);

fn expected(expect: &Value) -> Result<Expect, Wrong> {
    let form = "write one of `request`, `response` and `error`";
    let Some(entries) = expect.as_object().filter(|entries| entries.len() == 1) else {
        return Err((None, "a case expects one thing".to_owned(), form));
    };
    let parts = |value: &Value, name: &'static str| match value.is_object() {
        true => Ok(value.clone()),
        false => Err((Some(name), format!("`{name}` is not an object"), "name the parts that matter")),
    };
    if let Some(request) = entries.get("request") {
        return parts(request, "request").map(Expect::Request);
    }
    if let Some(response) = entries.get("response") {
        return parts(response, "response").map(Expect::Response);
    }
    match entries.get("error") {
        Some(kind) => match kind.as_str().and_then(ErrorKind::from_name) {
            Some(kind) => Ok(Expect::Error(kind)),
            None => {
                let message = format!("{kind} is no kind of error");
                Err((Some("error"), message, "the kinds are `FunctionExecutionError` and `FunctionValidationError`"))
            }
        },
        None => Err((None, "a case expects a request, a response or an error".to_owned(), form)),
    }
}

/// Runs a case against a function's code.
pub fn run(case: &Case, code: &str, runtime: Runtime) -> Verdict {
    Runner::new(code, runtime).run(case)
}

/// Runs many cases against a function's code, in one emulator for as long as they have the same key-value store.
pub struct Runner<'a> {
    code: &'a str,
    runtime: Runtime,
    loaded: Option<(KeyValues, Result<Emulator, RunError>)>,
}

impl<'a> Runner<'a> {
    /// Nothing is loaded before there is a case.
    pub fn new(code: &'a str, runtime: Runtime) -> Self {
        Self { code, runtime, loaded: None }
    }

    /// Runs a case.
    pub fn run(&mut self, case: &Case) -> Verdict {
        if self.loaded.as_ref().is_none_or(|(pairs, _)| *pairs != case.pairs) {
            self.loaded = Some((case.pairs.clone(), Emulator::load(self.code, self.runtime, case.pairs.clone())));
        }
        let outcome = match &mut self.loaded {
            Some((_, Ok(emulator))) => emulator.run(&case.event),
            Some((_, Err(error))) => Outcome::failed(error.clone()),
            None => Outcome::default(),
        };
        Verdict { differences: compare(&case.expect, &outcome), outcome }
    }
}

/// What of the outcome is not as expected.
pub fn compare(expect: &Expect, outcome: &Outcome) -> Vec<Difference> {
    let mut differences = Vec::new();
    let error = || outcome.error.as_ref().map(|error| Value::String(error.to_string()));
    match expect {
        Expect::Error(kind) => {
            if outcome.error.as_ref().map(|error| error.kind) != Some(*kind) {
                let got = error().or_else(|| outcome.result.clone());
                differences.push(Difference { place: "error".to_owned(), expected: Some(kind.name().into()), got });
            }
        }
        Expect::Request(parts) => match outcome.request() {
            Some(request) => differ("request", parts, Some(request), &mut differences),
            None => {
                let got = error().or_else(|| outcome.result.clone());
                differences.push(Difference { place: "request".to_owned(), expected: Some(parts.clone()), got });
            }
        },
        Expect::Response(parts) => match outcome.response() {
            Some(response) => differ("response", parts, Some(response), &mut differences),
            None => {
                let got = error().or_else(|| outcome.result.clone());
                differences.push(Difference { place: "response".to_owned(), expected: Some(parts.clone()), got });
            }
        },
    }
    differences
}

/// Objects are compared by the keys that are expected, anything else as a whole.
fn differ(place: &str, expected: &Value, got: Option<&Value>, differences: &mut Vec<Difference>) {
    match (expected, got) {
        (Value::Object(parts), Some(Value::Object(found))) => {
            for (name, part) in parts {
                differ(&format!("{place}.{name}"), part, found.get(name), differences);
            }
        }
        (Value::Null, None) => {}
        (expected, Some(got)) if expected == got => {}
        (Value::Null, _) => differences.push(Difference { place: place.to_owned(), expected: None, got: got.cloned() }),
        _ => differences.push(Difference { place: place.to_owned(), expected: Some(expected.clone()), got: got.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_enough() {
        let outcome =
            Outcome { result: Some(json!({"request": {"uri": "/a", "headers": {"host": {"value": "x"}}}})), ..Outcome::default() };
        let differences = |parts: Value| compare(&Expect::Request(parts), &outcome);
        assert_eq!(differences(json!({"uri": "/a"})), []);
        assert_eq!(differences(json!({"headers": {"via": null}})), []);
        assert_eq!(differences(json!({"headers": {}})), [], "any object will do");
        let wrong = differences(json!({"uri": "/b", "headers": {"host": null}, "cookies": {}}));
        let places: Vec<&str> = wrong.iter().map(|difference| difference.place.as_str()).collect();
        assert_eq!(places, ["request.cookies", "request.headers.host", "request.uri"]);
        assert_eq!(wrong[2].to_string(), "request.uri\n  - expected \"/b\"\n  + got      \"/a\"");
    }

    #[test]
    fn a_malformed_case_is_told_so() {
        let path = SourcePath::new("functions/f.cases/a.json");
        let messages = |text: &str| {
            let (case, problems) = parse(&path, text);
            assert!(case.is_none());
            problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
        };
        assert_eq!(messages("[]"), ["a case is an object"]);
        assert_eq!(messages("{}"), ["the case has no `event`", "the case expects nothing"]);
        let text = r#"{"event": {"version": "1.0", "context": {"eventType": "viewer-request"}, "request": {"method": "GET", "uri": "x"}},
            "expect": {"error": "Oops"}, "expects": 1}"#;
        let found = messages(text);
        assert_eq!(found, ["unknown key `expects` in a case", "the uri does not begin with `/`", "\"Oops\" is no kind of error"]);
    }
}

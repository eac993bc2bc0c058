//! What must come of an event, and what did not.

use crate::edge::outcome::{ErrorKind, Outcome};
use crate::edge::places::Step;
use serde_json::{Map, Value, json};

/// What must come of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// These parts of a request.
    Request(Value),
    /// These parts of a response.
    Response(Value),
    /// An error of this kind.
    Error(ErrorKind),
    /// An error of any kind.
    AnyError,
    /// One of these at least.
    OneOf(Vec<Self>),
    /// Anything but this.
    Never(Box<Self>),
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

/// What is wrong with an expectation: where below `expect`, in words, and what helps.
pub(super) type Wrong = (Vec<Step>, String, &'static str);

const FORM: &str = "write one of `request`, `response` and `error`; or `one_of` of several, or `never` of one";
const KINDS: &str = "the kinds are `FunctionExecutionError` and `FunctionValidationError`, and `any` is either";
const TESTS: &str = "there are `$starts`, `$ends` and `$has`, each of a text or a list of texts";

impl Expect {
    /// Reads an expectation; what is wrong with it is added to `wrong`, with its place.
    pub(super) fn read(expect: &Value, at: &[Step], wrong: &mut Vec<Wrong>) -> Option<Self> {
        let Some((name, inner)) = expect.as_object().filter(|entries| entries.len() == 1).and_then(|entries| entries.iter().next())
        else {
            wrong.push((at.to_vec(), "a case expects one thing".to_owned(), FORM));
            return None;
        };
        let mut here = at.to_vec();
        here.push(name.as_str().into());
        match name.as_str() {
            "request" | "response" if !inner.is_object() => {
                wrong.push((here, format!("`{name}` is not an object"), "name the parts that matter"));
                None
            }
            "request" | "response" => {
                let before = wrong.len();
                tests_are_sound(inner, &here, wrong);
                names_are_lower(inner, &here, wrong);
                let made = if name == "request" { Self::Request } else { Self::Response };
                (wrong.len() == before).then(|| made(inner.clone()))
            }
            "error" if inner.as_str() == Some("any") => Some(Self::AnyError),
            "error" => match inner.as_str().and_then(ErrorKind::from_name) {
                Some(kind) => Some(Self::Error(kind)),
                None => {
                    wrong.push((here, format!("{inner} is no kind of error"), KINDS));
                    None
                }
            },
            "never" => Self::read(inner, &here, wrong).map(|inner| Self::Never(Box::new(inner))),
            "one_of" => {
                let Some(several) = inner.as_array().filter(|several| !several.is_empty()) else {
                    wrong.push((here, "`one_of` is not a list of expectations".to_owned(), FORM));
                    return None;
                };
                let read = several.iter().enumerate().map(|(index, one)| {
                    let mut here = here.clone();
                    here.push(index.into());
                    Self::read(one, &here, wrong)
                });
                read.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>().map(Self::OneOf)
            }
            _ => {
                wrong.push((at.to_vec(), "a case expects a request, a response or an error".to_owned(), FORM));
                None
            }
        }
    }

    /// As it is written in a case.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Request(parts) => json!({ "request": parts }),
            Self::Response(parts) => json!({ "response": parts }),
            Self::Error(kind) => json!({ "error": kind.name() }),
            Self::AnyError => json!({ "error": "any" }),
            Self::OneOf(several) => json!({ "one_of": several.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::Never(inner) => json!({ "never": inner.to_json() }),
        }
    }

    /// The same with each `{name}` in its texts replaced by what was drawn.
    pub(super) fn filled(&self, drawn: &[(&str, &str)]) -> Self {
        match self {
            Self::Request(parts) => Self::Request(filled(parts, drawn)),
            Self::Response(parts) => Self::Response(filled(parts, drawn)),
            Self::OneOf(several) => Self::OneOf(several.iter().map(|one| one.filled(drawn)).collect()),
            Self::Never(inner) => Self::Never(Box::new(inner.filled(drawn))),
            Self::Error(_) | Self::AnyError => self.clone(),
        }
    }
}

fn filled(value: &Value, drawn: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => {
            // From left to right, and what was put in is not looked at again: it may hold braces of its own.
            let (mut done, mut rest) = (String::new(), text.as_str());
            while let Some(at) = rest.find('{') {
                done.push_str(&rest[..at]);
                rest = &rest[at..];
                let name = |(name, _): &&(&str, &str)| rest[1..].strip_prefix(name).is_some_and(|rest| rest.starts_with('}'));
                match drawn.iter().find(name) {
                    Some((name, with)) => {
                        done.push_str(with);
                        rest = &rest[name.len() + 2..];
                    }
                    None => {
                        done.push('{');
                        rest = &rest[1..];
                    }
                }
            }
            Value::String(done + rest)
        }
        Value::Array(items) => items.iter().map(|item| filled(item, drawn)).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(name, item)| (name.clone(), filled(item, drawn))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// A test of a text, in the place of the text: `{"$starts": "/track/"}`.
pub(super) fn test_of(expected: &Value) -> Option<(&str, &Value)> {
    let (name, with) = expected.as_object().filter(|entries| entries.len() == 1)?.iter().next()?;
    name.starts_with('$').then_some((name.as_str(), with))
}

/// No result has a header in upper case: what expects one fails for ever, and what expects none passes for ever.
fn names_are_lower(parts: &Value, at: &[Step], wrong: &mut Vec<Wrong>) {
    let headers = parts.get("headers").and_then(Value::as_object);
    for name in headers.into_iter().flat_map(Map::keys).filter(|name| name.chars().any(char::is_uppercase)) {
        let here = at.iter().cloned().chain(["headers".into(), name.as_str().into()]).collect();
        let hint = "write it in lower case: a result has no other names";
        wrong.push((here, format!("the header `{name}` has upper-case letters"), hint));
    }
}

fn tests_are_sound(value: &Value, at: &[Step], wrong: &mut Vec<Wrong>) {
    let Some(entries) = value.as_object() else { return };
    for (name, inner) in entries {
        let mut here = at.to_vec();
        here.push(name.as_str().into());
        if !name.starts_with('$') {
            tests_are_sound(inner, &here, wrong);
        } else if !["$starts", "$ends", "$has"].contains(&name.as_str()) {
            wrong.push((here, format!("`{name}` is no test of a text"), TESTS));
        } else if entries.len() != 1 {
            let hint = "an object with a test has that one key: give the test several texts, or write another case";
            wrong.push((here, format!("`{name}` stands beside other keys"), hint));
        } else if !inner.is_string() && !inner.as_array().is_some_and(|list| list.iter().all(Value::is_string)) {
            wrong.push((here, format!("`{name}` has neither a text nor a list of texts"), TESTS));
        }
    }
}

fn holds(name: &str, with: &Value, got: &str) -> bool {
    let one = |with: &Value| {
        let Some(with) = with.as_str() else { return false };
        match name {
            "$starts" => got.starts_with(with),
            "$ends" => got.ends_with(with),
            _ => got.contains(with),
        }
    };
    match with {
        Value::Array(several) => several.iter().any(one),
        with => one(with),
    }
}

/// What of the outcome is not as expected.
pub fn compare(expect: &Expect, outcome: &Outcome) -> Vec<Difference> {
    let got = || outcome.error.as_ref().map(|error| Value::String(error.to_string())).or_else(|| outcome.result.clone());
    let whole = |place: &str, expected: Value| vec![Difference { place: place.to_owned(), expected: Some(expected), got: got() }];
    let mut differences = Vec::new();
    match expect {
        Expect::Error(kind) if outcome.error.as_ref().map(|error| error.kind) != Some(*kind) => {
            return whole("error", kind.name().into());
        }
        Expect::AnyError if outcome.error.is_none() => return whole("error", "any".into()),
        Expect::Error(_) | Expect::AnyError => {}
        Expect::Request(parts) => match outcome.request() {
            Some(request) => differ("request", parts, Some(request), &mut differences),
            None => return whole("request", parts.clone()),
        },
        Expect::Response(parts) => match outcome.response() {
            Some(response) => differ("response", parts, Some(response), &mut differences),
            None => return whole("response", parts.clone()),
        },
        Expect::OneOf(several) => {
            if several.iter().all(|one| !compare(one, outcome).is_empty()) {
                return whole("one_of", several.iter().map(Expect::to_json).collect());
            }
        }
        Expect::Never(inner) => {
            if compare(inner, outcome).is_empty() {
                return whole("never", inner.to_json());
            }
        }
    }
    differences
}

/// Objects are compared by the keys that are expected, anything else as a whole.
fn differ(place: &str, expected: &Value, got: Option<&Value>, differences: &mut Vec<Difference>) {
    if let Some((name, with)) = test_of(expected) {
        if !got.and_then(Value::as_str).is_some_and(|got| holds(name, with, got)) {
            differences.push(Difference { place: place.to_owned(), expected: Some(expected.clone()), got: got.cloned() });
        }
        return;
    }
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

    fn request(uri: &str) -> Outcome {
        Outcome { result: Some(json!({"request": {"uri": uri, "headers": {"host": {"value": "x"}}}})), ..Outcome::default() }
    }

    #[test]
    fn a_part_is_enough() {
        let outcome = request("/a");
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
    fn an_invariant_holds_or_not() {
        let read = |text: &str| {
            let mut wrong = Vec::new();
            let expect = Expect::read(&serde_json::from_str(text).unwrap(), &[], &mut wrong);
            assert_eq!(wrong, [], "{text}");
            let expect = expect.unwrap();
            assert_eq!(expect.to_json().to_string(), serde_json::from_str::<Value>(text).unwrap().to_string());
            expect
        };
        for (text, uri, holds) in [
            (r#"{"request": {"uri": {"$starts": "/a"}}}"#, "/ab", true),
            (r#"{"request": {"uri": {"$starts": "/a"}}}"#, "/b", false),
            (r#"{"request": {"uri": {"$ends": ["/", ".html"]}}}"#, "/x.html", true),
            (r#"{"request": {"uri": {"$has": ".."}}}"#, "/x", false),
            (r#"{"request": {"querystring": {"$has": ""}}}"#, "/x", false),
            (r#"{"never": {"error": "any"}}"#, "/", true),
            (r#"{"never": {"request": {"uri": {"$starts": "//"}}}}"#, "//x", false),
            (r#"{"one_of": [{"error": "any"}, {"request": {"uri": "/x"}}]}"#, "/x", true),
            (r#"{"one_of": [{"error": "any"}, {"request": {"uri": "/x"}}]}"#, "/y", false),
        ] {
            assert_eq!(compare(&read(text), &request(uri)).is_empty(), holds, "{text} of {uri}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let wrong = |text: &str| {
            let mut wrong = Vec::new();
            assert_eq!(Expect::read(&serde_json::from_str(text).unwrap(), &[], &mut wrong), None);
            let [(at, message, _)] = &wrong[..] else { panic!("{wrong:?}") };
            (at.len(), message.clone())
        };
        assert_eq!(wrong("{}"), (0, "a case expects one thing".to_owned()));
        assert_eq!(wrong(r#"{"one_of": [{"request": {}}, {"error": "x"}]}"#), (3, "\"x\" is no kind of error".to_owned()));
        assert_eq!(wrong(r#"{"never": {"request": {"uri": {"$like": "x"}}}}"#), (4, "`$like` is no test of a text".to_owned()));
        assert_eq!(wrong(r#"{"request": {"uri": {"$has": "/", "x": 1}}}"#), (3, "`$has` stands beside other keys".to_owned()));
        assert_eq!(
            wrong(r#"{"response": {"headers": {"X-A": null, "x-b": null}}}"#),
            (3, "the header `X-A` has upper-case letters".to_owned())
        );
        assert_eq!(wrong(r#"{"request": {"uri": {"$has": 1}}}"#), (3, "`$has` has neither a text nor a list of texts".to_owned()));
    }

    #[test]
    fn what_was_drawn_is_put_in_once() {
        let expect = Expect::Request(json!({"uri": "{uri}{x}{method}"}));
        let filled = expect.filled(&[("uri", "/{method}"), ("method", "GET")]);
        assert_eq!(filled, Expect::Request(json!({"uri": "/{method}{x}GET"})));
    }
}

//! A case file is brought up to what its function does now, and everything else in it stays as it was written.

use super::expect::test_of;
use super::{Case, Expect, Verdict};
use crate::edge::places::{self, Step};
use crate::source::Span;
use serde_json::{Value, json};

/// Why a case is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// The function fails, and a failure is seldom what is wanted.
    Error,
    /// It says what must always hold: a property, `never`, `one_of`, a test of a text.
    Invariant,
}

impl std::fmt::Display for Unchanged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "the function fails: mend it, or expect the error with `--update=errors`",
            Self::Invariant => "it says what must always hold, so either it or the function has to be changed by hand",
        })
    }
}

/// The text of a case file, with what came of its event as its expectation.
///
/// Only what differs is replaced, where it stands: a case goes on to say what it cares about and no more. Where another kind of thing
/// came than was expected, the new expectation is its `uri`, or its status and `location`.
///
/// # Errors
/// Why the file should stay as it is.
pub fn updated(text: &str, case: &Case, verdict: &Verdict, errors: bool) -> Result<String, Unchanged> {
    let outcome = &verdict.outcome;
    if case.forall.is_some() || matches!(case.expect, Expect::Never(_) | Expect::OneOf(_)) {
        return Err(Unchanged::Invariant);
    }
    let mut edits = Edits { text, list: Vec::new() };
    let whole: [Step; 1] = ["expect".into()];
    match (&case.expect, &outcome.error) {
        (_, Some(error)) if errors => edits.replace(&whole, &json!({ "error": error.kind.name() })),
        (_, Some(_)) => return Err(Unchanged::Error),
        (Expect::Request(parts), None) if outcome.request().is_some() => {
            edits.walk(vec!["expect".into(), "request".into()], parts, outcome.request())?;
        }
        (Expect::Response(parts), None) if outcome.response().is_some() => {
            edits.walk(vec!["expect".into(), "response".into()], parts, outcome.response())?;
        }
        _ => edits.replace(&whole, &told(outcome.result.as_ref().unwrap_or(&Value::Null))),
    }
    Ok(edits.done())
}

/// What matters most of a result.
pub(in crate::edge) fn told(result: &Value) -> Value {
    match result.get("response") {
        Some(response) => {
            let mut parts = json!({ "statusCode": response["statusCode"] });
            if let Some(location) = response.pointer("/headers/location") {
                parts["headers"] = json!({ "location": location });
            }
            json!({ "response": parts })
        }
        None => json!({ "request": { "uri": result["request"]["uri"] } }),
    }
}

/// Pieces of a text that are replaced.
struct Edits<'a> {
    text: &'a str,
    list: Vec<(Span, String)>,
}

impl Edits<'_> {
    fn walk(&mut self, at: Vec<Step>, expected: &Value, got: Option<&Value>) -> Result<(), Unchanged> {
        if test_of(expected).is_some() {
            // One that holds is left alone, and one that does not is nothing that could be written anew.
            let is_met = super::compare(
                &Expect::Request(json!({ "x": expected })),
                &crate::edge::Outcome { result: Some(json!({ "request": { "x": got } })), ..Default::default() },
            );
            return if is_met.is_empty() { Ok(()) } else { Err(Unchanged::Invariant) };
        }
        match (expected, got) {
            (Value::Object(parts), Some(Value::Object(found))) => {
                for (name, part) in parts {
                    let mut at = at.clone();
                    at.push(name.as_str().into());
                    self.walk(at, part, found.get(name))?;
                }
            }
            (expected, got) if got.unwrap_or(&Value::Null) == expected => {}
            (_, got) => self.replace(&at, got.unwrap_or(&Value::Null)),
        }
        Ok(())
    }

    fn replace(&mut self, at: &[Step], with: &Value) {
        let Some(span) = places::value(self.text, at) else { return };
        let line = self.text[..span.start].rsplit('\n').next().unwrap_or_default();
        let indent: String = line.chars().take_while(|letter| letter.is_whitespace()).collect();
        // A value within one line stays within it, where it did.
        let text = match with {
            Value::Object(_) | Value::Array(_) if self.text.contains('\n') => {
                format!("{with:#}").replace('\n', &format!("\n{indent}"))
            }
            with => with.to_string(),
        };
        self.list.push((span, text));
    }

    fn done(mut self) -> String {
        let mut text = self.text.to_owned();
        self.list.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
        for (span, with) in self.list {
            text.replace_range(span.start..span.end, &with);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Runtime;

    fn update(expect: &str, returns: &str, errors: bool) -> Result<String, Unchanged> {
        let event = r#"{"version": "1.0", "context": {"eventType": "viewer-request"}, "request": {"method": "GET", "uri": "/a"}}"#;
        let text = format!("{{\n  \"expect\":   {expect},\n  \"about\": \"x\", \"event\": {event}\n}}\n");
        let (case, problems) = super::super::parse(&"f.cases/a.json".into(), &text);
        assert_eq!(problems, []);
        let case = case.unwrap();
        let code = format!("function handler(event) {{ {returns} }}");
        let verdict = super::super::run(&case, &code, Runtime::V2);
        assert!(!verdict.passes(), "it has to fail first");
        let new = updated(&text, &case, &verdict, errors)?;
        let (case, problems) = super::super::parse(&"f.cases/a.json".into(), &new);
        assert_eq!(problems, []);
        assert!(super::super::run(&case.unwrap(), &code, Runtime::V2).passes(), "and pass then:\n{new}");
        assert!(
            new.starts_with("{\n  \"expect\":   ") && new.ends_with(&format!(",\n  \"about\": \"x\", \"event\": {event}\n}}\n")),
            "{new}"
        );
        let start = "{\n  \"expect\":   ".len();
        Ok(new[start..new.len() - format!(",\n  \"about\": \"x\", \"event\": {event}\n}}\n").len()].to_owned())
    }

    #[test]
    fn only_what_differs_is_written_anew() {
        let request = "event.request.uri = '/b'; return event.request;";
        assert_eq!(
            update(r#"{ "request": {"method":"GET",  "uri": "/a"} }"#, request, false).unwrap(),
            r#"{ "request": {"method":"GET",  "uri": "/b"} }"#
        );
        assert_eq!(
            update(r#"{"request": {"headers": {"x.y": {"value": "1"}}}}"#, request, false).unwrap(),
            r#"{"request": {"headers": {"x.y": null}}}"#,
            "null is that it must not be there"
        );
        let response = "return { statusCode: 302, headers: { location: { value: '/b' } } };";
        assert_eq!(
            update(r#"{"request": {"uri": "/a"}}"#, response, false).unwrap(),
            "{\n    \"response\": {\n      \"headers\": {\n        \"location\": {\n          \"value\": \"/b\"\n        }\n      },\n      \"statusCode\": 302\n    }\n  }"
        );
        assert_eq!(
            update(r#"{"error": "FunctionExecutionError"}"#, request, false).unwrap(),
            "{\n    \"request\": {\n      \"uri\": \"/b\"\n    }\n  }"
        );
    }

    #[test]
    fn errors_and_invariants_are_not_made_expectations_unasked() {
        let throws = "throw new Error('x');";
        assert_eq!(update(r#"{"request": {}}"#, throws, false), Err(Unchanged::Error));
        assert_eq!(update(r#"{"request": {}}"#, throws, true).unwrap(), "{\n    \"error\": \"FunctionExecutionError\"\n  }");
        let request = "event.request.uri = '/b'; return event.request;";
        for invariant in
            [r#"{"never": {"request": {}}}"#, r#"{"one_of": [{"error": "any"}]}"#, r#"{"request": {"uri": {"$starts": "/a"}}}"#]
        {
            assert_eq!(update(invariant, request, true), Err(Unchanged::Invariant), "{invariant}");
        }
        assert_eq!(
            update(r#"{"request": {"method": {"$has": "G"}, "uri": "/a"}}"#, request, false).unwrap(),
            r#"{"request": {"method": {"$has": "G"}, "uri": "/b"}}"#
        );
    }
}

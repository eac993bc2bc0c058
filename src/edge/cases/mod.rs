//! Cases: an event, and what is expected of it.
//!
//! A case says only the parts of the result it cares about: what it leaves out may be anything, and
//! `null` says that a part must not be there. A *property* says it of every event of a kind ([`forall`]).

mod expect;
mod forall;
mod pattern;
mod rewrite;
mod run;

pub use expect::{Difference, Expect, compare};
pub use forall::{Forall, Trial};
pub(super) use rewrite::told;
pub use rewrite::{Unchanged, updated};
pub use run::{run, run_all};

use super::event::Event;
use super::kvs::KeyValues;
use super::outcome::Outcome;
use super::places::{self, Step};
use crate::source::{Diagnostic, SourcePath, Sources};
use serde_json::{Value, json};

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file's name without `.json`.
    pub name: String,
    /// Where it is written.
    pub path: SourcePath,
    /// What the function is called with. Of a property, the simplest event that it is about.
    pub event: Event,
    /// Which events it is about; nothing where it is the one.
    pub forall: Option<Forall>,
    /// What must come of it.
    pub expect: Expect,
    /// What its key-value store holds.
    pub pairs: KeyValues,
}

impl Case {
    /// The events that it is tried with where each costs a request: its own, or the first `count` of a property.
    pub fn events(&self, count: u32) -> Vec<Event> {
        self.forall.as_ref().map_or_else(|| vec![self.event.clone()], |forall| forall.samples(count))
    }

    /// Every event that it is tried with.
    pub fn all_events(&self, trial: Trial) -> Vec<Event> {
        self.forall.as_ref().map_or_else(|| vec![self.event.clone()], |forall| forall.all(trial))
    }

    /// What is expected of one of its events.
    pub fn expected(&self, event: &Event) -> Expect {
        match &self.forall {
            None => self.expect.clone(),
            Some(_) => {
                let drawn = forall::drawn(event);
                self.expect.filled(&drawn.each_ref().map(|(name, text)| (*name, text.as_str())))
            }
        }
    }

    /// The case of its own that a property's failure is: to be written to a file.
    pub fn found(&self, event: &Value) -> Value {
        let (read, _) = Event::from_part(&self.path, &event.to_string(), &[], event);
        let expect = read.map_or_else(|| self.expect.clone(), |event| self.expected(&event));
        let mut case = json!({ "about": format!("Found by `{}`.", self.name), "event": event, "expect": expect.to_json() });
        if !self.pairs.0.is_empty() {
            case["kvs"] = json!(self.pairs.0);
        }
        case
    }
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What came of the event; of a property that holds, of the one that took longest.
    pub outcome: Outcome,
    /// Every part that is not as expected. None: the case passes.
    pub differences: Vec<Difference>,
    /// How many events a property was tried with; 0 of any other case.
    pub tries: u32,
    /// The smallest event found for which a property does not hold.
    pub found: Option<Value>,
}

impl Verdict {
    fn of(case: &Case, outcome: Outcome) -> Self {
        Self { differences: compare(&case.expect, &outcome), outcome, tries: 0, found: None }
    }

    /// Whether everything is as expected.
    pub fn passes(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Where the cases of a function lie: `functions/<name>.cases`, beside it.
pub fn folder(function: &SourcePath) -> String {
    let stem = function.as_str().rsplit_once('.').map_or(function.as_str(), |(stem, _)| stem);
    format!("{stem}.cases")
}

/// The case files of a function, in the order of their names.
pub fn of(sources: &Sources, function: &SourcePath) -> Vec<SourcePath> {
    let folder = folder(function);
    sources
        .under(&folder)
        .map(|(path, _)| path)
        .filter(|path| path.folder() == folder && path.extension() == "json")
        .cloned()
        .collect()
}

/// Reads all cases of a function, in the order of their names, and says what is wrong with them.
pub fn read(sources: &Sources, function: &SourcePath) -> (Vec<Case>, Vec<Diagnostic>) {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for path in of(sources, function) {
        match sources.utf8(&path) {
            Ok(text) => {
                let (case, said) = parse(&path, text);
                problems.extend(said);
                cases.extend(case);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (cases, problems)
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
    let below = |key: &str, steps: Vec<Step>| -> Vec<Step> { std::iter::once(Step::from(key)).chain(steps).collect() };
    problems.extend(places::repeated(text).into_iter().map(|(span, key)| {
        let message = format!("the key `{key}` is there twice in one object");
        Diagnostic::error("CFF094", message).at(path, span).hint("take one of the two out: only one would count")
    }));
    let Some(entries) = value.as_object() else {
        let hint = "it has the form `{\"event\": …, \"expect\": …}`";
        return (None, vec![error(&[], "a case is an object".to_owned(), hint)]);
    };
    let known = ["event", "forall", "expect", "kvs", "about"];
    for name in entries.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = match crate::source::near(name, known) {
            Some(near) => format!("a key with a similar name exists: `{near}`"),
            None => "a case has `event` or `forall`, `expect`, and perhaps `kvs` and `about`".to_owned(),
        };
        problems.push(error(&[name.as_str().into()], format!("unknown key `{name}` in a case"), &hint));
    }
    let mut forall = None;
    let event = match (entries.get("event"), entries.get("forall")) {
        (Some(event), None) => {
            let (event, said) = Event::from_part(path, text, &["event".into()], event);
            problems.extend(said);
            event
        }
        (None, Some(value)) => {
            let mut wrong = Vec::new();
            forall = Forall::read(value, text, &mut wrong);
            problems.extend(wrong.into_iter().map(|(steps, message, hint)| error(&below("forall", steps), message, &hint)));
            forall.as_ref().and_then(|forall| forall.samples(1).pop())
        }
        (Some(_), Some(_)) => {
            let hint = "a case is about one event, a property about all that `forall` describes";
            problems.push(error(&["forall".into()], "the case has both `event` and `forall`".to_owned(), hint));
            None
        }
        (None, None) => {
            problems.push(error(&[], "the case has no `event`".to_owned(), "see `docs/functions.md` for one to start from"));
            None
        }
    };
    let expect = match entries.get("expect") {
        Some(expect) => {
            let mut wrong = Vec::new();
            let read = Expect::read(expect, &[], &mut wrong);
            problems.extend(wrong.into_iter().map(|(steps, message, hint)| error(&below("expect", steps), message, hint)));
            read
        }
        None => {
            problems.push(error(&[], "the case expects nothing".to_owned(), "add `\"expect\": {\"request\": {\"uri\": \"/…\"}}`"));
            None
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
        (Some(event), Some(expect), Some(pairs)) => Some(Case { name, path: path.clone(), event, forall, expect, pairs }),
        _ => None,
    };
    (case, problems)
}

/// What of the outcome of one of a case's events is not as expected.
fn judge(case: &Case, event: &Event, outcome: &Outcome) -> Vec<Difference> {
    compare(&case.expected(event), outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::runtime::Runtime;

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

    #[test]
    fn a_repeated_key_is_told_so_at_its_place() {
        let text = "{\"event\": {\"version\": \"1.0\", \"context\": {\"eventType\": \"viewer-request\"}, \"request\": {\"method\": \"GET\", \"uri\": \"/\"}},\n \
                    \"expect\": {\"request\": {\"uri\": \"/a\", \"uri\": \"/\"}}}";
        let (case, problems) = parse(&"functions/f.cases/a.json".into(), text);
        assert!(case.is_none());
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.message, "the key `uri` is there twice in one object");
        let start = problem.place.as_ref().unwrap().1.start;
        assert_eq!(crate::source::line_column(text, start), (2, 38));
    }

    #[test]
    fn a_malformed_property_is_told_so_at_its_place() {
        let path = SourcePath::new("functions/f.cases/a.json");
        let text = r#"{"forall": {"uri": ["/{tokn}", 1], "methd": "GET", "headers": {"Host": "x"}, "cookies": [], "tries": 0}, "expect": {"request": {}}}"#;
        let (case, problems) = parse(&path, text);
        assert!(case.is_none());
        let said: Vec<(usize, &str)> =
            problems.iter().map(|problem| (problem.place.as_ref().unwrap().1.start, problem.message.as_str())).collect();
        let at = |part: &str| text.find(part).unwrap();
        assert_eq!(
            said,
            [
                (at("\"methd"), "unknown key `methd` in `forall`"),
                (at("\"/{tokn"), "`{tokn}` stands for nothing"),
                (at("1]"), "what varies is no text"),
                (at("\"cookies"), "`cookies` is not an object"),
                (at("\"Host"), "the header `Host` has upper-case letters"),
                (at("\"tries"), "`tries` is no number from 1 to 100000"),
            ]
        );
        assert_eq!(
            parse(&path, r#"{"forall": {"method": null}, "expect": {"request": {}}}"#).1[0].message,
            "a request has a method and a uri"
        );
        assert_eq!(
            parse(&path, r#"{"forall": {"uri": "x"}, "expect": {"request": {}}}"#).1[0].message,
            "its events are none: the uri does not begin with `/`"
        );
        assert_eq!(
            parse(&path, r#"{"forall": {}, "event": {}, "expect": {"request": {}}}"#).1[0].message,
            "the case has both `event` and `forall`"
        );
    }

    const ROUTE: &str = "function handler(event) { var r = event.request; if (/^\\/track\\/[^\\/.%]+$/.test(r.uri)) r.uri = '/track/index.html'; return r; }";

    fn property(forall: &str, expect: &str) -> Case {
        let text = format!(r#"{{"forall": {forall}, "expect": {expect}}}"#);
        let (case, problems) = parse(&"f.cases/p.json".into(), &text);
        assert_eq!(problems, []);
        case.unwrap()
    }

    #[test]
    fn a_property_that_holds_was_tried_some_hundred_times() {
        let case = property(
            r#"{"uri": "/track/{token}", "querystring": {"t": ["{token}", null]}}"#,
            r#"{"request": {"uri": "/track/index.html"}}"#,
        );
        let verdict = run(&case, ROUTE, Runtime::V2);
        assert!(verdict.passes(), "{:?}", verdict.found);
        assert_eq!(verdict.tries, 300);
        let queries: Vec<bool> = case.events(20).iter().map(|event| event.raw_query().is_some()).collect();
        assert!(queries.contains(&true) && queries.contains(&false), "null is that it is not there");
        let stays =
            property(r#"{"uri": "/{segment}", "method": "{GET|POST}"}"#, r#"{"request": {"uri": "{uri}", "method": "{method}"}}"#);
        assert!(run(&stays, ROUTE, Runtime::V2).passes());
    }

    #[test]
    fn a_failure_is_as_small_as_it_gets_and_comes_again() {
        let case = property(
            r#"{"uri": "/track/{~{token}}", "headers": {"x": "{any}"}, "querystring": "{query}"}"#,
            r#"{"request": {"uri": "/track/index.html"}}"#,
        );
        let first = run(&case, ROUTE, Runtime::V2);
        let found = first.found.clone().expect("it fails");
        assert_eq!(found["request"]["uri"], "/track/%61", "one letter, encoded once");
        assert_eq!((&found["request"]["headers"]["x"]["value"], &found["request"]["querystring"]), (&json!(""), &json!({})));
        assert_eq!(run(&case, ROUTE, Runtime::V2).found, first.found);
        let ready = case.found(&found).to_string();
        let (case, problems) = parse(&"f.cases/found.json".into(), &ready);
        assert_eq!(problems, []);
        assert_eq!(run(&case.unwrap(), ROUTE, Runtime::V2).differences, first.differences, "the ready case fails as it did");
    }

    #[test]
    fn another_seed_tries_other_events() {
        let case = property(r#"{"uri": "/{token}"}"#, r#"{"request": {}}"#);
        let forall = case.forall.as_ref().unwrap();
        let uris = |seed: u64| -> Vec<String> {
            let trial = Trial { seed, tries: None };
            (0..10).map(|number| forall.try_event(trial, number)).collect()
        };
        assert_eq!(uris(0), uris(0));
        assert_ne!(uris(0)[1..], uris(1)[1..]);
        let trial = Trial { seed: 0, tries: Some(7) };
        assert_eq!(run_all(vec![case], ROUTE, Runtime::V2, trial)[0].1.tries, 7);
    }
}

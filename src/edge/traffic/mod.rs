//! Cases from what visitors really ask for.
//!
//! Each request of a log is run, masked as it will be written, and put with those that are decided in the same way and have a path of the
//! same shape. One case is made of each such group: so a million lines become a few dozen cases, none of which says who somebody is.

mod log;
mod mask;

pub use log::{Line, Reader, Request};
pub use mask::Keep;

use super::cases::{self, Case, Expect};
use super::emulator::Emulator;
use super::event::{Event, Kind};
use super::kvs::KeyValues;
use super::outcome::{Outcome, RunError};
use super::runtime::Runtime;
use crate::source::SourcePath;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An address that is nobody's (RFC 5737).
const IP: &str = "198.51.100.11";

/// How requests are decided and what their paths look like: one case is enough for all that share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    decision: String,
    shape: String,
}

#[derive(Clone, Debug)]
struct Member {
    request: Request,
    event: Value,
    outcome: Outcome,
    count: u64,
}

/// A case that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The name of its file, without `.json`: made of its path and what comes of it.
    pub name: String,
    /// The case.
    pub case: Value,
    /// How many requests it stands for.
    pub count: u64,
}

/// What recording came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The cases, those first that stand for the most requests.
    pub cases: Vec<Recorded>,
    /// How many groups an existing case stands for already.
    pub known: usize,
    /// How many groups more there are than were asked for.
    pub left: usize,
    /// Requests for which the function fails, by the error: no case was made of them.
    pub failing: BTreeMap<String, u64>,
    /// How many requests are decided by something that is masked, so that a case would say something else.
    pub masked: u64,
}

/// Collects requests for one function.
#[derive(Debug)]
pub struct Recorder {
    emulator: Emulator,
    keep: Keep,
    members: BTreeMap<Group, Member>,
    known: BTreeSet<Group>,
    /// Requests as they were sent, and their groups: most come again and again.
    seen: BTreeMap<String, Option<Group>>,
    masked: u64,
}

/// How many different requests are remembered.
const REMEMBERED: usize = 200_000;

impl Recorder {
    /// For a function's code, and for what need not be masked.
    ///
    /// # Errors
    /// Where the code cannot be run at all.
    pub fn new(code: &str, runtime: Runtime, keep: Keep) -> Result<Self, RunError> {
        let emulator = Emulator::load(code, runtime, KeyValues::default())?;
        Ok(Self { emulator, keep, members: BTreeMap::new(), known: BTreeSet::new(), seen: BTreeMap::new(), masked: 0 })
    }

    /// What a case stands for need not be recorded.
    pub fn knows(&mut self, case: &Case) {
        if case.forall.is_none() && case.event.kind() == Kind::ViewerRequest && case.pairs.0.is_empty() {
            let outcome = self.emulator.run(&case.event);
            self.known.insert(group(&case.event, &outcome));
        }
    }

    /// One request.
    pub fn add(&mut self, request: &Request) {
        let key = format!("{request:?}");
        let known = match self.seen.get(&key) {
            Some(known) => known.clone(),
            None => {
                let known = self.look(request);
                if self.seen.len() < REMEMBERED {
                    self.seen.insert(key, known.clone());
                }
                known
            }
        };
        match known.and_then(|group| self.members.get_mut(&group)) {
            Some(member) => member.count += 1,
            None => self.masked += 1,
        }
    }

    /// The group of a request; none where its masked form is decided in another way.
    fn look(&mut self, request: &Request) -> Option<Group> {
        let event = event(request);
        let real = group(&event, &self.emulator.decide(&event));
        let request = mask::masked(request, &self.keep);
        let event = self::event(&request);
        let outcome = self.emulator.decide(&event);
        let group = group(&event, &outcome);
        if group.decision != real.decision {
            return None;
        }
        let order = |request: &Request| (request.uri.len(), request.uri.clone(), request.query.clone());
        let member = self.members.entry(group.clone()).or_insert_with(|| Member {
            request: request.clone(),
            event: written(&event),
            outcome: outcome.clone(),
            count: 0,
        });
        // Whatever order the lines come in, the same one stands for all.
        if order(&request) < order(&member.request) {
            (member.request, member.event, member.outcome) = (request, written(&event), outcome);
        }
        Some(group)
    }

    /// The cases: at most so many, those for which the function fails among them or not. Names that are taken are not used.
    pub fn finish(self, limit: usize, errors: bool, taken: &BTreeSet<String>) -> Recording {
        let mut recording = Recording { masked: self.masked, ..Recording::default() };
        let mut members: Vec<(&Group, &Member)> = self.members.iter().filter(|(_, member)| member.count > 0).collect();
        members.sort_by_key(|(group, member)| (std::cmp::Reverse(member.count), (*group).clone()));
        let mut taken = taken.clone();
        for (group, member) in members {
            if let Some(error) = member.outcome.error.as_ref().filter(|_| !errors) {
                *recording.failing.entry(error.to_string()).or_default() += member.count;
            } else if self.known.contains(group) {
                recording.known += 1;
            } else if recording.cases.len() >= limit {
                recording.left += 1;
            } else {
                let first = name(&member.request, &member.outcome);
                let mut names = std::iter::once(first.clone()).chain((2..).map(|number| format!("{first}-{number}")));
                let name = names.find(|name| !taken.contains(name)).unwrap_or(first);
                taken.insert(name.clone());
                recording.cases.push(Recorded { name, case: case(member), count: member.count });
            }
        }
        recording
    }
}

fn event(request: &Request) -> Event {
    let mut headers = request.headers.clone();
    headers.extend(request.cookies.as_ref().map(|cookies| ("cookie".to_owned(), cookies.clone())));
    Event::viewer_request(&request.method, &request.uri, request.query.as_deref(), &headers, IP)
}

/// An event as it is written to a file: nothing of this machine in it.
fn written(event: &Event) -> Value {
    let mut value = event.value().clone();
    value["context"] = json!({ "eventType": event.kind().name() });
    value
}

fn case(member: &Member) -> Value {
    let outcome = &member.outcome;
    let expect = match (&outcome.error, &outcome.result) {
        (Some(error), _) => Expect::Error(error.kind).to_json(),
        (None, result) => cases::told(result.as_ref().unwrap_or(&Value::Null)),
    };
    let times = if member.count == 1 { "once".to_owned() } else { format!("{} times", member.count) };
    json!({ "about": format!("Asked for {times} in the log that was recorded."), "event": member.event, "expect": expect })
}

/// A text of the outcome's, with the request's own parts told apart from what the function made up.
fn relative(text: &str, event: &Event) -> String {
    let uri = event.value()["request"]["uri"].as_str().unwrap_or_default();
    let mut text = if uri.len() > 1 { text.replace(uri, "{uri}") } else { text.to_owned() };
    if let Some(query) = event.raw_query().filter(|query| !query.is_empty()) {
        text = text.replace(query, "{query}");
    }
    text
}

fn group(event: &Event, outcome: &Outcome) -> Group {
    let request = &event.value()["request"];
    let decision = match (&outcome.error, outcome.response(), outcome.request()) {
        (Some(error), ..) => format!("error {}", error.kind.name()),
        (None, Some(response), _) => {
            let location = response.pointer("/headers/location/value").and_then(Value::as_str).unwrap_or_default();
            format!("{} {}", response["statusCode"], relative(location, event))
        }
        (None, None, after) => {
            let after = after.unwrap_or(&Value::Null);
            let names = |request: &Value| -> BTreeSet<String> {
                request["headers"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
            };
            let (before, later) = (names(request), names(after));
            let changed: Vec<&String> = before.symmetric_difference(&later).collect();
            let query = if after["querystring"] == request["querystring"] { "" } else { " another query" };
            format!("{}{query} {changed:?}", relative(after["uri"].as_str().unwrap_or_default(), event))
        }
    };
    let uri = request["uri"].as_str().unwrap_or_default();
    let parts: Vec<&str> = uri.split('/').map(class).collect();
    let method = request["method"].as_str().unwrap_or_default();
    let has_query = if event.raw_query().is_some() { "?" } else { "" };
    Group { decision, shape: format!("{method} {}{has_query}", parts.join("/")) }
}

/// What a part of a path looks like.
fn class(part: &str) -> &'static str {
    let (stem, ending) = part.rsplit_once('.').map_or((part, None), |(stem, ending)| (stem, Some(ending)));
    match (stem, ending) {
        ("", None) => "",
        (_, Some(ending)) if !stem.is_empty() && (1..=5).contains(&ending.len()) => "file",
        (_, Some(_)) => "dots",
        (stem, None) if stem.bytes().all(|byte| byte.is_ascii_digit()) => "number",
        (stem, None) if stem.contains('%') => "escaped",
        (stem, None) if !stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) => "odd",
        (stem, None) if mask::is_word(stem) && !is_masked(stem) => "word",
        _ => "token",
    }
}

/// Whether it is what [`mask`] leaves of a token.
fn is_masked(part: &str) -> bool {
    part.len() > 1 && part.bytes().all(|byte| b"xX0-_".contains(&byte))
}

/// A name that says what is asked for and what comes of it; the same for the same request at any time.
fn name(request: &Request, outcome: &Outcome) -> String {
    let mut words = vec!["seen".to_owned()];
    for part in request.uri.split('/').filter(|part| !part.is_empty()) {
        let word: String = match class(part) {
            "word" | "file" => {
                part.to_ascii_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
            }
            class => class.to_owned(),
        };
        words.push(word.trim_matches('-').chars().take(24).collect());
    }
    if words.len() == 1 {
        words.push("root".to_owned());
    } else if request.uri.ends_with('/') {
        words.push("slash".to_owned());
    }
    if request.uri.contains("//") {
        words.push("doubled".to_owned());
    }
    if request.method != "GET" {
        words.push(request.method.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect());
    }
    if request.query.is_some() {
        words.push("query".to_owned());
    }
    match (&outcome.error, outcome.response()) {
        (Some(_), _) => words.push("error".to_owned()),
        (None, Some(response)) => words.push(response["statusCode"].to_string()),
        (None, None) => {}
    }
    words.retain(|word| !word.is_empty());
    words.truncate(10);
    words.join("-")
}

/// The text of a case's file.
pub fn text(case: &Value) -> String {
    format!("{case:#}\n")
}

/// Where a recorded case of a function goes.
pub fn file(function: &SourcePath, name: &str) -> SourcePath {
    let stem = function.as_str().rsplit_once('.').map_or(function.as_str(), |(stem, _)| stem);
    SourcePath::new(format!("{stem}.cases/{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "function handler(event) {
        var r = event.request;
        if (/^\\/track\\/[^\\/.]+$/.test(r.uri)) r.uri = '/track/index.html';
        else if (r.uri === '/old') return { statusCode: 301, headers: { location: { value: '/new/' } } };
        else if (r.uri === '/bad') throw new Error('x');
        else if (r.querystring.key && r.querystring.key.value === 'opensesame') return { statusCode: 403 };
        else if (r.uri.endsWith('/')) r.uri += 'index.html';
        return r;
    }";

    fn get(uri: &str) -> Request {
        let (uri, query) = uri.split_once('?').map_or((uri, None), |(uri, query)| (uri, Some(query.to_owned())));
        Request { method: "GET".to_owned(), uri: uri.to_owned(), query, ..Request::default() }
    }

    fn record(uris: &[&str], limit: usize, errors: bool, known: &[Case]) -> Recording {
        let mut recorder = Recorder::new(ROUTE, Runtime::V2, Keep::default()).unwrap();
        known.iter().for_each(|case| recorder.knows(case));
        uris.iter().for_each(|uri| recorder.add(&get(uri)));
        recorder.finish(limit, errors, &BTreeSet::new())
    }

    fn read(recorded: &Recorded) -> Case {
        let (case, problems) = cases::parse(&SourcePath::new(format!("f.cases/{}.json", recorded.name)), &text(&recorded.case));
        assert_eq!(problems, [], "{}", recorded.name);
        case.unwrap()
    }

    #[test]
    fn each_decision_becomes_one_case_that_passes() {
        let uris =
            ["/track/9fK2mQ7x", "/track/Zz81bb3c", "/prices/", "/about/", "/", "/old", "/old", "/old", "/track/9fK2mQ7x?t=1"];
        let recording = record(&uris, 50, false, &[]);
        let names: Vec<(&str, u64)> = recording.cases.iter().map(|one| (one.name.as_str(), one.count)).collect();
        assert_eq!(
            names,
            [
                ("seen-old-301", 3),
                ("seen-track-token", 2),
                ("seen-about-slash", 2),
                ("seen-root", 1),
                ("seen-track-token-query", 1)
            ]
        );
        let read: Vec<Case> = recording.cases.iter().map(read).collect();
        for case in &read {
            assert!(cases::run(case, ROUTE, Runtime::V2).passes(), "{}", case.name);
        }
        assert!(!format!("{:?}", recording.cases).contains("9fK2mQ7x"), "nobody's token");
        let again = record(&uris, 50, false, &read);
        assert_eq!((again.cases.len(), again.known), (0, 5), "what is recorded is known");
        let mut other = uris;
        other.reverse();
        assert_eq!(record(&other, 50, false, &[]), recording, "in whatever order");
    }

    #[test]
    fn errors_limits_and_masked_decisions_are_told() {
        let recording = record(&["/bad", "/bad", "/a/?key=opensesame", "/a/"], 1, false, &[]);
        assert_eq!(recording.failing.values().sum::<u64>(), 2);
        assert_eq!((recording.masked, recording.cases.len(), recording.left), (1, 1, 0));
        let recording = record(&["/bad", "/bad", "/a/"], 1, true, &[]);
        assert_eq!((recording.cases[0].name.as_str(), recording.left), ("seen-bad-error", 1));
        assert_eq!(recording.cases[0].case["expect"], json!({ "error": "FunctionExecutionError" }));
    }
}

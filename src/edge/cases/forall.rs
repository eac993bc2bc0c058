//! Properties: what holds for every event of a kind, tried with some hundreds of them.

use super::expect::Difference;
use super::pattern::{Choices, Pattern};
use super::{Case, Verdict, judge};
use crate::edge::emulator::{Call, Exactly};
use crate::edge::event::{Event, Kind};
use crate::edge::outcome::Outcome;
use crate::edge::places::Step;
use crate::source::{Diagnostic, SourcePath, near};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// How many events are tried, unless the property or the command says so.
const TRIES: u32 = 300;
/// The most that a property may ask for.
const MOST_TRIES: u64 = 100_000;
/// How often a failure is tried again to make it smaller.
const SHRINKS: u32 = 1_500;

/// Which events a property is about.
#[derive(Clone, Debug)]
pub struct Forall {
    kind: Kind,
    response: Option<Value>,
    ip: String,
    method: OneOf,
    uri: OneOf,
    query: Query,
    headers: Vec<(String, OneOf)>,
    cookies: Vec<(String, OneOf)>,
    tries: Option<u32>,
    /// Made of the file's text, so that the same file tries the same events.
    seed: u64,
}

/// Patterns, of which any may come; `null` in a file is that nothing does.
type OneOf = Vec<Option<Pattern>>;

#[derive(Clone, Debug)]
enum Query {
    Text(OneOf),
    Named(Vec<(String, OneOf)>),
}

/// How properties are tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    /// Other events than those that the file's text leads to.
    pub seed: u64,
    /// How many, whatever the file says.
    pub tries: Option<u32>,
}

const KEYS: [&str; 8] = ["uri", "method", "querystring", "headers", "cookies", "ip", "tries", "response"];

/// What is wrong with a property: where below `forall`, in words, and what helps.
pub(super) type Wrong = (Vec<Step>, String, String);

impl Forall {
    /// Reads what stands behind `forall`, which was found in `text`.
    pub(super) fn read(value: &Value, text: &str, wrong: &mut Vec<Wrong>) -> Option<Self> {
        let Some(entries) = value.as_object() else {
            wrong.push((
                Vec::new(),
                "`forall` is not an object".to_owned(),
                "name what varies: `{\"uri\": \"/track/{token}\"}`".to_owned(),
            ));
            return None;
        };
        let before = wrong.len();
        for name in entries.keys().filter(|name| !KEYS.contains(&name.as_str())) {
            let hint = match near(name, KEYS) {
                Some(near) => format!("a key with a similar name exists: `{near}`"),
                None => format!("there are `{}`", KEYS.join("`, `")),
            };
            wrong.push((vec![name.as_str().into()], format!("unknown key `{name}` in `forall`"), hint));
        }
        let plain = |text: &str| vec![Some(Pattern::plain(text))];
        let mut one = |name: &str, default: &str| match entries.get(name) {
            Some(value) => patterns(value, &[name.into()], wrong),
            None => plain(default),
        };
        let (method, uri) = (one("method", "GET"), one("uri", "/"));
        if method.contains(&None) || uri.contains(&None) {
            wrong.push((
                Vec::new(),
                "a request has a method and a uri".to_owned(),
                "only headers, cookies and parameters may be `null`".to_owned(),
            ));
        }
        let query = match entries.get("querystring") {
            Some(Value::Object(named)) => Query::Named(table(named, "querystring", wrong)),
            Some(value) => Query::Text(patterns(value, &["querystring".into()], wrong)),
            None => Query::Named(Vec::new()),
        };
        let mut named = |name: &str| match entries.get(name) {
            Some(Value::Object(named)) => table(named, name, wrong),
            Some(_) => {
                let hint = format!("write `\"{name}\": {{\"name\": \"{{any}}\"}}`");
                wrong.push((vec![name.into()], format!("`{name}` is not an object"), hint));
                Vec::new()
            }
            None => Vec::new(),
        };
        let (headers, cookies) = (named("headers"), named("cookies"));
        for (name, _) in headers.iter().filter(|(name, _)| name.chars().any(char::is_uppercase)) {
            let hint = format!("write `{}`", name.to_lowercase());
            wrong.push((vec!["headers".into(), name.as_str().into()], format!("the header `{name}` has upper-case letters"), hint));
        }
        let tries = match entries.get("tries").map(Value::as_u64) {
            None => None,
            Some(Some(tries @ 1..=MOST_TRIES)) => u32::try_from(tries).ok(),
            Some(_) => {
                let message = format!("`tries` is no number from 1 to {MOST_TRIES}");
                wrong.push((vec!["tries".into()], message, format!("without it, {TRIES} events are tried")));
                None
            }
        };
        let ip = entries.get("ip").and_then(Value::as_str).unwrap_or("198.51.100.11").to_owned();
        let response = entries.get("response").cloned();
        let kind = if response.is_some() { Kind::ViewerResponse } else { Kind::ViewerRequest };
        let digest = Sha256::digest(text.as_bytes());
        let seed = digest.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let forall = Self { kind, response, ip, method, uri, query, headers, cookies, tries, seed };
        if wrong.len() > before {
            return None;
        }
        // The simplest event is one that the case reader takes, or nothing would ever be tried. All others are like it.
        let why = match forall.event(&mut Choices::again(&[])) {
            Ok(event) => {
                let (_, problems) = Event::parse(&SourcePath::new("event"), event.text());
                problems.into_iter().find(Diagnostic::is_error).map(|problem| problem.message)
            }
            Err(why) => Some(why),
        };
        match why {
            None => Some(forall),
            Some(why) => {
                wrong.push((
                    Vec::new(),
                    format!("its events are none: {why}"),
                    "a path begins with `/` and has no query".to_owned(),
                ));
                None
            }
        }
    }

    /// How many events are tried.
    pub(super) fn tries(&self, trial: Trial) -> u32 {
        trial.tries.or(self.tries).unwrap_or(TRIES)
    }

    fn choices(&self, trial: Trial, number: u32) -> Choices<'static> {
        // The simplest event comes first.
        if number == 0 {
            return Choices::again(&[]);
        }
        Choices::random(self.seed ^ trial.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ u64::from(number) << 32)
    }

    /// The first events that are tried.
    pub(super) fn samples(&self, count: u32) -> Vec<Event> {
        (0..count).filter_map(|number| self.event(&mut self.choices(Trial::default(), number)).ok()).collect()
    }

    /// All events that are tried.
    pub(super) fn all(&self, trial: Trial) -> Vec<Event> {
        (0..self.tries(trial)).filter_map(|number| self.event(&mut self.choices(trial, number)).ok()).collect()
    }

    #[cfg(test)]
    pub(super) fn try_event(&self, trial: Trial, number: u32) -> String {
        let event = self.event(&mut self.choices(trial, number)).expect("an event");
        event.value()["request"]["uri"].as_str().unwrap_or_default().to_owned()
    }

    /// One event. Err: in words, where nothing could send it.
    fn event(&self, choices: &mut Choices<'_>) -> Result<Event, String> {
        let method = draw(&self.method, choices).unwrap_or_default();
        // A `?` ends the path, and what is behind it never gets into the uri.
        let uri = draw(&self.uri, choices).unwrap_or_default().replace('?', "");
        let query = match &self.query {
            Query::Text(text) => draw(text, choices),
            Query::Named(named) => {
                let pairs =
                    named.iter().filter_map(|(name, value)| Some(format!("{name}={}", draw(value, choices)?.replace('&', "%26"))));
                Some(pairs.collect::<Vec<_>>().join("&"))
            }
        };
        let query = query.map(|query| sendable(&query, &[' ', '#'])).filter(|query| !query.is_empty());
        let headers = self.headers.iter().filter_map(|(name, value)| Some((name.clone(), sendable(&draw(value, choices)?, &[]))));
        let mut headers: Vec<(String, String)> = headers.collect();
        let cookies = self
            .cookies
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", sendable(&draw(value, choices)?, &[';', ' ']))));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            headers.push(("cookie".to_owned(), cookies));
        }
        if !uri.starts_with('/') {
            return Err("the uri does not begin with `/`".to_owned());
        }
        Ok(Event::drawn(self.kind, &method, &uri, query.as_deref(), &headers, &self.ip, self.response.clone()))
    }
}

/// Without the characters that end a header or a query before their time.
fn sendable(text: &str, without: &[char]) -> String {
    text.chars().filter(|letter| !letter.is_control() && !without.contains(letter)).collect()
}

fn draw(one_of: &OneOf, choices: &mut Choices<'_>) -> Option<String> {
    let at = if one_of.len() > 1 { choices.below(one_of.len()) } else { 0 };
    Some(one_of.get(at)?.as_ref()?.draw(choices))
}

fn patterns(value: &Value, at: &[Step], wrong: &mut Vec<Wrong>) -> OneOf {
    let mut one = |value: &Value, at: Vec<Step>| match value {
        Value::Null => None,
        Value::String(text) => Some(Pattern::parse(text).unwrap_or_else(|(message, hint)| {
            wrong.push((at, message, hint));
            Pattern::default()
        })),
        _ => {
            let hint = "write a text such as `\"/track/{token}\"`, or a list of them".to_owned();
            wrong.push((at, "what varies is no text".to_owned(), hint));
            Some(Pattern::default())
        }
    };
    match value {
        Value::Array(several) if !several.is_empty() => {
            let several = several.iter().enumerate().map(|(index, value)| {
                let mut at = at.to_vec();
                at.push(index.into());
                one(value, at)
            });
            several.collect()
        }
        value => vec![one(value, at.to_vec())],
    }
}

fn table(named: &Map<String, Value>, inside: &str, wrong: &mut Vec<Wrong>) -> Vec<(String, OneOf)> {
    named.iter().map(|(name, value)| (name.clone(), patterns(value, &[inside.into(), name.as_str().into()], wrong))).collect()
}

/// What an event says to the texts of an expectation: `{uri}`, `{method}`, `{querystring}`.
pub(super) fn drawn(event: &Event) -> [(&'static str, String); 3] {
    let part = |name: &str| event.value()["request"][name].as_str().unwrap_or_default().to_owned();
    [("uri", part("uri")), ("method", part("method")), ("querystring", event.raw_query().unwrap_or_default().to_owned())]
}

/// Tries a property, and makes the first failure as small as it gets.
pub(super) fn run(case: &Case, forall: &Forall, function: &mut impl Call, trial: Trial) -> Verdict {
    let mut most = Verdict { outcome: Outcome::default(), differences: Vec::new(), tries: 0, found: None };
    let mut hardest: Option<((u8, usize), Event)> = None;
    for number in 0..forall.tries(trial) {
        let mut choices = forall.choices(trial, number);
        let Ok(event) = forall.event(&mut choices) else { continue };
        let outcome = function.call(&event, Exactly::No);
        let differences = judge(case, &event, &outcome);
        most.tries += 1;
        if !differences.is_empty() {
            let failure = Failure { choices: choices.into_taken(), event, outcome, differences };
            let Failure { event, outcome, differences, .. } = smaller(failure, case, forall, function);
            return Verdict { outcome, differences, tries: most.tries, found: Some(event.value().clone()) };
        }
        // Of the longest events one takes the most, as far as that was counted.
        let weight = (outcome.utilization, event.text().len());
        if hardest.as_ref().is_none_or(|(most, _)| weight > *most) {
            hardest = Some((weight, event));
        }
    }
    if let Some((_, event)) = hardest {
        most.outcome = function.call(&event, Exactly::Yes);
    }
    most
}

struct Failure {
    choices: Vec<u32>,
    event: Event,
    outcome: Outcome,
    differences: Vec<Difference>,
}

/// Leaves choices out and lowers them, for as long as what they lead to fails still.
fn smaller(first: Failure, case: &Case, forall: &Forall, function: &mut impl Call) -> Failure {
    let mut best = first;
    let mut left = SHRINKS;
    let mut attempt = |candidate: Vec<u32>, best: &mut Failure| {
        if left == 0 {
            return false;
        }
        left -= 1;
        let mut choices = Choices::again(&candidate);
        let Ok(event) = forall.event(&mut choices) else { return false };
        let taken = choices.into_taken();
        let order = |choices: &[u32]| (choices.len(), choices.iter().map(|choice| u64::from(*choice)).sum::<u64>());
        if order(&taken) >= order(&best.choices) {
            return false;
        }
        let outcome = function.call(&event, Exactly::No);
        let differences = judge(case, &event, &outcome);
        let fails = !differences.is_empty();
        if fails {
            *best = Failure { choices: taken, event, outcome, differences };
        }
        fails
    };
    loop {
        let mut is_better = false;
        for size in [32, 8, 4, 3, 2, 1] {
            let mut at = 0;
            while at < best.choices.len() {
                let mut candidate = best.choices.clone();
                candidate.drain(at..(at + size).min(candidate.len()));
                match attempt(candidate, &mut best) {
                    true => is_better = true,
                    false => at += 1,
                }
            }
        }
        for at in 0..best.choices.len() {
            let now = best.choices.get(at).copied().unwrap_or(0);
            for lower in [0, now / 2, now.saturating_sub(1)] {
                if best.choices.get(at).is_some_and(|now| lower < *now) {
                    let mut candidate = best.choices.clone();
                    candidate[at] = lower;
                    is_better |= attempt(candidate, &mut best);
                }
            }
        }
        if !is_better {
            return best;
        }
    }
}

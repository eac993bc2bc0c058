//! What a function is called with: CloudFront's own test-event format, or a request made into it.

use super::keys;
use super::places::{self, Step};
use crate::source::{Diagnostic, SourcePath};
use serde_json::{Map, Value, json};

/// The most bytes that TestFunction takes.
const MAX_EVENT: usize = 40_960;

/// The moment every run takes place at, unless it is told another: 2026-01-01T00:00:00Z.
pub const DEFAULT_TIME: i64 = 1_767_225_600_000;

/// When a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Before the cache is looked into.
    ViewerRequest,
    /// Before the response leaves.
    ViewerResponse,
}

impl Kind {
    /// The name in `context.eventType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ViewerRequest => "viewer-request",
            Self::ViewerResponse => "viewer-response",
        }
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    kind: Kind,
    value: Value,
    /// As CloudFront makes it, see [`form`].
    text: String,
    raw_query: Option<String>,
    time: i64,
}

impl Event {
    /// Reads a test event. There is an event if nothing said of it is an error.
    pub fn parse(path: &SourcePath, text: &str) -> (Option<Self>, Vec<Diagnostic>) {
        if text.len() > MAX_EVENT {
            let problem = Diagnostic::error("CFF094", format!("the event has {} bytes", text.len()))
                .at(path, crate::source::Span::default())
                .hint(format!("TestFunction takes {MAX_EVENT} bytes at most"));
            return (None, vec![problem]);
        }
        match places::parse(path, text) {
            Ok(value) => Self::from_part(path, text, &[], &value),
            Err(problems) => (None, problems),
        }
    }

    /// An event that is a part of a larger text, such as a case.
    pub(super) fn from_part(path: &SourcePath, text: &str, at: &[Step], value: &Value) -> (Option<Self>, Vec<Diagnostic>) {
        let mut reader = Reader { path, text, steps: at.to_vec(), problems: Vec::new() };
        let kind = reader.event(value);
        let problems = reader.problems;
        if problems.iter().any(Diagnostic::is_error) {
            return (None, problems);
        }
        let raw_query = value.pointer("/request/querystring").map(query_string).filter(|query| !query.is_empty());
        // Of an event by itself the order of a query's names is told, and a `Value` has lost it.
        let given = if at.is_empty() {
            form(value, |part, table, name| places::find(text, &[part.into(), table.into(), name.into()]).start)
        } else {
            form(value, |_, _, _| 0)
        };
        (Some(Self { kind, value: value.clone(), text: given, raw_query, time: DEFAULT_TIME }), problems)
    }

    /// The event of a request as it came in: the path and the query as sent, header names in any case.
    pub fn viewer_request(method: &str, path: &str, query: Option<&str>, headers: &[(String, String)], ip: &str) -> Self {
        let Request { values, fields, cookies } = Request::of(query, headers);
        let context = json!({
            "eventType": Kind::ViewerRequest.name(), "distributionDomainName": "d0.cloudfront.net", "distributionId": "LOCAL",
            "requestId": "local",
        });
        let value = json!({
            "version": "1.0", "context": context, "viewer": { "ip": ip },
            "request": {
                "method": method, "uri": path, "querystring": values.value(), "headers": fields.value(), "cookies": cookies.value(),
            },
        });
        let text = form(&value, |_, table, name| match table {
            "querystring" => values.place(name),
            "headers" => fields.place(name),
            _ => cookies.place(name),
        });
        Self { kind: Kind::ViewerRequest, value, text, raw_query: query.map(str::to_owned), time: DEFAULT_TIME }
    }

    /// An event that somebody made up, such as one that a property is tried with: it says no more than a case would. Its path begins
    /// with `/`.
    pub(super) fn drawn(
        kind: Kind,
        method: &str,
        path: &str,
        query: Option<&str>,
        headers: &[(String, String)],
        ip: &str,
        response: Option<Value>,
    ) -> Self {
        let Request { values, fields, cookies } = Request::of(query, headers);
        let query = values.value();
        let raw_query = Some(query_string(&query)).filter(|query| !query.is_empty());
        let mut value = json!({
            "version": "1.0", "context": { "eventType": kind.name() }, "viewer": { "ip": ip },
            "request": {
                "method": method, "uri": path, "querystring": query, "headers": fields.value(), "cookies": cookies.value(),
            },
        });
        if let Some(response) = response {
            value["response"] = response;
        }
        Self { kind, text: form(&value, |_, _, _| 0), value, raw_query, time: DEFAULT_TIME }
    }

    /// The event of the response to this request.
    #[must_use]
    pub fn viewer_response(&self, status: u16, description: &str, headers: &[(String, String)]) -> Self {
        let mut fields = Entries::default();
        let mut cookies = Map::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if name == "set-cookie" {
                let (pair, attributes) = value.split_once(';').unwrap_or((value, ""));
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                cookies.insert(name.trim().to_owned(), json!({ "value": value.trim(), "attributes": attributes.trim() }));
            } else if !super::headers::disallowed(&name) {
                fields.add(&name, value);
            }
        }
        let mut value = self.value.clone();
        value["response"] =
            json!({ "statusCode": status, "statusDescription": description, "headers": fields.value(), "cookies": cookies });
        value["context"]["eventType"] = json!(Kind::ViewerResponse.name());
        let text = form(&value, |_, _, _| 0);
        Self { kind: Kind::ViewerResponse, text, value, raw_query: self.raw_query.clone(), time: self.time }
    }

    /// The same event at another time, in milliseconds since 1970.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = time;
        self
    }

    /// When the function runs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The event as data.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The JSON that a function is given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What `rawQueryString()` answers.
    pub fn raw_query(&self) -> Option<&str> {
        self.raw_query.as_deref()
    }

    /// What the clock shows, in milliseconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// The query string that goes on to the origin: byte for byte what came in, where the function left it alone.
    pub fn query_after(&self, request: &Value) -> String {
        let query = request.get("querystring").unwrap_or(&Value::Null);
        let before = self.value.pointer("/request/querystring").unwrap_or(&Value::Null);
        match &self.raw_query {
            Some(raw) if query_string(query) == query_string(before) => raw.clone(),
            _ => query_string(query),
        }
    }
}

/// An event as CloudFront makes it: known names only, in their order, and empty objects where nothing was given. `place` tells
/// where a name of a part's table stands; those in the same place are in the order of the alphabet.
fn form(value: &Value, place: impl Fn(&str, &str, &str) -> usize) -> String {
    let member = |name: &str, value: Option<&Value>| value.map(|value| format!("{}:{value}", json!(name)));
    let listed = |members: Vec<Option<String>>| format!("{{{}}}", members.into_iter().flatten().collect::<Vec<_>>().join(","));
    let entry = |entry: &Value, attributes: Option<&Value>| {
        let many = entry.get("multiValue").and_then(Value::as_array);
        let values = many.map(|many| many.iter().map(|one| listed(vec![member("value", one.get("value"))])).collect::<Vec<_>>());
        let first = many.and_then(|many| many.first()?.get("value"));
        listed(vec![
            member("value", entry.get("value").or(first)),
            member("attributes", attributes),
            values.map(|values| format!("\"multiValue\":[{}]", values.join(","))),
        ])
    };
    let table = |part: &str, name: &str| {
        let entries = value.get(part).and_then(|part| part.get(name)).and_then(Value::as_object);
        let mut entries: Vec<(&String, &Value)> = entries.into_iter().flatten().collect();
        entries.sort_by_cached_key(|(key, _)| place(part, name, key));
        let entries = keys::kept(entries, |(key, _)| key);
        let has_attributes = part == "response" && name == "cookies";
        let entries = entries.into_iter().map(|(key, value)| {
            let attributes = value.get("attributes").filter(|_| has_attributes);
            format!("{}:{}", json!(key), entry(value, attributes))
        });
        Some(format!("\"{name}\":{{{}}}", entries.collect::<Vec<_>>().join(",")))
    };
    let part = |part: &str, names: &[&str], tables: &[&str]| {
        let given = value.get(part);
        let mut members: Vec<_> = names.iter().map(|name| member(name, given.and_then(|given| given.get(*name)))).collect();
        members.extend(tables.iter().map(|name| table(part, name)));
        Some(format!("\"{part}\":{}", listed(members)))
    };
    let empty = json!({});
    let somebody = json!("198.51.100.11");
    let ip = value.get("viewer").and_then(|viewer| viewer.get("ip")).unwrap_or(&somebody);
    listed(vec![
        member("version", value.get("version")),
        member("context", value.get("context").filter(|context| context.is_object()).or(Some(&empty))),
        Some(format!("\"viewer\":{{\"ip\":{ip}}}")),
        part("request", &["method", "uri"], &["querystring", "headers", "cookies"]),
        value.get("response").and_then(|_| part("response", &["statusCode", "statusDescription"], &["headers", "cookies"])),
    ])
}

/// The parts of a request that have names.
#[derive(Default)]
struct Request {
    values: Entries,
    fields: Entries,
    cookies: Entries,
}

impl Request {
    fn of(query: Option<&str>, headers: &[(String, String)]) -> Self {
        let mut request = Self::default();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if name == "cookie" {
                for pair in value.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    request.cookies.add(name, value);
                }
            } else if !super::headers::disallowed(&name) {
                request.fields.add(&name, value);
            }
        }
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            request.values.add(name, value);
        }
        request
    }
}

/// Names with one or more values, in the order in which they first came.
#[derive(Default)]
struct Entries(Vec<(String, Vec<String>)>);

impl Entries {
    fn add(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.to_owned()),
            None => self.0.push((name.to_owned(), vec![value.to_owned()])),
        }
    }

    fn place(&self, name: &str) -> usize {
        self.0.iter().position(|(known, _)| known == name).unwrap_or(usize::MAX)
    }

    /// As a `Value`, which loses the order of names.
    fn value(&self) -> Value {
        let entries = self.0.iter().map(|(name, values)| {
            let mut entry = json!({ "value": values[0] });
            if values.len() > 1 {
                entry["multiValue"] = values.iter().map(|value| json!({ "value": value })).collect();
            }
            (name.clone(), entry)
        });
        entries.collect()
    }
}

/// The query string that an event's object form stands for, without a `?`. A text is itself.
pub fn query_string(query: &Value) -> String {
    let pair = |name: &str, value: &str| if value.is_empty() { name.to_owned() } else { format!("{name}={value}") };
    match query {
        Value::String(text) => text.clone(),
        Value::Object(entries) => {
            let pairs = entries.iter().flat_map(|(name, entry)| match entry.get("multiValue") {
                Some(Value::Array(values)) => values
                    .iter()
                    .map(|one| pair(name, one.get("value").and_then(Value::as_str).unwrap_or_default()))
                    .collect::<Vec<_>>(),
                _ => vec![pair(name, entry.get("value").and_then(Value::as_str).unwrap_or_default())],
            });
            pairs.collect::<Vec<_>>().join("&")
        }
        _ => String::new(),
    }
}

/// Goes through an event and says everything that TestFunction would refuse or drop.
struct Reader<'a> {
    path: &'a SourcePath,
    text: &'a str,
    steps: Vec<Step>,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn say(&mut self, error: bool, message: impl Into<String>, hint: &str) {
        let place = places::find(self.text, &self.steps);
        let make = if error { Diagnostic::error } else { Diagnostic::warning };
        self.problems.push(make("CFF094", message.into()).at(self.path, place).hint(hint));
    }

    fn within<T>(&mut self, step: impl Into<Step>, go: impl FnOnce(&mut Self) -> T) -> T {
        self.steps.push(step.into());
        let result = go(self);
        self.steps.pop();
        result
    }

    fn event(&mut self, event: &Value) -> Kind {
        let Some(entries) = event.as_object() else {
            self.say(true, "an event is an object", "see `docs/functions.md` for one to start from");
            return Kind::ViewerRequest;
        };
        match entries.get("version") {
            Some(Value::String(version)) if version == "1.0" => {}
            Some(other) => self.within("version", |this| {
                this.say(true, format!("the event's version is {other}"), "the only version is `\"1.0\"`");
            }),
            None => self.say(true, "the event has no `version`", "add `\"version\": \"1.0\"`"),
        }
        let kind = self.kind(entries);
        match entries.get("request") {
            Some(request) => self.within("request", |this| this.request(request)),
            None => self.say(true, "the event has no `request`", "a viewer-response event has one too"),
        }
        match (kind, entries.get("response")) {
            (Kind::ViewerResponse, Some(response)) => self.within("response", |this| this.response(response)),
            (Kind::ViewerResponse, None) => {
                self.say(true, "a viewer-response event has a `response`", "add one, or write `viewer-request`");
            }
            (Kind::ViewerRequest, Some(_)) => self.within("response", |this| {
                this.say(true, "a viewer-request event has no `response`", "write `viewer-response`, or remove it");
            }),
            (Kind::ViewerRequest, None) => {}
        }
        self.unknown(entries, &["version", "context", "viewer", "request", "response"]);
        kind
    }

    fn kind(&mut self, event: &Map<String, Value>) -> Kind {
        let guess = if event.contains_key("response") { Kind::ViewerResponse } else { Kind::ViewerRequest };
        match event.get("context").and_then(|context| context.get("eventType")) {
            Some(Value::String(name)) if name == Kind::ViewerRequest.name() => Kind::ViewerRequest,
            Some(Value::String(name)) if name == Kind::ViewerResponse.name() => Kind::ViewerResponse,
            Some(other) => {
                let message = format!("the event type is {other}");
                self.within("context", |this| {
                    this.within("eventType", |this| this.say(true, message, "write `viewer-request` or `viewer-response`"));
                });
                guess
            }
            None => {
                self.say(
                    false,
                    "the event has no `context.eventType`",
                    "TestFunction wants `\"context\": {\"eventType\": \"viewer-request\"}`",
                );
                guess
            }
        }
    }

    fn request(&mut self, request: &Value) {
        let Some(entries) = request.as_object() else {
            return self.say(true, "the request is not an object", "it has `method`, `uri`, `headers` and more");
        };
        match entries.get("method") {
            Some(Value::String(_)) => {}
            Some(_) => self.within("method", |this| this.say(true, "the method is not a text", "write `\"GET\"`")),
            None => self.say(true, "the request has no `method`", "write `\"method\": \"GET\"`"),
        }
        match entries.get("uri") {
            Some(Value::String(uri)) if uri.starts_with('/') => {
                if uri.contains('?') {
                    self.within("uri", |this| this.say(true, "the uri holds a query", "the query belongs into `querystring`"));
                }
            }
            Some(_) => self.within("uri", |this| this.say(true, "the uri does not begin with `/`", "write a path")),
            None => self.say(true, "the request has no `uri`", "write `\"uri\": \"/\"`"),
        }
        for (name, headers) in [("headers", true), ("querystring", false), ("cookies", false)] {
            if let Some(values) = entries.get(name) {
                self.within(name, |this| this.values(values, headers, &["value", "multiValue"]));
            }
        }
        self.unknown(entries, &["method", "uri", "headers", "querystring", "cookies"]);
    }

    fn response(&mut self, response: &Value) {
        let Some(entries) = response.as_object() else {
            return self.say(true, "the response is not an object", "it has `statusCode`, `headers` and more");
        };
        match entries.get("statusCode") {
            Some(code) if code.is_u64() => {}
            Some(_) => self.within("statusCode", |this| this.say(true, "the status is not a whole number", "write `200`")),
            None => self.say(true, "the response has no `statusCode`", "write `\"statusCode\": 200`"),
        }
        for (name, headers) in [("headers", true), ("cookies", false)] {
            if let Some(values) = entries.get(name) {
                self.within(name, |this| this.values(values, headers, &["value", "multiValue", "attributes"]));
            }
        }
        self.unknown(entries, &["statusCode", "statusDescription", "headers", "cookies", "body"]);
    }

    fn values(&mut self, values: &Value, headers: bool, known: &[&str]) {
        let Some(entries) = values.as_object() else {
            return self.say(true, "this is not an object", "it has the form `{\"name\": {\"value\": \"…\"}}`");
        };
        for (name, entry) in entries {
            self.within(name.as_str(), |this| {
                if headers && name.chars().any(|letter| letter.is_ascii_uppercase()) {
                    this.say(
                        true,
                        format!("the header `{name}` has upper-case letters"),
                        "functions see header names in lower case",
                    );
                }
                let Some(parts) = entry.as_object() else {
                    return this.say(true, format!("`{name}` is not an object"), "write `{\"value\": \"…\"}`");
                };
                if !parts.get("value").is_some_and(Value::is_string) && !parts.contains_key("multiValue") {
                    this.say(true, format!("`{name}` has no text as its `value`"), "write `{\"value\": \"…\"}`");
                }
                if let Some(many) = parts.get("multiValue") {
                    let fits = |one: &Value| one.get("value").is_some_and(Value::is_string);
                    if !many.as_array().is_some_and(|many| many.iter().all(fits)) {
                        this.within("multiValue", |this| {
                            this.say(true, "this is not a list of values", "write `[{\"value\": \"…\"}]`");
                        });
                    }
                }
                this.unknown(parts, known);
            });
        }
    }

    /// CloudFront drops what it does not know: AWS's own samples write `multivalue` and never notice.
    fn unknown(&mut self, entries: &Map<String, Value>, known: &[&str]) {
        for name in entries.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = match crate::source::near(name, known.iter().copied()) {
                Some(near) => format!("a key with a similar name exists: `{near}`"),
                None => format!("the keys here are `{}`", known.join("`, `")),
            };
            self.within(name.as_str(), |this| this.say(false, format!("CloudFront drops the key `{name}`"), &hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_given_what_cloudfront_makes_of_an_event() {
        let text = r#"{"request":{"uri":"/","method":"GET","body":"x","querystring":{"z":{"value":"1"},"a":{"multiValue":[{"value":"2","more":1},{"value":"3"}]}},
            "cookies":{"c":{"value":"d","attributes":"Secure"}}},"response":{"statusCode":200,"cookies":{"c":{"value":"d","attributes":"Secure"}}},
            "version":"1.0","context":{"eventType":"viewer-response"}}"#;
        let (event, _) = Event::parse(&"e.json".into(), text);
        assert_eq!(
            event.unwrap().text(),
            r#"{"version":"1.0","context":{"eventType":"viewer-response"},"viewer":{"ip":"198.51.100.11"},"request":{"method":"GET","uri":"/","querystring":{"z":{"value":"1"},"a":{"value":"2","multiValue":[{"value":"2"},{"value":"3"}]}},"headers":{},"cookies":{"c":{"value":"d"}}},"response":{"statusCode":200,"headers":{},"cookies":{"c":{"value":"d","attributes":"Secure"}}}}"#
        );
        let headers = [("Host".to_owned(), "x".to_owned())];
        let event = Event::viewer_request("GET", "/a", Some("z=1&a=2&z=3"), &headers, "::1");
        let (_, request) = event.text().split_once(r#""querystring":"#).unwrap();
        assert_eq!(
            request,
            r#"{"z":{"value":"1","multiValue":[{"value":"1"},{"value":"3"}]},"a":{"value":"2"}},"headers":{"host":{"value":"x"}},"cookies":{}}}"#,
            "in the order in which they came"
        );
    }

    fn problems(text: &str) -> Vec<(usize, String)> {
        let (event, problems) = Event::parse(&"e.json".into(), text);
        assert_eq!(event.is_some(), !problems.iter().any(Diagnostic::is_error));
        problems.into_iter().map(|problem| (problem.place.map_or(0, |(_, span)| span.start), problem.message)).collect()
    }

    #[test]
    fn a_sound_event_is_silent() {
        let text = r#"{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"1.2.3.4"},
            "request":{"method":"GET","uri":"/a","headers":{"host":{"value":"x"}},"querystring":{"b":{"value":"1"},"a":{"value":""}}}}"#;
        assert_eq!(problems(text), []);
        let (event, _) = Event::parse(&"e".into(), text);
        assert_eq!(event.and_then(|event| event.raw_query().map(str::to_owned)).as_deref(), Some("a&b=1"));
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let text = r#"{"version":"2.0","request":{"uri":"a","headers":{"Host":{"value":1}},"cookies":{"c":{"value":"","multivalue":[]}}}}"#;
        let found: Vec<String> = problems(text).into_iter().map(|(_, message)| message).collect();
        assert_eq!(
            found,
            [
                "the event's version is \"2.0\"",
                "the event has no `context.eventType`",
                "the request has no `method`",
                "the uri does not begin with `/`",
                "the header `Host` has upper-case letters",
                "`Host` has no text as its `value`",
                "CloudFront drops the key `multivalue`",
            ]
        );
        let host = problems(text).into_iter().find(|(_, message)| message.contains("upper-case")).expect("it was said");
        assert_eq!(&text[host.0..host.0 + 6], "\"Host\"");
    }

    #[test]
    fn a_request_becomes_an_event() {
        let headers = [("Host", "a.example"), ("Cookie", "x=1; y"), ("X-A", "1"), ("x-a", "2"), ("Connection", "close")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let event = Event::viewer_request("GET", "/p%20q", Some("b=1&a=%C3%A9&b=2"), &headers, "::1");
        assert_eq!(
            event.value()["request"],
            json!({
                "method": "GET", "uri": "/p%20q",
                "headers": {"host": {"value": "a.example"}, "x-a": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}},
                "cookies": {"x": {"value": "1"}, "y": {"value": ""}},
                "querystring": {"a": {"value": "%C3%A9"}, "b": {"value": "1", "multiValue": [{"value": "1"}, {"value": "2"}]}},
            })
        );
        assert_eq!(event.query_after(&event.value()["request"].clone()), "b=1&a=%C3%A9&b=2", "untouched is byte for byte");
        let (parsed, problems) = Event::parse(&"e".into(), event.text());
        assert!(parsed.is_some() && problems.is_empty(), "{problems:?}");
    }
}

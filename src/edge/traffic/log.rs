//! Lines of CloudFront's logs, as the requests they tell of.
//!
//! Three logs are read: standard logs, version 1 and version 2 in W3C form (names in a `#Fields` line, tabs between values), version 2 as
//! JSON (one object a line), and real-time logs (tabs, no names)
//! [doc: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html>,
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/real-time-logs.html>].

use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of a real-time log that has all of them, in their order. Newer ones come behind.
const REAL_TIME: [&str; 39] = [
    "timestamp",
    "c-ip",
    "time-to-first-byte",
    "sc-status",
    "sc-bytes",
    "cs-method",
    "cs-protocol",
    "cs-host",
    "cs-uri-stem",
    "cs-bytes",
    "x-edge-location",
    "x-edge-request-id",
    "x-host-header",
    "time-taken",
    "cs-protocol-version",
    "c-ip-version",
    "cs-user-agent",
    "cs-referer",
    "cs-cookie",
    "cs-uri-query",
    "x-edge-response-result-type",
    "x-forwarded-for",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-result-type",
    "fle-encrypted-fields",
    "fle-status",
    "sc-content-type",
    "sc-content-len",
    "sc-range-start",
    "sc-range-end",
    "c-port",
    "x-edge-detailed-result-type",
    "c-country",
    "cs-accept-encoding",
    "cs-accept",
    "cache-behavior-path-pattern",
    "cs-headers",
    "cs-header-names",
];

/// What a line tells of a request, as far as a function could see it. The viewer's address is not read at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The path as it was sent.
    pub uri: String,
    /// What stood behind the `?`.
    pub query: Option<String>,
    /// Names in lower case; cookies are not among them.
    pub headers: Vec<(String, String)>,
    /// `name=value; …`
    pub cookies: Option<String>,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing, a comment, or the names of the fields.
    Comment,
    /// A request.
    Request(Request),
    /// Nothing that can be read, and why.
    Skipped(String),
}

/// Reads the lines of one log.
#[derive(Clone, Debug)]
pub struct Reader {
    fields: Vec<String>,
    are_guessed: bool,
}

impl Reader {
    /// For a log without names, those that were chosen for it, in their order; none: all of a real-time log.
    pub fn new(fields: &[String]) -> Self {
        match fields {
            [] => Self { fields: REAL_TIME.map(str::to_owned).to_vec(), are_guessed: true },
            given => Self { fields: given.iter().map(|name| plain(name)).collect(), are_guessed: false },
        }
    }

    /// Reads the next line, without its end.
    pub fn line(&mut self, line: &str) -> Line {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line).trim_end_matches(['\r', '\n']);
        if let Some(names) = line.strip_prefix("#Fields:") {
            self.fields = names.split_whitespace().map(plain).collect();
            self.are_guessed = false;
            return Line::Comment;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            return Line::Comment;
        }
        let values = if line.starts_with('{') { json(line) } else { self.tabs(line) };
        match values.and_then(|values| request(&values)) {
            Ok(request) => Line::Request(request),
            Err(why) => Line::Skipped(why),
        }
    }

    fn tabs(&self, line: &str) -> Result<BTreeMap<String, String>, String> {
        let values: Vec<&str> = line.split('\t').collect();
        if values.len() < self.fields.len() {
            let hint = if self.are_guessed {
                "; the log has no names, and is no real-time log with all fields: name them with `--fields`"
            } else {
                ""
            };
            return Err(format!("it has {} values for {} fields{hint}", values.len(), self.fields.len()));
        }
        Ok(self.fields.iter().cloned().zip(values.into_iter().map(str::to_owned)).collect())
    }
}

/// `cs(User-Agent)` in one log is `cs-user-agent` in another.
fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('(', "-").replace(')', "")
}

fn json(line: &str) -> Result<BTreeMap<String, String>, String> {
    let value: Value = serde_json::from_str(line).map_err(|_| "it is no JSON, though it begins so".to_owned())?;
    let entries = value.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(entries.map(|(name, value)| (plain(name), text(value))).collect())
}

fn request(values: &BTreeMap<String, String>) -> Result<Request, String> {
    let value = |name: &str| values.get(name).map(String::as_str).filter(|value| !matches!(*value, "" | "-"));
    let method = value("cs-method").ok_or("it names no method (`cs-method`)")?;
    let stem = value("cs-uri-stem").ok_or("it names no path (`cs-uri-stem`)")?;
    // In a real-time log the query stands here too.
    let (path, behind) = stem.split_once('?').map_or((stem, None), |(path, query)| (path, Some(query)));
    let uri = sent(path);
    if !uri.starts_with('/') {
        return Err("its path does not begin with `/`: CloudFront refused the request before any function ran".to_owned());
    }
    let query = value("cs-uri-query").or(behind).map(sent).filter(|query| !query.is_empty());
    let mut headers: Vec<(String, String)> = Vec::new();
    // One of them is the name by which the visitor came, the other the distribution's own; which is which differs between logs.
    let hosts: Vec<&str> = ["x-host-header", "cs-host"].into_iter().filter_map(value).collect();
    let host = hosts.iter().find(|host| !host.ends_with(".cloudfront.net")).or(hosts.first());
    headers.extend(host.map(|host| ("host".to_owned(), host.to_ascii_lowercase())));
    for (field, name) in [
        ("cs-user-agent", "user-agent"),
        ("cs-referer", "referer"),
        ("cs-accept", "accept"),
        ("cs-accept-encoding", "accept-encoding"),
    ] {
        headers.extend(value(field).map(|value| (name.to_owned(), decoded(value))));
    }
    let mut cookies = value("cs-cookie").map(decoded);
    for line in value("cs-headers").map(decoded).unwrap_or_default().lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "cookie" => drop(cookies.get_or_insert(value)),
            _ if headers.iter().any(|(known, _)| *known == name) => {}
            _ => headers.push((name, value)),
        }
    }
    Ok(Request { method: method.to_owned(), uri, query, headers, cookies })
}

/// A text of the log, its escapes undone once.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What was sent, of what is logged: the log escapes blanks, controls, letters outside of ASCII, and `%` itself.
///
/// Some logs do not escape `%`. Nothing with a blank or a control in it can have been sent as a path, so where undoing the escapes
/// leads to one, or to no text, they were the visitor's own.
fn sent(logged: &str) -> String {
    let is_broken = logged
        .match_indices('%')
        .any(|(at, _)| logged.as_bytes().get(at + 1..at + 3).is_none_or(|digits| !digits.iter().all(u8::is_ascii_hexdigit)));
    let undone = percent_encoding::percent_decode_str(logged).decode_utf8();
    match undone {
        Ok(undone) if !is_broken && !undone.chars().any(|letter| letter == ' ' || letter.is_control() || letter == '?') => {
            undone.into_owned()
        }
        _ => logged.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: &mut Reader, line: &str) -> Request {
        match reader.line(line) {
            Line::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_is_what_was_sent() {
        for (logged, seen) in [
            ("/a", "/a"),
            ("/a%2520b", "/a%20b"),
            ("/track/a%252Fb", "/track/a%2Fb"),
            ("/caf%25C3%25A9", "/caf%C3%A9"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a%20b"),
            ("/%", "/%"),
            ("/%25", "/%"),
            ("/%ff", "/%ff"),
            ("/a%5Cb", "/a\\b"),
        ] {
            assert_eq!(sent(logged), seen, "{logged}");
        }
    }

    #[test]
    fn standard_logs_say_what_their_fields_are() {
        let mut reader = Reader::new(&[]);
        assert_eq!(reader.line("#Version: 1.0"), Line::Comment);
        let fields = "date time c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-host-header";
        assert_eq!(reader.line(&format!("#Fields: {fields}")), Line::Comment);
        let line = "2026-01-01\t00:00:00\t192.0.2.9\tGET\td1.cloudfront.net\t/track/x\t200\t-\tMozilla/5.0%20(X)\ta=1&b=%2520\ts=1;%20t=2\twww.example.com";
        let request = read(&mut reader, line);
        assert_eq!(
            (request.method.as_str(), request.uri.as_str(), request.query.as_deref()),
            ("GET", "/track/x", Some("a=1&b=%20"))
        );
        let header = |name: &str| request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(
            (header("host"), header("user-agent"), header("referer")),
            (Some("www.example.com"), Some("Mozilla/5.0 (X)"), None)
        );
        assert_eq!(request.cookies.as_deref(), Some("s=1; t=2"));
        assert!(!format!("{request:?}").contains("192.0.2.9"), "nobody's address");
        assert_eq!(reader.line("2026-01-01\tx"), Line::Skipped("it has 2 values for 12 fields".to_owned()));
        assert_eq!(reader.line(&line.replace("/track/x", "-")), Line::Skipped("it names no path (`cs-uri-stem`)".to_owned()));
        assert_eq!(reader.line(""), Line::Comment);
    }

    #[test]
    fn json_and_real_time_logs_are_read_too() {
        let line = r#"{"cs-method":"HEAD","cs(Host)":"www.example.com","cs-uri-stem":"/a","cs-uri-query":"-","sc-status":200}"#;
        let request = read(&mut Reader::new(&[]), line);
        assert_eq!((request.method.as_str(), request.uri.as_str(), request.query), ("HEAD", "/a", None));
        assert!(matches!(Reader::new(&[]).line("{x"), Line::Skipped(_)));
        let all: Vec<&str> = REAL_TIME
            .iter()
            .map(|name| match *name {
                "cs-method" => "GET",
                "cs-uri-stem" => "/b?x=1",
                "cs-headers" => "Host:www.example.com%0AAuthorization:secret%0ACookie:c=1%0AAccept-Language:de",
                _ => "-",
            })
            .collect();
        let request = read(&mut Reader::new(&[]), &format!("{}\tnewer", all.join("\t")));
        assert_eq!((request.uri.as_str(), request.query.as_deref(), request.cookies.as_deref()), ("/b", Some("x=1"), Some("c=1")));
        assert!(request.headers.contains(&("accept-language".to_owned(), "de".to_owned())));
        let mut chosen = Reader::new(&["cs-method".to_owned(), "cs-uri-stem".to_owned()]);
        assert_eq!(read(&mut chosen, "GET\t/c").uri, "/c");
        let Line::Skipped(why) = Reader::new(&[]).line("GET\t/c") else { panic!("too short") };
        assert!(why.contains("--fields"), "{why}");
    }
}

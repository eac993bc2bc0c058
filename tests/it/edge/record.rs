//! Cases from logs, by the real program.

use crate::project::{Project, Run};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

const ROUTE: &str = "export function handler(event) {
  const request = event.request;
  if (/^\\/track\\/[^/.]+$/.test(request.uri)) request.uri = '/track/index.html';
  else if (!request.uri.includes('.') && !request.uri.endsWith('/')) return { statusCode: 301, headers: { location: { value: request.uri + '/' } } };
  return request;
}
";

const FIELDS: &str = "#Version: 1.0\n#Fields: date time c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-host-header\n";

fn row(method: &str, stem: &str, query: &str, cookie: &str) -> String {
    format!(
        "2026-01-01\t00:00:00\t203.0.113.99\t{method}\td1.cloudfront.net\t{stem}\t200\thttps://mail.example/inbox/ann\tcurl/8\t{query}\t{cookie}\twww.example.com\n"
    )
}

fn log() -> String {
    let rows = [
        row("GET", "/track/9fK2mQ7x", "-", "session=Secret42"),
        row("GET", "/track/Zz81bb3c", "-", "-"),
        row("GET", "/prices", "email=ann%2540example.com", "-"),
        row("POST", "/prices", "-", "-"),
        row("GET", "/assets/site.css", "-", "-"),
        row("GET", "/caf%25C3%25A9/", "-", "-"),
        "2026-01-01\tcut off\n".to_owned(),
        row("GET", "-", "-", "-"),
    ];
    FIELDS.to_owned() + &rows.concat()
}

fn project() -> Project {
    Project::new().file("functions/route.js", ROUTE)
}

fn names(run: &Run) -> Vec<String> {
    let document = run.json();
    let rows = document["recorded"].as_array().expect("a list");
    rows.iter().map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_log_becomes_cases_that_pass_and_tell_nothing_of_anybody() {
    let project = project().file("access.log", log());
    let run = project.qdn(&["function", "record", "access.log", "--json"]).ended(0);
    let document = run.json();
    assert_eq!((&document["lines"], &document["requests"], &document["known"]), (&json!(10), &json!(6), &json!(0)));
    let skipped: Vec<(&Value, &Value)> =
        document["skipped"].as_array().unwrap().iter().map(|one| (&one["reason"], &one["line"])).collect();
    assert_eq!(
        skipped,
        [(&json!("it has 2 values for 12 fields"), &json!(9)), (&json!("it names no path (`cs-uri-stem`)"), &json!(10))]
    );
    let mut found = names(&run);
    found.sort();
    assert_eq!(
        found,
        ["seen-assets-site-css", "seen-escaped-slash", "seen-prices-post-301", "seen-prices-query-301", "seen-track-token"]
    );
    let all: String =
        project.tree("functions/route.cases").into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    for secret in ["9fK2mQ7x", "Zz81bb3c", "Secret42", "ann", "203.0.113.99", "inbox"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(all.contains("/caf%C3%A9/"), "as the function saw it: {all}");
    project.qdn(&["function", "test"]).ended(0);
    let before = project.tree("functions");
    let run = project.qdn(&["function", "record", "access.log"]).ended(0);
    assert!(run.stderr.contains("5 kinds of request known from existing cases"), "{}", run.stderr);
    assert!(run.stderr.contains("1 line like access.log:9: it has 2 values for 12 fields"), "{}", run.stderr);
    assert_eq!(project.tree("functions"), before, "what is there is never overwritten");
}

#[test]
fn logs_come_packed_by_name_as_json_and_on_stdin() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(log().as_bytes()).unwrap();
    let project = project().file("a.gz", packed.finish().unwrap());
    let lines = r#"{"cs-method":"GET","x-host-header":"www.example.com","cs-uri-stem":"/about/","cs-uri-query":"-"}"#;
    project.write("b.json", format!("{lines}\n{lines}\n"));
    let dry = project.qdn(&["function", "record", "route", "a.gz", "b.json", "--dry-run", "--limit", "2", "--json"]).ended(0);
    let document = dry.json();
    assert_eq!((&document["requests"], &document["left"], names(&dry).len()), (&json!(8), &json!(4), 2), "{document}");
    assert!(!project.exists("functions/route.cases"), "a dry run writes nothing");

    let mut process = project.command(&["function", "record", "--fields", "cs-method,cs-uri-stem", "--json"]);
    let mut process = process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"GET\t/track/9fK2mQ7x?t=1\n").unwrap();
    let run = Run::of(&process.wait_with_output().unwrap()).ended(0);
    assert_eq!(names(&run), ["seen-track-token-query"]);
    let case: Value = serde_json::from_str(&project.read("functions/route.cases/seen-track-token-query.json")).unwrap();
    assert_eq!(case["expect"], json!({ "request": { "uri": "/track/index.html" } }));
    let run = project.qdn(&["function", "record", "nowhere.log"]).ended(2);
    assert!(run.stderr.contains("there is neither a file nor a function `nowhere.log`"), "{}", run.stderr);
}

#[test]
fn what_fails_is_recorded_only_when_asked_for() {
    let project = Project::new().file("functions/route.js", "export function handler(event) { throw new Error('x'); }");
    project.write("access.log", log());
    let run = project.qdn(&["function", "record", "access.log"]).ended(0);
    assert!(run.stderr.contains("the function fails for 6 requests: FunctionExecutionError"), "{}", run.stderr);
    assert!(!project.exists("functions/route.cases"));
    let run = project.qdn(&["function", "record", "access.log", "--errors", "--json"]).ended(0);
    assert!(!names(&run).is_empty());
    project.qdn(&["function", "test"]).ended(0);
}

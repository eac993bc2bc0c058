//! The cases of our own function, in the emulator and in njs, the engine nearest to CloudFront's.

use super::{FUNCTION, functions, our_bundle};
use qdn::edge::{self, Runtime, cases};
use qdn::source::SourcePath;
use serde_json::{Value, json};
use std::process::Command;

fn all() -> Vec<cases::Case> {
    let sources = functions();
    let paths = cases::of(&sources, &SourcePath::new(FUNCTION));
    paths
        .iter()
        .map(|path| {
            let (case, problems) = cases::parse(path, sources.text(path.as_str()).expect("text"));
            assert_eq!(problems, [], "{path}");
            case.expect("a case without problems")
        })
        .collect()
}

#[test]
fn every_case_passes_in_the_emulator() {
    let bundle = our_bundle(&json!({}));
    let all = all();
    assert!(all.len() >= 40, "there are {} cases", all.len());
    let mut failures = String::new();
    for case in &all {
        let verdict = cases::run(case, &bundle.code, Runtime::V2);
        for difference in &verdict.differences {
            failures.push_str(&format!("{}: {difference}\n", case.name));
        }
        // An expression over eight thousand letters costs a tick of its own.
        let most = if case.name == "track-very-long" || case.forall.is_some() { 60 } else { 5 };
        assert!(verdict.outcome.utilization <= most, "{}: {} %", case.name, verdict.outcome.utilization);
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_bundle_is_small() {
    let bundle = our_bundle(&json!({}));
    assert!(bundle.code.len() < 2_560, "{} bytes:\n{}", bundle.code.len(), bundle.code);
    assert!(bundle.imports.contains("qdn:redirects"));
    assert!(bundle.source_map.contains("\"mappings\""));
}

/// What njs makes of a script and some events: the value of the handler for each, or the error's message.
pub(super) fn njs(code: &str, events: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("function.js");
    let harness = format!(
        "{code}\n;(function () {{\n  var events = JSON.parse({});\n  events.forEach(function (event) {{\n    \
         try {{ console.log(JSON.stringify({{ value: handler(event) }})); }} catch (error) {{ console.log(JSON.stringify({{ error: String(error) }})); }}\n  \
         }});\n}})();\n",
        json!(serde_json::to_string(events).expect("JSON"))
    );
    std::fs::write(&file, harness).expect("written");
    let output = match Command::new("njs").arg("-q").arg(&file).output() {
        Ok(output) => output,
        Err(error) => panic!("njs does not run ({error}): `apt-get install -y njs`"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("njs said {line}{errors}"))).collect();
    assert_eq!(lines.len(), events.len(), "{errors}");
    lines
}

/// What a handler returned, in the form in which CloudFront gives it back.
fn settled(line: &Value) -> Value {
    let mut value = line["value"].clone();
    let kind = if value.get("statusCode").is_some() { "response" } else { "request" };
    let parts: &[&str] = if kind == "response" { &["headers", "cookies"] } else { &["headers", "cookies", "querystring"] };
    for part in parts {
        if value.get(*part).is_none() {
            value[*part] = json!({});
        }
    }
    json!({ kind: value })
}

#[test]
fn njs_agrees_with_the_emulator() {
    let redirects = json!({ "/old/": "/prices/", "/ad": "/book/?size=20#form", "/gone/": "https://other.example/x" });
    let bundle = our_bundle(&redirects);
    let all = all();
    // Of a property, as many events as such a test can afford.
    let mut events: Vec<edge::Event> = all.into_iter().flat_map(|case| case.events(20)).collect();
    // njs cuts what it prints.
    events.retain(|event| event.value().to_string().len() < 3_000);
    for (path, query) in
        [("/old/", None), ("/old", Some("a=1")), ("/ad", Some("b&utm=x")), ("/ad/", None), ("/gone", Some("q=%20"))]
    {
        events.push(edge::Event::viewer_request("GET", path, query, &[], "198.51.100.1"));
        events.push(edge::Event::viewer_request("POST", path, query, &[], "198.51.100.1"));
    }
    let said = njs(&bundle.code, &events.iter().map(|event| event.value().clone()).collect::<Vec<_>>());
    let mut emulator = edge::Emulator::load(&bundle.code, Runtime::V2, edge::KeyValues::default()).expect("it loads");
    for (event, line) in events.iter().zip(said) {
        let outcome = emulator.run(event);
        assert_eq!(outcome.error, None, "{}", event.value());
        assert_eq!(outcome.result, Some(settled(&line)), "{}", event.value());
    }
}

#[test]
fn redirects_keep_the_query_and_the_fragment() {
    let redirects = json!({ "/old/": "/prices/", "/ad": "/book/?size=20#form", "/gone/": "https://other.example/x" });
    let bundle = our_bundle(&redirects);
    let mut emulator = edge::Emulator::load(&bundle.code, Runtime::V2, edge::KeyValues::default()).expect("it loads");
    let mut location = |method: &str, path: &str, query: Option<&str>| {
        let outcome = emulator.run(&edge::Event::viewer_request(method, path, query, &[], "198.51.100.1"));
        let response = outcome.response()?;
        assert_eq!(response["statusCode"], 301);
        response["headers"]["location"]["value"].as_str().map(str::to_owned)
    };
    assert_eq!(location("GET", "/old/", None).as_deref(), Some("/prices/"));
    assert_eq!(location("GET", "/old", Some("t=1&t=2")).as_deref(), Some("/prices/?t=1&t=2"));
    assert_eq!(location("HEAD", "/ad/", Some("utm=a%20b")).as_deref(), Some("/book/?size=20&utm=a%20b#form"));
    assert_eq!(location("GET", "/gone", None).as_deref(), Some("https://other.example/x"));
    assert_eq!(location("POST", "/old/", None), None, "a redirect would make a GET of it");
    assert_eq!(location("GET", "//old/", None), None, "an odd path is nobody's");
}

/// No path may make the function throw, or lead to another site.
#[test]
fn no_path_throws_or_leads_away() {
    let bundle = our_bundle(&json!({}));
    let mut emulator = edge::Emulator::load(&bundle.code, Runtime::V2, edge::KeyValues::default()).expect("it loads");
    let parts = ["", "/", "\\", "..", "%2f", "%", "\u{0}", "\n", "track", "@evil"];
    for first in parts {
        for second in parts {
            for third in parts {
                let uri = format!("/{first}/{second}{third}");
                let outcome = emulator.run(&super::get(&uri));
                assert_eq!(outcome.error, None, "{uri:?}");
                if let Some(response) = outcome.response() {
                    let location = response["headers"]["location"]["value"].as_str().expect("a redirect leads somewhere");
                    assert!(
                        location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\"),
                        "{uri:?} → {location:?}"
                    );
                    assert!(!location.chars().any(char::is_control), "{uri:?} → {location:?}");
                }
            }
        }
    }
}

//! What somebody does with cases all day: run them, run them at every save, bring them up to date, look for what none reaches.

use crate::project::{Project, Run};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

const ROUTE: &str = "export function handler(event) {
  const request = event.request;
  if (request.uri.startsWith('/track/')) {
    request.uri = '/track/index.html';
  } else if (request.uri === '/old') {
    return { statusCode: 301, headers: { location: { value: '/new/' } } };
  }
  return request;
}
";

pub(super) fn case(uri: &str, expect: &Value) -> String {
    let event = json!({ "version": "1.0", "context": { "eventType": "viewer-request" }, "viewer": { "ip": "198.51.100.7" },
        "request": { "method": "GET", "uri": uri, "querystring": {}, "headers": {}, "cookies": {} } });
    format!("{{\n  \"about\": \"one\",\n  \"event\": {event},\n  \"expect\":  {expect}\n}}\n")
}

fn project() -> Project {
    Project::new()
        .file("functions/route.js", ROUTE)
        .file("functions/route.cases/track.json", case("/track/x", &json!({ "request": { "uri": "/track/index.html" } })))
}

/// Of the only function that a run tells of.
fn only(run: &Run) -> Value {
    run.json()["functions"][0].clone()
}

#[test]
fn a_property_is_tried_and_its_failure_is_printed_as_a_case() {
    let property = r#"{ "about": "any path goes on as it came", "forall": { "uri": "/{segment}/{any}" }, "expect": { "request": { "uri": "{uri}" } } }"#;
    let project = project().file("functions/route.cases/stays.json", property);
    let document = only(&project.qdn(&["function", "test", "route", "--json"]).ended(0));
    assert_eq!((&document["passed"], &document["cases"][0]["tries"]), (&json!(2), &json!(300)), "a segment is rarely `track`");
    project.write("functions/route.cases/stays.json", property.replace("{segment}", "{track|x}"));
    let run = project.qdn(&["function", "test"]).ended(1);
    assert!(run.stderr.contains("route · stays does not hold for every event ("), "{}", run.stderr);
    assert!(run.stderr.contains("request.uri\n    - expected \"/track/\"\n    + got      \"/track/index.html\""), "{}", run.stderr);
    let found = only(&project.qdn(&["function", "test", "--json"]).ended(1))["cases"][0]["found"].clone();
    assert_eq!(found["event"]["request"]["uri"], "/track/", "as small as it gets");
    project.write("functions/route.cases/found.json", found.to_string());
    project.remove("functions/route.cases/stays.json");
    let run = project.qdn(&["function", "test", "--json"]).ended(1);
    let failed: Vec<Value> =
        only(&run)["cases"].as_array().unwrap().iter().filter(|case| case["passed"] == false).cloned().collect();
    assert_eq!((failed.len(), &failed[0]["name"]), (1, &json!("found")), "what is printed is a case, ready to be kept");
    assert_eq!(only(&project.qdn(&["function", "test", "--json", "--tries", "7"]).ended(1))["failed"], 1);
    let broken = r#"{ "forall": { "uri": "/{tokn}" }, "expect": { "request": { "uri": { "$like": "x" } } } }"#;
    project.write("functions/route.cases/broken.json", broken);
    let places = project.qdn(&["function", "test", "--json"]).ended(1).places();
    assert_eq!(places, ["CFF094 functions/route.cases/broken.json:1:15", "CFF094 functions/route.cases/broken.json:1:69"]);
}

#[test]
fn what_passed_is_run_again_only_when_something_changed() {
    let route =
        "import { target } from './lib/target.js';\nimport redirects from 'qdn:redirects';\nexport function handler(event) {
      if (redirects[event.request.uri]) return { statusCode: 301, headers: { location: { value: redirects[event.request.uri] } } };
      if (event.request.uri === '/track/x') event.request.uri = target;
      return event.request;
    }";
    let track = |uri: &str| case("/track/x", &json!({ "request": { "uri": uri } }));
    let project = project()
        .file("functions/route.js", route)
        .file("functions/lib/target.js", "export const target = '/track/index.html';")
        .file("functions/route.cases/track.json", track("/track/index.html"));
    let is_recalled = |arguments: &[&str], passes: bool| {
        let arguments = [&["function", "test", "--json"], arguments].concat();
        let document = only(&project.qdn(&arguments).ended(i32::from(!passes)));
        assert_eq!(document["failed"] == 0, passes, "{document}");
        document["recalled"].as_bool().expect("it says so")
    };
    let twice = |why: &str| {
        assert!(!is_recalled(&[], true), "{why}");
        let [first, second] = [["--again"].as_slice(), &[]].map(|arguments| {
            let document = only(&project.qdn(&[&["function", "test", "--json"], arguments].concat()).ended(0));
            (document["recalled"].clone(), document["cases"].clone())
        });
        assert_eq!((&first.0, &second.0), (&json!(false), &json!(true)), "{why}");
        assert_eq!(first.1, second.1, "{why}: it says what the run said");
    };
    twice("the first time");
    for (path, text) in [
        ("functions/lib/target.js", "export const target = '/track/index.html' + '';".to_owned()),
        ("functions/route.cases/more.json", track("/track/index.html")),
        (
            "functions/route.cases/any.json",
            r#"{"forall": {"uri": "/x{number}"}, "expect": {"request": {"uri": "{uri}"}}}"#.to_owned(),
        ),
        ("site/new.md", "---\naliases: [/old/]\n---\n".to_owned()),
        ("qdn.toml", "[functions.route]\nruntime = \"cloudfront-js-2.0\"\n".to_owned()),
    ] {
        project.write(path, text);
        twice(path);
    }
    assert!(!is_recalled(&["--tries", "7"], true) && is_recalled(&["--tries", "7"], true) && !is_recalled(&["--tries", "8"], true));
    twice("with as many events as ever");
    let run = project.qdn(&["function", "test"]).ended(0);
    assert!(run.stderr.contains("; nothing has changed since they were run"), "{}", run.stderr);
    let run = project.qdn(&["check"]).ended(0);
    assert!(run.stderr.contains("; nothing has changed since they were run"), "{}", run.stderr);
    let covered = only(&project.qdn(&["function", "test", "--coverage", "--json"]).ended(0));
    assert!(covered["coverage"]["branches"].as_u64().unwrap() > 0 && covered["recalled"] == false, "{covered}");

    project.write("functions/lib/target.js", "export const target = '/elsewhere';");
    assert!(!is_recalled(&[], false) && !is_recalled(&[], false), "a failure is run until it is mended");
    project.write("functions/lib/target.js", "export const target = '/track/index.html' + '';");
    assert!(is_recalled(&[], true), "and then it is what passed before");
    for (file, _) in project.tree(".qdn/cache/cases") {
        project.write(&format!(".qdn/cache/cases/{}", file.display()), "x");
    }
    assert!(!is_recalled(&[], true), "a file that somebody wrote into is none");
    assert!(is_recalled(&[], true));
}

#[test]
fn two_functions_of_one_name_and_one_that_imports_from_the_site_are_run_for_what_they_are() {
    let wrong = "export function handler(event: any) { event.request.uri = '/wrong'; return event.request; }";
    let project = project().file("functions/route.ts", wrong);
    let run = project.qdn(&["function", "test", "--json"]).ended(1);
    let failed: Vec<Value> =
        run.json()["functions"].as_array().unwrap().iter().map(|function| function["failed"].clone()).collect();
    assert_eq!(failed, [json!(0), json!(1)], "what passes of the one says nothing of the other");
    project.remove("functions/route.ts");
    project.write("functions/route.js", "import { target } from '../site/assets/lib/target.js';\nexport function handler(event) { event.request.uri = target; return event.request; }");
    project.write("site/assets/lib/target.js", "export const target = '/track/index.html';");
    assert_eq!(only(&project.qdn(&["function", "test", "--json"]).ended(0))["recalled"], false);
    project.write("site/assets/lib/target.js", "export const target = '/elsewhere';");
    project.qdn(&["function", "test"]).ended(1);
}

#[test]
fn an_update_rewrites_what_differs_and_nothing_else() {
    let project = project();
    let wrong = case("/old", &json!({ "request": { "uri": "/old" } }));
    project.write("functions/route.cases/old.json", &wrong);
    let partly = case("/track/y", &json!({ "request": { "method": "GET", "uri": "/track/y" } }));
    project.write("functions/route.cases/partly.json", &partly);
    let run = project.qdn(&["function", "test", "--update"]).ended(0);
    assert!(
        run.stderr
            .contains("updated functions/route.cases/partly.json\n  request.uri\n  - \"/track/y\"\n  + \"/track/index.html\""),
        "{}",
        run.stderr
    );
    assert_eq!(
        project.read("functions/route.cases/partly.json"),
        partly.replace(r#""uri":"/track/y"}}"#, r#""uri":"/track/index.html"}}"#)
    );
    let old = project.read("functions/route.cases/old.json");
    assert!(old.starts_with(wrong.split("\"expect\"").next().unwrap()) && old.contains("\"statusCode\": 301"), "{old}");
    let before = project.tree("functions");
    let document = only(&project.qdn(&["function", "test", "--update", "--json"]).ended(0));
    assert_eq!((&document["updated"], project.tree("functions")), (&json!([]), before), "nothing fails, nothing is written");

    project.write("functions/route.js", "export function handler(event) { throw new Error(event.request.uri); }");
    let before = project.tree("functions");
    let run = project.qdn(&["function", "test", "--update"]).ended(1);
    assert!(run.stderr.contains("left as it is: functions/route.cases/old.json: the function fails: mend it"), "{}", run.stderr);
    assert_eq!(project.tree("functions"), before, "an error is not made an expectation unasked");
    let document = only(&project.qdn(&["function", "test", "--update=errors", "--json"]).ended(0));
    assert_eq!(document["updated"].as_array().map(Vec::len), Some(3), "{document}");
    assert_eq!(document["updated"][0]["file"], "functions/route.cases/old.json");
    project.qdn(&["function", "test"]).ended(0);
}

#[test]
fn what_no_case_reaches_is_drawn_and_counted() {
    let project = project();
    let run = project.qdn(&["function", "test", "--coverage"]).ended(0);
    assert!(run.stderr.contains("functions/route.js:3:7") && run.stderr.contains("never false"), "{}", run.stderr);
    assert!(run.stderr.contains("functions/route.js:5:14") || run.stderr.contains("never true"), "{}", run.stderr);
    assert!(run.stderr.contains("reached 2 of 5 branches of route (40 %)"), "{}", run.stderr);
    let run = project.qdn(&["function", "test", "--least", "41"]).ended(1);
    assert!(run.stderr.contains("the cases reach 2 of 5 branches of route (40 %), and 41 % are asked for"), "{}", run.stderr);
    project.write("functions/route.cases/old.json", case("/old", &json!({ "response": { "statusCode": 301 } })));
    project.write("functions/route.cases/other.json", case("/", &json!({ "request": { "uri": "/" } })));
    let run = project.qdn(&["function", "test", "--least", "100", "--lcov", "lcov.info", "--json"]).ended(0);
    assert_eq!(only(&run)["coverage"], json!({ "branches": 5, "reached": 5, "percent": 100.0, "unreached": [] }));
    let lcov = project.read("lcov.info");
    for line in [
        "SF:functions/route.js",
        "FNDA:3,function@1:8",
        "BRDA:3,2,0,1",
        "BRDA:3,2,1,2",
        "BRF:4",
        "BRH:4",
        "DA:5,1",
        "end_of_record",
    ] {
        assert!(lcov.lines().any(|known| known == line), "{line} in\n{lcov}");
    }
    let built = project.qdn(&["function", "build", "route"]).ended(0).stdout;
    assert!(!built.contains("__qdn"), "what is uploaded does not count");
}

#[test]
fn a_large_function_and_one_by_itself_are_counted_too() {
    let folder = tempfile::tempdir().unwrap();
    let many: String = (0..400).map(|number| format!("  if (uri === '/{number}') return {{ statusCode: 200 }};\n")).collect();
    let code = format!("function handler(event) {{\n  var uri = event.request.uri;\n{many}  return event.request;\n}}\n");
    fs::write(folder.path().join("big.js"), code).unwrap();
    fs::create_dir(folder.path().join("big.cases")).unwrap();
    fs::write(folder.path().join("big.cases/7.json"), case("/7", &json!({ "response": { "statusCode": 200 } }))).unwrap();
    let project = Project::empty();
    let file = folder.path().join("big.js").display().to_string();
    let run = project.qdn(&["function", "test", &file, "--coverage", "--json"]);
    // Larger than what is uploaded, and over the limit as it stands: bundled it fits.
    let document = only(&run.ended(0));
    assert_eq!((&document["coverage"]["branches"], &document["coverage"]["reached"]), (&json!(801), &json!(9)), "{document}");
}

#[test]
fn cases_run_again_at_every_save() {
    let project = project();
    let mut process =
        project.command(&["function", "test", "--watch"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = channel();
    let stderr = BufReader::new(process.stderr.take().unwrap());
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    let until = |wanted: &str| {
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) {
            let is_it = line.contains(wanted);
            seen.push(line);
            if is_it {
                return;
            }
        }
        panic!("no {wanted:?} in {seen:#?}");
    };
    until("passed 1 case of route");
    until("watching");
    project.write("functions/route.js", ROUTE.replace("'/track/index.html'", "'/other'"));
    until("1 of 1 cases of route failed");
    until("watching");
    project.write("functions/route.js", "export function handler(event) {");
    until("watching");
    project.write("functions/route.js", ROUTE);
    until("passed 1 case of route");
    let ended = std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert_eq!(process.wait().unwrap().code(), Some(130));
}

//! Functions: our own against its cases in the emulator and in real njs, the checker's rules, the emulator's contract.

#![allow(clippy::disallowed_methods, reason = "the samples are files")]

mod cases;
mod chain;
mod cloud;
mod compiler;
mod cwt;
mod daily;
mod differences;
mod differential;
mod hostile;
mod levels;
mod limits;
mod lowering;
mod programs;
mod record;
mod rules;
mod utilization;
mod world;

use qdn::edge::{self, Bundle, Event, KeyValues, Outcome, Runtime};
use qdn::source::{SourcePath, Sources, line_column};
use std::collections::BTreeMap;
use std::path::Path;

/// The function of this repository, with the redirects that a site might have.
const FUNCTION: &str = "functions/qdn-track-rewrite.js";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Everything under `functions/`.
fn functions() -> Sources {
    let mut sources = Sources::new();
    let mut open = vec![root().join("functions")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inner = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
                sources.insert(inner.as_str(), std::fs::read(&path).expect("a file"));
            }
        }
    }
    sources
}

/// The bundle of our function with these redirects.
fn our_bundle(redirects: &serde_json::Value) -> Bundle {
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), format!("export default {redirects};\n"))]);
    let options = edge::Options { runtime: Runtime::V2, virtual_modules: &modules };
    let checked = edge::check(&functions(), &SourcePath::new(FUNCTION), &options);
    assert_eq!(checked.diagnostics(), [], "our own function is clean");
    checked.bundle().expect("and bundles")
}

/// What the checker says of a script: rule, line and column.
fn complaints(code: &str, runtime: Runtime) -> Vec<String> {
    let sources: Sources = [("functions/f.js", code.as_bytes().to_vec())].into_iter().collect();
    let modules = BTreeMap::new();
    let checked = edge::check(&sources, &"functions/f.js".into(), &edge::Options { runtime, virtual_modules: &modules });
    let mut said: Vec<String> = checked
        .diagnostics()
        .iter()
        .map(|problem| {
            let (path, span) = problem.place.as_ref().expect("every complaint has a place");
            assert_eq!(path.as_str(), "functions/f.js");
            assert!(!problem.hints.is_empty(), "every complaint has a hint: {}", problem.message);
            assert!(!problem.message.ends_with('.') && !problem.message.starts_with(char::is_uppercase), "{}", problem.message);
            let (line, column) = line_column(code, span.start);
            format!("{} {line}:{column}", problem.rule)
        })
        .collect();
    if said.is_empty()
        && let Err(problems) = checked.bundle()
    {
        said = problems.iter().map(|problem| format!("bundle {}: {}", problem.rule, problem.message)).collect();
    }
    said
}

/// The event of a plain request.
fn get(uri: &str) -> Event {
    Event::viewer_request("GET", uri, None, &[("Host".to_owned(), "a.example".to_owned())], "198.51.100.1")
}

/// Runs a script of runtime 2.0 for `/`.
fn run(code: &str) -> Outcome {
    edge::run(code, Runtime::V2, KeyValues::default(), &get("/"))
}

/// Runs an expression and says what it comes to, as a text.
fn value(expression: &str, runtime: Runtime) -> String {
    let code = format!("function handler(event) {{ return {{ statusCode: 200, body: String({expression}) }}; }}");
    let outcome = edge::run(&code, runtime, KeyValues::default(), &get("/"));
    match (&outcome.error, outcome.response()) {
        (Some(error), _) => error.message.clone(),
        (None, Some(response)) => response["body"].as_str().unwrap_or_default().to_owned(),
        (None, None) => "no response".to_owned(),
    }
}

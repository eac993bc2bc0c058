//! `qdn-allow`, in the sources and through the bundler.

use super::*;

const PATHS: &str = "if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }";

fn handler(body: &str) -> String {
    format!("function handler(event) {{\n  {body}\n  return event.request;\n}}\n")
}

#[test]
fn a_place_is_allowed_with_a_reason() {
    for body in [
        format!("// qdn-allow CFF067: the origin asks again\n  {PATHS}"),
        format!("{PATHS} // qdn-allow CFF067: the origin asks again"),
        format!("/* qdn-allow CFF067: the origin asks again */ {PATHS}"),
        format!("// qdn-allow raw-path: by its name\n  // and a word more\n\n  {PATHS}"),
        format!("console.log('a // b');\n  // qdn-allow CFF067: the origin asks again\n  {PATHS}"),
        "// qdn-allow CFF061, CFF087: a test of the edge\n  event.request.headers.a.value.trim();".to_owned(),
        "// qdn-allow CFF061: one\n  // qdn-allow CFF087: two\n  event.request.headers.a.value.trim();".to_owned(),
        "// qdn-allow CFF093: it is tried by hand".to_owned(),
        "// qdn-allow CFF080: advice that is asked for elsewhere\n  console.log('a');".to_owned(),
    ] {
        good(Runtime::V2, &handler(&body));
    }
}

#[test]
fn what_is_wrong_with_the_comment_is_said() {
    let rows = [
        (format!("// qdn-allow CFF067\n  {PATHS}"), &["CFF098 2", "CFF067 3"][..], "no reason is given to allow CFF067"),
        (format!("// qdn-allow: because\n  {PATHS}"), &["CFF098 2", "CFF067 3"], "this allows no rule"),
        (format!("// qdn-allow CFF76: because\n  {PATHS}"), &["CFF098 2", "CFF067 3"], "there is no rule `CFF76`"),
        (format!("// qdn-allow CFF068: because\n  {PATHS}"), &["CFF098 2", "CFF067 3"], "nothing on line 3 breaks CFF068"),
        (
            format!("// qdn-allow CFF067: because\n  event.request.uri = '/a';\n  {PATHS}"),
            &["CFF098 2", "CFF067 4"],
            "nothing on line 3 breaks CFF067",
        ),
        (
            "// qdn-allow CFF018: because\n  try { event.x(); } catch { return event.request; }".to_owned(),
            &["CFF098 2", "CFF018 3"],
            "CFF018 cannot be allowed: the edge itself refuses this",
        ),
    ];
    for (body, expected, message) in rows {
        let text = handler(&body);
        let found: Vec<String> = said(&text, Runtime::V2).iter().map(|(rule, line, _)| format!("{rule} {line}")).collect();
        assert_eq!(found, expected, "{text}");
        let (_, checked) = checked(&[("f.js", &text)], Runtime::V2);
        assert_eq!(checked.diagnostics()[0].message, message);
        assert!(!checked.diagnostics()[0].hints.is_empty());
    }
}

#[test]
fn an_error_that_is_allowed_is_built() {
    let text = handler("// qdn-allow CFF061: a policy asks for it\n  console.log(event.request.headers.a.value);");
    let (_, checked) = checked(&[("f.js", &text)], Runtime::V2);
    assert!(checked.bundle().is_ok_and(|bundle| bundle.warnings.is_empty()));
}

/// The bundle is read again, and what is found there is mapped to the line it came from: what is allowed on that line
/// stays allowed, and nothing else does.
#[test]
fn what_is_allowed_stays_allowed_in_the_bundle() {
    let main = "import { path } from './x.js';\nexport function handler({ request }) {\n  request.uri = path(request.uri);\n  return request;\n}\n";
    let allowed =
        "export function path(uri) {\n  // qdn-allow CFF021: the library brings its own\n  return new URL(uri).pathname;\n}\n";
    let (sources, once) = checked(&[("main.js", main), ("x.js", allowed)], Runtime::V2);
    assert!(once.diagnostics().is_empty(), "{}", render(once.diagnostics(), &sources, false));
    assert!(once.bundle().is_ok_and(|bundle| bundle.code.contains("URL")));
    let twice = allowed.replace("pathname;", "pathname ||\n    new Map();");
    let (_, checked) = checked(&[("main.js", main), ("x.js", &twice)], Runtime::V2);
    let found: Vec<_> = checked.diagnostics().iter().map(|problem| (problem.rule, problem.label.as_str())).collect();
    assert_eq!(found, [("CFF021", "")], "the other line is said once, of its source");
}

#[test]
fn a_level_changes_what_is_said_and_never_what_is_allowed() {
    let text =
        handler(&format!("// qdn-allow CFF067: the origin asks again\n  {PATHS}\n  console.log(event.request.headers.a.value);"));
    let (_, checked) = checked(&[("f.js", &text)], Runtime::V2);
    let mut levels = Levels::default();
    levels.set(Rule::find("CFF067").expect("a rule"), Level::Off);
    levels.set(Rule::find("CFF061").expect("a rule"), Level::Warning);
    let checked = checked.under(&levels);
    let found: Vec<_> = checked.diagnostics().iter().map(|problem| (problem.rule, problem.is_error())).collect();
    assert_eq!(found, [("CFF061", false)], "the comment is of use, though its rule is off");
    assert!(checked.bundle().is_ok(), "a warning stops nothing");
}

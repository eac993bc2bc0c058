//! The checker at the terminal: levels, advice, fixes, formats and the pages of the rules.

use crate::project::Project;
use serde_json::json;

/// Redirects where it should not, and says so in many ways.
const BROKEN: &str = "// A router.
function handler(event) {
  const request = event.request;
  request.headers['X-Stage'] = 'live';
  request.headers.Accept = { Value: 1 };
  if (request.querystring.a && request.querystring.a.multivalue) {
    return { statusCode: '302', headers: { Location: { value: '/new/' } } };
  }
  try {
    request.uri = decodeURIComponent(request.uri);
  } catch {
    console.log('bad path:', request.uri, 1 + 2);
  }
  return request;
}
";

const MENDED: &str = "// A router.
function handler(event) {
  const request = event.request;
  request.headers['x-stage'] = { value: 'live' };
  request.headers.accept = { value: '1' };
  if (request.querystring.a && request.querystring.a.multiValue) {
    return { statusCode: 302, headers: { location: { value: '/new/' } } };
  }
  try {
    request.uri = decodeURIComponent(request.uri);
  } catch (error) {
    console.log('bad path:' + ' ' + request.uri + ' ' + (1 + 2));
  }
  return request;
}
";

#[test]
fn what_can_be_mended_is_mended_once() {
    let project = Project::empty().file("router.js", BROKEN);
    let dry = project.qdn(&["function", "check", "router.js", "--dry-run", "--json"]).ended(0);
    assert_eq!(project.read("router.js"), BROKEN, "nothing is written");
    assert_eq!(dry.json()["fixed"].as_array().map(Vec::len), Some(10), "{}", dry.stdout);
    let run = project.qdn(&["function", "check", "router.js", "--fix"]).ended(0);
    assert_eq!(project.read("router.js"), MENDED);
    assert!(run.stderr.contains("fixed router.js:4:19 CFF052: the header name `X-Stage` is not in lower case"), "{}", run.stderr);
    assert!(run.stderr.contains("checked 1 function: 0 warnings"), "{}", run.stderr);
    let again = project.qdn(&["function", "check", "router.js", "--fix", "--json"]).ended(0);
    assert_eq!((again.json()["fixed"].clone(), project.read("router.js").as_str()), (json!([]), MENDED));
}

#[test]
fn no_comment_is_mended_away() {
    let code = "function handler(event) {\n  console.log('a', /* what it was */ 'b');\n  console.log('a', // one\n    'b');\n  console.log('a', 'b' /* behind */); // line\n  return event.request;\n}\n";
    let project = Project::empty().file("f.js", code);
    project.qdn(&["function", "check", "f.js", "--fix"]).ended(0);
    assert_eq!(project.read("f.js"), code.replace("'a', 'b' /*", "'a' + ' ' + 'b' /*"));
}

#[test]
fn what_means_something_else_is_left_alone() {
    let code = "function handler(event) {\n  const Location = { value: '/' };\n  const error = 1;\n  try { event.x(error); } catch { console.log('a', event.request.headers); }\n  return { statusCode: 302, headers: { Location } };\n}\n";
    let project = Project::empty().file("f.js", code);
    project.qdn(&["function", "check", "f.js", "--fix"]).ended(1);
    let expected = code.replace("catch {", "catch (caught) {");
    assert_eq!(project.read("f.js"), expected, "a name of the script's own, an object that is logged");
    // Another place finds the header by the same name.
    let code = "function handler(event) {\n  var r = event.request;\n  r.headers['X-Lang'] = { value: 'a' };\n  var name = 'X-Lang';\n  delete r.headers[name];\n  return r;\n}\n";
    project.write("h.js", code);
    project.qdn(&["function", "check", "h.js", "--fix"]).ended(1);
    assert_eq!(project.read("h.js"), code);
    // 1.0 has no `_` in numbers; the number is the same without.
    project.write(
        "g.js",
        "function handler(event) { return event.request.uri.length > 1_000 ? { statusCode: 414 } : event.request; }\n",
    );
    project.qdn(&["function", "check", "g.js", "--fix", "--runtime", "cloudfront-js-1.0"]).ended(0);
    assert!(project.read("g.js").contains("> 1000 ?"));
}

#[test]
fn a_fix_obeys_levels_and_what_is_allowed() {
    let code = "function handler(event) {\n  // qdn-allow CFF052: a test of what the edge says\n  event.request.headers['X-A'] = { value: 'a' };\n  const q = event.request.querystring.q;\n  if (q && q.multivalue) { return { statusCode: 400 }; }\n  return event.request;\n}\n";
    let project = Project::new().file("functions/f.js", code).file("qdn.toml", "[functions.rules]\nCFF065 = 'off'\n");
    project.qdn(&["function", "check", "--fix"]).ended(0);
    assert_eq!(project.read("functions/f.js"), code);
}

#[test]
fn levels_come_from_the_configuration() {
    let code = "function handler(event) {\n  if (event.request.uri.startsWith('/admin')) { return { statusCode: 403 }; }\n  console.log(event.request.headers.a.value);\n  return event.request;\n}\n";
    let project = Project::new().file("functions/f.js", code);
    let places = |project: &Project| project.qdn(&["function", "check", "f", "--json"]).places();
    assert_eq!(places(&project), ["CFF067 functions/f.js:2:7", "CFF061 functions/f.js:3:15"]);
    project.write(
        "qdn.toml",
        "[functions.rules]\nCFF067 = 'error'\nCFF061 = 'warning'\nCFF080 = 'warning'\n[functions.f.rules]\nraw-path = 'off'\n",
    );
    assert_eq!(
        places(&project),
        ["CFF061 functions/f.js:3:15", "CFF080 functions/f.js:3:3"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>()
    );
    project.qdn(&["function", "check", "f"]).ended(0);
    project.qdn(&["build"]).ended(0);
    let all = project.qdn(&["function", "check", "f", "--all", "--json"]).ended(0).places();
    assert!(all.contains(&"CFF093 functions/f.js:1:1".to_owned()), "{all:?}");
    project.write("qdn.toml", "[functions.rules]\nCFF067 = 'error'\nCFF061 = 'off'\n");
    project.qdn(&["build"]).ended(1);
}

#[test]
fn a_level_that_cannot_be_is_said_with_its_place() {
    let project = Project::new()
        .file("functions/f.js", "function handler(event) { return event.request; }\n")
        .file("qdn.toml", "[functions.rules]\nCFF67 = 'off'\nCFF011 = 'off'\n[functions.g.rules]\nCFF067 = 'off'\n");
    let run = project.qdn(&["function", "check"]).ended(1);
    for line in ["there is no rule `CFF67`", "`CFF067` (raw-path)", "--> qdn.toml:3:10", "CFF011 cannot be switched off"] {
        assert!(run.stderr.contains(line), "{line}\n{}", run.stderr);
    }
    project.write("qdn.toml", "[functions.g.rules]\nCFF067 = 'off'\n");
    assert_eq!(project.qdn(&["check", "--json"]).ended(1).places(), ["no-such-function qdn.toml:1:12"]);
}

#[test]
fn a_name_is_what_cloudfront_takes() {
    let handler = "function handler(event) { return event.request; }\n";
    let page = include_str!("../../../docs/rules/CFF042.md");
    let examples: Vec<&str> = page.split("\n```path ").skip(1).filter_map(|block| block.lines().nth(1)).collect();
    assert_eq!(examples.len(), 2);
    for (path, expected) in examples.into_iter().zip([&["CFF042 functions/router.v2.js:1:1"][..], &[]]) {
        let project = Project::new().file(path, handler);
        let run = project.qdn(&["function", "check", "--json"]);
        assert_eq!(run.places(), expected, "{}", run.stderr);
        assert_eq!(run.code, i32::from(!expected.is_empty()));
        assert_eq!(project.qdn(&["check"]).code, run.code, "the build says the same");
    }
}

#[test]
fn complaints_go_to_other_programs() {
    let project = Project::new().file(
        "functions/f.js",
        "function handler(event) {\n  event.request.headers['X-A'] = { value: 'a' };\n  return event.request;\n}\n",
    );
    let github = project.qdn(&["function", "check", "--format", "github"]).ended(1);
    assert_eq!(
        github.stdout,
        "::error file=functions/f.js,line=2,col=25,title=CFF052 header-case::the header name `X-A` is not in lower case%0Ahint: write `x-a`\n"
    );
    let sarif = project.qdn(&["function", "check", "--format", "sarif"]).ended(1).json();
    assert_eq!((&sarif["version"], &sarif["runs"][0]["results"][0]["ruleId"]), (&json!("2.1.0"), &json!("CFF052")));
    assert_eq!(
        sarif["runs"][0]["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"],
        "'x-a'"
    );
    let long = project.qdn(&["function", "check", "--json"]).ended(1);
    let short = project.qdn(&["function", "check", "--format", "json"]).ended(1);
    assert_eq!(long.stdout, short.stdout);
    // From above, paths are what the reader can open.
    let above = project.path().parent().expect("a folder").to_path_buf();
    let name = project.path().file_name().expect("a name").to_string_lossy().into_owned();
    let output = project
        .command(&["--root", &name, "function", "check", "--format", "github"])
        .current_dir(above)
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("file={name}/functions/f.js,")), "{output:?}");
}

#[test]
fn every_rule_can_be_looked_up() {
    let project = Project::empty();
    let list = project.qdn(&["function", "rules"]).ended(0);
    assert!(list.stdout.lines().any(|line| line.starts_with("CFF030  error    await-in-arguments")), "{}", list.stdout);
    let rules = project.qdn(&["function", "rules", "--json"]).ended(0).json();
    assert_eq!(rules["rules"].as_array().map(Vec::len), Some(list.stdout.lines().count()));
    for typed in ["CFF030", "cff030", "await-in-arguments"] {
        let page = project.qdn(&["function", "explain", typed]).ended(0);
        assert!(page.stdout.starts_with("# CFF030 await-in-arguments\n"), "{}", page.stdout);
    }
    let near = project.qdn(&["function", "explain", "CFF3"]).ended(2);
    assert!(near.stderr.contains("hint: a rule with a similar name exists"), "{}", near.stderr);
}

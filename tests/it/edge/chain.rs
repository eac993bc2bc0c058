//! Both functions of a distribution, one behind the other, as a viewer meets them.

use crate::preview::Preview;
use crate::project::Project;

const REQUEST: &str = "function handler(event) {
  var request = event.request;
  if (request.uri === '/own') { return { statusCode: 200, body: 'of its own' }; }
  if (request.uri === '/') { request.uri = '/index.html'; }
  return request;
}
";

const RESPONSE: &str = "function handler(event) {
  var response = event.response;
  response.headers['x-seen'] = { value: event.request.uri + ' ' + response.statusCode };
  response.cookies['seen'] = { value: '1', attributes: 'Path=/' };
  if (event.request.querystring.bad) { response.headers['U' + 'pper'] = { value: 'x' }; }
  if (event.request.querystring.loop) { for (;;); }
  if (event.request.querystring.teapot) { response.statusCode = 418; }
  return response;
}
";

fn project() -> Project {
    let project = Project::new();
    project.write("site/404.md", "---\ntitle: Nothing\n---\n# Nothing here\n");
    project.write("functions/paths.js", REQUEST);
    project.write("functions/answers.js", RESPONSE);
    project.write("qdn.toml", "[functions]\nviewer_response = \"answers\"\n");
    project
}

#[test]
fn answers_go_through_the_second_function() {
    let project = project();
    let preview = Preview::of(&project);
    let home = preview.get("/");
    assert_eq!(home.status, 200);
    assert!(home.body.contains("Home"));
    // The second function meets the request as the viewer sent it.
    assert!(home.head.contains("x-seen: / 200"), "{}", home.head);
    assert!(home.head.contains("set-cookie: seen=1; path=/"), "{}", home.head);
    assert!(home.head.contains("content-type: text/html"), "{}", home.head);
    assert_eq!(preview.get("/?teapot").status, 418);
    // What the first function answers, and an error of the origin, the second never sees.
    let own = preview.get("/own");
    assert!(own.status == 200 && own.body == "of its own" && !own.head.contains("x-seen"), "{own:?}");
    let missing = preview.get("/missing");
    assert!(missing.status == 404 && missing.body.contains("Nothing here") && !missing.head.contains("x-seen"), "{missing:?}");
    // Its mistakes are the viewer's, and nobody else's.
    let bad = preview.get("/?bad");
    assert!(bad.status == 502 && bad.body.contains("lower case"), "{bad:?}");
    let looping = preview.get("/?loop");
    assert!(looping.status == 503 && looping.body.contains("compute time"), "{looping:?}");
    assert_eq!(preview.get("/").status, 200);
}

#[test]
fn the_inspector_shows_both() {
    let project = project();
    let preview = Preview::of(&project);
    let route = |address: &str| {
        let answer = preview.get(&format!("/_qdn/route?url={address}&method=GET"));
        serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
    };
    let home = route("/");
    assert_eq!(home["function"]["result"]["request"]["uri"], "/index.html");
    assert_eq!(home["viewer_response"]["result"]["response"]["headers"]["x-seen"]["value"], "/ 200");
    assert!(route("/missing")["viewer_response"].is_null());
    assert!(route("/own")["viewer_response"].is_null());
}

#[test]
fn the_manifest_names_both_and_a_project_with_one_is_as_it_was() {
    let project = project();
    let manifest = |project: &Project| {
        let output = project.command(&["build"]).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        project.read("dist/manifest.json")
    };
    let both: serde_json::Value = serde_json::from_str(&manifest(&project)).expect("JSON");
    let site = &both["distributions"]["site"];
    assert_eq!((&site["viewer_request"], &site["viewer_response"]), (&"paths".into(), &"answers".into()));
    project.write("qdn.toml", "[functions]\nviewer_request = \"paths\"\n");
    assert!(!manifest(&project).contains("viewer_response"));
    project.write("qdn.toml", "[functions]\nviewer_response = \"answer\"\n");
    let output = project.command(&["check"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no function `answer`") && said.contains("`answers`"), "{said}");
}

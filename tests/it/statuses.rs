//! The one table of statuses, in every place that shows it.

use crate::project::Project;
use qdn::jobs::Status;
use serde_json::{Value, json};

#[test]
fn pages_scripts_and_the_api_have_the_same_statuses() {
    let table: Vec<Value> = Status::ALL
        .iter()
        .map(|status| {
            json!({
                "id": status.id(), "label": status.label(), "customer": status.customer(),
                "verb": status.verb(), "next": status.next().map(Status::id),
            })
        })
        .collect();
    let project = Project::new()
        .file("templates/page.html", "<!doctype html><title>x</title><pre>{{ statuses|tojson }}</pre><script type=module src=\"{{ asset('js/s.js') }}\"></script>")
        .file("site/assets/js/s.js", "import { statuses } from 'qdn:statuses';\nconsole.log(JSON.stringify(statuses));\n");
    project.qdn(&["build"]).ended(0);
    let page = project.read("dist/site/index.html");
    let shown = page.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next()).expect("the table");
    assert_eq!(serde_json::from_str::<Value>(shown).expect("JSON"), json!(table));

    let script = project
        .tree("dist/site/assets")
        .into_iter()
        .find(|(path, _)| path.extension().is_some_and(|e| e == "js"))
        .expect("a script");
    std::fs::write(project.path().join("run.mjs"), script.1).expect("written");
    let output = std::process::Command::new("node").arg("run.mjs").current_dir(project.path()).output().expect("node runs");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("JSON"), json!(table));

    let api = json!(qdn::jobs::api::openapi());
    let ids: Vec<&str> = Status::ALL.map(Status::id).to_vec();
    assert_eq!(api["components"]["schemas"]["Status"]["enum"], json!(ids));
}

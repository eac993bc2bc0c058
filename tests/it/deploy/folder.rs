//! A stage in a folder after somebody was at it by hand: what the books believe is looked at before anything is begun.

use crate::project::Project;
use std::fs;
use std::path::PathBuf;

const STAGE: &str = ".qdn/stages/local";

/// A project whose page was published twice.
fn published() -> Project {
    let project = Project::new();
    project.qdn(&["publish", "local"]).ended(0);
    project.write("site/index.md", "---\ntitle: Home\n---\n# Another\n");
    project.qdn(&["publish", "local"]).ended(0);
    project
}

/// The files of the bodies that are kept.
fn bodies(project: &Project) -> Vec<PathBuf> {
    let folder = project.path().join(STAGE).join("control/blobs");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("bodies").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn a_damaged_body_is_found_before_anything_is_begun() {
    let project = published();
    let page = format!("{STAGE}/site/index.html");
    let before = project.read(&page);
    for body in bodies(&project).iter().filter(|file| file.is_file()) {
        if fs::read_to_string(body).is_ok_and(|text| text.contains("<h1") && text != before) {
            fs::write(body, "").expect("it is emptied");
        }
    }
    let run = project.qdn(&["rollback", "local"]).ended(1);
    assert!(run.stderr.contains("is not complete any more") && run.stderr.contains("damaged"), "{}", run.stderr);
    assert_eq!(project.read(&page), before, "visitors see what they saw");
    project.qdn(&["audit", "local"]).ended(0);
    for body in bodies(&project).iter().filter(|file| file.is_file()) {
        if fs::read_to_string(body).is_ok_and(|text| text == before) {
            fs::write(body, "cut").expect("it is cut");
        }
    }
    let audit = project.qdn(&["audit", "local", "--json"]).ended(3).json();
    assert_eq!(audit["findings"].as_array().map(Vec::len), Some(1), "{audit}");
}

#[test]
fn a_function_that_was_changed_by_hand_is_published_again() {
    let project = Project::new().file(
        "functions/route.js",
        "export function handler(event) {\n  const request = event.request;\n  if (request.uri.endsWith('/')) request.uri += 'index.html';\n  return request;\n}\n",
    );
    project.qdn(&["publish", "local"]).ended(0);
    let live = format!("{STAGE}/functions/route-local/live.js");
    let code = project.read(&live);
    project.write(&live, "function handler(e) { return { statusCode: 503 }; }");
    project.qdn(&["function", "publish", "route", "local", "--adopt"]).ended(0);
    assert_eq!(project.read(&live), code);
    project.qdn(&["audit", "local"]).ended(0);
}

#[test]
fn an_audit_of_a_stage_that_lost_its_state_says_what_helps() {
    let project = published();
    project.remove(&format!("{STAGE}/control/stages/local/head.json"));
    let run = project.qdn(&["audit", "local"]).ended(1);
    assert!(run.stderr.contains("`qdn audit local --repair` restores it"), "{}", run.stderr);
    project.qdn(&["audit", "local", "--repair"]).ended(0);
    project.qdn(&["audit", "local"]).ended(0);
}

#[test]
fn an_audit_that_repairs_prints_one_document() {
    let project = published();
    let whole = project.qdn(&["audit", "local", "--repair", "--json"]).ended(0).json();
    assert_eq!(whole["findings"].as_array().map(Vec::len), Some(0), "{whole}");
    project.write(&format!("{STAGE}/site/index.html"), "changed by hand");
    project.qdn(&["audit", "local", "--repair", "--json"]).ended(0).json();
    project.qdn(&["audit", "local"]).ended(0);
}

//! One function at CloudFront: tried, published, brought back, pulled; against a double of its API and in a folder.

use super::daily::case;
use crate::cloud::Cloud;
use crate::project::{Project, Run};
use crate::publish::program::Rehearsal;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_run_in_development_and_nothing_else_changes() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    rehearsal.version("2");
    let before = rehearsal.cloud.function("route-staging").unwrap();
    let document = rehearsal.qdn(&["function", "test", "--stage", "staging", "--json"]).await.ended(0).json();
    let row = &document["functions"][0];
    assert_eq!((&document["stage"], &row["function"]), (&json!("staging"), &json!("route-staging")));
    assert_eq!((&row["cases"][0]["agrees"], &row["cases"][0]["cloudfront"]), (&json!(true), &json!(12)), "{document}");
    let after = rehearsal.cloud.function("route-staging").unwrap();
    assert!(after.0 != before.0 && after.1 == before.1, "DEVELOPMENT has the new code, LIVE the old one");
    let run = rehearsal.qdn(&["function", "test", "route", "--stage", "staging"]).await.ended(0);
    assert!(run.stderr.contains("agreed 1 event of route-staging in DEVELOPMENT"), "{}", run.stderr);
    let run = rehearsal.qdn(&["function", "test", "--stage", "stagin"]).await.ended(2);
    assert!(run.stderr.contains("a stage with a similar name exists: `staging`"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_function_is_published_and_brought_back_and_the_books_stay_true() {
    let rehearsal = Rehearsal::new().await;
    let run = rehearsal.qdn(&["function", "publish", "route", "staging"]).await.ended(1);
    assert!(run.stderr.contains("nothing was published to the stage `staging` yet"), "{}", run.stderr);
    let first = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(0).json();
    let one = rehearsal.cloud.function("route-staging").unwrap().1.unwrap();
    rehearsal.version("2");
    let receipt = rehearsal.qdn(&["function", "publish", "route", "staging", "--json"]).await.ended(0).json();
    assert_eq!(receipt["functions"]["route"], json!({ "name": "route-staging", "published": true, "proven": 1 }));
    assert_eq!(receipt["invalidation"]["items"], json!([]), "pages are the same, so nothing is purged");
    let two = rehearsal.cloud.function("route-staging").unwrap().1.unwrap();
    assert!(two.contains("\"2\"") && !one.contains("\"2\""), "{two}");
    assert_eq!(rehearsal.page("staging", "/about/").await, "1", "the pages stay");
    let status = rehearsal.qdn(&["status", "staging", "--json"]).await.ended(0).json();
    assert_eq!((&status["release"], status["release"] == first["release"]), (&receipt["release"], false));
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);

    let published = rehearsal.cloud.count("PublishFunction");
    rehearsal.qdn(&["function", "publish", "route", "staging"]).await.ended(0);
    assert_eq!(rehearsal.cloud.count("PublishFunction"), published, "unchanged code is not published again");

    let receipt = rehearsal.qdn(&["function", "rollback", "route", "staging", "--json"]).await.ended(0).json();
    assert_eq!(receipt["release"], first["release"], "a way back leads to the very release");
    assert_eq!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap(), one);
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
    let run = rehearsal.qdn(&["function", "rollback", "route", "staging"]).await.ended(0);
    assert!(run.stderr.contains("was rolled back already"), "{}", run.stderr);
    // The whole release was not: there is none before, and nobody goes on to the function that was left.
    let run = rehearsal.qdn(&["rollback", "staging"]).await.ended(1);
    assert!(run.stderr.contains("nothing before but what it was rolled back from"), "{}", run.stderr);
    let run = rehearsal.qdn(&["releases", "staging"]).await.ended(0);
    assert!(
        run.stdout.lines().next().is_some_and(|line| line.contains("rollback") && line.contains("function route")),
        "{}",
        run.stdout
    );
    // A publish of everything goes on from there.
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert_eq!(
        (rehearsal.cloud.function("route-staging").unwrap().1.unwrap(), rehearsal.page("staging", "/").await),
        (two.clone(), "2".to_owned())
    );
    // One step back of each sort, in either order.
    rehearsal.version("3");
    rehearsal.qdn(&["function", "publish", "route", "staging"]).await.ended(0);
    rehearsal.qdn(&["function", "rollback", "route", "staging"]).await.ended(0);
    assert_eq!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap(), two);
    let receipt = rehearsal.qdn(&["rollback", "staging", "--json"]).await.ended(0).json();
    assert_eq!((&receipt["kind"], &receipt["release"]), (&json!("rollback"), &first["release"]), "{receipt}");
    assert_eq!(rehearsal.page("staging", "/").await, "1");
    assert_eq!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap(), one);
    let run = rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    assert!(run.stderr.contains("was rolled back already"), "{}", run.stderr);
    let run = rehearsal.qdn(&["function", "rollback", "route", "staging"]).await.ended(1);
    assert!(run.stderr.contains("has had no other version of `route`"), "{}", run.stderr);
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distribution_that_does_not_run_a_function_is_named() {
    let rehearsal = Rehearsal::new().await;
    let code = "export function handler(event) { event.response.headers['x-a'] = { value: '1' }; return event.response; }\n";
    rehearsal.project.write("functions/answers.js", code);
    let config = rehearsal.project.read("qdn.toml");
    rehearsal
        .project
        .write("qdn.toml", format!("{config}[functions]\nviewer_request = \"route\"\nviewer_response = \"answers\"\n"));
    let warning = "does not run the function `answers-staging`: associate it with its behaviours, for viewer responses";
    let run = rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert!(run.stderr.contains(warning) && !run.stderr.contains("`route-staging`: associate"), "{}", run.stderr);
    rehearsal.cloud.answers("ESTAGING", Some("answers-staging"));
    rehearsal.version("2");
    let run = rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert!(!run.stderr.contains("does not run"), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_function_is_published_where_the_pages_have_to_get_their_tags() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    rehearsal.cloud.tag_header("ESTAGING", Some("x-amz-meta-cache-tag"));
    let config = rehearsal.project.read("qdn.toml");
    rehearsal.project.write("qdn.toml", format!("{config}[invalidation]\nmode = \"tags\"\n"));
    rehearsal.version("2");
    rehearsal.qdn(&["function", "publish", "route", "staging"]).await.ended(0);
    assert!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap().contains("\"2\""));
    assert_eq!(rehearsal.page("staging", "/about/").await, "1", "the pages stay");
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_change_is_never_overwritten() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    rehearsal.cloud.edit_function("route-staging", "function handler(e) { return e.request; } // by hand");
    rehearsal.cloud.publish_by_hand("route-staging");
    rehearsal.version("2");
    let run = rehearsal.qdn(&["function", "publish", "route", "staging"]).await.ended(3);
    assert!(run.stderr.contains("is not the one that the stage `staging` published"), "{}", run.stderr);
    assert!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap().contains("by hand"));
    rehearsal.qdn(&["function", "publish", "route", "staging", "--adopt"]).await.ended(0);
    assert!(rehearsal.cloud.function("route-staging").unwrap().1.unwrap().contains("\"2\""));
}

/// Somewhere without a project, with an environment that leads to the cloud.
async fn alone(project: &Project, cloud: &Cloud, arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    command.env("AWS_ENDPOINT_URL", cloud.endpoint()).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", project.path());
    let output = tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("it ends");
    Run::of(&output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_of_nobodys_is_pulled_edited_and_published_in_any_folder() {
    let (cloud, folder) = (Cloud::start().await, Project::empty());
    let old = "// a comment that stays\nfunction handler(event) {\n  return event.request;\n}\n";
    let run = alone(&folder, &cloud, &["function", "pull", "legacy"]).await.ended(3);
    assert!(run.stderr.contains("there is no function `legacy` in LIVE"), "{}", run.stderr);
    cloud.edit_function("legacy", old);
    let run = alone(&folder, &cloud, &["function", "pull", "legacy"]).await.ended(3);
    assert!(run.stderr.contains("--development"), "{}", run.stderr);
    cloud.publish_by_hand("legacy");
    let pulled = alone(&folder, &cloud, &["function", "pull", "legacy", "--json"]).await.ended(0).json();
    assert_eq!(
        (folder.read("legacy.js").as_str(), &pulled["runtime"], &pulled["written"]),
        (old, &json!("cloudfront-js-2.0"), &json!(true))
    );
    let etag = pulled["development_etag"].as_str().unwrap().to_owned();

    let new = old.replace("return event", "event.request.uri = '/b'; return event");
    folder.write("legacy.js", &new);
    let run = alone(&folder, &cloud, &["function", "pull", "legacy"]).await.ended(1);
    assert!(run.stderr.contains("`legacy.js` holds something else, and was left as it is"), "{}", run.stderr);
    assert_eq!(folder.read("legacy.js"), new);
    folder.write("legacy.cases/b.json", case("/a", &json!({ "request": { "uri": "/x" } })));
    let publish = ["function", "publish", "legacy.js", "--name", "legacy", "--etag", &etag];
    alone(&folder, &cloud, &publish).await.ended(1);
    folder.write("legacy.cases/b.json", case("/a", &json!({ "request": { "uri": "/b" } })));

    cloud.edit_function("legacy", "function handler(e) { return e.request; } // meanwhile");
    let run = alone(&folder, &cloud, &publish).await.ended(1);
    assert!(run.stderr.contains("somebody changed it, and nothing was overwritten"), "{}", run.stderr);
    assert!(cloud.function("legacy").unwrap().0.contains("meanwhile"));
    let pulled = alone(&folder, &cloud, &["function", "pull", "legacy", "--development", "--out", "theirs.js", "--json"])
        .await
        .ended(0)
        .json();
    assert!(folder.read("theirs.js").contains("meanwhile"));
    let etag = pulled["etag"].as_str().unwrap().to_owned();

    let done = alone(&folder, &cloud, &["function", "publish", "legacy.js", "--name", "legacy", "--etag", &etag, "--json"]).await;
    let done = done.ended(0).json();
    assert_eq!((&done["published"], &done["proven"]), (&json!(true), &json!(1)));
    assert_eq!(cloud.function("legacy").unwrap(), (new.clone(), Some(new)), "as it stands, comments and all");
    assert_eq!(folder.read(done["kept"].as_str().unwrap()), old, "what was live is kept");
    let etag = done["etag"].as_str().unwrap().to_owned();
    let again = alone(&folder, &cloud, &["function", "publish", "legacy.js", "--name", "legacy", "--etag", &etag, "--json"])
        .await
        .ended(0)
        .json();
    assert_eq!((&again["published"], &again["kept"]), (&json!(false), &Value::Null));
    let new = alone(&folder, &cloud, &["function", "publish", "legacy.js", "--name", "another", "--json"]).await.ended(0).json();
    assert_eq!((&new["published"], cloud.function("another").is_some()), (&json!(true), true), "one that is not there yet is made");
}

#[test]
fn a_stage_in_a_folder_does_the_same() {
    let project = Project::new()
        .file(
            "functions/route.js",
            "export function handler(event) { event.request.headers['x-v'] = { value: '1' }; return event.request; }",
        )
        .file("functions/route.cases/a.json", case("/a", &json!({ "request": { "uri": "/a" } })));
    project.qdn(&["publish", "local"]).ended(0);
    let run = project.qdn(&["function", "test", "--stage", "local"]).ended(0);
    assert!(run.stderr.contains("agreed 1 event of route-local in DEVELOPMENT"), "{}", run.stderr);
    let code = project.read("functions/route.js");
    project.write("functions/route.js", code.replace("'1'", "'2'"));
    project.qdn(&["function", "publish", "route", "local"]).ended(0);
    let pulled = project.qdn(&["function", "pull", "route", "--stage", "local", "--out", "live.js", "--json"]).ended(0).json();
    assert_eq!((&pulled["stage"], project.read("live.js").contains("\"2\"")), (&json!("LIVE"), true));
    project.qdn(&["function", "rollback", "route", "local"]).ended(0);
    let run = project.qdn(&["function", "pull", "route", "--stage", "local", "--out", "live.js"]).ended(1);
    assert!(run.stderr.contains("holds something else"), "{}", run.stderr);
    project.qdn(&["function", "pull", "route", "--stage", "local", "--out", "live.js", "--force"]).ended(0);
    assert!(project.read("live.js").contains("\"1\""));
    project.qdn(&["audit", "local"]).ended(0);
    project.write("functions/route.cases/slow.json", case("/b", &json!({ "request": { "uri": "/b" } })));
    let slow = "export function handler(event) { var n = 0; if (event.request.uri === '/b') for (var i = 0; i < 9000; i++) n += i; return event.request; }";
    project.write("functions/route.js", slow);
    let run = project.qdn(&["function", "test", "--stage", "local"]).ended(1);
    assert!(run.stderr.contains("CFF041: it is likely to be stopped"), "{}", run.stderr);
}

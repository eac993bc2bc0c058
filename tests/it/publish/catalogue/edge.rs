//! CloudFront is busy, full, forbids, forgets, and has functions that somebody else edits.

use super::*;
use crate::cloud::Pace;
use qdn::deploy::invalidation::Item;
use qdn::deploy::remote::Cdn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The path at which `staging` is told what to forget.
const PURGES: &str = "/distribution/ESTAGING/invalidation";

/// A stage that serves `v1`, all of which the edge holds; and `v2`, built.
async fn served() -> Rehearsal {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.shows("staging", "v1").await;
    rehearsal.built("v2").await;
    rehearsal
}

async fn cdn(rehearsal: &Rehearsal) -> Arc<dyn Cdn> {
    Aws::with(&rehearsal.cloud.settings().await).cdn()
}

fn items(count: usize, item: impl Fn(String) -> Item) -> Vec<Item> {
    (0..count).map(|number| item(format!("/elsewhere/{number}"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distribution_that_may_not_be_asked_for_is_found_before_anything_changes() {
    let rehearsal = served().await;
    let before = (rehearsal.head("staging").await, rehearsal.proxy.seen().len());
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).method("GET").path("/distribution/ESTAGING"));
    let run = rehearsal.publish("staging", "v2").await.ended(3);
    assert!(run.stderr.contains("cloudfront:GetDistribution"), "{}", run.stderr);
    assert_eq!(rehearsal.asked_of("staging", "PUT", before.1), [""; 0]);
    assert_eq!(rehearsal.head("staging").await, before.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_may_not_be_made_is_owed_until_it_may() {
    let rehearsal = served().await;
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).method("POST").path(PURGES));
    let run = rehearsal.publish("staging", "v2").await.ended(3);
    assert!(run.stderr.contains("cloudfront:CreateInvalidation"), "{}", run.stderr);
    let applying = rehearsal.qdn(&["status", "staging", "--json"]).await.ended(0).json()["applying"].clone();
    assert!(applying["items"]["site"].as_array().is_some_and(|items| items.len() >= 4), "{applying}");
    assert_eq!(rehearsal.page("staging", "/").await, "v1", "the edge was not told");
    rehearsal.proxy.relent();
    let (before, asked) = (rehearsal.cloud.billed(), rehearsal.proxy.seen().len());
    rehearsal.publish("staging", "v2").await.ended(0);
    assert_eq!(rehearsal.asked_of("staging", "PUT", asked), [""; 0], "nothing differs any more");
    assert_eq!(rehearsal.cloud.billed() - before, applying["items"]["site"].as_array().unwrap().len());
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_waited_for_and_else_got_by_with() {
    let rehearsal = served().await;
    rehearsal.cloud.throttle("CreateInvalidation", 4);
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;

    // Everything is in use, for a while.
    let cdn = cdn(&rehearsal).await;
    rehearsal.cloud.pace(Pace { time: Duration::from_secs(6), ..Pace::default() });
    cdn.invalidate("ESTAGING", "theirs", &items(3_000, Item::Path)).await.unwrap();
    cdn.invalidate("ESTAGING", "theirs too", &items(15, Item::Wildcard)).await.unwrap();
    rehearsal.cloud.pace(Pace::default());
    let run = rehearsal.publish("staging", "v1").await.ended(0);
    assert!(run.stderr.contains("waiting for room"), "{}", run.stderr);
    rehearsal.is_whole("staging", "v1").await;

    // Every path is in use for good, and wildcards are not: fewer of those do.
    rehearsal.cloud.pace(Pace { polls: u32::MAX, ..Pace::default() });
    cdn.invalidate("ESTAGING", "theirs again", &items(3_000, Item::Path)).await.unwrap();
    rehearsal.cloud.pace(Pace::default());
    let receipt = rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--json", "--strict"]).await.ended(0).json();
    assert_eq!(receipt["invalidation"]["status"], json!("completed"));
    let last = rehearsal.cloud.invalidated("ESTAGING").pop().unwrap();
    assert!(last.iter().all(|item| item.ends_with('*')), "{last:?}");
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_quota_leaves_no_room_for_is_owed_and_paid_by_the_next() {
    let rehearsal = served().await;
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(400, "TooManyInvalidationsInProgress")).method("POST").path(PURGES));
    let receipt = rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--wait", "0", "--json"]).await.ended(0).json();
    assert_eq!((&receipt["invalidation"]["status"], &receipt["invalidation"]["id"]), (&json!("pending"), &Value::Null));
    assert_eq!(rehearsal.page("staging", "/").await, "v1");
    let run = rehearsal.qdn(&["status", "staging"]).await.ended(0);
    assert!(run.stdout.contains("owed"), "{}", run.stdout);
    // The same once more: it is not done, and `--strict` says so.
    rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--wait", "0", "--strict"]).await.ended(3);
    rehearsal.proxy.relent();
    let receipt = rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--json", "--strict"]).await.ended(0).json();
    assert_eq!(receipt["invalidation"]["status"], json!("completed"));
    rehearsal.is_whole("staging", "v2").await;
    assert_eq!(rehearsal.head("staging").await["owed"], json!({}));

    // Another release pays what was owed for the one before.
    rehearsal.project.write("site/old.md", "---\ntitle: old\n---\nversion v3\n");
    rehearsal.built("v3").await;
    rehearsal.publish("staging", "v3").await.ended(0);
    rehearsal.page("staging", "/old/").await;
    rehearsal.project.remove("site/old.md");
    rehearsal.built("v4").await;
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(400, "TooManyInvalidationsInProgress")).method("POST").path(PURGES));
    rehearsal.qdn(&["publish", "staging", "--dist", "v4", "--wait", "0"]).await.ended(0);
    rehearsal.proxy.relent();
    assert_eq!(rehearsal.page("staging", "/old/").await, "v3", "it is gone, and the edge has it still");
    rehearsal.built("v5").await;
    rehearsal.publish("staging", "v5").await.ended(0);
    rehearsal.is_whole("staging", "v5").await;
    assert_eq!(get(&format!("{}/old/", rehearsal.cloud.edge_url("ESTAGING"))).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_is_slow_is_no_failure_and_status_hears_the_end() {
    let rehearsal = served().await;
    rehearsal.cloud.pace(Pace { polls: 2, late: true, ..Pace::default() });
    let receipt = rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--wait", "0", "--json"]).await.ended(0).json();
    assert_eq!(receipt["invalidation"]["status"], json!("in_progress"));
    for _ in 0..3 {
        rehearsal.qdn(&["status", "staging"]).await.ended(0);
    }
    assert_eq!(rehearsal.head("staging").await["issued"], json!({}));
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_stale_although_it_was_purged_is_purged_again() {
    let rehearsal = served().await;
    rehearsal.cloud.drop_path("/about/*");
    let receipt = rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--json", "--strict"]).await.ended(0).json();
    assert_eq!(receipt["verified"]["purged_again"], json!(["site/about/index.html"]), "{receipt}");
    rehearsal.is_whole("staging", "v2").await;
    // An edge that obeys neither time is told of.
    let held = rehearsal.cloud.edge_url("ESTAGING");
    rehearsal.proxy.rule(Rule::new(Fault::Answer(201, Vec::new(), created())).method("POST").path(PURGES));
    rehearsal.proxy.rule(Rule::new(Fault::Answer(200, Vec::new(), created())).method("GET").path(PURGES));
    let run = rehearsal.qdn(&["publish", "staging", "--dist", "v1", "--strict"]).await.ended(3);
    assert!(run.stderr.contains("site/about/index.html is still stale at the edge"), "{}", run.stderr);
    rehearsal.proxy.relent();
    assert!(get(&format!("{held}/about/")).await.1.contains("version v2"));
    let run = rehearsal.qdn(&["audit", "staging"]).await.ended(3);
    assert!(run.stdout.contains("site/about/index.html is stale at the edge"), "{}", run.stdout);
    rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
}

/// An invalidation that is said to be complete.
fn created() -> String {
    "<Invalidation xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Id>I1</Id><Status>Completed</Status>\
     <CreateTime>2026-11-23T10:00:00.000Z</CreateTime><InvalidationBatch><Paths><Quantity>0</Quantity></Paths>\
     <CallerReference>r</CallerReference></InvalidationBatch></Invalidation>"
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_does_something_else_at_cloudfront_is_not_made_live() {
    let rehearsal = served().await;
    // CloudFront's engine is njs, and njs shows itself.
    let own = rehearsal.project.read("functions/route.js");
    rehearsal
        .project
        .write("functions/route.js", own.replace("  return", "  if (typeof njs === 'object') request.uri = '/x';\n  return"));
    let before = rehearsal.proxy.seen().len();
    let run = rehearsal.qdn(&["publish", "staging", "--json"]).await.ended(1);
    assert_eq!(run.json()["error"]["kind"], json!("disproved"), "{}", run.stdout);
    assert!(run.stderr.contains("`route`") && run.stderr.contains("/x"), "{}", run.stderr);
    let pages: Vec<String> = rehearsal.asked_of("staging", "PUT", before);
    assert!(pages.iter().all(|key| key.starts_with("assets/")), "{pages:?}");
    let head = rehearsal.head("staging").await;
    assert!(head["applying"].is_null(), "{head}");
    rehearsal.is_whole("staging", "v1").await;
    rehearsal.project.write("functions/route.js", own);
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_somebody_edits_meanwhile_is_not_made_live() {
    let rehearsal = served().await;
    let cloud = Arc::new(rehearsal);
    let theirs = "function handler(event) { return event.request; } // theirs";
    // After it was proven.
    let editor = Arc::clone(&cloud);
    let edit = Hook::new(move |_| editor.cloud.edit_function("route-staging", theirs));
    let edited = cloud.proxy.rule(Rule::new(Fault::Before(edit)).method("POST").path("/function/route-staging/publish").times(1));
    let before = cloud.proxy.seen().len();
    let run = cloud.publish("staging", "v2").await.ended(3);
    assert_eq!(edited.done(), 1);
    assert!(run.stderr.contains("somebody else changed the function `route-staging` in DEVELOPMENT"), "{}", run.stderr);
    assert!(cloud.live("staging").contains("\"v1\""), "it is not live");
    assert!(cloud.asked_of("staging", "PUT", before).iter().all(|key| key.starts_with("assets/")));
    cloud.shows("staging", "v1").await;
    cloud.proxy.relent();

    // Before it was written: what it was written over is looked at again, but not for ever.
    let (editor, times) = (Arc::clone(&cloud), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&times);
    let edit = Hook::new(move |_| {
        let time = count.fetch_add(1, Ordering::Relaxed);
        editor.cloud.edit_function("route-staging", &format!("{theirs} {time}"));
    });
    cloud.proxy.rule(Rule::new(Fault::Before(edit)).method("PUT").path("/function/route-staging"));
    let run = cloud.publish("staging", "v2").await.ended(3);
    assert!(run.stderr.contains("keeps changing the function `route-staging`"), "{}", run.stderr);
    assert!((2..10).contains(&times.load(Ordering::Relaxed)), "{times:?}");
    cloud.proxy.relent();

    // An update that answers with a tag that publish refuses.
    cloud.cloud.stale_update_tags(true);
    cloud.publish("staging", "v2").await.ended(0);
    cloud.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_somebody_made_live_is_kept_unless_it_is_adopted() {
    let rehearsal = served().await;
    let theirs = rehearsal.live("staging").replace("\"v1\"", "\"by hand\"");
    assert!(theirs.contains("by hand"));
    rehearsal.cloud.edit_function("route-staging", &theirs);
    rehearsal.cloud.publish_by_hand("route-staging");
    let run = rehearsal.publish("staging", "v2").await.ended(3);
    assert!(run.stderr.contains("somebody else changed it") && run.stderr.contains("by hand"), "{}", run.stderr);
    assert_eq!(rehearsal.live("staging"), theirs);
    rehearsal.shows("staging", "v1").await;
    rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--adopt"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    let kept = rehearsal.bucket("control").await.read(&format!("blobs/{}", Digest::of(theirs.as_bytes()).hex())).await;
    assert_eq!(kept.unwrap().expect("it is kept").bytes, theirs.as_bytes());
}

//! The books are gone, damaged, or of another qdn; objects are gone; and what is old is removed.

use super::*;

/// Where a stage's state lies.
const HEAD: &str = "stages/staging/head.json";

/// A stage that has served `v1` and serves `v2`; and `v3`, built.
async fn served() -> (Rehearsal, [String; 3]) {
    let rehearsal = Rehearsal::new().await;
    let releases = [rehearsal.built("v1").await, rehearsal.built("v2").await, rehearsal.built("v3").await];
    for version in ["v1", "v2"] {
        rehearsal.publish("staging", version).await.ended(0);
    }
    rehearsal.shows("staging", "v2").await;
    (rehearsal, releases)
}

/// The body of a page of a build, as the books name it.
fn body(rehearsal: &Rehearsal, version: &str, page: &str) -> String {
    let manifest: Value = serde_json::from_str(&rehearsal.project.read(&format!("{version}/manifest.json"))).unwrap();
    format!("blobs/{}", manifest["distributions"]["site"]["objects"][page]["sha256"].as_str().unwrap())
}

/// The one asset of a build.
fn asset(rehearsal: &Rehearsal, version: &str) -> String {
    let manifest: Value = serde_json::from_str(&rehearsal.project.read(&format!("{version}/manifest.json"))).unwrap();
    let objects = manifest["distributions"]["site"]["objects"].as_object().unwrap();
    objects.keys().find(|key| key.starts_with("assets/site.")).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_deleted_is_found_and_healed() {
    let (rehearsal, _) = served().await;
    let (public, control) = (rehearsal.bucket("staging").await, rehearsal.bucket("control").await);
    let (about, index) = (body(&rehearsal, "v2", "about/index.html"), body(&rehearsal, "v2", "index.html"));
    let asset = asset(&rehearsal, "v2");
    let found = async |expected: &[&str]| {
        let audit = rehearsal.qdn(&["audit", "staging", "--json"]).await.ended(3).json();
        let missing = |row: &&Value| row["wrong"] == "missing" || row["wrong"] == "body";
        let rows: Vec<String> = audit["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(missing)
            .map(|row| row["key"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(rows, expected, "{audit}");
    };
    // From the build.
    delete(&*public, "about/index.html").await;
    delete(&*public, &asset).await;
    delete(&*control, &about).await;
    found(&[&about, "about/index.html", &asset]).await;
    rehearsal.publish("staging", "v2").await.ended(0);
    found(&[&about, "about/index.html", &asset]).await;
    rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--audit"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    // From the books alone: a page from its body, a body from its page.
    delete(&*public, "about/index.html").await;
    delete(&*control, &index).await;
    found(&[&index, "about/index.html"]).await;
    rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    // What the books have not is told, and touched no further.
    delete(&*public, "about/index.html").await;
    delete(&*control, &about).await;
    let run = rehearsal.qdn(&["audit", "staging", "--repair"]).await;
    assert!(run.code == 1 && run.stderr.contains(&about), "{}: {}", run.code, run.stderr);
    rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--audit"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    // Somebody wrote over a page, and made another function live.
    overwrite(&*public, "about/index.html", b"theirs").await;
    rehearsal.cloud.edit_function("route-staging", "function handler(event) { return event.request; }");
    rehearsal.cloud.publish_by_hand("route-staging");
    let run = rehearsal.qdn(&["audit", "staging"]).await.ended(3);
    assert!(run.stdout.contains("site/about/index.html has other bytes") && run.stdout.contains("function"), "{}", run.stdout);
    let run = rehearsal.publish("staging", "v3").await.ended(3);
    assert!(run.stderr.contains("--adopt"), "{}", run.stderr);
    assert_eq!(rehearsal.bucket("staging").await.read("about/index.html").await.unwrap().unwrap().bytes, b"theirs");
    rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_to_what_is_not_whole_changes_nothing() {
    let (rehearsal, releases) = served().await;
    let control = rehearsal.bucket("control").await;
    let gone = body(&rehearsal, "v1", "about/index.html");
    let head = rehearsal.head("staging").await;
    delete(&*control, &gone).await;
    let refused = async |words: &[&str]| {
        let before = rehearsal.proxy.seen().len();
        let run = rehearsal.qdn(&["rollback", "staging"]).await;
        assert!([1, 3].contains(&run.code) && words.iter().all(|word| run.stderr.contains(word)), "{}: {}", run.code, run.stderr);
        assert_eq!(rehearsal.asked_of("staging", "PUT", before), [""; 0]);
        assert_eq!(rehearsal.head("staging").await, head);
    };
    refused(&[&gone, "is not complete any more"]).await;
    // Its manifest is gone, damaged, or of a newer qdn.
    let place = format!("releases/{}.json", releases[0]);
    let text = control.read(&place).await.unwrap().unwrap().bytes;
    overwrite(&*control, &place, &text[..text.len() / 2]).await;
    refused(&[&releases[0], "damaged"]).await;
    let mut newer: Value = serde_json::from_slice(&text).unwrap();
    newer["version"] = json!(7);
    overwrite(&*control, &place, newer.to_string().as_bytes()).await;
    refused(&["version 7"]).await;
    delete(&*control, &place).await;
    refused(&[&releases[0], "is not there"]).await;
    // Publishing needs none of it.
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_holds_somebodys_site_is_left_alone_unless_it_is_adopted() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    let public = rehearsal.bucket("staging").await;
    overwrite(&*public, "about/index.html", b"theirs").await;
    overwrite(&*public, "other.html", b"theirs").await;
    for command in ["plan", "publish"] {
        let run = rehearsal.qdn(&[command, "staging", "--dist", "v1"]).await.ended(1);
        assert!(run.stderr.contains("holds 2 objects") && run.stderr.contains("--adopt"), "{}", run.stderr);
    }
    assert_eq!((rehearsal.keys("staging").await.len(), rehearsal.keys("control").await.len()), (2, 0));
    rehearsal.qdn(&["publish", "staging", "--dist", "v1", "--adopt"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
    assert_eq!(public.read("other.html").await.unwrap().unwrap().bytes, b"theirs", "the release has none of that name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_is_refused_and_restored_from_the_log() {
    let (rehearsal, releases) = served().await;
    let control = rehearsal.bucket("control").await;
    let text = control.read(HEAD).await.unwrap().unwrap().bytes;
    let mut flipped = text.clone();
    let at = text.windows(8).position(|window| window == b"\"nonce\":").unwrap() + 12;
    flipped[at] ^= 1;
    for damaged in [b"garbled".to_vec(), Vec::new(), text[..text.len() / 2].to_vec(), flipped, text[..text.len() - 1].to_vec()] {
        overwrite(&*control, HEAD, &damaged).await;
        let asked = rehearsal.proxy.seen().len();
        let shown = String::from_utf8_lossy(&damaged).into_owned();
        for command in [
            &["publish", "staging", "--dist", "v3"][..],
            &["publish", "staging", "--dist", "v3", "--adopt"],
            &["rollback", "staging"],
            &["status", "staging"],
            &["audit", "staging"],
            &["gc", "staging"],
        ] {
            let run = rehearsal.qdn(command).await;
            assert!(run.code == 3 && run.stderr.contains("--repair"), "{command:?}: {}: {shown}", run.stderr);
        }
        assert_eq!(rehearsal.asked_of("staging", "PUT", asked), [""; 0]);
        assert_eq!(control.read(HEAD).await.unwrap().unwrap().bytes, damaged, "nothing was written over it");
        rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
        assert_eq!(rehearsal.head("staging").await["release"], json!(releases[1]));
    }
    // It is gone altogether, and the bucket is not empty.
    delete(&*control, HEAD).await;
    let run = rehearsal.publish("staging", "v3").await.ended(1);
    assert!(run.stderr.contains("its log says") && run.stderr.contains("--repair"), "{}", run.stderr);
    rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    rehearsal.publish("staging", "v3").await.ended(0);
    rehearsal.is_whole("staging", "v3").await;
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_anew_gives_nothing_a_name_that_was_given_before() {
    let (rehearsal, releases) = served().await;
    let control = rehearsal.bucket("control").await;
    // The state is gone, and whoever publishes does not look for the log.
    let adopt = async |version: &str| {
        let receipt = rehearsal.qdn(&["publish", "staging", "--dist", version, "--adopt", "--json"]).await.ended(0).json();
        assert_eq!(receipt["verified"]["purged_again"], json!([]), "the edge heard it the first time: {receipt}");
        rehearsal.is_whole("staging", version).await;
    };
    delete(&*control, HEAD).await;
    adopt("v1").await;
    // What is restored later is the newest, and not what was before the loss.
    overwrite(&*control, HEAD, b"garbled").await;
    rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
    assert_eq!(rehearsal.head("staging").await["release"], json!(releases[0]));
    rehearsal.is_whole("staging", "v1").await;
    // Nothing in the log is whole either: it is begun anew where that is asked for.
    let log: Vec<String> =
        rehearsal.keys("control").await.into_iter().filter(|key| key.starts_with("stages/staging/log/")).collect();
    assert!(log.len() > 2, "{log:?}");
    for key in log.iter().map(String::as_str).chain([HEAD]) {
        overwrite(&*control, key, b"garbled").await;
    }
    let run = rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(3);
    assert!(run.stderr.contains("publish staging --adopt"), "{}", run.stderr);
    rehearsal.publish("staging", "v2").await.ended(3);
    adopt("v2").await;
    adopt("v1").await;
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_of_a_newer_qdn_are_left_alone() {
    let (rehearsal, _) = served().await;
    let control = rehearsal.bucket("control").await;
    let mut newer = rehearsal.head("staging").await;
    newer["version"] = json!(4);
    let newer = newer.to_string().into_bytes();
    overwrite(&*control, HEAD, &newer).await;
    for command in [
        &["publish", "staging", "--dist", "v3"][..],
        &["publish", "staging", "--dist", "v3", "--adopt"],
        &["rollback", "staging"],
        &["promote", "staging", "production"],
        &["audit", "staging"],
        &["audit", "staging", "--repair"],
        &["gc", "staging"],
    ] {
        let run = rehearsal.qdn(command).await;
        assert!(
            run.code == 3 && run.stderr.contains("version 4") && run.stderr.contains("reads versions 1 to 3"),
            "{command:?}: {}",
            run.stderr
        );
        assert_eq!(control.read(HEAD).await.unwrap().unwrap().bytes, newer, "{command:?}");
    }
    rehearsal.shows("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_release_needs_is_removed_and_nothing_else() {
    let (rehearsal, releases) = served().await;
    rehearsal.publish("staging", "v3").await.ended(0);
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    overwrite(&*rehearsal.bucket("staging").await, "theirs.txt", b"theirs").await;
    let control = rehearsal.bucket("control").await;
    let everything =
        async || (rehearsal.keys("staging").await, rehearsal.keys("control").await, rehearsal.keys("production").await);
    let before = everything().await;
    // Nothing is old enough; and who only looks changes nothing.
    rehearsal.qdn(&["gc", "staging", "--keep", "1", "--days", "30"]).await.ended(0);
    assert_eq!(everything().await, before);
    let looked = rehearsal.qdn(&["gc", "staging", "--keep", "2", "--days", "0", "--dry-run", "--json"]).await.ended(0).json();
    assert_eq!(looked["releases"], json!([releases[0]]), "{looked}");
    assert_eq!(looked["assets"], json!({ "staging/site": [asset(&rehearsal, "v1")] }));
    assert_eq!(looked["unknown"], json!({ "staging/site": 1 }));
    assert_eq!(everything().await, before);

    // Where anything is unclear, nothing is removed.
    let place = format!("releases/{}.json", releases[1]);
    let text = control.read(&place).await.unwrap().unwrap().bytes;
    overwrite(&*control, &place, b"garbled").await;
    let run = rehearsal.qdn(&["gc", "staging", "--keep", "1", "--days", "0"]).await.ended(3);
    assert!(run.stderr.contains(&releases[1]) && run.stderr.contains("damaged"), "{}", run.stderr);
    overwrite(&*control, &place, &text).await;
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).method("PUT").path(rehearsal.at("production", "blog/")));
    rehearsal.publish("production", "v2").await.ended(3);
    rehearsal.proxy.relent();
    let run = rehearsal.qdn(&["gc", "staging", "--keep", "1", "--days", "0"]).await.ended(1);
    assert!(run.stderr.contains("`production` is in the middle of a publish"), "{}", run.stderr);
    assert_eq!(everything().await.0, before.0);
    rehearsal.publish("production", "v2").await.ended(0);
    rehearsal.qdn(&["rollback", "production"]).await.ended(0);

    let removed = rehearsal.qdn(&["gc", "staging", "--keep", "2", "--days", "0", "--json"]).await.ended(0).json();
    assert_eq!((&removed["releases"], &removed["assets"]), (&looked["releases"], &looked["assets"]));
    let left = rehearsal.keys("staging").await;
    assert_eq!(before.0.iter().filter(|key| !left.contains(*key)).collect::<Vec<_>>(), [&asset(&rehearsal, "v1")]);
    assert!(!rehearsal.keys("control").await.contains(&body(&rehearsal, "v1", "index.html")));
    rehearsal.is_whole("staging", "v3").await;
    rehearsal.qdn(&["rollback", "staging", "--to", &releases[0]]).await.ended(3);
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    rehearsal.is_whole("production", "v3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_promoted_to_a_stage_with_books_elsewhere() {
    let (rehearsal, _) = served().await;
    let elsewhere = rehearsal.cloud.bucket("elsewhere").await;
    let config = rehearsal.project.read("qdn.toml");
    let (staging, production) = config.split_at(config.find("[stages.production]").unwrap());
    let place = format!("{}/qdn", rehearsal.cloud.bucket_name("control"));
    rehearsal.project.write("qdn.toml", format!("{staging}{}", production.replace(&place, &format!("{elsewhere}/far/away"))));
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    rehearsal.shows("production", "v2").await;
    rehearsal.qdn(&["audit", "production"]).await.ended(0);
    let keys = rehearsal.keys("elsewhere").await;
    assert!(keys.iter().any(|key| key.starts_with("far/away/blobs/")), "{keys:?}");
    // It needs the other one no more.
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    for key in rehearsal.keys("control").await {
        delete(&*rehearsal.bucket("control").await, &key).await;
    }
    rehearsal.qdn(&["rollback", "production"]).await.ended(0);
    rehearsal.is_whole("production", "v2").await;
}

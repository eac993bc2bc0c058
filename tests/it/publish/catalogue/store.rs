//! A store that is busy, lies, forbids, or loses answers.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_is_asked_again() {
    let rehearsal = Rehearsal::new().await;
    let rules = [
        rehearsal.proxy.rule(Rule::new(Fault::Refuse(503, "SlowDown")).every(3)),
        rehearsal.proxy.rule(Rule::new(Fault::Refuse(500, "InternalError")).every(7)),
        rehearsal.proxy.rule(Rule::new(Fault::Refuse(429, "TooManyRequests")).every(11)),
    ];
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    rehearsal.version("2");
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
    assert!(rules.iter().all(|rule| rule.done() > 2), "{rules:?}");
    rehearsal.proxy.relent();
    rehearsal.is_whole("staging", "2").await;
    assert_eq!(rehearsal.cloud.invalidated("ESTAGING").len(), 2, "one each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_may_fail_once_and_nothing_is_done_twice() {
    let rehearsal = Rehearsal::new().await;
    let mut references = Vec::new();
    for (version, fault) in [("1", Fault::LoseAnswer), ("2", Fault::Reset), ("3", Fault::LoseAnswer), ("4", Fault::Truncate(1))] {
        rehearsal.version(version);
        let before = rehearsal.proxy.seen().len();
        let rule = rehearsal.proxy.rule(Rule::new(fault.clone()).once_each());
        rehearsal.qdn(&["publish", "staging"]).await.ended(0);
        assert!(rule.done() > 30, "{fault:?}: {}", rule.done());
        rehearsal.proxy.relent();
        rehearsal.is_whole("staging", version).await;
        let asked = rehearsal.proxy.seen().split_off(before);
        let mut now: Vec<String> = asked.iter().filter_map(|one| reference(&one.text())).collect();
        assert!(now.len() > 1, "it was asked for again");
        now.dedup();
        assert_eq!(now.len(), 1, "and by the same name: {now:?}");
        references.extend(now);
    }
    assert_eq!(rehearsal.cloud.invalidated("ESTAGING").len(), 4, "one for each publish");
    let billed: usize = rehearsal.cloud.invalidated("ESTAGING").iter().map(Vec::len).sum();
    assert_eq!(rehearsal.cloud.billed(), billed);
    // Some of them within one second.
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 4, "each has a name of its own: {references:?}");
    let past = rehearsal.head("staging").await["past"].as_array().unwrap().len();
    assert_eq!(past, 4, "each is in the books once");
}

/// The name by which an invalidation is asked for.
fn reference(body: &str) -> Option<String> {
    Some(body.split("<CallerReference>").nth(1)?.split('<').next()?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_publishes_in_one_second_have_invalidations_of_their_own() {
    let rehearsal = Rehearsal::new().await;
    let (one, two) = (rehearsal.built("v1").await, rehearsal.built("v2").await);
    for (version, release) in [("v1", &one), ("v2", &two), ("v1", &one), ("v2", &two)] {
        rehearsal.publish("staging", version).await.ended(0);
        assert_eq!(rehearsal.head("staging").await["release"], json!(release));
        rehearsal.shows("staging", version).await;
    }
    let seen = rehearsal.proxy.seen();
    let mut references: Vec<String> = seen.iter().filter_map(|one| reference(&one.text())).collect();
    references.sort();
    references.dedup();
    assert_eq!(references.len(), 4, "{references:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_within_a_200_is_made_again_or_told() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        rehearsal.built(version).await;
        rehearsal.publish("staging", version).await.ended(0);
    }
    let copies = |fault| Rule::new(fault).method("PUT").header("x-amz-copy-source", "");
    let rule = rehearsal.proxy.rule(copies(Fault::Refuse(200, "InternalError")).times(3));
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    assert_eq!(rule.done(), 3);
    rehearsal.proxy.relent();
    rehearsal.is_whole("staging", "v1").await;
    rehearsal.proxy.rule(copies(Fault::Refuse(200, "AccessDenied")));
    let run = rehearsal.qdn(&["promote", "staging", "production"]).await.ended(3);
    assert!(run.stderr.contains("AccessDenied"), "{}", run.stderr);
    assert_eq!(rehearsal.keys("production").await, [""; 0], "nothing was begun");
    rehearsal.proxy.relent();
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    rehearsal.is_whole("production", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_expire_on_the_way_are_named_and_the_next_run_goes_on() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    let before = rehearsal.proxy.seen().len();
    rehearsal.publish("staging", "v2").await.ended(0);
    let all = rehearsal.proxy.seen().len() - before;
    // While the books are read, while bodies are stored, among the pages, and at the invalidation.
    for (at, version) in [(1, "v1"), (all / 3, "v2"), (all / 2, "v1"), (all - 8, "v2")] {
        rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "ExpiredToken")).skip(at));
        let run = rehearsal.publish("staging", version).await.ended(3);
        assert!(run.stderr.contains("credentials have expired"), "after {at}: {}", run.stderr);
        rehearsal.proxy.relent();
        rehearsal.publish("staging", version).await.ended(0);
        rehearsal.is_whole("staging", version).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_clock_is_told_of_and_stops_nothing() {
    let rehearsal = Rehearsal::new().await;
    for minutes in [20, -20] {
        let theirs = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let body = "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message></Error>".to_owned();
        rehearsal.proxy.rule(Rule::new(Fault::Answer(403, vec![("date", date)], body)).times(1));
        let before = rehearsal.proxy.seen().len();
        rehearsal.version(&minutes.to_string());
        let run = rehearsal.qdn(&["publish", "staging"]).await.ended(0);
        assert!(run.stderr.contains("the clock of this machine is off by"), "{}", run.stderr);
        let seen = rehearsal.proxy.seen().split_off(before);
        let signed = seen[1].header("x-amz-date").unwrap();
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
        let signed = jiff::tz::TimeZone::UTC.to_timestamp(signed).unwrap();
        assert!(theirs.duration_since(signed).abs().as_secs() < 60, "it was signed at {signed}");
        rehearsal.proxy.relent();
    }
    rehearsal.is_whole("staging", "-20").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_may_not_be_written_ends_the_phase_and_nothing_is_removed() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.project.write("site/old.md", "---\ntitle: old\n---\nversion v1\n");
    rehearsal.built("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.project.remove("site/old.md");
    rehearsal.built("v2").await;
    let place = rehearsal.at("staging", "blog/index.html");
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).method("PUT").path(place));
    let before = rehearsal.proxy.seen().len();
    let run = rehearsal.publish("staging", "v2").await.ended(3);
    assert!(run.stderr.contains("blog/index.html") && run.stderr.contains("s3:PutObject"), "{}", run.stderr);
    assert_eq!(rehearsal.asked_of("staging", "DELETE", before), [""; 0]);
    let written = rehearsal.asked_of("staging", "PUT", before);
    assert!(!written.iter().any(|key| key == "index.html" || key == "sitemap.xml"), "{written:?}");
    assert_eq!(rehearsal.page("staging", "/").await, "v1");
    assert_eq!(rehearsal.page("staging", "/old/").await, "v1", "what the release lacks is there still");
    assert!(rehearsal.head("staging").await["applying"]["holder"].is_null(), "nobody has to wait");
    rehearsal.proxy.relent();
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    assert!(!rehearsal.keys("staging").await.contains(&"old/index.html".to_owned()));

    // Only copies are forbidden: that is found at a rollback.
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).header("x-amz-copy-source", "").method("PUT"));
    let run = rehearsal.qdn(&["rollback", "staging"]).await.ended(3);
    assert!(run.stderr.contains("s3:PutObject") && run.stderr.contains("s3:GetObject"), "{}", run.stderr);
    rehearsal.proxy.relent();
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_asset_failed_is_not_published() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.built("v2").await;
    let before = rehearsal.head("staging").await;
    rehearsal.proxy.rule(Rule::new(Fault::Refuse(403, "AccessDenied")).method("PUT").path(rehearsal.at("staging", "assets/")));
    let seen = rehearsal.proxy.seen().len();
    rehearsal.publish("staging", "v2").await.ended(3);
    let written = rehearsal.asked_of("staging", "PUT", seen);
    assert!(!written.is_empty() && written.iter().all(|key| key.starts_with("assets/")), "{written:?}");
    assert_eq!(rehearsal.asked_of("staging", "DELETE", seen), [""; 0]);
    assert_eq!(rehearsal.head("staging").await, before, "it was not even begun");
    rehearsal.proxy.relent();
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_or_elsewhere_is_named() {
    let rehearsal = Rehearsal::new().await;
    let config = rehearsal.project.read("qdn.toml");
    for short in ["staging", "control"] {
        let name = rehearsal.cloud.bucket_name(short);
        rehearsal.project.write("qdn.toml", config.replace(&name, "not-here"));
        let run = rehearsal.qdn(&["publish", "staging"]).await.ended(3);
        assert!(run.stderr.contains("not-here") && run.stderr.contains("Create the bucket"), "{}", run.stderr);
    }
    rehearsal.project.write("qdn.toml", config);
    let body = "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>".to_owned();
    let there = Fault::Answer(301, vec![("x-amz-bucket-region", "eu-west-3".to_owned())], body);
    rehearsal.proxy.rule(Rule::new(there).path(rehearsal.at("control", "")));
    let run = rehearsal.qdn(&["publish", "staging"]).await.ended(3);
    assert!(run.stderr.contains("eu-west-3") && run.stderr.contains("region"), "{}", run.stderr);
    assert_eq!((rehearsal.keys("staging").await, rehearsal.keys("control").await), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_passes_over_conditions_is_refused_before_anything_is_written() {
    let rehearsal = Rehearsal::new().await;
    for header in ["if-none-match", "if-match"] {
        let strip: &'static [&'static str] = if header == "if-match" { &["if-match"] } else { &["if-none-match"] };
        rehearsal.proxy.rule(Rule::new(Fault::Strip(strip)));
        let run = rehearsal.qdn(&["publish", "staging"]).await.ended(3);
        assert!(run.stderr.to_lowercase().contains(header), "{}", run.stderr);
        // On that one it was tried out.
        assert_eq!((rehearsal.keys("staging").await, rehearsal.keys("control").await), (Vec::new(), vec!["probe".to_owned()]));
        rehearsal.proxy.relent();
    }
    rehearsal.qdn(&["publish", "staging"]).await.ended(0);
}

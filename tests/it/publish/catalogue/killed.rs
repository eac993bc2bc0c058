//! The program is killed where it hurts most, and the next one does no more than what is left.

use super::*;

/// CloudFront's purges of every distribution.
const PURGES: &str = "/invalidation";

/// Starts a publish that is killed at a request, and waits for its end.
pub(super) async fn killed(rehearsal: &Rehearsal, version: &str, rule: impl FnOnce(Hook) -> Rule) {
    let victim = Victim::default();
    let rule = rehearsal.proxy.rule(rule(victim.hook("KILL")).times(1));
    let run = rehearsal.start(&["publish", "staging", "--dist", version], &victim).await.unwrap();
    assert_eq!((rule.done(), run.code), (1, -1), "{}", run.stderr);
    rehearsal.proxy.relent();
}

/// What lies there once the requests have come to their end that were on the way when their sender was killed.
async fn settled(rehearsal: &Rehearsal) -> Vec<String> {
    let mut keys = rehearsal.keys("staging").await;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let now = rehearsal.keys("staging").await;
        if now == keys {
            return now;
        }
        keys = now;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_its_assets_and_only_the_missing_ones_are_sent() {
    const ALL: usize = 201;
    /// As many are on the way before the first answer.
    const WINDOW: usize = 64;
    let rehearsal = Rehearsal::new().await;
    rehearsal.built("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    let place = rehearsal.at("staging", "assets/");
    let is_asset = |key: &String| key.starts_with("assets/");
    for percent in [10, 30, 50, 70, 90] {
        let version = format!("p{percent}");
        for one in 1..ALL {
            rehearsal.project.write(&format!("site/assets/n/{one}.txt"), format!("{one} of {version}"));
        }
        rehearsal.built(&version).await;
        let before = rehearsal.keys("staging").await;
        let nth = ALL * percent / 100;
        killed(&rehearsal, &version, |kill| Rule::new(Fault::Instead(kill)).method("PUT").path(&place).skip(nth)).await;
        let there = settled(&rehearsal).await;
        assert!(there.iter().all(|key| before.contains(key) || is_asset(key)), "{there:?}");
        let missing = before.len() + ALL - there.len();
        assert!(missing > 0 && missing < ALL, "{missing} of {ALL} were missing after it was killed at {nth}");
        let seen = rehearsal.proxy.seen().len();
        rehearsal.cloud.clear_calls();
        rehearsal.publish("staging", &version).await.ended(0);
        let asked = rehearsal.asked_of("staging", "PUT", seen).into_iter().filter(is_asset).count();
        assert!(asked <= missing + WINDOW, "at {percent} %: {asked} were sent, and {missing} were missing");
        let written = rehearsal.cloud.calls().into_iter().filter(|call| call.path.starts_with(&place) && call.status == 200);
        assert_eq!(written.filter(|call| call.operation == "PutObject").count(), missing, "at {percent} %");
        rehearsal.is_whole("staging", &version).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_pages_and_purge_and_the_next_purges_although_nothing_differs() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.shows("staging", "v1").await;
    let before = rehearsal.cloud.invalidated("ESTAGING").len();
    killed(&rehearsal, "v2", |kill| Rule::new(Fault::Instead(kill)).method("POST").path(PURGES)).await;
    // Every page is in place, and the edge has not heard.
    let page = rehearsal.bucket("staging").await.read("about/index.html").await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&page.bytes).contains("version v2"));
    assert_eq!(
        (rehearsal.page("staging", "/about/").await.as_str(), rehearsal.cloud.invalidated("ESTAGING").len()),
        ("v1", before)
    );
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    assert_eq!(rehearsal.cloud.invalidated("ESTAGING").len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_purge_was_made_and_that_is_paid_for_once() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        rehearsal.built(version).await;
    }
    rehearsal.publish("staging", "v1").await.ended(0);
    rehearsal.shows("staging", "v1").await;
    let (made, billed) = (rehearsal.cloud.invalidated("ESTAGING").len(), rehearsal.cloud.billed());
    killed(&rehearsal, "v2", |kill| Rule::new(Fault::After(kill)).method("POST").path(PURGES)).await;
    let paid = rehearsal.cloud.billed() - billed;
    assert!(paid > 0);
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.is_whole("staging", "v2").await;
    assert_eq!((rehearsal.cloud.invalidated("ESTAGING").len() - made, rehearsal.cloud.billed() - billed), (1, paid));
}

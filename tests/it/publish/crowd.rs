//! Many publish at once.

use super::*;
use async_trait::async_trait;
use qdn::deploy::remote::{Described, Failure, Found, Listed, Location, Stat, Tag, When};
use std::time::Duration;
use tokio::sync::Notify;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_publishes_together_publishes_one_after_the_other() {
    let folder = scratch();
    let here = directory(folder.path());
    for round in 0..25 {
        let crowd = 2 + round % 7;
        let versions: Vec<Release> = (0..crowd).map(|one| site(&format!("{round}.{one}"), PAGES)).collect();
        let publishers = versions.iter().map(|version| {
            let (version, stage) = (version.clone(), stage("local", &here));
            async move {
                let context = Context { lease: Duration::from_secs(4), ..context("one of many") };
                publish(&version, &stage, &context).await
            }
        });
        let receipts = futures_util::future::join_all(publishers.collect::<Vec<_>>()).await;
        for receipt in receipts {
            receipt.expect("everybody has a turn");
        }
        let stage = stage("local", &here);
        let head = apply::state(&stage, &context("looker")).await.unwrap().unwrap();
        let last = versions.iter().find(|one| Some(&one.manifest.release) == head.release.as_ref()).expect("one of them is served");
        serves(&stage, last).await;
    }
}

/// A bucket whose owner falls asleep before its nth write, until it is woken.
#[derive(Debug)]
struct Sleepy {
    bucket: Arc<dyn Bucket>,
    left: AtomicU64,
    asleep: Arc<Notify>,
    wake: Arc<Notify>,
}

impl Sleepy {
    async fn nap(&self) {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1) {
            self.asleep.notify_one();
            // As when a process is stopped, nothing else of it runs: neither its renewals nor its other requests.
            self.wake.notified().await;
        }
    }
}

#[async_trait]
impl Bucket for Sleepy {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        self.bucket.read(key).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        self.bucket.stat(key).await
    }
    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        let put = self.bucket.put(key, content, described, when).await;
        self.nap().await;
        put
    }
    async fn copy(&self, from: &Location, key: &str, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        self.bucket.copy(from, key, described, when).await
    }
    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        self.bucket.remove(key, tag).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        self.bucket.list(prefix).await
    }
    async fn obeys_conditions(&self) -> Result<(), Failure> {
        self.bucket.obeys_conditions().await
    }
    fn locate(&self, key: &str) -> Location {
        self.bucket.locate(key)
    }
}

/// Somebody publishes r2, is stopped among the pages for longer than a lease, and meanwhile somebody else goes back to
/// r1: the pages have the tags again that the sleeper knew. Awake, it writes nothing.
#[tokio::test]
async fn whoever_slept_through_a_way_there_and_back_touches_nothing() {
    let folder = scratch();
    let here = directory(folder.path());
    let pages: Vec<String> = (0..300).map(|page| format!("p{page}/index.html")).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let (one, two) = (site("1", &pages), site("2", &pages));
    publish(&one, &stage("local", &here), &context("first")).await.unwrap();
    let (asleep, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut slow = stage("local", &here);
    let target = slow.distributions.get_mut("site").unwrap();
    // The first write is the style sheet; then come pages.
    let left = AtomicU64::new(50);
    let sleepy = Sleepy { bucket: Arc::clone(&target.bucket), left, asleep: Arc::clone(&asleep), wake: Arc::clone(&wake) };
    target.bucket = Arc::new(sleepy);
    // Nobody polls it while it is stopped.
    let lease = Duration::from_millis(600);
    let sleeper = Context { lease, ..context("sleeper") };
    let mut publishing = Box::pin(publish(&two, &slow, &sleeper));
    tokio::select! {
        biased;
        () = asleep.notified() => {}
        receipt = &mut publishing => panic!("it sleeps: {receipt:?}"),
    }
    let awake = stage("local", &here);
    let other = Context { lease, ..context("other") };
    bring(Kind::Rollback, &one.manifest, Supply::Stage(&awake), &awake, &other).await.unwrap();
    let before = awake.distributions["site"].bucket.list("p").await.unwrap();
    wake.notify_one();
    let stopped = publishing.await.unwrap_err();
    assert!(matches!(stopped, Stopped::Superseded { .. }), "{stopped}");
    assert_eq!(awake.distributions["site"].bucket.list("p").await.unwrap(), before, "not one page was touched");
    serves(&awake, &one).await;
}

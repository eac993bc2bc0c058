//! Many publish at once.

use super::*;
use async_trait::async_trait;
use qdn::deploy::remote::{Described, Failure, Found, Listed, Location, Stat, Tag, When};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

/// Two hundred rounds, in eight places at a time: who waits for another costs no time of the machine.
#[test]
fn whoever_publishes_together_publishes_one_after_the_other() {
    let lanes = (0..8).map(|lane| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(rounds(lane));
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.join().expect("no page was mixed");
    }
}

async fn rounds(lane: usize) {
    let folder = scratch();
    let here = directory(folder.path());
    for round in 0..25 {
        // From two to eight.
        let crowd = 2 + (lane + round) % 7;
        let versions: Vec<Release> = (0..crowd).map(|one| site(&format!("{round}.{one}"), PAGES)).collect();
        let publishers = versions.iter().map(|version| {
            let (version, stage) = (version.clone(), stage("local", &here));
            async move {
                // Of eight publishers in eight places each has to be heard in time.
                let context = Context { lease: Duration::from_secs(20), ..context("one of many") };
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

/// A bucket whose process falls asleep once it has written so many objects: nothing of it goes on, no clock of it
/// either, until it is woken up.
#[derive(Debug)]
struct Drowsy {
    bucket: Arc<dyn Bucket>,
    left: AtomicU64,
    asleep: mpsc::Sender<()>,
    wake: Mutex<mpsc::Receiver<()>>,
}

#[async_trait]
impl Bucket for Drowsy {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        self.bucket.read(key).await
    }
    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.bucket.read_range(key, offset, size).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        self.bucket.stat(key).await
    }
    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        let done = self.bucket.put(key, content, described, when).await;
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.asleep.send(()).expect("somebody waits");
            self.wake.lock().expect("one thread").recv().expect("it is woken up");
        }
        done
    }
    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        self.bucket.copy(from, is, key, described, when).await
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wakes_up_after_others_went_back_to_what_it_knew_touches_nothing() {
    let folder = scratch();
    let pages: Vec<String> = (0..200).map(|page| format!("many/{page}/index.html")).chain(["index.html".to_owned()]).collect();
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let (one, two) = (site("1", &pages), site("2", &pages));
    let here = stage("local", &directory(folder.path()));
    let quick = |by| Context { lease: Duration::from_millis(600), ..context(by) };
    publish(&one, &here, &quick("first")).await.unwrap();

    let ((asleep, sleeps), (wake, woken)) = (mpsc::channel(), mpsc::channel());
    let (root, release) = (folder.path().to_path_buf(), two.clone());
    let sleeper = std::thread::spawn(move || {
        let mut stage = stage("local", &directory(&root));
        let target = stage.distributions.get_mut("site").unwrap();
        let (bucket, wake) = (Arc::clone(&target.bucket), Mutex::new(woken));
        // The style is one of them.
        target.bucket = Arc::new(Drowsy { bucket, left: AtomicU64::new(60), asleep, wake });
        let sleeper = Context { lease: Duration::from_millis(600), ..context("sleeper") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(publish(&release, &stage, &sleeper))
    });
    tokio::task::spawn_blocking(move || sleeps.recv()).await.unwrap().unwrap();
    // What it had not written yet is as it knew it, and stays so.
    bring(Kind::Rollback, &one.manifest, Supply::Stage(&here), &here, &quick("awake")).await.unwrap();
    serves(&here, &one).await;
    wake.send(()).unwrap();
    let stopped = tokio::task::spawn_blocking(move || sleeper.join().unwrap()).await.unwrap().unwrap_err();
    assert!(matches!(&stopped, Stopped::Superseded { by, .. } if by == "awake"), "{stopped}");
    serves(&here, &one).await;
    publish(&two, &here, &quick("next")).await.unwrap();
    serves(&here, &two).await;
}

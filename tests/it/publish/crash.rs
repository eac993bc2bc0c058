//! A publisher dies at every single request, before it is done or just after, and the next command finds what it needs.

use super::*;
use async_trait::async_trait;
use qdn::deploy::invalidation::Item;
use qdn::deploy::options::Mode;
use qdn::deploy::remote::{
    Cdn, Described, DistributionInfo, Failure, Fetched, Found, FunctionStage, Invalidation, Listed, Location, RemoteFunction,
    Running, Stat, Tag, When,
};
use std::sync::Mutex;
use tokio::sync::Notify;

/// Lets so many requests through; at the next one its process is dead.
#[derive(Debug)]
pub(super) struct Fuse {
    left: AtomicU64,
    /// Whether the last request still reaches the other side.
    is_done: bool,
    dead: Notify,
    died_at: Mutex<Option<String>>,
}

impl Fuse {
    /// One that only counts.
    pub(super) fn endless() -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(u64::MAX), is_done: false, dead: Notify::new(), died_at: Mutex::new(None) })
    }

    /// How many requests an endless one has let through.
    pub(super) fn passed(&self) -> u64 {
        u64::MAX - self.left.load(Ordering::Relaxed)
    }

    async fn pass<T>(&self, what: &str, request: impl Future<Output = T>) -> T {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return request.await;
        }
        let is_first = {
            let mut died_at = self.died_at.lock().unwrap();
            let is_first = died_at.is_none();
            died_at.get_or_insert_with(|| what.to_owned());
            is_first
        };
        if is_first && self.is_done {
            request.await;
        }
        self.dead.notify_waiters();
        self.dead.notify_one();
        std::future::pending().await
    }
}

#[derive(Debug)]
struct Fused<T: ?Sized>(Arc<Fuse>, Arc<T>);

#[async_trait]
impl Bucket for Fused<dyn Bucket> {
    async fn read(&self, key: &str) -> Result<Option<Found>, Failure> {
        self.0.pass(&format!("read {key}"), self.1.read(key)).await
    }
    async fn read_range(&self, key: &str, offset: u64, size: u64) -> Result<Option<Vec<u8>>, Failure> {
        self.0.pass(&format!("read a part of {key}"), self.1.read_range(key, offset, size)).await
    }
    async fn stat(&self, key: &str) -> Result<Option<Stat>, Failure> {
        self.0.pass(&format!("stat {key}"), self.1.stat(key)).await
    }
    async fn put(&self, key: &str, content: &Content, described: &Described<'_>, when: &When) -> Result<Tag, Failure> {
        self.0.pass(&format!("put {key}"), self.1.put(key, content, described, when)).await
    }
    async fn copy(
        &self,
        from: &Location,
        is: Option<&Tag>,
        key: &str,
        described: &Described<'_>,
        when: &When,
    ) -> Result<Tag, Failure> {
        self.0.pass(&format!("copy {key}"), self.1.copy(from, is, key, described, when)).await
    }
    async fn remove(&self, key: &str, tag: &Tag) -> Result<(), Failure> {
        self.0.pass(&format!("remove {key}"), self.1.remove(key, tag)).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>, Failure> {
        self.0.pass(&format!("list {prefix}"), self.1.list(prefix)).await
    }
    async fn obeys_conditions(&self) -> Result<(), Failure> {
        self.0.pass("probe", self.1.obeys_conditions()).await
    }
    fn locate(&self, key: &str) -> Location {
        self.1.locate(key)
    }
}

#[async_trait]
impl Cdn for Fused<dyn Cdn> {
    async fn distribution(&self, id: &str) -> Result<DistributionInfo, Failure> {
        self.0.pass("distribution", self.1.distribution(id)).await
    }
    async fn invalidate(&self, id: &str, reference: &str, items: &[Item]) -> Result<Invalidation, Failure> {
        self.0.pass("invalidate", self.1.invalidate(id, reference, items)).await
    }
    async fn invalidation(&self, id: &str, invalidation: &str) -> Result<Invalidation, Failure> {
        self.0.pass("invalidation", self.1.invalidation(id, invalidation)).await
    }
    async fn running(&self, id: &str) -> Result<Running, Failure> {
        self.0.pass("running", self.1.running(id)).await
    }
    async fn fetch(&self, id: &str, url: Option<&str>, path: &str) -> Result<Fetched, Failure> {
        self.0.pass("fetch", self.1.fetch(id, url, path)).await
    }
    async fn function(&self, name: &str, stage: FunctionStage) -> Result<Option<RemoteFunction>, Failure> {
        self.0.pass("function", self.1.function(name, stage)).await
    }
    async fn create_function(&self, name: &str, code: &str, runtime: &str) -> Result<Tag, Failure> {
        self.0.pass("create function", self.1.create_function(name, code, runtime)).await
    }
    async fn update_function(&self, name: &str, code: &str, runtime: &str, tag: &Tag) -> Result<Tag, Failure> {
        self.0.pass("update function", self.1.update_function(name, code, runtime, tag)).await
    }
    async fn test_function(&self, name: &str, event: &serde_json::Value, tag: &Tag) -> Result<Tested, Failure> {
        self.0.pass("test function", self.1.test_function(name, event, tag)).await
    }
    async fn publish_function(&self, name: &str, tag: &Tag) -> Result<(), Failure> {
        self.0.pass("publish function", self.1.publish_function(name, tag)).await
    }
}

pub(super) fn fused(stage: &Stage, fuse: &Arc<Fuse>) -> Stage {
    let bucket = |bucket: &Arc<dyn Bucket>| -> Arc<dyn Bucket> { Arc::new(Fused(Arc::clone(fuse), Arc::clone(bucket))) };
    Stage {
        control: bucket(&stage.control),
        distributions: stage
            .distributions
            .iter()
            .map(|(name, target)| (name.clone(), Target { bucket: bucket(&target.bucket), ..target.clone() }))
            .collect(),
        cdn: Arc::new(Fused(Arc::clone(fuse), Arc::clone(&stage.cdn))),
        ..stage.clone()
    }
}

/// Which command dies, and which comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Command {
    /// Of a stage that has nothing yet.
    First,
    Publish(&'static str),
    Rollback,
    Promote,
}

async fn run(command: Command, stage: &Stage, other: &Stage, context: &Context) -> Result<(), Stopped> {
    let receipt = match command {
        Command::First => publish(&version_of("1"), stage, context).await,
        Command::Publish(version) => publish(&version_of(version), stage, context).await,
        Command::Rollback => {
            let head = apply::state(stage, context).await?.expect("there is a state");
            let Some(to) = head.back(None).expect("there is a way back") else { return Ok(()) };
            let manifest = apply::manifest(stage, &to, context).await?;
            bring(Kind::Rollback, &manifest, Supply::Stage(stage), stage, context).await
        }
        Command::Promote => bring(Kind::Promote, &version_of("3").manifest, Supply::Stage(other), stage, context).await,
    };
    receipt.map(drop)
}

/// Versions have other pages, so that some come and some go.
fn version_of(version: &str) -> Release {
    match version {
        "1" => site("1", PAGES),
        "2" => site("2", &[&PAGES[1..], &["new/index.html"]].concat()),
        _ => site(version, &[&PAGES[..2], &["newer/index.html"]].concat()),
    }
}

/// Every request of a command in turn is its last one.
async fn die_everywhere(dying: Command, next: Command) {
    die_in(dying, next, [Mode::Paths; 3]).await;
}

/// The same with the modes of what was before, of what dies, and of what comes next.
async fn die_in(dying: Command, next: Command, modes: [Mode; 3]) {
    die_packing(dying, next, modes, [Packing::default(); 3]).await;
}

/// From three bodies on they lie in packs, of two bodies or so.
const FEW: Packing = Packing { from: 3, bytes: 250 };

/// The same where bodies are put together, by what was before, by what dies, and by what comes next.
async fn die_packing(dying: Command, next: Command, modes: [Mode; 3], packing: [Packing; 3]) {
    let [before, during, next_mode] = modes;
    let by = |name: &str| Context { packing: packing[0], ..context(name) };
    let mut deaths = Vec::new();
    for is_done in [false, true] {
        for left in 0.. {
            let (folder, aside) = (scratch(), scratch());
            let (here, there) = (directory(folder.path()), directory(aside.path()));
            let (stage, other) = (Stage { mode: before, ..stage("local", &here) }, stage("other", &there));
            publish(&version_of("3"), &other, &by("other")).await.unwrap();
            if next == Command::Rollback {
                publish(&version_of("0"), &stage, &by("before")).await.unwrap();
            }
            if dying != Command::First {
                publish(&version_of("1"), &stage, &by("first")).await.unwrap();
            }
            if dying == Command::Rollback {
                publish(&version_of("2"), &stage, &by("second")).await.unwrap();
            }
            let mut paths: Vec<String> = ["1", "2", "3"].iter().flat_map(|version| super::paths(&version_of(version))).collect();
            paths.sort();
            paths.dedup();
            // The edge holds everything, the answers for what is missing too.
            no_page_is_broken(&stage, &paths).await;

            let fuse = Arc::new(Fuse { left: AtomicU64::new(left), is_done, dead: Notify::new(), died_at: Mutex::new(None) });
            let dead = Arc::clone(&fuse);
            let fused_stage = Stage { mode: during, ..fused(&stage, &fuse) };
            let stage = Stage { mode: next_mode, ..stage };
            let doomed = Context { packing: packing[1], ..context("doomed") };
            let survived = tokio::select! {
                biased;
                () = dead.dead.notified() => false,
                result = run(dying, &fused_stage, &other, &doomed) => { result.unwrap(); true }
            };
            if survived {
                break;
            }
            let died_at = fuse.died_at.lock().unwrap().clone().unwrap();
            deaths.push(died_at.clone());
            no_page_is_broken(&stage, &paths).await;
            packed(stage.control.as_ref()).await;
            let after = run(next, &stage, &other, &Context { packing: packing[2], ..survivor("survivor") }).await;
            after.unwrap_or_else(|stopped| panic!("died at {died_at}, done: {is_done}: {stopped}"));
            no_page_is_broken(&stage, &paths).await;
            let release = apply::state(&stage, &context("looker")).await.unwrap().unwrap().release;
            let served =
                ["0", "1", "2", "3", "4"].map(version_of).into_iter().find(|one| Some(&one.manifest.release) == release.as_ref());
            serves(&stage, &served.unwrap_or_else(|| panic!("a known release: {release:?}"))).await;
            if packing[0] == FEW && dying != Command::First || packing[2] == FEW && dying == Command::First {
                assert!(!packed(stage.control.as_ref()).await.is_empty());
            }
            if next_mode == Mode::Tags {
                knows_its_tags(&stage, &paths, &died_at).await;
            }
        }
    }
    assert!(deaths.len() > 30, "{dying:?} makes requests: {deaths:?}");
}

/// What the record says is so: what the edge holds is purged by tags alone, and none of it is found stale afterwards.
async fn knows_its_tags(stage: &Stage, paths: &[String], died_at: &str) {
    let head = apply::state(stage, &context("looker")).await.unwrap().unwrap();
    assert_eq!(head.tagged["site"], "site", "{died_at}");
    no_page_is_broken(stage, paths).await;
    let receipt = publish(&version_of("5"), stage, &context("later")).await.unwrap();
    let verified = &receipt.verified;
    assert!(
        verified.stale.is_empty() && verified.purged_again.is_empty() && verified.untagged.is_empty(),
        "{died_at}: {verified:?}"
    );
    let items = &receipt.purged["site"].items;
    assert!(!items.contains(&Item::Wildcard("/".to_owned())), "{died_at}: {items:?}");
    serves(stage, &version_of("5")).await;
}

#[tokio::test]
async fn a_publish_by_tags_that_dies_is_finished_or_followed_or_undone() {
    for next in [Command::Publish("2"), Command::Publish("4"), Command::Rollback] {
        die_in(Command::Publish("2"), next, [Mode::Tags; 3]).await;
    }
}

#[tokio::test]
async fn a_first_publish_by_tags_that_dies_is_finished() {
    die_in(Command::Publish("2"), Command::Publish("2"), [Mode::Paths, Mode::Tags, Mode::Tags]).await;
    die_in(Command::Publish("1"), Command::Rollback, [Mode::Paths, Mode::Tags, Mode::Tags]).await;
    die_in(Command::First, Command::First, [Mode::Tags; 3]).await;
}

#[tokio::test]
async fn who_dies_while_the_mode_changes_is_followed_in_either() {
    die_in(Command::Publish("2"), Command::Publish("2"), [Mode::Tags, Mode::Paths, Mode::Tags]).await;
    die_in(Command::Publish("2"), Command::Publish("4"), [Mode::Paths, Mode::Tags, Mode::Paths]).await;
    die_in(Command::Publish("2"), Command::Publish("2"), [Mode::Tags, Mode::Tags, Mode::Paths]).await;
}

#[tokio::test]
async fn a_rollback_and_a_promotion_by_tags_that_die_are_finished() {
    die_in(Command::Rollback, Command::Rollback, [Mode::Tags; 3]).await;
    die_in(Command::Promote, Command::Promote, [Mode::Tags; 3]).await;
}

#[tokio::test]
async fn a_first_publish_that_dies_is_finished() {
    die_everywhere(Command::First, Command::First).await;
}

#[tokio::test]
async fn a_first_publish_that_dies_is_followed_by_another() {
    die_everywhere(Command::First, Command::Publish("2")).await;
}

#[tokio::test]
async fn a_publish_that_dies_is_finished_by_the_same_command() {
    die_everywhere(Command::Publish("2"), Command::Publish("2")).await;
}

#[tokio::test]
async fn a_publish_that_dies_is_undone_by_a_rollback() {
    die_everywhere(Command::Publish("2"), Command::Rollback).await;
}

#[tokio::test]
async fn a_publish_that_dies_is_followed_by_another_release() {
    die_everywhere(Command::Publish("2"), Command::Publish("4")).await;
}

#[tokio::test]
async fn a_rollback_that_dies_is_finished() {
    die_everywhere(Command::Rollback, Command::Rollback).await;
}

#[tokio::test]
async fn a_promotion_that_dies_is_finished() {
    die_everywhere(Command::Promote, Command::Promote).await;
}

#[tokio::test]
async fn a_publish_of_packs_that_dies_is_finished_or_followed_or_undone() {
    for next in [Command::Publish("2"), Command::Publish("4"), Command::Rollback] {
        die_packing(Command::Publish("2"), next, [Mode::Paths; 3], [FEW; 3]).await;
    }
}

#[tokio::test]
async fn a_first_publish_of_packs_that_dies_is_finished_or_followed() {
    for next in [Command::First, Command::Publish("2")] {
        die_packing(Command::First, next, [Mode::Paths; 3], [FEW; 3]).await;
    }
}

#[tokio::test]
async fn a_rollback_and_a_promotion_of_packs_that_die_are_finished() {
    die_packing(Command::Rollback, Command::Rollback, [Mode::Paths; 3], [FEW; 3]).await;
    die_packing(Command::Promote, Command::Promote, [Mode::Paths; 3], [FEW; 3]).await;
    die_packing(Command::Rollback, Command::Rollback, [Mode::Tags; 3], [FEW; 3]).await;
}

#[tokio::test]
async fn who_packs_and_who_does_not_go_on_with_each_others_work() {
    let all = Packing::default();
    die_packing(Command::Publish("2"), Command::Publish("2"), [Mode::Paths; 3], [FEW, FEW, all]).await;
    die_packing(Command::Publish("2"), Command::Rollback, [Mode::Paths; 3], [FEW, all, all]).await;
    die_packing(Command::Promote, Command::Promote, [Mode::Paths; 3], [FEW, all, all]).await;
    die_packing(Command::Rollback, Command::Rollback, [Mode::Paths; 3], [all, FEW, FEW]).await;
}

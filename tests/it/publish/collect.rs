//! What `gc` keeps, what it does not begin for, and what it leaves when it is killed.

use super::*;
use crate::project::Project;
use jiff::{SignedDuration, Timestamp};
use std::fs::File;
use std::time::{Duration, SystemTime};

fn small(version: &str) -> Release {
    site(version, &["index.html"])
}

async fn collect(releases: usize, days: u16, stage: &Stage, context: &Context) -> Result<apply::Collected, Stopped> {
    // What was written just now is not older than now.
    tokio::time::sleep(Duration::from_millis(20)).await;
    apply::collect(apply::Keep { releases, days, only_look: false }, std::slice::from_ref(stage), context).await
}

async fn delete(bucket: &dyn Bucket, key: &str) {
    let stat = bucket.stat(key).await.unwrap().unwrap_or_else(|| panic!("{key} is there"));
    bucket.remove(key, &stat.tag).await.unwrap();
}

/// The manifest of a release, and the asset that its page needs.
fn needs(release: &Release) -> (String, String) {
    let asset = release.objects["site"].values().find(|object| object.class == Class::Immutable).expect("a style");
    (format!("releases/{}.json", release.manifest.release), asset.key.as_str().to_owned())
}

async fn is_kept(release: &Release, stage: &Stage) -> bool {
    let (manifest, asset) = needs(release);
    let manifest = stage.control.stat(&manifest).await.unwrap().is_some();
    assert_eq!(stage.distributions["site"].bucket.stat(&asset).await.unwrap().is_some(), manifest, "both or neither");
    manifest
}

/// A file was written so long ago.
fn written(path: &Path, ago: Duration) {
    let file = File::options().write(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_modified(SystemTime::now() - ago).unwrap();
}

#[tokio::test]
async fn what_was_live_a_minute_ago_is_kept_however_much_came_after_it() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let first = small("0");
    publish(&first, &stage, &context("ann")).await.unwrap();
    // It was live for forty days.
    let forty = Duration::from_secs(40 * 24 * 60 * 60);
    let (manifest, asset) = needs(&first);
    written(&folder.path().join("control").join(manifest), forty);
    written(&folder.path().join("site").join(asset), forty);
    for version in 1..=51 {
        publish(&small(&version.to_string()), &stage, &context("ann")).await.unwrap();
    }
    let collected = collect(1, 30, &stage, &context("ann")).await.unwrap();
    assert!(is_kept(&first, &stage).await, "{collected:?}");
    // More than the state remembers are kept where that is asked for.
    let collected = collect(60, 0, &stage, &context("ann")).await.unwrap();
    assert_eq!((collected.releases.len(), collected.kept.len()), (0, 52));
    assert!(is_kept(&first, &stage).await && is_kept(&small("1"), &stage).await);
    let collected = collect(2, 0, &stage, &context("ann")).await.unwrap();
    assert_eq!((collected.releases.len(), collected.kept.len()), (50, 2));
    assert!(!is_kept(&first, &stage).await && is_kept(&small("50"), &stage).await);
    serves(&stage, &small("51")).await;
}

#[tokio::test]
async fn a_repair_takes_no_place_of_a_release_that_is_kept() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let releases = [small("1"), small("2"), small("3")];
    for release in &releases {
        publish(release, &stage, &context("ann")).await.unwrap();
    }
    for _ in 0..4 {
        delete(stage.distributions["site"].bucket.as_ref(), "index.html").await;
        let repaired =
            look_and_bring(Look::Objects, Kind::Repair, &releases[2].manifest, Supply::Stage(&stage), &stage, &context("ann"))
                .await;
        repaired.unwrap();
    }
    let collected = collect(3, 0, &stage, &context("ann")).await.unwrap();
    assert_eq!((collected.releases.len(), collected.kept.len()), (0, 3), "{collected:?}");
    bring(Kind::Rollback, &releases[1].manifest, Supply::Stage(&stage), &stage, &context("ann")).await.unwrap();
    serves(&stage, &releases[1]).await;
    // Of what one that kept less has removed, one that keeps more finds nothing.
    collect(2, 0, &stage, &context("ann")).await.unwrap();
    assert!(!is_kept(&releases[0], &stage).await);
    collect(3, 0, &stage, &context("ann")).await.unwrap();
    assert!(is_kept(&releases[1], &stage).await && is_kept(&releases[2], &stage).await);
}

#[tokio::test]
async fn a_clock_that_is_ahead_removes_nothing() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    for version in ["1", "2"] {
        publish(&small(version), &stage, &context("ann")).await.unwrap();
    }
    let ahead = Arc::new(|| Timestamp::now() + SignedDuration::from_hours(60 * 24));
    let collected = collect(1, 30, &stage, &Context { clock: ahead, ..context("ann") }).await.unwrap();
    assert!(collected.releases.is_empty() && is_kept(&small("1"), &stage).await, "{collected:?}");
}

#[tokio::test]
async fn a_stage_that_lost_its_state_is_not_collected_and_not_taken_for_new() {
    let folder = scratch();
    let here = directory(folder.path());
    let staging = stage("staging", &here);
    let mut production = stage("production", &here);
    let target = production.distributions.get_mut("site").unwrap();
    (target.bucket, target.id) = (here.bucket("other"), "other".to_owned());
    let (one, two) = (small("1"), small("2"));
    publish(&one, &staging, &context("ann")).await.unwrap();
    bring(Kind::Promote, &one.manifest, Supply::Stage(&staging), &production, &context("ann")).await.unwrap();
    publish(&two, &staging, &context("ann")).await.unwrap();
    delete(staging.control.as_ref(), "stages/production/head.json").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let keep = apply::Keep { releases: 1, days: 0, only_look: false };
    let both = [staging.clone(), production.clone()];
    let stopped = apply::collect(keep, &both, &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("the stage `production` is gone") && stopped.contains("--repair"), "{stopped}");
    let stopped = apply::collect(keep, &both[..1], &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("keep their books here too: production"), "{stopped}");
    let stopped = apply::state(&production, &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("its log says") && stopped.contains("qdn audit production --repair"), "{stopped}");
    let head = apply::state(&staging, &context("ann")).await.unwrap().unwrap();
    assert!(head.applying.is_none(), "it is let go");
    assert!(staging.control.stat(&needs(&one).0).await.unwrap().is_some(), "nothing is removed");
    apply::restore(&production, &context("ann")).await.unwrap().expect("a state");
    let collected = apply::collect(keep, &both, &context("ann")).await.unwrap();
    assert_eq!((collected.releases.len(), collected.kept.len()), (0, 2), "each stage needs its own");
    // Nothing of the log is whole either.
    for key in staging.control.list("stages/production/").await.unwrap().into_iter().map(|one| one.key) {
        if !key.contains("/tags/") {
            delete(staging.control.as_ref(), &key).await;
        }
    }
    let stopped = apply::collect(keep, &both, &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("the stage `production` is gone") && stopped.contains("--adopt"), "{stopped}");
}

/// A `gc` whose process dies as soon as it holds the stage.
fn dies_as_it_collects(folder: &Path, stage: &Stage) {
    let head = folder.join(format!("control/stages/{}/head.json", stage.name));
    let stage = stage.clone();
    let process = std::thread::spawn(move || {
        let clock = move || {
            let text = std::fs::read_to_string(&head).unwrap();
            assert!(text.contains("\"applying\": null"), "it holds the stage, and dies here");
            Timestamp::now()
        };
        let doomed = Context { clock: Arc::new(clock), ..context("doomed") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(collect(1, 0, &stage, &doomed)).map(drop)
    });
    assert!(process.join().is_err(), "it died");
}

#[tokio::test]
async fn a_killed_gc_is_followed_by_another() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let (one, two) = (small("1"), small("2"));
    for release in [&one, &two] {
        publish(release, &stage, &context("ann")).await.unwrap();
    }
    dies_as_it_collects(folder.path(), &stage);
    let head = apply::state(&stage, &context("ann")).await.unwrap().unwrap();
    assert!(head.is_collected() && head.is_steady(), "{:?}", head.applying);
    // As long as it may be at work it is left alone.
    let stopped = collect(1, 0, &stage, &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("looks after the stage `local` already"), "{stopped}");
    assert!(is_kept(&one, &stage).await);
    let collected = collect(1, 0, &stage, &survivor("bob")).await.unwrap();
    assert_eq!(collected.releases, std::slice::from_ref(&one.manifest.release));
    serves(&stage, &two).await;
    // And by a publish, as before.
    dies_as_it_collects(folder.path(), &stage);
    publish(&one, &stage, &survivor("bob")).await.unwrap();
    serves(&stage, &one).await;
}

#[test]
fn what_a_killed_gc_left_is_told_as_what_it_is() {
    let project = Project::new().file("qdn.toml", "[stages.second]\nfolder = \".qdn/stages/second\"\n");
    project.qdn(&["publish", "local"]).ended(0);
    project.write("site/index.md", "---\ntitle: Home\n---\n# Another\n");
    project.qdn(&["publish", "local"]).ended(0);
    let folder = project.path().join(".qdn/stages/local");
    dies_as_it_collects(&folder, &stage("local", &directory(&folder)));
    // It is silent for longer than a lease.
    written(&folder.join("control/stages/local/head.json"), 3 * LEASE);
    let run = project.qdn(&["audit", "local"]).ended(3);
    assert!(run.stdout.contains("qdn audit local --repair") && !run.stdout.contains("rollback"), "{}", run.stdout);
    project.qdn(&["promote", "local", "second"]).ended(0);
    project.qdn(&["gc", "local", "--keep", "1", "--days", "0"]).ended(0);
    project.qdn(&["audit", "local"]).ended(0);
    // The state is lost, and the log is not.
    project.remove(".qdn/stages/local/control/stages/local/head.json");
    for command in ["status", "releases", "rollback", "gc"] {
        let run = project.qdn(&[command, "local"]).ended(1);
        assert!(
            run.stderr.contains("its log says") && run.stderr.contains("qdn audit local --repair"),
            "{command}: {}",
            run.stderr
        );
    }
    project.qdn(&["audit", "local", "--repair"]).ended(0);
    project.qdn(&["status", "local"]).ended(0);
}

#[tokio::test]
async fn a_lost_manifest_of_what_is_served_is_written_anew_or_published_over() {
    let folder = scratch();
    let stage = stage("local", &directory(folder.path()));
    let (one, two) = (site("1", PAGES), site("2", PAGES));
    publish(&one, &stage, &context("ann")).await.unwrap();
    let (manifest, _) = needs(&one);
    delete(stage.control.as_ref(), &manifest).await;
    let stopped = publish(&two, &stage, &context("ann")).await.unwrap_err().to_string();
    assert!(stopped.contains("is not there") && stopped.contains("--audit") && stopped.contains("--adopt"), "{stopped}");
    serves(&stage, &one).await;
    // The very release, from its build.
    let objects =
        |distribution: &str, key: &str| one.object(distribution, key).map(|object| Content::Bytes(Arc::clone(&object.bytes)));
    let functions = one.functions.iter().map(|(name, function)| (name.clone(), Arc::clone(&function.code))).collect();
    let supply = Supply::Build { objects: &objects, functions, proofs: BTreeMap::new() };
    look_and_bring(Look::Objects, Kind::Publish, &one.manifest, supply, &stage, &context("ann")).await.unwrap();
    assert!(stage.control.stat(&manifest).await.unwrap().is_some());
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
    serves(&stage, &one).await;
    // Another one, where what is served need not be known.
    delete(stage.control.as_ref(), &manifest).await;
    let adopting = Context { adopt: true, ..context("ann") };
    publish(&two, &stage, &adopting).await.unwrap();
    serves(&stage, &two).await;
    assert!(apply::audit(&stage, &context("ann")).await.unwrap().is_whole());
}

use super::super::{Content, Described, FunctionStage, Location, Tag, When};
use super::objects::Description;
use super::*;
use crate::deploy::invalidation::Item;
use crate::release::Digest;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use tempfile::TempDir;

fn directory(root: &Path) -> Directory {
    let tester: Tester = Arc::new(|code, runtime, event| Tested {
        result: Some(event.clone()),
        error: code.contains("throw").then(|| format!("thrown in {runtime}")),
        utilization: 7,
    });
    Directory::new(root.to_path_buf(), tester)
}

/// A directory whose clock is moved by hand, in seconds.
fn timed(root: &Path, delay: i64) -> (Directory, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&seconds);
    let start = Timestamp::from_second(1_800_000_000).expect("a time");
    let directory = directory(root);
    let now = move || start + SignedDuration::from_secs(clock.load(Ordering::SeqCst));
    (directory.with_clock(now, SignedDuration::from_secs(delay)), seconds)
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn description(text: &str, cache_control: &str) -> Description {
    let sha256 = Digest::of(text.as_bytes()).hex();
    Description {
        sha256,
        size: text.len() as u64,
        content_type: "text/html".to_owned(),
        cache_control: cache_control.to_owned(),
        cache_tag: String::new(),
    }
}

fn put(objects: &Objects, key: &str, text: &str, cache_control: &str, when: &When) -> Result<Tag, Failure> {
    objects.turn()?.put(key, &Content::Bytes(text.as_bytes().into()), &description(text, cache_control), when)
}

/// Writes whatever is there.
fn set(objects: &Objects, key: &str, text: &str, cache_control: &str) -> Tag {
    let when = objects.stat(key).expect("a stat").map_or(When::Missing, |known| When::Is(known.tag()));
    put(objects, key, text, cache_control, &when).expect("written")
}

fn text(objects: &Objects, key: &str) -> Option<(String, String)> {
    let whole = objects.whole(key).expect("read");
    whole.map(|(bytes, record)| (String::from_utf8(bytes).expect("text"), record.cache_control))
}

fn kind<T: fmt::Debug>(result: Result<T, Failure>) -> Kind {
    result.expect_err("a failure").kind
}

#[test]
fn an_object_is_a_plain_file_with_its_headers_beside_it() {
    let folder = TempDir::new().expect("a folder");
    let bucket = directory(folder.path()).bucket("site");
    ready(async {
        let sha256 = Digest::of(b"<p>").hex();
        let described =
            Described { sha256: &sha256, size: 3, content_type: "text/html", cache_control: "max-age=9", cache_tag: "" };
        let content = Content::Bytes(b"<p>".as_slice().into());
        assert!(bucket.read("a/index.html").await.expect("asked").is_none());
        let tag = bucket.put("a/index.html", &content, &described, &When::Missing).await.expect("written");
        assert_eq!(fs::read(folder.path().join("site/a/index.html")).expect("a file"), b"<p>");
        let stat = bucket.stat("a/index.html").await.expect("asked").expect("there");
        assert_eq!((stat.tag.clone(), stat.size, stat.sha256), (tag.clone(), 3, Some(sha256.clone())));
        assert_eq!((stat.content_type.as_str(), stat.cache_control.as_str()), ("text/html", "max-age=9"));
        let found = bucket.read("a/index.html").await.expect("asked").expect("there");
        assert!(found.bytes == b"<p>" && found.tag == tag && found.age < Duration::from_secs(60));
        assert_eq!(bucket.locate("a/index.html").to_string(), format!("{}/site/a/index.html", folder.path().display()));
        // Conditions.
        assert_eq!(kind(bucket.put("a/index.html", &content, &described, &When::Missing).await), Kind::Conflict);
        let other = When::Is(Tag("\"x\"".to_owned()));
        assert_eq!(kind(bucket.put("a/index.html", &content, &described, &other).await), Kind::Conflict);
        assert_eq!(kind(bucket.put("b", &content, &described, &When::Is(tag.clone())).await), Kind::Conflict);
        assert_eq!(kind(bucket.remove("a/index.html", &Tag("\"x\"".to_owned())).await), Kind::Conflict);
        // A copy takes the headers that are described.
        let described = Described { cache_control: "no-cache", ..described };
        let from = bucket.locate("a/index.html");
        bucket.copy(&from, None, "b", &described, &When::Missing).await.expect("copied");
        assert_eq!(bucket.stat("b").await.expect("asked").expect("there").cache_control, "no-cache");
        assert_eq!(kind(bucket.copy(&from, None, "b", &described, &When::Missing).await), Kind::Conflict);
        let elsewhere = Location { store: "s3".to_owned(), ..from };
        assert_eq!(kind(bucket.copy(&elsewhere, None, "c", &described, &When::Missing).await), Kind::Unsupported);
        let keys: Vec<String> = bucket.list("").await.expect("listed").into_iter().map(|row| row.key).collect();
        assert_eq!(keys, ["a/index.html", "b"]);
        bucket.remove("a/index.html", &tag).await.expect("removed");
        bucket.remove("a/index.html", &tag).await.expect("that there is none is a success");
        assert!(!folder.path().join("site/a").exists(), "an empty folder goes with its last object");
    });
}

#[test]
fn bytes_that_changed_since_they_were_hashed_are_refused() {
    let folder = TempDir::new().expect("a folder");
    let objects = directory(folder.path()).objects("site");
    let source = folder.path().join("source.html");
    fs::write(&source, "new bytes").expect("a file");
    let what = description("old bytes", "");
    let failure = objects.turn().expect("a turn").put("a", &Content::File(source), &what, &When::Missing).expect_err("refused");
    assert!(failure.kind == Kind::Refused && failure.message.contains("source.html"), "{failure}");
    assert_eq!(text(&objects, "a"), None);
    for key in ["", &"k".repeat(1_025)] {
        assert_eq!(kind(put(&objects, key, "x", "", &When::Missing)), Kind::Refused);
    }
}

/// A write ends after each of its steps in turn, as if its process were killed, and another process looks: once
/// without a lock, once with, and once after writing something else.
#[test]
fn a_writer_killed_at_any_step_leaves_the_old_object_or_the_new_one() {
    let old = Some(("old".to_owned(), "max-age=1".to_owned()));
    let new = Some(("new".to_owned(), "max-age=2".to_owned()));
    for before in [None, old] {
        for steps in 0..3 {
            let folder = TempDir::new().expect("a folder");
            let victim = directory(folder.path()).objects("site");
            if before.is_some() {
                set(&victim, "a.html", "old", "max-age=1");
            }
            let when = victim.stat("a.html").expect("a stat").map_or(When::Missing, |known| When::Is(known.tag()));
            victim.steps.store(steps, Ordering::SeqCst);
            assert_eq!(kind(put(&victim, "a.html", "new", "max-age=2", &when)), Kind::Lost);
            let expected = if steps < 2 { &before } else { &new };
            let other = directory(folder.path()).objects("site");
            assert_eq!(text(&other, "a.html"), *expected, "after {steps} steps");
            let stat = other.stat("a.html").expect("a stat");
            assert_eq!(
                stat.map(|record| (record.size, record.cache_control)),
                expected.clone().map(|(text, headers)| (text.len() as u64, headers))
            );
            set(&other, "b.html", "another", "");
            assert_eq!(text(&other, "a.html"), *expected, "after {steps} steps and another write");
            let listed = other.list("").expect("listed");
            assert_eq!(listed.len(), 1 + usize::from(expected.is_some()));
            set(&other, "a.html", "newer", "max-age=3");
            assert_eq!(text(&other, "a.html"), Some(("newer".to_owned(), "max-age=3".to_owned())));
        }
    }
}

/// The same bytes under other headers: nothing in the file itself shows which of the two it is.
#[test]
fn headers_alone_change_at_one_moment_too() {
    for steps in 0..3 {
        let folder = TempDir::new().expect("a folder");
        let victim = directory(folder.path()).objects("site");
        let tag = set(&victim, "a.html", "same", "max-age=1");
        victim.steps.store(steps, Ordering::SeqCst);
        assert_eq!(kind(put(&victim, "a.html", "same", "max-age=2", &When::Is(tag))), Kind::Lost);
        let other = directory(folder.path()).objects("site");
        other.turn().expect("a turn");
        let expected = if steps < 2 { "max-age=1" } else { "max-age=2" };
        assert_eq!(text(&other, "a.html"), Some(("same".to_owned(), expected.to_owned())), "after {steps} steps");
    }
}

#[test]
fn a_removal_killed_halfway_has_removed() {
    let folder = TempDir::new().expect("a folder");
    let victim = directory(folder.path()).objects("site");
    let tag = set(&victim, "a.html", "old", "max-age=1");
    victim.steps.store(0, Ordering::SeqCst);
    assert_eq!(kind(victim.turn().expect("a turn").remove("a.html", &tag)), Kind::Lost);
    let other = directory(folder.path()).objects("site");
    assert!(text(&other, "a.html").is_none() && other.list("").expect("listed").is_empty());
    put(&other, "a.html", "new", "", &When::Missing).expect("it is missing");
}

#[test]
fn what_a_person_does_is_a_write_by_somebody_else() {
    let folder = TempDir::new().expect("a folder");
    let objects = directory(folder.path()).objects("site");
    let tag = set(&objects, "a.html", "built", "max-age=1");
    fs::write(folder.path().join("site/a.html"), "edited").expect("a file");
    fs::write(folder.path().join("site/logo.svg"), "<svg>").expect("a file");
    let record = objects.stat("a.html").expect("a stat").expect("there");
    assert_ne!(record.tag(), tag);
    assert_eq!((record.size, record.cache_control.as_str()), (6, ""));
    assert_eq!(kind(put(&objects, "a.html", "built again", "", &When::Is(tag))), Kind::Conflict);
    assert_eq!(objects.stat("logo.svg").expect("a stat").expect("there").content_type, "image/svg+xml");
    let keys: Vec<String> = objects.list("").expect("listed").into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["a.html", "logo.svg"]);
    fs::remove_file(folder.path().join("site/a.html")).expect("removed");
    assert_eq!(objects.stat("a.html").expect("a stat"), None);
}

#[test]
fn every_key_is_an_object_and_they_are_listed_in_order() {
    let folder = TempDir::new().expect("a folder");
    let objects = directory(&folder.path().join("stage")).objects("site");
    let long = ["x".repeat(1_024), "y/".repeat(500) + "z", "é".repeat(400)];
    let odd = [
        "a",
        "a/b",
        "a/b/",
        "a/",
        "a//b",
        "/",
        "..",
        "../../outside",
        ".qdn/x",
        "a.b",
        "a.b/c.d",
        "%long/x",
        "A.html",
        "a.html",
        "a:b\n",
    ];
    let mut keys: Vec<&str> = odd.into_iter().chain(long.iter().map(String::as_str)).collect();
    for key in &keys {
        put(&objects, key, key, "", &When::Missing).unwrap_or_else(|failure| panic!("{key:?}: {failure}"));
    }
    keys.sort_unstable();
    let listed: Vec<String> = objects.list("").expect("listed").into_iter().map(|row| row.key).collect();
    assert_eq!(listed, keys);
    for prefix in ["a", "a/", "a/b", "a//", "..", "x", "y/y/", "é", "%", &"é".repeat(390), &"q/".repeat(300)] {
        let listed: Vec<String> = objects.list(prefix).expect("listed").into_iter().map(|row| row.key).collect();
        let expected: Vec<&str> = keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(listed, expected, "{prefix:?}");
    }
    let outside: Vec<_> = fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(outside, ["stage"], "nothing leaves the root");
    for key in keys {
        assert_eq!(text(&objects, key).map(|(text, _)| text).as_deref(), Some(key));
        let tag = objects.stat(key).expect("a stat").expect("there").tag();
        objects.turn().expect("a turn").remove(key, &tag).expect("removed");
    }
    assert!(objects.list("").expect("listed").is_empty());
}

/// Each thread has a `Directory` of its own, so they meet at the lock file alone, as processes do.
#[test]
fn of_many_writers_with_one_condition_one_wins() {
    let folder = TempDir::new().expect("a folder");
    let objects = directory(folder.path()).objects("site");
    let first = set(&objects, "changed", "0", "");
    for when in [When::Missing, When::Is(first)] {
        let key = if when == When::Missing { "new" } else { "changed" };
        let wins = AtomicUsize::new(0);
        thread::scope(|scope| {
            for writer in 1..=8 {
                let (root, when, wins) = (folder.path(), &when, &wins);
                scope.spawn(move || {
                    let own = directory(root).objects("site");
                    match put(&own, key, &format!("by {writer}"), &format!("max-age={writer}"), when) {
                        Ok(_) => drop(wins.fetch_add(1, Ordering::SeqCst)),
                        Err(failure) => assert_eq!(failure.kind, Kind::Conflict, "{failure}"),
                    }
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
    }
}

#[test]
fn readers_never_see_bytes_under_the_headers_of_others() {
    let folder = TempDir::new().expect("a folder");
    set(&directory(folder.path()).objects("site"), "a", "000", "max-age=000");
    thread::scope(|scope| {
        scope.spawn(|| {
            let own = directory(folder.path()).objects("site");
            for round in 0..100 {
                set(&own, "a", &format!("{round:03}"), &format!("max-age={round:03}"));
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let own = directory(folder.path()).objects("site");
                for _ in 0..300 {
                    let (text, headers) = text(&own, "a").expect("it is always there");
                    assert_eq!(headers, format!("max-age={text}"));
                    assert!(own.stat("a").expect("a stat").is_some());
                }
            });
        }
    });
}

#[test]
fn functions_have_two_stages_and_conditions() {
    let folder = TempDir::new().expect("a folder");
    let cdn = directory(folder.path()).cdn();
    ready(async {
        assert_eq!(cdn.function("f", FunctionStage::Live).await, Ok(None));
        let first = cdn.create_function("f", "one", "cloudfront-js-2.0").await.expect("made");
        assert_eq!(kind(cdn.create_function("f", "one", "cloudfront-js-2.0").await), Kind::Conflict);
        assert_eq!(cdn.function("f", FunctionStage::Live).await, Ok(None), "nothing is live before it is published");
        cdn.publish_function("f", &first).await.expect("published");
        let second = cdn.update_function("f", "throw", "cloudfront-js-2.0", &first).await.expect("updated");
        assert_ne!(first, second);
        let live = cdn.function("f", FunctionStage::Live).await.expect("asked").expect("there");
        assert_eq!((live.code.as_slice(), live.runtime.as_str()), (b"one".as_slice(), "cloudfront-js-2.0"));
        for stale in [
            cdn.update_function("f", "x", "cloudfront-js-2.0", &first).await.map(drop),
            cdn.publish_function("f", &first).await,
            cdn.test_function("f", &Value::Null, &first).await.map(drop),
            cdn.publish_function("g", &first).await,
        ] {
            assert_eq!(kind(stale), Kind::Conflict);
        }
        let tested = cdn.test_function("f", &serde_json::json!({ "a": 1 }), &second).await.expect("tested");
        assert_eq!(tested.error.as_deref(), Some("thrown in cloudfront-js-2.0"));
        let third = cdn.update_function("f", "throw", "cloudfront-js-1.0", &second).await.expect("updated");
        assert_ne!(second, third, "a runtime is part of a function");
        cdn.publish_function("f", &third).await.expect("published");
        assert_eq!(fs::read(folder.path().join("functions/f/live.js")).expect("a file"), b"throw");
        assert_eq!(kind(cdn.create_function("../f", "", "cloudfront-js-2.0").await), Kind::Refused);
        assert_eq!(kind(cdn.create_function("h", &"x".repeat(10_241), "cloudfront-js-2.0").await), Kind::Refused);
    });
}

fn path(path: &str) -> Item {
    Item::Path(path.to_owned())
}

fn asked(directory: &Directory, path: &str) -> (u16, String, String) {
    let fetched = ready(directory.edge("site").get(path)).expect("fetched");
    let cache = fetched.headers["x-cache"].split(' ').next().unwrap_or_default().to_owned();
    (fetched.status, String::from_utf8(fetched.body).expect("text"), cache)
}

#[test]
fn an_edge_goes_stale_until_it_is_told_or_time_passes() {
    let folder = TempDir::new().expect("a folder");
    let (writer, clock) = timed(folder.path(), 0);
    // Another process, as it were.
    let now = Arc::clone(&clock);
    let start = Timestamp::from_second(1_800_000_000).expect("a time");
    let reader = directory(folder.path())
        .with_clock(move || start + SignedDuration::from_secs(now.load(Ordering::SeqCst)), SignedDuration::ZERO);
    let objects = writer.objects("site");
    let page = "public, max-age=0, s-maxage=100, must-revalidate";
    set(&objects, "a.html", "old", page);
    set(&objects, "404.html", "nothing", "s-maxage=10");
    let answer = |status, body: &str, cache: &str| (status, body.to_owned(), cache.to_owned());
    assert_eq!(asked(&reader, "/a.html"), answer(200, "old", "Miss"));
    set(&objects, "a.html", "new", page);
    clock.store(99, Ordering::SeqCst);
    assert_eq!(asked(&reader, "/a.html?x=1"), answer(200, "old", "Hit"));
    let fetched = ready(reader.edge("site").get("/a.html")).expect("fetched");
    assert_eq!((fetched.headers["age"].as_str(), fetched.headers["content-type"].as_str()), ("99", "text/html"));
    ready(writer.cdn().invalidate("site", "one", &[path("/a.html")])).expect("done");
    assert_eq!(asked(&reader, "/a.html"), answer(200, "new", "Miss"));
    set(&objects, "a.html", "newer", page);
    clock.store(199, Ordering::SeqCst);
    assert_eq!(asked(&reader, "/a.html"), answer(200, "newer", "Miss"), "it was too old");

    // That there is nothing is remembered as long as its page may be.
    assert_eq!(asked(&reader, "/caf%C3%A9.html"), answer(404, "nothing", "Error"));
    set(&objects, "café.html", "coffee", page);
    assert_eq!(asked(&reader, "/café.html"), answer(404, "nothing", "Error"));
    ready(writer.cdn().invalidate("site", "two", &[Item::Wildcard("/caf".to_owned())])).expect("done");
    assert_eq!(asked(&reader, "/caf%c3%a9.html"), answer(200, "coffee", "Miss"));
    assert_eq!(asked(&reader, "/a.html"), answer(200, "newer", "Hit"), "a wildcard takes no more than it says");
    set(&objects, "index.html", "home", "no-store");
    assert_eq!(asked(&reader, "/"), answer(200, "home", "Miss"));
    assert_eq!(asked(&reader, "/"), answer(200, "home", "Miss"), "what must not be kept is not");
}

#[test]
fn an_answer_under_way_while_its_path_is_invalidated_is_not_kept() {
    let folder = TempDir::new().expect("a folder");
    let directory = directory(folder.path());
    let objects = directory.objects("site");
    set(&objects, "a.html", "old", "s-maxage=100");
    let edge = directory.edge("site").0;
    let began = edge.sequence().expect("a number");
    let (fetched, life, tags) = edge.fill("/a.html").expect("filled");
    set(&objects, "a.html", "new", "s-maxage=100");
    edge.invalidate("one", &[path("/a.html")]).expect("done");
    edge.keep("/a.html", began, &fetched, life, tags).expect("passed over");
    assert_eq!(asked(&directory, "/a.html").1, "new");
}

#[test]
fn an_invalidation_is_made_once_and_its_quotas_hold() {
    let folder = TempDir::new().expect("a folder");
    let (directory, clock) = timed(folder.path(), 60);
    let cdn = directory.cdn();
    ready(async {
        let first = cdn.invalidate("site", "one", &[path("/a"), path("/b")]).await.expect("made");
        assert!(!first.is_complete);
        assert_eq!(cdn.invalidate("site", "one", &[path("/b"), path("/a")]).await, Ok(first.clone()));
        assert_eq!(kind(cdn.invalidate("site", "one", &[path("/a")]).await), Kind::Refused);
        assert_eq!(kind(cdn.invalidate("site", "none", &[]).await), Kind::Refused);
        assert_eq!(kind(cdn.invalidate("site", "none", &[path("a")]).await), Kind::Refused);
        assert_eq!(kind(cdn.invalidation("site", "unknown").await), Kind::Refused);
        assert_eq!(cdn.running("site").await.map(|running| (running.paths, running.wildcards)), Ok((2, 0)));
        let many: Vec<Item> = (0..2_999).map(|at| path(&format!("/{at}"))).collect();
        assert_eq!(kind(cdn.invalidate("site", "many", &many).await), Kind::Full);
        let wild: Vec<Item> = (0..16).map(|at| Item::Wildcard(format!("/{at}/"))).collect();
        assert_eq!(kind(cdn.invalidate("site", "wild", &wild).await), Kind::Full);
        clock.store(60, Ordering::SeqCst);
        assert!(cdn.invalidation("site", &first.id).await.expect("asked").is_complete);
        cdn.invalidate("site", "many", &many).await.expect("there is room again");
    });
}

#[test]
fn an_invalidation_that_was_killed_is_finished_by_whoever_asks_again() {
    let folder = TempDir::new().expect("a folder");
    let directory = directory(folder.path());
    let objects = directory.objects("site");
    set(&objects, "a.html", "old", "s-maxage=100");
    asked(&directory, "/a.html");
    set(&objects, "a.html", "new", "s-maxage=100");
    let edge = directory.edge("site").0;
    edge.invalidate("one", &[path("/other")]).expect("done");
    // As it would be had it ended right after it was recorded.
    let file = folder.path().join(".qdn/edge/site/invalidations.json");
    let text = fs::read_to_string(&file).expect("a file").replace("true", "false");
    let digest = Digest::of(b"/a.html").hex();
    let text = text.replace(&Digest::of(b"/other").hex(), &digest);
    fs::write(&file, text).expect("written");
    assert_eq!(asked(&directory, "/a.html").1, "old");
    edge.invalidate("one", &[path("/a.html")]).expect("finished");
    assert_eq!(asked(&directory, "/a.html").1, "new");
}

const VICTIM: &str = "QDN_TEST_VICTIM";

/// What the next test runs and kills.
#[test]
#[ignore = "the next one runs it"]
fn a_writer_to_be_killed() {
    let Ok(root) = std::env::var(VICTIM) else { return };
    let objects = directory(Path::new(&root)).objects("site");
    println!("{VICTIM}");
    // It ends, should nobody kill it.
    for round in 0..50_000 {
        let key = format!("{}/index.html", round % 7);
        if round % 11 == 0 {
            if let Some(known) = objects.stat(&key).expect("a stat") {
                objects.turn().expect("a turn").remove(&key, &known.tag()).expect("removed");
            }
        } else {
            // Every other time the headers alone are new.
            set(&objects, &key, &(round / 14).to_string().repeat(3_000), &format!("{round} {}", round / 14));
        }
    }
}

#[test]
fn processes_killed_at_any_instant_leave_whole_objects_and_free_locks() {
    let folder = TempDir::new().expect("a folder");
    let objects = directory(folder.path()).objects("site");
    let name = "deploy::remote::directory::tests::a_writer_to_be_killed";
    let mut seen = 0;
    for round in 0..25 {
        let mut victim = std::process::Command::new(std::env::current_exe().expect("a program"))
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = BufReader::new(victim.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(VICTIM) {
            line.clear();
            assert!(said.read_line(&mut line).expect("text") > 0, "it ended");
        }
        sleep(Duration::from_micros(1_000 + round * 370));
        victim.kill().expect("it runs until then");
        victim.wait().expect("it ends");
        for key in (0..7).map(|at| format!("{at}/index.html")) {
            if let Some((text, headers)) = text(&objects, &key) {
                let (_, of) = headers.split_once(' ').expect("two numbers");
                assert_eq!(text, of.repeat(3_000), "{key}: {headers}");
                seen += 1;
            }
        }
        assert!(objects.list("").expect("listed").len() <= 7);
    }
    assert!(seen > 0, "some of them had written");
}

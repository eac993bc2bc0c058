//! What every place that can be published to must do: one suite for all of them.

use crate::cloud::Cloud;
use qdn::deploy::invalidation::Item;
use qdn::deploy::invalidation::tags::HEADER;
use qdn::deploy::remote::aws::Aws;
use qdn::deploy::remote::directory::Directory;
use qdn::deploy::remote::{Bucket, Cdn, Content, Described, Failure, FunctionStage, Kind, Stat, Tag, When};
use qdn::release::Digest;
use serde_json::json;
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A place to publish to, made for one case.
pub(super) struct World {
    /// What the distribution serves.
    pub(super) bucket: Arc<dyn Bucket>,
    /// Another of the same kind.
    pub(super) control: Arc<dyn Bucket>,
    pub(super) cdn: Arc<dyn Cdn>,
    /// The distribution's id, and the URL of its edge. Its function is `route-test`, which is not there yet.
    pub(super) id: String,
    pub(super) url: Option<String>,
    /// Whether it is the whole network: it knows which distributions there are, and runs their functions.
    pub(super) is_network: bool,
    /// Ends the place when it goes.
    pub(super) _keep: Box<dyn Any + Send + Sync>,
}

async fn aws() -> World {
    let cloud = Cloud::start().await;
    let (public, control) = (cloud.bucket("public").await, cloud.bucket("control").await);
    let url = cloud.distribution("E1TEST", &public, "site/", Some("route-test")).await;
    cloud.tag_header("E1TEST", Some(HEADER));
    let aws = Aws::with(&cloud.settings().await);
    World {
        bucket: aws.bucket(&public, "site/"),
        control: aws.bucket(&control, ""),
        cdn: aws.cdn(),
        id: "E1TEST".to_owned(),
        url: Some(url),
        is_network: true,
        _keep: Box::new(cloud),
    }
}

async fn folder() -> World {
    let root = TempDir::new().expect("a folder");
    let directory = Directory::new(root.path().to_path_buf(), qdn::build::tester());
    World {
        bucket: directory.bucket("site"),
        control: directory.bucket("control"),
        cdn: directory.cdn(),
        id: "site".to_owned(),
        url: None,
        is_network: false,
        _keep: Box::new(root),
    }
}

/// The whole suite for a place.
macro_rules! suite {
    ($name:ident, $world:path) => {
        mod $name {
            suite!(@cases $world:
                an_object_is_created_once_and_replaced_by_who_knows_it,
                what_is_not_there_is_nothing,
                an_object_tells_its_headers_and_its_digest,
                other_bytes_than_were_built_are_refused,
                a_file_that_changed_is_refused_by_its_name,
                copies_obey_conditions_and_take_new_headers,
                what_is_copied_may_have_to_be_what_it_was,
                parts_of_an_object_are_read,
                only_what_is_known_is_removed,
                a_listing_is_whole_and_in_order,
                odd_names_come_back_as_they_went,
                large_objects_appear_at_one_moment,
                of_twenty_writers_one_wins,
                of_twenty_copies_one_wins,
                conditions_are_obeyed,
                the_same_invalidation_is_made_once,
                a_function_is_live_when_it_is_published,
                stale_tags_of_a_function_are_refused,
                the_edge_is_asked_as_a_visitor,
                what_is_cached_is_purged_by_its_tags,
            );
        }
    };
    (@cases $world:path: $($case:ident,)*) => {
        $(#[tokio::test]
        async fn $case() {
            super::$case($world().await).await;
        })*
    };
}

suite!(aws, super::aws);
suite!(folder, super::folder);

pub(super) fn described<'a>(sha256: &'a str, size: usize) -> Described<'a> {
    Described {
        sha256,
        size: size as u64,
        content_type: "text/html; charset=utf-8",
        cache_control: "public, max-age=0, s-maxage=60",
        cache_tag: "",
    }
}

pub(super) async fn put(bucket: &dyn Bucket, key: &str, bytes: &[u8], when: &When) -> Result<Tag, Failure> {
    let sha256 = Digest::of(bytes).hex();
    bucket.put(key, &Content::Bytes(bytes.into()), &described(&sha256, bytes.len()), when).await
}

pub(super) fn kind<T: std::fmt::Debug>(result: Result<T, Failure>) -> Kind {
    result.expect_err("a failure").kind
}

async fn bytes(bucket: &dyn Bucket, key: &str) -> Option<Vec<u8>> {
    bucket.read(key).await.unwrap().map(|found| found.bytes)
}

async fn stat(bucket: &dyn Bucket, key: &str) -> Stat {
    bucket.stat(key).await.unwrap().unwrap_or_else(|| panic!("there is {key}"))
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

async fn an_object_is_created_once_and_replaced_by_who_knows_it(world: World) {
    let bucket = &*world.bucket;
    let first = put(bucket, "a/index.html", b"one", &When::Missing).await.unwrap();
    assert_eq!(kind(put(bucket, "a/index.html", b"two", &When::Missing).await), Kind::Conflict);
    let second = put(bucket, "a/index.html", b"two", &When::Is(first.clone())).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(kind(put(bucket, "a/index.html", b"three", &When::Is(first.clone())).await), Kind::Conflict);
    assert_eq!(kind(put(bucket, "gone", b"three", &When::Is(first)).await), Kind::Conflict);
    let found = bucket.read("a/index.html").await.unwrap().unwrap();
    assert_eq!((found.bytes.as_slice(), &found.tag), (b"two".as_slice(), &second));
    assert!(found.age < Duration::from_secs(60), "{:?}", found.age);
    assert_eq!(world.control.read("a/index.html").await.unwrap().map(|found| found.bytes), None, "the other is another");
}

async fn what_is_not_there_is_nothing(world: World) {
    assert_eq!(bytes(&*world.bucket, "nothing").await, None);
    assert_eq!(world.bucket.stat("nothing").await, Ok(None));
    assert_eq!(world.bucket.list("").await, Ok(Vec::new()));
    world.bucket.remove("nothing", &Tag("\"0\"".to_owned())).await.unwrap();
}

async fn an_object_tells_its_headers_and_its_digest(world: World) {
    let body = b"<!doctype html>".as_slice();
    let tag = put(&*world.bucket, "index.html", body, &When::Missing).await.unwrap();
    let expected = Stat {
        tag: tag.clone(),
        size: body.len() as u64,
        sha256: Some(Digest::of(body).hex()),
        content_type: "text/html; charset=utf-8".to_owned(),
        cache_control: "public, max-age=0, s-maxage=60".to_owned(),
        cache_tag: String::new(),
    };
    assert_eq!(stat(&*world.bucket, "index.html").await, expected);
    let sha256 = Digest::of(b"").hex();
    let plain = Described { sha256: &sha256, size: 0, content_type: "application/json", cache_control: "", cache_tag: "" };
    world.bucket.put("index.html", &Content::Bytes([].into()), &plain, &When::Is(tag)).await.unwrap();
    let stat = stat(&*world.bucket, "index.html").await;
    assert_eq!(
        (stat.size, stat.sha256, stat.content_type.as_str(), stat.cache_control.as_str()),
        (0, Some(sha256.clone()), "application/json", "")
    );
}

async fn other_bytes_than_were_built_are_refused(world: World) {
    let sha256 = Digest::of(b"what was built").hex();
    let content = Content::Bytes(b"something else".as_slice().into());
    let failure = world.bucket.put("a", &content, &described(&sha256, 14), &When::Missing).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused, "{failure}");
    assert!(failure.message.contains("changed"), "{failure}");
    assert_eq!(world.bucket.stat("a").await, Ok(None), "nothing was stored");
}

async fn a_file_that_changed_is_refused_by_its_name(world: World) {
    let folder = TempDir::new().unwrap();
    for size in [1_000, 3 << 20, 17 << 20] {
        let built = vec![b'a'; size];
        let sha256 = Digest::of(&built).hex();
        let described = described(&sha256, size);
        let good = file(&folder, "good", &built);
        let mut other = built.clone();
        other[size / 2] = b'b';
        let same_size = file(&folder, "edited", &other);
        let shorter = file(&folder, "shorter", &built[1..]);
        let gone = folder.path().join("gone");
        for path in [same_size, shorter, gone] {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let failure = world.bucket.put("f", &Content::File(path), &described, &When::Missing).await.unwrap_err();
            assert_eq!(failure.kind, Kind::Refused, "{name} of {size}: {failure}");
            assert!(failure.message.contains(&name), "{name} of {size}: {failure}");
            assert_eq!(world.bucket.stat("f").await, Ok(None), "{name} of {size}");
        }
        let tag = world.bucket.put("f", &Content::File(good), &described, &When::Missing).await.unwrap();
        assert_eq!(bytes(&*world.bucket, "f").await, Some(built));
        world.bucket.remove("f", &tag).await.unwrap();
    }
}

async fn copies_obey_conditions_and_take_new_headers(world: World) {
    let (from, to) = (&*world.control, &*world.bucket);
    let key = "blobs/a é+%";
    put(from, key, b"one", &When::Missing).await.unwrap();
    let sha256 = Digest::of(b"one").hex();
    let new = Described { sha256: &sha256, size: 3, content_type: "text/plain", cache_control: "no-cache", cache_tag: "p-1,d-2" };
    let place = from.locate(key);
    let first = to.copy(&place, None, "page", &new, &When::Missing).await.unwrap();
    let stat = stat(to, "page").await;
    assert_eq!(
        stat,
        Stat {
            tag: first.clone(),
            size: 3,
            sha256: Some(sha256.clone()),
            content_type: "text/plain".into(),
            cache_control: "no-cache".into(),
            cache_tag: "p-1,d-2".into(),
        }
    );
    assert_eq!(kind(to.copy(&place, None, "page", &new, &When::Missing).await), Kind::Conflict);
    let second = put(to, "page", b"by hand", &When::Is(first.clone())).await.unwrap();
    assert_eq!(kind(to.copy(&place, None, "page", &new, &When::Is(first.clone())).await), Kind::Conflict);
    assert_eq!(kind(to.copy(&place, None, "other", &new, &When::Is(first)).await), Kind::Conflict);
    assert_eq!(bytes(to, "page").await.unwrap(), b"by hand");
    to.copy(&place, None, "page", &new, &When::Is(second)).await.unwrap();
    assert_eq!(bytes(to, "page").await.unwrap(), b"one");
    assert_eq!(to.list("").await.unwrap().len(), 1, "the conditions were tried out without leaving anything");
    let missing = to.copy(&from.locate("blobs/none"), None, "none", &new, &When::Missing).await.unwrap_err();
    assert_eq!(missing.kind, Kind::Refused, "{missing}");
    let mut elsewhere = place.clone();
    elsewhere.store = "another".to_owned();
    assert_eq!(kind(to.copy(&elsewhere, None, "page", &new, &When::Missing).await), Kind::Unsupported);
}

async fn what_is_copied_may_have_to_be_what_it_was(world: World) {
    let (from, to) = (&*world.control, &*world.bucket);
    let tag = put(from, "page", b"one", &When::Missing).await.unwrap();
    let sha256 = Digest::of(b"one").hex();
    let (place, described) = (from.locate("page"), described(&sha256, 3));
    let first = to.copy(&place, Some(&tag), "page", &described, &When::Missing).await.unwrap();
    assert_eq!(stat(to, "page").await.sha256, Some(sha256.clone()));
    assert_eq!(kind(to.copy(&place, Some(&tag), "page", &described, &When::Missing).await), Kind::Conflict);
    to.copy(&place, Some(&tag), "page", &described, &When::Is(first)).await.unwrap();
    // Somebody wrote there meanwhile; and what is described is not what is copied.
    put(from, "page", b"two", &When::Is(tag.clone())).await.unwrap();
    let never = to.copy(&place, Some(&tag), "other", &described, &When::Missing).await.unwrap_err();
    assert!(matches!(never.kind, Kind::Conflict | Kind::Refused), "{never}");
    assert_eq!(to.stat("other").await, Ok(None));
    let other = Tag("\"0\"".to_owned());
    assert_eq!(kind(to.copy(&place, Some(&other), "other", &described, &When::Missing).await), Kind::Conflict);
    assert_eq!(to.list("").await.unwrap().len(), 1, "the conditions were tried out without leaving anything");
}

async fn parts_of_an_object_are_read(world: World) {
    let bucket = &*world.bucket;
    put(bucket, "packs/a", b"0123456789", &When::Missing).await.unwrap();
    let part = async |offset, size| bucket.read_range("packs/a", offset, size).await;
    for (offset, size, expected) in [(0, 10, "0123456789"), (0, 1, "0"), (3, 4, "3456"), (9, 1, "9")] {
        assert_eq!(part(offset, size).await.unwrap().as_deref(), Some(expected.as_bytes()), "{offset}+{size}");
    }
    for (offset, size) in [(5, 6), (10, 1), (100, 1), (u64::MAX - 1, 1)] {
        assert_eq!(kind(part(offset, size).await), Kind::Refused, "{offset}+{size}");
    }
    assert_eq!(bucket.read_range("packs/b", 0, 1).await, Ok(None));
}

async fn only_what_is_known_is_removed(world: World) {
    let bucket = &*world.bucket;
    let first = put(bucket, "a", b"one", &When::Missing).await.unwrap();
    let second = put(bucket, "a", b"two", &When::Is(first.clone())).await.unwrap();
    assert_eq!(kind(bucket.remove("a", &first).await), Kind::Conflict);
    assert_eq!(bytes(bucket, "a").await.unwrap(), b"two");
    bucket.remove("a", &second).await.unwrap();
    assert_eq!(bytes(bucket, "a").await, None);
    bucket.remove("a", &second).await.unwrap();
}

async fn a_listing_is_whole_and_in_order(world: World) {
    let mut running = JoinSet::new();
    let mut expected: Vec<String> = (0..1_205).map(|number| format!("many/{number:x}")).collect();
    for key in expected.clone() {
        if running.len() == 32 {
            running.join_next().await.unwrap().unwrap();
        }
        let bucket = Arc::clone(&world.bucket);
        running.spawn(async move { put(&*bucket, &key, key.as_bytes(), &When::Missing).await.map(drop).unwrap() });
    }
    running.join_all().await;
    let tag = put(&*world.bucket, "manz", b"1", &When::Missing).await.unwrap();
    expected.sort();
    let listed = world.bucket.list("many/").await.unwrap();
    assert_eq!(listed.iter().map(|one| one.key.clone()).collect::<Vec<_>>(), expected);
    assert!(listed.iter().all(|one| one.size == one.key.len() as u64));
    let all = world.bucket.list("").await.unwrap();
    let last = all.last().unwrap();
    assert_eq!((all.len(), last.key.as_str(), &last.tag), (1_206, "manz", &tag));
    let age = jiff::Timestamp::now().duration_since(last.modified).as_secs();
    assert!((-5..120).contains(&age), "{age}");
}

async fn odd_names_come_back_as_they_went(world: World) {
    let mut names = vec![
        "a b",
        "é",
        "e\u{301}",
        "a+b",
        "100%",
        "%41",
        "a&b=<c>'\"",
        "docs/index.html",
        "ünï/日本 😀.html",
        "a?b#c",
        "_a/0f/x.~1.js",
    ];
    names.sort_unstable();
    for name in &names {
        put(&*world.bucket, name, name.as_bytes(), &When::Missing).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let listed: Vec<String> = world.bucket.list("").await.unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(listed, names);
    for name in &names {
        assert_eq!(bytes(&*world.bucket, name).await.as_deref(), Some(name.as_bytes()), "{name}");
        let tag = stat(&*world.bucket, name).await.tag;
        world.bucket.remove(name, &tag).await.unwrap();
    }
    assert_eq!(world.bucket.list("").await, Ok(Vec::new()));
}

async fn large_objects_appear_at_one_moment(world: World) {
    let folder = TempDir::new().unwrap();
    let body: Vec<u8> = (0..20_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sha256 = Digest::of(&body).hex();
    let described = described(&sha256, body.len());
    let content = Content::File(file(&folder, "large", &body));
    let first = world.control.put("blobs/large", &content, &described, &When::Missing).await.unwrap();
    let stat_of = stat(&*world.control, "blobs/large").await;
    assert_eq!((&stat_of.tag, stat_of.size, stat_of.sha256.as_deref()), (&first, body.len() as u64, Some(sha256.as_str())));
    assert_eq!((stat_of.content_type.as_str(), stat_of.cache_control.as_str()), (described.content_type, described.cache_control));
    assert!(bytes(&*world.control, "blobs/large").await.unwrap() == body, "it came back as it went");
    assert_eq!(kind(world.control.put("blobs/large", &content, &described, &When::Missing).await), Kind::Conflict);
    let memory = Content::Bytes(body.as_slice().into());
    world.control.put("blobs/large", &memory, &described, &When::Is(first.clone())).await.unwrap();
    assert_eq!(kind(world.control.put("gone", &memory, &described, &When::Is(first)).await), Kind::Conflict);

    let place = world.control.locate("blobs/large");
    let tag = world.bucket.copy(&place, None, "large", &described, &When::Missing).await.unwrap();
    let copied = stat(&*world.bucket, "large").await;
    assert_eq!((&copied.tag, copied.sha256.as_deref()), (&tag, Some(sha256.as_str())));
    assert_eq!(kind(world.bucket.copy(&place, None, "large", &described, &When::Missing).await), Kind::Conflict);
    world.bucket.copy(&place, None, "large", &described, &When::Is(tag)).await.unwrap();
    assert!(bytes(&*world.bucket, "large").await.unwrap() == body, "it came back as it went");
}

async fn of_twenty_writers_one_wins(world: World) {
    for round in 0..5 {
        let key = format!("race/{round}");
        let before = put(&*world.bucket, &key, b"before", &When::Missing).await.unwrap();
        let mut running = JoinSet::new();
        for writer in 0..20_u8 {
            let (bucket, key, when) = (Arc::clone(&world.bucket), key.clone(), When::Is(before.clone()));
            running.spawn(async move { put(&*bucket, &key, &[b'w', writer], &when).await.map(|tag| (writer, tag)) });
        }
        let (won, lost): (Vec<_>, Vec<_>) = running.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{won:?}");
        assert!(lost.into_iter().all(|one| matches!(kind(one), Kind::Conflict | Kind::Busy)));
        let (writer, tag) = won.into_iter().next().unwrap().unwrap();
        let found = world.bucket.read(&key).await.unwrap().unwrap();
        assert_eq!((found.bytes, found.tag), (vec![b'w', writer], tag));
    }
}

async fn of_twenty_copies_one_wins(world: World) {
    for writer in 0..20_u8 {
        put(&*world.control, &format!("blobs/{writer}"), &[b'c', writer], &When::Missing).await.unwrap();
    }
    for round in 0..5 {
        let key = format!("race/{round}");
        let mut running = JoinSet::new();
        for writer in 0..20_u8 {
            let (bucket, key, from) = (Arc::clone(&world.bucket), key.clone(), world.control.locate(&format!("blobs/{writer}")));
            running.spawn(async move {
                let sha256 = Digest::of(&[b'c', writer]).hex();
                bucket.copy(&from, None, &key, &described(&sha256, 2), &When::Missing).await.map(|tag| (writer, tag))
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) = running.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1, "{won:?}");
        assert!(lost.into_iter().all(|one| matches!(kind(one), Kind::Conflict | Kind::Busy)));
        let (writer, tag) = won.into_iter().next().unwrap().unwrap();
        let found = world.bucket.read(&key).await.unwrap().unwrap();
        assert_eq!((found.bytes, found.tag), (vec![b'c', writer], tag));
    }
}

async fn conditions_are_obeyed(world: World) {
    world.control.obeys_conditions().await.unwrap();
    world.control.obeys_conditions().await.unwrap();
    let left: Vec<String> = world.control.list("").await.unwrap().into_iter().map(|one| one.key).collect();
    assert!(left.is_empty() || left == ["probe"], "{left:?}");
}

fn items(texts: &[&str]) -> Vec<Item> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn the_same_invalidation_is_made_once(world: World) {
    let (cdn, id) = (&*world.cdn, world.id.as_str());
    let first = cdn.invalidate(id, "qdn-r1-1-0", &items(&["/index.html", "/a/*", "/%C3%A9"])).await.unwrap();
    let again = cdn.invalidate(id, "qdn-r1-1-0", &items(&["/index.html", "/a/*", "/%C3%A9"])).await.unwrap();
    assert_eq!(first.id, again.id);
    let other = cdn.invalidate(id, "qdn-r1-1-0", &items(&["/other"])).await;
    assert_eq!(kind(other), Kind::Refused);
    let second = cdn.invalidate(id, "qdn-r1-2-0", &items(&["/index.html"])).await.unwrap();
    assert_ne!(first.id, second.id);
    for one in [first, second] {
        let mut polls = 0;
        while !cdn.invalidation(id, &one.id).await.unwrap().is_complete {
            polls += 1;
            assert!(polls < 100, "it ends");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let running = cdn.running(id).await.unwrap();
    assert_eq!((running.paths, running.wildcards), (0, 0));
    assert_eq!(kind(cdn.invalidation(id, "INONE").await), Kind::Refused);
    if world.is_network {
        assert_eq!(kind(cdn.invalidate("ENONE", "r", &items(&["/"])).await), Kind::Refused);
    }
}

const V1: &str = "function handler(event) { var r = event.request; if (r.uri === '/') { r.uri = '/index.html'; } return r; }";
const V2: &str =
    "function handler(event) { return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/v2' } } }; }";

async fn a_function_is_live_when_it_is_published(world: World) {
    let (cdn, runtime) = (&*world.cdn, "cloudfront-js-2.0");
    assert_eq!(cdn.function("route-test", FunctionStage::Development).await, Ok(None));
    let first = cdn.create_function("route-test", V1, runtime).await.unwrap();
    let there = cdn.function("route-test", FunctionStage::Development).await.unwrap().unwrap();
    assert_eq!((there.code.as_slice(), there.runtime.as_str(), &there.tag), (V1.as_bytes(), runtime, &first));
    assert_eq!(cdn.function("route-test", FunctionStage::Live).await, Ok(None), "not yet");

    let event = qdn::edge::Event::viewer_request("GET", "/", None, &[], "198.51.100.1");
    let tested = cdn.test_function("route-test", event.value(), &first).await.unwrap();
    assert_eq!((&tested.error, &tested.result.unwrap()["request"]["uri"]), (&None, &json!("/index.html")));
    cdn.publish_function("route-test", &first).await.unwrap();
    assert_eq!(cdn.function("route-test", FunctionStage::Live).await.unwrap().unwrap().code, V1.as_bytes());

    let development = cdn.function("route-test", FunctionStage::Development).await.unwrap().unwrap().tag;
    let second = cdn.update_function("route-test", V2, runtime, &development).await.unwrap();
    assert_eq!(cdn.function("route-test", FunctionStage::Live).await.unwrap().unwrap().code, V1.as_bytes(), "LIVE is untouched");
    let tested = cdn.test_function("route-test", event.value(), &second).await.unwrap();
    assert_eq!(tested.result.unwrap()["response"]["statusCode"], json!(302));
    cdn.publish_function("route-test", &second).await.unwrap();
    assert_eq!(cdn.function("route-test", FunctionStage::Live).await.unwrap().unwrap().code, V2.as_bytes());
}

async fn stale_tags_of_a_function_are_refused(world: World) {
    let (cdn, runtime) = (&*world.cdn, "cloudfront-js-2.0");
    let first = cdn.create_function("route-test", V1, runtime).await.unwrap();
    assert_eq!(kind(cdn.create_function("route-test", V2, runtime).await), Kind::Conflict);
    let second = cdn.update_function("route-test", V2, runtime, &first).await.unwrap();
    assert_ne!(first, second);
    let event = qdn::edge::Event::viewer_request("GET", "/", None, &[], "198.51.100.1");
    assert_eq!(kind(cdn.update_function("route-test", V1, runtime, &first).await), Kind::Conflict);
    assert_eq!(kind(cdn.test_function("route-test", event.value(), &first).await), Kind::Conflict);
    assert_eq!(kind(cdn.publish_function("route-test", &first).await), Kind::Conflict);
    assert_eq!(cdn.function("route-test", FunctionStage::Live).await, Ok(None), "nothing became live");
    assert_eq!(kind(cdn.publish_function("none", &first).await), Kind::Conflict);
    assert_eq!(kind(cdn.update_function("none", V1, runtime, &first).await), Kind::Conflict);
}

async fn the_edge_is_asked_as_a_visitor(world: World) {
    let info = world.cdn.distribution(&world.id).await.unwrap();
    assert_eq!(info.viewer_request.unwrap_or_else(|| vec!["route-test".to_owned()]), ["route-test"]);
    assert!(!info.domain.is_empty());
    put(&*world.bucket, "a/index.html", b"here", &When::Missing).await.unwrap();
    let fetched = world.cdn.fetch(&world.id, world.url.as_deref(), "/a/index.html").await.unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, b"here".as_slice()));
    assert_eq!(fetched.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(fetched.headers["cache-control"], "public, max-age=0, s-maxage=60");
    let missing = world.cdn.fetch(&world.id, world.url.as_deref(), "/none").await.unwrap();
    assert_eq!(missing.status, 404);
    if !world.is_network {
        return;
    }
    // A redirect is an answer.
    let tag = world.cdn.create_function("route-test", V2, "cloudfront-js-2.0").await.unwrap();
    world.cdn.publish_function("route-test", &tag).await.unwrap();
    let moved = world.cdn.fetch(&world.id, world.url.as_deref(), "/a/").await.unwrap();
    assert_eq!((moved.status, moved.headers["location"].as_str()), (302, "/v2"));
}

async fn what_is_cached_is_purged_by_its_tags(world: World) {
    let (cdn, id) = (&*world.cdn, world.id.as_str());
    assert_eq!(cdn.distribution(id).await.unwrap().tag_header.as_deref(), Some(HEADER));
    let write = async |key: &str, text: &str, cache_tag: &str| {
        let sha256 = Digest::of(text.as_bytes()).hex();
        let described = Described { cache_tag, ..described(&sha256, text.len()) };
        let when = world.bucket.stat(key).await.unwrap().map_or(When::Missing, |stat| When::Is(stat.tag));
        world.bucket.put(key, &Content::Bytes(text.as_bytes().into()), &described, &when).await.unwrap();
        assert_eq!(stat(&*world.bucket, key).await.cache_tag, cache_tag);
    };
    let read = async |path: &str| {
        let fetched = cdn.fetch(id, world.url.as_deref(), path).await.unwrap();
        String::from_utf8(fetched.body).unwrap()
    };
    for text in ["one", "two"] {
        write("a/index.html", text, "p-a,d-A").await;
        write("a/b", text, "p-b,d-a").await;
        write("c", text, "").await;
        assert_eq!([read("/a/index.html").await, read("/a/b").await, read("/c").await], ["one"; 3]);
    }
    cdn.invalidate(id, "r1", &items(&["#p-none", "#p-", "#d-"])).await.unwrap();
    assert_eq!([read("/a/index.html").await, read("/a/b").await, read("/c").await], ["one"; 3], "nobody has these");
    cdn.invalidate(id, "r2", &items(&["#p-A"])).await.unwrap();
    assert_eq!([read("/a/index.html").await, read("/a/b").await, read("/c").await], ["two", "one", "one"], "case does not count");
    write("a/index.html", "three", "p-a,d-a").await;
    cdn.invalidate(id, "r3", &items(&["#d-a", "/c"])).await.unwrap();
    assert_eq!([read("/a/index.html").await, read("/a/b").await, read("/c").await], ["three", "two", "two"]);
    // Without tags it is as it would be: nothing else is forgotten.
    write("c", "four", "").await;
    cdn.invalidate(id, "r4", &items(&["#p-c"])).await.unwrap();
    assert_eq!(read("/c").await, "two");
    // The page of what is missing hands its tags to no answer.
    write("404.html", "nothing", "p-404,d-a").await;
    assert_eq!(read("/d").await, "nothing");
    write("d", "there", "").await;
    cdn.invalidate(id, "r5", &items(&["#p-404", "#d-a"])).await.unwrap();
    assert_eq!(read("/d").await, "nothing");
    let running = cdn.running(id).await.unwrap();
    assert_eq!((running.paths, running.wildcards), (0, 0));
}

//! The double itself: it must be as strict as CloudFront, or it proves nothing.

#![allow(clippy::unwrap_used, reason = "in a test, what went wrong and where is all there is to say")]

use super::{Cloud, Pace};
use qdn::deploy::invalidation::Item;
use qdn::deploy::remote::aws::Aws;
use qdn::deploy::remote::{Bucket, Cdn, Content, Described, FunctionStage, Kind, Tag, When};
use qdn::release::Digest;
use std::sync::Arc;
use std::time::Duration;

async fn site(cloud: &Cloud) -> (Arc<dyn Bucket>, Arc<dyn Cdn>, String) {
    let name = cloud.bucket("site").await;
    let url = cloud.distribution("E1", &name, "", Some("route")).await;
    let aws = Aws::with(&cloud.settings().await);
    (aws.bucket(&name, ""), aws.cdn(), url)
}

async fn put(bucket: &dyn Bucket, key: &str, text: &str, when: &When, cache_control: &str) -> Tag {
    let sha256 = Digest::of(text.as_bytes()).hex();
    let described = Described { sha256: &sha256, size: text.len() as u64, content_type: "text/html", cache_control, cache_tag: "" };
    bucket.put(key, &Content::Bytes(text.as_bytes().into()), &described, when).await.unwrap()
}

fn items(texts: &[&str]) -> Vec<Item> {
    texts
        .iter()
        .map(
            |text| {
                if let Some(prefix) = text.strip_suffix('*') { Item::Wildcard(prefix.into()) } else { Item::Path((*text).into()) }
            },
        )
        .collect()
}

/// Status, body and `x-cache`'s first word.
async fn get(cdn: &dyn Cdn, url: &str, path: &str) -> (u16, String, String) {
    let fetched = cdn.fetch("E1", Some(url), path).await.unwrap();
    let word = fetched.headers["x-cache"].split(' ').next().unwrap_or_default().to_owned();
    (fetched.status, String::from_utf8_lossy(&fetched.body).into_owned(), word)
}

fn got(status: u16, body: &str, word: &str) -> (u16, String, String) {
    (status, body.to_owned(), word.to_owned())
}

#[tokio::test]
async fn the_edge_is_stale_until_it_is_told() {
    let cloud = Cloud::start().await;
    let (bucket, cdn, url) = site(&cloud).await;
    let first = put(&*bucket, "a/index.html", "one", &When::Missing, "public, max-age=0, s-maxage=60").await;
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "one", "Miss"));
    put(&*bucket, "a/index.html", "two", &When::Is(first), "public, max-age=0, s-maxage=60").await;
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "one", "Hit"));
    cdn.invalidate("E1", "r1", &items(&["/a", "/b*"])).await.unwrap();
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "one", "Hit"), "another path");
    cdn.invalidate("E1", "r2", &items(&["/a/*"])).await.unwrap();
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "two", "Miss"));
    assert_eq!(cloud.billed(), 3);
    let tag = bucket.stat("a/index.html").await.unwrap().unwrap().tag;
    put(&*bucket, "a/index.html", "three", &When::Is(tag), "no-store").await;
    cloud.pass(Duration::from_secs(61));
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "three", "Miss"), "it had grown old");
    assert_eq!(get(&*cdn, &url, "/a/index.html").await, got(200, "three", "Miss"), "it is not kept");
}

#[tokio::test]
async fn what_is_missing_is_the_page_404_for_ten_seconds() {
    let cloud = Cloud::start().await;
    let (bucket, cdn, url) = site(&cloud).await;
    put(&*bucket, "404.html", "lost", &When::Missing, "public, max-age=0, s-maxage=5").await;
    assert_eq!(get(&*cdn, &url, "/new.html").await, got(404, "lost", "Error"));
    put(&*bucket, "new.html", "new", &When::Missing, "").await;
    assert_eq!(get(&*cdn, &url, "/new.html").await, got(404, "lost", "Error"), "the edge remembers");
    cloud.pass(Duration::from_secs(11));
    assert_eq!(get(&*cdn, &url, "/new.html").await, got(200, "new", "Miss"));
}

#[tokio::test]
async fn an_invalidation_takes_its_time() {
    let cloud = Cloud::start().await;
    let (bucket, cdn, url) = site(&cloud).await;
    let tag = put(&*bucket, "a", "one", &When::Missing, "").await;
    get(&*cdn, &url, "/a").await;
    put(&*bucket, "a", "two", &When::Is(tag), "").await;
    cloud.pace(Pace { polls: 2, late: true, ..Pace::default() });
    let one = cdn.invalidate("E1", "r", &items(&["/a", "/b*"])).await.unwrap();
    assert!(!one.is_complete);
    let running = cdn.running("E1").await.unwrap();
    assert_eq!((running.paths, running.wildcards), (1, 1));
    assert_eq!(get(&*cdn, &url, "/a").await.1, "one");
    let mut polls = 0;
    while !cdn.invalidation("E1", &one.id).await.unwrap().is_complete {
        polls += 1;
    }
    // One of the two was asked for by `running`.
    assert_eq!(polls, 1);
    assert_eq!(get(&*cdn, &url, "/a").await.1, "two");
    cloud.pace(Pace { time: Duration::from_millis(300), ..Pace::default() });
    let one = cdn.invalidate("E1", "r2", &items(&["/a"])).await.unwrap();
    assert!(!one.is_complete);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(cdn.invalidation("E1", &one.id).await.unwrap().is_complete);
}

#[tokio::test]
async fn quotas_and_bad_paths_are_refused() {
    let cloud = Cloud::start().await;
    let (_, cdn, _) = site(&cloud).await;
    cloud.pace(Pace { polls: u32::MAX, ..Pace::default() });
    for bad in ["a", "/a b", "/~a", "/é", "/%4", "/a\"b"] {
        let failure = cdn.invalidate("E1", "bad", &[Item::Path(bad.into())]).await.unwrap_err();
        assert!(failure.kind == Kind::Refused && failure.message.contains("InvalidArgument"), "{bad}: {failure}");
    }
    let wildcards: Vec<Item> = (0..15).map(|number| Item::Wildcard(format!("/{number}/"))).collect();
    cdn.invalidate("E1", "w", &wildcards).await.unwrap();
    assert_eq!(cdn.invalidate("E1", "w2", &items(&["/x*"])).await.unwrap_err().kind, Kind::Full);
    let paths: Vec<Item> = (0..3_000).map(|number| Item::Path(format!("/{number}"))).collect();
    cdn.invalidate("E1", "p", &paths).await.unwrap();
    assert_eq!(cdn.invalidate("E1", "p2", &items(&["/x"])).await.unwrap_err().kind, Kind::Full);
    let running = cdn.running("E1").await.unwrap();
    assert_eq!((running.paths, running.wildcards, cloud.billed()), (3_000, 15, 3_015));
    cloud.throttle("GetInvalidation", 1);
    assert_eq!(cdn.invalidation("E1", "I1").await.unwrap_err().kind, Kind::Busy);
}

#[tokio::test]
async fn a_dropped_path_stays_stale_once() {
    let cloud = Cloud::start().await;
    let (bucket, cdn, url) = site(&cloud).await;
    for (key, text) in [("a", "one"), ("b", "one")] {
        let tag = put(&*bucket, key, text, &When::Missing, "").await;
        get(&*cdn, &url, &format!("/{key}")).await;
        put(&*bucket, key, "two", &When::Is(tag), "").await;
    }
    cloud.drop_path("/a");
    cdn.invalidate("E1", "r", &items(&["/a", "/b"])).await.unwrap();
    assert_eq!((get(&*cdn, &url, "/a").await.1, get(&*cdn, &url, "/b").await.1), ("one".into(), "two".into()));
    cdn.invalidate("E1", "r2", &items(&["/a"])).await.unwrap();
    assert_eq!(get(&*cdn, &url, "/a").await.1, "two");
    assert_eq!(cloud.invalidated("E1"), [vec!["/a", "/b"], vec!["/a"]]);
}

#[tokio::test]
async fn the_live_function_rewrites_before_the_cache() {
    let cloud = Cloud::start().await;
    let (bucket, cdn, url) = site(&cloud).await;
    put(&*bucket, "t/index.html", "page", &When::Missing, "").await;
    let code =
        "function handler(event) { var r = event.request; if (r.uri.startsWith('/t/')) { r.uri = '/t/index.html'; } return r; }";
    cloud.edit_function("route", code);
    assert_eq!(get(&*cdn, &url, "/t/1").await.0, 404, "it is not live");
    cloud.publish_by_hand("route");
    assert_eq!(cloud.function("route"), Some((code.to_owned(), Some(code.to_owned()))));
    assert_eq!(get(&*cdn, &url, "/t/1").await, got(200, "page", "Miss"));
    assert_eq!(get(&*cdn, &url, "/t/2").await, got(200, "page", "Hit"), "one object, by the rewritten URI");
    assert_eq!(cdn.function("route", FunctionStage::Live).await.unwrap().unwrap().code, code.as_bytes());
}

#[tokio::test]
async fn functions_are_tried_in_another_engine_and_have_limits() {
    let cloud = Cloud::start().await;
    let (_, cdn, _) = site(&cloud).await;
    let runtime = "cloudfront-js-2.0";
    let tag = cdn.create_function("f", "function handler(event) { throw new Error('no'); }", runtime).await.unwrap();
    let event = qdn::edge::Event::viewer_request("GET", "/", None, &[], "198.51.100.1");
    let tested = cdn.test_function("f", event.value(), &tag).await.unwrap();
    assert!(tested.result.is_none() && tested.error.unwrap().contains("no"));
    let tag = cdn.update_function("f", "function handler(event) { return", runtime, &tag).await.unwrap();
    assert!(cdn.test_function("f", event.value(), &tag).await.unwrap().error.unwrap().contains("SyntaxError"));
    let large = format!("// {}", "x".repeat(10_240));
    let failure = cdn.update_function("f", &large, runtime, &tag).await.unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.message.contains("FunctionSizeLimitExceeded"), "{failure}");
    cloud.stale_update_tags(true);
    let stale = cdn.update_function("f", "function handler(e) { return e.request; }", runtime, &tag).await.unwrap();
    assert_eq!(cdn.publish_function("f", &stale).await.unwrap_err().kind, Kind::Conflict);
    let tag = cdn.function("f", FunctionStage::Development).await.unwrap().unwrap().tag;
    cdn.publish_function("f", &tag).await.unwrap();
}

#[tokio::test]
async fn two_clouds_know_nothing_of_each_other() {
    let (one, other) = (Cloud::start().await, Cloud::start().await);
    let (_, cdn, _) = site(&one).await;
    site(&other).await;
    cdn.invalidate("E1", "r", &items(&["/a"])).await.unwrap();
    assert_eq!((one.count("CreateInvalidation"), other.count("CreateInvalidation")), (1, 0));
    assert_ne!(one.bucket_name("a"), other.bucket_name("a"));
    assert_ne!(one.edge_url("E1"), other.edge_url("E1"));
    one.clear_calls();
    assert_eq!(one.calls(), []);
    assert!(one.endpoint().ends_with(&one.address().port().to_string()));
}

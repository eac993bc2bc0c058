//! What AWS says, and what the network makes of it, on the wire.

use super::remote::{described, kind, put};
use crate::cloud::Cloud;
use crate::ministack;
use crate::proxy::{Fault, Hook, Proxy, Rule};
use qdn::deploy::remote::aws::Aws;
use qdn::deploy::remote::{Bucket, Cdn, Content, Kind, Tag, When};
use qdn::release::Digest;
use std::sync::Arc;
use std::time::Duration;

/// A bucket with something in it, behind a proxy.
struct Way {
    cloud: Cloud,
    proxy: Proxy,
    bucket: Arc<dyn Bucket>,
    cdn: Arc<dyn Cdn>,
    tag: Tag,
}

async fn way() -> Way {
    let cloud = Cloud::start().await;
    let name = cloud.bucket("way").await;
    cloud.distribution("E1", &name, "", None).await;
    let proxy = Proxy::start(cloud.address()).await;
    let aws = Aws::with(&ministack::settings(proxy.address()).await);
    let bucket = aws.bucket(&name, "p/");
    let tag = put(&*bucket, "there", b"one", &When::Missing).await.unwrap();
    Way { cloud, proxy, bucket, cdn: aws.cdn(), tag }
}

fn answer(status: u16, code: &str) -> Fault {
    Fault::Status(status, format!("<Error><Code>{code}</Code><Message>as the test wants</Message></Error>"))
}

#[tokio::test]
async fn what_s3_says_of_a_write_is_told_by_its_kind() {
    let way = way().await;
    for (status, code, expected, words) in [
        (412, "PreconditionFailed", Kind::Conflict, "412"),
        (409, "ConditionalRequestConflict", Kind::Busy, "409"),
        (404, "NoSuchKey", Kind::Conflict, "404"),
        (404, "NoSuchBucket", Kind::Refused, "Create the bucket"),
        (429, "TooManyRequests", Kind::Busy, "429"),
        (500, "InternalError", Kind::Busy, "500"),
        (503, "SlowDown", Kind::Busy, "503"),
        (503, "ServiceUnavailable", Kind::Busy, "503"),
        (400, "ThrottlingException", Kind::Busy, "Throttling"),
        (400, "RequestTimeout", Kind::Lost, "RequestTimeout"),
        (400, "BadDigest", Kind::Refused, "changed while it was being sent"),
        (400, "ExpiredToken", Kind::Refused, "credentials have expired"),
        (403, "AccessDenied", Kind::Refused, "s3:PutObject"),
        (403, "InvalidAccessKeyId", Kind::Refused, "not valid"),
        (301, "PermanentRedirect", Kind::Refused, "region"),
        (501, "NotImplemented", Kind::Unsupported, "cannot"),
        (400, "EntityTooLarge", Kind::Refused, "EntityTooLarge"),
    ] {
        let rule = way.proxy.rule(Rule::new(answer(status, code)).method("PUT").times(1));
        let failure = put(&*way.bucket, "there", b"two", &When::Is(way.tag.clone())).await.unwrap_err();
        assert_eq!((failure.kind, rule.done()), (expected, 1), "{status} {code}: {failure}");
        assert!(failure.message.contains(words) && failure.message.contains("/p/there"), "{status} {code}: {failure}");
        way.proxy.relent();
    }
    let redirect = Fault::Answer(
        301,
        vec![("x-amz-bucket-region", "eu-west-3".into())],
        "<Error><Code>PermanentRedirect</Code></Error>".into(),
    );
    way.proxy.rule(Rule::new(redirect).times(1));
    let failure = way.bucket.read("there").await.unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.message.contains("eu-west-3"), "{failure}");
    // One try each: whoever calls decides about another.
    assert_eq!(way.proxy.counts()["PUT"], 18);
    assert_eq!(way.bucket.read("there").await.unwrap().unwrap().bytes, b"one");
}

#[tokio::test]
async fn a_question_that_is_not_allowed_names_the_action() {
    let way = way().await;
    way.proxy.rule(Rule::new(answer(403, "AccessDenied")));
    for (failure, action) in [
        (way.bucket.read("there").await.map(drop), "s3:ListBucket"),
        (way.bucket.stat("there").await.map(drop), "s3:GetObject"),
        (way.bucket.list("").await.map(drop), "s3:ListBucket"),
        (way.bucket.remove("there", &way.tag).await, "s3:DeleteObject"),
        (way.bucket.obeys_conditions().await, "s3:PutObject"),
        (way.cdn.distribution("E1").await.map(drop), "cloudfront:GetDistribution"),
        (way.cdn.invalidate("E1", "r", &["/".parse().unwrap()]).await.map(drop), "cloudfront:CreateInvalidation"),
        (way.cdn.running("E1").await.map(drop), "cloudfront:ListInvalidations"),
        (way.cdn.publish_function("f", &way.tag).await, "cloudfront:PublishFunction"),
    ] {
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind, Kind::Refused, "{failure}");
        assert!(failure.message.contains(action), "{action}: {failure}");
    }
}

#[tokio::test]
async fn an_error_within_a_200_is_an_error() {
    let way = way().await;
    let sha256 = Digest::of(b"one").hex();
    let from = way.bucket.locate("there");
    way.bucket.copy(&from, None, "warm", &described(&sha256, 3), &When::Missing).await.unwrap();
    for (code, expected) in [("InternalError", Kind::Busy), ("SlowDown", Kind::Busy), ("AccessDenied", Kind::Refused)] {
        way.proxy.rule(Rule::new(answer(200, code)).method("PUT").header("x-amz-copy-source", "").times(1));
        let failure = way.bucket.copy(&from, None, "copy", &described(&sha256, 3), &When::Missing).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{code}: {failure}");
        way.proxy.relent();
    }
    let body = vec![7; 16 << 20];
    way.proxy.rule(Rule::new(answer(200, "InternalError")).method("POST").path("uploadId=").times(1));
    let failure = put(&*way.bucket, "large", &body, &When::Missing).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Busy, "{failure}");
    assert_eq!(way.cloud.count("AbortMultipartUpload"), 1);
    assert_eq!(way.bucket.stat("large").await, Ok(None));
    put(&*way.bucket, "large", &body, &When::Missing).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_it_open() {
    let way = way().await;
    let two = When::Is(way.tag.clone());
    way.proxy.rule(Rule::new(Fault::Reset).method("PUT").times(1));
    assert_eq!(kind(put(&*way.bucket, "there", b"two", &two).await), Kind::Lost);
    assert_eq!(way.bucket.read("there").await.unwrap().unwrap().bytes, b"one");
    way.proxy.relent();
    way.proxy.rule(Rule::new(Fault::LoseAnswer).method("PUT").times(1));
    assert_eq!(kind(put(&*way.bucket, "there", b"two", &two).await), Kind::Lost);
    assert_eq!(way.proxy.counts()["PUT"], 3, "nothing is sent twice");
    let found = way.bucket.read("there").await.unwrap().unwrap();
    assert_eq!(found.bytes, b"two", "it had been done");
    way.proxy.relent();
    way.proxy.rule(Rule::new(Fault::Truncate(1)).method("GET").times(1));
    assert_eq!(kind(way.bucket.read("there").await), Kind::Lost);
    way.proxy.relent();
    // The program that asks is gone, or the server is, in the middle of it.
    for (fault, bytes) in [(Fault::Instead(Hook::new(|_| {})), b"two"), (Fault::LoseAnswer, b"333")] {
        way.proxy.rule(Rule::new(fault).method("PUT").times(1));
        assert_eq!(kind(put(&*way.bucket, "there", b"333", &When::Is(found.tag.clone())).await), Kind::Lost);
        assert_eq!(way.bucket.read("there").await.unwrap().unwrap().bytes, bytes);
        way.proxy.relent();
    }
    way.proxy.rule(Rule::new(Fault::LoseAnswer).path("/invalidation").method("POST").times(1));
    let items = ["/a".parse().unwrap()];
    assert_eq!(kind(way.cdn.invalidate("E1", "r", &items).await), Kind::Lost);
    way.cdn.invalidate("E1", "r", &items).await.unwrap();
    assert_eq!((way.cloud.billed(), way.cloud.invalidated("E1").len()), (1, 1), "it was the same one");
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_is_refused() {
    let way = way().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.bin");
    let body = vec![b'a'; 20 << 20];
    std::fs::write(&path, &body).unwrap();
    let sha256 = Digest::of(&body).hex();
    // Five parts would be needed for all of it to be read before the first is answered.
    let target = path.clone();
    let edit = Hook::new(move |_| {
        let mut file = std::fs::OpenOptions::new().write(true).open(&target).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::End(-1)).unwrap();
        std::io::Write::write_all(&mut file, b"b").unwrap();
    });
    way.proxy.rule(Rule::new(Fault::After(edit)).method("POST").path("uploads").times(1));
    let content = Content::File(path);
    let failure = way.bucket.put("large", &content, &described(&sha256, body.len()), &When::Missing).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused, "{failure}");
    assert!(failure.message.contains("page.bin") && failure.message.contains("changed"), "{failure}");
    assert_eq!((way.bucket.stat("large").await, way.cloud.count("AbortMultipartUpload")), (Ok(None), 1));
}

#[tokio::test]
async fn a_part_that_fails_is_sent_again_and_an_upload_that_fails_is_aborted() {
    let way = way().await;
    let body = vec![7; 20 << 20];
    let rule = way.proxy.rule(Rule::new(answer(503, "SlowDown")).method("PUT").path("partNumber=2").times(2));
    put(&*way.bucket, "large", &body, &When::Missing).await.unwrap();
    assert_eq!((rule.done(), way.cloud.count("UploadPart"), way.cloud.count("AbortMultipartUpload")), (2, 3, 0));
    way.proxy.relent();
    way.proxy.rule(Rule::new(answer(403, "AccessDenied")).method("PUT").path("partNumber=3"));
    let failure = put(&*way.bucket, "larger", &body, &When::Missing).await.unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.message.contains("s3:PutObject"), "{failure}");
    assert_eq!(way.cloud.count("AbortMultipartUpload"), 1);
    // Somebody else is faster while it is sent: only the end can tell.
    way.proxy.relent();
    let (started, other) = (Arc::new(tokio::sync::Notify::new()), Arc::clone(&way.bucket));
    let begun = Arc::clone(&started);
    way.proxy.rule(Rule::new(Fault::Before(Hook::new(move |_| begun.notify_one()))).method("POST").path("uploads"));
    let (mine, theirs) = tokio::join!(put(&*way.bucket, "raced", &body, &When::Missing), async {
        started.notified().await;
        put(&*other, "raced", b"theirs", &When::Missing).await
    });
    theirs.unwrap();
    assert_eq!(kind(mine), Kind::Conflict);
    assert_eq!(way.bucket.read("raced").await.unwrap().unwrap().bytes, b"theirs");
}

#[tokio::test]
async fn few_parts_are_on_the_way_together() {
    let way = way().await;
    way.proxy.rule(Rule::new(Fault::Delay(Duration::from_millis(100))).path("partNumber="));
    let body: Vec<u8> = (0..80_u32 << 20).map(|at| (at >> 12) as u8).collect();
    put(&*way.bucket, "large", &body, &When::Missing).await.unwrap();
    assert_eq!(way.cloud.count("UploadPart"), 10);
    assert!((2..=4).contains(&way.cloud.most_at_once("UploadPart")), "{}", way.cloud.most_at_once("UploadPart"));
}

#[tokio::test]
async fn without_credentials_nothing_is_asked() {
    let way = way().await;
    let settings = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new("us-east-1"))
        .endpoint_url(format!("http://{}", way.proxy.address()))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Nobody))
        .build();
    let before = way.proxy.seen().len();
    let failure = Aws::with(&settings).bucket("b", "").read("a").await.unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.message.contains("credentials"), "{failure}");
    assert_eq!(way.proxy.seen().len(), before);
}

/// Has signed out.
#[derive(Debug)]
struct Nobody;

impl aws_credential_types::provider::ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = aws_credential_types::provider::error::CredentialsError::provider_error("the session has expired");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
    }
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_servers() {
    let way = way().await;
    let ahead = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20);
    let date = ahead.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let skewed = |code: &str| {
        Fault::Answer(403, vec![("date", date.clone())], format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
    };
    way.proxy.rule(Rule::new(skewed("RequestTimeTooSkewed")).times(1));
    let failure = put(&*way.bucket, "there", b"two", &When::Is(way.tag.clone())).await.unwrap_err();
    assert!(failure.kind == Kind::Busy && failure.message.contains("clock"), "{failure}");
    way.bucket.stat("there").await.unwrap();
    let seen = way.proxy.seen();
    let signed = seen.last().unwrap().header("x-amz-date").unwrap();
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
    let signed = jiff::tz::TimeZone::UTC.to_timestamp(signed).unwrap();
    assert!(ahead.duration_since(signed).abs().as_secs() < 60, "it was signed at {signed}");
    way.proxy.relent();
    // HEAD says no code.
    way.proxy.rule(Rule::new(skewed("")).method("HEAD").times(1));
    assert_eq!(kind(way.bucket.stat("there").await), Kind::Busy);
}

#[tokio::test]
async fn a_store_that_passes_over_conditions_is_refused() {
    let way = way().await;
    for header in ["if-none-match", "if-match"] {
        let strip: &'static [&'static str] = if header == "if-match" { &["if-match"] } else { &["if-none-match"] };
        way.proxy.rule(Rule::new(Fault::Strip(strip)));
        let failure = way.bucket.obeys_conditions().await.unwrap_err();
        assert_eq!(failure.kind, Kind::Refused, "{failure}");
        assert!(failure.message.to_lowercase().contains(header), "{failure}");
        way.proxy.relent();
    }
    way.bucket.obeys_conditions().await.unwrap();
}

#[tokio::test]
async fn a_store_that_copies_whatever_the_condition_is_found_out() {
    let way = way().await;
    way.cloud.ignore_copy_conditions(true);
    let sha256 = Digest::of(b"one").hex();
    let from = way.bucket.locate("there");
    for _ in 0..2 {
        assert_eq!(kind(way.bucket.copy(&from, None, "copy", &described(&sha256, 3), &When::Missing).await), Kind::Unsupported);
    }
    assert_eq!(way.cloud.count("CopyObject"), 1, "it was tried out once");
    let left: Vec<String> = way.bucket.list("").await.unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(left, ["there"]);
}

#[tokio::test]
async fn what_cloudfront_says_is_told_by_its_kind() {
    let way = way().await;
    let items = ["/a".parse().unwrap()];
    for (status, code, expected) in [
        (400, "Throttling", Kind::Busy),
        (503, "ServiceUnavailable", Kind::Busy),
        (400, "TooManyInvalidationsInProgress", Kind::Full),
        (403, "AccessDenied", Kind::Refused),
        (403, "ExpiredToken", Kind::Refused),
        (400, "InvalidArgument", Kind::Refused),
    ] {
        way.cloud.fail("CreateInvalidation", 1, status, code);
        let failure = way.cdn.invalidate("E1", "r", &items).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{code}: {failure}");
        assert!(failure.message.contains(code), "{failure}");
    }
    assert_eq!(way.cloud.billed(), 0);
    way.cloud.edit_function("f", "function handler(e) { return e.request; }");
    for (status, code) in [(412, "PreconditionFailed"), (400, "InvalidIfMatchVersion")] {
        way.cloud.fail("PublishFunction", 1, status, code);
        assert_eq!(kind(way.cdn.publish_function("f", &way.tag).await), Kind::Conflict);
    }
}

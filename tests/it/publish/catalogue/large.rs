//! A large file is sent once, to where it will be served, and is seen there in its phase and not before; then its body is kept.

use super::*;

const FILM: &str = "film.bin";
const SIZE: usize = 17 << 20;
/// What S3 is asked when parts become an object.
const COMPLETES: &str = "film.bin?uploadId=";

/// No two parts of it are the same.
fn film(version: &str) -> Vec<u8> {
    let mut film = vec![version.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte)); SIZE];
    for (number, part) in film.chunks_mut(1 << 20).enumerate() {
        part[..8].copy_from_slice(&number.to_le_bytes());
    }
    film
}

impl Rehearsal {
    async fn with_film(&self, version: &str) -> String {
        self.project.write(&format!("site/static/{FILM}"), film(version));
        self.built(version).await
    }

    /// The film is that of a version, and its body is kept.
    async fn plays(&self, stage: &str, version: &str) {
        let film = film(version);
        let public = self.bucket(stage).await.read(FILM).await.unwrap().expect("a film");
        assert!(public.bytes == film, "the film of {stage} is that of {version}");
        let body = self.bucket("control").await.read(&format!("blobs/{}", Digest::of(&film).hex())).await.unwrap();
        assert!(body.expect("its body is kept").bytes == film, "the body of {version}");
    }
}

/// Builds versions, and publishes the first.
async fn showing(versions: &[&str]) -> Rehearsal {
    let rehearsal = Rehearsal::new().await;
    for version in versions {
        rehearsal.with_film(version).await;
    }
    rehearsal.publish("staging", versions[0]).await.ended(0);
    rehearsal
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_sent_once_and_nothing_of_it_is_copied_in_parts() {
    let rehearsal = showing(&["v1", "v2"]).await;
    let count = |operation: &str| rehearsal.cloud.count(operation);
    assert_eq!((count("CreateMultipartUpload"), count("UploadPart"), count("UploadPartCopy")), (1, SIZE.div_ceil(8 << 20), 0));
    assert_eq!((count("CompleteMultipartUpload"), count("AbortMultipartUpload")), (1, 0));
    rehearsal.plays("staging", "v1").await;
    rehearsal.is_whole("staging", "v1").await;
    // While it is sent, and until its phase, visitors have the one before.
    let seen = Arc::new(OnceLock::new());
    let (told, bucket, handle) = (Arc::clone(&seen), rehearsal.bucket("staging").await, tokio::runtime::Handle::current());
    let look = Hook::new(move |_| {
        let found = handle.block_on(bucket.read(FILM)).unwrap().expect("a film");
        let _ = told.set(found.bytes == film("v1"));
    });
    rehearsal.proxy.rule(Rule::new(Fault::Before(look)).method("POST").path(COMPLETES).times(1));
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.proxy.relent();
    assert_eq!(seen.get(), Some(&true));
    rehearsal.plays("staging", "v2").await;
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    rehearsal.plays("production", "v2").await;
    for (stage, version) in [("staging", "v1"), ("production", "v2")] {
        if stage == "staging" {
            rehearsal.qdn(&["rollback", stage]).await.ended(0);
        }
        rehearsal.plays(stage, version).await;
        rehearsal.is_whole(stage, version).await;
    }
    // What is kept already is not sent again.
    rehearsal.cloud.clear_calls();
    rehearsal.publish("staging", "v2").await.ended(0);
    assert_eq!(count("UploadPart"), 0);
    rehearsal.plays("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_on_the_way_leaves_nothing_that_the_next_cannot_do() {
    let rehearsal = Rehearsal::new().await;
    let mut releases = Vec::new();
    for version in ["v1", "v2"] {
        releases.push(rehearsal.with_film(version).await);
        rehearsal.publish("staging", version).await.ended(0);
    }
    type Which = fn(Rule) -> Rule;
    let places: [(&str, Which); 5] = [
        ("it is begun", |rule| rule.method("POST").path("film.bin?uploads")),
        ("its second part", |rule| rule.method("PUT").path("partNumber=2")),
        ("pages are next", |rule| rule.method("PUT").path("about/index.html")),
        ("it is completed", |rule| rule.method("POST").path(COMPLETES)),
        ("its body is kept", |rule| rule.method("PUT").path("/blobs/").header("x-amz-copy-source", FILM)),
    ];
    let mut number = 2;
    for (at, (place, which)) in places.into_iter().enumerate() {
        for is_after in [false, true] {
            // Each place is gone on from once, and once gone back from.
            let goes_on = (at % 2 == 0) == is_after;
            number += 1;
            let (before, version) = (format!("v{}", number - 1), format!("v{number}"));
            releases.push(rehearsal.with_film(&version).await);
            println!("killed when {place}; after it was done: {is_after}; then goes on: {goes_on}");
            killed::killed(&rehearsal, &version, |kill| {
                which(Rule::new(if is_after { Fault::After(kill) } else { Fault::Instead(kill) }))
            })
            .await;
            if goes_on {
                rehearsal.publish("staging", &version).await.ended(0);
                rehearsal.plays("staging", &version).await;
                rehearsal.is_whole("staging", &version).await;
            } else {
                rehearsal.qdn(&["rollback", "staging", "--to", &releases[number - 2]]).await.ended(0);
                rehearsal.plays("staging", &before).await;
                rehearsal.is_whole("staging", &before).await;
                // The next round starts from what is served.
                rehearsal.publish("staging", &version).await.ended(0);
                rehearsal.plays("staging", &version).await;
            }
        }
    }
    rehearsal.qdn(&["audit", "staging"]).await.ended(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_looked_for_and_a_lost_upload_is_sent_again() {
    let rehearsal = showing(&["v1", "v2", "v3", "v4"]).await;
    for (version, path, sent) in [("v2", COMPLETES, 3), ("v3", "film.bin?uploads", 3)] {
        rehearsal.cloud.clear_calls();
        let rule = rehearsal.proxy.rule(Rule::new(Fault::LoseAnswer).method("POST").path(path).times(1));
        rehearsal.publish("staging", version).await.ended(0);
        assert_eq!((rule.done(), rehearsal.cloud.count("UploadPart")), (1, sent), "{version}");
        rehearsal.proxy.relent();
        rehearsal.plays("staging", version).await;
    }
    // Somebody tidied up while the pages before it were written.
    rehearsal.cloud.clear_calls();
    let gone = "<Error><Code>NoSuchUpload</Code><Message>no such upload</Message></Error>";
    let rule = rehearsal.proxy.rule(Rule::new(Fault::Status(404, gone.to_owned())).method("POST").path(COMPLETES).times(1));
    rehearsal.publish("staging", "v4").await.ended(0);
    rehearsal.proxy.relent();
    assert_eq!((rule.done(), rehearsal.cloud.count("UploadPart")), (1, 6), "it is sent a second time");
    rehearsal.plays("staging", "v4").await;
    rehearsal.is_whole("staging", "v4").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_wrote_there_and_it_is_given_up() {
    let rehearsal = showing(&["v1", "v2"]).await;
    let (bucket, handle) = (rehearsal.bucket("staging").await, tokio::runtime::Handle::current());
    let meddle = Hook::new(move |_| handle.block_on(overwrite(&*bucket, FILM, b"theirs")));
    rehearsal.proxy.rule(Rule::new(Fault::Before(meddle)).method("POST").path(COMPLETES).times(1));
    let run = rehearsal.publish("staging", "v2").await.ended(3);
    rehearsal.proxy.relent();
    assert!(run.stderr.contains("film.bin holds bytes that no release"), "{}", run.stderr);
    assert_eq!(rehearsal.bucket("staging").await.read(FILM).await.unwrap().unwrap().bytes, b"theirs");
    assert_eq!(rehearsal.cloud.count("AbortMultipartUpload"), 1, "no parts are left that nobody sees and somebody pays for");
    rehearsal.qdn(&["publish", "staging", "--dist", "v2", "--adopt"]).await.ended(0);
    rehearsal.plays("staging", "v2").await;
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_overtaken_while_it_was_sent_keeps_its_body_first_the_next_time() {
    let rehearsal = showing(&["v1", "v2"]).await;
    // Somebody looks after the books while the last part is on its way.
    let collect = Arc::new(std::sync::Mutex::new(Some(rehearsal.command(&["gc", "staging"]))));
    let meddle = Hook::new(move |_| {
        let command = collect.lock().unwrap().take();
        if let Some(mut command) = command {
            assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs").success());
        }
    });
    rehearsal.cloud.clear_calls();
    let rule = rehearsal.proxy.rule(Rule::new(Fault::After(meddle)).method("PUT").path("partNumber=3").times(1));
    let other = rehearsal.proxy.rule(Rule::new(Fault::Delay(std::time::Duration::ZERO)).method("POST").path(COMPLETES));
    rehearsal.publish("staging", "v2").await.ended(0);
    rehearsal.proxy.relent();
    let count = |operation: &str| rehearsal.cloud.count(operation);
    assert_eq!((rule.done(), count("AbortMultipartUpload"), count("UploadPart")), (1, 1, 6), "it is sent again, and then for good");
    assert!(count("UploadPartCopy") > 0 && other.done() > 0, "as a body that is copied");
    rehearsal.plays("staging", "v2").await;
    rehearsal.is_whole("staging", "v2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_served_in_two_places_is_sent_to_what_is_kept() {
    let rehearsal = Rehearsal::new().await;
    rehearsal.project.write("site/static/copy/film.bin", film("v1"));
    // An asset of the same bytes has its own place, and none of these two is its.
    rehearsal.project.write("site/assets/film.bin", film("v1"));
    rehearsal.with_film("v1").await;
    rehearsal.publish("staging", "v1").await.ended(0);
    assert_eq!(rehearsal.cloud.count("UploadPart"), 2 * SIZE.div_ceil(8 << 20), "once for the two of them, and once for the asset");
    rehearsal.plays("staging", "v1").await;
    assert!(rehearsal.bucket("staging").await.read("copy/film.bin").await.unwrap().unwrap().bytes == film("v1"));
    rehearsal.is_whole("staging", "v1").await;
}

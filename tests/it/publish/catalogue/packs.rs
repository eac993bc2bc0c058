//! Many pages: their bodies lie in packs, and each command finds those that it needs in a few requests.

use super::killed::killed;
use super::*;

/// As many pages beside the four.
const MANY: usize = 150;
/// All that are stored with their bodies: these, and `404.html`, `robots.txt` or `sitemap.xml` where there are such.
const LEAST: usize = MANY + 4;

/// Writes the pages of a version. Each differs from that of any other version.
fn write_many(rehearsal: &Rehearsal, version: &str) {
    rehearsal.version(version);
    for page in 0..MANY {
        rehearsal.project.write(&format!("site/many/{page}.md"), format!("---\ntitle: {page}\n---\nversion {version}\n"));
    }
}

async fn built_many(rehearsal: &Rehearsal, version: &str) -> String {
    write_many(rehearsal, version);
    let built = rehearsal.qdn(&["build", "--out", version, "--json"]).await.ended(0).json();
    built["release"].as_str().expect("a release").to_owned()
}

/// The requests of a kind to a stage's bucket below a folder.
async fn asked(rehearsal: &Rehearsal, short: &str, method: &str, folder: &str, since: usize) -> usize {
    let all = rehearsal.asked_of(short, method, since);
    all.iter().filter(|key| key.trim_start_matches("qdn/").starts_with(folder)).count()
}

async fn packs(rehearsal: &Rehearsal) -> Vec<String> {
    rehearsal.keys("control").await.into_iter().filter(|key| key.starts_with("packs/")).collect()
}

/// Every page that visitors see is of a version.
async fn shows_many(rehearsal: &Rehearsal, stage: &str, version: &str) {
    rehearsal.shows(stage, version).await;
    for page in [0, 7, 77, MANY - 1] {
        assert_eq!(rehearsal.page(stage, &format!("/many/{page}/")).await, version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_fifty_bodies_are_a_few_requests() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v1", "v2"] {
        built_many(&rehearsal, version).await;
    }
    let since = async || rehearsal.proxy.seen().len();
    // The first publish.
    let at = since().await;
    rehearsal.publish("staging", "v1").await.ended(0);
    shows_many(&rehearsal, "staging", "v1").await;
    assert_eq!(asked(&rehearsal, "control", "PUT", "packs/", at).await, 2);
    assert_eq!(asked(&rehearsal, "control", "PUT", "blobs/", at).await, 1, "the function");
    assert_eq!(asked(&rehearsal, "control", "GET", "packs/", at).await, 0);
    assert!(asked(&rehearsal, "staging", "PUT", "many/", at).await == MANY);
    // Nothing to do; one page.
    let at = since().await;
    rehearsal.publish("staging", "v1").await.ended(0);
    assert_eq!(since().await - at, 1);
    rehearsal.project.write("site/many/7.md", "---\ntitle: 7\n---\nversion v2b\n");
    rehearsal.qdn(&["build", "--out", "v2b"]).await.ended(0);
    let at = since().await;
    rehearsal.publish("staging", "v2").await.ended(0);
    shows_many(&rehearsal, "staging", "v2").await;
    assert_eq!(asked(&rehearsal, "control", "PUT", "packs/", at).await, 2);
    assert_eq!(asked(&rehearsal, "control", "GET", "", at).await, 3, "head, manifest and ETags: no index is read");
    let at = since().await;
    rehearsal.publish("staging", "v2b").await.ended(0);
    assert_eq!(rehearsal.page("staging", "/many/7/").await, "v2b");
    assert_eq!(asked(&rehearsal, "control", "PUT", "blobs/", at).await, 1);
    assert_eq!(asked(&rehearsal, "control", "PUT", "packs/", at).await, 0);
    assert_eq!(asked(&rehearsal, "control", "GET", "packs/", at).await, 0);
    // Back by one page, which lies in a pack, and then by all.
    let at = since().await;
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    shows_many(&rehearsal, "staging", "v2").await;
    assert_eq!(asked(&rehearsal, "control", "GET", "packs/", at).await, 3, "two indexes, and a part of a pack");
    let release =
        rehearsal.head("staging").await["past"].as_array().unwrap().last().unwrap()["release"].as_str().unwrap().to_owned();
    let at = since().await;
    rehearsal.qdn(&["rollback", "staging", "--to", &release]).await.ended(0);
    shows_many(&rehearsal, "staging", "v1").await;
    assert_eq!(asked(&rehearsal, "control", "GET", "packs/", at).await, 5, "and of one what each of three phases needs");
    assert_eq!(asked(&rehearsal, "control", "HEAD", "", at).await, 3, "the pack, the code of the function, and the manifest");
    assert!(asked(&rehearsal, "staging", "PUT", "", at).await >= LEAST);
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_elsewhere_sends_no_page() {
    let rehearsal = Rehearsal::new().await;
    let elsewhere = rehearsal.cloud.bucket("elsewhere").await;
    let config = rehearsal.project.read("qdn.toml");
    let (staging, production) = config.split_at(config.find("[stages.production]").unwrap());
    let place = format!("{}/qdn", rehearsal.cloud.bucket_name("control"));
    rehearsal.project.write("qdn.toml", format!("{staging}{}", production.replace(&place, &format!("{elsewhere}/far/away"))));
    for version in ["v1", "v2"] {
        built_many(&rehearsal, version).await;
        rehearsal.publish("staging", version).await.ended(0);
    }
    let at = rehearsal.proxy.seen().len();
    let receipt = rehearsal.qdn(&["promote", "staging", "production", "--json"]).await.ended(0).json();
    assert_eq!(receipt["uploaded"], json!(0), "{receipt}");
    let looked = rehearsal.asked_of("production", "HEAD", at).len();
    assert!(looked < 5, "the answer to a copy shows its digest: {looked}");
    let seen = rehearsal.proxy.seen().split_off(at);
    let conditional = seen.iter().filter(|one| one.header("x-amz-copy-source-if-match").is_some()).count();
    assert!(conditional >= LEAST, "{conditional}");
    shows_many(&rehearsal, "production", "v2").await;
    rehearsal.is_whole("production", "v2").await;
    let copied = rehearsal.keys("elsewhere").await.iter().filter(|key| key.starts_with("far/away/packs/")).count();
    assert_eq!(copied, 4, "the sitemap is the same in both, so it lies in the first");
    // Somebody wrote over a page of the stage that is promoted.
    rehearsal.publish("staging", "v1").await.ended(0);
    overwrite(&*rehearsal.bucket("staging").await, "many/3/index.html", b"theirs").await;
    let receipt = rehearsal.qdn(&["promote", "staging", "production", "--json"]).await.ended(0).json();
    assert_eq!(receipt["uploaded"], json!(1), "{receipt}");
    rehearsal.is_whole("production", "v1").await;
    assert_eq!(rehearsal.page("production", "/many/3/").await, "v1");
    // It needs the other one no more.
    for key in rehearsal.keys("control").await {
        delete(&*rehearsal.bucket("control").await, &key).await;
    }
    rehearsal.qdn(&["rollback", "production"]).await.ended(0);
    rehearsal.is_whole("production", "v2").await;
    shows_many(&rehearsal, "production", "v2").await;
    // Where copies obey no conditions, bytes come here and go there.
    rehearsal.cloud.ignore_copy_conditions(true);
    rehearsal.qdn(&["publish", "staging", "--dist", "v1", "--adopt"]).await.ended(0);
    rehearsal.qdn(&["promote", "staging", "production"]).await.ended(0);
    rehearsal.is_whole("production", "v1").await;
    shows_many(&rehearsal, "production", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_that_is_gone_or_damaged_is_told_and_what_is_served_mends_it() {
    let rehearsal = Rehearsal::new().await;
    let control = rehearsal.bucket("control").await;
    let mut known: Vec<Vec<String>> = Vec::new();
    for version in ["v1", "v2"] {
        built_many(&rehearsal, version).await;
        rehearsal.publish("staging", version).await.ended(0);
        let new: Vec<String> = packs(&rehearsal).await.into_iter().filter(|key| !known.concat().contains(key)).collect();
        known.push(new);
    }
    let bytes = control.read(&known[0][0]).await.unwrap().unwrap().bytes;
    let mut flipped = bytes.clone();
    flipped[1_000] ^= 1;
    let head = rehearsal.head("staging").await;
    overwrite(&*control, &known[0][0], &flipped).await;
    let run = rehearsal.qdn(&["rollback", "staging"]).await.ended(1);
    assert!(run.stderr.contains("is not complete any more") && run.stderr.contains(&known[0][0]), "{}", run.stderr);
    assert_eq!(rehearsal.head("staging").await, head, "nothing was begun");
    shows_many(&rehearsal, "staging", "v2").await;
    overwrite(&*control, &known[0][0], &bytes).await;
    // It is damaged on the way alone: the page is not written, and the next run finds it whole.
    let place = rehearsal.at("control", &format!("qdn/{}", known[0][0]));
    let spoilt = String::from_utf8_lossy(&flipped).into_owned();
    let length = spoilt.len();
    let range = ("content-range", format!("bytes 0-{}/{length}", length - 1));
    let answer = Fault::Answer(206, vec![("etag", "\"x\"".to_owned()), range], spoilt);
    rehearsal.proxy.rule(Rule::new(answer).method("GET").path(&place).header("range", "bytes="));
    let run = rehearsal.qdn(&["rollback", "staging"]).await.ended(3);
    assert!(run.stderr.contains(&known[0][0]) && run.stderr.contains("damaged"), "{}", run.stderr);
    rehearsal.proxy.relent();
    rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
    rehearsal.is_whole("staging", "v1").await;
    shows_many(&rehearsal, "staging", "v1").await;
    // What is served is in it.
    for damage in [Some(flipped.as_slice()), None] {
        match damage {
            Some(flipped) => overwrite(&*control, &known[0][0], flipped).await,
            None => delete(&*control, &known[0][0]).await,
        }
        let run = rehearsal.qdn(&["audit", "staging", "--json"]).await.ended(3);
        let audit = run.json();
        let missing = audit["findings"].as_array().unwrap().iter().filter(|row| row["wrong"] == "body").count();
        assert!(missing >= LEAST && run.stderr.contains(&known[0][0]), "{missing}: {}", run.stderr);
        let run = rehearsal.qdn(&["audit", "staging", "--repair"]).await.ended(0);
        assert!(run.stdout.contains(&format!("and {} more of these", missing - 5)), "{}", run.stdout);
        rehearsal.is_whole("staging", "v1").await;
        rehearsal.qdn(&["publish", "staging", "--dist", "v2"]).await.ended(0);
        rehearsal.qdn(&["rollback", "staging"]).await.ended(0);
        rehearsal.is_whole("staging", "v1").await;
        if damage.is_some() {
            for key in rehearsal.keys("control").await.into_iter().filter(|key| key.starts_with("blobs/")) {
                let function = rehearsal.head("staging").await["functions"].to_string();
                if !function.contains(&key["blobs/".len()..]) {
                    delete(&*control, &key).await;
                }
            }
        }
    }
    // A publish stores what it needs anew.
    let before = packs(&rehearsal).await.len();
    for version in ["v2", "v1"] {
        rehearsal.publish("staging", version).await.ended(0);
    }
    assert_eq!(packs(&rehearsal).await.len(), before + 2, "without the sitemap they make another pack");
    rehearsal.is_whole("staging", "v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_publish_has_packed_is_not_sent_again() {
    let rehearsal = Rehearsal::new().await;
    for version in ["v0", "v1", "v2", "v3"] {
        built_many(&rehearsal, version).await;
    }
    rehearsal.publish("staging", "v0").await.ended(0);
    let place = rehearsal.at("control", "qdn/packs/");
    // Before its index, after it, and among the pages.
    let among = rehearsal.at("staging", "many/");
    type Kill = Box<dyn FnOnce(Hook) -> Rule>;
    let kills: [(&str, Kill, usize); 3] = [
        (
            "v1",
            {
                let place = place.clone();
                Box::new(move |kill| Rule::new(Fault::After(kill)).method("PUT").path(place))
            },
            1,
        ),
        (
            "v2",
            {
                let place = place.clone();
                Box::new(move |kill| Rule::new(Fault::After(kill)).method("PUT").path(place).skip(1))
            },
            0,
        ),
        ("v3", Box::new(move |kill| Rule::new(Fault::Instead(kill)).method("PUT").path(among).skip(20)), 0),
    ];
    for (version, rule, left) in kills {
        let before = packs(&rehearsal).await.len();
        killed(&rehearsal, version, rule).await;
        assert_eq!(packs(&rehearsal).await.len(), before + 2 - left, "{version}");
        let at = rehearsal.proxy.seen().len();
        rehearsal.publish("staging", version).await.ended(0);
        assert_eq!(asked(&rehearsal, "control", "PUT", "packs/", at).await, left, "{version}");
        assert!(asked(&rehearsal, "control", "PUT", "blobs/", at).await <= 2, "{version}: functions alone");
        assert_eq!(packs(&rehearsal).await.len(), before + 2, "{version}");
        rehearsal.is_whole("staging", version).await;
        shows_many(&rehearsal, "staging", version).await;
    }
    for version in ["v2", "v1", "v0"] {
        let past = rehearsal.head("staging").await["past"].clone();
        let wanted = rehearsal.project.read(&format!("{version}/manifest.json"));
        let wanted: Value = serde_json::from_str(&wanted).unwrap();
        assert!(past.to_string().contains(wanted["release"].as_str().unwrap()));
        rehearsal.qdn(&["rollback", "staging", "--to", wanted["release"].as_str().unwrap()]).await.ended(0);
        shows_many(&rehearsal, "staging", version).await;
    }
}

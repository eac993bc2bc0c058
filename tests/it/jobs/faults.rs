//! What goes wrong on the way, on the wire: the proxy between the store and its server does it.

use super::*;
use crate::proxy::{Fault, Proxy, Rule};
use qdn::jobs::store::{ChangeError, CreateError, StoreError};
use std::time::{Duration, Instant};

/// Which requests are writes of jobs.
fn writes(place: &Place, fault: Fault) -> Rule {
    match place.table() {
        Some(_) => Rule::new(fault).header("x-amz-target", "TransactWriteItems"),
        None => Rule::new(fault).method("PUT").path("/jobs/jobs.json"),
    }
}

fn reads(place: &Place, fault: Fault) -> Rule {
    match place.table() {
        Some(_) => Rule::new(fault).header("x-amz-target", "GetItem"),
        None => Rule::new(fault).method("GET").path("/jobs/jobs.json"),
    }
}

async fn both() -> [Place; 2] {
    [Place::s3().await, Place::dynamo().await]
}

/// A proxy before a place, and the place as it is seen through it.
async fn spoiled(place: &Place) -> (Proxy, Place) {
    let proxy = Proxy::start(ministack::address()).await;
    let through = place.through(proxy.address()).await;
    (proxy, through)
}

/// Creates and changes a job while some writes suffer, and sees that each happened once.
async fn once_each(fault: Fault, times: usize) {
    let [s3, dynamo] = both().await;
    tokio::join!(once_each_at(&s3, &fault, times), once_each_at(&dynamo, &fault, times));
}

async fn once_each_at(place: &Place, fault: &Fault, times: usize) {
    let (proxy, through) = spoiled(place).await;
    let store = through.open();
    let rule = proxy.rule(writes(place, fault.clone()).times(times));
    let created = store.create(&new(1)).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert_eq!((created.job.clone(), created.replayed), (job(1), false), "{place}");
    assert!(rule.done() > 0, "{place}: it suffered");
    proxy.relent();
    let rule = proxy.rule(writes(place, fault.clone()).times(times));
    let changed = store.change(id(1), Some(1), &ready("r1")).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert!(rule.done() > 0, "{place}: it suffered");
    assert_eq!((changed.version, changed.history.len()), (2, 2), "{place}");
    let jobs = place.open().export().await.unwrap();
    assert_eq!(jobs, vec![changed], "{place}: one job, one event");
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.documents().place("jobs.json"))
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_write_is_found_again() {
    once_each(Fault::LoseAnswer, 1).await;
}

#[tokio::test]
async fn answers_that_are_lost_over_and_over_make_one_job() {
    once_each(Fault::LoseAnswer, 3).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let stalled = async |place: Place| {
        place.open().create(&new(1)).await.unwrap();
        let (proxy, through) = spoiled(&place).await;
        let rule = proxy.rule(writes(&place, Fault::Stall).times(1));
        let began = Instant::now();
        let changed =
            through.open().change(id(1), Some(1), &ready("r1")).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
        // S3 is given 4 s, DynamoDB 1.5 s, after which the SDK sends the same transaction again.
        assert!(began.elapsed() < Duration::from_secs(6), "{place}: {:?}", began.elapsed());
        assert_eq!((rule.done(), place.open().export().await), (1, Ok(vec![changed])), "{place}");
    };
    let [s3, dynamo] = both().await;
    tokio::join!(stalled(s3), stalled(dynamo));
}

#[tokio::test]
async fn a_write_that_never_arrived_is_sent_again() {
    once_each(Fault::Reset, 1).await;
}

#[tokio::test]
async fn a_conflict_that_only_s3_knows_is_tried_again() {
    let body = "<Error><Code>ConditionalRequestConflict</Code><Message>Conflict</Message></Error>";
    let place = Place::s3().await;
    let (proxy, through) = spoiled(&place).await;
    let rule = proxy.rule(writes(&place, Fault::Status(409, body.to_owned())).times(2));
    through.open().create(&new(1)).await.unwrap();
    assert_eq!(rule.done(), 2);
    assert_eq!(place.open().export().await, Ok(vec![job(1)]));
}

#[tokio::test]
async fn bursts_of_503_pass_on_writes_and_reads() {
    let slow = Fault::Status(503, "<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>".to_owned());
    once_each(slow.clone(), 3).await;
    for place in both().await {
        place.open().create(&new(1)).await.unwrap();
        let (proxy, through) = spoiled(&place).await;
        let rule = proxy.rule(reads(&place, slow.clone()).times(2));
        assert_eq!(through.open().get(id(1)).await, Ok(Some(job(1))));
        assert_eq!(rule.done(), 2);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_read_again() {
    for place in both().await {
        place.open().create(&new(1)).await.unwrap();
        let (proxy, through) = spoiled(&place).await;
        let rule = proxy.rule(reads(&place, Fault::Truncate(40)).times(1));
        assert_eq!(through.open().get(id(1)).await, Ok(Some(job(1))), "{place}");
        assert_eq!(rule.done(), 1);
    }
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    once_each(Fault::Delay(Duration::from_millis(300)), 1).await;
}

#[tokio::test]
async fn a_server_that_stays_away_ends_the_operation_in_words() {
    for place in both().await {
        place.open().create(&new(1)).await.unwrap();
        let (proxy, through) = spoiled(&place).await;
        proxy.rule(reads(&place, Fault::Reset));
        let error = through.open().get(id(1)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unreachable(why) if why.contains("cannot be reached")), "{error:?}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_not_called_unchanged() {
    let unknown = async |place: Place| {
        place.open().create(&new(1)).await.unwrap();
        let (proxy, through) = spoiled(&place).await;
        // The change is saved, and from then on the server is gone.
        proxy.rule(reads(&place, Fault::Reset).skip(1));
        proxy.rule(writes(&place, Fault::LoseAnswer).times(1));
        proxy.rule(writes(&place, Fault::Reset));
        let error = through.open().change(id(1), Some(1), &ready("r1")).await.unwrap_err();
        assert!(
            matches!(&error, ChangeError::Store(StoreError::Unreachable(why)) if why.contains("is not known")),
            "{place}: {error:?}"
        );
        assert_eq!(place.open().get(id(1)).await.unwrap().unwrap().version, 2, "it was saved");
    };
    let [s3, dynamo] = both().await;
    tokio::join!(unknown(s3), unknown(dynamo));
}

#[tokio::test]
async fn refusals_are_told_in_words_and_at_once() {
    let denied = || Fault::Status(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>".to_owned());
    let place = Place::s3().await;
    let (proxy, through) = spoiled(&place).await;
    proxy.rule(writes(&place, denied()));
    let began = Instant::now();
    let error = through.open().create(&new(1)).await.unwrap_err();
    let CreateError::Store(StoreError::Unreachable(why)) = &error else { panic!("{error:?}") };
    assert!(why.contains("s3:PutObject") && why.contains("403 AccessDenied"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(2));
    proxy.rule(reads(&place, denied()));
    let error = through.open().get(id(1)).await.unwrap_err();
    assert!(error.to_string().contains("s3:ListBucket"), "{error}");
}

#[tokio::test]
async fn a_bucket_or_table_that_is_not_there_is_named() {
    let settings = ministack::settings(ministack::address()).await;
    let bucket = Remote::S3 { bucket: "no-such-bucket".to_owned(), prefix: String::new() };
    let table = Remote::Dynamo { table: "no-such-table".to_owned() };
    for (remote, part) in [(bucket, "Create the bucket"), (table, "Create the table")] {
        let (store, _) = open(&remote, &settings);
        let error = store.get(id(1)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unreachable(why) if why.contains(part)), "{error:?}");
        assert!(matches!(store.create(&new(1)).await, Err(CreateError::Store(StoreError::Unreachable(_)))));
    }
}

#[tokio::test]
async fn a_store_that_passes_over_conditions_is_refused() {
    // One that knows neither condition, when the first job is booked.
    let place = Place::s3().await;
    let (proxy, through) = spoiled(&place).await;
    proxy.rule(Rule::new(Fault::Strip(&["if-match", "if-none-match"])).method("PUT"));
    let error = through.open().create(&new(1)).await.unwrap_err();
    let CreateError::Store(StoreError::Unreachable(why)) = &error else { panic!("{error:?}") };
    assert!(why.contains("passes over `If-None-Match`") && why.contains("Two writers"), "{why}");
    assert_eq!(place.open().export().await, Ok(vec![]), "nothing was written but the probe");
    // One that replaces without looking, when a job is moved.
    place.open().create(&new(1)).await.unwrap();
    let (proxy, through) = spoiled(&place).await;
    proxy.rule(Rule::new(Fault::Strip(&["if-match"])).method("PUT"));
    let error = through.open().change(id(1), Some(1), &ready("r1")).await.unwrap_err();
    assert!(format!("{error:?}").contains("passes over `If-Match`"), "{error:?}");
    assert_eq!(place.open().get(id(1)).await, Ok(Some(job(1))));
}

#[tokio::test]
async fn what_goes_over_the_wire_is_as_small_as_it_can_be() {
    let place = Place::s3().await;
    let (proxy, through) = spoiled(&place).await;
    let store = through.open();
    store.create(&new(1)).await.unwrap();
    store.get(id(1)).await.unwrap();
    store.change(id(1), Some(1), &ready("r1")).await.unwrap();
    store.since(1).await.unwrap();
    let lines: Vec<String> = proxy
        .seen()
        .iter()
        .map(|request| {
            let path = request.path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            let condition = ["if-match", "if-none-match"].into_iter().find(|name| request.header(name).is_some());
            let checksum = request.header("x-amz-checksum-sha256").map_or("", |_| " sha256");
            format!("{} {path} {}{checksum}", request.method, condition.unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "GET jobs.json -",
            "PUT probe if-none-match sha256",
            "PUT probe if-none-match sha256",
            "PUT jobs.json if-none-match sha256",
            "GET jobs.json if-none-match",
            "GET jobs.json if-none-match",
            "PUT probe if-match sha256",
            "PUT jobs.json if-match sha256",
            "GET jobs.json if-none-match",
        ]
    );
}

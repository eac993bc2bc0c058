//! What one operation on a store takes, by the number of jobs in it:
//!
//! ```text
//! ./scripts/setup && cargo bench --no-default-features --features lambda --bench stores
//! ```
//!
//! S3 is MiniStack on this machine, in memory: its figures are those of the client and of HTTP. A real
//! bucket adds its own time to each request, some 20 to 60 ms.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, reason = "a clock is what this is about")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "a program of one file, which borrows two")]

// Borrowed by path, since `disk` otherwise comes with the compiler, which takes minutes to build.
#[path = "../src/disk/documents.rs"]
mod documents;
#[path = "../tests/it/ministack.rs"]
mod ministack;

use documents::Folder;
use qdn::jobs;
use qdn::jobs::event::{Change, Edit, Event};
use qdn::jobs::file::{Filed, JobsFile, to_bytes};
use qdn::jobs::job::{Address, Customer, Entry, EntryKind, Link, Window};
use qdn::jobs::store::documents::{Documents, When};
use qdn::jobs::store::json::JsonStore;
use qdn::jobs::store::s3::S3Documents;
use qdn::jobs::store::{NewJob, Store as _};
use qdn::jobs::token::TokenHash;
use qdn::jobs::{Job, JobId, Status};
use std::time::{Duration, Instant};

const RUNS: usize = 25;

#[tokio::main]
async fn main() {
    let settings = ministack::settings(ministack::address()).await;
    let config = aws_sdk_s3::config::Builder::from(&settings).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config).create_bucket().bucket("bench").send().await.unwrap();
    println!("| store | jobs | file | read, unchanged | read, changed | by link | change | create |");
    println!("|---|---|---|---|---|---|---|---|");
    for count in [100, 1_000, 3_000, 10_000] {
        let bytes = to_bytes(&JobsFile {
            rev: 1,
            jobs: (0..count).map(|number| Filed { rev: 1, job: job(number) }).collect(),
            ..JobsFile::default()
        });
        let folder = tempfile::tempdir().unwrap();
        measure("folder", count, bytes.clone(), || Folder::new(folder.path())).await;
        measure("S3", count, bytes, || S3Documents::new(&settings, "bench", &format!("{count}/"))).await;
    }
}

async fn measure<D: Documents>(name: &str, count: u32, bytes: Vec<u8>, documents: impl Fn() -> D) {
    let size = bytes.len();
    documents().write("jobs.json", bytes, &When::Missing).await.unwrap();
    let store = JsonStore::new(documents());
    let edit = |number: usize| Change {
        event: Event::Edit(Box::new(Edit { details: Some(format!("edit {number}")), ..Edit::default() })),
        who: Some("sam".to_owned()),
        at: job(0).submitted_at,
        request: format!("r{number}"),
    };
    store.change(id(0), None, &edit(99)).await.unwrap();
    let unchanged = timed(async |_| drop(store.get(id(0)).await.unwrap())).await;
    let by_link = timed(async |_| drop(store.by_token(&TokenHash::of("none")).await.unwrap())).await;
    let changed = timed(async |_| drop(JsonStore::new(documents()).get(id(0)).await.unwrap())).await;
    let change = timed(async |number| drop(store.change(id(0), None, &edit(number)).await.unwrap())).await;
    // Past 8 MB nothing is added.
    let create = if size < 8_000_000 {
        timed(async |number| {
            let job = job(count + u32::try_from(number).unwrap());
            drop(store.create(&NewJob { job, most_waiting: None }).await.unwrap());
        })
        .await
    } else {
        "refused".to_owned()
    };
    println!("| {name} | {count} | {:.2} MB | {unchanged} | {changed} | {by_link} | {change} | {create} |", size as f64 / 1e6);
}

/// The median and the range of some runs, in milliseconds.
async fn timed(work: impl AsyncFn(usize)) -> String {
    let mut times = Vec::new();
    for number in 0..RUNS {
        let began = Instant::now();
        work(number).await;
        times.push(began.elapsed());
    }
    times.sort();
    let shown = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    format!("{} [{}–{}]", shown(times[RUNS / 2]), shown(times[0]), shown(times[RUNS - 1]))
}

fn id(number: u32) -> JobId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    JobId::from_random(bytes)
}

/// A job with the history of one that is being done.
fn job(number: u32) -> Job {
    let at = "2026-11-24T17:00:00Z".parse().unwrap();
    let entry = |kind, from, to, who: Option<&str>| Entry {
        at,
        who: who.map(str::to_owned),
        kind,
        from,
        to: Some(to),
        note: None,
        review: false,
        request: JobId::from_random([9; 16]).to_string(),
    };
    Job {
        id: id(number),
        version: 3,
        status: Status::InProgress,
        closure: None,
        customer: Customer {
            name: "Maria Example".to_owned(),
            phone: "+16195550142".to_owned(),
            email: Some("maria@example.com".to_owned()),
        },
        address: Address { street: "1234 Elm Street".into(), city: "San Diego".into(), state: "CA".into(), zip: "92101".into() },
        service: "half_truck".to_owned(),
        details: "two sofas, a fridge and some boxes in the garage".to_owned(),
        access: Some("gate code 4711".to_owned()),
        window: Window { date: "2026-11-25".parse().unwrap(), part: "morning".to_owned() },
        price_cents: Some(33000),
        submitted_at: at,
        pickup_at: Some(at),
        completed_at: None,
        updated_at: at,
        link: Link { epoch: 0, track_sha256: TokenHash::of(&number.to_string()) },
        needs_review: false,
        idempotency: None,
        history: vec![
            entry(EntryKind::Book, None, Status::Submitted, None),
            entry(EntryKind::Move, Some(Status::Submitted), Status::ReadyForPickup, Some("sam")),
            entry(EntryKind::Move, Some(Status::ReadyForPickup), Status::InProgress, Some("sam")),
        ],
    }
}

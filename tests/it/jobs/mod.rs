//! The stores: one suite for all of them, and what goes wrong between them and their places.

#![allow(clippy::unwrap_used, reason = "in a test, what went wrong and where is all there is to say")]

mod conformance;
mod documents;
mod faults;
mod limits;
mod place;

use crate::ministack;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use qdn::disk::Folder;
use qdn::jobs::event::{Change, Event};
use qdn::jobs::job::{Address, Customer, Entry, EntryKind, Idempotency, Link, Window};
use qdn::jobs::store::json::JsonStore;
use qdn::jobs::store::place::{Remote, open};
use qdn::jobs::store::{Documents, NewJob, Store, dynamo};
use qdn::jobs::token::{TokenHash, sha256_hex};
use qdn::jobs::{Job, JobId, Status};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A new place for jobs, which any number of stores can open.
struct Place {
    kind: Kind,
}

enum Kind {
    Folder(TempDir),
    Remote(Remote, Box<SdkConfig>),
}

impl Place {
    fn folder() -> Self {
        Self { kind: Kind::Folder(TempDir::new().expect("a temporary folder")) }
    }

    /// A bucket of its own.
    async fn s3() -> Self {
        let bucket = fresh();
        let settings = ministack::settings(ministack::address()).await;
        let config = aws_sdk_s3::config::Builder::from(&settings).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config).create_bucket().bucket(&bucket).send().await.expect("a bucket");
        Self { kind: Kind::Remote(Remote::S3 { bucket, prefix: "jobs/".to_owned() }, Box::new(settings)) }
    }

    /// A table of its own.
    async fn dynamo() -> Self {
        let table = fresh();
        let settings = ministack::settings(ministack::address()).await;
        dynamo::create_table(&settings, &table).await.expect("a table");
        Self { kind: Kind::Remote(Remote::Dynamo { table }, Box::new(settings)) }
    }

    /// The same place, reached through another address.
    async fn through(&self, address: SocketAddr) -> Self {
        let Kind::Remote(remote, _) = &self.kind else { panic!("a folder is not reached over the network") };
        Self { kind: Kind::Remote(remote.clone(), Box::new(ministack::settings(address).await)) }
    }

    fn both(&self) -> (Arc<dyn Store>, Arc<dyn Documents>) {
        match &self.kind {
            Kind::Folder(folder) => {
                let documents = Folder::new(folder.path().join("local"));
                (Arc::new(JsonStore::new(documents.clone())), Arc::new(documents))
            }
            Kind::Remote(remote, settings) => open(remote, settings),
        }
    }

    /// A store of its own, as another process has it.
    fn open(&self) -> Arc<dyn Store> {
        self.both().0
    }

    fn documents(&self) -> Arc<dyn Documents> {
        self.both().1
    }

    fn settings(&self) -> &SdkConfig {
        let Kind::Remote(_, settings) = &self.kind else { panic!("a folder has no settings") };
        settings
    }

    /// A table remembers departures for a day of the real clock, which no test waits for.
    async fn let_a_day_pass(&self) {
        let Some(table) = self.table() else { return };
        let client = aws_sdk_dynamodb::Client::new(self.settings());
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let gone =
            client.scan().table_name(table).filter_expression("board = :gone").expression_attribute_values(":gone", text("gone"));
        for item in gone.send().await.unwrap().items() {
            let update = client.update_item().table_name(table).key("id", item["id"].clone());
            let update =
                update.update_expression("SET board_at = :at").expression_attribute_values(":at", AttributeValue::N("1".into()));
            update.send().await.unwrap();
        }
    }

    /// The name of the table, where it is one.
    fn table(&self) -> Option<&str> {
        match &self.kind {
            Kind::Remote(Remote::Dynamo { table }, _) => Some(table),
            _ => None,
        }
    }
}

/// A name that no other case has.
fn fresh() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("case-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn id(number: u32) -> JobId {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    JobId::from_random(bytes)
}

fn at(minutes: i64) -> jiff::Timestamp {
    "2026-11-24T17:00:00Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minutes)
}

fn token(text: &str) -> TokenHash {
    TokenHash::of(text)
}

/// A job that was just booked.
fn job(number: u32) -> Job {
    let entry = Entry {
        at: at(0),
        who: None,
        kind: EntryKind::Book,
        from: None,
        to: Some(Status::Submitted),
        note: None,
        review: false,
        request: format!("book {number}"),
    };
    Job {
        id: id(number),
        version: 1,
        status: Status::Submitted,
        closure: None,
        customer: Customer {
            name: format!("Márk “{number}” O’Neill \\ 😀"),
            phone: "+16195550142".to_owned(),
            email: Some("mark@example.com".to_owned()),
        },
        address: Address { street: "12 Elm St".into(), city: "San Diego".into(), state: "CA".into(), zip: "92101".into() },
        service: "half_truck".to_owned(),
        details: "two sofas\nand a \"fridge\"".to_owned(),
        access: Some("gate 4711".to_owned()),
        window: Window { date: "2026-11-25".parse().unwrap(), part: "any".to_owned() },
        price_cents: Some(33000),
        submitted_at: at(0),
        pickup_at: None,
        completed_at: None,
        updated_at: at(0),
        link: Link { epoch: 0, track_sha256: token(&format!("token {number}")) },
        needs_review: false,
        idempotency: Some(Idempotency {
            key_sha256: sha256_hex(format!("key {number}").as_bytes()),
            body_sha256: sha256_hex(b"body"),
        }),
        history: vec![entry],
    }
}

fn new(number: u32) -> NewJob {
    NewJob { job: job(number), most_waiting: None }
}

fn change(event: Event, minutes: i64, request: &str) -> Change {
    Change { event, who: Some("sam".to_owned()), at: at(minutes), request: request.to_owned() }
}

fn to(status: Status) -> Event {
    Event::Move { to: status, note: Some("on the phone".to_owned()) }
}

fn ready(request: &str) -> Change {
    change(to(Status::ReadyForPickup), 5, request)
}

/// Takes a job to its end.
async fn complete(store: &dyn Store, number: u32, minutes: i64) -> Job {
    let mut last = None;
    for (step, status) in [Status::ReadyForPickup, Status::InProgress, Status::Completed].into_iter().enumerate() {
        let change = change(to(status), minutes, &format!("step {step} of {number}"));
        last = Some(store.change(id(number), None, &change).await.expect("a step"));
    }
    last.expect("three steps")
}

//! The record of one job, as it stands in `jobs.json`.

use super::status::Status;
use super::token::{Keys, TokenHash};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;
use uuid::Uuid;

/// What names a job among staff. It is no secret and opens nothing: a customer has a
/// [tracking token](super::token::Token) instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// A version 4 UUID from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse()?))
    }
}

/// One job, whole. Only staff see it; a customer sees [`PublicJob`](super::view::PublicJob).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Grows by one with each change; what `If-Match` is compared with.
    pub version: u64,
    /// Where it stands: what its history replays to.
    pub status: Status,
    /// Why it will not be done, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<Closure>,
    /// Who asked.
    pub customer: Customer,
    /// Where to.
    pub address: Address,
    /// The id of a service in `[site]` of `qdn.toml`.
    pub service: String,
    /// What is to go, in the customer's words.
    pub details: String,
    /// How to get in, for the crew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// When the customer would like it.
    pub window: Window,
    /// In US cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_cents: Option<u32>,
    /// When it was booked.
    pub submitted_at: Timestamp,
    /// When the crew began: set on the way into [`Status::InProgress`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_at: Option<Timestamp>,
    /// When everything was gone: set on the way into [`Status::Completed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// The last change of any kind.
    pub updated_at: Timestamp,
    /// What the customer's link opens with.
    pub link: Link,
    /// Set where something about the booking should be looked at by a person first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_review: bool,
    /// The request that made it, so that the same one made again makes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
    /// Everything that happened, oldest first. Nothing is ever taken out of it.
    pub history: Vec<Entry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Who asked for a job. Its `Debug` says nothing, so that no log can.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// One field, as people have names of many shapes.
    pub name: String,
    /// In E.164, such as `+16195550142`.
    pub phone: String,
    /// If they gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Customer(***)")
    }
}

/// Where a job is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Number and street.
    pub street: String,
    /// The city.
    pub city: String,
    /// Two letters.
    #[serde(default)]
    pub state: String,
    /// Five digits, or nine with a hyphen.
    pub zip: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(*** {})", self.zip)
    }
}

/// A day and a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// In the firm's time zone.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// The id of a window in `[site]` of `qdn.toml`.
    pub part: String,
}

/// Why a job will not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// Since when.
    pub at: Timestamp,
    /// In the words of whoever cancelled.
    pub reason: String,
}

/// The state of a customer's link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Which token is the good one: raised by one, the old link is dead.
    pub epoch: u32,
    /// What is looked up: the digest of the token, never the token.
    pub track_sha256: TokenHash,
}

impl Link {
    /// The link of a job, made with the stage's newest key.
    pub fn new(keys: &Keys, id: JobId, epoch: u32) -> Self {
        Self { epoch, track_sha256: keys.token(id, epoch).hash() }
    }
}

/// A request as far as a repetition of it can be told. Both are SHA-256 in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Of the key that the client chose.
    pub key_sha256: String,
    /// Of what was asked for.
    pub body_sha256: String,
}

/// What happened, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The user name of the one who did it; nobody for the customer, who books, and for the program, which purges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What was done.
    pub kind: EntryKind,
    /// Where the job stood, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// Where it stands since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Status>,
    /// In someone's words: a reason, a remark, what was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether this step took away the mark that the booking should be looked at first; an undo puts it back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub review: bool,
    /// The request that did it, to tell one's own change after a lost answer.
    pub request: String,
}

/// The kinds of things that happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// It was asked for.
    Book,
    /// One step forward.
    Move,
    /// The last move or cancellation was taken back.
    Undo,
    /// It will not be done.
    Cancel,
    /// A field was changed.
    Edit,
    /// The customer has another link, and the old one is dead.
    Link,
    /// Personal data was removed for good.
    Purge,
}

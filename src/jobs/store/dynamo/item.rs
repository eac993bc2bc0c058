//! Jobs as items of the table, and back.
//!
//! | `id` | what it is | other attributes |
//! |---|---|---|
//! | `job:<id>` | a job | `job` (JSON), `format`, `version`, `status`, `updated_at`, `ended_at`?, `archived`?, `board`?, `board_at`? |
//! | `token:<sha256>` | a link that works | `of` (the job's id) |
//! | `key:<sha256>` | an idempotency key | `of` |
//! | `document:<name>` | a document | `bytes`, `sha256` |

use crate::jobs::file::FORMAT;
use crate::jobs::job::{Job, JobId};
use crate::jobs::status::Status;
use crate::jobs::store::Kept;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

/// An item as the SDK has it.
#[expect(clippy::disallowed_types, reason = "the SDK takes and gives no other map")]
pub(super) type Item = std::collections::HashMap<String, AttributeValue>;

/// Where closed jobs stand in the index.
pub(super) const CANCELED: &str = "canceled";
/// Where jobs stand that left the board a short while ago.
pub(super) const GONE: &str = "gone";
/// Where archived jobs stand whose personal data will have to go.
pub(super) const ARCHIVE: &str = "archive";

/// Where a job stands in the index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// With the live jobs, changed at this moment.
    Live(Timestamp),
    /// With those that left at this moment.
    Gone(Timestamp),
    /// Nowhere: archived, and nothing is left to do.
    Nowhere,
}

/// The parts of the index that hold live jobs.
pub(super) fn live_partitions() -> impl Iterator<Item = &'static str> {
    Status::ALL.into_iter().map(Status::id).chain([CANCELED])
}

pub(super) fn job_key(id: JobId) -> String {
    format!("job:{id}")
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An item that leads to a job.
pub(super) fn pointer(key: String, job: JobId) -> Item {
    [("id".to_owned(), text(key)), ("of".to_owned(), text(job.to_string()))].into_iter().collect()
}

/// The item of a link.
pub(super) fn token_key(job: &Job) -> String {
    format!("token:{}", job.link.track_sha256.as_str())
}

/// The item of the request that made a job.
pub(super) fn request_key(job: &Job) -> Option<String> {
    job.idempotency.as_ref().map(|idempotency| format!("key:{}", idempotency.key_sha256))
}

pub(super) fn encode(job: &Job, standing: Standing) -> Item {
    let json = serde_json::to_string(job).expect("jobs have no value that JSON lacks");
    let mut item: Item = [
        ("id", text(job_key(job.id))),
        ("format", number(FORMAT)),
        ("version", number(job.version)),
        ("status", text(job.status.id())),
        ("updated_at", text(job.updated_at.to_string())),
        ("job", text(json)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut set = |name: &str, value| drop(item.insert(name.to_owned(), value));
    if let Some(ended) = job.ended_at() {
        set("ended_at", number(ended.as_millisecond()));
    }
    let (board, at) = match standing {
        Standing::Live(at) if job.closure.is_some() => (Some(CANCELED), Some(at)),
        Standing::Live(at) => (Some(job.status.id()), Some(at)),
        Standing::Gone(at) => (Some(GONE), Some(at)),
        Standing::Nowhere => (None, None),
    };
    if let (Some(board), Some(at)) = (board, at) {
        set("board", text(board));
        set("board_at", number(at.as_millisecond()));
    }
    if !matches!(standing, Standing::Live(_)) {
        set("archived", AttributeValue::Bool(true));
    }
    item
}

pub(super) fn string<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// Reads an item of a format that this program knows.
///
/// # Errors
/// A sentence; nothing that was in the item but its key.
pub(super) fn decode(item: &Item) -> Result<Kept, String> {
    let key = string(item, "id").unwrap_or("an item without an id");
    let format = item.get("format").and_then(|value| value.as_n().ok()?.parse::<u32>().ok());
    match format {
        Some(format) if format > FORMAT => {
            return Err(format!("`{key}` has format {format}, and this `qdn` knows formats up to {FORMAT}; use a newer one"));
        }
        Some(_) => {}
        None => return Err(format!("`{key}` has no format, so it is not what `qdn` writes")),
    }
    let json = string(item, "job").ok_or_else(|| format!("`{key}` holds no job"))?;
    let job = serde_json::from_str(json)
        .map_err(|error| format!("`{key}` is not what `qdn` writes (line {}, column {})", error.line(), error.column()))?;
    Ok(Kept { job, archived: item.contains_key("archived") })
}

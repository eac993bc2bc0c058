//! What went wrong, as RFC 9457 has it. The types are listed in `docs/jobs.md`.

use crate::jobs::booking::Fault;
use crate::jobs::event::Refusal;
use crate::jobs::store::{ChangeError, CreateError, StoreError};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A problem details document, with what a program needs besides.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// A relative reference that names the kind of problem.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// This very problem in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// `errors`, `current`, `allowed`, by kind.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        let (status, detail) = (status.as_u16(), detail.into());
        Self { kind, title, status, detail, more: Map::new(), headers: Vec::new() }
    }

    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }

    /// Says nothing but this, whatever the reason was: a token that never was, was taken back, has expired
    /// or is no token at all.
    pub(super) fn no_such_link() -> Self {
        let detail = "There is no job behind this link. It may be mistyped, or old: links end some time after the job.";
        Self::new(StatusCode::NOT_FOUND, "/problems/job-not-found", "Job not found", detail)
    }

    pub(super) fn no_such_job() -> Self {
        let detail = "There is no such job on the board. It may have been archived.";
        Self::new(StatusCode::NOT_FOUND, "/problems/job-not-found", "Job not found", detail)
    }

    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "/problems/query", "The query is not as documented", detail)
    }

    pub(super) fn sign_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "/problems/sign-in", "Not signed in", "Sign in first.")
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        let detail = "That was a lot at once. Please wait a few minutes.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "/problems/too-many-requests", "Too many requests", detail).retry_after(seconds)
    }

    pub(super) fn unprocessable(errors: &[Fault]) -> Self {
        let detail = match errors {
            [one] => one.detail.clone(),
            all => format!("{} fields need attention.", all.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "/problems/invalid-fields", "Some fields need attention", detail)
            .with("errors", json!(errors))
    }

    fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "/problems/unavailable", "Not available at the moment", detail).retry_after(2)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // The cause is for the log: it may name buckets and tables.
        match error {
            StoreError::Busy => {
                tracing::warn!("the store stayed busy");
                Self::busy("Many people are changing jobs at the same time. Please try again.")
            }
            StoreError::Full(why) => {
                tracing::error!(why, "the store is full");
                Self::busy("We can’t take bookings online right now. Please call or text us.")
            }
            StoreError::Broken(why) | StoreError::Unreachable(why) => {
                tracing::error!(why, "the store failed");
                Self::busy("The job list can’t be reached right now. Please try again.")
            }
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::KeyReused => {
                let detail = "This idempotency key belongs to another booking. Send a new key with a new booking.";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "/problems/idempotency-key-reused", "Idempotency key reused", detail)
            }
            CreateError::Closed => {
                tracing::warn!("booking is closed: too many jobs wait for a first look");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "/problems/booking-closed",
                    "Online booking is closed for the moment",
                    "We have more bookings than we can confirm right now. Please call or text us.",
                )
                .retry_after(3600)
            }
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (kind, title) = match refusal {
            Refusal::NoSuchStep { .. } | Refusal::Canceled | Refusal::Done => {
                ("/problems/invalid-transition", "A job can’t do that from where it stands")
            }
            Refusal::NothingToUndo => ("/problems/nothing-to-undo", "Nothing to undo"),
            Refusal::NoteNeeded => ("/problems/note-needed", "A note is needed"),
            Refusal::Purged => ("/problems/purged", "The customer’s data was removed"),
        };
        Self::new(StatusCode::CONFLICT, kind, title, refusal.to_string())
    }
}

/// What `change` says, for staff; `view` draws the job as it stands.
pub(super) fn of_change(error: ChangeError, view: impl Fn(&crate::jobs::Job) -> Value) -> Problem {
    match error {
        ChangeError::NotFound => Problem::no_such_job(),
        ChangeError::Stale(job) => {
            let detail = "Someone else changed this job a moment ago. This is how it stands now.";
            Problem::new(StatusCode::PRECONDITION_FAILED, "/problems/stale", "The job has changed", detail)
                .with("current", view(&job))
        }
        ChangeError::Refused(job, refusal) => Problem::from(&refusal).with("allowed", json!(job.allowed())),
        ChangeError::Store(error) => error.into(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

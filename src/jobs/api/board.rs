//! What staff may ask.

use super::body::{Asker, Body, Id, IdempotencyKey, IfMatch, Query};
use super::problem::{self, Problem};
use super::public::{created, replayed};
use super::{Api, csv};
use crate::jobs::booking::{self, Fault, Faults, RawAddress, RawBooking, RawWindow};
use crate::jobs::event::{Change, Edit, Event};
use crate::jobs::job::{Job, JobId, Link};
use crate::jobs::status::Status;
use crate::jobs::store::NewJob;
use crate::jobs::view::StaffJob;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

fn view(api: &Api, job: &Job) -> StaffJob {
    StaffJob::of(job, &api.terms, Some(&api.keys))
}

/// One change of one job, by whoever is signed in.
async fn change(api: &Api, asker: Asker, id: JobId, expected: Option<u64>, event: Event) -> Result<Json<StaffJob>, Problem> {
    let change = Change { event, who: Some(asker.user), at: api.world.now(), request: asker.request };
    match api.store.change(id, expected, &change).await {
        Ok(job) => Ok(Json(view(api, &job))),
        Err(error) => Err(problem::of_change(error, |job| serde_json::json!(view(api, job)))),
    }
}

/// A remark of staff.
fn note(typed: Option<&str>, pointer: &'static str) -> Result<Option<String>, Problem> {
    booking::note(typed, pointer).map_err(|fault| Problem::unprocessable(&[fault]))
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only what changed since this revision; 0 or nothing for everything.
    since: Option<u64>,
    /// Only jobs that stand here.
    status: Option<Status>,
    /// Only jobs with these words in name, phone, street, city or ZIP code.
    q: Option<String>,
}

/// The board, or what changed on it.
#[derive(Serialize, ToSchema)]
pub(super) struct Board {
    /// To ask with next time.
    rev: u64,
    /// Jobs that changed. One may be named that did not.
    jobs: Vec<StaffJob>,
    /// Jobs that are no longer on the board.
    #[schema(value_type = Vec<String>)]
    gone: Vec<JobId>,
    /// Whether `jobs` is all there is: forget every other.
    reset: bool,
}

/// List jobs, or what changed since a revision.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "staff", params(Wanted), security(("session" = [])),
    responses(
        (status = 200, description = "Jobs", body = Board),
        (status = 204, description = "Nothing changed"),
        (status = 401, description = "Not signed in", body = Problem)
    )
)]
pub(super) async fn list(State(api): State<Arc<Api>>, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    let delta = api.store.since(wanted.since.unwrap_or(0)).await?;
    if !delta.reset && delta.jobs.is_empty() && delta.gone.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let words: Vec<String> = wanted.q.iter().flat_map(|q| q.split_whitespace()).map(str::to_lowercase).collect();
    let matches = |job: &Job| wanted.status.is_none_or(|status| status == job.status) && job.has_words(&words);
    let (jobs, others): (Vec<&Job>, Vec<&Job>) = delta.jobs.iter().partition(|job| matches(job));
    // A job that no longer is what was asked for has left as far as the asker is concerned.
    let left = others.iter().filter(|_| !delta.reset).map(|job| job.id);
    let gone = delta.gone.iter().copied().chain(left).collect();
    let jobs = jobs.into_iter().map(|job| view(&api, job)).collect();
    Ok(Json(Board { rev: delta.rev, jobs, gone, reset: delta.reset }).into_response())
}

/// See one job.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "staff", params(("id" = String, Path)), security(("session" = [])),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 404, description = "No such job", body = Problem)
    )
)]
pub(super) async fn get(State(api): State<Arc<Api>>, Id(id): Id) -> Result<Json<StaffJob>, Problem> {
    let job = api.store.get(id).await?.ok_or_else(Problem::no_such_job)?;
    Ok(Json(view(&api, &job)))
}

/// A job that staff took.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// The customer's page.
    tracking_url: Option<String>,
    /// The job.
    job: StaffJob,
}

/// Take a job by phone.
#[utoipa::path(
    post, path = "/api/v1/staff/jobs", tag = "staff", request_body = RawBooking, security(("session" = [])),
    params(("Idempotency-Key" = String, Header, description = "The same for each try to send this job")),
    responses(
        (status = 201, description = "Taken, now or before", body = Taken),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 422, description = "Fields need attention", body = Problem)
    )
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    asker: Asker,
    IdempotencyKey(key): IdempotencyKey,
    Body(raw): Body<RawBooking>,
) -> Result<Response, Problem> {
    let today = api.terms.today(api.world.now());
    let idempotency = raw.idempotency(&key);
    let made = match replayed(&api, &idempotency).await? {
        Some(made) => made,
        None => {
            let booking = raw.check(&api.terms, today, true).map_err(|faults| Problem::unprocessable(&faults))?;
            let job = Job::book(booking, Some(asker.user), asker.request, idempotency, &api.keys, api.world.as_ref());
            api.store.create(&NewJob { job, most_waiting: None }).await?
        }
    };
    let job = view(&api, &made.job);
    let location = format!("/api/v1/jobs/{}", made.job.id);
    Ok(created(&made, &location, Taken { tracking_url: job.tracking_url.clone(), job }))
}

/// A value that may be left out, or be null to empty a field.
fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A value that may be left out, and cannot be emptied.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A status by its name alone: serde takes an object with that name as its key as well.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    let id = String::deserialize(deserializer)?;
    let known = || Status::ALL.map(|status| format!("`{}`", status.id())).join(", ");
    Status::named(&id).ok_or_else(|| serde::de::Error::custom(format!("unknown variant `{id}`, expected one of {}", known())))
}

/// New values of fields (RFC 7396): what is left out stays; `null` empties a field that may be empty.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    phone: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = PatchAddress)]
    address: Option<PatchAddress>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    service: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    details: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    access: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = PatchWindow)]
    window: Option<PatchWindow>,
    /// In US cents.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    price_cents: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool)]
    needs_review: Option<bool>,
}

/// New values of an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchAddress {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    street: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    city: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    zip: Option<String>,
}

/// New values of a window.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchWindow {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    date: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String)]
    part: Option<String>,
}

impl Patch {
    /// Checks every value by the rules of a booking. The day may lie in the past: staff write down what was.
    fn check(self, api: &Api, job: &Job) -> Result<Edit, Vec<Fault>> {
        let (terms, today) = (&api.terms, api.terms.today(api.world.now()));
        let mut faults = Faults::default();
        let edit = Edit {
            name: self.name.map(|typed| faults.name(&typed)),
            phone: self.phone.map(|typed| faults.phone(&typed)),
            email: self.email.map(|typed| typed.and_then(|typed| faults.email(&typed))),
            address: self.address.map(|PatchAddress { street, city, zip }| {
                let old = job.address.clone();
                let (street, city, zip) = (street.unwrap_or(old.street), city.unwrap_or(old.city), zip.unwrap_or(old.zip));
                faults.address(&RawAddress { street, city, zip }, terms)
            }),
            service: self.service.map(|typed| faults.service(&typed, terms)),
            details: self.details.map(|typed| faults.details(&typed)),
            access: self.access.map(|typed| typed.and_then(|typed| faults.access(&typed))),
            window: self.window.map(|PatchWindow { date, part }| {
                let (date, part) = (date.unwrap_or(job.window.date.to_string()), part.unwrap_or(job.window.part.clone()));
                faults.window(&RawWindow { date, part }, terms, today, true)
            }),
            price_cents: self.price_cents,
            needs_review: self.needs_review,
        };
        if faults.0.is_empty() { Ok(edit) } else { Err(faults.0) }
    }
}

/// Change fields of a job.
#[utoipa::path(
    patch, path = "/api/v1/jobs/{id}", tag = "staff", security(("session" = [])),
    request_body(content = Patch, content_type = "application/merge-patch+json"),
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The version that was seen")),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 412, description = "Someone else changed it; `current` is how it stands", body = Problem),
        (status = 422, description = "Fields need attention", body = Problem),
        (status = 428, description = "No `If-Match`", body = Problem)
    )
)]
pub(super) async fn edit(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Body(patch): Body<Patch>,
) -> Result<Json<StaffJob>, Problem> {
    let job = api.store.get(id).await?.ok_or_else(Problem::no_such_job)?;
    let edit = patch.check(&api, &job).map_err(|faults| Problem::unprocessable(&faults))?;
    // Merged with the job as it was read: whoever changes it in between makes this stale.
    change(&api, asker, id, version.or(Some(job.version)), Event::Edit(Box::new(edit))).await
}

/// A step.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transition {
    /// Where to.
    #[serde(deserialize_with = "named")]
    to: Status,
    /// A remark for the history.
    #[serde(default)]
    note: Option<String>,
}

/// Move a job one step forward. Where it already stands there, nothing happens.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/transitions", tag = "staff", request_body = Transition, security(("session" = [])),
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The version that was seen")),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 409, description = "Never from where it stands; `allowed` is where it may go", body = Problem),
        (status = 412, description = "Someone else changed it; `current` is how it stands", body = Problem),
        (status = 428, description = "No `If-Match`", body = Problem)
    )
)]
pub(super) async fn transition(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Body(step): Body<Transition>,
) -> Result<Json<StaffJob>, Problem> {
    let note = note(step.note.as_deref(), "/note")?;
    change(&api, asker, id, version, Event::Move { to: step.to, note }).await
}

/// A remark.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Note {
    /// Needed where the step is more than 15 minutes old.
    note: Option<String>,
}

/// Take the last step or cancellation back.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/undo", tag = "staff", request_body = Note, security(("session" = [])),
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The version that was seen")),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 409, description = "Nothing to undo, or a note is needed", body = Problem),
        (status = 412, description = "Someone else changed it; `current` is how it stands", body = Problem)
    )
)]
pub(super) async fn undo(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Id(id): Id,
    IfMatch(version): IfMatch,
    body: Option<Body<Note>>,
) -> Result<Json<StaffJob>, Problem> {
    let note = note(body.and_then(|Body(body)| body.note).as_deref(), "/note")?;
    change(&api, asker, id, version, Event::Undo { note }).await
}

/// A reason.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// For the history; the customer does not see it.
    #[serde(default)]
    reason: String,
}

/// Cancel a job.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "staff", request_body = Reason, security(("session" = [])),
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The version that was seen")),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 409, description = "It is done, or cancelled already", body = Problem),
        (status = 412, description = "Someone else changed it; `current` is how it stands", body = Problem),
        (status = 422, description = "No reason", body = Problem)
    )
)]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Id(id): Id,
    IfMatch(version): IfMatch,
    Body(reason): Body<Reason>,
) -> Result<Json<StaffJob>, Problem> {
    let Some(reason) = note(Some(&reason.reason), "/reason")? else {
        let detail = "Say why the job is canceled".to_owned();
        return Err(Problem::unprocessable(&[Fault { pointer: "/reason", code: "missing", detail }]));
    };
    change(&api, asker, id, version, Event::Cancel { reason }).await
}

/// Give the customer another link. The old one is dead at once.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/tracking-link", tag = "staff", security(("session" = [])),
    params(("id" = String, Path), ("If-Match" = String, Header, description = "The version that was seen")),
    responses(
        (status = 200, description = "The job", body = StaffJob),
        (status = 412, description = "Someone else changed it; `current` is how it stands", body = Problem)
    )
)]
pub(super) async fn renew_link(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Id(id): Id,
    IfMatch(version): IfMatch,
) -> Result<Json<StaffJob>, Problem> {
    let job = api.store.get(id).await?.ok_or_else(Problem::no_such_job)?;
    let link = Link::new(&api.keys, id, job.link.epoch + 1);
    // Made for the job as it was read: whoever renews it in between makes this one stale.
    change(&api, asker, id, version.or(Some(job.version)), Event::RenewLink(link)).await
}

/// Which month.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Month {
    /// `YYYY-MM`, by the day of the pickup; everything where it is left out.
    month: Option<String>,
}

/// Export jobs for a spreadsheet, archived ones too.
#[utoipa::path(
    get, path = "/api/v1/jobs.csv", tag = "staff", params(Month), security(("session" = [])),
    responses((status = 200, description = "CSV, safe to open", content_type = "text/csv"), (status = 401, description = "Not signed in", body = Problem))
)]
pub(super) async fn export(State(api): State<Arc<Api>>, Query(wanted): Query<Month>) -> Result<Response, Problem> {
    let is_month = |month: &str| month.len() == 7 && format!("{month}-01").parse::<jiff::civil::Date>().is_ok();
    if wanted.month.as_deref().is_some_and(|month| !is_month(month)) {
        return Err(Problem::query("A month is YYYY-MM."));
    }
    let mut jobs = api.store.export().await?;
    jobs.retain(|job| wanted.month.as_ref().is_none_or(|month| job.window.date.to_string().starts_with(month.as_str())));
    jobs.sort_by_key(Job::in_order);
    let name = wanted.month.map_or_else(|| "jobs.csv".to_owned(), |month| format!("jobs-{month}.csv"));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, csv::of(&jobs, &api.terms)).into_response())
}

//! What anyone may ask.

use super::Api;
use super::body::{Body, IdempotencyKey};
use super::guard::{RequestId, address};
use super::limit::Counted;
use super::problem::Problem;
use crate::jobs::auth::session::{stamp, stamped};
use crate::jobs::booking::{Fault, RawBooking};
use crate::jobs::job::{Idempotency, Job};
use crate::jobs::store::{Created, NewJob};
use crate::jobs::terms::Offer;
use crate::jobs::token::TokenHash;
use crate::jobs::view::{PublicJob, tracking_url};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Nobody fills in eight fields faster than this.
const READING: SignedDuration = SignedDuration::from_secs(3);
/// A tab may stay open for days, with the draft in it.
const STALE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A booking that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Booked {
    /// The customer's page.
    tracking_url: String,
    /// What the page shows.
    job: PublicJob,
}

pub(super) fn created(created: &Created, location: &str, body: impl Serialize) -> Response {
    let mut response = (StatusCode::CREATED, Json(serde_json::json!(body))).into_response();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    if created.replayed {
        response.headers_mut().insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    }
    response
}

/// Book a pickup.
///
/// The same key with the same booking makes one job, however often it is sent.
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "public", request_body = RawBooking,
    params(("Idempotency-Key" = String, Header, description = "The same for each try to send this booking")),
    responses(
        (status = 201, description = "Booked, now or before", body = Booked),
        (status = 400, description = "No JSON, or no key", body = Problem),
        (status = 413, description = "More than 16 kB", body = Problem),
        (status = 415, description = "Not JSON", body = Problem),
        (status = 422, description = "Fields need attention, or the key belongs to another booking", body = Problem),
        (status = 429, description = "Too many bookings from this address", body = Problem),
        (status = 503, description = "Booking is closed, or the store cannot be reached", body = Problem)
    )
)]
pub(super) async fn book(
    State(api): State<Arc<Api>>,
    axum::Extension(RequestId(request)): axum::Extension<RequestId>,
    IdempotencyKey(key): IdempotencyKey,
    parts: request::Parts,
    Body(raw): Body<RawBooking>,
) -> Result<Response, Problem> {
    let idempotency = raw.idempotency(&key);
    if let Some(made) = replayed(&api, &idempotency).await? {
        return Ok(answer(&api, &made));
    }
    if let Some(limits) = &api.limits {
        limits.count(Counted::Booking, &address(&parts)).map_err(Problem::too_many)?;
    }
    let now = api.world.now();
    let booking = raw.check(&api.terms, api.terms.today(now), false).map_err(|faults| Problem::unprocessable(&faults))?;
    let job = Job::book(booking, None, request, idempotency, &api.keys, api.world.as_ref());
    if !raw.company_url.is_empty() {
        // A program filled in what no person sees. It is told what it wants to hear.
        tracing::info!("a booking fell into the trap");
        return Ok(answer(&api, &Created { job, replayed: false }));
    }
    if let Err(fault) = read_by_a_person(&api, raw.form_stamp.as_deref(), now) {
        return Err(Problem::unprocessable(&[fault]));
    }
    let made = api.store.create(&NewJob { job, most_waiting: Some(api.terms.most_waiting) }).await?;
    Ok(answer(&api, &made))
}

/// The job that this very request made before: it is not judged again, by another clock and other limits.
pub(super) async fn replayed(api: &Api, idempotency: &Idempotency) -> Result<Option<Created>, Problem> {
    let known = api.store.by_key(&idempotency.key_sha256).await?;
    Ok(known.map(|job| Created::before(job, idempotency)).transpose()?)
}

fn answer(api: &Api, made: &Created) -> Response {
    let token = api.keys.token_of(made.job.id, made.job.link.epoch, &made.job.link.track_sha256);
    let url = token.map(|token| tracking_url(&api.terms, token.as_str())).unwrap_or_default();
    let job = PublicJob::of(&made.job, &api.terms, api.world.now());
    created(made, &url.clone(), Booked { tracking_url: url, job })
}

/// Whether the form was open as long as a person needs.
fn read_by_a_person(api: &Api, text: Option<&str>, now: Timestamp) -> Result<(), Fault> {
    let fault = |code, detail: &str| Err(Fault { pointer: "/form_stamp", code, detail: detail.to_owned() });
    let Some(read) = text.and_then(|text| stamped(&api.keys, text)) else {
        return fault("no-stamp", "Please load the page again and send your booking once more");
    };
    let age = now.duration_since(read);
    if age < READING {
        return fault("too-fast", "Please try again in a moment");
    }
    if age > STALE {
        return fault("old-form", "This page has been open for long. Please load it again and send your booking once more");
    }
    Ok(())
}

/// See a job by its link.
///
/// Unknown, expired, revoked and malformed tokens get the same answer.
#[utoipa::path(
    get, path = "/api/v1/track/{token}", tag = "public",
    params(("token" = String, Path, description = "From the link")),
    responses(
        (status = 200, description = "The job", body = PublicJob),
        (status = 304, description = "As in `If-None-Match`"),
        (status = 404, description = "No such link", body = Problem)
    )
)]
pub(super) async fn track(
    State(api): State<Arc<Api>>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What is not even text is looked up like everything else.
    let token = token.map(|Path(token)| token).unwrap_or_default();
    let now = api.world.now();
    let job = api.store.by_token(&TokenHash::of(&token)).await?;
    let works = |job: &Job| !job.is_purged() && job.ended_at().is_none_or(|ended| now < api.terms.link_ends(ended));
    let job = job.filter(works).ok_or_else(Problem::no_such_link)?;
    let view = PublicJob::of(&job, &api.terms, now);
    let tag = format!("\"{}-{}\"", view.version, view.poll_after);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = match known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(view).into_response(),
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// What a booking form needs to know.
#[derive(Serialize, ToSchema)]
pub(super) struct Form {
    /// Goes back with the booking, as `form_stamp`.
    stamp: String,
    /// What can be booked.
    services: Vec<Choice>,
    /// The parts of a day.
    windows: Vec<Choice>,
    /// The ZIP codes that are served; any where the list is empty.
    zips: Vec<String>,
}

/// Something to choose.
#[derive(Serialize, ToSchema)]
pub(super) struct Choice {
    /// To be sent.
    id: String,
    /// To be shown.
    label: String,
}

/// What the booking form needs.
#[utoipa::path(get, path = "/api/v1/form", tag = "public", responses((status = 200, description = "A stamp and the choices", body = Form)))]
pub(super) async fn form(State(api): State<Arc<Api>>) -> Json<Form> {
    let choice = |id: &str, label: &str| Choice { id: id.to_owned(), label: label.to_owned() };
    Json(Form {
        stamp: stamp(&api.keys, api.world.now()),
        services: api.terms.services.iter().map(|service| choice(&service.id, &service.label)).collect(),
        windows: api.terms.windows.iter().map(|Offer { id, label }| choice(id, label)).collect(),
        zips: api.terms.zips.clone(),
    })
}

/// That it runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// The program's version.
    version: &'static str,
}

/// Whether the API runs. It touches nothing.
#[utoipa::path(get, path = "/api/v1/health", tag = "public", responses((status = 200, description = "It runs", body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { version: env!("CARGO_PKG_VERSION") })
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "public", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}

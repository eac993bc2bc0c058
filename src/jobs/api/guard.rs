//! What stands before every endpoint, and what every answer carries.

use super::problem::Problem;
use super::{Api, Client, Signed};
use crate::jobs::auth::session::{Purpose, Session, open, seal};
use crate::jobs::token::sha256_hex;
use crate::jobs::world::random;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;

/// The SHA-256 of the body, in hex. CloudFront's origin access control signs requests to a Lambda with it,
/// and refuses a write without; a page of another site cannot send it without being asked first.
pub(super) const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The name of a request: in the log, in the history of what it changed, in its answer.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// Names the request, logs what became of it, and gives the answer the headers of an API. The log has the
/// route and never the path: there may be a token in it.
pub(super) async fn around(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let id = uuid::Builder::from_random_bytes(random(api.world.as_ref())).into_uuid().simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    tracing::info!(method = method.as_str(), route, status = response.status().as_u16(), request = id, "answered");
    let headers = response.headers_mut();
    let fixed = [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), interest-cohort=(), microphone=()"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    response
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "/problems/forbidden", "Not allowed from there", detail)
}

/// Lets a write pass only where it comes from a page of ours and its body is the one that was hashed.
pub(super) async fn writes(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    if let Err(problem) = same_origin(&api, request.headers()) {
        return problem.into_response();
    }
    let (parts, body) = request.into_parts();
    let bytes = match Limited::new(body, super::body::BODY_LIMIT).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => return super::body::too_large().into_response(),
    };
    if let Err(detail) = hash_is_right(&parts.headers, &bytes) {
        return forbidden(detail).into_response();
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// What browsers say of where a request comes from; the `Host` header says nothing, as behind CloudFront it
/// names the Lambda. As `net/http`'s CrossOriginProtection of Go 1.25 does it.
fn same_origin(api: &Api, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => api.origins.iter().any(|known| known == origin),
        // Not a browser, so there is nobody whose cookies could be borrowed.
        (None, None) => true,
    };
    if ours { Ok(()) } else { Err(forbidden("This request comes from another site.")) }
}

/// Whether the header with the body's hash is there and right.
///
/// # Errors
/// What is wrong with it.
pub fn hash_is_right(headers: &HeaderMap, body: &Bytes) -> Result<(), &'static str> {
    match headers.get(CONTENT_HASH).map(HeaderValue::as_bytes) {
        None => Err("A write needs the SHA-256 of its body in `x-amz-content-sha256`."),
        Some(hash) if hash != sha256_hex(body).as_bytes() => {
            Err("`x-amz-content-sha256` is not the SHA-256 of the body, in lower-case hex.")
        }
        Some(_) => Ok(()),
    }
}

/// Lets pass who is signed in. A session that is half over is renewed on the way out.
pub(super) async fn staff(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let now = api.world.now();
    let session = cookies(request.headers(), api.cookie.name()).find_map(|value| open(&api.keys, Purpose::Session, value, now));
    let Some(session) = session else {
        return Problem::sign_in().into_response();
    };
    match api.staff.admits(&session, now).await {
        Ok(true) => {}
        Ok(false) => return Problem::sign_in().into_response(),
        Err(error) => return Problem::from(error).into_response(),
    }
    let renewed = session.is_ageing(now).then(|| Session::new(&session.user, session.epoch, now));
    request.extensions_mut().insert(Signed(session));
    let mut response = next.run(request).await;
    if let Some(session) = renewed
        && !response.headers().contains_key(header::SET_COOKIE)
        && let Ok(value) = HeaderValue::try_from(api.cookie.set(&seal(&api.keys, Purpose::Session, &session)))
    {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// The values of a cookie, as often as it is sent.
fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(move |pair| pair.trim().split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value))
}

/// Who asks, as far as it can be counted: CloudFront's own header, or what the listener saw.
pub(super) fn address(request: &axum::http::request::Parts) -> String {
    if let Some(client) = request.extensions.get::<Client>() {
        return client.0.to_string();
    }
    let viewer = request.headers.get("cloudfront-viewer-address").and_then(|value| value.to_str().ok());
    // `address:port`; the port is another one each time.
    viewer.map_or_else(|| "unknown".to_owned(), |viewer| viewer.rsplit_once(':').map_or(viewer, |(ip, _)| ip).to_owned())
}

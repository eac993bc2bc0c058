//! Signing in and out.

use super::body::Body;
use super::guard::address;
use super::limit::Counted;
use super::problem::Problem;
use super::{Api, Signed};
use crate::jobs::auth::session::{Purpose, Session, open, seal};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Name and passphrase, or the link that a preview prints.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Credentials {
    /// The user name.
    user: String,
    /// As it was shown once.
    passphrase: String,
    /// From a preview's sign-in link, instead of both.
    link: Option<String>,
}

/// Sign in.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "public", request_body = Credentials,
    responses(
        (status = 204, description = "Signed in: a cookie is set"),
        (status = 401, description = "Name and passphrase do not match", body = Problem),
        (status = 429, description = "Too many tries from this address", body = Problem)
    )
)]
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    parts: request::Parts,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Problem> {
    if let Some(limits) = &api.limits {
        limits.count(Counted::SignIn, &address(&parts)).map_err(Problem::too_many)?;
    }
    let now = api.world.now();
    let session = match &credentials.link {
        Some(link) => open(&api.keys, Purpose::SignInLink, link, now).map(|link| Session::new(&link.user, link.epoch, now)),
        None => api.staff.sign_in(&credentials.user, &credentials.passphrase, now).await?,
    };
    let Some(session) = session else {
        let detail = "Name and passphrase do not match.";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "/problems/wrong-passphrase", "Not signed in", detail));
    };
    tracing::info!(user = session.user, "signed in");
    Ok(with_cookie(&api.cookie.set(&seal(&api.keys, Purpose::Session, &session))))
}

/// Sign out. Other devices stay signed in.
#[utoipa::path(delete, path = "/api/v1/session", tag = "public", responses((status = 204, description = "Signed out: the cookie is cleared")))]
pub(super) async fn sign_out(State(api): State<Arc<Api>>) -> Response {
    with_cookie(&api.cookie.clear())
}

fn with_cookie(cookie: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct WhoAmI {
    /// The user name.
    user: String,
    /// Until when, in seconds since 1970. Use renews it.
    until: i64,
}

/// Who is signed in.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "staff", security(("session" = [])),
    responses((status = 200, description = "You", body = WhoAmI), (status = 401, description = "Nobody", body = Problem))
)]
pub(super) async fn whoami(Extension(Signed(session)): Extension<Signed>) -> Json<WhoAmI> {
    Json(WhoAmI { user: session.user, until: session.exp })
}

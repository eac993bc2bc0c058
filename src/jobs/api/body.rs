//! What a request must bring: a body of JSON, a version, a key. Each is refused here in one way.

use super::Signed;
use super::guard::RequestId;
use super::problem::Problem;
use crate::jobs::booking::Fault;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Bytes in a body. A booking with every field full has less than half of that.
pub(super) const BODY_LIMIT: usize = 16 * 1024;

/// A body of JSON without a field that nobody knows.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = text(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && kind != "application/merge-patch+json" {
            let detail = "Send `Content-Type: application/json`.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "/problems/not-json", "The body is not JSON", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| too_large())?;
        // An array would be taken for the fields of an object in their order.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            let detail = "The body must be an object.".to_owned();
            return Err(Problem::unprocessable(&[Fault { pointer: "", code: "not-as-documented", detail }]));
        }
        let body: T = serde_json::from_slice(&bytes).map_err(|error| {
            if error.is_data() {
                let place = format!("line {}, column {}", error.line(), error.column());
                let detail = error.to_string().split(" at line ").next().unwrap_or_default().to_owned();
                return Problem::unprocessable(&[Fault {
                    pointer: "",
                    code: "not-as-documented",
                    detail: format!("{detail} ({place})"),
                }]);
            }
            let detail = format!("The body is not JSON at line {}, column {}.", error.line(), error.column());
            Problem::new(StatusCode::BAD_REQUEST, "/problems/not-json", "The body is not JSON", detail)
        })?;
        if let Some(place) = serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| array(&value, "")) {
            let detail = format!("`{place}` must be an object.");
            return Err(Problem::unprocessable(&[Fault { pointer: "", code: "not-as-documented", detail }]));
        }
        Ok(Self(body))
    }
}

/// Where an array was taken for the fields of an object in their order: no body has a list.
fn array(value: &Value, place: &str) -> Option<String> {
    match value {
        Value::Array(_) => Some(place.to_owned()),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| array(value, &format!("{place}/{name}"))),
        _ => None,
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Problem;

    /// None where there is no body.
    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if axum::body::HttpBody::size_hint(request.body()).exact() == Some(0) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

pub(super) fn too_large() -> Problem {
    let detail = format!("The body has more than {} kB.", BODY_LIMIT / 1024);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "The body is too large", detail)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The version that the asker has seen; `None` for `*`, which is any.
pub(super) struct IfMatch(pub(super) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let needed = |detail: &str| {
            Problem::new(StatusCode::PRECONDITION_REQUIRED, "/problems/version-needed", "The job’s version is needed", detail)
        };
        let Some(value) = text(&parts.headers, header::IF_MATCH.as_str()) else {
            return Err(needed("Send the version that you have seen, as `If-Match: \"7\"`."));
        };
        if value.trim() == "*" {
            return Ok(Self(None));
        }
        // CloudFront makes a tag weak when it compresses; the number in it is ours either way.
        let value = value.trim();
        let quoted = value.strip_prefix("W/").unwrap_or(value).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let digits = quoted.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(|version| Self(Some(version))).ok_or_else(|| needed("A version is a number in quotes, as in `If-Match: \"7\"`."))
    }
}

/// The key that makes a repeated booking the same one.
pub(super) struct IdempotencyKey(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match text(&parts.headers, "idempotency-key").map(str::trim) {
            Some(key) if (1..=128).contains(&key.len()) => Ok(Self(key.to_owned())),
            _ => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "/problems/idempotency-key-needed",
                "An idempotency key is needed",
                "Send `Idempotency-Key` with a random text of up to 128 characters, the same one each time you send this booking.",
            )),
        }
    }
}

/// The job's name in a path. What is no name is no job.
pub(super) struct Id(pub(super) crate::jobs::JobId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|path| path.0.parse().ok()).map(Self).ok_or_else(Problem::no_such_job)
    }
}

/// Who asks, and by which request: for the history.
pub(super) struct Asker {
    pub(super) user: String,
    pub(super) request: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Behind the guard both are there; in front of it nobody is signed in.
        match (parts.extensions.get::<Signed>(), parts.extensions.get::<RequestId>()) {
            (Some(Signed(session)), Some(RequestId(request))) => Ok(Self { user: session.user.clone(), request: request.clone() }),
            _ => Err(Problem::sign_in()),
        }
    }
}

/// The values of a query, with nothing unknown in it.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(query) => Ok(Self(query.0)),
            Err(error) => Err(Problem::query(error.body_text())),
        }
    }
}

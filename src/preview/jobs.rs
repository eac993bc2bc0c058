//! The job API behind a preview: the very router of the Lambda, on this machine's own jobs, behind what
//! CloudFront would refuse before it.

use crate::jobs::api::{self, Api, Client, Cookie, Limits};
use crate::jobs::auth::Staff;
use crate::jobs::auth::session::{Purpose, Session, seal};
use crate::jobs::auth::staff::GUEST;
use crate::jobs::store::{Documents, Store};
use crate::jobs::token::Keys;
use crate::jobs::world::System;
use crate::jobs::{Terms, world::World as _};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use tower::ServiceExt as _;

/// Bytes that CloudFront takes in a body; the API itself takes far less.
const BODY_LIMIT: usize = 1 << 20;

/// What a preview's jobs need.
#[derive(Clone, Debug)]
pub struct Jobs {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// Where the staff is.
    pub documents: Arc<dyn Documents>,
    /// The secrets of this machine's stage.
    pub keys: Keys,
}

impl Jobs {
    /// What stands behind the `#` of the link that signs a developer in to their own preview: good as long
    /// as a session, and for a preview only.
    pub fn sign_in(&self) -> String {
        seal(&self.keys, Purpose::SignInLink, &Session::new(GUEST, 0, System.now()))
    }
}

/// The API as it stands since the last build.
pub(super) struct JobApi {
    jobs: Option<Jobs>,
    port: u16,
    current: RwLock<Option<(Terms, Router)>>,
}

impl JobApi {
    pub(super) fn new(jobs: Option<Jobs>, port: u16) -> Self {
        Self { jobs, port, current: RwLock::new(None) }
    }

    /// Begins anew where the firm offers something else now.
    pub(super) fn offer(&self, terms: &Terms) {
        // Links lead to this preview and not to the site that is live: without an origin they are paths.
        let terms = Terms { origin: String::new(), ..terms.clone() };
        let mut current = self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if current.as_ref().is_some_and(|(known, _)| *known == terms) {
            return;
        }
        let Some(Jobs { store, documents, keys }) = self.jobs.clone() else { return };
        let origins = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{}", self.port)).to_vec();
        let api = Api {
            store,
            staff: Staff::new(documents, Some(GUEST.to_owned())),
            keys,
            terms: terms.clone(),
            world: Arc::new(System),
            cookie: Cookie::Loopback,
            origins,
            limits: Some(Limits::default()),
        };
        *current = Some((terms, api::router(Arc::new(api))));
    }

    pub(super) async fn answer(&self, request: Request, client: IpAddr) -> Response {
        let router =
            self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).as_ref().map(|(_, router)| router.clone());
        if self.jobs.is_none() {
            return refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Other machines can reach this preview, so it serves no jobs.",
            );
        }
        let Some(router) = router else {
            return refused(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "There is no good build yet.");
        };
        let (mut parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
            return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "The body is larger than CloudFront takes.");
        };
        let body = body.to_bytes();
        if let Err(response) = signed(&parts.method, &parts.headers, &body) {
            return *response;
        }
        parts.extensions.insert(Client(client));
        match router.oneshot(Request::from_parts(parts, Body::from(body))).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What origin access control demands of a request to a Lambda: CloudFront signs it with the hash of the
/// body that the viewer sends, and the Lambda's URL refuses a signature over another one before any code of
/// ours runs. A GET with a body is refused by CloudFront itself.
fn signed(method: &Method, headers: &axum::http::HeaderMap, body: &Bytes) -> Result<(), Box<Response>> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return match body.is_empty() {
            true => Ok(()),
            false => Err(Box::new(refused(StatusCode::FORBIDDEN, "BadRequest", "CloudFront takes no GET with a body."))),
        };
    }
    api::hash_is_right(headers, body).map_err(|why| {
        let message = format!("The request signature we calculated does not match the signature you provided. ({why})");
        Box::new(refused(StatusCode::FORBIDDEN, "InvalidSignatureException", &message))
    })
}

/// As a Lambda's URL says no.
fn refused(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let body = serde_json::json!({ "message": message }).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-amzn-errortype"), kind),
    ];
    (status, headers, body).into_response()
}

//! The job API: one router for preview and for the Lambda.
//!
//! Each endpoint is registered by the very annotation that documents it, so that the OpenAPI document
//! cannot name a path that the router lacks. Public and staff endpoints are two routers; the second lets
//! nobody pass who is not signed in.

mod board;
mod body;
mod csv;
mod guard;
mod limit;
mod problem;
mod public;
mod session;

use super::auth::{Session, Staff};
use super::store::Store;
use super::terms::Terms;
use super::token::Keys;
use super::world::World;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
pub use csv::of as csv;
pub use guard::hash_is_right;
pub use limit::Limits;
use problem::Problem;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Everything that the endpoints need.
#[derive(Debug)]
pub struct Api {
    /// Where the jobs are.
    pub store: Arc<dyn Store>,
    /// Who may sign in.
    pub staff: Staff,
    /// The stage's secrets.
    pub keys: Keys,
    /// What the firm offers.
    pub terms: Terms,
    /// Clock and dice.
    pub world: Arc<dyn World>,
    /// How the session's cookie is made.
    pub cookie: Cookie,
    /// The origins whose pages may write, where a browser says only that.
    pub origins: Vec<String>,
    /// Counts by address; the edge does that on AWS.
    pub limits: Option<Limits>,
}

/// Where a request comes from, as the listener saw it.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// Who is signed in: in the request's extensions once the guard let it pass.
#[derive(Clone, Debug)]
pub(crate) struct Signed(Session);

/// The session's cookie. Browsers disagree about `Secure` on plain http, so that a preview on this machine
/// needs another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// `__Host-`: for https, this host and no other.
    Https,
    /// Without `Secure`: for a listener on loopback only.
    Loopback,
}

impl Cookie {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "__Host-qdn",
            Self::Loopback => "qdn",
        }
    }

    fn attributes(self) -> &'static str {
        match self {
            Self::Https => "Path=/; Secure; HttpOnly; SameSite=Strict",
            Self::Loopback => "Path=/; HttpOnly; SameSite=Strict",
        }
    }

    fn set(self, value: &str) -> String {
        let seconds = super::auth::session::SESSION.as_secs();
        format!("{}={value}; {}; Max-Age={seconds}", self.name(), self.attributes())
    }

    fn clear(self) -> String {
        format!("{}=; {}; Max-Age=0", self.name(), self.attributes())
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "qdn job API",
        description = "Booking, tracking and dispatch. Every error is `application/problem+json`. Every write carries the SHA-256 of its \
                       body in `x-amz-content-sha256`.",
        license(name = "MIT")
    ),
    modifiers(&Schemes),
    tags(
        (name = "public", description = "For anyone; a job is seen by its link alone"),
        (name = "staff", description = "For those who are signed in")
    )
)]
struct Document;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(Cookie::Https.name())));
        document.components.get_or_insert_default().add_security_scheme("session", cookie);
    }
}

fn public_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(public::book))
        .routes(routes!(public::track))
        .routes(routes!(public::form))
        .routes(routes!(public::health))
        .routes(routes!(public::openapi))
        .routes(routes!(session::sign_in, session::sign_out))
}

fn staff_routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(session::whoami))
        .routes(routes!(board::list))
        .routes(routes!(board::get, board::edit))
        .routes(routes!(board::create))
        .routes(routes!(board::transition))
        .routes(routes!(board::undo))
        .routes(routes!(board::cancel))
        .routes(routes!(board::renew_link))
        .routes(routes!(board::export))
}

/// The OpenAPI document of the API. What holds for every endpoint is said here and not at each of them.
pub fn openapi() -> utoipa::openapi::OpenApi {
    use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
    use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder};
    let mut document = OpenApiRouter::with_openapi(Document::openapi()).merge(public_routes()).merge(staff_routes()).into_openapi();
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let any = ResponseBuilder::new()
        .description("Anything else that is wrong: see `type`. 503 says `Retry-After`")
        .content("application/problem+json", problem)
        .build();
    let hash = ParameterBuilder::new()
        .name(guard::CONTENT_HASH.as_str())
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some("SHA-256 of the body in lower-case hex; without it, or with a wrong one, the answer is 403"))
        .build();
    for item in document.paths.paths.values_mut() {
        let writes = [&mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten();
        for operation in writes {
            operation.parameters.get_or_insert_default().push(RefOr::T(hash.clone()));
        }
        for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if status.starts_with(['4', '5'])
                    && let RefOr::T(response) = response
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response.content.insert("application/problem+json".to_owned(), content);
                }
            }
            operation.responses.responses.insert("default".to_owned(), RefOr::T(any.clone()));
        }
    }
    let undo = document.paths.paths.get_mut("/api/v1/jobs/{id}/undo").and_then(|item| item.post.as_mut());
    // A body that may be left out cannot be annotated so without `null` becoming one.
    if let Some(RefOr::T(body)) = undo.and_then(|operation| operation.request_body.as_mut()) {
        body.required = Some(Required::False);
    }
    document
}

/// The API. It answers whatever begins with `/api/`, also what it does not know.
pub fn router(api: Arc<Api>) -> Router {
    let staff = Router::from(staff_routes()).route_layer(from_fn_with_state(Arc::clone(&api), guard::staff));
    Router::from(public_routes())
        .merge(staff)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_address)
        .layer(DefaultBodyLimit::max(body::BODY_LIMIT))
        .layer(from_fn_with_state(Arc::clone(&api), guard::writes))
        .layer(from_fn_with_state(Arc::clone(&api), guard::around))
        .layer(from_fn(head_without_body))
        .with_state(api)
}

async fn no_such_address() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "about:blank", "Not Found", "The API has nothing at this address.")
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "about:blank", "Method Not Allowed", "This address does not know this method.")
}

/// A HEAD is answered with the head of the GET, its length too, and without its body.
async fn head_without_body(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let is_head = request.method() == axum::http::Method::HEAD;
    let response = next.run(request).await;
    if !is_head {
        return response;
    }
    let length = axum::body::HttpBody::size_hint(response.body()).exact();
    let mut response = response.map(|_| axum::body::Body::empty());
    if let Some(length) = length {
        response.headers_mut().insert(axum::http::header::CONTENT_LENGTH, length.into());
    }
    response
}

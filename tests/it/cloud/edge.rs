//! The edge of a distribution: the LIVE function, then the cache, then the bucket.

use super::{Shared, s3};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use qdn::edge::{Emulator, Event, KeyValues, Outcome, Runtime};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// CloudFront's own lifetimes: of what says none, and at least of an error.
const DEFAULT: Duration = Duration::from_secs(86_400);
const OF_ERRORS: Duration = Duration::from_secs(10);

/// What the edge holds under a URI.
#[derive(Clone)]
pub(super) struct Cached {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    at: Instant,
    lifetime: Duration,
    /// In lower case. An error has none.
    tags: Vec<String>,
}

/// Whether an item of an invalidation purges what is held under this URI.
pub(super) fn covers(item: &str, uri: &str, held: &Cached) -> bool {
    if let Some(tag) = item.strip_prefix('#') {
        return held.tags.contains(&tag.to_ascii_lowercase());
    }
    match item.strip_suffix('*') {
        Some(prefix) => uri.starts_with(prefix),
        None => item == uri,
    }
}

pub(super) fn router(shared: Arc<Shared>, id: &str) -> Router {
    let id: Arc<str> = id.into();
    Router::new().fallback(move |request: Request| {
        let (shared, id) = (Arc::clone(&shared), Arc::clone(&id));
        async move { visit(&shared, &id, request.into_parts().0).await }
    })
}

async fn visit(shared: &Arc<Shared>, id: &str, request: Parts) -> Response {
    let function = {
        let world = shared.world();
        let name = world.distributions[id].function.as_ref();
        name.and_then(|name| world.functions.get(name)?.live.clone())
    };
    let mut uri = request.uri.path().to_owned();
    if let Some((code, _, runtime)) = function {
        let outcome = run(&request, code, runtime).await;
        if let Some(response) = outcome.response() {
            return generated(response);
        }
        match outcome.request().and_then(|request| request["uri"].as_str()) {
            Some(rewritten) => rewritten.clone_into(&mut uri),
            None => {
                let said = outcome.error.map(|error| error.message).unwrap_or_default();
                return (StatusCode::SERVICE_UNAVAILABLE, [("x-cache", "FunctionExecutionError from cloudfront")], said)
                    .into_response();
            }
        }
    }
    if uri == "/" {
        // The default root object.
        "/index.html".clone_into(&mut uri);
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let (held, now, purges) = {
        let mut world = shared.world();
        world.settle();
        let now = Instant::now() + world.ahead;
        let distribution = &world.distributions[id];
        let held = distribution.cache.get(&uri).filter(|held| now.duration_since(held.at) < held.lifetime).cloned();
        (held, now, distribution.purged.len())
    };
    if let Some(held) = held {
        let age = now.duration_since(held.at).as_secs();
        return told(&held, if held.status < 400 { "Hit from cloudfront" } else { "Error from cloudfront" }, Some(age));
    }
    let fresh = fetch(shared, id, &uri, now).await;
    let mut world = shared.world();
    // What was purged since the origin was asked may be old.
    world.settle();
    let distribution = world.distributions.get_mut(id).expect("it stays");
    let is_old = distribution.purged[purges..].iter().flatten().any(|item| covers(item, &uri, &fresh));
    if !is_old && !fresh.lifetime.is_zero() {
        distribution.cache.insert(uri, fresh.clone());
    }
    told(&fresh, if fresh.status < 400 { "Miss from cloudfront" } else { "Error from cloudfront" }, None)
}

/// Functions that are running: to start one takes far longer than to ask it, and a reader asks all the time.
static LOADED: Mutex<BTreeMap<(Vec<u8>, String), Emulator>> = Mutex::new(BTreeMap::new());

async fn run(request: &Parts, code: Vec<u8>, runtime: String) -> Outcome {
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let event = Event::viewer_request(request.method.as_str(), request.uri.path(), request.uri.query(), &headers, "198.51.100.1");
    let run = move || {
        let known = LOADED.lock().expect("no panic while it was held").remove(&(code.clone(), runtime.clone()));
        let loaded = known.map_or_else(
            || {
                let version = Runtime::from_name(&runtime).unwrap_or(Runtime::V2);
                Emulator::load(&String::from_utf8_lossy(&code), version, KeyValues::default())
            },
            Ok,
        );
        match loaded {
            Ok(mut emulator) => {
                let outcome = emulator.decide(&event);
                let mut all = LOADED.lock().expect("no panic while it was held");
                all.insert((code, runtime), emulator);
                if all.len() > 16 {
                    all.pop_first();
                }
                outcome
            }
            Err(error) => Outcome::failed(error),
        }
    };
    tokio::task::spawn_blocking(run).await.expect("the emulator does not panic")
}

/// The answer that a function gives itself.
fn generated(value: &serde_json::Value) -> Response {
    let status = value["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let body = value["body"].as_str().or_else(|| value["body"]["data"].as_str()).unwrap_or_default().to_owned();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in value["headers"].as_object().into_iter().flatten() {
        add(&mut response, name, value["value"].as_str().unwrap_or_default());
    }
    add(&mut response, "x-cache", "FunctionGeneratedResponse from cloudfront");
    response
}

fn add(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
        response.headers_mut().insert(name, value);
    }
}

fn told(held: &Cached, word: &str, age: Option<u64>) -> Response {
    let mut response = Response::new(Body::from(held.body.clone()));
    *response.status_mut() = StatusCode::from_u16(held.status).expect("a status");
    for (name, value) in &held.headers {
        add(&mut response, name, value);
    }
    add(&mut response, "x-cache", word);
    if let Some(age) = age {
        add(&mut response, "age", &age.to_string());
    }
    response
}

/// What the bucket has under a URI; where it has nothing, its `404.html`.
async fn fetch(shared: &Arc<Shared>, id: &str, uri: &str, at: Instant) -> Cached {
    let (bucket, prefix, tags) = {
        let world = shared.world();
        let distribution = &world.distributions[id];
        (distribution.bucket.clone(), distribution.prefix.clone(), distribution.tag_header.clone())
    };
    let found = origin(shared, &format!("/{bucket}/{prefix}{}", uri.trim_start_matches('/')), at, tags.as_deref()).await;
    if !matches!(found.status, 403 | 404) {
        return found;
    }
    let page = origin(shared, &format!("/{bucket}/{prefix}404.html"), at, None).await;
    if page.status == 200 {
        // CloudFront keeps an error for the greater of its own time and what the page says.
        let lifetime = if page.headers.iter().any(|(name, _)| name == "cache-control") { page.lifetime } else { OF_ERRORS };
        return Cached { status: 404, lifetime: lifetime.max(OF_ERRORS), ..page };
    }
    Cached { lifetime: OF_ERRORS, ..found }
}

async fn origin(shared: &Arc<Shared>, path: &str, at: Instant, tag_header: Option<&str>) -> Cached {
    let Ok(request) = Request::builder().uri(path).body(Body::empty()) else {
        return Cached { status: 400, headers: Vec::new(), body: Bytes::new(), at, lifetime: Duration::ZERO, tags: Vec::new() };
    };
    let answer = s3::forward(shared, request).await;
    let status = answer.status().as_u16();
    let kept = ["content-type", "cache-control", "etag", "last-modified", "content-encoding"];
    let headers: Vec<(String, String)> =
        kept.iter().filter_map(|name| Some(((*name).to_owned(), answer.headers().get(*name)?.to_str().ok()?.to_owned()))).collect();
    let control = headers.iter().find(|(name, _)| name == "cache-control").map_or("", |(_, value)| value.as_str());
    let lifetime = lifetime(control);
    let tags = tag_header.filter(|_| status < 400).and_then(|name| answer.headers().get(name)?.to_str().ok()).unwrap_or_default();
    let tags = tags.split(',').map(|tag| tag.trim().to_ascii_lowercase()).filter(|tag| !tag.is_empty()).collect();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    Cached { status, headers, body, at, lifetime, tags }
}

/// How long the edge keeps what says this of itself.
fn lifetime(control: &str) -> Duration {
    let parts: Vec<&str> = control.split(',').map(str::trim).collect();
    let seconds = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    if parts.iter().any(|part| matches!(*part, "no-store" | "no-cache" | "private")) {
        return Duration::ZERO;
    }
    seconds("s-maxage").or_else(|| seconds("max-age")).map_or(DEFAULT, Duration::from_secs)
}

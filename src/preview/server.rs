//! The loop around it all: listen, watch, build, answer.

use super::answer::{Answer, Asked, Served, is_api};
use super::engine::Engine;
use super::inspect;
use super::jobs::{JobApi, Jobs};
use super::reload::{Message, message};
use crate::build::{self, Memory, Outcome};
use crate::disk;
use crate::release::{DEFAULT_DISTRIBUTION, Release};
use crate::source::{self, Diagnostic, Sources};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event as Notice, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

const LIVE_JS: &str = include_str!("pages/live.js");
const INSPECTOR_HTML: &str = include_str!("pages/inspector.html");
const INSPECTOR_JS: &str = include_str!("pages/inspector.js");
const INSPECTOR_CSS: &str = include_str!("pages/inspector.css");

/// The policy of preview's own pages, as strict as the site's.
const OWN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                          frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What a preview is of.
pub struct Options {
    /// The project's folder.
    pub root: PathBuf,
    /// How it is built.
    pub build: build::Options,
    /// Names by which a browser may ask for it, besides those of this machine itself.
    pub hosts: BTreeSet<String>,
    /// The jobs behind `/api/`; none where other machines can listen in.
    pub jobs: Option<Jobs>,
}

struct Preview {
    options: Options,
    job_api: JobApi,
    memory: Memory,
    /// What is served: the last good build.
    served: RwLock<Option<Arc<Served>>>,
    /// What is wrong with the newest one, as text.
    problems: RwLock<Option<String>>,
    messages: broadcast::Sender<Message>,
    port: u16,
}

/// Serves a project until `shutdown` is done. `report` hears of every build.
///
/// # Errors
/// Where the listener fails, or the project's folder cannot be watched.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    memory: Memory,
    report: impl Fn(&Outcome, &Sources) + Send + 'static,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let port = listener.local_addr()?.port();
    let mut watch = disk::watch(&options.root).map_err(std::io::Error::other)?;
    let preview = Arc::new(Preview {
        job_api: JobApi::new(options.jobs.clone(), port),
        options,
        memory,
        served: RwLock::new(None),
        problems: RwLock::new(None),
        messages: broadcast::channel(16).0,
        port,
    });
    let builder = Arc::clone(&preview);
    std::thread::spawn(move || {
        let mut last = None;
        loop {
            let (sources, problems) = disk::read(&builder.options.root);
            // Editors touch files without changing them; that is no reason to build.
            if last.as_ref() != Some(&(sources.clone(), problems.clone())) {
                last = Some((sources.clone(), problems.clone()));
                let outcome = builder.build(&sources, problems);
                report(&outcome, &sources);
            }
            if !watch.wait() {
                return;
            }
        }
    });
    let router = Router::new()
        .route("/_qdn/events", get(events))
        .route("/_qdn/route", get(route))
        .fallback(respond)
        .with_state(preview)
        .into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, router);
    // Open event streams never end by themselves, so there is nothing to wait for.
    tokio::select! {
        result = serving.into_future() => result,
        () = shutdown => Ok(()),
    }
}

impl Preview {
    fn build(&self, sources: &Sources, problems: Vec<Diagnostic>) -> Outcome {
        let mut outcome = build::release(sources, problems, self.options.build, &self.memory);
        match outcome.release.take() {
            Some(release) => {
                self.job_api.offer(&outcome.terms);
                let old = self.served();
                let message = old.as_ref().map_or(Message::Reload, |old| message(&old.release, &release));
                // Starting a function takes longer than a page's build; most saves leave it as it is.
                let engine = match old.filter(|old| decides_alike(&old.release, &release)) {
                    Some(old) => old.engine.clone(),
                    None => outcome.edge.take().map(Engine::start),
                };
                set(&self.served, Some(Arc::new(Served { release, engine })));
                set(&self.problems, None);
                self.tell(message);
            }
            None => {
                let text = source::render(&outcome.diagnostics, sources, false);
                set(&self.problems, Some(text.clone()));
                self.tell(Message::Problems(text));
            }
        }
        outcome
    }

    fn tell(&self, message: Message) {
        // Nobody listens while no page is open.
        let _ = self.messages.send(message);
    }

    fn served(&self) -> Option<Arc<Served>> {
        read(&self.served)
    }

    /// Whether a request names this server as one may. A page of another site that had its name
    /// resolved to this machine (DNS rebinding) would name itself.
    fn knows_host(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => (host, "80"),
        };
        let known = matches!(name, "127.0.0.1" | "localhost" | "[::1]") || self.options.hosts.contains(name);
        known && port.parse() == Ok(self.port)
    }
}

/// Whether the same function decides the URLs of both.
fn decides_alike(old: &Release, new: &Release) -> bool {
    let decider = |release: &Release| release.manifest.distributions.get(DEFAULT_DISTRIBUTION)?.viewer_request.clone();
    decider(old) == decider(new) && old.manifest.functions == new.manifest.functions
}

/// A lock that a panicking thread held still guards a whole value: it is only ever replaced at once.
fn read<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
}

fn set<T>(lock: &RwLock<T>, value: T) {
    *lock.write().unwrap_or_else(std::sync::PoisonError::into_inner) = value;
}

fn host(request_headers: &axum::http::HeaderMap, uri: &axum::http::Uri) -> String {
    // In HTTP/1.1's absolute form the address itself names the host, and wins (RFC 9112 §3.2.2).
    let named = uri.authority().map(|authority| authority.as_str().to_owned());
    let header = || request_headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
    named.or_else(header).unwrap_or_default().to_ascii_lowercase()
}

fn foreign() -> Response {
    (StatusCode::MISDIRECTED_REQUEST, "This preview answers to the names of this machine only.\n").into_response()
}

/// The stream that a page listens to.
async fn events(State(preview): State<Arc<Preview>>, request: Request) -> Response {
    if !preview.knows_host(&host(request.headers(), request.uri())) {
        return foreign();
    }
    let release = preview.served().map(|served| served.release.manifest.release.clone());
    let hello = serde_json::json!({ "kind": "hello", "release": release, "problems": read(&preview.problems) });
    let messages = BroadcastStream::new(preview.messages.subscribe()).map(|message| match message {
        Ok(message) => message.json(),
        // A page that fell behind loads again and is up to date.
        Err(_) => Message::Reload.json(),
    });
    let stream =
        tokio_stream::once(hello).chain(messages).map(|message| Ok::<_, Infallible>(Notice::default().data(message.to_string())));
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

/// What the inspector asks.
async fn route(State(preview): State<Arc<Preview>>, Query(query): Query<BTreeMap<String, String>>, request: Request) -> Response {
    if !preview.knows_host(&host(request.headers(), request.uri())) {
        return foreign();
    }
    let Some(served) = preview.served() else {
        return own(503, "application/json", "{\"version\":1,\"error\":\"there is no good build yet\"}".to_owned());
    };
    let address = query.get("url").map_or("/", String::as_str);
    let method = query.get("method").map_or("GET", String::as_str);
    own(200, "application/json", inspect::route(&served, address, method).await.to_string())
}

async fn respond(State(preview): State<Arc<Preview>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request) -> Response {
    if !preview.knows_host(&host(request.headers(), request.uri())) {
        return foreign();
    }
    if is_api(request.uri().path()) {
        return preview.job_api.answer(request, peer.ip()).await;
    }
    match request.uri().path() {
        "/_qdn/live.js" => return own(200, "text/javascript; charset=utf-8", LIVE_JS.to_owned()),
        "/_qdn" | "/_qdn/" => return own(200, "text/html; charset=utf-8", INSPECTOR_HTML.to_owned()),
        "/_qdn/inspector.js" => return own(200, "text/javascript; charset=utf-8", INSPECTOR_JS.to_owned()),
        "/_qdn/inspector.css" => return own(200, "text/css; charset=utf-8", INSPECTOR_CSS.to_owned()),
        path if path.starts_with("/_qdn/") => {
            return own(404, "text/plain; charset=utf-8", "Preview has no such page.\n".to_owned());
        }
        _ => {}
    }
    let Some(served) = preview.served() else {
        let page = "<!doctype html><html lang=en><meta charset=utf-8><title>Problems</title><script type=module src=/_qdn/live.js></script>\
                    <p>The sources have problems; they are listed here and in the terminal.";
        return own(500, "text/html; charset=utf-8", page.to_owned());
    };
    if let Some(map) = served.source_map(request.uri().path()) {
        return own(200, "application/json", String::from_utf8_lossy(&map).into_owned());
    }
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let asked = Asked {
        method: request.method().as_str().to_owned(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: headers.collect(),
        ip: peer.ip().to_string(),
    };
    let answer = served.answer(&asked).await;
    send(answer, &served, asked.method == "HEAD")
}

/// The answer on the wire: as it would come from CloudFront, but for the script that reloads pages.
fn send(answer: Answer, served: &Served, head: bool) -> Response {
    let is_html = answer.headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/html"));
    let mut body = answer.body.to_vec();
    if is_html && answer.status != 304 {
        body = with_live_reload(&body, &served.release.manifest.release);
    }
    let length = body.len();
    let mut response = Response::new(if head { Body::empty() } else { Body::from(body) });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        // The bytes of a page differ from the object's by one line, so its tag must too.
        let value = if is_html && name == "etag" { format!("W/{value}") } else { value.clone() };
        if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if let Some(key) = answer.key.filter(|key| served.release.source_maps.contains_key(format!("{key}.map").as_str()))
        && let Ok(value) = HeaderValue::try_from(format!("{}.map", crate::release::Key::new(&key).path()))
    {
        response.headers_mut().insert("sourcemap", value);
    }
    if answer.status != 304 {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// Before the end of the head, where a browser finds it first; at the end where there is no head.
fn with_live_reload(body: &[u8], release: &str) -> Vec<u8> {
    let script = format!("<script type=\"module\" src=\"/_qdn/live.js?release={release}\"></script>");
    let at = body.windows(7).position(|window| window.eq_ignore_ascii_case(b"</head>")).unwrap_or(body.len());
    [&body[..at], script.as_bytes(), &body[at..]].concat()
}

fn own(status: u16, content_type: &'static str, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, OWN_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_stands_in_the_head() {
        let page = with_live_reload(b"<html><HEAD></HEAD><body>", "abc");
        assert_eq!(page, b"<html><HEAD><script type=\"module\" src=\"/_qdn/live.js?release=abc\"></script></HEAD><body>");
        assert!(with_live_reload(b"<p>", "abc").starts_with(b"<p><script"));
    }
}

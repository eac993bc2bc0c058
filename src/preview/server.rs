//! What listens and answers, whatever is served.

use super::answer::{Answer, Asked, Served, is_api};
use super::inspect;
use super::jobs::{JobApi, Jobs};
use super::range::{Part, part};
use super::reload::Message;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event as Notice, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
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

/// What is served.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// A project of this machine.
    Project,
    /// What was published to the stage of this name.
    Stage(String),
}

impl Subject {
    /// What a page says over what is wrong, and below it.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Project => ("The sources have problems", "Below this is the last good build. Save a file to build again."),
            Self::Stage(_) => ("The stage cannot be read", "Below this is what it served before."),
        }
    }

    /// The page where there is nothing to be served, and its status.
    fn nothing(&self) -> (u16, String) {
        let page = |title: &str, text: &str| {
            format!(
                "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>\
                 <script type=module src=/_qdn/live.js></script><h1>{title}</h1><p>{text}"
            )
        };
        match self {
            Self::Project => (500, page("Problems", "The sources have problems; they are listed here and in the terminal.")),
            Self::Stage(name) => {
                let name = name.replace('&', "&amp;").replace('<', "&lt;");
                let text = format!(
                    "There is no release on the stage <b>{name}</b> yet. Type <code>qdn publish {name}</code>, \
                     and it appears here by itself."
                );
                (503, page("Nothing is published", &text))
            }
        }
    }
}

pub(super) struct Preview {
    subject: Subject,
    hosts: BTreeSet<String>,
    pub(super) job_api: JobApi,
    /// What is served: the last good build, or what is live.
    served: RwLock<Option<Arc<Served>>>,
    /// What is wrong with the newest one, as text.
    problems: RwLock<Option<String>>,
    messages: broadcast::Sender<Message>,
    port: u16,
}

impl Preview {
    pub(super) fn new(
        listener: &TcpListener,
        subject: Subject,
        hosts: BTreeSet<String>,
        jobs: Option<Jobs>,
    ) -> std::io::Result<Self> {
        let port = listener.local_addr()?.port();
        let job_api = JobApi::new(jobs, port);
        let messages = broadcast::channel(16).0;
        Ok(Self { subject, hosts, job_api, served: RwLock::new(None), problems: RwLock::new(None), messages, port })
    }

    /// Answers until the listener fails.
    pub(super) async fn listen(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let router = Router::new()
            .route("/_qdn/events", get(events))
            .route("/_qdn/route", get(route))
            .fallback(respond)
            .with_state(self)
            .into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, router).await
    }

    /// Serves this from now on.
    pub(super) fn show(&self, served: Option<Served>, message: Message) {
        set(&self.served, served.map(Arc::new));
        set(&self.problems, None);
        self.tell(message);
    }

    /// Goes on serving what there is, and says what is wrong.
    pub(super) fn trouble(&self, text: String) {
        set(&self.problems, Some(text.clone()));
        self.tell(Message::Problems(text));
    }

    /// What was wrong is right again, and nothing changed.
    pub(super) fn solved(&self) {
        set(&self.problems, None);
        self.tell(Message::Solved);
    }

    fn tell(&self, message: Message) {
        // Nobody listens while no page is open.
        let _ = self.messages.send(message);
    }

    pub(super) fn served(&self) -> Option<Arc<Served>> {
        read(&self.served)
    }

    /// A message as it is sent.
    fn json(&self, message: &Message) -> Value {
        let mut json = message.json();
        if matches!(message, Message::Problems(_)) {
            let (title, note) = self.subject.words();
            json["title"] = title.into();
            json["note"] = note.into();
        }
        json
    }

    /// Whether a request names this server as one may. A page of another site that had its name
    /// resolved to this machine (DNS rebinding) would name itself.
    fn knows_host(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => (host, "80"),
        };
        let known = matches!(name, "127.0.0.1" | "localhost" | "[::1]") || self.hosts.contains(name);
        known && port.parse() == Ok(self.port)
    }
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
    let messages = preview.messages.subscribe();
    let release = preview.served().map(|served| served.manifest().release.clone());
    let problems = read(&preview.problems).map(|text| preview.json(&Message::Problems(text)));
    let hello = json!({ "kind": "hello", "release": release, "problems": problems });
    let messages = BroadcastStream::new(messages).map(move |message| match message {
        Ok(message) => preview.json(&message),
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
        let error = match &preview.subject {
            Subject::Project => "there is no good build yet".to_owned(),
            Subject::Stage(name) => format!("nothing is published to the stage `{name}` yet"),
        };
        return own(503, "application/json", json!({ "version": 1, "error": error }).to_string());
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
        let (status, page) = preview.subject.nothing();
        return own(status, "text/html; charset=utf-8", page);
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
    send(answer, &served, &asked)
}

/// The answer on the wire: as it would come from CloudFront, but for the script that reloads pages.
fn send(mut answer: Answer, served: &Served, asked: &Asked) -> Response {
    let is_html = answer.header("content-type").is_some_and(|value| value.starts_with("text/html"));
    let mut body = answer.body.to_vec();
    if is_html && answer.status != 304 {
        body = with_live_reload(&body, &served.manifest().release);
    }
    if answer.status == 200 && answer.key.is_some() {
        answer.headers.push(("accept-ranges".to_owned(), "bytes".to_owned()));
        let range = asked.header("range").filter(|_| asked.method == "GET");
        match part(range, asked.header("if-range"), answer.header("etag"), body.len()) {
            Part::Whole => {}
            Part::Some(range) => {
                let said = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), body.len());
                answer.headers.push(("content-range".to_owned(), said));
                answer.status = 206;
                body = body[range].to_vec();
            }
            Part::Beyond => {
                answer.headers.push(("content-range".to_owned(), format!("bytes */{}", body.len())));
                answer.status = 416;
                body.clear();
            }
        }
    }
    let length = body.len();
    let mut response = Response::new(if asked.method == "HEAD" { Body::empty() } else { Body::from(body) });
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    let maps = served.built().map(|release| &release.source_maps);
    if let Some(key) = answer.key.filter(|key| maps.is_some_and(|maps| maps.contains_key(format!("{key}.map").as_str())))
        && let Ok(value) = HeaderValue::try_from(format!("{}.map", crate::release::Key::new(&key).path()))
    {
        response.headers_mut().insert("sourcemap", value);
    }
    if answer.status != 304 {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// Before the end of the head, where a browser finds it first; at the end where there is no head. A script in the head may speak of its end,
/// so the last one counts before the body begins.
fn with_live_reload(body: &[u8], release: &str) -> Vec<u8> {
    let script = format!("<script type=\"module\" src=\"/_qdn/live.js?release={release}\"></script>");
    let begins = body.windows(5).position(|window| window.eq_ignore_ascii_case(b"<body")).unwrap_or(body.len());
    let ends = |part: &[u8]| part.windows(7).rposition(|window| window.eq_ignore_ascii_case(b"</head>"));
    let at = ends(&body[..begins]).unwrap_or(body.len());
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
        let odd = "<head><script>'</head>'</script></head><body><code>&lt;/head></code>";
        let page = String::from_utf8(with_live_reload(odd.as_bytes(), "abc")).unwrap();
        assert!(page.starts_with("<head><script>'</head>'</script><script type="), "{page}");
    }
}

//! An API with a store of its own, a clock that is set by hand, and three doors.

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::tower::{Service as _, ServiceExt as _};
use qdn::disk::Folder;
use qdn::jobs::api::{Api, Cookie, Limits, router};
use qdn::jobs::auth::Staff;
use qdn::jobs::booking::{RawAddress, RawBooking, RawWindow};
use qdn::jobs::store::json::JsonStore;
use qdn::jobs::terms::{Offer, Service, Terms};
use qdn::jobs::token::{Keys, sha256_hex};
use qdn::jobs::world::{System, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const ORIGIN: &str = "https://quickdumpnow.test";

/// Few, so that a test reaches it soon.
pub(super) const MOST_WAITING: usize = 5;

/// Dice that are real and a clock that is not.
#[derive(Debug)]
struct Held(AtomicI64);

impl World for Held {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time")
    }

    fn random(&self, bytes: &mut [u8]) {
        System.random(bytes);
    }
}

pub(crate) fn terms() -> Terms {
    let offer = |id: &str, label: &str| Offer { id: id.to_owned(), label: label.to_owned() };
    let service = |id: &str, label: &str, price| Service { id: id.to_owned(), label: label.to_owned(), price_cents: price };
    Terms {
        origin: ORIGIN.to_owned(),
        time_zone: "America/Los_Angeles".to_owned(),
        state: "CA".to_owned(),
        services: vec![service("half_truck", "Half truck", Some(33000)), service("full_truck", "Full truck", Some(60000))],
        windows: vec![offer("any", "Any time"), offer("morning", "Morning")],
        zips: vec!["92101".to_owned()],
        most_waiting: MOST_WAITING,
        ..Terms::default()
    }
}

#[derive(Clone, Copy, Debug)]
enum Door {
    Process,
    Socket(u16),
    Events,
}

/// A stage of its own.
pub(super) struct Site {
    door: Door,
    router: Router,
    clock: Arc<Held>,
    pub(super) api: Arc<Api>,
    pub(super) folder: TempDir,
    /// Of the one who is signed in.
    cookie: std::sync::Mutex<Option<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// That it is a problem of this type.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, kind: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!((problem["type"].as_str(), problem["status"].as_u64()), (Some(kind), Some(status.into())), "{problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
        answer
    }
}

/// A request being written.
pub(super) struct Ask<'a> {
    site: &'a Site,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    hashed: bool,
}

impl Ask<'_> {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string().as_bytes()).header("content-type", "application/json")
    }

    pub(super) fn bytes(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub(super) fn version(self, version: &Value) -> Self {
        self.header("if-match", &format!("\"{version}\""))
    }

    /// Leaves out the hash of the body, which every page of ours sends.
    pub(super) fn unhashed(mut self) -> Self {
        self.hashed = false;
        self
    }

    pub(super) async fn send(mut self) -> Answer {
        if self.hashed && !matches!(self.method, "GET" | "HEAD") {
            let hash = sha256_hex(&self.body);
            self.headers.push(("x-amz-content-sha256".to_owned(), hash));
        }
        match self.site.door {
            Door::Process => in_process(self).await,
            Door::Socket(port) => over_a_socket(self, port).await,
            Door::Events => as_an_event(self).await,
        }
    }
}

async fn in_process(ask: Ask<'_>) -> Answer {
    let mut request = axum::http::Request::builder().method(ask.method).uri(&ask.path);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(ask.body)).expect("a request");
    let response = ask.site.router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    Answer { status: parts.status.as_u16(), headers, body: body.collect().await.expect("a body").to_bytes().to_vec() }
}

async fn over_a_socket(ask: Ask<'_>, port: u16) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    let mut head = format!("{} {} HTTP/1.1\r\nhost: lambda-url.test\r\nconnection: close\r\n", ask.method, ask.path);
    for (name, value) in &ask.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", ask.body.len()));
    stream.write_all(&[head.as_bytes(), &ask.body].concat()).await.expect("it takes the request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an answer");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers: Vec<_> = headers.collect();
    assert!(!headers.iter().any(|(name, _)| name == "transfer-encoding"), "bodies are sent whole");
    Answer { status, headers, body: bytes[end + 4..].to_vec() }
}

/// The event that a function URL makes of a request (payload format 2.0), through the Lambda runtime's own adapter.
async fn as_an_event(ask: Ask<'_>) -> Answer {
    let event = function_url_event(ask.method, &ask.path, &ask.headers, &ask.body);
    let request = serde_json::from_value(event).expect("an event that the runtime knows");
    let mut adapter = lambda_http::Adapter::from(ask.site.router.clone());
    let response = adapter.call(LambdaEvent::new(request, Context::default())).await.expect("an answer");
    answer_of_event(&serde_json::to_value(response).expect("JSON"))
}

pub(crate) fn function_url_event(method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> Value {
    use base64::Engine as _;
    let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
    let cookies: Vec<&str> = headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_str()).collect();
    let plain: serde_json::Map<String, Value> =
        headers.iter().filter(|(name, _)| name != "cookie").map(|(name, value)| (name.to_lowercase(), json!(value))).collect();
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "rawQueryString": query, "headers": plain,
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.us-east-1.on.aws", "domainPrefix": "abc",
            "http": { "method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "test" },
            "requestId": "id", "routeKey": "$default", "stage": "$default", "time": "24/Nov/2026:17:00:00 +0000", "timeEpoch": 1795539600000_i64
        },
        "isBase64Encoded": true, "body": base64::engine::general_purpose::STANDARD.encode(body)
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if body.is_empty() {
        event.as_object_mut().expect("an object").remove("body");
        event["isBase64Encoded"] = json!(false);
    }
    event
}

pub(crate) fn answer_of_event(answer: &Value) -> Answer {
    use base64::Engine as _;
    let text = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => base64::engine::general_purpose::STANDARD.decode(text).expect("base64"),
        _ => text.as_bytes().to_vec(),
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        headers.push(("set-cookie".to_owned(), cookie.as_str().unwrap_or_default().to_owned()));
    }
    Answer { status: answer["statusCode"].as_u64().expect("a status") as u16, headers, body }
}

impl Site {
    async fn behind(door: Option<Door>, limits: Option<Limits>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let clock = Arc::new(Held(AtomicI64::new(1_795_539_600)));
        let api = Arc::new(Api {
            store: Arc::new(JsonStore::new(Folder::new(folder.path()))),
            staff: Staff::new(Arc::new(Folder::new(folder.path())), None),
            keys: Keys::from_random(std::array::from_fn(|at| at as u8)),
            terms: terms(),
            world: Arc::clone(&clock) as Arc<dyn World>,
            cookie: Cookie::Https,
            origins: vec![ORIGIN.to_owned()],
            limits,
        });
        let router = router(Arc::clone(&api));
        let door = match door {
            Some(door) => door,
            None => {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let port = listener.local_addr().expect("an address").port();
                tokio::spawn(axum::serve(listener, router.clone()).into_future());
                Door::Socket(port)
            }
        };
        Self { door, router, clock, api, folder, cookie: std::sync::Mutex::new(None) }
    }

    pub(super) async fn limited(limits: Limits) -> Self {
        Self::behind(Some(Door::Process), Some(limits)).await
    }

    pub(super) fn pass(&self, time: SignedDuration) {
        self.clock.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub(super) fn ask(&self, method: &'static str, path: &str) -> Ask<'_> {
        let mut headers = Vec::new();
        if let Some(cookie) = self.cookie.lock().expect("no panic before").as_ref() {
            headers.push(("cookie".to_owned(), cookie.clone()));
        }
        if method != "GET" {
            headers.push(("sec-fetch-site".to_owned(), "same-origin".to_owned()));
        }
        Ask { site: self, method, path: path.to_owned(), headers, body: Vec::new(), hashed: true }
    }

    pub(super) fn use_cookie(&self, cookie: Option<&str>) {
        *self.cookie.lock().expect("no panic before") = cookie.map(str::to_owned);
    }

    /// A member of staff, signed in.
    pub(super) async fn sign_in(&self, user: &str) -> String {
        let passphrase = self.api.staff.add(user, "", &System).await.expect("a member");
        let answer = self.ask("POST", "/api/v1/session").json(&json!({ "user": user, "passphrase": passphrase.reveal() }));
        let answer = answer.send().await.is(204);
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned();
        self.use_cookie(Some(&cookie));
        passphrase.reveal().to_owned()
    }

    /// A booking whose form was read by a person.
    pub(super) async fn booking(&self) -> Value {
        let form = self.ask("GET", "/api/v1/form").send().await.is(200).json();
        self.pass(SignedDuration::from_secs(10));
        let mut booking = json!(right());
        booking["form_stamp"] = form["stamp"].clone();
        booking
    }

    pub(super) fn book(&self, booking: &Value) -> Ask<'_> {
        static KEYS: AtomicU32 = AtomicU32::new(0);
        let key = format!("key-{}", KEYS.fetch_add(1, Ordering::SeqCst));
        self.ask("POST", "/api/v1/jobs").json(booking).header("idempotency-key", &key)
    }

    /// A job that a customer booked: what the customer was told.
    pub(super) async fn booked(&self) -> Value {
        let booking = self.booking().await;
        self.book(&booking).send().await.is(201).json()
    }

    /// A job that staff took by phone.
    pub(super) async fn taken(&self) -> Value {
        static KEYS: AtomicU32 = AtomicU32::new(0);
        let key = format!("phone-{}", KEYS.fetch_add(1, Ordering::SeqCst));
        let ask = self.ask("POST", "/api/v1/staff/jobs").json(&json!(right())).header("idempotency-key", &key);
        ask.send().await.is(201).json()["job"].clone()
    }

    /// What the page behind a link shows.
    pub(super) async fn track(&self, tracking_url: &Value) -> Answer {
        let token = tracking_url.as_str().and_then(|url| url.strip_prefix(&format!("{ORIGIN}/track/"))).expect("a link").to_owned();
        self.ask("GET", &format!("/api/v1/track/{token}")).send().await
    }
}

pub(crate) fn right() -> RawBooking {
    RawBooking {
        service: "half_truck".to_owned(),
        details: "Two sofas".to_owned(),
        address: RawAddress { street: "12 Elm St".to_owned(), city: "San Diego".to_owned(), zip: "92101".to_owned() },
        window: RawWindow { date: "2026-11-26".to_owned(), part: "morning".to_owned() },
        name: "Mark".to_owned(),
        phone: "(619) 555-0142".to_owned(),
        ..RawBooking::default()
    }
}

/// Runs a test behind each of the three doors, each with a stage of its own.
#[allow(clippy::print_stderr, reason = "shown where the test fails: which door it was")]
pub(super) fn everywhere(test: impl AsyncFn(Arc<Site>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    runtime.block_on(async {
        for door in [Some(Door::Process), None, Some(Door::Events)] {
            let site = Arc::new(Site::behind(door, None).await);
            eprintln!("behind {:?}", site.door);
            test(site).await;
        }
    });
}

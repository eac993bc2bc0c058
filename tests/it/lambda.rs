//! The Lambda itself: the program, started as AWS starts it, asked through the runtime interface, with its
//! jobs in a bucket.

use crate::api::site::{Answer, ORIGIN, answer_of_event, function_url_event, right, terms};
use crate::ministack;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use qdn::jobs::auth::{Staff, session};
use qdn::jobs::store::place::{Remote, open};
use qdn::jobs::token::{Keys, sha256_hex};
use qdn::jobs::world::{System, World as _};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// Both ends of the runtime interface (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>).
struct Runtime {
    events: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<Bytes>,
}

struct Lambda {
    process: Child,
    events: mpsc::Sender<Value>,
    answers: mpsc::Receiver<Bytes>,
    cookie: Option<String>,
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> impl axum::response::IntoResponse {
    let event = runtime.events.lock().await.recv().await.unwrap_or_default();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:qdn-api"),
        ("content-type", "application/json"),
    ];
    (headers, event.to_string()).into_response()
}

async fn answered(State(runtime): State<Arc<Runtime>>, body: Bytes) -> StatusCode {
    let _ = runtime.answers.send(body).await;
    StatusCode::ACCEPTED
}

impl Lambda {
    async fn start(store: &str, keys: &Keys) -> Self {
        let (events, receiver) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let runtime = Arc::new(Runtime { events: Mutex::new(receiver), answers: sender });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(answered))
            .with_state(runtime);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, router).into_future());
        let process = program()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("QDN_STORE", store)
            .env("QDN_KEYS", json!(keys).to_string())
            .env("QDN_TERMS", json!(terms()).to_string())
            .spawn()
            .expect("it starts");
        Self { process, events, answers, cookie: None }
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.push(("origin".to_owned(), ORIGIN.to_owned()));
        all.push(("content-type".to_owned(), "application/json".to_owned()));
        all.push(("x-amz-content-sha256".to_owned(), sha256_hex(&body)));
        all.extend(self.cookie.clone().map(|cookie| ("cookie".to_owned(), cookie)));
        self.events.send(function_url_event(method, path, &all, &body)).await.expect("it asks for events");
        let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.recv()).await.expect("in time").expect("an answer");
        answer_of_event(&serde_json::from_slice(&answer).expect("JSON"))
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qdn-api"));
    command
        .env_clear()
        .env("AWS_LAMBDA_FUNCTION_NAME", "qdn-api")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "log")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "log")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL", format!("http://{}", ministack::address()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_through_the_runtime_interface_and_a_bucket() {
    let settings = ministack::settings(ministack::address()).await;
    let config = aws_sdk_s3::config::Builder::from(&settings).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    client.create_bucket().bucket("lambda-jobs").send().await.expect("a bucket");
    let keys = Keys::from_random([7; 64]);
    let (_, documents) = open(&Remote::S3 { bucket: "lambda-jobs".to_owned(), prefix: "live/".to_owned() }, &settings);
    let passphrase = Staff::new(documents, None).add("maria", "", &System).await.unwrap();

    let mut lambda = Lambda::start("s3://lambda-jobs/live", &keys).await;
    let health = lambda.ask("GET", "/api/v1/health", &[], &Value::Null).await.is(200);
    assert_eq!(health.json()["version"], env!("CARGO_PKG_VERSION"));

    let now = System.now();
    let mut booking = json!(right());
    booking["window"]["date"] = json!(terms().today(now).tomorrow().unwrap().to_string());
    booking["form_stamp"] = json!(session::stamp(&keys, now - jiff::SignedDuration::from_secs(10)));
    let booked = lambda.ask("POST", "/api/v1/jobs", &[("idempotency-key", "1")], &booking).await.is(201).json();
    let token = booked["tracking_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let track = format!("/api/v1/track/{token}");
    assert_eq!(lambda.ask("GET", &track, &[], &Value::Null).await.is(200).json()["status"], "submitted");

    lambda.ask("GET", "/api/v1/jobs", &[], &Value::Null).await.problem(401, "/problems/sign-in");
    let credentials = json!({ "user": "maria", "passphrase": passphrase.reveal() });
    let signed = lambda.ask("POST", "/api/v1/session", &[], &credentials).await.is(204);
    lambda.cookie = signed.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    let board = lambda.ask("GET", "/api/v1/jobs", &[], &Value::Null).await.is(200).json();
    let step = format!("/api/v1/jobs/{}/transitions", board["jobs"][0]["id"].as_str().unwrap());
    lambda.ask("POST", &step, &[("if-match", "\"1\"")], &json!({ "to": "ready_for_pickup" })).await.is(200);
    assert_eq!(lambda.ask("GET", &track, &[], &Value::Null).await.is(200).json()["status"], "ready_for_pickup");

    // Written by the program into the bucket, and by nobody else.
    let object = client.get_object().bucket("lambda-jobs").key("live/jobs.json").send().await.expect("the jobs");
    let text = String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap();
    assert!(text.contains("\"status\":\"ready_for_pickup\"") && !text.contains(&token), "{text}");

    // What it logs names routes, never what is in them.
    lambda.process.kill().unwrap();
    let mut log = String::new();
    std::io::Read::read_to_string(&mut lambda.process.stdout.take().unwrap(), &mut log).unwrap();
    assert!(log.contains("/api/v1/track/{token}"), "{log}");
    for secret in [&token, "Mark", "619", "Elm", passphrase.reveal(), "qdn=v1"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn what_is_missing_is_said_at_once() {
    let ends = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(ends(&mut program()).contains("the environment variable QDN_STORE is not set"));
    assert!(ends(program().env("QDN_STORE", "/tmp/jobs")).contains("a Lambda keeps no files"));
    let keys = json!(Keys::from_random([7; 64])).to_string();
    let mut command = program();
    command.env("QDN_STORE", "s3://jobs").env("QDN_TERMS", "{}").env("QDN_KEYS", keys.replace(':', ""));
    let error = ends(&mut command);
    assert!(error.contains("the keys are not what `qdn` writes") && !error.contains("Bwc"), "{error}");
}

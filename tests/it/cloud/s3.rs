//! S3: MiniStack does the work; copies get their conditions here, which it passes over, and their checksums.

use super::Shared;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response as HttpResponse, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// AWS's name of what is asked.
pub(super) fn operation(request: &Request) -> String {
    let query = request.uri().query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|part| part == name || part.starts_with(&format!("{name}=")));
    let is_object = request.uri().path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let is_copy = request.headers().contains_key("x-amz-copy-source");
    let name = match (request.method(), is_object) {
        (&Method::PUT, true) if has("uploadId") && is_copy => "UploadPartCopy",
        (&Method::PUT, true) if has("uploadId") => "UploadPart",
        (&Method::PUT, true) if is_copy => "CopyObject",
        (&Method::PUT, true) => "PutObject",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        (&Method::DELETE, true) => "DeleteObject",
        (&Method::GET, true) => "GetObject",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::PUT, false) => "CreateBucket",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::GET, false) if has("uploads") => "ListMultipartUploads",
        (&Method::GET, false) => "ListObjectsV2",
        _ => "Other",
    };
    name.to_owned()
}

pub(super) fn error(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, [("content-type", "application/xml")], error(code, "the condition does not hold")).into_response()
}

pub(super) async fn answer(shared: &Arc<Shared>, operation: &str, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let is_write = matches!(operation, "PutObject" | "CopyObject" | "DeleteObject" | "CompleteMultipartUpload");
    let turn = is_write.then(|| {
        let mut writers = shared.writers.lock().expect("no panic while it was held");
        Arc::clone(writers.entry(path.clone()).or_default())
    });
    let _turn = match &turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    if operation == "CopyObject" && !shared.world().careless_copies {
        let (missing, is) = (header(&request, "if-none-match"), header(&request, "if-match"));
        if missing.is_some() || is.is_some() {
            let found = tag(shared, &path).await;
            match (missing, is, found) {
                (Some(_), _, Some(_)) => return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
                (_, Some(_), None) => return refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
                (_, Some(wanted), Some(found)) if wanted != "*" && wanted != found => {
                    return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
                }
                _ => {}
            }
        }
    }
    let answer = forward(shared, request).await;
    if operation == "CopyObject" && answer.status().is_success() { with_checksum(shared, &path, answer).await } else { answer }
}

/// S3 tells the checksum of what was copied, where one was asked for; MiniStack keeps it and says nothing.
async fn with_checksum(shared: &Shared, path: &str, answer: Response) -> Response {
    let head = Request::builder().method(Method::HEAD).uri(path).header("x-amz-checksum-mode", "ENABLED");
    let stat = forward(shared, head.body(Body::empty()).expect("a request")).await;
    let checksum = stat.headers().get("x-amz-checksum-sha256").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("MiniStack's answer");
    let end = "</CopyObjectResult>";
    let text = match checksum {
        Some(checksum) => String::from_utf8_lossy(&body).replace(end, &format!("<ChecksumSHA256>{checksum}</ChecksumSHA256>{end}")),
        None => String::from_utf8_lossy(&body).into_owned(),
    };
    parts.headers.remove("content-length");
    HttpResponse::from_parts(parts, Body::from(text))
}

fn header(request: &Request, name: &str) -> Option<String> {
    Some(request.headers().get(name)?.to_str().ok()?.to_owned())
}

/// The tag of what lies there.
async fn tag(shared: &Shared, path: &str) -> Option<String> {
    let head = Request::builder().method(Method::HEAD).uri(path).body(Body::empty()).expect("a request");
    let answer = forward(shared, head).await;
    if !answer.status().is_success() {
        return None;
    }
    Some(answer.headers().get("etag")?.to_str().ok()?.to_owned())
}

/// What MiniStack says.
pub(super) async fn forward(shared: &Shared, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    *request.uri_mut() = format!("http://{}{path}", shared.upstream).parse::<Uri>().expect("an address");
    match shared.client.request(request).await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            HttpResponse::from_parts(parts, Body::new(body))
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("MiniStack: {error}")).into_response(),
    }
}

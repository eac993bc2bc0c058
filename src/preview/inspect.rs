//! The route inspector: for an address, what the function returned, and what answered.

use super::answer::{Answer, Asked, Served, is_api};
use serde_json::{Value, json};

/// Everything about one request, as `/_qdn/route` gives it.
pub(super) async fn route(served: &Served, address: &str, method: &str) -> Value {
    let address = address.trim();
    // A whole address is what people copy; what is asked is its path.
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => address,
    };
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if is_api(&path) {
        let request = json!({ "method": method, "path": path, "query": query });
        return json!({ "version": 1, "request": request, "error": "The job API answers this path: no function runs, and there is no object." });
    }
    let headers = vec![("host".to_owned(), "localhost".to_owned())];
    let asked = Asked { method: method.to_owned(), path, query, headers, ip: "127.0.0.1".to_owned() };
    let answer = served.answer(&asked).await;
    describe(&asked, &answer)
}

fn describe(asked: &Asked, answer: &Answer) -> Value {
    let function = answer.outcome.as_ref().map(crate::edge::Outcome::json);
    // Of a build there is no cache to tell of.
    let cache = answer
        .header("x-cache")
        .map(|from| json!({ "from": from, "age": answer.header("age").and_then(|age| age.parse::<u64>().ok()) }));
    json!({
        "version": 1,
        "request": { "method": asked.method, "path": asked.path, "query": asked.query },
        "function": function,
        "viewer_response": answer.after.as_ref().map(crate::edge::Outcome::json),
        "cache": cache,
        "answer": { "status": answer.status, "object": answer.key, "bytes": answer.body.len(), "headers": answer.headers },
    })
}

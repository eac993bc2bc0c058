//! What CloudFront takes back from a function, and what it answers 502 to.
//!
//! TestFunction does not look at most of this: a function that deletes `host` passes the test and
//! fails every viewer. Of CloudFront's own sentences three are known; the others here follow their form.

use super::event::{Event, Kind, query_string};
use super::headers;
use super::outcome::RunError;
use base64::Engine as _;
use serde_json::{Map, Value, json};

/// Path and query together have to stay below this.
const MAX_URL: usize = 8_192;

/// The returned value becomes `{"request": …}` or `{"response": …}` in CloudFront's own form.
pub(super) fn validate(event: &Event, returned: Option<Value>) -> Result<Value, RunError> {
    let Some(Value::Object(returned)) = returned else {
        return Err(invalid("the function must return the request or the response object."));
    };
    if returned.contains_key("context") || returned.contains_key("viewer") {
        return Err(invalid("the function returned the event; it must return event.request or event.response."));
    }
    let is_response = returned.contains_key("statusCode");
    match (event.kind(), is_response) {
        (Kind::ViewerRequest, false) => Ok(json!({ "request": request(event, &returned)? })),
        (Kind::ViewerRequest, true) => Ok(json!({ "response": response(&returned, &Value::Null)? })),
        (Kind::ViewerResponse, true) => Ok(json!({ "response": response(&returned, &event.value()["response"])? })),
        (Kind::ViewerResponse, false) => Err(invalid("response.statusCode is missing.")),
    }
}

fn invalid(what: impl std::fmt::Display) -> RunError {
    RunError::validation(format!("The CloudFront function returned an invalid value: {what}"))
}

fn request(event: &Event, returned: &Map<String, Value>) -> Result<Value, RunError> {
    let before = &event.value()["request"];
    let Some(method) = returned.get("method").and_then(Value::as_str) else {
        return Err(invalid("request.method must be a string."));
    };
    if before["method"].as_str() != Some(method) {
        return Err(invalid("request.method is read-only."));
    }
    let Some(uri) = returned.get("uri").and_then(Value::as_str) else {
        return Err(invalid("request.uri must be a string."));
    };
    if !uri.starts_with('/') {
        return Err(invalid("request.uri must start with '/'."));
    }
    let query = match returned.get("querystring") {
        Some(Value::String(text)) => from_text(text),
        other => entries("request.querystring", other, &before["querystring"], &["value"])?,
    };
    let text = query_string(&Value::Object(query.clone()));
    if text.chars().any(|letter| letter == ' ' || letter == '#' || letter.is_control()) {
        return Err(invalid("request.querystring must not contain spaces, control characters or '#'."));
    }
    if uri.chars().count() + text.chars().count() >= MAX_URL {
        return Err(invalid(format!("request.uri and request.querystring must be less than {MAX_URL} characters.")));
    }
    let fields = header_fields("request", returned.get("headers"), &before["headers"], headers::read_only(Kind::ViewerRequest))?;
    let cookies = entries("request.cookies", returned.get("cookies"), &before["cookies"], &["value"])?;
    Ok(json!({ "method": method, "uri": uri, "querystring": query, "headers": fields, "cookies": cookies }))
}

fn response(returned: &Map<String, Value>, before: &Value) -> Result<Value, RunError> {
    let code = match &returned["statusCode"] {
        // 200.0 is an integer to JavaScript.
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as u64)),
        _ => None,
    };
    let Some(code) = code.filter(|code| (100..=599).contains(code)) else {
        return Err(invalid("response.statusCode must be an integer from 100 to 599."));
    };
    let mut result = Map::new();
    result.insert("statusCode".to_owned(), json!(code));
    match returned.get("statusDescription") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            return Err(invalid("response.statusDescription must not contain control characters."));
        }
        Some(Value::String(text)) => {
            result.insert("statusDescription".to_owned(), json!(text));
        }
        Some(_) => return Err(invalid("response.statusDescription must be a string.")),
    }
    let read_only = headers::read_only(Kind::ViewerResponse);
    let fields = header_fields("response", returned.get("headers"), &before["headers"], read_only)?;
    let cookies = entries("response.cookies", returned.get("cookies"), &before["cookies"], &["value", "attributes"])?;
    result.insert("headers".to_owned(), Value::Object(fields));
    result.insert("cookies".to_owned(), Value::Object(cookies));
    if let Some(body) = returned.get("body").filter(|body| !body.is_null()) {
        result.insert("body".to_owned(), checked_body(body)?);
    }
    Ok(Value::Object(result))
}

fn checked_body(body: &Value) -> Result<Value, RunError> {
    match body {
        Value::String(_) => Ok(body.clone()),
        Value::Object(parts) => {
            let Some(data) = parts.get("data").and_then(Value::as_str) else {
                return Err(invalid("response.body.data must be a string."));
            };
            match parts.get("encoding").and_then(Value::as_str) {
                Some("text") => {}
                Some("base64") if base64::engine::general_purpose::STANDARD.decode(data).is_ok() => {}
                Some("base64") => return Err(invalid("response.body.data is not valid base64.")),
                _ => return Err(invalid("response.body.encoding must be 'text' or 'base64'.")),
            }
            Ok(json!({ "encoding": parts["encoding"], "data": data }))
        }
        _ => Err(invalid("response.body must be a string or an object.")),
    }
}

fn header_fields(place: &str, after: Option<&Value>, before: &Value, read_only: &[&str]) -> Result<Map<String, Value>, RunError> {
    if let Some(Value::Object(fields)) = after {
        if fields.keys().any(|name| name.chars().any(char::is_uppercase)) {
            return Err(invalid(format!("{place}.headers must have header names in lower case.")));
        }
        if let Some(name) = fields.keys().find(|name| !is_token(name)) {
            return Err(invalid(format!("{place}.headers has an invalid header name: '{}'.", name.escape_default())));
        }
    }
    let fields = entries(&format!("{place}.headers"), after, before, &["value"])?;
    let values = |fields: &Value, name: &str| fields.get(name).map(|entry| all_values(entry, &Value::Null));
    let after = Value::Object(fields);
    if let Some(Value::Object(fields)) = Some(&after) {
        for name in fields.keys() {
            if headers::disallowed(name) && values(before, name) != values(&after, name) {
                return Err(RunError::validation(format!("The CloudFront function tried to add a disallowed header: {name}.")));
            }
            let sound = |value: &String| !value.chars().any(|letter| letter == '\r' || letter == '\n' || letter == '\0');
            if !values(&after, name).is_some_and(|values| values.iter().all(sound)) {
                return Err(invalid(format!("{place}.headers.{name} contains a line break.")));
            }
        }
    }
    for name in read_only {
        if values(before, name) != values(&after, name) {
            return Err(RunError::validation(format!(
                "The CloudFront function tried to add, delete, or change a read-only header: {name}."
            )));
        }
    }
    match after {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// RFC 9110's `token`: what a header name is made of.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// `{"name": {"value": …, "multiValue": …}}`, with everything else dropped.
fn entries(place: &str, after: Option<&Value>, before: &Value, known: &[&str]) -> Result<Map<String, Value>, RunError> {
    let after = match after {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(after)) => after,
        Some(_) => return Err(invalid(format!("{place} must be an object."))),
    };
    let mut result = Map::new();
    for (name, entry) in after {
        let Some(parts) = entry.as_object() else {
            return Err(invalid(format!("{place}.{name} must be an object with a 'value'.")));
        };
        let many = parts.get("multiValue");
        let fits = |many: &Value| {
            many.as_array().is_some_and(|many| many.iter().all(|one| one.get("value").is_some_and(Value::is_string)))
        };
        if many.is_some_and(|many| !fits(many)) {
            return Err(invalid(format!("{place}.{name}.multiValue must be an array of objects with a 'value'.")));
        }
        if !parts.get("value").map_or(many.is_some(), Value::is_string) {
            return Err(invalid(format!("{place}.{name}.value must be a string.")));
        }
        let values = all_values(entry, before.get(name).unwrap_or(&Value::Null));
        let mut kept = Map::new();
        kept.insert("value".to_owned(), json!(values.first().map_or("", String::as_str)));
        if values.len() > 1 {
            kept.insert("multiValue".to_owned(), values.iter().map(|value| json!({ "value": value })).collect());
        }
        if known.contains(&"attributes")
            && let Some(attributes) = parts.get("attributes")
        {
            if !attributes.is_string() {
                return Err(invalid(format!("{place}.{name}.attributes must be a string.")));
            }
            kept.insert("attributes".to_owned(), attributes.clone());
        }
        result.insert(name.clone(), Value::Object(kept));
    }
    Ok(result)
}

/// The values that an entry stands for: a changed `multiValue` wins; else a changed `value` replaces the first.
fn all_values(entry: &Value, before: &Value) -> Vec<String> {
    let text = |value: &Value| value["value"].as_str().map(str::to_owned);
    let mut values: Vec<String> = match entry["multiValue"].as_array() {
        Some(many) if !many.is_empty() => many.iter().filter_map(text).collect(),
        _ => return text(entry).into_iter().collect(),
    };
    if entry["multiValue"] == before["multiValue"]
        && entry["value"] != before["value"]
        && let Some(value) = text(entry)
    {
        values[0] = value;
    }
    values
}

/// A query given as a text, in the object form.
fn from_text(text: &str) -> Map<String, Value> {
    let mut result: Map<String, Value> = Map::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match result.get_mut(name) {
            None => {
                result.insert(name.to_owned(), json!({ "value": value }));
            }
            Some(entry) => {
                if entry["multiValue"].is_null() {
                    entry["multiValue"] = json!([{ "value": entry["value"] }]);
                }
                if let Some(many) = entry["multiValue"].as_array_mut() {
                    many.push(json!({ "value": value }));
                }
            }
        }
    }
    result
}

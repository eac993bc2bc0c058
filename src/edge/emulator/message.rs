//! Errors in the words of the edge: what a developer finds in CloudFront's logs and searches for.

use crate::edge::outcome::Frame;

/// The calls that QuickJS's `stack` tells of, those in the script: `    at f (function.js:1:234)`.
/// `head` columns of the first line are not the script's.
pub(super) fn frames(stack: &str, head: usize) -> Vec<Frame> {
    let frame = |line: &str| {
        let (function, place) = line.trim().strip_prefix("at ")?.split_once("function.js:").map(|(before, place)| (before, place))?;
        let (line, column) = place.trim_end_matches(')').split_once(':')?;
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        let function = function.trim_end_matches('(').trim();
        let column = if line == 1 { column.checked_sub(head).filter(|column| *column > 0)? } else { column };
        Some(Frame { function: if function == "<anonymous>" { "" } else { function }.to_owned(), line, column: Some(column) })
    };
    stack.lines().filter_map(frame).collect()
}

/// What a run is told that wanted too much memory.
pub(super) const NO_MEMORY: &str = "MemoryError: the function used more than 2 MB of memory";

/// QuickJS's `name` and `message`, as njs would have put them. What has no counterpart stays as it is.
pub(super) fn translate(name: &str, message: &str) -> String {
    if (name, message) == ("InternalError", "string too long") {
        return NO_MEMORY.to_owned();
    }
    let message = match name {
        "TypeError" => type_error(message),
        "ReferenceError" => reference_error(message),
        "URIError" => Some("malformed URI".to_owned()),
        _ => None,
    }
    .unwrap_or_else(|| message.to_owned());
    match (name, message.as_str()) {
        ("", message) => message.to_owned(),
        (name, "") => name.to_owned(),
        (name, message) => format!("{name}: {message}"),
    }
}

fn type_error(message: &str) -> Option<String> {
    // cannot read property 'x' of undefined
    if let Some(rest) = message.strip_prefix("cannot read property '") {
        let (property, of) = rest.split_once("' of ")?;
        return Some(format!("cannot get property \"{property}\" of {of}"));
    }
    if let Some(rest) = message.strip_prefix("cannot set property '") {
        let (_, of) = rest.split_once("' of ")?;
        return Some(format!("property set on primitive {of} type"));
    }
    if message == "not a function" {
        return Some("(intermediate value) is not a function".to_owned());
    }
    if message.ends_with("is read-only") && message.starts_with('\'') {
        return Some("assignment to constant variable".to_owned());
    }
    None
}

fn reference_error(message: &str) -> Option<String> {
    let name = message.strip_suffix(" is not defined").or_else(|| message.strip_prefix("cannot assign to undeclared variable "));
    if let Some(name) = name {
        let name = name.trim_matches(|letter| matches!(letter, '\'' | '"'));
        return Some(format!("\"{name}\" is not defined"));
    }
    message.ends_with("is not initialized").then(|| "cannot access variable before initialization".to_owned())
}

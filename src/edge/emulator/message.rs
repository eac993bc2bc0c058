//! Errors in the words of the edge: what a developer finds in CloudFront's logs and searches for.

use crate::edge::outcome::Frame;

/// The calls that QuickJS's `stack` tells of, those in the script: `    at f (function.js:1:234)`. `code` is what the engine
/// was given; `head` columns of its first line are not the script's.
///
/// The engine names the beginning of an expression. Where `message` names the property that could not be read, the innermost
/// place is moved on to it: of `event.request.headers.host.value` that tells which.
pub(super) fn frames(stack: &str, code: &str, head: usize, message: &str) -> Vec<Frame> {
    let mut property = message.split_once("property '").and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
    let frame = |line: &str| {
        let (function, place) = line.trim().strip_prefix("at ")?.split_once("function.js:")?;
        let (line, column) = place.trim_end_matches(')').split_once(':')?;
        let (line, mut column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        if let Some(property) = property.take() {
            let text = code.lines().nth(line.checked_sub(1)?).unwrap_or_default();
            column = member(text, column, property).unwrap_or(column);
        }
        let function = function.trim_end_matches('(').trim();
        let column = if line == 1 { column.checked_sub(head).filter(|column| *column > 0)? } else { column };
        Some(Frame { function: if function == "<anonymous>" { "" } else { function }.to_owned(), line, column: Some(column) })
    };
    stack.lines().filter_map(frame).collect()
}

/// The column of the first `.name` from a column on; columns are from 1.
fn member(line: &str, from: usize, name: &str) -> Option<usize> {
    let (start, _) = line.char_indices().nth(from.checked_sub(1)?)?;
    let rest = &line[start..];
    let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let found =
        rest.match_indices(name).find(|(at, _)| rest[..*at].ends_with('.') && !rest[at + name.len()..].starts_with(is_word));
    found.map(|(at, _)| from + rest[..at].chars().count())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_tells_of_the_calls_in_the_script() {
        let stack = "    at f (function.js:2:8)\n    at <anonymous> (function.js:1:15)\n    at apply (native)\n    at <anonymous> (function.js:1:5)\n";
        let frames = frames(stack, "0123456789f();\nreturn a.b.xy.x.x;", 10, "cannot read property 'x' of undefined");
        let frames: Vec<_> = frames.iter().map(|frame| (frame.function.as_str(), frame.line, frame.column)).collect();
        assert_eq!(frames, [("f", 2, Some(15)), ("", 1, Some(5))]);
    }
}

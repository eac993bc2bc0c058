//! Errors in the words of the edge: what a developer finds in CloudFront's logs and searches for, and what a function
//! reads from `error.message`.

use super::script::Origin;
use crate::edge::outcome::Frame;
use std::collections::BTreeSet;

/// The calls of a stack that are in the script: `at f (function.js:1:234)`, in what the engine was given, as places in what
/// was uploaded.
///
/// The engine names the beginning of an expression. Where `message` names the property that could not be read, the innermost
/// place is moved on to it: of `event.request.headers.host.value` that tells which.
pub(super) fn frames(stack: &str, origin: &Origin, message: &str) -> Vec<Frame> {
    let mut property = message.split_once("get property \"").and_then(|(_, rest)| Some(rest.split_once('"')?.0));
    let frame = |line: &str| {
        let (function, place) = line.trim().strip_prefix("at ")?.split_once("function.js:")?;
        let (line, column) = place.trim_end_matches(')').split_once(':')?;
        let mut at = origin.place(line.parse().ok()?, column.parse().ok()?)?;
        if let Some(property) = property.take() {
            at = member(origin.written(), at, property).unwrap_or(at);
        }
        let (line, column) = origin.line_and_column(at);
        let function = function.trim_end_matches('(').trim();
        Some(Frame { function: if function == "<anonymous>" { "" } else { function }.to_owned(), line, column: Some(column) })
    };
    stack.lines().filter_map(frame).collect()
}

/// The next `.name` from a place on, within the line.
fn member(code: &str, from: usize, name: &str) -> Option<usize> {
    let rest = code.get(from..)?.lines().next()?;
    let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let found =
        rest.match_indices(name).find(|(at, _)| rest[..*at].ends_with('.') && !rest[at + name.len()..].starts_with(is_word));
    found.map(|(at, _)| from + at)
}

/// What a run is told that wanted too much memory.
pub(super) const NO_MEMORY: &str = "MemoryError: the function used more than 2 MB of memory";

/// `name: message`, as it is reported.
pub(super) fn joined(name: &str, message: &str) -> String {
    match (name, message) {
        ("InternalError" | "RangeError", "string too long" | "invalid string length") => NO_MEMORY.to_owned(),
        ("", message) => message.to_owned(),
        (name, "") => name.to_owned(),
        (name, message) => format!("{name}: {message}"),
    }
}

/// The engine's message as njs would have put it; nothing where it is no message of the engine's, or has no counterpart.
/// `native` says that a built-in threw it, `constants` are those that the script assigns to, and `called` finds what was called.
pub(super) fn translate(
    name: &str,
    message: &str,
    native: bool,
    constants: &BTreeSet<String>,
    called: impl Fn() -> String,
) -> Option<String> {
    match name {
        "TypeError" => type_error(message, native, constants, called),
        "ReferenceError" => reference_error(message),
        "RangeError" => range_error(message),
        "URIError" => Some("malformed URI".to_owned()),
        _ => None,
    }
}

fn type_error(message: &str, native: bool, constants: &BTreeSet<String>, called: impl Fn() -> String) -> Option<String> {
    // cannot read property 'x' of undefined
    if let Some(rest) = message.strip_prefix("cannot read property '") {
        let (property, of) = rest.rsplit_once("' of ")?;
        let property = if property.starts_with("Symbol.") { "unknown" } else { property };
        return Some(format!("cannot get property \"{property}\" of {of}"));
    }
    if let Some(rest) = message.strip_prefix("cannot set property '") {
        let (_, of) = rest.rsplit_once("' of ")?;
        return Some(format!("property set on primitive {of} type"));
    }
    if let Some(name) = message.strip_suffix("' is read-only").and_then(|rest| rest.strip_prefix('\'')) {
        return Some(match constants.contains(name) {
            true => "assignment to constant variable".to_owned(),
            false => format!("Cannot assign to read-only property \"{name}\" of object"),
        });
    }
    let words = match message {
        "not a function" if native => "callback argument is not callable",
        "not a function" => return Some(called()),
        "not a constructor" => "function is not a constructor",
        "circular reference" => "Nested too deep or a cyclic structure",
        "empty array" => "Reduce of empty object with no initial value",
        "cannot convert symbol to string" => "Cannot convert a Symbol value to a string",
        "cannot convert symbol to number" => "Cannot convert a Symbol value to a number",
        "toPrimitive" => "Cannot convert object to primitive value",
        "invalid 'in' operand" => "property \"in\" on primitive undefined type",
        "invalid 'instanceof' right operand" => "right argument is not callable",
        "null or undefined are forbidden" => "cannot convert undefined to object",
        "Cannot convert undefined or null to object" => "cannot convert undefined argument to object",
        "Property description must be an object" => "descriptor is not an object",
        "not an object" if native => "Object.defineProperty is called on non-object",
        _ => return None,
    };
    Some(words.to_owned())
}

fn range_error(message: &str) -> Option<String> {
    let words = match message {
        "invalid array length" => "Invalid array length",
        "Date value is NaN" => "Invalid time value",
        "invalid repeat count" | "radix must be between 2 and 36" | "invalid code point" => "",
        _ => return None,
    };
    Some(words.to_owned())
}

fn reference_error(message: &str) -> Option<String> {
    let name = message.strip_suffix(" is not defined").or_else(|| message.strip_prefix("cannot assign to undeclared variable "));
    if let Some(name) = name {
        let name = name.trim_matches(|letter| matches!(letter, '\'' | '"'));
        return Some(format!("\"{name}\" is not defined"));
    }
    message.ends_with("is not initialized").then(|| "cannot access variable before initialization".to_owned())
}

/// What the edge says of a call of what is no function, found in the code at the place of the call: the name of a
/// method is told, and nothing of anything else. Line and column, in bytes, count from 1.
pub(super) fn called(code: &str, line: usize, column: usize) -> String {
    // The engine counts columns in bytes.
    let place = code.lines().nth(line.saturating_sub(1)).and_then(|text| text.split_at_checked(column.saturating_sub(1)));
    let method = place.and_then(|(before, behind)| {
        // On the first line they count from 0, and the place is that of the dot.
        let name = behind.strip_prefix('.').or_else(|| before.trim_end().ends_with('.').then_some(behind))?;
        let end = name.find(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '_' | '$')).unwrap_or(name.len());
        (end > 0).then(|| name[..end].to_owned())
    });
    match method {
        Some(name) => format!("(intermediate value)[\"{name}\"] is not a function"),
        None => "undefined is not a function".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Script;
    use super::*;
    use crate::edge::runtime::Runtime;

    #[test]
    fn a_stack_tells_of_the_calls_in_the_script() {
        let code = "f(/./);\nreturn a.b.xy.x.x;";
        let origin = Script::new(&format!("function handler(e) {{ {code} }}"), Runtime::V2).expect("it loads").origin();
        let place = |line: usize, text: &str| {
            let column = origin.given().lines().nth(line - 1).and_then(|given| given.find(text)).expect("it is there") + 1;
            format!("    at {} (function.js:{line}:{column})\n", if line == 2 { "f" } else { "<anonymous>" })
        };
        let stack = format!("{}    at apply (native)\n{}", place(2, "a.b"), place(1, ");"));
        let frames = frames(&stack, &origin, "cannot get property \"x\" of undefined");
        let frames: Vec<_> = frames.iter().map(|frame| (frame.function.as_str(), frame.line, frame.column)).collect();
        assert_eq!(frames, [("f", 2, Some(15)), ("", 1, Some(28))]);
    }

    #[test]
    fn what_was_called_is_found() {
        assert_eq!(called("a;\n  o.foo(1);", 2, 5), "(intermediate value)[\"foo\"] is not a function");
        assert_eq!(called("'é'.foo();", 1, 6), "(intermediate value)[\"foo\"] is not a function");
        assert_eq!(called("g();", 1, 1), "undefined is not a function");
        assert_eq!(called("é", 9, 9), "undefined is not a function");
    }
}

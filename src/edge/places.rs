//! Where a value stands in a JSON text, which `serde_json` does not tell.

use crate::source::{Diagnostic, SourcePath, Span};
use serde_json::Value;
use std::collections::BTreeSet;

/// Reads JSON; what is wrong with it has its line and column.
pub(super) fn parse(path: &SourcePath, text: &str) -> Result<Value, Vec<Diagnostic>> {
    // A mark of the byte order is no JSON, but editors write it.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(body).map_err(|error| {
        let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let at = (line_start + error.column().saturating_sub(1)).min(text.len());
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        vec![Diagnostic::error("json", format!("this is not JSON: {message}")).at(path, Span::new(at, at))]
    })
}

/// The keys that an object has already where they stand once more: a reader takes one of the two, and nobody knows which.
pub(super) fn repeated(text: &str) -> Vec<(Span, String)> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let mut open: Vec<Option<BTreeSet<String>>> = Vec::new();
    let mut found = Vec::new();
    scanner.blank();
    while let Some(byte) = scanner.peek() {
        match byte {
            b'"' => {
                let place = scanner.string();
                scanner.blank();
                if let (Some(b':'), Some(Some(keys))) = (scanner.peek(), open.last_mut())
                    && let Some(key) = text.get(place.start..place.end).and_then(|key| serde_json::from_str::<String>(key).ok())
                    && !keys.insert(key.clone())
                {
                    found.push((place, key));
                }
                continue;
            }
            b'{' => open.push(Some(BTreeSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => {
                open.pop();
            }
            _ => {}
        }
        scanner.at += 1;
    }
    found
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an object.
    Key(String),
    /// Into an array.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The place of what a path leads to: of the key where the last step is one. The nearest place known, else.
pub(super) fn find(text: &str, steps: &[Step]) -> Span {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let mut place = Span::new(0, 0);
    for step in steps {
        scanner.blank();
        let found = match (step, scanner.peek()) {
            (Step::Key(key), Some(b'{')) => scanner.enter_key(key, text),
            (Step::Index(index), Some(b'[')) => scanner.enter_index(*index),
            _ => None,
        };
        let Some(found) = found else { return place };
        place = found;
    }
    place
}

/// Where the whole value stands that a path leads to; nothing where it leads nowhere.
pub(super) fn value(text: &str, steps: &[Step]) -> Option<Span> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    for step in steps {
        scanner.blank();
        match (step, scanner.peek()) {
            (Step::Key(key), Some(b'{')) => scanner.enter_key(key, text)?,
            (Step::Index(index), Some(b'[')) => scanner.enter_index(*index)?,
            _ => return None,
        };
    }
    let span = scanner.skip();
    // A number or a word ends where a comma, a brace or a blank comes.
    let end = span.start + text.get(span.start..span.end)?.trim_end().len();
    Some(Span::new(span.start, end))
}

/// Walks a text that is known to be JSON; whatever it meets, it comes to the end.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        // The byte-order mark counts as blank.
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf)) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Span {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        Span::new(start, self.at.min(self.bytes.len()))
    }

    /// Over one whole value.
    fn skip(&mut self) -> Span {
        self.blank();
        let start = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => break,
                _ => self.at += 1,
            }
            if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        Span::new(start, self.at.min(self.bytes.len()))
    }

    /// Stops before the value of a key.
    fn enter_key(&mut self, key: &str, text: &str) -> Option<Span> {
        self.at += 1;
        loop {
            self.blank();
            if self.peek()? != b'"' {
                return None;
            }
            let place = self.string();
            let name: Option<String> = text.get(place.start..place.end).and_then(|name| serde_json::from_str(name).ok());
            self.blank();
            self.at += 1;
            if name.as_deref() == Some(key) {
                return Some(place);
            }
            self.skip();
            self.comma()?;
        }
    }

    /// Stops before an item.
    fn enter_index(&mut self, index: usize) -> Option<Span> {
        self.at += 1;
        for _ in 0..index {
            self.skip();
            self.comma()?;
        }
        self.blank();
        let start = self.at;
        let place = self.skip();
        self.at = start;
        Some(place)
    }

    fn comma(&mut self) -> Option<()> {
        self.blank();
        (self.peek()? == b',').then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_place() {
        let text = r#"{"a": [1, {"b\n": "x,}"}, [2]], "c": {"a": true}}"#;
        let slice = |steps: &[Step]| {
            let span = find(text, steps);
            &text[span.start..span.end]
        };
        assert_eq!(slice(&["c".into(), "a".into()]), r#""a""#);
        assert_eq!(slice(&["a".into(), 1.into()]), r#"{"b\n": "x,}"}"#);
        assert_eq!(slice(&["a".into(), 1.into(), "b\n".into()]), r#""b\n""#);
        assert_eq!(slice(&["a".into(), 2.into(), 0.into()]), "2");
        assert_eq!(slice(&["a".into(), 9.into()]), r#""a""#, "the nearest place, where there is no such item");
    }

    #[test]
    fn a_path_leads_to_a_whole_value() {
        let text = r#"{"a": [1 , {"b": "x,}"} ], "c": null
        }"#;
        let slice = |steps: &[Step]| value(text, steps).map(|span| &text[span.start..span.end]);
        assert_eq!(slice(&["a".into(), 0.into()]), Some("1"));
        assert_eq!(slice(&["a".into(), 1.into()]), Some(r#"{"b": "x,}"}"#));
        assert_eq!(slice(&["c".into()]), Some("null"));
        assert_eq!(slice(&["c".into(), "d".into()]), None);
    }

    #[test]
    fn a_repeated_key_is_found_in_its_own_object() {
        let text = r#"{"a": {"x": "a", "\u0078": [{"x": 1}, {"x": 2}]}, "b": ["a", "a"], "a" : 1}"#;
        let found: Vec<(&str, String)> = repeated(text).into_iter().map(|(span, key)| (&text[span.start..span.end], key)).collect();
        assert_eq!(found, [(r#""\u0078""#, "x".to_owned()), ("\"a\"", "a".to_owned())]);
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in ["", "{", "{\"a", "{\"a\":", "[", "[1,", "nul", "{\"a\":[{]"] {
            find(text, &["a".into(), 1.into()]);
            repeated(text);
        }
    }

    #[test]
    fn what_is_no_json_has_a_place() {
        let problem = parse(&"e.json".into(), "{\n  \"a\": ,\n}").expect_err("a value is missing");
        assert_eq!(problem[0].place.as_ref().map(|(_, span)| span.start), Some(9));
    }
}

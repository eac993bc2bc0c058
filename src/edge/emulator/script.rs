//! A script made ready for the engine: refused where the edge refuses it, its imports taken out, its regular expressions
//! and its characters beyond U+FFFF written so that the engine means by them what the edge does.

use super::pattern;
use crate::edge::outcome::{ErrorKind, RunError};
use crate::edge::runtime::{MAX_CODE_BYTES, Runtime};
use crate::edge::syntax::{self, Facts};
use crate::source::{SourcePath, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The first of the units that stand for characters beyond U+FFFF, and how many there are: see `texts.js`.
const FIRST_SLOT: usize = 0xdc00;
const SLOTS: usize = 0x400;

/// A script that the edge would take.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    /// The modules it imports, in the order of the parameters they are given to.
    imports: Vec<String>,
    lasting: bool,
    modules: bool,
    letters: BTreeSet<char>,
    /// Those it assigns to.
    constants: BTreeSet<String>,
    patterns: BTreeMap<String, String>,
    origin: Origin,
    counted: bool,
}

impl Script {
    /// Reads a script as it would be uploaded.
    pub(super) fn new(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        if code.len() > MAX_CODE_BYTES {
            let message = format!("the code has {} bytes; a function has {MAX_CODE_BYTES} at most", code.len());
            return Err(RunError { kind: ErrorKind::SizeLimit, message });
        }
        Self::read(code, runtime)
    }

    /// A script that says which of its branches are taken. It is never uploaded, and may be as large as it likes.
    pub(super) fn counted(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        Ok(Self { counted: true, ..Self::read(code, runtime)? })
    }

    fn read(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        let facts = syntax::read(&SourcePath::new("function.js"), code, runtime).map_err(RunError::execution)?;
        let letters = letters(code, &facts);
        if letters.len() > SLOTS {
            let message = format!("InternalError: qdn tells {SLOTS} different characters beyond U+FFFF apart, and no more");
            return Err(RunError::execution(message));
        }
        let (rest, patterns, pieces) = rewrite(code, &facts, &letters);
        let names: Vec<&str> = facts.imports.iter().map(|import| import.local.as_str()).collect();
        let imports = facts.imports.iter().map(|import| import.module.clone()).collect();
        let given = wrap(&rest, &names);
        let names_one = || !names.is_empty() || ["Buffer", "require"].iter().any(|name| code.contains(name));
        let modules = runtime == Runtime::V1 || facts.reaches_builtins || names_one();
        let origin = Origin { written: code.to_owned(), given: given.clone(), head: head(&names).len(), pieces };
        let (lasting, constants) = (facts.reaches_builtins, facts.constants);
        Ok(Self { code: given, imports, lasting, modules, letters, constants, patterns, origin, counted: false })
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Whether it says which of its branches are taken.
    pub(super) fn is_counted(&self) -> bool {
        self.counted
    }

    /// Whether it may leave something in the engine for the next event.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Whether it may ask for a module, or for `Buffer`, which is part of one. Whoever builds names out of pieces reaches for the
    /// built-ins. In runtime 1.0 they change what every text can do.
    pub(super) fn wants_modules(&self) -> bool {
        self.modules
    }

    /// From places in the code to places in what was uploaded.
    pub(super) fn origin(&self) -> Origin {
        self.origin.clone()
    }

    pub(super) fn imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str)
    }

    /// Its characters beyond U+FFFF; each one's place is its slot.
    pub(super) fn letters(&self) -> impl Iterator<Item = u32> {
        self.letters.iter().map(|letter| u32::from(*letter))
    }

    /// The constants that it assigns to.
    pub(super) fn constants(&self) -> &BTreeSet<String> {
        &self.constants
    }

    /// Patterns as the engine has them, with what was written.
    pub(super) fn patterns(&self) -> &BTreeMap<String, String> {
        &self.patterns
    }
}

/// From places in what the engine was given to places in what was uploaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    written: String,
    given: String,
    /// How many bytes stand before the script.
    head: usize,
    /// In the order of what was given.
    pieces: Vec<Piece>,
}

/// From here on one text is the other, until the next piece begins.
#[derive(Clone, Copy, Debug)]
struct Piece {
    given: usize,
    written: usize,
    /// Letter by letter; else the whole stands for the whole.
    is_copied: bool,
}

impl Origin {
    /// What was uploaded.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// The place in what was uploaded, as a number of bytes, of one that the engine names: line and column count from 1, and columns
    /// are bytes. Nothing for a place that is not the script's.
    pub(super) fn place(&self, line: usize, column: usize) -> Option<usize> {
        let start = match line.checked_sub(2) {
            Some(breaks) => self.given.match_indices('\n').nth(breaks)?.0 + 1,
            None => 0,
        };
        let at = (start + column.checked_sub(1)?).checked_sub(self.head)?;
        let piece = self.pieces.iter().rev().find(|piece| piece.given <= at)?;
        let mut at = piece.written + if piece.is_copied { at - piece.given } else { 0 };
        while !self.written.is_char_boundary(at) {
            at = at.checked_sub(1)?;
        }
        Some(at)
    }

    /// Line and column, which count from 1; columns are characters.
    pub(super) fn line_and_column(&self, at: usize) -> (usize, usize) {
        let before = &self.written[..at];
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[line..].chars().count() + 1)
    }

    #[cfg(test)]
    pub(super) fn given(&self) -> &str {
        &self.given
    }
}

/// Every character beyond U+FFFF that stands in the code, or in an escape of a text.
fn letters(code: &str, facts: &Facts) -> BTreeSet<char> {
    let mut letters: BTreeSet<char> = code.chars().filter(|letter| is_long(*letter)).collect();
    for text in &facts.texts {
        unescape(&code[text.start..text.end], |letter| letters.extend(letter.filter(|letter| is_long(*letter))));
    }
    letters
}

fn is_long(letter: char) -> bool {
    letter > '\u{ffff}'
}

/// The code for the engine, the patterns that were changed in it, and from where on it is what was written where: see [`Origin`].
/// Every line keeps its number.
fn rewrite(code: &str, facts: &Facts, letters: &BTreeSet<char>) -> (String, BTreeMap<String, String>, Vec<Piece>) {
    let slot = |letter: char| format!("\\u{:04x}", FIRST_SLOT + letters.range(..letter).count());
    let plain = |text: &str| -> String {
        text.chars().map(|letter| if is_long(letter) { slot(letter) } else { letter.to_string() }).collect()
    };
    let mut edits: Vec<(Span, String)> = Vec::new();
    let mut patterns = BTreeMap::new();
    for import in &facts.imports {
        let blank = code[import.span.start..import.span.end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        edits.push((import.span, blank));
    }
    for (span, flags) in &facts.patterns {
        let written = &code[span.start..span.end];
        let translated = plain(&pattern::translate(written, flags));
        if translated != written {
            patterns.insert(translated.clone(), written.to_owned());
            edits.push((*span, translated));
        }
    }
    for text in &facts.texts {
        let mut inner = String::new();
        let mut from = 0;
        let written = &code[text.start..text.end];
        unescape_at(written, |place, letter| {
            inner.push_str(&plain(&written[from..place.start]));
            match letter {
                Some(letter) if is_long(letter) => inner.push_str(&slot(letter)),
                Some(_) => inner.push_str(&written[place.start..place.end]),
                None => inner.push_str("\\ufffd"),
            }
            from = place.end;
        });
        inner.push_str(&plain(&written[from..]));
        edits.push((*text, inner));
    }
    edits.sort_by_key(|(span, _)| *span);
    let mut result = String::with_capacity(code.len());
    let mut pieces = Vec::new();
    let mut from = 0;
    for (span, text) in edits {
        // A text within an import is part of what is blanked.
        if span.start < from {
            continue;
        }
        pieces.push(Piece { given: result.len(), written: from, is_copied: true });
        result.push_str(&plain(&code[from..span.start]));
        pieces.push(Piece { given: result.len(), written: span.start, is_copied: false });
        result.push_str(&text);
        from = span.end;
    }
    pieces.push(Piece { given: result.len(), written: from, is_copied: true });
    result.push_str(&plain(&code[from..]));
    (result, patterns, pieces)
}

/// A JSON text in which no character is written as a pair of escapes; half a pair is U+FFFD, as at the edge.
pub(super) fn without_pairs(json: &str) -> String {
    let mut result = String::with_capacity(json.len());
    let mut from = 0;
    unescape_at(json, |place, letter| {
        if let Some(letter) = letter.map_or(Some('\u{fffd}'), |letter| is_long(letter).then_some(letter)) {
            result.push_str(&json[from..place.start]);
            result.push(letter);
            from = place.end;
        }
    });
    result.push_str(&json[from..]);
    result
}

fn unescape(text: &str, mut found: impl FnMut(Option<char>)) {
    unescape_at(text, |_, letter| found(letter));
}

/// Calls with each `\u…` of a text: its place, and what it stands for; nothing for half a pair.
fn unescape_at(text: &str, mut found: impl FnMut(Span, Option<char>)) {
    let bytes = text.as_bytes();
    let hex = |from: usize, to: usize| text.get(from..to).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let unit = |at: usize| (text.get(at..at + 2) == Some("\\u")).then(|| hex(at + 2, at + 6)).flatten();
    let mut at = 0;
    while let Some(step) = text[at..].find('\\') {
        let start = at + step;
        at = start + 2;
        if bytes.get(start + 1) != Some(&b'u') {
            // What is escaped may be a letter of several bytes.
            while !text.is_char_boundary(at.min(text.len())) {
                at += 1;
            }
            at = at.min(text.len());
            continue;
        }
        let (point, end) = if bytes.get(start + 2) == Some(&b'{') {
            let Some(length) = text[start + 3..].find('}') else { continue };
            (hex(start + 3, start + 3 + length), start + 4 + length)
        } else {
            match (unit(start), unit(start + 6)) {
                (Some(high @ 0xd800..=0xdbff), Some(low @ 0xdc00..=0xdfff)) => {
                    (Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), start + 12)
                }
                (point, _) => (point, start + 6),
            }
        };
        if let Some(point) = point {
            found(Span::new(start, end), char::from_u32(point));
            at = end;
        }
    }
}

/// The script as a function of its imports that answers the handler. It begins on the first line.
///
/// Inside of a function a second `function handler` replaces the first, as it does in njs, where a
/// module or a strict script would refuse it.
fn wrap(code: &str, names: &[&str]) -> String {
    let head = head(names);
    let handler = "typeof handler==='undefined'?globalThis.handler:handler";
    format!("{head}{code}\n;return {handler};}}).apply(undefined,arguments[0]);}})")
}

/// What comes before the script, in its first line.
fn head(names: &[&str]) -> String {
    format!("(function(){{return(function({}){{'use strict';", names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_beyond_is_one_unit() {
        let script = Script::new(
            "function handler(e) { return '😀\\ud83d\\ude01\\u{1f600}\\\\ud83d\\ud83dx' + `😀` + /[😀].$/.source; }",
            Runtime::V2,
        )
        .expect("it loads");
        assert!(
            script.code().contains(r"'\udc00\udc01\udc00\\ud83d\ufffdx' + `\udc00` + /[\udc00][^\n](?=\n?$)/.source"),
            "{}",
            script.code()
        );
        assert_eq!(script.letters().collect::<Vec<_>>(), [0x1f600, 0x1f601]);
        assert_eq!(script.patterns().values().collect::<Vec<_>>(), ["[😀].$"]);
    }

    #[test]
    fn pairs_of_escapes_are_characters() {
        assert_eq!(without_pairs(r#"{"a":"\ud83d\ude00\u00e9\\ud83d\ud83d"}"#), "{\"a\":\"😀\\u00e9\\\\ud83d\u{fffd}\"}");
    }

    #[test]
    fn no_escape_is_too_odd() {
        for text in ["\\", "\\u", "\\u{", "\\u{}", "\\ud83d\\u", "\\é\\u00e", "\\u{110000}", "\\u12é4"] {
            unescape(text, |_| {});
            without_pairs(text);
        }
    }
}

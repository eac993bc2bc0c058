//! The texts we were given, and what we have to say about them.
//!
//! A [`Sources`] is the whole input of a build as one value: ordered, cheap to clone, without a
//! disk behind it. A [`Diagnostic`] is one complaint about a place in it, and [`render`] is the
//! only way a complaint is drawn, so that a bad colour in CSS and a bad key in `qdn.toml` look alike.
//!
//! This module knows nothing of Markdown, functions or buckets.

mod diagnostic;
mod lookup;
mod table;

pub use diagnostic::{Diagnostic, Edit, Severity, edited, json, line_column, render, sort};
pub use lookup::Lookup;
pub use table::{Kind, Table, Value, toml, yaml};

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The one file that says what a project is.
pub const CONFIG_FILE: &str = "qdn.toml";

/// A path relative to the project's root, with `/` between its parts on every system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath(Arc<str>);

/// What the names of scripts end with.
pub const SCRIPTS: [&str; 4] = ["js", "mjs", "ts", "mts"];

impl SourcePath {
    /// The path as given: relative, `/`-separated.
    pub fn new(path: impl AsRef<str>) -> Self {
        Self(path.as_ref().into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the last `.` of the last part, or nothing.
    pub fn extension(&self) -> &str {
        let name = self.0.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or("", |(_, extension)| extension)
    }

    /// Whether it is a script by its name: JavaScript, or TypeScript that becomes it.
    pub fn is_script(&self) -> bool {
        SCRIPTS.contains(&self.extension())
    }

    /// Whether it is TypeScript by its name.
    pub fn is_typed(&self) -> bool {
        self.is_script() && self.extension().ends_with("ts")
    }

    /// The folder the file lies in, without a slash at its end; empty for the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for SourcePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SourcePath {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

/// A half-open range of bytes in one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` up to, and without, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The same range in a text that begins `by` bytes earlier.
    pub fn shift(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}

/// Every file of a project, by path. Cloning copies pointers, not bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeMap<SourcePath, Arc<[u8]>>,
}

impl Sources {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, or puts new bytes in its place.
    pub fn insert(&mut self, path: impl Into<SourcePath>, bytes: impl Into<Arc<[u8]>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// Adds all files of other sources.
    pub fn extend(&mut self, others: Self) {
        self.files.extend(others.files);
    }

    /// Takes a file out; `true` if it was there.
    pub fn remove(&mut self, path: &str) -> bool {
        self.files.remove(path).is_some()
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.files.get(path)
    }

    /// The text of a file; `None` where there is no such file or where it is not UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        text_of(self.files.get(path)?)
    }

    /// The text of a file that must be UTF-8; what is wrong with it where it is not.
    pub fn utf8(&self, path: &SourcePath) -> Result<&str, Diagnostic> {
        let Some(bytes) = self.files.get(path) else {
            return Err(Diagnostic::error("no-such-file", format!("there is no file `{path}`")));
        };
        utf8_of(path, bytes)
    }

    /// All files in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&SourcePath, &Arc<[u8]>)> {
        self.files.iter()
    }

    /// The files whose path begins with `folder` and a slash, in the order of their paths.
    pub fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a SourcePath, &'a Arc<[u8]>)> {
        self.files
            .range::<str, _>((std::ops::Bound::Excluded(folder), std::ops::Bound::Unbounded))
            .skip_while(move |(path, _)| !is_under(path.as_str(), folder) && path.as_str() < folder_end(folder).as_str())
            .take_while(move |(path, _)| is_under(path.as_str(), folder))
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// Bytes as text; `None` where they are not UTF-8.
pub fn text_of(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// The text of a file that must be UTF-8, from its bytes; what is wrong with it where it is not.
///
/// # Errors
/// The first byte that is not.
pub fn utf8_of<'a>(path: &SourcePath, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    // Only the slower reading says where it goes wrong.
    simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes)).map_err(|error| {
        let at = error.valid_up_to();
        Diagnostic::error("not-utf-8", format!("byte {at} is not UTF-8 (0x{:02x})", bytes[at]))
            .at(path, Span::new(at, at))
            .hint("save the file as UTF-8")
    })
}

fn is_under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The first text after every path under `folder`: `0` follows `/` in ASCII.
fn folder_end(folder: &str) -> String {
    format!("{folder}0")
}

impl<P: Into<SourcePath>, B: Into<Arc<[u8]>>> FromIterator<(P, B)> for Sources {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        Self { files: files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect() }
    }
}

/// The name among `known` that someone who typed `typed` most likely meant.
pub fn near<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (lower, length) = (typed.to_lowercase(), typed.chars().count());
    known
        .into_iter()
        .filter(|name| *name != typed)
        .filter_map(|name| {
            let begins = typed.len() > 2 && (name.starts_with(typed) || (name.len() > 2 && typed.starts_with(name)));
            let (other, most) = (name.chars().count(), 1.max(length.max(name.chars().count()) / 3));
            // Names whose lengths differ by more than that cannot be nearer.
            let is_far = !begins && length.abs_diff(other) > most;
            let distance = || strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            (!is_far).then(distance).filter(|distance| begins || *distance <= most).map(|distance| (distance, name))
        })
        .min_by_key(|(distance, name)| (*distance, *name))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_a_folder_is_not_beside_it() {
        let sources: Sources =
            ["site", "site-old/a", "site.md", "site/a", "site/b/c", "site0"].map(|path| (path, b"".to_vec())).into_iter().collect();
        let found: Vec<_> = sources.under("site").map(|(path, _)| path.as_str()).collect();
        assert_eq!(found, ["site/a", "site/b/c"]);
        assert_eq!(sources.under("none").count(), 0);
    }

    #[test]
    fn a_script_is_known_by_its_ending() {
        let known = |path: &str| (SourcePath::new(path).is_script(), SourcePath::new(path).is_typed());
        assert_eq!(["a.js", "b/a.mjs"].map(known), [(true, false); 2]);
        assert_eq!(["a.ts", "a.d/b.mts"].map(known), [(true, true); 2]);
        assert_eq!(["a.cjs", "a.tsx", "a.json", "js", ".ts", "a.ts/b", "charts"].map(known), [(false, false); 7]);
    }

    #[test]
    fn a_near_name_is_near() {
        assert_eq!(near("tilte", ["title", "date"]), Some("title"));
        assert_eq!(near("wholly", ["title", "date"]), None);
        assert_eq!(near("Title", ["title"]), Some("title"));
    }
}

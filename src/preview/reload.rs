//! What an open page is told when a build is done.

use crate::release::{Class, Key, Object, Release};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A message to every open page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// Load yourself again.
    Reload,
    /// Put these style sheets in the place of those; nothing else changed.
    Css(BTreeMap<String, String>),
    /// The sources have problems: the complaints as text.
    Problems(String),
    /// They have none any longer, and nothing changed.
    Solved,
}

impl Message {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Reload => json!({ "kind": "reload" }),
            Self::Css(sheets) => json!({ "kind": "css", "sheets": sheets }),
            Self::Problems(text) => json!({ "kind": "problems", "text": text }),
            Self::Solved => json!({ "kind": "solved" }),
        }
    }
}

/// What pages of the old release need to be told of the new one.
pub(super) fn message(old: &Release, new: &Release) -> Message {
    if old.manifest.release == new.manifest.release {
        return Message::Solved;
    }
    match swapped(old, new) {
        Some(sheets) if !sheets.is_empty() => Message::Css(sheets),
        _ => Message::Reload,
    }
}

/// Old style sheets to new ones, if nothing else differs: not even in a page, but for their names.
fn swapped(old: &Release, new: &Release) -> Option<BTreeMap<String, String>> {
    let (before, after) = (all(old), all(new));
    if old.manifest.functions != new.manifest.functions || before.len() != after.len() {
        return None;
    }
    let come: BTreeMap<_, &Object> =
        after.iter().filter(|(at, _)| !before.contains_key(at)).map(|(at, object)| ((at.0, stem(object)), *object)).collect();
    let mut sheets = BTreeMap::new();
    for (at, object) in before.iter().filter(|(at, _)| !after.contains_key(at)) {
        let other = come.get(&(at.0, stem(object)))?;
        if object.class != Class::Immutable || !object.key.as_str().ends_with(".css") {
            return None;
        }
        sheets.insert(object.key.path(), other.key.path());
    }
    for (at, object) in after {
        let Some(old) = before.get(&at) else { continue };
        if old.digest == object.digest {
            continue;
        }
        let text = std::str::from_utf8(&old.bytes).ok()?;
        let text = sheets.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        if without_integrity(&text) != without_integrity(std::str::from_utf8(&object.bytes).ok()?) {
            return None;
        }
    }
    Some(sheets)
}

/// Every object, by distribution and key.
fn all(release: &Release) -> BTreeMap<(&str, &Key), &Object> {
    let distributions = release.objects.iter();
    distributions.flat_map(|(name, objects)| objects.iter().map(move |(key, object)| ((name.as_str(), key), object))).collect()
}

/// An asset's name without its hash.
fn stem(object: &Object) -> (&str, &str) {
    let key = object.key.as_str();
    let (path, extension) = key.rsplit_once('.').unwrap_or((key, ""));
    (path.rsplit_once('.').map_or(path, |(stem, _)| stem), extension)
}

/// A page without its `sha384-…`, which change with the style sheets that they are of.
fn without_integrity(text: &str) -> String {
    let mut parts = text.split("sha384-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.get(64..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{self, DEFAULT_DISTRIBUTION, headers::Policy};

    fn release(css: &str, hash: &str, title: &str) -> Release {
        let page = format!("<link href=\"/assets/css/a.{hash}.css\"><h1>{title}</h1>");
        let objects = vec![
            Object::new(Key::new("index.html"), page.into_bytes(), Class::Page),
            Object::new(Key::new(format!("assets/css/a.{hash}.css")), css.as_bytes(), Class::Immutable),
        ];
        let objects = BTreeMap::from([(DEFAULT_DISTRIBUTION.to_owned(), objects)]);
        release::assemble(objects, Vec::new(), &BTreeMap::new(), Policy::default(), BTreeMap::new())
    }

    #[test]
    fn a_style_sheet_alone_is_swapped() {
        let old = release("a", "1", "x");
        let sheets = BTreeMap::from([("/assets/css/a.1.css".to_owned(), "/assets/css/a.2.css".to_owned())]);
        assert_eq!(message(&old, &release("b", "2", "x")), Message::Css(sheets));
        assert_eq!(message(&old, &release("b", "2", "y")), Message::Reload, "the page changed too");
        assert_eq!(message(&old, &release("a", "1", "x")), Message::Solved);
    }
}

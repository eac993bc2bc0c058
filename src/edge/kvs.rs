//! The key-value store as a plain map.

use crate::source::{Diagnostic, SourcePath, Span};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most bytes of a key.
const MAX_KEY: usize = 512;

/// The most bytes of a value.
const MAX_VALUE: usize = 1_024;

/// What `cf.kvs()` finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValues(pub BTreeMap<String, String>);

impl KeyValues {
    /// Reads `{"key": "value"}` or the form that CloudFront imports, `{"data":[{"key":…,"value":…}]}`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &SourcePath, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let value = super::places::parse(path, text)?;
        Self::from_json(&value).map_err(|problems| {
            let place = Span::new(0, 0);
            problems.into_iter().map(|problem| Diagnostic::error("CFF094", problem).at(path, place)).collect()
        })
    }

    /// As [`Self::parse`], of JSON that is read already; the problems are sentences.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_json(value: &Value) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut pairs = BTreeMap::new();
        let mut add = |key: &str, value: &Value, problems: &mut Vec<String>| {
            // Numbers and objects are kept as their JSON: the store itself knows texts alone.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if key.is_empty() || key.len() > MAX_KEY {
                problems.push(format!("a key of {} bytes: CloudFront takes 1 to {MAX_KEY}", key.len()));
            }
            if text.len() > MAX_VALUE {
                problems.push(format!("the value of `{key}` has {} bytes: CloudFront takes {MAX_VALUE} at most", text.len()));
            }
            pairs.insert(key.to_owned(), text);
        };
        match (value, value.get("data")) {
            (Value::Object(_), Some(Value::Array(rows))) => {
                for row in rows {
                    match (row.get("key").and_then(Value::as_str), row.get("value")) {
                        (Some(key), Some(value)) => add(key, value, &mut problems),
                        _ => problems.push("every row of `data` has a text `key` and a `value`".to_owned()),
                    }
                }
            }
            (Value::Object(entries), _) => entries.iter().for_each(|(key, value)| add(key, value, &mut problems)),
            _ => problems.push("a key-value store is an object of texts".to_owned()),
        }
        if problems.is_empty() { Ok(Self(pairs)) } else { Err(problems) }
    }
}

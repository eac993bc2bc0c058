//! Tables that people write by hand, in YAML or TOML, with the place of every key.
//!
//! Front matter and `qdn.toml` are read by the same rules: take what you know, and whatever is left
//! over is a mistake that names its line and the key that was probably meant.

use super::{Diagnostic, SourcePath, Span, near};
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use saphyr_parser::Parser;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
    /// A whole number of YAML's as it is written, where that is not how it would be: `007`.
    written: Option<Box<str>>,
}

/// The kinds of values that both languages have.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// YAML's `null`, or nothing behind the colon.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text. A date of TOML's is one too, as written.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A table within the table.
    Table(Table),
}

impl Kind {
    /// What it is, for a sentence such as "expected a text, found a number".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys and their values, each key with its place, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    entries: BTreeMap<String, (Span, Value)>,
}

impl Table {
    /// Takes an entry out, with the place of its key.
    pub fn take(&mut self, key: &str) -> Option<(Span, Value)> {
        self.entries.remove(key)
    }

    /// Takes a text out. Anything else under the key is complained of.
    pub fn text(&mut self, key: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<(String, Span)> {
        let written = self.get(key).and_then(|value| value.written.clone());
        self.expect(key, "a text", path, problems, |kind| match kind {
            Kind::Text(text) => Ok(text),
            // `title: 2024` is a number to YAML and a title to whoever wrote it; so is `title: 007`.
            Kind::Integer(number) => Ok(written.map_or_else(|| number.to_string(), String::from)),
            other => Err(other),
        })
    }

    /// Takes a truth value out.
    pub fn bool(&mut self, key: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<(bool, Span)> {
        self.expect(key, "`true` or `false`", path, problems, |kind| match kind {
            Kind::Bool(value) => Ok(value),
            other => Err(other),
        })
    }

    /// Takes a whole number out.
    pub fn integer(&mut self, key: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<(i64, Span)> {
        self.expect(key, "a whole number", path, problems, |kind| match kind {
            Kind::Integer(value) => Ok(value),
            other => Err(other),
        })
    }

    /// Takes a list of texts out, each with its place; a single text is a list of one.
    pub fn texts(&mut self, key: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Vec<(String, Span)> {
        let Some((_, value)) = self.take(key) else { return Vec::new() };
        let items = match value.kind {
            Kind::List(items) => items,
            Kind::Null => return Vec::new(),
            kind => vec![Value { kind, span: value.span, written: value.written }],
        };
        let mut texts = Vec::new();
        for item in items {
            match item.kind {
                Kind::Text(text) => texts.push((text, item.span)),
                other => problems.push(wrong_kind(key, "a list of texts", &other, path, item.span)),
            }
        }
        texts
    }

    /// Takes a table out.
    pub fn table(&mut self, key: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<(Self, Span)> {
        self.expect(key, "a table", path, problems, |kind| match kind {
            Kind::Table(table) => Ok(table),
            other => Err(other),
        })
    }

    fn expect<T>(
        &mut self,
        key: &str,
        wanted: &str,
        path: &SourcePath,
        problems: &mut Vec<Diagnostic>,
        read: impl FnOnce(Kind) -> Result<T, Kind>,
    ) -> Option<(T, Span)> {
        let (_, value) = self.take(key)?;
        if value.kind == Kind::Null {
            return None;
        }
        match read(value.kind) {
            Ok(found) => Some((found, value.span)),
            Err(other) => {
                problems.push(wrong_kind(key, wanted, &other, path, value.span));
                None
            }
        }
    }

    /// Complains of every key that nobody took, suggesting the nearest of `known`.
    pub fn finish(self, place: &str, known: &[&str], path: &SourcePath, problems: &mut Vec<Diagnostic>) {
        for (key, (span, _)) in self.entries {
            let hint = match near(&key, known.iter().copied()) {
                Some(name) => format!("a key with a similar name exists: `{name}`"),
                None => format!("known keys are {}", list(known)),
            };
            problems.push(Diagnostic::error("unknown-key", format!("unknown key `{key}` in {place}")).at(path, span).hint(hint));
        }
    }

    /// The entries in the order of their keys.
    pub fn into_entries(self) -> impl Iterator<Item = (String, Span, Value)> {
        self.entries.into_iter().map(|(key, (span, value))| (key, span, value))
    }

    /// The entries in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, (_, value))| (key.as_str(), value))
    }

    /// The value of a key, which stays.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Whether no key is left.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn wrong_kind(key: &str, wanted: &str, found: &Kind, path: &SourcePath, span: Span) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("`{key}` must be {wanted}, not {}", found.name())).at(path, span)
}

/// "`a`, `b` and `c`".
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "none".to_owned(),
    }
}

/// How deep tables and lists may nest. Deeper ones are an attack on the stack, not a document.
const MAX_DEPTH: usize = 64;

/// Reads the YAML in `text[span]`.
///
/// # Errors
/// Where it is not YAML, holds more than one document, or is not a table.
pub fn yaml(text: &str, span: Span, path: &SourcePath) -> Result<Table, Diagnostic> {
    let body = &text[span.start..span.end];
    let places = CharIndex::new(body, span.start);
    // An alias is a copy to the loader, so a few lines could fill the memory; front matter has no use for one.
    // Reading a text at once is faster than letter by letter, but miscounts letters that are more than a byte.
    let documents = match places.ascii {
        true => MarkedYaml::load_from_parser(&mut Parser::new_from_str(body)),
        false => MarkedYaml::load_from_str(body),
    };
    let documents = documents.map_err(|error| {
        let at = places.byte(error.marker().index());
        Diagnostic::error("yaml", format!("this is not YAML: {}", error.info())).at(path, Span::new(at, at))
    })?;
    let mut documents = documents.into_iter();
    let Some(document) = documents.next() else { return Ok(Table::default()) };
    let value = from_yaml(document, &places, path, 0)?;
    match value.kind {
        Kind::Table(table) => Ok(table),
        Kind::Null => Ok(Table::default()),
        other => {
            Err(Diagnostic::error("yaml", format!("expected `key: value` lines, found {}", other.name())).at(path, value.span))
        }
    }
}

fn from_yaml(node: MarkedYaml<'_>, places: &CharIndex<'_>, path: &SourcePath, depth: usize) -> Result<Value, Diagnostic> {
    let span = Span::new(places.byte(node.span.start.index()), places.byte(node.span.end.index()));
    let bad = |what: &str| Diagnostic::error("yaml", what.to_owned()).at(path, span);
    let mut written = None;
    if depth > MAX_DEPTH {
        return Err(bad("this is nested too deeply"));
    }
    let kind = match node.data {
        YamlData::Value(Scalar::Null) => Kind::Null,
        YamlData::Value(Scalar::Boolean(value)) => Kind::Bool(value),
        YamlData::Value(Scalar::Integer(value)) => {
            written = places.written(span, value);
            Kind::Integer(value)
        }
        YamlData::Value(Scalar::FloatingPoint(value)) => Kind::Float(value.into_inner()),
        YamlData::Value(Scalar::String(text)) => Kind::Text(text.into_owned()),
        YamlData::Sequence(items) => {
            Kind::List(items.into_iter().map(|item| from_yaml(item, places, path, depth + 1)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(items) => {
            let mut table = Table::default();
            for (key, value) in items {
                let key = from_yaml(key, places, path, depth + 1)?;
                let name = match key.kind {
                    Kind::Text(text) => text,
                    Kind::Integer(number) => number.to_string(),
                    Kind::Bool(value) => value.to_string(),
                    other => {
                        let what = format!("a key must be a text, not {}", other.name());
                        return Err(Diagnostic::error("yaml", what).at(path, key.span));
                    }
                };
                table.entries.insert(name, (key.span, from_yaml(value, places, path, depth + 1)?));
            }
            Kind::Table(table)
        }
        YamlData::Tagged(_, inner) => return from_yaml(*inner, places, path, depth + 1),
        YamlData::Alias(_) | YamlData::BadValue | YamlData::Representation(..) => return Err(bad("this value cannot be read")),
    };
    Ok(Value { kind, span, written })
}

/// Turns the loader's character counts into bytes.
struct CharIndex<'a> {
    text: &'a str,
    base: usize,
    ascii: bool,
}

impl<'a> CharIndex<'a> {
    fn new(text: &'a str, base: usize) -> Self {
        Self { text, base, ascii: text.is_ascii() }
    }

    fn byte(&self, index: usize) -> usize {
        let at = match self.ascii {
            true => index.min(self.text.len()),
            false => self.text.char_indices().nth(index).map_or(self.text.len(), |(at, _)| at),
        };
        self.base + at
    }

    /// A number as it is written at a place, where that is another text than the number's own.
    fn written(&self, span: Span, value: i64) -> Option<Box<str>> {
        let text = self.text.get(span.start - self.base..span.end - self.base)?.trim();
        // What stands there may be more than the number: a tag before it.
        let is_it = matches!(Scalar::parse_from_cow(text.into()), Scalar::Integer(read) if read == value);
        (is_it && text != value.to_string()).then(|| text.into())
    }
}

/// Reads the TOML in `text[span]`.
///
/// # Errors
/// Every place where it is not TOML.
pub fn toml(text: &str, span: Span, path: &SourcePath) -> Result<Table, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(&text[span.start..span.end]);
    if errors.is_empty() {
        return Ok(from_toml(table.into_inner(), span.start));
    }
    Err(errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(Span::default(), |span| Span::new(span.start, span.end));
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            Diagnostic::error("toml", format!("this is not TOML: {message}")).at(path, at.shift(span.start))
        })
        .collect())
}

fn from_toml(table: DeTable<'_>, base: usize) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let span = place(&key, base);
        (key.into_inner().into_owned(), (span, from_toml_value(value, base)))
    });
    Table { entries: entries.collect() }
}

fn from_toml_value(value: Spanned<DeValue<'_>>, base: usize) -> Value {
    let span = place(&value, base);
    let kind = match value.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Kind::Integer(number),
            Err(_) => Kind::Text(number.as_str().to_owned()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Kind::Float(number),
            Err(_) => Kind::Text(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Kind::Bool(value),
        DeValue::Datetime(date) => Kind::Text(date.to_string()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(|item| from_toml_value(item, base)).collect()),
        DeValue::Table(table) => Kind::Table(from_toml(table, base)),
    };
    Value { kind, span, written: None }
}

fn place<T>(spanned: &Spanned<T>, base: usize) -> Span {
    let range = spanned.span();
    Span::new(range.start, range.end).shift(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> SourcePath {
        "p.md".into()
    }

    #[test]
    fn both_languages_say_the_same() {
        let yaml_text = "title: Hä\nweight: 3\naliases: [/a/, /b/]\ndraft: true\nextra:\n  x: 1.5\n  none:\n";
        let toml_text = "title = 'Hä'\nweight = 3\naliases = ['/a/', '/b/']\ndraft = true\n[extra]\nx = 1.5\n";
        let mut from_yaml = yaml(yaml_text, Span::new(0, yaml_text.len()), &path()).expect("it is YAML");
        let mut from_toml = toml(toml_text, Span::new(0, toml_text.len()), &path()).expect("it is TOML");
        let mut problems = Vec::new();
        for table in [&mut from_yaml, &mut from_toml] {
            assert_eq!(table.text("title", &path(), &mut problems).map(|(text, _)| text).as_deref(), Some("Hä"));
            assert_eq!(table.integer("weight", &path(), &mut problems).map(|(number, _)| number), Some(3));
            assert_eq!(table.texts("aliases", &path(), &mut problems).len(), 2);
            assert_eq!(table.bool("draft", &path(), &mut problems).map(|(value, _)| value), Some(true));
            assert!(table.table("extra", &path(), &mut problems).is_some());
            assert!(table.is_empty());
        }
        assert!(problems.is_empty());
    }

    #[test]
    fn a_number_where_a_text_belongs_is_taken_as_it_is_written() {
        for (value, expected) in [("007", "007"), ("0x1F", "0x1F"), ("+49", "+49"), ("2024", "2024"), ("-05 # ü", "-05")] {
            let text = format!("a: {value}\nb: [1]\n");
            let mut table = yaml(&text, Span::new(0, text.len()), &path()).expect("it is YAML");
            let mut problems = Vec::new();
            let found = table.text("a", &path(), &mut problems).map(|(text, _)| text);
            assert_eq!((found.as_deref(), problems.len()), (Some(expected), 0), "{value}");
        }
        let mut table = yaml("a: 007\n", Span::new(0, 7), &path()).expect("it is YAML");
        let number = table.integer("a", &path(), &mut Vec::new()).map(|(number, _)| number);
        assert_eq!(number, Some(7), "it stays a number where one belongs");
    }

    #[test]
    fn places_are_bytes_even_after_other_letters() {
        let text = "---\ntitle: Hä\ntitel: x\n";
        let table = yaml(text, Span::new(4, text.len()), &path()).expect("it is YAML");
        let mut problems = Vec::new();
        table.finish("the front matter", &["title"], &path(), &mut problems);
        let (_, span) = problems[0].place.clone().expect("a key has a place");
        assert_eq!(&text[span.start..span.end], "titel");
        assert_eq!(problems[0].hints, ["a key with a similar name exists: `title`"]);
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        for text in ["a: [", "a: 1\na: 2\n", "- a\n", "\t- : x", "a: &x [1]\nb: *x\n", "? [a]\n: b\n"] {
            let _ = yaml(text, Span::new(0, text.len()), &path());
        }
        assert!(yaml("a: 1\na: 2\n", Span::new(0, 10), &path()).is_err(), "a key that stands twice is a mistake");
        assert_eq!(toml("a = \nb = \n", Span::new(0, 10), &path()).expect_err("two errors").len(), 2);
    }

    #[test]
    fn a_billion_laughs_end_soon() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..9 {
            text.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
        }
        assert!(yaml(&text, Span::new(0, text.len()), &path()).is_err());
    }
}

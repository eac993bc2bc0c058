//! What stands above a page, between `---` (YAML) or `+++` (TOML).

use crate::source::{self, Diagnostic, Kind, SourcePath, Span, Table, Value};
use jiff::Timestamp;
use std::borrow::Cow;

/// The keys that mean something to us; whatever else a page wants to say goes into `extra`.
const KEYS: &[&str] = &["aliases", "date", "description", "draft", "extra", "slug", "template", "title", "weight"];

/// The front matter of one page.
#[derive(Debug, Default)]
pub(super) struct FrontMatter {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) template: Option<(String, Span)>,
    pub(super) draft: bool,
    pub(super) weight: i64,
    pub(super) date: Option<Date>,
    pub(super) slug: Option<(String, Span)>,
    pub(super) aliases: Vec<(String, Span)>,
    pub(super) extra: Table,
}

/// When a page is from: a day, which is the instant it begins at in UTC, or an instant.
#[derive(Debug)]
pub(super) struct Date {
    written: String,
    /// What dates are compared by: as texts, those of two offsets stand in the wrong order.
    pub(super) instant: Timestamp,
}

impl Date {
    fn read(text: String) -> Option<Self> {
        // jiff reads much that is not RFC 3339, such as `20261123T14Z`: so the form is looked at first, with any digit as `0`.
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let instant: Timestamp = match shape.strip_prefix("0000-00-00")? {
            "" => format!("{text}T00:00:00Z").parse().ok()?,
            time => {
                let rest = time.strip_prefix("T00:00:00")?;
                let zone = rest.strip_prefix('.').map_or(rest, |fraction| fraction.trim_start_matches('0'));
                // It also takes a second 60 for 59, and offsets of more than a day.
                let offset = text[text.len() - zone.len()..].get(1..).unwrap_or_default();
                if !matches!(zone, "Z" | "+00:00" | "-00:00") || offset >= "24" || &text[17..19] == "60" {
                    return None;
                }
                text.parse().ok()?
            }
        };
        Some(Self { written: text, instant })
    }

    /// As written: a day, or a time of RFC 3339.
    pub(super) fn as_str(&self) -> &str {
        &self.written
    }

    /// Where a day alone will not do (RFC 4287 §3.3).
    pub(super) fn rfc_3339(&self) -> Cow<'_, str> {
        match self.written.contains('T') {
            true => Cow::Borrowed(&self.written),
            false => Cow::Owned(format!("{}T00:00:00Z", self.written)),
        }
    }
}

/// Splits a page into its front matter and the place where its body begins.
///
/// Problems are added to `problems`; what could be read is returned all the same, so that one run
/// finds what is wrong with the body too.
pub(super) fn parse(text: &str, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> (FrontMatter, usize) {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let fence = match first_line(&text[start..]).trim_end() {
        "---" => "---",
        "+++" => "+++",
        _ => return (FrontMatter::default(), start),
    };
    let inner = start + first_line(&text[start..]).len();
    let Some((end, body)) = closing(text, inner, fence) else {
        problems.push(
            Diagnostic::error("front-matter", format!("the front matter that begins with `{fence}` never ends"))
                .at(path, Span::new(start, start + 3))
                .hint(format!("end it with a line that holds only `{fence}`")),
        );
        return (FrontMatter::default(), text.len());
    };
    let span = Span::new(inner, end);
    let table = match fence {
        "---" => source::yaml(text, span, path).map_err(|problem| vec![problem]),
        _ => source::toml(text, span, path),
    };
    match table {
        Ok(table) => (read(table, path, problems), body),
        Err(found) => {
            problems.extend(found);
            (FrontMatter::default(), body)
        }
    }
}

fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

/// Where the closing fence begins, and where the line after it does.
fn closing(text: &str, from: usize, fence: &str) -> Option<(usize, usize)> {
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        if line.trim_end() == fence {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}

fn read(mut table: Table, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> FrontMatter {
    let front_matter = FrontMatter {
        title: table.text("title", path, problems).map(|(text, _)| text),
        description: table.text("description", path, problems).map(|(text, _)| text),
        template: table.text("template", path, problems),
        draft: table.bool("draft", path, problems).is_some_and(|(draft, _)| draft),
        weight: table.integer("weight", path, problems).map_or(0, |(weight, _)| weight),
        date: table.text("date", path, problems).and_then(|(text, span)| date(text, span, path, problems)),
        slug: table.text("slug", path, problems),
        aliases: table.texts("aliases", path, problems),
        extra: table.table("extra", path, problems).map(|(table, _)| table).unwrap_or_default(),
    };
    table.finish("the front matter", KEYS, path, problems);
    front_matter
}

fn date(text: String, span: Span, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<Date> {
    let message = format!("`{text}` is not a date");
    let date = Date::read(text);
    if date.is_none() {
        problems.push(
            Diagnostic::error("date", message)
                .at(path, span)
                .hint("write it as `2026-11-23`, `2026-11-23T14:00:00Z` or `2026-11-23T14:00:00+02:00`"),
        );
    }
    date
}

/// A free table as a template sees it.
pub(super) fn to_template(table: &Table) -> minijinja::Value {
    table
        .entries()
        .map(|(key, value)| (key.to_owned(), to_template_value(value)))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into()
}

fn to_template_value(value: &Value) -> minijinja::Value {
    match &value.kind {
        Kind::Null => ().into(),
        Kind::Bool(value) => (*value).into(),
        Kind::Integer(value) => (*value).into(),
        Kind::Float(value) => (*value).into(),
        Kind::Text(text) => text.as_str().into(),
        Kind::List(items) => items.iter().map(to_template_value).collect::<Vec<_>>().into(),
        Kind::Table(table) => to_template(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (FrontMatter, String, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        let (front_matter, body) = parse(text, &"site/p.md".into(), &mut problems);
        (front_matter, text[body..].to_owned(), problems)
    }

    #[test]
    fn both_fences_work_with_any_line_end() {
        for text in ["---\ntitle: A\n---\nbody", "+++\ntitle = 'A'\n+++\nbody", "\u{feff}---\r\ntitle: A\r\n---\r\nbody"] {
            let (front_matter, body, problems) = parsed(text);
            assert_eq!((front_matter.title.as_deref(), body.as_str(), problems.len()), (Some("A"), "body", 0), "{text}");
        }
    }

    #[test]
    fn a_page_may_have_none() {
        let (front_matter, body, problems) = parsed("# Title\n\n---\n");
        assert!(front_matter.title.is_none() && problems.is_empty());
        assert_eq!(body, "# Title\n\n---\n");
    }

    #[test]
    fn a_date_is_a_day_or_a_time_of_rfc_3339() {
        for (text, instant, full) in [
            ("2026-11-23", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z"),
            ("2026-11-23T14:00:00.25+02:00", "2026-11-23T12:00:00.25Z", "2026-11-23T14:00:00.25+02:00"),
            ("2026-11-23T23:59:59-09:30", "2026-11-24T09:29:59Z", "2026-11-23T23:59:59-09:30"),
        ] {
            let (front_matter, _, problems) = parsed(&format!("---\ndate: \"{text}\"\n---\n"));
            assert!(problems.is_empty(), "{text}");
            let date = front_matter.date.expect("it is a date");
            assert_eq!((date.as_str(), &*date.rfc_3339()), (text, full));
            assert_eq!(date.instant, instant.parse::<Timestamp>().expect("an instant"), "{text}");
        }
        for text in [
            "2026-11-23 14:00:00+02",
            "2026-11-23 14:00:00Z",
            "2026-11-23T14:00:00+02",
            "2026-11-23T14:00:00+0200",
            "2026-11-23T14:00:00+24:00",
            "2026-11-23T14:00:00",
            "2026-11-23T14:00Z",
            "2026-11-23T14Z",
            "2026-11-23T14:00:00Z[UTC]",
            "2026-11-23T14:00:00,5Z",
            "2026-11-23T14:00:00.Z",
            "2026-11-23T14:00:60Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23t14:00:00z",
            "20261123T140000Z",
            "-002026-11-23T14:00:00Z",
            "+002026-11-23",
            "2026-02-30",
            "2026-1-2",
            "20261123",
            "2026-11-23 ",
            "٢٠٢٦-11-23",
            "",
        ] {
            let (front_matter, _, problems) = parsed(&format!("---\ndate: \"{text}\"\n---\n"));
            assert!(front_matter.date.is_none(), "{text}");
            assert_eq!(problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["date"], "{text}");
            assert!(problems[0].place.is_some() && !problems[0].hints.is_empty(), "{text}");
        }
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let (_, _, problems) = parsed("---\ntitel: A\ndraft: perhaps\ndate: yesterday\nweigth: 3\n---\n");
        let rules: Vec<_> = problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, ["wrong-type", "date", "unknown-key", "unknown-key"]);
        assert_eq!(parsed("---\ntitle: A\n").2[0].rule, "front-matter");
    }
}

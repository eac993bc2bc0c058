//! What stands above a page, between `---` (YAML) or `+++` (TOML).

use crate::source::{self, Diagnostic, Kind, SourcePath, Span, Table, Value};
use jiff::civil::Date;

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
    /// `2026-11-23` or a full RFC 3339 time, as written.
    pub(super) date: Option<String>,
    pub(super) slug: Option<(String, Span)>,
    pub(super) aliases: Vec<(String, Span)>,
    pub(super) extra: Table,
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

fn date(text: String, span: Span, path: &SourcePath, problems: &mut Vec<Diagnostic>) -> Option<String> {
    // Only the two forms that sort as text and that a feed can carry.
    let is_date = text.len() == 10 && text.parse::<Date>().is_ok();
    if is_date || text.parse::<jiff::Timestamp>().is_ok() {
        return Some(text);
    }
    problems.push(
        Diagnostic::error("date", format!("`{text}` is not a date"))
            .at(path, span)
            .hint("write it as `2026-11-23` or `2026-11-23T14:00:00Z`"),
    );
    None
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
    fn every_mistake_is_found_at_once() {
        let (_, _, problems) = parsed("---\ntitel: A\ndraft: perhaps\ndate: yesterday\nweigth: 3\n---\n");
        let rules: Vec<_> = problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, ["wrong-type", "date", "unknown-key", "unknown-key"]);
        assert_eq!(parsed("---\ntitle: A\n").2[0].rule, "front-matter");
    }
}

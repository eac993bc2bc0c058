//! One complaint, and how complaints are drawn.

use super::{SourcePath, Sources, Span};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::json;

/// Whether a complaint stops the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is built, published or saved.
    Error,
    /// Said, and no more.
    Warning,
}

/// Something wrong with a source, in the words of whoever wrote that source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable identifier for scripts and documentation, such as `broken-link` or `CFF011`.
    pub rule: &'static str,
    /// Whether it stops the build.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, literals in backticks.
    pub message: String,
    /// Where, if it is anywhere: a span of no bytes points between two characters.
    pub place: Option<(SourcePath, Span)>,
    /// A few words under the carets.
    pub label: String,
    /// What to do about it, each a line of its own.
    pub hints: Vec<String>,
    /// Changes to the same file that mend it, where there is no doubt about them.
    pub fix: Vec<Edit>,
}

/// A piece of a text becomes another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The piece.
    pub span: Span,
    /// What stands there then.
    pub text: String,
}

/// The text with these changes. Of changes that overlap, the first is made.
pub fn edited<'e>(text: &str, edits: impl IntoIterator<Item = &'e Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.into_iter().collect();
    edits.sort();
    let (mut made, mut done) = (String::new(), 0);
    for edit in edits {
        if edit.span.start < done {
            continue;
        }
        if let (Some(before), true) = (text.get(done..edit.span.start), text.is_char_boundary(edit.span.end)) {
            made.push_str(before);
            made.push_str(&edit.text);
            done = edit.span.end;
        }
    }
    made.push_str(text.get(done..).unwrap_or_default());
    made
}

impl Diagnostic {
    /// A complaint that stops the build.
    pub fn error(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: String::new(),
            hints: Vec::new(),
            fix: Vec::new(),
        }
    }

    /// A complaint that does not stop the build.
    pub fn warning(rule: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, message) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, path: &SourcePath, span: Span) -> Self {
        self.place = Some((path.clone(), span));
        self
    }

    /// Says a few words under the carets.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// As [`Self::hint`], when there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hints.extend(hint);
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix.push(Edit { span, text: text.into() });
        self
    }

    /// Whether it stops the build.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Puts complaints in the order of a reader going through the files, each said once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (&a.place, a.severity, a.rule, &a.message).cmp(&(&b.place, b.severity, b.rule, &b.message)));
    diagnostics.dedup();
}

/// Line and column of a byte, both from 1; the column counts characters.
pub fn line_column(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    (text[..at].matches('\n').count() + 1, text[line_start..at].chars().count() + 1)
}

/// Complaints as text: path, line, column, a frame, hints. With `color`, ANSI escapes besides.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&draw(diagnostic, sources, &renderer));
        text.push('\n');
    }
    text
}

fn draw(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut title = level.primary_title(diagnostic.message.as_str());
    if !diagnostic.rule.is_empty() {
        title = title.id(diagnostic.rule);
    }
    let mut group = annotate_snippets::Group::with_title(title);
    if let Some((path, span)) = &diagnostic.place {
        match sources.text(path.as_str()) {
            Some(text) => {
                let span = within(text, *span);
                let annotation = AnnotationKind::Primary.span(span);
                let annotation = if diagnostic.label.is_empty() { annotation } else { annotation.label(diagnostic.label.as_str()) };
                group = group.element(Snippet::source(text).path(path.as_str()).annotation(annotation));
            }
            None => group = group.element(annotate_snippets::Origin::path(path.as_str())),
        }
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.with_name(Some("hint")).message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The span, moved onto character boundaries of a text it may not fit.
fn within(text: &str, span: Span) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    // A span over many lines would be drawn as an arrow around all of them; its first line says enough.
    let (start, end) = (floor(span.start), floor(span.end));
    let end = text[start..end].find('\n').map_or(end, |newline| start + newline);
    start..end
}

/// Complaints as data: `rule, severity, file, line, column, message, hint`. This form is a contract.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> serde_json::Value {
    let rows = diagnostics.iter().map(|diagnostic| {
        let (file, line, column) = match &diagnostic.place {
            Some((path, span)) => {
                let (line, column) = sources.text(path.as_str()).map_or((1, 1), |text| line_column(text, span.start));
                (Some(path.as_str()), Some(line), Some(column))
            }
            None => (None, None, None),
        };
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let hint = (!diagnostic.hints.is_empty()).then(|| diagnostic.hints.join("; "));
        json!({
            "rule": diagnostic.rule, "severity": severity, "file": file, "line": line, "column": column,
            "message": diagnostic.message, "hint": hint,
        })
    });
    serde_json::Value::Array(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_column("a\nöx", 4), (2, 2));
        assert_eq!(line_column("a\nöx", 3), (2, 1), "inside a character is at its start");
        assert_eq!(line_column("a", 99), (1, 2));
    }

    #[test]
    fn a_drawing_names_path_line_column_and_hint() {
        let sources: Sources = [("site/index.md", b"one\n# Hello {{ tilte }}\n".to_vec())].into_iter().collect();
        let diagnostic = Diagnostic::error("undefined", "unknown template variable `tilte`")
            .at(&"site/index.md".into(), Span::new(15, 20))
            .hint("a variable with a similar name exists: `title`");
        insta::assert_snapshot!(render(&[diagnostic], &sources, false), @r"
        error[undefined]: unknown template variable `tilte`
         --> site/index.md:2:12
          |
        2 | # Hello {{ tilte }}
          |            ^^^^^
          |
          = hint: a variable with a similar name exists: `title`
        ");
    }

    #[test]
    fn changes_are_made_once_and_where_they_fit() {
        let edit = |start, end, text: &str| Edit { span: Span::new(start, end), text: text.to_owned() };
        let edits = [edit(4, 5, "x"), edit(0, 1, "yy"), edit(0, 2, "no"), edit(5, 5, "!"), edit(90, 99, "no")];
        assert_eq!(edited("abcdef", &edits), "yybcdx!f");
        assert_eq!(edited("é", &[edit(1, 2, "x")]), "é");
    }

    #[test]
    fn a_span_outside_its_text_is_drawn_all_the_same() {
        let sources: Sources = [("a", "é".as_bytes().to_vec())].into_iter().collect();
        for span in [Span::new(1, 1), Span::new(50, 90), Span::new(0, 1)] {
            let diagnostic = Diagnostic::warning("", "odd").at(&"a".into(), span);
            assert!(render(&[diagnostic], &sources, false).contains("a:1:"));
        }
    }
}

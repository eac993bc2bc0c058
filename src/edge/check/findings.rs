//! Where the rules put what they find.

use super::model::Model;
use crate::script::Position;
use crate::source::{Diagnostic, Edit, Span};

/// What is wrong with one file.
pub(super) struct Findings<'m, 'a> {
    pub(super) model: &'m Model<'a>,
    pub(super) list: Vec<Diagnostic>,
}

impl Findings<'_, '_> {
    pub(super) fn error(&mut self, rule: &'static str, place: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Diagnostic::error(rule, message).hint(hint), place);
    }

    pub(super) fn warning(&mut self, rule: &'static str, place: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Diagnostic::warning(rule, message).hint(hint), place);
    }

    pub(super) fn add(&mut self, problem: Diagnostic, place: Position) {
        let place = self.model.parsed.span(place);
        self.add_at(problem, place);
    }

    /// As [`Self::add`], for what is no node.
    pub(super) fn add_at(&mut self, problem: Diagnostic, place: Span) {
        self.list.push(problem.at(self.model.parsed.path(), place));
    }

    /// The text of a node.
    pub(super) fn written(&self, place: Position) -> &str {
        let span = self.model.parsed.span(place);
        self.model.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The change of a name that stands in quotes, behind a dot or before a colon. `{ name }` is two names in one.
    pub(super) fn renamed(&self, place: Position, from: &str, to: &str) -> Vec<Edit> {
        let span = self.model.parsed.span(place);
        let text = self.model.text;
        let written = text.get(span.start..span.end).unwrap_or_default();
        let (before, after) = (text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default());
        let quoted = written.len() == from.len() + 2 && written.starts_with(['\'', '"', '`']) && written.contains(from);
        let plain = written == from && (before.trim_end().ends_with('.') || after.trim_start().starts_with(':'));
        match quoted || plain {
            true => vec![Edit { span, text: written.replace(from, to) }],
            false => Vec::new(),
        }
    }

    /// The change of a whole node.
    pub(super) fn instead(&self, place: Position, text: impl Into<String>) -> Vec<Edit> {
        vec![Edit { span: self.model.parsed.span(place), text: text.into() }]
    }
}

//! Where the rules put what they find.

use super::model::Model;
use crate::script::Position;
use crate::source::{Diagnostic, Span};

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
}

//! What is said of a function as a whole.

use super::super::cases;
use super::super::runtime::Runtime;
use crate::source::{Diagnostic, SourcePath, Sources, Span};

pub(super) fn check(sources: &Sources, entry: &SourcePath, runtime: Runtime, diagnostics: &mut Vec<Diagnostic>) {
    if runtime == Runtime::V1 {
        diagnostics.push(
            Diagnostic::warning("CFF043", "this function is for runtime 1.0, which gets nothing new")
                .at(entry, Span::default())
                .hint("say `runtime = \"cloudfront-js-2.0\"`, and check it again: most functions need no other change"),
        );
    }
    if cases::of(sources, entry).is_empty() {
        diagnostics.push(
            Diagnostic::warning("CFF093", "no case says what this function shall do")
                .at(entry, Span::default())
                .hint(format!("write one: `{}/<name>.json`", cases::folder(entry))),
        );
    }
}

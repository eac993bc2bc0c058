//! A shortened script gets line breaks back, for nothing.
//!
//! The engine of the edge reports lines and no columns. In a script of one line that says nothing; where each statement
//! begins a line, it leads to the statement. A line break ends a statement as a semicolon does and takes as many bytes, so
//! wherever the one can stand for the other it does.

use super::map::Printed;
use super::parse::{Parsed, parse};
use crate::source::SourcePath;
use swc_core::common::{LineCol, Span, Spanned};
use swc_core::ecma::ast::{ModuleItem, Stmt};
use swc_core::ecma::visit::{Visit, VisitWith};

/// Breaks the lines of a text, and moves what is known of its places. The text keeps its length.
pub(super) fn break_lines(printed: &mut Printed) {
    let Ok(parsed) = parse(&SourcePath::new("bundle.js"), &printed.code) else { return };
    let mut breaks = Breaks { parsed: &parsed, code: printed.code.as_bytes(), found: Vec::new() };
    parsed.module().visit_with(&mut breaks);
    let found = breaks.found;
    printed.tops = parsed.module().body.iter().map(|item| parsed.span(item.span()).start).collect();
    let before = starts(&printed.code);
    let mut code = std::mem::take(&mut printed.code).into_bytes();
    for at in found {
        code[at] = b'\n';
    }
    printed.code = String::from_utf8(code).unwrap_or_default();
    let after = starts(&printed.code);
    for (_, place) in &mut printed.mappings {
        let at = before.get(place.line as usize).copied().unwrap_or_default() + place.col;
        let line = after.partition_point(|start| *start <= at).saturating_sub(1);
        *place = LineCol { line: u32::try_from(line).unwrap_or_default(), col: at - after[line] };
    }
}

/// Where each line begins, in UTF-16 units from the start of the text.
fn starts(text: &str) -> Vec<u32> {
    let (mut starts, mut at) = (vec![0], 0);
    for letter in text.chars() {
        at += if letter.len_utf16() == 2 { 2 } else { 1 };
        if letter == '\n' {
            starts.push(at);
        }
    }
    starts
}

struct Breaks<'a> {
    parsed: &'a Parsed,
    code: &'a [u8],
    /// The semicolons that may be line breaks.
    found: Vec<usize>,
}

impl Breaks<'_> {
    fn between(&mut self, before: Option<&Stmt>, after: Span) {
        // The semicolon of `if (a);` is a statement of its own, and not the end of one.
        if before.is_some_and(ends_empty) {
            return;
        }
        let start = self.parsed.span(after).start;
        let is_word = self.code.get(start).is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'$'));
        // What begins with `(`, `[`, a sign or a quotation mark could go on with the line before.
        if is_word && start > 0 && self.code[start - 1] == b';' {
            self.found.push(start - 1);
        }
    }
}

fn ends_empty(statement: &Stmt) -> bool {
    match statement {
        Stmt::Empty(_) => true,
        Stmt::If(inner) => ends_empty(inner.alt.as_ref().unwrap_or(&inner.cons)),
        Stmt::For(inner) => ends_empty(&inner.body),
        Stmt::ForIn(inner) => ends_empty(&inner.body),
        Stmt::ForOf(inner) => ends_empty(&inner.body),
        Stmt::While(inner) => ends_empty(&inner.body),
        Stmt::Labeled(inner) => ends_empty(&inner.body),
        _ => false,
    }
}

impl Visit for Breaks<'_> {
    fn visit_stmts(&mut self, statements: &[Stmt]) {
        for pair in statements.windows(2) {
            self.between(Some(&pair[0]), pair[1].span());
        }
        statements.visit_children_with(self);
    }

    fn visit_module_items(&mut self, items: &[ModuleItem]) {
        for pair in items.windows(2) {
            self.between(pair[0].as_stmt(), pair[1].span());
        }
        items.visit_children_with(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_becomes_a_line_break_where_it_can() {
        for (before, after) in [
            ("a();b();", "a()\nb();"),
            ("a();(b)();[c]();`d`;+e;/f/.g();", "a();(b)();[c]();`d`;+e;/f/.g();"),
            ("if(a);b();for(;;);c();while(d);e()", "if(a);b()\nfor(;;);c()\nwhile(d);e()"),
            ("if(a)b();else c();d();do e();while(f);g()", "if(a)b();else c()\nd()\ndo e();while(f)\ng()"),
            (
                "function f(){var a=1;return;a}f();x:for(;;){break x;continue}",
                "function f(){var a=1\nreturn\na}f()\nx:for(;;){break x\ncontinue}",
            ),
            ("import a from\"a\";b;;c", "import a from\"a\"\nb;;c"),
            ("switch(a){case 1:b();c();break;default:d()}", "switch(a){case 1:b()\nc()\nbreak;default:d()}"),
        ] {
            let mut printed = Printed { code: before.to_owned(), ..Printed::default() };
            break_lines(&mut printed);
            assert_eq!(printed.code, after);
        }
    }

    #[test]
    fn places_move_with_their_lines() {
        let code = "let a='😀\u{fc}';let b=`\n`;c()";
        let at = |line, col| LineCol { line, col };
        let mut printed =
            Printed { code: code.to_owned(), mappings: vec![(1, at(0, 0)), (2, at(0, 12)), (3, at(1, 2))], ..Printed::default() };
        break_lines(&mut printed);
        assert_eq!(printed.code, "let a='😀\u{fc}'\nlet b=`\n`\nc()");
        let moved: Vec<(u32, u32)> = printed.mappings.iter().map(|(_, place)| (place.line, place.col)).collect();
        assert_eq!(moved, [(0, 0), (1, 0), (3, 0)]);
    }
}

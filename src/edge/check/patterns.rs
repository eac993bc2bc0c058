//! Regular expressions that take forever.

use super::findings::Findings;
use super::model::bare;
use super::shape::Shape;
use crate::script::ast::{CallExpr, Callee, Expr, NewExpr, Regex};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use crate::source::{Diagnostic, Span};

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Patterns { findings });
}

struct Patterns<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
}

impl Patterns<'_, '_, '_> {
    fn made(&mut self, callee: &Expr, argument: Option<&Expr>, place: Position) {
        let model = self.findings.model;
        if let Some(argument) = argument
            && model.is_global(callee, "RegExp")
            && matches!(model.shape(argument), Shape::Text(origin) if origin.is_input())
        {
            let hint = "compare texts with `===`, `startsWith` or `indexOf`";
            self.findings.warning("CFF071", place, "the viewer chooses this regular expression", hint);
        }
    }
}

impl Visit for Patterns<'_, '_, '_> {
    fn visit_regex(&mut self, node: &Regex) {
        if let Some((start, end)) = nested(&node.exp) {
            let from = self.findings.model.parsed.span(node.span).start + 1;
            let problem = Diagnostic::warning("CFF070", "a repetition within a repetition takes forever where it does not match")
                .hint("repeat once: `a+` for `(a+)+`");
            self.findings.add_at(problem, Span::new(from + start, from + end));
        }
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        let first = node.args.iter().flatten().next().map(|argument| &*argument.expr);
        self.made(&node.callee, first, node.span());
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            self.made(bare(callee), node.args.first().map(|argument| &*argument.expr), node.span);
        }
        node.visit_children_with(self);
    }
}

/// Where one thing is repeated, and the whole group that it is all of, is repeated again: `(a+)+`.
///
/// `(/a+)+` is no mistake: the slash says where each round begins.
fn nested(pattern: &str) -> Option<(usize, usize)> {
    let mut open: Vec<usize> = Vec::new();
    let mut items = items(pattern).into_iter().peekable();
    while let Some((start, end)) = items.next() {
        match &pattern[start..end] {
            "(" => open.push(start),
            ")" => {
                let begin = open.pop()?;
                let again = items.peek().filter(|(start, end)| is_unbounded(&pattern[*start..*end])).copied();
                let body = &pattern[begin + 1..start];
                // Where nothing follows, nothing fails, and nothing is tried twice.
                let fails = again.is_some_and(|(_, end)| end < pattern.len());
                if again.is_some() && (is_one_repetition(body) || (fails && (is_padded_repetition(body) || overlaps(body)))) {
                    return Some((begin, items.peek().map_or(end, |(_, end)| *end)));
                }
            }
            _ => {}
        }
    }
    None
}

/// The body of a group, without what only names it. `None` for one that looks ahead or behind.
fn inside(body: &str) -> Option<&str> {
    let body = body.strip_prefix("?:").unwrap_or(body);
    let body = match body.strip_prefix("?<").filter(|rest| !rest.starts_with(['=', '!'])) {
        Some(named) => named.split_once('>').map_or("", |(_, body)| body),
        None => body,
    };
    (!body.starts_with('?')).then_some(body)
}

/// Whether the body of a group is one repetition, and beside it only what may be missing: `(\w+\s?)*`.
fn is_padded_repetition(body: &str) -> bool {
    let Some(body) = inside(body) else { return false };
    let items = items(body);
    let text = |at: usize| items.get(at).map_or("", |(start, end)| &body[*start..*end]);
    let (mut at, mut repeated) = (0, 0);
    while at < items.len() {
        if matches!(text(at), "(" | ")" | "|" | "^" | "$" | "\\b" | "\\B") {
            return false;
        }
        match text(at + 1) {
            quantifier if is_unbounded(quantifier) => repeated += 1,
            "?" => {}
            quantifier if quantifier.starts_with("{0,") => {}
            _ => return false,
        }
        at += 2;
        if text(at) == "?" {
            at += 1;
        }
    }
    repeated > 0
}

/// Whether two alternatives of a group match the same letter: `(\d|\w)+`. Only such that are one letter or set each.
fn overlaps(body: &str) -> bool {
    let Some(body) = inside(body) else { return false };
    let all = items(body);
    let atoms: Vec<&str> = all.iter().map(|(start, end)| &body[*start..*end]).collect();
    let alternatives: Vec<&[&str]> = atoms.split(|atom| *atom == "|").collect();
    let single: Vec<&str> = alternatives
        .iter()
        .filter_map(|atoms| match atoms {
            [atom] if !matches!(*atom, "(" | ")" | "^" | "$" | "\\b" | "\\B") && !atom.starts_with('[') => Some(*atom),
            _ => None,
        })
        .collect();
    let letter =
        |atom: &str| Some(atom).filter(|atom| atom.chars().count() == 1 && *atom != ".").and_then(|atom| atom.chars().next());
    let holds = |set: &str, atom: &str| match set {
        "." => true,
        "\\w" => atom == "\\d" || letter(atom).is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_'),
        "\\d" => letter(atom).is_some_and(|letter| letter.is_ascii_digit()),
        "\\s" => letter(atom).is_some_and(char::is_whitespace),
        set => set == atom,
    };
    single.iter().enumerate().any(|(at, one)| {
        single.iter().enumerate().any(|(other_at, other)| at != other_at && (holds(one, other) || (at < other_at && one == other)))
    })
}

/// Whether a quantifier has no end.
fn is_unbounded(quantifier: &str) -> bool {
    matches!(quantifier, "*" | "+") || (quantifier.starts_with('{') && quantifier.ends_with(",}"))
}

/// Whether the body of a group is one atom and its quantifier.
fn is_one_repetition(body: &str) -> bool {
    let Some(body) = inside(body) else { return false };
    match items(body).as_slice() {
        [(start, _), (from, to)] | [(start, _), (from, to), _] => {
            let lazy = items(body).get(2).is_none_or(|(from, to)| &body[*from..*to] == "?");
            let atom = !matches!(body.as_bytes()[*start], b'(' | b')' | b'|' | b'^' | b'$');
            atom && lazy && is_unbounded(&body[*from..*to])
        }
        _ => false,
    }
}

/// Atoms, brackets and quantifiers, each with its place.
fn items(pattern: &str) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    let bytes = pattern.as_bytes();
    while let Some(letter) = pattern.get(at..).and_then(|rest| rest.chars().next()) {
        let start = at;
        at += letter.len_utf8();
        match letter {
            '\\' => at += pattern.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8),
            '[' => {
                while at < bytes.len() && bytes[at] != b']' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
            }
            '{' => {
                if let Some(end) = pattern[at..].find('}') {
                    at += end + 1;
                }
            }
            _ => {}
        }
        while at < bytes.len() && !pattern.is_char_boundary(at) {
            at += 1;
        }
        found.push((start, at.min(bytes.len())));
    }
    found
}

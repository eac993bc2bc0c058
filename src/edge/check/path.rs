//! The path, the query, and where a redirect leads.

use super::findings::Findings;
use super::model::{Model, bare, member_name, property};
use super::shape::{Origin, Shape, Table};
use crate::script::ast::{
    AssignExpr, AssignOp, AssignTarget, BinExpr, BinaryOp, CallExpr, Callee, Expr, IfStmt, Lit, MemberExpr, Module, ObjectLit,
    Regex, SimpleAssignTarget, Str, TplElement,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::rc::Rc;

/// `all` are the modules of the function: what one of them takes care of, the others need not.
pub(super) fn check(findings: &mut Findings<'_, '_>, all: &[&Module]) {
    let module = findings.model.parsed.module();
    let mut habits = Habits { model: findings.model, odd_paths: false, query_tested: false, index: false };
    for module in all {
        module.visit_with(&mut habits);
    }
    let Habits { odd_paths, query_tested, index, .. } = habits;
    module.visit_with(&mut Paths { findings, odd_paths, query_tested, index, prefix: false });
}

/// What a script does somewhere, so that it need not be reminded elsewhere.
struct Habits<'m, 'a> {
    model: &'m Model<'a>,
    /// Whether it knows that a path may be `//x`, `/../x` or `/%2e%2e/x`.
    odd_paths: bool,
    /// Whether it looks at a value of the query before it uses it.
    query_tested: bool,
    /// Whether it knows of `index.html`, or of origins that are no buckets.
    index: bool,
}

impl Habits<'_, '_> {
    fn text(&mut self, text: &str) {
        let lower = text.to_lowercase();
        // In `https://` it means nothing.
        let slashes = lower.match_indices("//").any(|(at, _)| !lower[..at].ends_with(':'));
        self.odd_paths |= slashes || lower.contains("..") || lower.contains("%2");
        self.index |= lower.contains("index.");
    }

    fn is_query(&self, expression: &Expr) -> bool {
        self.model.shape(expression) == Shape::Text(Origin::Query)
    }
}

impl Visit for Habits<'_, '_> {
    fn visit_str(&mut self, node: &Str) {
        self.text(&node.value.to_string_lossy());
    }

    fn visit_tpl_element(&mut self, node: &TplElement) {
        self.text(&node.raw);
    }

    fn visit_regex(&mut self, node: &Regex) {
        let plain = node.exp.replace("\\/", "/").to_lowercase();
        let repeated = ["/+", "/{2", "[/]+", "/)+", "//", "/[/"].into_iter().any(|sign| plain.contains(sign));
        self.odd_paths |= repeated || plain.contains("\\.\\.") || plain.contains("\\.{2") || plain.contains("%2");
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
        {
            self.query_tested |= self.is_query(&member.obj);
            self.index |= member_name(&member.prop).is_some_and(|name| name.contains("Origin"));
        }
        self.query_tested |= node.args.iter().any(|argument| self.is_query(&argument.expr));
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        let comparison = matches!(
            node.op,
            BinaryOp::EqEq | BinaryOp::EqEqEq | BinaryOp::NotEq | BinaryOp::NotEqEq | BinaryOp::In | BinaryOp::Lt | BinaryOp::Gt
        );
        self.query_tested |= comparison && (self.is_query(&node.left) || self.is_query(&node.right));
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        // `TARGETS[query.next.value]` can only lead where the script says.
        if let crate::script::ast::MemberProp::Computed(name) = &node.prop {
            self.query_tested |= self.is_query(&name.expr);
        }
        node.visit_children_with(self);
    }
}

struct Paths<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    odd_paths: bool,
    query_tested: bool,
    index: bool,
    /// Whether somebody has been told that a path may be odd.
    prefix: bool,
}

/// A piece of a text.
pub(super) enum Piece {
    Known(String, Position),
    Other(Rc<Expr>),
}

/// Takes a sum of texts apart. `None` where it is no such sum.
pub(super) fn pieces(model: &Model<'_>, expression: &Expr, found: &mut Vec<Piece>) {
    match bare(expression) {
        Expr::Lit(Lit::Str(text)) => found.push(Piece::Known(text.value.to_string_lossy().into_owned(), text.span)),
        Expr::Tpl(template) => {
            for (at, quasi) in template.quasis.iter().enumerate() {
                let text = quasi.cooked.as_ref().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
                found.push(Piece::Known(text, quasi.span));
                if let Some(expression) = template.exprs.get(at) {
                    pieces(model, expression, found);
                }
            }
        }
        Expr::Bin(binary) if binary.op == BinaryOp::Add => {
            pieces(model, &binary.left, found);
            pieces(model, &binary.right, found);
        }
        other => {
            let resolved = model.resolve(other);
            match &*resolved {
                Expr::Lit(Lit::Str(text)) => found.push(Piece::Known(text.value.to_string_lossy().into_owned(), other.span())),
                _ => found.push(Piece::Other(Rc::new(other.clone()))),
            }
        }
    }
}

/// Each of the things that a value can be.
fn alternatives<'e>(expression: &'e Expr, found: &mut Vec<&'e Expr>) {
    match bare(expression) {
        Expr::Cond(condition) => {
            alternatives(&condition.cons, found);
            alternatives(&condition.alt, found);
        }
        other => found.push(other),
    }
}

impl Paths<'_, '_, '_> {
    fn uri(&mut self, value: &Expr) {
        let mut values = Vec::new();
        alternatives(value, &mut values);
        for value in values {
            let mut parts = Vec::new();
            pieces(self.findings.model, value, &mut parts);
            self.uri_start(value, &parts);
            self.uri_letters(&parts);
            self.uri_end(value, &parts);
        }
    }

    fn uri_start(&mut self, value: &Expr, parts: &[Piece]) {
        let first = parts.iter().find(|part| !matches!(part, Piece::Known(text, _) if text.is_empty()));
        match first {
            None => self.findings.error("CFF058", value.span(), "the path is empty", "a path begins with `/`"),
            Some(Piece::Known(text, place)) if text.contains("://") => {
                let hint =
                    "to send the viewer elsewhere, return a response: `{ statusCode: 302, headers: { location: { value: … } } }`";
                self.findings.error("CFF059", *place, "this is an address, not a path", hint);
            }
            Some(Piece::Known(text, place)) if !text.starts_with('/') => {
                let hint = format!("write `/{}`", text.chars().take(40).collect::<String>());
                self.findings.error("CFF058", *place, "a path begins with `/`", hint);
            }
            Some(_) => {}
        }
    }

    fn uri_letters(&mut self, parts: &[Piece]) {
        for part in parts {
            let Piece::Known(text, place) = part else { continue };
            let odd = text.chars().find(|letter| matches!(letter, '?' | '#' | ' ') || letter.is_control());
            let Some(odd) = odd.filter(|_| !text.contains("://")) else { continue };
            let hint = match odd {
                '?' => "set `request.querystring` as well: a path with `?` in it is another path",
                '#' => "the part after `#` stays in the browser",
                _ => "encode it: a space is `%20`",
            };
            self.findings.error("CFF059", *place, format!("a path has no {}", spoken(odd)), hint);
        }
    }

    fn uri_end(&mut self, value: &Expr, parts: &[Piece]) {
        if let Some(Piece::Known(text, _)) = parts.last()
            && text.ends_with('/')
            && !text.contains("://")
            && !self.index
        {
            let message = "this path leads to a folder, and a bucket has none";
            self.findings.warning("CFF091", value.span(), message, "add `index.html`, if the origin is a bucket");
        }
    }

    fn query(&mut self, value: &Expr) {
        let mut parts = Vec::new();
        pieces(self.findings.model, value, &mut parts);
        for part in parts {
            let Piece::Known(text, place) = part else { continue };
            if let Some(odd) = text.chars().find(|letter| matches!(letter, ' ' | '#') || letter.is_control()) {
                let hint = "encode it: `encodeURIComponent(…)`";
                self.findings.error("CFF059", place, format!("a query has no {}", spoken(odd)), hint);
            }
        }
    }

    /// Where a redirect leads.
    fn location(&mut self, entry: &Expr) {
        let resolved = self.findings.model.resolve(entry);
        let Expr::Object(object) = &*resolved else { return };
        if let Some(value) = property(object, "value").and_then(|property| property.value) {
            self.target(&value);
        }
    }

    fn target(&mut self, value: &Expr) {
        let mut parts = Vec::new();
        pieces(self.findings.model, &self.findings.model.resolve(value), &mut parts);
        let first = parts.iter().find(|part| !matches!(part, Piece::Known(text, _) if text.is_empty()));
        let slash = matches!(first, Some(Piece::Known(text, _)) if text == "/");
        let first = match first {
            // `'/' + path`: a path begins with a slash, and two of them begin a host.
            Some(Piece::Known(..)) if slash => {
                parts.iter().skip_while(|part| matches!(part, Piece::Known(text, _) if text != "/")).nth(1)
            }
            other => other,
        };
        let Some(Piece::Other(first)) = first else { return };
        match self.findings.model.shape(first) {
            Shape::Text(Origin::Query) if !self.query_tested && !self.odd_paths => self.findings.warning(
                "CFF068",
                value.span(),
                "whoever writes the link chooses where this redirect leads",
                "accept paths of this site alone: one `/` at the start, and no second",
            ),
            Shape::Text(Origin::Uri) if slash => self.findings.warning(
                "CFF068",
                value.span(),
                "a path begins with `/` already, and what follows `//` is a host",
                "leave the first `/` out",
            ),
            Shape::Text(Origin::Uri) if !self.odd_paths => self.findings.warning(
                "CFF068",
                value.span(),
                "a path such as `//example.org/` would lead to another site",
                "put `https://` and the host in front of it, or make one of several slashes: `uri.replace(/\\/+/g, '/')`",
            ),
            _ => {}
        }
    }

    /// A comparison of the path as it came with the beginning of another.
    fn prefix(&mut self, place: Position, text: &str) {
        let segment = text.strip_prefix('/').and_then(|rest| rest.chars().next());
        if self.prefix || self.odd_paths || !segment.is_some_and(char::is_alphanumeric) {
            return;
        }
        self.prefix = true;
        self.findings.warning(
            "CFF067",
            place,
            format!("`/{text}` and `/x/..{text}` reach the same behavior and do not begin with `{text}`"),
            "decide what becomes of `//`, `/../` and `%2F` in a path: CloudFront compares the cleaned path, and hands over the raw one",
        );
    }

    fn is_raw(&self, expression: &Expr) -> bool {
        self.findings.model.shape(expression) == Shape::Text(Origin::Uri)
    }

    fn known(&self, expression: &Expr) -> Option<String> {
        match &*self.findings.model.resolve(expression) {
            Expr::Lit(Lit::Str(text)) => text.value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn pattern(&self, expression: &Expr) -> Option<String> {
        match &*self.findings.model.resolve(expression) {
            Expr::Lit(Lit::Regex(regex)) => Some(regex.exp.strip_prefix('^')?.replace("\\/", "/")),
            _ => None,
        }
    }
}

fn spoken(letter: char) -> String {
    match letter {
        ' ' => "spaces".to_owned(),
        letter if letter.is_control() => "control characters".to_owned(),
        letter => format!("`{letter}`"),
    }
}

impl Visit for Paths<'_, '_, '_> {
    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left {
            let name = member_name(&member.prop);
            match (self.findings.model.shape(&member.obj), name) {
                (Shape::Request, Some("method")) => self.findings.error(
                    "CFF060",
                    node.span,
                    "the method of a request cannot be changed",
                    "return a response for methods that you do not want",
                ),
                (Shape::Request, Some("uri")) if node.op == AssignOp::Assign => self.uri(&node.right),
                (Shape::Request, Some("uri")) => {
                    let mut parts = Vec::new();
                    pieces(self.findings.model, &node.right, &mut parts);
                    self.uri_letters(&parts);
                    self.uri_end(&node.right, &parts);
                }
                (Shape::Request, Some("querystring")) => self.query(&node.right),
                (Shape::Table(Table::OwnHeaders | Table::ResponseHeaders), Some("location")) => self.location(&node.right),
                (Shape::Entry(table, Some(name)), Some("value")) if table.is_headers() && name == "location" => {
                    self.target(&node.right);
                }
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_object_lit(&mut self, node: &ObjectLit) {
        if property(node, "statusCode").is_some()
            && let Some(headers) = property(node, "headers").and_then(|property| property.value)
            && let Expr::Object(headers) = &*self.findings.model.resolve(&headers)
            && let Some(location) = property(headers, "location").and_then(|property| property.value)
        {
            self.location(&location);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let (Callee::Expr(callee), Some(first)) = (&node.callee, node.args.first())
            && let Expr::Member(member) = bare(callee)
        {
            match member_name(&member.prop) {
                Some("startsWith") if self.is_raw(&member.obj) => {
                    if let Some(text) = self.known(&first.expr) {
                        self.prefix(node.span, &text);
                    }
                }
                Some("match" | "search") if self.is_raw(&member.obj) => {
                    if let Some(text) = self.pattern(&first.expr) {
                        self.prefix(node.span, &start(&text));
                    }
                }
                Some("test" | "exec") if self.is_raw(&first.expr) => {
                    if let Some(text) = self.pattern(&member.obj) {
                        self.prefix(node.span, &start(&text));
                    }
                }
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        // `uri.indexOf('/x') === 0`
        if matches!(node.op, BinaryOp::EqEq | BinaryOp::EqEqEq | BinaryOp::NotEq | BinaryOp::NotEqEq)
            && let Expr::Call(call) = bare(&node.left)
            && let (Callee::Expr(callee), Some(first)) = (&call.callee, call.args.first())
            && let Expr::Member(member) = bare(callee)
            && matches!(member_name(&member.prop), Some("indexOf" | "lastIndexOf"))
            && matches!(bare(&node.right), Expr::Lit(Lit::Num(number)) if number.value == 0.0)
            && self.is_raw(&member.obj)
            && let Some(text) = self.known(&first.expr)
        {
            self.prefix(node.span, &text);
        }
        node.visit_children_with(self);
    }

    fn visit_if_stmt(&mut self, node: &IfStmt) {
        // Who is kept out by one spelling of a path gets in by another.
        if let Expr::Bin(test) = bare(&node.test)
            && matches!(test.op, BinaryOp::EqEq | BinaryOp::EqEqEq)
            && (self.is_raw(&test.left) || self.is_raw(&test.right))
            && let Some(text) = self.known(&test.left).or_else(|| self.known(&test.right))
        {
            let mut denials = Denials { model: self.findings.model, found: false };
            node.cons.visit_with(&mut denials);
            if denials.found {
                self.prefix(test.span, &text);
            }
        }
        node.visit_children_with(self);
    }
}

/// The part of a pattern that can only be itself, such as `/track` of `/track(?:/|$)`.
fn start(pattern: &str) -> String {
    pattern.chars().take_while(|letter| letter.is_alphanumeric() || matches!(letter, '/' | '-' | '_')).collect()
}

/// Whether somebody is refused.
struct Denials<'m, 'a> {
    model: &'m Model<'a>,
    found: bool,
}

impl Visit for Denials<'_, '_> {
    fn visit_object_lit(&mut self, node: &ObjectLit) {
        let status = property(node, "statusCode").and_then(|property| property.value);
        let denies = |value: &Expr| matches!(value, Expr::Lit(Lit::Num(number)) if number.value == 401.0 || number.value == 403.0);
        self.found |= status.is_some_and(|value| denies(&self.model.resolve(&value)));
    }
}

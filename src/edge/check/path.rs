//! The path, the query, and where a redirect leads.

use super::findings::Findings;
use super::model::{Model, bare, member_name, property};
use super::shape::{Origin, Shape, Table};
use crate::script::ast::{
    ArrayLit, AssignExpr, AssignOp, AssignTarget, BinExpr, BinaryOp, CallExpr, Callee, Expr, IfStmt, KeyValueProp, Lit, MemberExpr,
    ObjectLit, SimpleAssignTarget, Str, SwitchStmt, TplElement, VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::rc::Rc;

/// `habits` are those of all modules: what one of them takes care of, the others need not.
pub(super) fn check(findings: &mut Findings<'_, '_>, habits: &Habits) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Paths { findings, habits, prefix: false });
}

/// What a function does somewhere, so that it need not be reminded elsewhere.
#[derive(Default)]
pub(super) struct Habits {
    /// Whether a path is looked at for being `//x`, `/../x` or `/%2e%2e/x`.
    odd_paths: bool,
    /// Whether a path is looked at for a pattern of which nobody knows what it is...
    vague: bool,
    /// ... and whether there is one put by somewhere that could be it.
    kept: bool,
    /// Whether it looks at a value of the query before it uses it.
    query_tested: bool,
    /// Whether it knows of `index.html`, or of origins that are no buckets.
    index: bool,
}

impl Habits {
    /// Adds those of a module.
    pub(super) fn of(&mut self, model: &Model<'_>) {
        model.parsed.module().visit_with(&mut Looking { model, habits: self });
    }

    fn know_odd_paths(&self) -> bool {
        self.odd_paths || (self.vague && self.kept)
    }
}

struct Looking<'h, 'm, 'a> {
    model: &'m Model<'a>,
    habits: &'h mut Habits,
}

/// Methods that ask something of a text, or make another of it by what is asked.
const ASKS: &[&str] =
    &["includes", "indexOf", "lastIndexOf", "startsWith", "endsWith", "split", "match", "search", "replace", "replaceAll"];

/// Methods that leave the beginning of a text as it is, and ask nothing.
const KEEPS: &[&str] = &["toLowerCase", "toUpperCase", "trim", "trimStart", "trimEnd", "toString", "valueOf", "concat", "padEnd"];

/// Whether a text that is looked for is what is odd in a path.
fn is_odd_text(text: &str) -> bool {
    let lower = text.to_lowercase();
    // In `https://` it means nothing.
    let slashes = lower.match_indices("//").any(|(at, _)| !lower[..at].ends_with(':'));
    slashes || lower.contains("..") || lower.contains("%2")
}

fn is_odd_pattern(pattern: &str) -> bool {
    let plain = pattern.replace("\\/", "/").to_lowercase();
    let repeated = ["/+", "/{2", "[/]+", "/)+", "//", "/[/"].into_iter().any(|sign| plain.contains(sign));
    repeated || plain.contains("\\.\\.") || plain.contains("\\.{2") || plain.contains("%2")
}

impl Looking<'_, '_, '_> {
    /// Whether what is looked for is odd in a path; nothing where nobody knows what it is.
    fn odd(&self, what: &Expr) -> Option<bool> {
        match &*self.model.resolve(what) {
            Expr::Lit(Lit::Str(text)) => Some(is_odd_text(&text.value.to_string_lossy())),
            Expr::Lit(Lit::Regex(regex)) => Some(is_odd_pattern(&regex.exp)),
            Expr::Lit(_) => Some(false),
            Expr::Tpl(template) => Some(template.quasis.iter().any(|part| is_odd_text(&part.raw))),
            Expr::Array(array) => Some(array.elems.iter().flatten().any(|element| self.odd(&element.expr) == Some(true))),
            // `new RegExp('//+')`
            Expr::New(new) => match new.args.as_deref() {
                Some([pattern, ..]) => match &*self.model.resolve(&pattern.expr) {
                    Expr::Lit(Lit::Str(text)) => Some(is_odd_pattern(&text.value.to_string_lossy())),
                    _ => None,
                },
                _ => Some(false),
            },
            _ => None,
        }
    }

    fn looks(&mut self, subject: &Expr, what: &Expr) {
        let odd = self.odd(what);
        if odd != Some(false) && self.model.may_be_path(subject) {
            self.habits.odd_paths |= odd == Some(true);
            self.habits.vague |= odd.is_none();
        }
    }

    fn keeps(&mut self, value: &Expr) {
        self.habits.kept |= matches!(bare(value), Expr::Lit(_)) && self.odd(value) == Some(true);
    }

    fn is_query(&self, expression: &Expr) -> bool {
        self.model.shape(expression) == Shape::Text(Origin::Query)
    }

    /// Whether a call only makes another text: that is no look at it.
    fn only_makes(&self, callee: &Expr) -> bool {
        match bare(callee) {
            Expr::Member(member) => {
                let cuts = ["slice", "substring", "substr"];
                member_name(&member.prop).is_some_and(|name| KEEPS.contains(&name) || cuts.contains(&name))
            }
            callee => ["decodeURIComponent", "decodeURI", "String"].into_iter().any(|name| self.model.is_global(callee, name)),
        }
    }
}

impl Visit for Looking<'_, '_, '_> {
    fn visit_str(&mut self, node: &Str) {
        self.habits.index |= node.value.to_string_lossy().to_lowercase().contains("index.");
    }

    fn visit_tpl_element(&mut self, node: &TplElement) {
        self.habits.index |= node.raw.to_lowercase().contains("index.");
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            if let Expr::Member(member) = bare(callee) {
                let name = member_name(&member.prop).unwrap_or_default();
                self.habits.index |= name.contains("Origin");
                if let Some(first) = node.args.first() {
                    if ASKS.contains(&name) {
                        self.looks(&member.obj, &first.expr);
                    }
                    // `/\/\//.test(uri)`, and `['.', '..'].includes(part)`
                    if matches!(name, "test" | "exec" | "includes" | "indexOf") {
                        self.looks(&first.expr, &member.obj);
                    }
                }
            }
            if !self.only_makes(callee) {
                let receiver = bare(callee).as_member().map(|member| &*member.obj);
                let mut given = receiver.into_iter().chain(node.args.iter().map(|argument| &*argument.expr));
                self.habits.query_tested |= given.any(|value| self.is_query(value));
            }
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        let equality = matches!(node.op, BinaryOp::EqEq | BinaryOp::EqEqEq | BinaryOp::NotEq | BinaryOp::NotEqEq);
        if equality {
            self.looks(&node.left, &node.right);
            self.looks(&node.right, &node.left);
        }
        let comparison = equality || matches!(node.op, BinaryOp::In | BinaryOp::Lt | BinaryOp::Gt);
        self.habits.query_tested |= comparison && (self.is_query(&node.left) || self.is_query(&node.right));
        node.visit_children_with(self);
    }

    fn visit_switch_stmt(&mut self, node: &SwitchStmt) {
        for test in node.cases.iter().filter_map(|case| case.test.as_deref()) {
            self.looks(&node.discriminant, test);
        }
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        // `TARGETS[query.next.value]` can only lead where the script says.
        if let crate::script::ast::MemberProp::Computed(name) = &node.prop {
            self.habits.query_tested |= self.is_query(&name.expr);
        }
        node.visit_children_with(self);
    }

    fn visit_array_lit(&mut self, node: &ArrayLit) {
        node.elems.iter().flatten().for_each(|element| self.keeps(&element.expr));
        node.visit_children_with(self);
    }

    fn visit_key_value_prop(&mut self, node: &KeyValueProp) {
        self.keeps(&node.value);
        node.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        node.init.iter().for_each(|value| self.keeps(value));
        node.visit_children_with(self);
    }
}

struct Paths<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    habits: &'f Habits,
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
            && !self.habits.index
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
        let mut starts = Vec::new();
        self.starts(value, false, 0, &mut starts);
        let problem = starts.iter().find_map(|(start, slash)| {
            let hint = match self.findings.model.shape(start) {
                Shape::Text(Origin::Query) if !self.habits.query_tested => {
                    let hint = "accept paths of this site alone: one `/` at the start, and no second";
                    ("whoever writes the link chooses where this redirect leads", hint)
                }
                Shape::Text(Origin::Uri) if *slash => {
                    ("a path begins with `/` already, and what follows `//` is a host", "leave the first `/` out")
                }
                Shape::Text(Origin::Uri) if !self.habits.know_odd_paths() => {
                    let hint =
                        "put `https://` and the host in front of it, or make one of several slashes: `uri.replace(/\\/+/g, '/')`";
                    ("a path such as `//example.org/` would lead to another site", hint)
                }
                _ => return None,
            };
            Some(hint)
        });
        if let Some((message, hint)) = problem {
            self.findings.warning("CFF068", value.span(), message, hint);
        }
    }

    /// What a text can begin with that is not written out, and whether a slash of the script's own stands before it.
    fn starts(&self, value: &Expr, slash: bool, depth: usize, found: &mut Vec<(Rc<Expr>, bool)>) {
        let model = self.findings.model;
        let value = model.resolve(value);
        if depth > 32 {
            return;
        }
        let mut go = |next: &Expr, slash| self.starts(next, slash, depth + 1, found);
        match &*value {
            Expr::Cond(condition) => {
                go(&condition.cons, slash);
                go(&condition.alt, slash);
            }
            Expr::Bin(binary) if binary.op == BinaryOp::LogicalAnd => go(&binary.right, slash),
            Expr::Bin(binary) if matches!(binary.op, BinaryOp::LogicalOr | BinaryOp::NullishCoalescing) => {
                go(&binary.left, slash);
                go(&binary.right, slash);
            }
            Expr::Bin(binary) if binary.op == BinaryOp::Add => self.first_of(&value, slash, go),
            Expr::Tpl(_) => self.first_of(&value, slash, go),
            Expr::Call(call) => match self.same_start(call) {
                Some(of) => go(of, slash),
                None => found.push((Rc::clone(&value), slash)),
            },
            _ => found.push((Rc::clone(&value), slash)),
        }
    }

    /// The first part of a sum of texts that is not written out, where nothing but a slash stands before it.
    fn first_of(&self, sum: &Expr, mut slash: bool, go: impl FnOnce(&Expr, bool)) {
        let mut parts = Vec::new();
        pieces(self.findings.model, sum, &mut parts);
        for part in parts {
            match part {
                Piece::Known(text, _) if text.is_empty() => {}
                // `'/' + path`: a path begins with a slash, and two of them begin a host.
                Piece::Known(text, _) if text == "/" && !slash => slash = true,
                Piece::Known(..) => return,
                Piece::Other(first) => return go(&first, slash),
            }
        }
    }

    /// The text that begins as what a call makes of it does.
    fn same_start<'e>(&self, call: &'e CallExpr) -> Option<&'e Expr> {
        let Callee::Expr(callee) = &call.callee else { return None };
        let first = call.args.first().map(|argument| bare(&argument.expr));
        match bare(callee) {
            Expr::Member(member) => {
                let keeps = match (member_name(&member.prop)?, first) {
                    ("slice" | "substring" | "substr", Some(Expr::Lit(Lit::Num(from)))) => from.value == 0.0,
                    // `uri.replace(/\/$/, '')`
                    ("replace", Some(Expr::Lit(Lit::Regex(regex)))) => {
                        regex.exp.ends_with('$') && !regex.exp.starts_with('^') && !regex.exp.contains('|')
                    }
                    (name, _) => KEEPS.contains(&name),
                };
                keeps.then_some(&*member.obj)
            }
            callee => {
                let decodes = ["decodeURIComponent", "decodeURI", "String"];
                first.filter(|_| decodes.into_iter().any(|name| self.findings.model.is_global(callee, name)))
            }
        }
    }

    /// A comparison of the path as it came with the beginning of another.
    fn prefix(&mut self, place: Position, text: &str) {
        let segment = text.strip_prefix('/').and_then(|rest| rest.chars().next());
        if self.prefix || self.habits.know_odd_paths() || !segment.is_some_and(char::is_alphanumeric) {
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

//! Where redirects lead: back to where they came from, or without their query.
//!
//! A redirect to a place that is written out is followed: the handler's statements are gone through once more for
//! that place, and whoever comes to the same redirect on a way without a doubt goes round for ever.

use super::findings::Findings;
use super::model::{Body, Model, Returns, bare, member_name, property};
use super::path::{Piece, pieces};
use super::shape::{Origin, Shape, Table};
use crate::script::ast::{BinaryOp, CallExpr, Callee, Expr, Lit, MemberExpr, Module, ObjectLit, PropName, Stmt, UnaryOp};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::cell::Cell;

pub(super) fn check(findings: &mut Findings<'_, '_>, all: &[&Module]) {
    let model = findings.model;
    let mut query = Query(false);
    for module in all {
        module.visit_with(&mut query);
    }
    let mut redirects = Redirects { model, found: Vec::new() };
    model.parsed.module().visit_with(&mut redirects);
    let body = model.handler.map(|handler| model.functions[handler].body.clone());
    for redirect in redirects.found {
        let keeps_path =
            redirect.parts.iter().any(|part| matches!(part, Piece::Other(value) if model.shape(value) == Shape::Text(Origin::Uri)));
        if keeps_path && !query.0 {
            let hint = "put it behind the path: `request.rawQueryString()` is what the viewer sent, without its `?`";
            findings.warning("CFF066", redirect.place, "this redirect keeps the path and drops the query", hint);
        }
        if let (Some(Body::Block(statements, _)), Some(place)) = (&body, Place::of(&redirect.parts)) {
            let walk = Walk { model, place, redirect: redirect.whole, asked_host: Cell::new(false) };
            let reached = walk.all(statements) == Next::Reached;
            // Another host may be another distribution, where another function decides.
            if reached && (walk.place.host.is_none() || walk.asked_host.get()) {
                let hint = "leave the target out of the condition, or redirect to another place";
                let message = "whoever follows this redirect comes here again, and is sent round for ever";
                findings.warning("CFF069", redirect.place, message, hint);
            }
        }
    }
}

/// Whether anybody looks at the query.
struct Query(bool);

impl Visit for Query {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.0 |= matches!(member_name(&node.prop), Some("querystring" | "rawQueryString"));
        node.visit_children_with(self);
    }

    fn visit_prop_name(&mut self, node: &PropName) {
        self.0 |= matches!(node, PropName::Ident(name) if &*name.sym == "querystring");
        node.visit_children_with(self);
    }

    fn visit_assign_pat_prop(&mut self, node: &crate::script::ast::AssignPatProp) {
        self.0 |= &*node.key.id.sym == "querystring";
    }
}

/// A response that sends the viewer elsewhere.
struct Redirect {
    /// The whole response.
    whole: Position,
    /// Its `location`.
    place: Position,
    parts: Vec<Piece>,
}

struct Redirects<'m, 'a> {
    model: &'m Model<'a>,
    found: Vec<Redirect>,
}

impl Visit for Redirects<'_, '_> {
    fn visit_object_lit(&mut self, node: &ObjectLit) {
        let status = property(node, "statusCode").and_then(|property| property.value);
        let redirects = status.is_some_and(
            |status| matches!(&*self.model.resolve(&status), Expr::Lit(Lit::Num(number)) if (300.0..400.0).contains(&number.value)),
        );
        if redirects
            && let Some(headers) = property(node, "headers").and_then(|property| property.value)
            && let Expr::Object(headers) = &*self.model.resolve(&headers)
            && let Some(location) = property(headers, "location").and_then(|property| property.value)
            && let Expr::Object(location) = &*self.model.resolve(&location)
            && let Some(value) = property(location, "value").and_then(|property| property.value)
        {
            let mut parts = Vec::new();
            pieces(self.model, &self.model.resolve(&value), &mut parts);
            self.found.push(Redirect { whole: node.span, place: value.span(), parts });
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if !self.model.is_for_show(node) {
            node.visit_children_with(self);
        }
    }
}

/// What is known of the request that follows.
struct Place {
    host: Option<String>,
    path: Option<String>,
}

impl Place {
    fn of(parts: &[Piece]) -> Option<Self> {
        let known: String = parts
            .iter()
            .map_while(|part| match part {
                Piece::Known(text, _) => Some(text.as_str()),
                Piece::Other(_) => None,
            })
            .collect();
        let whole = parts.iter().all(|part| matches!(part, Piece::Known(..)));
        let path = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
        if let Some(rest) = known.strip_prefix("https://").or_else(|| known.strip_prefix("http://")) {
            let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // `'https://' + host` says nothing, and `'https://www.' + host` half of it.
            if host.is_empty() || (!whole && rest.is_empty() && !host.contains('.')) {
                return None;
            }
            let path = whole.then(|| if rest.is_empty() { "/".to_owned() } else { path(rest) });
            return Some(Self { host: Some(host.to_lowercase()), path });
        }
        (whole && known.starts_with('/') && !known.starts_with("//")).then(|| Self { host: None, path: Some(path(&known)) })
    }
}

/// Where a way through statements leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// On.
    Through,
    /// To the redirect.
    Reached,
    /// Somewhere else, or nobody knows.
    Lost,
}

struct Walk<'m, 'a> {
    model: &'m Model<'a>,
    place: Place,
    redirect: Position,
    asked_host: Cell<bool>,
}

impl Walk<'_, '_> {
    fn all(&self, statements: &[Stmt]) -> Next {
        for statement in statements {
            match self.statement(statement) {
                Next::Through => {}
                other => return other,
            }
        }
        Next::Through
    }

    fn statement(&self, statement: &Stmt) -> Next {
        match statement {
            Stmt::Return(node) => node.arg.as_deref().map_or(Next::Lost, |value| self.returned(value)),
            Stmt::Block(block) => self.all(&block.stmts),
            Stmt::If(node) => match self.holds(&node.test) {
                Some(true) => self.statement(&node.cons),
                Some(false) => node.alt.as_deref().map_or(Next::Through, |other| self.statement(other)),
                None if Self::stays(statement) => Next::Through,
                None => Next::Lost,
            },
            Stmt::Empty(_) | Stmt::Decl(_) | Stmt::Expr(_) => Next::Through,
            other if Self::stays(other) => Next::Through,
            _ => Next::Lost,
        }
    }

    /// Whether nothing in a statement ends the function.
    fn stays(statement: &Stmt) -> bool {
        struct Throws(bool);
        impl Visit for Throws {
            fn visit_throw_stmt(&mut self, _: &crate::script::ast::ThrowStmt) {
                self.0 = true;
            }
        }
        let (mut returns, mut throws) = (Returns(Vec::new()), Throws(false));
        statement.visit_with(&mut returns);
        statement.visit_with(&mut throws);
        returns.0.is_empty() && !throws.0
    }

    fn returned(&self, value: &Expr) -> Next {
        match bare(value) {
            Expr::Cond(condition) => match self.holds(&condition.test) {
                Some(true) => self.returned(&condition.cons),
                Some(false) => self.returned(&condition.alt),
                None => Next::Lost,
            },
            value => match &*self.model.resolve(value) {
                Expr::Object(object) if object.span == self.redirect => Next::Reached,
                _ => Next::Lost,
            },
        }
    }

    /// What a text is for the request that follows.
    fn text(&self, expression: &Expr) -> Option<String> {
        let model = self.model;
        if let Expr::Lit(Lit::Str(text)) = &*model.resolve(expression) {
            return text.value.as_str().map(str::to_owned);
        }
        if model.shape(expression) == Shape::Text(Origin::Uri) {
            return self.place.path.clone();
        }
        if let Expr::Member(member) = &*model.resolve(expression)
            && member_name(&member.prop) == Some("value")
            && model.shape(&member.obj) == Shape::Entry(Table::RequestHeaders, Some("host".to_owned()))
        {
            self.asked_host.set(true);
            return self.place.host.clone();
        }
        None
    }

    fn holds(&self, test: &Expr) -> Option<bool> {
        match bare(test) {
            Expr::Unary(unary) if unary.op == UnaryOp::Bang => self.holds(&unary.arg).map(|holds| !holds),
            Expr::Bin(binary) => match binary.op {
                BinaryOp::LogicalAnd => match (self.holds(&binary.left), self.holds(&binary.right)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                },
                BinaryOp::LogicalOr => match (self.holds(&binary.left), self.holds(&binary.right)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                },
                BinaryOp::EqEq | BinaryOp::EqEqEq => Some(self.text(&binary.left)? == self.text(&binary.right)?),
                BinaryOp::NotEq | BinaryOp::NotEqEq => Some(self.text(&binary.left)? != self.text(&binary.right)?),
                _ => None,
            },
            Expr::Call(call) => {
                let Callee::Expr(callee) = &call.callee else { return None };
                let Expr::Member(member) = bare(callee) else { return None };
                let [argument] = call.args.as_slice() else { return None };
                let (text, other) = (self.text(&member.obj)?, self.text(&argument.expr)?);
                match member_name(&member.prop)? {
                    "startsWith" => Some(text.starts_with(&other)),
                    "endsWith" => Some(text.ends_with(&other)),
                    "includes" => Some(text.contains(&other)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

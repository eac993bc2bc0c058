//! Chance, time and keys: at the edge there is no chance worth the name, time stands still, and code is no safe.

use super::findings::Findings;
use super::model::{Body, Model, bare, member_name, property_name};
use super::shape::Shape;
use crate::script::ast::{
    AssignExpr, AssignTarget, BinExpr, BinaryOp, CallExpr, Callee, Expr, FnDecl, KeyValueProp, Lit, Pat, SimpleAssignTarget,
    VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::collections::BTreeSet;

/// Words in a name that say that nobody must guess the value.
const SECRET: &[&str] =
    &["token", "nonce", "secret", "csrf", "xsrf", "password", "passphrase", "salt", "otp", "sessionid", "session_id"];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    module.visit_with(&mut Secrets { findings });
}

struct Secrets<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
}

/// Whether the name is that of something that must not be guessed.
fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase().replace('-', "_");
    SECRET.iter().any(|word| lower == *word || lower.ends_with(word) || lower.starts_with(&format!("{word}_")))
}

/// Where a value calls `Math.random`, itself or by a function that the script calls for it.
struct Chance<'m, 'a> {
    model: &'m Model<'a>,
    found: Option<Position>,
    /// Functions that have been looked into.
    seen: BTreeSet<usize>,
}

impl Visit for Chance<'_, '_> {
    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            match bare(callee) {
                Expr::Member(member) if self.model.is_global(&member.obj, "Math") && member.prop.is_ident_with("random") => {
                    self.found.get_or_insert(node.span);
                }
                callee => {
                    let function = self.model.function(callee).filter(|function| self.seen.insert(*function));
                    if let (Some(function), None) = (function, self.found) {
                        match &self.model.functions[function].body {
                            Body::Block(statements, _) => statements.visit_with(self),
                            Body::Expression(value) => value.visit_with(self),
                        }
                        // It is not there that somebody needs a secret.
                        self.found = self.found.map(|_| node.span);
                    }
                }
            }
        }
        node.visit_children_with(self);
    }
}

/// Whether the value is the present time.
fn is_now(model: &Model<'_>, expression: &Expr) -> bool {
    match &*model.resolve(expression) {
        Expr::Call(call) => match &call.callee {
            Callee::Expr(callee) => match bare(callee) {
                Expr::Member(member) if model.is_global(&member.obj, "Date") => member.prop.is_ident_with("now"),
                Expr::Member(member) => {
                    matches!(member_name(&member.prop), Some("getTime" | "valueOf")) && is_now(model, &member.obj)
                }
                _ => false,
            },
            _ => false,
        },
        Expr::New(new) => model.is_global(&new.callee, "Date") && new.args.as_deref().is_none_or(<[_]>::is_empty),
        _ => false,
    }
}

/// Whether a value is the digest of something, as far as one can see.
fn is_signature(model: &Model<'_>, expression: &Expr) -> bool {
    let resolved = model.resolve(expression);
    if let Expr::Call(call) = &*resolved
        && let Callee::Expr(callee) = &call.callee
        && let Expr::Member(member) = bare(callee)
    {
        return member.prop.is_ident_with("digest") && model.shape(&member.obj) == Shape::Hash;
    }
    false
}

impl Secrets<'_, '_, '_> {
    fn named(&mut self, name: &str, value: &Expr) {
        if !is_secret(name) || matches!(bare(value), Expr::Fn(_) | Expr::Arrow(_)) {
            return;
        }
        let mut chance = Chance { model: self.findings.model, found: None, seen: BTreeSet::new() };
        value.visit_with(&mut chance);
        if let Some(place) = chance.found {
            let message = format!("`{name}` can be guessed: `Math.random` at the edge begins with the time of the request");
            self.findings.warning("CFF072", place, message, "make it where there is real chance: at the origin, or in the browser");
        }
    }
}

impl Visit for Secrets<'_, '_, '_> {
    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let (Pat::Ident(name), Some(init)) = (&node.name, &node.init) {
            self.named(&name.id.sym, init);
        }
        node.visit_children_with(self);
    }

    fn visit_key_value_prop(&mut self, node: &KeyValueProp) {
        if let Some(name) = property_name(&node.key) {
            self.named(name, &node.value);
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(target) = &node.left {
            match target {
                SimpleAssignTarget::Ident(name) => self.named(&name.id.sym, &node.right),
                SimpleAssignTarget::Member(member) => {
                    if let Some(name) = member_name(&member.prop) {
                        self.named(name, &node.right);
                    }
                }
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        node.function.visit_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        let model = self.findings.model;
        if node.op == BinaryOp::Sub && is_now(model, &node.left) && is_now(model, &node.right) {
            let hint = "the clock stands still for the whole run: the difference is always 0";
            self.findings.warning("CFF073", node.span, "no time passes between these two at the edge", hint);
        }
        let compares = matches!(node.op, BinaryOp::EqEq | BinaryOp::EqEqEq | BinaryOp::NotEq | BinaryOp::NotEqEq);
        if compares && (is_signature(model, &node.left) || is_signature(model, &node.right)) {
            let hint = "compare the HMACs of both under a key of your own: then how long it takes tells nothing";
            self.findings.warning("CFF075", node.span, "how long this takes tells how much of the signature is right", hint);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        let model = self.findings.model;
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
            && member.prop.is_ident_with("createHmac")
            && model.shape(&member.obj) == Shape::Module("crypto".to_owned())
            && let Some(key) = node.args.get(1)
            && matches!(&*model.resolve(&key.expr), Expr::Lit(Lit::Str(text)) if !text.value.is_empty())
        {
            let hint = "keep it in a KeyValueStore: `await cf.kvs().get('key')`";
            self.findings.warning("CFF074", key.span(), "whoever may read the function reads this key", hint);
        }
        node.visit_children_with(self);
    }
}

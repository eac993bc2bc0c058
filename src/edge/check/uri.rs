//! Paths: what is written to them, what they are compared with, and what fails on a path that nobody meant to type.

use super::Scene;
use super::facts::{What, text};
use crate::script::ast::{
    AssignExpr, AssignOp, AssignTarget, BinExpr, CallExpr, Callee, Expr, ExprOrSpread, Ident, Lit, Regex, SimpleAssignTarget, Str,
    TplElement, TryStmt,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Parsed, Position, Spanned as _};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(scene: &mut Scene<'_>) {
    let module = scene.parsed.module();
    let mut calls = Calls { scene, in_try: false, guarded: BTreeMap::new() };
    module.visit_with(&mut calls);
    let guarded = calls.guarded.into_iter().filter(|(_, all)| *all).map(|(name, _)| name).collect();
    let raw = scene.odd;
    module.visit_with(&mut Paths { scene, in_try: false, function: None, guarded, raw });
}

/// Whether doubled slashes, dots or escapes are on the mind of whoever wrote the module.
pub(super) fn thinks_of_odd_paths(parsed: &Parsed) -> bool {
    let mut odd = Odd { found: false };
    parsed.module().visit_with(&mut odd);
    odd.found
}

/// Functions of the script's own that are called inside of a `try` wherever they are called.
struct Calls<'a, 'b> {
    scene: &'a Scene<'b>,
    in_try: bool,
    guarded: BTreeMap<String, bool>,
}

impl Visit for Calls<'_, '_> {
    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Ident(name) = &**callee
            && !self.scene.parsed.is_global(name)
        {
            let all = self.guarded.entry(name.sym.to_string()).or_insert(true);
            *all &= self.in_try;
        }
        node.visit_children_with(self);
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let before = self.in_try;
        self.in_try |= node.handler.is_some();
        node.block.visit_with(self);
        self.in_try = before;
        node.handler.visit_with(self);
        node.finalizer.visit_with(self);
    }
}

/// Looks for texts and expressions that name odd paths.
struct Odd {
    found: bool,
}

impl Odd {
    fn text(&mut self, text: &str) {
        // An address has two slashes, too.
        let slashes = text.contains("//") && !text.contains("://");
        self.found |= slashes || text.contains("..") || text.contains("%2") || text.contains("/./");
    }
}

impl Visit for Odd {
    fn visit_str(&mut self, node: &Str) {
        self.text(node.value.as_str().unwrap_or_default());
    }

    fn visit_tpl_element(&mut self, node: &TplElement) {
        self.text(&node.raw);
    }

    fn visit_regex(&mut self, node: &Regex) {
        let pattern = &*node.exp;
        let marks = [r"\/\/", r"\/+", r"\/{2", r"\.\.", r"\/\.", r"[/.]", r"\/]", "%2", "//"];
        self.found |= marks.iter().any(|mark| pattern.contains(mark));
    }
}

struct Paths<'a, 'b> {
    scene: &'a mut Scene<'b>,
    in_try: bool,
    /// The function of the script's own that we are in.
    function: Option<String>,
    guarded: BTreeSet<String>,
    /// That raw paths are compared has been said, or need not be.
    raw: bool,
}

impl Paths<'_, '_> {
    fn is_guarded(&self) -> bool {
        self.in_try || self.function.as_ref().is_some_and(|name| self.guarded.contains(name))
    }

    fn assigned(&mut self, value: &Expr, begins: bool) {
        let mut pieces = Vec::new();
        literals(value, &mut pieces);
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        let whole = value.span();
        if let (Some(text), true) = (first, begins)
            && !text.is_empty()
            && !text.starts_with('/')
        {
            if text.contains("://") {
                let hint = "to send the visitor elsewhere, return a response with a `location` header";
                self.scene.error("CFF059", whole, "the uri is a path, not an address", hint);
            } else {
                self.scene.error(
                    "CFF058",
                    whole,
                    "the uri does not begin with `/`: the viewer gets 502",
                    format!("write `/{text}`"),
                );
            }
            return;
        }
        let piece = pieces.iter().flatten().find(|text| text.contains(['?', '#', ' ']));
        if let Some(piece) = piece {
            let odd = piece.chars().find(|letter| "?# ".contains(*letter)).unwrap_or(' ');
            let hint = match odd {
                '?' => "put the query into `request.querystring`",
                ' ' => "write `%20`",
                _ => "fragments never leave the browser",
            };
            self.scene.error("CFF059", whole, format!("the uri is a path and holds no `{odd}`"), hint);
            return;
        }
        if last.as_deref().is_some_and(|text| text.ends_with('/')) {
            let hint = "name the object: `…/index.html`";
            self.scene.warning("CFF091", whole, "the uri ends with `/`, and S3 has no folders", hint);
        }
    }

    fn decoder(&mut self, name: &str, position: Position) {
        if self.is_guarded() {
            return;
        }
        let message = format!("`{name}` throws at `%`, `%ff` and the like: the viewer gets 503");
        self.scene.error("CFF062", position, message, "put it into `try { … } catch (error) { … }`");
    }

    /// A raw path that is compared with a text.
    fn compared(&mut self, subject: &Expr, with: Option<String>, position: Position) {
        let path = with.filter(|text| text.starts_with('/') && text.len() > 1);
        if self.raw || path.is_none() || self.scene.facts.what(subject) != Some(What::Uri) {
            return;
        }
        self.raw = true;
        let path = path.unwrap_or_default();
        let message = format!("the path is compared as it was typed: `/{path}` and `/x/..{path}` pass by this");
        let hint = "CloudFront picks the behaviour by the normalised path: decide what `//`, `..` and `%2f` mean";
        self.scene.warning("CFF067", position, message, hint);
    }

    fn in_function(&mut self, name: Option<&Ident>, go: impl FnOnce(&mut Self)) {
        let before = self.function.clone();
        if let Some(name) = name {
            self.function = Some(name.sym.to_string());
        }
        let tried = if name.is_some() { std::mem::replace(&mut self.in_try, false) } else { self.in_try };
        go(self);
        self.in_try = tried;
        self.function = before;
    }
}

/// The pieces of a text from left to right; `None` for what is not written out.
fn literals(value: &Expr, pieces: &mut Vec<Option<String>>) {
    match value {
        Expr::Bin(sum) if sum.op.as_str() == "+" => {
            literals(&sum.left, pieces);
            literals(&sum.right, pieces);
        }
        Expr::Paren(inner) => literals(&inner.expr, pieces),
        Expr::Tpl(template) => {
            for (at, piece) in template.quasis.iter().enumerate() {
                let text = piece.cooked.as_ref().and_then(|text| text.as_str()).unwrap_or_default();
                if !text.is_empty() || template.exprs.is_empty() {
                    pieces.push(Some(text.to_owned()));
                }
                if at < template.exprs.len() {
                    pieces.push(None);
                }
            }
        }
        other => pieces.push(text(other)),
    }
}

impl Visit for Paths<'_, '_> {
    fn visit_fn_decl(&mut self, node: &crate::script::ast::FnDecl) {
        self.in_function(Some(&node.ident), |this| node.function.visit_children_with(this));
    }

    fn visit_var_declarator(&mut self, node: &crate::script::ast::VarDeclarator) {
        let name = node.name.as_ident().map(|name| &name.id);
        let is_function = matches!(node.init.as_deref(), Some(Expr::Fn(_) | Expr::Arrow(_)));
        self.in_function(name.filter(|_| is_function), |this| node.init.visit_with(this));
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let before = self.in_try;
        self.in_try |= node.handler.is_some();
        node.block.visit_with(self);
        self.in_try = before;
        node.handler.visit_with(self);
        node.finalizer.visit_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(target)) = &node.left {
            match self.scene.facts.member(target) {
                Some(What::Uri) => self.assigned(&node.right, node.op == AssignOp::Assign),
                Some(What::Method) => {
                    let hint = "answer with a response, or let the origin decide";
                    self.scene.error("CFF060", target.span, "the method cannot be changed: the viewer gets 502", hint);
                }
                Some(What::Query) => {
                    if let Some(text) = text(&node.right)
                        && text.chars().any(|letter| letter == ' ' || letter == '#' || letter.is_control())
                    {
                        let message = "a query has no blanks, control characters or `#`";
                        self.scene.error("CFF059", node.right.span(), message, "write `%20` and `%23`");
                    }
                }
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        if matches!(node.op.as_str(), "===" | "==" | "!==" | "!=") {
            self.compared(&node.left, text(&node.right), node.span);
            self.compared(&node.right, text(&node.left), node.span);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            match &**callee {
                Expr::Member(member) => {
                    let method = super::facts::member_name(&member.prop);
                    if matches!(method.as_deref(), Some("startsWith" | "indexOf" | "includes")) {
                        let first = node.args.first().and_then(|argument| text(&argument.expr));
                        self.compared(&member.obj, first, node.span);
                    }
                    let literal = node.args.first().is_some_and(|argument| matches!(&*argument.expr, Expr::Lit(_)));
                    if let Expr::Ident(object) = &*member.obj
                        && &*object.sym == "JSON"
                        && self.scene.parsed.is_global(object)
                        && method.as_deref() == Some("parse")
                        && !literal
                        && !self.is_guarded()
                    {
                        let hint = "put it into `try { … } catch (error) { … }`";
                        self.scene.warning(
                            "CFF063",
                            node.span,
                            "`JSON.parse` throws at what is no JSON: the viewer gets 503",
                            hint,
                        );
                    }
                }
                Expr::Ident(name) if is_decoder(name) && self.scene.parsed.is_global(name) => {
                    let literal = node.args.first().is_none_or(|argument| matches!(&*argument.expr, Expr::Lit(Lit::Str(_))));
                    if !literal {
                        self.decoder(&name.sym, name.span);
                    }
                }
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_expr_or_spread(&mut self, node: &ExprOrSpread) {
        // list.map(decodeURIComponent)
        if let Expr::Ident(name) = &*node.expr
            && is_decoder(name)
            && self.scene.parsed.is_global(name)
        {
            self.decoder(&name.sym, name.span);
        }
        node.visit_children_with(self);
    }
}

fn is_decoder(name: &Ident) -> bool {
    matches!(&*name.sym, "decodeURIComponent" | "decodeURI")
}

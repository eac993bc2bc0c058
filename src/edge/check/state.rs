//! What is outside of functions: it runs before every request, and keeps nothing.

use super::super::syntax::pattern_problems;
use super::findings::Findings;
use super::model::{bare, member_name};
use super::shape::Shape;
use crate::script::ast::{
    ArrowExpr, AssignExpr, AssignOp, AssignTarget, CallExpr, Callee, Class, Constructor, Expr, Function, Id, Ident, IfStmt, Lit,
    MemberExpr, MemberProp, ModuleItem, NewExpr, SimpleAssignTarget, ThrowStmt, TryStmt, UpdateExpr, VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    for item in &module.body {
        if let ModuleItem::Stmt(statement) = item {
            statement.visit_with(&mut TopLevel { findings });
        }
    }
    let mut tables = Tables { findings, names: BTreeSet::new() };
    module.visit_with(&mut tables);
    let Tables { names, findings } = tables;
    let mut lookups = Lookups(BTreeMap::new());
    module.visit_with(&mut lookups);
    module.visit_with(&mut Kept { findings, names, lookups: lookups.0, inside: false, in_handler: false });
}

/// What throws before `handler` is there.
struct TopLevel<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
}

impl TopLevel<'_, '_, '_> {
    fn throws(&mut self, place: Position, what: &str) {
        let hint = "the top level runs for every request: where it throws, every request is answered with 503";
        self.findings.error("CFF083", place, format!("{what} throws before `handler` is there"), hint);
    }

    fn text(&self, argument: Option<&crate::script::ast::ExprOrSpread>) -> Option<String> {
        match &*self.findings.model.resolve(&argument?.expr) {
            Expr::Lit(Lit::Str(text)) => text.value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    fn pattern(&mut self, arguments: &[crate::script::ast::ExprOrSpread], place: Position) {
        let Some(pattern) = self.text(arguments.first()) else { return };
        let flags = self.text(arguments.get(1)).unwrap_or_default();
        if pattern_problems(&pattern, &flags, self.findings.model.runtime) {
            self.throws(place, "this regular expression");
        }
    }
}

/// Whether `decodeURIComponent` throws over a text.
fn is_malformed(text: &str) -> bool {
    let bytes = text.as_bytes();
    let escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let broken = bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !escape(at));
    broken || percent_encoding::percent_decode_str(text).decode_utf8().is_err()
}

impl Visit for TopLevel<'_, '_, '_> {
    fn visit_throw_stmt(&mut self, node: &ThrowStmt) {
        self.throws(node.span, "this");
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        if self.findings.model.is_global(&node.callee, "RegExp") {
            self.pattern(node.args.as_deref().unwrap_or_default(), node.span);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        let model = self.findings.model;
        let first = self.text(node.args.first());
        let is_json = |text: &String| serde_json::from_str::<serde_json::Value>(text).is_ok();
        if let Callee::Expr(callee) = &node.callee {
            match bare(callee) {
                Expr::Member(member)
                    if model.is_global(&member.obj, "JSON")
                        && member.prop.is_ident_with("parse")
                        && first.as_ref().is_some_and(|text| !is_json(text)) =>
                {
                    self.throws(node.span, "this is no JSON, and `JSON.parse`");
                }
                callee
                    if ["decodeURIComponent", "decodeURI"].into_iter().any(|name| model.is_global(callee, name))
                        && first.as_deref().is_some_and(is_malformed) =>
                {
                    self.throws(node.span, "this is not well encoded, and decoding it");
                }
                callee if model.is_global(callee, "RegExp") => self.pattern(&node.args, node.span),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    // What happens there happens later, perhaps, or is caught.
    fn visit_function(&mut self, _: &Function) {}
    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
    fn visit_class(&mut self, _: &Class) {}
    fn visit_if_stmt(&mut self, _: &IfStmt) {}
    fn visit_try_stmt(&mut self, node: &TryStmt) {
        if node.handler.is_none() {
            node.block.visit_with(self);
        }
        node.finalizer.visit_with(self);
    }
}

/// Names outside of functions that stand for objects and lists of the script's own, or for numbers.
struct Tables<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    names: BTreeSet<Id>,
}

impl Visit for Tables<'_, '_, '_> {
    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let (Some(name), Some(init)) = (node.name.as_ident(), &node.init)
            && self.findings.model.parsed.is_top_level(&name.id)
            && matches!(bare(init), Expr::Object(_) | Expr::Array(_) | Expr::Lit(Lit::Num(_) | Lit::Null(_) | Lit::Str(_)))
        {
            self.names.insert(name.id.to_id());
        } else if let (Some(name), None) = (node.name.as_ident(), &node.init)
            && self.findings.model.parsed.is_top_level(&name.id)
        {
            self.names.insert(name.id.to_id());
        }
    }
    fn visit_function(&mut self, _: &Function) {}
    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

/// How often a name is asked for a member that is only known when the script runs.
struct Lookups(BTreeMap<Id, usize>);

impl Visit for Lookups {
    fn visit_member_expr(&mut self, node: &MemberExpr) {
        if let (Expr::Ident(name), MemberProp::Computed(_)) = (bare(&node.obj), &node.prop) {
            *self.0.entry(name.to_id()).or_default() += 1;
        }
        node.visit_children_with(self);
    }
}

/// What is counted or collected there.
struct Kept<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    names: BTreeSet<Id>,
    lookups: BTreeMap<Id, usize>,
    inside: bool,
    /// Only in `handler` itself is a sum over requests: elsewhere it may be one over the steps of this request.
    in_handler: bool,
}

impl Kept<'_, '_, '_> {
    fn is_kept(&self, expression: &Expr) -> Option<Ident> {
        match bare(expression) {
            Expr::Ident(name) if self.inside && self.names.contains(&name.to_id()) => Some(name.clone()),
            _ => None,
        }
    }

    fn say(&mut self, name: &Ident, place: Position) {
        let message = format!("`{}` begins anew with every request, so nothing is kept in it", name.sym);
        let hint = "what has to last belongs into a KeyValueStore, a cookie or the cache; what has not, into the function";
        self.findings.warning("CFF082", place, message, hint);
    }

    fn inside(&mut self, place: Position, go: impl FnOnce(&mut Self)) {
        let model = self.findings.model;
        let before = (self.inside, self.in_handler);
        let is_handler = model.handler.is_some() && model.function_at(place) == model.handler;
        (self.inside, self.in_handler) = (true, is_handler);
        go(self);
        (self.inside, self.in_handler) = before;
    }

    fn member(&mut self, member: &MemberExpr, place: Position) {
        // Names that are only known when it runs: a memory of what came before.
        let by_value = matches!(&member.prop, MemberProp::Computed(name) if !matches!(&*name.expr, Expr::Lit(_)));
        let is_asked = |name: &Ident| self.lookups.get(&name.to_id()).is_some_and(|count| *count > 1);
        if let Some(name) = self.is_kept(&member.obj).filter(|name| by_value && is_asked(name)) {
            self.say(&name, place);
        }
    }
}

impl Visit for Kept<'_, '_, '_> {
    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        let kept = match bare(&node.arg) {
            Expr::Member(member) => self.is_kept(&member.obj),
            other => self.is_kept(other),
        };
        if let Some(name) = kept.filter(|_| self.in_handler) {
            self.say(&name, node.span);
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(target) = &node.left {
            match target {
                SimpleAssignTarget::Ident(name) if self.in_handler && node.op != AssignOp::Assign => {
                    if let Some(name) = self.is_kept(&Expr::Ident(name.id.clone())) {
                        self.say(&name, node.span);
                    }
                }
                SimpleAssignTarget::Member(member) => self.member(member, node.span),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if self.in_handler
            && let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
            && matches!(member_name(&member.prop), Some("push" | "unshift"))
            && matches!(self.findings.model.shape(&member.obj), Shape::List(_))
            && let Some(name) = self.is_kept(&member.obj)
        {
            self.say(&name, node.span());
        }
        node.visit_children_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        self.inside(node.span, |this| node.visit_children_with(this));
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        self.inside(node.span, |this| node.visit_children_with(this));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        self.inside(node.span, |this| node.visit_children_with(this));
    }
}

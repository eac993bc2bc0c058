//! Promises, and the key-value store, whose reads are promises.

use super::super::origin::validate;
use super::super::runtime::Runtime;
use super::findings::Findings;
use super::model::{Model, bare, member_name, properties};
use super::shape::Shape;
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignTarget, AwaitExpr, BinExpr, BinaryOp, BindingIdent, CallExpr, Callee, CondExpr,
    Constructor, Decl, ExportDecl, Expr, ExprStmt, FnDecl, ForInStmt, ForOfStmt, Function, Id, Ident, IfStmt, Lit, MemberExpr,
    MemberProp, Pat, SimpleAssignTarget, SwitchStmt, Tpl, TryStmt, UnaryExpr, UnaryOp, VarDeclarator, WhileStmt,
};
use crate::script::visit::{Visit, VisitWith};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What changes the origin, and so has to come before it.
const ORIGIN: &[&str] = &["updateRequestOrigin", "selectRequestOriginById", "createRequestOriginGroup", "edgeLocation"];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    let mut asked = Asked { model: findings.model, found: false, begun: BTreeSet::new(), said: BTreeSet::new() };
    module.visit_with(&mut asked);
    let Asked { found, begun, said, .. } = asked;
    let too_late = findings.model.answers_responses() && !findings.model.answers_requests();
    module.visit_with(&mut Promises {
        findings,
        asked: found,
        begun,
        said,
        told: BTreeSet::new(),
        too_late,
        tries: 0,
        is_called: false,
    });
}

/// Whether somebody asks the store if there is a key, or says what to do if there is none; and which names there are.
struct Asked<'m, 'a> {
    model: &'m Model<'a>,
    found: bool,
    /// Names that have a value from the beginning.
    begun: BTreeSet<Id>,
    /// Names that are said anywhere but where they are declared.
    said: BTreeSet<Id>,
}

impl Visit for Asked<'_, '_> {
    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let (Pat::Ident(name), true) = (&node.name, node.init.is_some()) {
            self.begun.insert(name.to_id());
        }
        node.visit_children_with(self);
    }

    fn visit_export_decl(&mut self, node: &ExportDecl) {
        if let Decl::Var(variables) = &node.decl {
            self.said.extend(variables.decls.iter().filter_map(|declarator| Some(declarator.name.as_ident()?.to_id())));
        }
        node.visit_children_with(self);
    }

    // What is bound is not said.
    fn visit_binding_ident(&mut self, _: &BindingIdent) {}

    fn visit_ident(&mut self, node: &Ident) {
        self.said.insert(node.to_id());
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        self.found |= match member_name(&node.prop) {
            Some("exists") => self.model.shape(&node.obj) == Shape::Store,
            Some("catch") => matches!(self.model.shape(&node.obj), Shape::Read | Shape::Promise),
            _ => false,
        };
        node.visit_children_with(self);
    }
}

struct Promises<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    asked: bool,
    begun: BTreeSet<Id>,
    said: BTreeSet<Id>,
    /// Names of which it has been said that they are promises.
    told: BTreeSet<Id>,
    /// Whether the origin has answered before the function runs.
    too_late: bool,
    tries: usize,
    /// Whether the member at hand is called: what a promise has no method for, another rule says.
    is_called: bool,
}

impl Promises<'_, '_, '_> {
    /// Whether an expression is a read of the store, or makes some.
    fn reads(&self, expression: &Expr) -> bool {
        let model = self.findings.model;
        match bare(expression) {
            Expr::Array(array) => array.elems.iter().flatten().any(|element| self.reads(&element.expr)),
            Expr::Arrow(arrow) => match &*arrow.body {
                ArrowFunctionBody::Expr(value) => self.reads(value),
                ArrowFunctionBody::FunctionBody(_) => false,
            },
            Expr::Call(call) => match &call.callee {
                Callee::Expr(callee) => match bare(callee) {
                    Expr::Member(member) if model.shape(&member.obj) == Shape::Store => true,
                    Expr::Member(member) if member.prop.is_ident_with("map") => {
                        call.args.first().is_some_and(|argument| self.reads(&argument.expr))
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a call makes a promise that somebody has to wait for: of the store, of a function of the script, or of such ones.
    fn promises(&self, call: &CallExpr) -> bool {
        const OF_MANY: [&str; 4] = ["all", "allSettled", "any", "race"];
        let model = self.findings.model;
        let Callee::Expr(callee) = &call.callee else { return false };
        match bare(callee) {
            Expr::Member(member) => match member_name(&member.prop) {
                Some("then" | "catch" | "finally") => matches!(&*model.resolve(&member.obj), Expr::Call(of) if self.promises(of)),
                Some(name) if OF_MANY.contains(&name) => model.runtime == Runtime::V2 && model.is_global(&member.obj, "Promise"),
                _ => model.shape(&member.obj) == Shape::Store,
            },
            callee => model.function(callee).is_some_and(|function| model.functions[function].is_async),
        }
    }

    /// Whether it is said what becomes of a failure, and nothing comes of the promise otherwise: then it may be left alone.
    fn is_let_go(&self, call: &CallExpr) -> bool {
        let of_method = |call: &CallExpr, name: &str| match &call.callee {
            Callee::Expr(callee) => {
                bare(callee).as_member().filter(|member| member.prop.is_ident_with(name)).map(|member| member.obj.clone())
            }
            _ => None,
        };
        let caught = of_method(call, "catch").map(|of| self.findings.model.resolve(&of));
        caught.is_some_and(|of| !matches!(&*of, Expr::Call(of) if of_method(of, "then").is_some()))
    }

    /// What a statement leaves behind.
    fn left(&mut self, expression: &Expr) {
        match bare(expression) {
            Expr::Call(call) if self.promises(call) && !self.is_let_go(call) => {
                let hint = "write `await` in front of it: a promise that is left alone and fails ends the run";
                self.findings.warning("CFF032", expression.span(), "nobody waits for this promise", hint);
            }
            Expr::Bin(binary) if matches!(binary.op, BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing) => {
                self.left(&binary.right);
            }
            Expr::Cond(condition) => {
                self.left(&condition.cons);
                self.left(&condition.alt);
            }
            Expr::Seq(sequence) => sequence.exprs.iter().for_each(|part| self.left(part)),
            _ => {}
        }
    }

    /// A value is used as what it is, and a promise is not what will come of it. A name may stand for a promise that is not there
    /// yet: then it is rightly asked whether it is.
    fn used(&mut self, value: &Expr, is_test: bool) {
        let model = self.findings.model;
        let name = bare(value).as_ident().map(Ident::to_id);
        let is_promise = matches!(&*model.resolve(value), Expr::Call(call) if self.promises(call));
        if !is_promise || name.as_ref().is_some_and(|name| is_test && !self.begun.contains(name)) {
            return;
        }
        let hint = match &name {
            Some((name, _)) => format!("write `await` where `{name}` gets its value, or here"),
            None => "write `await` in front of it".to_owned(),
        };
        if name.is_none_or(|name| self.told.insert(name)) {
            self.findings.warning("CFF032", value.span(), "this is a promise, and not yet what will come of it", hint);
        }
    }

    /// What is said of an origin, as far as it is written out.
    fn origin(&mut self, call: &CallExpr) {
        let model = self.findings.model;
        let (Callee::Expr(callee), Some(first)) = (&call.callee, call.args.first()) else { return };
        let Expr::Member(member) = bare(callee) else { return };
        let Some(name) = member_name(&member.prop) else { return };
        if model.shape(&member.obj) != Shape::Module("cloudfront".to_owned()) {
            return;
        }
        let given = model.resolve(&first.expr);
        match (name, &*given) {
            ("updateRequestOrigin", Expr::Object(settings)) => {
                for setting in properties(settings).0 {
                    let value = setting.value.as_deref().and_then(|value| literal(model, value, true));
                    let sound = value.is_none_or(|value| validate(name, &json!([{ setting.name: value }])).is_ok());
                    if !sound {
                        let message = format!("`{}` is not what CloudFront takes here", setting.name);
                        self.findings.error("CFF037", setting.place, message, allowed(setting.name));
                    }
                }
            }
            ("selectRequestOriginById" | "createRequestOriginGroup", _) => {
                let value = literal(model, &given, false);
                if value.is_some_and(|value| validate(name, &json!([value])).is_err()) {
                    let hint = match name {
                        "selectRequestOriginById" => "name an origin of the distribution by its id",
                        _ => {
                            "name two origins and the statuses: `{ originIds: [{ originId: 'a' }, { originId: 'b' }], failoverCriteria: { statusCodes: [500] } }`"
                        }
                    };
                    self.findings.error("CFF037", first.span(), format!("this is not what `{name}` takes"), hint);
                }
            }
            _ => {}
        }
    }

    fn separate(&mut self, function: Option<usize>, go: impl FnOnce(&mut Self)) {
        let model = self.findings.model;
        let before = self.tries;
        if let Some(function) = function.filter(|function| !model.functions[*function].inline) {
            self.tries = usize::from(model.is_guarded(function));
        }
        go(self);
        self.tries = before;
    }
}

/// What CloudFront takes, in a few words.
fn allowed(setting: &str) -> &'static str {
    match setting {
        "domainName" => "write a name of at most 253 letters, without a port; no address",
        "originPath" => "write a path that begins with `/` and does not end with it",
        "connectionAttempts" => "write a number from 1 to 3",
        "timeouts" => "`connectionTimeout` is from 1 to 10 seconds, the others are from 1 to 120",
        "customHeaders" => "write texts under names in lower case, none of which is CloudFront's own",
        _ => "write a text of at most 253 letters",
    }
}

/// A value that is written out. With `partly`, what is not written out is left away.
fn literal(model: &Model<'_>, expression: &Expr, partly: bool) -> Option<Value> {
    match &*model.resolve(expression) {
        Expr::Lit(Lit::Str(text)) => Some(json!(text.value.as_str()?)),
        Expr::Lit(Lit::Num(number)) if number.value.fract() == 0.0 && number.value >= 0.0 => Some(json!(number.value as u64)),
        Expr::Lit(Lit::Num(number)) => Some(json!(number.value)),
        Expr::Lit(Lit::Bool(value)) => Some(json!(value.value)),
        Expr::Array(array) => {
            let items = array.elems.iter().map(|item| {
                let item = item.as_ref().filter(|item| item.spread.is_none())?;
                literal(model, &item.expr, partly)
            });
            items.collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Expr::Object(object) => {
            let (known, all) = properties(object);
            let mut table = Map::new();
            for property in known {
                match property.value.and_then(|value| literal(model, &value, partly)) {
                    Some(value) => {
                        table.insert(property.name.to_owned(), value);
                    }
                    None if partly => {}
                    None => return None,
                }
            }
            (all || partly).then_some(Value::Object(table))
        }
        _ => None,
    }
}

impl Visit for Promises<'_, '_, '_> {
    fn visit_expr_stmt(&mut self, node: &ExprStmt) {
        self.left(&node.expr);
        node.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let (Pat::Ident(name), Some(init)) = (&node.name, &node.init)
            && !self.said.contains(&name.to_id())
        {
            self.left(init);
        }
        node.visit_children_with(self);
    }

    fn visit_if_stmt(&mut self, node: &IfStmt) {
        self.used(&node.test, true);
        node.visit_children_with(self);
    }

    fn visit_while_stmt(&mut self, node: &WhileStmt) {
        self.used(&node.test, true);
        node.visit_children_with(self);
    }

    fn visit_cond_expr(&mut self, node: &CondExpr) {
        self.used(&node.test, true);
        node.visit_children_with(self);
    }

    fn visit_switch_stmt(&mut self, node: &SwitchStmt) {
        self.used(&node.discriminant, false);
        node.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        self.used(&node.right, false);
        node.visit_children_with(self);
    }

    fn visit_for_in_stmt(&mut self, node: &ForInStmt) {
        self.used(&node.right, false);
        node.visit_children_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        match node.op {
            UnaryOp::Bang => self.used(&node.arg, true),
            UnaryOp::Minus | UnaryOp::Plus | UnaryOp::Tilde => self.used(&node.arg, false),
            UnaryOp::TypeOf | UnaryOp::Void | UnaryOp::Delete => {}
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        let model = self.findings.model;
        let is = |side: &Expr, shapes: &[Shape]| shapes.contains(&model.shape(side));
        match node.op {
            BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing => self.used(&node.left, true),
            BinaryOp::EqEq | BinaryOp::EqEqEq | BinaryOp::NotEq | BinaryOp::NotEqEq => {
                for (one, other) in [(&node.left, &node.right), (&node.right, &node.left)] {
                    // Whether two are the same promise may well be asked.
                    if !is(other, &[Shape::Promise, Shape::Read, Shape::Unknown]) {
                        self.used(one, is(other, &[Shape::Nothing]));
                    }
                }
            }
            BinaryOp::In | BinaryOp::InstanceOf => {}
            _ => {
                self.used(&node.left, false);
                self.used(&node.right, false);
            }
        }
        node.visit_children_with(self);
    }

    fn visit_tpl(&mut self, node: &Tpl) {
        node.exprs.iter().for_each(|part| self.used(part, false));
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        // Of responses and headers other rules say so.
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left
            && self.findings.model.shape(&member.obj) == Shape::Request
        {
            self.used(&node.right, false);
        }
        node.visit_children_with(self);
    }

    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        let model = self.findings.model;
        if let Expr::Call(call) = bare(&node.arg)
            && let Callee::Expr(callee) = &call.callee
            && let Expr::Member(member) = bare(callee)
            && member.prop.is_ident_with("get")
            && model.shape(&member.obj) == Shape::Store
            && self.tries == 0
            && !self.asked
        {
            let hint = "catch it: `try { … } catch (error) { … }`, or ask `exists` first";
            self.findings.warning("CFF034", node.span, "a key that the store lacks makes this throw", hint);
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee
            && let Expr::Member(member) = bare(callee)
            && self.findings.model.is_global(&member.obj, "Promise")
            && matches!(member_name(&member.prop), Some("all" | "allSettled" | "any" | "race"))
            && node.args.first().is_some_and(|argument| self.reads(&argument.expr))
        {
            let hint = "wait for one after the other: the reads are no faster together, and take more memory";
            self.findings.warning("CFF033", node.span, "the store is read several times at once", hint);
        }
        if let (Callee::Expr(callee), Some(first)) = (&node.callee, node.args.first()) {
            let model = self.findings.model;
            let reads = ["String", "Number", "parseInt", "parseFloat", "decodeURIComponent", "encodeURIComponent"];
            let json = matches!(bare(callee), Expr::Member(member) if model.is_global(&member.obj, "JSON"));
            if json || reads.into_iter().any(|name| model.is_global(callee, name)) {
                self.used(&first.expr, false);
            }
        }
        self.origin(node);
        self.is_called = matches!(&node.callee, Callee::Expr(callee) if bare(callee).is_member());
        node.callee.visit_with(self);
        node.args.visit_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        if !std::mem::take(&mut self.is_called) {
            self.used(&node.obj, false);
        }
        if let MemberProp::Computed(name) = &node.prop {
            self.used(&name.expr, false);
        }
        if let Some(name) = member_name(&node.prop)
            && self.too_late
            && ORIGIN.contains(&name)
            && self.findings.model.shape(&node.obj) == Shape::Module("cloudfront".to_owned())
        {
            let hint = "do it in a viewer-request function";
            self.findings.error("CFF036", node.span, format!("`{name}` means nothing once the origin has answered"), hint);
        }
        node.visit_children_with(self);
    }

    fn visit_try_stmt(&mut self, node: &TryStmt) {
        let caught = usize::from(node.handler.is_some());
        self.tries += caught;
        node.block.visit_with(self);
        self.tries -= caught;
        node.handler.visit_with(self);
        node.finalizer.visit_with(self);
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        node.function.visit_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }
}

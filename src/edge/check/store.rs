//! Promises, and the key-value store, whose reads are promises.

use super::super::origin::validate;
use super::findings::Findings;
use super::model::{Model, bare, member_name, properties};
use super::shape::Shape;
use crate::script::Spanned as _;
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, AwaitExpr, CallExpr, Callee, Expr, ExprStmt, FnDecl, Function, Lit, MemberExpr, TryStmt,
};
use crate::script::visit::{Visit, VisitWith};
use serde_json::{Map, Value, json};

/// What changes the origin, and so has to come before it.
const ORIGIN: &[&str] = &["updateRequestOrigin", "selectRequestOriginById", "createRequestOriginGroup", "edgeLocation"];

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let module = findings.model.parsed.module();
    let mut asked = Asked { model: findings.model, found: false };
    module.visit_with(&mut asked);
    let too_late = findings.model.answers_responses() && !findings.model.answers_requests();
    module.visit_with(&mut Promises { findings, asked: asked.found, too_late, tries: 0 });
}

/// Whether somebody asks the store if there is a key, or says what to do if there is none.
struct Asked<'m, 'a> {
    model: &'m Model<'a>,
    found: bool,
}

impl Visit for Asked<'_, '_> {
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
    /// Whether the origin has answered before the function runs.
    too_late: bool,
    tries: usize,
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
        if let Expr::Call(call) = bare(&node.expr)
            && let Callee::Expr(callee) = &call.callee
        {
            let model = self.findings.model;
            let of_store = matches!(bare(callee), Expr::Member(member) if model.shape(&member.obj) == Shape::Store);
            let own = model.function(callee).is_some_and(|function| model.functions[function].is_async);
            if of_store || own {
                let hint = "write `await` in front of it: a promise that is left alone and fails ends the run";
                self.findings.warning("CFF032", node.expr.span(), "nobody waits for this promise", hint);
            }
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
        self.origin(node);
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
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

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let function = self.findings.model.function_at(node.span);
        self.separate(function, |this| node.visit_children_with(this));
    }
}

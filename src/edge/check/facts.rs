//! What the names in a module stand for, as far as that is plain to see: the event, its request, their parts.

use crate::script::Parsed;
use crate::script::ast::{
    AssignExpr, AssignOp, AssignTarget, Decl, DefaultDecl, ExportDecl, Expr, Function, Id, Ident, Lit, MemberExpr, MemberProp,
    Module, ModuleDecl, ModuleItem, ObjectLit, ObjectPatProp, Pat, Prop, PropName, PropOrSpread, SimpleAssignTarget, Stmt,
    VarDeclKind, VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use std::collections::BTreeMap;

/// Whose headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Request,
    /// The response that came from the origin.
    Response,
    /// A response of the function's own making.
    Generated,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Event,
    Request,
    Response,
    Generated,
    Method,
    Uri,
    Status,
    Body,
    Query,
    Cookies,
    Headers(Owner),
    Header(Owner, String),
    /// A value of the query, or a cookie, by name.
    Entry(&'static str, String),
    /// Text that a visitor wrote.
    Input,
}

/// A function, whichever way it is written.
#[derive(Clone, Copy)]
pub(super) enum Callable<'a> {
    Function(&'a Function),
    Arrow(&'a crate::script::ast::ArrowExpr),
}

impl<'a> Callable<'a> {
    fn of(expression: &'a Expr) -> Option<Self> {
        match expression {
            Expr::Fn(function) => Some(Self::Function(&function.function)),
            Expr::Arrow(arrow) => Some(Self::Arrow(arrow)),
            Expr::Paren(inner) => Self::of(&inner.expr),
            _ => None,
        }
    }

    fn first(self) -> Option<&'a Pat> {
        match self {
            Self::Function(function) => function.params.first().map(|parameter| &parameter.pat),
            Self::Arrow(arrow) => arrow.params.first(),
        }
    }
}

/// How `handler` is declared.
pub(super) struct Handler<'a> {
    pub(super) name: &'a Ident,
    /// `const`, `let` or `var`; nothing for a function declaration.
    pub(super) variable: Option<VarDeclKind>,
    pub(super) callable: Option<Callable<'a>>,
}

/// The handler, where it is declared at the top of the module.
pub(super) fn handler(module: &Module) -> Option<Handler<'_>> {
    module.body.iter().find_map(|item| match item {
        ModuleItem::Stmt(Stmt::Decl(declaration)) => declared(declaration),
        ModuleItem::ModuleDecl(ModuleDecl::ExportDecl(ExportDecl { decl, .. })) => declared(decl),
        ModuleItem::ModuleDecl(ModuleDecl::ExportDefaultDecl(export)) => match &export.decl {
            DefaultDecl::Fn(function) => {
                let name = function.ident.as_ref().filter(|name| &*name.sym == "handler")?;
                Some(Handler { name, variable: None, callable: Some(Callable::Function(&function.function)) })
            }
            _ => None,
        },
        _ => None,
    })
}

fn declared(declaration: &Decl) -> Option<Handler<'_>> {
    match declaration {
        Decl::Fn(function) if &*function.ident.sym == "handler" => {
            Some(Handler { name: &function.ident, variable: None, callable: Some(Callable::Function(&function.function)) })
        }
        Decl::Var(variables) => variables.decls.iter().find_map(|declarator| {
            let name = &declarator.name.as_ident().filter(|name| &*name.id.sym == "handler")?.id;
            let callable = declarator.init.as_deref().and_then(Callable::of);
            Some(Handler { name, variable: Some(variables.kind), callable })
        }),
        _ => None,
    }
}

/// What is known of a module's names.
#[derive(Default)]
pub(super) struct Facts {
    names: BTreeMap<Id, Option<What>>,
}

impl Facts {
    /// Reads a module. Only the entry has the handler; elsewhere parameters go by what they are called.
    pub(super) fn of(parsed: &Parsed, is_entry: bool) -> Self {
        let mut facts = Self::default();
        if is_entry
            && let Some(callable) = handler(parsed.module()).and_then(|handler| handler.callable)
            && let Some(first) = callable.first()
        {
            facts.bind(first, Some(What::Event));
        }
        // Twice: what is declared by a name may be said before what the name is.
        for _ in 0..2 {
            parsed.module().visit_with(&mut Reader { facts: &mut facts });
        }
        facts
    }

    /// A name that means two things means nothing.
    fn learn(&mut self, name: &Ident, what: Option<What>) {
        let known = self.names.entry(name.to_id()).or_insert_with(|| what.clone());
        if *known != what {
            *known = None;
        }
    }

    fn bind(&mut self, pattern: &Pat, what: Option<What>) {
        match pattern {
            Pat::Ident(name) => self.learn(&name.id, what),
            Pat::Object(pattern) => {
                for property in &pattern.props {
                    match property {
                        ObjectPatProp::KeyValue(pair) => {
                            let part = key(&pair.key).and_then(|key| what.as_ref().and_then(|what| member(what, &key)));
                            self.bind(&pair.value, part);
                        }
                        ObjectPatProp::Assign(pair) => {
                            let part = what.as_ref().and_then(|what| member(what, &pair.key.sym));
                            self.learn(&pair.key.id, part);
                        }
                        ObjectPatProp::Rest(_) => {}
                    }
                }
            }
            Pat::Assign(pattern) => self.bind(&pattern.left, what),
            _ => {}
        }
    }

    /// What an expression is, if that is plain.
    pub(super) fn what(&self, expression: &Expr) -> Option<What> {
        match expression {
            Expr::Paren(inner) => self.what(&inner.expr),
            Expr::Ident(name) => self.names.get(&name.to_id()).cloned().flatten(),
            Expr::Member(node) => self.member(node),
            Expr::Object(object) if property(object, "statusCode").is_some() => Some(What::Generated),
            _ => None,
        }
    }

    /// What a member is.
    pub(super) fn member(&self, node: &MemberExpr) -> Option<What> {
        let object = self.what(&node.obj)?;
        member(&object, &member_name(&node.prop)?)
    }
}

/// What the member of something is.
fn member(object: &What, name: &str) -> Option<What> {
    Some(match (object, name) {
        (What::Event, "request") => What::Request,
        (What::Event, "response") => What::Response,
        (What::Request, "method") => What::Method,
        (What::Request, "uri") => What::Uri,
        (What::Request, "querystring") => What::Query,
        (What::Request, "cookies") => What::Cookies,
        (What::Request, "headers") => What::Headers(Owner::Request),
        (What::Response, "headers") => What::Headers(Owner::Response),
        (What::Generated, "headers") => What::Headers(Owner::Generated),
        (What::Response | What::Generated, "statusCode") => What::Status,
        (What::Response | What::Generated, "body") => What::Body,
        (What::Headers(_) | What::Query | What::Cookies, "hasOwnProperty") => return None,
        (What::Headers(owner), name) => What::Header(*owner, name.to_owned()),
        (What::Query, name) => What::Entry("query", name.to_owned()),
        (What::Cookies, name) => What::Entry("cookie", name.to_owned()),
        (What::Header(Owner::Request, _) | What::Entry(..), "value") => What::Input,
        _ => return None,
    })
}

struct Reader<'a> {
    facts: &'a mut Facts,
}

impl Visit for Reader<'_> {
    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let Some(init) = &node.init {
            let what = self.facts.what(init);
            self.facts.bind(&node.name, what);
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Ident(name)) = &node.left {
            let what = if node.op == AssignOp::Assign { self.facts.what(&node.right) } else { None };
            self.facts.learn(&name.id, what);
        }
        node.visit_children_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        for parameter in &node.params {
            self.parameter(&parameter.pat);
        }
        node.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &crate::script::ast::ArrowExpr) {
        for parameter in &node.params {
            self.parameter(parameter);
        }
        node.visit_children_with(self);
    }
}

impl Reader<'_> {
    /// Helpers are given the event or its parts under the names that CloudFront gives them.
    fn parameter(&mut self, pattern: &Pat) {
        let Pat::Ident(name) = pattern else { return };
        if self.facts.names.contains_key(&name.id.to_id()) {
            return;
        }
        let what = match &*name.id.sym {
            "event" => Some(What::Event),
            "request" => Some(What::Request),
            _ => None,
        };
        self.facts.learn(&name.id, what);
    }
}

/// The name of a member, where it is written out.
pub(super) fn member_name(property: &MemberProp) -> Option<String> {
    match property {
        MemberProp::Ident(name) => Some(name.sym.to_string()),
        MemberProp::Computed(computed) => text(&computed.expr),
        MemberProp::PrivateName(_) => None,
    }
}

/// The name of a property, where it is written out.
pub(super) fn key(name: &PropName) -> Option<String> {
    match name {
        PropName::Ident(name) => Some(name.sym.to_string()),
        PropName::Str(text) => text.value.as_str().map(str::to_owned),
        PropName::Num(number) => Some(number.value.to_string()),
        PropName::Computed(computed) => text(&computed.expr),
        PropName::BigInt(_) => None,
    }
}

/// A text that is written out.
pub(super) fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(Lit::Str(text)) => text.value.as_str().map(str::to_owned),
        Expr::Tpl(template) if template.exprs.is_empty() => {
            template.quasis.first().and_then(|piece| piece.cooked.as_ref()).and_then(|piece| piece.as_str()).map(str::to_owned)
        }
        Expr::Paren(inner) => text(&inner.expr),
        _ => None,
    }
}

/// A property of an object that is written out, with its key.
pub(super) fn property<'a>(object: &'a ObjectLit, name: &str) -> Option<&'a Expr> {
    pairs(object).find(|(_, found, _)| found == name).map(|(_, _, value)| value)
}

/// The properties of an object whose names are written out.
pub(super) fn pairs(object: &ObjectLit) -> impl Iterator<Item = (&PropName, String, &Expr)> {
    object.props.iter().filter_map(|property| match property {
        PropOrSpread::Prop(property) => match &**property {
            Prop::KeyValue(pair) => Some((&pair.key, key(&pair.key)?, &*pair.value)),
            _ => None,
        },
        PropOrSpread::Spread(_) => None,
    })
}

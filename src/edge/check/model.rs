//! What the names of a script stand for: what is assigned to each, who calls each function, with what.

use super::super::runtime::Runtime;
use super::flow::Ends;
use super::shape::{Origin, Shape};
use crate::script::Parsed;
use crate::script::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignOp, AssignTarget, BinaryOp, CallExpr, Callee, CatchClause, ClassDecl,
    Constructor, Decl, DefaultDecl, ExportDecl, ExportDefaultDecl, ExportNamedSpecifier, Expr, FnDecl, FnExpr, ForHead, ForInStmt,
    ForOfStmt, Function, Id, Ident, ImportDecl, ImportSpecifier, Lit, MemberExpr, MemberProp, MethodProp, ModuleExportName,
    ObjectLit, ObjectPatProp, OptChainBase, Pat, Prop, PropName, PropOrSpread, SimpleAssignTarget, Stmt, TryStmt, UnaryExpr,
    UnaryOp, UpdateExpr, VarDeclarator,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Where a name's value comes from.
#[derive(Clone)]
enum Source {
    Value(Rc<Expr>),
    /// A part of a value, as in `const { uri } = event.request`.
    Part(Rc<Expr>, Vec<Option<String>>),
    /// A parameter, or a part of one.
    Parameter(usize, usize, Vec<Option<String>>),
    Shape(Shape),
}

/// A function of any kind.
pub(super) struct Callable {
    /// The name that stands for it and for nothing else.
    pub(super) name: Option<Id>,
    /// Where to point when it is meant.
    pub(super) place: Position,
    pub(super) body: Body,
    pub(super) is_async: bool,
    /// Whether it is handed over where it stands, such as the function in `list.map(…)`.
    pub(super) inline: bool,
}

/// What a function does.
#[derive(Clone)]
pub(super) enum Body {
    Block(Rc<Vec<Stmt>>, Position),
    Expression(Rc<Expr>),
}

/// A call of a name.
struct Call {
    node: Rc<CallExpr>,
    in_try: bool,
    caller: Option<usize>,
}

/// A script, and what can be known of its values.
pub(super) struct Model<'a> {
    pub(super) parsed: &'a Parsed,
    pub(super) text: &'a str,
    pub(super) runtime: Runtime,
    pub(super) functions: Vec<Callable>,
    /// The function that CloudFront calls.
    pub(super) handler: Option<usize>,
    names: BTreeMap<Id, Vec<Source>>,
    by_name: BTreeMap<Id, usize>,
    /// By where they begin.
    by_place: BTreeMap<u32, usize>,
    calls: BTreeMap<Id, Vec<Call>>,
    /// Names that are used otherwise than by calling them.
    handed: BTreeSet<Id>,
    /// Members that the script itself defines on something.
    pub(super) defined: BTreeSet<String>,
    /// Globals that the script defines.
    pub(super) expected: BTreeSet<String>,
    /// Names that the script looks for with `typeof`.
    pub(super) asked: BTreeSet<String>,
    known: RefCell<BTreeMap<Id, Shape>>,
    /// Names that are being looked at, with how many were before them.
    open: RefCell<BTreeMap<Id, usize>>,
    open_functions: RefCell<BTreeSet<usize>>,
    /// The first of the open names that was met again.
    met: Cell<usize>,
    /// How much more is looked at, before everything is unknown: a script could be made to take forever.
    budget: Cell<usize>,
    depth: Cell<usize>,
    responses: OnceCell<bool>,
    requests: OnceCell<bool>,
    /// How statements end, by where they begin and end and by how far calls have been followed.
    pub(super) ends: RefCell<BTreeMap<(u32, u32, usize), Ends>>,
}

/// The name in `a.name` and in `a['name']`.
pub(super) fn member_name(property: &MemberProp) -> Option<&str> {
    match property {
        MemberProp::Ident(name) => Some(&name.sym),
        MemberProp::Computed(name) => match &*name.expr {
            Expr::Lit(Lit::Str(text)) => text.value.as_str(),
            _ => None,
        },
        MemberProp::PrivateName(_) => None,
    }
}

/// Where the name of a member stands.
pub(super) fn member_place(property: &MemberProp) -> Position {
    match property {
        MemberProp::Computed(name) => name.expr.span(),
        other => other.span(),
    }
}

/// The name of a property, where it is written out.
pub(super) fn property_name(name: &PropName) -> Option<&str> {
    match name {
        PropName::Ident(name) => Some(&name.sym),
        PropName::Str(text) => text.value.as_str(),
        PropName::Computed(name) => match &*name.expr {
            Expr::Lit(Lit::Str(text)) => text.value.as_str(),
            _ => None,
        },
        PropName::Num(_) | PropName::BigInt(_) => None,
    }
}

/// A property of an object literal: its name, where that stands, and its value.
pub(super) struct Property<'o> {
    pub(super) name: &'o str,
    pub(super) place: Position,
    /// `None` for a method, a getter or a setter.
    pub(super) value: Option<Rc<Expr>>,
}

/// The properties that have names. `false` where there are others.
pub(super) fn properties(object: &ObjectLit) -> (Vec<Property<'_>>, bool) {
    let (mut found, mut all) = (Vec::new(), true);
    for property in &object.props {
        let PropOrSpread::Prop(property) = property else {
            all = false;
            continue;
        };
        let (name, place, value) = match &**property {
            Prop::Shorthand(name) => (Some(&*name.sym), name.span, Some(Expr::Ident(name.clone()))),
            Prop::KeyValue(pair) => (property_name(&pair.key), pair.key.span(), Some((*pair.value).clone())),
            Prop::Getter(getter) => (property_name(&getter.key), getter.key.span(), None),
            Prop::Setter(setter) => (property_name(&setter.key), setter.key.span(), None),
            Prop::Method(MethodProp { key, .. }) => (property_name(key), key.span(), None),
            Prop::Assign(_) => (None, object.span, None),
        };
        match name {
            Some(name) => found.push(Property { name, place, value: value.map(Rc::new) }),
            None => all = false,
        }
    }
    (found, all)
}

/// One property of an object literal.
pub(super) fn property<'o>(object: &'o ObjectLit, name: &str) -> Option<Property<'o>> {
    properties(object).0.into_iter().find(|property| property.name == name)
}

/// Without parentheses.
pub(super) fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => bare(&inner.expr),
        other => other,
    }
}

/// Far more than a function of the size that CloudFront takes needs.
const BUDGET: usize = 500_000;

/// How deep one expression is looked into: the stack is as long as it is.
const MAX_DEPTH: usize = 200;

impl<'a> Model<'a> {
    /// Goes through a script. Of a file that is not the entry, `handler` is a function like any other.
    pub(super) fn of(parsed: &'a Parsed, text: &'a str, runtime: Runtime, is_entry: bool) -> Self {
        let model = Model {
            parsed,
            text,
            runtime,
            functions: Vec::new(),
            handler: None,
            names: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_place: BTreeMap::new(),
            calls: BTreeMap::new(),
            handed: BTreeSet::new(),
            defined: BTreeSet::new(),
            expected: BTreeSet::new(),
            asked: BTreeSet::new(),
            known: RefCell::default(),
            open: RefCell::default(),
            open_functions: RefCell::default(),
            met: Cell::new(usize::MAX),
            budget: Cell::new(BUDGET),
            depth: Cell::new(0),
            responses: OnceCell::new(),
            requests: OnceCell::new(),
            ends: RefCell::default(),
        };
        let mut reader = Reader { model, inside: None, in_try: false, name: None, exported: None };
        parsed.module().visit_with(&mut reader);
        let Reader { mut model, exported, .. } = reader;
        let Model { by_name, names, .. } = &mut model;
        by_name.retain(|name, _| names.get(name).is_some_and(|sources| sources.len() == 1));
        if is_entry {
            let own = |(name, _): &(&Id, &usize)| &*name.0 == "handler" && parsed.is_top_level(&Ident::from((*name).clone()));
            model.handler = match exported {
                Some(name) => model.by_name.get(&name).copied(),
                None => model.by_name.iter().find(own).map(|(_, at)| *at),
            };
        }
        model
    }

    /// The function that begins at a place.
    pub(super) fn function_at(&self, place: Position) -> Option<usize> {
        self.by_place.get(&place.lo.0).copied()
    }

    /// The function that an expression stands for.
    pub(super) fn function(&self, expression: &Expr) -> Option<usize> {
        match bare(expression) {
            Expr::Ident(name) => self.by_name.get(&name.to_id()).copied(),
            Expr::Arrow(arrow) => self.function_at(arrow.span),
            Expr::Fn(function) => self.function_at(function.function.span),
            _ => None,
        }
    }

    /// Whether whatever the function throws is caught by all who call it.
    pub(super) fn is_guarded(&self, function: usize) -> bool {
        if !self.open_functions.borrow_mut().insert(function) {
            return true;
        }
        let guarded = Some(function) != self.handler
            && self.functions[function].name.as_ref().is_some_and(|name| {
                let calls = self.calls.get(name).map(Vec::as_slice).unwrap_or_default();
                let caught = |call: &Call| call.in_try || call.caller.is_some_and(|caller| self.is_guarded(caller));
                !calls.is_empty() && !self.handed.contains(name) && calls.iter().all(caught)
            });
        self.open_functions.borrow_mut().remove(&function);
        guarded
    }

    /// The one expression that a name was given, or the expression itself.
    pub(super) fn resolve(&self, expression: &Expr) -> Rc<Expr> {
        let mut found = Rc::new(bare(expression).clone());
        for _ in 0..8 {
            let Expr::Ident(name) = &*found else { break };
            match self.names.get(&name.to_id()).map(Vec::as_slice) {
                Some([Source::Value(value)]) => found = Rc::new(bare(value).clone()),
                _ => break,
            }
        }
        found
    }

    /// Whether a text may be the path, or a part of it: what is known to come from elsewhere is not.
    pub(super) fn may_be_path(&self, expression: &Expr) -> bool {
        self.stems_from_path(expression, &mut BTreeSet::new())
    }

    /// `seen` are the names that were followed: who comes to one again learns nothing more from it.
    fn stems_from_path(&self, expression: &Expr, seen: &mut BTreeSet<Id>) -> bool {
        match self.shape(expression) {
            Shape::Text(Origin::Uri) => return true,
            Shape::Text(Origin::Plain | Origin::Input) | Shape::List(_) | Shape::Unknown | Shape::Circular => {}
            _ => return false,
        }
        let made_of: Vec<&Expr> = match bare(expression) {
            Expr::Ident(name) if self.parsed.is_global(name) => return false,
            Expr::Ident(name) => {
                let id = name.to_id();
                if seen.contains(&id) {
                    return false;
                }
                let Some(sources) = self.names.get(&id) else { return true };
                seen.insert(id);
                let mut values: Vec<&Expr> = Vec::new();
                for source in sources {
                    match source {
                        Source::Value(value) | Source::Part(value, _) => values.push(value),
                        Source::Parameter(function, index, _) => match self.arguments(*function, *index) {
                            Some(given) => values.extend(given),
                            None => return true,
                        },
                        Source::Shape(Shape::Unknown) => return true,
                        Source::Shape(_) => {}
                    }
                }
                values
            }
            Expr::Member(member) => match self.shape(&member.obj) {
                Shape::Entry(..) | Shape::Request | Shape::Response | Shape::Event => return false,
                // Of a parameter nobody knows what it is, but everybody calls these by their names.
                _ => match member_name(&member.prop) {
                    Some("headers" | "cookies" | "querystring" | "method") => return false,
                    Some("uri") => return true,
                    _ => vec![&*member.obj],
                },
            },
            Expr::OptChain(chain) => match &*chain.base {
                OptChainBase::Member(member) => vec![&*member.obj],
                OptChainBase::Call(call) => {
                    std::iter::once(&*call.callee).chain(call.args.iter().map(|argument| &*argument.expr)).collect()
                }
            },
            Expr::Call(call) => {
                let receiver = match &call.callee {
                    Callee::Expr(callee) => bare(callee).as_member().map(|member| &*member.obj),
                    _ => None,
                };
                receiver.into_iter().chain(call.args.iter().map(|argument| &*argument.expr)).collect()
            }
            Expr::Tpl(template) => template.exprs.iter().map(|part| &**part).collect(),
            Expr::Bin(binary) => vec![&*binary.left, &*binary.right],
            Expr::Cond(condition) => vec![&*condition.cons, &*condition.alt],
            Expr::Array(array) => array.elems.iter().flatten().map(|element| &*element.expr).collect(),
            Expr::Assign(assignment) => vec![&*assignment.right],
            Expr::Seq(sequence) => sequence.exprs.last().map(|last| &**last).into_iter().collect(),
            Expr::Await(waiting) => vec![&*waiting.arg],
            Expr::Lit(_) | Expr::Fn(_) | Expr::Arrow(_) | Expr::Object(_) => return false,
            _ => return true,
        };
        made_of.into_iter().any(|value| self.stems_from_path(value, seen))
    }

    /// What a parameter is given by all who call its function, where all of them are known.
    fn arguments(&self, function: usize, index: usize) -> Option<Vec<&Expr>> {
        let name = self.functions[function].name.as_ref()?;
        let calls = self.calls.get(name).map(Vec::as_slice).unwrap_or_default();
        if calls.is_empty() || self.handed.contains(name) || Some(function) == self.handler {
            return None;
        }
        let spread = |call: &Call| call.node.args.iter().take(index + 1).any(|argument| argument.spread.is_some());
        if calls.iter().any(spread) {
            return None;
        }
        Some(calls.iter().filter_map(|call| Some(&*call.node.args.get(index)?.expr)).collect())
    }

    /// Whether the name is the runtime's, and this one.
    pub(super) fn is_global(&self, expression: &Expr, name: &str) -> bool {
        matches!(bare(expression), Expr::Ident(ident) if &*ident.sym == name && self.parsed.is_global(ident))
    }

    /// Whether a call only shows a value to somebody: what is in it is not what a function returns.
    pub(super) fn is_for_show(&self, call: &CallExpr) -> bool {
        let Callee::Expr(callee) = &call.callee else { return false };
        let Expr::Member(member) = bare(callee) else { return false };
        (self.is_global(&member.obj, "JSON") && member.prop.is_ident_with("stringify")) || self.is_global(&member.obj, "console")
    }

    /// Whether it reads the response that came from the origin: then it runs when there is one.
    pub(super) fn answers_responses(&self) -> bool {
        *self.responses.get_or_init(|| self.reads(&Shape::Response))
    }

    /// Whether it reads the request.
    pub(super) fn answers_requests(&self) -> bool {
        *self.requests.get_or_init(|| self.reads(&Shape::Request))
    }

    fn reads(&self, shape: &Shape) -> bool {
        let mut reads = Reads { model: self, shape, found: false };
        self.parsed.module().visit_with(&mut reads);
        reads.found
    }

    /// What a value is.
    pub(super) fn shape(&self, expression: &Expr) -> Shape {
        let (Some(rest), depth) = (self.budget.get().checked_sub(1), self.depth.get()) else { return Shape::Unknown };
        if depth > MAX_DEPTH {
            return Shape::Unknown;
        }
        self.budget.set(rest);
        self.depth.set(depth + 1);
        let shape = self.looked_at(expression);
        self.depth.set(depth);
        shape
    }

    fn looked_at(&self, expression: &Expr) -> Shape {
        match expression {
            Expr::Paren(inner) => self.shape(&inner.expr),
            Expr::Lit(literal) => match literal {
                Lit::Str(_) => Shape::Text(Origin::Plain),
                Lit::Num(_) => Shape::Number,
                Lit::Bool(_) => Shape::Bool,
                Lit::Null(_) => Shape::Nothing,
                Lit::Regex(_) => Shape::Pattern,
                Lit::BigInt(_) | Lit::JSXText(_) => Shape::Unknown,
            },
            Expr::Tpl(template) => {
                let origins = template.exprs.iter().map(|expression| match self.shape(expression) {
                    Shape::Text(origin) => origin.derived(),
                    _ => Origin::Plain,
                });
                Shape::Text(origins.fold(Origin::Plain, Origin::with))
            }
            Expr::Ident(name) if self.parsed.is_global(name) => match &*name.sym {
                "undefined" => Shape::Nothing,
                "NaN" | "Infinity" => Shape::Number,
                other => Shape::Global(other.to_owned()),
            },
            Expr::Ident(name) => self.named(name),
            Expr::Member(member) => self.member(member),
            Expr::OptChain(chain) => match &*chain.base {
                OptChainBase::Member(member) => self.member(member),
                OptChainBase::Call(call) => self.called(&call.callee, &call.args),
            },
            Expr::Call(call) => match &call.callee {
                Callee::Expr(callee) => self.called(callee, &call.args),
                Callee::Super(_) | Callee::Import(_) => Shape::Unknown,
            },
            Expr::New(new) => match self.shape(&new.callee) {
                Shape::Global(name) => match name.as_str() {
                    "Date" => Shape::Date,
                    "Promise" => Shape::Promise,
                    "Array" => Shape::List(Origin::Plain),
                    "RegExp" => Shape::Pattern,
                    _ => Shape::Unknown,
                },
                _ => Shape::Unknown,
            },
            Expr::Bin(binary) => match binary.op {
                BinaryOp::Add => match (self.shape(&binary.left), self.shape(&binary.right)) {
                    (Shape::Text(a), Shape::Text(b)) => Shape::Text(a.derived().with(b.derived())),
                    (Shape::Text(origin), _) | (_, Shape::Text(origin)) => Shape::Text(origin.derived()),
                    (Shape::Number, Shape::Number) => Shape::Number,
                    (Shape::Circular, _) | (_, Shape::Circular) => Shape::Circular,
                    _ => Shape::Unknown,
                },
                BinaryOp::LogicalAnd => match self.shape(&binary.right) {
                    text @ Shape::Text(_) => text,
                    _ => Shape::Unknown,
                },
                BinaryOp::LogicalOr | BinaryOp::NullishCoalescing => self.shape(&binary.left).or(self.shape(&binary.right)),
                op if is_comparison(op) => Shape::Bool,
                _ => Shape::Number,
            },
            Expr::Cond(condition) => self.shape(&condition.cons).or(self.shape(&condition.alt)),
            Expr::Assign(assignment) if assignment.op == AssignOp::Assign => self.shape(&assignment.right),
            Expr::Seq(sequence) => sequence.exprs.last().map_or(Shape::Unknown, |last| self.shape(last)),
            Expr::Await(waiting) => match self.shape(&waiting.arg) {
                Shape::Read => Shape::Text(Origin::Store),
                Shape::Circular => Shape::Circular,
                _ => Shape::Unknown,
            },
            Expr::Array(_) => Shape::List(Origin::Plain),
            Expr::Object(object) => match property(object, "statusCode") {
                Some(_) => Shape::OwnResponse,
                None => Shape::Object,
            },
            Expr::Fn(_) | Expr::Arrow(_) => Shape::Function,
            Expr::Unary(unary) => match unary.op {
                UnaryOp::Bang | UnaryOp::Delete => Shape::Bool,
                UnaryOp::TypeOf => Shape::Text(Origin::Plain),
                UnaryOp::Void => Shape::Nothing,
                UnaryOp::Minus | UnaryOp::Plus | UnaryOp::Tilde => Shape::Number,
            },
            Expr::Update(_) => Shape::Number,
            _ => Shape::Unknown,
        }
    }

    fn named(&self, name: &Ident) -> Shape {
        let id = name.to_id();
        if let Some(shape) = self.known.borrow().get(&id) {
            return shape.clone();
        }
        let Some(sources) = self.names.get(&id) else { return Shape::Unknown };
        let depth = self.open.borrow().len();
        if let Some(met) = self.open.borrow().get(&id) {
            self.met.set(self.met.get().min(*met));
            return Shape::Circular;
        }
        self.open.borrow_mut().insert(id.clone(), depth);
        let before = self.met.replace(usize::MAX);
        let mut shape = sources.iter().map(|source| self.source(source)).fold(Shape::Circular, Shape::or);
        // What is assigned more than once has been worked on since it came.
        if let (Shape::Text(origin), true) = (&shape, sources.len() > 1) {
            shape = Shape::Text(origin.derived());
        }
        self.open.borrow_mut().remove(&id);
        // What was found by way of a name that is still open lacks what that name will turn out to be.
        if self.met.get() >= depth {
            if shape == Shape::Circular {
                shape = Shape::Unknown;
            }
            self.known.borrow_mut().insert(id, shape.clone());
            self.met.set(before);
        } else {
            self.met.set(self.met.get().min(before));
        }
        shape
    }

    fn source(&self, source: &Source) -> Shape {
        let part = |whole: Shape, steps: &[Option<String>]| steps.iter().fold(whole, |shape, step| shape.member(step.as_deref()));
        match source {
            Source::Shape(shape) => shape.clone(),
            Source::Value(value) => self.shape(value),
            Source::Part(value, steps) => part(self.shape(value), steps),
            Source::Parameter(function, 0, steps) if Some(*function) == self.handler => part(Shape::Event, steps),
            Source::Parameter(function, index, steps) => {
                let Some(name) = &self.functions[*function].name else { return Shape::Unknown };
                let calls = self.calls.get(name).map(Vec::as_slice).unwrap_or_default();
                if calls.is_empty() || self.handed.contains(name) || Some(*function) == self.handler {
                    return Shape::Unknown;
                }
                let given = calls.iter().map(|call| {
                    let spread = call.node.args.iter().take(index + 1).any(|argument| argument.spread.is_some());
                    let argument = call.node.args.get(*index).filter(|_| !spread);
                    argument.map_or(Shape::Unknown, |argument| self.shape(&argument.expr))
                });
                part(given.fold(Shape::Circular, Shape::or), steps)
            }
        }
    }

    pub(super) fn member(&self, member: &MemberExpr) -> Shape {
        self.shape(&member.obj).member(member_name(&member.prop))
    }

    fn called(&self, callee: &Expr, arguments: &[crate::script::ast::ExprOrSpread]) -> Shape {
        let first = arguments.first().filter(|argument| argument.spread.is_none()).map(|argument| &*argument.expr);
        match bare(callee) {
            Expr::Member(member) => {
                let Some(name) = member_name(&member.prop) else { return Shape::Unknown };
                match self.shape(&member.obj).called(name) {
                    // With `{ format: 'json' }` it is no text.
                    Shape::Read if arguments.len() > 1 => Shape::Promise,
                    // Without an encoding it is a buffer, or bytes.
                    Shape::Unknown if name == "digest" && first.is_some() => Shape::Text(Origin::Plain),
                    shape => shape,
                }
            }
            Expr::Ident(name) if self.parsed.is_global(name) => match (&*name.sym, first) {
                ("require", Some(Expr::Lit(Lit::Str(module)))) => Shape::Module(module.value.to_string_lossy().into_owned()),
                ("String", Some(argument)) => match self.shape(argument) {
                    Shape::Text(origin) => Shape::Text(origin),
                    _ => Shape::Text(Origin::Plain),
                },
                // What is decoded is still what the viewer said.
                ("decodeURIComponent" | "decodeURI", Some(argument)) => match self.shape(argument) {
                    Shape::Text(Origin::Uri) => Shape::Text(Origin::Input),
                    Shape::Text(origin) => Shape::Text(origin),
                    _ => Shape::Text(Origin::Plain),
                },
                ("encodeURIComponent" | "encodeURI" | "btoa" | "atob", _) => Shape::Text(Origin::Plain),
                ("Number" | "parseInt" | "parseFloat", _) => Shape::Number,
                ("Boolean" | "isNaN" | "isFinite", _) => Shape::Bool,
                ("Date", _) => Shape::Text(Origin::Plain),
                ("Array", _) => Shape::List(Origin::Plain),
                _ => Shape::Unknown,
            },
            callee => match self.function(callee) {
                Some(function) => self.returned(function),
                None => Shape::Unknown,
            },
        }
    }

    /// What a function of the script returns.
    fn returned(&self, function: usize) -> Shape {
        let callable = &self.functions[function];
        if callable.is_async {
            return Shape::Promise;
        }
        if !self.open_functions.borrow_mut().insert(function) {
            self.met.set(0);
            return Shape::Circular;
        }
        let shape = match &callable.body {
            Body::Expression(value) => self.shape(value),
            Body::Block(statements, _) => {
                let mut returns = Returns(Vec::new());
                statements.visit_with(&mut returns);
                let shapes = returns.0.iter().map(|value| value.as_ref().map_or(Shape::Nothing, |value| self.shape(value)));
                shapes.fold(Shape::Circular, Shape::or)
            }
        };
        self.open_functions.borrow_mut().remove(&function);
        shape
    }

    /// The functions that somebody calls by name: those that are not part of another's expressions.
    pub(super) fn separate(&self) -> impl Iterator<Item = usize> {
        (0..self.functions.len()).filter(|at| !self.functions[*at].inline)
    }
}

/// Whether it results in a truth value.
fn is_comparison(op: BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::EqEq
            | BinaryOp::NotEq
            | BinaryOp::EqEqEq
            | BinaryOp::NotEqEq
            | BinaryOp::Lt
            | BinaryOp::LtEq
            | BinaryOp::Gt
            | BinaryOp::GtEq
            | BinaryOp::In
            | BinaryOp::InstanceOf
    )
}

/// What the `return`s of one function return, without those of the functions within.
pub(super) struct Returns(pub(super) Vec<Option<Expr>>);

impl Visit for Returns {
    fn visit_return_stmt(&mut self, node: &crate::script::ast::ReturnStmt) {
        self.0.push(node.arg.as_deref().cloned());
    }
    fn visit_function(&mut self, _: &Function) {}
    fn visit_constructor(&mut self, _: &Constructor) {}
    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
}

/// Looks for a value that is something.
struct Reads<'m, 'a> {
    model: &'m Model<'a>,
    shape: &'m Shape,
    found: bool,
}

impl Visit for Reads<'_, '_> {
    fn visit_expr(&mut self, node: &Expr) {
        self.found |= self.model.shape(node) == *self.shape;
        node.visit_children_with(self);
    }
}

struct Reader<'a> {
    model: Model<'a>,
    inside: Option<usize>,
    in_try: bool,
    /// The name that the next function gets.
    name: Option<Ident>,
    /// What the file exports as `handler`, where that is not its name.
    exported: Option<Id>,
}

impl Reader<'_> {
    fn give(&mut self, name: &Ident, source: Source) {
        self.model.names.entry(name.to_id()).or_default().push(source);
    }

    /// Names get parts of a value.
    fn bind(&mut self, pattern: &Pat, source: &dyn Fn(&[Option<String>]) -> Source, steps: &mut Vec<Option<String>>) {
        let unknown: &dyn Fn(&[Option<String>]) -> Source = &|_| Source::Shape(Shape::Unknown);
        match pattern {
            Pat::Ident(name) => self.give(&name.id, source(steps)),
            Pat::Object(object) => {
                for property in &object.props {
                    match property {
                        ObjectPatProp::KeyValue(pair) => {
                            steps.push(property_name(&pair.key).map(str::to_owned));
                            self.bind(&pair.value, source, steps);
                            steps.pop();
                        }
                        ObjectPatProp::Assign(property) if property.value.is_some() => {
                            self.give(&property.key.id, Source::Shape(Shape::Unknown));
                        }
                        ObjectPatProp::Assign(property) => {
                            steps.push(Some(property.key.sym.to_string()));
                            self.give(&property.key.id, source(steps));
                            steps.pop();
                        }
                        ObjectPatProp::Rest(rest) => self.bind(&rest.arg, unknown, steps),
                    }
                }
            }
            Pat::Array(array) => {
                for element in array.elems.iter().flatten() {
                    steps.push(None);
                    self.bind(element, source, steps);
                    steps.pop();
                }
            }
            Pat::Assign(assign) => self.bind(&assign.left, unknown, steps),
            Pat::Rest(rest) => self.bind(&rest.arg, unknown, steps),
            Pat::Expr(_) | Pat::Invalid(_) => {}
        }
    }

    fn function(&mut self, parameters: &[&Pat], body: Body, is_async: bool, span: Position, go: impl FnOnce(&mut Self)) {
        let name = self.name.take();
        let at = self.model.functions.len();
        self.model.by_place.insert(span.lo.0, at);
        let inline = name.is_none();
        for (index, parameter) in parameters.iter().enumerate() {
            self.bind(parameter, &|steps| Source::Parameter(at, index, steps.to_vec()), &mut Vec::new());
        }
        self.model.functions.push(Callable {
            name: name.as_ref().map(Ident::to_id),
            place: name.as_ref().map_or(span, |name| name.span),
            body,
            is_async,
            inline,
        });
        if let Some(name) = &name {
            self.model.by_name.insert(name.to_id(), at);
        }
        // A function that is handed over runs, as far as anybody knows, where it stands.
        let before = (self.inside, self.in_try);
        (self.inside, self.in_try) = (Some(at), self.in_try && inline);
        go(self);
        (self.inside, self.in_try) = before;
    }

    fn head(&mut self, head: &ForHead, shape: &Shape) {
        match head {
            ForHead::VarDecl(declaration) => {
                for declarator in &declaration.decls {
                    self.bind(&declarator.name, &|steps| part_of(shape, steps), &mut Vec::new());
                }
            }
            ForHead::UsingDecl(_) => {}
            ForHead::Pat(pattern) => {
                // A name stands here as an expression.
                if let Pat::Expr(expression) = &**pattern
                    && let Expr::Ident(name) = &**expression
                {
                    self.give(name, Source::Shape(shape.clone()));
                } else {
                    self.bind(pattern, &|steps| part_of(shape, steps), &mut Vec::new());
                }
            }
        }
    }

    fn name_of(init: &Expr, name: &Pat) -> Option<Ident> {
        match (bare(init), name) {
            (Expr::Fn(_) | Expr::Arrow(_), Pat::Ident(name)) => Some(name.id.clone()),
            _ => None,
        }
    }
}

fn part_of(shape: &Shape, steps: &[Option<String>]) -> Source {
    Source::Shape(steps.iter().fold(shape.clone(), |shape, step| shape.member(step.as_deref())))
}

impl Visit for Reader<'_> {
    fn visit_import_decl(&mut self, node: &ImportDecl) {
        let module = node.src.value.to_string_lossy().into_owned();
        for specifier in &node.specifiers {
            let shape = match specifier {
                ImportSpecifier::Default(_) if !module.starts_with(['.', '/']) => Shape::Module(module.clone()),
                _ => Shape::Unknown,
            };
            self.give(specifier.local(), Source::Shape(shape));
        }
    }

    fn visit_export_decl(&mut self, node: &ExportDecl) {
        // Other files may call it with anything.
        match &node.decl {
            Decl::Fn(function) => self.visit_ident(&function.ident),
            Decl::Var(variables) => {
                for name in variables.decls.iter().filter_map(|declarator| declarator.name.as_ident()) {
                    self.visit_ident(&name.id);
                }
            }
            _ => {}
        }
        node.visit_children_with(self);
    }

    fn visit_export_default_decl(&mut self, node: &ExportDefaultDecl) {
        if let DefaultDecl::Fn(FnExpr { ident: Some(name), function }) = &node.decl {
            self.visit_ident(name);
            self.visit_fn_decl(&FnDecl { ident: name.clone(), declare: false, function: function.clone() });
            return;
        }
        node.visit_children_with(self);
    }

    fn visit_export_named_specifier(&mut self, node: &ExportNamedSpecifier) {
        let name = |name: &ModuleExportName| match name {
            ModuleExportName::Ident(name) => name.sym.to_string(),
            ModuleExportName::Str(name) => name.value.to_string_lossy().into_owned(),
        };
        if let ModuleExportName::Ident(own) = &node.orig {
            self.visit_ident(own);
            if name(node.exported.as_ref().unwrap_or(&node.orig)) == "handler" {
                self.exported = Some(own.to_id());
            }
        }
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let Some(init) = &node.init {
            let value = Rc::new((**init).clone());
            let source = |steps: &[Option<String>]| match steps {
                [] => Source::Value(Rc::clone(&value)),
                steps => Source::Part(Rc::clone(&value), steps.to_vec()),
            };
            self.bind(&node.name, &source, &mut Vec::new());
            self.name = Self::name_of(init, &node.name);
        }
        node.visit_children_with(self);
        self.name = None;
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        let value = Rc::new((*node.right).clone());
        match &node.left {
            AssignTarget::Simple(SimpleAssignTarget::Ident(name)) => {
                let source = match node.op {
                    AssignOp::Assign => Source::Value(value),
                    // One side of a sum is what is there already.
                    AssignOp::AddAssign => match &*node.right {
                        Expr::Lit(Lit::Num(_)) => Source::Shape(Shape::Number),
                        _ => Source::Value(value),
                    },
                    AssignOp::AndAssign | AssignOp::OrAssign | AssignOp::NullishAssign => Source::Value(value),
                    _ => Source::Shape(Shape::Number),
                };
                self.give(&name.id, source);
                node.right.visit_with(self);
                return;
            }
            AssignTarget::Simple(SimpleAssignTarget::Member(member)) => {
                if let Some(name) = member_name(&member.prop) {
                    self.model.defined.insert(name.to_owned());
                    let global = matches!(&*member.obj, Expr::Ident(object)
                        if self.model.parsed.is_global(object) && matches!(&*object.sym, "global" | "globalThis"));
                    if global {
                        self.model.expected.insert(name.to_owned());
                    }
                }
            }
            AssignTarget::Pat(pattern) => {
                let pattern: Pat = pattern.clone().into();
                self.bind(&pattern, &|steps| Source::Part(Rc::clone(&value), steps.to_vec()), &mut Vec::new());
            }
            AssignTarget::Simple(_) => {}
        }
        node.visit_children_with(self);
    }

    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        if let Expr::Ident(name) = &*node.arg {
            self.give(name, Source::Shape(Shape::Number));
            return;
        }
        node.visit_children_with(self);
    }

    fn visit_for_in_stmt(&mut self, node: &ForInStmt) {
        self.head(&node.left, &Shape::Text(Origin::Plain));
        node.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        self.head(&node.left, &Shape::Unknown);
        node.visit_children_with(self);
    }

    fn visit_catch_clause(&mut self, node: &CatchClause) {
        if let Some(parameter) = &node.param {
            self.bind(parameter, &|_| Source::Shape(Shape::Unknown), &mut Vec::new());
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

    fn visit_class_decl(&mut self, node: &ClassDecl) {
        self.give(&node.ident, Source::Shape(Shape::Unknown));
        node.visit_children_with(self);
    }

    fn visit_prop_name(&mut self, node: &PropName) {
        if let Some(name) = property_name(node) {
            self.model.defined.insert(name.to_owned());
        }
        node.visit_children_with(self);
    }

    fn visit_fn_decl(&mut self, node: &FnDecl) {
        self.give(&node.ident, Source::Shape(Shape::Function));
        self.name = Some(node.ident.clone());
        node.function.visit_with(self);
    }

    fn visit_fn_expr(&mut self, node: &FnExpr) {
        if let Some(own) = &node.ident {
            self.give(own, Source::Shape(Shape::Function));
            self.model.handed.insert(own.to_id());
        }
        node.function.visit_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        let parameters: Vec<&Pat> = node.params.iter().map(|parameter| &parameter.pat).collect();
        let body = node.body.as_ref();
        let span = body.map_or(node.span, |body| body.span);
        let body = Body::Block(Rc::new(body.map(|body| body.stmts.clone()).unwrap_or_default()), span);
        self.function(&parameters, body, node.is_async, node.span, |this| {
            node.params.visit_with(this);
            node.body.visit_with(this);
        });
    }

    fn visit_constructor(&mut self, node: &Constructor) {
        let parameters = node.params.iter().filter_map(|parameter| parameter.as_param());
        let parameters: Vec<&Pat> = parameters.map(|parameter| &parameter.pat).collect();
        let body = node.body.as_ref();
        let span = body.map_or(node.span, |body| body.span);
        let body = Body::Block(Rc::new(body.map(|body| body.stmts.clone()).unwrap_or_default()), span);
        self.function(&parameters, body, false, node.span, |this| node.visit_children_with(this));
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        let body = match &*node.body {
            ArrowFunctionBody::FunctionBody(body) => Body::Block(Rc::new(body.stmts.clone()), body.span),
            ArrowFunctionBody::Expr(value) => Body::Expression(Rc::new((**value).clone())),
        };
        let parameters: Vec<&Pat> = node.params.iter().collect();
        self.function(&parameters, body, node.is_async, node.span, |this| {
            node.params.visit_with(this);
            node.body.visit_with(this);
        });
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        // A function that is called where it stands, or handed over, has no name.
        self.name = None;
        match &node.callee {
            Callee::Expr(callee) => match bare(callee) {
                Expr::Ident(name) => {
                    let call = Call { node: Rc::new(node.clone()), in_try: self.in_try, caller: self.inside };
                    self.model.calls.entry(name.to_id()).or_default().push(call);
                }
                callee => callee.visit_with(self),
            },
            other => other.visit_with(self),
        }
        node.args.visit_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if let (UnaryOp::TypeOf, Expr::Ident(name)) = (node.op, bare(&node.arg)) {
            self.model.asked.insert(name.sym.to_string());
        }
        node.visit_children_with(self);
    }

    fn visit_prop(&mut self, node: &Prop) {
        self.name = None;
        node.visit_children_with(self);
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.model.handed.insert(node.to_id());
    }

    fn visit_pat(&mut self, node: &Pat) {
        // Names that are bound are not used; what is said beside them may be.
        match node {
            Pat::Ident(_) => {}
            other => other.visit_children_with(self),
        }
    }
}

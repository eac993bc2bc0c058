//! Rewriting that means just what was written, where the compiler's own would not or would be large.
//!
//! At the edge nothing is iterable but arrays, texts, typed arrays and `arguments`, for nothing else can be made there:
//! generators are refused, and so is an object with an iterator of its own. So whatever is iterated can be counted through.

use super::hoist::assigned;
use super::supers;
use std::collections::BTreeSet;
use swc_core::atoms::Atom;
use swc_core::common::{DUMMY_SP, Mark, Span, Spanned, SyntaxContext};
use swc_core::ecma::ast::Program;
use swc_core::ecma::ast::{
    ArrayLit, ArrayPat, ArrowExpr, AssignExpr, AssignOp, AssignTarget, BinExpr, BinaryOp, BindingIdent, BlockStmt, CallExpr,
    Callee, Class, ClassProp, Constructor, Expr, ExprOrSpread, ExprStmt, FnExpr, ForHead, ForOfStmt, ForStmt, Function,
    FunctionBody, Id, Ident, IdentName, Invalid, Lit, MemberExpr, MemberProp, NewExpr, Null, ObjectLit, ObjectPatProp, OptCall,
    Param, Pat, Prop, PropOrSpread, RestPat, SeqExpr, Stmt, UpdateExpr, UpdateOp, VarDecl, VarDeclKind, VarDeclOrExpr,
    VarDeclarator,
};
use swc_core::ecma::transforms::base::native::is_native;
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// Rewrites loops over lists, spread syntax, and what of classes needs it. The program's scopes must have been found, with
/// `unresolved` for what is global.
pub(super) fn rewrite(program: &mut Program, unresolved: Mark) {
    supers::rewrite(program, unresolved);
    let mut arrays = Arrays { assigned: assigned(program), found: BTreeSet::new() };
    program.visit_with(&mut arrays);
    program.visit_mut_with(&mut Rewriter { arrays: arrays.found, global: SyntaxContext::empty().apply_mark(unresolved) });
}

/// Names that always stand for an array: rest parameters, and constants that are made as one.
struct Arrays {
    assigned: BTreeSet<Id>,
    found: BTreeSet<Id>,
}

impl Arrays {
    fn rest(&mut self, pattern: &Pat) {
        if let Pat::Rest(rest) = pattern
            && let Pat::Ident(name) = &*rest.arg
            && !self.assigned.contains(&name.to_id())
        {
            self.found.insert(name.to_id());
        }
    }
}

impl Visit for Arrays {
    fn visit_param(&mut self, node: &Param) {
        self.rest(&node.pat);
        node.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        node.params.iter().for_each(|parameter| self.rest(parameter));
        node.visit_children_with(self);
    }

    fn visit_array_pat(&mut self, node: &ArrayPat) {
        node.elems.iter().flatten().for_each(|element| self.rest(element));
        node.visit_children_with(self);
    }

    fn visit_var_declarator(&mut self, node: &VarDeclarator) {
        if let (Pat::Ident(name), Some(value)) = (&node.name, &node.init)
            && is_array(value, &self.found)
            && !self.assigned.contains(&name.to_id())
        {
            self.found.insert(name.to_id());
        }
        node.visit_children_with(self);
    }
}

/// Whether an expression certainly is an array.
fn is_array(expression: &Expr, known: &BTreeSet<Id>) -> bool {
    /// Methods that give an array of an array; those of a list of bytes give a list of bytes.
    const METHODS: [&str; 3] = ["filter", "map", "sort"];
    const OF_OBJECT: [&str; 3] = ["entries", "keys", "values"];
    match expression {
        Expr::Array(_) => true,
        Expr::Ident(name) => known.contains(&name.to_id()),
        Expr::Paren(inner) => is_array(&inner.expr, known),
        Expr::Call(CallExpr { callee: Callee::Expr(callee), args, .. }) => match &**callee {
            Expr::Member(MemberExpr { obj, prop: MemberProp::Ident(name), .. }) => {
                &*name.sym == "split"
                    || (METHODS.contains(&&*name.sym) && is_array(obj, known))
                    || (OF_OBJECT.contains(&&*name.sym) && !args.is_empty())
            }
            _ => false,
        },
        _ => false,
    }
}

struct Rewriter {
    arrays: BTreeSet<Id>,
    global: SyntaxContext,
}

impl Rewriter {
    /// `[].slice.call(list)`: an array of whatever is iterable, and a `TypeError` for what is nothing.
    fn listed(&self, list: &mut Box<Expr>) {
        if !is_array(list, &self.arrays) {
            let empty = Expr::Array(ArrayLit { span: DUMMY_SP, elems: Vec::new() });
            **list = call(member(member(empty, "slice"), "call"), vec![plain(*take(list))]);
        }
    }

    /// `{ a, ...b, c }` is `Object.assign({ a }, b, { c })`.
    fn object(&self, object: &mut ObjectLit) -> Expr {
        let mut arguments: Vec<ExprOrSpread> = Vec::new();
        let mut own: Vec<PropOrSpread> = Vec::new();
        let flush = |own: &mut Vec<PropOrSpread>, arguments: &mut Vec<ExprOrSpread>| {
            if !own.is_empty() || arguments.is_empty() {
                arguments.push(plain(Expr::Object(ObjectLit { span: DUMMY_SP, props: std::mem::take(own) })));
            }
        };
        for property in std::mem::take(&mut object.props) {
            match property {
                PropOrSpread::Spread(spread) => {
                    flush(&mut own, &mut arguments);
                    arguments.push(plain(*spread.expr));
                }
                property => own.push(property),
            }
        }
        flush(&mut own, &mut arguments);
        let assign = member(Expr::Ident(Ident::new("Object".into(), object.span, self.global)), "assign");
        match call(assign, arguments) {
            Expr::Call(call) => Expr::Call(CallExpr { span: object.span, ..call }),
            other => other,
        }
    }
}

impl VisitMut for Rewriter {
    fn visit_mut_array_lit(&mut self, array: &mut ArrayLit) {
        array.visit_mut_children_with(self);
        for element in array.elems.iter_mut().flatten().filter(|element| element.spread.is_some()) {
            self.listed(&mut element.expr);
        }
    }

    fn visit_mut_call_expr(&mut self, node: &mut CallExpr) {
        node.visit_mut_children_with(self);
        for argument in node.args.iter_mut().filter(|argument| argument.spread.is_some()) {
            self.listed(&mut argument.expr);
        }
    }

    fn visit_mut_opt_call(&mut self, node: &mut OptCall) {
        node.visit_mut_children_with(self);
        for argument in node.args.iter_mut().filter(|argument| argument.spread.is_some()) {
            self.listed(&mut argument.expr);
        }
    }

    fn visit_mut_expr(&mut self, node: &mut Expr) {
        node.visit_mut_children_with(self);
        match node {
            Expr::Object(object) if object.props.iter().any(PropOrSpread::is_spread) => *node = self.object(object),
            // `new F(...list)` is `new (F.bind.apply(F, [null, ...list]))`; what `F` is, is asked once.
            Expr::New(new) if new.args.iter().flatten().any(|argument| argument.spread.is_some()) => {
                let mut arguments = vec![Some(plain(Expr::Lit(Lit::Null(Null { span: DUMMY_SP }))))];
                for mut argument in new.args.take().into_iter().flatten() {
                    if argument.spread.is_some() {
                        self.listed(&mut argument.expr);
                    }
                    arguments.push(Some(argument));
                }
                let any = Expr::Fn(FnExpr {
                    ident: None,
                    function: Box::new(Function {
                        body: Some(FunctionBody { span: DUMMY_SP, stmts: Vec::new() }),
                        ..Function::default()
                    }),
                });
                let list = Expr::Array(ArrayLit { span: DUMMY_SP, elems: arguments });
                let bound = call(member(member(any, "bind"), "apply"), vec![plain(*take(&mut new.callee)), plain(list)]);
                *node =
                    Expr::New(NewExpr { span: new.span, callee: Box::new(bound), args: Some(Vec::new()), ..NewExpr::default() });
            }
            _ => {}
        }
    }

    fn visit_mut_class(&mut self, node: &mut Class) {
        node.visit_mut_children_with(self);
        // The compiler goes by the name alone: it would take a `Response` of one's own for the browser's, and wrap it.
        if let Some(parent) = &mut node.super_class
            && parent.as_ident().is_some_and(|name| name.ctxt != self.global && is_native(&name.sym))
        {
            let zero = Box::new(Expr::Lit(Lit::Num(0.0.into())));
            **parent = Expr::Seq(SeqExpr { span: parent.span(), exprs: vec![zero, take(parent)] });
        }
    }

    /// The compiler leaves fields away that have no value.
    fn visit_mut_class_prop(&mut self, node: &mut ClassProp) {
        node.visit_mut_children_with(self);
        node.value.get_or_insert_with(|| Expr::undefined(DUMMY_SP));
    }

    fn visit_mut_stmt(&mut self, node: &mut Stmt) {
        node.visit_mut_children_with(self);
        if let Stmt::ForOf(inner) = node
            && !inner.is_await
        {
            *node = Stmt::For(counted(inner));
        }
    }
}

/// `for (const x of list) …` is `for (let all = list, at = 0; at < all.length; at++) { const x = all[at]; … }`: a list may
/// grow while it is gone through.
fn counted(node: &mut ForOfStmt) -> ForStmt {
    let scope = SyntaxContext::empty().apply_mark(Mark::new());
    let name = |name: &str| Ident::new(name.into(), DUMMY_SP, scope);
    let say = |text: &str| Box::new(Expr::Ident(name(text)));
    let start = |text: &str, value: Box<Expr>| VarDeclarator {
        span: value.span(),
        name: Pat::Ident(BindingIdent::from(name(text))),
        init: Some(value),
        definite: false,
    };
    let zero = Box::new(Expr::Lit(Lit::Num(0.0.into())));
    let element = Box::new(Expr::Member(MemberExpr {
        span: DUMMY_SP,
        obj: say("all"),
        prop: MemberProp::Computed(swc_core::ecma::ast::ComputedPropName { span: DUMMY_SP, expr: say("at") }),
    }));
    let first = match &mut node.left {
        ForHead::VarDecl(variables) => {
            let mut variables = std::mem::take(variables);
            variables.decls.iter_mut().for_each(|declarator| declarator.init = Some(element.clone()));
            Stmt::Decl(swc_core::ecma::ast::Decl::Var(variables))
        }
        ForHead::Pat(pattern) => {
            let pattern = std::mem::replace(&mut **pattern, Pat::Invalid(Invalid { span: DUMMY_SP }));
            let span = pattern.span();
            match AssignTarget::try_from(pattern) {
                Ok(left) => {
                    let assign = Expr::Assign(AssignExpr { span, op: AssignOp::Assign, left, right: element });
                    Stmt::Expr(ExprStmt { span, expr: Box::new(assign) })
                }
                Err(_) => Stmt::default(),
            }
        }
        // Declarations with `using` are refused before.
        ForHead::UsingDecl(_) => Stmt::default(),
    };
    let mut body = vec![first];
    match std::mem::take(&mut *node.body) {
        Stmt::Block(block) => body.extend(block.stmts),
        other => body.push(other),
    }
    let length = Expr::Member(MemberExpr {
        span: DUMMY_SP,
        obj: say("all"),
        prop: MemberProp::Ident(IdentName::new(Atom::from("length"), DUMMY_SP)),
    });
    ForStmt {
        span: node.span,
        init: Some(VarDeclOrExpr::VarDecl(Box::new(VarDecl {
            span: node.span,
            kind: VarDeclKind::Let,
            decls: vec![start("all", take(&mut node.right)), start("at", zero)],
            ..VarDecl::default()
        }))),
        test: Some(Box::new(Expr::Bin(BinExpr { span: DUMMY_SP, op: BinaryOp::Lt, left: say("at"), right: Box::new(length) }))),
        update: Some(Box::new(Expr::Update(UpdateExpr { span: DUMMY_SP, op: UpdateOp::PlusPlus, prefix: false, arg: say("at") }))),
        body: Box::new(Stmt::Block(BlockStmt { span: DUMMY_SP, stmts: body, ..BlockStmt::default() })),
    }
}

/// The compiler takes `all.slice(1)` for the rest of whatever is destructured; of a text that is a text. Its own calls are
/// those without a place. To be run on what it has rewritten.
pub(super) struct Rests;

impl VisitMut for Rests {
    fn visit_mut_call_expr(&mut self, node: &mut CallExpr) {
        node.visit_mut_children_with(self);
        let is_own = node.span == Span::default() && matches!(node.args.as_slice(), [one] if one.expr.is_lit());
        if let Callee::Expr(callee) = &mut node.callee
            && let Expr::Member(MemberExpr { obj, prop: MemberProp::Ident(name), span }) = &mut **callee
            && is_own
            && span.is_dummy()
            && &*name.sym == "slice"
        {
            node.args.insert(0, plain(*take(obj)));
            let empty = Expr::Array(ArrayLit { span: DUMMY_SP, elems: Vec::new() });
            **callee = member(member(empty, "slice"), "call");
        }
    }
}

/// Both runtimes have rest parameters, and the compiler can only take them together with default values. So they are parameters
/// like any other while it works.
#[derive(Default)]
pub(super) struct RestParameters {
    hidden: BTreeSet<Id>,
    is_done: bool,
}

impl RestParameters {
    /// Before the compiler comes.
    pub(super) fn hide(program: &mut Program) -> Self {
        let mut rests = Self::default();
        program.visit_mut_with(&mut rests);
        Self { is_done: true, ..rests }
    }

    /// After it has gone.
    pub(super) fn show(mut self, program: &mut Program) {
        program.visit_mut_with(&mut self);
    }

    fn parameters(&mut self, parameters: Vec<&mut Pat>) {
        if self.is_done || !parameters.iter().any(|parameter| has_object_rest(parameter)) {
            parameters.into_iter().for_each(|parameter| self.parameter(parameter));
        }
    }

    fn parameter(&mut self, pattern: &mut Pat) {
        match pattern {
            Pat::Rest(rest) if !self.is_done => {
                // What is taken apart is the compiler's.
                if let Pat::Ident(name) = &*rest.arg {
                    self.hidden.insert(name.to_id());
                    *pattern = Pat::Ident(name.clone());
                }
            }
            Pat::Ident(name) if self.is_done && self.hidden.contains(&name.to_id()) => {
                let arg = Box::new(Pat::Ident(name.clone()));
                *pattern = Pat::Rest(RestPat { span: DUMMY_SP, dot3_token: DUMMY_SP, arg, type_ann: None });
            }
            _ => {}
        }
    }
}

impl VisitMut for RestParameters {
    fn visit_mut_function(&mut self, node: &mut Function) {
        node.visit_mut_children_with(self);
        self.parameters(node.params.iter_mut().map(|parameter| &mut parameter.pat).collect());
    }

    fn visit_mut_constructor(&mut self, node: &mut Constructor) {
        node.visit_mut_children_with(self);
        let parameters = node.params.iter_mut().filter_map(|parameter| parameter.as_mut_param());
        self.parameters(parameters.map(|parameter| &mut parameter.pat).collect());
    }

    fn visit_mut_arrow_expr(&mut self, node: &mut ArrowExpr) {
        node.visit_mut_children_with(self);
        self.parameters(node.params.iter_mut().collect());
    }
}

/// Whether a pattern has the rest of an object in it. For its sake the compiler takes all parameters of a function as one list.
fn has_object_rest(pattern: &Pat) -> bool {
    struct Rest(bool);
    impl Visit for Rest {
        fn visit_object_pat_prop(&mut self, node: &ObjectPatProp) {
            self.0 |= matches!(node, ObjectPatProp::Rest(_));
            node.visit_children_with(self);
        }
        fn visit_expr(&mut self, _: &Expr) {}
    }
    let mut rest = Rest(false);
    pattern.visit_with(&mut rest);
    rest.0
}

pub(super) fn plain(expression: Expr) -> ExprOrSpread {
    ExprOrSpread { spread: None, expr: Box::new(expression) }
}

pub(super) fn take(expression: &mut Box<Expr>) -> Box<Expr> {
    std::mem::replace(expression, Box::new(Expr::Invalid(Invalid { span: DUMMY_SP })))
}

pub(super) fn member(object: Expr, name: &str) -> Expr {
    Expr::Member(MemberExpr {
        span: DUMMY_SP,
        obj: Box::new(object),
        prop: MemberProp::Ident(IdentName::new(name.into(), DUMMY_SP)),
    })
}

pub(super) fn call(callee: Expr, arguments: Vec<ExprOrSpread>) -> Expr {
    Expr::Call(CallExpr { callee: Callee::Expr(Box::new(callee)), args: arguments, ..CallExpr::default() })
}

/// Whether an object has an accessor and a spread, which no assignment can make.
pub(super) fn accessor_beside_spread(object: &ObjectLit) -> Option<Span> {
    object.props.iter().find(|property| property.is_spread())?;
    object.props.iter().find_map(|property| match property {
        PropOrSpread::Prop(property) => match &**property {
            Prop::Getter(getter) => Some(getter.span),
            Prop::Setter(setter) => Some(setter.span),
            _ => None,
        },
        PropOrSpread::Spread(_) => None,
    })
}

//! `super.x` where a getter may stand behind it: the compiler would read it off the prototype, and the getter's `this` would be that.

use super::exact::{call, member, plain, take};
use super::parse::Parsed;
use crate::source::Diagnostic;
use swc_core::common::{BytePos, DUMMY_SP, Mark, Span, SyntaxContext};
use swc_core::ecma::ast::{
    AssignExpr, AssignTarget, CallExpr, Callee, Class, ClassDecl, ClassExpr, ClassMember, ClassMethod, ClassProp, EsVersion, Expr,
    ForHead, Function, GetterProp, Ident, Lit, ModuleItem, OptCall, Pat, PrivateMethod, PrivateProp, Program, SetterProp,
    SimpleAssignTarget, Stmt, SuperProp, SuperPropExpr, TaggedTpl, ThisExpr, UnaryExpr, UnaryOp, UpdateExpr,
};
use swc_core::ecma::parser::{EsSyntax, Lexer, Parser, StringInput, Syntax};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// What would see another `this`, or is not rewritten at all.
pub(super) fn check(parsed: &Parsed, statement: &Stmt) -> Vec<Diagnostic> {
    let mut writes = Writes { parsed, problems: Vec::new() };
    statement.visit_with(&mut writes);
    writes.problems
}

struct Writes<'a> {
    parsed: &'a Parsed,
    problems: Vec<Diagnostic>,
}

impl Writes<'_> {
    fn refuse(&mut self, span: Span, what: &str) {
        let hint = "write `this.name = …`, or call a method of the parent: `super.setName(…)`";
        self.problems.push(self.parsed.complain("not-rewritten", span, format!("a member of `super` cannot be {what}")).hint(hint));
    }

    /// `[super.x] = list`, `for (super.x of list)`: what is assigned to in a pattern is an expression.
    fn pattern(&mut self, pattern: &Pat) {
        struct Within(Vec<Span>);
        impl Visit for Within {
            fn visit_pat(&mut self, node: &Pat) {
                match node {
                    Pat::Expr(target) => self.0.extend(target.as_super_prop().map(|target| target.span)),
                    other => other.visit_children_with(self),
                }
            }
            // Default values and computed keys are read.
            fn visit_expr(&mut self, _: &Expr) {}
        }
        let mut within = Within(Vec::new());
        pattern.visit_with(&mut within);
        within.0.into_iter().for_each(|span| self.refuse(span, "assigned to"));
    }
}

impl Writes<'_> {
    fn accessor(&mut self, function: &Function) {
        /// The `super` of this very function.
        struct Own(Option<Span>);
        impl Visit for Own {
            fn visit_super_prop_expr(&mut self, node: &SuperPropExpr) {
                self.0.get_or_insert(node.span);
            }
            fn visit_function(&mut self, _: &Function) {}
            fn visit_class(&mut self, _: &Class) {}
        }
        let mut own = Own(None);
        function.visit_children_with(&mut own);
        if let Some(span) = own.0 {
            let message = "`super` in a getter or setter of an object cannot be rewritten for the runtime";
            let hint = "make it a method, or a class with a getter";
            self.problems.push(self.parsed.complain("not-rewritten", span, message).hint(hint));
        }
    }
}

impl Visit for Writes<'_> {
    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        match &node.left {
            AssignTarget::Simple(SimpleAssignTarget::SuperProp(target)) => self.refuse(target.span, "assigned to"),
            AssignTarget::Simple(_) => {}
            AssignTarget::Pat(pattern) => self.pattern(&pattern.clone().into()),
        }
        node.visit_children_with(self);
    }

    fn visit_update_expr(&mut self, node: &UpdateExpr) {
        if let Expr::SuperProp(target) = &*node.arg {
            self.refuse(target.span, "assigned to");
        }
        node.visit_children_with(self);
    }

    fn visit_for_head(&mut self, node: &ForHead) {
        if let ForHead::Pat(pattern) = node {
            self.pattern(pattern);
        }
        node.visit_children_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if node.op == UnaryOp::Delete && node.arg.is_super_prop() {
            self.refuse(node.span, "deleted");
        }
        node.visit_children_with(self);
    }

    /// The compiler passes these over.
    fn visit_getter_prop(&mut self, node: &GetterProp) {
        self.accessor(&node.function);
        node.visit_children_with(self);
    }

    fn visit_setter_prop(&mut self, node: &SetterProp) {
        self.accessor(&node.function);
        node.visit_children_with(self);
    }

    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        if let Expr::SuperProp(tag) = &*node.tag {
            self.refuse(tag.span, "the tag of a template");
        }
        node.visit_children_with(self);
    }
}

/// Makes every `super.x` of a class that is read, and not called, a question that has `this` in it.
pub(super) fn rewrite(program: &mut Program, unresolved: Mark) {
    let made_up = SyntaxContext::empty().apply_mark(Mark::new());
    let mut reads = Reads {
        home: None,
        is_named: false,
        helper: Ident::new("_super_get".into(), DUMMY_SP, made_up),
        class: Ident::new("Class".into(), DUMMY_SP, made_up),
        global: SyntaxContext::empty().apply_mark(unresolved),
        is_used: false,
    };
    program.visit_mut_with(&mut reads);
    if let (true, Program::Module(module)) = (reads.is_used, program) {
        module.body.extend(helper(&reads.helper, reads.global));
    }
}

/// The class around, and whether the member at hand is the class's own.
type Home = (Ident, bool);

struct Reads {
    home: Option<Home>,
    /// Whether the class around was named.
    is_named: bool,
    helper: Ident,
    /// The name of a class that has none.
    class: Ident,
    global: SyntaxContext,
    is_used: bool,
}

impl Reads {
    fn class(&mut self, name: &mut Option<Ident>, class: &mut Class) {
        class.super_class.visit_mut_with(self);
        let own =
            name.clone().unwrap_or_else(|| Ident { ctxt: SyntaxContext::empty().apply_mark(Mark::new()), ..self.class.clone() });
        let outer = (self.home.clone(), std::mem::replace(&mut self.is_named, false));
        for part in &mut class.body {
            let home = |is_static| Some((own.clone(), is_static));
            // A key that is computed belongs to what is around the class.
            match part {
                ClassMember::Method(ClassMethod { key, function, is_static, .. }) => {
                    key.visit_mut_with(self);
                    self.within(home(*is_static), |this| function.visit_mut_children_with(this));
                }
                ClassMember::PrivateMethod(PrivateMethod { function, is_static, .. }) => {
                    self.within(home(*is_static), |this| function.visit_mut_children_with(this));
                }
                ClassMember::Constructor(constructor) => {
                    self.within(home(false), |this| constructor.visit_mut_children_with(this));
                }
                ClassMember::ClassProp(ClassProp { key, value, is_static, .. }) => {
                    key.visit_mut_with(self);
                    self.within(home(*is_static), |this| value.visit_mut_with(this));
                }
                ClassMember::PrivateProp(PrivateProp { value, is_static, .. }) => {
                    self.within(home(*is_static), |this| value.visit_mut_with(this));
                }
                ClassMember::StaticBlock(block) => self.within(home(true), |this| block.visit_mut_children_with(this)),
                ClassMember::TsIndexSignature(_) | ClassMember::Empty(_) | ClassMember::AutoAccessor(_) => {}
            }
        }
        if self.is_named {
            *name = Some(own);
        }
        (self.home, self.is_named) = outer;
    }

    fn within(&mut self, home: Option<Home>, go: impl FnOnce(&mut Self)) {
        let around = std::mem::replace(&mut self.home, home);
        go(self);
        self.home = around;
    }

    fn read(&mut self, (class, is_static): &Home, property: &mut SuperProp) -> Expr {
        (self.is_used, self.is_named) = (true, true);
        let class = Expr::Ident(class.clone());
        let of = if *is_static { class } else { member(class, "prototype") };
        let parent =
            call(member(Expr::Ident(Ident::new("Object".into(), DUMMY_SP, self.global)), "getPrototypeOf"), vec![plain(of)]);
        let name = match property {
            SuperProp::Ident(name) => Expr::Lit(Lit::Str(name.sym.clone().into())),
            SuperProp::Computed(computed) => *take(&mut computed.expr),
        };
        let this = Expr::This(ThisExpr { span: DUMMY_SP });
        call(Expr::Ident(self.helper.clone()), vec![plain(parent), plain(name), plain(this)])
    }

    /// What is called keeps its form: the compiler sees to its `this`.
    fn callee(&mut self, callee: &mut Expr) {
        match callee {
            Expr::SuperProp(SuperPropExpr { prop, .. }) => prop.visit_mut_with(self),
            other => other.visit_mut_with(self),
        }
    }
}

impl VisitMut for Reads {
    fn visit_mut_class_decl(&mut self, node: &mut ClassDecl) {
        self.class(&mut Some(node.ident.clone()), &mut node.class);
    }

    fn visit_mut_class_expr(&mut self, node: &mut ClassExpr) {
        self.class(&mut node.ident, &mut node.class);
    }

    // In methods of objects `super` is another, and the compiler asks for its members with `this`.
    fn visit_mut_function(&mut self, node: &mut Function) {
        self.within(None, |this| node.visit_mut_children_with(this));
    }

    fn visit_mut_call_expr(&mut self, node: &mut CallExpr) {
        if let Callee::Expr(callee) = &mut node.callee {
            self.callee(callee);
        }
        node.args.visit_mut_with(self);
    }

    fn visit_mut_opt_call(&mut self, node: &mut OptCall) {
        self.callee(&mut node.callee);
        node.args.visit_mut_with(self);
    }

    fn visit_mut_expr(&mut self, node: &mut Expr) {
        match (&mut *node, self.home.clone()) {
            (Expr::SuperProp(found), Some(home)) => {
                found.prop.visit_mut_with(self);
                *node = self.read(&home, &mut found.prop);
            }
            (other, _) => other.visit_mut_children_with(self),
        }
    }
}

/// Looks the property up as the engine would, and hands a getter the `this` that it should see.
const HELPER: &str = "function _super_get(from, name, self) {
    for (; from; from = Object.getPrototypeOf(from)) {
        var found = Object.getOwnPropertyDescriptor(from, name);
        if (found) return found.get ? found.get.call(self) : found.value;
    }
}";

fn helper(name: &Ident, global: SyntaxContext) -> Option<ModuleItem> {
    struct Scopes<'a>(&'a Ident, SyntaxContext);
    impl VisitMut for Scopes<'_> {
        fn visit_mut_ident(&mut self, node: &mut Ident) {
            node.ctxt = if &*node.sym == "Object" { self.1 } else { self.0.ctxt };
            node.span = DUMMY_SP;
        }
        fn visit_mut_span(&mut self, node: &mut Span) {
            *node = DUMMY_SP;
        }
    }
    let input = StringInput::new(HELPER, BytePos(1), BytePos(1 + u32::try_from(HELPER.len()).ok()?));
    let lexer = Lexer::new(Syntax::Es(EsSyntax::default()), EsVersion::Es5, input, None);
    let mut helper = Parser::new_from(lexer).parse_module_item().ok()?;
    helper.visit_mut_with(&mut Scopes(name, global));
    Some(helper)
}

//! Modules that say which of their branches were taken.
//!
//! Each function, `if`, `?:`, `&&`, `||`, `??`, `case` and loop is made to call a function of the runtime's, [`COUNTER`], with the
//! number of the branch. What is counted is what was written, before anything is linked, rewritten or left out.

use super::graph::Graph;
use super::parse::Parsed;
use crate::source::{SourcePath, Span};
use swc_core::common::{DUMMY_SP, Span as Position, Spanned, SyntaxContext};
use swc_core::ecma::ast::{
    ArrowExpr, ArrowFunctionBody, AssignExpr, AssignOp, AwaitExpr, BinaryOp, BlockStmt, CallExpr, Callee, Constructor, Expr,
    ExprOrSpread, ExprStmt, ForStmt, Function, FunctionBody, Ident, Lit, Number, ParenExpr, ReturnStmt, SeqExpr, Stmt, SwitchCase,
    SwitchStmt, WhileStmt, YieldExpr,
};
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// What a counted script calls: with a branch's number; and with a number, one of [`Call`], and perhaps a value.
pub const COUNTER: &str = "__qdn";

/// What a call of the counter means besides that a branch was taken. The numbers are written into the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The branch is taken if the value is falsy; the value is the answer.
    IfFalsy = 1,
    /// If it is truthy.
    IfTruthy = 2,
    /// If it is neither null nor undefined.
    IfThere = 3,
    /// A loop is come to.
    Begins = 4,
    /// It is left: the branch is taken if it made no turn.
    Ends = 5,
    /// It makes a turn.
    Turns = 6,
}

/// Which way was, or was not, gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A function is called.
    Called,
    /// A condition is true.
    True,
    /// A condition is false.
    False,
    /// The left side of `&&`, `||` or `??` decides.
    Left,
    /// The right side is looked at.
    Right,
    /// A `case`, or `default`.
    Case,
    /// None of a `switch` without `default`.
    NoCase,
    /// A loop makes a turn.
    Turn,
    /// A loop makes none.
    NoTurn,
}

impl Way {
    /// What to say where no case goes this way.
    pub fn untaken(self) -> &'static str {
        match self {
            Self::Called => "never called",
            Self::True => "never true",
            Self::False => "never false",
            Self::Left => "never decides",
            Self::Right => "never looked at",
            Self::Case => "never chosen",
            Self::NoCase => "always one of its cases",
            Self::Turn => "never makes a turn",
            Self::NoTurn => "never without a turn",
        }
    }
}

/// One way that a program may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The file.
    pub path: SourcePath,
    /// Where it says so.
    pub span: Span,
    /// Which way.
    pub way: Way,
    /// The ways of one statement or expression have one number.
    pub fork: usize,
}

/// Makes the modules of a graph count, but for those that are passed over. Where a branch stands in the list is its number.
pub fn count(graph: &mut Graph, passed_over: impl Fn(&SourcePath) -> bool) -> Vec<Branch> {
    let mut branches = Vec::new();
    let mut forks = 0;
    for module in &mut graph.modules {
        if passed_over(module.parsed.path()) {
            continue;
        }
        let mut counter = Counter { parsed: &module.parsed, branches: &mut branches, forks: &mut forks, depth: 0 };
        for statement in &mut module.statements {
            statement.visit_mut_with(&mut counter);
        }
    }
    branches
}

/// The numbers of the branches that a script has still: what nobody needs is not in it.
pub fn counted(code: &str) -> impl Iterator<Item = usize> + '_ {
    code.match_indices(COUNTER).filter_map(|(at, _)| {
        let rest = code[at + COUNTER.len()..].trim_start().strip_prefix('(')?.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        rest[..end].parse().ok()
    })
}

struct Counter<'a> {
    parsed: &'a Parsed,
    branches: &'a mut Vec<Branch>,
    forks: &'a mut usize,
    /// Of functions within functions.
    depth: usize,
}

impl Counter<'_> {
    fn fork(&mut self) -> usize {
        *self.forks += 1;
        *self.forks
    }

    fn branch(&mut self, fork: usize, way: Way, at: Position) -> usize {
        let (path, span) = (self.parsed.path().clone(), self.parsed.span(at));
        self.branches.push(Branch { path, span, way, fork });
        self.branches.len() - 1
    }

    /// A call of the counter.
    fn call(&self, branch: usize, call: Option<Call>, value: Option<Box<Expr>>) -> Expr {
        let number = |number: usize| Box::new(Expr::Lit(Lit::Num(Number { span: DUMMY_SP, value: number as f64, raw: None })));
        let more = call.map(|call| number(call as usize));
        let args = std::iter::once(number(branch)).chain(more).chain(value);
        // A name that the module does not declare is the runtime's.
        let counter = Ident::new(COUNTER.into(), DUMMY_SP, self.parsed.unresolved);
        Expr::Call(CallExpr {
            callee: Callee::Expr(Box::new(Expr::Ident(counter))),
            args: args.map(|expr| ExprOrSpread { spread: None, expr }).collect(),
            ..CallExpr::default()
        })
    }

    fn says(&self, branch: usize, call: Option<Call>) -> Stmt {
        Stmt::Expr(ExprStmt { span: DUMMY_SP, expr: Box::new(self.call(branch, call, None)) })
    }

    /// Says that a branch is taken, and is then what the expression is.
    fn taken(&self, branch: usize, expression: &mut Box<Expr>) {
        let inner = std::mem::replace(expression, nothing());
        let sequence = SeqExpr { span: DUMMY_SP, exprs: vec![Box::new(self.call(branch, None, None)), inner] };
        **expression = Expr::Paren(ParenExpr { span: DUMMY_SP, expr: Box::new(Expr::Seq(sequence)) });
    }

    /// A statement after what is said first.
    fn first(says: Vec<Stmt>, statement: Stmt) -> Stmt {
        let stmts = says.into_iter().chain(std::iter::once(statement)).collect();
        Stmt::Block(BlockStmt { span: DUMMY_SP, ctxt: SyntaxContext::empty(), stmts })
    }

    /// Goes into a function, and answers the branch that is taken where it is called.
    fn function<T: VisitMutWith<Self>>(&mut self, node: &mut T, head: Position) -> usize {
        let fork = self.fork();
        let branch = self.branch(fork, Way::Called, head);
        self.depth += 1;
        node.visit_mut_children_with(self);
        self.depth -= 1;
        branch
    }

    /// Goes on with what a statement holds. A label stays with its loop, or nobody could `continue` there.
    fn inside(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Labeled(labeled) => self.inside(&mut labeled.body),
            other => other.visit_mut_children_with(self),
        }
    }

    /// A loop, however many labels it has. Answers the branch that is taken where it makes no turn, if it may make none.
    fn turns(&mut self, statement: &mut Stmt) -> Option<usize> {
        let (head, body, may_end) = match statement {
            Stmt::Labeled(labeled) => return self.turns(&mut labeled.body),
            Stmt::For(ForStmt { span, body, test, .. }) => (*span, body, test.as_deref().is_some_and(|test| !is_true(test))),
            Stmt::While(WhileStmt { span, body, test }) => (*span, body, !is_true(test)),
            Stmt::ForIn(each) => (each.span, &mut each.body, true),
            Stmt::ForOf(each) => (each.span, &mut each.body, true),
            _ => return None,
        };
        let head = head.with_hi(body.span_lo());
        let fork = self.fork();
        let turn = self.branch(fork, Way::Turn, head);
        // What is declared at the top of a module has to stay there.
        let no_turn = (may_end && self.depth > 0).then(|| self.branch(fork, Way::NoTurn, head));
        let inner = std::mem::replace(&mut **body, Stmt::Empty(swc_core::ecma::ast::EmptyStmt { span: DUMMY_SP }));
        let mut says = vec![self.says(turn, None)];
        says.extend(no_turn.map(|branch| self.says(branch, Some(Call::Turns))));
        **body = Self::first(says, inner);
        no_turn
    }
}

fn nothing() -> Box<Expr> {
    Box::new(Expr::Lit(Lit::Null(swc_core::ecma::ast::Null { span: DUMMY_SP })))
}

fn is_true(test: &Expr) -> bool {
    match test {
        Expr::Lit(Lit::Bool(value)) => value.value,
        Expr::Lit(Lit::Num(number)) => number.value != 0.0,
        Expr::Paren(paren) => is_true(&paren.expr),
        _ => false,
    }
}

/// Whether something in it waits: such a value cannot be an argument of a call.
fn waits(expression: &Expr) -> bool {
    struct Waits(bool);
    impl Visit for Waits {
        fn visit_await_expr(&mut self, _: &AwaitExpr) {
            self.0 = true;
        }

        fn visit_yield_expr(&mut self, _: &YieldExpr) {
            self.0 = true;
        }

        fn visit_function(&mut self, _: &Function) {}

        fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
    }
    let mut waits = Waits(false);
    expression.visit_with(&mut waits);
    waits.0
}

impl VisitMut for Counter<'_> {
    fn visit_mut_function(&mut self, node: &mut Function) {
        let Some(body) = &node.body else { return };
        let head = node.span.with_hi(body.span.lo);
        let branch = self.function(node, head);
        let says = self.says(branch, None);
        if let Some(FunctionBody { stmts, .. }) = &mut node.body {
            stmts.insert(0, says);
        }
    }

    fn visit_mut_constructor(&mut self, node: &mut Constructor) {
        let Some(body) = &node.body else { return };
        let head = node.span.with_hi(body.span.lo);
        let branch = self.function(node, head);
        let says = self.says(branch, None);
        if let Some(FunctionBody { stmts, .. }) = &mut node.body {
            stmts.insert(0, says);
        }
    }

    fn visit_mut_arrow_expr(&mut self, node: &mut ArrowExpr) {
        let head = node.span.with_hi(node.body.span_lo());
        let branch = self.function(node, head);
        match &mut *node.body {
            ArrowFunctionBody::FunctionBody(body) => body.stmts.insert(0, self.says(branch, None)),
            ArrowFunctionBody::Expr(expression) => {
                let arg = std::mem::replace(expression, nothing());
                let back = Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(arg) });
                *node.body =
                    ArrowFunctionBody::FunctionBody(FunctionBody { span: DUMMY_SP, stmts: vec![self.says(branch, None), back] });
            }
        }
    }

    fn visit_mut_stmt(&mut self, statement: &mut Stmt) {
        if let Stmt::If(node) = statement {
            let (fork, at) = (self.fork(), node.test.span());
            let (yes, no) = (self.branch(fork, Way::True, at), self.branch(fork, Way::False, at));
            node.visit_mut_children_with(self);
            let empty = || Stmt::Block(BlockStmt { span: DUMMY_SP, ctxt: SyntaxContext::empty(), stmts: Vec::new() });
            let then = std::mem::replace(&mut *node.cons, empty());
            *node.cons = Self::first(vec![self.says(yes, None)], then);
            let otherwise = node.alt.take().map_or_else(empty, |alt| *alt);
            node.alt = Some(Box::new(Self::first(vec![self.says(no, None)], otherwise)));
            return;
        }
        let no_turn = self.turns(statement);
        self.inside(statement);
        if let Some(branch) = no_turn {
            let inner = std::mem::replace(statement, Stmt::Empty(swc_core::ecma::ast::EmptyStmt { span: DUMMY_SP }));
            let stmts = vec![self.says(branch, Some(Call::Begins)), inner, self.says(branch, Some(Call::Ends))];
            *statement = Stmt::Block(BlockStmt { span: DUMMY_SP, ctxt: SyntaxContext::empty(), stmts });
        }
    }

    fn visit_mut_switch_stmt(&mut self, node: &mut SwitchStmt) {
        let fork = self.fork();
        let head = node.span.with_hi(node.discriminant.span_hi());
        let has_default = node.cases.iter().any(|case| case.test.is_none());
        let at = |case: &SwitchCase| {
            case.test.as_ref().map_or_else(|| case.span.with_hi(case.span.lo + swc_core::common::BytePos(7)), |test| test.span())
        };
        let branches: Vec<usize> =
            node.cases.iter().map(|case| (case, at(case))).map(|(_, at)| self.branch(fork, Way::Case, at)).collect();
        let none = (!has_default).then(|| self.branch(fork, Way::NoCase, head));
        node.visit_mut_children_with(self);
        for (case, branch) in node.cases.iter_mut().zip(branches) {
            case.cons.insert(0, self.says(branch, None));
        }
        if let Some(branch) = none {
            node.cases.push(SwitchCase { span: DUMMY_SP, test: None, cons: vec![self.says(branch, None)] });
        }
    }

    fn visit_mut_expr(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Cond(node) => {
                let (fork, at) = (self.fork(), node.test.span());
                let (yes, no) = (self.branch(fork, Way::True, at), self.branch(fork, Way::False, at));
                node.visit_mut_children_with(self);
                self.taken(yes, &mut node.cons);
                self.taken(no, &mut node.alt);
            }
            Expr::Bin(node) => {
                let call = match node.op {
                    BinaryOp::LogicalAnd => Call::IfFalsy,
                    BinaryOp::LogicalOr => Call::IfTruthy,
                    BinaryOp::NullishCoalescing => Call::IfThere,
                    _ => return node.visit_mut_children_with(self),
                };
                let fork = self.fork();
                let left = (!waits(&node.left)).then(|| self.branch(fork, Way::Left, node.left.span()));
                let right = self.branch(fork, Way::Right, node.right.span());
                node.visit_mut_children_with(self);
                if let Some(branch) = left {
                    let value = std::mem::replace(&mut node.left, nothing());
                    *node.left = self.call(branch, Some(call), Some(value));
                }
                self.taken(right, &mut node.right);
            }
            Expr::Assign(AssignExpr { op: AssignOp::AndAssign | AssignOp::OrAssign | AssignOp::NullishAssign, right, .. }) => {
                let fork = self.fork();
                let branch = self.branch(fork, Way::Right, right.span());
                expression.visit_mut_children_with(self);
                if let Expr::Assign(node) = expression {
                    self.taken(branch, &mut node.right);
                }
            }
            other => other.visit_mut_children_with(self),
        }
    }
}

//! What the edge's parser refuses, found on our own syntax tree.
//!
//! That something parses in an engine proves nothing: ours takes all of today's language, and the edge's own
//! check for `await` in arguments has a hole behind which it crashes. Each refusal carries the engine's own
//! words as well, taken from njs 0.4.3 and njs of 2023-05-19, because those are what CloudFront reports.

mod reach;
mod regexp;

use super::runtime::Runtime;
use crate::script::ast::{
    ArrayPat, ArrowExpr, AssignExpr, AssignOp, AssignPat, AssignTarget, AwaitExpr, BigInt, CallExpr, Callee, CatchClause, Class,
    DebuggerStmt, ExprOrSpread, ForOfStmt, Function, Ident, IdentName, ImportDecl, ImportPhase, ImportSpecifier, MetaPropExpr,
    MetaPropKind, MethodProp, Module, ModuleDecl, NewExpr, Number, ObjectPat, OptCall, OptChainBase, OptChainExpr, Pat, Regex,
    SpreadElement, Str, Super, TaggedTpl, TplElement, UsingDecl, VarDecl, VarDeclKind, YieldExpr,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{self, Parsed, Position, Spanned as _};
use crate::source::{Diagnostic, Severity, SourcePath, Span, line_column};
use std::collections::BTreeSet;

/// Something the edge does not parse.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) rule: &'static str,
    pub(super) severity: Severity,
    pub(super) place: Span,
    pub(super) message: String,
    pub(super) hint: String,
    /// What the engine says, without its line.
    pub(super) engine: String,
    /// Whether the bundler rewrites it.
    pub(super) lowered: bool,
}

/// An `import` that the edge takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) local: String,
    pub(super) span: Span,
}

/// What a script is before it is run.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) imports: Vec<Import>,
    /// Whether it may change what outlives its own variables.
    pub(super) reaches_builtins: bool,
    /// The patterns of its regular expressions, with their flags.
    pub(super) patterns: Vec<(Span, String)>,
    /// Texts and parts of templates with a `\u` in them.
    pub(super) texts: Vec<Span>,
    /// The constants that it assigns to, which only throws when it comes to that.
    pub(super) constants: BTreeSet<String>,
}

/// Reads a script as the edge would.
///
/// # Errors
/// The edge's first complaint, in its own form: `SyntaxError: … in 3`.
pub(super) fn read(path: &SourcePath, text: &str, runtime: Runtime) -> Result<Facts, String> {
    let complaint = |text: &str, at: usize, message: &str| {
        let (line, _) = line_column(text, at);
        match message.contains("Error: ") {
            true => format!("{message} in {line}"),
            false => format!("SyntaxError: {message} in {line}"),
        }
    };
    let (parsed, late) = script::parse_to_run(path, text).map_err(|problems| match problems.first() {
        Some(problem) => complaint(text, problem.place.as_ref().map_or(0, |(_, span)| span.start), &unparsed(problem)),
        None => "SyntaxError: Unexpected token".to_owned(),
    })?;
    let (refusals, facts) = refusals(&parsed, text, runtime);
    match refusals.iter().filter(|refusal| refusal.severity == Severity::Error).min_by_key(|refusal| refusal.place) {
        Some(first) => Err(complaint(text, first.place.start, &first.engine)),
        None => {
            let constants = late.iter().map(|problem| quoted(problem).to_owned()).collect();
            Ok(Facts { reaches_builtins: reach::reaches_builtins(&parsed), constants, ..facts })
        }
    }
}

/// What the engine says of a pattern that is made while the function runs, if it does not take it.
pub(super) fn pattern_error(pattern: &str, flags: &str, runtime: Runtime) -> Option<String> {
    let problems = regexp::problems(pattern, flags, runtime);
    problems.into_iter().find(|problem| problem.severity == Severity::Error).map(|problem| problem.engine)
}

/// What a problem is about.
fn quoted(problem: &Diagnostic) -> &str {
    problem.message.split('`').nth(1).unwrap_or_default()
}

/// What our own parser says, in words of the engine where they are known.
fn unparsed(problem: &Diagnostic) -> String {
    match problem.rule {
        "redeclared" => format!("\"{}\" has already been declared", quoted(problem)),
        "constant-assigned" => "TypeError: assignment to constant variable".to_owned(),
        _ => problem.message.clone(),
    }
}

/// Everything the edge does not parse, and what it finds where it does.
pub(super) fn refusals(parsed: &Parsed, text: &str, runtime: Runtime) -> (Vec<Refusal>, Facts) {
    let mut grammar = Grammar {
        parsed,
        text,
        runtime,
        found: Vec::new(),
        facts: Facts::default(),
        in_arguments: false,
        in_tagged: false,
        in_async: false,
        in_pattern: false,
    };
    parsed.module().visit_with(&mut grammar);
    (grammar.found, grammar.facts)
}

/// Whether the edge cannot compile a regular expression.
pub(super) fn pattern_problems(pattern: &str, flags: &str, runtime: Runtime) -> bool {
    regexp::problems(pattern, flags, runtime).iter().any(|problem| problem.severity == Severity::Error)
}

struct Grammar<'a> {
    parsed: &'a Parsed,
    text: &'a str,
    runtime: Runtime,
    found: Vec<Refusal>,
    facts: Facts,
    /// Between the parentheses of a call, and in no function within them.
    in_arguments: bool,
    in_tagged: bool,
    in_async: bool,
    /// Within a destructuring pattern: one complaint is enough for all of it.
    in_pattern: bool,
}

impl Grammar<'_> {
    fn refuse(&mut self, rule: &'static str, place: Span, message: &str, hint: &str, engine: String) {
        // The bundler cannot help with an `async` function in runtime 1.0, nor with what a regular expression means.
        let lowered = match rule {
            "CFF010" => message.contains("`const`") || message.contains("`let`") || message.contains("`_`"),
            "CFF004" | "CFF005" | "CFF030" | "CFF031" => true,
            // Rewritten as if it were `for … of`, it would no longer wait.
            "CFF015" => !message.contains("await"),
            rule => ("CFF011"..="CFF018").contains(&rule) || ["new.target", "`#!`"].iter().any(|one| message.contains(one)),
        };
        self.found.push(Refusal {
            rule,
            severity: Severity::Error,
            place,
            message: message.to_owned(),
            hint: hint.to_owned(),
            engine,
            lowered,
        });
    }

    fn escaped(&mut self, span: Position) {
        let place = self.parsed.span(span);
        if self.text.get(place.start..place.end).is_some_and(|text| text.contains("\\u")) {
            self.facts.texts.push(place);
        }
    }

    fn token(token: &str) -> String {
        format!("Token \"{token}\" not supported in this version")
    }

    fn unexpected(token: &str) -> String {
        format!("Unexpected token \"{token}\"")
    }

    fn v1(&self) -> bool {
        self.runtime == Runtime::V1
    }

    fn only_newer(&mut self, place: Span, what: &str, hint: &str, engine: String) {
        self.refuse("CFF010", place, &format!("runtime 1.0 has no {what}"), hint, engine);
    }

    /// The first word of a node.
    fn head(&self, span: Position, length: usize) -> Span {
        let place = self.parsed.span(span);
        Span::new(place.start, (place.start + length).min(place.end))
    }

    /// Where a word stands between two nodes.
    fn word(&self, from: usize, to: usize, word: &str) -> Span {
        let at = self.text.get(from..to).and_then(|text| text.find(word)).map_or(from, |at| from + at);
        Span::new(at, (at + word.len()).min(self.text.len()))
    }

    /// A function of any kind: what surrounds it does not reach into it.
    fn function(&mut self, is_async: bool, go: impl FnOnce(&mut Self)) {
        let before = (self.in_arguments, self.in_tagged, self.in_async, self.in_pattern);
        (self.in_arguments, self.in_tagged, self.in_async, self.in_pattern) = (false, false, is_async, false);
        go(self);
        (self.in_arguments, self.in_tagged, self.in_async, self.in_pattern) = before;
    }

    fn arguments(&mut self, arguments: &[ExprOrSpread]) {
        let before = std::mem::replace(&mut self.in_arguments, true);
        for argument in arguments {
            if let Some(dots) = argument.spread {
                self.spread(self.parsed.span(dots), "f.apply(null, list)");
            }
            argument.expr.visit_with(self);
        }
        self.in_arguments = before;
    }

    fn spread(&mut self, place: Span, instead: &str) {
        let hint = format!("write `{instead}`");
        self.refuse("CFF012", place, "the edge has no spread syntax", &hint, Self::unexpected("..."));
    }

    fn pattern(&mut self, place: Span, engine: String) {
        if self.in_pattern {
            return;
        }
        self.refuse(
            "CFF011",
            place,
            "the edge has no destructuring",
            "read each property by name: `const uri = request.uri;`",
            engine,
        );
    }

    fn parameters<'p>(&mut self, parameters: impl Iterator<Item = &'p Pat>, arrow: bool) {
        for parameter in parameters {
            match parameter {
                // A rest parameter is the one pattern the edge knows.
                Pat::Rest(rest) if matches!(&*rest.arg, Pat::Ident(_)) => {}
                Pat::Assign(assign) => {
                    let from = self.parsed.span(assign.left.span()).end;
                    let place = self.word(from, self.text.len(), "=");
                    self.refuse(
                        "CFF013",
                        place,
                        "the edge has no default parameters",
                        "test in the body: `if (x === undefined) { x = …; }`",
                        Self::unexpected(if arrow { "=>" } else { "=" }),
                    );
                    if let pattern @ (Pat::Array(_) | Pat::Object(_)) = &*assign.left {
                        self.parameters(std::iter::once(pattern), arrow);
                    }
                    assign.right.visit_with(self);
                }
                Pat::Array(ArrayPat { span, .. }) | Pat::Object(ObjectPat { span, .. }) => {
                    let place = self.parsed.span(*span);
                    let token = if matches!(parameter, Pat::Array(_)) { "[" } else { "{" };
                    let engine = if arrow { Self::unexpected("=>") } else { Self::token(token) };
                    self.pattern(place, engine);
                    let before = std::mem::replace(&mut self.in_pattern, true);
                    parameter.visit_with(self);
                    self.in_pattern = before;
                }
                other => other.visit_with(self),
            }
        }
    }

    /// A name, of whatever.
    fn name(&mut self, position: Position) {
        let place = self.parsed.span(position);
        let written = self.text.get(place.start..place.end).unwrap_or_default();
        if let Some(odd) = written.chars().find(|letter| !letter.is_ascii() || *letter == '\\') {
            let message = match odd {
                '\\' => format!("the edge has no escapes in names: `{written}`"),
                _ => format!("the edge knows ASCII names alone: `{written}`"),
            };
            let engine = Self::unexpected(&odd.to_string());
            self.refuse("CFF019", place, &message, "use the letters `a` to `z`, digits, `_` and `$`", engine);
        }
    }

    /// The first name in a pattern, which is what the engine trips over.
    fn first_name(&self, pattern: Span) -> String {
        let text = self.text.get(pattern.start..pattern.end).unwrap_or_default();
        let name: String = text
            .chars()
            .skip_while(|c| !c.is_alphanumeric() && *c != '_')
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() { text.chars().take(1).collect() } else { name }
    }
}

impl Visit for Grammar<'_> {
    fn visit_module(&mut self, node: &Module) {
        if node.shebang.is_some() {
            let end = self.text.find('\n').unwrap_or(self.text.len());
            let hint = "remove the line: at the edge nothing is started by it";
            self.refuse("CFF019", Span::new(0, end), "the edge does not know a `#!` line", hint, Self::unexpected("#"));
        }
        node.visit_children_with(self);
    }

    fn visit_module_decl(&mut self, node: &ModuleDecl) {
        let span = match node {
            ModuleDecl::Import(import) => return self.visit_import_decl(import),
            ModuleDecl::ExportDecl(export) => export.span,
            ModuleDecl::ExportNamed(export) => export.span,
            ModuleDecl::ExportDefaultDecl(export) => export.span,
            ModuleDecl::ExportDefaultExpr(export) => export.span,
            ModuleDecl::ExportAll(export) => export.span,
            ModuleDecl::TsImportEquals(_) | ModuleDecl::TsExportAssignment(_) | ModuleDecl::TsNamespaceExport(_) => return,
        };
        let place = self.head(span, "export".len());
        self.refuse(
            "CFF004",
            place,
            "a function exports nothing: CloudFront calls its global `handler`",
            "remove `export`, or bundle the module with `qdn function build`",
            "Illegal export statement".to_owned(),
        );
        node.visit_children_with(self);
    }

    fn visit_import_decl(&mut self, node: &ImportDecl) {
        let place = self.parsed.span(node.span);
        let module = node.src.value.to_string_lossy().into_owned();
        let named = self.parsed.span(node.src.span);
        if self.v1() {
            let (rule, hint) = match module.as_str() {
                "cloudfront" => ("CFF035", "the key-value store needs runtime 2.0".to_owned()),
                _ => ("CFF005", format!("write `var {module} = require('{module}');`")),
            };
            let engine = Self::token("import");
            return self.refuse(rule, self.head(node.span, 6), "runtime 1.0 has no `import`", &hint, engine);
        }
        let default = match node.specifiers.as_slice() {
            [ImportSpecifier::Default(default)] if node.with.is_none() && node.phase == ImportPhase::Evaluation => default,
            _ => {
                return self.refuse(
                    "CFF005",
                    place,
                    "the edge knows default imports alone",
                    &format!("write `import {} from '{module}';` and use its members", identifier(&module)),
                    "Non-default import is not supported".to_owned(),
                );
            }
        };
        if !self.runtime.importable().contains(&module.as_str()) {
            let known = self.runtime.importable().iter().copied();
            let hint = match crate::source::near(&module, known) {
                Some(near) => format!("a module with a similar name exists: `{near}`"),
                None if module.starts_with('.') || module.contains(':') => "bundle the module with `qdn function build`".to_owned(),
                None => format!("the modules of the edge are `{}`", self.runtime.importable().join("`, `")),
            };
            let engine = format!("Cannot find module \"{module}\"");
            return self.refuse("CFF005", named, &format!("the edge has no module `{module}`"), &hint, engine);
        }
        self.facts.imports.push(Import { module, local: default.local.sym.to_string(), span: place });
    }

    fn visit_var_decl(&mut self, node: &VarDecl) {
        if self.v1() && node.kind != VarDeclKind::Var {
            let word = if node.kind == VarDeclKind::Const { "const" } else { "let" };
            let place = self.head(node.span, word.len());
            self.only_newer(place, &format!("`{word}`"), "write `var`", Self::token(word));
        }
        for declarator in &node.decls {
            match &declarator.name {
                Pat::Ident(name) => name.visit_with(self),
                pattern => {
                    let place = self.parsed.span(pattern.span());
                    let engine = Self::token(&self.first_name(place));
                    self.pattern(place, engine);
                    let before = std::mem::replace(&mut self.in_pattern, true);
                    pattern.visit_with(self);
                    self.in_pattern = before;
                }
            }
            declarator.init.visit_with(self);
        }
    }

    fn visit_using_decl(&mut self, node: &UsingDecl) {
        let place = self.head(node.span, "using".len());
        self.refuse("CFF019", place, "the edge has no `using`", "write `const`", Self::unexpected("using"));
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Pat(_) = &node.left {
            let span = self.parsed.span(node.span);
            let place = Span::new(span.start, span.start + 1);
            self.pattern(place, "ReferenceError: Invalid left-hand side in assignment".to_owned());
            let before = std::mem::replace(&mut self.in_pattern, true);
            node.left.visit_with(self);
            self.in_pattern = before;
        } else {
            node.left.visit_with(self);
        }
        if matches!(node.op, AssignOp::AndAssign | AssignOp::OrAssign | AssignOp::NullishAssign) {
            let whole = self.parsed.span(node.span);
            let op = node.op.as_str();
            let place = self.word(whole.start, whole.end, op);
            let plain = op.trim_end_matches('=');
            let hint = format!("write `x = x {plain} …`");
            self.refuse("CFF017", place, &format!("the edge has no `{op}`"), &hint, Self::unexpected("="));
        }
        node.right.visit_with(self);
    }

    fn visit_object_pat(&mut self, node: &ObjectPat) {
        let place = self.parsed.span(node.span);
        self.pattern(place, Self::token("{"));
        let before = std::mem::replace(&mut self.in_pattern, true);
        node.visit_children_with(self);
        self.in_pattern = before;
    }

    fn visit_array_pat(&mut self, node: &ArrayPat) {
        let place = self.parsed.span(node.span);
        self.pattern(place, Self::token("["));
        let before = std::mem::replace(&mut self.in_pattern, true);
        node.visit_children_with(self);
        self.in_pattern = before;
    }

    fn visit_assign_pat(&mut self, node: &AssignPat) {
        node.left.visit_with(self);
        let before = std::mem::replace(&mut self.in_pattern, false);
        node.right.visit_with(self);
        self.in_pattern = before;
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Import(import) = &node.callee {
            let place = self.parsed.span(import.span);
            self.refuse(
                "CFF005",
                place,
                "the edge has no dynamic `import`",
                "import at the top: `import cf from 'cloudfront';`",
                "Non-default import is not supported".to_owned(),
            );
        }
        node.callee.visit_with(self);
        self.arguments(&node.args);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        node.callee.visit_with(self);
        self.arguments(node.args.as_deref().unwrap_or_default());
    }

    fn visit_expr_or_spread(&mut self, node: &ExprOrSpread) {
        // Arguments are gone through in `arguments`: what is left are the items of an array.
        if let Some(dots) = node.spread {
            self.spread(self.parsed.span(dots), "list.concat(others)");
        }
        node.expr.visit_with(self);
    }

    fn visit_spread_element(&mut self, node: &SpreadElement) {
        let place = self.parsed.span(node.dot3_token);
        self.refuse("CFF012", place, "the edge has no spread syntax", "write `Object.assign({}, object)`", Self::token("..."));
        node.expr.visit_with(self);
    }

    fn visit_function(&mut self, node: &Function) {
        if self.v1() && node.is_async {
            let place = self.head(node.span, "async".len());
            self.only_newer(place, "`async` functions", "use runtime 2.0, or callbacks", Self::token("async"));
        }
        if node.is_generator {
            let whole = self.parsed.span(node.span);
            let place = self.word(whole.start, whole.end, "*");
            self.refuse("CFF016", place, "the edge has no generators", "build an array and return it", Self::unexpected("*"));
        }
        self.function(node.is_async, |this| {
            this.parameters(node.params.iter().map(|parameter| &parameter.pat), false);
            node.body.visit_with(this);
        });
    }

    fn visit_method_prop(&mut self, node: &MethodProp) {
        node.key.visit_with(self);
        node.function.visit_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        if self.v1() && node.is_async {
            let place = self.head(node.span, "async".len());
            self.only_newer(place, "`async` functions", "use runtime 2.0, or callbacks", Self::unexpected("=>"));
        }
        self.function(node.is_async, |this| {
            this.parameters(node.params.iter(), true);
            node.body.visit_with(this);
        });
    }

    fn visit_class(&mut self, node: &Class) {
        let whole = self.parsed.span(node.span);
        // The span begins with the decorators, where there are any.
        let place = self.word(whole.start, whole.end, "class");
        self.refuse("CFF014", place, "the edge has no classes", "write a function that returns an object", Self::token("class"));
        node.visit_children_with(self);
    }

    fn visit_super(&mut self, node: &Super) {
        let place = self.parsed.span(node.span);
        self.refuse("CFF014", place, "the edge has no `super`", "call the function by its name", Self::token("super"));
    }

    fn visit_for_of_stmt(&mut self, node: &ForOfStmt) {
        let whole = self.parsed.span(node.span);
        let place = Span::new(whole.start, (whole.start + 3).min(whole.end));
        let engine = Self::token(if node.is_await { "await" } else { "of" });
        self.refuse(
            "CFF015",
            place,
            if node.is_await { "the edge has no `for await`" } else { "the edge has no `for … of`" },
            "count with an index, or use `forEach`; over an object's keys, `for … in`",
            engine,
        );
        node.visit_children_with(self);
    }

    fn visit_yield_expr(&mut self, node: &YieldExpr) {
        node.visit_children_with(self);
    }

    fn visit_opt_chain_expr(&mut self, node: &OptChainExpr) {
        if node.optional {
            let whole = self.parsed.span(node.span);
            let from = match &*node.base {
                OptChainBase::Member(member) => self.parsed.span(member.obj.span()).end,
                OptChainBase::Call(call) => self.parsed.span(call.callee.span()).end,
            };
            let place = self.word(from.min(whole.end), whole.end, "?.");
            let engine = match self.text.as_bytes().get(place.end) {
                Some(byte @ (b'[' | b'(')) => Self::unexpected(&char::from(*byte).to_string()),
                _ => Self::unexpected(";"),
            };
            self.refuse("CFF017", place, "the edge has no `?.`", "test first: `a && a.b`", engine);
        }
        match &*node.base {
            OptChainBase::Member(member) => member.visit_with(self),
            OptChainBase::Call(OptCall { callee, args, .. }) => {
                callee.visit_with(self);
                self.arguments(args);
            }
        }
    }

    fn visit_catch_clause(&mut self, node: &CatchClause) {
        if node.param.is_none() {
            let place = self.head(node.span, "catch".len());
            self.refuse("CFF018", place, "the edge wants a name after `catch`", "write `catch (error)`", Self::token("{"));
        }
        node.visit_children_with(self);
    }

    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        let place = self.head(node.span, "await".len());
        if self.v1() {
            self.only_newer(place, "`await`", "use runtime 2.0", Self::token("await"));
        } else if !self.in_async {
            self.refuse(
                "CFF019",
                place,
                "`await` stands outside of an `async` function",
                "make the function around it `async`",
                "await is only valid in async functions".to_owned(),
            );
        } else if self.in_tagged {
            self.refuse(
                "CFF031",
                place,
                "the edge crashes over `await` in a tagged template",
                "keep the value first: `const value = await …;`",
                "await in arguments not supported".to_owned(),
            );
        } else if self.in_arguments {
            self.refuse(
                "CFF030",
                place,
                "the edge has no `await` between the parentheses of a call",
                "keep the value first: `const value = await …;`, then call with `value`",
                "await in arguments not supported".to_owned(),
            );
        }
        node.visit_children_with(self);
    }

    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        node.tag.visit_with(self);
        let before = std::mem::replace(&mut self.in_tagged, true);
        node.tpl.visit_with(self);
        self.in_tagged = before;
    }

    fn visit_big_int(&mut self, node: &BigInt) {
        let place = self.parsed.span(node.span);
        self.refuse("CFF019", place, "the edge has no big integers", "write a plain number", Self::unexpected("n"));
    }

    fn visit_number(&mut self, node: &Number) {
        let place = self.parsed.span(node.span);
        let raw = self.text.get(place.start..place.end).unwrap_or_default();
        if self.v1()
            && let Some(at) = raw.find('_')
        {
            let engine = Self::unexpected(&raw[at..]);
            self.only_newer(place, "`_` in numbers", "write the digits without it", engine);
        }
    }

    fn visit_meta_prop_expr(&mut self, node: &MetaPropExpr) {
        let place = self.parsed.span(node.span);
        match node.kind {
            MetaPropKind::NewTarget => {
                self.refuse("CFF019", place, "the edge has no `new.target`", "test `this instanceof …`", Self::unexpected("."));
            }
            MetaPropKind::ImportMeta => self.refuse(
                "CFF019",
                place,
                "the edge has no `import.meta`",
                "nothing about the module is known at run time",
                "Non-default import is not supported".to_owned(),
            ),
        }
    }

    fn visit_debugger_stmt(&mut self, node: &DebuggerStmt) {
        if self.v1() {
            let place = self.parsed.span(node.span);
            self.only_newer(place, "`debugger`", "remove it", Self::token(";"));
        }
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.name(node.span);
    }

    fn visit_ident_name(&mut self, node: &IdentName) {
        self.name(node.span);
    }

    fn visit_regex(&mut self, node: &Regex) {
        let place = self.parsed.span(node.span);
        for problem in regexp::problems(&node.exp, &node.flags, self.runtime) {
            // One past the slash.
            let start = (place.start + 1 + problem.at).min(place.end);
            let end = (start + problem.length.max(1)).min(place.end);
            self.found.push(Refusal {
                rule: problem.rule,
                severity: problem.severity,
                place: Span::new(start, end),
                message: problem.message,
                hint: problem.hint,
                engine: problem.engine,
                lowered: false,
            });
        }
        let start = place.start + 1;
        self.facts.patterns.push((Span::new(start, start + node.exp.len()), node.flags.to_string()));
    }

    fn visit_str(&mut self, node: &Str) {
        self.escaped(node.span);
    }

    fn visit_tpl_element(&mut self, node: &TplElement) {
        self.escaped(node.span);
    }
}

/// A name for a module.
fn identifier(module: &str) -> &str {
    if module == "cloudfront" { "cf" } else { module }
}

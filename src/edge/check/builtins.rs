//! Names that every JavaScript programmer knows, and the edge does not.

use super::super::runtime::Runtime;
use super::Form;
use super::findings::Findings;
use super::flow::falls_through;
use super::model::{bare, member_name, member_place};
use super::shape::Shape;
use crate::script::ast::{
    AssignExpr, AssignTarget, BinExpr, BinaryOp, CallExpr, Callee, Class, CondExpr, ExportNamedSpecifier, Expr, ExprOrSpread,
    Ident, IfStmt, Lit, MemberExpr, NewExpr, SimpleAssignTarget, Stmt, TaggedTpl, UnaryExpr, UnaryOp,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use crate::source::{Diagnostic, Edit, Span, near};
use std::collections::BTreeSet;

/// What the runtime takes away on purpose.
const FORBIDDEN: &[(&str, &str)] = &[
    ("setTimeout", "nothing can be put off: do it now, or not at all"),
    ("setInterval", "nothing can be put off: do it now, or not at all"),
    ("setImmediate", "nothing can be put off: do it now, or not at all"),
    ("clearTimeout", "there are no timers to clear"),
    ("clearInterval", "there are no timers to clear"),
    ("clearImmediate", "there are no timers to clear"),
    ("process", "there is no environment: write the value into the function, or read it from a KeyValueStore"),
    ("XMLHttpRequest", "there is no network: read from a KeyValueStore, or leave it to the origin"),
];

/// What is missing, and what to do instead.
const MISSING: &[(&str, &str)] = &[
    ("Map", "use an object: `const table = {};`"),
    ("Set", "use an object with `true` as values"),
    ("WeakMap", "use an object"),
    ("WeakSet", "use an object"),
    ("URL", "take `request.uri` and `request.querystring` apart: they are parsed already"),
    ("URLSearchParams", "use `request.querystring`, or `require('querystring')`"),
    ("Intl", "write the texts yourself"),
    ("BigInt", "use numbers"),
    ("Proxy", "read the properties directly"),
    ("Reflect", "use the functions of `Object`"),
    ("fetch", "there is no network: read from a KeyValueStore, or leave it to the origin"),
    ("structuredClone", "use `JSON.parse(JSON.stringify(value))`"),
    ("queueMicrotask", "use `Promise.resolve().then(…)`"),
    ("escape", "use `encodeURIComponent`"),
    ("unescape", "use `decodeURIComponent`"),
    ("crypto", "write `const crypto = require('crypto');`: it has hashes, and nothing random"),
    ("exports", "a function exports nothing"),
    ("window", "the global object is `globalThis`"),
    ("self", "the global object is `globalThis`"),
    ("Buffer", "use runtime 2.0, or `String.bytesFrom`"),
    ("atob", "use runtime 2.0, or `String.bytesFrom(text, 'base64')`"),
    ("btoa", "use runtime 2.0, or `.toUTF8().toString('base64')`"),
];

/// Methods that no other object has, so that it does not matter whose they are.
const DISTINCT: &[(&str, &str)] = &[
    ("flat", "use `Array.prototype.concat.apply([], list)`"),
    ("flatMap", "use `map`, then `concat`"),
    ("findLast", "go through the array from its end"),
    ("findLastIndex", "go through the array from its end"),
    ("toSorted", "write `list.slice().sort(…)`"),
    ("toReversed", "write `list.slice().reverse()`"),
    ("toSpliced", "write `splice` on `list.slice()`"),
    ("matchAll", "call `exec` in a loop"),
    ("localeCompare", "compare with `<` and `>`"),
    ("isWellFormed", "strings are whole code points at the edge"),
    ("toWellFormed", "strings are whole code points at the edge"),
];

/// What to write in place of other methods.
const INSTEAD: &[(&str, &str)] = &[
    ("at", "write `list[list.length - 1]`"),
    ("with", "write to `list.slice()`"),
    ("normalize", "the edge compares code points: send the text in one form"),
    ("replaceAll", "use `replace` with the flag `g`, or runtime 2.0"),
    ("fromEntries", "assign to an object in a loop"),
    ("hasOwn", "use `Object.prototype.hasOwnProperty.call(object, name)`"),
    ("groupBy", "fill an object in a loop"),
    ("from", "use `Array.prototype.slice.call(list)`, or runtime 2.0"),
    ("raw", "write `\\\\` in a plain string"),
    ("all", "wait for one after the other, or use runtime 2.0"),
    ("allSettled", "wait for one after the other, or use runtime 2.0"),
    ("any", "wait for one after the other, or use runtime 2.0"),
    ("race", "wait for one after the other, or use runtime 2.0"),
];

/// What runtime 1.0 had for bytes, and 2.0 has not.
const REMOVED: &[&str] = &["bytesFrom", "fromBytes", "fromUTF8", "toBytes", "toUTF8"];

/// Every function has these, whatever else it is.
const OF_FUNCTIONS: &[&str] =
    &["prototype", "length", "name", "call", "apply", "bind", "toString", "hasOwnProperty", "constructor"];

/// Every object has these.
const OF_OBJECTS: &[&str] =
    &["hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toString", "valueOf", "constructor", "__proto__"];

/// The encodings of runtime 2.0.
const ENCODINGS: &[&str] = &["utf8", "utf-8", "hex", "base64", "base64url"];

/// Encodings that programs for other runtimes name.
const OTHER_ENCODINGS: &[&str] = &["latin1", "binary", "ascii", "ucs2", "ucs-2", "utf16le", "utf-16le"];

const HASHES: &[&str] = &["md5", "sha1", "sha256"];

fn instead(table: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, hint)| *hint)
}

pub(super) fn check(findings: &mut Findings<'_, '_>, form: Form) {
    named(findings, form, BTreeSet::new());
}

/// As [`check`], for a text that a compressor has been over: a name that is asked for with `typeof` is known
/// everywhere, since a test and what depends on it may stand far apart.
pub(super) fn check_uploaded(findings: &mut Findings<'_, '_>) {
    let asked = findings.model.asked.clone();
    named(findings, Form::Script, asked);
}

fn named(findings: &mut Findings<'_, '_>, form: Form, sure: BTreeSet<String>) {
    let module = findings.model.parsed.module();
    let mut tested = Tested(BTreeSet::new());
    module.visit_with(&mut tested);
    module.visit_with(&mut Names { findings, tested: &tested.0, form, is_called: false, sure });
}

/// Members that the script looks for before it uses them.
struct Tested(BTreeSet<String>);

impl Tested {
    fn test(&mut self, expression: &Expr) {
        match bare(expression) {
            Expr::Member(member) => self.0.extend(member_name(&member.prop).map(str::to_owned)),
            Expr::Unary(unary) => self.test(&unary.arg),
            Expr::Bin(binary) => {
                self.test(&binary.left);
                self.test(&binary.right);
            }
            _ => {}
        }
    }
}

impl Visit for Tested {
    fn visit_if_stmt(&mut self, node: &IfStmt) {
        self.test(&node.test);
        node.visit_children_with(self);
    }

    fn visit_cond_expr(&mut self, node: &CondExpr) {
        self.test(&node.test);
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        if matches!(node.op, BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing) {
            self.test(&node.left);
        }
        node.visit_children_with(self);
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if node.op == UnaryOp::TypeOf && matches!(bare(&node.arg), Expr::Member(_)) {
            self.test(&node.arg);
        }
        node.visit_children_with(self);
    }
}

struct Names<'f, 'm, 'a> {
    findings: &'f mut Findings<'m, 'a>,
    tested: &'f BTreeSet<String>,
    form: Form,
    is_called: bool,
    /// Globals that the script has made sure of, where it is being read.
    sure: BTreeSet<String>,
}

impl Names<'_, '_, '_> {
    fn version(&self) -> &'static str {
        self.findings.model.runtime.version()
    }

    fn global(&mut self, node: &Ident) {
        let model = self.findings.model;
        let name = &*node.sym;
        if !model.parsed.is_global(node) || name == "arguments" || model.expected.contains(name) || self.sure.contains(name) {
            return;
        }
        if let Some(hint) = instead(FORBIDDEN, name) {
            self.findings.error("CFF024", node.span, format!("the edge has no `{name}`"), hint);
        } else if name == "eval" {
            self.findings.error("CFF024", node.span, "the edge does not evaluate texts", "write the code out");
        } else if name == "module" {
            self.findings.error(
                "CFF004",
                node.span,
                "a function exports nothing: CloudFront calls its global `handler`",
                "remove it",
            );
        } else if !model.runtime.has_global(name) {
            self.missing(node.span, name);
        }
    }

    fn missing(&mut self, place: Position, name: &str) {
        let runtime = self.findings.model.runtime;
        let newer = runtime == Runtime::V1 && Runtime::V2.has_global(name);
        if newer || instead(MISSING, name).is_some_and(|_| name != "exports") {
            let message = match newer {
                true => format!("runtime 1.0 has no `{name}`"),
                false => format!("the edge has no `{name}`"),
            };
            let hint = instead(MISSING, name).unwrap_or("use runtime 2.0");
            self.findings.error("CFF021", place, message, hint);
        } else if name == "exports" {
            self.findings.error("CFF004", place, "a function exports nothing: CloudFront calls its global `handler`", "remove it");
        } else if matches!(
            name,
            "SharedArrayBuffer" | "Atomics" | "WebAssembly" | "FinalizationRegistry" | "WeakRef" | "Iterator" | "document"
        ) || name.starts_with("BigInt")
        {
            self.findings.error("CFF021", place, format!("the edge has no `{name}`"), "do without it");
        } else {
            let known = runtime.names("globals").into_iter().flatten().copied();
            let hint = match near(name, known) {
                Some(near) => format!("a name that looks similar exists: `{near}`"),
                None => "declare it: reading it stops the function with a `ReferenceError`".to_owned(),
            };
            self.findings.error("CFF021", place, format!("nothing is called `{name}`"), hint);
        }
    }

    /// A member of one of the runtime's own objects.
    fn of_global(&mut self, object: &str, name: &str, place: Position) {
        let runtime = self.findings.model.runtime;
        let Some(names) = runtime.names(object) else { return };
        let inherited = OF_OBJECTS.contains(&name) || OF_FUNCTIONS.contains(&name);
        if names.contains(name) || inherited || self.tested.contains(name) || self.findings.model.defined.contains(name) {
            return;
        }
        if object == "console" {
            let hint = "use `console.log`, the one that there is";
            self.findings.error("CFF081", place, format!("the edge has no `console.{name}`"), hint);
        } else if REMOVED.contains(&name) {
            self.removed(place, &format!("{object}.{name}"));
        } else {
            let near = near(name, names.iter().copied()).map(|near| format!("a member with a similar name exists: `{near}`"));
            let hint = instead(INSTEAD, name).map(str::to_owned).or(near).unwrap_or_else(|| "do without it".to_owned());
            self.findings.error("CFF022", place, format!("runtime {} has no `{object}.{name}`", runtime.version()), hint);
        }
    }

    fn removed(&mut self, place: Position, what: &str) {
        self.findings.error("CFF023", place, format!("runtime 2.0 has no `{what}`"), "use `Buffer.from(…)` and `toString(…)`");
    }

    /// A method of some value.
    fn method(&mut self, member: &MemberExpr, name: &str) {
        let model = self.findings.model;
        if model.defined.contains(name) || self.tested.contains(name) {
            return;
        }
        let place = member_place(&member.prop);
        let shape = model.shape(&member.obj);
        let newer = model.runtime == Runtime::V2;
        if newer && REMOVED.contains(&name) && matches!(shape, Shape::Text(_) | Shape::Unknown) {
            self.removed(place, &format!("String.prototype.{name}"));
            return;
        }
        let missing =
            |object: &str| model.runtime.names(object).is_some_and(|names| !names.contains(name)) && !OF_OBJECTS.contains(&name);
        let object = match shape.prototype() {
            Some(object) => missing(object).then_some(object),
            None if !matches!(shape, Shape::Unknown) => None,
            // Whatever it is, no object of the edge has such a method.
            None if instead(DISTINCT, name).is_some() || (name == "replaceAll" && !newer) => Some("it"),
            None => None,
        };
        let Some(object) = object else { return };
        let message = match object {
            "it" => format!("nothing in runtime {} has a method `{name}`", self.version()),
            object => format!("runtime {} has no `{object}.{name}`", self.version()),
        };
        let waiting = matches!(shape, Shape::Promise | Shape::Read);
        let waiting = waiting.then(|| format!("a promise is not what will come of it: write `(await …).{name}(…)`"));
        let hint = waiting.or_else(|| instead(DISTINCT, name).or_else(|| instead(INSTEAD, name)).map(str::to_owned));
        let near = model.runtime.names(object).and_then(|names| near(name, names.iter().copied()));
        let hint = hint.or(near.map(|near| format!("a method with a similar name exists: `{near}`")));
        self.findings.error("CFF022", place, message, hint.unwrap_or_else(|| "do without it".to_owned()));
    }

    fn text_of(argument: Option<&ExprOrSpread>) -> Option<(&str, Position)> {
        match bare(&argument?.expr) {
            Expr::Lit(Lit::Str(text)) => Some((text.value.as_str()?, text.span)),
            _ => None,
        }
    }

    fn require(&mut self, call: &CallExpr) {
        let Some((module, place)) = Self::text_of(call.args.first()) else { return };
        let runtime = self.findings.model.runtime;
        let known = runtime.requirable();
        if known.contains(&module) {
            return;
        }
        if module == "cloudfront" && runtime == Runtime::V1 {
            let hint = "the key-value store needs runtime 2.0";
            self.findings.error("CFF035", place, "runtime 1.0 has no module `cloudfront`", hint);
            return;
        }
        let hint = match module {
            "cloudfront" => "write `import cf from 'cloudfront';`".to_owned(),
            "buffer" => "use runtime 2.0".to_owned(),
            module if module.starts_with('.') => "write `import … from`, and bundle it with `qdn function build`".to_owned(),
            _ => format!("the modules of runtime {} are `{}`", runtime.version(), known.join("`, `")),
        };
        self.findings.error("CFF006", place, format!("`require` finds no `{module}` at the edge"), hint);
    }

    /// What is called of `crypto`, of buffers and of hashes.
    fn binary(&mut self, member: &MemberExpr, name: &str, arguments: &[ExprOrSpread]) {
        let object = self.findings.model.shape(&member.obj);
        match (&object, name) {
            (Shape::Module(module), "createHash" | "createHmac") if module == "crypto" => {
                if let Some((hash, place)) = Self::text_of(arguments.first())
                    && !HASHES.contains(&hash)
                {
                    let hint = format!("there are `{}`", HASHES.join("`, `"));
                    self.findings.error("CFF025", place, format!("the edge has no hash `{hash}`"), hint);
                }
            }
            (Shape::Module(module), name) if module == "crypto" => {
                let hint = match name {
                    "timingSafeEqual" => "compare the HMACs of both: then time tells nothing",
                    _ => "there are `createHash` and `createHmac` alone",
                };
                self.findings.error("CFF025", member_place(&member.prop), format!("`crypto` has no `{name}` at the edge"), hint);
            }
            (_, "toString") => self.encoding(arguments.first(), OTHER_ENCODINGS.contains(&Self::encoding_of(arguments.first()))),
            (Shape::Hash, "digest") => {
                let known = ["hex", "base64", "base64url"];
                self.encoding(arguments.first(), !known.contains(&Self::encoding_of(arguments.first())));
            }
            (Shape::Global(global), "from" | "byteLength") if global == "Buffer" => {
                self.encoding(arguments.get(1), !ENCODINGS.contains(&Self::encoding_of(arguments.get(1))));
            }
            _ => {}
        }
    }

    /// The values of `console.log` as one text, where each of them is a text, a number or a truth value: anything else
    /// would be written in another way.
    fn joined(&self, arguments: &[ExprOrSpread]) -> Vec<Edit> {
        let model = self.findings.model;
        let plain = arguments.iter().all(|argument| {
            argument.spread.is_none() && matches!(model.shape(&argument.expr), Shape::Text(_) | Shape::Number | Shape::Bool)
        });
        let (Some(first), Some(last)) = (arguments.first(), arguments.last()) else { return Vec::new() };
        // What stands between the values goes, and a comment must not.
        let between = arguments.windows(2).all(|two| {
            let place = |at: usize| model.parsed.span(two[at].expr.span());
            model.text.get(place(0).end..place(1).start).is_some_and(|text| text.trim() == ",")
        });
        if !plain || !between {
            return Vec::new();
        }
        let parts: Vec<String> = arguments
            .iter()
            .map(|argument| {
                let written = self.findings.written(argument.expr.span());
                match &*argument.expr {
                    Expr::Lit(_) | Expr::Ident(_) | Expr::Member(_) | Expr::Call(_) | Expr::Tpl(_) | Expr::Paren(_) => {
                        written.to_owned()
                    }
                    _ => format!("({written})"),
                }
            })
            .collect();
        let (from, to) = (model.parsed.span(first.expr.span()).start, model.parsed.span(last.expr.span()).end);
        vec![Edit { span: Span::new(from, to), text: parts.join(" + ' ' + ") }]
    }

    fn encoding_of(argument: Option<&ExprOrSpread>) -> &str {
        Self::text_of(argument).map_or("", |(encoding, _)| encoding)
    }

    fn encoding(&mut self, argument: Option<&ExprOrSpread>, wrong: bool) {
        if let Some((encoding, place)) = Self::text_of(argument)
            && wrong
        {
            let hint = "there are `utf8`, `hex`, `base64` and `base64url`";
            self.findings.error("CFF026", place, format!("the edge has no encoding `{encoding}`"), hint);
        }
    }
}

impl Names<'_, '_, '_> {
    /// The globals that are there if a test holds, or if it does not.
    fn made_sure(&self, test: &Expr, holds: bool, depth: usize) -> BTreeSet<String> {
        let model = self.findings.model;
        let none = BTreeSet::new();
        if depth > 8 {
            return none;
        }
        let both = |left: &Expr, right: &Expr| {
            let mut all = self.made_sure(left, holds, depth + 1);
            all.extend(self.made_sure(right, holds, depth + 1));
            all
        };
        match bare(test) {
            Expr::Unary(unary) if unary.op == UnaryOp::Bang => self.made_sure(&unary.arg, !holds, depth + 1),
            Expr::Bin(binary) if binary.op == BinaryOp::LogicalAnd && holds => both(&binary.left, &binary.right),
            Expr::Bin(binary) if binary.op == BinaryOp::LogicalOr && !holds => both(&binary.left, &binary.right),
            Expr::Bin(binary) => {
                let same = match binary.op {
                    BinaryOp::EqEq | BinaryOp::EqEqEq => holds,
                    BinaryOp::NotEq | BinaryOp::NotEqEq => !holds,
                    _ => return none,
                };
                let typed = |one: &Expr, other: &Expr| match (bare(one), bare(other)) {
                    (Expr::Unary(unary), Expr::Lit(Lit::Str(kind))) if unary.op == UnaryOp::TypeOf => match bare(&unary.arg) {
                        Expr::Ident(name) if same != (kind.value == *"undefined") => Some(name.sym.to_string()),
                        _ => None,
                    },
                    _ => None,
                };
                typed(&binary.left, &binary.right).or_else(|| typed(&binary.right, &binary.left)).into_iter().collect()
            }
            // `globalThis.Map && new Map()`
            Expr::Member(member)
                if holds && ["globalThis", "global"].into_iter().any(|name| model.is_global(&member.obj, name)) =>
            {
                member_name(&member.prop).map(str::to_owned).into_iter().collect()
            }
            // `const known = typeof Map !== 'undefined'; if (known) …`
            Expr::Ident(_) => match &*model.resolve(test) {
                Expr::Ident(_) => none,
                meant => self.made_sure(meant, holds, depth + 1),
            },
            _ => none,
        }
    }

    fn with(&mut self, more: BTreeSet<String>, go: impl FnOnce(&mut Self)) {
        let before = self.sure.clone();
        self.sure.extend(more);
        go(self);
        self.sure = before;
    }
}

impl Visit for Names<'_, '_, '_> {
    fn visit_stmts(&mut self, node: &[Stmt]) {
        let before = self.sure.clone();
        for statement in node {
            statement.visit_with(self);
            // Who comes past `if (typeof Map === 'undefined') { return …; }` has a `Map`.
            if let Stmt::If(test) = statement
                && test.alt.is_none()
                && !falls_through(self.findings.model, &test.cons)
            {
                let sure = self.made_sure(&test.test, false, 0);
                self.sure.extend(sure);
            }
        }
        self.sure = before;
    }

    fn visit_if_stmt(&mut self, node: &IfStmt) {
        node.test.visit_with(self);
        let (holds, fails) = (self.made_sure(&node.test, true, 0), self.made_sure(&node.test, false, 0));
        self.with(holds, |this| node.cons.visit_with(this));
        self.with(fails, |this| node.alt.visit_with(this));
    }

    fn visit_cond_expr(&mut self, node: &CondExpr) {
        node.test.visit_with(self);
        let (holds, fails) = (self.made_sure(&node.test, true, 0), self.made_sure(&node.test, false, 0));
        self.with(holds, |this| node.cons.visit_with(this));
        self.with(fails, |this| node.alt.visit_with(this));
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        // `typeof` of what is nowhere is a text.
        if node.op != UnaryOp::TypeOf || !matches!(bare(&node.arg), Expr::Ident(_)) {
            node.visit_children_with(self);
        }
    }

    fn visit_ident(&mut self, node: &Ident) {
        self.global(node);
    }

    fn visit_export_named_specifier(&mut self, node: &ExportNamedSpecifier) {
        // What it is called by others is no name here.
        node.orig.visit_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        // `module.exports = { handler }` is how files for Node.js end.
        if let AssignTarget::Simple(SimpleAssignTarget::Ident(name)) = &node.left {
            let global = self.findings.model.parsed.is_global(&name.id);
            let known = self.findings.model.expected.contains(&*name.id.sym);
            if global && !known && !self.findings.model.runtime.has_global(&name.id.sym) {
                let message = format!("`{}` is assigned and never declared", name.id.sym);
                self.findings.error("CFF021", name.id.span, message, "write `var` in front of it: the edge is always strict");
                node.right.visit_with(self);
                return;
            }
        }
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        let called = std::mem::replace(&mut self.is_called, false);
        if let Some(name) = member_name(&node.prop) {
            match self.findings.model.shape(&node.obj) {
                Shape::Global(object) => self.of_global(&object, name, node.span),
                _ if called => self.method(node, name),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            match bare(callee) {
                Expr::Member(member) => {
                    if let Some(name) = member_name(&member.prop) {
                        self.binary(member, name, &node.args);
                        let of_console =
                            matches!(self.findings.model.shape(&member.obj), Shape::Global(object) if object == "console");
                        if of_console && name == "log" && node.args.len() > 1 && self.findings.model.runtime == Runtime::V2 {
                            let place = node.args[1].span();
                            let problem = Diagnostic::warning("CFF081", "runtime 2.0 logs the first value alone")
                                .hint("put the values into one text: `console.log('a ' + b)`");
                            let fix = self.joined(&node.args);
                            self.findings.add(Diagnostic { fix, ..problem }, place);
                        }
                    }
                    self.is_called = true;
                }
                callee if self.findings.model.is_global(callee, "require") => self.require(node),
                callee if self.findings.model.is_global(callee, "Function") => {
                    self.findings.error("CFF024", callee.span(), "the edge makes no functions of texts", "write the function out");
                }
                _ => {}
            }
        }
        node.callee.visit_with(self);
        self.is_called = false;
        node.args.visit_with(self);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        if self.findings.model.is_global(&node.callee, "Function") {
            self.findings.error("CFF024", node.callee.span(), "the edge makes no functions of texts", "write the function out");
        }
        node.visit_children_with(self);
    }

    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        self.is_called = matches!(bare(&node.tag), Expr::Member(_));
        node.tag.visit_with(self);
        self.is_called = false;
        node.tpl.visit_with(self);
    }

    fn visit_class(&mut self, node: &Class) {
        // A class becomes a function, and a function cannot make an object that is an error, an array or a promise.
        if let (Some(parent), Form::Module) = (&node.super_class, self.form)
            && let Shape::Global(name) = self.findings.model.shape(parent)
            && self.findings.model.runtime.has_global(&name)
            && name != "Object"
        {
            let hint = "write a function that returns an object: `Object.assign(new Error(message), { code: 1 })`";
            self.findings.error("CFF014", parent.span(), format!("a class cannot extend `{name}` at the edge"), hint);
        }
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &BinExpr) {
        // The compiler makes of it a question to a set that is not there.
        if let (Expr::PrivateName(name), Form::Module) = (&*node.left, self.form) {
            let hint = "keep a public property that says what the object is";
            self.findings.error("CFF014", name.span, "the edge cannot look for a private name with `in`", hint);
        }
        let more = match node.op {
            BinaryOp::LogicalAnd => self.made_sure(&node.left, true, 0),
            BinaryOp::LogicalOr => self.made_sure(&node.left, false, 0),
            _ => return node.visit_children_with(self),
        };
        node.left.visit_with(self);
        self.with(more, |this| node.right.visit_with(this));
    }
}

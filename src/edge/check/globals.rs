//! Names and members that browsers and Node have, and the edge has not.

use super::Scene;
use super::facts::{key, member_name, text};
use crate::edge::runtime::Runtime;
use crate::script::ast::{
    AssignExpr, AssignTarget, CallExpr, Callee, Expr, ExprOrSpread, Ident, ImportDecl, ImportSpecifier, MemberExpr, MemberProp,
    NewExpr, Prop, PropName, SimpleAssignTarget, UnaryExpr, UnaryOp,
};
use crate::script::visit::{Visit, VisitWith};
use crate::script::{Position, Spanned as _};
use std::collections::BTreeSet;

/// What is there, throws, or is kept from functions on purpose.
const FORBIDDEN: &[(&str, &str)] = &[
    ("eval", "write the code itself"),
    ("Function", "write the code itself"),
    ("setTimeout", "nothing can be done later: the run ends with the handler"),
    ("setInterval", "nothing can be done later: the run ends with the handler"),
    ("setImmediate", "nothing can be done later: the run ends with the handler"),
    ("clearTimeout", "there are no timers to clear"),
    ("clearInterval", "there are no timers to clear"),
    ("queueMicrotask", "use `Promise.resolve().then(…)`"),
    ("process", "there is no environment: put the value into the code, or into the key-value store"),
];

/// Names that are known elsewhere, with what does their work here.
const KNOWN: &[(&str, &str)] = &[
    ("Map", "use an object"),
    ("Set", "use an object whose keys are the members"),
    ("WeakMap", "use an object"),
    ("WeakSet", "use an object"),
    ("WeakRef", "keep the value"),
    ("Proxy", "write functions"),
    ("Reflect", "use `Object` and the operators"),
    ("BigInt", "use numbers, or texts"),
    ("Intl", "format by hand"),
    ("URL", "the request has its path in `uri` and its query in `querystring`"),
    ("URLSearchParams", "use `request.querystring`, or the module `querystring`"),
    ("fetch", "functions have no network: keep data in the key-value store"),
    ("XMLHttpRequest", "functions have no network: keep data in the key-value store"),
    ("structuredClone", "use `JSON.parse(JSON.stringify(value))`"),
    ("crypto", "write `import crypto from 'crypto';`, which has hashes and nothing random"),
    ("Buffer", "runtime 2.0 has it"),
    ("atob", "runtime 2.0 has it"),
    ("btoa", "runtime 2.0 has it"),
    ("module", "declare `function handler(event)`: it is found by its name"),
    ("exports", "declare `function handler(event)`: it is found by its name"),
    ("window", "use `globalThis`"),
    ("escape", "use `encodeURIComponent`"),
    ("unescape", "use `decodeURIComponent`"),
];

/// Methods that no value of the edge has, with what does their work.
const METHODS: &[(&str, &str)] = &[
    ("at", "write `list[list.length - 1]`"),
    ("codePoints", "a character is a whole code point at the edge"),
    ("findLast", "go through the list from its end"),
    ("findLastIndex", "go through the list from its end"),
    ("flat", "write `[].concat.apply([], lists)`"),
    ("flatMap", "write `[].concat.apply([], list.map(f))`"),
    ("isWellFormed", "texts are whole code points at the edge"),
    ("localeCompare", "compare with `<` and `>`"),
    ("matchAll", "call `exec` of an expression with the flag `g` in a loop"),
    ("normalize", "compare the text as it is"),
    ("toReversed", "write `list.slice().reverse()`"),
    ("toSorted", "write `list.slice().sort()`"),
    ("toSpliced", "write `const copy = list.slice(); copy.splice(…);`"),
    ("toWellFormed", "texts are whole code points at the edge"),
    ("trimLeft", "write `trimStart`"),
    ("trimRight", "write `trimEnd`"),
];

/// Methods of texts that runtime 1.0 alone has.
const BYTE_STRINGS: &[&str] = &["fromBytes", "fromUTF8", "toBytes", "toUTF8"];

pub(super) fn check(scene: &mut Scene<'_>) {
    let mut defined = Defined { names: BTreeSet::new(), globals: BTreeSet::new(), tested: BTreeSet::new(), scene };
    scene.parsed.module().visit_with(&mut defined);
    let Defined { names, globals, tested, .. } = defined;
    let module = scene.parsed.module();
    module.visit_with(&mut Uses { scene, names, globals, tested });
}

/// What the script defines itself, or asks for before it uses it.
struct Defined<'a> {
    scene: &'a Scene<'a>,
    /// Members that some object of the script's is given.
    names: BTreeSet<String>,
    /// Globals that the script makes: `globalThis.x = …`.
    globals: BTreeSet<String>,
    /// Globals and members whose presence is tested: `typeof URL`, `list.at ? … : …`.
    tested: BTreeSet<String>,
}

impl Defined<'_> {
    fn test(&mut self, expression: &Expr) {
        match expression {
            Expr::Ident(name) => {
                self.tested.insert(name.sym.to_string());
            }
            Expr::Member(member) => self.tested.extend(member_name(&member.prop)),
            Expr::Paren(inner) => self.test(&inner.expr),
            Expr::Unary(unary) if unary.op == UnaryOp::Bang => self.test(&unary.arg),
            _ => {}
        }
    }
}

impl Visit for Defined<'_> {
    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        if node.op == UnaryOp::TypeOf {
            self.test(&node.arg);
        }
        node.visit_children_with(self);
    }

    fn visit_if_stmt(&mut self, node: &crate::script::ast::IfStmt) {
        self.test(&node.test);
        node.visit_children_with(self);
    }

    fn visit_cond_expr(&mut self, node: &crate::script::ast::CondExpr) {
        self.test(&node.test);
        node.visit_children_with(self);
    }

    fn visit_bin_expr(&mut self, node: &crate::script::ast::BinExpr) {
        if matches!(node.op.as_str(), "&&" | "||" | "??") {
            self.test(&node.left);
        }
        node.visit_children_with(self);
    }

    fn visit_prop_name(&mut self, node: &PropName) {
        self.names.extend(key(node));
        node.visit_children_with(self);
    }

    fn visit_prop(&mut self, node: &Prop) {
        if let Prop::Shorthand(name) = node {
            self.names.insert(name.sym.to_string());
        }
        node.visit_children_with(self);
    }

    fn visit_assign_expr(&mut self, node: &AssignExpr) {
        if let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &node.left
            && let Some(name) = member_name(&member.prop)
        {
            if let Expr::Ident(object) = &*member.obj
                && self.scene.parsed.is_global(object)
                && matches!(&*object.sym, "globalThis" | "global")
            {
                self.globals.insert(name.clone());
            }
            self.names.insert(name);
        }
        node.visit_children_with(self);
    }
}

struct Uses<'a, 'b> {
    scene: &'a mut Scene<'b>,
    names: BTreeSet<String>,
    globals: BTreeSet<String>,
    tested: BTreeSet<String>,
}

impl Uses<'_, '_> {
    fn is_global(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Ident(name) if self.scene.parsed.is_global(name) => Some(name.sym.to_string()),
            Expr::Paren(inner) => self.is_global(&inner.expr),
            _ => None,
        }
    }

    fn global(&mut self, name: &Ident) {
        let text = name.sym.to_string();
        let runtime = self.scene.runtime;
        let forbidden = FORBIDDEN.iter().find(|(known, _)| *known == text);
        if let Some((_, hint)) = forbidden {
            self.scene.error("CFF024", name.span, format!("functions may not use `{text}`"), *hint);
            return;
        }
        let known_elsewhere = KNOWN.iter().find(|(known, _)| *known == text);
        // In a module `arguments` is a name like any other to the compiler.
        if runtime.has_global(&text) || text == "arguments" || self.globals.contains(&text) || self.tested.contains(&text) {
            return;
        }
        if matches!(text.as_str(), "module" | "exports") {
            let hint = known_elsewhere.map_or("", |(_, hint)| hint);
            self.scene.error("CFF004", name.span, format!("the edge has no `{text}`: a function exports nothing"), hint);
            return;
        }
        match known_elsewhere {
            Some((_, hint)) => {
                let message = format!("runtime {} has no `{text}`", runtime.version());
                self.scene.error("CFF021", name.span, message, *hint);
            }
            None => {
                let names = runtime.names("globals").into_iter().flatten().copied();
                let hint = match crate::source::near(&text, names) {
                    Some(near) => format!("a name of the runtime is similar: `{near}`"),
                    None => "declare it, or import it".to_owned(),
                };
                self.scene.error("CFF021", name.span, format!("`{text}` is not defined"), hint);
            }
        }
    }

    /// A member of something that the runtime has: `Object.fromEntries`.
    fn fixed(&mut self, object: &str, name: &str, position: Position) {
        let runtime = self.scene.runtime;
        if matches!(object, "globalThis" | "global") {
            return;
        }
        let Some(members) = runtime.names(object) else { return };
        let plain = matches!(name, "prototype" | "length" | "name" | "constructor" | "call" | "apply" | "bind" | "toString");
        if members.contains(name) || plain || self.names.contains(name) || self.tested.contains(name) {
            return;
        }
        let message = format!("runtime {} has no `{object}.{name}`", runtime.version());
        if object == "console" {
            self.scene.error("CFF081", position, message, "there is `console.log` alone");
        } else if object == "String" && name == "bytesFrom" {
            self.scene.error("CFF023", position, message, "write `Buffer.from(text, encoding)`");
        } else {
            let other = Runtime::V2.names(object).is_some_and(|names| names.contains(name));
            let hint = match (other, name) {
                (true, _) => "runtime 2.0 has it".to_owned(),
                (_, "fromEntries" | "groupBy") => "fill an object in a loop".to_owned(),
                (_, "hasOwn") => "write `Object.prototype.hasOwnProperty.call(object, name)`".to_owned(),
                _ => match crate::source::near(name, members.iter().copied()) {
                    Some(near) => format!("there is `{object}.{near}`"),
                    None => "write it out".to_owned(),
                },
            };
            self.scene.error("CFF022", position, message, hint);
        }
    }

    /// A method of some value: `list.flat()`.
    fn method(&mut self, object: &Expr, name: &str, position: Position) {
        // What the script defines is not the runtime's, and what comes out of a module has its own members.
        let own = self.names.contains(name) || self.tested.contains(name);
        if own || self.is_global(object).is_some_and(|object| self.scene.runtime.names(&object).is_some()) {
            return;
        }
        let version = self.scene.runtime.version();
        if let Some((_, hint)) = METHODS.iter().find(|(known, _)| *known == name) {
            self.scene.error("CFF022", position, format!("runtime {version} has no method `{name}`"), *hint);
        } else if self.scene.runtime == Runtime::V1 && name == "replaceAll" {
            let hint = "write `text.split(a).join(b)`, or use runtime 2.0";
            self.scene.error("CFF022", position, "runtime 1.0 has no method `replaceAll`", hint);
        } else if self.scene.runtime == Runtime::V2 && BYTE_STRINGS.contains(&name) {
            let hint = "use `Buffer`: `Buffer.from(text).toString('base64')`";
            self.scene.error("CFF023", position, format!("runtime 2.0 has no method `{name}`"), hint);
        }
    }

    /// Arguments that only some values are good for.
    fn arguments(&mut self, name: &str, object: Option<&Expr>, arguments: &[ExprOrSpread]) {
        let given = |at: usize| arguments.get(at).and_then(|argument| Some((text(&argument.expr)?, argument.expr.span())));
        match name {
            "createHash" | "createHmac" => {
                if let Some((algorithm, position)) = given(0)
                    && !matches!(algorithm.as_str(), "md5" | "sha1" | "sha256")
                {
                    let message = format!("the edge has no `{algorithm}`");
                    self.scene.error("CFF025", position, message, "there are `md5`, `sha1` and `sha256`");
                }
            }
            "toString" | "from" | "digest" => {
                let buffer = name != "from" || object.and_then(|object| self.is_global(object)).as_deref() == Some("Buffer");
                let encoding = if name == "from" { given(1) } else { given(0) };
                if let Some((encoding, position)) = encoding.filter(|_| buffer)
                    && matches!(
                        encoding.to_lowercase().as_str(),
                        "latin1" | "binary" | "ascii" | "ucs2" | "ucs-2" | "utf16le" | "utf-16le"
                    )
                {
                    let message = format!("the edge has no encoding `{encoding}`");
                    self.scene.error("CFF026", position, message, "there are `utf8`, `hex`, `base64` and `base64url`");
                }
            }
            _ => {}
        }
    }
}

impl Visit for Uses<'_, '_> {
    fn visit_import_decl(&mut self, node: &ImportDecl) {
        // The names are declarations. Members of the runtime's modules are looked at where they are used.
        for specifier in &node.specifiers {
            if let ImportSpecifier::Named(named) = specifier
                && node.src.value.as_str() == Some("crypto")
                && matches!(&*named.local.sym, "randomBytes" | "randomUUID" | "timingSafeEqual" | "webcrypto" | "subtle")
            {
                let message = format!("the edge's `crypto` has no `{}`", named.local.sym);
                self.scene.error("CFF025", named.span, message, "there are `createHash` and `createHmac`");
            }
        }
    }

    fn visit_ident(&mut self, node: &Ident) {
        if self.scene.parsed.is_global(node) {
            self.global(node);
        }
    }

    fn visit_unary_expr(&mut self, node: &UnaryExpr) {
        // `typeof x` is how one asks whether there is an `x`.
        if node.op == UnaryOp::TypeOf && self.is_global(&node.arg).is_some() {
            return;
        }
        node.visit_children_with(self);
    }

    fn visit_member_expr(&mut self, node: &MemberExpr) {
        if let Some(name) = member_name(&node.prop) {
            if let Some(object) = self.is_global(&node.obj) {
                self.fixed(&object, &name, node.span);
            } else if name == "randomBytes" || name == "timingSafeEqual" || name == "randomUUID" {
                let message = format!("the edge's `crypto` has no `{name}`");
                let hint = "there are `createHash` and `createHmac`; compare secrets by their digests";
                self.scene.error("CFF025", node.span, message, hint);
            }
        }
        node.obj.visit_with(self);
        if let MemberProp::Computed(computed) = &node.prop {
            computed.visit_with(self);
        }
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        if let Callee::Expr(callee) = &node.callee {
            match &**callee {
                Expr::Member(member) => {
                    if let Some(name) = member_name(&member.prop) {
                        let position = match &member.prop {
                            MemberProp::Ident(name) => name.span,
                            _ => member.span,
                        };
                        self.method(&member.obj, &name, position);
                        self.arguments(&name, Some(&member.obj), &node.args);
                        if self.is_global(&member.obj).as_deref() == Some("console")
                            && name == "log"
                            && node.args.len() > 1
                            && self.scene.runtime == Runtime::V2
                        {
                            let message = "`console.log` of runtime 2.0 is documented for one argument";
                            self.scene.warning(
                                "CFF081",
                                node.args[1].expr.span(),
                                message,
                                "join them: `console.log(`${a} ${b}`)`",
                            );
                        }
                    }
                }
                other if self.is_global(other).as_deref() == Some("require") => self.require(node),
                _ => {}
            }
        }
        node.visit_children_with(self);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        if self.is_global(&node.callee).as_deref() == Some("RegExp")
            && let Some(flags) = node.args.as_deref().unwrap_or_default().get(1)
            && let Some(given) = text(&flags.expr)
            && let Some(odd) =
                given.chars().find(|flag| !"gimy".contains(*flag) || (*flag == 'y' && self.scene.runtime == Runtime::V1))
        {
            let message = format!("the edge has no flag `{odd}` for regular expressions");
            self.scene.error("CFF020", flags.expr.span(), message, "the flags are `g`, `i`, `m` and, in runtime 2.0, `y`");
        }
        node.visit_children_with(self);
    }
}

impl Uses<'_, '_> {
    fn require(&mut self, node: &CallExpr) {
        let Some((name, position)) = node.args.first().and_then(|argument| Some((text(&argument.expr)?, argument.expr.span())))
        else {
            return;
        };
        let known = self.scene.runtime.requirable();
        if known.contains(&name.as_str()) {
            return;
        }
        if name == "cloudfront" {
            let (rule, hint) = match self.scene.runtime {
                Runtime::V1 => ("CFF035", "the module `cloudfront` needs runtime 2.0"),
                Runtime::V2 => ("CFF006", "write `import cf from 'cloudfront';`"),
            };
            self.scene.error(rule, position, "`cloudfront` cannot be required", hint);
            return;
        }
        let hint = format!("the modules of the edge are `{}`", known.join("`, `"));
        self.scene.error("CFF006", position, format!("the edge has no module `{name}`"), hint);
    }
}

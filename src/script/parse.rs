//! One text becomes one syntax tree.

use super::scope;
use crate::source::{Diagnostic, SourcePath, Span};
use std::collections::BTreeSet;
use swc_core::common::comments::SingleThreadedComments;
use swc_core::common::{BytePos, GLOBALS, Globals, Mark, Spanned, SyntaxContext};
use swc_core::ecma::ast::{Decorator, EsVersion, Ident, Module, ModuleDecl, ModuleItem, Program, TsModuleRef};
use swc_core::ecma::parser::{EsSyntax, Lexer, Parser, StringInput, Syntax, TsSyntax};
use swc_core::ecma::transforms::base::resolver;
use swc_core::ecma::transforms::typescript::typescript;
use swc_core::ecma::visit::{Visit, VisitMutWith, VisitWith};

/// A module as it was written: types are removed, and every name knows its scope.
pub struct Parsed {
    path: SourcePath,
    module: Module,
    pub(super) base: u32,
    /// How many bytes of the text the compiler never sees: a byte order mark's.
    skipped: usize,
    length: usize,
    pub(super) unresolved: SyntaxContext,
    pub(super) top: SyntaxContext,
    /// Where the calls begin that a comment calls pure.
    pub(super) pure_calls: BTreeSet<u32>,
    /// Comments that speak to us, with their places.
    notes: Vec<(Span, String)>,
}

impl Parsed {
    /// The file, or the name of the generated module.
    pub fn path(&self) -> &SourcePath {
        &self.path
    }

    /// The syntax tree.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Where a node stands in the module's text.
    pub fn span(&self, span: swc_core::common::Span) -> Span {
        Span::new(self.offset(span.lo), self.offset(span.hi))
    }

    /// The comments that begin with `qdn-`, in their order, each with its place and without its slashes and stars.
    pub fn notes(&self) -> &[(Span, String)] {
        &self.notes
    }

    /// Whether the name is declared nowhere in the module, and so means something of the runtime's.
    pub fn is_global(&self, ident: &Ident) -> bool {
        ident.ctxt == self.unresolved
    }

    /// Whether the name is declared or imported at the top of the module.
    pub fn is_top_level(&self, ident: &Ident) -> bool {
        ident.ctxt == self.top
    }

    fn offset(&self, position: BytePos) -> usize {
        let offset = (position.0.saturating_sub(self.base) as usize).min(self.length);
        if position.0 < self.base { 0 } else { offset + self.skipped }
    }

    pub(super) fn complain(&self, rule: &'static str, span: swc_core::common::Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(rule, message).at(&self.path, self.span(span))
    }
}

impl std::fmt::Debug for Parsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parsed({})", self.path)
    }
}

/// Reads one module. Its imports are not looked at.
///
/// # Errors
/// Everything that is not JavaScript (TypeScript, in a file that ends in `.ts`), names declared twice,
/// and assignments to what cannot be assigned to.
pub fn parse(path: &SourcePath, text: &str) -> Result<Parsed, Vec<Diagnostic>> {
    GLOBALS.set(&Globals::new(), || parse_at(path, text, 1, Mark::new()))
}

/// As [`parse`], but for what an engine lets through as well until it comes to that: assignments to constants, which are answered
/// beside the module.
///
/// # Errors
/// As those of [`parse`].
pub fn parse_to_run(path: &SourcePath, text: &str) -> Result<(Parsed, Vec<Diagnostic>), Vec<Diagnostic>> {
    GLOBALS.set(&Globals::new(), || read_at(path, text, 1, Mark::new())).map_err(sorted)
}

/// As [`parse`], for one of many modules: its first byte is at `base`, and it shares the globals that are set.
pub(super) fn parse_at(path: &SourcePath, text: &str, base: u32, unresolved: Mark) -> Result<Parsed, Vec<Diagnostic>> {
    match read_at(path, text, base, unresolved) {
        Ok((parsed, late)) if late.is_empty() => Ok(parsed),
        Ok((_, problems)) | Err(problems) => Err(sorted(problems)),
    }
}

fn sorted(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    crate::source::sort(&mut problems);
    problems
}

fn read_at(path: &SourcePath, text: &str, base: u32, unresolved: Mark) -> Result<(Parsed, Vec<Diagnostic>), Vec<Diagnostic>> {
    let typescript_syntax = match path.extension() {
        _ if path.is_typed() => true,
        extension @ ("jsx" | "tsx") => {
            return Err(vec![
                Diagnostic::error("module-kind", format!("`.{extension}` files are not supported"))
                    .at(path, Span::default())
                    .hint("write the module as `.js` or `.ts`, without JSX"),
            ]);
        }
        _ => false,
    };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(end) = u32::try_from(body.len()).ok().and_then(|length| length.checked_add(base)) else {
        return Err(vec![
            Diagnostic::error("module-kind", format!("`{path}` is too large to be a script")).at(path, Span::default()),
        ]);
    };
    let top = Mark::new();
    let mut parsed = Parsed {
        path: path.clone(),
        module: Module::default(),
        base,
        skipped: text.len() - body.len(),
        length: body.len(),
        unresolved: SyntaxContext::empty().apply_mark(unresolved),
        top: SyntaxContext::empty().apply_mark(top),
        pure_calls: BTreeSet::new(),
        notes: Vec::new(),
    };

    let comments = SingleThreadedComments::default();
    let syntax = match typescript_syntax {
        true => Syntax::Typescript(TsSyntax { decorators: true, ..TsSyntax::default() }),
        false => Syntax::Es(EsSyntax { decorators: true, decorators_before_export: true, ..EsSyntax::default() }),
    };
    let input = StringInput::new(body, BytePos(base), BytePos(end));
    let mut parser = Parser::new_from(Lexer::new(syntax, EsVersion::latest(), input, Some(&comments)));
    let outcome = parser.parse_module();
    let mut errors = parser.take_errors();
    let module = match outcome {
        Ok(module) => Some(module),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let mut problems: Vec<_> =
        errors.into_iter().map(|error| parsed.complain("syntax", error.span(), lower_case(&error.kind().msg()))).collect();
    crate::source::sort(&mut problems);
    let Some(module) = module.filter(|_| problems.is_empty()) else { return Err(problems) };

    let mut decorators = Decorators(Vec::new());
    module.visit_with(&mut decorators);
    let mut problems: Vec<_> = decorators.0.first().map(|first| undecorated(&parsed, *first)).into_iter().collect();
    problems.extend(module.body.iter().filter_map(|item| not_of_modules(&parsed, item)));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut program = Program::Module(module);
    program.visit_mut_with(&mut resolver(unresolved, top, typescript_syntax));
    if typescript_syntax {
        let config = typescript::Config { no_empty_export: true, ..typescript::Config::default() };
        program.mutate(&mut typescript::typescript(config, unresolved, top));
    }
    if let Program::Module(module) = program {
        parsed.module = module;
    }
    let (leading, trailing) = comments.borrow_all();
    let all = leading.values().chain(trailing.values()).flatten();
    let notes = all.filter(|comment| comment.text.trim_start().starts_with("qdn-"));
    let mut notes: Vec<_> = notes.map(|comment| (parsed.span(comment.span), comment.text.trim().to_owned())).collect();
    notes.sort();
    notes.dedup();
    parsed.notes = notes;
    parsed.pure_calls = leading
        .iter()
        .filter(|(_, comments)| comments.iter().any(|comment| matches!(comment.text.trim(), "#__PURE__" | "@__PURE__")))
        .map(|(position, _)| position.0)
        .collect();
    drop((leading, trailing));

    let (problems, late) = scope::check(&parsed, text);
    if problems.is_empty() { Ok((parsed, late)) } else { Err([problems, late].concat()) }
}

/// Decorators are read, so that one sentence can be said of all in a file: nothing that runs our scripts knows them.
struct Decorators(Vec<swc_core::common::Span>);

impl Visit for Decorators {
    fn visit_decorator(&mut self, node: &Decorator) {
        self.0.push(node.span);
    }
}

fn undecorated(parsed: &Parsed, first: swc_core::common::Span) -> Diagnostic {
    parsed
        .complain("syntax", first, "decorators are not supported")
        .hint("call it as a function: `const Page = decorate(class { … });`, or write what it does into the class")
}

/// What TypeScript has for the modules of old. The compiler would make `require` and `module.exports` of it.
fn not_of_modules(parsed: &Parsed, item: &ModuleItem) -> Option<Diagnostic> {
    let (span, written, instead) = match item.as_module_decl()? {
        ModuleDecl::TsImportEquals(import) if matches!(import.module_ref, TsModuleRef::TsExternalModuleRef(_)) => {
            (import.span, "import … = require(…)", "import name from '…';")
        }
        ModuleDecl::TsExportAssignment(export) => (export.span, "export =", "export default …;"),
        _ => return None,
    };
    let message = format!("`{written}` is of the modules before ES modules, and cannot be bundled");
    Some(parsed.complain("import-form", span, message).hint(format!("write `{instead}`")))
}

/// The compiler begins its sentences with a capital; ours do not.
fn lower_case(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut letters = message.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_ascii_uppercase() && second.is_ascii_lowercase() => {
            format!("{}{}", first.to_ascii_lowercase(), letters.as_str())
        }
        _ => message.to_owned(),
    }
}

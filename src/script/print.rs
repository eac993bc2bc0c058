//! A program becomes a text.

use super::graph::Graph;
use super::lines::break_lines;
use super::lower::{self, NoScopes, Runtime};
use super::map::Printed;
use super::waits::lost;
use std::collections::BTreeSet;
use swc_core::atoms::Atom;
use swc_core::common::sync::Lrc;
use swc_core::common::{BytePos, FileName, LineCol, Mark, SourceMap, Span};
use swc_core::ecma::ast::{
    ArrowExpr, AwaitExpr, CallExpr, EsVersion, Function, Module, ModuleDecl, ModuleItem, NewExpr, Program, TaggedTpl,
};
use swc_core::ecma::codegen::text_writer::{JsWriter, WriteJs, omit_trailing_semi};
use swc_core::ecma::codegen::{Config, Emitter};
use swc_core::ecma::minifier::optimize;
use swc_core::ecma::minifier::option::{CompressOptions, ExtraOptions, MangleOptions, MinifyOptions, TopLevelOptions};
use swc_core::ecma::transforms::base::fixer::fixer;
use swc_core::ecma::transforms::base::hygiene::hygiene;
use swc_core::ecma::transforms::base::resolver;
use swc_core::ecma::visit::{Visit, VisitMut, VisitMutWith, VisitWith};

/// How a program is written.
pub(super) struct Style {
    pub(super) minify: bool,
    /// Names at the top that must stay as they are.
    pub(super) keep: Vec<Atom>,
    /// `None` is a browser.
    pub(super) runtime: Option<Runtime>,
    pub(super) lower: bool,
    /// Whether imports stand in a line of their own, so that changing them moves nothing else.
    pub(super) imports_apart: bool,
}

/// Writes a program whose names are as they shall be, and whose scopes are not yet found.
pub(super) fn print(graph: &Graph, body: Vec<ModuleItem>, style: &Style) -> Printed {
    let files: Lrc<SourceMap> = Lrc::default();
    for module in &graph.modules {
        files.new_source_file(Lrc::new(FileName::Anon), module.text.clone());
    }
    let mut program = Program::Module(Module { body, ..Module::default() });
    let mut helpers = Vec::new();
    if style.lower
        && let Some(runtime) = style.runtime
    {
        let known = functions(&program);
        let marks = Marks::find(&mut program);
        lower::lower(&mut program, runtime, marks.unresolved);
        helpers = place_helpers(&mut program, &known, &files);
    }
    if style.minify {
        program = minify(program, &files, style);
    } else {
        Marks::find(&mut program);
    }
    program.visit_mut_with(&mut hygiene());
    program.visit_mut_with(&mut fixer(None));
    if style.runtime.is_some() {
        program.visit_mut_with(&mut NoRemarks);
    }
    let mut printed = Printed { helpers, ..emit(program, &files, style) };
    if style.minify && style.runtime.is_some() {
        break_lines(&mut printed);
    }
    printed
}

/// `/*#__PURE__*/` is for the next compiler, and takes thirteen bytes each time.
struct NoRemarks;

impl VisitMut for NoRemarks {
    fn visit_mut_span(&mut self, span: &mut Span) {
        if span.is_pure() {
            *span = Span::default();
        }
    }
}

/// The functions that a program declares at its top.
fn functions(program: &Program) -> BTreeSet<Atom> {
    let items = program.as_module().into_iter().flat_map(|module| &module.body);
    items.filter_map(|item| Some(item.as_stmt()?.as_decl()?.as_fn_decl()?.ident.sym.clone())).collect()
}

/// Functions that are not among the `known` came with what was rewritten. Each gets a place in a file of its own, by which
/// it is recognised however it is shortened.
fn place_helpers(program: &mut Program, known: &BTreeSet<Atom>, files: &Lrc<SourceMap>) -> Vec<(u32, String)> {
    struct Place(Span);
    impl VisitMut for Place {
        fn visit_mut_span(&mut self, span: &mut Span) {
            *span = self.0;
        }
    }
    let names: Vec<String> = functions(program).difference(known).map(ToString::to_string).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let file = files.new_source_file(Lrc::new(FileName::Anon), names.join("\n"));
    let mut at = file.start_pos;
    let mut places = Vec::new();
    for name in names {
        let items = program.as_mut_module().into_iter().flat_map(|module| &mut module.body);
        for item in items {
            if item
                .as_stmt()
                .and_then(|statement| statement.as_decl()?.as_fn_decl())
                .is_some_and(|function| *function.ident.sym == *name)
            {
                item.visit_mut_with(&mut Place(Span::new(at, at)));
            }
        }
        let length = u32::try_from(name.len()).unwrap_or_default();
        places.push((at.0, name));
        at = BytePos(at.0 + length + 1);
    }
    places
}

struct Marks {
    unresolved: Mark,
    top: Mark,
}

impl Marks {
    fn find(program: &mut Program) -> Self {
        let marks = Self { unresolved: Mark::new(), top: Mark::new() };
        program.visit_mut_with(&mut NoScopes);
        program.visit_mut_with(&mut resolver(marks.unresolved, marks.top, false));
        marks
    }
}

fn minify(program: Program, files: &Lrc<SourceMap>, style: &Style) -> Program {
    let attempt = |compress: Option<CompressOptions>| {
        let mut program = program.clone();
        let marks = Marks::find(&mut program);
        let options = MinifyOptions {
            compress,
            mangle: Some(MangleOptions { top_level: Some(true), reserved: style.keep.clone(), ..MangleOptions::default() }),
            ..MinifyOptions::default()
        };
        let extra = ExtraOptions { unresolved_mark: marks.unresolved, top_level_mark: marks.top, mangle_name_cache: None };
        optimize(program, Lrc::clone(files), None, None, &options, &extra)
    };
    let before = Awaits::of(&program);
    let compress = compress(style);
    if style.runtime.is_none() || !before.any {
        return attempt(Some(compress));
    }
    // Each of these alone moves an `await` into the arguments of a call, or a function into the place of its only call.
    let careful = CompressOptions { collapse_vars: false, reduce_vars: false, reduce_fns: false, inline: 0, ..compress };
    // And this moves an assignment that waits into the next statement.
    let more_careful = CompressOptions { sequences: 0, ..careful.clone() };
    // Whatever the compressor does with an `await`, the runtime must still take it, and calls must still be calls.
    let minified = [careful, more_careful].into_iter().map(|options| attempt(Some(options)));
    minified.into_iter().find(|minified| Awaits::of(minified).no_worse_than(&before)).unwrap_or_else(|| attempt(None))
}

fn compress(style: &Style) -> CompressOptions {
    CompressOptions {
        ecma: if style.runtime.is_some() { EsVersion::Es5 } else { EsVersion::Es2022 },
        module: true,
        top_level: Some(TopLevelOptions { functions: true }),
        top_retain: style.keep.clone(),
        passes: 3,
        ..CompressOptions::default()
    }
}

/// What a program does with `await`, as far as the runtime is particular about it.
#[derive(Default)]
struct Awaits {
    any: bool,
    in_arguments: usize,
    /// Functions that may wait and are not declared but stand in an expression.
    closures: usize,
    /// Functions that lose a rest parameter while they wait.
    lost: usize,
    depth: usize,
}

impl Awaits {
    fn of(program: &Program) -> Self {
        let mut awaits = Self { lost: lost(program), ..Self::default() };
        program.visit_with(&mut awaits);
        awaits
    }

    fn no_worse_than(&self, other: &Self) -> bool {
        self.in_arguments <= other.in_arguments && self.closures <= other.closures && self.lost <= other.lost
    }

    fn inside(&mut self, depth: usize, node: &impl VisitWith<Self>) {
        let outer = std::mem::replace(&mut self.depth, depth);
        node.visit_with(self);
        self.depth = outer;
    }
}

impl Visit for Awaits {
    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        self.any = true;
        if self.depth > 0 {
            self.in_arguments += 1;
        }
        node.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, node: &CallExpr) {
        node.callee.visit_with(self);
        self.inside(self.depth + 1, &node.args);
    }

    fn visit_new_expr(&mut self, node: &NewExpr) {
        node.callee.visit_with(self);
        self.inside(self.depth + 1, &node.args);
    }

    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        node.tag.visit_with(self);
        self.inside(self.depth + 1, &node.tpl);
    }

    fn visit_function(&mut self, node: &Function) {
        self.inside(0, &node.params);
        self.inside(0, &node.body);
    }

    fn visit_fn_expr(&mut self, node: &swc_core::ecma::ast::FnExpr) {
        self.closures += usize::from(node.function.is_async);
        node.visit_children_with(self);
    }

    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        self.closures += usize::from(node.is_async);
        self.inside(0, &node.params);
        self.inside(0, &node.body);
    }
}

fn emit(program: Program, files: &Lrc<SourceMap>, style: &Style) -> Printed {
    let Program::Module(module) = program else { return Printed::default() };
    if !style.imports_apart {
        return emit_module(&module, files, style);
    }
    let (imports, rest): (Vec<_>, Vec<_>) =
        module.body.into_iter().partition(|item| matches!(item, ModuleItem::ModuleDecl(ModuleDecl::Import(_))));
    let mut printed = emit_module(&Module { body: rest, ..Module::default() }, files, style);
    if !imports.is_empty() {
        let mut head = emit_module(&Module { body: imports, ..Module::default() }, files, style).code;
        if !head.ends_with('\n') {
            head.push('\n');
        }
        let lines = u32::try_from(head.matches('\n').count()).unwrap_or_default();
        printed.mappings.iter_mut().for_each(|(_, place)| place.line += lines);
        printed.code.insert_str(0, &head);
    }
    printed
}

fn emit_module(module: &Module, files: &Lrc<SourceMap>, style: &Style) -> Printed {
    let mut code = Vec::new();
    let mut mappings: Vec<(_, LineCol)> = Vec::new();
    // What is written for the edge must not need an escape that it does not know; for both, as few bytes as can be.
    let target = if style.runtime.is_some() { EsVersion::Es2017 } else { EsVersion::Es2022 };
    let writer = JsWriter::new(Lrc::clone(files), "\n", &mut code, Some(&mut mappings));
    let writer: Box<dyn WriteJs + '_> = if style.minify { Box::new(omit_trailing_semi(writer)) } else { Box::new(writer) };
    let cfg = Config::default().with_minify(style.minify).with_target(target);
    let mut emitter = Emitter { cfg, cm: Lrc::clone(files), comments: None, wr: writer };
    // Writing to memory does not fail.
    let _ = emitter.emit_module(module);
    drop(emitter);
    Printed {
        code: String::from_utf8(code).unwrap_or_default(),
        mappings: mappings.into_iter().map(|(position, place)| (position.0, place)).collect(),
        ..Printed::default()
    }
}

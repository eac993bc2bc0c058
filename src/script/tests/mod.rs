//! What a bundle does is what its modules did: both are run, by the same engine, and compared.

mod awaits;
mod browser;
mod complaints;
mod flat;
mod maps;
mod samples;

use super::*;
use crate::source::{Diagnostic, SourcePath, Sources, render};
use rquickjs::loader::{BuiltinLoader, BuiltinResolver};
use rquickjs::{CatchResultExt, Context, Module, Runtime as Engine};
use std::collections::BTreeMap;

type Files<'a> = &'a [(&'a str, &'a str)];

const EXTERNALS: [&str; 4] = ["buffer", "cloudfront", "crypto", "querystring"];

fn sources(files: Files<'_>) -> Sources {
    files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect()
}

/// The first file and all it imports; a file whose name has a colon is a generated module.
fn read(files: Files<'_>) -> Result<Graph, Vec<Diagnostic>> {
    read_all(files, &files[..1].iter().map(|(path, _)| *path).collect::<Vec<_>>())
}

fn read_all(files: Files<'_>, entries: &[&str]) -> Result<Graph, Vec<Diagnostic>> {
    let (generated, written): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.contains(':'));
    let generated: BTreeMap<String, String> =
        generated.into_iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let entries: Vec<SourcePath> = entries.iter().map(SourcePath::new).collect();
    graph(&sources(&written), &entries, &Options { virtual_modules: &generated, externals: &EXTERNALS, packages: true })
}

fn good(files: Files<'_>) -> Graph {
    read(files).unwrap_or_else(|problems| panic!("{}", render(&problems, &sources(files), false)))
}

fn options(minify: bool) -> FunctionOptions {
    FunctionOptions { runtime: Runtime::Njs2, lower: false, minify }
}

fn script(files: Files<'_>, options: &FunctionOptions) -> Script {
    function(&good(files), options).unwrap_or_else(|problems| panic!("{}", render(&problems, &sources(files), false)))
}

fn plain(files: Files<'_>) -> String {
    script(files, &options(false)).code
}

fn minified(files: Files<'_>) -> String {
    script(files, &options(true)).code
}

/// Every complaint as `rule: message | hint`, with the text it is about.
fn complaints(files: Files<'_>) -> Vec<String> {
    let problems = match read(files) {
        Ok(graph) => function(&graph, &options(true)).expect_err("something is wrong with it"),
        Err(problems) => problems,
    };
    let sources = sources(files);
    problems
        .iter()
        .map(|problem| {
            let place = problem.place.as_ref().map(|(path, span)| {
                let text = sources.text(path.as_str()).unwrap_or_default();
                format!("{path} `{}`", &text[span.start..span.end])
            });
            format!("{}: {}: {} | {}", place.unwrap_or_default(), problem.rule, problem.message, problem.hints.join("; "))
        })
        .collect()
}

const CLOUDFRONT: &str =
    "const cf = { kvs: () => ({ get: async key => 'value of ' + key, exists: async () => true }), edgeLocation: { name: 'here' } };
export default cf; export const kvs = cf.kvs;";
const CRYPTO: &str = "const all = { createHash(name) { return { hex: text => name + '(' + text + ')' }; } };
export default all; export const createHash = all.createHash;";

/// Loads `entry`, runs `then`, and gives what that puts into `globalThis.out`, or what was thrown.
fn run(modules: &[(String, String)], entry: &str) -> String {
    let engine = Engine::new().expect("an engine");
    let (mut resolver, mut loader) = (BuiltinResolver::default(), BuiltinLoader::default());
    let own = [("cloudfront", CLOUDFRONT), ("crypto", CRYPTO)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    for (name, text) in own.iter().chain(modules) {
        resolver.add_module(name);
        loader.add_module(name, text.as_str());
    }
    engine.set_loader(resolver, loader);
    let context = Context::full(&engine).expect("a context");
    context.with(|context| {
        context
            .eval::<(), _>("globalThis.log = []; globalThis.out = 'nothing'; globalThis.say = text => { log.push(text); };")
            .expect("a prelude");
        let outcome = Module::evaluate(context.clone(), "start", entry).and_then(|promise| promise.finish::<()>());
        if let Err(error) = outcome.catch(&context) {
            return format!("threw {error}");
        }
        context.eval::<String, _>("JSON.stringify({ out, log })").expect("a result")
    })
}

const CALL: &str = "globalThis.out = await handler({ request: { uri: '/a', headers: {} } });";

/// Runs the modules as they were written.
fn run_modules(files: Files<'_>) -> String {
    let modules: Vec<_> = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    run(&modules, &format!("import {{ handler }} from '{}';\n{CALL}", files[0].0))
}

fn run_script(code: &str) -> String {
    run(&[], &format!("{code}\n{CALL}"))
}

/// That the bundle does what the modules do, however it is written.
fn same(files: Files<'_>) -> String {
    let expected = run_modules(files);
    assert!(!expected.contains("threw"), "{expected}");
    for (minify, lower, runtime) in
        [(false, false, Runtime::Njs2), (true, false, Runtime::Njs2), (false, true, Runtime::Njs2), (true, true, Runtime::Njs2)]
    {
        let code = script(files, &FunctionOptions { runtime, lower, minify }).code;
        assert_eq!(run_script(&code), expected, "minify: {minify}, lower: {lower}\n{code}");
        let parsed = parse(&"out.js".into(), &code).unwrap_or_else(|problems| panic!("{problems:?}\n{code}"));
        let left = parsed.module().body.iter().filter_map(ast::ModuleItem::as_module_decl);
        assert!(left.into_iter().all(|left| left.is_import()), "{code}");
    }
    expected
}

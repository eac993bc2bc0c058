//! Browser scripts: every module that no other imports becomes a file, and what several share a chunk.

use super::ASSETS;
use super::asset::{self, Output};
use crate::script::{self, ChunkOptions, Inputs, Last, Options};
use crate::source::{Diagnostic, SourcePath, Sources};
use std::collections::BTreeMap;

pub(super) const EXTENSIONS: &[&str] = &["js", "mjs", "ts"];

/// The last good result: what most saves in a preview leave as it is, and what takes most of a build.
pub(super) type Memory = Last<Inputs, Vec<Output>>;

/// Builds every script. `files` are all of them, with their names among the assets.
pub(super) fn build(
    sources: &Sources,
    files: &[(SourcePath, String)],
    virtual_modules: &BTreeMap<String, String>,
    memory: &Memory,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Output> {
    if files.is_empty() {
        return Vec::new();
    }
    let inputs = Inputs::of(sources, virtual_modules);
    if let Some(outputs) = memory.get(&inputs) {
        return outputs;
    }
    let options = Options { virtual_modules, externals: &[], packages: false };
    let all: Vec<SourcePath> = files.iter().map(|(path, _)| path.clone()).collect();
    let chunks = script::graph(sources, &all, &options)
        .and_then(|graph| script::graph(sources, &graph.roots(), &options))
        .and_then(|graph| script::chunks(&graph, &ChunkOptions { minify: true }));
    match chunks {
        Ok(chunks) => {
            let outputs: Vec<Output> = chunks.into_iter().map(output).collect();
            memory.keep(inputs, outputs.clone());
            outputs
        }
        Err(found) => {
            problems.extend(found);
            Vec::new()
        }
    }
}

fn output(chunk: script::Chunk) -> Output {
    let source = chunk.modules.last().cloned().unwrap_or_else(|| SourcePath::new(&chunk.name));
    let source = if chunk.entry { SourcePath::new(&chunk.name) } else { source };
    let name = asset_name(&chunk.name);
    let mut output = Output::new(&name, source, Vec::new());
    let mut code = chunk.code;
    for import in chunk.imports {
        let name = asset_name(&import.name);
        code = code.replace(&import.placeholder, &asset::placeholder(&name));
        output.references.insert(name);
    }
    output.bytes = code.into_bytes();
    output.source_map = Some(chunk.map);
    output
}

/// An entry keeps its name; a shared chunk, which has no file of its own, lies in `js/`.
fn asset_name(chunk: &str) -> String {
    match asset::name(chunk) {
        Some(name) => name.to_owned(),
        None => format!("js/{}.js", chunk.strip_prefix(ASSETS).unwrap_or(chunk)),
    }
}

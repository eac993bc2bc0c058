use super::*;
use crate::source::{Diagnostic, SourcePath, Sources};
use std::collections::BTreeMap;

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect()
}

const EXTERNALS: [&str; 4] = ["buffer", "cloudfront", "crypto", "querystring"];

fn read(files: &[(&str, &str)]) -> Result<Graph, Vec<Diagnostic>> {
    let none = BTreeMap::new();
    graph(&sources(files), &[SourcePath::new(files[0].0)], &Options { virtual_modules: &none, externals: &EXTERNALS })
}

fn flat(files: &[(&str, &str)], minify: bool) -> String {
    let graph = read(files).unwrap_or_else(|problems| panic!("{}", crate::source::render(&problems, &sources(files), false)));
    let options = FunctionOptions { runtime: Runtime::Njs2, lower: false, minify };
    function(&graph, &options)
        .unwrap_or_else(|problems| panic!("{}", crate::source::render(&problems, &sources(files), false)))
        .code
}

#[test]
fn smoke() {
    let files = [
        (
            "f/a.js",
            "import { b as bee } from './b.js';\nimport cf from 'cloudfront';\nconst x = 1, y = 2;\nexport async function handler(event) { const v = await cf.kvs().get('a'); return bee(v, x); }",
        ),
        ("f/b.js", "const x = 5; export function b(v, w) { return { x, v, w }; }\nfunction handler() {} export const unused = 3;"),
    ];
    println!("{}", flat(&files, false));
    println!("{}", flat(&files, true));
}

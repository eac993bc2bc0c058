use super::*;

fn build(files: Files<'_>, entries: &[&str], minify: bool) -> Vec<Chunk> {
    let graph = read_all(files, entries).unwrap_or_else(|problems| panic!("{}", render(&problems, &sources(files), false)));
    chunks(&graph, &ChunkOptions { minify }).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Loads entries into one page, as written and as built, and compares what they say.
fn same_page(files: Files<'_>, entries: &[&str]) -> (Vec<Chunk>, String) {
    let load = |names: Vec<String>| {
        names.iter().map(|name| format!("import '{name}';\n")).collect::<String>() + "globalThis.out = globalThis.given;"
    };
    let written: Vec<_> = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    let expected = run(&written, &load(entries.iter().map(ToString::to_string).collect()));
    assert!(!expected.contains("threw"), "{expected}");
    let mut last = Vec::new();
    for minify in [false, true] {
        let built = build(files, entries, minify);
        let modules: Vec<_> = built.iter().map(|chunk| (placeholder(&chunk.name), chunk.code.clone())).collect();
        let said = run(&modules, &load(entries.iter().map(|entry| placeholder(entry)).collect()));
        let all: String = built.iter().map(|chunk| format!("// {}\n{}\n", chunk.name, chunk.code)).collect();
        assert_eq!(said, expected, "{all}");
        last = built;
    }
    (last, expected)
}

fn names(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk.name.as_str()).collect()
}

#[test]
fn one_entry_is_one_file() {
    let (built, _) = same_page(
        &[
            (
                "js/app.js",
                "import { greet } from './lib/greet.js'; import * as all from './lib/greet.js'; say(greet('you')); say(Object.keys(all).join()); export const mine = 1;",
            ),
            (
                "js/lib/greet.js",
                "const word = 'hello'; export const greet = (who = 'x') => `${word} ${who?.toUpperCase()}`; export class Unused {}",
            ),
        ],
        &["js/app.js"],
    );
    assert_eq!(names(&built), ["js/app.js"]);
    assert!(built[0].imports.is_empty() && built[0].entry);
    assert!(built[0].code.contains("?.") && built[0].code.contains("mine"), "{}", built[0].code);
    assert_eq!(built[0].modules.len(), 2);
}

const SHARED: Files<'static> = &[
    (
        "js/track.js",
        "import { state, add } from './lib/state.js'; import { two } from './lib/pure.js'; import './only.js'; add('track'); say('track ' + state.join() + two(1));",
    ),
    (
        "js/board.js",
        "import { state, add, add as plus } from './lib/state.js'; import { two, three } from './lib/pure.js'; import { helper } from './lib/helper.js'; plus('board'); say('board ' + state.join() + two(2) + three + helper()); export { add };",
    ),
    ("js/book.js", "import { helper } from './lib/helper.js'; say('book ' + helper());"),
    ("js/only.js", "import { add } from './lib/state.js'; add('only');"),
    (
        "js/lib/state.js",
        "import { two } from './pure.js'; export let state = ['start' + two(0)]; export let count = 0; export function add(name) { state = state.concat([name]); count += 1; } say('state runs once'); export const unused = 'nobody wants it';",
    ),
    (
        "js/lib/pure.js",
        "export function two(n) { return n + 2; } export const three = 3; export function four() { return 'four'; }",
    ),
    (
        "js/lib/helper.js",
        "import { state, count } from './state.js'; const memo = []; export function helper() { memo.push(count); return memo.join() + state.length; }",
    ),
];

#[test]
fn what_entries_share_exists_once() {
    let (built, expected) = same_page(SHARED, &["js/track.js", "js/board.js", "js/book.js"]);
    assert_eq!(expected.matches("state runs once").count(), 1);
    assert_eq!(names(&built), ["js/track.js", "js/board.js", "js/book.js", "shared", "shared-board-book"]);
    let track = &built[0];
    assert_eq!(track.imports, [ChunkImport { name: "shared".to_owned(), placeholder: placeholder("shared") }]);
    assert!(track.code.starts_with("import{") && track.code.contains(&placeholder("shared")), "{}", track.code);
    assert!(!built.iter().any(|chunk| chunk.code.contains("nobody wants it") || chunk.code.contains("four")));
    assert!(built[3].imports.is_empty());
    assert_eq!(built[4].imports.iter().map(|import| import.name.as_str()).collect::<Vec<_>>(), ["shared"]);
    assert!(
        !built.iter().any(
            |chunk| chunk.modules.iter().any(|module| module.as_str() == "js/lib/pure.js") && chunk.name == "shared-board-book"
        ),
        "copies go only where they are used"
    );
}

#[test]
fn an_entry_that_another_imports_runs_once() {
    let (built, expected) = same_page(
        &[
            ("a.js", "import { b } from './b.js'; import * as all from './b.js'; say('a' + b + Object.keys(all));"),
            ("b.js", "export let b = 'b'; say('b'); export default function () {}"),
        ],
        &["a.js", "b.js"],
    );
    assert_eq!(expected, r#"{"log":["b","abb,default"]}"#);
    assert_eq!(built.len(), 3);
}

#[test]
fn names_of_different_chunks_do_not_meet() {
    same_page(
        &[
            (
                "a.js",
                "import { value as v } from './x.js'; import { value as w } from './y.js'; const value = 'a'; say([value, v, w].join());",
            ),
            (
                "b.js",
                "import { value } from './x.js'; import { value as b } from './y.js'; import * as y from './y.js'; say([value, b, y['val' + 'ue'], (value => y.value)(1)].join());",
            ),
            ("x.js", "export const value = ['x'];"),
            ("y.js", "export const value = ['y'];"),
        ],
        &["a.js", "b.js"],
    );
}

#[test]
fn waiting_at_the_top_is_a_browsers_business() {
    let (built, _) = same_page(
        &[
            ("a.js", "import { v } from './v.js'; say('a' + v);"),
            ("b.js", "import { v } from './v.js'; say('b' + v);"),
            ("v.js", "export const v = await Promise.resolve(5);"),
        ],
        &["a.js", "b.js"],
    );
    assert_eq!(built.len(), 3);
}

#[test]
fn the_code_of_a_chunk_does_not_move_with_its_imports() {
    for minify in [false, true] {
        let built = build(SHARED, &["js/track.js", "js/board.js", "js/book.js"], minify);
        for chunk in &built {
            let mut lines = chunk.code.lines().skip_while(|line| line.starts_with("import"));
            assert!(lines.all(|line| !line.contains("qdn-asset-placeholder")), "{}", chunk.code);
            let map: serde_json::Value = serde_json::from_str(&chunk.map).expect("it is JSON");
            let imports = chunk.code.lines().take_while(|line| line.starts_with("import")).count();
            assert!(map["mappings"].as_str().expect("mappings").starts_with(&";".repeat(imports)));
        }
    }
}

#[test]
fn a_browser_has_no_modules_of_the_edge() {
    let graph = read(&[("a.js", "import cf from 'cloudfront'; cf.kvs();")]).expect("it is read");
    assert_eq!(chunks(&graph, &ChunkOptions { minify: true }).expect_err("a browser has none")[0].rule, "unresolved-import");
}

#[test]
fn roots_are_what_nobody_imports() {
    let graph = read_all(SHARED, &SHARED.iter().map(|(path, _)| *path).collect::<Vec<_>>()).expect("it is read");
    assert_eq!(graph.roots().iter().map(SourcePath::as_str).collect::<Vec<_>>(), ["js/board.js", "js/book.js", "js/track.js"]);
    let circle: Files<'_> = &[("a.js", "import './b.js';"), ("b.js", "import './a.js';"), ("c.js", "")];
    let graph = read_all(circle, &["a.js", "b.js", "c.js"]).expect("it is read");
    assert_eq!(graph.roots().iter().map(SourcePath::as_str).collect::<Vec<_>>(), ["a.js", "c.js"]);
}

#[test]
fn the_same_modules_make_the_same_chunks() {
    let first = format!("{:?}", build(SHARED, &["js/track.js", "js/board.js", "js/book.js"], true));
    for _ in 0..3 {
        assert_eq!(format!("{:?}", build(SHARED, &["js/track.js", "js/board.js", "js/book.js"], true)), first);
    }
}

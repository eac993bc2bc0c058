//! The compiler from outside: packages, sizes, and the way back from a bundle to its sources.

use crate::project::Project;

const EVENT: &str = r#"{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"198.51.100.1"},
"request":{"method":"GET","uri":"/x","querystring":{},"headers":{},"cookies":{}}}"#;

/// A package as npm would install it.
fn with_packages(project: Project) -> Project {
    project
        .file(
            "node_modules/pad/package.json",
            r#"{ "name": "pad", "main": "lib/index.js", "module": "es/index.js", "sideEffects": false }"#,
        )
        .file("node_modules/pad/es/index.js", "export { left } from './left';\nexport { right } from './right';\n")
        .file(
            "node_modules/pad/es/left.js",
            "import { repeat } from '@scope/text/repeat';\nexport const left = (text) => repeat('-', 3) + text;\n\
             export class Odd extends Error {}\nexport function* many() { yield new URL('x'); }\n",
        )
        .file("node_modules/pad/es/right.js", "console.log('never');\nexport const right = (text) => text + '---';\n")
        .file("node_modules/pad/lib/index.js", "module.exports = {};\n")
        .file(
            "node_modules/@scope/text/package.json",
            r#"{ "exports": { "./*": { "require": "./cjs/*.cjs", "import": "./esm/*.mjs" } } }"#,
        )
        .file("node_modules/@scope/text/esm/repeat.mjs", "export function repeat(text, times) { return text.repeat(times); }\n")
        .file("node_modules/old/package.json", r#"{ "name": "old", "main": "index.js" }"#)
        .file("node_modules/old/index.js", "'use strict';\nmodule.exports = function () {};\n")
}

const USER: &str = "import { left } from 'pad';\n\nexport function handler(event) {\n  event.request.uri = '/' + left(event.request.uri);\n  return event.request;\n}\n";

#[test]
fn a_package_is_bundled_and_what_nobody_uses_of_it_is_not() {
    let project = with_packages(Project::new()).file("functions/f.js", USER);
    let built = project.qdn(&["function", "build", "f"]).ended(0);
    assert!(built.stdout.contains("repeat") && built.stdout.len() < 200, "{}", built.stdout);
    for gone in ["never", "Odd", "URL", "---"] {
        assert!(!built.stdout.contains(gone), "{gone} in {}", built.stdout);
    }
    // The whole program sees the package too, and so does a file by itself, from a folder further inside.
    project.qdn(&["build"]).ended(0);
    assert_eq!(project.read("dist/functions/f.js"), built.stdout.trim_end_matches('\n'));
    project.qdn(&["check"]).ended(0);
    let alone = with_packages(Project::empty()).file("deep/er/f.js", USER);
    let mut command = alone.command(&["function", "build", "f.js"]);
    let output = command.current_dir(alone.path().join("deep/er")).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), built.stdout, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_no_es_module_is_refused_with_advice() {
    let main = "import a from 'old';\nimport b from 'absent';\nimport c from 'node:fs';\nimport d from 'pad/es/none.js';\nexport function handler(event) { return [a, b, c, d] ? event.request : event.request; }\n";
    let project = with_packages(Project::new()).file("functions/f.js", main);
    let said = project.qdn(&["function", "build", "f"]).ended(1).stderr;
    for part in [
        "`old` is CommonJS: only ES modules can be bundled",
        "functions/f.js:1:15",
        "`npm install absent`",
        "functions/f.js:2:15",
        "the edge is no Node.js",
        "the package `pad` has no file `node_modules/pad/es/none.js`",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!project.exists("dist"));
}

#[test]
fn what_a_package_needs_and_the_edge_lacks_is_found_in_the_bundle() {
    let project = Project::new()
        .file("node_modules/m/package.json", r#"{ "exports": "./m.js" }"#)
        .file("node_modules/m/m.js", "export const count = (list) =>\n  new Map(list).size;\nexport class E extends Error {}\n")
        .file("functions/f.js", "import { count } from 'm';\nexport function handler(event) { event.request.uri = '/' + count([]); return event.request; }\n");
    let said = project.qdn(&["function", "check", "f", "--json"]).ended(1);
    assert_eq!(said.places(), ["CFF021 node_modules/m/m.js:2:7"]);
    project.write("functions/f.js", "import { E } from 'm';\nexport function handler(event) { throw new E(event.request.uri); }\n");
    let said = project.qdn(&["function", "check", "f", "--json"]).ended(1);
    assert_eq!(said.places(), ["not-rewritten node_modules/m/m.js:3:24"]);
}

#[test]
fn a_package_that_changes_is_built_anew() {
    let project = with_packages(Project::new()).file("functions/f.js", USER);
    let first = project.qdn(&["function", "build", "f"]).ended(0).stdout;
    project.write("node_modules/@scope/text/esm/repeat.mjs", "export function repeat(text, times) { return text + times; }\n");
    assert_ne!(project.qdn(&["function", "build", "f"]).ended(0).stdout, first);
}

#[test]
fn typescript_in_all_its_forms() {
    let main = "import type { Path } from './types.js';
import { Level, type Other } from './types.js';
namespace Names { export const one = 1; }
enum Unused { A, B }
class Point { constructor(private readonly x: number, public y = 2) {} sum(): number { return this.x + this.y; } }
const table = { a: 1 } satisfies Record<string, number>;
export function handler(event: { request: { uri: Path } }) {
  event.request.uri = `/${new Point(1).sum()}${Level.High}${table.a}${Names.one}` as Path;
  return event.request!;
}
";
    let project = Project::empty()
        .file("f.ts", main)
        .file(
            "types.ts",
            "export type Path = string;\nexport type Other = 1;\nexport enum Level { Low, High = 7 }\nexport enum Never { X }\n",
        )
        .file("event.json", EVENT);
    let run = project.qdn(&["function", "run", "f.ts", "--event", "event.json", "--json"]).ended(0).json();
    assert_eq!(run["result"]["request"]["uri"], "/3711");
    let code = project.qdn(&["function", "build", "f.ts"]).ended(0).stdout;
    assert!(!code.contains("Never") && !code.contains("\"X\"") && !code.contains("\"B\""), "enums that nobody uses go: {code}");
    project.write("old.ts", "import fs = require('fs');\nexport = fs;\n");
    let said = project.qdn(&["function", "check", "old.ts", "--json"]).ended(1);
    assert_eq!(said.places(), ["import-form old.ts:1:1", "import-form old.ts:2:1"]);
}

const THROWS: &str = "export function deep(request) {\n  const missing = request.nothing;\n\n  return missing.value;\n}\n";
const CALLS: &str = "import { deep } from './lib/deep.js';\n\nexport function handler(event) {\n  const { request } = event;\n  const found = deep(request);\n  return found ? request : event.request;\n}\n";

fn throwing() -> Project {
    Project::new().file("functions/f.js", CALLS).file("functions/lib/deep.js", THROWS).file("event.json", EVENT)
}

#[test]
fn what_is_thrown_is_shown_in_the_source() {
    let project = throwing().file("functions/f.cases/a.json", format!(r#"{{"event": {EVENT}, "expect": {{"request": {{}}}}}}"#));
    let said = project.qdn(&["function", "run", "f", "--event", "event.json"]).ended(1).stderr;
    for part in [
        "FunctionExecutionError",
        "cannot get property \"value\" of undefined",
        "functions/lib/deep.js:4:",
        "return missing.value;",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    let run = project.qdn(&["function", "run", "f", "--event", "event.json", "--json"]).ended(1).json();
    assert_eq!((&run["trace"][0]["file"], &run["trace"][0]["line"]), (&"functions/lib/deep.js".into(), &4.into()), "{run}");
    let tested = project.qdn(&["function", "test", "f"]).ended(1).stderr;
    assert!(tested.contains("functions/lib/deep.js:4:"), "{tested}");
    // A script that is uploaded as it stands is its own source.
    project.write("alone.js", "function handler(event) {\n  var a;\n  return a.b;\n}\n");
    let said = project.qdn(&["function", "run", "alone.js", "--event", "event.json"]).ended(1).stderr;
    assert!(said.contains("alone.js:3:"), "{said}");
}

#[test]
fn a_log_leads_back_to_the_sources() {
    let project = throwing();
    project.qdn(&["function", "build", "f", "--out", "f.out.js", "--map", "f.map"]).ended(0);
    let code = project.read("f.out.js");
    let line = code.lines().position(|line| line.contains(".value")).expect("the statement has a line") + 1;
    project.write(
        "log.txt",
        format!("START\nTypeError: cannot get property \"value\" of undefined\n    at handler (:{line})\n    at native (native)\n"),
    );
    let traced = project.qdn(&["function", "trace", "f", "log.txt"]).ended(0).stdout;
    assert!(traced.contains("at handler (:") && traced.contains("functions/lib/deep.js:4:"), "{traced}");
    // With the map of then, whatever has become of the sources.
    project.write("functions/lib/deep.js", "\n\n\nexport function deep(request) {\n  return request.x;\n}\n");
    let traced = project.qdn(&["function", "trace", "f", "log.txt", "--map", "f.map", "--json"]).ended(0).json();
    let sources = traced["lines"][2]["sources"].as_array().expect("sources");
    assert!(sources.iter().any(|at| at["file"] == "functions/lib/deep.js" && at["line"] == 4), "{traced}");
    project.write("log.txt", "nothing at all\n");
    project.qdn(&["function", "trace", "f", "log.txt"]).ended(1);
    project.qdn(&["function", "trace", "f", "log.txt", "--map", "log.txt"]).ended(2);
}

#[test]
fn the_lines_of_a_bundle_cost_nothing() {
    let bundle = super::our_bundle(&serde_json::json!({}));
    assert!(bundle.code.lines().count() > 10, "{}", bundle.code);
    let joined = bundle.code.replace('\n', ";");
    assert_eq!(joined.len(), bundle.code.len());
}

#[test]
fn sizes_come_to_the_whole() {
    let project = with_packages(throwing())
        .file("functions/g.js", "import { left } from 'pad';\nimport cf from 'cloudfront';\nimport * as all from './lib/deep.js';\nclass A { #x = 1; get x() { return this.#x; } }\nexport async function handler(event) {\n  const { uri, ...rest } = event.request;\n  const kvs = await cf.kvs();\n  return { ...rest, uri: left(uri) + new A().x + Object.keys(all).length + typeof kvs };\n}\n")
        .file("functions/large.js", format!("export const table = {{{}}};\nexport function handler(event) {{ return table[event.request.uri] ? event.request : event.request; }}\n", (0..900).map(|n| format!("'/page/{n}': 'x{n}',")).collect::<String>()));
    let sizes = project.qdn(&["function", "size", "--json"]).ended(0).json();
    let functions = sizes["functions"].as_array().expect("functions");
    assert_eq!(functions.len(), 3);
    for function in functions {
        let parts = function["parts"].as_array().expect("parts");
        let sum: u64 = parts.iter().filter_map(|part| part["bytes"].as_u64()).sum();
        assert_eq!(Some(sum), function["bytes"].as_u64(), "{function}");
        assert!(parts.is_sorted_by_key(|part| std::cmp::Reverse(part["bytes"].as_u64())), "{function}");
    }
    let named = |function: usize, name: &str| {
        functions[function]["parts"].as_array().into_iter().flatten().any(|part| part["name"] == name)
    };
    assert!(named(0, "handler") && named(0, "deep"), "{}", functions[0]);
    for name in ["handler", "left", "repeat", "A", "cloudfront", "_object_without_properties_loose"] {
        assert!(named(1, name), "{name} in {}", functions[1]);
    }
    let large = &functions[2];
    assert!(
        large["left"].as_i64().is_some_and(|left| left < 0) && named(2, "table"),
        "what is too large is explained as well: {large}"
    );
    let said = project.qdn(&["function", "size", "large"]).ended(0).stdout;
    assert!(said.contains("too many") && said.contains("table  (line 1)"), "{said}");
}

#[test]
fn each_mistake_is_said_once() {
    for (text, expected) in [
        ("export async function handler(event) { return event.request; }\nawait handler();\n", vec!["CFF019 f.js:2:1"]),
        (
            "export async function handler(event) { const a = await import('./a.js'); return a ? event.request : event.request; }\n",
            vec!["dynamic-import f.js:1:56"],
        ),
        (
            "async function handler(event) { const a = await import('./a.js'); return a ? event.request : event.request; }\n",
            vec!["CFF005 f.js:1:49"],
        ),
        ("export function handler(event) { return event.request; }\nfor await (const x of []) x();\n", vec!["CFF015 f.js:2:1"]),
    ] {
        let project = Project::empty().file("f.js", text);
        assert_eq!(project.qdn(&["function", "check", "f.js", "--json"]).ended(1).places(), expected, "{text}");
    }
}

#[test]
fn every_ending_of_a_script_is_a_function() {
    let code = "export function handler(event) {\n  return event.request;\n}\n";
    let endings = qdn::source::SCRIPTS;
    let project = Project::empty().file("qdn.toml", "").file("functions/lib/x.mts", "export const x = 1;\n");
    let project = endings.iter().fold(project, |project, ending| project.file(&format!("functions/of_{ending}.{ending}"), code));
    let run = project.qdn(&["function", "check"]).ended(0);
    assert!(run.stderr.contains(&format!("checked {} functions", endings.len())), "{}", run.stderr);
}

use super::*;

fn only(files: Files<'_>) -> String {
    let all = complaints(files);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap_or_default()
}

#[test]
fn missing_exports_and_near_names() {
    let lib = ("lib/track.js", "export function normalize() {} const hidden = 1; export { normalize as other };");
    let with = |main: &str| only(&[("main.js", &format!("{main}\nfunction handler() {{}}")), lib]);
    insta::assert_snapshot!(with("import { normalise } from './lib/track.js';"), @"main.js `normalise`: missing-export: `lib/track.js` has no export `normalise` | an export with a similar name exists: `normalize`");
    insta::assert_snapshot!(with("import { hidden } from './lib/track.js';"), @"main.js `hidden`: missing-export: `lib/track.js` has no export `hidden` | `lib/track.js` declares it: put `export` in front of it");
    insta::assert_snapshot!(with("import track from './lib/track.js';"), @"main.js `track`: missing-export: `lib/track.js` has no default export | it exports `normalize`, `other`");
    insta::assert_snapshot!(with("export { wholly } from './lib/track.js';"), @"main.js `wholly`: missing-export: `lib/track.js` has no export `wholly` | it exports `normalize`, `other`");
    insta::assert_snapshot!(with("import * as t from './lib/track.js'; t.normalze();"), @"main.js `t.normalze`: missing-export: `lib/track.js` has no export `normalze` | an export with a similar name exists: `normalize`");
}

#[test]
fn imports_that_lead_nowhere() {
    let with = |specifier: &str| {
        let main = format!("import '{specifier}';\nfunction handler() {{}}");
        only(&[
            ("f/main.js", &main),
            ("f/lib/track.js", ""),
            ("f/beside.js", ""),
            ("g/index.js", ""),
            ("f/style.css", "a {}"),
            ("qdn:redirects", ""),
        ])
    };
    insta::assert_snapshot!(with("./lib/track"), @"f/main.js `'./lib/track'`: unresolved-import: there is no file `f/lib/track` | write the whole name: `./lib/track.js`");
    insta::assert_snapshot!(with("../g"), @"f/main.js `'../g'`: unresolved-import: there is no file `g` | write the whole name: `../g/index.js`");
    insta::assert_snapshot!(with("./lib/trakc.js"), @"f/main.js `'./lib/trakc.js'`: unresolved-import: there is no file `f/lib/trakc.js` | a file with a similar name exists: `./lib/track.js`");
    insta::assert_snapshot!(with("./track.js"), @"f/main.js `'./track.js'`: unresolved-import: there is no file `f/track.js` | a file with a similar name exists: `./lib/track.js`");
    insta::assert_snapshot!(with("../../etc/passwd"), @"f/main.js `'../../etc/passwd'`: unresolved-import: `../../etc/passwd` leads out of the project | a module can only import files of its own project");
    insta::assert_snapshot!(with("/f/beside.js"), @"f/main.js `'/f/beside.js'`: unresolved-import: `/f/beside.js` is an absolute path | write `./beside.js`");
    insta::assert_snapshot!(with("beside.js"), @"f/main.js `'beside.js'`: unresolved-import: there is no module `beside.js` | a file of that name lies beside this one: write `./beside.js`");
    insta::assert_snapshot!(with("lodash"), @"f/main.js `'lodash'`: unresolved-import: there is no module `lodash` | no package of that name is installed: `npm install lodash` puts it into `node_modules`");
    insta::assert_snapshot!(with("cloudfrnt"), @"f/main.js `'cloudfrnt'`: unresolved-import: there is no module `cloudfrnt` | a module with a similar name exists: `cloudfront`");
    insta::assert_snapshot!(with("qdn:nothing-like-it"), @"f/main.js `'qdn:nothing-like-it'`: unresolved-import: there is no module `qdn:nothing-like-it` | generated modules are `qdn:redirects`");
    insta::assert_snapshot!(with("https://example.com/a.js"), @"f/main.js `'https://example.com/a.js'`: unresolved-import: `https://example.com/a.js` is an address, not a file of this project | copy the module into the project: what is built must not depend on another server");
    insta::assert_snapshot!(with("./style.css"), @"f/main.js `'./style.css'`: unresolved-import: `f/style.css` is not a script | only `.js`, `.mjs`, `.ts` and `.mts` files can be imported; write what is in it as a module that exports it");
}

#[test]
fn what_no_engine_takes() {
    let with = |main: &str| complaints(&[("main.js", main)]).join("\n");
    insta::assert_snapshot!(with("let a = 1;\nfunction f(x) { let x; var y; var y; }\nconst a = 2; function handler() {}"), @"
    main.js `x`: redeclared: `x` is declared twice | it is declared first in line 2
    main.js `a`: redeclared: `a` is declared twice | it is declared first in line 1
    ");
    insta::assert_snapshot!(with("const a = 1; import cf from 'cloudfront'; function handler() { a = 2; a++; [a] = []; for (a of []) {} cf = 1; ({ a } = {}); }"), @"
    main.js `a`: constant-assigned: cannot assign to the constant `a` | declare it with `let`
    main.js `a`: constant-assigned: cannot assign to the constant `a` | declare it with `let`
    main.js `a`: constant-assigned: cannot assign to the constant `a` | declare it with `let`
    main.js `a`: constant-assigned: cannot assign to the constant `a` | declare it with `let`
    main.js `cf`: constant-assigned: cannot assign to the import `cf` | an import is read-only: export a function that changes it from the module that declares it
    main.js `a`: constant-assigned: cannot assign to the constant `a` | declare it with `let`
    ");
    insta::assert_snapshot!(with("function handler() { return 1 +; }"), @"main.js `;`: syntax: expression expected | ");
    insta::assert_snapshot!(with("export { nothing }; function handler() {}"), @"main.js `nothing`: undeclared-export: `nothing` is exported and declared nowhere | ");
    insta::assert_snapshot!(with("export const a = 1; export { handler as a }; function handler() {}"), @"main.js `a`: exported-twice: `a` is exported twice | ");
}

#[test]
fn what_every_engine_takes_is_not_complained_of() {
    for text in [
        "for (let i = 0; ; ) { let i = 1; break; }",
        "for (const x of []) { const x = 1; }",
        "try {} catch (e) { var e; }",
        "(function f() { let f = 1; });",
        "function f(a) { function a() {} var a; }",
        "function g() { function a() {} function a() {} var a; }",
        "switch (1) { case 1: { let a; } case 2: { let a; } }",
        "class A { a() {} a() {} static b = 1; }",
        "let a; { let a; { var b; } } var b;",
        "const h = (x) => { { let x; } };",
        "var z; var z; for (var z in {}) {}",
        "const C = class C {}; const o = { a() { const a = 1; }, get b() { let b; return b; } };",
        "function k(x = y, y) { var q; } var y;",
        "if (1) { function m() {} } else { function m() {} }",
    ] {
        let text = format!("{text}\nexport function handler() {{}}");
        parse(&SourcePath::new("a.js"), &text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    }
}

#[test]
fn what_a_script_cannot_say() {
    let with = |main: &str| complaints(&[("main.js", main)]).join("\n");
    insta::assert_snapshot!(with("const v = await load(); export async function handler() { return await import('./x.js'); }"), @"main.js `import('./x.js')`: dynamic-import: `import()` is not supported | import the module at the top of the file");
    insta::assert_snapshot!(with("const v = await load(); for await (const x of v) {} export async function handler() { return await import.meta.url; }"), @"
    main.js `await load()`: top-level-await: `await` outside of a function | a CloudFront Function can only wait in an `async function`, such as its handler
    main.js `for await (const x of v) {}`: top-level-await: `await` outside of a function | a CloudFront Function can only wait in an `async function`, such as its handler
    main.js `import.meta`: import-meta: `import.meta` means nothing in a CloudFront Function | 
    ");
    insta::assert_snapshot!(with("export default function (event) { return event; }"), @"main.js ``: no-handler: `main.js` declares no `handler` | give the default export that name: `export default function handler(event)`");
    insta::assert_snapshot!(with("function main() {}"), @"main.js ``: no-handler: `main.js` declares no `handler` | CloudFront calls a function of that name: `function handler(event) { return event.request; }`");
    insta::assert_snapshot!(with("import * as handler from './main.js'; export { handler };"), @"main.js ``: no-handler: the `handler` of `main.js` is not a function | ");
}

#[test]
fn what_cannot_be_rewritten() {
    let graph = good(&[(
        "main.js",
        "class Mine {} class Good extends Mine {} class HttpError extends Error {} export function handler() { return new HttpError(new Good()); }\nasync function wait(all) { for await (const one of all) { say(one); } }",
    )]);
    let problems = function(&graph, &FunctionOptions { runtime: Runtime::Njs2, lower: true, minify: true })
        .expect_err("it would do something else");
    assert_eq!(problems.len(), 2);
    assert_eq!(problems[1].message, "`for await` cannot be rewritten for the runtime");
    insta::assert_snapshot!(problems[0].message, @"a class that extends `Error` cannot be rewritten for the runtime");
    assert!(function(&graph, &options(true)).is_ok());
}

#[test]
fn circles_and_ambiguities() {
    let circle = complaints(&[
        ("main.js", "import { a } from './a.js'; function handler() { return a; }"),
        ("a.js", "export { a } from './b.js';"),
        ("b.js", "export { a } from './a.js';"),
    ]);
    assert_eq!(circle.len(), 3, "{circle:#?}");
    assert!(circle.iter().all(|problem| problem.contains("in a circle")), "{circle:#?}");
    insta::assert_snapshot!(only(&[
        ("main.js", "import { x } from './all.js'; function handler() { return x; }"),
        ("all.js", "export * from './a.js'; export * from './b.js';"),
        ("a.js", "export const x = 1;"),
        ("b.js", "export const x = 2;")
    ]), @"main.js `x`: missing-export: `x` of `all.js` could be either that of `a.js` or that of `b.js` | import it from the module that declares it");
}

#[test]
fn all_problems_of_all_files_at_once() {
    let all = complaints(&[
        ("main.js", "import { a } from './a.js'; import { b } from './b.js'; import './none.js'; function handler() {}"),
        ("a.js", "let x; let x;"),
        ("b.js", "syntax error"),
    ]);
    assert_eq!(all.len(), 3, "{all:#?}");
}

#[test]
fn files_that_are_no_scripts() {
    assert!(parse(&SourcePath::new("a.jsx"), "").is_err());
    let sources: Sources = [("main.js", b"import './bad.js'; function handler() {}".to_vec()), ("bad.js", vec![b'/', b'/', 0xff])]
        .into_iter()
        .collect();
    let none = BTreeMap::new();
    let options = Options { virtual_modules: &none, externals: &[], packages: false };
    let problems = graph(&sources, &["main.js".into()], &options).expect_err("it is not UTF-8");
    assert_eq!(problems[0].rule, "not-utf-8");
    let problems = graph(&sources, &["none.js".into()], &options).expect_err("it is not there");
    assert_eq!(problems[0].rule, "no-such-file");
}

#[test]
fn decorators_are_told_of_once() {
    let expected = "`@page('x')`: syntax: decorators are not supported | call it as a function: `const Page = decorate(class { … });`, or write what it does into the class";
    for (file, main) in [
        ("main.ts", "@page('x')\nexport class A { @field a = 1; @m() b(@p c: string) {} }\nexport function handler() {}"),
        ("main.js", "export @page('x') class A { @field a = 1; }\nexport function handler() {}"),
    ] {
        assert_eq!(complaints(&[(file, main)]), [format!("{file} {expected}")]);
    }
}

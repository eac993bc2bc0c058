use super::*;

#[track_caller]
fn bundled(files: &[(&str, &str)], runtime: Runtime) -> Bundle {
    let (sources, checked) = checked(files, runtime);
    match checked.bundle() {
        Ok(bundle) => bundle,
        Err(problems) => panic!("{}", render(&problems, &sources, false)),
    }
}

#[test]
fn a_script_is_shortened_like_a_module() {
    let bundle = bundled(
        &[(
            "functions/router.js",
            "// Says nothing.\nfunction handler(event) {\n    var request = event.request;\n    return request;\n}\n",
        )],
        Runtime::V2,
    );
    assert_eq!(bundle.name, "router");
    assert_eq!(bundle.code, "function handler(e){return e.request}");
    assert!(bundle.warnings.is_empty() && bundle.imports.is_empty());
}

#[test]
fn modules_say_what_the_edge_does_not_know() {
    let main = "import { index } from './index.js';\nexport function handler({ request }) {\n  request.uri = index(request?.uri ?? '/');\n  for (const name of ['a', ...['b']]) { delete request.headers[name]; }\n  try { decodeURI(request.uri); } catch { return request; }\n  return request;\n}\n";
    let other = "export const index = (uri, file = 'index.html') => uri.endsWith('/') ? uri + file : uri;\n";
    for runtime in [Runtime::V1, Runtime::V2] {
        let bundle = bundled(&[("main.js", main), ("index.js", other)], runtime);
        assert_eq!(syntax(&"f.js".into(), &bundle.code, runtime), [], "{}", bundle.code);
        assert!(bundle.source_map.contains("index.js"));
    }
}

#[test]
fn what_cannot_be_rewritten_is_said_of_its_source() {
    let place = |files: &[(&str, &str)], runtime: Runtime| {
        let (sources, checked) = checked(files, runtime);
        let problem = checked.diagnostics().first().cloned().expect("something is wrong");
        let (path, span) = problem.place.expect("it has a place");
        let (line, column) = line_column(sources.text(path.as_str()).unwrap_or_default(), span.start);
        assert!(checked.bundle().is_err());
        format!("{} {path}:{line}:{column}", problem.rule)
    };
    let main = "import { x } from './x.js';\nexport function handler(event) {\n  x(event);\n  return event.request;\n}\n";
    let rows = [
        ("export const x = (e) => /a.b/s.test(e.request.uri);", "CFF020 x.js:1:30"),
        ("export const x = (e) => e.a + 10n;", "CFF019 x.js:1:31"),
        ("export const x = (e) => function* () { yield e; };", "CFF016 x.js:1:33"),
        ("export const x = async (e) => { for await (const a of e) { a(); } };", "CFF015 x.js:1:33"),
    ];
    for (text, expected) in rows {
        assert_eq!(place(&[("main.js", main), ("x.js", text)], Runtime::V2), expected);
    }
    assert_eq!(place(&[("main.js", main), ("x.js", "export const x = async (e) => e;")], Runtime::V1), "CFF010 x.js:1:18");
}

#[test]
fn the_size_is_that_of_the_final_text() {
    let script = |bytes: usize| {
        format!(
            "// {}\nfunction handler(event) {{ event.request.uri = '/a{}'; return event.request; }}",
            "x".repeat(9000),
            "y".repeat(bytes)
        )
    };
    let sizes = |bytes: usize| {
        let (_, checked) = checked(&[("f.js", &script(bytes))], Runtime::V2);
        // A script is told of its size as it stands too, comments and all.
        let made = checked.diagnostics().iter().filter(|problem| !problem.message.starts_with("as it stands")).cloned();
        (made.collect::<Vec<_>>(), checked.bundle().map(|bundle| bundle.code.len()).ok())
    };
    let (none, Some(rest)) = sizes(0) else { panic!("a small function is built") };
    assert!(none.is_empty() && rest < 100);
    let (warned, length) = sizes(9_216 - rest);
    assert_eq!((warned[0].rule, warned[0].is_error(), length), ("CFF040", false, Some(9_216)));
    assert_eq!(warned[0].message, "the function has 9,216 bytes, 1,024 are left");
    assert_eq!(sizes(10_240 - rest).1, Some(10_240));
    let (refused, length) = sizes(10_241 - rest);
    assert_eq!((refused[0].message.as_str(), length), ("the function has 10,241 bytes, 1 more than CloudFront takes", None));
}

#[test]
fn too_many_redirects_are_named() {
    let table: Vec<String> = (0..400).map(|n| format!("  '/old/page/{n}/': '/new/page/{n}/',")).collect();
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), format!("export default {{\n{}\n}};\n", table.join("\n")))]);
    let main = "import redirects from 'qdn:redirects';\nexport function handler(event) { const to = redirects[event.request.uri]; return to ? { statusCode: 301, headers: { location: { value: to } } } : event.request; }";
    let sources: Sources = [("functions/router.js", main.as_bytes().to_vec())].into_iter().collect();
    let checked = check(&sources, &"functions/router.js".into(), &Options { runtime: Runtime::V2, virtual_modules: &modules });
    let problem = &checked.diagnostics()[0];
    assert_eq!(problem.rule, "CFF040");
    assert!(problem.hints[1].starts_with("400 redirects take "), "{:?}", problem.hints);
    assert!(problem.hints[1].ends_with(" bytes: move them to a KeyValueStore, or remove old aliases"), "{:?}", problem.hints);
}

#[test]
fn a_bundle_knows_its_generated_modules() {
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), "export default {'/a': '/b'};".to_owned())]);
    let main = "import redirects from 'qdn:redirects';\nexport function handler(event) { event.request.uri = redirects[event.request.uri] || event.request.uri; return event.request; }";
    let sources: Sources = [("functions/edge/index.js", main.as_bytes().to_vec())].into_iter().collect();
    let checked = check(&sources, &"functions/edge/index.js".into(), &Options { runtime: Runtime::V2, virtual_modules: &modules });
    let bundle = checked.bundle().expect("it is built");
    assert_eq!(bundle.name, "edge");
    assert_eq!(bundle.imports.into_iter().collect::<Vec<_>>(), ["qdn:redirects"]);
}

#[test]
fn nothing_is_too_odd() {
    let none = BTreeMap::new();
    for text in [
        "",
        "\u{feff}",
        "\0",
        "import",
        "export default",
        "import './f.js'",
        "import x from 'qdn:x'",
        "<!-- x",
        "(".repeat(20).as_str(),
    ] {
        let sources: Sources = [("f.js", text.as_bytes().to_vec())].into_iter().collect();
        for runtime in [Runtime::V1, Runtime::V2] {
            let checked = check(&sources, &"f.js".into(), &Options { runtime, virtual_modules: &none });
            assert!(checked.bundle().is_err(), "{text}");
        }
    }
    let missing = check(&Sources::new(), &"f.js".into(), &Options { runtime: Runtime::V2, virtual_modules: &none });
    assert!(missing.bundle().is_err_and(|problems| problems.len() == 1));
}

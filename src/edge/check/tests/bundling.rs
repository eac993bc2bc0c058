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
    assert!(bundle.warnings.is_empty());
    assert_eq!(bundle.imports.into_iter().collect::<Vec<_>>(), ["functions/router.js"]);
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
        let refused = checked.bundle().expect_err("something is wrong");
        let problem = checked.diagnostics().first().or(refused.first()).cloned().expect("and it is said");
        let (path, span) = problem.place.expect("it has a place");
        let (line, column) = line_column(sources.text(path.as_str()).unwrap_or_default(), span.start);
        format!("{} {path}:{line}:{column}", problem.rule)
    };
    let main = "import { x } from './x.js';\nexport function handler(event) {\n  return x(event) || event.request;\n}\n";
    let rows = [
        ("export const x = (e) => /a.b/s.test(e.request.uri);", "CFF020 x.js:1:30"),
        ("export const x = (e) => e.a + 10n;", "CFF019 x.js:1:31"),
        ("export const x = async (e) => { for await (const a of e) { a(); } };", "CFF015 x.js:1:33"),
    ];
    for (text, expected) in rows {
        assert_eq!(place(&[("main.js", main), ("x.js", text)], Runtime::V2), expected);
    }
    assert_eq!(place(&[("main.js", main), ("x.js", "export const x = async (e) => e;")], Runtime::V1), "CFF010 x.js:1:18");
}

/// A script may be uploaded as it stands, and CloudFront counts its comments; a module never is.
#[test]
fn a_script_is_as_large_as_it_stands_and_a_module_as_what_comes_out() {
    let written =
        |form: &str, bytes: usize| format!("// {}\n{form} handler(event) {{ return event.request; }}\n", "x".repeat(bytes));
    let said = |text: &str| {
        let (_, checked) = checked(&[("f.js", text)], Runtime::V2);
        let problems: Vec<_> = checked.diagnostics().iter().map(|problem| (problem.rule, problem.is_error())).collect();
        (problems, checked.bundle().is_ok())
    };
    assert_eq!(said(&written("function", 9_000)), (vec![], true));
    assert_eq!(said(&written("function", 9_500)), (vec![("CFF040", false)], true));
    assert_eq!(said(&written("function", 11_000)), (vec![("CFF040", true)], false));
    assert_eq!(said(&written("export function", 11_000)), (vec![], true));
    let long = format!("export function handler(event) {{ event.request.uri = '/{}'; return event.request; }}", "y".repeat(10_240));
    assert_eq!(said(&long), (vec![], false), "what comes out is measured when it is made");
}

#[test]
fn too_many_redirects_are_named() {
    let table: Vec<String> = (0..400).map(|n| format!("  '/old/page/{n}/': '/new/page/{n}/',")).collect();
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), format!("export default {{\n{}\n}};\n", table.join("\n")))]);
    let main = "import redirects from 'qdn:redirects';\nexport function handler(event) { const to = redirects[event.request.uri]; return to ? { statusCode: 301, headers: { location: { value: to } } } : event.request; }";
    let sources: Sources = [("functions/router.js", main.as_bytes().to_vec())].into_iter().collect();
    let checked = check(&sources, &"functions/router.js".into(), &Options { runtime: Runtime::V2, virtual_modules: &modules });
    let problem = &checked.bundle().expect_err("they do not fit")[0];
    assert_eq!(problem.rule, "CFF040");
    assert!(problem.hints[1].starts_with("the site's aliases take 1"), "{:?}", problem.hints);
}

#[test]
fn a_bundle_knows_its_generated_modules() {
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), "export default {'/a': '/b'};".to_owned())]);
    let main = "import redirects from 'qdn:redirects';\nexport function handler(event) { event.request.uri = redirects[event.request.uri] || event.request.uri; return event.request; }";
    let sources: Sources = [("functions/edge.js", main.as_bytes().to_vec())].into_iter().collect();
    let checked = check(&sources, &"functions/edge.js".into(), &Options { runtime: Runtime::V2, virtual_modules: &modules });
    let bundle = checked.bundle().expect("it is built");
    assert_eq!(bundle.name, "edge");
    assert_eq!(bundle.imports.into_iter().collect::<Vec<_>>(), ["functions/edge.js", "qdn:redirects"]);
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

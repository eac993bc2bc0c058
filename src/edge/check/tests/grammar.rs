//! Where complaints about syntax point to. What each runtime parses is in `probes`.

use super::*;

#[test]
fn exports_are_no_syntax_of_a_script() {
    for text in [
        "export function handler(event) { return event.request; }",
        "export default function handler(event) { return event.request; }",
    ] {
        for runtime in [Runtime::V1, Runtime::V2] {
            let problems = syntax(&"f.js".into(), text, runtime);
            assert_eq!(problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["CFF004"], "{text}");
            good(runtime, text);
        }
    }
}

#[test]
fn every_complaint_about_syntax_has_its_rule_and_place() {
    let handler =
        |body: &str| format!("async function handler(event) {{\n  {body}\n  return event.request;\n}}\nfunction use() {{}}\n");
    let rows = [
        ("CFF011", "const ‸{uri} = event.request; use(uri);"),
        ("CFF012", "use(‸...[]);"),
        ("CFF013", "use(function (a ‸= 1) { return a; });"),
        ("CFF014", "use(‸class {});"),
        ("CFF015", "‸for (const x of []) use(x);"),
        ("CFF016", "use(function‸* () {});"),
        ("CFF017", "use(event‸?.request);"),
        ("CFF017", "let a = 1; a ‸??= 2; use(a);"),
        ("CFF018", "try { use(1); } ‸catch { use(2); }"),
        ("CFF019", "use(‸10n);"),
        ("CFF019", "use(function () { return ‸new.target; });"),
        ("CFF019", "var ‸größe = 1; use(größe ? 1 : 2);"),
        ("CFF020", "use(/a.b/‸s);"),
        ("CFF020", "use(/‸(?<=a+)b/);"),
        ("CFF020", "use(/a‸\\p{L}/);"),
        ("CFF030", "use(‸await use(1));"),
        ("CFF030", "use(use(1), ‸await use(2));"),
        ("CFF030", "use(new Date({a: [‸await use(2)]}));"),
        ("CFF031", "use`${‸await use(1)}`;"),
    ];
    for (rule, body) in rows {
        let marked = handler(body);
        let at = marked.find('‸').unwrap_or_default();
        let text = marked.replace('‸', "");
        let (line, column) = line_column(&text, at);
        assert_eq!(said(&text, Runtime::V2).first(), Some(&(rule, line, column)), "{body}");
    }
    bad(Runtime::V1, "CFF010", "function handler(event) { ‸const r = event.request; return r; }");
    bad(Runtime::V1, "CFF010", "‸async function handler(event) { return event.request; }");
    bad(
        Runtime::V2,
        "CFF003",
        "function handler(event) { return event.request; }\nfunction ‸handler(event) { return event.request; }",
    );
}

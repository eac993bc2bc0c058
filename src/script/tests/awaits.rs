use super::*;
use ast::{ArrowExpr, AwaitExpr, CallExpr, Function, NewExpr, TaggedTpl};
use std::io::Write as _;
use visit::{Visit, VisitWith};

/// Finds every `await` that the engine behind CloudFront would refuse: in arguments, however deep.
#[derive(Default)]
struct InArguments {
    depth: usize,
    found: usize,
}

impl InArguments {
    fn at(&mut self, depth: usize, node: &impl VisitWith<Self>) {
        let outer = std::mem::replace(&mut self.depth, depth);
        node.visit_with(self);
        self.depth = outer;
    }
}

impl Visit for InArguments {
    fn visit_await_expr(&mut self, node: &AwaitExpr) {
        self.found += usize::from(self.depth > 0);
        node.visit_children_with(self);
    }
    fn visit_call_expr(&mut self, node: &CallExpr) {
        node.callee.visit_with(self);
        self.at(self.depth + 1, &node.args);
    }
    fn visit_new_expr(&mut self, node: &NewExpr) {
        node.callee.visit_with(self);
        self.at(self.depth + 1, &node.args);
    }
    fn visit_tagged_tpl(&mut self, node: &TaggedTpl) {
        self.at(self.depth + 1, &node.tpl);
    }
    fn visit_function(&mut self, node: &Function) {
        self.at(0, &node.body);
    }
    fn visit_arrow_expr(&mut self, node: &ArrowExpr) {
        self.at(0, &node.body);
    }
}

const SAMPLES: [&str; 8] = [
    "export async function handler(event) { const raw = await cf.kvs().get('k'); return JSON.parse(JSON.stringify(raw)); }",
    "async function look(key) { const value = await cf.kvs().get(key); return value; }
export async function handler(event) { const a = await look('a'); const b = await look('b'); const list = [a, b]; return list.join(a + b); }",
    "async function once(x) { return x + 1; } export async function handler(event) { const x = await once(1); const y = await once(x); return Math.max(x, y); }",
    "export async function handler(event) { let value; try { value = await cf.kvs().get(event.request.uri); } catch (e) { return event.request; } const parts = value.split('|'); return Object.assign({}, event.request, { uri: parts[0] }); }",
    "const wait = async (x) => x; export async function handler(event) { const a = await wait(3); const o = { a: a }; const s = `${a}`; return [String(s), Number(a), new Date(a).getTime(), o]; }",
    "export async function handler(event) { const store = cf.kvs(); const found = await store.exists('k'); if (!found) { return null; } const text = await store.get('k'); return encodeURIComponent(text); }",
    "async function inner(f) { return f(); } export async function handler(event) { const r = await inner(async () => { const v = await cf.kvs().get('z'); return String(v); }); return r; }",
    "export async function handler(event) { const keys = ['a', 'b']; const out = []; for (let i = 0; i < keys.length; i++) { const v = await cf.kvs().get(keys[i]); out.push(v); } const last = await cf.kvs().get('last'); out.push(last); return out; }",
];

#[test]
fn the_compressor_moves_no_await_into_arguments() {
    for sample in SAMPLES {
        let main = format!("import cf from 'cloudfront';\n{sample}");
        let files: Files<'_> = &[("main.js", &main)];
        same(files);
        let code = minified(files);
        let parsed = parse(&SourcePath::new("out.js"), &code).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut seen = InArguments::default();
        parsed.module().visit_with(&mut seen);
        assert_eq!(seen.found, 0, "{code}");
    }
}

/// What Debian's `njs` says, if there is one: an engine nearer to CloudFront's than ours.
fn njs(code: &str) -> Option<String> {
    let mut file = tempfile::Builder::new().suffix(".js").tempfile().ok()?;
    file.write_all(code.as_bytes()).ok()?;
    let output = std::process::Command::new("njs").arg(file.path()).output().ok()?;
    Some(ordered(&format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))))
}

/// The same with keys in alphabetical order: that engine gives those of larger objects in none.
fn ordered(said: &str) -> String {
    serde_json::from_str::<BTreeMap<String, serde_json::Value>>(said)
        .map_or_else(|_| said.trim().to_owned(), |value| serde_json::json!(value).to_string())
}

const PRINT: &str =
    "Promise.resolve(handler({ request: { uri: '/a', headers: {} } })).then(out => console.log(JSON.stringify({ out, log: [] })))";

#[test]
fn what_the_real_engine_says() {
    const SYNC: &str = "function helper(a) { return a.split('/'); } export function handler(event) { const o = { helper, x: 1 };
return [helper(event.request.uri), `${o.x}`, (() => 3)(), 2 ** 3, typeof null ?? 1]; }";
    const STORE: &str = "const cf = { kvs() { return { get(k) { return Promise.resolve('value of ' + k); }, exists() { return Promise.resolve(true); } }; } };";
    let mut all: Vec<Vec<(&str, String)>> = SAMPLES
        .into_iter()
        .chain([SYNC])
        .map(|sample| vec![("main.js", if sample.contains("cf.") { format!("{STORE}\n{sample}") } else { sample.to_owned() })])
        .collect();
    let owned = |files: Files<'static>| files.iter().map(|(path, text)| (*path, text.to_string())).collect::<Vec<_>>();
    all.push(owned(super::flat::NAMESPACES));
    all.push(owned(super::measure::ROUTER));
    let mut store = owned(super::measure::STORE);
    store[0].1 = store[0].1.replace("import cf from 'cloudfront';", STORE);
    store[0].1 =
        store[0].1.replace("rule = JSON.parse(found)", "rule = { uri: found }").replace("JSON.parse(exact)", "({ uri: exact })");
    all.push(store);
    for files in &all {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let expected = ordered(&run_modules(&files));
        for (minify, lower) in [(false, false), (true, false), (true, true)] {
            let code = script(&files, &FunctionOptions { runtime: Runtime::Njs2, lower, minify }).code;
            let Some(said) = njs(&format!("{code}\n{PRINT}")) else { return };
            assert_eq!(said, expected, "{code}");
        }
    }
    for runtime in [Runtime::Njs1, Runtime::Njs2] {
        for minify in [false, true] {
            let code = script(super::flat::MODERN, &FunctionOptions { runtime, lower: true, minify }).code;
            assert_eq!(njs(&format!("{code}\n{PRINT}")), Some(ordered(&run_modules(super::flat::MODERN))), "{code}");
        }
    }
    let digest = minified(&[(
        "main.js",
        "import { createHash } from 'crypto'; export function handler() { return createHash('md5').update('x').digest('hex'); }",
    )]);
    assert_eq!(
        njs(&format!("{digest}\n{PRINT}")).as_deref(),
        Some(r#"{"log":[],"out":"9dd4e461268c8034f5c8564e155c67a6"}"#),
        "{digest}"
    );
}

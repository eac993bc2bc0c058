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

/// Each has an `await` among arguments, and says in which order things happen.
const REFUSED: [&str; 16] = [
    "return JSON.parse(await get('{\"a\":1}'));",
    "const a = pair(note('x'), await get(note('y'))), b = pair(await get('p'), note('q')); return [a, b];",
    "if (pair(await get('a'), 1)[0] === 'a') return pair(await get('b'), 2); else return pair(await get('c'), 3);",
    "if (note(false)) { return 1; } else if (same(await get(true))) { return same(await get(2)); } return 3;",
    "return note(false) && same(await get(1)) || same(await get('or')) ;",
    "return (note(null) ?? same(await get('nullish'))) + (note(0) ? same(await get('then')) : same(await get('else')));",
    "let n = 1; const r = pair(n, await get(() => 1).then(f => { n = 5; return f(); })); return [r, n];",
    "return [note(1), same(await get(2)), note(3), await get(4), same([await get(5)])];",
    "return { a: note('a'), b: same({ c: await get('c') }), d: note('d') };",
    "return new Holder(note(1), await get(2)).all.concat(await get([3]), note(4));",
    "const o = { x: { tag: 't', m(v) { return [this.tag, v]; } } }; return o.x.m(await get('m'));",
    "const list = []; for (let i = 0; i < 3; i++) list.push(await get(i)); for (const k in same(await get({ p: 1 }))) list.push(k); return list;",
    "const f = async (x) => same(await get(x)); return await f('arrow');",
    "let o = { p: 0 }; o.p = same(await get('p')); let v; v = same(await get('v')); return [o, v, `${note('t')}${same(await get('u'))}${note('w')}`];",
    "switch (same(await get('s'))) { case 's': return same(await get('in')); default: throw same(await get('no')); }",
    "try { throw new Error(await get('why')); } catch (e) { return pair((note('first'), same(await get(e.message))), value); }",
];

const AROUND: &str = "const order = []; function note(v) { order.push(v); return v; } function same(v) { note('same'); return v; } function pair(a, b) { note('pair'); return [a, b]; }
async function get(v) { note('get'); return v; } function Holder(a, b) { note('Holder'); this.all = [a, b]; } const value = 'mine';
export async function handler(event) { const r = await main(event); return [r, order]; } async function main(event) {";

#[test]
fn awaits_are_taken_out_of_arguments_when_asked() {
    for sample in REFUSED {
        let main = format!("{AROUND}\n{sample}\n}}");
        let files: Files<'_> = &[("main.js", &main)];
        let expected = same(files);
        for minify in [false, true] {
            let code = script(files, &FunctionOptions { runtime: Runtime::Njs2, lower: true, minify }).code;
            let parsed = parse(&SourcePath::new("out.js"), &code).unwrap_or_else(|problems| panic!("{problems:?}"));
            let mut seen = InArguments::default();
            parsed.module().visit_with(&mut seen);
            assert_eq!(seen.found, 0, "{code}");
            // The engine forgets what a closure assigns while its function waits, however that is written.
            if !sample.contains("n = 5") {
                assert_eq!(njs(&format!("{code}\n{PRINT}")), ordered(&expected), "{code}");
            }
        }
    }
}

/// What Debian's `njs` says: an engine nearer to CloudFront's than ours.
fn njs(code: &str) -> String {
    let mut file = tempfile::Builder::new().suffix(".js").tempfile().expect("a temporary file");
    file.write_all(code.as_bytes()).expect("the file can be written");
    let output = std::process::Command::new("njs").arg(file.path()).output();
    let output = output.unwrap_or_else(|error| panic!("njs cannot be run ({error}): apt-get install njs"));
    ordered(&format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
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
    all.push(owned(super::samples::ROUTER));
    let mut store = owned(super::samples::STORE);
    store[0].1 = store[0].1.replace("import cf from 'cloudfront';", STORE);
    store[0].1 =
        store[0].1.replace("rule = JSON.parse(found)", "rule = { uri: found }").replace("JSON.parse(exact)", "({ uri: exact })");
    all.push(store);
    for files in &all {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let expected = ordered(&run_modules(&files));
        for (minify, lower) in [(false, false), (true, false), (true, true)] {
            let code = script(&files, &FunctionOptions { runtime: Runtime::Njs2, lower, minify }).code;
            assert_eq!(njs(&format!("{code}\n{PRINT}")), expected, "{code}");
        }
    }
    for runtime in [Runtime::Njs1, Runtime::Njs2] {
        for minify in [false, true] {
            let code = script(super::flat::MODERN, &FunctionOptions { runtime, lower: true, minify }).code;
            assert_eq!(njs(&format!("{code}\n{PRINT}")), ordered(&run_modules(super::flat::MODERN)), "{code}");
        }
    }
    let digest = minified(&[(
        "main.js",
        "import { createHash } from 'crypto'; export function handler() { return createHash('md5').update('x').digest('hex'); }",
    )]);
    assert_eq!(njs(&format!("{digest}\n{PRINT}")), r#"{"log":[],"out":"9dd4e461268c8034f5c8564e155c67a6"}"#, "{digest}");
}

#[test]
fn what_is_rewritten_means_the_same_to_the_real_engine() {
    for body in [
        "const out = []; for (const c of event.request.uri) { out.push(c); } return out;",
        "const s = event.request.uri; return [...s, ...'bc', ...[1, 2], ...s.split('/'), 3];",
        "const [a, b] = event.request.uri; const [c, d = 2] = [1]; const { e: { f } = { f: 4 } } = event; return [a, b, c, d, f];",
        "const calls = []; for (const i of [1, 2, 3]) { calls.push(() => i); } return calls.map(f => f());",
        "return (function () { const out = []; for (const a of arguments) { out.push(a); } return [out, ...arguments]; })(1, 2);",
        "const o = []; for (const [k, v] of Object.entries(event.request)) { o.push(k + typeof v); } return o;",
        "class A { static get x() { return 1; } get y() { return 2; } set y(v) { this.z = v; } } const a = new A(); a.y = 5; return [A.x, a.y, a.z];",
        "const list = [1, 5, 3]; return [Math.max(...list), Math.max(0, ...list.map(x => x * 2)), new Array(...list)];",
    ] {
        let main = format!("export function handler(event) {{ {body} }}");
        let files: Files<'_> = &[("main.js", &main)];
        let expected = ordered(&same(files));
        for minify in [false, true] {
            let code = script(files, &FunctionOptions { runtime: Runtime::Njs2, lower: true, minify }).code;
            assert_eq!(njs(&format!("{code}\n{PRINT}")), expected, "{code}");
        }
    }
}

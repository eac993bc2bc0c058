use super::*;
use ast::{ArrowExpr, AwaitExpr, CallExpr, Function, NewExpr, TaggedTpl};
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

#[test]
fn what_the_real_engine_says() {
    let version = std::process::Command::new("njs").arg("-v").output();
    if version.is_err() {
        return;
    }
    let sync = "function helper(a) { return a.split('/'); } export function handler(event) { const o = { helper, x: 1 }; return [helper(event.request.uri), `${o.x}`, (() => 3)(), 2 ** 3, typeof null ?? 1]; }";
    for sample in SAMPLES.into_iter().chain([sync]) {
        let main = match sample.contains("cf.") {
            true => format!(
                "const cf = {{ kvs() {{ return {{ get(k) {{ return Promise.resolve('value of ' + k); }}, exists() {{ return Promise.resolve(true); }} }}; }} }};\n{sample}"
            ),
            false => sample.to_owned(),
        };
        let files: Files<'_> = &[("main.js", &main)];
        let expected = run_modules(files);
        for minify in [false, true] {
            let code = format!(
                "{}\nPromise.resolve(handler({{ request: {{ uri: '/a', headers: {{}} }} }})).then(out => console.log(JSON.stringify({{ out, log: [] }})))",
                script(files, &options(minify)).code
            );
            let output = std::process::Command::new("njs").args(["-c", &code]).output().expect("it runs");
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(said.trim(), expected, "{code}");
        }
    }
}

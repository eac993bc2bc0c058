//! Programs and events for the differential test: made of a seed by a grammar, the same ones for the same seed.
//!
//! They hold to what both the runtime and Debian's njs parse, and do what functions do: texts, regular expressions,
//! lists, objects, loops, closures, JSON, queries, digests, buffers, `async`. A program hands back a list of what it saw.

use std::fmt::Write as _;

/// SplitMix64: small, and the same everywhere.
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(number: u64) -> Self {
        Self(number)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }
}

const TEXTS: &[&str] = &[
    "''",
    "'a'",
    "'abc'",
    "'Hello, World'",
    "'/track/9fK2mQ7x'",
    "'/a/../b//c'",
    "'a=1&b=2&a=3'",
    "'q=%C3%A9&r=x+y&s'",
    "'%F0%9F%98%80'",
    "'%E0%A4%A'",
    "'%2F%2f%25'",
    "'é'",
    "'ÀÉÎõü'",
    "'ß'",
    "'Straße'",
    "'😀'",
    "'a😀b😎c'",
    "'\\ud83d\\ude00'",
    "'日本語'",
    "'İI'",
    "'ΑΣ'",
    "'x\\ny'",
    "'line\\n'",
    "' \\t padded \\n'",
    "'\\u00a0nbsp\\u00a0'",
    "'12'",
    "'-3.5e2'",
    "'0x1f'",
    "'007'",
    "'true'",
    "'null'",
    "'a,b,,c'",
    "'aXbXc'",
    "'www.example.com'",
    "'text/html,application/xml;q=0.9,*/*;q=0.8'",
    "'en-US,en;q=0.5'",
    "'foo.bar.baz'",
    "'{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\"}'",
    "'[1,2,'",
    "'{\"a\":1,}'",
    "'YWJj'",
    "'_-8'",
    "'c3ViamVjdHM'",
    "'deadbeef'",
];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "5",
    "7",
    "10",
    "255",
    "1.5",
    "-2.25",
    "0.5",
    "1000000",
    "1e21",
    "1e-7",
    "4294967296",
    "2147483647",
    "NaN",
    "Infinity",
    "-0",
];

const PATTERNS: &[&str] = &[
    "/a/",
    "/[a-c]+/g",
    "/^\\/track\\/([\\w-]+)$/",
    "/x$/",
    "/y$/m",
    "/^./",
    "/.$/",
    "/\\s+/g",
    "/\\S+/",
    "/[^\\s,]+/g",
    "/(\\d+)/",
    "/\\d/g",
    "/(?<key>\\w+)=(?<value>[^&]*)/",
    "/b|c/g",
    "/(a)(b)?/",
    "/[^a-z]/gi",
    "/é/i",
    "/[À-ÿ]/g",
    "/%[0-9a-f]{2}/gi",
    "/\\//g",
    "/(?:foo|bar)\\./",
    "/a(?=b)/",
    "/a(?!b)/g",
    "/(?<=\\/)\\w/g",
    "/\\bw/",
    "/[.,;]/",
    "/^$/",
    "/^\\s*$/",
    "/o{1,2}/",
    "/l+?/",
    "/\\.[a-z]+$/i",
    "/[\\]\\\\]/",
    "/😀/",
    "/[😀😎]/g",
    "/\\u00e9/",
    "/\\w+$/",
    "/^.*$/m",
    "/^/gm",
    "/(.)(.)/g",
    "/\\W/g",
    "/X/",
];

const NAMES: &[&str] = &["a", "b", "key", "x-y", "name", "é", "value", "length2"];

/// One program: the statements of a function of `event` that ends with `return out`.
pub(super) struct Program {
    pub(super) body: String,
    pub(super) is_async: bool,
}

struct Maker<'a> {
    seed: &'a mut Seed,
    /// Variables in scope: name and kind.
    scope: Vec<(String, Kind)>,
    made: usize,
    is_async: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Bool,
    List,
    Object,
}

/// A program of this seed.
pub(super) fn program(seed: &mut Seed) -> Program {
    let is_async = seed.below(6) == 0;
    let mut maker = Maker { seed, scope: Vec::new(), made: 0, is_async };
    let mut body = String::from("var out = []; var request = event.request;\n");
    let count = 3 + maker.seed.below(6);
    for _ in 0..count {
        let statement = maker.statement(2);
        let _ = writeln!(body, "{statement}");
    }
    body.push_str("return out;");
    Program { body, is_async }
}

/// An event for it.
pub(super) fn event(seed: &mut Seed) -> serde_json::Value {
    let uri = seed.pick(&["/", "/track/abc", "/a%20b/é", "/x/y.html", "/😀/%F0%9F%98%80", "//a/./b", "/Book/"]);
    let query =
        seed.pick(&["{}", r#"{"a":{"value":"1"},"b":{"value":"%20"}}"#, r#"{"utm_source":{"value":"sms"},"é":{"value":"😀"}}"#]);
    let headers = seed.pick(&[
        r#"{"host":{"value":"www.example.com"}}"#,
        r#"{"host":{"value":"example.com"},"accept-language":{"value":"de-DE,de;q=0.9"},"user-agent":{"value":"Mozilla/5.0 (iPhone)"}}"#,
        r#"{"authorization":{"value":"Basic dXNlcjpwYXNz"},"cookie2":{"value":""}}"#,
    ]);
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    serde_json::json!({
        "version": "1.0",
        "context": { "eventType": "viewer-request" },
        "viewer": { "ip": "198.51.100.11" },
        "request": { "method": seed.pick(&["GET", "POST", "HEAD"]), "uri": uri, "querystring": parse(query), "headers": parse(headers), "cookies": {} },
    })
}

impl Maker<'_> {
    fn name(&mut self) -> String {
        self.made += 1;
        format!("v{}", self.made)
    }

    fn kind(&mut self) -> Kind {
        [Kind::Text, Kind::Text, Kind::Text, Kind::Number, Kind::Bool, Kind::List, Kind::Object][self.seed.below(7)]
    }

    fn known(&mut self, kind: Kind) -> Option<String> {
        let fitting: Vec<String> = self.scope.iter().filter(|(_, known)| *known == kind).map(|(name, _)| name.clone()).collect();
        match fitting.len() {
            0 => None,
            count => Some(fitting[self.seed.below(count)].clone()),
        }
    }

    fn block(&mut self, depth: usize) -> String {
        let before = self.scope.len();
        let count = 1 + self.seed.below(2);
        let statements: Vec<String> = (0..count).map(|_| self.statement(depth.saturating_sub(1))).collect();
        self.scope.truncate(before);
        statements.join(" ")
    }

    fn statement(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.seen();
        }
        match self.seed.below(14) {
            0..=3 => {
                let kind = self.kind();
                let value = self.value(kind, depth);
                let name = self.name();
                self.scope.push((name.clone(), kind));
                match self.is_async {
                    true => format!(
                        "let {name} = await {};",
                        self.seed
                            .pick(&[
                                "Promise.resolve(VALUE)",
                                "(async function () { return VALUE; })()",
                                "Promise.all([VALUE]).then(function (all) { return all[0]; })"
                            ])
                            .replace("VALUE", &value)
                    ),
                    false => format!("let {name} = {value};"),
                }
            }
            4 => format!("if ({}) {{ {} }} else {{ {} }}", self.value(Kind::Bool, depth), self.block(depth), self.block(depth)),
            5 => {
                let (list, name) = (self.value(Kind::List, depth), self.name());
                let (index, held) = (format!("{name}i"), format!("{name}l"));
                let body = self.block(depth);
                format!(
                    "let {held} = {list}; for (let {index} = 0; {index} < {held}.length && {index} < 4; {index}++) {{ out.push({held}[{index}]); {body} }}"
                )
            }
            6 => {
                let (object, name) = (self.value(Kind::Object, depth), self.name());
                format!("for (let {name} in {object}) {{ out.push({name}); }}")
            }
            7 => {
                let body = self.block(depth);
                let name = self.name();
                format!("try {{ {body} {} }} catch ({name}) {{ out.push({name}.name, {name}.message); }}", self.risky(depth))
            }
            8 => {
                let (value, first, second) = (self.value(Kind::Text, depth), self.seed.pick(TEXTS), self.seed.pick(TEXTS));
                format!(
                    "switch ({value}) {{ case {first}: {} break; case {second}: {} default: {} }}",
                    self.seen(),
                    self.seen(),
                    self.seen()
                )
            }
            9 => {
                let (name, kind) = (self.name(), self.kind());
                self.scope.push((format!("{name}p"), Kind::Text));
                let value = self.value(kind, depth);
                self.scope.pop();
                let argument = self.value(Kind::Text, 1);
                format!("let {name} = function ({name}p) {{ return {value}; }}; out.push({name}({argument}));")
            }
            10 => match self.known(Kind::Object) {
                Some(object) => format!("{object}['k' + {}] = {};", self.value(Kind::Text, 1), self.value(Kind::Number, 1)),
                None => self.seen(),
            },
            11 => match self.known(Kind::List) {
                Some(list) => {
                    let kind = self.kind();
                    let value = self.value(kind, 1);
                    let call = self.seed.pick(&["push", "unshift"]);
                    let rest = self.seed.pick(&[
                        "",
                        "out.push(LIST.pop());",
                        "out.push(LIST.shift());",
                        "LIST.reverse();",
                        "LIST.sort();",
                        "out.push(LIST.splice(1, 1));",
                    ]);
                    format!("{list}.{call}({value}); {}", rest.replace("LIST", &list))
                }
                None => self.seen(),
            },
            _ => self.seen(),
        }
    }

    fn seen(&mut self) -> String {
        let kind = self.kind();
        let value = self.value(kind, 2);
        format!("out.push({value});")
    }

    /// A statement that may throw.
    fn risky(&mut self, depth: usize) -> String {
        let text = self.value(Kind::Text, depth);
        match self.seed.below(9) {
            0 => format!("out.push(JSON.parse({text}));"),
            1 => format!("out.push(decodeURIComponent({text}));"),
            2 => format!("out.push(request.headers[{text}].value);"),
            3 => format!("throw new TypeError({text});"),
            4 => "out.push(undefinedName);".to_owned(),
            5 => format!("out.push(({text}).nothing());"),
            6 => "null.x = 1;".to_owned(),
            7 => format!("out.push([1].map({text}));"),
            _ => format!("out.push(new RegExp({text}.split('[').join('(')).source);"),
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.seed.below(5) == 0 {
            if let Some(name) = self.known(kind)
                && self.seed.below(3) > 0
            {
                return name;
            }
            return self.plain(kind);
        }
        let depth = depth - 1;
        match kind {
            Kind::Text => self.text(depth),
            Kind::Number => self.number(depth),
            Kind::Bool => self.bool(depth),
            Kind::List => self.list(depth),
            Kind::Object => self.object(depth),
        }
    }

    fn plain(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Text => match self.seed.below(6) {
                0 => "request.uri".to_owned(),
                1 => "request.method".to_owned(),
                _ => self.seed.pick(TEXTS).to_owned(),
            },
            Kind::Number => self.seed.pick(NUMBERS).to_owned(),
            Kind::Bool => self.seed.pick(&["true", "false"]).to_owned(),
            Kind::List => self
                .seed
                .pick(&["[]", "[1, 2, 3]", "['b', 'a', 'c']", "[3, 1, 2]", "[1, 'x', null, [2]]", "['é', 'z', 'Z']"])
                .to_owned(),
            Kind::Object => self
                .seed
                .pick(&[
                    "{}",
                    "{ a: 1, b: 'x' }",
                    "request.headers",
                    "request.querystring",
                    "{ z: { y: [1] }, n: null }",
                    "{ g: [5], h: -2 }",
                ])
                .to_owned()
                .replace("{}", "({})"),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let mut text = self.value(Kind::Text, depth);
        if text.starts_with(['`', '{']) || text.contains(' ') {
            text = format!("({text})");
        }
        let small = self.seed.pick(&["0", "1", "2", "3", "-1", "-2", "10"]);
        let other = self.seed.pick(&["0", "1", "2", "4", "-1", "9"]);
        let pattern = self.seed.pick(PATTERNS);
        let second = self.seed.pick(TEXTS);
        match self.seed.below(29) {
            0 => format!("{text}.slice({small}, {other})"),
            1 => format!("{text}.substring({small}, {other})"),
            2 => format!("{text}.substr({small}, {other})"),
            3 => format!("{text}.charAt({small})"),
            4 => format!("String({text}[{small}])"),
            5 => format!("{text}.toUpperCase()"),
            6 => format!("{text}.toLowerCase()"),
            7 => format!("{text}.{}()", self.seed.pick(&["trim", "trimStart", "trimEnd", "toString"])),
            8 => format!("{text}.{}({small} + 8, {second})", self.seed.pick(&["padStart", "padEnd"])),
            9 => format!("{text}.repeat({})", self.seed.pick(&["0", "1", "2", "3"])),
            10 => format!("{text}.replace({pattern}, '[$&]')"),
            11 => format!("{text}.replace({pattern}, function (m, n) {{ return '<' + m.length + typeof n + '>'; }})"),
            12 => format!("{text}.replace({second}, '$$-')"),
            13 => format!("encodeURIComponent({text})"),
            14 => format!("encodeURI({text})"),
            15 => format!("JSON.stringify({})", self.any(depth)),
            16 => format!("({text} + {second})"),
            17 => format!("`${{{text}}}-${{{}}}`", self.value(Kind::Number, depth)),
            18 => format!("{}.join({second})", self.value(Kind::List, depth)),
            19 => format!("String({})", self.any(depth)),
            20 => format!("(typeof {})", self.any(depth)),
            21 => format!("require('querystring').{}({text})", self.seed.pick(&["escape", "unescape"])),
            22 => format!("require('querystring').stringify(JSON.parse(JSON.stringify({})))", self.value(Kind::Object, depth)),
            23 => format!(
                "require('crypto').createHash('{}').update({text}).digest('{}')",
                self.seed.pick(&["md5", "sha1", "sha256"]),
                self.seed.pick(&["hex", "base64", "base64url"])
            ),
            24 => format!("require('crypto').createHmac('sha256', {second}).update({text}).digest('base64url')"),
            25 => format!("Buffer.from({text}).toString('{}')", self.seed.pick(&["hex", "base64", "base64url", "utf8"])),
            // Debian's njs reads on behind a letter that is none; the runtime's does not.
            26 => format!(
                "Buffer.from({}, '{}').toString('hex')",
                self.seed.pick(&["'YWJj'", "'c3ViamVjdHM'", "'deadbeef'", "'YQ=='", "'12'", "''", "'4pyTIMOgIGxhIG1vZGU='"]),
                self.seed.pick(&["hex", "base64", "base64url"])
            ),
            27 => format!("String.fromCharCode({text}.charCodeAt(0) || 65, 66)"),
            28 => format!("(({}) ? {text} : {second})", self.value(Kind::Bool, depth)),
            _ => format!("(function (...all) {{ return all.length + String(all[1]); }})({text}, {second})"),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        let kind = self.kind();
        self.value(kind, depth)
    }

    fn number(&mut self, depth: usize) -> String {
        let text = self.seed.pick(TEXTS);
        match self.seed.below(16) {
            0 => format!("{text}.length"),
            1 => format!("{text}.charCodeAt({})", self.seed.pick(&["0", "1", "2"])),
            2 => format!("{text}.codePointAt(0)"),
            3 => format!("{text}.indexOf({})", self.seed.pick(&["'a'", "'b'", "''", "'/'", "'😎'", "'é'"])),
            4 => format!("{text}.lastIndexOf({})", self.seed.pick(&["'a'", "'b'", "'/'", "'c'"])),
            5 => format!("{text}.search({})", self.seed.pick(PATTERNS)),
            6 => format!("Number({})", self.value(Kind::Text, depth)),
            7 => format!("parseInt({}, {})", self.value(Kind::Text, depth), self.seed.pick(&["10", "16", "2", "36"])),
            8 => format!("parseFloat({})", self.value(Kind::Text, depth)),
            9 => format!(
                "Math.{}({})",
                self.seed.pick(&["floor", "ceil", "round", "abs", "trunc", "sign", "sqrt"]),
                self.value(Kind::Number, depth)
            ),
            10 => format!(
                "Math.{}({}, {})",
                self.seed.pick(&["max", "min", "pow", "imul"]),
                self.value(Kind::Number, depth),
                self.seed.pick(NUMBERS)
            ),
            11 => format!(
                "({} {} {})",
                self.value(Kind::Number, depth),
                self.seed.pick(&["+", "-", "*", "%", "&", "|", "^", "<<", ">>", ">>>", "/"]),
                self.seed.pick(NUMBERS)
            ),
            12 => format!("{}.length", self.value(Kind::List, depth)),
            13 => format!("Object.keys({}).length", self.value(Kind::Object, depth)),
            14 => {
                format!("{}.reduce(function (sum, item) {{ return sum + String(item).length; }}, 0)", self.value(Kind::List, depth))
            }
            _ => format!(
                "Number(({}).toFixed({}))",
                self.seed.pick(&["1.5", "2.25", "10", "0.1", "-3.75"]),
                self.seed.pick(&["0", "1", "3"])
            ),
        }
    }

    fn bool(&mut self, depth: usize) -> String {
        let (text, other) = (self.value(Kind::Text, depth), self.seed.pick(TEXTS));
        match self.seed.below(9) {
            0 => format!("{}.test({text})", self.seed.pick(PATTERNS)),
            1 => format!("({text}).{}({other})", self.seed.pick(&["includes", "startsWith", "endsWith"])),
            2 => format!("({text} {} {other})", self.seed.pick(&["===", "!==", "<", ">", "<=", "=="])),
            3 => format!(
                "({} {} {})",
                self.value(Kind::Number, depth),
                self.seed.pick(&["<", ">", "===", "!="]),
                self.seed.pick(NUMBERS)
            ),
            4 => format!("({} in {})", self.seed.pick(&["'a'", "'host'", "'z'"]), self.value(Kind::Object, depth)),
            5 => format!("Array.isArray({})", self.any(depth)),
            6 => format!("!{}", self.value(Kind::Bool, depth)),
            7 => format!("{}.includes({other})", self.value(Kind::List, depth)),
            _ => format!("({}).hasOwnProperty({})", self.value(Kind::Object, depth), self.seed.pick(&["'a'", "'b'", "'host'"])),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        let text = self.seed.pick(TEXTS);
        match self.seed.below(16) {
            0 => format!("{text}.split({})", self.seed.pick(&["''", "','", "'/'", "'a'", "'&'", "'X'"])),
            1 => format!("{text}.split({})", self.seed.pick(&["/,/", "/[\\/.]/", "/\\s+/", "/=|&/", "/./", "/$/"])),
            2 => format!("({text}.match({}) || ['none'])", self.seed.pick(PATTERNS)),
            3 => format!("({}.exec({text}) || ['none'])", self.seed.pick(PATTERNS)),
            4 => format!("{}.map(function (item, at) {{ return String(item) + at; }})", self.value(Kind::List, depth)),
            5 => format!("{}.filter(function (item) {{ return item > 1; }})", self.value(Kind::List, depth)),
            6 => format!("{}.concat({})", self.value(Kind::List, depth), self.value(Kind::List, depth)),
            7 => format!(
                "{}.slice({}, {})",
                self.value(Kind::List, depth),
                self.seed.pick(&["0", "1", "-1"]),
                self.seed.pick(&["2", "-1", "5"])
            ),
            8 => format!("{}.slice().sort()", self.value(Kind::List, depth)),
            9 => format!("{}.slice().reverse()", self.value(Kind::List, depth)),
            10 => format!("Object.keys({})", self.value(Kind::Object, depth)),
            11 => format!("Object.values({})", self.value(Kind::Object, depth)),
            12 => format!("Object.entries({})", self.value(Kind::Object, depth)),
            13 => format!("[{}, {}]", self.any(depth), self.any(depth)),
            14 => format!("Array.of({}, {text})", self.any(depth)),
            _ => format!("new Array({}).fill({text})", self.seed.pick(&["1", "2", "3"])),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        let name = self.seed.pick(NAMES);
        match self.seed.below(7) {
            0 => format!("{{ '{name}': {}, c: {} }}", self.any(depth), self.any(depth)),
            1 => format!("Object.assign({{}}, {}, {{ '{name}': {} }})", self.value(Kind::Object, depth), self.any(depth)),
            // It has no prototype in Debian's njs.
            2 => format!("Object.assign({{}}, require('querystring').parse({}))", self.value(Kind::Text, depth)),
            3 => format!("JSON.parse(JSON.stringify({}))", self.value(Kind::Object, depth)),
            4 => format!("{{ ['k' + {}]: {} }}", self.value(Kind::Text, depth), self.any(depth)),
            5 => format!(
                "({}.exec({}) || {{ groups: {{ none: 1 }} }}).groups || {{}}",
                self.seed.pick(PATTERNS),
                self.seed.pick(TEXTS)
            ),
            _ => self.plain(Kind::Object),
        }
    }
}

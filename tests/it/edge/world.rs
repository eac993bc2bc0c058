//! What a function finds at the edge, what it does not, and what CloudFront takes back from it.

use super::{get, run, value};
use qdn::edge::{self, ErrorKind, Event, KeyValues, Runtime};
use serde_json::{Value, json};

#[test]
fn what_the_edge_lacks_is_not_there() {
    let both = [
        "Map",
        "Set",
        "WeakMap",
        "WeakSet",
        "WeakRef",
        "Proxy",
        "Reflect",
        "BigInt",
        "Intl",
        "URL",
        "URLSearchParams",
        "structuredClone",
        "queueMicrotask",
        "SharedArrayBuffer",
        "Atomics",
        "WebAssembly",
        "process",
        "fetch",
        "XMLHttpRequest",
        "setTimeout",
        "clearTimeout",
        "setImmediate",
        "setInterval",
        "escape",
        "unescape",
        "performance",
        "Iterator",
        "FinalizationRegistry",
        "crypto",
        "[].flat",
        "[].flatMap",
        "[].at",
        "[].findLast",
        "[].findLastIndex",
        "[].toSorted",
        "[].toReversed",
        "[].toSpliced",
        "[].with",
        "''.matchAll",
        "''.at",
        "''.normalize",
        "''.localeCompare",
        "''.isWellFormed",
        "Object.fromEntries",
        "Object.hasOwn",
        "Object.groupBy",
        "Array.fromAsync",
        "Promise.withResolvers",
        "Promise.try",
        "RegExp.escape",
        "Error.captureStackTrace",
        "Math.sumPrecise",
        "console.error",
        "console.warn",
        "console.info",
        "({}).__defineGetter__",
        "[].values().map",
    ];
    for name in both {
        for runtime in [Runtime::V1, Runtime::V2] {
            // Runtime 1.0 has no iterators at all.
            if name.contains("values()") && runtime == Runtime::V1 {
                continue;
            }
            assert_eq!(value(&format!("typeof {name}"), runtime), "undefined", "{name} in {runtime:?}");
        }
    }
    let newer = [
        "Buffer",
        "atob",
        "DataView",
        "AggregateError",
        "''.replaceAll",
        "Array.from",
        "Promise.all",
        "Promise.any",
        "[].keys",
        "[].entries",
    ];
    for name in newer {
        assert_eq!(value(&format!("typeof {name}"), Runtime::V1), "undefined", "{name}");
        assert_eq!(value(&format!("typeof {name}"), Runtime::V2), "function", "{name}");
    }
    let older = ["String.bytesFrom", "''.toUTF8", "''.fromUTF8", "''.toBytes", "''.fromBytes"];
    for name in older {
        assert_eq!(value(&format!("typeof {name}"), Runtime::V1), "function", "{name}");
        assert_eq!(value(&format!("typeof {name}"), Runtime::V2), "undefined", "{name}");
    }
    let there = [
        "Object.assign",
        "Object.entries",
        "Object.values",
        "Array.of",
        "[].includes",
        "[].find",
        "''.padStart",
        "''.trimEnd",
        "''.codePointAt",
        "Promise.resolve",
        "Symbol",
        "TextEncoder",
        "TextDecoder",
        "Uint8Array",
        "JSON.parse",
        "require",
        "encodeURIComponent",
        "MemoryError",
        "InternalError",
        "console.log",
        "Number.isInteger",
        "Math.trunc",
        "parseInt",
    ];
    for name in there {
        for runtime in [Runtime::V1, Runtime::V2] {
            assert_eq!(value(&format!("typeof {name}"), runtime), "function", "{name} in {runtime:?}");
        }
    }
    assert_eq!(value("typeof globalThis + typeof global + (global === globalThis)", Runtime::V2), "objectobjecttrue");
}

#[test]
fn texts_do_not_become_code() {
    for text in [
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')()",
        "Function('return 1')()",
        "(function () {}).constructor('return 1')()",
        "(async function () {}).constructor('return 1')()",
        "Object.getPrototypeOf(function () {}).constructor('1')()",
        "[].map.constructor('return 1')()",
    ] {
        let said = value(text, Runtime::V2);
        assert!(said.contains("Error: "), "{text} came to {said}");
    }
    assert_eq!(value("(function () { return this; })()", Runtime::V2), "undefined", "code is strict");
    assert_eq!(value("undeclared = 1", Runtime::V2), "ReferenceError: \"undeclared\" is not defined");
}

#[test]
fn errors_are_in_the_words_of_the_edge() {
    for (expression, message) in [
        ("event.nothing.value", "TypeError: cannot get property \"value\" of undefined"),
        ("nothing", "ReferenceError: \"nothing\" is not defined"),
        ("decodeURIComponent('%')", "URIError: malformed URI"),
        ("new RegExp('a', 's')", "SyntaxError: Invalid RegExp flags \"s\""),
        ("require('path')", "Error: Cannot find module \"path\""),
        ("require('cloudfront')", "Error: Cannot find module \"cloudfront\""),
        ("require('crypto').createHash('sha512')", "Error: not supported algorithm: \"sha512\""),
        ("Buffer.from('a').toString('latin1')", "TypeError: \"latin1\" encoding is not supported"),
        ("btoa('\\u0100')", "TypeError: invalid character (>= U+00FF)"),
    ] {
        assert_eq!(value(expression, Runtime::V2), message, "{expression}");
    }
}

/// Expressions, and what they come to at the edge; njs is asked, too.
const VALUES: &[(&str, &str)] = &[
    ("require('crypto').createHash('md5').update('').digest('hex')", "d41d8cd98f00b204e9800998ecf8427e"),
    ("require('crypto').createHash('sha1').update('a').update('bc').digest('hex')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("require('crypto').createHash('sha256').update('abc').digest('base64')", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
    ("require('crypto').createHash('sha256').update('abc').digest('base64url')", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
    (
        "require('crypto').createHmac('sha256', 'key').update('The quick brown fox jumps over the lazy dog').digest('hex')",
        "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
    ),
    ("require('crypto').createHash('md5').update('é').digest().length", "16"),
    (
        "JSON.stringify(require('querystring').parse('a=1&b=%C3%A9&a=2&c&d=x+y&e=%ff'))",
        r#"{"a":["1","2"],"b":"é","c":"","d":"x y","e":"�"}"#,
    ),
    ("require('querystring').stringify({ a: [1, 2], b: 'x y', c: true, d: null })", "a=1&a=2&b=x%20y&c=true&d="),
    (
        "[{ a: [], b: 1 }, { a: [], c: [], b: 1 }, { b: 1, a: [], c: 2 }, { a: [] }].map(function (o) { return require('querystring').stringify(o); }).join(' ')",
        "&b=1 &b=1 b=1&c=2 ",
    ),
    ("Buffer.from('é€').toString('hex')", "c3a9e282ac"),
    ("Buffer.from('7w', 'base64')[0] + ',' + Buffer.from('_-', 'base64url').length", "239,1"),
    ("Buffer.from([1, 2, 3]).readUInt16BE(1) + ',' + Buffer.concat([Buffer.from('a'), Buffer.from('b')]).toString()", "515,ab"),
    ("JSON.stringify(Buffer.from('ab'))", r#"{"type":"Buffer","data":[97,98]}"#),
    ("Buffer.from('abc').indexOf('c') + ',' + Buffer.byteLength('é') + ',' + Buffer.isBuffer(Buffer.alloc(2))", "2,2,true"),
    ("Buffer.from('hello').subarray(1, 3).toString('base64')", "ZWw="),
    ("atob(btoa('hi!'))", "hi!"),
    ("new TextDecoder().decode(new TextEncoder().encode('é'))", "é"),
    ("require('querystring').escape('a b/é') + require('querystring').unescape('%41%zz%')", "a%20b%2F%C3%A9A%zz%"),
    ("JSON.stringify(require('querystring').parse('a:1;b:2', ';', ':'))", r#"{"a":"1","b":"2"}"#),
    ("Buffer.from('zz').toString('hex') + Buffer.from('0g', 'hex').length", "7a7a0"),
    ("Buffer.alloc(3, 'ab').toString() + Buffer.from('abcabc').lastIndexOf('b')", "aba4"),
    ("Buffer.from([255, 254]).readInt16LE(0) + ',' + Buffer.from([1, 2, 3]).readUIntBE(0, 3)", "-257,66051"),
    ("Buffer.compare(Buffer.from('a'), Buffer.from('b')) + ',' + Buffer.from('a').equals(Buffer.from('a'))", "-1,true"),
    (
        "(function () { try { throw new TypeError('not a function'); } catch (e) { return e.message + e.name + (e instanceof TypeError) + (e instanceof Error) + e.constructor.name + (Object.getPrototypeOf(TypeError) === Error) + TypeError.length + String(e); } })()",
        "not a functionTypeErrortruetrueTypeErrortrue1TypeError: not a function",
    ),
    (
        "(function () { try { throw RangeError('invalid array length'); } catch (e) { return e.message + Object.keys(e).length + (Object.getPrototypeOf(e) === RangeError.prototype); } })()",
        "invalid array length0true",
    ),
    ("(function () { try { null.x; } catch (e) { return (e instanceof TypeError) + e.constructor.name; } })()", "trueTypeError"),
    (
        "(function () { try { new RegExp('😀('); } catch (e) { return e.message; } })()",
        r#"pcre_compile2("😀(") failed: missing closing parenthesis at """#,
    ),
    ("[3, 1, 2].sort().join() + [1, [2]].toString() + 'aXbX'.split('X').length", "1,2,31,23"),
    ("Object.keys({ b: 1, a: 2 }).join() + typeof null + (1 / 3).toFixed(3)", "b,aobject0.333"),
    ("new Date(86400000).toISOString() + Date.UTC(2020, 1, 3)", "1970-01-02T00:00:00.000Z1580688000000"),
    ("'a-b'.replace(/(?<x>a)-(b)/, '$2-$<x>') + /a(?!b)/.test('ab')", "b-afalse"),
    ("encodeURIComponent('é/?') + decodeURIComponent('%C3%A9')", "%C3%A9%2F%3Fé"),
    // Appendix B of the measurements, row by row, and what the differential test found.
    ("'😀'.length + ',' + '😀'.charCodeAt(0) + ',' + 'a😀b'.split('').length + ',' + 'a😀bc'.slice(0, 2)", "1,128512,3,a😀"),
    ("/^.$/.test('😀') + ',' + '\\ud83d\\ude00'.length + ',' + encodeURIComponent('\\ud83d')", "true,1,%EF%BF%BD"),
    ("String.fromCharCode(0xd83d, 0xde00).length + ',' + decodeURIComponent('%F0%9F%98%80').length", "1,1"),
    ("JSON.stringify({ '😀': '\\\\ud83d' }) + JSON.parse('\"\\\\ud83d\\\\ude00\"').length", "{\"😀\":\"\\\\ud83d\"}1"),
    ("'😀'[0] === '😀' && '😀'.codePointAt(0) === 0x1f600 && 'x😀'.padStart(4, '😎') === '😎😎x😀'", "true"),
    ("Buffer.from('😀').toString('hex') + require('querystring').parse('a=%F0%9F%98%80').a.length", "f09f98801"),
    ("'ß'.toUpperCase() + 'İ'.toLowerCase().length + 'ΑΣ'.toLowerCase() + 'ᾳ'.toUpperCase()", "ß1ασᾼ"),
    (
        "Object.keys(JSON.parse('{\"b\":1,\"2\":1,\"a\":1,\"1\":1}')) + '|' + Object.keys(require('querystring').parse('b=1&2=x&1=y'))",
        "b,2,a,1|b,2,1",
    ),
    (
        "/a$/.test('a\\n') + ',' + /\\s/.test('\\u00a0') + ',' + /\\h/.test(' ') + ',' + /a.c/.test('a\\rc') + ',' + /a\\z/.test('a\\n')",
        "true,false,true,true,false",
    ),
    (
        "new RegExp('a$').test('a\\n') + ',' + new RegExp('a$').source + ',' + /\\s+$/g + ',' + 'a\\n'.search('$')",
        "true,a$,/\\s+$/g,1",
    ),
    ("'abc'.match(/^./g) + '|' + JSON.stringify('a'.match(/b/g)) + '|' + 'a\\n'.split(/$/).length", "a,b,c|[]|2"),
    (
        "JSON.parse('007') + JSON.parse('[1.]')[0] + (function () { try { JSON.parse('{\"a\":}'); } catch (e) { return e.message; } })()",
        "8Unexpected token at position 5",
    ),
    (
        "Date.parse('2020-01-02T03:04:05+02:00') + ',' + Date.parse('Thu, 02 Jan 2020 03:04:05 GMT') + ',' + Date.parse('2020-01-02 03:04')",
        "NaN,1577934245000,NaN",
    ),
    ("new Date(2020, 1, 3) + '|' + new Date(NaN)", "Mon Feb 03 2020 00:00:00 GMT+0000|Invalid Date"),
    ("(function () { try { undefined.x; } catch (e) { return e.message; } })()", "cannot get property \"x\" of undefined"),
    ("(function () { try { ({}).f(); } catch (e) { return e.message; } })()", "(intermediate value)[\"f\"] is not a function"),
    ("(function () { try { [1].map(1); } catch (e) { return e.message; } })()", "callback argument is not callable"),
    ("(function () { try { decodeURIComponent('%ff'); } catch (e) { return e + ''; } })()", "URIError: malformed URI"),
    (
        "(function () { try { new RegExp('('); } catch (e) { return e.message; } })()",
        "pcre_compile2(\"(\") failed: missing closing parenthesis at \"\"",
    ),
    ("atob('YWJjZA') + 'a'.codePointAt(1)", "abcNaN"),
    ("require('querystring').unescape('a+b') + [, 1].length", "a b2"),
    ("(function () { try { const c = 1; c = 2; } catch (e) { return e + ''; } })()", "TypeError: assignment to constant variable"),
    (
        "(function () { try { new (function () { return () => 1; })()(); new (() => 1)(); } catch (e) { return e.message; } })()",
        "function is not a constructor",
    ),
    ("(function () { if (typeof nothing === 'string') { const c = 1; c += 2; } return 'no harm'; })()", "no harm"),
    (
        "Object.keys(JSON.parse('[{\"ka\":1,\"kb\":1,\"kc\":1,\"kd\":1,\"ke\":1,\"kf\":1,\"kg\":1,\"kh\":1,\"ki\":1,\"kj\":1,\"kk\":{}}]')[0]).join()",
        "kj,kk,kh,ki,kf,kg,kd,ke,kb,kc,ka",
    ),
    ("Object.keys(require('querystring').parse('2=&a=&b=&1=&c=&d=&e=&f=&g=&h=&i=&j=')).join()", "e,d,g,f,a,1,c,2,b,i,h,j"),
];

#[test]
fn more_than_ten_names_are_in_the_order_of_the_edge() {
    let table = |count: usize| -> serde_json::Map<String, Value> {
        (0..count).map(|at| (format!("x-{}", at * 37), json!({ "value": "1" }))).collect()
    };
    let event = |query: usize, headers: usize| {
        json!({
            "version": "1.0", "context": { "eventType": "viewer-request" }, "viewer": { "ip": "1.2.3.4" },
            "request": { "method": "GET", "uri": "/", "querystring": table(query), "headers": table(headers), "cookies": table(3) },
        })
    };
    let code = "function handler(event) { var names = ['querystring', 'headers', 'cookies'].map(function (part) { \
                return Object.keys(event.request[part]).join(); }); \
                return { statusCode: 200, body: names.join('|') }; }";
    let events = [event(10, 11), event(12, 40), event(60, 170)];
    for (event, line) in events.iter().zip(super::cases::njs(code, &events)) {
        let (read, problems) = Event::parse(&"event.json".into(), &event.to_string());
        let outcome = edge::run(code, Runtime::V2, KeyValues::default(), &read.unwrap_or_else(|| panic!("{problems:?}")));
        assert_eq!(outcome.response().expect("a response")["body"], line["value"]["body"]);
    }
}

#[test]
fn modules_do_what_they_do_at_the_edge() {
    let mut script = String::new();
    for (expression, result) in VALUES {
        assert_eq!(value(expression, Runtime::V2), *result, "{expression}");
        script.push_str(&format!("values.push(function () {{ return String({expression}); }});\n"));
    }
    let script = format!("var values = []; function handler(event) {{ return values[event](); }}\n{script}");
    let events: Vec<Value> = (0..VALUES.len()).map(|at| json!(at)).collect();
    for ((expression, result), line) in VALUES.iter().zip(super::cases::njs(&script, &events)) {
        assert_eq!(line["value"], **result, "njs thinks otherwise of {expression}: {line}");
    }
    assert_eq!(value("String.bytesFrom('eyJhIjoxfQ', 'base64url')", Runtime::V1), "{\"a\":1}");
    assert_eq!(value("require('crypto').createHash('md5').update('').digest().length", Runtime::V1), "16");
    for (module, ok) in [("crypto", true), ("querystring", true), ("buffer", true), ("cloudfront", true), ("path", false)] {
        let outcome =
            run(&format!("import m from '{module}';\nfunction handler(e) {{ e.request.uri = '/' + typeof m; return e.request; }}"));
        assert_eq!(outcome.error.is_none(), ok, "{module}");
    }
}

#[test]
fn the_key_value_store_answers() {
    let pairs = KeyValues([("a".to_owned(), "{\"b\":1}".to_owned())].into());
    let with = |body: &str| {
        let code = format!("import cf from 'cloudfront';\nasync function handler(e) {{ const kv = cf.kvs(); {body} }}");
        edge::run(&code, Runtime::V2, pairs.clone(), &get("/"))
    };
    let body = |text: &str| {
        let outcome = with(text);
        assert_eq!(outcome.error, None);
        outcome.response().and_then(|response| response["body"].as_str()).unwrap_or_default().to_owned()
    };
    assert_eq!(body("const v = await kv.get('a', { format: 'json' }); return { statusCode: 200, body: String(v.b) };"), "1");
    assert_eq!(body("const v = await kv.exists('x'); return { statusCode: 200, body: String(v) };"), "false");
    assert_eq!(body("const m = await kv.meta(); return { statusCode: 200, body: String(m.keyCount) };"), "1");
    assert_eq!(body("try { await kv.get('x'); } catch (e) { return { statusCode: 200, body: 'missing' }; }"), "missing");
    assert_eq!(with("await kv.get('x');").error.map(|error| error.kind), Some(ErrorKind::Execution));
    assert_eq!(
        with("const v = JSON.parse(await kv.get('a'));").error.map(|error| error.message).as_deref(),
        Some("SyntaxError: await in arguments not supported in 2")
    );
}

#[test]
fn the_query_is_there_as_it_was_sent() {
    let code = "function handler(e) { return { statusCode: 200, body: String(e.request.rawQueryString()) }; }";
    let body = |query: Option<&str>| {
        let event = Event::viewer_request("GET", "/", query, &[], "198.51.100.1");
        let outcome = edge::run(code, Runtime::V2, KeyValues::default(), &event);
        outcome.response().and_then(|response| response["body"].as_str()).map(str::to_owned)
    };
    assert_eq!(body(Some("b=1&a=%20")).as_deref(), Some("b=1&a=%20"));
    assert_eq!(body(Some("")).as_deref(), Some(""));
    assert_eq!(body(None).as_deref(), Some("undefined"));
}

#[test]
fn origins_are_written_down() {
    let with = |call: &str| run(&format!("import cf from 'cloudfront';\nfunction handler(e) {{ {call}; return e.request; }}"));
    let outcome = with("cf.updateRequestOrigin({ domainName: 'a.example', originPath: '/v1' })");
    assert_eq!(
        outcome.origin,
        [json!({ "call": "updateRequestOrigin", "with": [{ "domainName": "a.example", "originPath": "/v1" }] })]
    );
    let outcome = with("cf.updateRequestOrigin({ domainName: '10.0.0.1' })");
    assert_eq!(
        outcome.error.map(|error| error.message).as_deref(),
        Some(
            "The CloudFront function returned an invalid value for origin rewrite. \
             (updateRequestOrigin: domainName must be a name, without a port, and no address)"
        )
    );
}

/// What is returned, and the end of the sentence about it, or nothing.
#[test]
fn results_are_held_to_the_rules() {
    let request = [
        ("return e.request;", None),
        ("return e;", Some("the function returned the event")),
        ("", Some("must return the request or the response")),
        ("return null;", Some("must return the request or the response")),
        ("return 'x';", Some("must return the request or the response")),
        ("e.request.uri = 'x'; return e.request;", Some("request.uri must start with '/'.")),
        ("e.request.uri = 1; return e.request;", Some("request.uri must be a string.")),
        ("e.request.uri = '/' + 'x'.repeat(8200); return e.request;", Some("less than 8192 characters.")),
        ("e.request.method = 'POST'; return e.request;", Some("request.method is read-only.")),
        ("e.request.querystring = 'a=1&b=2'; return e.request;", None),
        ("e.request.querystring = { a: { value: 'x y' } }; return e.request;", Some("spaces, control characters or '#'.")),
        ("e.request.querystring = 'a#b'; return e.request;", Some("spaces, control characters or '#'.")),
        ("e.request.querystring = { a: '1' }; return e.request;", Some("request.querystring.a must be an object with a 'value'.")),
        ("e.request.headers['x-a'] = { value: '1' }; return e.request;", None),
        (
            "e.request.headers['X-A'] = { value: '1' }; return e.request;",
            Some("request.headers must have header names in lower case."),
        ),
        ("e.request.headers['x-a'] = '1'; return e.request;", Some("request.headers.x-a must be an object with a 'value'.")),
        ("e.request.headers['x-a'] = { value: 1 }; return e.request;", Some("request.headers.x-a.value must be a string.")),
        ("e.request.headers['x a'] = { value: '1' }; return e.request;", Some("invalid header name: 'x a'.")),
        ("e.request.headers['x-a'] = { value: 'a\\r\\nb: c' }; return e.request;", Some("contains a line break.")),
        ("delete e.request.headers.host; return e.request;", Some("read-only header: host.")),
        ("e.request.headers.host.value = 'b'; return e.request;", Some("read-only header: host.")),
        ("e.request.headers.host = { value: 'a.example' }; return e.request;", None),
        ("e.request.headers.via = { value: 'x' }; return e.request;", Some("read-only header: via.")),
        ("e.request.headers['content-length'] = { value: '1' }; return e.request;", Some("read-only header: content-length.")),
        (
            "e.request.headers['x-forwarded-proto'] = { value: 'https' }; return e.request;",
            Some("tried to add a disallowed header: x-forwarded-proto."),
        ),
        ("e.request.headers['x-edge-x'] = { value: 'x' }; return e.request;", Some("tried to add a disallowed header: x-edge-x.")),
        ("e.request.headers = {}; return e.request;", Some("read-only header: host.")),
        ("return { statusCode: 302, headers: { location: { value: '/x' } } };", None),
        ("return { statusCode: '302' };", Some("response.statusCode must be an integer")),
        ("return { statusCode: 99 };", Some("response.statusCode must be an integer")),
        ("return { statusCode: 200.5 };", Some("response.statusCode must be an integer")),
        ("return { statusCode: 200, statusDescription: 1 };", Some("response.statusDescription must be a string.")),
        ("return { statusCode: 200, body: 1 };", Some("response.body must be a string or an object.")),
        ("return { statusCode: 200, body: { encoding: 'text', data: 'x' } };", None),
        ("return { statusCode: 200, body: { encoding: 'base64', data: 'eA==' } };", None),
        ("return { statusCode: 200, body: { encoding: 'base64', data: '!' } };", Some("not valid base64.")),
        ("return { statusCode: 200, body: { encoding: 'hex', data: 'x' } };", Some("must be 'text' or 'base64'.")),
        (
            "return { statusCode: 200, headers: { Location: { value: '/x' } } };",
            Some("response.headers must have header names in lower case."),
        ),
        ("return { statusCode: 200, headers: { 'x-cache': { value: '/x' } } };", Some("disallowed header: x-cache.")),
        ("return { statusCode: 200, cookies: { a: { value: 'b', attributes: 'Path=/' } } };", None),
        ("return { statusCode: 200, cookies: { a: 'b' } };", Some("response.cookies.a must be an object with a 'value'.")),
    ];
    for (body, expected) in request {
        let outcome = run(&format!("function handler(e) {{ {body} }}"));
        match (outcome.error, expected) {
            (None, None) => assert!(outcome.result.is_some()),
            (Some(error), Some(expected)) => {
                assert_eq!(error.kind, ErrorKind::Validation, "{body}: {}", error.message);
                assert!(
                    error.message.starts_with("The CloudFront function ") && error.message.contains(expected),
                    "{body}: {}",
                    error.message
                );
            }
            (error, expected) => panic!("{body}: {error:?} where {expected:?} was expected"),
        }
    }
}

#[test]
fn a_viewer_response_is_held_to_its_own_rules() {
    let headers = [("Via", "1.1 a"), ("Content-Length", "3"), ("Set-Cookie", "a=b; Path=/")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let event = get("/").viewer_response(200, "OK", &headers);
    let with = |body: &str| {
        edge::run(
            &format!("function handler(e) {{ var r = e.response; {body} return r; }}"),
            Runtime::V2,
            KeyValues::default(),
            &event,
        )
    };
    let outcome = with("r.statusCode = 404; r.headers['strict-transport-security'] = { value: 'max-age=1' };");
    assert_eq!(
        outcome.result,
        Some(json!({ "response": {
            "statusCode": 404, "statusDescription": "OK", "cookies": { "a": { "value": "b", "attributes": "Path=/" } },
            "headers": { "via": { "value": "1.1 a" }, "content-length": { "value": "3" }, "strict-transport-security": { "value": "max-age=1" } },
        } }))
    );
    assert!(with("r.headers['content-length'].value = '4';").error.is_none(), "that is a rule of Lambda@Edge");
    for body in ["delete r.headers.via;", "r.headers.warning = { value: 'x' };", "r = e.request;", "r.statusCode = 'x';"] {
        assert_eq!(with(body).error.map(|error| error.kind), Some(ErrorKind::Validation), "{body}");
    }
}

#[test]
fn a_changed_value_replaces_the_first_and_a_changed_list_wins() {
    let event = Event::viewer_request("GET", "/", Some("a=1&a=2"), &[], "198.51.100.1");
    let after = |body: &str| {
        let code = format!("function handler(e) {{ var q = e.request.querystring; {body} return e.request; }}");
        let outcome = edge::run(&code, Runtime::V2, KeyValues::default(), &event);
        edge::query_string(&outcome.request().expect("a request")["querystring"])
    };
    assert_eq!(after(""), "a=1&a=2");
    assert_eq!(after("q.a.value = 'x';"), "a=x&a=2");
    assert_eq!(after("q.a.value = 'x'; q.a.multiValue = [{ value: 'y' }, { value: 'z' }];"), "a=y&a=z");
    assert_eq!(after("q.a = { value: 'x' };"), "a=x");
    assert_eq!(after("e.request.querystring = 'b=%20&b';"), "b=%20&b");
}

#[test]
fn values_are_printed_as_the_edge_prints_them() {
    let code = "function handler(e) { console.log({ a: 'x', b: [1, 'y', { c: null }], f: function g() {}, u: undefined }); console.log([1, , 3]); console.log(new Error('no')); console.log('plain'); return e.request; }";
    assert_eq!(
        run(code).logs,
        ["{a:'x',b:[1,'y',{c:null}],f:[Function: f],u:undefined}", "[1,<empty>,3]", "Error: no", "plain"]
            .map(|line| line.replace("[Function: f]", "[Function: g]"))
    );
}

#[test]
fn the_outcome_is_the_contract() {
    let fine = run("function handler(e) { console.log('hi'); return e.request; }").json();
    assert_eq!(
        fine,
        json!({ "version": 1, "error": null, "logs": ["hi"], "utilization": 1,
            "result": { "request": { "method": "GET", "uri": "/", "querystring": {}, "cookies": {}, "headers": { "host": { "value": "a.example" } } } } })
    );
    let wrong = run("function handler(e) {\n const { uri } = e.request; }").json();
    assert_eq!(wrong["result"], Value::Null);
    assert_eq!(wrong["error"]["kind"], "FunctionExecutionError");
    assert_eq!(wrong["error"]["message"], "SyntaxError: Token \"uri\" not supported in this version in 2");
}

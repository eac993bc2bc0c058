use qdn::edge::{Event, KeyValues, Runtime, run};
#[test]
fn smoke() {
    let event = Event::viewer_request("GET", "/track/x", Some("t=1&b=2"), &[("host".into(), "a.example".into())], "1.2.3.4");
    let codes: &[&str] = &[
        "function handler(event) { console.log(event, 1, 'x'); event.request.uri = '/t'; return event.request; }",
        "import cf from 'cloudfront';\nasync function handler(event) { const v = await cf.kvs().get('a'); event.request.uri = '/' + v; return event.request; }",
        "function handler(event) { return event.request.headers.nope.value; }",
        "function handler(event) { for(;;); }",
        "function handler(event) { var s = 'x'; for(;;) s += s; }",
        "function handler(event) { var a = []; for(;;) a.push(new Array(1000).join('x') + a.length); }",
        "function handler(event) { function f() { return f() + 1 } return f(); }",
        "function handler(event) { return /^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'); }",
        "function handler(event) { return new Array(4000000000).join('x'); }",
        "function handler(event) {\n const {uri} = event.request; return uri; }",
        "const handler = (event) => event.request;",
        "async function handler(event) { Promise.reject(new Error('boom')); return event.request; }",
        "async function handler(event) { await new Promise(() => {}); return event.request; }",
        "var crypto = require('crypto'); function handler(event) { return {statusCode: 200, body: crypto.createHmac('sha256','k').update('d').digest('hex') + require('querystring').stringify({a:1}) + Buffer.from('é').toString('base64') + new Date().toString() + typeof Map + typeof setTimeout + typeof [].flat}; }",
        "function handler(event) { return event.request.rawQueryString().x.y; }",
        "function handler(event) { zzz; }",
        "function handler(event) { eval('1'); }",
        "function handler(event) { (function(){}).constructor('return 1')(); }",
        "function main() {}",
        "function handler(e) { for (var i = 0; i < 1000; i++); delete e.request.headers.host; return e.request; }",
    ];
    for code in codes {
        let pairs = KeyValues([("a".to_owned(), "b".to_owned())].into());
        let start = std::time::Instant::now();
        let outcome = run(code, Runtime::V2, pairs, &event);
        println!("{code}\n   {:?} {}", start.elapsed(), outcome.json());
    }
    let mut emulator = qdn::edge::Emulator::load(codes[0], Runtime::V2, KeyValues::default()).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..200 {
        emulator.run(&event);
    }
    println!("{:?} per event", start.elapsed() / 200);
}
#[test]
fn leftovers() {
    let event = Event::viewer_request("GET", "/", None, &[], "1.2.3.4");
    for code in [
        "let n = 0; function handler(e) { n++; e.request.uri = '/' + n; return e.request; }",
        "function handler(e) { globalThis.n = (globalThis.n || 0) + 1; e.request.uri = '/' + n; return e.request; }",
        "function handler(e) { console.log(Math.random(), Date.now()); e.request.uri = '/1'; return e.request; }",
    ] {
        let mut emulator = qdn::edge::Emulator::load(code, Runtime::V2, KeyValues::default()).unwrap();
        let first = emulator.run(&event);
        println!("{:?}", first);
        assert_eq!(first.request().unwrap()["uri"], "/1");
        assert_eq!(emulator.run(&event), first);
    }
}

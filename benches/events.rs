//! How many events a second the emulator answers, in one thread, by function:
//!
//! ```text
//! cargo bench --bench events
//! ```
//!
//! Each event runs the script from its top, as at the edge. The engine is kept between events, except for a script that
//! reaches for the built-ins themselves: the last row is what that costs.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, reason = "a clock is what this is about")]
#![allow(missing_docs, reason = "a program of one file")]

use qdn::edge::{self, Emulator, Event, KeyValues, Runtime};
use qdn::source::Sources;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long each function is run.
const LONG: Duration = Duration::from_secs(2);

const PASS: &str = "function handler(event) { return event.request; }";

/// AWS's own pattern of checking a signed token, with its store.
const SIGNED: &str = "import crypto from 'crypto'; import cf from 'cloudfront'; const kv = cf.kvs();
async function handler(event) {
  const key = await kv.get('key'); const query = event.request.querystring; const token = query.jwt ? query.jwt.value : '';
  const parts = token.split('.');
  const mac = crypto.createHmac('sha256', key).update(parts[0] + '.' + parts[1]).digest('base64url');
  if (mac !== parts[2]) { return { statusCode: 401, statusDescription: 'Unauthorized' }; }
  const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
  event.request.headers['x-user'] = { value: String(claims.sub) };
  return event.request;
}";

const LASTING: &str =
    "String.prototype.twice = function () { return this + this; }; function handler(event) { return event.request; }";

fn main() {
    let paths =
        ["/", "/track/9fK2mQ7x", "/book/quarter_truck", "/prices", "/old/", "/assets/site.4f2a.css", "//track/x", "/track/a%2Fb"];
    let headers: Vec<(String, String)> = [
        ("Host", "quickdumpnow.com"),
        ("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Cookie", "session=1; theme=dark"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let query = "utm_source=sms&jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.x";
    let events: Vec<Event> =
        paths.iter().map(|path| Event::viewer_request("GET", path, Some(query), &headers, "198.51.100.1")).collect();
    println!("| function | events a second | microseconds each | a fresh engine, milliseconds |");
    println!("|---|---|---|---|");
    for (name, code) in
        [("lets all pass", PASS), ("`qdn-track-rewrite`", &ours()), ("checks a token", SIGNED), ("changes a built-in", LASTING)]
    {
        let pairs = || KeyValues([("key".to_owned(), "secret".to_owned())].into());
        let load = || Emulator::load(code, Runtime::V2, pairs()).unwrap();
        let start = Instant::now();
        let mut emulator = load();
        assert!(emulator.run(&events[0]).error.is_none(), "{name}: {:?}", emulator.run(&events[0]).error);
        let fresh = start.elapsed();
        let (start, mut count) = (Instant::now(), 0_u32);
        while start.elapsed() < LONG {
            for event in &events {
                let outcome = emulator.run(event);
                assert!(outcome.error.is_none(), "{name}: {:?}", outcome.error);
                count += 1;
            }
        }
        let each = start.elapsed().as_secs_f64() / f64::from(count);
        println!("| {name} | {:.0} | {:.0} | {:.1} |", 1.0 / each, each * 1e6, fresh.as_secs_f64() * 1e3);
    }
}

/// The bundle of this repository's function.
fn ours() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let sources: Sources = ["functions/qdn-track-rewrite.js", "functions/lib/path.js", "functions/lib/redirects.js"]
        .into_iter()
        .map(|path| (path, std::fs::read(format!("{root}/{path}")).unwrap()))
        .collect();
    let modules = BTreeMap::from([("qdn:redirects".to_owned(), "export default { \"/old/\": \"/prices/\" };\n".to_owned())]);
    let options = edge::Options { runtime: Runtime::V2, virtual_modules: &modules };
    edge::check(&sources, &"functions/qdn-track-rewrite.js".into(), &options).bundle().unwrap().code
}

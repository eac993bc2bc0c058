//! Preview answers as the distribution would.

use crate::project::Project;
use qdn::deploy::invalidation::Item;
use qdn::deploy::remote::directory::Directory;
use qdn::deploy::remote::{Bucket, Content, Described, FunctionStage, Tested, When};
use qdn::release::Manifest;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A running preview; ended when it goes out of scope.
pub(crate) struct Preview {
    process: Child,
    port: u16,
    talk: BufReader<std::process::ChildStderr>,
    /// The link that signs in to the dashboard.
    dashboard: String,
}

impl Preview {
    fn start(command: Command) -> Self {
        Self::start_until(command, "built")
    }

    /// Starts it, and waits until it says a word.
    fn start_until(mut command: Command, word: &str) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let document: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let url = document["url"].as_str().expect("a url");
        let port = url.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let talk = BufReader::new(process.stderr.take().expect("stderr"));
        let dashboard = document["dashboard"].as_str().expect("a link").to_owned();
        let mut preview = Self { process, port, talk, dashboard };
        preview.heard(word);
        preview
    }

    fn of_stage(project: &Project, word: &str) -> Self {
        Self::start_until(project.command(&["preview", "--stage", "local", "--port", "0", "--json"]), word)
    }

    pub(crate) fn of(project: &Project) -> Self {
        Self::start(project.command(&["preview", "--port", "0", "--json"]))
    }

    fn of_our_site() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qdn"));
        command.args(["preview", "--port", "0", "--json"]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).env("NO_COLOR", "1");
        Self::start(command)
    }

    /// Reads what it says until a line holds `word`.
    fn heard(&mut self, word: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.talk.read_line(&mut line).expect("text") > 0, "it ended before it said `{word}`:\n{all}");
            all.push_str(&line);
            if line.contains(word) {
                return all;
            }
        }
    }

    /// One request, its head written by hand, so that no client normalises the path.
    pub(crate) fn ask(&self, head: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.write_all(head.replace("PORT", &self.port.to_string()).as_bytes()).expect("it takes the request");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        Answer::parse(&bytes)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n"))
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    raw: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), raw: head.to_owned(), body: body.to_owned() }
    }

    /// The cookie that is set, as it is written.
    fn cookie(&self) -> &str {
        self.raw.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_default()
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")))
            .unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

#[test]
fn our_site_is_served_through_its_own_function() {
    let preview = Preview::of_our_site();
    for path in ["/track/abc", "/track", "/track/", "/track/?t=abc", "/track/abc/"] {
        let answer = preview.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("<title>Track"), "{path}: {}", answer.body.get(..300).unwrap_or_default());
        assert_eq!(answer.header("x-robots-tag"), "noindex, nofollow", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    }
    assert_eq!(preview.get("/book/anything").status, 200);
    assert_eq!(preview.get("/trackx/").status, 404);
    let home = preview.get("/");
    assert!(home.header("content-security-policy").contains("script-src 'self';") && !home.head.contains("unsafe"));
    assert!(home.body.contains("/_qdn/live.js"));
    assert_eq!(home.body.len().to_string(), home.header("content-length"));
    let css = home
        .body
        .split("href=\"")
        .find(|part| part.starts_with("/assets/css/"))
        .and_then(|part| part.split('"').next())
        .expect("a style sheet");
    let sheet = preview.get(css);
    assert_eq!((sheet.status, sheet.header("cache-control")), (200, "public, max-age=31536000, immutable"));
    let map = preview.get(sheet.header("sourcemap"));
    assert!(map.body.contains("\"mappings\""), "source maps are preview's alone");
}

#[test]
fn the_inspector_says_what_the_function_did() {
    let preview = Preview::of_our_site();
    let page = preview.get("/_qdn/");
    assert!(page.status == 200 && page.body.contains("Route inspector"));
    let route = preview.get("/_qdn/route?url=/track/abc");
    let document: serde_json::Value = serde_json::from_str(&route.body).expect("JSON");
    assert_eq!(document["function"]["result"]["request"]["uri"], "/track/index.html");
    assert_eq!(
        (document["answer"]["status"].as_u64(), document["answer"]["object"].as_str()),
        (Some(200), Some("track/index.html"))
    );
    assert!(document["function"]["utilization"].as_u64().is_some_and(|used| used <= 100));
}

#[test]
fn only_this_machines_names_are_answered() {
    let project = Project::new();
    let preview = Preview::of(&project);
    for host in ["evil.test:PORT", "localhost", "localhost:1", "127.0.0.1.evil.test:PORT", "", "user@localhost:PORT"] {
        for path in ["/", "/_qdn/route?url=/", "/_qdn/events"] {
            let answer = preview.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            assert!(matches!(answer.status, 400 | 421), "{host} {path}: {}", answer.head);
        }
    }
    for host in ["localhost:PORT", "127.0.0.1:PORT", "LOCALHOST:PORT"] {
        assert_eq!(preview.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).status, 200, "{host}");
    }
}

#[test]
fn it_answers_as_a_cache_behaviour_that_only_reads() {
    let project = Project::new().file("site/404.md", "# Nothing here");
    let preview = Preview::of(&project);
    let post = preview.ask("POST / HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_eq!(post.status, 403);
    let head = preview.ask("HEAD / HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let missing = preview.get("/nope");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("Nothing here"));
    let tag = preview.get("/").header("etag").replace("w/", "W/");
    let fresh =
        preview.ask(&format!("GET / HTTP/1.1\r\nHost: localhost:PORT\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"));
    assert_eq!((fresh.status, fresh.body.as_str()), (304, ""));
}

/// A server's log in the project's folder never rests, and is none of the sources.
#[test]
fn a_file_that_always_changes_holds_up_no_build() {
    let project = Project::new();
    let mut preview = Preview::of(&project);
    let log = project.path().join("server.log");
    let is_seen = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&is_seen);
    let writer = std::thread::spawn(move || {
        // Far longer than a build takes, and no longer than a test may hang.
        for turn in 0..15_000 {
            if seen.load(std::sync::atomic::Ordering::Relaxed) {
                return true;
            }
            std::fs::write(&log, format!("{turn}")).expect("written");
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    });
    project.write("site/index.md", "# Changed\n");
    preview.heard("built");
    is_seen.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.join().expect("it writes"), "it was built while the log was written");
}

/// The page itself has not changed, but the release that it names: a browser that were told otherwise would load it for ever.
#[test]
fn a_page_is_another_one_in_another_release() {
    let project = Project::new().file("site/other.md", "# Other\n");
    let mut preview = Preview::of(&project);
    let first = preview.get("/");
    let tag = first.header("etag").replace("w/", "W/");
    project.write("site/other.md", "# Changed\n");
    preview.heard("built");
    let again =
        preview.ask(&format!("GET / HTTP/1.1\r\nHost: localhost:PORT\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"));
    assert_eq!(again.status, 200);
    assert_ne!(again.body, first.body, "it names the new release");
}

#[test]
fn the_job_api_is_behind_what_cloudfront_would_refuse() {
    let project = Project::new();
    let mut preview = Preview::of(&project);
    let send = |method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        preview.ask(&format!("{head}{body}"))
    };
    let board = preview.get("/api/v1/jobs");
    assert_eq!((board.status, board.header("content-type")), (401, "application/problem+json"));
    let unsigned = send("POST", "/api/v1/session", "Content-Type: application/json\r\n", "{}");
    assert_eq!((unsigned.status, unsigned.header("x-amzn-errortype")), (403, "invalidsignatureexception"));
    let wrong = send("POST", "/api/v1/session", "x-amz-content-sha256: abc\r\n", "{}");
    assert_eq!(wrong.status, 403);
    assert_eq!(send("GET", "/api/v1/health", "", "{}").status, 403, "CloudFront takes no GET with a body");
    // The behaviour is matched on the normalised path; the origin sees the path as it was typed.
    let doubled = preview.get("//api/v1/health");
    assert_eq!((doubled.status, doubled.header("content-type")), (404, "application/problem+json"));

    // The link that preview prints signs its developer in, with a cookie that plain http can carry.
    let link = preview.dashboard.split("#sign-in=").nth(1).expect("a link").to_owned();
    let hashed = |body: &str| {
        let hash = qdn::jobs::token::sha256_hex(body.as_bytes());
        format!("Content-Type: application/json\r\nSec-Fetch-Site: same-origin\r\nx-amz-content-sha256: {hash}\r\n")
    };
    let body = format!("{{\"link\":\"{link}\"}}");
    let signed = preview.ask(&format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{body}",
        hashed(&body),
        body.len()
    ));
    assert_eq!(signed.status, 204, "{}", signed.body);
    let cookie = signed.cookie();
    assert!(cookie.starts_with("qdn=v1.") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let board =
        preview.ask(&format!("GET /api/v1/jobs HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"));
    assert_eq!(board.status, 200, "{}", board.body);

    // What the firm offers is what qdn.toml says now.
    assert!(preview.get("/api/v1/form").body.contains("\"pickup\""));
    project.write("qdn.toml", "[[site.services]]\nid = 'half_truck'\nlabel = 'Half truck'\n");
    preview.heard("built");
    assert!(preview.get("/api/v1/form").body.contains("half_truck"));
}

#[test]
fn a_change_is_served_and_a_mistake_keeps_the_last_good_build() {
    let project = Project::new();
    let mut preview = Preview::of(&project);
    let mut events = TcpStream::connect(("127.0.0.1", preview.port)).expect("it listens");
    events.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    write!(events, "GET /_qdn/events HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", preview.port).expect("it takes the request");
    let mut events = BufReader::new(events);
    let mut told = |kind: &str| {
        let mut line = String::new();
        while !line.contains(&format!("\"kind\":\"{kind}\"")) {
            line.clear();
            assert!(events.read_line(&mut line).expect("an event") > 0, "no `{kind}`");
        }
        line
    };
    told("hello");
    project.write("site/index.md", "# Changed");
    told("reload");
    preview.heard("built");
    assert!(preview.get("/").body.contains("Changed"));

    project.write("site/index.md", "---\ntitel: x\n---\n# Wrong");
    let problems = told("problems");
    assert!(problems.contains("site/index.md:2:1"), "{problems}");
    preview.heard("last good build");
    assert!(preview.get("/").body.contains("Changed"));

    project.write("site/index.md", "# Changed");
    told("solved");
    project.write("site/new.md", "# New");
    told("reload");
    assert_eq!(preview.get("/new/").status, 200);
    project.remove("site/new.md");
    told("reload");
    assert_eq!(preview.get("/new/").status, 404);
}

#[test]
fn a_style_sheet_is_swapped_in_place() {
    let project = Project::new()
        .file("templates/page.html", "<link rel=\"stylesheet\" href=\"{{ asset(\"a.css\") }}\" integrity=\"{{ asset_integrity(\"a.css\") }}\">{{ page.content }}")
        .file("site/assets/a.css", "p { color: red }");
    let preview = Preview::of(&project);
    let mut events = TcpStream::connect(("127.0.0.1", preview.port)).expect("it listens");
    events.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    write!(events, "GET /_qdn/events HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", preview.port).expect("it takes the request");
    let mut events = BufReader::new(events);
    let mut line = String::new();
    while !line.contains("hello") {
        line.clear();
        assert!(events.read_line(&mut line).expect("an event") > 0);
    }
    project.write("site/assets/a.css", "p { color: green }");
    while !line.contains("\"kind\":\"css\"") {
        line.clear();
        assert!(events.read_line(&mut line).expect("an event") > 0);
        assert!(!line.contains("reload"), "{line}");
    }
    let message: serde_json::Value = serde_json::from_str(line.trim().trim_start_matches("data: ")).expect("JSON");
    let (_, to) = message["sheets"].as_object().and_then(|sheets| sheets.iter().next()).expect("a sheet");
    assert!(preview.get(to.as_str().expect("an address")).body.contains("green"));
}

#[test]
fn a_taken_port_is_passed_over() {
    let project = Project::new();
    let first = Preview::of(&project);
    let port = first.port.to_string();
    let second = Preview::start(project.command(&["preview", "--port", &port, "--json"]));
    assert_ne!(first.port, second.port);
    assert_eq!(second.get("/").status, 200);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_at_once() {
    let project = Project::new();
    let mut preview = Preview::of(&project);
    // An open event stream is what keeps other servers waiting.
    let mut events = TcpStream::connect(("127.0.0.1", preview.port)).expect("it listens");
    write!(events, "GET /_qdn/events HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", preview.port).expect("it takes the request");
    let mut first = [0; 1];
    events.read_exact(&mut first).expect("it answers");
    let started = Instant::now();
    let sent = Command::new("kill").args(["-INT", &preview.process.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let status = preview.process.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn one_range_of_a_file_is_answered() {
    let project = Project::new().file("site/static/film.mp4", "0123456789");
    let preview = Preview::of(&project);
    let ask = |method: &str, path: &str, headers: &str| {
        preview.ask(&format!("{method} {path} HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n{headers}\r\n"))
    };
    let whole = preview.get("/film.mp4");
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));
    let part = ask("GET", "/film.mp4", "Range: bytes=2-4\r\n");
    assert_eq!((part.status, part.header("content-range"), part.body.as_str()), (206, "bytes 2-4/10", "234"));
    assert_eq!((part.header("content-length"), part.header("content-type")), ("3", "video/mp4"));
    let beyond = ask("GET", "/film.mp4", "Range: bytes=10-\r\n");
    assert_eq!((beyond.status, beyond.header("content-range"), beyond.body.as_str()), (416, "bytes */10", ""));
    let tag = whole.header("etag");
    assert_eq!(ask("GET", "/film.mp4", &format!("Range: bytes=-1\r\nIf-Range: {tag}\r\n")).body, "9");
    assert_eq!(ask("GET", "/film.mp4", "Range: bytes=-1\r\nIf-Range: \"other\"\r\n").status, 200);
    assert_eq!(ask("HEAD", "/film.mp4", "Range: bytes=-1\r\n").status, 200, "a range is of a GET");
    assert_eq!(ask("GET", "/nope", "Range: bytes=-1\r\n").status, 404);
}

/// A stage of a project, written to as a publisher would.
struct Stage {
    directory: Directory,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    fn of(project: &Project) -> Self {
        let directory = Directory::new(project.path().join(".qdn/stages/local"), Arc::new(|_, _, _| Tested::default()));
        Self { directory, runtime: tokio::runtime::Runtime::new().expect("a runtime") }
    }

    fn put(&self, bucket: &str, key: &str, bytes: &[u8], content_type: &str, cache_control: &str) {
        let bucket: Arc<dyn Bucket> = self.directory.bucket(bucket);
        let sha256 = qdn::jobs::token::sha256_hex(bytes);
        let described = Described { sha256: &sha256, size: bytes.len() as u64, content_type, cache_control, cache_tag: "" };
        self.runtime.block_on(async {
            let when = bucket.stat(key).await.expect("asked").map_or(When::Missing, |stat| When::Is(stat.tag));
            bucket.put(key, &Content::Bytes(bytes.into()), &described, &when).await.expect("written");
        });
    }

    /// Builds the project and puts it on the stage, all but an invalidation.
    fn publish(&self, project: &Project) -> Manifest {
        project.qdn(&["build"]).ended(0);
        let manifest = Manifest::parse(&project.read("dist/manifest.json")).expect("a manifest");
        for (name, distribution) in &manifest.distributions {
            for (key, entry) in &distribution.objects {
                let bytes = std::fs::read(project.path().join("dist").join(name).join(key)).expect("a file");
                self.put(name, key, &bytes, &entry.content_type, &entry.cache_control);
            }
        }
        for (name, function) in &manifest.functions {
            let (cdn, remote) = (self.directory.cdn(), format!("{name}-local"));
            let code = project.read(&format!("dist/functions/{name}.js"));
            self.runtime.block_on(async {
                let known = cdn.function(&remote, FunctionStage::Development).await.expect("asked");
                let tag = match known {
                    Some(known) => cdn.update_function(&remote, &code, &function.runtime, &known.tag).await,
                    None => cdn.create_function(&remote, &code, &function.runtime).await,
                };
                cdn.publish_function(&remote, &tag.expect("written")).await.expect("published");
            });
        }
        self.live(&manifest);
        manifest
    }

    /// Makes a release the one that is live.
    fn live(&self, manifest: &Manifest) {
        let release = &manifest.release;
        self.put("control", &format!("releases/{release}.json"), manifest.to_json().as_bytes(), "application/json", "");
        let head = serde_json::json!({ "version": 1, "seq": 7, "release": release }).to_string();
        self.put("control", "stages/local/head.json", head.as_bytes(), "application/json", "");
    }

    fn invalidate(&self, reference: &str, item: &str) {
        let item: Item = item.parse().expect("an item");
        self.runtime.block_on(self.directory.cdn().invalidate("site", reference, &[item])).expect("done");
    }
}

const FUNCTION: &str = "export function handler(event) {
    const request = event.request;
    if (request.uri === '/away') return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/' } } };
    if (request.uri.endsWith('/')) request.uri += 'index.html';
    return request;
}
";

#[test]
fn a_stage_is_served_as_it_was_published_and_goes_stale_as_an_edge_does() {
    let project = Project::new().file("site/404.md", "# Nothing here").file("functions/route.js", FUNCTION);
    let stage = Stage::of(&project);
    let mut preview = Preview::of_stage(&project, "nothing is published");
    let empty = preview.get("/");
    assert_eq!(empty.status, 503);
    assert!(empty.body.contains("qdn publish local") && empty.body.contains("/_qdn/live.js"), "{}", empty.body);

    let manifest = stage.publish(&project);
    assert!(preview.heard("live").contains(&manifest.release));
    let first = preview.get("/");
    assert_eq!((first.status, first.header("x-cache")), (200, "miss from cloudfront"));
    assert!(first.body.contains("Home") && first.body.contains(&format!("/_qdn/live.js?release={}", manifest.release)));
    assert!(first.header("content-security-policy").contains("default-src 'none'"));
    assert!(first.header("cache-control").contains("s-maxage=86400"));
    let again = preview.get("/?utm=1");
    assert_eq!(again.header("x-cache"), "hit from cloudfront");
    assert!(again.header("age").parse::<u64>().is_ok());
    let away = preview.get("/away");
    assert_eq!((away.status, away.header("location")), (302, "/"));
    let missing = preview.get("/new/");
    assert_eq!((missing.status, missing.header("x-cache")), (404, "error from cloudfront"));
    assert!(missing.body.contains("Nothing here"));
    let tag = first.header("etag").replace("w/", "W/");
    let known =
        preview.ask(&format!("GET / HTTP/1.1\r\nHost: localhost:PORT\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"));
    assert_eq!(known.status, 304);

    // The inspector tells of the function and of the cache.
    let route: serde_json::Value = serde_json::from_str(&preview.get("/_qdn/route?url=/").body).expect("JSON");
    assert_eq!(route["function"]["result"]["request"]["uri"], "/index.html");
    assert_eq!(route["cache"]["from"], "Hit from cloudfront");
    assert!(route["cache"]["age"].is_u64(), "{route}");
    // The job API is there as ever.
    assert_eq!(preview.get("/api/v1/jobs").status, 401);

    // A release that nobody invalidates is not seen, but in its ledger; a mistake in the sources does not matter.
    project.write("site/index.md", "# Changed");
    project.write("site/new.md", "# New");
    project.write("functions/route.js", FUNCTION.replace("302", "307").replace("'Found'", "'Temporary Redirect'"));
    let manifest = stage.publish(&project);
    project.write("site/index.md", "---\ntitel: x\n---\n# Wrong");
    assert!(preview.heard("live").contains(&manifest.release));
    let deadline = Instant::now() + Duration::from_secs(20);
    while preview.get("/away").status != 307 {
        assert!(Instant::now() < deadline, "the function that is LIVE is loaded when it changes");
        std::thread::sleep(Duration::from_millis(50));
    }
    let stale = preview.get("/");
    assert!(stale.body.contains("Home") && stale.header("x-cache") == "hit from cloudfront", "{}", stale.body);
    stage.invalidate("one", "/index.html");
    let fresh = preview.get("/");
    assert!(fresh.body.contains("Changed") && fresh.header("x-cache") == "miss from cloudfront", "{}", fresh.body);
    stage.invalidate("two", "/new/*");
    assert_eq!(preview.get("/new/").status, 200);
}

#[test]
fn every_distribution_of_a_stage_is_behind_one_address() {
    let project = Project::new().file("site/dashboard.md", "# Board").file("site/404.md", "# Nothing here");
    let stage = Stage::of(&project);
    project.qdn(&["build"]).ended(0);
    let mut manifest = Manifest::parse(&project.read("dist/manifest.json")).expect("a manifest");
    let site = manifest.distributions.get_mut("site").expect("there is one");
    let board = site.objects.remove("dashboard/index.html").expect("there is one");
    let mut dashboard = site.clone();
    dashboard.objects = [("dashboard/index.html".to_owned(), board)].into();
    dashboard.headers.all.insert("x-from".to_owned(), "dashboard".to_owned());
    manifest.distributions.insert("dashboard".to_owned(), dashboard);
    for (name, distribution) in &manifest.distributions {
        for (key, entry) in &distribution.objects {
            let bytes = std::fs::read(project.path().join("dist/site").join(key)).expect("a file");
            stage.put(name, key, &bytes, &entry.content_type, &entry.cache_control);
        }
    }
    stage.live(&manifest);
    let mut preview = Preview::of_stage(&project, "live");
    let board = preview.get("/dashboard/");
    assert_eq!((board.status, board.header("x-from")), (200, "dashboard"));
    assert!(board.body.contains("Board"));
    let home = preview.get("/");
    assert!(home.status == 200 && home.body.contains("Home") && !home.head.contains("x-from"));
    let missing = preview.get("/nope/");
    assert!(missing.status == 404 && missing.body.contains("Nothing here"));
    // What no manifest names any longer may still be at the edge.
    manifest.distributions.get_mut("dashboard").expect("there is one").objects.clear();
    manifest.release = "0123456789abcdef".to_owned();
    stage.live(&manifest);
    preview.heard("0123456789abcdef");
    let removed = preview.get("/dashboard/");
    assert_eq!((removed.status, removed.header("x-cache")), (200, "hit from cloudfront"));
}

#[test]
fn a_stage_that_cannot_be_read_goes_on_as_it_was() {
    let project = Project::new();
    let stage = Stage::of(&project);
    stage.publish(&project);
    let mut preview = Preview::of_stage(&project, "live");
    stage.put("control", "stages/local/head.json", b"{", "application/json", "");
    preview.heard("cannot be read");
    assert_eq!(preview.get("/").status, 200);
    let wrong = project.qdn(&["preview", "--stage", "../x"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("cannot be the name of a stage"), "{}", wrong.stderr);
}

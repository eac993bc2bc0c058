//! A proxy that spoils things: it stands between a client and a server, understands HTTP/1.1 well enough
//! to tell one request from the next, and does to some of them what networks and servers do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is done to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It goes through, later.
    Delay(Duration),
    /// The server never sees it; this is answered: a status and a body.
    Status(u16, String),
    /// The server never sees it; it is refused with a status and a code, as S3 or CloudFront says it.
    Refuse(u16, &'static str),
    /// The server never sees it; this is answered: a status, headers, and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Something happens, and then it goes through.
    Before(Hook),
    /// Something happens, and the connection breaks; the server never sees it.
    Instead(Hook),
    /// The server does what was asked, something happens, and then its answer goes through.
    After(Hook),
    /// The server never sees it; the connection breaks.
    Reset,
    /// The server does what was asked, and the connection breaks in place of its answer.
    LoseAnswer,
    /// The body of the answer ends after so many bytes, and the connection with it.
    Truncate(usize),
    /// The server does what was asked, and its answer never comes.
    Stall,
    /// It goes through without these headers.
    Strip(&'static [&'static str]),
}

/// What happens at a request: a program is killed, a file is changed.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn(&Request) + Send + Sync>);

impl Hook {
    pub(crate) fn new(hook: impl Fn(&Request) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Aside: it may take its time, and what it waits for may be a task of the thread that serves.
    async fn happens(&self, request: &Request) {
        let (hook, request) = (Arc::clone(&self.0), request.clone());
        tokio::task::spawn_blocking(move || hook(&request)).await.expect("it ends");
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// Which requests a fault is done to: all that match, unless some are let through or enough had it.
#[derive(Debug)]
pub(crate) struct Rule {
    fault: Fault,
    method: Option<&'static str>,
    path: Option<String>,
    header: Option<(&'static str, String)>,
    skip: usize,
    times: usize,
    every: usize,
    /// What was asked already, where each question has it once.
    asked: Option<Mutex<BTreeSet<String>>>,
    matched: AtomicUsize,
}

impl Rule {
    pub(crate) fn new(fault: Fault) -> Self {
        let matched = AtomicUsize::new(0);
        Self { fault, method: None, path: None, header: None, skip: 0, times: usize::MAX, every: 1, asked: None, matched }
    }

    pub(crate) fn method(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    /// Where the path with its query ends so or holds this.
    pub(crate) fn path(self, part: impl Into<String>) -> Self {
        Self { path: Some(part.into()), ..self }
    }

    /// Where a header, by its name in lower case, holds this.
    pub(crate) fn header(self, name: &'static str, part: impl Into<String>) -> Self {
        Self { header: Some((name, part.into())), ..self }
    }

    /// Lets the first ones through.
    pub(crate) fn skip(self, skip: usize) -> Self {
        Self { skip, ..self }
    }

    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Only one of so many.
    pub(crate) fn every(self, every: usize) -> Self {
        Self { every, ..self }
    }

    /// Only the first time that something is asked: who asks again, on the same condition, gets through.
    pub(crate) fn once_each(self) -> Self {
        Self { asked: Some(Mutex::default()), ..self }
    }

    fn applies(&self, request: &Request) -> bool {
        let matches = self.method.is_none_or(|method| method == request.method)
            && self.path.as_ref().is_none_or(|part| request.path.contains(part))
            && self.header.as_ref().is_none_or(|(name, part)| request.header(name).is_some_and(|value| value.contains(part)));
        if !matches {
            return false;
        }
        if let Some(asked) = &self.asked {
            let conditions = (request.header("if-match"), request.header("if-none-match"));
            let question = format!("{} {} {conditions:?} {}", request.method, request.path, request.text());
            if !asked.lock().expect("no panic while it was held").insert(question) {
                return false;
            }
        }
        let before = self.matched.fetch_add(1, Ordering::Relaxed);
        before >= self.skip && (before - self.skip).is_multiple_of(self.every) && (before - self.skip) / self.every < self.times
    }

    /// How many requests it was done to.
    pub(crate) fn done(&self) -> usize {
        self.matched.load(Ordering::Relaxed).saturating_sub(self.skip).div_ceil(self.every).min(self.times)
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What was sent, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn head(&self, without: &[&str]) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            if name != "connection" && name != "transfer-encoding" && name != "content-length" && !without.contains(&name.as_str())
            {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len()));
        head
    }
}

/// A running proxy. It ends with the runtime in which it was started.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    rules: Mutex<Vec<Arc<Rule>>>,
    seen: Mutex<Vec<Request>>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { upstream, rules: Mutex::default(), seen: Mutex::default() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move { drop(serve(stream, &shared).await) });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on. Of several that apply, the first counts.
    pub(crate) fn rule(&self, rule: Rule) -> Arc<Rule> {
        let rule = Arc::new(rule);
        self.shared.rules.lock().expect("no panic while it was held").push(Arc::clone(&rule));
        rule
    }

    /// Lets everything through again.
    pub(crate) fn relent(&self) {
        self.shared.rules.lock().expect("no panic while it was held").clear();
    }

    /// Every request so far, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().expect("no panic while it was held").clone()
    }

    /// How many requests there were so far, by method.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.shared.seen.lock().expect("no panic while it was held").iter() {
            *counts.entry(request.method.clone()).or_default() += 1;
        }
        counts
    }
}

/// One request a connection: the answer says `Connection: close`, so that clients open another.
async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    shared.seen.lock().expect("no panic while it was held").push(request.clone());
    let rules = shared.rules.lock().expect("no panic while it was held").clone();
    let fault = rules.iter().find(|rule| rule.applies(&request)).map(|rule| rule.fault.clone());
    match fault {
        None => answer(&mut client, &forward(shared.upstream, &request, &[]).await?).await,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            answer(&mut client, &forward(shared.upstream, &request, &[]).await?).await
        }
        Some(Fault::Strip(headers)) => answer(&mut client, &forward(shared.upstream, &request, headers).await?).await,
        Some(Fault::Before(hook)) => {
            hook.happens(&request).await;
            answer(&mut client, &forward(shared.upstream, &request, &[]).await?).await
        }
        Some(Fault::Instead(hook)) => {
            hook.happens(&request).await;
            client.set_zero_linger()
        }
        Some(Fault::After(hook)) => {
            let bytes = forward(shared.upstream, &request, &[]).await?;
            hook.happens(&request).await;
            answer(&mut client, &bytes).await
        }
        Some(Fault::Status(status, body)) => make_up(&mut client, &request, status, &[], &body).await,
        Some(Fault::Refuse(status, code)) => {
            let error = format!("<Error><Code>{code}</Code><Message>as the test wants</Message></Error>");
            let body = if request.path.starts_with("/2020-05-31/") {
                let namespace = "http://cloudfront.amazonaws.com/doc/2020-05-31/";
                format!("<ErrorResponse xmlns=\"{namespace}\">{error}<RequestId>r</RequestId></ErrorResponse>")
            } else {
                error
            };
            make_up(&mut client, &request, status, &[], &body).await
        }
        Some(Fault::Answer(status, headers, body)) => make_up(&mut client, &request, status, &headers, &body).await,
        Some(Fault::Reset) => client.set_zero_linger(),
        Some(Fault::LoseAnswer) => {
            forward(shared.upstream, &request, &[]).await?;
            client.set_zero_linger()
        }
        Some(Fault::Truncate(length)) => {
            let bytes = forward(shared.upstream, &request, &[]).await?;
            let body = head_end(&bytes).unwrap_or(bytes.len());
            answer(&mut client, &bytes[..bytes.len().min(body + length)]).await
        }
        Some(Fault::Stall) => {
            forward(shared.upstream, &request, &[]).await?;
            // Until the client has had enough.
            let mut rest = [0; 1];
            client.read(&mut rest).await.map(drop)
        }
    }
}

/// Answers in the server's place.
async fn make_up(
    client: &mut TcpStream,
    request: &Request,
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Fault\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // An answer to HEAD tells the length of a body, and has none.
    let body = if request.method == "HEAD" { "" } else { body };
    answer(client, &[head.as_bytes(), body.as_bytes()].concat()).await
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = head_end(&bytes) {
            break end;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, path, headers, body: bytes[end..].to_vec() };
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    if request.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        request.body = unchunked(client, std::mem::take(&mut request.body)).await?;
    } else {
        let length = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        while request.body.len() < length {
            if client.read_buf(&mut request.body).await? == 0 {
                return Ok(None);
            }
        }
    }
    Ok(Some(request))
}

/// The body of a request that came in chunks, whole.
async fn unchunked(client: &mut TcpStream, mut bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            match bytes.windows(2).position(|window| window == b"\r\n") {
                Some(at) => break at,
                None if client.read_buf(&mut bytes).await? == 0 => return Ok(body),
                None => {}
            }
        };
        let size = String::from_utf8_lossy(&bytes[..line]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let end = line + 2 + size + 2;
        while bytes.len() < end {
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(body);
            }
        }
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes.drain(..end);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// The server's whole answer.
async fn forward(upstream: SocketAddr, request: &Request, without: &[&str]) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(request.head(without).as_bytes()).await?;
    server.write_all(&request.body).await?;
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Passes an answer on, with the word that the connection ends after it.
async fn answer(client: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let line = bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
    client.write_all(&bytes[..line]).await?;
    client.write_all(b"connection: close\r\n").await?;
    client.write_all(&bytes[line..]).await?;
    client.shutdown().await
}

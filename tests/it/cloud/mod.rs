//! AWS, as far as publishing sees it: S3, which is MiniStack with what it lacks; CloudFront's API; and an edge with a
//! cache, so that what was not invalidated is seen to be stale.
//!
//! Everything is at one address but the edges, of which each distribution has one. Nothing is shared between two
//! clouds: bucket names are their own (see [`Cloud::bucket_name`]), the rest is in memory.

mod api;
mod edge;
mod s3;
mod tests;

use crate::ministack;
use aws_config::SdkConfig;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// How CloudFront obeys an invalidation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// How often it says `InProgress` to whoever asks for it.
    pub(crate) polls: u32,
    /// How long it says so at least.
    pub(crate) time: Duration,
    /// Whether the edge forgets only when it says `Completed`, and not at once.
    pub(crate) late: bool,
}

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// AWS's name of it: `CreateInvalidation`, `PutObject`.
    pub(crate) operation: String,
    /// Path and query.
    pub(crate) path: String,
    /// What was answered.
    pub(crate) status: u16,
}

/// A running cloud. It ends with the runtime in which it was started.
pub(crate) struct Cloud {
    address: SocketAddr,
    number: usize,
    shared: Arc<Shared>,
}

struct Shared {
    world: Mutex<World>,
    /// One writer to a key at a time, so that a condition still holds when the copy is made.
    writers: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    upstream: SocketAddr,
    client: Client<HttpConnector, Body>,
}

#[derive(Default)]
struct World {
    distributions: BTreeMap<String, Distribution>,
    functions: BTreeMap<String, Function>,
    calls: Vec<Call>,
    /// By operation: how many are on the way, and how many were at most.
    running: BTreeMap<String, (usize, usize)>,
    failures: Vec<Planned>,
    pace: Pace,
    /// Paths that the next invalidation that names them does not purge.
    forgotten: Vec<String>,
    /// Whether copies obey no condition.
    careless_copies: bool,
    /// Whether an update answers with a tag that nothing accepts.
    stale_update_tags: bool,
    /// By how much the clock of the edge is ahead.
    ahead: Duration,
    billed: usize,
    last: u64,
}

/// A failure that will be answered.
struct Planned {
    operation: String,
    times: usize,
    status: u16,
    code: String,
}

struct Distribution {
    bucket: String,
    prefix: String,
    function: Option<String>,
    /// The function that sees the answers.
    response_function: Option<String>,
    url: String,
    /// The header of the origin's answers from which cache tags are taken.
    tag_header: Option<String>,
    invalidations: Vec<Invalidation>,
    cache: BTreeMap<String, edge::Cached>,
    /// What was purged, in order: an answer of the origin that was asked for before must not be kept.
    purged: Vec<Vec<String>>,
}

struct Invalidation {
    id: String,
    reference: String,
    items: Vec<String>,
    polls: u32,
    until: Instant,
    is_complete: bool,
    is_obeyed: bool,
}

struct Function {
    comment: String,
    runtime: String,
    code: Vec<u8>,
    tag: String,
    live: Option<(Vec<u8>, String, String)>,
}

impl World {
    /// A number that nothing else has.
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn tag(&mut self) -> String {
        format!("ETVPDKIKX{:05}", self.next())
    }

    /// Time passes: what is due is obeyed and complete.
    fn settle(&mut self) {
        let late = self.pace.late;
        for distribution in self.distributions.values_mut() {
            let mut purges = Vec::new();
            for invalidation in &mut distribution.invalidations {
                if !invalidation.is_complete && invalidation.polls == 0 && Instant::now() >= invalidation.until {
                    invalidation.is_complete = true;
                }
                if !invalidation.is_obeyed && (!late || invalidation.is_complete) {
                    invalidation.is_obeyed = true;
                    let mut items = invalidation.items.clone();
                    items.retain(|item| !self.forgotten.contains(item));
                    self.forgotten.retain(|path| !invalidation.items.contains(path));
                    purges.push(items);
                }
            }
            for items in purges {
                distribution.cache.retain(|key, held| !items.iter().any(|item| edge::covers(item, key, held)));
                distribution.purged.push(items);
            }
        }
    }

    /// The failure that this call gets, if one is planned.
    fn failure(&mut self, operation: &str) -> Option<(u16, String)> {
        let planned = self.failures.iter_mut().find(|planned| planned.operation == operation && planned.times > 0)?;
        planned.times -= 1;
        Some((planned.status, planned.code.clone()))
    }
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no panic while it was held")
    }
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let upstream = tokio::task::spawn_blocking(ministack::address).await.expect("MiniStack");
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let shared = Arc::new(Shared { world: Mutex::default(), writers: Mutex::default(), upstream, client });
        let address = serve(Router::new().fallback(answer).with_state(Arc::clone(&shared))).await;
        Self { address, number: NEXT.fetch_add(1, Ordering::Relaxed), shared }
    }

    /// Where S3 and CloudFront's API are.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as `AWS_ENDPOINT_URL` wants it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings with which the SDK speaks to it.
    pub(crate) async fn settings(&self) -> SdkConfig {
        ministack::settings(self.address).await
    }

    /// A bucket's name that no other cloud has.
    pub(crate) fn bucket_name(&self, short: &str) -> String {
        format!("cloud-{}-{short}", self.number)
    }

    /// Makes a bucket, and says its name.
    pub(crate) async fn bucket(&self, short: &str) -> String {
        let name = self.bucket_name(short);
        let config = aws_sdk_s3::config::Builder::from(&self.settings().await).force_path_style(true).build();
        aws_sdk_s3::Client::from_conf(config).create_bucket().bucket(&name).send().await.expect("a bucket");
        name
    }

    /// Makes a distribution, and says by which URL its edge is reached. Its function need not be there yet.
    pub(crate) async fn distribution(&self, id: &str, bucket: &str, prefix: &str, function: Option<&str>) -> String {
        let address = serve(edge::router(Arc::clone(&self.shared), id)).await;
        let url = format!("http://{address}");
        let distribution = Distribution {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            function: function.map(str::to_owned),
            response_function: None,
            url: url.clone(),
            tag_header: None,
            invalidations: Vec::new(),
            cache: BTreeMap::new(),
            purged: Vec::new(),
        };
        self.shared.world().distributions.insert(id.to_owned(), distribution);
        url
    }

    /// The URL by which a distribution's edge is reached.
    pub(crate) fn edge_url(&self, id: &str) -> String {
        self.shared.world().distributions[id].url.clone()
    }

    /// Associates a function with a distribution's viewer responses. It is only told of: the edge does not run it.
    pub(crate) fn answers(&self, id: &str, function: Option<&str>) {
        self.shared.world().distributions.get_mut(id).expect("a distribution").response_function = function.map(str::to_owned);
    }

    /// Sets `CacheTagConfig` of a distribution. What it holds already has the tags that it came with.
    pub(crate) fn tag_header(&self, id: &str, header: Option<&str>) {
        self.shared.world().distributions.get_mut(id).expect("a distribution").tag_header = header.map(str::to_owned);
    }

    /// From now on invalidations go so.
    pub(crate) fn pace(&self, pace: Pace) {
        self.shared.world().pace = pace;
    }

    /// The next calls of an operation fail so, and do nothing.
    pub(crate) fn fail(&self, operation: &str, times: usize, status: u16, code: &str) {
        let planned = Planned { operation: operation.to_owned(), times, status, code: code.to_owned() };
        self.shared.world().failures.push(planned);
    }

    /// The next calls of an operation are too many.
    pub(crate) fn throttle(&self, operation: &str, times: usize) {
        self.fail(operation, times, 400, "Throttling");
    }

    /// The next invalidation that names this path does not purge it.
    pub(crate) fn drop_path(&self, path: &str) {
        self.shared.world().forgotten.push(path.to_owned());
    }

    /// Whether copies are made whatever their conditions.
    pub(crate) fn ignore_copy_conditions(&self, ignore: bool) {
        self.shared.world().careless_copies = ignore;
    }

    /// Whether `UpdateFunction` answers with a tag that `PublishFunction` refuses
    /// (hashicorp/terraform-provider-aws#49572).
    pub(crate) fn stale_update_tags(&self, stale: bool) {
        self.shared.world().stale_update_tags = stale;
    }

    /// Somebody else edits a function, or makes one, in DEVELOPMENT.
    pub(crate) fn edit_function(&self, name: &str, code: &str) {
        let mut world = self.shared.world();
        let tag = world.tag();
        let function = world.functions.entry(name.to_owned()).or_insert_with(|| Function {
            comment: String::new(),
            runtime: "cloudfront-js-2.0".to_owned(),
            code: Vec::new(),
            tag: String::new(),
            live: None,
        });
        function.code = code.as_bytes().to_vec();
        function.tag = tag;
    }

    /// Somebody else publishes what is in DEVELOPMENT.
    pub(crate) fn publish_by_hand(&self, name: &str) {
        let mut world = self.shared.world();
        let tag = world.tag();
        let function = world.functions.get_mut(name).expect("a function");
        function.live = Some((function.code.clone(), tag, function.runtime.clone()));
    }

    /// A function's code: in DEVELOPMENT, and LIVE.
    pub(crate) fn function(&self, name: &str) -> Option<(String, Option<String>)> {
        let world = self.shared.world();
        let function = world.functions.get(name)?;
        let text = |code: &[u8]| String::from_utf8_lossy(code).into_owned();
        Some((text(&function.code), function.live.as_ref().map(|(code, ..)| text(code))))
    }

    /// Every call so far, in the order in which they were answered.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.world().calls.clone()
    }

    /// How many calls of an operation there were, those that failed too.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.shared.world().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// How many calls of an operation were on the way together, at most.
    pub(crate) fn most_at_once(&self, operation: &str) -> usize {
        self.shared.world().running.get(operation).map_or(0, |(_, most)| *most)
    }

    /// Forgets the calls so far.
    pub(crate) fn clear_calls(&self) {
        self.shared.world().calls.clear();
    }

    /// The paths that an account would pay for.
    pub(crate) fn billed(&self) -> usize {
        self.shared.world().billed
    }

    /// The items of each invalidation of a distribution, oldest first.
    pub(crate) fn invalidated(&self, id: &str) -> Vec<Vec<String>> {
        self.shared.world().distributions[id].invalidations.iter().map(|one| one.items.clone()).collect()
    }

    /// The edges' clocks go on by so much: what they hold grows old.
    pub(crate) fn pass(&self, time: Duration) {
        self.shared.world().ahead += time;
    }
}

/// Serves at a free port, until the runtime ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let is_cdn = path.starts_with("/2020-05-31/");
    let operation = if is_cdn { api::operation(&request) } else { s3::operation(&request) };
    let failure = {
        let mut world = shared.world();
        let (now, most) = world.running.entry(operation.clone()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        world.failure(&operation)
    };
    let response = match failure {
        Some((status, code)) => {
            // An answer before the whole request breaks the connection of whoever still sends.
            drop(axum::body::to_bytes(request.into_body(), usize::MAX).await);
            let body = if is_cdn { api::error(&code, "as the test wants") } else { s3::error(&code, "as the test wants") };
            (StatusCode::from_u16(status).expect("a status"), [("content-type", "application/xml")], body).into_response()
        }
        None if is_cdn => api::answer(&shared, &operation, request).await,
        None => s3::answer(&shared, &operation, request).await,
    };
    let mut world = shared.world();
    world.running.entry(operation.clone()).or_default().0 -= 1;
    world.calls.push(Call { operation, path, status: response.status().as_u16() });
    drop(world);
    response
}

//! From a request to what the distributions would answer.

use super::engine::Engine;
use crate::build::{Decision, decision};
use crate::deploy::remote;
use crate::edge::{Event, Outcome};
use crate::release::{DEFAULT_DISTRIBUTION, Key, Manifest, Object, ObjectEntry, Release};
use std::sync::Arc;

/// A release being served.
pub(super) struct Served {
    pub(super) origin: Origin,
    pub(super) engine: Option<Engine>,
    /// The function that sees the answers, if there is one.
    pub(super) response: Option<Engine>,
}

/// Where answers come from.
pub(super) enum Origin {
    /// A build, in memory.
    Built(Release),
    /// What was published to a stage, through its edge: what the manifest names may not be there yet.
    Published(Box<(remote::Stage, Manifest)>),
}

/// A request as far as an answer depends on it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// As sent: not decoded, not normalised.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) ip: String,
}

impl Asked {
    /// The first header of this name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What answered, for the inspector, and the answer itself.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Arc<[u8]>,
    /// The object that answered, if one did.
    pub(super) key: Option<String>,
    /// What the function did, if there is one.
    pub(super) outcome: Option<Outcome>,
    /// What the function did that sees the answer, if there is one and it ran.
    pub(super) after: Option<Outcome>,
}

impl Answer {
    /// The header of this name, which is in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Whether the path belongs to the API. CloudFront matches behaviours on the path without dot segments
/// and doubled slashes, and hands the function and the origin the path as it was typed.
pub(super) fn is_api(path: &str) -> bool {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.first() == Some(&"api")
}

/// All distributions stand behind one address here: in this order each key is looked up, the site's own first.
pub(super) fn order(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let names = manifest.distributions.keys().map(String::as_str);
    let first = names.clone().filter(|name| *name == DEFAULT_DISTRIBUTION);
    first.chain(names.filter(|name| *name != DEFAULT_DISTRIBUTION))
}

/// The function that sees the answers, of the first distribution that has one.
pub(super) fn answerer(manifest: &Manifest) -> Option<&str> {
    order(manifest).find_map(|name| manifest.distributions.get(name)?.viewer_response.as_deref())
}

/// The function that decides, of the first distribution that has one.
pub(super) fn decider(manifest: &Manifest) -> Option<&str> {
    order(manifest).find_map(|name| manifest.distributions.get(name)?.viewer_request.as_deref())
}

impl Served {
    pub(super) fn manifest(&self) -> &Manifest {
        match &self.origin {
            Origin::Built(release) => &release.manifest,
            Origin::Published(published) => &published.1,
        }
    }

    /// The release of a build, which knows more than what is published of it.
    pub(super) fn built(&self) -> Option<&Release> {
        match &self.origin {
            Origin::Built(release) => Some(release),
            Origin::Published(_) => None,
        }
    }

    pub(super) async fn answer(&self, asked: &Asked) -> Answer {
        // A behaviour that only reads allows nothing else, and CloudFront says so with 403.
        if !matches!(asked.method.as_str(), "GET" | "HEAD") {
            return plain(403, "This distribution is configured to answer GET and HEAD only.");
        }
        let event = Event::viewer_request(&asked.method, &asked.path, asked.query.as_deref(), &asked.headers, &asked.ip);
        let (decision, outcome) = match &self.engine {
            None => (Decision::without_function(&asked.path), None),
            Some(engine) => {
                let Some(outcome) = engine.run(event.clone()).await else {
                    return plain(503, "The function's thread has ended. Start the preview again.");
                };
                (decision(&outcome), Some(outcome))
            }
        };
        // What the first function answers itself, and errors of the origin, no second function sees.
        let is_from_origin = matches!(decision, Decision::Key(_));
        let (distribution, mut answer) = match decision {
            Decision::Key(key) => match &self.origin {
                Origin::Built(release) => stored(release, &key),
                Origin::Published(published) => {
                    let path = cached_as(&key, &asked.path, outcome.as_ref());
                    published_at(&published.0, &published.1, &key, &path).await
                }
            },
            Decision::Response { status, headers, body } => {
                (None, Answer { status, headers, body: body.into(), key: None, outcome: None, after: None })
            }
            Decision::Failed { status, message } => (None, plain(status, &message)),
        };
        // Preview's pages name the release that they belong to: in another, the same object is another page.
        let is_html = answer.header("content-type").is_some_and(|value| value.starts_with("text/html"));
        for (_, tag) in answer.headers.iter_mut().filter(|(name, _)| is_html && name == "etag") {
            *tag = format!("W/{}-{}\"", tag.trim_start_matches("W/").trim_end_matches('"'), self.manifest().release);
        }
        if answer.status == 200 && answer.key.is_some() && is_known(&answer, asked) {
            answer = Answer { status: 304, body: Arc::from([]), ..answer };
        }
        if let Some(engine) = &self.response
            && is_from_origin
            && answer.status < 400
        {
            answer = seen(engine, &event, answer).await;
        }
        let manifest = self.manifest();
        let policy = distribution.or_else(|| order(manifest).next()).and_then(|name| manifest.distributions.get(name));
        for (name, value) in policy.map(|policy| policy.headers.for_path(&asked.path)).unwrap_or_default() {
            if !answer.headers.iter().any(|(known, _)| known == name) {
                answer.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        answer.outcome = outcome;
        answer
    }

    /// A source map, which lies beside a build and is never published.
    pub(super) fn source_map(&self, path: &str) -> Option<Arc<[u8]>> {
        let key = percent_encoding::percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
        self.built()?.source_maps.get(&Key::new(&*key)).cloned()
    }
}

/// The answer as the function leaves it that sees answers.
async fn seen(engine: &Engine, request: &Event, answer: Answer) -> Answer {
    let event = request.viewer_response(answer.status, reason(answer.status), &answer.headers);
    let Some(outcome) = engine.run(event).await else {
        return plain(503, "The function's thread has ended. Start the preview again.");
    };
    let answer = match decision(&outcome) {
        Decision::Response { status, headers, body } => {
            let has_body = outcome.response().is_some_and(|response| response.get("body").is_some());
            let body = if has_body { body.into() } else { answer.body };
            Answer { status, headers, body, ..answer }
        }
        Decision::Failed { status, message } => plain(status, &message),
        // A viewer-response function returns a response, or the run has failed.
        Decision::Key(_) => answer,
    };
    Answer { after: Some(outcome), ..answer }
}

fn reason(status: u16) -> &'static str {
    match status {
        304 => "Not Modified",
        _ => "OK",
    }
}

/// The answer of a build, and of which distribution it is.
fn stored<'a>(release: &'a Release, key: &str) -> (Option<&'a str>, Answer) {
    let find = |key: &str| {
        order(&release.manifest).find_map(|name| {
            let entry = release.manifest.distributions.get(name)?.objects.get(key)?;
            Some((name, object(release.object(name, key)?, entry)))
        })
    };
    if let Some((name, answer)) = find(key) {
        return (Some(name), answer);
    }
    // The site's own page for what is not there.
    match find("404.html") {
        Some((name, answer)) => (Some(name), Answer { status: 404, ..answer }),
        None => (None, plain(404, "There is nothing at this address, and the site has no `404.md`.")),
    }
}

fn object(object: &Object, entry: &ObjectEntry) -> Answer {
    let headers = vec![
        ("content-type".to_owned(), entry.content_type.clone()),
        ("cache-control".to_owned(), entry.cache_control.clone()),
        ("etag".to_owned(), format!("\"{}\"", object.digest.short())),
    ];
    Answer { status: 200, headers, body: Arc::clone(&object.bytes), key: Some(object.key.to_string()), outcome: None, after: None }
}

/// The path under which the edge caches what answers a request: the one that the function returned, letter for
/// letter. `/` and `/index.html` are one object, and two entries of a cache.
fn cached_as(key: &str, asked: &str, outcome: Option<&Outcome>) -> String {
    match outcome.and_then(Outcome::request) {
        Some(request) => request.get("uri").and_then(serde_json::Value::as_str).unwrap_or("/").to_owned(),
        None if asked == "/" => asked.to_owned(),
        None => Key::new(key).path(),
    }
}

/// The answer of a stage's edge, and of which distribution it is: the one whose release has the key. Where none
/// has, an edge may still hold what was there before.
async fn published_at<'a>(stage: &remote::Stage, manifest: &'a Manifest, key: &str, path: &str) -> (Option<&'a str>, Answer) {
    let has = |name: &str, key: &str| manifest.distributions.get(name).is_some_and(|known| known.objects.contains_key(key));
    let names: Vec<&str> = match order(manifest).find(|name| has(name, key)) {
        Some(name) => vec![name],
        None => order(manifest).collect(),
    };
    let mut missing = None;
    for name in names {
        let id = stage.distributions.get(name).map_or(name, |target| target.id.as_str());
        let fetched = match stage.cdn.fetch(id, None, path).await {
            Ok(fetched) => fetched,
            Err(failure) => return (Some(name), plain(504, &format!("The stage gave no answer: {failure}\n"))),
        };
        let is_found = fetched.status == 200;
        let answered = if is_found { Some(key) } else { Some("404.html").filter(|key| has(name, key)) };
        let headers = fetched.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
        let (body, key) = (fetched.body.into(), answered.map(str::to_owned));
        let answer = Answer { status: fetched.status, headers, body, key, outcome: None, after: None };
        if is_found {
            return (Some(name), answer);
        }
        missing.get_or_insert((Some(name), answer));
    }
    missing.unwrap_or_else(|| (None, plain(404, "Nothing is published under this address.")))
}

/// Whether whoever asks has these very bytes.
fn is_known(answer: &Answer, asked: &Asked) -> bool {
    let Some(tag) = answer.header("etag") else { return false };
    let named = asked.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"));
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    named.flat_map(|(_, value)| value.split(',')).any(|known| strong(known) == strong(tag) || known.trim() == "*")
}

fn plain(status: u16, text: &str) -> Answer {
    let headers = vec![
        ("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ];
    Answer { status, headers, body: text.as_bytes().into(), key: None, outcome: None, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{self, Class, headers::Policy};
    use std::collections::BTreeMap;

    #[test]
    fn behaviours_are_matched_on_the_normalised_path() {
        for path in ["/api", "/api/v1/jobs", "//api/x", "/x/../api/x", "/./api"] {
            assert!(is_api(path), "{path}");
        }
        for path in ["/", "/apis", "/x/api", "/API/x", "/api/../x", "/%61pi"] {
            assert!(!is_api(path), "{path}");
        }
    }

    #[test]
    fn every_distribution_is_served_and_the_site_comes_first() {
        let object = |key: &str, text: &str| Object::new(Key::new(key), text.as_bytes(), Class::Page);
        let objects = BTreeMap::from([
            ("dashboard".to_owned(), vec![object("index.html", "board"), object("dashboard/index.html", "board")]),
            ("site".to_owned(), vec![object("index.html", "home"), object("404.html", "nothing")]),
        ]);
        let mut release = release::assemble(objects, Vec::new(), &BTreeMap::new(), Policy::default(), BTreeMap::new());
        for (name, distribution) in &mut release.manifest.distributions {
            distribution.headers.all.insert("x-from".to_owned(), name.clone());
        }
        let served = Served { origin: Origin::Built(release), engine: None, response: None };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let ask = |path: &str| {
            let (method, path) = ("GET".to_owned(), path.to_owned());
            let asked = Asked { method, path, query: None, headers: Vec::new(), ip: "127.0.0.1".to_owned() };
            let answer = runtime.block_on(served.answer(&asked));
            let from = answer.header("x-from").unwrap_or_default().to_owned();
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned(), from)
        };
        assert_eq!(ask("/"), (200, "home".to_owned(), "site".to_owned()));
        assert_eq!(ask("/dashboard/"), (200, "board".to_owned(), "dashboard".to_owned()));
        assert_eq!(ask("/nope"), (404, "nothing".to_owned(), "site".to_owned()));
    }
}

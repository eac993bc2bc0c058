//! From a request to what the distribution would answer.

use super::engine::Engine;
use crate::build::{Decision, decision};
use crate::edge::{Event, Outcome};
use crate::release::{DEFAULT_DISTRIBUTION, Key, Object, ObjectEntry, Release};
use std::sync::Arc;

/// A release being served.
pub(super) struct Served {
    pub(super) release: Release,
    pub(super) engine: Option<Engine>,
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

/// What answered, for the inspector, and the answer itself.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Arc<[u8]>,
    /// The object that answered, if one did.
    pub(super) key: Option<String>,
    /// What the function did, if there is one.
    pub(super) outcome: Option<Outcome>,
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

impl Served {
    pub(super) async fn answer(&self, asked: &Asked) -> Answer {
        // A behaviour that only reads allows nothing else, and CloudFront says so with 403.
        if !matches!(asked.method.as_str(), "GET" | "HEAD") {
            return plain(403, "This distribution is configured to answer GET and HEAD only.");
        }
        let Some(engine) = &self.engine else {
            return self.object(&Decision::without_function(&asked.path), asked, None);
        };
        let event = Event::viewer_request(&asked.method, &asked.path, asked.query.as_deref(), &asked.headers, &asked.ip);
        let Some(outcome) = engine.run(event.clone()).await else {
            return plain(503, "The function's thread has ended. Save a file to build again.");
        };
        let decision = decision(&outcome);
        self.object(&decision, asked, Some(outcome))
    }

    fn object(&self, decision: &Decision, asked: &Asked, outcome: Option<Outcome>) -> Answer {
        let mut answer = match decision {
            Decision::Key(key) => match self.find(key) {
                Some((object, entry)) => found(object, entry, asked),
                None => self.missing(),
            },
            Decision::Response { status, headers, body } => {
                Answer { status: *status, headers: headers.clone(), body: body.clone().into(), key: None, outcome: None }
            }
            Decision::Failed { status, message } => plain(*status, message),
        };
        let policy = self.release.manifest.distributions.get(DEFAULT_DISTRIBUTION).map(|site| site.headers.for_path(&asked.path));
        for (name, value) in policy.unwrap_or_default() {
            if !answer.headers.iter().any(|(known, _)| known == name) {
                answer.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        answer.outcome = outcome;
        answer
    }

    fn find(&self, key: &str) -> Option<(&Object, &ObjectEntry)> {
        let object = self.release.object(DEFAULT_DISTRIBUTION, key)?;
        Some((object, self.release.manifest.distributions.get(DEFAULT_DISTRIBUTION)?.objects.get(key)?))
    }

    /// The site's own page for what is not there.
    fn missing(&self) -> Answer {
        match self.find("404.html") {
            Some((object, entry)) => Answer { status: 404, ..stored(object, entry) },
            None => plain(404, "There is nothing at this address, and the site has no `404.md`."),
        }
    }

    /// A source map, which lies beside the release and is never published.
    pub(super) fn source_map(&self, path: &str) -> Option<Arc<[u8]>> {
        let key = percent_encoding::percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
        self.release.source_maps.get(&Key::new(&*key)).cloned()
    }
}

fn found(object: &Object, entry: &ObjectEntry, asked: &Asked) -> Answer {
    let answer = stored(object, entry);
    let tag = etag(object);
    let fresh = asked
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match"))
        .flat_map(|(_, value)| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag || known.trim() == "*");
    if fresh { Answer { status: 304, body: Arc::from([]), ..answer } } else { answer }
}

fn stored(object: &Object, entry: &ObjectEntry) -> Answer {
    let headers = vec![
        ("content-type".to_owned(), entry.content_type.clone()),
        ("cache-control".to_owned(), entry.cache_control.clone()),
        ("etag".to_owned(), etag(object)),
    ];
    Answer { status: 200, headers, body: Arc::clone(&object.bytes), key: Some(object.key.to_string()), outcome: None }
}

fn etag(object: &Object) -> String {
    format!("\"{}\"", object.digest.short())
}

fn plain(status: u16, text: &str) -> Answer {
    let headers = vec![
        ("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ];
    Answer { status, headers, body: text.as_bytes().into(), key: None, outcome: None }
}

#[cfg(test)]
mod tests {
    use super::is_api;

    #[test]
    fn behaviours_are_matched_on_the_normalised_path() {
        for path in ["/api", "/api/v1/jobs", "//api/x", "/x/../api/x", "/./api"] {
            assert!(is_api(path), "{path}");
        }
        for path in ["/", "/apis", "/x/api", "/API/x", "/api/../x", "/%61pi"] {
            assert!(!is_api(path), "{path}");
        }
    }
}

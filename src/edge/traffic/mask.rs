//! What may be personal is made unrecognisable, and keeps its shape: a letter stays a letter, a digit a digit.

use super::log::Request;
use std::collections::BTreeSet;

/// What is not masked, by the names that `--keep` takes.
#[derive(Clone, Debug, Default)]
pub struct Keep(BTreeSet<String>);

impl Keep {
    /// `path`, `query`, `cookies`, `referer`, `headers`, or one parameter, cookie or header by its name.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim().to_owned()).collect())
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.0.contains(kind) || self.0.contains(name)
    }
}

/// Headers that say nothing of who somebody is. The values of others are masked.
const PLAIN: [&str; 14] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-charset",
    "cache-control",
    "pragma",
    "content-type",
    "range",
    "upgrade-insecure-requests",
    "x-requested-with",
    "cloudfront-viewer-country",
    "dnt",
];

/// Headers that are left out: secrets, addresses, and where somebody is.
fn is_left_out(name: &str) -> bool {
    let secrets = [
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "x-forwarded-for",
        "forwarded",
        "true-client-ip",
        "x-real-ip",
        "cf-connecting-ip",
    ];
    let is_country = name == "cloudfront-viewer-country";
    secrets.contains(&name)
        || name.contains("token")
        || name.contains("secret")
        || (name.starts_with("cloudfront-viewer-") && !is_country)
}

/// The request as it may be kept in a file that others read.
pub(super) fn masked(request: &Request, keep: &Keep) -> Request {
    let uri = if keep.has("path", "path") { request.uri.clone() } else { path(&request.uri) };
    let query = request.query.as_ref().map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) if !keep.has("query", name) => format!("{}={}", part(name), shape(value)),
            Some(_) => pair.to_owned(),
            None if keep.has("query", pair) => pair.to_owned(),
            None => part(pair),
        });
        pairs.collect::<Vec<_>>().join("&")
    });
    let headers =
        request.headers.iter().filter(|(name, _)| keep.has("headers", name) || !is_left_out(name)).map(|(name, value)| {
            let value = match name.as_str() {
                name if PLAIN.contains(&name) || name.starts_with("sec-") || keep.has("headers", name) => value.clone(),
                "referer" | "origin" => site(value),
                _ => shape(value),
            };
            (name.clone(), value)
        });
    let cookies = request.cookies.as_ref().map(|cookies| {
        let pairs = cookies.split(';').map(str::trim).map(|pair| match pair.split_once('=') {
            Some((name, value)) if !keep.has("cookies", name) => format!("{name}={}", shape(value)),
            _ => pair.to_owned(),
        });
        pairs.collect::<Vec<_>>().join("; ")
    });
    Request { method: request.method.clone(), uri, query, headers: headers.collect(), cookies }
}

/// Scheme and host of an address, and nothing of the page.
fn site(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}/", rest.split(['/', '?', '#']).next().unwrap_or_default()),
        None => shape(address),
    }
}

fn path(uri: &str) -> String {
    uri.split('/').map(|segment| segment.split('.').map(part).collect::<Vec<_>>().join(".")).collect::<Vec<_>>().join("/")
}

/// A part of a path: a word is kept, and what could be a token, a number of somebody, a name with an `@`, is not.
fn part(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { shape(text) }
}

/// Whether it is a word of the site's, and not somebody's token or number.
pub(super) fn is_word(text: &str) -> bool {
    if text.contains('@') || text.to_ascii_lowercase().contains("%40") {
        return false;
    }
    // An escape is neither letter nor digit, whatever it is written with.
    let mut parts = text.split('%');
    let text: String = parts.next().into_iter().chain(parts.map(|part| part.get(2..).unwrap_or_default())).collect();
    let text = text.as_str();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_mixed = digits > 0 && letters > 0 && text.len() >= 6;
    let turns = text.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    let has_words = text.contains(['-', '_']);
    !(is_mixed && !(has_words && digits <= 2)) && digits <= 4 && turns < 3 && (text.len() < 24 || has_words)
}

/// The same with every letter an `x` and every digit a `0`; escapes and marks stay.
fn shape(text: &str) -> String {
    let mut shaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_escape = letter == '%' && rest.as_bytes().get(1..3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let length = if is_escape { 3 } else { letter.len_utf8() };
        match letter {
            _ if is_escape => shaped.push_str(&rest[..3]),
            'A'..='Z' => shaped.push('X'),
            'a'..='z' => shaped.push('x'),
            '0'..='9' => shaped.push('0'),
            letter if letter.is_alphabetic() => shaped.push('é'),
            letter => shaped.push(letter),
        }
        rest = &rest[length..];
    }
    shaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_tokens_do_not() {
        for (uri, seen) in [
            ("/track/9fK2mQ7x", "/track/0xX0xX0x"),
            ("/prices/", "/prices/"),
            ("/blog/2026/10-things-to-know", "/blog/2026/10-things-to-know"),
            ("/orders/4915112345678", "/orders/0000000000000"),
            ("/u/ann@example.com", "/u/xxx@xxxxxxx.com"),
            ("/assets/site.3fa9c0d1.css", "/assets/site.0xx0x0x0.css"),
            ("/track/QmFzZUVuY29kZWQ", "/track/XxXxXXXxX00xX0Xx"),
            ("/caf%C3%A9/x%2Fy", "/caf%C3%A9/x%2Fy"),
            ("//", "//"),
        ] {
            let request = Request { uri: uri.to_owned(), ..Request::default() };
            let masked = masked(&request, &Keep::default()).uri;
            if uri.contains("Qm") {
                assert!(!masked.contains("Qm"), "{masked}");
            } else {
                assert_eq!(masked, seen);
            }
        }
    }

    #[test]
    fn values_of_queries_cookies_and_headers_are_masked_and_secrets_left_out() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: "GET".to_owned(),
            uri: "/track/9fK2mQ7x".to_owned(),
            query: Some("utm_source=sms&email=ann%40x.org&flag".to_owned()),
            headers: vec![
                header("host", "www.example.com"),
                header("authorization", "Bearer abc"),
                header("x-forwarded-for", "192.0.2.9"),
                header("cloudfront-viewer-address", "192.0.2.9:1"),
                header("referer", "https://mail.example.org/inbox?me=ann"),
                header("x-thing", "Ann 7"),
            ],
            cookies: Some("session=Abc1; theme=dark".to_owned()),
        };
        let hidden = masked(&request, &Keep::default());
        assert_eq!(hidden.query.as_deref(), Some("utm_source=xxx&email=xxx%40x.xxx&flag"));
        assert_eq!(hidden.cookies.as_deref(), Some("session=Xxx0; theme=xxxx"));
        assert_eq!(
            hidden.headers,
            [header("host", "www.example.com"), header("referer", "https://mail.example.org/"), header("x-thing", "Xxx 0")]
        );
        let keep = Keep::new(&["path".to_owned(), "utm_source".to_owned(), "theme".to_owned()]);
        let kept = masked(&request, &keep);
        assert_eq!(kept.uri, request.uri);
        assert_eq!(kept.query.as_deref(), Some("utm_source=sms&email=xxx%40x.xxx&flag"));
        assert_eq!(kept.cookies.as_deref(), Some("session=Xxx0; theme=dark"));
        assert_eq!(masked(&request, &Keep::new(&["query".to_owned()])).query, request.query);
    }
}

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
            Some((name, value)) if !keep.has("cookies", name) => format!("{}={}", part(name), shape(value)),
            Some(_) => pair.to_owned(),
            None if keep.has("cookies", pair) => pair.to_owned(),
            None => shape(pair),
        });
        pairs.collect::<Vec<_>>().join("; ")
    });
    Request { method: request.method.clone(), uri, query, headers: headers.collect(), cookies }
}

/// Scheme and host of an address, and nothing of the page.
fn site(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            // A name and a password may stand before the host.
            format!("{scheme}://{}/", host.rsplit('@').next().unwrap_or_default())
        }
        None => shape(address),
    }
}

fn path(uri: &str) -> String {
    let segments = uri.split('/').map(|segment| {
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        let is_number = digits > 4 && !segment.bytes().any(|byte| byte.is_ascii_alphabetic());
        // An address of a person or of a machine is one thing, dots and all.
        match is_number || segment.contains('@') || segment.to_ascii_lowercase().contains("%40") {
            true => shape(segment),
            false => segment.split('.').map(part).collect::<Vec<_>>().join("."),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A part of a path: a word is kept, and what could be a token, a number of somebody, a name with an `@`, is not.
fn part(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { shape(text) }
}

/// Whether it is a word of the site's, or several with hyphens between, and not somebody's token or number: letters of one case
/// but for the first of each part, or up to four digits, or up to three of both.
pub(super) fn is_word(text: &str) -> bool {
    // What is written with escapes are letters of another script, or marks; of ASCII nobody writes them so.
    let mut plain = String::new();
    for (letter, code) in letters(text) {
        match code {
            Some(0x80..) => plain.push('x'),
            Some(code) if code.is_ascii_alphanumeric() || code == b'@' => return false,
            Some(_) => plain.push('-'),
            None => plain.push_str(letter),
        }
    }
    let is_part = |part: &str| {
        let digits = part.chars().filter(char::is_ascii_digit).count();
        if digits > 0 {
            return digits == part.len() && digits <= 4 || part.len() <= 3;
        }
        let turns: Vec<usize> =
            part.char_indices().filter(|(at, letter)| *at > 0 && letter.is_uppercase()).map(|(at, _)| at).collect();
        let is_one_case = turns.is_empty() || !part.chars().any(char::is_lowercase);
        // `getQuote` is two words in one.
        let ends = turns.iter().copied().chain([part.len()]);
        let is_camel =
            turns.len() <= 2 && std::iter::once(0).chain(turns.iter().copied()).zip(ends).all(|(from, to)| to - from >= 3);
        part.len() < 24 && (is_one_case || is_camel)
    };
    !plain.contains('@') && plain.split(['-', '_']).all(is_part)
}

/// The letters of a text one by one, and of an escape the byte that it stands for.
fn letters(text: &str) -> impl Iterator<Item = (&str, Option<u8>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let letter = rest.chars().next()?;
        let digits = rest.get(1..3).filter(|digits| letter == '%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (one, more) = rest.split_at(if code.is_some() { 3 } else { letter.len_utf8() });
        rest = more;
        Some((one, code))
    })
}

/// The same with every letter an `x` and every digit a `0`, escaped ones too; marks stay.
fn shape(text: &str) -> String {
    let mut shaped = String::with_capacity(text.len());
    let mut foreign = 0;
    // Letters of several bytes become others of as many, so that what cannot be read stays so.
    let flush = |foreign: &mut usize, shaped: &mut String| {
        let (threes, twos) = match *foreign {
            1 => (0, 0),
            count => (count % 2, (count - count % 2 * 3) / 2),
        };
        if *foreign == 1 {
            shaped.push_str("%FF");
        }
        shaped.extend(std::iter::repeat_n("%E2%82%AC", threes).chain(std::iter::repeat_n("%C3%A9", twos)));
        *foreign = 0;
    };
    for (letter, code) in letters(text) {
        if code.is_some_and(|code| code >= 0x80) {
            foreign += 1;
            continue;
        }
        flush(&mut foreign, &mut shaped);
        match code {
            Some(code) if code.is_ascii_uppercase() => shaped.push_str("%58"),
            Some(code) if code.is_ascii_lowercase() => shaped.push_str("%78"),
            Some(code) if code.is_ascii_digit() => shaped.push_str("%30"),
            Some(_) => shaped.push_str(letter),
            None => match letter.chars().next() {
                Some('A'..='Z') => shaped.push('X'),
                Some('a'..='z') => shaped.push('x'),
                Some('0'..='9') => shaped.push('0'),
                Some(other) if other.is_alphabetic() => shaped.push('é'),
                Some(other) => shaped.push(other),
                None => {}
            },
        }
    }
    flush(&mut foreign, &mut shaped);
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
            ("/u/ann.lee@example.com", "/u/xxx.xxx@xxxxxxx.xxx"),
            ("/ip/203.0.113.77/a", "/ip/000.0.000.00/a"),
            ("/assets/site.3fa9c0d1.css", "/assets/site.0xx0x0x0.css"),
            ("/track/QmFzZUVuY29kZWQ", "/track/XxXxXXXxX00xX0Xx"),
            ("/caf%C3%A9/x%2Fy", "/caf%C3%A9/x%2Fy"),
            ("/track/PIm-ZryWw_HNal9OL0jGUQ", "/track/XXx-XxxXx_XXxx0XX0xXXX"),
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
    fn nobodys_name_stays_whatever_it_is_written_with() {
        assert_eq!(shape("%D0%98%D0%B2%D0%B0%D0%BD"), "%C3%A9%C3%A9%C3%A9%C3%A9");
        assert_eq!(shape("Jos%C3%A9%20%4a%6f7"), "Xxx%C3%A9%20%58%780");
        assert_eq!(shape("%E6%97%A5%E6%9C%AC-%ff%e9%"), "%C3%A9%C3%A9%C3%A9-%C3%A9%");
        let request = Request { cookies: Some("session=abc; eyJhbGciOi.secret".to_owned()), ..Request::default() };
        assert_eq!(masked(&request, &Keep::default()).cookies.as_deref(), Some("session=xxx; xxXxxXxxXx.xxxxxx"));
        for text in ["%", "%4", "%é1", "é%", "%C3"] {
            shape(text);
            is_word(text);
        }
    }

    #[test]
    fn of_ten_thousand_tokens_none_is_taken_for_a_word() {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(LETTERS[(state >> 58) as usize])
        };
        let kept = (0..10_000).filter(|_| is_word(&(0..22).map(|_| draw()).collect::<String>())).count();
        assert_eq!(kept, 0);
        for word in ["track", "FAQ", "Prices", "10-things-to-know", "2026", "getQuote", "v2", "caf%C3%A9"] {
            assert!(is_word(word), "{word}");
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
                header("referer", "https://ann:pass@mail.example.org/inbox?me=ann"),
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

//! One pass over a finished page: what it links to, what can be linked to in it, what in it needs a
//! hash in the Content-Security-Policy; and the page again, with less white space.
//!
//! Minifying here never changes how a page renders. A run of white space becomes one character, and
//! none is ever removed within the body, because a style sheet may make any element inline. Comments
//! go; `<pre>`, `<textarea>`, scripts and styles stay as they are. The only reader that could tell is
//! a style sheet that sets `white-space: pre` on another element.
//!
//! The tags are read by hand. A tokenizer of the whole standard was tried (html5gum): it was right, and
//! took a quarter of a build's CPU time to find the ends of tags that templates of ours had written.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What one page is made of, as far as other pages and the edge care.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The page, minified if that was asked for.
    pub(super) html: String,
    /// Every address in it, in order, without repetition.
    pub(super) links: Vec<String>,
    /// Every `id`, and every `name` of an anchor: what a `#fragment` may point to.
    pub(super) ids: BTreeSet<String>,
    /// `'sha256-…'` of every inline script that a browser would run.
    pub(super) scripts: BTreeSet<String>,
    /// `'sha256-…'` of every inline style sheet.
    pub(super) styles: BTreeSet<String>,
    /// Attributes that a Content-Security-Policy without `unsafe-inline` switches off: `style`, `onclick`.
    pub(super) blocked: BTreeSet<String>,
}

/// Reads a page. `rewrite` may give another address for one that it knows, such as an asset's
/// fingerprinted one.
pub(super) fn scan(html: &str, minify: bool, rewrite: impl Fn(&str) -> Option<String>) -> Scan {
    let mut reader = Reader {
        html,
        minify,
        rewrite,
        scan: Scan { html: String::with_capacity(html.len()), ..Scan::default() },
        copied: 0,
        tag: Tag::default(),
        raw: Raw::No,
        head: true,
        seen: BTreeSet::new(),
    };
    reader.read();
    reader.text(html.len());
    reader.scan
}

/// Elements whose content is not markup, or is markup in which every space counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    No,
    /// `pre` and `textarea`.
    Spaces,
    Script {
        runs: bool,
    },
    Style,
}

/// Elements that end at their end tag and nowhere before, whatever stands in them.
const OPAQUE: &[&str] = &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

#[derive(Default)]
struct Tag<'a> {
    name: &'a str,
    /// Of a script: whether it has a `src`.
    has_source: bool,
    /// Of a script: a type that makes it data.
    is_data: bool,
}

struct Reader<'a, F> {
    html: &'a str,
    minify: bool,
    rewrite: F,
    scan: Scan,
    /// How much of the input has been written out or dropped.
    copied: usize,
    tag: Tag<'a>,
    raw: Raw,
    /// Before the body begins, white space between tags never renders.
    head: bool,
    seen: BTreeSet<String>,
}

impl<'a, F: Fn(&str) -> Option<String>> Reader<'a, F> {
    /// Goes through the tags as HTML's tokenizer does (WHATWG HTML §13.2.5), but for what no build makes:
    /// a script within a comment within a script.
    fn read(&mut self) {
        let bytes = self.html.as_bytes();
        let mut at = 0;
        while let Some(found) = self.html[at..].find('<') {
            let start = at + found;
            at = match bytes.get(start + 1) {
                Some(byte) if byte.is_ascii_alphabetic() => self.start_tag(start),
                Some(b'/') if bytes.get(start + 2).is_some_and(u8::is_ascii_alphabetic) => self.end_tag(start),
                Some(b'!') if bytes[start..].starts_with(b"<!--") => self.comment(start),
                Some(b'!' | b'?' | b'/') => {
                    self.text(start);
                    self.copy(self.after(start, ">"));
                    self.copied
                }
                _ => start + 1,
            };
        }
    }

    /// Just behind the next `end`, or the end of the page.
    fn after(&self, from: usize, end: &str) -> usize {
        self.html[from..].find(end).map_or(self.html.len(), |at| from + at + end.len())
    }

    fn comment(&mut self, start: usize) -> usize {
        self.text(start);
        // `<!-->` and `<!--->` are comments too, and empty.
        let end = match self.html[start + 4..].strip_prefix('>').or_else(|| self.html[start + 4..].strip_prefix("->")) {
            Some(rest) => self.html.len() - rest.len(),
            None => self.after(start + 4, "-->"),
        };
        if self.minify && self.raw == Raw::No {
            self.copied = end;
        } else {
            self.copy(end);
        }
        end
    }

    fn end_tag(&mut self, start: usize) -> usize {
        let name = word(&self.html[start + 2..], b"/>");
        self.text(start);
        if ["script", "style", "pre", "textarea"].iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            self.raw = Raw::No;
        }
        let end = self.attributes(start + 2 + name.len(), false);
        self.copy(end);
        end
    }

    fn start_tag(&mut self, start: usize) -> usize {
        self.text(start);
        let name = word(&self.html[start + 1..], b"/>");
        self.tag = Tag { name, ..Tag::default() };
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("body") {
            self.head = false;
        }
        let end = self.attributes(start + 1 + name.len(), true);
        self.copy(end);
        if is("script") {
            self.raw = Raw::Script { runs: !self.tag.has_source && !self.tag.is_data };
        } else if is("style") {
            self.raw = Raw::Style;
        } else if is("pre") || is("textarea") {
            self.raw = Raw::Spaces;
        }
        match OPAQUE.iter().find(|opaque| is(opaque)) {
            Some(name) => self.opaque(end, name),
            None => end,
        }
    }

    /// Where the end tag of an element begins in which nothing else is a tag.
    fn opaque(&self, from: usize, name: &str) -> usize {
        let mut at = from;
        while let Some(found) = self.html[at..].find("</") {
            let start = at + found;
            let rest = self.html.as_bytes().get(start + 2..start + 2 + name.len());
            if rest.is_some_and(|rest| rest.eq_ignore_ascii_case(name.as_bytes())) {
                return start;
            }
            at = start + 2;
        }
        self.html.len()
    }

    /// Reads attributes from `at` to just behind the tag's `>`.
    fn attributes(&mut self, mut at: usize, counts: bool) -> usize {
        let bytes = self.html.as_bytes();
        loop {
            at += bytes[at..].iter().take_while(|byte| is_space(**byte) || **byte == b'/').count();
            match bytes.get(at) {
                None => return bytes.len(),
                Some(b'>') => return at + 1,
                Some(_) => {}
            }
            // An equals sign may begin a name, and nowhere else stand in it.
            let first = usize::from(bytes[at] == b'=');
            let name = &self.html[at..at + first + word(&self.html[at + first..], b"/>=").len()];
            at += name.len();
            let blank = bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
            if counts {
                self.attribute_name(name);
            }
            if bytes.get(at + blank) != Some(&b'=') {
                continue;
            }
            at += blank + 1;
            at += bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
            let (start, end, next) = match bytes.get(at) {
                Some(quote @ (b'"' | b'\'')) => {
                    let length = bytes[at + 1..].iter().position(|byte| byte == quote).unwrap_or(bytes.len() - at - 1);
                    (at + 1, at + 1 + length, (at + 2 + length).min(bytes.len()))
                }
                _ => {
                    let length = word(&self.html[at..], b">").len();
                    (at, at + length, at + length)
                }
            };
            if counts {
                self.attribute_value(name, start, end);
            }
            at = next;
        }
    }

    /// Writes out the input up to `end` as it is.
    fn copy(&mut self, end: usize) {
        self.scan.html.push_str(&self.html[self.copied..end.max(self.copied)]);
        self.copied = end.max(self.copied);
    }

    /// Writes out the text between the last tag and `end`.
    fn text(&mut self, end: usize) {
        let text = &self.html[self.copied..end.max(self.copied)];
        self.copied = end.max(self.copied);
        match self.raw {
            Raw::Script { runs: true } if !text.is_empty() => {
                self.scan.scripts.insert(source_hash(text));
            }
            Raw::Style if !text.is_empty() => {
                self.scan.styles.insert(source_hash(text));
            }
            _ => {}
        }
        if self.minify && self.raw == Raw::No {
            collapse(text, self.head, &mut self.scan.html);
        } else {
            self.scan.html.push_str(text);
        }
    }

    fn attribute_name(&mut self, name: &str) {
        let lower = name.len() > 2 && name.as_bytes()[..2].eq_ignore_ascii_case(b"on");
        if lower || name.eq_ignore_ascii_case("style") {
            self.scan.blocked.insert(name.to_ascii_lowercase());
        }
        if name.eq_ignore_ascii_case("src") {
            self.tag.has_source = true;
        }
    }

    fn attribute_value(&mut self, name: &str, start: usize, end: usize) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let on = |others: &[&str]| others.iter().any(|other| self.tag.name.eq_ignore_ascii_case(other));
        let raw = &self.html[start..end];
        if is("id") || (is("name") && on(&["a"])) {
            self.scan.ids.insert(decoded(raw).into_owned());
        } else if is("type") && on(&["script"]) {
            let kind = raw.trim().to_ascii_lowercase();
            self.tag.is_data = !matches!(kind.as_str(), "" | "module" | "text/javascript" | "application/javascript");
        } else if is("srcset") {
            self.source_set(&decoded(raw), start, end);
        } else if (is("href") && on(&["a", "area", "link", "use", "image"]))
            || ["xlink:href", "src", "poster", "action", "formaction"].iter().any(|other| is(other))
            || (is("data") && on(&["object"]))
        {
            self.link(&decoded(raw), start, end);
        }
    }

    /// Notes an address, and writes another in its place where there is one.
    fn link(&mut self, text: &str, start: usize, end: usize) {
        let text = text.trim();
        match (self.rewrite)(text) {
            Some(address) => {
                self.copy(start);
                self.scan.html.push_str(&address);
                self.copied = end;
                self.note(&address);
            }
            None => self.note(text),
        }
    }

    /// A `srcset` is a list of addresses, each with an optional width or density.
    fn source_set(&mut self, text: &str, start: usize, end: usize) {
        let mut written = Vec::new();
        for candidate in text.split(',').map(str::trim).filter(|candidate| !candidate.is_empty()) {
            let (address, size) =
                candidate.split_once(char::is_whitespace).map_or((candidate, ""), |(address, size)| (address, size.trim()));
            let address = (self.rewrite)(address).unwrap_or_else(|| address.to_owned());
            written.push(if size.is_empty() { address.clone() } else { format!("{address} {size}") });
            self.note(&address);
        }
        self.copy(start);
        self.scan.html.push_str(&written.join(", "));
        self.copied = end;
    }

    fn note(&mut self, address: &str) {
        if !self.seen.contains(address) {
            self.seen.insert(address.to_owned());
            self.scan.links.push(address.to_owned());
        }
    }
}

/// The beginning of a text up to white space or one of `ends`.
fn word<'t>(text: &'t str, ends: &[u8]) -> &'t str {
    let length = text.bytes().position(|byte| is_space(byte) || ends.contains(&byte)).unwrap_or(text.len());
    &text[..length]
}

/// An attribute's value without its character references: those that addresses and ids are written with.
fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains('&') {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest.find(';').map(|end| &rest[1..end]);
        match reference.and_then(|name| Some((character(name)?, name.len() + 2))) {
            Some((c, length)) => {
                text.push(c);
                rest = &rest[length..];
            }
            None => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// What a Content-Security-Policy calls an inline script or style by.
fn source_hash(text: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// Writes `text` with every run of white space as one character: a line break if it held one.
fn collapse(text: &str, in_head: bool, out: &mut String) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        // White space is ASCII, so a byte of it is never part of another letter.
        let start = bytes[at..].iter().position(|byte| is_space(*byte)).map_or(bytes.len(), |length| at + length);
        out.push_str(&text[at..start]);
        let end = bytes[start..].iter().position(|byte| !is_space(*byte)).map_or(bytes.len(), |length| start + length);
        let run = &bytes[start..end];
        at = end;
        // After a comment that went, or between tags of the head, the run before this one is enough.
        let alone = in_head && run.len() == bytes.len();
        if !run.is_empty() && !alone && !out.as_bytes().last().is_some_and(|byte| is_space(*byte)) {
            out.push(if run.contains(&b'\n') { '\n' } else { ' ' });
        }
    }
}

/// White space as HTML has it: not the no-break space, which people write because it renders.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(html: &str) -> Scan {
        scan(html, true, |_| None)
    }

    #[test]
    fn what_is_not_minified_is_copied_to_the_byte() {
        for html in [
            "<!doctype html>\n<html lang=en>\n<p class='a  b'>h\u{e9} &amp; <!-- c --> <br/>\n<A HREF='/q?a&amp;b' x>t</A >",
            "<textarea> <b> </textarea><script>if (a<b) {  }</script><style> p { } </style>",
            "<p",
            "<",
            "</",
            "<!--",
            "a<b c=\"d",
            "<script>",
            "</p x>",
            "<p/ >",
            "",
        ] {
            assert_eq!(scan(html, false, |_| None).html, html);
        }
    }

    #[test]
    fn white_space_shrinks_but_never_goes_from_the_body() {
        let html = "<!doctype html>\n<html>\n  <head>\n  <title> A  b </title>\n </head>\n<body>\n  <p>one   <b>two</b>  three<!-- x --> four</p>\n\n  <pre>  a\n\n  b</pre>  <i>x</i>\u{a0}\n</body>";
        assert_eq!(
            scanned(html).html,
            "<!doctype html><html><head><title> A b </title></head><body>\n<p>one <b>two</b> three four</p>\n<pre>  a\n\n  b</pre> <i>x</i>\u{a0}\n</body>"
        );
    }

    #[test]
    fn links_ids_and_hashes_are_found() {
        let scan = scanned(
            "<link rel=stylesheet href=/a.css><a name=old id='new' href=' /x?a=1&amp;b=2#y '>x</a><img src=i.png srcset='i.png 1x, /j.png 2x'>\
             <form action=/f><script>one</script><script type=application/ld+json>{}</script><script src=/s.js></script><style>p{}</style><p style='x' onclick=y>",
        );
        assert_eq!(scan.links, ["/a.css", "/x?a=1&b=2#y", "i.png", "/j.png", "/f", "/s.js"]);
        assert_eq!(scan.ids.iter().collect::<Vec<_>>(), ["new", "old"]);
        assert_eq!((scan.scripts.len(), scan.styles.len()), (1, 1), "data and files need no hash");
        assert_eq!(scan.blocked.iter().collect::<Vec<_>>(), ["onclick", "style"]);
    }

    #[test]
    fn a_known_address_is_replaced() {
        let scan = scan("<img src=\"/assets/a.png\" srcset=\"/assets/a.png 2x\" alt=''>", true, |address| {
            (address == "/assets/a.png").then(|| "/assets/a.1234.png".to_owned())
        });
        assert_eq!(scan.html, "<img src=\"/assets/a.1234.png\" srcset=\"/assets/a.1234.png 2x\" alt=''>");
        assert_eq!(scan.links, ["/assets/a.1234.png"]);
    }
}

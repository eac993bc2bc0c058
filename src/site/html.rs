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
use memchr::memchr;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What one page is made of, as far as other pages and the edge care.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Every address in it, in order.
    pub(super) links: Texts,
    /// Every `id`, and every `name` of an anchor, in order: what a `#fragment` may point to.
    pub(super) ids: Texts,
    /// `'sha256-…'` of every inline script that a browser would run.
    pub(super) scripts: BTreeSet<String>,
    /// `'sha256-…'` of every inline style sheet.
    pub(super) styles: BTreeSet<String>,
    /// Attributes that a Content-Security-Policy without `unsafe-inline` switches off: `style`, `onclick`.
    pub(super) blocked: BTreeSet<String>,
}

/// Many short texts in one allocation: a large site has hundreds of thousands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
    }

    fn shrink(&mut self) {
        self.all.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.all[start..*end])
    }
}

/// Reads a page, and writes it to `out`, minified if that is asked for. `rewrite` may give another
/// address for one that it knows, such as an asset's fingerprinted one.
pub(super) fn scan(html: &str, minify: bool, rewrite: impl Fn(&str) -> Option<String>, out: &mut String) -> Scan {
    let mut reader =
        Reader { html, minify, rewrite, scan: Scan::default(), out, copied: 0, tag: Tag::default(), raw: Raw::No, head: true };
    reader.read();
    reader.scan.links.shrink();
    reader.scan.ids.shrink();
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
    out: &'a mut String,
    /// How much of the input has been written out or dropped. What is kept as it is waits until
    /// something is not, so that most of a page is written in a few long pieces.
    copied: usize,
    tag: Tag<'a>,
    raw: Raw,
    /// Before the body begins, white space between tags never renders.
    head: bool,
}

impl<'a, F: Fn(&str) -> Option<String>> Reader<'a, F> {
    /// Goes through the tags as HTML's tokenizer does (WHATWG HTML §13.2.5), but for what no build makes:
    /// a script within a comment within a script.
    fn read(&mut self) {
        let bytes = self.html.as_bytes();
        // Where the text before the next tag begins, and where to look for that tag.
        let both = |end| (end, end);
        let (mut text, mut at) = (0, 0);
        while let Some(found) = memchr(b'<', &bytes[at..]) {
            let start = at + found;
            let is_tag = match bytes.get(start + 1) {
                Some(b'!' | b'?' | b'/') => true,
                Some(byte) => byte.is_ascii_alphabetic(),
                None => false,
            };
            if !is_tag {
                at = start + 1;
                continue;
            }
            self.text(text, start);
            (text, at) = match bytes[start + 1] {
                b'/' if bytes.get(start + 2).is_some_and(u8::is_ascii_alphabetic) => both(self.end_tag(start)),
                b'!' if bytes[start..].starts_with(b"<!--") => both(self.comment(start)),
                b'!' | b'?' | b'/' => both(self.after(start, ">")),
                _ => self.start_tag(start),
            };
        }
        self.text(text, bytes.len());
        self.copy(bytes.len());
    }

    /// Just behind the next `end`, or the end of the page.
    fn after(&self, from: usize, end: &str) -> usize {
        self.html[from..].find(end).map_or(self.html.len(), |at| from + at + end.len())
    }

    fn comment(&mut self, start: usize) -> usize {
        // `<!-->` and `<!--->` are comments too, and empty.
        let end = match self.html[start + 4..].strip_prefix('>').or_else(|| self.html[start + 4..].strip_prefix("->")) {
            Some(rest) => self.html.len() - rest.len(),
            None => self.after(start + 4, "-->"),
        };
        if self.minify && self.raw == Raw::No {
            self.put("", start, end);
        }
        end
    }

    fn end_tag(&mut self, start: usize) -> usize {
        let name = word(&self.html[start + 2..], |byte| matches!(byte, b'/' | b'>'));
        // Most names are shorter than any that means something here: `p`, `a`, `li`.
        if name.len() > 2 && ["script", "style", "pre", "textarea"].iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            self.raw = Raw::No;
        }
        self.attributes(start + 2 + name.len(), false)
    }

    /// Where the tag ends, and where the next one may begin.
    fn start_tag(&mut self, start: usize) -> (usize, usize) {
        let name = word(&self.html[start + 1..], |byte| matches!(byte, b'/' | b'>'));
        self.tag = Tag { name, ..Tag::default() };
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("body") {
            self.head = false;
        }
        let end = self.attributes(start + 1 + name.len(), true);
        if name.len() <= 2 {
            return (end, end);
        }
        if is("script") {
            self.raw = Raw::Script { runs: !self.tag.has_source && !self.tag.is_data };
        } else if is("style") {
            self.raw = Raw::Style;
        } else if is("pre") || is("textarea") {
            self.raw = Raw::Spaces;
        }
        match OPAQUE.iter().find(|opaque| is(opaque)) {
            Some(name) => (end, self.opaque(end, name)),
            None => (end, end),
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
        if bytes.get(at) == Some(&b'>') {
            return at + 1;
        }
        loop {
            at += bytes[at..].iter().take_while(|byte| is_space(**byte) || **byte == b'/').count();
            match bytes.get(at) {
                None => return bytes.len(),
                Some(b'>') => return at + 1,
                Some(_) => {}
            }
            // An equals sign may begin a name, and nowhere else stand in it.
            let first = usize::from(bytes[at] == b'=');
            let length = word(&self.html[at + first..], |byte| matches!(byte, b'/' | b'>' | b'=')).len();
            let name = &self.html[at..at + first + length];
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
                    let length = memchr(*quote, &bytes[at + 1..]).unwrap_or(bytes.len() - at - 1);
                    (at + 1, at + 1 + length, (at + 2 + length).min(bytes.len()))
                }
                _ => {
                    let length = word(&self.html[at..], |byte| byte == b'>').len();
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
        self.out.push_str(&self.html[self.copied..end]);
        self.copied = end;
    }

    /// Writes something in the place of the input from `start` to `end`.
    fn put(&mut self, text: &str, start: usize, end: usize) {
        self.copy(start);
        self.out.push_str(text);
        self.copied = end;
    }

    /// Reads the text between two tags.
    fn text(&mut self, start: usize, end: usize) {
        let text = &self.html[start..end];
        match self.raw {
            Raw::No if self.minify && !text.is_empty() => self.fold(start, end),
            Raw::Script { runs: true } if !text.is_empty() => {
                self.scan.scripts.insert(source_hash(text));
            }
            Raw::Style if !text.is_empty() => {
                self.scan.styles.insert(source_hash(text));
            }
            _ => {}
        }
    }

    /// Makes every run of white space one character: a line break if it held one.
    fn fold(&mut self, start: usize, end: usize) {
        let bytes = self.html.as_bytes();
        let mut at = start;
        // White space is ASCII, so a byte of it is never part of another letter.
        if is_space(bytes[at]) {
            at = self.fold_run(start, start, end);
        }
        if is_folded(&bytes[at..end]) {
            return;
        }
        while let Some(length) = bytes[at..end].iter().position(|byte| is_space(*byte)) {
            at = self.fold_run(at + length, start, end);
        }
    }

    /// Folds the run that begins at `from`, and returns where it ends.
    fn fold_run(&mut self, from: usize, start: usize, end: usize) -> usize {
        let bytes = self.html.as_bytes();
        let length = bytes[from..end].iter().take_while(|byte| is_space(**byte)).count();
        let run = &bytes[from..from + length];
        let before = if from > self.copied { bytes.get(from - 1) } else { self.out.as_bytes().last() };
        // After a comment that went, or between tags of the head, the run before this one is enough.
        let alone = self.head && length == end - start;
        if alone || before.is_some_and(|byte| is_space(*byte)) {
            self.put("", from, from + length);
        } else if !matches!(run, b" " | b"\n") {
            self.put(if run.contains(&b'\n') { "\n" } else { " " }, from, from + length);
        }
        from + length
    }

    fn attribute_name(&mut self, name: &str) {
        let is_listener = name.len() > 2 && name.as_bytes()[..2].eq_ignore_ascii_case(b"on");
        let is_blocked = is_listener || name.eq_ignore_ascii_case("style");
        if is_blocked && !self.scan.blocked.contains(name) {
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
            self.scan.ids.push(&decoded(raw));
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
                self.put(&address, start, end);
                self.scan.links.push(&address);
            }
            None => self.scan.links.push(text),
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
            self.scan.links.push(&address);
        }
        self.put(&written.join(", "), start, end);
    }
}

/// The beginning of a text up to white space or what `ends` it besides.
fn word(text: &str, ends: impl Fn(u8) -> bool) -> &str {
    let length = text.bytes().position(|byte| is_space(byte) || ends(byte)).unwrap_or(text.len());
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

/// Whether every run of white space surely is one space or one line break. Looks at all of it whatever
/// it finds, since the processor then looks at many bytes at once.
fn is_folded(bytes: &[u8]) -> bool {
    let pairs = bytes.iter().zip(bytes.iter().skip(1)).fold(false, |found, (a, b)| found | ((*a <= b' ') & (*b <= b' ')));
    let others = bytes.iter().fold(false, |found, byte| found | ((*byte < b' ') & (*byte != b'\n')));
    !pairs && !others
}

/// White space as HTML has it: not the no-break space, which people write because it renders.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(html: &str, minify: bool) -> (String, Scan) {
        let mut out = String::new();
        let scan = scan(html, minify, |address| (address == "/assets/a.png").then(|| "/assets/a.1234.png".to_owned()), &mut out);
        (out, scan)
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
            assert_eq!(scanned(html, false).0, html);
        }
    }

    #[test]
    fn white_space_shrinks_but_never_goes_from_the_body() {
        let html = "<!doctype html>\n<html>\n  <head>\n  <title> A  b </title>\n </head>\n<body>\n  <p>one   <b>two</b>  three<!-- x --> four</p>\n\n  <pre>  a\n\n  b</pre>  <i>x</i>\u{a0}\n</body>";
        assert_eq!(
            scanned(html, true).0,
            "<!doctype html><html><head><title> A b </title></head><body>\n<p>one <b>two</b> three four</p>\n<pre>  a\n\n  b</pre> <i>x</i>\u{a0}\n</body>"
        );
    }

    #[test]
    fn links_ids_and_hashes_are_found() {
        let (_, scan) = scanned(
            "<link rel=stylesheet href=/a.css><a name=old id='new' href=' /x?a=1&amp;b=2#y '>x</a><img src=i.png srcset='i.png 1x, /j.png 2x'>\
             <form action=/f><script>one</script><script type=application/ld+json>{}</script><script src=/s.js></script><style>p{}</style><p style='x' onclick=y>",
            true,
        );
        assert_eq!(scan.links.iter().collect::<Vec<_>>(), ["/a.css", "/x?a=1&b=2#y", "i.png", "i.png", "/j.png", "/f", "/s.js"]);
        assert_eq!(scan.ids.iter().collect::<Vec<_>>(), ["old", "new"]);
        assert_eq!((scan.scripts.len(), scan.styles.len()), (1, 1), "data and files need no hash");
        assert_eq!(scan.blocked.iter().collect::<Vec<_>>(), ["onclick", "style"]);
    }

    #[test]
    fn a_known_address_is_replaced() {
        let (html, scan) = scanned("<img src=\"/assets/a.png\" srcset=\"/assets/a.png 2x\" alt=''>", true);
        assert_eq!(html, "<img src=\"/assets/a.1234.png\" srcset=\"/assets/a.1234.png 2x\" alt=''>");
        assert_eq!(scan.links.iter().collect::<Vec<_>>(), ["/assets/a.1234.png", "/assets/a.1234.png"]);
    }
}

//! One pass over a finished page: what it links to, what can be linked to in it, what in it needs a
//! hash in the Content-Security-Policy; and the page again, with less white space.
//!
//! Minifying here never changes how a page renders. A run of white space becomes one character, and
//! none is ever removed within the body, because a style sheet may make any element inline. Comments
//! go; `<pre>` and its like, `<textarea>`, scripts and styles stay as they are. The only reader that
//! could tell is a style sheet that sets `white-space: pre` on another element.
//!
//! The tags are read by hand. A tokenizer of the whole standard was tried (html5gum): it was right, and
//! took a quarter of a build's CPU time to find the ends of tags that templates of ours had written.

use crate::source::Span;
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
    /// Where each attribute is that a Content-Security-Policy without `unsafe-inline` switches off.
    blocked: Vec<Span>,
}

impl Scan {
    /// Those attributes as they stand in the page that was read: `style="x"`, `onClick = go()`.
    pub(super) fn blocked<'h>(&self, html: &'h str) -> BTreeSet<&'h str> {
        self.blocked.iter().filter_map(|span| html.get(span.start..span.end)).collect()
    }
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
    let mut reader = Reader {
        html,
        minify,
        rewrite,
        scan: Scan::default(),
        out,
        copied: 0,
        tag: Tag::default(),
        raw: Raw::No,
        pre: 0,
        head: true,
    };
    reader.read();
    reader.scan.links.shrink();
    reader.scan.ids.shrink();
    reader.scan
}

/// Elements in which nothing is a tag but their own end.
enum Raw {
    No,
    /// `title` and others whose spaces mean no more than elsewhere.
    Words,
    /// `textarea` and `xmp`: every space counts.
    Spaces,
    Script {
        runs: bool,
    },
    Style,
}

/// Elements that end at their end tag and nowhere before, whatever stands in them.
const OPAQUE: &[&str] = &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

/// What may stand before the body. A `template` and a `noscript` may too, but white space in them can come to render.
const HEAD: &[&str] = &["base", "head", "html", "link", "meta", "script", "style", "title"];

/// Types of scripts that a browser runs or obeys, and so asks the policy about; without a type it runs any.
const RUNNING: &[&str] = &[
    "module",
    "text/javascript",
    "application/javascript",
    "importmap",
    "speculationrules",
    "application/ecmascript",
    "application/x-ecmascript",
    "application/x-javascript",
    "text/ecmascript",
    "text/javascript1.0",
    "text/javascript1.1",
    "text/javascript1.2",
    "text/javascript1.3",
    "text/javascript1.4",
    "text/javascript1.5",
    "text/jscript",
    "text/livescript",
    "text/x-ecmascript",
    "text/x-javascript",
];

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
    /// How many elements are open in which every space counts, tags or not.
    pre: usize,
    /// Before the body begins, white space between tags never renders. Most templates say where that is; without
    /// `<body>` it begins with the first thing that cannot stand before it.
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
        let end = self.comment_end(start + 4);
        if self.minify && self.pre == 0 {
            self.put("", start, end);
        }
        end
    }

    /// Where a comment ends whose text begins at `from`: behind `-->` or `--!>`. `<!-->` and `<!--->` are empty ones.
    fn comment_end(&self, from: usize) -> usize {
        let bytes = self.html.as_bytes();
        let mut at = from;
        while let Some(found) = memchr(b'>', &bytes[at..]) {
            let text = &bytes[from..at + found];
            at += found + 1;
            if matches!(text, b"" | b"-") || text.ends_with(b"--") || text.ends_with(b"--!") {
                return at;
            }
        }
        bytes.len()
    }

    fn end_tag(&mut self, start: usize) -> usize {
        let name = word(&self.html[start + 2..], |byte| matches!(byte, b'/' | b'>'));
        self.raw = Raw::No;
        if keeps_spaces(name) {
            self.pre = self.pre.saturating_sub(1);
        }
        // `</html>` makes a body where there is none yet.
        if self.head && (!is_of_head(name) || name.eq_ignore_ascii_case("html")) {
            self.head = false;
        }
        self.attributes(start + 2 + name.len(), false)
    }

    /// Where the tag ends, and where the next one may begin.
    fn start_tag(&mut self, start: usize) -> (usize, usize) {
        let name = word(&self.html[start + 1..], |byte| matches!(byte, b'/' | b'>'));
        self.tag = Tag { name, ..Tag::default() };
        if self.head && !is_of_head(name) {
            self.head = false;
        }
        let end = self.attributes(start + 1 + name.len(), true);
        // Most names are shorter than any that means something here: `p`, `a`, `li`.
        if name.len() <= 2 {
            return (end, end);
        }
        if keeps_spaces(name) {
            self.pre += 1;
        }
        let Some(opaque) = OPAQUE.iter().copied().find(|opaque| name.eq_ignore_ascii_case(opaque)) else { return (end, end) };
        self.raw = match opaque {
            "script" => Raw::Script { runs: !self.tag.has_source && !self.tag.is_data },
            "style" => Raw::Style,
            "textarea" | "xmp" => Raw::Spaces,
            _ => Raw::Words,
        };
        (end, self.opaque(end, opaque))
    }

    /// Where the end tag of an element begins in which nothing else is a tag.
    fn opaque(&self, from: usize, name: &str) -> usize {
        let bytes = self.html.as_bytes();
        let mut at = from;
        while let Some(found) = self.html[at..].find("</") {
            let start = at + found;
            let end = start + 2 + name.len();
            let is_named = bytes.get(start + 2..end).is_some_and(|rest| rest.eq_ignore_ascii_case(name.as_bytes()));
            // `</scripts>` ends no script.
            if is_named && bytes.get(end).is_none_or(|byte| is_space(*byte) || matches!(byte, b'/' | b'>')) {
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
            let begin = at;
            let name = &self.html[at..at + first + length];
            at += name.len();
            let blank = bytes[at..].iter().take_while(|byte| is_space(**byte)).count();
            let is_blocked = counts && is_blocked(name);
            if counts && name.eq_ignore_ascii_case("src") {
                self.tag.has_source = true;
            }
            if bytes.get(at + blank) != Some(&b'=') {
                if is_blocked {
                    self.scan.blocked.push(Span::new(begin, at));
                }
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
            if is_blocked {
                self.scan.blocked.push(Span::new(begin, next));
            }
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
        if text.is_empty() {
            return;
        }
        match self.raw {
            Raw::No => {
                if self.head && !text.bytes().all(is_space) {
                    self.head = false;
                }
                if self.minify && self.pre == 0 {
                    self.fold(start, end);
                }
            }
            Raw::Words if self.minify => self.fold(start, end),
            Raw::Script { runs: true } => {
                self.scan.scripts.insert(source_hash(text));
            }
            Raw::Style => {
                self.scan.styles.insert(source_hash(text));
            }
            Raw::Words | Raw::Spaces | Raw::Script { .. } => {}
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

    fn attribute_value(&mut self, name: &str, start: usize, end: usize) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let on = |others: &[&str]| others.iter().any(|other| self.tag.name.eq_ignore_ascii_case(other));
        let raw = &self.html[start..end];
        if is("id") || (is("name") && on(&["a"])) {
            self.scan.ids.push(&decoded(raw));
        } else if is("type") && on(&["script"]) {
            let kind = decoded(raw);
            let kind = kind.trim();
            self.tag.is_data = !kind.is_empty() && !RUNNING.iter().any(|running| kind.eq_ignore_ascii_case(running));
        } else if is("srcset") {
            self.source_set(start, end);
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
                self.put(&escaped(&address), start, end);
                self.scan.links.push(&address);
            }
            None => self.scan.links.push(text),
        }
    }

    /// A `srcset` is a list of addresses, each with an optional width or density. An address ends at white space, as
    /// one with `data:` has commas in it; only those at its end are the list's.
    fn source_set(&mut self, start: usize, end: usize) {
        let bytes = &self.html.as_bytes()[..end];
        let mut at = start;
        loop {
            at += bytes[at..].iter().take_while(|byte| is_space(**byte) || **byte == b',').count();
            if at >= end {
                return;
            }
            let written = word(&self.html[at..end], |_| false);
            let address = written.trim_end_matches(',');
            self.link(&decoded(address), at, at + address.len());
            at += written.len();
            if address.len() == written.len() {
                at += size_length(&bytes[at..]);
            }
        }
    }
}

/// How far the width or density reaches that follows an address: to a comma that is not in parentheses.
fn size_length(bytes: &[u8]) -> usize {
    let mut is_inside = false;
    let comma = bytes.iter().position(|byte| {
        match byte {
            b'(' => is_inside = true,
            b')' => is_inside = false,
            _ => {}
        }
        *byte == b',' && !is_inside
    });
    comma.unwrap_or(bytes.len())
}

/// Whether an element may stand before the body.
fn is_of_head(name: &str) -> bool {
    HEAD.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Whether every space counts in an element that may hold tags.
fn keeps_spaces(name: &str) -> bool {
    name.eq_ignore_ascii_case("pre") || name.eq_ignore_ascii_case("listing")
}

/// Whether a policy without `unsafe-inline` switches an attribute off: `style`, `onclick`.
fn is_blocked(name: &str) -> bool {
    let is_listener = name.len() > 2 && name.as_bytes()[..2].eq_ignore_ascii_case(b"on");
    is_listener || name.eq_ignore_ascii_case("style")
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

/// An address as the value of an attribute, whichever quotes that has, or none.
fn escaped(address: &str) -> Cow<'_, str> {
    let is_special = |byte: u8| is_space(byte) || matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
    let Some(first) = address.bytes().position(is_special) else { return Cow::Borrowed(address) };
    let mut text = String::with_capacity(address.len() + 16);
    text.push_str(&address[..first]);
    for c in address[first..].chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' | ' ' | '\n' | '\t' | '\r' | '\x0c' => text.push_str(&format!("&#{};", u32::from(c))),
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// What a Content-Security-Policy calls an inline script or style by. A browser has made every line end a line feed
/// before it hashes.
fn source_hash(text: &str) -> String {
    let text = match memchr(b'\r', text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        None => Cow::Borrowed(text),
    };
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
        let html = "<link rel=stylesheet href=/a.css><a name=old id='new' href=' /x?a=1&amp;b=2#y '>x</a><img src=i.png srcset='i.png 1x, /j.png 2x'>\
             <form action=/f><script>one</script><script type=application/ld+json>{}</script><script src=/s.js></script><style>p{}</style><p style='x' onclick=y>";
        let (_, scan) = scanned(html, true);
        assert_eq!(scan.links.iter().collect::<Vec<_>>(), ["/a.css", "/x?a=1&b=2#y", "i.png", "i.png", "/j.png", "/f", "/s.js"]);
        assert_eq!(scan.ids.iter().collect::<Vec<_>>(), ["old", "new"]);
        assert_eq!((scan.scripts.len(), scan.styles.len()), (1, 1), "data and files need no hash");
        assert_eq!(scan.blocked(html).into_iter().collect::<Vec<_>>(), ["onclick=y", "style='x'"]);
    }

    #[test]
    fn a_known_address_is_replaced() {
        let (html, scan) = scanned("<img src=\"/assets/a.png\" srcset=\"/assets/a.png 2x\" alt=''>", true);
        assert_eq!(html, "<img src=\"/assets/a.1234.png\" srcset=\"/assets/a.1234.png 2x\" alt=''>");
        assert_eq!(scan.links.iter().collect::<Vec<_>>(), ["/assets/a.1234.png", "/assets/a.1234.png"]);
    }

    #[test]
    fn the_body_begins_without_its_tag_too() {
        for (html, expected) in [
            (
                "<!doctype html>\n<html lang=en>\n<title>x</title>\n<p><b>one</b> <i>two</i></p>\n<a>y</a> <a>z</a>",
                "<!doctype html><html lang=en><title>x</title><p><b>one</b> <i>two</i></p>\n<a>y</a> <a>z</a>",
            ),
            ("<title>x</title>\n text <b>a</b> <i>b</i>", "<title>x</title>\ntext <b>a</b> <i>b</i>"),
            ("<head> </head> <template> <b>a</b> </template>", "<head></head><template> <b>a</b> </template>"),
            ("<head> </head> <noscript> <b>a</b> </noscript>", "<head></head><noscript> <b>a</b> </noscript>"),
            ("<title>x</title> </html> <!-- c -->", "<title>x</title></html> "),
        ] {
            assert_eq!(scanned(html, true).0, expected);
        }
    }

    #[test]
    fn a_comment_ends_where_a_browser_ends_it() {
        for (html, expected) in [
            ("<p>text <!-- a --!> seen <!-- b --> end</p>", "<p>text seen end</p>"),
            ("<p><!-->a<!--->b<!---->c<!----!>d<!-- > -- --!-->e<!--->", "<p>abcde"),
            ("<p>a<!---!> b --", "<p>a"),
        ] {
            assert_eq!(scanned(html, true).0, expected);
            assert_eq!(scanned(html, false).0, html);
        }
    }

    #[test]
    fn spaces_stay_wherever_they_count() {
        for html in [
            "<p><pre>  a  <textarea>  b  </textarea>  c  <script>  d  </script>  e  <style>  f  </style>  <!-- g -->  </pre>",
            "<p><pre>  <pre>  a  </pre>  b  </PRE>",
            "<p><xmp>  <b>  a  </xmp>",
            "<p><listing>  <b>  a  </listing>",
        ] {
            assert_eq!(scanned(html, true).0, html);
        }
        let (html, _) = scanned("<p><pre>  <textarea>  </textarea>  </pre>  a  <textarea>  </textarea>  b", true);
        assert_eq!(html, "<p><pre>  <textarea>  </textarea>  </pre> a <textarea>  </textarea> b");
    }

    /// Reads a page whose addresses under `/in/` are under `/out/`.
    fn moved(html: &str) -> (String, Vec<String>) {
        let mut out = String::new();
        let scan = scan(html, true, |address| Some(format!("/out/{}", address.strip_prefix("/in/")?)), &mut out);
        (out, scan.links.iter().map(str::to_owned).collect())
    }

    #[test]
    fn a_written_address_stays_within_its_attribute() {
        let (html, links) =
            moved("<img src='/in/it&#39;s?a=1&amp;b=&quot;&lt;2'><img src=/in/a&#32;b&gt; alt=x><img src=\"/in/&#34;\">");
        assert_eq!(
            html,
            "<img src='/out/it&#39;s?a=1&amp;b=&quot;&lt;2'><img src=/out/a&#32;b&gt; alt=x><img src=\"/out/&quot;\">"
        );
        assert_eq!(links, ["/out/it's?a=1&b=\"<2", "/out/a b>", "/out/\""]);
    }

    #[test]
    fn a_list_of_sources_is_split_as_a_browser_splits_it() {
        for (html, expected, addresses) in [
            (
                "<img srcset=\"/in/p?a=1&amp;b=&quot;2 1x,\n  /in/q 2x , /r?&eacute;&amp;=1,,/in/s, /in/t\">",
                "<img srcset=\"/out/p?a=1&amp;b=&quot;2 1x,\n  /out/q 2x , /r?&eacute;&amp;=1,,/in/s, /out/t\">",
                "/out/p?a=1&b=\"2 /out/q /r?&eacute;&=1,,/in/s /out/t",
            ),
            (
                "<img srcset=\"data:image/gif;base64,R0lGODlhAQABAAAAACw= 2x\">",
                "<img srcset=\"data:image/gif;base64,R0lGODlhAQABAAAAACw= 2x\">",
                "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
            ),
            ("<img srcset=a.png,b.png>", "<img srcset=a.png,b.png>", "a.png,b.png"),
            ("<img srcset=,/in/a,>", "<img srcset=,/out/a,>", "/out/a"),
            ("<img srcset='/in/a (1, 2) 1x,/in/b 2x'>", "<img srcset='/out/a (1, 2) 1x,/out/b 2x'>", "/out/a /out/b"),
            ("<img srcset=' , '>", "<img srcset=' , '>", ""),
        ] {
            let (written, links) = moved(html);
            assert_eq!(written, expected);
            assert_eq!(links.join(" "), addresses, "{html}");
        }
    }

    #[test]
    fn a_hash_is_of_what_a_browser_hashes() {
        let unix = scanned("<style>\na\n\nb</style><script>\nc\n\n</script>", true).1;
        let other = scanned("<style>\r\na\r\rb</style><script>\r\nc\n\r</script>", true).1;
        assert_eq!((&unix.scripts, &unix.styles), (&other.scripts, &other.styles));
        let whole = scanned("<script>'</scripts><p>'</script>", true).1;
        assert_eq!(whole.scripts.into_iter().collect::<Vec<_>>(), [source_hash("'</scripts><p>'")]);
    }

    #[test]
    fn what_a_browser_obeys_needs_a_hash() {
        let hashes = |kind: &str| scanned(&format!("<script type=\"{kind}\">a</script>"), true).1.scripts.len();
        for kind in
            ["", "module", "importmap", "SpeculationRules", "text/ecmascript", " application/x-javascript ", "text&#47;jscript"]
        {
            assert_eq!(hashes(kind), 1, "{kind}");
        }
        for kind in ["application/json", "text/plain", "text/javascript; charset=utf-8"] {
            assert_eq!(hashes(kind), 0, "{kind}");
        }
    }

    #[test]
    fn blocked_attributes_are_kept_as_written() {
        let html = "<p onClick = go() data-style=a STYLE='b  c' onload></p style=d><!-- <p style=e> --><p style=\"f";
        let blocked = scanned(html, true).1.blocked(html).into_iter().collect::<Vec<_>>();
        assert_eq!(blocked, ["STYLE='b  c'", "onClick = go()", "onload", "style=\"f"]);
    }
}

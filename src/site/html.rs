//! One pass over a finished page: what it links to, what can be linked to in it, what in it needs a
//! hash in the Content-Security-Policy; and the page again, with less white space.
//!
//! Minifying here never changes how a page renders. A run of white space becomes one character, and
//! none is ever removed within the body, because a style sheet may make any element inline. Comments
//! go; `<pre>`, `<textarea>`, scripts and styles stay as they are. The only reader that could tell is
//! a style sheet that sets `white-space: pre` on another element.

use base64::Engine as _;
use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::convert::Infallible;

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
    let mut emitter = CallbackEmitter::new(&mut reader);
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    reader.text(html.len());
    reader.scan
}

/// Lets the reader be borrowed by the emitter and read afterwards.
impl<F: Fn(&str) -> Option<String>> Callback<Infallible, usize> for &mut Reader<'_, F> {
    fn handle_event(&mut self, event: CallbackEvent<'_>, span: Span<usize>) -> Option<Infallible> {
        self.event(event, span);
        None
    }
}

/// Elements whose content is not markup.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raw {
    No,
    /// `pre` and `textarea`: markup, but every space counts.
    Spaces,
    Script {
        runs: bool,
    },
    Style,
}

#[derive(Default)]
struct Tag {
    name: Vec<u8>,
    attribute: Vec<u8>,
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
    tag: Tag,
    raw: Raw,
    /// Before the body begins, white space between tags never renders.
    head: bool,
    seen: BTreeSet<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<'_, F> {
    fn event(&mut self, event: CallbackEvent<'_>, span: Span<usize>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.text(span.start);
                self.tag = Tag { name: name.to_vec(), ..Tag::default() };
                if name == b"body" {
                    self.head = false;
                }
            }
            CallbackEvent::AttributeName { name } => self.attribute_name(name),
            CallbackEvent::AttributeValue { value } => self.attribute_value(value, span),
            CallbackEvent::CloseStartTag { self_closing: _ } => {
                self.copy(span.end);
                match self.tag.name.as_slice() {
                    b"script" => self.raw = Raw::Script { runs: !self.tag.has_source && !self.tag.is_data },
                    b"style" => self.raw = Raw::Style,
                    b"pre" | b"textarea" => self.raw = Raw::Spaces,
                    _ => {}
                }
            }
            CallbackEvent::EndTag { name } => {
                if matches!(name, b"script" | b"style" | b"pre" | b"textarea") {
                    self.text(span.start);
                    self.raw = Raw::No;
                }
                self.text(span.start);
                self.copy(span.end);
            }
            CallbackEvent::Comment { .. } => {
                self.text(span.start);
                if self.minify && self.raw == Raw::No {
                    self.copied = span.end;
                } else {
                    self.copy(span.end);
                }
            }
            CallbackEvent::Doctype { .. } => {
                self.text(span.start);
                self.copy(span.end);
            }
            CallbackEvent::String { .. } | CallbackEvent::Error(_) => {}
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

    fn attribute_name(&mut self, name: &[u8]) {
        self.tag.attribute.clear();
        self.tag.attribute.extend_from_slice(name);
        if name == b"style" || (name.starts_with(b"on") && name.len() > 2) {
            self.scan.blocked.insert(String::from_utf8_lossy(name).into_owned());
        }
        if name == b"src" {
            self.tag.has_source = true;
        }
    }

    fn attribute_value(&mut self, value: &[u8], span: Span<usize>) {
        let Ok(text) = std::str::from_utf8(value) else { return };
        match (self.tag.name.as_slice(), self.tag.attribute.as_slice()) {
            (_, b"id") | (b"a", b"name") => {
                self.scan.ids.insert(text.to_owned());
            }
            (b"script", b"type") => {
                self.tag.is_data = !matches!(
                    text.trim().to_ascii_lowercase().as_str(),
                    "" | "module" | "text/javascript" | "application/javascript"
                );
            }
            (_, b"srcset") => self.source_set(text, span),
            (b"a" | b"area" | b"link" | b"use" | b"image", b"href")
            | (_, b"xlink:href" | b"src" | b"poster" | b"action" | b"formaction")
            | (b"object", b"data") => self.link(text, span),
            _ => {}
        }
    }

    /// Notes an address, and writes another in its place where there is one.
    fn link(&mut self, text: &str, span: Span<usize>) {
        let text = text.trim();
        match (self.rewrite)(text) {
            Some(address) => {
                self.copy(span.start);
                self.scan.html.push_str(&address);
                self.copied = span.end;
                self.note(address);
            }
            None => self.note(text.to_owned()),
        }
    }

    /// A `srcset` is a list of addresses, each with an optional width or density.
    fn source_set(&mut self, text: &str, span: Span<usize>) {
        let mut written = Vec::new();
        for candidate in text.split(',').map(str::trim).filter(|candidate| !candidate.is_empty()) {
            let (address, size) =
                candidate.split_once(char::is_whitespace).map_or((candidate, ""), |(address, size)| (address, size.trim()));
            let address = (self.rewrite)(address).unwrap_or_else(|| address.to_owned());
            written.push(if size.is_empty() { address.clone() } else { format!("{address} {size}") });
            self.note(address);
        }
        self.copy(span.start);
        self.scan.html.push_str(&written.join(", "));
        self.copied = span.end;
    }

    fn note(&mut self, address: String) {
        if !self.seen.contains(&address) {
            self.seen.insert(address.clone());
            self.scan.links.push(address);
        }
    }
}

/// What a Content-Security-Policy calls an inline script or style by.
fn source_hash(text: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// Writes `text` with every run of white space as one character: a line break if it held one.
fn collapse(text: &str, in_head: bool, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find(is_space) {
        out.push_str(&rest[..start]);
        let end = rest[start..].find(|c| !is_space(c)).map_or(rest.len(), |length| start + length);
        let run = &rest[start..end];
        rest = &rest[end..];
        // After a comment that went, or between tags of the head, the run before this one is enough.
        let alone = in_head && start == 0 && run.len() == text.len();
        if !alone && !out.ends_with(is_space) {
            out.push(if run.contains('\n') { '\n' } else { ' ' });
        }
    }
    out.push_str(rest);
}

/// White space as HTML has it: not the no-break space, which people write because it renders.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\t' | '\r' | '\x0c')
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

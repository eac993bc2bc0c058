//! Markdown to HTML: CommonMark with tables, strikethrough, task lists and footnotes; headings that
//! can be linked to; code that is coloured; links to other Markdown files.

use super::highlight::Highlighter;
use crate::source::Span;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use std::collections::BTreeMap;

/// One entry of a table of contents.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Entry {
    /// 1 to 6.
    pub(super) level: u8,
    pub(super) id: String,
    /// As text, without markup.
    pub(super) title: String,
    pub(super) children: Vec<Entry>,
}

/// A rendered body.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub(super) html: String,
    pub(super) toc: Vec<Entry>,
    /// The text of the first heading of level 1.
    pub(super) title: Option<String>,
    /// Destinations that `page_url` knew nothing of.
    pub(super) unknown: Vec<String>,
}

fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
}

/// Renders a body. `page_url` answers for links to other sources (`../prices.md`).
pub(super) fn render(body: &str, highlighter: &Highlighter, page_url: impl Fn(&str) -> Option<String>) -> Rendered {
    let mut walk = Walk {
        highlighter,
        page_url,
        rendered: Rendered::default(),
        headings: Vec::new(),
        ids: BTreeMap::new(),
        notes: Notes::default(),
    };
    let mut parser = Parser::new_ext(body, options());
    let mut events = Vec::with_capacity(body.len() / 16);
    walk.events(&mut parser, None, &mut events);
    walk.footnotes(&mut events);
    let Walk { mut rendered, headings, .. } = walk;
    rendered.html.reserve(body.len() * 3 / 2);
    html::push_html(&mut rendered.html, events.into_iter());
    rendered.title = headings.iter().find(|heading| heading.level == 1).map(|heading| heading.title.clone());
    rendered.toc = nest(headings);
    rendered
}

/// Where in a body a link or an image with this destination stands: read again only to complain.
pub(super) fn find_links(body: &str, destination: &str) -> Vec<Span> {
    let found = Parser::new_ext(body, options()).into_offset_iter().filter_map(|(event, range)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if &*dest_url == destination => {
            // The destination itself, where it stands in the link; a reference's stands elsewhere.
            let at = body[range.clone()].rfind(destination).map_or(range.start, |at| range.start + at);
            let length = if body[at..].starts_with(destination) { destination.len() } else { range.len() };
            Some(Span::new(at, at + length))
        }
        _ => None,
    });
    found.collect()
}

struct Walk<'h, F> {
    highlighter: &'h Highlighter,
    page_url: F,
    rendered: Rendered,
    headings: Vec<Entry>,
    /// How often each id was asked for.
    ids: BTreeMap<String, usize>,
    notes: Notes,
}

#[derive(Default)]
struct Notes {
    /// In the order of their first mention.
    order: Vec<String>,
    bodies: BTreeMap<String, String>,
}

impl Notes {
    fn number(&mut self, name: &str) -> usize {
        match self.order.iter().position(|known| known == name) {
            Some(at) => at + 1,
            None => {
                self.order.push(name.to_owned());
                self.order.len()
            }
        }
    }
}

impl<F: Fn(&str) -> Option<String>> Walk<'_, F> {
    /// Takes events until `end`, and writes what is to be rendered.
    fn events<'a>(&mut self, parser: &mut Parser<'a>, end: Option<TagEnd>, out: &mut Vec<Event<'a>>) {
        while let Some(event) = parser.next() {
            match event {
                Event::End(tag) if Some(tag) == end => return,
                Event::Start(Tag::Heading { level, id, classes, attrs: _ }) => {
                    let mut inner = Vec::new();
                    self.events(parser, Some(TagEnd::Heading(level)), &mut inner);
                    self.heading(level, id, &classes, inner, out);
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let code = text_until_end(parser, TagEnd::CodeBlock);
                    let language = match &kind {
                        CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
                        CodeBlockKind::Indented => "",
                    };
                    out.push(Event::Html(self.highlighter.block(&code, language).into()));
                }
                Event::Start(Tag::FootnoteDefinition(name)) => {
                    let mut inner = Vec::new();
                    self.events(parser, Some(TagEnd::FootnoteDefinition), &mut inner);
                    let mut body = String::new();
                    html::push_html(&mut body, inner.into_iter());
                    self.notes.bodies.insert(name.to_string(), body);
                }
                Event::FootnoteReference(name) => {
                    let number = self.notes.number(&name);
                    out.push(Event::InlineHtml(
                        format!(
                            "<sup class=\"footnote-reference\" id=\"fnref-{number}\"><a href=\"#fn-{number}\">{number}</a></sup>"
                        )
                        .into(),
                    ));
                }
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let dest_url = self.destination(dest_url);
                    out.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                }
                other => out.push(other),
            }
        }
    }

    /// A link to a Markdown file is a link to its page.
    fn destination<'a>(&mut self, destination: CowStr<'a>) -> CowStr<'a> {
        let (path, rest) = destination.find(['#', '?']).map_or((&*destination, ""), |at| destination.split_at(at));
        if !path.ends_with(".md") || path.contains("://") {
            return destination;
        }
        match (self.page_url)(path) {
            Some(url) => format!("{url}{rest}").into(),
            None => {
                self.rendered.unknown.push(destination.to_string());
                destination
            }
        }
    }

    fn heading<'a>(
        &mut self,
        level: HeadingLevel,
        id: Option<CowStr<'a>>,
        classes: &[CowStr<'a>],
        inner: Vec<Event<'a>>,
        out: &mut Vec<Event<'a>>,
    ) {
        let title = plain_text(&inner);
        let wanted = id.map_or_else(|| slug(&title), |id| id.to_string());
        let id = self.unique(wanted);
        let class = match classes {
            [] => String::new(),
            classes => format!(" class=\"{}\"", escape(&classes.join(" "))),
        };
        out.push(Event::InlineHtml(format!("<{level} id=\"{}\"{class}>", escape(&id)).into()));
        out.extend(inner);
        // The title of the page itself needs no link to itself.
        if level != HeadingLevel::H1 {
            let label = escape(&title);
            out.push(Event::InlineHtml(
                format!(" <a class=\"anchor\" href=\"#{}\" aria-label=\"Link to “{label}”\">#</a>", escape(&id)).into(),
            ));
        }
        out.push(Event::InlineHtml(format!("</{level}>\n").into()));
        self.headings.push(Entry { level: level as u8, id, title, children: Vec::new() });
    }

    fn unique(&mut self, wanted: String) -> String {
        let mut id = wanted.clone();
        loop {
            let count = self.ids.entry(id.clone()).or_insert(0);
            *count += 1;
            if *count == 1 {
                return id;
            }
            // `a`, `a`, `a-1`: the second `a` may not take the name that the third has by right.
            let next = self.ids[&wanted] - 1;
            id = format!("{wanted}-{next}");
            if self.ids.contains_key(&id) {
                *self.ids.entry(wanted.clone()).or_insert(0) += 1;
            }
        }
    }

    fn footnotes<'a>(&mut self, out: &mut Vec<Event<'a>>) {
        if self.notes.order.is_empty() {
            return;
        }
        let mut section = String::from("<section class=\"footnotes\" aria-label=\"Footnotes\"><ol>\n");
        for (at, name) in self.notes.order.iter().enumerate() {
            let number = at + 1;
            let body = self.notes.bodies.get(name).map_or("", String::as_str);
            let back = format!(" <a class=\"footnote-back\" href=\"#fnref-{number}\" aria-label=\"Back to the text\">↩</a>");
            // The way back stands in the last paragraph, not below it.
            let body = match body.trim_end().strip_suffix("</p>") {
                Some(start) => format!("{start}{back}</p>"),
                None => format!("{body}{back}"),
            };
            section.push_str(&format!("<li id=\"fn-{number}\">{body}</li>\n"));
        }
        section.push_str("</ol></section>\n");
        out.push(Event::Html(section.into()));
    }
}

fn text_until_end(parser: &mut Parser<'_>, end: TagEnd) -> String {
    let mut text = String::new();
    for event in parser {
        match event {
            Event::End(tag) if tag == end => break,
            Event::Text(part) => text.push_str(&part),
            _ => {}
        }
    }
    text
}

fn plain_text(events: &[Event<'_>]) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(part),
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ => {}
        }
    }
    text.trim().to_owned()
}

/// Letters and digits in lower case, everything between them one hyphen.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if c != '\'' && c != '’' && !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let end = slug.trim_end_matches('-').len();
    slug.truncate(end);
    if slug.is_empty() { "section".to_owned() } else { slug }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A flat list of headings as a tree: each under the last one before it of a lower level.
fn nest(headings: Vec<Entry>) -> Vec<Entry> {
    let mut open: Vec<Entry> = Vec::new();
    let mut done: Vec<Entry> = Vec::new();
    fn close(open: &mut Vec<Entry>, done: &mut Vec<Entry>) {
        if let Some(entry) = open.pop() {
            match open.last_mut() {
                Some(parent) => parent.children.push(entry),
                None => done.push(entry),
            }
        }
    }
    for heading in headings {
        while open.last().is_some_and(|last| last.level >= heading.level) {
            close(&mut open, &mut done);
        }
        open.push(heading);
    }
    while !open.is_empty() {
        close(&mut open, &mut done);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(body: &str) -> Rendered {
        render(body, &Highlighter::new(), |path| (path == "../prices.md").then(|| "/prices/".to_owned()))
    }

    #[test]
    fn headings_get_ids_that_never_clash() {
        let rendered = rendered("# The Title\n## A & B\n## A b\n### Ünï `code`\n## Set {#a-b-1 .big}\n## A b\n## ---\n");
        let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(rendered.title.as_deref(), Some("The Title"));
        let under = &rendered.toc[0].children;
        assert_eq!(ids(under), ["a-b", "a-b-1", "a-b-1-1", "a-b-2", "section"]);
        assert_eq!(ids(&under[1].children), ["ünï-code"]);
        assert!(rendered.html.contains("<h2 id=\"a-b-1-1\" class=\"big\">Set <a class=\"anchor\" href=\"#a-b-1-1\""));
    }

    #[test]
    fn the_extensions_are_on() {
        let rendered =
            rendered("a | b\n--|--\n1 | 2\n\n~~gone~~\n\n- [x] done\n\nsee[^1] and[^b]\n\n[^b]: *second*\n[^1]: first\n");
        insta::assert_snapshot!(rendered.html, @r##"
        <table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>
        <tr><td>1</td><td>2</td></tr>
        </tbody></table>
        <p><del>gone</del></p>
        <ul>
        <li><input disabled="" type="checkbox" checked=""/>
        done</li>
        </ul>
        <p>see<sup class="footnote-reference" id="fnref-1"><a href="#fn-1">1</a></sup> and<sup class="footnote-reference" id="fnref-2"><a href="#fn-2">2</a></sup></p>
        <section class="footnotes" aria-label="Footnotes"><ol>
        <li id="fn-1"><p>first <a class="footnote-back" href="#fnref-1" aria-label="Back to the text">↩</a></p></li>
        <li id="fn-2"><p><em>second</em> <a class="footnote-back" href="#fnref-2" aria-label="Back to the text">↩</a></p></li>
        </ol></section>
        "##);
    }

    #[test]
    fn a_link_to_a_source_is_a_link_to_its_page() {
        let rendered = rendered("[a](../prices.md#half) [b](other.md) [c](https://x.test/readme.md)");
        assert!(rendered.html.contains("<a href=\"/prices/#half\">a</a>"));
        assert_eq!(rendered.unknown, ["other.md"]);
        let body = "x [b](other.md)";
        let span = find_links(body, "other.md")[0];
        assert_eq!(&body[span.start..span.end], "other.md");
    }
}

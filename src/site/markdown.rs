//! Markdown to HTML: CommonMark with tables, strikethrough, task lists and footnotes; headings that
//! can be linked to; code that is coloured; links to other Markdown files.

use super::highlight::Highlighter;
use crate::source::Span;
use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

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
    /// Relative destinations that `page_url` knew nothing of.
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
        parser: Parser::new_ext(body, options()),
        highlighter,
        page_url,
        unknown: Vec::new(),
        headings: Vec::new(),
        ids: BTreeMap::new(),
        notes: Notes::default(),
        waiting: VecDeque::new(),
        columns: None,
    };
    let mut html = String::with_capacity(body.len() * 2);
    html::push_html(&mut html, Until { walk: &mut walk, end: None });
    walk.footnotes(&mut html);
    let Walk { unknown, headings, .. } = walk;
    Rendered { html, toc: nest(headings), unknown }
}

/// The text of a body's first heading of the first level, without markup.
///
/// Lists of pages have titles before any page is rendered, so this reads the body by itself. Most begin with a heading of
/// plain letters, which takes no parser.
pub(super) fn first_heading(body: &str) -> Option<String> {
    let is_plain =
        |c: char| !c.is_control() && !matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '&' | '~' | '{' | '}' | '#');
    let first = body.lines().find(|line| !line.trim().is_empty())?;
    let title = first.strip_prefix("# ").map(str::trim).unwrap_or_default();
    if !title.is_empty() && title.chars().all(is_plain) {
        return Some(title.to_owned());
    }
    // No heading is without one of them: `# A`, or `A` above `===`.
    if !body.contains(['#', '=']) {
        return None;
    }
    let mut events = Parser::new_ext(body, options());
    while events.any(|event| matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))) {
        let inner: VecDeque<Event<'_>> =
            events.by_ref().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_)))).collect();
        let title = plain_text(&inner);
        if !title.is_empty() {
            return Some(title);
        }
    }
    None
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

struct Walk<'a, 'h, F> {
    parser: Parser<'a>,
    highlighter: &'h Highlighter,
    page_url: F,
    unknown: Vec<String>,
    headings: Vec<Entry>,
    /// How often each id was asked for.
    ids: BTreeMap<String, usize>,
    notes: Notes,
    /// Of a heading that has been read: it begins with its id, which its end decides.
    waiting: VecDeque<Event<'a>>,
    /// Of the table at hand, if any of its columns is aligned.
    columns: Option<Columns>,
}

/// Where in an aligned table the walk is.
struct Columns {
    alignments: Vec<Alignment>,
    is_head: bool,
    at: usize,
}

impl Columns {
    fn name(&self) -> &'static str {
        if self.is_head { "th" } else { "td" }
    }

    /// The start of a cell. What the library writes is a `style`, which the policy switches off.
    fn start(&self) -> String {
        let align = match self.alignments.get(self.at) {
            Some(Alignment::Left) => " align=\"left\"",
            Some(Alignment::Center) => " align=\"center\"",
            Some(Alignment::Right) => " align=\"right\"",
            Some(Alignment::None) | None => "",
        };
        format!("<{}{align}>", self.name())
    }
}

/// The events of a walk up to an end: what is to be rendered, one by one, so that no page's are held at once.
struct Until<'w, 'a, 'h, F> {
    walk: &'w mut Walk<'a, 'h, F>,
    end: Option<TagEnd>,
}

impl<'a, F: Fn(&str) -> Option<String>> Iterator for Until<'_, 'a, '_, F> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        self.walk.next(self.end)
    }
}

#[derive(Default)]
struct Notes {
    /// In the order of their first mention, with how often they were mentioned.
    order: Vec<(String, usize)>,
    bodies: BTreeMap<String, String>,
}

impl Notes {
    /// Its number, and how often it was mentioned before.
    fn mention(&mut self, name: &str) -> (usize, usize) {
        let at = self.order.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.order.push((name.to_owned(), 0));
            self.order.len() - 1
        });
        let before = self.order[at].1;
        self.order[at].1 += 1;
        (at + 1, before)
    }
}

impl<'a, F: Fn(&str) -> Option<String>> Walk<'a, '_, F> {
    /// The next event to be rendered before `end`.
    fn next(&mut self, end: Option<TagEnd>) -> Option<Event<'a>> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        loop {
            return Some(match self.parser.next()? {
                Event::End(tag) if Some(tag) == end => return None,
                Event::Start(Tag::Heading { level, id, classes, attrs: _ }) => self.heading(level, id, &classes),
                Event::Start(Tag::CodeBlock(kind)) => {
                    let code = text_until_end(&mut self.parser, TagEnd::CodeBlock);
                    let language = match &kind {
                        CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
                        CodeBlockKind::Indented => "",
                    };
                    Event::Html(self.highlighter.block(&code, language).into())
                }
                Event::Start(Tag::Table(alignments)) => {
                    let is_aligned = alignments.iter().any(|alignment| *alignment != Alignment::None);
                    self.columns = is_aligned.then(|| Columns { alignments: alignments.clone(), is_head: false, at: 0 });
                    Event::Start(Tag::Table(alignments))
                }
                Event::Start(row @ (Tag::TableHead | Tag::TableRow)) => {
                    if let Some(columns) = &mut self.columns {
                        (columns.is_head, columns.at) = (row == Tag::TableHead, 0);
                    }
                    Event::Start(row)
                }
                Event::Start(Tag::TableCell) => match &self.columns {
                    Some(columns) => Event::InlineHtml(columns.start().into()),
                    None => Event::Start(Tag::TableCell),
                },
                Event::End(TagEnd::TableCell) => match &mut self.columns {
                    Some(columns) => {
                        columns.at += 1;
                        Event::InlineHtml(format!("</{}>", columns.name()).into())
                    }
                    None => Event::End(TagEnd::TableCell),
                },
                Event::Start(Tag::FootnoteDefinition(name)) => {
                    let mut body = String::new();
                    html::push_html(&mut body, Until { walk: self, end: Some(TagEnd::FootnoteDefinition) });
                    self.notes.bodies.insert(name.to_string(), body);
                    continue;
                }
                Event::FootnoteReference(name) => {
                    let (number, again) = self.notes.mention(&name);
                    // The way back leads to the first mention.
                    let id = if again == 0 { format!("fnref-{number}") } else { format!("fnref-{number}-{}", again + 1) };
                    Event::InlineHtml(
                        format!("<sup class=\"footnote-reference\" id=\"{id}\"><a href=\"#fn-{number}\">{number}</a></sup>").into(),
                    )
                }
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let dest_url = if link_type == LinkType::Email { dest_url } else { self.destination(dest_url) };
                    Event::Start(Tag::Link { link_type, dest_url, title, id })
                }
                other => other,
            });
        }
    }

    /// A link to a Markdown file is a link to its page.
    fn destination(&mut self, destination: CowStr<'a>) -> CowStr<'a> {
        if !destination.contains(".md") {
            return destination;
        }
        let (path, rest) = destination.find(['#', '?']).map_or((&*destination, ""), |at| destination.split_at(at));
        let has_scheme = path.split('/').next().is_some_and(|first| first.contains(':'));
        if !path.ends_with(".md") || has_scheme || path.starts_with("//") {
            return destination;
        }
        match (self.page_url)(path) {
            Some(url) => format!("{url}{rest}").into(),
            // An address of the site may well end so, `/readme.md` say: whether it leads anywhere is for the link check.
            None if path.starts_with('/') => destination,
            None => {
                self.unknown.push(destination.to_string());
                destination
            }
        }
    }

    /// Reads a heading to its end; what follows its start tag waits.
    fn heading(&mut self, level: HeadingLevel, id: Option<CowStr<'a>>, classes: &[CowStr<'a>]) -> Event<'a> {
        let mut inner = VecDeque::new();
        while let Some(event) = self.next(Some(TagEnd::Heading(level))) {
            inner.push_back(event);
        }
        let title = plain_text(&inner);
        let wanted = id.map_or_else(|| slug(&title), |id| id.to_string());
        let id = self.unique(wanted);
        let class = match classes {
            [] => String::new(),
            classes => format!(" class=\"{}\"", escape(&classes.join(" "))),
        };
        let name = level.to_string();
        let start = ["<", &name, " id=\"", &escape(&id), "\"", &class, ">"].concat();
        // The title of the page itself needs no link to itself.
        if level != HeadingLevel::H1 {
            let (id, label) = (escape(&id), escape(&title));
            let anchor = [" <a class=\"anchor\" href=\"#", &id, "\" aria-label=\"Link to “", &label, "”\">#</a>"].concat();
            inner.push_back(Event::InlineHtml(anchor.into()));
        }
        inner.push_back(Event::InlineHtml(["</", &name, ">\n"].concat().into()));
        self.waiting = inner;
        self.headings.push(Entry { level: level as u8, id, title, children: Vec::new() });
        Event::InlineHtml(start.into())
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

    fn footnotes(&self, html: &mut String) {
        if self.notes.order.is_empty() {
            return;
        }
        html.push_str("<section class=\"footnotes\" aria-label=\"Footnotes\"><ol>\n");
        for (at, (name, _)) in self.notes.order.iter().enumerate() {
            let number = at + 1;
            let body = self.notes.bodies.get(name).map_or("", String::as_str);
            let back = format!(" <a class=\"footnote-back\" href=\"#fnref-{number}\" aria-label=\"Back to the text\">↩</a>");
            // The way back stands in the last paragraph, not below it.
            let body = match body.trim_end().strip_suffix("</p>") {
                Some(start) => format!("{start}{back}</p>"),
                None => format!("{body}{back}"),
            };
            html.push_str(&format!("<li id=\"fn-{number}\">{body}</li>\n"));
        }
        html.push_str("</ol></section>\n");
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

fn plain_text(events: &VecDeque<Event<'_>>) -> String {
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

pub(super) fn escape(text: &str) -> Cow<'_, str> {
    let special = |byte: &u8| matches!(byte, b'&' | b'<' | b'>' | b'"');
    let Some(first) = text.bytes().position(|byte| special(&byte)) else { return Cow::Borrowed(text) };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    for c in text[first..].chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
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
    fn a_note_that_is_mentioned_twice_has_two_ids_and_one_way_back() {
        let html = rendered("a[^n] b[^n] c[^n]\n\n[^n]: note\n").html;
        for id in ["\"fnref-1\"", "\"fnref-1-2\"", "\"fnref-1-3\""] {
            assert_eq!(html.matches(&format!("id={id}")).count(), 1, "{html}");
        }
        assert_eq!(html.matches("href=\"#fnref-1\"").count(), 1, "{html}");
    }

    #[test]
    fn columns_are_aligned_without_a_style() {
        let html = rendered("| a | *b* | c |\n|--:|:--|:-:|\n| 1 | 2 |\n\n| d |\n|---|\n| 3 |\n").html;
        assert_eq!(
            html,
            "<table><thead><tr><th align=\"right\">a</th><th align=\"left\"><em>b</em></th><th align=\"center\">c</th></tr></thead><tbody>\n\
             <tr><td align=\"right\">1</td><td align=\"left\">2</td><td align=\"center\"></td></tr>\n</tbody></table>\n\
             <table><thead><tr><th>d</th></tr></thead><tbody>\n<tr><td>3</td></tr>\n</tbody></table>\n"
        );
    }

    #[test]
    fn headings_get_ids_that_never_clash() {
        let rendered = rendered("# The Title\n## A & B\n## A b\n### Ünï `code`\n## Set {#a-b-1 .big}\n## A b\n## ---\n");
        let ids = |entries: &[Entry]| entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>();
        assert_eq!(rendered.toc[0].title, "The Title");
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
    fn the_first_heading_is_a_heading_and_has_no_markup() {
        for (body, title) in [
            ("# Plain: it's 1 & only\n", Some("Plain: it's 1 & only")),
            ("\n \r\n# Title\r\ntext\r\n", Some("Title")),
            ("# Learn *C#* and C# {#top1}\n", Some("Learn C# and C#")),
            ("# C#\n", Some("C#")),
            ("# Title ##\n", Some("Title")),
            ("# `a` &amp; [b](c) \\* ![d](e)\n", Some("a & b * d")),
            ("```sh\n# install it\n```\n\n# C#\n", Some("C#")),
            ("    # code\n\n## Two\n\n  # One\n", Some("One")),
            ("<!--\n# comment\n-->\n\ntext\n", None),
            ("Some\n*text*\n====\n", Some("Some text")),
            ("#\n\n# Two\n", Some("Two")),
            ("#hashtag\n", None),
            ("text, 1 = 1\n", None),
            ("", None),
        ] {
            assert_eq!(first_heading(body).as_deref(), title, "{body}");
        }
    }

    #[test]
    fn an_address_is_no_source_because_it_ends_in_md() {
        let body = "[a](mailto:info@firm.md) <info@firm.md> [b](//firm.md) [c](/readme.md) [d](tel:1.md#x) [e](gone.md)";
        let rendered = rendered(body);
        assert_eq!(rendered.unknown, ["gone.md"]);
        for address in ["mailto:info@firm.md", "//firm.md", "/readme.md", "tel:1.md#x"] {
            assert!(rendered.html.contains(&format!("<a href=\"{address}\">")), "{address} in {}", rendered.html);
        }
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

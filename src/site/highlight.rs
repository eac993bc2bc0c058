//! Fenced code in colour, at build time, by seven classes that a style sheet can name.
//!
//! A TextMate grammar knows some two hundred scopes; a page that carries them all is mostly class
//! names. What a reader tells apart is few: comment, string, keyword, constant, function, type, variable.

use super::markdown::escape;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxSet};
use syntect::util::LinesWithEndings;

/// Scopes by their beginnings, the most particular first within each position of the stack.
const CLASSES: &[(&str, &str)] = &[
    ("comment", "hl-c"),
    ("string", "hl-s"),
    ("constant.character.escape", "hl-n"),
    ("constant", "hl-n"),
    ("keyword.operator", ""),
    ("keyword", "hl-k"),
    ("storage.type.function", "hl-k"),
    ("storage", "hl-k"),
    ("entity.name.function", "hl-f"),
    ("support.function", "hl-f"),
    ("variable.function", "hl-f"),
    ("entity.name.tag", "hl-k"),
    ("entity.name", "hl-t"),
    ("entity.other.attribute-name", "hl-v"),
    ("support.type.property-name", "hl-v"),
    ("support", "hl-t"),
    ("variable.parameter", "hl-v"),
    ("variable.language", "hl-k"),
    ("markup.inserted", "hl-s"),
    ("markup.deleted", "hl-k"),
    ("markup.heading", "hl-k"),
];

/// Colours code, remembering what it coloured: the same block is met on many pages, and in preview
/// on every build.
pub(super) struct Highlighter {
    grammars: OnceLock<Grammars>,
    /// By language, then by code. Comparing a block with those of its language costs less than a digest.
    done: Mutex<BTreeMap<String, BTreeMap<String, Arc<str>>>>,
}

struct Grammars {
    syntaxes: SyntaxSet,
    classes: Vec<(Scope, &'static str)>,
}

impl Default for Highlighter {
    fn default() -> Self {
        Self::new()
    }
}

impl Highlighter {
    /// One without a memory. Loading the grammars takes some 20 ms, so it waits for the first block.
    pub(super) fn new() -> Self {
        Self { grammars: OnceLock::new(), done: Mutex::new(BTreeMap::new()) }
    }

    /// A block of code as HTML. A language nobody knows is written without colour.
    pub(super) fn block(&self, code: &str, language: &str) -> String {
        let colored = self.colored(code, language);
        let code = colored.as_deref().map_or_else(|| escape(code), Cow::Borrowed);
        let (class, quote) = if language.is_empty() { ("", "") } else { (" class=\"language-", "\"") };
        ["<pre class=\"code\" tabindex=\"0\"><code", class, &escape(language), quote, ">", &code, "</code></pre>\n"].concat()
    }

    fn colored(&self, code: &str, language: &str) -> Option<Arc<str>> {
        if language.is_empty() {
            return None;
        }
        if let Some(html) = self.done.lock().ok()?.get(language).and_then(|done| done.get(code)) {
            return Some(Arc::clone(html));
        }
        let grammars = self.grammars.get_or_init(Grammars::load);
        let html: Arc<str> = grammars.color(code, language)?.into();
        self.done.lock().ok()?.entry(language.to_owned()).or_default().insert(code.to_owned(), Arc::clone(&html));
        Some(html)
    }
}

impl Grammars {
    fn load() -> Self {
        let classes = CLASSES.iter().filter_map(|(scope, class)| Some((Scope::new(scope).ok()?, *class)));
        Self { syntaxes: SyntaxSet::load_defaults_newlines(), classes: classes.collect() }
    }

    fn color(&self, code: &str, language: &str) -> Option<String> {
        // The grammars have no TypeScript; JavaScript's colours all of it but the types.
        let token = match language {
            "ts" | "typescript" | "mjs" => "js",
            "console" | "shell" => "sh",
            other => other,
        };
        let syntax = self.syntaxes.find_syntax_by_token(token)?;
        let mut state = ParseState::new(syntax);
        let mut stack = ScopeStack::new();
        let mut writer = Writer { html: String::with_capacity(code.len() * 2), open: "" };
        for line in LinesWithEndings::from(code) {
            let operations = state.parse_line(line, &self.syntaxes).ok()?;
            let mut at = 0;
            for (position, operation) in operations {
                writer.write(&line[at..position], self.class(&stack));
                at = position;
                stack.apply(&operation).ok()?;
            }
            writer.write(&line[at..], self.class(&stack));
        }
        writer.close();
        Some(writer.html)
    }

    /// The innermost scope that has a class.
    fn class(&self, stack: &ScopeStack) -> &'static str {
        stack
            .as_slice()
            .iter()
            .rev()
            .find_map(|scope| self.classes.iter().find(|(prefix, _)| prefix.is_prefix_of(*scope)))
            .map_or("", |(_, class)| class)
    }
}

/// Writes runs of text, one span for neighbours of one class.
struct Writer {
    html: String,
    open: &'static str,
}

impl Writer {
    fn write(&mut self, text: &str, class: &'static str) {
        if text.is_empty() {
            return;
        }
        // White space has no colour, so it never ends a span.
        if class != self.open && !text.trim().is_empty() {
            self.close();
            if !class.is_empty() {
                self.html.push_str("<span class=\"");
                self.html.push_str(class);
                self.html.push_str("\">");
            }
            self.open = class;
        }
        self.html.push_str(&escape(text));
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.html.push_str("</span>");
        }
        self.open = "";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_coloured_by_few_classes() {
        let html = Highlighter::new().block("fn main() { let a = \"<b>\"; // hi\n}\n", "rust");
        insta::assert_snapshot!(html);
    }

    #[test]
    fn an_unknown_language_is_escaped_and_plain() {
        assert_eq!(
            Highlighter::new().block("<a> & b\n", "no\"such"),
            "<pre class=\"code\" tabindex=\"0\"><code class=\"language-no&quot;such\">&lt;a&gt; &amp; b\n</code></pre>\n"
        );
    }
}

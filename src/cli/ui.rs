//! stdout is data, stderr is talk.

use super::args::{Color, Global};
use crate::source::{self, Diagnostic, Sources};

#[derive(Clone)]
pub(super) struct Ui {
    pub(super) json: bool,
    pub(super) quiet: bool,
    color: bool,
}

impl Ui {
    pub(super) fn new(global: &Global) -> Self {
        let color = match global.color {
            Color::Always => true,
            Color::Never => false,
            // Obeys NO_COLOR, CLICOLOR and CLICOLOR_FORCE, and looks whether stderr is a terminal.
            Color::Auto => anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never,
        };
        Self { json: global.json, quiet: global.quiet, color }
    }

    /// A line of talk.
    pub(super) fn say(&mut self, line: &str) {
        if !self.quiet {
            write_out(std::io::stderr(), line);
        }
    }

    /// A line of data.
    pub(super) fn data(&mut self, line: &str) {
        write_out(std::io::stdout(), line);
    }

    /// A JSON document.
    pub(super) fn document(&mut self, document: &serde_json::Value) {
        self.data(&format!("{document:#}"));
    }

    /// What ended the command.
    pub(super) fn error(&mut self, message: &str) {
        let label = self.paint("error", anstyle::AnsiColor::Red);
        write_out(std::io::stderr(), &format!("{label}: {message}"));
    }

    /// More about what ended the command, below it.
    pub(super) fn error_detail(&mut self, text: &str) {
        write_out(std::io::stderr(), &text.lines().map(|line| format!("  {line}\n")).collect::<String>());
    }

    /// A word in colour, where there is colour.
    pub(super) fn paint(&self, word: &str, color: anstyle::AnsiColor) -> String {
        if !self.color {
            return word.to_owned();
        }
        let style = anstyle::Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{word}{style:#}")
    }

    /// Complaints, and a line that counts them.
    pub(super) fn diagnostics(&mut self, diagnostics: &[Diagnostic], sources: &Sources) {
        let shown: Vec<Diagnostic> =
            diagnostics.iter().filter(|diagnostic| !self.quiet || diagnostic.is_error()).cloned().collect();
        if !shown.is_empty() {
            write_out(std::io::stderr(), &source::render(&shown, sources, self.color));
        }
    }
}

/// "3 errors and 1 warning".
pub(super) fn counted(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = diagnostics.len() - errors;
    match (errors, warnings) {
        (0, warnings) => plural(warnings, "warning"),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

/// "1 page", "2 pages".
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A reader that went away (`qdn … | head`) is no error of ours.
fn write_out(mut to: impl std::io::Write, text: &str) {
    let _ = writeln!(to, "{}", text.trim_end_matches('\n'));
    let _ = to.flush();
}

//! From a place in a bundle to the place in the sources.

use std::collections::BTreeMap;

/// A source, a line and a column, each from 0.
type Origin = (usize, usize, usize);

/// A source map, read backwards: from a place in a bundle to the place in the sources that it comes from.
#[derive(Debug, Default)]
pub struct Origins {
    sources: Vec<String>,
    /// For each line its pieces: the column, and the source, line and column it comes from.
    lines: BTreeMap<usize, Vec<(usize, Option<Origin>)>>,
}

impl Origins {
    /// Reads a map in version 3 of the format; of what is none nothing has an origin.
    pub fn of(map: &str) -> Self {
        let map: serde_json::Value = serde_json::from_str(map).unwrap_or_default();
        let sources = map["sources"].as_array().into_iter().flatten();
        let sources = sources.map(|source| source.as_str().unwrap_or_default().to_owned()).collect();
        let mut origins = Self { sources, lines: BTreeMap::new() };
        let mut place = [0i64; 3];
        for (line, pieces) in map["mappings"].as_str().unwrap_or_default().split(';').enumerate() {
            let mut column = 0;
            for piece in pieces.split(',').filter(|piece| !piece.is_empty()) {
                let numbers = numbers(piece);
                column += numbers.first().copied().unwrap_or_default();
                let origin = numbers.get(1..4).map(|moved| {
                    place.iter_mut().zip(moved).for_each(|(place, moved)| *place += moved);
                    let [source, line, column] = place.map(|number| usize::try_from(number).unwrap_or_default());
                    (source, line, column)
                });
                origins.lines.entry(line).or_default().push((usize::try_from(column).unwrap_or_default(), origin));
            }
        }
        origins
    }

    /// Whether nothing is known of anything.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Path, line and column of what stands at a byte; lines and columns from 0, columns in UTF-16 units.
    pub(super) fn of_byte(&self, code: &str, at: usize) -> Option<(&str, usize, usize)> {
        let before = code.get(..at)?;
        let line = before.matches('\n').count();
        let column: usize = before.rsplit('\n').next()?.chars().map(char::len_utf16).sum();
        self.of_place(line, column)
    }

    /// Path, line and column of what stands at a line and a column of the bundle, all from 0, columns in UTF-16 units.
    pub(super) fn of_place(&self, line: usize, column: usize) -> Option<(&str, usize, usize)> {
        let pieces = self.lines.get(&line)?;
        // What was made up has no origin of its own: it stands with what came before it.
        let until = pieces.partition_point(|(start, _)| *start <= column);
        let (source, line, column) = pieces[..until].iter().rev().find_map(|(_, origin)| *origin)?;
        Some((self.sources.get(source)?, line, column))
    }

    /// The places that a whole line of the bundle comes from: for each line of a source the first of them, in the line's order.
    pub(super) fn of_line(&self, line: usize) -> Vec<(&str, usize, usize)> {
        let mut found: Vec<(&str, usize, usize)> = Vec::new();
        for (source, line, column) in self.lines.get(&line).into_iter().flatten().filter_map(|(_, origin)| *origin) {
            let Some(path) = self.sources.get(source) else { continue };
            if !found.iter().any(|(known, at, _)| known == path && *at == line) {
                found.push((path, line, column));
            }
        }
        found
    }
}

/// The numbers in a piece of a source map.
fn numbers(piece: &str) -> Vec<i64> {
    let (mut found, mut number, mut shift) = (Vec::new(), 0i64, 0);
    for letter in piece.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        number |= i64::from(digit & 31) << shift;
        shift = (shift + 5).min(55);
        if digit & 32 == 0 {
            found.push(if number & 1 == 1 { -(number >> 1) } else { number >> 1 });
            (number, shift) = (0, 0);
        }
    }
    found
}

/// The byte at a line and a column, both from 0.
pub(super) fn byte_at(text: &str, line: usize, column: usize) -> Option<usize> {
    // A byte order mark is no column to the compiler.
    let skipped = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let text = &text[skipped..];
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let mut units = 0;
    let rest = text.get(start..)?.split('\n').next()?;
    let within = rest.char_indices().find(|(_, letter)| {
        let here = units >= column;
        units += letter.len_utf16();
        here
    });
    Some(skipped + start + within.map_or(rest.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{self, FunctionOptions};
    use crate::source::Sources;

    #[test]
    fn a_place_in_the_bundle_leads_to_its_source() {
        let main = "\u{feff}import { page } from './page.js';\n\nexport function handler(event) {\n  event.request.uri = page();\n  return event.request;\n}\n";
        let page = "// Ü\nexport const page = () => /* ü */ '/index.html';\n";
        let sources: Sources = [("main.js", main.as_bytes().to_vec()), ("page.js", page.as_bytes().to_vec())].into_iter().collect();
        let none = BTreeMap::new();
        let graph = script::graph(
            &sources,
            &["main.js".into()],
            &script::Options { virtual_modules: &none, externals: &[], packages: false },
        );
        let graph = graph.map_err(|_| ()).expect("it is read");
        let options = FunctionOptions { runtime: script::Runtime::Njs2, lower: true, minify: true };
        let script = script::function(&graph, &options).expect("it is built");
        let origins = Origins::of(&script.map);
        for (word, path, text) in [("\"/index.html\"", "page.js", "'/index.html'"), ("request", "main.js", "request")] {
            let at = script.code.find(word).expect("it is there");
            let (found, line, column) = origins.of_byte(&script.code, at).expect("it comes from somewhere");
            let source = sources.text(path).expect("there is such a file");
            let at = byte_at(source, line, column).expect("it is in the file");
            assert_eq!(found, path);
            assert!(source[at..].starts_with(text), "{}", &source[at..]);
        }
    }
}

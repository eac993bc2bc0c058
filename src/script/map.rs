//! Source maps: which byte of a module each piece of a text comes from.

use super::graph::Graph;
use crate::source::SourcePath;
use std::collections::BTreeMap;
use swc_core::common::LineCol;

/// A text, and where its pieces come from.
#[derive(Default)]
pub(super) struct Printed {
    pub(super) code: String,
    /// Positions as the compiler counts, and where they went; in the order of the text.
    pub(super) mappings: Vec<(u32, LineCol)>,
    /// Positions that stand for functions which the compiler brought, and the functions' names.
    pub(super) helpers: Vec<(u32, String)>,
    /// The first byte of each statement at the top, where somebody looked.
    pub(super) tops: Vec<usize>,
}

/// A place in a module: lines and columns from 0, columns in UTF-16 units.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    module: usize,
    line: u32,
    column: u32,
}

/// Where a byte of a module stands in it.
struct Lines<'a> {
    base: u32,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(base: u32, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { base, text, starts }
    }

    fn place(&self, position: u32) -> Option<(u32, u32)> {
        let offset = position.checked_sub(self.base)? as usize;
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let column: usize = self.text.get(self.starts[line]..offset)?.chars().map(char::len_utf16).sum();
        Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
    }
}

/// The pieces that come from somewhere, and those that come from nowhere.
fn places(graph: &Graph, printed: &Printed) -> Vec<(LineCol, Option<Place>)> {
    let mut files: Vec<(usize, Lines<'_>)> =
        graph.modules.iter().enumerate().map(|(at, module)| (at, Lines::of(module.parsed.base, &module.text))).collect();
    files.sort_by_key(|(_, lines)| lines.base);
    let mut found: Vec<(LineCol, Option<Place>)> = Vec::new();
    for (position, to) in &printed.mappings {
        let at = files.partition_point(|(_, lines)| lines.base <= *position);
        let place = at
            .checked_sub(1)
            .map(|at| &files[at])
            .filter(|_| *position != 0)
            .and_then(|(module, lines)| lines.place(*position).map(|(line, column)| Place { module: *module, line, column }));
        match found.last_mut() {
            Some((last, known)) if last.line == to.line && last.col == to.col => *known = place,
            Some((last, known)) if *known == place && last.line == to.line => {}
            _ => found.push((*to, place)),
        }
    }
    found
}

/// The map in version 3 of the format, the modules' texts within.
pub(super) fn json(graph: &Graph, printed: &Printed) -> String {
    let places = places(graph, printed);
    let used: BTreeMap<usize, ()> = places.iter().filter_map(|(_, place)| place.map(|place| (place.module, ()))).collect();
    let numbers: BTreeMap<usize, i64> = used.keys().zip(0..).map(|(module, number)| (*module, number)).collect();
    let mut text = String::new();
    let (mut line, mut column) = (0, 0i64);
    let (mut source, mut source_line, mut source_column) = (0i64, 0i64, 0i64);
    let mut first = true;
    for (to, place) in places {
        while line < to.line {
            text.push(';');
            line += 1;
            column = 0;
            first = true;
        }
        if !std::mem::take(&mut first) {
            text.push(',');
        }
        number(&mut text, i64::from(to.col) - column);
        column = i64::from(to.col);
        if let Some(place) = place {
            let own = numbers.get(&place.module).copied().unwrap_or_default();
            number(&mut text, own - source);
            number(&mut text, i64::from(place.line) - source_line);
            number(&mut text, i64::from(place.column) - source_column);
            (source, source_line, source_column) = (own, i64::from(place.line), i64::from(place.column));
        }
    }
    let modules = || used.keys().map(|module| &graph.modules[*module]);
    serde_json::json!({
        "version": 3,
        "sources": modules().map(|module| module.parsed.path().as_str()).collect::<Vec<_>>(),
        "sourcesContent": modules().map(|module| module.text.as_str()).collect::<Vec<_>>(),
        "names": [],
        "mappings": text,
    })
    .to_string()
}

/// A number in Base64, the sign in its lowest bit, the least digits first.
fn number(text: &mut String, number: i64) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut rest = number.unsigned_abs() << 1 | u64::from(number < 0);
    loop {
        let digit = (rest & 31) as usize;
        rest >>= 5;
        text.push(char::from(DIGITS[if rest > 0 { digit | 32 } else { digit }]));
        if rest == 0 {
            return;
        }
    }
}

/// How many bytes of the text come from each module.
pub(super) fn sizes(graph: &Graph, printed: &Printed) -> BTreeMap<SourcePath, usize> {
    let mut sizes = BTreeMap::new();
    let lines: Vec<&str> = printed.code.split('\n').collect();
    let places = places(graph, printed);
    for (at, (from, place)) in places.iter().enumerate() {
        let Some(place) = place else { continue };
        let Some(line) = lines.get(from.line as usize) else { continue };
        let end = places.get(at + 1).filter(|(to, _)| to.line == from.line).map(|(to, _)| to.col);
        let bytes = byte(line, end.unwrap_or(u32::MAX)).saturating_sub(byte(line, from.col));
        *sizes.entry(graph.modules[place.module].parsed.path().clone()).or_default() += bytes;
    }
    sizes
}

/// The byte at a column.
pub(super) fn byte(line: &str, column: u32) -> usize {
    if line.is_ascii() {
        return (column as usize).min(line.len());
    }
    let mut units = 0;
    line.char_indices()
        .find(|(_, letter)| {
            let here = units >= column as usize;
            units += letter.len_utf16();
            here
        })
        .map_or(line.len(), |(at, _)| at)
}

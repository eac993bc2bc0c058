//! What takes how many bytes of a script.

use super::graph::Graph;
use super::link::declared;
use super::map::{Printed, byte};
use crate::source::{SourcePath, line_column};
use std::collections::BTreeMap;
use swc_core::common::Spanned;

/// Bytes of a script that are there for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The reason.
    pub cause: Cause,
    /// How many.
    pub bytes: usize,
}

/// Why something is in a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A declaration at the top of a module, or a statement there that declares nothing.
    Declaration {
        /// The module's path, or the name of the generated module.
        module: SourcePath,
        /// Its line in the module, from 1.
        line: usize,
        /// The names that it declares, with commas between them; nothing where it declares none.
        name: String,
    },
    /// A function of the compiler's, by its name: syntax was rewritten that needs it.
    Helper(String),
    /// The import of one of the runtime's modules.
    Import(String),
    /// What nobody wrote: the objects of `import * as`, the name `handler`, a variable that a helper counts with.
    Joint,
}

/// The parts of a text; together they are the text. Code that was moved into another function counts where it was written.
pub(super) fn parts(graph: &Graph, printed: &Printed) -> Vec<Part> {
    let code = &printed.code;
    let modules: Vec<Module<'_>> = (0..graph.modules.len()).map(|at| Module::of(graph, at)).collect();
    let cause = |position: u32| -> Option<Cause> {
        if let Some((_, name)) = printed.helpers.iter().find(|(at, _)| *at == position) {
            return Some(Cause::Helper(name.clone()));
        }
        modules.iter().find(|module| (module.from..=module.to).contains(&position))?.cause(position)
    };
    // The pieces of the text, each with its cause.
    let starts: Vec<usize> = std::iter::once(0).chain(code.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let lines: Vec<&str> = code.split('\n').collect();
    let mut pieces: BTreeMap<usize, Option<Cause>> = BTreeMap::new();
    for (position, place) in &printed.mappings {
        let line = place.line as usize;
        if let (Some(start), Some(text)) = (starts.get(line), lines.get(line)) {
            pieces.insert(start + byte(text, place.col), if *position == 0 { None } else { cause(*position) });
        }
    }
    let mut tops: Vec<usize> = printed.tops.clone();
    if let Some(first) = tops.first_mut() {
        *first = 0;
    }
    let mut found: BTreeMap<Cause, usize> = BTreeMap::new();
    for (at, from) in tops.iter().enumerate() {
        let to = tops.get(at + 1).copied().unwrap_or(code.len());
        let within: Vec<(usize, &Option<Cause>)> = pieces.range(*from..to).map(|(at, cause)| (*at, cause)).collect();
        let mut own: BTreeMap<&Cause, usize> = BTreeMap::new();
        let mut known = 0;
        for (at, (start, cause)) in within.iter().enumerate() {
            let end = within.get(at + 1).map_or(to, |(end, _)| *end);
            if let Some(cause) = cause {
                *own.entry(cause).or_default() += end - start;
                known += end - start;
            }
        }
        // What comes from nowhere belongs to that which it stands in.
        let most = own.iter().max_by_key(|(_, bytes)| **bytes).map(|(cause, _)| (*cause).clone());
        let text = &code[*from..to];
        let most = most.unwrap_or_else(|| match text.strip_prefix("import ").and_then(|rest| rest.split(['"', '\'']).nth(1)) {
            Some(name) => Cause::Import(name.to_owned()),
            None => Cause::Joint,
        });
        *found.entry(most).or_default() += to - from - known;
        for (cause, bytes) in own {
            *found.entry(cause.clone()).or_default() += bytes;
        }
    }
    let mut parts: Vec<Part> =
        found.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(cause, bytes)| Part { cause, bytes }).collect();
    parts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.cause.cmp(&b.cause)));
    parts
}

/// A module and where its statements begin.
struct Module<'a> {
    path: &'a SourcePath,
    from: u32,
    to: u32,
    /// The first position, line and names of each statement, in order.
    statements: Vec<(u32, usize, String)>,
}

impl<'a> Module<'a> {
    fn of(graph: &'a Graph, at: usize) -> Self {
        let module = &graph.modules[at];
        let from = module.parsed.base;
        let mut statements: Vec<(u32, usize, String)> = module
            .statements
            .iter()
            .map(|statement| {
                let start = statement.span().lo.0;
                let (line, _) = line_column(&module.text, start.saturating_sub(from) as usize);
                let names: Vec<String> = declared(statement).into_iter().map(|(name, _)| name.to_string()).collect();
                (start, line, names.join(", "))
            })
            .collect();
        statements.sort();
        let length = u32::try_from(module.text.len()).unwrap_or(u32::MAX / 2);
        Self { path: module.parsed.path(), from, to: from + length, statements }
    }

    fn cause(&self, position: u32) -> Option<Cause> {
        let at = self.statements.partition_point(|(start, ..)| *start <= position).saturating_sub(1);
        let (_, line, name) = self.statements.get(at)?;
        Some(Cause::Declaration { module: self.path.clone(), line: *line, name: name.clone() })
    }
}

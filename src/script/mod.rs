//! JavaScript modules become one text.
//!
//! [`graph`] reads entries and everything they import, and complains about all that is wrong in
//! them; [`function`] makes a CloudFront Function of a graph, [`chunks`] makes files for a browser.
//! No disk: files come from a [`Sources`](crate::source::Sources), generated modules from [`Options`].
//!
//! This is the only module that names the compiler; who wants to look at code themselves gets its
//! syntax tree as [`ast`] and [`visit`].

mod browser;
mod count;
mod exact;
mod flat;
mod graph;
mod hoist;
mod last;
mod lines;
mod link;
mod lower;
mod map;
mod names;
mod package;
mod parse;
mod print;
mod purity;
mod resolve;
mod scope;
mod size;
mod supers;
#[cfg(test)]
mod tests;
mod this;
mod undeclared;
mod waits;

pub use browser::{Chunk, ChunkImport, ChunkOptions, chunks, placeholder};
pub use count::{Branch, COUNTER, Call, Way, count, counted};
pub use flat::{FunctionOptions, Script, function};
pub use graph::{Graph, Options, graph, is_package, missing};
pub use last::{Inputs, Last};
pub use lower::Runtime;
pub use package::is_of_package;
pub use parse::{Parsed, parse, parse_to_run};
pub use size::{Cause, Part};
pub use swc_core::common::{Span as Position, Spanned};
pub use swc_core::ecma::{ast, visit};

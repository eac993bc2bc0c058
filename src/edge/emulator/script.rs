//! A script made ready for the engine: refused where the edge refuses it, its imports taken out.

use crate::edge::outcome::{ErrorKind, RunError};
use crate::edge::runtime::{MAX_CODE_BYTES, Runtime};
use crate::edge::syntax;
use crate::source::SourcePath;

/// A script that the edge would take.
#[derive(Debug)]
pub(super) struct Script {
    code: String,
    /// The modules it imports, in the order of the parameters they are given to.
    imports: Vec<String>,
    lasting: bool,
    counted: bool,
}

impl Script {
    /// Reads a script as it would be uploaded.
    pub(super) fn new(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        if code.len() > MAX_CODE_BYTES {
            let message = format!("the code has {} bytes; a function has {MAX_CODE_BYTES} at most", code.len());
            return Err(RunError { kind: ErrorKind::SizeLimit, message });
        }
        Self::read(code, runtime)
    }

    /// A script that says which of its branches are taken. It is never uploaded, and may be as large as it likes.
    pub(super) fn counted(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        Ok(Self { counted: true, ..Self::read(code, runtime)? })
    }

    fn read(code: &str, runtime: Runtime) -> Result<Self, RunError> {
        let facts = syntax::read(&SourcePath::new("function.js"), code, runtime).map_err(RunError::execution)?;
        // Blanks in the place of the imports: every line keeps its number.
        let mut rest = code.to_owned();
        for import in facts.imports.iter().rev() {
            let blank: String =
                code[import.span.start..import.span.end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            rest.replace_range(import.span.start..import.span.end, &blank);
        }
        if let Some(stripped) = rest.strip_prefix("#!") {
            rest = format!("//{stripped}");
        }
        let names: Vec<&str> = facts.imports.iter().map(|import| import.local.as_str()).collect();
        let imports = facts.imports.iter().map(|import| import.module.clone()).collect();
        Ok(Self { code: wrap(&rest, &names), imports, lasting: facts.reaches_builtins, counted: false })
    }

    /// A script of our own, of which everything is known.
    pub(super) fn bare(code: &str) -> Self {
        Self { code: wrap(code, &[]), imports: Vec::new(), lasting: false, counted: false }
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Whether it says which of its branches are taken.
    pub(super) fn is_counted(&self) -> bool {
        self.counted
    }

    /// Whether it may leave something in the engine for the next event.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    pub(super) fn imports(&self) -> impl Iterator<Item = &str> {
        self.imports.iter().map(String::as_str)
    }
}

/// The script as a function of its imports that answers the handler. It begins on the first line.
///
/// Inside of a function a second `function handler` replaces the first, as it does in njs, where a
/// module or a strict script would refuse it.
fn wrap(code: &str, names: &[&str]) -> String {
    let names = names.join(",");
    let handler = "typeof handler==='undefined'?globalThis.handler:handler";
    format!("(function(){{return(function({names}){{'use strict';{code}\n;return {handler};}}).apply(undefined,arguments[0]);}})")
}

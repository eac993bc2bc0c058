//! Browser scripts.
use super::asset::Output;
use crate::source::{Diagnostic, SourcePath, Sources};
use std::collections::BTreeMap;

pub(super) const EXTENSIONS: &[&str] = &["js", "mjs", "ts"];

pub(super) fn build(
    sources: &Sources,
    files: &[(SourcePath, String)],
    _virtual_modules: &BTreeMap<String, String>,
    _problems: &mut Vec<Diagnostic>,
) -> Vec<Output> {
    files.iter().filter(|(p, _)| !p.as_str().contains("/lib/")).map(|(path, name)| Output::new(name, path.clone(), sources.bytes(path.as_str()).map(|b| b.to_vec()).unwrap_or_default())).collect()
}

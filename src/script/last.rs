//! What was made of all scripts the last time, for as long as they stay the same.

use crate::source::{SourcePath, Sources};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All that an import can lead to. Whether something else exists makes another complaint, and never
/// another result.
#[derive(Clone, PartialEq, Eq)]
pub struct Inputs {
    files: Vec<(SourcePath, Arc<[u8]>)>,
    virtual_modules: BTreeMap<String, String>,
}

impl Inputs {
    /// Those of a project.
    pub fn of(sources: &Sources, virtual_modules: &BTreeMap<String, String>) -> Self {
        let scripts = sources.iter().filter(|(path, _)| path.is_script() || path.as_str().ends_with("/package.json"));
        let files = scripts.map(|(path, bytes)| (path.clone(), Arc::clone(bytes))).collect();
        Self { files, virtual_modules: virtual_modules.clone() }
    }
}

/// The last good result of a step, with what it was made from.
pub struct Last<K, T>(Mutex<Option<(K, T)>>);

impl<K, T> Default for Last<K, T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: PartialEq, T: Clone> Last<K, T> {
    /// The result, if it was made from just this.
    pub fn get(&self, inputs: &K) -> Option<T> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(made_from, _)| made_from == inputs).map(|(_, made)| made.clone())
    }

    /// Keeps a result in the place of the last one. One with complaints is not to be kept.
    pub fn keep(&self, inputs: K, made: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((inputs, made));
    }
}

//! A map that is asked, and never gone through.

use std::borrow::Borrow;
use std::hash::Hash;

/// What is known by a name. Nobody can go through it, so that its order, which is another in each run, is part of nothing; where
/// there are ten thousand names in no order, asking takes a tenth of the time that an ordered map takes.
#[expect(clippy::disallowed_types, reason = "it has no way to be gone through")]
#[derive(Clone, Debug)]
pub struct Lookup<K, V>(std::collections::HashMap<K, V>);

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// What is known by this name.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(name)
    }

    /// Whether anything is known by this name.
    pub fn has<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(name)
    }

    /// Makes something known by a name, unless another thing is: whoever came first stays.
    pub fn keep(&mut self, name: K, make: impl FnOnce() -> V) {
        self.0.entry(name).or_insert_with(make);
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Lookup<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(named: I) -> Self {
        Self(named.into_iter().collect())
    }
}

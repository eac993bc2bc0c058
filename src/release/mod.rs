//! What a build produced, addressed by content: the contract between building and everything after.
//!
//! A [`Release`] is the bytes, its [`Manifest`] the list of them. Preview serves a release, `dist/`
//! stores one, publish uploads one: the same value each time. This module knows nothing of where
//! objects come from or where they go.

pub mod headers;
mod manifest;

pub use manifest::{Distribution, FunctionEntry, Manifest, ObjectEntry, ParseError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The name of the only distribution of a project that names none.
pub const DEFAULT_DISTRIBUTION: &str = "site";

/// What may stand in the path of a URL as it is (RFC 3986 `pchar` and the slash).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The name of an object within its distribution: no slash in front, not percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// The key as given.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path by which a browser asks for the object itself: `/` and the key, percent-encoded.
    pub fn path(&self) -> String {
        encode_path(&format!("/{}", self.0))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A path as it stands in a URL.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal, 64 digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first 64 bits, enough for a name: among a million names a collision has odds of 1 in 10⁷.
    pub fn short(&self) -> String {
        hex(&self.0[..8])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
        text
    })
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Keeps what was dear to make, under the digest of what it was made from.
pub trait Cache: Send + Sync {
    /// What was kept.
    fn get(&self, key: &Digest) -> Option<Vec<u8>>;
    /// Keeps something. It may be lost.
    fn put(&self, key: &Digest, bytes: &[u8]);
}

/// How long an object keeps its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Its name holds its hash: other bytes would have another name.
    Immutable,
    /// Its name stays while its bytes change.
    Page,
}

/// One thing to be served.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name.
    pub key: Key,
    /// Its bytes, exactly as they will be served.
    pub bytes: Arc<[u8]>,
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// Whether the name changes with the bytes.
    pub class: Class,
}

impl Object {
    /// An object with its digest.
    pub fn new(key: Key, bytes: impl Into<Arc<[u8]>>, class: Class) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), key, bytes, class }
    }
}

/// An edge function as it would be uploaded.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, from the file's: `functions/<name>.js`.
    pub name: String,
    /// The runtime's name in CloudFront's API, such as `cloudfront-js-2.0`.
    pub runtime: String,
    /// The flat script.
    pub code: Arc<str>,
}

/// Everything one build produced.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// What is in it, and under which headers.
    pub manifest: Manifest,
    /// The objects of each distribution.
    pub objects: BTreeMap<String, BTreeMap<Key, Object>>,
    /// The functions, by name.
    pub functions: BTreeMap<String, Function>,
    /// Source maps by the key they would have beside their script. Served by preview, never published.
    pub source_maps: BTreeMap<Key, Arc<[u8]>>,
}

impl Release {
    /// The object under a key of a distribution.
    pub fn object(&self, distribution: &str, key: &str) -> Option<&Object> {
        self.objects.get(distribution)?.get(key)
    }

    /// The sum of all objects and functions, in bytes.
    pub fn bytes(&self) -> u64 {
        let objects = self.objects.values().flat_map(BTreeMap::values).map(|object| object.bytes.len() as u64);
        objects.chain(self.functions.values().map(|function| function.code.len() as u64)).sum()
    }
}

/// Objects, functions and policy become one release with its manifest.
///
/// `viewer_request` names the function that decides each distribution's URLs; every distribution has the same headers.
pub fn assemble(
    objects: BTreeMap<String, Vec<Object>>,
    functions: Vec<Function>,
    viewer_request: &BTreeMap<String, String>,
    policy: headers::Policy,
    source_maps: BTreeMap<Key, Arc<[u8]>>,
) -> Release {
    assemble_with(objects, functions, viewer_request, &BTreeMap::new(), |_| policy.clone(), source_maps)
}

/// As [`assemble`], where `policy` gives each distribution headers of its own, and `viewer_response` names the function
/// that sees its answers.
pub fn assemble_with(
    objects: BTreeMap<String, Vec<Object>>,
    functions: Vec<Function>,
    viewer_request: &BTreeMap<String, String>,
    viewer_response: &BTreeMap<String, String>,
    policy: impl Fn(&str) -> headers::Policy,
    source_maps: BTreeMap<Key, Arc<[u8]>>,
) -> Release {
    let objects: BTreeMap<String, BTreeMap<Key, Object>> = objects
        .into_iter()
        .map(|(name, objects)| (name, objects.into_iter().map(|object| (object.key.clone(), object)).collect()))
        .collect();
    let functions = functions.into_iter().map(|function| (function.name.clone(), function)).collect();
    let manifest = Manifest::of(&objects, &functions, viewer_request, viewer_response, policy);
    Release { manifest, objects, functions, source_maps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_becomes_a_path() {
        assert_eq!(Key::new("café/price list.pdf").path(), "/caf%C3%A9/price%20list.pdf");
        assert_eq!(Key::new("a+b@2x.png").path(), "/a+b@2x.png");
    }

    #[test]
    fn a_digest_is_the_known_one() {
        assert_eq!(Digest::of(b"").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

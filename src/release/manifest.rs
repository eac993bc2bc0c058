//! The list of what a release holds: written last, read first.

use super::headers::{self, Policy};
use super::{Class, Digest, Function, Key, Object};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the manifest's form. A reader refuses one it does not know.
const VERSION: u32 = 1;

/// Every object and function of a release with its digest and headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of this document: 1.
    pub version: u32,
    /// The first 16 hexadecimal digits of the SHA-256 of everything below: same content, same release.
    pub release: String,
    /// By name.
    pub distributions: BTreeMap<String, Distribution>,
    /// By name.
    pub functions: BTreeMap<String, FunctionEntry>,
}

/// What one distribution serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The function that decides its URLs, if one does.
    pub viewer_request: Option<String>,
    /// The function that sees its answers, if one does. Releases without one are written as they always were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer_response: Option<String>,
    /// The headers of every answer.
    pub headers: Policy,
    /// By key.
    pub objects: BTreeMap<String, ObjectEntry>,
}

/// One object: what a publisher compares, and what it stores besides the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// SHA-256 of the bytes, lower-case hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// Whether the name changes with the bytes.
    pub class: Class,
    /// The `content-type` it is stored with.
    pub content_type: String,
    /// The `cache-control` it is stored with.
    pub cache_control: String,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionEntry {
    /// SHA-256 of the code, lower-case hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// CloudFront's name for the runtime.
    pub runtime: String,
}

/// Why a text is no manifest of ours.
#[derive(Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON of this form.
    Form(String),
    /// Written by a newer qdn.
    Version(u32),
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form(reason) => write!(f, "not a manifest: {reason}"),
            Self::Version(version) => {
                write!(f, "manifest version {version} is not known to this qdn, which reads version {VERSION}")
            }
        }
    }
}

impl Manifest {
    pub(super) fn of(
        objects: &BTreeMap<String, BTreeMap<Key, Object>>,
        functions: &BTreeMap<String, Function>,
        viewer_request: &BTreeMap<String, String>,
        viewer_response: &BTreeMap<String, String>,
        policy: impl Fn(&str) -> Policy,
    ) -> Self {
        let entry = |object: &Object| ObjectEntry {
            sha256: object.digest.hex(),
            size: object.bytes.len() as u64,
            class: object.class,
            content_type: headers::content_type(object.key.as_str()).to_owned(),
            cache_control: headers::cache_control(object.class, object.key.as_str()).to_owned(),
        };
        let distributions = objects.iter().map(|(name, objects)| {
            let objects = objects.iter().map(|(key, object)| (key.as_str().to_owned(), entry(object))).collect();
            let viewer_request = viewer_request.get(name).cloned();
            let viewer_response = viewer_response.get(name).cloned();
            (name.clone(), Distribution { viewer_request, viewer_response, headers: policy(name), objects })
        });
        let functions = functions.iter().map(|(name, function)| {
            let sha256 = Digest::of(function.code.as_bytes()).hex();
            (name.clone(), FunctionEntry { sha256, size: function.code.len() as u64, runtime: function.runtime.clone() })
        });
        let mut manifest = Self {
            version: VERSION,
            release: String::new(),
            distributions: distributions.collect(),
            functions: functions.collect(),
        };
        manifest.release = Digest::of(manifest.to_json().as_bytes()).short();
        manifest
    }

    /// The same release with another version of a function, or with one more: a release of its own.
    #[must_use]
    pub fn with_function(&self, name: &str, entry: FunctionEntry) -> Self {
        let mut other = Self { release: String::new(), ..self.clone() };
        other.functions.insert(name.to_owned(), entry);
        other.release = Digest::of(other.to_json().as_bytes()).short();
        other
    }

    /// The manifest as it is stored: one line per field, keys in order, a newline at the end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings, numbers and ordered maps always serialise");
        text.push('\n');
        text
    }

    /// Whether it is named by its content, as each was when it was made.
    pub fn is_genuine(&self) -> bool {
        let unnamed = Self { release: String::new(), ..self.clone() };
        Digest::of(unnamed.to_json().as_bytes()).short() == self.release
    }

    /// Reads a stored manifest.
    ///
    /// # Errors
    /// Where the text is not JSON of this form, or of a newer one.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| ParseError::Form(error.to_string()))?;
        if head.version != VERSION {
            return Err(ParseError::Version(head.version));
        }
        serde_json::from_str(text).map_err(|error| ParseError::Form(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release_of(body: &str) -> Manifest {
        let object = Object::new(Key::new("index.html"), body.as_bytes(), Class::Page);
        let objects = BTreeMap::from([("site".to_owned(), BTreeMap::from([(object.key.clone(), object)]))]);
        Manifest::of(&objects, &BTreeMap::new(), &BTreeMap::new(), &BTreeMap::new(), |_| Policy::default())
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = release_of("hello");
        assert!(manifest.is_genuine() && !Manifest { release: "0".to_owned(), ..manifest.clone() }.is_genuine());
        assert_eq!(Manifest::parse(&manifest.to_json()), Ok(manifest));
        assert_eq!(Manifest::parse(r#"{"version": 9}"#), Err(ParseError::Version(9)));
        assert!(matches!(Manifest::parse("{"), Err(ParseError::Form(_))));
    }

    #[test]
    fn another_function_is_another_release_and_the_same_one_the_same() {
        let entry = |sha256: &str| FunctionEntry { sha256: sha256.to_owned(), size: 1, runtime: "cloudfront-js-2.0".to_owned() };
        let first = release_of("a").with_function("f", entry("1"));
        let second = first.with_function("f", entry("2"));
        assert!(second.is_genuine() && second.release != first.release);
        assert_eq!(second.with_function("f", entry("1")), first, "a way back leads to the very release");
    }

    #[test]
    fn the_release_is_named_by_its_content() {
        assert_eq!(release_of("a").release, release_of("a").release);
        assert_ne!(release_of("a").release, release_of("b").release);
    }
}

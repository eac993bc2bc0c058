//! The two runtimes, and what a script finds in each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The most bytes a function may have when it is uploaded: comments and blanks count.
pub const MAX_CODE_BYTES: usize = 10_240;

/// Which of CloudFront's two engines a function is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// `cloudfront-js-1.0`: no `const`, no `async`, no key-value store. It behaves like njs 0.4.3.
    V1,
    /// `cloudfront-js-2.0`, the one to choose. It behaves like njs between 0.7.12 and 0.8.0.
    #[default]
    V2,
}

impl Runtime {
    /// The name in CloudFront's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "cloudfront-js-1.0",
            Self::V2 => "cloudfront-js-2.0",
        }
    }

    /// The number alone, for a sentence.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }

    /// The runtime of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|runtime| runtime.name() == name)
    }

    /// The modules that `import x from '…'` finds. Runtime 1.0 has `require` alone.
    pub fn importable(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &[],
            Self::V2 => &["buffer", "cloudfront", "crypto", "querystring"],
        }
    }

    /// The modules that `require('…')` finds. `cloudfront` is not among them in either runtime.
    pub fn requirable(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["crypto", "querystring"],
            Self::V2 => &["buffer", "crypto", "querystring"],
        }
    }

    /// The names on an object such as `Array.prototype`, or on `globals`.
    pub fn names(self, object: &str) -> Option<&'static BTreeSet<&'static str>> {
        self.surface().get(object)
    }

    /// Whether a global of this name exists.
    pub fn has_global(self, name: &str) -> bool {
        self.names("globals").is_some_and(|names| names.contains(name))
    }

    /// Every object of the surface with its names.
    pub fn surface(self) -> &'static Surface {
        match self {
            Self::V1 => &SURFACES.0,
            Self::V2 => &SURFACES.1,
        }
    }
}

/// The names on each object.
type Surface = BTreeMap<&'static str, BTreeSet<&'static str>>;

static SURFACES: LazyLock<(Surface, Surface)> = LazyLock::new(|| {
    let (mut one, mut two) = (Surface::new(), Surface::new());
    for line in include_str!("surface.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((object, names)) = line.split_once(':') else { continue };
        let mut columns = names.split('|').map(str::split_whitespace);
        let both: Vec<&str> = columns.next().into_iter().flatten().collect();
        let newer = columns.next().into_iter().flatten();
        two.insert(object, both.iter().copied().chain(newer).collect());
        let older = columns.next().into_iter().flatten();
        one.insert(object, both.iter().copied().chain(older).collect());
    }
    (one, two)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runtime_has_its_own_names() {
        assert!(Runtime::V2.has_global("Buffer") && !Runtime::V1.has_global("Buffer"));
        assert!(!Runtime::V2.has_global("Map") && !Runtime::V2.has_global("setTimeout"));
        let strings = |runtime: Runtime| runtime.names("String.prototype").expect("there are strings");
        assert!(strings(Runtime::V2).contains("replaceAll") && !strings(Runtime::V1).contains("replaceAll"));
        assert!(strings(Runtime::V1).contains("toUTF8") && !strings(Runtime::V2).contains("toUTF8"));
    }

    #[test]
    fn a_name_leads_to_its_runtime() {
        assert_eq!(Runtime::from_name("cloudfront-js-1.0"), Some(Runtime::V1));
        assert_eq!(Runtime::from_name("cloudfront-js-3.0"), None);
    }
}

//! Cache tags: an object says under which names it can be purged, whatever address it was cached under.
//!
//! CloudFront knows them since April 2026. What it does, and who says so [DeveloperGuide: invalidation-by-tags,
//! invalidation-specifying-tags]:
//!
//! * A distribution whose `CacheTagConfig` names a header takes the tags of an answer from it, with commas between; at S3 the
//!   header [`HEADER`] is the user metadata [`METADATA`]. Any other distribution passes over both, and purges nothing.
//! * The item `#tag` stands among the paths, counts and costs as a path does, and is no wildcard. Case does not count.
//! * An object has 50 tags at most, of 256 characters each. That the header may have 1,783 characters is said by others.
//! * What was cached before the header was named has no tags.
//!
//! An object has a tag of its own and one for each folder above it. So a changed page is one item, however many addresses
//! lead to it and whatever the query, and so is a folder of which all has changed. Each tag is the digest of a key, as keys
//! have characters that tags may not, and are longer.

use super::trie::{Clean, Cut, Node, Own};
use crate::release::Digest;

/// The header of the origin's answers that the distribution has to read tags from.
pub const HEADER: &str = "x-amz-meta-cache-tag";
/// The user metadata of an object that S3 makes this header of.
pub const METADATA: &str = "cache-tag";

/// As many tags an object has at most. With commas they are 949 characters, which every limit allows.
const MOST: usize = 50;
/// The longest tag that CloudFront accepts, in characters.
const LONGEST: usize = 256;

/// The tag of one object.
pub fn of_page(key: &str) -> String {
    format!("p-{}", Digest::of(key.as_bytes()).short())
}

/// The tag of everything in a folder, which is named as keys begin there: empty, or with a slash at its end.
pub fn of_folder(folder: &str) -> String {
    format!("d-{}", Digest::of(folder.as_bytes()).short())
}

/// All tags of an object as they are stored. In folders deeper than 49 the uppermost ones have no tag.
pub fn of(key: &str) -> String {
    let mut tags = vec![of_page(key)];
    tags.extend(folders(key).take(MOST - 1).map(of_folder));
    tags.join(",")
}

/// The folders that a key lies in, the innermost first; the last one is that of everything.
pub(super) fn folders(key: &str) -> impl Iterator<Item = &str> {
    key.rmatch_indices('/').map(|(slash, _)| &key[..=slash]).chain(std::iter::once(""))
}

/// Whether an object has the tag of a folder that it lies in.
fn has(key: &str, folder: &str) -> bool {
    key[folder.len()..].matches('/').count() < MOST - 1
}

/// Whether CloudFront takes such a tag: printable ASCII without a comma.
pub(super) fn is_tag(tag: &str) -> bool {
    (1..=LONGEST).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// A page, or a folder as a whole, that must be purged by a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due<'a> {
    /// The key, or the folder.
    pub(super) text: &'a str,
    /// Whether it is a folder.
    pub(super) whole: bool,
}

/// The tree of folders over what must be purged, as the trie is over addresses. A folder's tag stands for the wildcard.
///
/// `due` is in order, each once, none within a whole folder. Where a page lies so deep that it has not the tag of a folder,
/// that folder is not offered.
pub(super) fn tree(due: &[Due<'_>], clean: &Clean<'_>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(due.len() * 2);
    // The folders that are open, with their nodes.
    let mut open: Vec<(&str, usize)> = Vec::new();
    for (at, one) in due.iter().enumerate() {
        while open.last().is_some_and(|(folder, _)| !one.text.starts_with(folder)) {
            open.pop();
        }
        let mut missing: Vec<&str> = folders(one.text).filter(|folder| !(one.whole && *folder == one.text)).collect();
        missing.reverse();
        for folder in missing.into_iter().skip(open.len()) {
            let parent = open.last().map_or(0, |(_, node)| *node);
            let collateral = clean.sum(&clean.under(folder, clean.all()));
            let cut = Some(Cut { length: folder.len(), collateral });
            open.push((folder, nodes.len()));
            nodes.push(Node { parent, own: Own::Nothing, leaf: false, cut, obligations: at..at });
        }
        let parent = open.last().map_or(0, |(_, node)| *node);
        let (own, cut) = match one.whole {
            true => {
                let collateral = clean.sum(&clean.under(one.text, clean.all()));
                (Own::Whole, Some(Cut { length: one.text.len(), collateral }))
            }
            false => (Own::Address, None),
        };
        nodes.push(Node { parent, own, leaf: true, cut, obligations: at..at + 1 });
        for (folder, node) in &open {
            nodes[*node].obligations.end = at + 1;
            if !one.whole && !has(one.text, folder) {
                nodes[*node].cut = None;
            }
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_its_own_tag_and_one_for_each_folder() {
        assert_eq!(folders("a/b/c.html").collect::<Vec<_>>(), ["a/b/", "a/", ""]);
        let expected = [of_page("a/b/c.html"), of_folder("a/b/"), of_folder("a/"), of_folder("")];
        assert_eq!(of("a/b/c.html"), expected.join(","));
        assert_ne!(of_page("a/"), of_folder("a/"), "a file cannot pass for a folder");
        assert!(of("grüße, alle/index.html").split(',').all(is_tag));
        let deep = format!("{}x", "f/".repeat(400));
        let tags = of(&deep);
        assert_eq!((tags.split(',').count(), tags.len()), (MOST, 949));
        assert!(tags.ends_with(&of_folder(&"f/".repeat(352))), "it is cut at the top");
        assert!(has(&deep, &"f/".repeat(352)) && !has(&deep, &"f/".repeat(351)));
    }

    #[test]
    fn a_tag_is_printable_and_has_no_comma() {
        assert!(is_tag("p-1") && is_tag(&"x".repeat(256)));
        assert!(!["", "a,b", "a b", "é", &"x".repeat(257)].into_iter().any(is_tag));
    }
}

//! The compressed trie of all that must be purged, each node with what a wildcard there would purge besides.
//!
//! Only addresses that must be purged branch it: a wildcard is never worth writing where none is beneath.
//! The clean ones are counted by range in a sorted list, so the trie has at most two nodes per address.

use super::{Collateral, MAX_PATH};
use std::ops::Range;

/// One address, or one prefix as a whole, that the invalidation must cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Obligation<'a> {
    pub(super) text: &'a str,
    /// Whether every address with this prefix must go, so that only a wildcard will do.
    pub(super) whole: bool,
}

/// What is live and unchanged, in order.
pub(super) struct Clean<'a> {
    paths: Vec<&'a str>,
    /// The bytes of all before it: one more than there are paths.
    bytes_before: Vec<u64>,
}

impl<'a> Clean<'a> {
    /// From paths in order, each once.
    pub(super) fn new(objects: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let (mut paths, mut bytes_before) = (Vec::new(), vec![0]);
        let mut sum = 0u64;
        for (path, bytes) in objects {
            sum = sum.saturating_add(bytes);
            paths.push(path);
            bytes_before.push(sum);
        }
        Self { paths, bytes_before }
    }

    pub(super) fn all(&self) -> Range<usize> {
        0..self.paths.len()
    }

    /// Those of a range that begin with the prefix. The range must hold paths with a common beginning of it.
    pub(super) fn under(&self, prefix: &str, within: Range<usize>) -> Range<usize> {
        let paths = &self.paths[within.clone()];
        let first = paths.partition_point(|path| *path < prefix);
        let count = paths[first..].partition_point(|path| path.starts_with(prefix));
        within.start + first..within.start + first + count
    }

    pub(super) fn sum(&self, range: &Range<usize>) -> Collateral {
        Collateral { objects: range.len() as u64, bytes: self.bytes_before[range.end] - self.bytes_before[range.start] }
    }

    /// Those that begin with none of the prefixes.
    pub(super) fn outside<'p>(&self, prefixes: impl IntoIterator<Item = &'p str>) -> Clean<'a> {
        let mut inside = vec![false; self.paths.len()];
        for prefix in prefixes {
            inside[self.under(prefix, self.all())].fill(true);
        }
        let bytes = self.bytes_before.windows(2).map(|pair| pair[1] - pair[0]);
        let objects = self.paths.iter().copied().zip(bytes).zip(inside);
        Clean::new(objects.filter(|(_, inside)| !inside).map(|(object, _)| object))
    }
}

/// A wildcard that may be written at a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// How much of the text of the node's obligations stands before the star.
    pub(super) length: usize,
    pub(super) collateral: Collateral,
}

/// What a node itself obliges to, besides what is beneath it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Nothing,
    Address,
    /// Always a leaf: what lies beneath such a prefix is covered with it.
    Whole,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Nodes stand in preorder: a parent before its children, the children in order. The root is its own parent.
    pub(super) parent: usize,
    pub(super) own: Own,
    pub(super) leaf: bool,
    /// Absent where every cut would split a character.
    pub(super) cut: Option<Cut>,
    /// The obligations beneath.
    pub(super) obligations: Range<usize>,
}

/// The trie of obligations that are in order, each once, none beneath a whole one.
///
/// Time: O(sum of the lengths + nodes · log(clean) · length).
pub(super) fn trie(obligations: &[Obligation<'_>], clean: &Clean<'_>) -> Vec<Node> {
    struct Pending {
        obligations: Range<usize>,
        parent: usize,
        parent_depth: usize,
        within: Range<usize>,
    }
    let mut nodes = Vec::with_capacity(obligations.len() * 2);
    // A stack of its own: a chain of addresses, each the beginning of the next, would be as deep as it is long.
    let mut pending = Vec::new();
    if !obligations.is_empty() {
        pending.push(Pending { obligations: 0..obligations.len(), parent: 0, parent_depth: 0, within: clean.all() });
    }
    while let Some(Pending { obligations: range, parent, parent_depth, within }) = pending.pop() {
        let (first, last) = (obligations[range.start], obligations[range.end - 1]);
        let depth = common(first.text, last.text);
        let id = nodes.len();
        let own = match first.text.len() == depth {
            true if first.whole => Own::Whole,
            true => Own::Address,
            false => Own::Nothing,
        };
        let inside = clean.under(&first.text[..depth], within.clone());
        let cut = cut(first.text, own, parent_depth, depth, clean, within);
        nodes.push(Node { parent, own, leaf: range.len() == 1, cut, obligations: range.clone() });

        let mut rest = if own == Own::Nothing { range } else { range.start + 1..range.end };
        let mut children = Vec::new();
        while !rest.is_empty() {
            let byte = obligations[rest.start].text.as_bytes()[depth];
            let count = obligations[rest.clone()].partition_point(|one| one.text.as_bytes()[depth] == byte);
            children.push(Pending {
                obligations: rest.start..rest.start + count,
                parent: id,
                parent_depth: depth,
                within: inside.clone(),
            });
            rest.start += count;
        }
        pending.extend(children.into_iter().rev());
    }
    nodes
}

fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

/// The wildcard for a node: on its edge, purging the least; of those that purge the same, the whole directory, which
/// a person recognises.
fn cut(text: &str, own: Own, above: usize, depth: usize, clean: &Clean<'_>, within: Range<usize>) -> Option<Cut> {
    let length = (above + 1..=depth).rev().find(|&length| may_cut(text, length))?;
    let purged = clean.under(&text[..length], within.clone());
    let collateral = clean.sum(&purged);
    let directory = text[..length].rfind('/').map_or(0, |slash| slash + 1);
    // A whole prefix stands as it was declared, and nobody wants to read that everything goes when little does.
    if own == Own::Whole || directory <= above.max(1) || clean.under(&text[..directory], within) != purged {
        return Some(Cut { length, collateral });
    }
    Some(Cut { length: directory, collateral })
}

/// Whether a star may follow this much of an encoded path: not inside an escape or a character of several, not after
/// another star, and within the length that CloudFront accepts.
pub(super) fn may_cut(text: &str, length: usize) -> bool {
    let bytes = text.as_bytes();
    let escape_at = |at: usize| bytes.get(at) == Some(&b'%');
    let inside_escape = (length >= 1 && escape_at(length - 1)) || (length >= 2 && escape_at(length - 2));
    let inside_character = escape_at(length) && matches!(bytes.get(length + 1), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'));
    (1..MAX_PATH).contains(&length) && bytes[length - 1] != b'*' && !inside_escape && !inside_character
}

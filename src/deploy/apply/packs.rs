//! Small bodies lie together: `packs/<sha256>` holds them one after the other, in the order of their digests, and
//! `packs/<sha256>.json` says where each begins. The index is written after the pack, so that an index means a whole pack.
//!
//! The same bodies make the same packs. So a publish that was killed finds those it had written, and two stages that keep
//! their books in one place share them.

use crate::deploy::ledger;
use crate::deploy::remote::Listed;
use crate::release::Digest;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// From this size on a body lies by itself, in bytes: sending it takes longer than asking for it to be sent.
pub(super) const SMALL: u64 = 64 << 10;
/// The form of an index.
const VERSION: u32 = 1;
/// The digits of a digest.
const DIGITS: usize = 64;

/// When bodies are put together, and into how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// From so many new bodies on. A hundred requests are three rounds of those that are on the way together, and bodies that lie
    /// by themselves are copied back where they are; so fewer are not worth an index that every later rollback has to read.
    pub from: usize,
    /// Bytes of a pack, at most. It is sent in one request and put together in memory.
    pub bytes: u64,
}

impl Default for Packing {
    fn default() -> Self {
        Self { from: 100, bytes: 8 << 20 }
    }
}

/// A body in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) sha256: String,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// An index as it is stored.
#[derive(Serialize, Deserialize)]
struct Index {
    version: u32,
    bodies: Vec<Row>,
}

/// A pack, and what its index says of it.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) sha256: String,
    pub(super) size: u64,
    /// Digest and size of the index.
    pub(super) index: (String, u64),
    pub(super) bodies: Vec<Row>,
    /// Both as they are listed; not where they were only just written.
    pub(super) listed: Option<(Listed, Listed)>,
    /// Whether its bytes are known to be others than its name says.
    damaged: AtomicBool,
    /// Whether that was asked.
    asked: AtomicBool,
}

impl Pack {
    /// A pack as its index says.
    ///
    /// # Errors
    /// In words, where the text is no index of a pack.
    pub(super) fn parse(sha256: &str, text: &[u8]) -> Result<Self, String> {
        let index: Index = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if index.version != VERSION {
            return Err(format!("it has version {}, and this qdn reads version {VERSION}", index.version));
        }
        let mut size = 0_u64;
        for (at, row) in index.bodies.iter().enumerate() {
            let is_next = at == 0 || index.bodies[at - 1].sha256 < row.sha256;
            if !is_digest(&row.sha256) || row.offset != size || !is_next {
                return Err(format!("its row {} does not follow the one before", at + 1));
            }
            size = size.checked_add(row.size).ok_or("its sizes are beyond all bounds")?;
        }
        Ok(Self::new(sha256, size, index.bodies, text))
    }

    fn new(sha256: &str, size: u64, bodies: Vec<Row>, index: &[u8]) -> Self {
        Self {
            sha256: sha256.to_owned(),
            size,
            index: (Digest::of(index).hex(), index.len() as u64),
            bodies,
            listed: None,
            damaged: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    /// The same, as both are listed.
    pub(super) fn with(self, pack: Listed, index: Listed) -> Self {
        Self { listed: Some((pack, index)), ..self }
    }

    /// Where a body begins in it.
    pub(super) fn find(&self, sha256: &str) -> Option<&Row> {
        let at = self.bodies.binary_search_by(|row| row.sha256.as_str().cmp(sha256)).ok()?;
        self.bodies.get(at)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Nothing of it is used any more.
    pub(super) fn give_up(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Whether nobody has looked at it yet; from now on somebody has.
    pub(super) fn is_unasked(&self) -> bool {
        !self.asked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn key(&self) -> String {
        ledger::pack(&self.sha256)
    }

    pub(super) fn index_key(&self) -> String {
        ledger::pack_index(&self.sha256)
    }
}

/// Whether a text is a digest in hexadecimal.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Divides bodies, which come in the order of their digests, into packs of at most so many bytes. One that is larger has a
/// pack of its own.
pub(super) fn cut<T>(bodies: Vec<T>, size: impl Fn(&T) -> u64, most: u64) -> Vec<Vec<T>> {
    let mut packs: Vec<Vec<T>> = Vec::new();
    let mut filled = 0_u64;
    for body in bodies {
        let more = size(&body);
        match packs.last_mut() {
            Some(pack) if filled.saturating_add(more) <= most => pack.push(body),
            _ => {
                packs.push(vec![body]);
                filled = 0;
            }
        }
        filled = filled.saturating_add(more);
    }
    packs
}

/// A pack that is put together here: its bytes, and the text of its index.
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    pub(super) index: Vec<u8>,
    pub(super) pack: Pack,
}

/// Puts bodies together, each with its digest and in the order of those.
pub(super) fn make(bodies: &[(&str, &[u8])]) -> Made {
    let mut bytes = Vec::with_capacity(bodies.iter().map(|(_, body)| body.len()).sum());
    let mut rows = Vec::with_capacity(bodies.len());
    for (sha256, body) in bodies {
        rows.push(Row { sha256: (*sha256).to_owned(), offset: bytes.len() as u64, size: body.len() as u64 });
        bytes.extend_from_slice(body);
    }
    let document = Index { version: VERSION, bodies: rows };
    let index = serde_json::to_vec(&document).unwrap_or_default();
    let pack = Pack::new(&Digest::of(&bytes).hex(), bytes.len() as u64, document.bodies, &index);
    Made { bytes, index, pack }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(bodies: &[&str]) -> Made {
        let mut bodies: Vec<(String, &str)> = bodies.iter().map(|body| (Digest::of(body.as_bytes()).hex(), *body)).collect();
        bodies.sort();
        let bodies: Vec<(&str, &[u8])> = bodies.iter().map(|(sha256, body)| (sha256.as_str(), body.as_bytes())).collect();
        make(&bodies)
    }

    #[test]
    fn the_same_bodies_make_the_same_pack_and_its_index_finds_each() {
        let (one, two) = (made(&["a", "bb", "", "ccc"]), made(&["ccc", "", "a", "bb"]));
        assert_eq!((&one.bytes, &one.index, &one.pack.sha256), (&two.bytes, &two.index, &two.pack.sha256));
        assert_eq!(one.pack.sha256, Digest::of(&one.bytes).hex());
        let read = Pack::parse(&one.pack.sha256, &one.index).unwrap();
        assert_eq!((read.size, &read.bodies, &read.index), (6, &one.pack.bodies, &one.pack.index));
        for body in ["a", "bb", "", "ccc"] {
            let row = read.find(&Digest::of(body.as_bytes()).hex()).unwrap();
            let (from, size) = (usize::try_from(row.offset).unwrap(), usize::try_from(row.size).unwrap());
            assert_eq!(&one.bytes[from..from + size], body.as_bytes());
        }
        assert!(read.find(&Digest::of(b"d").hex()).is_none());
        assert_ne!(made(&["a", "bb"]).pack.sha256, one.pack.sha256);
    }

    #[test]
    fn a_pack_is_cut_before_it_is_too_large() {
        let sizes = |most, sizes: &[u64]| -> Vec<Vec<u64>> { cut(sizes.to_vec(), |size| *size, most) };
        assert_eq!(sizes(10, &[4, 6, 1]), [vec![4, 6], vec![1]]);
        assert_eq!(sizes(10, &[4, 7, 3, 0]), [vec![4], vec![7, 3, 0]]);
        assert_eq!(sizes(10, &[11, 1, 9, 1]), [vec![11], vec![1, 9], vec![1]]);
        assert_eq!(sizes(10, &[u64::MAX, u64::MAX]).len(), 2);
        assert!(sizes(10, &[]).is_empty());
    }

    #[test]
    fn what_is_no_index_is_refused_in_words() {
        let good = made(&["a", "bb"]);
        let text = String::from_utf8(good.index.clone()).unwrap();
        let refused = |text: &str| Pack::parse(&good.pack.sha256, text.as_bytes()).unwrap_err();
        assert!(refused(&text.replace("\"version\":1", "\"version\":2")).contains("version 2"));
        assert!(refused(&text.replace("\"offset\":0", "\"offset\":1")).contains("row 1"));
        assert!(refused(&text.replace(&good.pack.bodies[0].sha256, &"F".repeat(64))).contains("row 1"));
        assert!(refused(&text.replace(&good.pack.bodies[1].sha256, &good.pack.bodies[0].sha256)).contains("row 2"));
        assert!(refused(&text.replace("\"size\":1", "\"size\":18446744073709551615")).len() > 5);
        assert!(refused(&text[..text.len() / 2]).len() > 5);
        assert!(Pack::parse(&good.pack.sha256, b"\xff").is_err());
    }
}

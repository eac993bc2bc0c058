//! The books of a stage: what it serves, what is being done to it, and what is still owed to its visitors.
//!
//! ```text
//! blobs/<sha256>                 bodies of pages, code of functions     written once
//! packs/<sha256>                 many small bodies, one after another   written once
//! packs/<sha256>.json            which, and where each begins; after it written once
//! proofs/<sha256>.json           the cases that a function was proven with
//! releases/<id>.json             manifests                              written once
//! stages/<stage>/head.json       the state; replaced by compare-and-swap alone
//! stages/<stage>/log/<seq>.json  every state between two publishes      written once
//! stages/<stage>/tags/<n>.json   the ETags of the pages as the nth apply left them
//! ```
//!
//! The head says what will be done before it is done, the addresses to purge among it. So whoever finds it half
//! done knows which pages may be of either release, and that the edge may hold any of them.
//!
//! A publish stores each page twice: in its place, and as a body that a rollback needs. Where many small bodies are new
//! ([`Packing`](super::apply::Packing)), they are stored together. The code of functions and what is large lies by itself.
//!
//! Everything here is a value: who reads and writes the documents is in [`apply`](super::apply).

use super::invalidation::Item;
use super::remote::Tag;
use crate::release::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The form of the head. A reader refuses one it does not know.
const VERSION: u32 = 1;
/// The form of a head that speaks of cache tags. A qdn that does not know them would forget that pages carry them, and must
/// not touch such a stage.
const WITH_TAGS: u32 = 2;
/// The form of a head of which a release has bodies in packs, and which may speak of cache tags too. A qdn that does not know
/// packs would say that such a release is not complete any more, and could neither go back to it nor promote it.
const WITH_PACKS: u32 = 3;
/// How many publishes the head remembers; the log remembers all.
const PAST: usize = 50;

/// Where the body of a page or the code of a function lies.
pub fn blob(sha256: &str) -> String {
    format!("blobs/{sha256}")
}

/// The folder of packs and their indexes.
pub const PACKS: &str = "packs/";

/// Where a pack of bodies lies.
pub fn pack(sha256: &str) -> String {
    format!("{PACKS}{sha256}")
}

/// Where its index lies.
pub fn pack_index(sha256: &str) -> String {
    format!("{PACKS}{sha256}.json")
}

/// Where the cases of a function lie, by the digest of its code.
pub fn proofs(sha256: &str) -> String {
    format!("proofs/{sha256}.json")
}

/// Where a manifest lies.
pub fn release(id: &str) -> String {
    format!("releases/{id}.json")
}

/// Where the state of a stage lies.
pub fn head(stage: &str) -> String {
    format!("stages/{stage}/head.json")
}

/// The folder of a stage's states.
pub fn log(stage: &str) -> String {
    format!("stages/{stage}/log/")
}

/// Where one state of a stage lies.
pub fn entry(stage: &str, seq: u64) -> String {
    format!("stages/{stage}/log/{seq}.json")
}

/// Where the ETags lie that an apply left.
pub fn tags(stage: &str, sequence: u64) -> String {
    format!("stages/{stage}/tags/{sequence}.json")
}

/// The folder of the ETags that the applies of a stage left.
pub fn all_tags(stage: &str) -> String {
    format!("stages/{stage}/tags/")
}

/// ETags by distribution and key.
pub type Tags = BTreeMap<String, BTreeMap<String, Tag>>;

/// What brings a stage to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A build.
    Publish,
    /// What another stage serves.
    Promote,
    /// What this stage served before.
    Rollback,
    /// The same release, where somebody else changed what it serves.
    Repair,
}

impl Kind {
    /// As people type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Repair => "repair",
        }
    }
}

/// The commit that a release was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its name.
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
}

/// The process that is at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name, for people.
    pub host: String,
    /// Where its number means something: one start of one machine, and one space of process numbers there. Containers
    /// share names of machines, and each has a process 1. Empty where nobody can tell.
    pub space: String,
    /// The process there.
    pub process: u32,
    /// Random: this run and no other.
    pub run: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// What is being done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applying {
    /// How it began.
    pub kind: Kind,
    /// The release that will be served.
    pub to: String,
    /// The commit it was built from.
    pub commit: Option<Commit>,
    /// The function that it is about, if it is about one alone, by its name in the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Every release of which pages may be served now: this one's, and those of applies that were interrupted. `gc` writes no
    /// pages, and names none: by that it is told from a repair. An older qdn takes it for one, and names what is served.
    pub touched: Vec<String>,
    /// Which apply this is.
    pub sequence: u64,
    /// Random, and part of the invalidation's name: a number may come again after a state was lost.
    pub token: String,
    /// What the edge has to forget when it is done, by distribution.
    pub items: BTreeMap<String, Vec<Item>>,
    /// Distributions of which some pages may carry cache tags now and others not: their use begins, or ends.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mixed: BTreeSet<String>,
    /// Who does it; nobody, once they said that they stopped.
    pub holder: Option<Holder>,
    /// Since when.
    pub began: Timestamp,
}

/// An invalidation that was created and was not yet seen complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// CloudFront's name for it.
    pub id: String,
    /// When.
    pub at: Timestamp,
}

/// Where a distribution lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Bucket and prefix.
    pub at: String,
    /// Whether a publish was finished there. Before that, nothing is known of what lies there but that it is ours.
    pub is_known: bool,
}

/// A function as this stage made it live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFunction {
    /// CloudFront's name for it.
    pub name: String,
    /// SHA-256 of its code.
    pub sha256: String,
    /// What was live before, for rescue by hand. It lies among the blobs.
    pub before: Option<String>,
}

/// One publish of the past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The head's number when it was done.
    pub seq: u64,
    /// How.
    pub kind: Kind,
    /// What was served then.
    pub release: String,
    /// The commit it was built from.
    pub commit: Option<Commit>,
    /// The function that it was about, if it was about one alone, by its name in the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// The state of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The form of this document: 1; 2 where it speaks of cache tags; 3 where bodies lie in packs.
    pub version: u32,
    /// Whose state.
    pub stage: String,
    /// One more with each state.
    pub seq: u64,
    /// Different each time, as the ETag of an object may be made from its bytes alone: a state that comes back must
    /// not pass for one that never went.
    pub nonce: String,
    /// What is served; while something is applied, what was served before it.
    pub release: Option<String>,
    /// The commit it was built from.
    pub commit: Option<Commit>,
    /// Where each distribution lies. What the books say of it is said of that place.
    pub places: BTreeMap<String, Site>,
    /// The number of the last apply.
    pub sequence: u64,
    /// The apply whose ETags are on record.
    pub tags: Option<u64>,
    /// By distribution: CloudFront's id of it, where every page carries its cache tags, and every copy at that edge too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged: BTreeMap<String, String>,
    /// Whether bodies of a release that was served here lie in packs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packs: bool,
    /// What is being done; nothing in between.
    pub applying: Option<Applying>,
    /// What the edge has to forget and has not been told yet, by distribution: the quota was full.
    pub owed: BTreeMap<String, Vec<Item>>,
    /// What the edge was told and has not confirmed, by distribution.
    pub issued: BTreeMap<String, Vec<Issued>>,
    /// The functions, by the names they have in the project.
    pub functions: BTreeMap<String, LiveFunction>,
    /// The newest first.
    pub past: Vec<Past>,
    /// When this was written.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// SHA-256 of this document with this field empty.
    pub check: String,
}

/// Why a text is no head of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Written by a newer qdn.
    Version(u32),
    /// Not JSON of this form, or changed since.
    Form(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(
                    f,
                    "it has version {version}, and this qdn reads versions {VERSION} to {WITH_PACKS}: use the qdn that wrote it, or a newer one"
                )
            }
            Self::Form(reason) => f.write_str(reason),
        }
    }
}

/// Who writes a state, when, and what makes it unlike any other.
#[derive(Clone, Debug)]
pub struct Signature {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Random.
    pub nonce: String,
}

impl Head {
    /// The state of a stage on which nothing was ever published. It is not stored.
    pub fn none(stage: &str) -> Self {
        Self {
            version: VERSION,
            stage: stage.to_owned(),
            seq: 0,
            nonce: String::new(),
            release: None,
            commit: None,
            places: BTreeMap::new(),
            sequence: 0,
            tags: None,
            tagged: BTreeMap::new(),
            packs: false,
            applying: None,
            owed: BTreeMap::new(),
            issued: BTreeMap::new(),
            functions: BTreeMap::new(),
            past: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            by: String::new(),
            check: String::new(),
        }
    }

    /// The next state, as yet the same.
    fn next(&self, signature: &Signature) -> Self {
        let Signature { at, by, nonce } = signature.clone();
        Self { seq: self.seq + 1, at, by, nonce, ..self.clone() }
    }

    /// Something begins. What an interrupted apply owed is among the items already.
    #[must_use]
    pub fn begun(&self, applying: Applying, signature: &Signature) -> Self {
        Self { sequence: applying.sequence, applying: Some(applying), owed: BTreeMap::new(), ..self.next(signature) }
    }

    /// The same, where bodies of the release that comes lie in packs. It is said once and for all: the past has them too.
    #[must_use]
    pub fn packed(self, is_packed: bool) -> Self {
        Self { packs: self.packs || is_packed, ..self }
    }

    /// Distributions have come, or lie elsewhere now; what was looked at was found empty, or is taken over. Said before
    /// the first asset is written there, so that a publish that ends after it does not find somebody's site.
    #[must_use]
    pub fn placed(&self, places: &BTreeMap<String, String>, signature: &Signature) -> Self {
        let site = |(name, at): (&String, &String)| {
            let known = self.places.get(name).filter(|known| known.at == *at).cloned();
            (name.clone(), known.unwrap_or_else(|| Site { at: at.clone(), is_known: false }))
        };
        let stays = |name: &String| self.places.get(name).map(|site| &site.at) == places.get(name);
        let tagged = self.tagged.iter().filter(|(name, _)| stays(name)).map(|(name, id)| (name.clone(), id.clone())).collect();
        Self { places: places.iter().map(site).collect(), tagged, ..self.next(signature) }
    }

    /// It goes on: whoever reads the time of this document knows that somebody is at work.
    #[must_use]
    pub fn renewed(&self, signature: &Signature) -> Self {
        self.next(signature)
    }

    /// Whoever was at work stops, and says so.
    #[must_use]
    pub fn released(&self, signature: &Signature) -> Self {
        let mut next = self.next(signature);
        if let Some(applying) = &mut next.applying {
            applying.holder = None;
        }
        next
    }

    /// Nothing was changed after all: everything is as it was, and what was owed before is owed still.
    #[must_use]
    pub fn abandoned(&self, owed: BTreeMap<String, Vec<Item>>, signature: &Signature) -> Self {
        Self { applying: None, owed, ..self.next(signature) }
    }

    /// What was applied is served.
    #[must_use]
    pub fn finished(&self, done: Done, signature: &Signature) -> Self {
        let mut next = self.next(signature);
        let Some(applying) = next.applying.take() else { return next };
        let Signature { at, by, .. } = signature.clone();
        let (release, commit) = (applying.to.clone(), applying.commit.clone());
        let past = Past { seq: next.seq, kind: applying.kind, release, commit, function: applying.function, at, by };
        next.past.insert(0, past);
        next.past.truncate(PAST);
        next.release = Some(applying.to);
        next.commit = applying.commit;
        next.tags = done.tags;
        next.tagged = done.tagged;
        next.places.values_mut().for_each(|site| site.is_known = true);
        next.owed = done.owed;
        for (distribution, issued) in done.issued {
            next.issued.entry(distribution).or_default().push(issued);
        }
        next.functions.extend(done.functions);
        next
    }

    /// What the edge was told since, and what it has confirmed.
    #[must_use]
    pub fn settled(
        &self,
        owed: BTreeMap<String, Vec<Item>>,
        issued: BTreeMap<String, Vec<Issued>>,
        sequence: u64,
        signature: &Signature,
    ) -> Self {
        Self { owed, issued, sequence, ..self.next(signature) }
    }

    /// Copies without tags were seen at the edge: the next publish by tags begins with them anew.
    #[must_use]
    pub fn untagged(&self, names: &BTreeSet<String>, signature: &Signature) -> Self {
        let mut next = self.next(signature);
        next.tagged.retain(|name, _| !names.contains(name));
        next
    }

    /// Whether every page of a distribution carries its cache tags, and every copy at the edge of that id too.
    pub fn is_tagged(&self, name: &str, id: &str) -> bool {
        let is_mixed = self.applying.as_ref().is_some_and(|applying| applying.mixed.contains(name));
        !is_mixed && self.tagged.get(name).is_some_and(|known| known == id)
    }

    /// The document, with its own digest.
    pub fn to_json(&self) -> String {
        let speaks = !self.tagged.is_empty() || self.applying.as_ref().is_some_and(|applying| !applying.mixed.is_empty());
        let version = match (self.packs, speaks) {
            (true, _) => WITH_PACKS,
            (false, true) => WITH_TAGS,
            (false, false) => VERSION,
        };
        let mut head = Self { version, check: String::new(), ..self.clone() };
        head.check = Digest::of(head.text().as_bytes()).hex();
        head.text()
    }

    fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings, numbers and ordered maps always serialise");
        text.push('\n');
        text
    }

    /// Reads a stored state.
    ///
    /// # Errors
    /// Where it is of another form, or not as it was written.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let form: Form = serde_json::from_str(text).map_err(|error| Damage::Form(error.to_string()))?;
        if !(VERSION..=WITH_PACKS).contains(&form.version) {
            return Err(Damage::Version(form.version));
        }
        let head: Self = serde_json::from_str(text).map_err(|error| Damage::Form(error.to_string()))?;
        if head.to_json() != text {
            return Err(Damage::Form("its digest is another, so somebody or something changed it".to_owned()));
        }
        Ok(head)
    }

    /// Every release of which pages may be served.
    pub fn may_serve(&self) -> Vec<&str> {
        let touched = self.applying.iter().flat_map(|applying| applying.touched.iter());
        let mut all: Vec<&str> = self.release.iter().chain(touched).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether what is served is one release: nothing is being done, or what is being done leads to where the stage is.
    pub fn is_steady(&self) -> bool {
        let serves = self.release.as_deref().unwrap_or_default();
        let stays = |applying: &Applying| applying.to == serves && applying.touched.iter().all(|touched| touched == serves);
        self.applying.as_ref().is_none_or(stays)
    }

    /// Whether what is being done is a `gc`: it holds the stage, and changes nothing that it serves.
    pub fn is_collected(&self) -> bool {
        let is_gc = |applying: &Applying| applying.kind == Kind::Repair && applying.touched.is_empty() && applying.mixed.is_empty();
        self.is_steady() && self.applying.as_ref().is_some_and(is_gc)
    }

    /// Everything that the edge has to forget and has not been told of.
    pub fn to_purge(&self) -> BTreeMap<String, Vec<Item>> {
        let mut all = self.owed.clone();
        for (distribution, items) in self.applying.iter().flat_map(|applying| &applying.items) {
            let known = all.entry(distribution.clone()).or_default();
            known.extend(items.iter().cloned());
            known.sort();
            known.dedup();
        }
        all
    }

    /// The last publish, promotion or rollback, and its place in the past. A repair leads nowhere, so it is no step to go
    /// back by.
    fn last_move(&self) -> Option<(usize, &Past)> {
        let is_move = |at: &usize| self.past.get(at + 1).is_none_or(|before| before.release != self.past[*at].release);
        let at = (0..self.past.len()).find(is_move)?;
        Some((at, &self.past[at]))
    }

    /// Whether the last command was a rollback already: of the whole release, or of this function alone.
    pub fn is_back(&self, function: Option<&str>) -> bool {
        self.last_move().is_some_and(|(_, last)| last.kind == Kind::Rollback && last.function.as_deref() == function)
    }

    /// What is served, and the releases that were left by going back since the last publish or promotion. Somebody wanted to
    /// be rid of those: going back by another sort of step does not lead there.
    pub fn left(&self) -> BTreeSet<&str> {
        let mut left: BTreeSet<&str> = self.release.iter().map(String::as_str).collect();
        for (at, past) in self.past.iter().enumerate() {
            let before = self.past.get(at + 1);
            match before {
                Some(before) if before.release == past.release => {}
                Some(before) if past.kind == Kind::Rollback => drop(left.insert(&before.release)),
                _ => break,
            }
        }
        left
    }

    /// Where a rollback leads: to the release before what is served, to that before an interrupted publish, or to one of
    /// the past whose name begins as `wanted` does. Nowhere where the last command was such a rollback already: to be run
    /// twice must not bring back what one wanted to be rid of.
    ///
    /// # Errors
    /// In words, where there is no such release.
    pub fn back(&self, wanted: Option<&str>) -> Result<Option<String>, String> {
        if let Some(wanted) = wanted {
            let known = self.past.iter().map(|past| &past.release).chain(self.applying.iter().map(|applying| &applying.to));
            let mut found: Vec<&String> = known.filter(|release| release.starts_with(wanted)).collect();
            found.sort();
            found.dedup();
            return match found.as_slice() {
                [one] => Ok(Some((*one).clone())),
                [] => Err(format!(
                    "the stage `{0}` has served no release `{wanted}`\nhint: `qdn releases {0}` lists them",
                    self.stage
                )),
                several => {
                    let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                    Err(format!("several releases begin with `{wanted}`: {}", names.join(", ")))
                }
            };
        }
        // A repair is no step to go back by, whether it was finished or not.
        if let Some(applying) = self.applying.as_ref().filter(|applying| applying.kind != Kind::Repair) {
            if applying.kind == Kind::Rollback {
                return Ok(Some(applying.to.clone()));
            }
            let nothing = || {
                format!(
                    "nothing was served on `{0}` before the {1} that was interrupted: `qdn {1} {0}` goes on with it",
                    self.stage,
                    applying.kind.name()
                )
            };
            return self.release.clone().map(Some).ok_or_else(nothing);
        }
        if self.is_back(None) {
            return Ok(None);
        }
        let left = self.left();
        let before = self.past.iter().find(|past| !left.contains(past.release.as_str()));
        let nothing = || match left.len() {
            0 | 1 => format!("the stage `{}` has served nothing before", self.stage),
            _ => format!(
                "the stage `{0}` has served nothing before but what it was rolled back from\nhint: `qdn releases {0}` lists it, and `--to` leads \
                 there all the same",
                self.stage
            ),
        };
        before.map(|before| Some(before.release.clone())).ok_or_else(nothing)
    }
}

/// What an apply came to, for the books.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// What could not be told to the edge.
    pub owed: BTreeMap<String, Vec<Item>>,
    /// What it was told.
    pub issued: BTreeMap<String, Issued>,
    /// The functions that are live now.
    pub functions: BTreeMap<String, LiveFunction>,
    /// The apply whose ETags are on record.
    pub tags: Option<u64>,
    /// Where all pages carry cache tags, and all copies too: the ids of the distributions.
    pub tagged: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(nonce: &str) -> Signature {
        Signature { at: Timestamp::UNIX_EPOCH, by: "ann".to_owned(), nonce: nonce.to_owned() }
    }

    fn applying(to: &str, touched: &[&str], item: &str) -> Applying {
        Applying {
            kind: Kind::Publish,
            to: to.to_owned(),
            commit: None,
            function: None,
            touched: touched.iter().map(|id| (*id).to_owned()).collect(),
            sequence: 1,
            token: "t".to_owned(),
            items: BTreeMap::from([("site".to_owned(), vec![item.parse().unwrap()])]),
            mixed: BTreeSet::new(),
            holder: Some(Holder { host: "h".to_owned(), space: String::new(), process: 1, run: "1".to_owned() }),
            began: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let head = Head::none("local").begun(applying("r1", &["r1"], "/a*"), &signed("1"));
        let text = head.to_json();
        let read = Head::parse(&text).unwrap();
        assert_eq!(read.to_json(), text);
        assert!(matches!(Head::parse(&text.replace("\"r1\"", "\"r2\"")), Err(Damage::Form(_))), "somebody edited it");
        assert!(matches!(Head::parse(&text[..text.len() / 2]), Err(Damage::Form(_))), "it was cut off");
        assert_eq!(Head::parse(&text.replace("\"version\": 1", "\"version\": 4")), Err(Damage::Version(4)));
        assert!(
            matches!(Head::parse(&text.replace("\"version\": 1", "\"version\": 2")), Err(Damage::Form(_))),
            "it is no such form"
        );
    }

    #[test]
    fn an_interrupted_apply_is_owed_until_one_is_finished() {
        let first = Head::none("local").begun(applying("r1", &["r1"], "/a*"), &signed("1"));
        let done = first.finished(Done::default(), &signed("2"));
        assert_eq!((done.release.as_deref(), done.to_purge().len(), done.seq), (Some("r1"), 0, 2));
        let begun = done.begun(applying("r2", &["r2"], "/b"), &signed("3")).released(&signed("4"));
        assert_eq!(begun.may_serve(), ["r1", "r2"]);
        assert_eq!(begun.to_purge()["site"], ["/b".parse().unwrap()]);
        assert!(begun.applying.as_ref().unwrap().holder.is_none());
        let full = Done { owed: begun.to_purge(), ..Done::default() };
        let done = begun.finished(full, &signed("5"));
        assert_eq!((done.may_serve(), done.to_purge()["site"].len()), (vec!["r2"], 1));
        assert_eq!(done.back(None), Ok(Some("r1".to_owned())));
        assert_eq!(begun.back(None), Ok(Some("r1".to_owned())), "before what was interrupted");
        assert!(first.back(None).unwrap_err().contains("nothing was served"));
        assert_eq!(done.back(Some("r2")), Ok(Some("r2".to_owned())));
        assert!(done.back(Some("r")).unwrap_err().contains("several"));
        assert!(done.back(Some("x")).unwrap_err().contains("no release `x`"));
        let back = Applying { kind: Kind::Rollback, ..applying("r1", &["r1"], "/b") };
        let back = done.begun(back, &signed("6"));
        assert_eq!(back.back(None), Ok(Some("r1".to_owned())), "it is gone on with");
        let back = back.finished(Done::default(), &signed("7"));
        assert_eq!(back.back(None), Ok(None), "twice is not further");
        let repair = Applying { kind: Kind::Repair, ..applying("r1", &["r1"], "/b") };
        let repairing = back.begun(repair.clone(), &signed("8"));
        assert_eq!(repairing.back(None), Ok(None), "nor is a repair, whether it was cut off");
        assert_eq!(repairing.finished(Done::default(), &signed("9")).back(None), Ok(None), "or not");
        let repairing = done.begun(Applying { to: "r2".to_owned(), ..repair }, &signed("10"));
        assert_eq!(repairing.back(None), Ok(Some("r1".to_owned())), "and a bad release is left all the same");
    }

    #[test]
    fn a_stage_that_is_collected_or_repaired_serves_one_release() {
        let first = Head::none("local").begun(applying("r1", &["r1"], "/a*"), &signed("1"));
        assert!(!first.is_steady() && !first.is_collected() && Head::none("local").is_steady());
        let done = first.finished(Done::default(), &signed("2"));
        assert!(done.is_steady() && !done.is_collected());
        let of = |kind, to: &str, touched: &[&str]| done.begun(Applying { kind, ..applying(to, touched, "/a") }, &signed("3"));
        let is = |head: &Head| (head.is_steady(), head.is_collected());
        assert_eq!(is(&of(Kind::Repair, "r1", &[])), (true, true));
        assert_eq!(is(&of(Kind::Repair, "r1", &["r1"])), (true, false), "pages may have been written");
        assert_eq!(is(&of(Kind::Repair, "r1", &["r1", "r2"])), (false, false), "a publish was interrupted before it");
        assert_eq!(is(&of(Kind::Publish, "r2", &["r2"])), (false, false));
    }

    #[test]
    fn a_step_back_of_another_sort_is_none_of_this() {
        let step = |head: &Head, kind, to: &str, function: Option<&str>| {
            let function = function.map(str::to_owned);
            head.begun(Applying { kind, function, ..applying(to, &[to], "/a") }, &signed("1"))
                .finished(Done::default(), &signed("2"))
        };
        let two = step(&step(&Head::none("local"), Kind::Publish, "r1", None), Kind::Publish, "r2", None);
        assert!(!two.to_json().contains("\"function\""), "a head that needs it not is as it was");
        let function = step(&two, Kind::Rollback, "r2f", Some("f"));
        assert!(function.is_back(Some("f")) && !function.is_back(Some("g")) && !function.is_back(None));
        assert_eq!(function.back(None), Ok(Some("r1".to_owned())), "and not to the function that one wanted to be rid of");
        assert_eq!(Head::parse(&function.to_json()).map(|head| head.past[0].function.clone()), Ok(Some("f".to_owned())));
        let whole = step(&function, Kind::Rollback, "r1", None);
        assert!(whole.is_back(None) && !whole.is_back(Some("f")));
        assert_eq!((whole.back(None), whole.left()), (Ok(None), BTreeSet::from(["r1", "r2", "r2f"])));
        let first = step(&step(&Head::none("local"), Kind::Publish, "r1", None), Kind::Rollback, "r1f", Some("f"));
        assert!(first.back(None).unwrap_err().contains("nothing before but what it was rolled back from"));
        let repaired = step(&function, Kind::Repair, "r2f", None);
        assert!(repaired.is_back(Some("f")) && repaired.back(None) == Ok(Some("r1".to_owned())));
        let next = step(&whole, Kind::Publish, "r3", None);
        assert_eq!(next.back(None), Ok(Some("r1".to_owned())), "what is served then is left anew");
    }

    #[test]
    fn a_qdn_that_knows_no_cache_tags_refuses_a_state_that_speaks_of_them() {
        let tagged = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "E1".to_owned())).collect::<BTreeMap<_, _>>();
        let places = BTreeMap::from([("site".to_owned(), "b/".to_owned())]);
        let first = Head::none("local").placed(&places, &signed("0"));
        let mixed = Applying { mixed: BTreeSet::from(["site".to_owned()]), ..applying("r1", &["r1"], "/*") };
        let begun = first.begun(mixed, &signed("1"));
        assert!(!begun.is_tagged("site", "E1") && begun.to_json().contains("\"version\": 2"));
        let done = begun.finished(Done { tagged: tagged(&["site"]), ..Done::default() }, &signed("2"));
        assert!(done.is_tagged("site", "E1") && !done.is_tagged("site", "E2"), "another distribution has other copies");
        let read = Head::parse(&done.to_json()).unwrap();
        assert!(read.version == 2 && read.is_tagged("site", "E1"));
        let elsewhere = done.placed(&BTreeMap::from([("site".to_owned(), "c/".to_owned())]), &signed("3"));
        assert!(!elsewhere.is_tagged("site", "E1") && done.placed(&places, &signed("3")).is_tagged("site", "E1"));
        let off = done.untagged(&BTreeSet::from(["site".to_owned()]), &signed("4"));
        assert!(off.to_json().contains("\"version\": 1") && !off.to_json().contains("tagged"), "it is as before");
        let off = done.begun(applying("r2", &["r2"], "/a"), &signed("5")).finished(Done::default(), &signed("6"));
        assert!(!off.is_tagged("site", "E1"), "it is said each time");
    }

    #[test]
    fn a_qdn_that_knows_no_packs_refuses_a_state_that_needs_them() {
        let first = Head::none("local").begun(applying("r1", &["r1"], "/a"), &signed("1"));
        assert!(!first.clone().packed(false).to_json().contains("packs"), "it is as before");
        let begun = first.packed(true);
        assert!(begun.to_json().contains("\"version\": 3"));
        let done = begun.finished(Done::default(), &signed("2"));
        let next = done.begun(applying("r2", &["r2"], "/a"), &signed("3")).packed(false);
        assert!(Head::parse(&next.to_json()).is_ok_and(|head| head.packs && head.version == 3), "the past needs them");
    }

    #[test]
    fn two_equal_states_are_two_documents() {
        let head = Head::none("local");
        assert_ne!(head.renewed(&signed("1")).to_json(), head.renewed(&signed("2")).to_json());
    }
}

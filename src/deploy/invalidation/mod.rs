//! From what changed to the items of one `CreateInvalidation`: as few as the quotas and the collateral allow.
//!
//! ```text
//! Edge { changes, clean } ──plan──▶ Plan { items with their reasons, price, collateral, alternatives }
//! pending items, Edge     ──merge─▶ Plan that covers what an interrupted publish still owes as well
//! ```
//!
//! Nothing here reads a clock, a file or the network. What CloudFront does, and who says so:
//!
//! * A path begins with `/`, or the whole request is refused (`InvalidArgument`; bit rust-lang/promote-release#94).
//!   Case counts, 4,000 characters are the most, `*` is a wildcard as the last character only and stands for zero or
//!   more; non-ASCII characters and those that RFC 1738 calls unsafe are encoded, and no others, or the old copy
//!   stays [DeveloperGuide: invalidation-specifying-objects].
//! * A path with `~` is refused with the whole request, and its `%7E` is accepted and purges nothing
//!   (aws/aws-sdk-js-v3#4042, aws/aws-sdk#525): only a wildcard that ends before the `~` purges it.
//! * 3,000 paths and 15 wildcards may be in progress per distribution, counted apart [InvalidationLimits]. More are
//!   refused (`TooManyInvalidationsInProgress`). Creating them is limited to about one request in two seconds
//!   (aws/aws-sdk-js#3983), so a plan is one request.
//! * 1,000 paths a month are free per account, each further one costs $0.005; a wildcard is one path
//!   [PayingForInvalidation].
//! * A viewer-request function runs before the cache lookup, and AWS advises to invalidate the URI of the viewer and
//!   the rewritten one [invalidation-specifying-objects, "Changing the URI"]: a [`Change`] carries both.
//! * The same `CallerReference` with the same paths answers with the earlier invalidation and creates none; with
//!   other paths it is refused (`InvalidationBatchAlreadyExists`) [API: InvalidationBatch]: see [`caller_reference`].
//! * Query strings are no part of the cache key unless the cache policy says so; if they are, `/path*` purges every
//!   variant [invalidation-specifying-objects]: see [`Terms::queries`].
//! * A wildcard purges whatever begins with it, files under hashed names too, which never needed it: collateral.
//! * Where the distribution has cache tags, what carries them is purged by them instead: see [`tags`].

mod by_tags;
mod choose;
pub mod tags;
#[cfg(test)]
mod tests;
mod trie;

use crate::release::Digest;
use choose::{Choice, Limits, choose};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use trie::{Clean, Obligation, may_cut, trie};

/// The longest path that CloudFront accepts, in characters.
pub const MAX_PATH: usize = 4_000;
/// The paths that may be in progress on a distribution, wildcards apart.
pub const MAX_PATHS: u64 = 3_000;
/// The wildcards that may be in progress on a distribution.
pub const MAX_WILDCARDS: u64 = 15;
/// What each path costs beyond the free ones, in US cents.
pub const CENTS_PER_PATH: f64 = 0.5;

/// How many names a reason tells; of the others it tells the number.
const NAMES: usize = 3;

/// One line of an invalidation. Written, the variants differ by the star and the hash: no path that ends in a star is an
/// [`Item::Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// This address.
    Path(String),
    /// Every address that begins with this, the bare prefix too.
    Wildcard(String),
    /// Whatever is cached with this tag, under whatever address. Written with a hash in front.
    Tag(String),
}

impl Item {
    /// Whether the address is purged.
    pub fn covers(&self, address: &str) -> bool {
        match self {
            Self::Path(path) => path == address,
            Self::Wildcard(prefix) => address.starts_with(prefix.as_str()),
            // An address does not say what is cached there.
            Self::Tag(_) => false,
        }
    }

    fn text(&self) -> &str {
        let (Self::Path(text) | Self::Wildcard(text) | Self::Tag(text)) = self;
        text
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Wildcard(prefix) => write!(f, "{prefix}*"),
            Self::Tag(tag) => write!(f, "#{tag}"),
        }
    }
}

impl serde::Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Item {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Some(tag) = text.strip_prefix('#') {
            return match tags::is_tag(tag) {
                true => Ok(Self::Tag(tag.to_owned())),
                false => Err(refuse(text, "a tag has 1 to 256 printable characters, and no comma")),
            };
        }
        check(text)?;
        Ok(match text.strip_suffix('*') {
            Some(prefix) => Self::Wildcard(prefix.to_owned()),
            None => Self::Path(text.to_owned()),
        })
    }
}

/// A live object whose bytes, headers and existence stay as they are: whoever purges it makes it collateral.
/// Files under hashed names are always among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The path under which the edge holds it, as [`crate::release::Key::path`] writes it.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// A key whose bytes, headers or existence change. New ones count: the edge may hold a 404 in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The name it goes by in reasons.
    pub key: String,
    /// Every path under which the edge may hold it, percent-encoded: the key's own, as rewritten, and the viewers'.
    pub paths: Vec<String>,
    /// Wildcards for infinitely many viewer paths, such as `/track/*` where every token shows one page.
    pub families: Vec<String>,
}

/// What a distribution's edge may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// What must be purged.
    pub changes: Vec<Change>,
    /// What need not be.
    pub clean: Vec<Cached>,
    /// What of it carries cache tags; nothing where they are not used.
    pub tagged: Option<Tagged>,
}

/// What of an edge carries its cache tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tagged {
    /// Changed keys of which every copy there carries the tags of the key. The edge may hold a 404 in the place of others.
    pub changed: BTreeSet<String>,
    /// The keys of clean pages that carry them, with their sizes.
    pub clean: BTreeMap<String, u64>,
}

/// The quotas, what of them is in use, and the limits that we set ourselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// How many paths may be in progress.
    pub paths: u64,
    /// How many wildcards may be in progress.
    pub wildcards: u64,
    /// How many wildcards are left for people who purge by hand.
    pub reserve: u64,
    /// Paths in progress now.
    pub paths_running: u64,
    /// Wildcards in progress now.
    pub wildcards_running: u64,
    /// The share of the clean objects that wildcards may purge to save paths. What a family purges is not counted:
    /// no plan avoids it.
    pub collateral: f64,
    /// Whether query strings are in the cache key: then every address needs a wildcard.
    pub queries: bool,
    /// How many of the month's free paths the account has left.
    pub free: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            paths: MAX_PATHS,
            wildcards: MAX_WILDCARDS,
            reserve: 2,
            paths_running: 0,
            wildcards_running: 0,
            collateral: 0.1,
            queries: false,
            free: 1_000,
        }
    }
}

impl Terms {
    /// What this many items cost, in US cents.
    pub fn cents(&self, items: u64) -> f64 {
        items.saturating_sub(self.free) as f64 * CENTS_PER_PATH
    }
}

/// Clean objects that are purged although nothing about them changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collateral {
    /// How many.
    pub objects: u64,
    /// Their size together.
    pub bytes: u64,
}

/// A few names of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// How many there are.
    pub count: u64,
    /// The first few, in order.
    pub first: Vec<String>,
}

impl Names {
    fn of<'a>(names: impl IntoIterator<Item = Cow<'a, str>>) -> Self {
        let names: BTreeSet<Cow<'_, str>> = names.into_iter().collect();
        Self { count: names.len() as u64, first: names.into_iter().take(NAMES).map(Cow::into_owned).collect() }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.join(", "))?;
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// One item of a plan, and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The item.
    pub item: Item,
    /// What a tag stands for, as it does not say so itself: a key, or a folder.
    pub stands_for: Option<String>,
    /// The changed keys of which it covers some address.
    pub keys: Names,
    /// The items it covers that an interrupted publish owes.
    pub pending: Names,
    /// What only a wildcard can cover, and this one does: families, and addresses that no path can say.
    pub forced_by: Names,
    /// What else it purges.
    pub collateral: Collateral,
}

impl Planned {
    /// Whether any plan would need a wildcard here, this one or a wider one.
    pub fn is_forced(&self) -> bool {
        self.forced_by.count > 0
    }
}

impl fmt::Display for Planned {
    /// The reason, without the item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.stands_for.clone());
        // A page's tag names it already.
        if self.keys.count > 0 && self.stands_for.as_ref() != self.keys.first.first() {
            parts.push(format!("{} changed: {}", self.keys.count, self.keys));
        }
        if self.pending.count > 0 {
            parts.push(format!("still owed: {}", self.pending));
        }
        if self.is_forced() {
            parts.push(format!("needs a wildcard: {}", self.forced_by));
        }
        match self.collateral {
            Collateral { objects: 0, .. } => parts.push("purges nothing else".to_owned()),
            Collateral { objects, bytes } => parts.push(format!("also purges {objects} unchanged, {bytes} bytes")),
        }
        f.write_str(&parts.join("; "))
    }
}

/// What had to give for the plan to fit the quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concession {
    /// More is purged than [`Terms::collateral`] allows, as little more as possible.
    Collateral,
    /// The wildcards left for people are used, and perhaps more is purged than [`Terms::collateral`] allows.
    Reserve,
}

/// Another way to purge the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A path for every address, wildcards only where nothing else will do.
    Exact,
    /// The one item `/*`.
    Everything,
    /// A cache tag for every changed key, where the distribution has them. Objects cached before have no tag.
    Tags,
    /// Addresses, where cache tags are used.
    Paths,
}

/// What another way would cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alternative {
    /// The way.
    pub way: Way,
    /// How many items.
    pub items: u64,
    /// The price in US cents.
    pub cents: f64,
    /// What else it purges.
    pub collateral: Collateral,
    /// Whether the quotas allow it, those for people left alone.
    pub fits: bool,
}

/// The items of one invalidation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The items, in the order of their text.
    pub items: Vec<Planned>,
    /// The price in US cents.
    pub cents: f64,
    /// What is purged besides, all items together.
    pub collateral: Collateral,
    /// All that could have been.
    pub clean: Collateral,
    /// What had to give, if anything.
    pub concession: Option<Concession>,
    /// What the other ways cost.
    pub alternatives: Vec<Alternative>,
}

impl Plan {
    /// The items as an interrupted publish would owe them.
    pub fn owed(&self) -> Vec<Item> {
        self.items.iter().map(|planned| planned.item.clone()).collect()
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// CloudFront would refuse this path, or purge nothing with it.
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not even one wildcard is left, and the paths do not suffice: wait until some invalidation is complete.
    QuotaFull {
        /// Addresses to purge.
        addresses: u64,
        /// Paths left.
        paths: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, reason } => write!(f, "`{path}` cannot be invalidated: {reason}"),
            Self::QuotaFull { addresses, paths } => write!(
                f,
                "{addresses} addresses have to be purged, the invalidations in progress leave {paths} paths and no wildcard"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The name under which CloudFront knows a request again when it is repeated: the same for the same items of the same
/// apply, so that a lost answer costs nothing, and another one for all others. The same paths in a second apply would be
/// answered with the first one's invalidation, which ended before the new bytes came; other paths under a known name are
/// refused. `token` is the apply's own, as its number may come again after a state was lost.
pub fn caller_reference(release: &str, sequence: u64, token: &str, items: &[Item]) -> String {
    let items: String = items.iter().map(|item| format!("{item}\n")).collect();
    let token: String = token.chars().take(16).collect();
    format!("qdn-{release}-{sequence}-{token}-{}", Digest::of(items.as_bytes()).short())
}

/// The fewest items that purge what changed.
///
/// Fewest items; of those, fewest clean objects purged, then fewest of their bytes, then fewest wildcards, then the
/// first in the order of paths. Exact. O(n log n) in the number of addresses where no limit binds; where one does, a
/// knapsack whose search is kept small by a bound (`choose.rs` has the figures).
pub fn plan(edge: &Edge, terms: &Terms) -> Result<Plan, Refusal> {
    merge(&[], edge, terms)
}

/// The fewest items that purge what changed and what an interrupted publish owes.
///
/// It takes the edge and not a plan, since what is clean decides how the two are said together. A wildcard that is
/// owed is owed as a whole: which of the addresses under it had changed is not on record.
///
/// Where the edge has cache tags, those items are the fewest which tags can say; with what has none they are planned in
/// turn (`by_tags`). Where it has none any more, an owed tag is owed as everything: nobody knows its addresses.
pub fn merge(pending: &[Item], edge: &Edge, terms: &Terms) -> Result<Plan, Refusal> {
    match &edge.tagged {
        Some(tagged) => by_tags::merge(pending, edge, tagged, terms),
        None if pending.iter().any(|item| matches!(item, Item::Tag(_))) => by_paths(&[Item::Wildcard("/".to_owned())], edge, terms),
        None => by_paths(pending, edge, terms),
    }
}

fn by_paths(pending: &[Item], edge: &Edge, terms: &Terms) -> Result<Plan, Refusal> {
    let needs = needs(pending, edge, terms)?;
    let clean = clean(edge, &needs);
    let obligations = obligations(&needs);
    let wholes = || obligations.iter().filter(|one| one.whole);
    let avoidable = clean.outside(wholes().map(|one| one.text));

    let all = clean.sum(&clean.all());
    let nodes = trie(&obligations, &avoidable);
    let budget = Limits {
        paths: terms.paths.saturating_sub(terms.paths_running),
        wildcards: terms.wildcards.saturating_sub(terms.reserve).saturating_sub(terms.wildcards_running),
        objects: (all.objects as f64 * terms.collateral.clamp(0.0, 1.0)).floor() as u64,
    };
    let with_reserve = Limits { wildcards: terms.wildcards.saturating_sub(terms.wildcards_running), ..budget };
    let whole_count = wholes().count() as u64;
    let addresses = obligations.len() as u64 - whole_count;
    let (choice, concession) = match choose(&nodes, budget) {
        Some(choice) => {
            let concession = choice.relaxed.then_some(Concession::Collateral);
            (choice, concession)
        }
        None => match choose(&nodes, with_reserve) {
            Some(choice) => (choice, Some(Concession::Reserve)),
            None => return Err(Refusal::QuotaFull { addresses: obligations.len() as u64, paths: budget.paths }),
        },
    };

    let mut covered = vec![false; obligations.len()];
    let mut items = Vec::new();
    for node in choice.wildcards.iter().map(|&node| &nodes[node]) {
        covered[node.obligations.clone()].fill(true);
        if let Some(cut) = node.cut {
            items.push(Item::Wildcard(obligations[node.obligations.start].text[..cut.length].to_owned()));
        }
    }
    let alone = obligations.iter().zip(covered).filter(|(_, covered)| !covered);
    items.extend(alone.map(|(one, _)| Item::Path(one.text.to_owned())));
    items.sort_by_cached_key(Item::to_string);
    let items: Vec<Planned> = items.into_iter().map(|item| explain(item, &needs, &clean)).collect();

    let total = items.iter().fold(Collateral::default(), |sum, planned| Collateral {
        objects: sum.objects + planned.collateral.objects,
        bytes: sum.bytes + planned.collateral.bytes,
    });
    let unavoidable = avoidable.sum(&avoidable.all());
    let unavoidable = Collateral { objects: all.objects - unavoidable.objects, bytes: all.bytes - unavoidable.bytes };
    let alternative = |way, items, collateral, fits| Alternative { way, items, cents: terms.cents(items), collateral, fits };
    let exact_fits = addresses <= budget.paths && whole_count <= budget.wildcards;
    let tags = edge.changes.len() as u64 + pending.len() as u64;
    let alternatives = match obligations.is_empty() {
        true => Vec::new(),
        false => vec![
            alternative(Way::Exact, obligations.len() as u64, unavoidable, exact_fits),
            alternative(Way::Everything, 1, all, budget.wildcards > 0),
            alternative(Way::Tags, tags, Collateral::default(), tags <= budget.paths),
        ],
    };
    Ok(Plan { cents: terms.cents(items.len() as u64), items, collateral: total, clean: all, concession, alternatives })
}

/// One thing to purge, and who asks for it.
struct Need<'a> {
    obligation: Obligation<'a>,
    asked: Asked<'a>,
    /// Absent if an interrupted publish asks.
    key: Option<&'a str>,
}

/// An address or a wildcard as it was given.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Address(&'a str),
    Wildcard(&'a str),
}

impl<'a> Need<'a> {
    fn address(path: &'a str, key: Option<&'a str>, terms: &Terms) -> Result<Self, Refusal> {
        check(path)?;
        // Percent-encoding the star or the tilde would name another address: see the module's documentation.
        let unsayable = terms.queries || path.ends_with('*') || path.contains('~') || path.len() > MAX_PATH;
        let obligation = if unsayable { wholly(path) } else { Obligation { text: path, whole: false } };
        Ok(Self { obligation, asked: Asked::Address(path), key })
    }

    fn wildcard(prefix: &'a str, key: Option<&'a str>) -> Result<Self, Refusal> {
        check(prefix)?;
        Ok(Self { obligation: wholly(prefix), asked: Asked::Wildcard(prefix), key })
    }

    fn asked(&self) -> String {
        match self.asked {
            Asked::Address(path) => path.to_owned(),
            Asked::Wildcard(prefix) => format!("{prefix}*"),
        }
    }
}

/// Everything to purge, in the order of paths.
fn needs<'a>(pending: &'a [Item], edge: &'a Edge, terms: &Terms) -> Result<Vec<Need<'a>>, Refusal> {
    let mut needs = Vec::new();
    for Change { key, paths, families } in &edge.changes {
        for path in paths {
            needs.push(Need::address(path, Some(key), terms)?);
        }
        for family in families {
            let prefix = family.strip_suffix('*').ok_or_else(|| refuse(family, "a family ends in `*`"))?;
            needs.push(Need::wildcard(prefix, Some(key))?);
        }
    }
    for item in pending {
        needs.push(match item {
            Item::Path(path) => Need::address(path, None, terms)?,
            Item::Wildcard(prefix) => Need::wildcard(prefix, None)?,
            Item::Tag(_) => continue,
        });
    }
    needs.sort_by_key(|need| (need.obligation.text, !need.obligation.whole));
    Ok(needs)
}

/// The obligation to purge a whole prefix: the longest part of it that a wildcard can say.
fn wholly(prefix: &str) -> Obligation<'_> {
    let length = prefix.find('~').unwrap_or(prefix.len());
    let length = (1..=length).rev().find(|&length| may_cut(prefix, length)).unwrap_or(1);
    Obligation { text: &prefix[..length], whole: true }
}

/// The needs without those that another covers in any case.
fn obligations<'a>(needs: &[Need<'a>]) -> Vec<Obligation<'a>> {
    let mut obligations: Vec<Obligation<'_>> = Vec::new();
    for Need { obligation, .. } in needs {
        let covered = obligations.last().is_some_and(|last| match last.whole {
            true => obligation.text.starts_with(last.text),
            false => obligation.text == last.text,
        });
        if !covered {
            obligations.push(*obligation);
        }
    }
    obligations
}

/// What is clean and no address to be purged.
fn clean<'a>(edge: &'a Edge, needs: &[Need<'_>]) -> Clean<'a> {
    let mut addresses: Vec<&str> = Vec::with_capacity(needs.len());
    addresses.extend(needs.iter().filter_map(|need| match need.asked {
        Asked::Address(path) => Some(path),
        Asked::Wildcard(_) => None,
    }));
    addresses.sort_unstable();
    let mut objects: Vec<(&str, u64)> = edge.clean.iter().map(|object| (object.path.as_str(), object.bytes)).collect();
    objects.sort_unstable();
    objects.dedup_by_key(|object| object.0);
    objects.retain(|object| addresses.binary_search(&object.0).is_err());
    Clean::new(objects)
}

fn explain(item: Item, needs: &[Need<'_>], clean: &Clean<'_>) -> Planned {
    let text = item.text();
    let first = needs.partition_point(|need| need.obligation.text < text);
    let count = needs[first..].partition_point(|need| match &item {
        Item::Wildcard(prefix) => need.obligation.text.starts_with(prefix.as_str()),
        _ => need.obligation.text == text,
    });
    let covered = &needs[first..first + count];
    let collateral = match &item {
        Item::Wildcard(prefix) => clean.sum(&clean.under(prefix, clean.all())),
        _ => Collateral::default(),
    };
    Planned {
        stands_for: None,
        keys: Names::of(covered.iter().filter_map(|need| need.key.map(Cow::Borrowed))),
        pending: Names::of(covered.iter().filter(|need| need.key.is_none()).map(|need| need.asked().into())),
        forced_by: Names::of(covered.iter().filter(|need| need.obligation.whole).map(|need| need.asked().into())),
        collateral,
        item,
    }
}

fn refuse(path: &str, reason: &'static str) -> Refusal {
    Refusal::Path { path: path.to_owned(), reason }
}

/// Refuses what CloudFront would answer with `InvalidArgument`, and with it the whole request.
fn check(path: &str) -> Result<(), Refusal> {
    if !path.starts_with('/') {
        return Err(refuse(path, "it does not begin with `/`"));
    }
    let bytes = path.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' if !bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {
                return Err(refuse(path, "a `%` is not followed by two hexadecimal digits"));
            }
            b'"' | b'#' | b'<' | b'>' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7F.. => {
                return Err(refuse(path, "it holds a character that is not percent-encoded"));
            }
            _ => {}
        }
    }
    Ok(())
}

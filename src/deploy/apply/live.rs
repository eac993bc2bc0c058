//! What a stage serves: from its books alone, but for the pages that an interrupted publish may have changed.

use super::books::{Books, Known};
use super::{Context, Stopped, purge, supply};
use crate::deploy::invalidation::{Item, tags};
use crate::deploy::ledger::{self, Head, Tags};
use crate::deploy::options::Mode;
use crate::deploy::remote::{Failure, FunctionStage, Stage, Stat, Target};
use crate::release::{Class, Digest, Manifest, ObjectEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a stage serves now.
#[derive(Clone, Debug)]
pub struct Live {
    pub(super) known: Known,
    /// Every object with what is known of it; nothing where nothing was ever published. Where a publish was
    /// interrupted these are the pages of more than one release.
    pub manifest: Option<Manifest>,
    /// The ETags of pages, as far as they are known.
    pub tags: Tags,
    /// What the edge has to forget and was not told of.
    pub pending: BTreeMap<String, Vec<Item>>,
    /// Pages with bytes that no release has, by distribution: somebody else wrote them.
    pub foreign: BTreeMap<String, BTreeSet<String>>,
    /// Objects that were looked at, by distribution: whether they carry the cache tags of their keys.
    pub(super) carries: BTreeMap<String, BTreeMap<String, bool>>,
    /// Whether objects were looked at: then what is served may have come there without the books.
    pub is_examined: bool,
}

impl Live {
    fn of(known: Known, pending: BTreeMap<String, Vec<Item>>) -> Self {
        Self {
            known,
            manifest: None,
            tags: Tags::new(),
            pending,
            foreign: BTreeMap::new(),
            carries: BTreeMap::new(),
            is_examined: false,
        }
    }

    /// The pages of a distribution that do not carry their cache tags, out of those that are served.
    pub(super) fn untagged(&self, name: &str, served: Option<&Manifest>, stage: &Stage) -> BTreeSet<String> {
        let (Some(target), Some(served)) = (stage.distributions.get(name), served) else { return BTreeSet::new() };
        let is_tagged = self.head().is_tagged(name, &target.id);
        let looked = self.carries.get(name);
        let carries = |key: &String| looked.and_then(|looked| looked.get(key)).copied().unwrap_or(is_tagged);
        let pages = served.distributions.get(name).into_iter().flat_map(|one| &one.objects);
        let pages = pages.filter(|(key, entry)| entry.class == Class::Page && !carries(key));
        pages.map(|(key, _)| key.clone()).collect()
    }

    /// The state of the stage.
    pub fn head(&self) -> &Head {
        &self.known.head
    }
}

/// How closely a stage is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What the books say is believed: everything written under them was written under a condition.
    Books,
    /// Every object is asked for: somebody may have gone behind the books.
    Objects,
}

/// The state of a stage, whoever is at work; nothing where nothing was ever published.
///
/// # Errors
/// Where it cannot be read, or is gone, and other books say that there was one.
pub async fn state(stage: &Stage, context: &Context) -> Result<Option<Head>, Stopped> {
    Ok(Books::new(stage, context).found().await?.map(|known| known.head))
}

/// The manifest of a release that a stage keeps.
///
/// # Errors
/// Where it is gone, or not as it was written.
pub async fn manifest(stage: &Stage, id: &str, context: &Context) -> Result<Manifest, Stopped> {
    Books::new(stage, context).manifest(id).await
}

/// The code of a release's functions, by name.
///
/// # Errors
/// Where a body is gone or damaged.
pub async fn functions(stage: &Stage, manifest: &Manifest, context: &Context) -> Result<BTreeMap<String, Arc<str>>, Stopped> {
    let mut functions = BTreeMap::new();
    for (name, entry) in &manifest.functions {
        let code = supply::kept(name, &entry.sha256, stage, context).await?;
        functions.insert(name.clone(), code.into());
    }
    Ok(functions)
}

/// The state of a stage, after the edge was asked about what is under way.
///
/// # Errors
/// Where it cannot be read.
pub async fn refresh(stage: &Stage, context: &Context) -> Result<Head, Stopped> {
    let books = Books::new(stage, context);
    let known = books.head().await?;
    Ok(purge::confirm(&books, known).await)
}

/// Reads again what a stage serves that this process is at work on: pages of which it is not sure are looked at.
pub(super) async fn again(books: &Books<'_>, known: Known) -> Result<Live, Stopped> {
    let (stage, context) = (books.stage, books.context);
    let mut live = Live::of(known, BTreeMap::new());
    live.is_examined = true;
    if let Some(release) = live.known.head.release.clone() {
        // Where it is gone, what this process writes is looked at all the same.
        live.manifest = books.manifest_if_kept(&release).await?;
    }
    examine(stage, context, books, &mut live, Look::Books, &BTreeSet::new()).await?;
    Ok(live)
}

/// Reads what a stage serves. One request where it already serves the wanted release; else three.
///
/// # Errors
/// Where the books cannot be read, or there are none and the buckets hold something.
pub async fn read(stage: &Stage, context: &Context, wanted: Option<&str>, look: Look) -> Result<Live, Stopped> {
    let books = Books::new(stage, context);
    let known = books.idle_head().await?;
    let head = known.head.clone();
    let pending = head.to_purge();
    let mut live = Live::of(known, pending);
    let moved = moved(&head, stage);
    for (name, target) in stage.distributions.iter().filter(|(name, _)| moved.contains(*name)) {
        let at = place(target);
        if head.places.get(name).is_none_or(|known| known.at != at)
            && let Err(stopped) = is_empty(name, target, stage, context).await
        {
            // Two may publish there for the first time: what lies there is the other's, who has said so meanwhile.
            return match books.head().await?.head.nonce == head.nonce {
                true => Err(stopped),
                false => Box::pin(read(stage, context, wanted, look)).await,
            };
        }
    }
    if live.known.tag.is_none() {
        live.known.head = books.anew().await?;
        return Ok(live);
    }
    let is_sure = look == Look::Books && head.applying.is_none() && moved.is_empty();
    let is_as_wanted = stage.mode == Mode::Paths || stage.distributions.iter().all(|(name, one)| head.is_tagged(name, &one.id));
    if is_sure && is_as_wanted && wanted.is_some() && head.release.as_deref() == wanted {
        return Ok(live);
    }
    if let Some(release) = &head.release {
        let (manifest, tags) = futures_util::future::try_join(books.manifest_if_kept(release), async {
            match head.tags {
                Some(sequence) => books.tags(sequence, release).await,
                None => Ok(Tags::new()),
            }
        })
        .await?;
        if let Some(manifest) = manifest {
            (live.manifest, live.tags) = (Some(manifest), tags);
        } else {
            live.manifest = Some(unknown(release, wanted, stage, context)?);
            live.is_examined = true;
        }
    }
    if !is_sure {
        live.is_examined = true;
        examine(stage, context, &books, &mut live, look, &moved).await?;
    }
    Ok(live)
}

/// What is served where its manifest is gone: nobody knows. Whoever brings the very release brings its manifest too, and
/// each of its objects is found to be there, or is written; so does whoever replaces what others wrote.
fn unknown(release: &str, wanted: Option<&str>, stage: &Stage, context: &Context) -> Result<Manifest, Stopped> {
    if context.adopt || wanted == Some(release) {
        return Ok(Manifest { release: release.to_owned(), ..Manifest::default() });
    }
    Err(Stopped::Failed(format!(
        "{} is not there, so nobody knows what the release {release} was, which the stage `{name}` serves\n\
         hint: `qdn publish {name} --audit` of the sources that it was built from writes it anew; another release is published over it with \
         `--adopt`, and what that one has not is left",
        stage.control.locate(&ledger::release(release)),
        name = stage.name
    )))
}

/// Where a distribution lies, for the books: bucket and prefix. A folder may be moved with the project it is in.
pub(super) fn place(target: &Target) -> String {
    let location = target.bucket.locate("");
    format!("{}/{}", location.bucket.rsplit(['/', '\\']).next().unwrap_or_default(), location.key)
}

/// Where the distributions of a stage lie.
pub(super) fn places(stage: &Stage) -> BTreeMap<String, String> {
    stage.distributions.iter().map(|(name, target)| (name.clone(), place(target))).collect()
}

/// Distributions of which the books say nothing: new ones, those that lie elsewhere now, and those to which no publish
/// was finished.
fn moved(head: &Head, stage: &Stage) -> BTreeSet<String> {
    let is_known =
        |name: &String, target: &Target| head.places.get(name).is_some_and(|site| site.is_known && site.at == place(target));
    stage.distributions.iter().filter(|(name, target)| !is_known(name, target)).map(|(name, _)| name.clone()).collect()
}

/// Where the books know nothing of a bucket it has to be empty: what lies there is somebody's site.
async fn is_empty(name: &str, target: &Target, stage: &Stage, context: &Context) -> Result<(), Stopped> {
    if context.adopt {
        return Ok(());
    }
    let found = context.pace.run(|| target.bucket.list("")).await?;
    let Some(first) = found.first() else { return Ok(()) };
    let books = Books::new(stage, context);
    if books.head().await?.tag.is_none()
        && let Some(lost) = books.lost().await?
    {
        return Err(lost);
    }
    Err(Stopped::Refused(vec![format!(
        "the stage `{}` has no books of its distribution `{name}`, and {} holds {} objects (`{}` is one)\nhint: if they are an older version \
         of this site, `--adopt` replaces those that the release has too, and leaves the others; if not, another bucket was meant",
        stage.name,
        place(target),
        found.len(),
        first.key,
    )]))
}

/// Finds out which pages an interrupted publish has changed: those that are not the same in all releases of which
/// pages may be served are looked at. Or all of them are.
async fn examine(
    stage: &Stage,
    context: &Context,
    books: &Books<'_>,
    live: &mut Live,
    look: Look,
    moved: &BTreeSet<String>,
) -> Result<(), Stopped> {
    let head = live.known.head.clone();
    // Where nothing was served before, every page may be missing still.
    let mut candidates: Vec<Manifest> = vec![live.manifest.clone().unwrap_or_default()];
    let others = head.may_serve().into_iter().filter(|id| Some(*id) != head.release.as_deref());
    for id in others {
        candidates.push(books.manifest(id).await?);
    }
    let mut unsure: BTreeSet<(String, String)> = BTreeSet::new();
    let names: BTreeSet<&String> = candidates.iter().flat_map(|manifest| manifest.distributions.keys()).collect();
    let entry = |manifest: &'_ Manifest, name: &str, key: &str| -> Option<ObjectEntry> {
        manifest.distributions.get(name).and_then(|distribution| distribution.objects.get(key)).cloned()
    };
    let mixed = head.applying.as_ref().filter(|_| stage.mode == Mode::Tags).map(|applying| &applying.mixed);
    for name in names {
        let is_mixed = mixed.is_some_and(|mixed| mixed.contains(name));
        let keys: BTreeSet<&String> =
            candidates.iter().filter_map(|manifest| manifest.distributions.get(name)).flat_map(|one| one.objects.keys()).collect();
        for key in keys {
            let first = entry(&candidates[0], name, key);
            if look == Look::Objects
                || moved.contains(name)
                || is_mixed
                || candidates[1..].iter().any(|other| entry(other, name, key) != first)
            {
                unsure.insert((name.clone(), key.clone()));
            }
        }
    }
    let looked = context
        .pace
        .each(unsure, |(name, key)| async move {
            let Some(target) = stage.distributions.get(&name) else { return Ok((name, key, None)) };
            let stat = context.pace.run(|| target.bucket.stat(&key)).await?;
            Ok::<_, Failure>((name, key, stat))
        })
        .await?
        .ok_or_else(|| Stopped::Interrupted("nothing was changed".to_owned()))?;
    let mut manifest = candidates[0].clone();
    for (name, key, stat) in looked {
        let distribution = manifest.distributions.entry(name.clone()).or_default();
        let Some(stat) = stat else {
            distribution.objects.remove(&key);
            continue;
        };
        let known =
            candidates.iter().filter_map(|one| entry(one, &name, &key)).find(|one| stat.sha256.as_ref() == Some(&one.sha256));
        if known.is_none() {
            live.foreign.entry(name.clone()).or_default().insert(key.clone());
        }
        live.carries.entry(name.clone()).or_default().insert(key.clone(), stat.cache_tag == tags::of(&key));
        live.tags.entry(name).or_default().insert(key.clone(), stat.tag.clone());
        distribution.objects.insert(key, as_stored(&stat, known.map_or(Class::Page, |one| one.class)));
    }
    // Which function is live is asked of CloudFront; here it is enough that nobody knows.
    manifest.functions.retain(|name, function| candidates.iter().all(|one| one.functions.get(name) == Some(&*function)));
    if look == Look::Objects {
        let names: Vec<String> = manifest.functions.keys().cloned().collect();
        for name in names {
            let remote = stage.function_name(&name);
            let there = context.pace.run(|| stage.cdn.function(&remote, FunctionStage::Live)).await?;
            let sha256 = there.map(|there| Digest::of(&there.code).hex());
            if manifest.functions.get(&name).map(|function| &function.sha256) != sha256.as_ref() {
                manifest.functions.remove(&name);
            }
        }
    }
    live.manifest = Some(manifest);
    Ok(())
}

/// An object as it lies in a bucket, in the words of a manifest.
pub(super) fn as_stored(stat: &Stat, class: Class) -> ObjectEntry {
    ObjectEntry {
        sha256: stat.sha256.clone().unwrap_or_default(),
        size: stat.size,
        class,
        content_type: stat.content_type.clone(),
        cache_control: stat.cache_control.clone(),
    }
}

//! Pages and files are put in place, replaced and removed: each under the condition that it is what the plan knew.

use super::books::Hold;
use super::live::as_stored;
use super::supply::{self, Trouble};
use super::{Prepared, Progress, Stopped, Wish};
use crate::deploy::plan::{Phase, Reason, Step};
use crate::deploy::remote::{Bucket, Kind, Tag, When};
use crate::release::ObjectEntry;

/// How often one key is looked at again where its ETag is not the one that was known.
const LOOKS: u32 = 4;

/// What was done to one key.
#[derive(Clone, Debug)]
pub(super) struct Put {
    pub(super) distribution: String,
    pub(super) key: String,
    /// None where it was removed.
    pub(super) tag: Option<Tag>,
    pub(super) how: How,
    pub(super) bytes: u64,
}

/// How a key came to what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Its bytes were sent.
    Sent,
    /// They were copied where they lie.
    Copied,
    /// It is gone.
    Removed,
    /// It was so already: an earlier try had done it.
    Already,
}

/// Takes the steps of one phase. The first error ends it, when what is in flight has ended.
pub(super) async fn write(
    phase: Phase,
    steps: &[&Step],
    prepared: &Prepared,
    wish: &Wish<'_>,
    hold: &Hold<'_>,
) -> Result<Vec<Put>, Stopped> {
    let context = hold.books.context;
    // In the order in which they lie, where they come from packs: each is read at once.
    let from = |step: &&Step| supply::from_pack(wish, step, hold.bodies);
    let mut packed: Vec<_> = steps.iter().map(|step| (from(step), *step)).collect();
    packed.sort_by(|(one, _), (other, _)| {
        one.as_ref().map(|(_, pack, offset)| (pack, offset)).cmp(&other.as_ref().map(|(_, pack, offset)| (pack, offset)))
    });
    hold.bodies.expect(packed.iter().filter_map(|(from, _)| from.as_ref()).map(|(sha256, ..)| *sha256));
    let steps = packed.into_iter().map(|(_, step)| step);
    let one = |step: &Step| {
        let step = step.clone();
        async move {
            let put = match (&step.reason, phase) {
                (Reason::Gone, _) => remove(&step, prepared, hold).await,
                _ => put(&step, prepared, wish, hold).await,
            }?;
            (context.tell)(&Progress::Step { bytes: put.bytes });
            Ok::<_, Stopped>(put)
        }
    };
    let done = context.pace.each(steps, one).await?;
    done.ok_or_else(|| Stopped::Interrupted(String::new()))
}

/// What a key is thought to be: what the books say of it.
struct Thought<'a> {
    entry: Option<&'a ObjectEntry>,
    when: When,
}

fn thought<'a>(step: &Step, prepared: &'a Prepared) -> Thought<'a> {
    let name = step.distribution.as_deref().unwrap_or_default();
    let live = prepared.live.manifest.as_ref().and_then(|manifest| manifest.distributions.get(name));
    let entry = live.and_then(|distribution| distribution.objects.get(&step.key));
    let tag = prepared.live.tags.get(name).and_then(|tags| tags.get(&step.key));
    let when = match (entry, tag) {
        (None, _) => When::Missing,
        (Some(_), Some(tag)) => When::Is(tag.clone()),
        // A tag that no object has: the store refuses, and tells the real one.
        (Some(_), None) => When::Is(Tag("\"unknown\"".to_owned())),
    };
    Thought { entry, when }
}

async fn put(step: &Step, prepared: &Prepared, wish: &Wish<'_>, hold: &Hold<'_>) -> Result<Put, Stopped> {
    let context = hold.books.context;
    let (name, key) = (step.distribution.clone().unwrap_or_default(), step.key.clone());
    let (bucket, entry) = place(step, wish, hold)?;
    let Thought { entry: before, mut when } = thought(step, prepared);
    let done = |tag, how| Put { distribution: name.clone(), key: key.clone(), tag: Some(tag), how, bytes: entry.size };
    for _ in 0..LOOKS {
        if matches!(&when, When::Is(tag) if tag.0 == "\"unknown\"") {
            // Spares the bytes of a write that is refused anyway.
        } else {
            match supply::page(wish, hold, &name, &key, entry, bucket, &when).await {
                Ok((tag, how)) => return Ok(done(tag, how)),
                Err(Trouble::Condition) => {}
                Err(Trouble::Stopped(stopped)) => return Err(stopped),
            }
        }
        let stat = context.pace.run(|| bucket.stat(&key)).await?;
        when = match stat {
            None => When::Missing,
            Some(stat) if as_stored(&stat, entry.class) == *entry => {
                let tags = supply::cache_tag(hold.books.stage, &key, entry);
                // Tags do no harm where they are not used.
                if tags.is_empty() || stat.cache_tag == tags {
                    return Ok(done(stat.tag, How::Already));
                }
                When::Is(stat.tag)
            }
            Some(stat) if before.is_some_and(|before| as_stored(&stat, before.class) == *before) => When::Is(stat.tag),
            Some(stat) => {
                hold.is_ours().await?;
                if !context.adopt {
                    return Err(foreign(bucket, &key, hold));
                }
                When::Is(stat.tag)
            }
        };
    }
    Err(Stopped::Failed(format!("{} keeps changing while it is written", bucket.locate(&key))))
}

async fn remove(step: &Step, prepared: &Prepared, hold: &Hold<'_>) -> Result<Put, Stopped> {
    let context = hold.books.context;
    let (name, key) = (step.distribution.clone().unwrap_or_default(), step.key.clone());
    let Some(target) = hold.books.stage.distributions.get(&name) else {
        return Err(Stopped::Failed(format!("the stage has no distribution `{name}`, of which `{key}` would be removed")));
    };
    let bucket = target.bucket.as_ref();
    let done = Put { distribution: name, key: key.clone(), tag: None, how: How::Removed, bytes: 0 };
    let Thought { entry: before, mut when } = thought(step, prepared);
    for _ in 0..LOOKS {
        if let When::Is(tag) = &when
            && tag.0 != "\"unknown\""
        {
            hold.touch();
            let remove = || async {
                hold.fence().await?;
                bucket.remove(&key, tag).await
            };
            match context.pace.run(remove).await {
                Ok(()) => return Ok(done),
                Err(failure) if failure.kind == Kind::Conflict => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let Some(stat) = context.pace.run(|| bucket.stat(&key)).await? else { return Ok(done) };
        if before.is_none_or(|before| as_stored(&stat, before.class) != *before) {
            hold.is_ours().await?;
            if !context.adopt {
                return Err(foreign(bucket, &key, hold));
            }
        }
        when = When::Is(stat.tag);
    }
    Err(Stopped::Failed(format!("{} keeps changing while it is removed", bucket.locate(&key))))
}

fn place<'a>(step: &Step, wish: &'a Wish<'_>, hold: &'a Hold<'_>) -> Result<(&'a dyn Bucket, &'a ObjectEntry), Stopped> {
    let name = step.distribution.as_deref().unwrap_or_default();
    let entry = wish.manifest.distributions.get(name).and_then(|distribution| distribution.objects.get(&step.key));
    match (hold.books.stage.distributions.get(name), entry) {
        (Some(target), Some(entry)) => Ok((target.bucket.as_ref(), entry)),
        _ => Err(Stopped::Failed(format!("the stage has no distribution `{name}`, of which `{}` would be a part", step.key))),
    }
}

fn foreign(bucket: &dyn Bucket, key: &str, hold: &Hold<'_>) -> Stopped {
    let stage = &hold.books.stage.name;
    Stopped::Failed(format!(
        "{} holds bytes that no release of the stage `{stage}` has: something other than qdn wrote them, and nothing is written over them\n\
         hint: `qdn audit {stage}` lists all such objects; `--adopt` replaces them",
        bucket.locate(key)
    ))
}

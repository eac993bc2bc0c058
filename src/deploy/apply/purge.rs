//! The edge is told what to forget, asked whether it did, and looked at.

use super::books::{Books, Known};
use super::receipt::Verified;
use super::{Context, Items, Prepared, Progress, Receipt, Stopped, Wish, tagging};
use crate::deploy::invalidation::{self, Item};
use crate::deploy::ledger::{Done, Head, Issued};
use crate::deploy::plan::{self, Phase, Reason};
use crate::deploy::remote::{Failure, Kind, Stage};
use crate::release::{Digest, Key, Manifest};
use futures_util::future::join;
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between the first looks at an invalidation; each wait is half as long again, up to [`LONGEST_LOOK`]. CloudFront
/// reports most as complete within 25 s.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// Between two looks at most.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// An invalidation as old as this is complete, whoever cannot be asked about it.
const OLD: SignedDuration = SignedDuration::from_hours(24);
/// Before a page is looked at again that is stale although its tag was purged: most are forgotten within 5 s.
const TAGS_LATE: Duration = Duration::from_secs(2);
/// As many changed pages are looked at through the edge.
const SAMPLE: usize = 50;
/// Up to this size, in bytes: what is looked at comes here whole.
const SEEN: u64 = 1 << 20;
/// How often a page that is stale is looked at again before its address is purged once more: an invalidation that is
/// reported complete may take some seconds more.
const SECOND_LOOKS: u32 = 4;

/// Creates one invalidation for each distribution, and says what was created and what could not be.
pub(super) async fn issue(
    prepared: &Prepared,
    wish: &Wish<'_>,
    stage: &Stage,
    context: &Context,
    apply: (u64, &str),
) -> Result<(BTreeMap<String, Issued>, Items), Stopped> {
    let (mut issued, mut owed) = (BTreeMap::new(), Items::new());
    for (name, items) in prepared.items().into_iter().filter(|(_, items)| !items.is_empty()) {
        let Some(target) = stage.distributions.get(&name) else {
            return Err(Stopped::Failed(format!(
                "the stage has no distribution `{name}`, whose edge has to forget {} items",
                items.len()
            )));
        };
        let reference = invalidation::caller_reference(&wish.manifest.release, apply.0, apply.1, &items);
        match context.pace.run(|| stage.cdn.invalidate(&target.id, &reference, &items)).await {
            Ok(created) => drop(issued.insert(name, Issued { id: created.id, at: (context.clock)() })),
            Err(failure) if failure.kind == Kind::Full => {
                match make_room(&name, &items, &failure, prepared, wish, stage, context, apply).await? {
                    Some(created) => drop(issued.insert(name, created)),
                    None => drop(owed.insert(name, items)),
                }
            }
            // The pages are in place. What the edge was not told is on record, and told later.
            Err(failure) if failure.is_passing() => {
                context.say(&format!("warning: {failure}; the invalidation is owed"));
                owed.insert(name, items);
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok((issued, owed))
}

/// The quota is full: fewer items may still fit, or do once others are complete. If not, they stay owed, which is
/// no reason for a publish to fail.
#[expect(clippy::too_many_arguments, reason = "what, where to, and everything that a plan is made from")]
async fn make_room(
    name: &str,
    items: &[Item],
    full: &Failure,
    prepared: &Prepared,
    wish: &Wish<'_>,
    stage: &Stage,
    context: &Context,
    apply: (u64, &str),
) -> Result<Option<Issued>, Stopped> {
    context.say(&format!("{full}; waiting for room"));
    let Some(target) = stage.distributions.get(name) else { return Ok(None) };
    let edge = tagging::edge(&prepared.plan, name, wish, &prepared.live, prepared.live.manifest.as_ref(), stage);
    let until = Instant::now() + context.wait;
    let mut pause = FIRST_LOOK;
    loop {
        // Who may not ask can still wait.
        let running = context.pace.run(|| stage.cdn.running(&target.id)).await.unwrap_or_default();
        let terms =
            invalidation::Terms { paths_running: running.paths, wildcards_running: running.wildcards, ..wish.terms.clone() };
        if let Ok(plan) = invalidation::merge(items, &edge, &terms) {
            let fewer = plan.owed();
            let reference = invalidation::caller_reference(&wish.manifest.release, apply.0, apply.1, &fewer);
            match context.pace.run(|| stage.cdn.invalidate(&target.id, &reference, &fewer)).await {
                Ok(created) => return Ok(Some(Issued { id: created.id, at: (context.clock)() })),
                Err(failure) if failure.kind == Kind::Full || failure.is_passing() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        if Instant::now() + pause > until || context.pace.is_stopping() {
            return Ok(None);
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_LOOK);
    }
}

/// What is left once the release is served: to hear that the edge has forgotten, and to look.
pub(super) async fn finish(
    prepared: Prepared,
    wish: &Wish<'_>,
    stage: &Stage,
    context: &Context,
    mut receipt: Receipt,
    done: Done,
    known: Known,
) -> Result<Receipt, Stopped> {
    let until = Instant::now() + context.wait;
    let mut open = done.issued.clone();
    let mut pause = FIRST_LOOK;
    if !open.is_empty() {
        (context.tell)(&Progress::Begins { what: "edge", steps: open.len() });
    }
    while !open.is_empty() {
        let mut left = BTreeMap::new();
        for (name, issued) in open {
            let Some(target) = stage.distributions.get(&name) else { continue };
            // A look that fails is no reason to fail: the release is served, and `qdn status` looks again.
            match context.pace.run(|| stage.cdn.invalidation(&target.id, &issued.id)).await {
                Ok(now) if now.is_complete => (context.tell)(&Progress::Step { bytes: 0 }),
                _ => drop(left.insert(name, issued)),
            }
        }
        open = left;
        if open.is_empty() || Instant::now() + pause > until || context.pace.is_stopping() {
            break;
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_LOOK);
    }
    for (name, purged) in &mut receipt.purged {
        purged.is_complete = !open.contains_key(name) && !done.owed.contains_key(name);
    }
    (context.tell)(&Progress::Ends);
    let is_complete = open.is_empty() && done.owed.is_empty();
    if is_complete {
        let books = Books::new(stage, context);
        let looked = verify(&prepared, wish, stage, context, &receipt);
        // Somebody else may be at work by now; they will ask as well.
        let (verified, mut known) = join(looked, confirm_but(&books, known, &done.issued)).await;
        receipt.verified = verified?;
        let names: BTreeSet<String> = receipt.verified.untagged.iter().cloned().collect();
        if !names.is_empty() {
            // Others who were faster begin with the same record, and may find the same.
            known = books.swap(&known, |head, signature| head.untagged(&names, signature)).await.unwrap_or(known);
        }
        receipt.seq = known.head.seq;
    }
    Ok(receipt)
}

/// Tells the edge what it is owed, asks how the invalidations are getting on that were not seen complete, and writes
/// down what it hears. What cannot be asked stays open, and somebody else's work is not disturbed: nothing of this is a
/// reason to fail.
pub(super) async fn confirm(books: &Books<'_>, known: Known) -> Head {
    confirm_but(books, known, &BTreeMap::new()).await.head
}

/// The same, where some were seen complete a moment ago.
async fn confirm_but(books: &Books<'_>, known: Known, seen: &BTreeMap<String, Issued>) -> Known {
    let Books { stage, context } = *books;
    let head = known.head.clone();
    if head.applying.is_some() || head.issued.is_empty() && head.owed.is_empty() {
        return known;
    }
    let now = (context.clock)();
    let mut open: BTreeMap<String, Vec<Issued>> = BTreeMap::new();
    for (name, issued) in &head.issued {
        let Some(target) = stage.distributions.get(name) else { continue };
        for one in issued.iter().filter(|one| now - OLD < one.at && seen.get(name).is_none_or(|seen| seen.id != one.id)) {
            let asked = context.pace.run(|| stage.cdn.invalidation(&target.id, &one.id)).await;
            if !asked.is_ok_and(|now| now.is_complete) {
                open.entry(name.clone()).or_default().push(one.clone());
            }
        }
    }
    let (mut owed, sequence) = (Items::new(), head.sequence + u64::from(!head.owed.is_empty()));
    let release = head.release.clone().unwrap_or_default();
    for (name, items) in &head.owed {
        let Some(target) = stage.distributions.get(name) else { continue };
        let told = tagging::as_told(items, stage);
        // A distribution that reads no tags takes them all the same, and forgets nothing.
        let is_heard = !told.iter().any(|item| matches!(item, Item::Tag(_)))
            || context.pace.run(|| stage.cdn.distribution(&target.id)).await.is_ok_and(|info| tagging::reads_tags(&info));
        if !is_heard {
            owed.insert(name.clone(), items.clone());
            continue;
        }
        let reference = invalidation::caller_reference(&release, sequence, &(context.nonce)(), &told);
        match context.pace.run(|| stage.cdn.invalidate(&target.id, &reference, &told)).await {
            Ok(created) => open.entry(name.clone()).or_default().push(Issued { id: created.id, at: now }),
            Err(_) => drop(owed.insert(name.clone(), items.clone())),
        }
    }
    if (&open, &owed) == (&head.issued, &head.owed) {
        return known;
    }
    let settled = books.swap(&known, |head, signature| head.settled(owed.clone(), open.clone(), sequence, signature)).await;
    settled.unwrap_or(known)
}

/// Looks at changed pages through the edge: all of them, or a sample, and never at large files. One that is stale is purged
/// once more, by its addresses; where tags have failed, so is all that changed.
async fn verify(
    prepared: &Prepared,
    wish: &Wish<'_>,
    stage: &Stage,
    context: &Context,
    receipt: &Receipt,
) -> Result<Verified, Stopped> {
    let mut verified = Verified::default();
    let changed: Vec<_> = plan::changed(&prepared.plan).into_iter().filter(|step| step.bytes <= SEEN).collect();
    let step_by = changed.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<_> = changed.into_iter().step_by(step_by).collect();
    if sample.is_empty() {
        return Ok(verified);
    }
    (context.tell)(&Progress::Begins { what: "looking at the edge", steps: sample.len() });
    let looked = context.pace.each(sample, |step| async move {
        let name = step.distribution.as_deref().unwrap_or_default();
        let verdict = look(name, &step.key, step.reason == Reason::Gone, wish.manifest, stage, context).await;
        (context.tell)(&Progress::Step { bytes: 0 });
        Ok::<_, Stopped>((name.to_owned(), step.key.clone(), verdict))
    });
    let looked = looked.await?.unwrap_or_default();
    (context.tell)(&Progress::Ends);
    let mut stale: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, key, verdict) in looked {
        verified.looked += 1;
        match verdict {
            Ok(true) => {}
            Ok(false) => stale.entry(name).or_default().push(key),
            Err(failure) => verified.unknown.push(format!("{name}/{key}: {failure}")),
        }
    }
    for (name, keys) in stale {
        let Some(target) = stage.distributions.get(&name) else { continue };
        let mut keys = keys;
        let is_told = |key: &String| {
            let step = plan::changed(&prepared.plan)
                .into_iter()
                .find(|step| step.key == *key && step.distribution.as_ref() == Some(&name));
            step.is_some_and(|step| step.reason != Reason::New)
        };
        let told = receipt.purged.get(&name);
        let by_tags = told.is_some_and(|told| told.items.iter().any(|item| matches!(item, Item::Tag(_))));
        if by_tags {
            // It may have been late, and much follows from saying that tags do nothing.
            sleep(TAGS_LATE).await;
            let mut left = Vec::new();
            for key in keys {
                if !matches!(look(&name, &key, false, wish.manifest, stage, context).await, Ok(true)) {
                    left.push(key);
                }
            }
            keys = left;
            if keys.is_empty() {
                continue;
            }
        }
        let mut purged = keys.clone();
        if by_tags && keys.iter().any(is_told) {
            // Where a tag did nothing for one page, nobody knows for which others it did.
            let steps = plan::changed(&prepared.plan).into_iter().filter(|step| step.distribution.as_ref() == Some(&name));
            purged = steps.map(|step| step.key.clone()).collect();
            verified.untagged.push(name.clone());
        }
        let changes = (wish.addresses)(&name, &purged);
        let edge = invalidation::Edge { changes, ..Default::default() };
        let Ok(again) = invalidation::plan(&edge, &wish.terms) else {
            verified.stale.extend(keys.iter().map(|key| format!("{name}/{key}")));
            continue;
        };
        // Another name than the first time, even for the same items.
        let items = again.owed();
        let reference = invalidation::caller_reference(&wish.manifest.release, receipt.sequence, &(context.nonce)(), &items);
        let asked = context.pace.run(|| stage.cdn.invalidate(&target.id, &reference, &items)).await;
        for key in keys {
            let mut is_fresh = false;
            for look_number in 0..SECOND_LOOKS {
                if asked.is_err() || is_fresh {
                    break;
                }
                sleep(FIRST_LOOK * 2_u32.pow(look_number)).await;
                is_fresh = matches!(look(&name, &key, false, wish.manifest, stage, context).await, Ok(true));
            }
            if is_fresh {
                verified.purged_again.push(format!("{name}/{key}"));
            } else {
                verified.stale.push(format!("{name}/{key}"));
            }
        }
    }
    Ok(verified)
}

/// Whether the edge answers with the bytes of the release, or with none where there are none any more.
async fn look(
    name: &str,
    key: &str,
    is_gone: bool,
    manifest: &Manifest,
    stage: &Stage,
    context: &Context,
) -> Result<bool, Failure> {
    let Some(target) = stage.distributions.get(name) else { return Ok(true) };
    let path = Key::new(key).path();
    let fetched = context.pace.run(|| stage.cdn.fetch(&target.id, target.url.as_deref(), &path)).await?;
    let entry = manifest.distributions.get(name).and_then(|distribution| distribution.objects.get(key));
    Ok(match (fetched.status, entry) {
        // The function sends visitors elsewhere from this address: the object is not reached by it.
        (300..=399, _) => true,
        (200, Some(entry)) if !is_gone => Digest::of(&fetched.body).hex() == entry.sha256,
        (404 | 403, None) => true,
        (404, Some(_)) => key == "404.html",
        _ => false,
    })
}

/// Whether a phase changes what visitors see under an address that stays.
pub(super) fn is_public(phase: Phase) -> bool {
    !matches!(phase, Phase::Assets | Phase::Functions)
}

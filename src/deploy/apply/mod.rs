//! A plan is carried out: in phases, each write under a condition, and with everything said before it is done.
//!
//! ```text
//! read ▸ prepare ▸ assets, bodies, manifest ▸ begin ▸ functions ▸ pages, phase by phase ▸ removals
//!      ▸ invalidate ▸ finish ▸ wait ▸ verify
//! ```
//!
//! Until *begin* nothing that a visitor sees is touched. *Begin* replaces the head by compare-and-swap, and the new
//! head says which release comes and which addresses the edge must forget. So a process may die anywhere:
//! whoever comes next looks at the pages that may be of either release, finishes or goes back, and purges what
//! was promised.
//!
//! Two publishers do not mix their pages. One of them wins the head. If the other one was asleep and wakes up
//! afterwards, it asks for the head before it writes ([`Hold::fence`]); and a page that changed meanwhile has another
//! ETag than the one it knew, so that the write fails. Whoever took over from somebody silent looks once more, before
//! they finish, at every page that may be of either release.

mod ahead;
mod audit;
mod bodies;
mod books;
mod collect;
mod document;
mod fenced;
mod functions;
mod live;
mod objects;
mod pace;
mod packs;
mod purge;
mod receipt;
mod single;
mod store;
mod supply;
mod tagging;

pub use audit::{Audit, Finding, Wrong, audit, restore, restore_bodies};
pub use collect::{Collected, Keep, collect};
pub use functions::{FINE, TOO_MUCH};
pub use live::{Live, Look, functions, manifest, read, refresh, state};
pub use pace::Pace;
pub use packs::Packing;
pub use receipt::{FunctionDone, Purged, Receipt, Verified};
pub use single::{Alone, Tried, back, publish_alone, try_out};
pub use supply::Supply;

use super::invalidation::{self, Change, Item, Terms};
use super::ledger::{self, Applying, Commit, Done, Head, Holder, Kind, LiveFunction, Signature, Tags};
use super::options::Proof;
use super::plan::{self, Phase, Plan, Policy, Step};
use super::remote::{Failure, Stage, Tested};
use crate::release::Manifest;
use bodies::Bodies;
use books::{Books, Hold, Known};
use futures_util::future::{join, try_join, try_join_all, try_join3};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest name of an object at S3, prefix and all, in bytes.
const LONGEST_KEY: usize = 1024;

/// How often whoever took over looks again whether the one before them has written still.
const LOOKS: u32 = 3;

/// How long a publisher may be silent before others take over. It speaks up three times in this time.
pub const LEASE: Duration = Duration::from_secs(20);

/// Who works, what the world is to them, and how they tell of it.
pub struct Context {
    /// Who, for the log: `ann@laptop`, `ci`.
    pub by: String,
    /// This process.
    pub holder: Holder,
    /// The time.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A text that was never there before.
    pub nonce: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether a process is known to have ended. A process of another machine never is.
    pub is_gone: Arc<dyn Fn(&Holder) -> bool + Send + Sync>,
    /// Hears how it goes.
    pub tell: Arc<dyn Fn(&Progress) + Send + Sync>,
    /// How fast, and whether to stop.
    pub pace: Pace,
    /// When bodies are stored together.
    pub packing: Packing,
    /// How long a publisher may be silent.
    pub lease: Duration,
    /// How long an invalidation is waited for.
    pub wait: Duration,
    /// Whether what somebody else wrote is replaced.
    pub adopt: bool,
    /// Whether CloudFront's answer about a function is the one that the emulator gave.
    pub agree: Agree,
}

/// Compares what was expected of an event with what CloudFront made of it; the difference in words where there is one.
pub type Agree = Arc<dyn Fn(&Result<Value, String>, &Tested) -> Result<(), String> + Send + Sync>;

impl Context {
    fn signature(&self) -> Signature {
        Signature { at: (self.clock)(), by: self.by.clone(), nonce: (self.nonce)() }
    }

    fn say(&self, note: &str) {
        (self.tell)(&Progress::Note(note.to_owned()));
    }
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A phase begins.
    Begins {
        /// Which.
        what: &'static str,
        /// How many steps it has.
        steps: usize,
    },
    /// A step of it is done.
    Step {
        /// Bytes that were sent.
        bytes: u64,
    },
    /// The phase is over.
    Ends,
    /// Something to be read.
    Note(String),
}

/// Why it ended before its time. Whatever was begun is on record, and the same command goes on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Guards stand against it; nothing was touched.
    Refused(Vec<String>),
    /// A function does not do at CloudFront what its cases say. It was not made live, and no page was touched.
    Disproved(Vec<String>),
    /// The remote did not do what was asked.
    Failed(String),
    /// Somebody else was faster.
    Superseded {
        /// The number of their state.
        seq: u64,
        /// Who.
        by: String,
        /// What the stage serves now.
        release: Option<String>,
    },
    /// The stage is not any more what the plan was made for.
    Moved(String),
    /// Somebody asked for the end.
    Interrupted(String),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.message)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reasons) | Self::Disproved(reasons) => f.write_str(&reasons.join("\n")),
            Self::Failed(why) | Self::Moved(why) => f.write_str(why),
            Self::Superseded { seq, by, release } => {
                let serves = release.as_deref().map_or_else(|| "nothing".to_owned(), |id| format!("release {id}"));
                write!(f, "superseded by state {seq} of {by}: the stage serves {serves} now")
            }
            Self::Interrupted(state) => write!(f, "interrupted; {state}"),
        }
    }
}

/// The release that a stage shall serve.
#[derive(Clone)]
pub struct Wish<'a> {
    /// How it comes.
    pub kind: Kind,
    /// What it is.
    pub manifest: &'a Manifest,
    /// The commit it was built from, if that is known.
    pub commit: Option<Commit>,
    /// The function that it is about, if it is about one alone.
    pub function: Option<&'a str>,
    /// Where its bytes come from.
    pub supply: Supply<'a>,
    /// What may be removed.
    pub policy: Policy,
    /// The quotas and limits of invalidations.
    pub terms: Terms,
    /// Keys, by distribution, whose addresses are purged although they do not change.
    pub stale: BTreeMap<String, Vec<String>>,
    /// Under which addresses the edge may hold keys of a distribution, by the release's function. The cache goes by the
    /// rewritten path, so those that only an older function led to a key hold nothing of their own.
    pub addresses: &'a (dyn Fn(&str, &[String]) -> Vec<Change> + Send + Sync),
}

/// A plan, and all that it was made from.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The steps.
    pub plan: Plan,
    /// What the edge will be told, by distribution.
    pub purges: BTreeMap<String, invalidation::Plan>,
    /// What is served now.
    pub live: Live,
    /// Distributions whose pages carried no cache tags until now: all are stored with them, and the edge forgets everything.
    pub begins: BTreeSet<String>,
    /// Whether an interrupted apply is taken up in which nothing but the invalidation is left to do.
    only_purges: bool,
    /// Whether large files may be sent to where they will be served. Whoever has to plan anew because another was faster keeps
    /// their bodies first: the next time they are there.
    may_send_ahead: bool,
}

impl Prepared {
    /// What the edge will be told, by distribution.
    fn items(&self) -> Items {
        match &self.live.head().applying {
            Some(applying) if self.only_purges => {
                let known = |(name, _): &(&String, &Vec<Item>)| self.live.pending.contains_key(*name);
                applying.items.iter().filter(known).map(|(name, items)| (name.clone(), items.clone())).collect()
            }
            _ => self.purges.iter().map(|(name, purge)| (name.clone(), purge.owed())).collect(),
        }
    }

    /// Whether the stage serves the release already and owes nothing to anybody.
    pub fn is_done(&self) -> bool {
        self.plan.is_empty()
            && self.purges.is_empty()
            && self.live.head().applying.is_none()
            && self.live.head().owed.is_empty()
            && self.live.head().release.as_deref() == Some(self.plan.release.as_str())
    }
}

/// How often a plan is made anew because the stage moved on while it was made.
const REPLANS: u32 = 50;

/// Brings a stage to a release: looks, plans, and carries the plan out. Whoever else is at work is waited for, and the
/// plan is then made anew from what they left.
///
/// `saved` is the plan that was agreed on: where it would be another one now, nothing is done.
///
/// # Errors
/// Why it stopped. What was begun is on record.
pub async fn bring(
    wish: &Wish<'_>,
    look: Look,
    saved: Option<&Value>,
    stage: &Stage,
    context: &Context,
) -> Result<Receipt, Stopped> {
    let mut replans = 0;
    loop {
        let live = read(stage, context, Some(&wish.manifest.release), look).await?;
        let mut prepared = prepare(wish, live, stage, context)?;
        prepared.may_send_ahead = replans == 0;
        if let Some(saved) = saved {
            prepared.is_still(saved, stage)?;
        }
        match apply(prepared, wish, stage, context).await {
            Err(Stopped::Moved(_)) if saved.is_none() && replans < REPLANS => replans += 1,
            result => return result,
        }
    }
}

/// What has to be done, from what a stage serves.
///
/// # Errors
/// The guards that stand against it, and addresses that no invalidation can name.
pub fn prepare(wish: &Wish<'_>, live: Live, stage: &Stage, context: &Context) -> Result<Prepared, Stopped> {
    let mut live = live;
    forget(&mut live, stage, context);
    let head = live.head();
    let serves = live.manifest.as_ref();
    // One request told that it is served already; nobody fetched the manifest for that.
    let known = if head.applying.is_none() && head.release.as_deref() == Some(wish.manifest.release.as_str()) {
        serves.or(Some(wish.manifest))
    } else {
        serves
    };
    let mut refusals = Vec::new();
    if matches!(wish.kind, Kind::Publish | Kind::Promote) && !wish.policy.allow_older {
        refusals.extend(plan::older(wish.commit.as_ref(), head.commit.as_ref()));
    }
    let plan = match plan::plan(wish.manifest, known, wish.policy) {
        Ok(plan) => plan,
        Err(more) => {
            refusals.extend(more);
            Plan::default()
        }
    };
    let mut plan = plan;
    let untagged = tagging::untagged(wish.manifest, known, &live, stage);
    plan::retag(&mut plan, wish.manifest, &untagged);
    let mut refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    refusals.extend(unwritable(&plan, &live, stage, context));
    if !refusals.is_empty() {
        return Err(Stopped::Refused(refusals));
    }
    let taken_up = head.applying.as_ref().filter(|applying| applying.to == wish.manifest.release);
    let begins = tagging::begins(wish.manifest, &live, stage);
    // An interrupted apply that began with cache tags as well is purging everything already.
    let is_begun = |name: &String| taken_up.is_some_and(|applying| tagging::purges_all(applying.items.get(name)));
    let is_sayable = taken_up.is_some_and(|applying| applying.items.values().all(|items| tagging::as_told(items, stage) == *items));
    let only_purges = is_sayable && plan::changed(&plan).is_empty() && wish.stale.is_empty() && begins.iter().all(is_begun);
    let mut purges = BTreeMap::new();
    if !only_purges {
        let names = wish.manifest.distributions.keys().chain(live.pending.keys());
        for name in names.chain(known.iter().flat_map(|known| known.distributions.keys())) {
            if purges.contains_key(name) {
                continue;
            }
            let pending = live.pending.get(name).map(Vec::as_slice).unwrap_or_default();
            let is_changed = |step: &&Step| step.distribution.as_ref() == Some(name);
            let stale = wish.stale.get(name).map(Vec::as_slice).unwrap_or_default();
            let is_beginning = begins.contains(name);
            if pending.is_empty() && stale.is_empty() && !is_beginning && !plan::changed(&plan).iter().any(is_changed) {
                continue;
            }
            let edge = tagging::edge(&plan, name, wish, &live, known, stage);
            let purge = invalidation::merge(pending, &edge, &wish.terms);
            let mut purge = purge.map_err(|refusal| Stopped::Refused(vec![refusal.to_string()]))?;
            if is_beginning {
                // It would purge nothing of what is held now.
                purge.alternatives.retain(|other| other.way != invalidation::Way::Tags);
            }
            purges.insert(name.clone(), purge);
        }
        purges.retain(|_, purge| !purge.items.is_empty());
    }
    Ok(Prepared { plan, purges, live, begins, only_purges, may_send_ahead: true })
}

/// What the stage has no distribution for any more is left where it is: nobody serves it.
fn forget(live: &mut Live, stage: &Stage, context: &Context) {
    let has = |name: &String| stage.distributions.contains_key(name);
    if let Some(manifest) = &mut live.manifest {
        for name in manifest.distributions.keys().filter(|name| !has(name)) {
            context.say(&format!(
                "warning: the stage `{}` has no distribution `{name}` any more; what it served is left alone",
                stage.name
            ));
        }
        manifest.distributions.retain(|name, _| has(name));
    }
    live.pending.retain(|name, _| has(name));
}

/// Steps that would fail half way: names that no store takes, and objects that somebody else wrote.
fn unwritable(plan: &Plan, live: &Live, stage: &Stage, context: &Context) -> Vec<String> {
    let mut refusals = Vec::new();
    for step in &plan.steps {
        let Some(name) = &step.distribution else { continue };
        let Some(target) = stage.distributions.get(name) else {
            refusals
                .push(format!("the release serves a distribution `{name}`, and the stage `{}` has none of that name", stage.name));
            break;
        };
        let place = target.bucket.locate(&step.key);
        if place.key.len() > LONGEST_KEY || step.key.chars().any(char::is_control) {
            refusals.push(format!(
                "no object can be called `{}`: a name has at most {LONGEST_KEY} bytes, and no control characters",
                place.key
            ));
        }
        if !context.adopt && live.foreign.get(name).is_some_and(|foreign| foreign.contains(&step.key)) {
            refusals.push(format!(
                "{place} holds bytes that no release of the stage `{}` has: something other than qdn wrote them\nhint: `--adopt` replaces them",
                stage.name
            ));
        }
    }
    refusals
}

/// Carries a plan out.
///
/// # Errors
/// Why it stopped. What was begun is on record.
pub async fn apply(prepared: Prepared, wish: &Wish<'_>, stage: &Stage, context: &Context) -> Result<Receipt, Stopped> {
    let books = Books::new(stage, context);
    let receipt = Receipt::new(stage, wish, &prepared);
    if prepared.is_done() {
        return settle(prepared, receipt, stage, context).await;
    }
    if let Err(stopped) = preflight(&prepared, wish, stage, context).await {
        // Two may publish for the first time: the function that is live is the other's, who has said so meanwhile.
        return Err(match books.head().await {
            Ok(Known { head, .. }) if head.nonce != prepared.live.head().nonce => {
                Stopped::Moved(format!("{} changed the stage `{}` meanwhile (state {})", head.by, stage.name, head.seq))
            }
            _ => stopped,
        });
    }
    let mut known = prepared.live.known.clone();
    let places = live::places(stage);
    if known.head.places.iter().map(|(name, site)| (name, &site.at)).ne(places.iter()) {
        known =
            books.swap(&known, |head, signature| head.placed(&places, signature)).await.map_err(|stopped| moved(stopped, stage))?;
    }
    let bodies = Bodies::new(stage.control.as_ref(), context);
    let result = store_and_apply(prepared, wish, books, known, &bodies, receipt).await;
    ahead::give_up(&bodies, stage, context).await;
    result
}

/// Carries a plan out that nothing stands against.
async fn store_and_apply(
    prepared: Prepared,
    wish: &Wish<'_>,
    books: Books<'_>,
    known: Known,
    bodies: &Bodies<'_>,
    mut receipt: Receipt,
) -> Result<Receipt, Stopped> {
    let Books { stage, context } = books;
    // Nothing that a visitor sees is touched here.
    let (stored, already) = store::store(&prepared, wish, stage, bodies, context).await?;
    let is_packed = bodies.is_used();
    if is_packed {
        bodies.learn_served(supply::served(wish, stage, context).await);
    }
    let (release, text) = (ledger::release(&wish.manifest.release), wish.manifest.to_json());
    receipt.stored(stored);
    let before = known.head.clone();
    try_join3(books.write_once(&release, text.as_bytes()), supply::store_proofs(&prepared.plan, wish, &books), async {
        match before.applying.is_none() && before.release.is_some() {
            // Whoever wrote it may have died before it was logged.
            true => books.log(&before).await,
            false => Ok(()),
        }
    })
    .await?;
    let applying = begin(&prepared, wish, stage, context);
    let begun = |head: &Head, signature: &Signature| head.begun(applying.clone(), signature).packed(is_packed);
    let known = books.swap(&known, begun).await.map_err(|stopped| moved(stopped, stage))?;
    let hold = Hold::new(books, known, bodies);
    let work = async {
        // What was there already may have been collected until this process was known to be at work.
        store::make_sure(already, wish, stage, bodies, context).await?;
        if !books.has(&release).await? {
            books.write_once(&release, text.as_bytes()).await?;
        }
        carry_out(&prepared, wish, &hold, &mut receipt).await
    };
    let result = tokio::select! {
        biased;
        result = work => result,
        stopped = hold.keep() => Err(stopped),
    };
    match result {
        Ok(done) => purge::finish(prepared, wish, stage, context, receipt, done, hold.into_known()).await,
        Err(stopped) => Err(let_go(stopped, &prepared, &before, &hold).await),
    }
}

/// Whoever was faster changed what the plan was made for.
fn moved(stopped: Stopped, stage: &Stage) -> Stopped {
    match stopped {
        Stopped::Superseded { seq, by, .. } => {
            Stopped::Moved(format!("{by} changed the stage `{}` meanwhile (state {seq})", stage.name))
        }
        other => other,
    }
}

/// The first distribution that does not answer, or that nobody may ask about, ends the publish before it begins. So does
/// a function of somebody else's: names of functions are the account's, and another project may have had the same idea.
async fn preflight(prepared: &Prepared, wish: &Wish<'_>, stage: &Stage, context: &Context) -> Result<(), Stopped> {
    let answers = wish.manifest.distributions.iter().map(async |(name, distribution)| {
        let Some(target) = stage.distributions.get(name) else { return Ok(()) };
        let info = context.pace.run(|| stage.cdn.distribution(&target.id)).await?;
        tagging::are_obeyed(name, target, &info, stage)?;
        let sorts = [
            (&distribution.viewer_request, info.viewer_request, "viewer requests"),
            (&distribution.viewer_response, info.viewer_response, "viewer responses"),
        ];
        for (function, associated, sort) in sorts {
            let Some(function) = function.as_ref().map(|function| stage.function_name(function)) else { continue };
            if associated.is_some_and(|associated| !associated.contains(&function)) {
                context.say(&format!(
                    "warning: the distribution {} (`{name}`) does not run the function `{function}`: associate it with its behaviours, for {sort}",
                    target.id
                ));
            }
        }
        Ok(())
    });
    let obeys = async { Ok(context.pace.run(|| stage.control.obeys_conditions()).await?) };
    try_join3(obeys, functions::are_ours(prepared, wish, stage, context), try_join_all(answers)).await?;
    Ok(())
}

fn begin(prepared: &Prepared, wish: &Wish<'_>, stage: &Stage, context: &Context) -> Applying {
    let head = prepared.live.head();
    let mixed = tagging::mixed(wish.manifest, head, stage);
    let to = wish.manifest.release.clone();
    let mut touched: Vec<String> = head.applying.iter().flat_map(|applying| applying.touched.clone()).collect();
    touched.push(to.clone());
    touched.sort();
    touched.dedup();
    let (sequence, token) = match (&head.applying, prepared.only_purges) {
        // Every page was in place before the first request for this invalidation, if there was one: the same name and
        // the same items make it the same invalidation, which is paid for once.
        (Some(applying), true) => (applying.sequence, applying.token.clone()),
        _ => (head.sequence + 1, (context.nonce)()),
    };
    let items = prepared.items();
    let (holder, began) = (Some(context.holder.clone()), (context.clock)());
    let (commit, function) = (wish.commit.clone(), wish.function.map(str::to_owned));
    Applying { kind: wish.kind, to, commit, function, touched, sequence, token, items, mixed, holder, began }
}

/// Everything between *begin* and *finish*.
async fn carry_out(prepared: &Prepared, wish: &Wish<'_>, hold: &Hold<'_>, receipt: &mut Receipt) -> Result<Done, Stopped> {
    let Books { stage, context } = hold.books;
    let functions = functions::make_live(prepared, wish, hold).await?;
    let mut tags = prepared.live.tags.clone();
    let mut has_written = write(prepared, wish, hold, receipt, &mut tags).await?;
    let took_over = prepared.live.head().applying.as_ref().is_some_and(|applying| applying.holder.is_some());
    for _ in 0..if took_over { LOOKS } else { 0 } {
        // A request of the one before may have been on its way all the time.
        let live = live::again(&hold.books, hold.known().await).await?;
        let plan = plan::plan(wish.manifest, live.manifest.as_ref(), Policy { allow_removals: true, ..wish.policy });
        let mut plan = plan.unwrap_or_default();
        plan::retag(&mut plan, wish.manifest, &tagging::untagged(wish.manifest, live.manifest.as_ref(), &live, stage));
        if plan::changed(&plan).is_empty() {
            break;
        }
        let late =
            Prepared { plan, live, purges: BTreeMap::new(), begins: BTreeSet::new(), only_purges: false, may_send_ahead: false };
        has_written |= write(&late, wish, hold, receipt, &mut tags).await?;
    }
    let large = ahead::large(prepared, wish, stage, hold.bodies, &tags);
    receipt.functions(&functions);
    let functions: BTreeMap<String, LiveFunction> = functions.into_iter().map(|(name, done)| (name, done.live)).collect();
    let (sequence, token) = hold.apply().await;
    let on_record = prepared.live.head().tags.filter(|_| !has_written);
    // Tags only spare questions, so the edge need not wait for them.
    let tags = async {
        match on_record {
            Some(_) => Ok(()),
            None => hold.books.write_tags(sequence, &wish.manifest.release, tags).await,
        }
    };
    let told = try_join(purge::issue(prepared, wish, stage, context, (sequence, &token)), tags);
    // Whether or not that can be, the edge is told.
    let (told, kept) = join(told, ahead::keep(large, stage, context)).await;
    let (issued, owed) = told?.0;
    kept?;
    let tagged = tagging::tagged(wish.manifest, stage);
    let done = Done { owed, issued, functions, tags: on_record.or(Some(sequence)), tagged };
    let head = hold.swap(|head, signature| head.finished(done.clone(), signature)).await?;
    if let Err(why) = hold.books.log(&head).await {
        context.say(&format!("warning: the release is served, and its state could not be logged yet: {why}"));
    }
    receipt.finished(&head, &done, &token);
    Ok(done)
}

/// Writes the pages of a plan, phase by phase. Says whether there were any.
async fn write(
    prepared: &Prepared,
    wish: &Wish<'_>,
    hold: &Hold<'_>,
    receipt: &mut Receipt,
    tags: &mut Tags,
) -> Result<bool, Stopped> {
    let phases = phases(&prepared.plan);
    for (phase, steps) in &phases {
        (hold.books.context.tell)(&Progress::Begins { what: phase.name(), steps: steps.len() });
        let written = objects::write(*phase, steps, prepared, wish, hold).await?;
        (hold.books.context.tell)(&Progress::Ends);
        receipt.written(*phase, &written, tags);
    }
    Ok(!phases.is_empty())
}

/// The steps of each phase that writes objects, in order.
fn phases(plan: &Plan) -> Vec<(Phase, Vec<&Step>)> {
    let mut phases: Vec<(Phase, Vec<&Step>)> = Vec::new();
    for step in plan.steps.iter().filter(|step| !matches!(step.phase, Phase::Assets | Phase::Functions)) {
        match phases.last_mut() {
            Some((phase, steps)) if *phase == step.phase => steps.push(step),
            _ => phases.push((step.phase, vec![step])),
        }
    }
    phases
}

/// After a failure: the state says that nobody is at work, so that the next one need not wait. Where no page was
/// touched, it says that nothing happened.
async fn let_go(stopped: Stopped, prepared: &Prepared, before: &Head, hold: &Hold<'_>) -> Stopped {
    if matches!(stopped, Stopped::Superseded { .. }) {
        return stopped;
    }
    if hold.is_lost() {
        return hold.is_ours().await.err().unwrap_or(stopped);
    }
    let untouched = !hold.is_touched() && before.applying.is_none();
    let owed = before.owed.clone();
    let said = if untouched {
        hold.swap(|head, signature| head.abandoned(owed.clone(), signature)).await
    } else {
        hold.swap(Head::released).await
    };
    let stage = &hold.books.stage.name;
    let state = match (&said, untouched) {
        (Ok(_), true) => "nothing that visitors see was changed".to_owned(),
        (Ok(_), false) => format!(
            "what was begun is on record: run it again to go on, or `qdn rollback {stage}` to go back to {}",
            prepared.plan.previous.as_deref().unwrap_or("nothing")
        ),
        (Err(_), _) => format!("what was begun is on record: run it again in {} s", hold.books.context.lease.as_secs()),
    };
    match stopped {
        Stopped::Failed(why) => Stopped::Failed(format!("{why}\nnote: {state}")),
        Stopped::Interrupted(_) => Stopped::Interrupted(state),
        other => other,
    }
}

/// Where the stage serves the release already: only invalidations may be left to hear of.
async fn settle(prepared: Prepared, mut receipt: Receipt, stage: &Stage, context: &Context) -> Result<Receipt, Stopped> {
    if !prepared.live.head().issued.is_empty() {
        let head = purge::confirm(&Books::new(stage, context), prepared.live.known).await;
        receipt.seq = head.seq;
    }
    Ok(receipt)
}

/// Items by distribution.
type Items = BTreeMap<String, Vec<Item>>;

//! `qdn jobs`: the office without a browser, and scripts.

pub(super) mod desk;
pub(super) mod draw;
mod find;

use super::args::{CreateJob, Global, JobsArgs, JobsCommand, WhichKey};
use super::ui::{Ui, plural};
use super::{PROBLEMS, REMOTE, USAGE};
use crate::disk;
use crate::jobs::booking::{Fault, RawAddress, RawBooking, RawWindow, note};
use crate::jobs::event::{Change, Event};
use crate::jobs::file::{Export, parse};
use crate::jobs::job::{Job, JobId, Link};
use crate::jobs::store::{ChangeError, CreateError, Kept, NewJob, StoreError};
use crate::jobs::token::{Key, Keys, TokenHash, sha256_hex};
use crate::jobs::view::{StaffJob, tracking_url};
use crate::jobs::world::{System, World as _, random};
use crate::jobs::{Status, api};
use desk::{Desk, LOCAL};
use find::{NotFound, expired, find};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Why a command ends without having done it: the words, and the exit code they go with.
pub(super) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }

    /// Prints it where people and programs look.
    pub(super) fn tell(&self, ui: &mut Ui) -> u8 {
        if ui.json {
            ui.document(&json!({ "version": 1, "error": { "message": self.message } }));
        }
        ui.error(&self.message);
        self.code
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(USAGE, message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(REMOTE, error.to_string())
    }
}

impl From<NotFound> for Failure {
    fn from(why: NotFound) -> Self {
        match why {
            NotFound::Because(message) => Self::new(PROBLEMS, message),
            NotFound::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::new(PROBLEMS, "this job was archived; nothing about it changes any more"),
            ChangeError::Stale(_) => Self::new(REMOTE, "someone else changed this job at the same time; look at it and try again"),
            ChangeError::Refused(_, refusal) => Self::new(PROBLEMS, refusal.to_string()),
            ChangeError::Store(error) => error.into(),
        }
    }
}

/// A thread for whoever waits for answers.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| format!("no thread can be started: {error}"))?.block_on(work))
}

/// Runs a command of `qdn jobs`.
pub(super) fn jobs(global: &Global, args: &JobsArgs, ui: &mut Ui) -> Result<u8, String> {
    match wait(run(global, args, ui))? {
        Ok(()) => Ok(0),
        Err(failure) => Ok(failure.tell(ui)),
    }
}

async fn run(global: &Global, args: &JobsArgs, ui: &mut Ui) -> Result<(), Failure> {
    match &args.command {
        JobsCommand::Openapi => {
            ui.document(&json!(api::openapi()));
            return Ok(());
        }
        JobsCommand::Keys { new: true, .. } => {
            ui.document(&json!(Keys::from_random(random(&System))));
            return Ok(());
        }
        _ => {}
    }
    let desk = Desk::open(global, &args.stage.stage, ui).await?;
    let who = remark("--who", args.who.as_deref())?.unwrap_or_else(logged_in_as);
    let office = Office { desk, who };
    match &args.command {
        JobsCommand::Create(new) => office.create(new, ui).await,
        JobsCommand::List { status, all, words } => office.list(status.as_deref(), *all, words, ui).await,
        JobsCommand::Show { job } => {
            let job = find(&office.desk, job, System.now()).await?;
            office.show(&job, ui);
            Ok(())
        }
        JobsCommand::Move { job, to, note } => office.step(job, to.as_deref(), remark("--note", note.as_deref())?, ui).await,
        JobsCommand::Undo { job, note } => office.change(job, Event::Undo { note: remark("--note", note.as_deref())? }, ui).await,
        JobsCommand::Cancel { job, reason } => match remark("--reason", Some(reason))? {
            Some(reason) => office.change(job, Event::Cancel { reason }, ui).await,
            None => Err(Failure::new(USAGE, "say in `--reason` why the job is canceled")),
        },
        JobsCommand::Link { job, renew } => office.link(job, *renew, ui).await,
        JobsCommand::Export { out, csv } => office.export(out.as_deref(), *csv, ui).await,
        JobsCommand::Import { file } => office.import(file, ui).await,
        JobsCommand::Migrate { to } => office.migrate(to, ui).await,
        JobsCommand::Tidy => office.tidy(ui).await,
        JobsCommand::Keys { rotate, .. } => office.keys(*rotate, ui).await,
        JobsCommand::Terms => {
            ui.data(&json!(office.desk.terms).to_string());
            Ok(())
        }
        JobsCommand::Openapi => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "`cli` alone reads the environment")]
fn logged_in_as() -> String {
    std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_else(|_| "office".to_owned())
}

fn request() -> String {
    uuid::Builder::from_random_bytes(random(&System)).into_uuid().simple().to_string()
}

/// Somebody at a desk.
struct Office {
    desk: Desk,
    who: String,
}

impl Office {
    fn view(&self, job: &Job) -> StaffJob {
        StaffJob::of(job, &self.desk.terms, self.desk.keys.as_ref())
    }

    fn show(&self, job: &Job, ui: &mut Ui) {
        let view = self.view(job);
        if ui.json {
            ui.document(&json!({ "version": 1, "job": view }));
        } else {
            ui.data(&draw::job(&view, &self.desk.terms));
        }
    }

    async fn create(&self, new: &CreateJob, ui: &mut Ui) -> Result<(), Failure> {
        let keys = self.desk.keys()?;
        let (price_cents, wrong_price) = match new.price.as_deref().map(cents).transpose() {
            Ok(price) => (price, None),
            Err(failure) => (None, Some(failure.message)),
        };
        let CreateJob { name, phone, email, street, city, zip, service, details, date, part, access, key, .. } = new;
        let raw = RawBooking {
            service: service.clone(),
            details: details.clone(),
            address: RawAddress { street: street.clone(), city: city.clone(), zip: zip.clone() },
            access: access.clone(),
            window: RawWindow { date: date.clone(), part: part.clone() },
            name: name.clone(),
            phone: phone.clone(),
            email: email.clone(),
            price_cents,
            ..RawBooking::default()
        };
        let now = System.now();
        let wrong = |faults: &[Fault]| {
            let named = |fault: &Fault| format!("--{}: {}", fault.pointer.rsplit('/').next().unwrap_or_default(), fault.detail);
            let lines: Vec<String> = faults.iter().map(named).chain(wrong_price.clone()).collect();
            Failure::new(USAGE, format!("the job was not created\n  {}", lines.join("\n  ")))
        };
        let booking = raw.check(&self.desk.terms, self.desk.terms.today(now), true).map_err(|faults| wrong(&faults))?;
        if wrong_price.is_some() {
            return Err(wrong(&[]));
        }
        let key = key.clone().unwrap_or_else(request);
        let job = Job::book(booking, Some(self.who.clone()), request(), raw.idempotency(&key), keys, &System);
        let made = self.desk.store.create(&NewJob { job, most_waiting: None }).await.map_err(|error| match error {
            CreateError::KeyReused => Failure::new(PROBLEMS, format!("the key `{key}` belongs to another job")),
            CreateError::Closed => Failure::new(PROBLEMS, "too many jobs wait for a first look"),
            CreateError::Store(error) => error.into(),
        })?;
        if made.replayed {
            ui.say("this job is there already; nothing was created");
        }
        self.show(&made.job, ui);
        Ok(())
    }

    async fn list(&self, status: Option<&str>, all: bool, words: &[String], ui: &mut Ui) -> Result<(), Failure> {
        let status = status.map(named).transpose()?;
        let is_open = |job: &Job| job.ended_at().is_none();
        let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let mut jobs = if all { self.desk.store.export().await? } else { self.desk.store.since(0).await?.jobs };
        jobs.retain(|job| {
            (all || status.is_some() || is_open(job)) && status.is_none_or(|status| job.status == status) && job.has_words(&words)
        });
        jobs.sort_by_key(Job::in_order);
        let views: Vec<StaffJob> = jobs.iter().map(|job| self.view(job)).collect();
        if ui.json {
            ui.document(&json!({ "version": 1, "stage": self.desk.stage, "jobs": views }));
            return Ok(());
        }
        for line in draw::list(&views, self.desk.terms.today(System.now())) {
            ui.data(&line);
        }
        ui.say(&format!("{} in the stage `{}`", plural(views.len(), "job"), self.desk.stage));
        Ok(())
    }

    async fn step(&self, typed: &str, to: Option<&str>, note: Option<String>, ui: &mut Ui) -> Result<(), Failure> {
        let job = find(&self.desk, typed, System.now()).await?;
        let to = match to {
            Some(to) => named(to)?,
            None => job.status.next().ok_or_else(|| Failure::new(PROBLEMS, "this job is done; there is no next step"))?,
        };
        self.change_found(&job, Event::Move { to, note }, ui).await
    }

    async fn change(&self, typed: &str, event: Event, ui: &mut Ui) -> Result<(), Failure> {
        let job = find(&self.desk, typed, System.now()).await?;
        self.change_found(&job, event, ui).await
    }

    async fn change_found(&self, job: &Job, event: Event, ui: &mut Ui) -> Result<(), Failure> {
        let change = Change { event, who: Some(self.who.clone()), at: System.now(), request: request() };
        let after = self.desk.store.change(job.id, Some(job.version), &change).await?;
        if after.version == job.version {
            ui.say("that is how it stands already; nothing was changed");
        }
        self.show(&after, ui);
        Ok(())
    }

    async fn link(&self, typed: &str, renew: bool, ui: &mut Ui) -> Result<(), Failure> {
        let keys = self.desk.keys()?;
        let now = System.now();
        let mut job = find(&self.desk, typed, now).await?;
        if let Some(why) = expired(&self.desk, &job, now).await? {
            return Err(Failure::new(PROBLEMS, why));
        }
        if renew {
            let event = Event::RenewLink(Link::new(keys, job.id, job.link.epoch + 1));
            let change = Change { event, who: Some(self.who.clone()), at: System.now(), request: request() };
            job = self.desk.store.change(job.id, Some(job.version), &change).await?;
        }
        let token = keys.token_of(job.id, job.link.epoch, &job.link.track_sha256).ok_or_else(|| {
            Failure::new(
                PROBLEMS,
                "the key that made this link is gone: the link still works, but it cannot be shown\nhint: add `--renew`",
            )
        })?;
        let url = tracking_url(&self.desk.terms, token.as_str());
        match ui.json {
            true => ui.document(&json!({ "version": 1, "id": job.id, "tracking_url": url })),
            false => ui.data(&url),
        }
        Ok(())
    }

    async fn export(&self, out: Option<&Path>, csv: bool, ui: &mut Ui) -> Result<(), Failure> {
        let kept = self.desk.store.kept().await?;
        let bytes = match csv {
            true => api::csv(&kept.iter().map(|kept| kept.job.clone()).collect::<Vec<_>>(), &self.desk.terms),
            false => exported(&kept),
        };
        match out {
            Some(path) => {
                disk::write_private(path, &bytes).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))?;
            }
            None => ui.data(&String::from_utf8_lossy(&bytes)),
        }
        ui.say(&format!("exported {}", plural(kept.len(), "job")));
        Ok(())
    }

    async fn import(&self, path: &Path, ui: &mut Ui) -> Result<(), Failure> {
        let bytes = disk::read_file(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        let there = self.desk.store.export().await?;
        let jobs = imported(&bytes, &there).map_err(|why| Failure::new(USAGE, format!("`{}`: {why}", path.display())))?;
        let done = self.desk.store.keep(&jobs, &request()).await?;
        match ui.json {
            true => ui.document(&json!({ "version": 1, "added": done.added, "unchanged": done.unchanged })),
            false => ui.say(&format!("added {}, {} were there already", plural(done.added, "job"), done.unchanged)),
        }
        Ok(())
    }

    /// Copies, then counts and compares: what the other stage holds afterwards is what this one held before,
    /// and this one has not changed meanwhile.
    async fn migrate(&self, to: &str, ui: &mut Ui) -> Result<(), Failure> {
        if to == self.desk.stage {
            return Err(Failure::new(USAGE, format!("the stage `{to}` is the one to copy from")));
        }
        let other = self.desk.other(to).await?;
        let jobs = self.desk.store.kept().await?;
        let done = other.store.keep(&jobs, &request()).await?;
        let (source, target) = (self.desk.store.kept().await?, other.store.kept().await?);
        let sum = |jobs: &[Kept]| sha256_hex(&exported(jobs));
        if sum(&source) != sum(&jobs) {
            return Err(Failure::new(
                REMOTE,
                format!(
                    "someone changed jobs of the stage `{}` while they were copied\nhint: stop that first, and begin with an empty `{to}`",
                    self.desk.stage
                ),
            ));
        }
        if sum(&target) != sum(&jobs) {
            let counts = format!("{} here, {} there", jobs.len(), target.len());
            return Err(Failure::new(
                REMOTE,
                format!("the stage `{to}` holds other jobs besides: {counts}; what was copied is there"),
            ));
        }
        match ui.json {
            true => ui.document(&json!({ "version": 1, "jobs": jobs.len(), "added": done.added, "sha256": sum(&jobs) })),
            false => {
                ui.say(&format!("copied {} from `{}` to `{to}`, counted and compared", plural(jobs.len(), "job"), self.desk.stage));
            }
        }
        Ok(())
    }

    async fn tidy(&self, ui: &mut Ui) -> Result<(), Failure> {
        let done = self.desk.store.tidy(&self.desk.terms, System.now(), &request()).await?;
        match ui.json {
            true => ui.document(&json!({ "version": 1, "archived": done.archived, "purged": done.purged })),
            false => ui.say(&format!(
                "archived {}, removed the personal data of {}",
                plural(done.archived, "job"),
                plural(done.purged, "job")
            )),
        }
        Ok(())
    }

    async fn keys(&self, rotate: Option<WhichKey>, ui: &mut Ui) -> Result<(), Failure> {
        let mut keys = self.desk.keys()?.clone();
        if let Some(which) = rotate {
            let new = Key::new(random(&System));
            let change = |keys: &mut Keys| {
                let list = if which == WhichKey::Link { &mut keys.link } else { &mut keys.session };
                list.insert(0, new.clone());
            };
            if self.desk.stage == LOCAL {
                keys = self.desk.change_keys(change).await?;
                ui.say("kept; the old key is still believed");
            } else {
                change(&mut keys);
                ui.say("hand these to the stage; drop the last key of the list once nobody needs it");
            }
        }
        ui.document(&json!(keys));
        Ok(())
    }
}

/// Jobs as a file that `import` reads.
fn exported(jobs: &[Kept]) -> Vec<u8> {
    Export::of(jobs).to_bytes()
}

/// The jobs of a file, where each fits its own history and none has the link of another, also of one that is `there`.
fn imported(bytes: &[u8], there: &[Job]) -> Result<Vec<Kept>, String> {
    let jobs = parse::<Export>(bytes)?.into_kept();
    let mut wrong = Vec::new();
    let mut links: BTreeMap<&TokenHash, JobId> = there.iter().map(|job| (&job.link.track_sha256, job.id)).collect();
    for Kept { job, .. } in &jobs {
        if let Err(why) = job.is_sound() {
            wrong.push(format!("job {}: {why}", job.id));
        }
        let of = *links.entry(&job.link.track_sha256).or_insert(job.id);
        if of != job.id {
            wrong.push(format!("job {}: its link is that of job {of}", job.id));
        }
    }
    if wrong.is_empty() { Ok(jobs) } else { Err(format!("nothing was imported\n  {}", wrong.join("\n  "))) }
}

/// What is typed for people to read, by the rules of the API.
fn remark(option: &str, typed: Option<&str>) -> Result<Option<String>, Failure> {
    note(typed, "").map_err(|fault| Failure::new(USAGE, format!("{option}: {}", fault.detail)))
}

fn named(status: &str) -> Result<Status, Failure> {
    Status::named(&status.replace('-', "_")).ok_or_else(|| {
        let known = Status::ALL.map(Status::id).join(", ");
        Failure::new(USAGE, format!("`{status}` is no status\nhint: there are {known}"))
    })
}

/// Dollars, with cents or without, as cents.
fn cents(text: &str) -> Result<u32, Failure> {
    let plain = text.trim();
    let plain = plain.strip_prefix('$').unwrap_or(plain);
    let (dollars, cents) = plain.split_once('.').unwrap_or((plain, "00"));
    let is_right = cents.len() == 2 && [dollars, cents].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let whole = dollars.parse::<u32>().ok().and_then(|dollars| dollars.checked_mul(100));
    match (whole, cents.parse::<u32>()) {
        (Some(whole), Ok(cents)) if is_right && whole.checked_add(cents).is_some() => Ok(whole + cents),
        _ => Err(Failure::new(USAGE, format!("--price: `{text}` is no amount in dollars, such as 330 or 330.50"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_dollars() {
        let right = |text| cents(text).ok();
        assert_eq!([right("330"), right("$1330.50"), right("0.05")], [Some(33000), Some(133_050), Some(5)]);
        for wrong in ["", "x", "-1", "+5", "$$5", "1,2", "1.5", "1.234", "99999999999"] {
            assert_eq!(right(wrong), None, "{wrong}");
        }
    }
}

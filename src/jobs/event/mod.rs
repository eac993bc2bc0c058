//! What may happen to a job, and what it is afterwards: one function from a job and a change to the job
//! it becomes, or to the reason why not. It knows no clock, no store and no sender.

use super::job::{Address, Closure, Entry, EntryKind, Job, JobId, Link, Window};
use super::status::Status;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// How long a step can be taken back without a word: long enough to notice a slip of the finger, short
/// enough that nobody has acted on it.
pub const UNDO_FREELY: SignedDuration = SignedDuration::from_mins(15);

/// What someone wants to happen to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One step forward. Where the job already stands there, nothing happens.
    Move {
        /// Where to.
        to: Status,
        /// A remark for the history.
        note: Option<String>,
    },
    /// The last move or cancellation is taken back.
    Undo {
        /// Why; needed once the step is older than [`UNDO_FREELY`].
        note: Option<String>,
    },
    /// It will not be done.
    Cancel {
        /// Why, for the history; the customer does not see it.
        reason: String,
    },
    /// Fields are changed.
    Edit(Box<Edit>),
    /// The customer gets another link, and the old one is dead.
    RenewLink(Link),
    /// Personal data is removed for good; times and the ZIP code stay, for statistics.
    Purge,
}

/// New values of fields; `None` leaves a field as it is, an inner `None` empties it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The customer's name.
    pub name: Option<String>,
    /// In E.164.
    pub phone: Option<String>,
    /// Or none.
    pub email: Option<Option<String>>,
    /// Where to.
    pub address: Option<Address>,
    /// The id of a service.
    pub service: Option<String>,
    /// What is to go.
    pub details: Option<String>,
    /// How to get in.
    pub access: Option<Option<String>>,
    /// When.
    pub window: Option<Window>,
    /// In US cents.
    pub price_cents: Option<Option<u32>>,
    /// Whether a person should look at the booking first.
    pub needs_review: Option<bool>,
}

/// An event with everything that the history records of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub event: Event,
    /// The user name of the one who wants it; nobody for the program itself.
    pub who: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Names the request: a store that lost the answer looks for it in the history.
    pub request: String,
}

/// Why an event cannot happen to a job as it stands. Asking again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The status flow has no such step.
    NoSuchStep {
        /// Where the job stands.
        from: Status,
        /// Where it was to go.
        to: Status,
    },
    /// The job was cancelled.
    Canceled,
    /// The job is done, so that nothing is left to cancel.
    Done,
    /// Nothing was done that could be taken back.
    NothingToUndo,
    /// The step is old; taking it back needs a note.
    NoteNeeded,
    /// Its personal data was removed, and with it the reason to touch it.
    Purged,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStep { from, to } => {
                write!(f, "A job can’t go from {} to {}. ", from.label(), to.label())?;
                match from.next() {
                    Some(next) => write!(f, "The next step is {}.", next.label()),
                    None => f.write_str("It is done."),
                }
            }
            Self::Canceled => f.write_str("This job was canceled. Undo that first."),
            Self::Done => f.write_str("This job is done, so there is nothing to cancel."),
            Self::NothingToUndo => f.write_str("Nothing has happened yet that could be undone."),
            Self::NoteNeeded => f.write_str("This step is more than 15 minutes old. Say in a note why it is undone."),
            Self::Purged => f.write_str("The customer’s data was removed from this job, so it can’t be changed any more."),
        }
    }
}

impl Job {
    /// The job after a change. What changes nothing gives the job as it is, with the same version.
    ///
    /// # Errors
    /// The reason why this cannot happen to a job that stands like this one.
    pub fn after(&self, change: &Change) -> Result<Self, Refusal> {
        if self.is_purged() {
            return Err(Refusal::Purged);
        }
        let mut job = self.clone();
        let entry = match &change.event {
            Event::Move { to, note } => job.step(*to, note.clone(), change.at)?,
            Event::Undo { note } => job.back(note.clone(), change.at)?,
            Event::Cancel { reason } => job.cancel(reason, change.at)?,
            Event::Edit(edit) => job.edit(edit),
            Event::RenewLink(link) => {
                job.link = link.clone();
                Some(Step::new(EntryKind::Link))
            }
            Event::Purge => {
                job.purge();
                Some(Step::new(EntryKind::Purge))
            }
        };
        let Some(Step { kind, from, to, note, review }) = entry else {
            return Ok(job);
        };
        job.version += 1;
        job.updated_at = change.at;
        let (at, who, request) = (change.at, change.who.clone(), change.request.clone());
        job.history.push(Entry { at, who, kind, from, to, note, review, request });
        Ok(job)
    }

    /// The steps that a job may take from where it stands.
    pub fn allowed(&self) -> Vec<Status> {
        if self.closure.is_some() { Vec::new() } else { self.status.next().into_iter().collect() }
    }

    /// Whether its personal data is gone.
    pub fn is_purged(&self) -> bool {
        self.history.iter().any(|entry| entry.kind == EntryKind::Purge)
    }

    /// Whether its history tells what its fields say.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn is_sound(&self) -> Result<(), String> {
        let (status, closed) = replay(&self.history)
            .map_err(|at| format!("entry {} of its history cannot have happened after those before it", at + 1))?;
        if status != self.status || closed != self.closure.is_some() {
            let told = if closed { "canceled" } else { status.id() };
            return Err(format!("its history ends with {told}, and that is not how it stands"));
        }
        let (began, done) = (status >= Status::InProgress, status == Status::Completed);
        if self.pickup_at.is_some() != began || self.completed_at.is_some() != done {
            return Err("the times of its steps do not fit its history".to_owned());
        }
        let links = self.history.iter().filter(|entry| entry.kind == EntryKind::Link).count();
        if self.version != self.history.len() as u64 || usize::try_from(self.link.epoch) != Ok(links) {
            return Err("its version or its link does not fit its history".to_owned());
        }
        Ok(())
    }

    /// Whether every word, in lower case, is in the name, the phone number or the address.
    pub fn has_words(&self, words: &[String]) -> bool {
        let (customer, address) = (&self.customer, &self.address);
        let text = [&customer.name, &customer.phone, &address.street, &address.city, &address.zip].map(String::as_str).join(" ");
        let text = text.to_lowercase();
        // A phone number is looked for by its digits, however it is written.
        let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
        let is_phone = |word: &str| word.chars().all(|c| c.is_ascii_digit() || "+-.()".contains(c)) && digits(word).len() > 2;
        words.iter().all(|word| text.contains(word) || (is_phone(word) && customer.phone.contains(&digits(word))))
    }

    /// What lists are ordered by: the day of the pickup, then the time of booking.
    pub fn in_order(&self) -> (Date, Timestamp, JobId) {
        (self.window.date, self.submitted_at, self.id)
    }

    /// Since when nothing is left to do about it.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.closure.as_ref().map(|closure| closure.at).or(self.completed_at)
    }

    fn step(&mut self, to: Status, note: Option<String>, at: Timestamp) -> Result<Option<Step>, Refusal> {
        if self.closure.is_some() {
            return Err(Refusal::Canceled);
        }
        if to == self.status {
            return Ok(None);
        }
        if self.status.next() != Some(to) {
            return Err(Refusal::NoSuchStep { from: self.status, to });
        }
        let from = std::mem::replace(&mut self.status, to);
        match to {
            Status::InProgress => self.pickup_at = Some(at),
            Status::Completed => self.completed_at = Some(at),
            Status::Submitted | Status::ReadyForPickup => {}
        }
        let review = std::mem::take(&mut self.needs_review);
        Ok(Some(Step { kind: EntryKind::Move, from: Some(from), to: Some(to), note, review }))
    }

    fn back(&mut self, note: Option<String>, at: Timestamp) -> Result<Option<Step>, Refusal> {
        let mut standing = standing(&self.history);
        let last = standing.pop().filter(|entry| entry.kind != EntryKind::Book).ok_or(Refusal::NothingToUndo)?;
        if note.is_none() && at.duration_since(last.at) > UNDO_FREELY {
            return Err(Refusal::NoteNeeded);
        }
        let from = self.status;
        if last.kind == EntryKind::Cancel {
            self.closure = None;
        } else {
            // Where the entries before it lead, and not where it says that it came from.
            let moves = standing.iter().filter(|entry| entry.kind == EntryKind::Move).count();
            self.status = Status::ALL.get(moves).copied().unwrap_or(from);
            if self.status < Status::InProgress {
                self.pickup_at = None;
            }
            if self.status < Status::Completed {
                self.completed_at = None;
            }
            self.needs_review |= last.review;
        }
        Ok(Some(Step { note, from: Some(from), to: Some(self.status), ..Step::new(EntryKind::Undo) }))
    }

    fn cancel(&mut self, reason: &str, at: Timestamp) -> Result<Option<Step>, Refusal> {
        if self.closure.is_some() {
            return Err(Refusal::Canceled);
        }
        if self.status == Status::Completed {
            return Err(Refusal::Done);
        }
        self.closure = Some(Closure { at, reason: reason.to_owned() });
        Ok(Some(Step { note: Some(reason.to_owned()), ..Step::new(EntryKind::Cancel) }))
    }

    fn edit(&mut self, edit: &Edit) -> Option<Step> {
        let mut changed = Vec::new();
        let mut set = |name: &'static str, differs: bool| {
            if differs {
                changed.push(name);
            }
        };
        set("name", replace(&mut self.customer.name, edit.name.as_ref()));
        set("phone", replace(&mut self.customer.phone, edit.phone.as_ref()));
        set("email", replace(&mut self.customer.email, edit.email.as_ref()));
        set("address", replace(&mut self.address, edit.address.as_ref()));
        set("service", replace(&mut self.service, edit.service.as_ref()));
        set("details", replace(&mut self.details, edit.details.as_ref()));
        set("access", replace(&mut self.access, edit.access.as_ref()));
        set("window", replace(&mut self.window, edit.window.as_ref()));
        set("price", replace(&mut self.price_cents, edit.price_cents.as_ref()));
        set("review", replace(&mut self.needs_review, edit.needs_review.as_ref()));
        // The names of the fields and not what was in them: a history outlives the data it is about.
        (!changed.is_empty()).then(|| Step { note: Some(changed.join(", ")), ..Step::new(EntryKind::Edit) })
    }

    fn purge(&mut self) {
        let customer = &mut self.customer;
        (customer.name, customer.phone, customer.email) = (String::new(), String::new(), None);
        (self.address.street, self.details, self.access) = (String::new(), String::new(), None);
        // Nine digits of a ZIP code name a house; a digest of what was typed would confirm a guess.
        self.address.zip.truncate(5);
        self.idempotency = None;
        if let Some(closure) = &mut self.closure {
            closure.reason = String::new();
        }
        for entry in &mut self.history {
            entry.note = None;
        }
    }
}

/// What an event adds to the history, without what the change already says.
struct Step {
    kind: EntryKind,
    from: Option<Status>,
    to: Option<Status>,
    note: Option<String>,
    review: bool,
}

impl Step {
    fn new(kind: EntryKind) -> Self {
        Self { kind, from: None, to: None, note: None, review: false }
    }
}

fn replace<T: Clone + PartialEq>(place: &mut T, with: Option<&T>) -> bool {
    match with {
        Some(new) if new != place => {
            *place = new.clone();
            true
        }
        _ => false,
    }
}

/// The bookings, moves and cancellations that were not taken back, oldest first.
fn standing(history: &[Entry]) -> Vec<&Entry> {
    let mut standing = Vec::new();
    for entry in history {
        match entry.kind {
            EntryKind::Book | EntryKind::Move | EntryKind::Cancel => standing.push(entry),
            EntryKind::Undo => drop(standing.pop()),
            EntryKind::Edit | EntryKind::Link | EntryKind::Purge => {}
        }
    }
    standing
}

/// What a history says of a job: its status, and whether it was cancelled.
///
/// # Errors
/// The place of the first entry that cannot have happened after those before it.
pub fn replay(history: &[Entry]) -> Result<(Status, bool), usize> {
    let mut stack: Vec<(Status, bool)> = Vec::new();
    for (at, entry) in history.iter().enumerate() {
        let now = stack.last().copied();
        match (entry.kind, now) {
            (EntryKind::Book, None) => stack.push((Status::Submitted, false)),
            (EntryKind::Move, Some((status, false)))
                if entry.from == Some(status) && entry.to.is_some() && status.next() == entry.to =>
            {
                stack.push((status.next().unwrap_or(status), false));
            }
            (EntryKind::Cancel, Some((status, false))) if status != Status::Completed => stack.push((status, true)),
            (EntryKind::Undo, Some((status, _))) if stack.len() > 1 => {
                stack.pop();
                let back = stack.last().map(|(status, _)| *status);
                if entry.from.is_some_and(|from| from != status) || entry.to.is_some_and(|to| Some(to) != back) {
                    return Err(at);
                }
            }
            (EntryKind::Edit | EntryKind::Link | EntryKind::Purge, Some(_)) => {}
            _ => return Err(at),
        }
    }
    stack.last().copied().ok_or(0)
}

#[cfg(test)]
pub(crate) mod tests;

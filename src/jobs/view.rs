//! Who may see what of a job. Each view is a type of its own and is filled field by field: a new field of
//! [`Job`] shows nowhere until someone says so here.

use super::job::{Address, Entry, EntryKind, Job, JobId, Window};
use super::status::Status;
use super::terms::Terms;
use super::token::Keys;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What whoever has the link sees.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicJob {
    /// Where it stands.
    pub status: Status,
    /// What was booked.
    pub service_label: String,
    /// Where to.
    pub address: Address,
    /// When.
    pub window: Window,
    /// When it was booked.
    #[schema(value_type = String, format = DateTime)]
    pub submitted_at: Timestamp,
    /// When the crew began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub pickup_at: Option<Timestamp>,
    /// When everything was gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// When it was cancelled; the reason stays with the staff.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub canceled_at: Option<Timestamp>,
    /// The last change.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Grows with each change.
    pub version: u64,
    /// Seconds until it is worth asking again; 0 where nothing more will happen.
    pub poll_after: u32,
}

impl PublicJob {
    /// The public view of a job at a moment.
    pub fn of(job: &Job, terms: &Terms, now: Timestamp) -> Self {
        Self {
            status: job.status,
            service_label: terms.service_label(&job.service).to_owned(),
            address: job.address.clone(),
            window: job.window.clone(),
            submitted_at: job.submitted_at,
            pickup_at: job.pickup_at,
            completed_at: job.completed_at,
            canceled_at: job.closure.as_ref().map(|closure| closure.at),
            updated_at: job.updated_at,
            version: job.version,
            poll_after: poll_after(job, terms, now),
        }
    }
}

/// The server says how often to ask, so that pages can be slowed down without publishing them again.
fn poll_after(job: &Job, terms: &Terms, now: Timestamp) -> u32 {
    let lasts = !job.is_purged() && job.ended_at().is_none_or(|ended| now < terms.link_ends(ended));
    match job.status {
        _ if !lasts => 0,
        // Both can be taken back, and the page must not go on saying what is no longer so.
        _ if job.closure.is_some() => 120,
        Status::Completed => 120,
        Status::InProgress => 15,
        Status::ReadyForPickup if job.window.date == terms.today(now) => 30,
        Status::Submitted | Status::ReadyForPickup => 120,
    }
}

/// What staff see.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StaffJob {
    /// Its name.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// For `If-Match`.
    pub version: u64,
    /// Where it stands.
    pub status: Status,
    /// The statuses it may be moved to.
    pub allowed: Vec<Status>,
    /// The customer's name.
    pub name: String,
    /// In E.164.
    pub phone: String,
    /// If they gave one.
    pub email: Option<String>,
    /// Where to.
    pub address: Address,
    /// The id of the service.
    pub service: String,
    /// What the service is called.
    pub service_label: String,
    /// What is to go.
    pub details: String,
    /// How to get in.
    pub access: Option<String>,
    /// When.
    pub window: Window,
    /// In US cents.
    pub price_cents: Option<u32>,
    /// When it was booked.
    #[schema(value_type = String, format = DateTime)]
    pub submitted_at: Timestamp,
    /// When the crew began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub pickup_at: Option<Timestamp>,
    /// When everything was gone.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Timestamp>,
    /// When it was cancelled.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub canceled_at: Option<Timestamp>,
    /// Why it was cancelled.
    pub cancel_reason: Option<String>,
    /// The last change.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Whether a person should look at the booking first.
    pub needs_review: bool,
    /// The customer's link. Absent where the key that made it is not at hand; where it is gone, renew the link.
    pub tracking_url: Option<String>,
    /// Until when the link works, once the job has ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub link_ends: Option<Timestamp>,
    /// Everything that happened, oldest first.
    pub history: Vec<StaffEntry>,
}

/// What happened, as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StaffEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who; nobody for the customer, who books, and for the program, which purges.
    pub who: Option<String>,
    /// What.
    pub kind: EntryKind,
    /// Where the job stood.
    pub from: Option<Status>,
    /// Where it stands since.
    pub to: Option<Status>,
    /// In someone's words.
    pub note: Option<String>,
}

impl From<&Entry> for StaffEntry {
    fn from(entry: &Entry) -> Self {
        let Entry { at, who, kind, from, to, note, review: _, request: _ } = entry.clone();
        Self { at, who, kind, from, to, note }
    }
}

impl StaffJob {
    /// The staff's view of a job, with its link where the stage's secrets are at hand.
    pub fn of(job: &Job, terms: &Terms, keys: Option<&Keys>) -> Self {
        let token = keys.and_then(|keys| keys.token_of(job.id, job.link.epoch, &job.link.track_sha256));
        Self {
            id: job.id,
            version: job.version,
            status: job.status,
            allowed: job.allowed(),
            name: job.customer.name.clone(),
            phone: job.customer.phone.clone(),
            email: job.customer.email.clone(),
            address: job.address.clone(),
            service: job.service.clone(),
            service_label: terms.service_label(&job.service).to_owned(),
            details: job.details.clone(),
            access: job.access.clone(),
            window: job.window.clone(),
            price_cents: job.price_cents,
            submitted_at: job.submitted_at,
            pickup_at: job.pickup_at,
            completed_at: job.completed_at,
            canceled_at: job.closure.as_ref().map(|closure| closure.at),
            cancel_reason: job.closure.as_ref().map(|closure| closure.reason.clone()),
            updated_at: job.updated_at,
            needs_review: job.needs_review,
            tracking_url: token.map(|token| tracking_url(terms, token.as_str())),
            link_ends: job.ended_at().map(|ended| terms.link_ends(ended)),
            history: job.history.iter().map(StaffEntry::from).collect(),
        }
    }
}

/// The address of a customer's page; a path alone where the site has no address of its own yet.
pub fn tracking_url(terms: &Terms, token: &str) -> String {
    format!("{}/track/{token}", terms.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::event::tests::{at, booked};
    use crate::jobs::job::Closure;

    #[test]
    fn the_public_view_has_these_keys_and_no_other() {
        let public = serde_json::to_value(PublicJob::of(&booked(), &Terms::example(), at(0))).unwrap();
        let keys: Vec<&str> = public.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [
            "status",
            "service_label",
            "address",
            "window",
            "submitted_at",
            "pickup_at",
            "completed_at",
            "canceled_at",
            "updated_at",
            "version",
            "poll_after",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        let address: Vec<&str> = public["address"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(address, ["city", "state", "street", "zip"]);
        let window: Vec<&str> = public["window"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(window, ["date", "part"]);
    }

    #[test]
    fn a_page_asks_on_until_its_link_has_ended() {
        let terms = Terms::example();
        let done = Job { status: Status::Completed, completed_at: Some(at(0)), ..booked() };
        let closure = Some(Closure { at: at(0), reason: String::new() });
        let canceled = Job { closure, ..booked() };
        let days = |days: i64| at(days * 24 * 60);
        let after = |job: &Job, now| PublicJob::of(job, &terms, now).poll_after;
        for job in [done, canceled] {
            assert_eq!([after(&job, days(0)), after(&job, days(29))], [120, 120], "an undo must be seen");
            assert_eq!(after(&job, days(30)), 0);
        }
        assert_eq!(after(&booked(), days(300)), 120);
    }

    #[test]
    fn nothing_of_the_customer_is_in_the_public_view() {
        let job = booked();
        let public = serde_json::to_string(&PublicJob::of(&job, &Terms::example(), at(0))).unwrap();
        for secret in [job.id.to_string().as_str(), "Mark", "+1619", "gate", "sofas", "33000", job.link.track_sha256.as_str()] {
            assert!(!public.contains(secret), "{secret} in {public}");
        }
    }
}

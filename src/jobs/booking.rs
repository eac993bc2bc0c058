//! What a person typed becomes a booking, or all that is wrong with it at once, in their words.

use super::job::{Address, Customer, Entry, EntryKind, Idempotency, Job, JobId, Link, Window};
use super::status::Status;
use super::terms::Terms;
use super::token::{Keys, sha256_hex};
use super::world::{World, random};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest text of a field with a line, in characters.
const LINE: usize = 120;
/// The longest text of a field with an area, in characters.
const TEXT: usize = 1000;
/// The longest reason or remark, in characters.
const NOTE: usize = 500;
/// How far ahead a day may lie.
const DAYS_AHEAD: i64 = 180;

/// A booking as it is sent: nothing about it is known to be right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawBooking {
    /// The id of a service.
    pub service: String,
    /// What is to go.
    pub details: String,
    /// Where to.
    pub address: RawAddress,
    /// How to get in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// When.
    pub window: RawWindow,
    /// Who asks.
    pub name: String,
    /// With any punctuation.
    pub phone: String,
    /// If they like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A field that people do not see and programs fill in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub company_url: String,
    /// From `GET /api/v1/form`: tells that a person had time to read the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_stamp: Option<String>,
    /// In US cents; from staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_cents: Option<u32>,
}

/// An address as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawAddress {
    /// Number and street.
    pub street: String,
    /// The city.
    pub city: String,
    /// Five digits, or nine with a hyphen.
    pub zip: String,
}

/// A day and a part of it as they are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawWindow {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// The id of a window; any time where it is missing.
    pub part: String,
}

/// A booking of which everything is known to be right.
#[derive(Clone, PartialEq, Eq)]
pub struct Booking {
    /// Who asks.
    pub name: String,
    /// In E.164.
    pub phone: String,
    /// If they gave one.
    pub email: Option<String>,
    /// Where to.
    pub address: Address,
    /// The id of a service.
    pub service: String,
    /// What is to go.
    pub details: String,
    /// How to get in.
    pub access: Option<String>,
    /// When.
    pub window: Window,
    /// In US cents.
    pub price_cents: Option<u32>,
    /// Whether a person should look at it first: outside the area, or full of links.
    pub needs_review: bool,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// A JSON pointer to the field.
    pub pointer: &'static str,
    /// For programs.
    pub code: &'static str,
    /// For the person who typed it.
    pub detail: String,
}

/// Collects faults, one a field.
#[derive(Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: &'static str, code: &'static str, detail: impl Into<String>) {
        self.0.push(Fault { pointer, code, detail: detail.into() });
    }

    /// A text without blanks around it and without control characters, of at most `longest` characters.
    fn text(&mut self, pointer: &'static str, typed: &str, longest: usize, missing: &str) -> String {
        let text = clean(typed);
        let length = text.chars().count();
        if text.is_empty() && !missing.is_empty() {
            self.add(pointer, "missing", missing);
        } else if length > longest {
            self.add(pointer, "too-long", format!("Shorten this to {longest} characters (it has {length})"));
        }
        text
    }

    pub(super) fn name(&mut self, typed: &str) -> String {
        self.text("/name", typed, LINE, "Enter your name")
    }

    pub(super) fn details(&mut self, typed: &str) -> String {
        self.text("/details", typed, TEXT, "Describe what is going")
    }

    pub(super) fn access(&mut self, typed: &str) -> Option<String> {
        Some(self.text("/access", typed, TEXT, "")).filter(|text| !text.is_empty())
    }

    pub(super) fn phone(&mut self, typed: &str) -> String {
        match phone(typed) {
            Some(phone) => phone,
            None if typed.trim().is_empty() => {
                self.add("/phone", "missing", "Enter a phone number so we can confirm");
                String::new()
            }
            None => {
                self.add("/phone", "not-a-phone-number", "Enter a phone number with its area code");
                String::new()
            }
        }
    }

    pub(super) fn email(&mut self, typed: &str) -> Option<String> {
        let email = clean(typed);
        if email.is_empty() {
            return None;
        }
        let right = email.len() <= 254
            && email.split_once('@').is_some_and(|(user, host)| {
                let host_is_right = host.split('.').count() > 1 && host.split('.').all(|part| !part.is_empty());
                !user.is_empty() && host_is_right && !email.contains(char::is_whitespace) && !host.contains('@')
            });
        if !right {
            self.add("/email", "not-an-email-address", "Enter an email address like name@example.com, or leave it empty");
        }
        Some(email)
    }

    pub(super) fn address(&mut self, typed: &RawAddress, terms: &Terms) -> Address {
        let street = self.text("/address/street", &typed.street, LINE, "Enter the street address");
        let city = self.text("/address/city", &typed.city, LINE, "Enter the city");
        let zip = clean(&typed.zip);
        let digits: Vec<bool> = zip.bytes().map(|byte| byte.is_ascii_digit()).collect();
        let right = match digits.len() {
            5 => digits.iter().all(|digit| *digit),
            10 => zip.as_bytes()[5] == b'-' && digits.iter().filter(|digit| **digit).count() == 9,
            _ => false,
        };
        if zip.is_empty() {
            self.add("/address/zip", "missing", "Enter the ZIP code");
        } else if !right {
            self.add("/address/zip", "not-a-zip-code", "Enter a ZIP code of five digits");
        }
        Address { street, city, state: terms.state.clone(), zip }
    }

    pub(super) fn service(&mut self, typed: &str, terms: &Terms) -> String {
        if typed.is_empty() {
            self.add("/service", "missing", "Choose how much is going");
        } else if terms.service(typed).is_none() {
            let known: Vec<&str> = terms.services.iter().map(|service| service.id.as_str()).collect();
            self.add("/service", "unknown", format!("Choose one of {}", known.join(", ")));
        }
        typed.to_owned()
    }

    /// `today` is where the firm is. A job that staff enter may lie in the past: it may have been done already.
    pub(super) fn window(&mut self, typed: &RawWindow, terms: &Terms, today: Date, from_staff: bool) -> Window {
        let part = if typed.part.is_empty() { terms.any_window() } else { typed.part.clone() };
        if terms.window(&part).is_none() {
            let known: Vec<&str> = terms.windows.iter().map(|window| window.id.as_str()).collect();
            self.add("/window/part", "unknown", format!("Choose one of {}", known.join(", ")));
        }
        // A year of more than four digits is no date to whoever reads the answer.
        let parsed = typed.date.parse::<Date>().ok().filter(|date| date.to_string() == typed.date && date.year() >= 0);
        let last = today.saturating_add(jiff::Span::new().days(DAYS_AHEAD));
        match parsed {
            _ if typed.date.is_empty() => self.add("/window/date", "missing", "Choose a day"),
            None => self.add("/window/date", "not-a-date", "Choose a day, as YYYY-MM-DD"),
            Some(date) if date < today && !from_staff => {
                self.add("/window/date", "in-the-past", "Choose a day from today on");
            }
            Some(date) if date > last => {
                self.add("/window/date", "too-far", format!("Choose a day no later than {last}"));
            }
            Some(_) => {}
        }
        Window { date: parsed.unwrap_or(today), part }
    }
}

impl RawBooking {
    /// What makes two requests the same one. The stamp and the trap are no part of the booking.
    pub fn idempotency(&self, key: &str) -> Idempotency {
        let plain = Self { form_stamp: None, company_url: String::new(), ..self.clone() };
        let body = serde_json::to_vec(&plain).expect("texts are JSON");
        Idempotency { key_sha256: sha256_hex(key.as_bytes()), body_sha256: sha256_hex(&body) }
    }

    /// Checks everything at once. `today` is the day where the firm is.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the form.
    pub fn check(&self, terms: &Terms, today: Date, from_staff: bool) -> Result<Booking, Vec<Fault>> {
        let mut faults = Faults::default();
        let service = faults.service(&self.service, terms);
        let details = faults.details(&self.details);
        let address = faults.address(&self.address, terms);
        let access = self.access.as_deref().and_then(|typed| faults.access(typed));
        let window = faults.window(&self.window, terms, today, from_staff);
        let name = faults.name(&self.name);
        let phone = faults.phone(&self.phone);
        let email = self.email.as_deref().and_then(|typed| faults.email(typed));
        if self.price_cents.is_some() && !from_staff {
            faults.add("/price_cents", "not-yours", "Leave out the price: it is agreed with the crew");
        }
        if !faults.0.is_empty() {
            return Err(faults.0);
        }
        let links = details.matches("://").count() + access.as_deref().map_or(0, |text| text.matches("://").count());
        let needs_review = !from_staff && (!terms.serves(&address.zip) || links > 1);
        let price_cents = self.price_cents.or_else(|| terms.service(&service).and_then(|service| service.price_cents));
        Ok(Booking { name, phone, email, address, service, details, access, window, price_cents, needs_review })
    }
}

impl Job {
    /// The record of a job that was just asked for.
    pub fn book(
        booking: Booking,
        who: Option<String>,
        request: String,
        idempotency: Idempotency,
        keys: &Keys,
        world: &dyn World,
    ) -> Self {
        let id = JobId::from_random(random(world));
        let now = world.now();
        let kind = EntryKind::Book;
        let to = Some(Status::Submitted);
        let entry = Entry { at: now, who, kind, from: None, to, note: None, review: false, request };
        let Booking { name, phone, email, address, service, details, access, window, price_cents, needs_review } = booking;
        Self {
            id,
            version: 1,
            status: Status::Submitted,
            closure: None,
            customer: Customer { name, phone, email },
            address,
            service,
            details,
            access,
            window,
            price_cents,
            submitted_at: now,
            pickup_at: None,
            completed_at: None,
            updated_at: now,
            link: Link::new(keys, id, 0),
            needs_review,
            idempotency: Some(idempotency),
            history: vec![entry],
        }
    }
}

/// Without blanks around it, and without what cannot be seen: control characters, and those that turn the
/// direction of a line or have no width. Line breaks stay, and so do the joiners that some scripts need.
fn clean(typed: &str) -> String {
    let hidden = |c: char| matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let seen = |c: &char| *c == '\n' || !(c.is_control() || hidden(*c));
    typed.replace("\r\n", "\n").chars().filter(seen).collect::<String>().trim().to_owned()
}

/// A remark of staff, or a reason; none where nothing is left of it.
///
/// # Errors
/// It is too long.
pub fn note(typed: Option<&str>, pointer: &'static str) -> Result<Option<String>, Fault> {
    let text = typed.map(clean).filter(|text| !text.is_empty());
    let length = text.as_deref().map_or(0, |text| text.chars().count());
    if length > NOTE {
        let detail = format!("Shorten this to {NOTE} characters (it has {length})");
        return Err(Fault { pointer, code: "too-long", detail });
    }
    Ok(text)
}

/// A number in E.164. Ten digits are one of North America; with a plus, any country's.
fn phone(typed: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-.()/\u{2010}\u{2011}\u{2013}".contains(c);
    if !typed.chars().all(plain) {
        return None;
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    match (digits.len(), typed.trim().starts_with('+')) {
        (10, false) => Some(format!("+1{digits}")),
        (11, false) if digits.starts_with('1') => Some(format!("+{digits}")),
        (8..=15, true) => Some(format!("+{digits}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn right() -> RawBooking {
        RawBooking {
            service: "half_truck".to_owned(),
            details: "Two sofas\r\nand a fridge".to_owned(),
            address: RawAddress { street: "12 Elm St".to_owned(), city: "San Diego".to_owned(), zip: "92101".to_owned() },
            window: RawWindow { date: "2026-11-25".to_owned(), part: String::new() },
            name: " Mark ".to_owned(),
            phone: "(619) 555-0142".to_owned(),
            ..RawBooking::default()
        }
    }

    fn check(raw: &RawBooking) -> Result<Booking, Vec<Fault>> {
        raw.check(&Terms::example(), date(2026, 11, 24), false)
    }

    fn pointers(raw: &RawBooking) -> Vec<&'static str> {
        check(raw).err().unwrap_or_default().iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn what_was_typed_is_put_in_order() {
        let booking = check(&right()).ok().unwrap();
        assert_eq!((booking.name.as_str(), booking.phone.as_str()), ("Mark", "+16195550142"));
        assert_eq!((booking.details.as_str(), booking.window.part.as_str()), ("Two sofas\nand a fridge", "any"));
        assert_eq!((booking.address.state.as_str(), booking.price_cents, booking.needs_review), ("CA", Some(33000), false));
    }

    #[test]
    fn everything_wrong_is_said_at_once_in_the_order_of_the_form() {
        let all = ["/service", "/details", "/address/street", "/address/city", "/address/zip", "/window/date", "/name", "/phone"];
        assert_eq!(pointers(&RawBooking::default()), all);
    }

    #[test]
    fn days_are_checked_where_the_firm_is() {
        let on = |date: &str| RawBooking { window: RawWindow { date: date.to_owned(), ..RawWindow::default() }, ..right() };
        assert_eq!(pointers(&on("2026-11-24")), [""; 0]);
        for wrong in ["2026-11-23", "2026-02-30", "25.11.2026", "2027-11-24", "20261125", "-009999-01-01"] {
            assert_eq!(pointers(&on(wrong)), ["/window/date"], "{wrong}");
        }
        let bygone = on("-009999-01-01").check(&Terms::example(), date(2026, 11, 24), true);
        assert_eq!(bygone.err().unwrap()[0].code, "not-a-date", "staff may go back, and not so far");
        assert!(on("2026-11-01").check(&Terms::example(), date(2026, 11, 24), true).is_ok(), "staff may enter what was done");
    }

    #[test]
    fn the_last_day_is_the_one_that_is_named() {
        let on = |date: &str| RawBooking { window: RawWindow { date: date.to_owned(), ..RawWindow::default() }, ..right() };
        assert_eq!(pointers(&on("2027-05-23")), [""; 0]);
        let faults = check(&on("2027-05-24")).err().unwrap();
        assert_eq!(faults[0].detail, "Choose a day no later than 2027-05-23");
    }

    #[test]
    fn phone_numbers_take_any_punctuation_and_no_words() {
        for right in ["6195550142", "619.555.0142", "+1 619 555 0142", "1-619-555-0142", " (619)555\u{2011}0142 "] {
            assert_eq!(phone(right).as_deref(), Some("+16195550142"), "{right}");
        }
        assert_eq!(phone("+44 20 7946 0958").as_deref(), Some("+442079460958"));
        for wrong in ["", "555-0142", "call me", "619 555 0142 x3", "+", "12345678901234567"] {
            assert_eq!(phone(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn odd_bookings_are_kept_for_a_person_to_look_at() {
        let far = RawBooking { address: RawAddress { zip: "10001".to_owned(), ..right().address }, ..right() };
        assert!(check(&far).is_ok_and(|booking| booking.needs_review));
        let spam = RawBooking { details: "http://a.test http://b.test".to_owned(), ..right() };
        assert!(check(&spam).is_ok_and(|booking| booking.needs_review));
    }
}

//! What the firm offers, as far as jobs depend on it: filled from `[site]` of `qdn.toml`.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What bookings are checked against, and how long jobs are kept. Not secret; a Lambda gets it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Scheme and host of the public site: where tracking links lead, and the one origin that may write.
    pub origin: String,
    /// The firm's IANA time zone: days begin and end there.
    pub time_zone: String,
    /// Two letters, for every address.
    pub state: String,
    /// What can be booked.
    pub services: Vec<Service>,
    /// The parts of a day.
    pub windows: Vec<Offer>,
    /// The ZIP codes that are served; any where the list is empty.
    pub zips: Vec<String>,
    /// How many jobs may wait for a first look before booking online is closed for the moment.
    pub most_waiting: usize,
    /// Days for which a link works after its job has ended.
    pub link_days: u16,
    /// Days after which an ended job leaves the live file for its month's archive.
    pub archive_days: u16,
    /// Days after which an ended job's personal data is removed.
    pub purge_days: u16,
}

/// Something to choose, with what people call it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// In the API and in `jobs.json`.
    pub id: String,
    /// On the pages.
    pub label: String,
}

/// A service with its list price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// In the API and in `jobs.json`.
    pub id: String,
    /// On the pages.
    pub label: String,
    /// In US cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_cents: Option<u32>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            origin: String::new(),
            time_zone: "UTC".to_owned(),
            state: String::new(),
            services: vec![Service { id: "pickup".to_owned(), label: "Pickup".to_owned(), price_cents: None }],
            windows: vec![Offer { id: "any".to_owned(), label: "Any time".to_owned() }],
            zips: Vec::new(),
            most_waiting: 200,
            link_days: 30,
            archive_days: 30,
            purge_days: 365,
        }
    }
}

impl Terms {
    /// The service with this id.
    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id == id)
    }

    /// What people call a service; its id where it is no longer offered.
    pub fn service_label<'a>(&'a self, id: &'a str) -> &'a str {
        self.service(id).map_or(id, |service| service.label.as_str())
    }

    /// The part of the day with this id.
    pub fn window(&self, id: &str) -> Option<&Offer> {
        self.windows.iter().find(|window| window.id == id)
    }

    /// The first part of the day: what is meant where none is said.
    pub(super) fn any_window(&self) -> String {
        self.windows.first().map_or_else(|| "any".to_owned(), |window| window.id.clone())
    }

    /// Whether trucks go there.
    pub fn serves(&self, zip: &str) -> bool {
        self.zips.is_empty() || self.zips.iter().any(|known| Some(known.as_str()) == zip.get(..5))
    }

    /// The day it is where the firm is.
    pub fn today(&self, now: Timestamp) -> Date {
        // A name that is no zone is refused when the configuration is read.
        let zone = TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC);
        now.to_zoned_datetime(zone).date()
    }

    /// Until when the link of a job that ended at `ended` works.
    pub fn link_ends(&self, ended: Timestamp) -> Timestamp {
        ended.saturating_add(SignedDuration::from_hours(24 * i64::from(self.link_days))).unwrap_or(ended)
    }

    /// Terms for tests.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        let offer = |id: &str, label: &str| Offer { id: id.to_owned(), label: label.to_owned() };
        Self {
            origin: "https://quickdumpnow.test".to_owned(),
            time_zone: "America/Los_Angeles".to_owned(),
            state: "CA".to_owned(),
            services: vec![Service { id: "half_truck".to_owned(), label: "Half truck".to_owned(), price_cents: Some(33000) }],
            windows: vec![offer("any", "Any time"), offer("morning", "Morning")],
            zips: vec!["92101".to_owned()],
            ..Self::default()
        }
    }
}

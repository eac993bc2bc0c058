//! The statuses of a job, in order, one step at a time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a job stands. Going back is an undo and cancelling is a closure, so neither is a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The customer has asked; nobody has agreed on a time.
    Submitted,
    /// The office has confirmed the time.
    ReadyForPickup,
    /// The crew is there.
    InProgress,
    /// Everything is gone.
    Completed,
}

impl Status {
    /// Every status in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Submitted, Self::ReadyForPickup, Self::InProgress, Self::Completed];

    /// The name in `jobs.json`, in the API and in the pages' markup.
    pub fn id(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::ReadyForPickup => "ready_for_pickup",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }

    /// What the staff call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Submitted => "Booked",
            Self::ReadyForPickup => "Ready",
            Self::InProgress => "In progress",
            Self::Completed => "Done",
        }
    }

    /// What the customer is told.
    pub fn customer(self) -> &'static str {
        match self {
            Self::Submitted => "Booked – we’ll confirm your time",
            Self::ReadyForPickup => "Confirmed – on our pickup list",
            Self::InProgress => "Crew on site",
            Self::Completed => "All done",
        }
    }

    /// The button that moves a job to [`Self::next`].
    pub fn verb(self) -> Option<&'static str> {
        match self {
            Self::Submitted => Some("Mark ready"),
            Self::ReadyForPickup => Some("Start job"),
            Self::InProgress => Some("Complete job"),
            Self::Completed => None,
        }
    }

    /// The status with this name.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.id() == id)
    }

    /// The one status that a job may have after this one.
    pub fn next(self) -> Option<Self> {
        Self::ALL.get(self as usize + 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_takes_one_step_at_a_time() {
        let ids: Vec<_> = std::iter::successors(Some(Status::Submitted), |status| status.next()).map(Status::id).collect();
        assert_eq!(ids, ["submitted", "ready_for_pickup", "in_progress", "completed"]);
        for status in Status::ALL {
            assert_eq!(status.verb().is_some(), status.next().is_some(), "a button for each step, and for nothing else");
        }
    }
}

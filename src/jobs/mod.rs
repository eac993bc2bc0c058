//! Jobs: booked by customers, moved by staff, kept in a store, served by an API.
//!
//! What happens to a job is decided by values alone ([`event`], [`file`]); [`store`] keeps them,
//! [`api`] speaks HTTP. It uses nothing else of ours, so that the Lambda links no compiler.

pub mod api;
pub mod auth;
pub mod booking;
pub mod event;
pub mod file;
pub mod job;
mod status;
pub mod store;
pub mod terms;
pub mod token;
pub mod view;
pub mod world;

pub use job::{Job, JobId};
pub use status::Status;
pub use terms::Terms;

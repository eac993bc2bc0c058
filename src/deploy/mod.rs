//! From what a distribution serves to what a manifest says, without ever losing anything.
//!
//! [`plan`](plan::plan) is a function of two manifests, [`invalidation`] one of what the edge may hold and what
//! changed: they decide, and touch nothing. [`remote`] is what the world has to offer.

pub mod invalidation;
pub mod options;
pub mod plan;
pub mod remote;

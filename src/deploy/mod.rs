//! From what a distribution serves to what a manifest says.
//!
//! What is here decides, and touches nothing: [`plan`](plan::plan) is a function of two manifests,
//! [`invalidation`] one of what the edge may hold and what changed. What carries a plan out, resumably, comes with
//! the publishing commands.

pub mod invalidation;
pub mod plan;

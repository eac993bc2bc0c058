//! From what a distribution serves to what a manifest says, without ever losing anything.
//!
//! ```text
//! (Manifest, Live, Policy) ──plan──▶ Plan | Refusal             pure
//! (changes, clean, quotas) ──invalidation──▶ items              pure
//! Head ──begun ▸ finished──▶ Head′                              pure
//! (Plan, Supply, Stage)    ──apply──▶ Receipt | Stopped         over the traits of `remote`
//! ```

pub mod apply;
pub mod invalidation;
pub mod ledger;
pub mod options;
pub mod plan;
pub mod remote;

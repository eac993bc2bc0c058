//! One process that behaves like the distribution: build, watch, emulate, serve.
//!
//! ```text
//! watch ▸ build ▸ Release ─┐
//! /api/ ▸ what CloudFront would refuse ▸ the router of the Lambda, on this machine's jobs
//! request ▸ host checked ▸ function run ▸ object found ▸ headers of the one table ▸ answer
//!
//! stage: what its ledger calls live ▸ the function that is LIVE there ▸ the cache of its edge ▸ headers ▸ answer
//! ```
//!
//! What is served is the release that publish would upload, byte for byte, with the headers that it
//! would configure. One line is added to pages while they are served: the script that reloads them.
//! Everything of preview's own lies under `/_qdn/`.

mod answer;
mod engine;
mod inspect;
mod jobs;
mod project;
mod range;
mod reload;
mod server;
mod stage;

pub use jobs::Jobs;
pub use project::{Options, serve};
pub use stage::{StageOptions, serve_stage};

/// Where a preview is unless it is told otherwise, or that port is taken.
pub const PORT: u16 = 4000;

//! `qdn`: a static site generator, a CloudFront Functions compiler and emulator, and the dispatch of jobs
//! behind the site. This page is the map; `docs/architecture.md` tells it at length.
//!
//! ```text
//! site/ templates/ ──disk::read──▶ Sources ──site::build──▶ Built ──┐
//! functions/ ───────────────────▶ Sources ──edge::check ▸ bundle───┴─build::release─▶ Release
//! Release ──disk::write──▶ dist/         Release + edge::Emulator ──preview::serve──▶ browser
//! Job ──after(Change)──▶ Job′ ──Store──▶ jobs.json or a table ──jobs::api::router──▶ preview, and the Lambda
//! ```
//!
//! Who may use whom is a table in `tests/it/layers.rs`.

#[cfg(feature = "toolchain")]
pub mod build;
#[cfg(feature = "toolchain")]
pub mod cli;
#[cfg(feature = "toolchain")]
pub mod config;
#[cfg(feature = "toolchain")]
pub mod deploy;
#[cfg(feature = "toolchain")]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub mod disk;
#[cfg(feature = "toolchain")]
pub mod edge;
pub mod jobs;
#[cfg(feature = "toolchain")]
pub mod preview;
#[cfg(feature = "toolchain")]
pub mod release;
#[cfg(feature = "toolchain")]
pub mod script;
#[cfg(feature = "toolchain")]
pub mod site;
#[cfg(feature = "toolchain")]
pub mod source;

//! `qdn`: a static site generator, a CloudFront Functions compiler and emulator, and the programs
//! around them. This page is the map; `docs/architecture.md` tells it at length.
//!
//! ```text
//! site/ templates/ ──disk::read──▶ Sources ──site::build──▶ Built ──┐
//! functions/ ───────────────────▶ Sources ──edge::check ▸ bundle───┴─build::release─▶ Release
//! Release ──disk::write──▶ dist/         Release + edge::Emulator ──preview::serve──▶ browser
//! ```
//!
//! Who may use whom is a table in `tests/it/layers.rs`.

#[cfg(feature = "toolchain")]
pub mod edge;
#[cfg(feature = "toolchain")]
pub mod release;
#[cfg(feature = "toolchain")]
pub mod script;
#[cfg(feature = "toolchain")]
pub mod source;

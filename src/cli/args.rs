//! What may be typed.

use clap::{Args as ClapArgs, ColorChoice, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Build a static site, prove the CloudFront Function in front of it, and look at both.
#[derive(Debug, Parser)]
#[command(name = "qdn", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// The project's folder; by default the nearest one upwards that holds `qdn.toml`
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build the site and its functions into `dist/`
    Build(Build),
    /// Find everything wrong, and write nothing
    Check,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Build {
    /// Where to, instead of `dist/` in the project's folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

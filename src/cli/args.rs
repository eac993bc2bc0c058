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
    /// Build, serve and watch on this machine, with the real bundled function in front
    Preview(Preview),
    /// Check, bundle, run and test CloudFront Functions
    Function(FunctionArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Preview {
    /// The port; where it is taken, the next free one
    #[arg(long, value_name = "N", default_value_t = 4000)]
    pub(super) port: u16,
    /// The address to listen on
    #[arg(long, value_name = "H", default_value = "127.0.0.1")]
    pub(super) host: String,
    /// Open a browser
    #[arg(long)]
    pub(super) open: bool,
    /// Build drafts too, which are never published
    #[arg(long)]
    pub(super) drafts: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct FunctionArgs {
    #[command(subcommand)]
    pub(super) command: FunctionCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum FunctionCommand {
    /// Find what the edge would refuse, and what is likely wrong
    Check {
        /// A function of the project, or a file; by default all of the project's
        #[arg(value_name = "NAME|FILE")]
        function: Option<String>,
        /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
        #[arg(long, value_name = "RUNTIME")]
        runtime: Option<String>,
    },
    /// Bundle into the flat script that would be uploaded
    Build {
        /// A function of the project, or a file
        #[arg(value_name = "NAME|FILE")]
        function: String,
        /// Where to, instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
        #[arg(long, value_name = "RUNTIME")]
        runtime: Option<String>,
    },
    /// Run for one event, as the edge would
    Run {
        /// A function of the project, or a file, bundled or not
        #[arg(value_name = "NAME|FILE")]
        function: String,
        /// The event, in CloudFront's own test-event format
        #[arg(long, value_name = "FILE")]
        event: PathBuf,
        /// A JSON object: the key-value store
        #[arg(long, value_name = "FILE")]
        kvs: Option<PathBuf>,
        /// The runtime, `cloudfront-js-1.0` or `cloudfront-js-2.0`
        #[arg(long, value_name = "RUNTIME")]
        runtime: Option<String>,
    },
    /// Run the cases in `functions/<name>.cases/`
    Test {
        /// A function of the project, or a file; by default all of the project's
        #[arg(value_name = "NAME|FILE")]
        function: Option<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct Build {
    /// Where to, instead of `dist/` in the project's folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

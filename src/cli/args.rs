//! What may be typed.

use super::function::FunctionArgs;
use clap::{Args as ClapArgs, ColorChoice, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Build a static site, prove the CloudFront Function in front of it, and run the jobs behind it.
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
    /// Show what a publish would do, and why
    Plan(Plan),
    /// Build, and make a stage serve it
    Publish(Publish),
    /// Make a stage serve what another one serves: the same release, copied and never rebuilt
    Promote(Promote),
    /// Make a stage serve what it served before, from its buckets alone
    Rollback(Rollback),
    /// Say what a stage serves, and what is still under way
    Status(OfStage),
    /// List what a stage has served
    Releases(OfStage),
    /// Compare a stage's buckets and edge with the release that they should serve
    Audit(AuditArgs),
    /// Remove what no release needs any more
    Gc(Gc),
    /// Book, see, move and keep jobs, on any store
    Jobs(JobsArgs),
    /// Say who may sign in to the dashboard
    Staff(StaffArgs),
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
    #[arg(long, value_name = "N", default_value_t = crate::preview::PORT)]
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
    /// Build nothing: serve what was published to a stage on this machine, from the cache of its edge
    #[arg(long, value_name = "STAGE", conflicts_with = "drafts")]
    pub(super) stage: Option<String>,
}

/// What may stand against a publish, and is let pass.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(super) struct Guards {
    /// Let the stage lose more pages than a change of a site usually removes
    #[arg(long)]
    pub(super) allow_removals: bool,
    /// Let a build of an older commit replace one of a newer
    #[arg(long)]
    pub(super) allow_older: bool,
    /// Replace what something other than qdn wrote
    #[arg(long)]
    pub(super) adopt: bool,
    /// Look at every object instead of believing the stage's books
    #[arg(long)]
    pub(super) audit: bool,
}

/// How a command that changes a stage goes about it.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Manner {
    /// Do not ask; without a terminal nobody is asked
    #[arg(long, short)]
    pub(super) yes: bool,
    /// How long to wait for the edge; a publish that does not see the end of it has succeeded all the same
    #[arg(long, value_name = "SECONDS")]
    pub(super) wait: Option<u64>,
    /// End with 3 where the edge was not seen up to date
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Plan {
    /// A stage of qdn.toml; `local` is a folder of this machine
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
    /// Save the plan, to be carried out with `qdn publish --plan`
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Plan for what `qdn build` wrote, instead of building
    #[arg(long, value_name = "DIR")]
    pub(super) dist: Option<PathBuf>,
    #[command(flatten)]
    pub(super) guards: Guards,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Publish {
    /// A stage of qdn.toml; `local` is a folder of this machine
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
    /// Do exactly this plan, or nothing where the stage or the sources moved on
    #[arg(long, value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    /// Publish what `qdn build` wrote, instead of building
    #[arg(long, value_name = "DIR")]
    pub(super) dist: Option<PathBuf>,
    #[command(flatten)]
    pub(super) guards: Guards,
    #[command(flatten)]
    pub(super) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Promote {
    /// The stage whose release it is
    #[arg(value_name = "FROM")]
    pub(super) from: String,
    /// The stage that shall serve it
    #[arg(value_name = "TO")]
    pub(super) to: String,
    #[command(flatten)]
    pub(super) guards: Guards,
    #[command(flatten)]
    pub(super) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Rollback {
    /// A stage of qdn.toml
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
    /// A release of `qdn releases`, or how its name begins; by default the one before what is served
    #[arg(long, value_name = "RELEASE")]
    pub(super) to: Option<String>,
    /// Replace what something other than qdn wrote
    #[arg(long)]
    pub(super) adopt: bool,
    #[command(flatten)]
    pub(super) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(super) struct OfStage {
    /// A stage of qdn.toml
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct AuditArgs {
    /// A stage of qdn.toml
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
    /// Put right what the stage's own books can: pages, headers, the function, a damaged state, stale edges
    #[arg(long)]
    pub(super) repair: bool,
    #[command(flatten)]
    pub(super) manner: Manner,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Gc {
    /// A stage of qdn.toml
    #[arg(value_name = "STAGE")]
    pub(super) stage: String,
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Keep the last so many releases; by default `keep_releases` of qdn.toml
    #[arg(long, value_name = "N")]
    pub(super) keep: Option<u32>,
    /// And whatever was served within so many days; by default `keep_days` of qdn.toml
    #[arg(long, value_name = "DAYS")]
    pub(super) days: Option<u32>,
}

/// Which jobs a command is about.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Stage {
    /// Whose jobs: `local` is this machine's, others are named in `[jobs.stores]` of qdn.toml
    #[arg(long, global = true, default_value = "local", value_name = "STAGE")]
    pub(super) stage: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct JobsArgs {
    #[command(flatten)]
    pub(super) stage: Stage,
    /// Who does it, for the history; by default the name you are logged in with
    #[arg(long, global = true, value_name = "USER")]
    pub(super) who: Option<String>,
    #[command(subcommand)]
    pub(super) command: JobsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// Take a job, and print the customer's link
    Create(Box<CreateJob>),
    /// List jobs, the open ones unless told otherwise
    List {
        /// Only those that stand here
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        /// Done and cancelled ones too
        #[arg(long)]
        all: bool,
        /// Only those with these words in name, phone or address
        #[arg(value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Show one job; of a tracking token that opens nothing, say why
    Show {
        /// An id or how one begins, a tracking token, or a whole tracking link
        #[arg(value_name = "JOB|TOKEN|LINK", allow_hyphen_values = true)]
        job: String,
    },
    /// Move a job one step forward
    Move {
        /// An id or how one begins, or a tracking link
        #[arg(value_name = "JOB", allow_hyphen_values = true)]
        job: String,
        /// Where to; by default the next step
        #[arg(value_name = "STATUS")]
        to: Option<String>,
        /// A remark for the history
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Take the last step or cancellation back
    Undo {
        /// An id or how one begins, or a tracking link
        #[arg(value_name = "JOB", allow_hyphen_values = true)]
        job: String,
        /// Why; needed once the step is more than 15 minutes old
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Cancel a job
    Cancel {
        /// An id or how one begins, or a tracking link
        #[arg(value_name = "JOB", allow_hyphen_values = true)]
        job: String,
        /// Why, for the history; the customer does not see it
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Print the customer's link
    Link {
        /// An id or how one begins, or a tracking link
        #[arg(value_name = "JOB", allow_hyphen_values = true)]
        job: String,
        /// Make another one; the old one is dead at once
        #[arg(long)]
        renew: bool,
    },
    /// Write every job, archived ones too, as JSON or for a spreadsheet
    Export {
        /// Where to, instead of stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// For a spreadsheet
        #[arg(long)]
        csv: bool,
    },
    /// Add the jobs of an export; all of them or none
    Import {
        /// What `qdn jobs export` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy every job to another stage's store, then count and compare
    Migrate {
        /// The stage to copy to
        #[arg(long, value_name = "STAGE")]
        to: String,
    },
    /// Archive jobs that ended long ago, and remove personal data that is due
    Tidy,
    /// Print the stage's secrets, or new ones for a new stage
    Keys {
        /// Make new ones
        #[arg(long, conflicts_with = "rotate")]
        new: bool,
        /// Put a new key in front of the known ones
        #[arg(long, value_name = "WHICH", value_enum)]
        rotate: Option<WhichKey>,
    },
    /// Print what the Lambda must know of qdn.toml
    Terms,
    /// Print the OpenAPI document of the job API
    Openapi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum WhichKey {
    /// Of tracking links: known links go on working while the old key is kept
    Link,
    /// Of sessions: everyone stays signed in while the old key is kept
    Session,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CreateJob {
    /// The customer's name
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(super) name: String,
    /// With any punctuation
    #[arg(long, value_name = "NUMBER", default_value = "")]
    pub(super) phone: String,
    /// If they gave one
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<String>,
    /// Number and street
    #[arg(long, value_name = "STREET", default_value = "")]
    pub(super) street: String,
    /// The city
    #[arg(long, value_name = "CITY", default_value = "")]
    pub(super) city: String,
    /// Five digits
    #[arg(long, value_name = "ZIP", default_value = "")]
    pub(super) zip: String,
    /// The id of a service in qdn.toml
    #[arg(long, value_name = "ID", default_value = "")]
    pub(super) service: String,
    /// What is to go
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) details: String,
    /// The day, YYYY-MM-DD
    #[arg(long, value_name = "DATE", default_value = "")]
    pub(super) date: String,
    /// The part of the day, the id of a window in qdn.toml
    #[arg(long, value_name = "ID", default_value = "")]
    pub(super) part: String,
    /// How to get in
    #[arg(long, value_name = "TEXT")]
    pub(super) access: Option<String>,
    /// In dollars; by default the service's list price
    #[arg(long, value_name = "DOLLARS")]
    pub(super) price: Option<String>,
    /// Makes a repeated command the same job
    #[arg(long, value_name = "TEXT")]
    pub(super) key: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct StaffArgs {
    #[command(flatten)]
    pub(super) stage: Stage,
    #[command(subcommand)]
    pub(super) command: StaffCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum StaffCommand {
    /// Add someone, and print their passphrase, which is shown this once
    Add {
        /// What they type to sign in: a–z, 0–9, `.`, `_` and `-`
        #[arg(value_name = "USER")]
        user: String,
        /// What people call them
        #[arg(long, value_name = "NAME", default_value = "")]
        name: String,
        /// They are known: give them another passphrase and end their sessions
        #[arg(long)]
        renew: bool,
    },
    /// List who may sign in
    List,
    /// Remove someone; their sessions end within a minute
    Remove {
        /// What they type to sign in
        #[arg(value_name = "USER")]
        user: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct Build {
    /// Where to, instead of `dist/` in the project's folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
}

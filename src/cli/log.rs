//! What modules log, as talk on stderr: warnings, and with `-v` what the job API was asked.

use super::args::Global;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Listens from here on. Only to our own modules: what libraries log is no user's business.
pub(super) fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, false) => LevelFilter::WARN,
        (false, true) => LevelFilter::INFO,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time().with_target(false).with_ansi(false);
    // Fails only where somebody listens already, which then is as good.
    let _ = tracing_subscriber::registry().with(layer.with_filter(Targets::new().with_target("qdn", level))).try_init();
}

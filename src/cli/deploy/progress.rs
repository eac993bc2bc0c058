//! How a publish is getting on: a bar where somebody watches, a line for each phase where nobody does.

use super::draw::size;
use crate::cli::ui::Ui;
use crate::deploy::apply::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Hears of progress, and shows it.
pub(super) struct Teller {
    ui: Ui,
    watched: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    what: &'static str,
    steps: usize,
    done: usize,
    bytes: u64,
}

impl Teller {
    pub(super) fn new(ui: &Ui) -> Self {
        let watched = std::io::stderr().is_terminal() && !ui.quiet;
        Self { ui: ui.clone(), watched, state: Mutex::default() }
    }

    pub(super) fn hear(&self, progress: &Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Begins { what, steps } => {
                let bar = self.watched.then(|| bar(what, *steps));
                *state = State { bar, what, steps: *steps, done: 0, bytes: 0 };
            }
            Progress::Step { bytes } => {
                state.done += 1;
                state.bytes += bytes;
                if let Some(bar) = &state.bar {
                    bar.inc(1);
                }
            }
            Progress::Ends => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
                if state.steps > 0 {
                    let bytes = if state.bytes == 0 { String::new() } else { format!(", {}", size(state.bytes)) };
                    let line = format!("  {}: {} of {}{bytes}", state.what, state.done, state.steps);
                    state.steps = 0;
                    self.ui.clone().say(&line);
                }
            }
            Progress::Note(note) => match &state.bar {
                Some(bar) => bar.suspend(|| self.ui.clone().say(note)),
                None => self.ui.clone().say(note),
            },
        }
    }
}

fn bar(what: &'static str, steps: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {msg} {bar:30} {pos} of {len} {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr_with_hz(10));
    bar.enable_steady_tick(Duration::from_millis(200));
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_message(what);
    bar
}

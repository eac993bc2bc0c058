//! `qdn function …`: for a project's functions, and for any file anywhere.

mod args;
mod build;
mod check;
mod mend;
mod record;
mod rules;
mod run;
mod size;
mod test;
mod trace;
pub(super) mod workshop;

pub(super) use args::{FunctionArgs, FunctionCommand, PublishFunction, Pull, RollbackFunction};
pub(super) use test::check_cases;

use super::args::Global;
use super::deploy;
use super::ui::Ui;

/// Does what was typed behind `qdn function`.
pub(super) fn function(global: &Global, command: &FunctionCommand, ui: &mut Ui) -> Result<u8, String> {
    match command {
        FunctionCommand::Check(command) => check::check(global, command, ui),
        FunctionCommand::Build(command) => build::build(global, command, ui),
        FunctionCommand::Run(command) => run::run(global, command, ui),
        FunctionCommand::Test(command) => test::test(global, command, ui),
        FunctionCommand::Rules(command) => rules::rules(command, ui),
        FunctionCommand::Size(command) => size::size(global, command, ui),
        FunctionCommand::Trace(command) => trace::trace(global, command, ui),
        FunctionCommand::Record(command) => record::record(global, command, ui),
        FunctionCommand::Publish(command) => deploy::function::publish(global, command, ui),
        FunctionCommand::Rollback(command) => deploy::function::rollback(global, command, ui),
        FunctionCommand::Pull(command) => deploy::function::pull(global, command, ui),
    }
}

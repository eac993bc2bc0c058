//! `qdn staff`: who may sign in to the dashboard.

use super::args::{Global, StaffArgs, StaffCommand};
use super::jobs::desk::Desk;
use super::jobs::draw::line;
use super::jobs::{Failure, wait};
use super::ui::{Ui, plural};
use super::{PROBLEMS, USAGE};
use crate::jobs::auth::staff::StaffError;
use crate::jobs::world::{System, World as _};
use serde_json::json;

impl From<StaffError> for Failure {
    fn from(error: StaffError) -> Self {
        match error {
            StaffError::NotAName => Self::new(USAGE, "a user name has up to 32 of a–z, 0–9, `.`, `_` and `-`"),
            StaffError::Guest => Self::new(
                USAGE,
                "this is the name of whoever opens the link that a preview prints, and nobody else’s\nhint: choose another name",
            ),
            StaffError::Taken => {
                Self::new(PROBLEMS, "someone has this name already\nhint: with `--renew` they get another passphrase")
            }
            StaffError::Unknown => Self::new(PROBLEMS, "nobody has this name\nhint: `qdn staff list` says who there is"),
            StaffError::Store(error) => error.into(),
        }
    }
}

/// Runs a command of `qdn staff`.
pub(super) fn staff(global: &Global, args: &StaffArgs, ui: &mut Ui) -> Result<u8, String> {
    match wait(run(global, args, ui))? {
        Ok(()) => Ok(0),
        Err(failure) => Ok(failure.tell(ui)),
    }
}

async fn run(global: &Global, args: &StaffArgs, ui: &mut Ui) -> Result<(), Failure> {
    let staff = Desk::open(global, &args.stage.stage, ui).await?.staff();
    let stage = &args.stage.stage;
    match &args.command {
        StaffCommand::Add { user, name, renew } => {
            let passphrase = match renew {
                true => staff.renew(user, &System).await?,
                false => staff.add(user, name, &System).await?,
            };
            match ui.json {
                true => ui.document(&json!({ "version": 1, "user": user, "passphrase": passphrase.reveal() })),
                false => ui.data(passphrase.reveal()),
            }
            ui.say(&format!("this is the passphrase of {user} in the stage `{stage}`; it is shown this once and stored nowhere"));
        }
        StaffCommand::List => {
            let file = staff.list(System.now()).await?;
            if ui.json {
                let members: Vec<_> = file
                    .staff
                    .iter()
                    .map(|member| json!({ "user": member.user, "name": member.name, "added_at": member.added_at }))
                    .collect();
                ui.document(&json!({ "version": 1, "staff": members }));
                return Ok(());
            }
            for member in &file.staff {
                ui.data(line(&format!("{}  {}  {}", member.user, member.added_at.strftime("%Y-%m-%d"), member.name)).trim_end());
            }
            ui.say(&format!("{} may sign in to the stage `{stage}`", plural(file.staff.len(), "person")));
        }
        StaffCommand::Remove { user } => {
            staff.remove(user).await?;
            ui.say(&format!("removed {user} from the stage `{stage}`; sessions end within a minute"));
        }
    }
    Ok(())
}

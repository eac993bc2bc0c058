//! What time does to jobs in a table. Each step is one that may be the last before a crash: the next run
//! finds the rest by the index.

use super::item::{ARCHIVE, CANCELED, GONE, Standing, encode, request_key, token_key};
use super::table::{Step, Which};
use super::{DynamoStore, REMEMBERED};
use crate::jobs::file;
use crate::jobs::job::Job;
use crate::jobs::status::Status;
use crate::jobs::store::documents::WriteError;
use crate::jobs::store::{Kept, StoreError, Tidied};
use crate::jobs::terms::Terms;
use jiff::Timestamp;

pub(super) async fn tidy(store: &DynamoStore, terms: &Terms, now: Timestamp, request: &str) -> Result<Tidied, StoreError> {
    let (archive_before, purge_before) = file::deadlines(terms, now);
    let mut tidied = Tidied::default();
    // From the departed to the archive first, so that a job takes one such step a run.
    let forgotten = super::now().saturating_sub(REMEMBERED).unwrap_or(Timestamp::UNIX_EPOCH);
    for key in store.table.standing(GONE, Which::Before(forgotten.as_millisecond())).await? {
        store.table.move_to(&key, GONE, ARCHIVE).await?;
    }
    let ended = Which::EndedBefore(archive_before.max(purge_before).as_millisecond());
    let mut keys = store.standing([Status::Completed.id(), CANCELED], ended).await?;
    // Those that just left stay as they are until no board asks for them: it is a day at most.
    keys.extend(store.standing([ARCHIVE], Which::EndedBefore(purge_before.as_millisecond())).await?);
    for kept in store.all(&keys).await? {
        let purged = file::purged(&kept.job, purge_before, now, request);
        let leaves = !kept.archived && kept.job.ended_at().is_some_and(|ended| ended < archive_before);
        let settled = kept.archived && kept.job.is_purged();
        if (leaves || settled || purged.is_some()) && leave(store, &kept, purged.as_ref(), leaves).await? {
            tidied.archived += usize::from(leaves);
            tidied.purged += usize::from(purged.is_some());
        }
    }
    Ok(tidied)
}

/// Writes what becomes of a job; says whether nobody else changed it meanwhile.
async fn leave(store: &DynamoStore, kept: &Kept, purged: Option<&Job>, leaves: bool) -> Result<bool, StoreError> {
    let (before, after) = (&kept.job, purged.unwrap_or(&kept.job));
    let steps = if kept.archived {
        vec![Step::ReplaceArchived(encode(after, Standing::Nowhere), before.version)]
    } else if leaves {
        let mut steps =
            vec![Step::Replace(encode(after, Standing::Gone(super::now())), before.version), Step::Delete(token_key(before))];
        steps.extend(request_key(before).map(Step::Delete));
        steps
    } else {
        super::replacement(before, after)
    };
    match store.table.transact(steps).await {
        Ok(()) => Ok(true),
        Err(WriteError::Conflict) => Ok(false),
        Err(WriteError::Unknown(why) | WriteError::Failed(why)) => Err(StoreError::Unreachable(why)),
    }
}

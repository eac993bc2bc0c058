//! Who may sign in: `staff.json`, beside the jobs.

use super::passphrase::{self, Passphrase};
use super::session::Session;
use crate::jobs::file::{self, FORMAT};
use crate::jobs::store::StoreError;
use crate::jobs::store::documents::{Documents, Read, When, WriteError};
use crate::jobs::world::World;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Mutex;

/// The name of the document.
pub const STAFF: &str = "staff.json";
/// Who is signed in by the link that a preview prints. Whoever had this name as well would be let in with any session of
/// theirs, also after they were removed.
pub const GUEST: &str = "you";
/// How old what is known of the staff may be: how long someone who was removed can still write.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// How often a change of the list is tried while others change it too.
const TRIES: usize = 8;

/// One who may sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What they type, and what the history of a job calls them.
    pub user: String,
    /// What people call them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Argon2id of the passphrase, as a PHC string.
    pub phc: String,
    /// Raised by one, every session of theirs is over.
    pub epoch: u32,
    /// Since when.
    pub added_at: Timestamp,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffFile {
    /// The format of this file.
    pub format: u32,
    /// In the order in which they came.
    pub staff: Vec<Member>,
}

impl Default for StaffFile {
    fn default() -> Self {
        Self { format: FORMAT, staff: Vec::new() }
    }
}

/// Why a member was not added, changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaffError {
    /// Not a name that can be typed and told apart.
    NotAName,
    /// The name of whoever is signed in by a preview's link.
    Guest,
    /// Someone has it already.
    Taken,
    /// Nobody has it.
    Unknown,
    /// The store's own trouble.
    Store(StoreError),
}

/// The staff, read again when what is known is a minute old.
#[derive(Debug)]
pub struct Staff {
    documents: Arc<dyn Documents>,
    known: Mutex<Option<(Timestamp, Arc<StaffFile>)>>,
    /// The one who may sign in by the link that their own preview prints, and who has no passphrase.
    guest: Option<String>,
}

impl Staff {
    /// The staff that is kept there.
    pub fn new(documents: Arc<dyn Documents>, guest: Option<String>) -> Self {
        Self { documents, known: Mutex::new(None), guest }
    }

    /// Everyone, as of a minute ago at most.
    ///
    /// # Errors
    /// Where the document cannot be read.
    pub async fn list(&self, now: Timestamp) -> Result<Arc<StaffFile>, StoreError> {
        let mut known = self.known.lock().await;
        if let Some((read, file)) = known.as_ref()
            && now.duration_since(*read) < FRESH
            && now >= *read
        {
            return Ok(Arc::clone(file));
        }
        let (file, _) = self.read().await?;
        let file = Arc::new(file);
        *known = Some((now, Arc::clone(&file)));
        Ok(file)
    }

    /// A new session, where name and passphrase belong together. Takes as long where they do not.
    ///
    /// # Errors
    /// Where the document cannot be read.
    pub async fn sign_in(&self, user: &str, passphrase: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        // Read anew: whoever was just added is there, and an old passphrase is good for nothing at once.
        let file = Arc::new(self.read().await?.0);
        *self.known.lock().await = Some((now, Arc::clone(&file)));
        let member = file.staff.iter().find(|member| member.user == user.trim().to_lowercase()).cloned();
        let typed = passphrase.to_owned();
        let phc = member.as_ref().map(|member| member.phc.clone());
        // Hashing holds a core for tens of milliseconds, and the other requests must not wait for it.
        let matches = tokio::task::spawn_blocking(move || passphrase::matches(&typed, phc.as_deref())).await.unwrap_or(false);
        Ok(member.filter(|_| matches).map(|member| Session::new(&member.user, member.epoch, now)))
    }

    /// Whether a session's holder may still do what they could when it began.
    ///
    /// # Errors
    /// Where the document cannot be read.
    pub async fn admits(&self, session: &Session, now: Timestamp) -> Result<bool, StoreError> {
        if self.guest.as_ref() == Some(&session.user) {
            return Ok(true);
        }
        let file = self.list(now).await?;
        Ok(file.staff.iter().any(|member| member.user == session.user && member.epoch == session.epoch))
    }

    /// Adds a member, and gives the passphrase, which is nowhere else.
    ///
    /// # Errors
    /// A name that is none, is the guest's or is taken; the store's own trouble.
    pub async fn add(&self, user: &str, name: &str, world: &dyn World) -> Result<Passphrase, StaffError> {
        let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if user.is_empty() || user.len() > 32 || !user.chars().all(right) {
            return Err(StaffError::NotAName);
        }
        if self.guest.as_deref() == Some(user) {
            return Err(StaffError::Guest);
        }
        let passphrase = Passphrase::new(world);
        let phc = passphrase::hash(passphrase.reveal(), world);
        let member = Member { user: user.to_owned(), name: name.to_owned(), phc, epoch: epoch(world), added_at: world.now() };
        self.revise(|file| {
            if file.staff.iter().any(|known| known.user == member.user) {
                return Err(StaffError::Taken);
            }
            file.staff.push(member.clone());
            Ok(())
        })
        .await?;
        Ok(passphrase)
    }

    /// Gives a member another passphrase and ends their sessions.
    ///
    /// # Errors
    /// Nobody has this name; the store's own trouble.
    pub async fn renew(&self, user: &str, world: &dyn World) -> Result<Passphrase, StaffError> {
        let passphrase = Passphrase::new(world);
        let phc = passphrase::hash(passphrase.reveal(), world);
        self.revise(|file| {
            let member = file.staff.iter_mut().find(|member| member.user == user).ok_or(StaffError::Unknown)?;
            member.phc.clone_from(&phc);
            member.epoch = member.epoch.wrapping_add(1);
            Ok(())
        })
        .await?;
        Ok(passphrase)
    }

    /// Removes a member. Their sessions end within a minute.
    ///
    /// # Errors
    /// Nobody has this name; the store's own trouble.
    pub async fn remove(&self, user: &str) -> Result<(), StaffError> {
        self.revise(|file| {
            let before = file.staff.len();
            file.staff.retain(|member| member.user != user);
            if file.staff.len() == before { Err(StaffError::Unknown) } else { Ok(()) }
        })
        .await
    }

    async fn read(&self) -> Result<(StaffFile, When), StoreError> {
        match self.documents.read(STAFF, None).await.map_err(StoreError::Unreachable)? {
            Read::Missing | Read::Unchanged => Ok((StaffFile::default(), When::Missing)),
            Read::Found(bytes, tag) => {
                let place = self.documents.place(STAFF);
                let file = file::parse(&bytes).map_err(|why| StoreError::Broken(format!("{place}: {why}")))?;
                Ok((file, When::Unchanged(tag)))
            }
        }
    }

    async fn revise(&self, change: impl Fn(&mut StaffFile) -> Result<(), StaffError>) -> Result<(), StaffError> {
        let mut tried = None;
        for _ in 0..TRIES {
            let (old, when) = self.read().await.map_err(StaffError::Store)?;
            // The answer to the last try was lost, and it had got through.
            if tried.as_ref() == Some(&old) {
                return Ok(());
            }
            let mut new = old;
            change(&mut new)?;
            let bytes = serde_json::to_vec_pretty(&new).expect("members are JSON");
            *self.known.lock().await = None;
            match self.documents.write(STAFF, bytes, &when).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Failed(why)) => return Err(StaffError::Store(StoreError::Unreachable(why))),
                Err(WriteError::Conflict) => {}
                Err(WriteError::Unknown(_)) => tried = Some(new),
            }
        }
        Err(StaffError::Store(StoreError::Busy))
    }
}

/// Where a member's epochs begin: a name that is given again opens no session of the one who had it before.
fn epoch(world: &dyn World) -> u32 {
    u32::from_le_bytes(crate::jobs::world::random(world))
}

//! A stage's jobs, opened: where they are, the stage's secrets, and what the firm offers.

use crate::cli::args::Global;
use crate::cli::build::root;
use crate::cli::ui::Ui;
use crate::config::{self, Config};
use crate::disk::{self, Folder};
use crate::jobs::auth::Staff;
use crate::jobs::auth::staff::GUEST;
use crate::jobs::store::documents::{Read, When, WriteError};
use crate::jobs::store::json::JsonStore;
use crate::jobs::store::place::{Place, connect};
use crate::jobs::store::{Documents, Store};
use crate::jobs::terms::Terms;
use crate::jobs::token::Keys;
use crate::jobs::world::{System, random};
use crate::preview;
use crate::source::Diagnostic;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// This machine's own stage.
pub(in crate::cli) const LOCAL: &str = "local";
/// How often secrets are changed while others change them too.
const TRIES: usize = 20;
/// Its secrets, beside its jobs.
const KEYS: &str = "keys.json";

/// Where this machine's own jobs are.
pub(in crate::cli) fn local(root: &Path) -> PathBuf {
    root.join(".qdn").join("jobs")
}

/// A stage's jobs.
pub(in crate::cli) struct Desk {
    pub(in crate::cli) store: Arc<dyn Store>,
    pub(in crate::cli) documents: Arc<dyn Documents>,
    pub(in crate::cli) terms: Terms,
    /// Absent where the jobs are elsewhere and nobody handed the secrets over.
    pub(super) keys: Option<Keys>,
    pub(super) stage: String,
    root: PathBuf,
    config: Config,
}

impl Desk {
    /// Opens a stage.
    ///
    /// # Errors
    /// No project, no such stage, a place that cannot be opened, in words.
    pub(in crate::cli) async fn open(global: &Global, stage: &str, ui: &mut Ui) -> Result<Self, String> {
        let root = root(global)?;
        let (sources, _) = disk::read(&root);
        let (config, problems) = config::parse(&sources);
        if problems.iter().any(Diagnostic::is_error) {
            ui.diagnostics(&problems, &sources);
            return Err("`qdn.toml` has problems".to_owned());
        }
        Self::of(root, config, stage).await
    }

    async fn of(root: PathBuf, config: Config, stage: &str) -> Result<Self, String> {
        let terms = config.terms.clone();
        let stage = stage.to_owned();
        if stage == LOCAL {
            // Links of this stage lead to where a preview is unless its port was taken.
            let terms = Terms { origin: format!("http://127.0.0.1:{}", preview::PORT), ..terms };
            let folder = local(&root);
            let documents: Arc<dyn Documents> = Arc::new(Folder::new(&folder));
            let keys = Some(local_keys(documents.as_ref()).await?);
            let store = Arc::new(JsonStore::new(Folder::new(&folder)));
            return Ok(Self { store, documents, terms, keys, stage, root, config });
        }
        let Some(place) = config.stores.get(&stage) else {
            let known: Vec<&str> = std::iter::once(LOCAL).chain(config.stores.keys().map(String::as_str)).collect();
            return Err(format!(
                "no stage `{stage}` keeps jobs; there is {}\nhint: name it in qdn.toml: `[jobs.stores]` with `{stage} = \"s3://bucket/prefix\"`",
                known.join(", ")
            ));
        };
        let keys = remote_keys()?;
        match place.parse::<Place>()? {
            Place::Folder(folder) => {
                let folder = root.join(folder);
                let documents = Arc::new(Folder::new(&folder));
                Ok(Self { store: Arc::new(JsonStore::new(Folder::new(&folder))), documents, terms, keys, stage, root, config })
            }
            Place::Remote(remote) => {
                let (store, documents) = connect(&remote).await?;
                Ok(Self { store, documents, terms, keys, stage, root, config })
            }
        }
    }

    /// Another stage of the same project.
    pub(super) async fn other(&self, stage: &str) -> Result<Self, String> {
        let (config, _) = config::parse(&disk::read(&self.root).0);
        Self::of(self.root.clone(), config, stage).await
    }

    /// The project's other stages.
    pub(super) fn others(&self) -> Vec<String> {
        let all = std::iter::once(LOCAL.to_owned()).chain(self.config.stores.keys().cloned());
        all.filter(|stage| *stage != self.stage).collect()
    }

    /// The stage's secrets.
    ///
    /// # Errors
    /// Where they are elsewhere, how to hand them over.
    pub(in crate::cli) fn keys(&self) -> Result<&Keys, String> {
        self.keys.as_ref().ok_or_else(|| {
            format!(
                "the secrets of the stage `{}` are needed to make its links\nhint: hand them over in the environment, as QDN_KEYS or as a file \
                 named by QDN_KEYS_FILE; `qdn jobs keys --new` makes some for a new stage",
                self.stage
            )
        })
    }

    /// Changes the secrets of this machine's stage, and gives them as they are now.
    pub(super) async fn change_keys(&self, change: impl Fn(&mut Keys)) -> Result<Keys, String> {
        for _ in 0..TRIES {
            let Read::Found(bytes, tag) = self.documents.read(KEYS, None).await? else { continue };
            let mut keys = Keys::parse(&String::from_utf8_lossy(&bytes))?;
            change(&mut keys);
            match put_keys(self.documents.as_ref(), &keys, &When::Unchanged(tag)).await {
                Ok(()) => return Ok(keys),
                Err(why) if why.is_empty() => {}
                Err(why) => return Err(why),
            }
        }
        Err(format!("{} kept changing; nothing was changed", self.documents.place(KEYS)))
    }

    pub(in crate::cli) fn staff(&self) -> Staff {
        // A preview runs on this machine's stage alone.
        let guest = (self.stage == LOCAL).then(|| GUEST.to_owned());
        Staff::new(Arc::clone(&self.documents), guest)
    }
}

/// The secrets of this machine's stage, made when they are first needed.
pub(in crate::cli) async fn local_keys(documents: &dyn Documents) -> Result<Keys, String> {
    let made = Keys::from_random(random(&System));
    if let Read::Missing = documents.read(KEYS, None).await? {
        // Whoever loses the race takes the other's.
        match put_keys(documents, &made, &When::Missing).await {
            Ok(()) => return Ok(made),
            Err(why) if why.is_empty() => {}
            Err(why) => return Err(why),
        }
    }
    match documents.read(KEYS, None).await? {
        Read::Found(bytes, _) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Keys::parse(&text).map_err(|why| format!("{}: {why}", documents.place(KEYS)))
        }
        Read::Missing | Read::Unchanged => Err(format!("{} cannot be read", documents.place(KEYS))),
    }
}

/// An empty sentence where someone else was first.
async fn put_keys(documents: &dyn Documents, keys: &Keys, when: &When) -> Result<(), String> {
    let bytes = serde_json::to_vec_pretty(keys).map_err(|error| error.to_string())?;
    match documents.write(KEYS, bytes, when).await {
        Ok(_) => Ok(()),
        Err(WriteError::Conflict) => Err(String::new()),
        Err(WriteError::Unknown(why) | WriteError::Failed(why)) => Err(why),
    }
}

#[expect(clippy::disallowed_methods, reason = "secrets come from the environment, and `cli` alone reads it")]
fn remote_keys() -> Result<Option<Keys>, String> {
    if let Ok(text) = std::env::var("QDN_KEYS") {
        return Keys::parse(&text).map(Some).map_err(|why| format!("QDN_KEYS: {why}"));
    }
    let Ok(path) = std::env::var("QDN_KEYS_FILE") else {
        return Ok(None);
    };
    let bytes = disk::read_file(Path::new(&path)).map_err(|error| format!("QDN_KEYS_FILE names `{path}`: {error}"))?;
    Keys::parse(&String::from_utf8_lossy(&bytes)).map(Some).map_err(|why| format!("{path}: {why}"))
}

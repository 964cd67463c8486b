//! The policies in force: read, checked and replaced as a whole.
//!
//! Must never run without policies: if a new file is invalid, the old policies stay.

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use cedar_policy::Schema;
use metricd_application::ports::Policies;
use metricd_core::{
    actor::{Action, Identity, Object},
    claim::ClaimName,
};
use tracing::info;

use super::{
    explanation::Explanation,
    fault::{PolicyError, PolicyFault},
    loaded::LoadedPolicies,
    schema,
};

/// The policies that ship with metricd, with comments for authors of others.
pub(super) const DEFAULT_POLICIES: &str = include_str!("default.cedar");

/// The maximum size of a file of policies, in bytes.
pub(super) const MAX_BYTES: usize = 1_048_576;

/// The source of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// They ship with metricd.
    Default,
    /// An operator wrote them.
    File(PathBuf),
}

impl fmt::Display for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default policies"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Authorizes by the policies of a file. Decisions are cached until the file is read again.
pub struct CedarPolicies {
    source: PolicySource,
    schema: Schema,
    pub(super) loaded: ArcSwap<LoadedPolicies>,
    /// Held while the file is read again, so that an older reading never follows a newer one.
    reloading: Mutex<()>,
}

impl fmt::Debug for CedarPolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CedarPolicies").field("source", &self.source).finish_non_exhaustive()
    }
}

impl CedarPolicies {
    /// Reads the policies for callers that have these `claims`. Blocks on the file system.
    ///
    /// # Errors
    /// When the file cannot be read, or with every fault of it.
    pub fn load(source: PolicySource, claims: &BTreeSet<ClaimName>) -> Result<Self, PolicyError> {
        let schema = schema::schema(claims);
        let loaded = read(&source, &schema)?;
        info!(%source, policies = loaded.count(), "Policies loaded");
        let loaded = ArcSwap::from_pointee(loaded);
        Ok(Self { source, schema, loaded, reloading: Mutex::new(()) })
    }

    /// Reads the policies again and drops the decisions of the old ones. Blocks on the file system;
    /// decisions are made meanwhile.
    ///
    /// # Errors
    /// As [`Self::load`]; the old policies then stay in force.
    pub fn reload(&self) -> Result<(), PolicyError> {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = read(&self.source, &self.schema)?;
        let policies = loaded.count();
        self.loaded.store(Arc::new(loaded));
        info!(source = %self.source, policies, "Policies reloaded");
        Ok(())
    }

    /// Explains why `who` may or may not do `action` to `object`, by the policies in force. Caches nothing.
    pub fn explain(&self, who: &Identity, action: Action, object: &Object<'_>) -> Explanation {
        self.loaded.load().explain(who, action, object).unwrap_or_else(|error| Explanation {
            allowed: false,
            determining: Vec::new(),
            errors: vec![error.to_string()],
        })
    }

    /// Returns their source.
    #[must_use]
    pub fn source(&self) -> &PolicySource {
        &self.source
    }

    /// Returns the number of policies in force.
    #[must_use]
    pub fn count(&self) -> usize {
        self.loaded.load().count()
    }

    /// Returns the text of the policies in force.
    #[must_use]
    pub fn text(&self) -> String {
        self.loaded.load().text.clone()
    }
}

impl Policies for CedarPolicies {
    fn permits(&self, who: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool {
        self.loaded.load().permits(who, action, object)
    }

    fn might_permit(&self, who: &Arc<Identity>, action: Action) -> bool {
        self.loaded.load().might_permit(who, action)
    }
}

fn read(source: &PolicySource, schema: &Schema) -> Result<LoadedPolicies, PolicyError> {
    let file = source.to_string();
    let PolicySource::File(path) = source else {
        return LoadedPolicies::parse(&file, DEFAULT_POLICIES.to_owned(), schema);
    };
    let unreadable = |source| PolicyError::Unreadable { file: file.clone(), source };
    let whole = |message: &str| {
        let message = message.to_owned();
        PolicyError::Faulty(vec![PolicyFault { file: file.clone(), position: None, message }])
    };
    let mut bytes = Vec::new();
    // One byte more than the limit tells whether the file exceeds it.
    let limit = MAX_BYTES as u64 + 1;
    File::open(path)
        .map_err(unreadable)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(whole("larger than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| whole("not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
    LoadedPolicies::parse(&file, text, schema)
}

//! `[policy]`: who may do what.

use std::path::PathBuf;

use super::{declare::settings, types::optional};

settings! {
    /// Who may do what ([guide](rights.md)).
    pub(crate) struct PolicySettings in "policy" {
        /// A file of Cedar policies.
        file: Option<PathBuf> = optional("path", "the policies that come with metricd");
    }
}

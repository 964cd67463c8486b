//! `[claims]`: which claims of a token templates may use.

use std::collections::BTreeMap;

use metricd_core::claim::ClaimName;
use metricd_infrastructure::auth::ClaimPath;

use crate::config::{declare::settings, reader::SettingsReader, types::entries};

settings! {
    /// Claims that stored SQL may use ([guide](signing-in.md#row-scope)).
    pub(super) struct ClaimSettings in "" {
        /// The claim of the caller's token that fills the slot `:claim_NAME`.
        claims: BTreeMap<String, String> = entries("path of a claim", "NAME");
    }
}

impl ClaimSettings {
    pub(super) fn paths(self, reader: &mut SettingsReader) -> BTreeMap<ClaimName, ClaimPath> {
        let mut paths = BTreeMap::new();
        for (name, path) in self.claims {
            let key = format!("claims.{name}");
            match (ClaimName::parse(name), ClaimPath::parse(path)) {
                (Ok(name), Ok(path)) => {
                    paths.insert(name, path);
                }
                (Err(error), _) => reader.reject(&key, error),
                (_, Err(error)) => reader.reject(&key, error),
            }
        }
        paths
    }
}

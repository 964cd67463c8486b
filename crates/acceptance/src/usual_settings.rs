//! The default settings of scenarios.

use std::{collections::BTreeMap, env};

/// The current time of every scenario that sets no other.
const USUAL_CLOCK: &str = "2025-08-05T12:00:00Z";

/// What every scenario sets, and the `NAME=VALUE` that a run has in `ACCEPTANCE_SETTINGS`, with spaces between them.
/// Nothing here is about speed: a busy machine is no fault of metricd's.
pub(crate) fn usual_settings() -> BTreeMap<String, String> {
    let further = env::var("ACCEPTANCE_SETTINGS").unwrap_or_default();
    let further = further.split_whitespace().filter_map(|setting| setting.split_once('='));
    [
        ("METRICD_CLOCK", USUAL_CLOCK),
        ("METRICD_DATABASE__ACQUIRE_TIMEOUT", "60s"),
        ("METRICD_LIMITS__QUERY_TIMEOUT", "60s"),
        ("METRICD_LIMITS__REQUEST_TIMEOUT", "90s"),
    ]
    .into_iter()
    .chain(further)
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

//! The default settings of scenarios.

use std::collections::BTreeMap;

/// The current time of every scenario that sets no other.
const USUAL_CLOCK: &str = "2025-08-05T12:00:00Z";

/// What every scenario sets. Nothing here is about speed: a busy machine is no fault of metricd's.
pub(crate) fn usual_settings() -> BTreeMap<String, String> {
    [
        ("METRICD_CLOCK", USUAL_CLOCK),
        ("METRICD_DATABASE__ACQUIRE_TIMEOUT", "60s"),
        ("METRICD_LIMITS__QUERY_TIMEOUT", "60s"),
        ("METRICD_LIMITS__REQUEST_TIMEOUT", "90s"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

//! `[query]`: what stored SQL means where neither it nor the request says so.

use chrono_tz::Tz;
use metricd_application::context::Zones;
use metricd_core::window::parse_timezone;

use super::{declare::settings, types::parsed};

settings! {
    /// What stored SQL means where neither it nor the request says so ([guide](time-zones.md)).
    pub(crate) struct QuerySettings in "query" {
        /// The time zone of a request that names none.
        timezone: Tz = parsed("IANA time zone", "UTC", parse_timezone);
        /// The time zone that columns of type `timestamp` are written in.
        timestamp_zone: Tz = parsed("IANA time zone", "UTC", parse_timezone);
    }
}

impl QuerySettings {
    /// Returns the zones that apply where a request says nothing.
    pub(crate) fn zones(&self) -> Zones {
        Zones { default: self.timezone, timestamps: self.timestamp_zone }
    }
}

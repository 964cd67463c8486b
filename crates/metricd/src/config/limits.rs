//! `[limits]`: what a request may cost.

use std::{num::NonZeroU32, time::Duration};

use super::{
    database::{DEFAULT_MAX_CONNECTIONS, DatabaseSettings},
    declare::settings,
    reader::SettingsReader,
    types::{duration, integer, zero_is_none},
};

settings! {
    /// What a request may cost.
    pub(crate) struct LimitSettings in "limits" {
        /// The most rows of one answer.
        max_rows: u32 = integer(10_000).at_least(1);
        /// The most bytes of one answer's rows.
        max_result_bytes: u32 = integer(10 * 1024 * 1024).at_least(1_024);
        /// How many metrics' SQL runs at once, up to `database.max_connections`; the embedded engine
        /// runs one.
        concurrent_queries: u32 =
            integer(DEFAULT_MAX_CONNECTIONS).at_least(1).same_as("database.max_connections");
        /// How many more queries wait in the queue, each for `database.acquire_timeout` at most.
        queued_queries: u32 = integer(100);
        /// The largest body of a request, in bytes.
        max_body_bytes: usize = integer(1024 * 1024).at_least(1_024);
        /// The largest body that uploads many records, in bytes.
        max_upload_bytes: u32 = integer(256 * 1024 * 1024).at_least(1_024);
        /// The most bytes that all header fields of a request take.
        max_header_bytes: usize = integer(32 * 1024).at_least(1_024);
        /// The rate limit of one caller, on average; 0 for none.
        requests_per_second: Option<NonZeroU32> = zero_is_none(100);
        /// How many requests one caller may make at once.
        burst: NonZeroU32 = integer(500).at_least(1);
        /// How many requests of one caller may be in progress at once, each until its response was sent.
        concurrent_requests_per_caller: u32 = integer(256).at_least(1);
        /// How long a request may take.
        request_timeout: Duration = duration("30s");
        /// How long an upload of many records may take.
        upload_timeout: Duration = duration("10m");
        /// The most that a metric's SQL may cost by PostgreSQL's planner, in the planner's units.
        max_cost: u32 = integer(10_000_000).at_least(1);
        /// Up to which cost, in the same units, a metric's SQL is quick: from four concurrent queries on, one place is
        /// kept for quick ones of callers who have no other.
        quick_cost: u32 = integer(1_000);
        /// The most bytes of temporary files that a metric's SQL has at once, on a server where the role of
        /// `database.url` may limit that ([guide](postgresql.md)).
        max_temp_bytes: u32 = integer(1024 * 1024 * 1024).at_least(1024 * 1024);
        /// How long a metric's SQL may run; at most `limits.request_timeout`.
        query_timeout: Duration = duration("25s");
        /// How long an [export](exporting.md) of all rows as CSV may take.
        export_timeout: Duration = duration("10m");
    }
}

impl LimitSettings {
    pub(super) fn validate(&self, database: &DatabaseSettings, reader: &mut SettingsReader) {
        let most = database.max_connections;
        if self.concurrent_queries > most {
            let fault = format_args!("must be at most database.max_connections, which is {most}");
            reader.reject("limits.concurrent_queries", fault);
        }
        for (name, time) in [
            ("limits.query_timeout", self.query_timeout),
            ("database.acquire_timeout", database.acquire_timeout),
        ] {
            if time > self.request_timeout {
                let fault = format_args!(
                    "must be at most limits.request_timeout, which is {}: the request has failed by then",
                    humantime::format_duration(self.request_timeout)
                );
                reader.reject(name, fault);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn what_a_request_waits_for_may_not_last_longer_than_the_request() {
        let faults = load(
            "[database]\nacquire_timeout = '6s'\n[limits]\nrequest_timeout = '5s'\nquery_timeout = '1m 30s'\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "limits.query_timeout: must be at most limits.request_timeout, which is 5s",
            "database.acquire_timeout: must be at most limits.request_timeout",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        load("[database]\nacquire_timeout = '5s'\n[limits]\nrequest_timeout = '5s'\nquery_timeout = '5s'\n")
            .unwrap();
    }
}

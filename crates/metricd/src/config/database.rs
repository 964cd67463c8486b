//! `[database]`: which PostgreSQL, and how metricd connects to it.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    declare::settings,
    reader::SettingsReader,
    types::{duration, duration_or_zero, integer, optional, parsed},
};

/// How many connections each pool has unless set, and so how many queries run at once.
pub(super) const DEFAULT_MAX_CONNECTIONS: u32 = 10;

settings! {
    /// Where the data is ([guide](postgresql.md)).
    pub(crate) struct DatabaseSettings in "database" {
        /// The URL of a PostgreSQL server, `postgres://…`.
        url: Option<SecretString> =
            optional("URL, secret", "the embedded engine"), env "DATABASE_URL";
        /// The same database as a role that can only read, for stored SQL.
        reader_url: Option<SecretString> =
            optional("URL, secret", "a role that metricd makes"), env "READER_DATABASE_URL";
        /// The size of each of two connection pools: metricd's own, and the one that runs stored SQL.
        /// The embedded engine has one connection for both.
        max_connections: u32 = integer(DEFAULT_MAX_CONNECTIONS).at_least(1);
        /// How long a request waits for a connection; at most `limits.request_timeout`.
        acquire_timeout: Duration = duration("5s");
        /// How long `metricd serve` waits for a server that is not there yet.
        start_timeout: Duration = duration_or_zero("30s");
        /// How many bytes of memory the embedded engine may take before it is started anew, once it is
        /// idle. At twice as many it is ended while it works. Linux alone tells what it takes.
        embedded_memory: u32 = integer(1024 * 1024 * 1024).at_least(512 * 1024 * 1024);
        /// The role that stored SQL runs as, and whose grants say what it may read. metricd makes it
        /// unless `database.reader_url` is set.
        reader_role: String = parsed("role name", "metricd_reader", role_name);
    }
}

impl DatabaseSettings {
    pub(super) fn validate(&self, reader: &mut SettingsReader) {
        let is_empty = |url: &SecretString| url.expose_secret().trim().is_empty();
        if self.url.as_ref().is_some_and(is_empty) {
            let fault = "is empty: give DATABASE_URL as postgres://…, or leave it out to use the embedded engine";
            reader.reject("database.url", fault);
        }
        if self.reader_url.is_some() && self.url.is_none() {
            let fault = "DATABASE_URL is missing, and the embedded engine has no roles";
            reader.reject("database.reader_url", fault);
        }
    }
}

/// Reads the name of a role that can be made: PostgreSQL would cut a longer one, and reserves some.
fn role_name(text: &str) -> Result<String, &'static str> {
    let is_reserved = text.starts_with("pg_") || matches!(text, "public" | "none");
    if text.is_empty() || text.len() > 63 || text.contains('\0') || is_reserved {
        return Err("must be a role's name: 1 to 63 bytes, and not reserved by PostgreSQL");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load;

    #[test]
    fn an_empty_url_is_not_taken_for_none() {
        for url in ["", "  "] {
            let faults = load(&format!("[database]\nurl = '{url}'\n")).unwrap_err().to_string();
            assert!(faults.contains("database.url: is empty"), "{faults}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let config = load("[database]\nurl = 'postgres://ann:hunter2@db/shop'\n").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(config.database.url.unwrap().expose_secret().contains("hunter2"));
    }

    #[test]
    fn the_reader_is_checked_and_its_address_is_a_secret() {
        let faults = load(
            "[database]\nreader_url = 'postgres://ann:hunter2@db/shop'\nreader_role = 'pg_x'\n\
             max_connections = 4\n[limits]\nconcurrent_queries = 5\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "database.reader_url: DATABASE_URL is missing",
            "database.reader_role: must be a role's name",
            "limits.concurrent_queries: must be at most",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert!(!faults.contains("hunter2"), "{faults}");

        let config = load(
            "[database]\nurl = 'postgres://db/shop'\nmax_connections = 4\n\
             reader_url = 'postgres://ann:hunter2@db/shop'\n",
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.limits.concurrent_queries, 4);
    }
}

//! The top level: where the process listens and keeps its files.

use std::{net::SocketAddr, path::PathBuf};

use chrono::{DateTime, Utc};

use super::{
    declare::settings,
    types::{optional_parsed, parsed, path},
};

settings! {
    /// The process itself. These keys stand at the top of the file, before any section.
    pub(crate) struct GeneralSettings in "" {
        /// The address and port to listen on; port 0 takes a free one. Flag: `--listen`.
        listen: SocketAddr = parsed("address and port", "127.0.0.1:8000", listen);
        /// The folder of the embedded database and of the development issuer's key. Flag: `--data-dir`.
        data_dir: PathBuf = path(".metricd");
        /// An instant at which the clock stands still, for tests.
        clock: Option<DateTime<Utc>> = optional_parsed("RFC 3339 instant", "the machine's clock", clock);
    }
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8000")
}

fn clock(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| "must be an instant such as 2025-06-30T12:00:00Z")
}

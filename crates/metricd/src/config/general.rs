//! The top level: where the process listens, keeps its files, and logs.

use std::{net::SocketAddr, path::PathBuf};

use chrono::{DateTime, Utc};
use tracing_subscriber::filter::{LevelFilter, Targets};

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
        /// What is logged, as `tracing` directives such as `info,metricd_web=debug`.
        log: Targets = parsed("directives", "info", log);
        /// An instant at which the clock stands still, for tests.
        clock: Option<DateTime<Utc>> = optional_parsed("RFC 3339 instant", "the machine's clock", clock);
    }
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8000")
}

fn log(text: &str) -> Result<Targets, String> {
    let targets = text.parse::<Targets>().map_err(|error| error.to_string())?;
    // A word alone is a level, or else a target of which everything would be logged.
    let is_unknown = |word: &&str| {
        let is_target = word.contains(['=', ':']) || word.starts_with("metricd");
        !is_target && word.parse::<LevelFilter>().is_err()
    };
    match text.split(',').map(str::trim).find(is_unknown) {
        Some(word) if !word.is_empty() => {
            Err(format!("`{word}` is no level: off, error, warn, info, debug or trace"))
        }
        _ => Ok(targets),
    }
}

fn clock(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .map_err(|_| "must be an instant such as 2025-06-30T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in
            ["info", "WARN", "info,metricd_web=debug", "metricd_web", "hyper::proto=trace", "off"]
        {
            assert!(log(text).is_ok(), "{text}");
        }
        for text in ["verbose", "info,loud", "information"] {
            assert!(log(text).unwrap_err().contains("is no level"), "{text}");
        }
    }
}

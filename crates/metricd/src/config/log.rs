//! `[log]`: what is logged.

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{
    declare::settings,
    types::{integer, parsed},
};

settings! {
    /// What is logged, on standard error: JSON lines, or plain ones on a terminal
    /// ([guide](monitoring.md#logs)).
    pub(crate) struct LogSettings in "log" {
        /// What is logged, as `tracing` directives such as `info,metricd_web=debug`.
        filter: Targets = parsed("directives", "info", filter), env "METRICD_LOG";
        /// Of so many requests that are answered from memory with 2xx or 304, one is logged, with their number as `sampled`.
        /// Other requests are all logged.
        sample_hits: u32 = integer(1).at_least(1);
    }
}

fn filter(text: &str) -> Result<Targets, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in
            ["info", "WARN", "info,metricd_web=debug", "metricd_web", "hyper::proto=trace", "off"]
        {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["verbose", "info,loud", "information"] {
            assert!(filter(text).unwrap_err().contains("is no level"), "{text}");
        }
    }
}

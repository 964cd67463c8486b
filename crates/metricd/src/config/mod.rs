//! Settings: defaults, then `metricd.toml`, then the environment, then flags. All of them are read
//! and checked before anything starts, and every fault is listed at once.
//!
//! One file for each section, which declares its settings; see [`declare`].

mod auth;
mod cache;
mod database;
mod declare;
mod general;
mod generation;
mod http;
mod limits;
mod log;
mod policy;
mod query;
mod reader;
mod reference;
mod seed;
mod shutdown;
mod sources;
mod sql;
mod telemetry;
mod types;

use std::fmt;

pub(crate) use auth::{AuthSettings, TrustedIssuer};
pub(crate) use cache::CacheSettings;
pub(crate) use database::DatabaseSettings;
pub(crate) use general::GeneralSettings;
pub(crate) use generation::GenerationSettings;
pub(crate) use http::HttpSettings;
pub(crate) use limits::LimitSettings;
pub(crate) use log::LogSettings;
pub(crate) use policy::PolicySettings;
pub(crate) use query::QuerySettings;
pub(crate) use reference::reference;
pub(crate) use seed::SeedSettings;
pub(crate) use shutdown::ShutdownSettings;
pub(crate) use sources::Flags;
pub(crate) use sql::SqlSettings;
pub(crate) use telemetry::{TelemetrySettings, TracesSettings};

use declare::{SectionDeclaration, Setting, SettingsSection};
use reader::SettingsReader;

/// All settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) general: GeneralSettings,
    pub(crate) log: LogSettings,
    pub(crate) database: DatabaseSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) cache: CacheSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) policy: PolicySettings,
    pub(crate) http: HttpSettings,
    pub(crate) sql: SqlSettings,
    pub(crate) query: QuerySettings,
    pub(crate) generation: GenerationSettings,
    pub(crate) seed: SeedSettings,
    pub(crate) shutdown: ShutdownSettings,
    pub(crate) telemetry: TelemetrySettings,
}

/// Everything that is wrong with the settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidSettings(Vec<String>);

impl InvalidSettings {
    /// Returns each fault by itself.
    pub(crate) fn into_faults(self) -> Vec<String> {
        self.0
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

impl std::error::Error for InvalidSettings {}

impl Config {
    /// Reads the settings from all their sources.
    pub(crate) fn load(flags: &Flags) -> Result<Self, InvalidSettings> {
        Self::load_from(flags, true)
    }

    fn load_from(flags: &Flags, reads_environment: bool) -> Result<Self, InvalidSettings> {
        let (figment, faults) = sources::merge(flags, reads_environment, &declared_settings());
        let mut reader = SettingsReader::new(figment, faults);
        let config = Self::read(&mut reader);
        config.validate(&mut reader);
        let faults = reader.into_faults();
        if faults.is_empty() { Ok(config) } else { Err(InvalidSettings(faults)) }
    }

    /// Checks what concerns several settings.
    fn validate(&self, reader: &mut SettingsReader) {
        self.generation.validate(&self.limits, reader);
        self.database.validate(reader);
        self.limits.validate(&self.database, reader);
    }
}

impl SettingsSection for Config {
    fn declarations() -> Vec<SectionDeclaration> {
        [
            GeneralSettings::declarations(),
            LogSettings::declarations(),
            DatabaseSettings::declarations(),
            LimitSettings::declarations(),
            CacheSettings::declarations(),
            AuthSettings::declarations(),
            PolicySettings::declarations(),
            HttpSettings::declarations(),
            SqlSettings::declarations(),
            QuerySettings::declarations(),
            GenerationSettings::declarations(),
            SeedSettings::declarations(),
            ShutdownSettings::declarations(),
            TelemetrySettings::declarations(),
        ]
        .concat()
    }

    fn read(reader: &mut SettingsReader) -> Self {
        Self {
            general: GeneralSettings::read(reader),
            log: LogSettings::read(reader),
            database: DatabaseSettings::read(reader),
            limits: LimitSettings::read(reader),
            cache: CacheSettings::read(reader),
            auth: AuthSettings::read(reader),
            policy: PolicySettings::read(reader),
            http: HttpSettings::read(reader),
            sql: SqlSettings::read(reader),
            query: QuerySettings::read(reader),
            generation: GenerationSettings::read(reader),
            seed: SeedSettings::read(reader),
            shutdown: ShutdownSettings::read(reader),
            telemetry: TelemetrySettings::read(reader),
        }
    }
}

fn declared_settings() -> Vec<Setting> {
    Config::declarations().into_iter().flat_map(|section| section.settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn load(toml: &str) -> Result<Config, InvalidSettings> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("metricd.toml");
        std::fs::write(&file, toml).unwrap();
        // A test does not depend on the machine's variables.
        Config::load_from(&Flags { config: Some(file), ..Flags::default() }, false)
    }

    #[test]
    fn all_faults_are_reported_without_any_value() {
        let faults = load(
            "listen = 'nowhere'\nmax_rows = 5\n\
             [database]\nmax_connections = 'hunter2'\n\
             [limits]\nrequest_timeout = 'soon'\nmax_rows = 0\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "listen: must be an address",
            "no setting `max_rows`",
            "database.max_connections: must be",
            "limits.request_timeout: must be a time",
            "limits.max_rows: must be at least 1",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert!(!faults.contains("hunter2"), "{faults}");
    }

    #[test]
    fn a_file_that_is_not_toml_is_one_fault() {
        let InvalidSettings(faults) = load("listen = ").unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}

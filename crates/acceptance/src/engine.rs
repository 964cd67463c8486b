//! The two database engines that every scenario runs on.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::edge;

/// The database engine of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestEngine {
    /// The PostgreSQL inside metricd.
    Embedded,
    /// A PostgreSQL server that metricd is pointed at.
    Native,
}

impl TestEngine {
    /// Those of a run, in the order in which they are run: both, unless it has an [edge], whose servers share a database.
    #[must_use]
    pub fn of_run() -> &'static [Self] {
        if edge::is_used() { &[Self::Native] } else { &[Self::Embedded, Self::Native] }
    }

    /// Whether a scenario with these tags runs on this engine: one tagged `@native` or `@embedded`
    /// runs on that engine alone.
    pub fn runs<'t>(self, tags: impl IntoIterator<Item = &'t String>) -> bool {
        let other = match self {
            Self::Embedded => "native",
            Self::Native => "embedded",
        };
        tags.into_iter().all(|tag| tag != other)
    }
}

impl fmt::Display for TestEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Native => "native",
        })
    }
}

/// The content of a scenario's database before its first step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing at all: metricd has never seen it.
    Untouched,
    /// metricd's tables, empty.
    #[default]
    Migrated,
    /// The sample catalog.
    Sample,
}

/// Where a scenario's database is.
#[derive(Debug, Clone)]
pub enum DatabaseLocation {
    /// A data folder.
    Embedded {
        /// The folder, which metricd makes when it does not exist.
        data_dir: PathBuf,
    },
    /// A database of the run's PostgreSQL.
    Native {
        /// Its name.
        name: String,
        /// Its `DATABASE_URL`.
        url: String,
        /// Its reader role, if it must have one of its own: roles belong to the server, and only
        /// databases that were copied from one another can share theirs.
        reader_role: Option<String>,
    },
}

impl DatabaseLocation {
    /// Returns the settings that point metricd at it.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        match self {
            Self::Embedded { .. } => BTreeMap::new(),
            Self::Native { url, reader_role, .. } => {
                let role = reader_role.iter().cloned();
                let role = role.map(|role| ("METRICD_DATABASE__READER_ROLE".into(), role));
                [("DATABASE_URL".into(), url.clone())].into_iter().chain(role).collect()
            }
        }
    }

    /// Returns the arguments that point metricd at it.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Self::Embedded { data_dir } => {
                vec!["--data-dir".into(), data_dir.display().to_string()]
            }
            Self::Native { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_a_scenario_to_one_engine() {
        let runs = |engine: TestEngine, tag: &str| engine.runs(&[tag.to_owned()]);
        assert!(runs(TestEngine::Native, "native") && !runs(TestEngine::Embedded, "native"));
        assert!(runs(TestEngine::Embedded, "embedded") && !runs(TestEngine::Native, "embedded"));
        assert!(runs(TestEngine::Native, "slow") && runs(TestEngine::Embedded, "slow"));
    }
}

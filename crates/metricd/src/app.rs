//! The composition root: which adapter stands behind which port.

use std::sync::Arc;

use metricd_application::ports::{Clock, Ports};
use metricd_infrastructure::{
    db::{Database, DatabaseConfig, Target},
    generation::RawRecords,
    system::{FixedClock, RandomIds, SystemClock},
};

use crate::config::Config;

/// Connects to the database that the settings name, or starts the embedded one.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Database> {
    let target = match &config.database.url {
        Some(url) => Target::Url(url.expose().to_owned()),
        None => Target::Embedded { data_dir: config.data_dir.clone() },
    };
    let database = Database::connect(DatabaseConfig {
        target,
        max_connections: config.database.max_connections,
        acquire_timeout: config.database.acquire_timeout,
        query_deadline: config.limits.query_timeout,
        reader_role: config.database.reader_role.clone(),
    });
    Ok(database.await?)
}

/// Every port, on `database`.
pub(crate) fn ports(config: &Config, database: &Database) -> Ports {
    let clock: Arc<dyn Clock> = match config.clock {
        Some(instant) => Arc::new(FixedClock(instant)),
        None => Arc::new(SystemClock),
    };
    Ports {
        catalog: database.catalog(),
        store: database.store(),
        runner: database.runner(),
        generator: Arc::new(RawRecords),
        clock,
        ids: Arc::new(RandomIds),
        max_rows: config.limits.max_rows,
    }
}

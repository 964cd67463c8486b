//! The database of a command that runs once.

use std::time::Duration;

use metricd_application::context::Context;

use crate::{app, config::Config};

/// Connects, says to which database, migrates the schema, does `work`, and closes the database.
pub(super) async fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(Context) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let policies = app::policies(config, None)?;
    let database = app::connect(config, Duration::ZERO).await?;
    super::output::print_database(&database.address());
    let result = match database.migrate().await {
        Ok(()) => match app::context(config, &database, policies) {
            Ok(context) => work(context).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    };
    database.close().await;
    result
}

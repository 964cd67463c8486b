//! `metricd migrate`

use std::process::ExitCode;

use crate::config::Config;

pub(crate) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    super::database::with_database(config, async |_| Ok(())).await?;
    super::output::print("The database is up to date.\n")?;
    Ok(ExitCode::SUCCESS)
}

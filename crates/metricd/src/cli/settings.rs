//! `metricd settings`

use std::process::ExitCode;

use crate::config;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    super::output::print(&config::reference())?;
    Ok(ExitCode::SUCCESS)
}

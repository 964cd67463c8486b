//! `metricd settings`

use std::process::ExitCode;

use crate::config;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    super::print(&config::reference())?;
    Ok(ExitCode::SUCCESS)
}

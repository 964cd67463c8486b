//! `metricd openapi`

use std::process::ExitCode;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let document = metricd_web::openapi::document().to_pretty_json()?;
    super::output::print(&format!("{document}\n"))?;
    Ok(ExitCode::SUCCESS)
}

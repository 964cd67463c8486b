//! metricd: business metrics from SQL in PostgreSQL, served for a date window.

mod app;
mod cli;
mod config;
mod demo;
mod identity;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}

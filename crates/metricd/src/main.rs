//! metricd: business metrics from SQL in PostgreSQL, served for a date window.

mod app;
mod cli;
mod config;
mod demo;
mod identity;
mod memory;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;

/// A request allocates and frees many small objects, across threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            cli::output::print_error(&error);
            cli::exit::code(&error)
        }
    }
}

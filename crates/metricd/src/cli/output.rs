//! What commands print.

use std::io::Write as _;

use clap::ValueEnum;

/// The format of a command's output: for people or for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// A table.
    #[default]
    Table,
    /// One JSON document.
    Json,
}

/// Prints a command's output. A closed pipe, as behind `head`, is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints an error with all its causes on standard error.
pub(crate) fn print_error(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    // Nothing is left to do when even this cannot be written.
    let _ = writeln!(err, "error: {error:#}");
}

/// Says on standard error which database a command works with.
pub(crate) fn print_database(address: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "database: {address}");
}

//! A reverse proxy before metricd, where a run is to send its requests through one.
//!
//! What it is, is no matter of the harness: `ACCEPTANCE_EDGE` names a program that starts it before the servers whose
//! addresses are its arguments, prints the URL that callers use, and ends it when its own standard input ends.
//! `ACCEPTANCE_EDGE_SERVERS` says before how many servers on one database (without it: 2), and `ACCEPTANCE_EDGE_CA`
//! which file holds the certificate that its callers trust, and no other.

use std::{env, ffi::OsString, path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use reqwest::Certificate;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

use crate::process;

/// A running reverse proxy.
#[derive(Debug)]
pub(crate) struct Edge {
    /// The beginning of its URLs, without a slash at the end.
    pub(crate) url: String,
    process: Child,
    input: Option<ChildStdin>,
}

fn program() -> Option<OsString> {
    env::var_os("ACCEPTANCE_EDGE")
}

/// Whether the run sends its requests through one.
#[must_use]
pub fn is_used() -> bool {
    program().is_some()
}

/// Returns how many servers each scenario has: one, unless the run has an edge.
///
/// # Errors
/// When the number is none.
pub(crate) fn servers() -> Result<usize> {
    match env::var("ACCEPTANCE_EDGE_SERVERS") {
        _ if !is_used() => Ok(1),
        Ok(number) => number.parse().context("ACCEPTANCE_EDGE_SERVERS"),
        Err(_) => Ok(2),
    }
}

/// Returns the certificate that callers trust in place of the machine's, if any.
///
/// # Errors
/// When its file cannot be read.
pub(crate) fn trusted() -> Result<Option<Certificate>> {
    let Some(file) = env::var_os("ACCEPTANCE_EDGE_CA") else { return Ok(None) };
    let pem = std::fs::read(&file).context("ACCEPTANCE_EDGE_CA")?;
    Ok(Some(Certificate::from_pem(&pem)?))
}

impl Edge {
    /// Starts one before these addresses, if the run has one.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn start(addresses: &[&str], folder: &Path) -> Result<Option<Self>> {
        let Some(program) = program() else { return Ok(None) };
        let mut command = Command::new(program);
        command.args(addresses).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start ACCEPTANCE_EDGE")?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("it has no standard output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let read = tokio::time::timeout(process::TIMEOUT, output.read_line(&mut line));
        read.await.context("ACCEPTANCE_EDGE hangs")??;
        ensure!(!line.is_empty(), "ACCEPTANCE_EDGE has ended");
        Ok(Some(Self { url: line.trim().to_owned(), process, input }))
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it hangs.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        let ended = tokio::time::timeout(process::TIMEOUT, self.process.wait());
        let status = ended.await.context("ACCEPTANCE_EDGE does not stop")??;
        ensure!(status.success(), "ACCEPTANCE_EDGE has ended with {status}");
        Ok(())
    }
}

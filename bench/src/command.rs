//! Runs a program to its end on the core of the servers, and measures its time and memory.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    ground::Ground,
    server::{Program, memory},
};

/// The interval between two samples of the program's peak memory.
const PAUSE: Duration = Duration::from_millis(10);

/// The resources that a program used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Its running time.
    pub(crate) time: Duration,
    /// Its peak memory, in bytes.
    pub(crate) memory: u64,
}

/// Runs a program in the run's folder.
///
/// # Errors
/// When it fails; with its output.
pub(crate) async fn run(
    ground: &Ground,
    program: &Path,
    arguments: &[&str],
    settings: BTreeMap<String, String>,
) -> Result<Usage> {
    let command: Vec<String> = [&[program.to_str().unwrap_or_default()][..], arguments]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let log = ground.folder().join("command.log");
    let program = Program {
        command: &command,
        settings,
        folder: ground.folder(),
        log: log.clone(),
        core: &ground.cores.server,
    };
    let begun = Instant::now();
    let mut process = program.command()?.spawn()?;
    let pid = process.id().context("it has ended")?;
    ground.watchdog.watch(pid);
    let mut most = 0;
    let status = loop {
        tokio::select! {
            status = process.wait() => break status?,
            () = tokio::time::sleep(PAUSE) => most = memory(pid, "VmHWM").unwrap_or(most),
        }
    };
    let time = begun.elapsed();
    ground.watchdog.leave(pid);
    if !status.success() {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("{} ({status}): {said}", command.join(" "));
    }
    Ok(Usage { time, memory: most })
}

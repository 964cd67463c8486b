//! A program that runs to its end on the core of the servers: how long it takes, and how much memory.

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

/// How often the kernel is asked how much memory the program has held.
const PAUSE: Duration = Duration::from_millis(10);

/// What a program has taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// How long it ran.
    pub(crate) time: Duration,
    /// The most bytes that it held at once.
    pub(crate) memory: u64,
}

/// Runs a program in the run's folder.
///
/// # Errors
/// When it fails; with what it said.
pub(crate) async fn run(
    ground: &Ground,
    program: &Path,
    arguments: &[&str],
    settings: BTreeMap<String, String>,
) -> Result<Taken> {
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
    Ok(Taken { time, memory: most })
}

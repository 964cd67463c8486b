//! Programs that a scenario runs.

use std::{
    collections::BTreeMap,
    env,
    ops::ControlFlow,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

/// A program that runs longer than this hangs.
pub const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(10);

/// What a program said before it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it logged or complained of.
    pub stderr: String,
}

impl Output {
    /// Everything it wrote.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The program with nothing of this machine's environment but what every program needs, so that a
/// developer's own settings do not reach the tests.
#[must_use]
pub fn command(program: &Path, folder: &Path, settings: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "RUST_BACKTRACE"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(settings)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started or hangs.
pub async fn run(mut command: Command) -> Result<Output> {
    let name = command.as_std().get_program().display().to_string();
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.with_context(|| format!("{name} hangs"))?;
    let output = output.with_context(|| format!("cannot start {name}"))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Sends a signal such as `TERM` to a process of ours.
///
/// # Errors
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) -> Result<()> {
    let script = format!("kill -s {name} {pid}");
    let sent = Command::new("sh").args(["-c", &script]).output().await?;
    ensure!(sent.status.success(), "kill: {}", String::from_utf8_lossy(&sent.stderr));
    Ok(())
}

/// Looks again and again until there is what was looked for.
///
/// # Errors
/// When a look fails, or with what the last one was left with when patience ends.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Result<ControlFlow<T, String>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await? {
            ControlFlow::Break(found) => return Ok(found),
            ControlFlow::Continue(instead) => ensure!(Instant::now() < deadline, instead),
        }
        sleep(PAUSE).await;
    }
}

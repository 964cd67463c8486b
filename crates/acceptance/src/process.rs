//! Programs that a scenario runs, and waiting for what they do.

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

/// The longest wait for anything: a program that takes longer hangs.
pub const TIMEOUT: Duration = Duration::from_mins(2);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The output of a program that has ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error: logs and errors.
    pub stderr: String,
}

impl Output {
    /// Returns all of it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Returns a command with no more of this machine's environment than every program needs, so that
/// a developer's own settings do not reach the tests.
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
    let output = tokio::time::timeout(TIMEOUT, command.output());
    let output = output.await.with_context(|| format!("{name} hangs"))?;
    let output = output.with_context(|| format!("cannot start {name}"))?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Sends a signal such as `TERM` to a process.
///
/// # Errors
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) -> Result<()> {
    let script = format!("kill -s {name} {pid}");
    let sent = Command::new("sh").args(["-c", &script]).output().await?;
    ensure!(sent.status.success(), "kill: {}", String::from_utf8_lossy(&sent.stderr));
    Ok(())
}

/// Returns the only child of a process, when it has one.
///
/// # Errors
/// When it never does.
pub async fn child_of(pid: u32) -> Result<u32> {
    poll_until(async || {
        Ok(match children(pid)?.as_slice() {
            [child] => ControlFlow::Break(*child),
            others => ControlFlow::Continue(format!("its children are {others:?}")),
        })
    })
    .await
}

/// Returns the processes that a process has started.
///
/// # Errors
/// When there is no such process.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may have ended.
        let listed = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(children)
}

/// Waits until a process has ended.
///
/// # Errors
/// When it goes on.
pub async fn until_gone(pid: u32) -> Result<()> {
    poll_until(async || {
        Ok(if Path::new(&format!("/proc/{pid}")).exists() {
            ControlFlow::Continue(format!("process {pid} goes on"))
        } else {
            ControlFlow::Break(())
        })
    })
    .await
}

/// Polls until a condition holds, and returns what was found.
///
/// # Errors
/// When the condition fails, or with its last message after [`TIMEOUT`].
pub async fn poll_until<T>(
    mut condition: impl AsyncFnMut() -> Result<ControlFlow<T, String>>,
) -> Result<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match condition().await? {
            ControlFlow::Break(found) => return Ok(found),
            ControlFlow::Continue(message) => ensure!(Instant::now() < deadline, message),
        }
        sleep(POLL_INTERVAL).await;
    }
}

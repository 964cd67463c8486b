//! Ends the processes of a run that can no longer end them itself.
//!
//! A run that is killed drops no guards. A small shell outlives it with the list of process ids that
//! the run gave it; when its input ends, it ends them and removes the run's folder.

use std::{
    io::Write as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids=
while read -r verb pid; do
    case $verb in
        watch) pids="$pids $pid" ;;
        leave)
            kept=
            for other in $pids; do [ "$other" = "$pid" ] || kept="$kept $other"; done
            pids=$kept ;;
    esac
done
if [ -n "$pids" ]; then
    kill -INT $pids
    sleep 2
    kill -KILL $pids
fi 2>/dev/null
rm -rf "$1"
"#;

/// The shell that outlives the run.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
    input: Mutex<Option<ChildStdin>>,
}

impl Watchdog {
    /// Starts the shell. When the run has ended, it removes `folder`.
    ///
    /// # Errors
    /// When there is no `sh`.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start `sh`")?;
        let input = Mutex::new(shell.stdin.take());
        Ok(Self { shell, input })
    }

    /// Adds a process, which is ended if this run dies before it.
    pub fn watch(&self, pid: u32) {
        self.write("watch", pid);
    }

    /// Removes a process that has ended: its id may be given to another.
    pub fn leave(&self, pid: u32) {
        self.write("leave", pid);
    }

    fn write(&self, verb: &str, pid: u32) {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = input.as_mut() {
            // The run goes on without a shell that was killed.
            let _ = writeln!(input, "{verb} {pid}");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_ends_with_the_run_and_its_folder_goes() {
        let folder = tempfile::tempdir().unwrap();
        let sleep = || Command::new("sleep").arg("600").spawn().unwrap();
        let (mut watched, mut left) = (sleep(), sleep());

        let watchdog = Watchdog::start(folder.path()).unwrap();
        watchdog.watch(watched.id());
        watchdog.watch(left.id());
        watchdog.leave(left.id());
        drop(watchdog);

        assert!(!watched.wait().unwrap().success());
        assert!(left.try_wait().unwrap().is_none());
        assert!(!folder.path().exists());
        left.kill().unwrap();
        left.wait().unwrap();
    }
}

//! The process of the embedded PostgreSQL, as metricd sees it.

use std::{
    fmt, io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{
    cache,
    folder::DataFolder,
    protocol::{FOLDER_VARIABLE, Word, order},
};
use crate::{db::connect::EngineCommand, disk};

/// How long the engine may take to start, on a slow or busy machine.
pub(super) const START_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the engine may take to end when it is told to.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes of its disk it takes to start the engine.
const LEAST_ROOM: u64 = 2 * 1024 * 1024;

/// How long the last words of a process that has ended may take.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// How the engine's protocol loop ends once a COPY has failed: it takes the end of the connection for input that is left.
/// The rollback was done by then, and the log has what was committed.
const AFTER_FAILED_COPY: &str = "did not drain buffered input";

/// A signal that nothing a query does sends.
const FROM_OUTSIDE: [i32; 4] = [1, 2, 9, 15];

/// A running process. Dropped, it is killed.
pub(super) struct EngineProcess {
    child: Child,
    pid: u32,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    last_word: Option<String>,
}

/// What a process does by itself.
pub(super) enum Event {
    /// It answers a ping.
    Alive,
    /// It has ended.
    Ended(Ending),
}

/// How a process has ended.
#[derive(Debug, Error)]
pub(super) struct Ending {
    status: ExitStatus,
    last_word: Option<String>,
}

impl Ending {
    /// Whether another process has ended it, and not what it did.
    pub(super) fn is_from_outside(&self) -> bool {
        self.status.signal().is_some_and(|signal| FROM_OUTSIDE.contains(&signal))
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last_word {
            Some(word) => write!(f, "its process ended ({}): {word}", self.status),
            None => write!(f, "its process ended ({})", self.status),
        }
    }
}

/// Why a process did not start.
#[derive(Debug, Error)]
pub(super) enum StartError {
    #[error("another process works with the files")]
    InUse,
    #[error("{0}")]
    Ended(Ending),
    #[error("its process says nothing")]
    Silent,
    #[error("its disk is full: make room")]
    NoRoom,
    #[error("its process cannot be started")]
    Io(#[from] io::Error),
}

impl EngineProcess {
    /// Starts a process, and waits until it takes a connection.
    pub(super) async fn start(
        command: &EngineCommand,
        folder: &DataFolder,
    ) -> Result<Self, StartError> {
        // Its library writes some files anew at each start, which must not be cut short.
        if disk::free_bytes(folder.dir()).is_ok_and(|free| free < LEAST_ROOM) {
            return Err(StartError::NoRoom);
        }
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .env(FOLDER_VARIABLE, folder.dir())
            .envs(cache::of(folder.dir())?.variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let pid = child.id().ok_or_else(missing)?;
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?).lines();
        tokio::spawn(log(child.stderr.take().ok_or_else(missing)?));
        let mut process = Self { child, pid, input, output, last_word: None };
        let started = tokio::time::timeout(START_TIMEOUT, process.until_ready());
        started.await.unwrap_or(Err(StartError::Silent))?;
        Ok(process)
    }

    async fn until_ready(&mut self) -> Result<(), StartError> {
        while let Some(line) = self.output.next_line().await? {
            match Word::read(&line) {
                Some(Word::Ready) => return Ok(()),
                Some(Word::InUse) => return Err(StartError::InUse),
                Some(Word::Failed(reason)) => self.last_word = Some(reason),
                Some(Word::Alive) | None => {}
            }
        }
        let status = self.child.wait().await?;
        Err(StartError::Ended(Ending { status, last_word: self.last_word.take() }))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the next event. A caller that stops waiting loses none.
    pub(super) async fn next(&mut self) -> Event {
        let mut is_open = true;
        loop {
            tokio::select! {
                biased;
                line = self.output.next_line(), if is_open => match line {
                    Ok(Some(line)) => match Word::read(&line) {
                        Some(Word::Alive) => return Event::Alive,
                        Some(Word::Failed(reason)) => self.last_word = Some(reason),
                        _ => {}
                    },
                    Ok(None) | Err(_) => is_open = false,
                },
                status = self.child.wait() => {
                    // It was this process's child: there is a status.
                    let status = status.unwrap_or_default();
                    self.read_last_word().await;
                    return Event::Ended(Ending { status, last_word: self.last_word.take() });
                }
            }
        }
    }

    async fn read_last_word(&mut self) {
        let rest = async {
            while let Ok(Some(line)) = self.output.next_line().await {
                if let Some(Word::Failed(reason)) = Word::read(&line) {
                    self.last_word = Some(reason);
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, rest).await;
    }

    async fn order(&mut self, order: &str) {
        // One that has ended is noticed elsewhere.
        let _ = self.input.write_all(format!("{order}\n").as_bytes()).await;
    }

    /// Asks for an answer, which is an event.
    pub(super) async fn ping(&mut self) {
        self.order(order::PING).await;
    }

    /// Has it end, as its connection is closed, or ends it.
    pub(super) async fn stop(mut self) {
        self.order(order::STOP).await;
        let ended = async {
            loop {
                if let Event::Ended(ending) = self.next().await {
                    return ending;
                }
            }
        };
        match tokio::time::timeout(STOP_TIMEOUT, ended).await {
            Ok(ending) if ending.status.success() => {}
            Ok(ending)
                if ending
                    .last_word
                    .as_ref()
                    .is_some_and(|word| word.contains(AFTER_FAILED_COPY)) =>
            {
                tracing::debug!(%ending, "Embedded PostgreSQL stopped after a COPY that failed");
            }
            Ok(ending) => tracing::warn!(%ending, "Embedded PostgreSQL did not shut down cleanly"),
            Err(_) => {
                tracing::warn!("Embedded PostgreSQL is still running and is ended");
                self.kill().await;
            }
        }
    }

    /// Ends it at once.
    pub(super) async fn kill(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "Embedded PostgreSQL cannot be ended");
        }
    }

    /// How many bytes of memory it takes; `None` where the system does not tell.
    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        Some(kilobytes * 1024)
    }
}

/// Logs what the process writes to its standard error: usually nothing.
async fn log(errors: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(errors).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        tracing::warn!(%line, "Embedded PostgreSQL has written to standard error");
    }
}

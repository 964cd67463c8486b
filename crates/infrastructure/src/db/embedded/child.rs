//! What runs in the process of the embedded PostgreSQL: the engine behind a socket, until metricd orders it to stop
//! or is gone.
//!
//! Never outlives metricd: where that ended without a word, the engine ends in the middle of what it does, and its log
//! brings its files back to the last commit.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pglite_oxide::PgliteProxy;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    folder,
    protocol::{FOLDER_VARIABLE, Word, order},
    trap::OnTrap,
};
use crate::db::stop_words;

/// The stack of the engine's machine. PostgreSQL has another one in its memory, which nothing guards: its own check of
/// the depth needs what WebAssembly does not tell. This one is small enough to be exhausted first, by whatever recurses:
/// with twice as much, a nested `tsquery` damages the memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long the process of a metricd that was killed may take to end.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(10);
const ORPHAN_PAUSE: Duration = Duration::from_millis(10);

/// The lock on the engine's files, as the engine's library takes it where it is not given a socket.
const LOCK_NAME: &str = ".pglite-oxide.lock";

/// Another process works with the engine's files.
#[derive(Debug, Error)]
#[error("another process works with the files")]
struct FilesInUse;

/// Runs the engine, as metricd orders by standard input, and returns when it has ended.
#[must_use]
pub fn run_embedded_engine() -> ExitCode {
    let Some(dir) = std::env::var_os(FOLDER_VARIABLE) else {
        let _ = writeln!(io::stderr(), "this is started by metricd, for its embedded PostgreSQL");
        return ExitCode::FAILURE;
    };
    let Err(error) = serve(Path::new(&dir)) else { return ExitCode::SUCCESS };
    say(&match error.downcast_ref::<FilesInUse>() {
        Some(_) => Word::InUse,
        None => Word::Failed(format!("{error:#}")),
    });
    ExitCode::FAILURE
}

/// metricd may be gone.
fn say(word: &Word) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(word.line().as_bytes()).and_then(|()| out.flush());
}

fn serve(dir: &Path) -> anyhow::Result<()> {
    leave_signals_to_metricd()?;
    tracing::subscriber::set_global_default(OnTrap(|trap| {
        say(&Word::Failed(trap.to_owned()));
        std::process::exit(1);
    }))?;
    let is_stopping = Arc::new(AtomicBool::new(false));
    let control = {
        let (is_stopping, socket) = (Arc::clone(&is_stopping), folder::socket(dir));
        move || obey(&is_stopping, &socket)
    };
    thread::Builder::new().name("control".into()).spawn(control)?;

    let files = folder::files(dir);
    let _lock = lock(&files)?;
    stop_words::install(&files)?;
    wasmer_vm::set_stack_size(STACK_BYTES);
    let socket = folder::socket(dir);
    // What a process that was killed has left.
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(socket)?;
    say(&Word::Ready);
    let engine = PgliteProxy::new(files);
    while !is_stopping.load(Ordering::Acquire) {
        engine.accept_unix_once(&listener)?;
    }
    Ok(())
}

/// A terminal and a service manager signal all processes of a group: metricd alone decides when this one ends.
fn leave_signals_to_metricd() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        // Once it was listened for, a signal does not end the process any more.
        drop(signal(kind)?);
    }
    Ok(())
}

/// Obeys what metricd says, as long as it is there.
fn obey(is_stopping: &AtomicBool, socket: &Path) {
    for line in io::stdin().lock().lines() {
        match line.as_deref() {
            Ok(order::PING) => say(&Word::Alive),
            Ok(order::STOP) => {
                is_stopping.store(true, Ordering::Release);
                // The engine waits for a connection.
                let _ = UnixStream::connect(socket);
            }
            _ => {}
        }
    }
    if !is_stopping.load(Ordering::Acquire) {
        std::process::exit(1);
    }
}

/// Takes the engine's files. The process of a metricd that was killed is about to give them back.
fn lock(files: &Path) -> anyhow::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(files.join(LOCK_NAME))?;
    let deadline = Instant::now() + ORPHAN_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(ORPHAN_PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(FilesInUse.into()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

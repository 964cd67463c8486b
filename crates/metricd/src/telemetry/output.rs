//! Where log lines go: standard error, many lines with one system call.

use std::{
    io::{Write, stderr},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long a line may wait for others. As many are lost at most when the process is killed.
const GATHER_TIME: Duration = Duration::from_millis(5);

/// Where so much is waiting, the thread that logs writes it, and waits for the reader of standard error.
const MAX_WAITING_BYTES: usize = 256 * 1024;

/// Gathers lines and writes them.
#[derive(Clone, Default)]
pub(super) struct LogOutput(Arc<Lines>);

#[derive(Default)]
struct Lines {
    waiting: Mutex<Vec<u8>>,
    has_some: Condvar,
    /// What was written last, to be filled again. Held while it is written, so that lines stay in order.
    writing: Mutex<Vec<u8>>,
}

impl LogOutput {
    /// Starts the thread that writes.
    pub(super) fn start() -> std::io::Result<Self> {
        let output = Self::default();
        let lines = Arc::clone(&output.0);
        thread::Builder::new().name("log".into()).spawn(move || {
            loop {
                lines.wait_for_some();
                thread::sleep(GATHER_TIME);
                lines.write();
            }
        })?;
        Ok(output)
    }

    /// Adds a line, which ends with a newline.
    pub(super) fn add(&self, line: &[u8]) {
        let mut waiting = lock(&self.0.waiting);
        let was_empty = waiting.is_empty();
        waiting.extend_from_slice(line);
        let is_much = waiting.len() > MAX_WAITING_BYTES;
        drop(waiting);
        if is_much {
            self.0.write();
        } else if was_empty {
            self.0.has_some.notify_one();
        }
    }

    /// Takes what is waiting, instead of writing it.
    #[cfg(test)]
    pub(super) fn taken(&self) -> Vec<u8> {
        mem::take(&mut *lock(&self.0.waiting))
    }

    /// Writes what is waiting.
    pub(super) fn flush(&self) {
        self.0.write();
    }
}

impl Lines {
    fn wait_for_some(&self) {
        let waiting = lock(&self.waiting);
        let some = self.has_some.wait_while(waiting, |waiting| waiting.is_empty());
        drop(some.unwrap_or_else(PoisonError::into_inner));
    }

    fn write(&self) {
        let mut written = lock(&self.writing);
        written.clear();
        mem::swap(&mut *written, &mut *lock(&self.waiting));
        // There is no place to say that standard error is closed.
        let _ = stderr().write_all(&written);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Watches the process of the embedded PostgreSQL, ends it where it goes on too long or takes too much memory, and
//! starts it again.
//!
//! Must never end a process that does what it may: a statement has until its deadline, and memory that is only too much
//! is given back between two uses of the connection.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use metricd_application::error_chain;
use sqlx::PgPool;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    folder::DataFolder,
    process::{Ending, EngineProcess, Event},
    shared::{Shared, Status},
};
use crate::db::connect::EngineCommand;

/// How often it is looked at what the process does.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// How long past its deadline a statement may go on.
const GRACE: Duration = Duration::from_secs(2);

/// A process is asked for an answer every second time that it is looked at. So many are missing before it is
/// called lost, and before it is ended.
const LOOKS_FOR_AN_ANSWER: u32 = 2;
const MISSING_UNTIL_LOST: u32 = 3;
const MISSING_UNTIL_ENDED: u32 = 20;

/// How much memory ends the process even while it works, as a multiple of the setting.
const HARD_MEMORY: u64 = 2;

/// The pause before a process is started again that ended soon after its start, or did not start.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

/// The order to stop, and where to say that it was done.
pub(super) type Stop = oneshot::Sender<()>;

/// What watches the process.
pub(super) struct Supervision {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: DataFolder,
    pub(super) command: EngineCommand,
    pub(super) pool: PgPool,
    /// Held while the connection is used.
    pub(super) permits: Arc<Semaphore>,
    /// How many bytes of memory the process may take; twice as many while it works.
    pub(super) memory: u64,
}

/// Why a process is not the engine any more.
enum Reason {
    Ended(Ending),
    Overdue,
    TooMuchMemory {
        bytes: u64,
        /// Whether it was less before what runs now.
        is_of_query: bool,
    },
    Silent,
    /// It takes more memory than it should, and does nothing.
    Large(u64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ending) => ending.fmt(f),
            Self::Overdue => f.write_str("it took longer than it may"),
            Self::TooMuchMemory { bytes, .. } | Self::Large(bytes) => {
                write!(f, "it took {} MiB of memory", bytes / (1024 * 1024))
            }
            Self::Silent => f.write_str("it does not answer"),
        }
    }
}

impl Reason {
    /// Whether the query that ran is to blame.
    fn is_of_query(&self) -> bool {
        match self {
            Self::Ended(ending) => !ending.is_from_outside(),
            Self::TooMuchMemory { is_of_query, .. } => *is_of_query,
            Self::Overdue => true,
            Self::Silent | Self::Large(_) => false,
        }
    }
}

impl Supervision {
    /// Watches `process` and those that follow it until `orders` has one, or is closed.
    pub(super) async fn run(self, process: EngineProcess, mut orders: mpsc::Receiver<Stop>) {
        let mut process = process;
        let mut pause = FIRST_PAUSE;
        let order = loop {
            let since = Instant::now();
            // The connection is not used before the process is replaced.
            let (reason, idle) = tokio::select! {
                lost = self.watch(&mut process) => lost,
                order = orders.recv() => {
                    if order.is_some() {
                        process.stop().await;
                    }
                    break order;
                }
            };
            pause = if since.elapsed() < SOON { pause } else { FIRST_PAUSE };
            self.end(process, &reason).await;
            let started = tokio::select! {
                started = self.start_again(&mut pause) => started,
                order = orders.recv() => break order,
            };
            tracing::info!(pid = started.pid(), "Embedded PostgreSQL was started again");
            process = started;
            self.shared.is_back();
            drop(idle);
            // The engine starts with its first connection.
            let pool = self.pool.clone();
            tokio::spawn(async move { drop(pool.acquire().await) });
        };
        self.shared.set_status(Status::Stopped);
        self.folder.clear();
        drop(self);
        if let Some(stopped) = order {
            let _ = stopped.send(());
        }
    }

    /// Waits until `process` is not the engine any more. Where nothing uses the connection by then, nothing will until
    /// the permit is dropped.
    async fn watch(&self, process: &mut EngineProcess) -> (Reason, Option<OwnedSemaphorePermit>) {
        let mut looks = interval(LOOK_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut look, mut missing, mut large) = (0_u32, 0, None);
        let mut last_look = Instant::now();
        // It waits its turn among the others, once it waits.
        let mut idle = pin!(Arc::clone(&self.permits).acquire_owned());
        loop {
            tokio::select! {
                biased;
                event = process.next() => match event {
                    Event::Alive => {
                        missing = 0;
                        self.shared.set_status(Status::Ready);
                    }
                    Event::Ended(ending) => return (Reason::Ended(ending), None),
                },
                Ok(idle) = &mut idle, if large.is_some() => {
                    return (Reason::Large(large.unwrap_or_default()), Some(idle));
                }
                _ = looks.tick() => {
                    if self.is_overdue() {
                        return (Reason::Overdue, None);
                    }
                    if let Some(bytes) = process.resident_bytes() {
                        if bytes > self.memory.saturating_mul(HARD_MEMORY) {
                            let is_of_query = self.is_used_since(last_look);
                            return (Reason::TooMuchMemory { bytes, is_of_query }, None);
                        }
                        if bytes > self.memory {
                            large.get_or_insert(bytes);
                        }
                    }
                    last_look = Instant::now();
                    look += 1;
                    if look.is_multiple_of(LOOKS_FOR_AN_ANSWER) {
                        missing += 1;
                        if missing > MISSING_UNTIL_ENDED {
                            return (Reason::Silent, None);
                        }
                        if missing > MISSING_UNTIL_LOST {
                            self.shared.set_status(Status::Lost);
                        }
                        if missing == MISSING_UNTIL_LOST + 1 {
                            tracing::warn!(pid = process.pid(), "Embedded PostgreSQL does not answer");
                        }
                        process.ping().await;
                    }
                }
            }
        }
    }

    /// Whether the connection is used for longer than it may.
    fn is_overdue(&self) -> bool {
        let usage = self.shared.usage();
        let deadline = usage.as_ref().and_then(|usage| usage.deadline(&self.shared.limits));
        deadline.is_some_and(|deadline| Instant::now() > deadline + GRACE)
    }

    /// Whether the connection is used for what it was used for at `moment`.
    fn is_used_since(&self, moment: Instant) -> bool {
        self.shared.usage().as_ref().is_some_and(|usage| usage.begun <= moment)
    }

    /// Ends what is left of `process`, and says why.
    async fn end(&self, process: EngineProcess, reason: &Reason) {
        self.shared.set_status(Status::Lost);
        let pid = process.pid();
        // Nothing of it runs on the next process.
        let usage = self.shared.usage().take();
        if reason.is_of_query()
            && let Some(sql) = usage.and_then(|usage| usage.sql)
        {
            self.shared.offenders.note(&sql, &reason.to_string());
        }
        tracing::warn!(pid, %reason, "Embedded PostgreSQL is lost and is started again");
        // A connection that is idle would fail its next user.
        let idle = self.pool.try_acquire();
        if let Reason::Large(_) = reason {
            if let Some(idle) = idle {
                let _ = idle.close().await;
            }
            process.stop().await;
        } else {
            drop(idle.map(sqlx::pool::PoolConnection::detach));
            process.kill().await;
        }
    }

    /// Starts a process, as often as it takes.
    async fn start_again(&self, pause: &mut Duration) -> EngineProcess {
        loop {
            sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            match EngineProcess::start(&self.command, &self.folder).await {
                Ok(process) => return process,
                Err(error) => {
                    tracing::error!(
                        error = error_chain(&error),
                        "Embedded PostgreSQL does not start again"
                    );
                }
            }
        }
    }
}

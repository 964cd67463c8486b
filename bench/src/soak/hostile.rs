//! Hostile callers of a soak: each kind at a bounded rate, from an address of its own.
//!
//! Must never take more than a gigabyte of memory for a request, nor leave this machine.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use metricd_acceptance::native::Postgres;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    caller::{Caller, Reply},
    catalog::{self, WINDOW},
};

/// The statements that the gate refuses.
const UNENDING: &str = include_str!("../../../crates/core/src/sql/sizes/unending.sql");
/// What it says of each.
const REFUSAL: &str = "that no time limit ends";

/// Statements that the gate lets through, and that other limits end: the deadline, the bytes of temporary files, or those of a row.
const LET_THROUGH: [(&str, &str); 4] = [
    (
        "recursion, sorted in files",
        "WITH RECURSIVE g(n, t) AS (SELECT 1, md5('1') UNION ALL SELECT n + 1, md5(n::text) FROM g \
         WHERE n < 3000000) SELECT n, row_number() OVER (ORDER BY t) AS place FROM g",
    ),
    (
        "self-join past the deadline",
        "SELECT count(*) AS n FROM metrics AS a JOIN metrics AS b \
         ON md5(a.metric_id::text || b.metric_id::text) < '0'",
    ),
    (
        "`array_agg` of millions",
        "SELECT array_agg(a + b) AS n FROM generate_series(1, 1000) AS a, generate_series(1, 3000) AS b",
    ),
    (
        "cross join of millions",
        "SELECT a, b, count(*) OVER () AS pairs FROM generate_series(1, 4000) AS a, \
         generate_series(1, 4000) AS b",
    ),
];

/// A metric of nine megabytes.
const LARGE: &str = "SELECT a * 1000 + b AS n, repeat('x', 900) AS filler \
    FROM generate_series(1, 10) AS a, generate_series(1, 1000) AS b";

/// How many clients at once do not read.
const UNREAD: usize = 4;
/// How many requests wait for a locked table, each for a metric of its own: those for the same one share its description.
const WAITING: usize = 12;
/// How many requests are in one write.
const PIPELINED: usize = 100;

/// How long a lock is held, and then not.
const LOCK_TIME: Duration = Duration::from_secs(3);
/// How long a client waits whose answer it does not read.
const UNREAD_TIME: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

/// The kinds of hostile callers, all at work until it is dropped.
pub(super) struct Hostile {
    outcomes: Arc<Outcomes>,
    at_work: JoinSet<Result<()>>,
}

/// How often which kind of request came to what.
#[derive(Default)]
pub(super) struct Outcomes(Mutex<BTreeMap<&'static str, BTreeMap<String, u32>>>);

impl Outcomes {
    fn all(&self) -> MutexGuard<'_, BTreeMap<&'static str, BTreeMap<String, u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, kind: &'static str, outcome: impl Into<String>) {
        *self.all().entry(kind).or_default().entry(outcome.into()).or_default() += 1;
    }

    fn reply(&self, kind: &'static str, reply: &Result<Reply>) {
        match reply {
            Ok(reply) => self.count(kind, reply.status.to_string()),
            Err(_) => self.count(kind, NO_ANSWER),
        }
    }
}

/// A statement of [`UNENDING`] that was not refused as one.
const NOT_REFUSED: &str = "not refused";
const NO_ANSWER: &str = "no answer";
const CLOSED: &str = "closed by the server";
const LEFT: &str = "left by the client";

impl Hostile {
    /// Prepares what they ask for, and sends them off; so many send heavy statements. On the embedded engine there is no
    /// other session to lock a table.
    pub(super) async fn begin(
        author: &Caller,
        heavy: usize,
        lock: Option<(&Postgres, &str)>,
    ) -> Result<Self> {
        let large = author.create(LARGE).await?;
        let outcomes = Arc::<Outcomes>::default();
        let mut at_work = JoinSet::new();
        let cast = Cast { author: author.clone(), outcomes: Arc::clone(&outcomes) };
        at_work.spawn(cast.clone().send_refused());
        for number in 0..heavy {
            at_work.spawn(cast.clone().send_heavy(number));
        }
        at_work.spawn(cast.clone().invent_zones());
        at_work.spawn(cast.clone().fold_constants());
        at_work.spawn(cast.clone().guess_tokens());
        at_work.spawn(cast.clone().pipeline());
        at_work.spawn(cast.clone().close_half());
        at_work.spawn(cast.clone().read_nothing(large));
        if let Some((postgres, database)) = lock {
            let mut paths = Vec::new();
            for number in 0..WAITING {
                paths.push(author.create(&format!("SELECT n + {number} AS n FROM busy")).await?);
            }
            let locker = postgres.connect(database).await?;
            at_work.spawn(cast.wait_for_locks(locker, paths));
        }
        Ok(Self { outcomes, at_work })
    }

    /// Makes the table that is locked.
    pub(super) async fn prepare(postgres: &Postgres, database: &str) -> Result<()> {
        let table = "CREATE TABLE busy AS SELECT n FROM generate_series(1, 10) AS n";
        let grant = "GRANT SELECT ON busy TO metricd_reader";
        catalog::run(postgres, database, &[table, grant]).await
    }

    /// Calls them all off, and returns what came of them.
    ///
    /// # Errors
    /// When one of them could not go on.
    pub(super) async fn end(mut self) -> Result<Ended> {
        while let Some(one) = self.at_work.try_join_next() {
            one?.context("a hostile caller has ended")?;
        }
        self.at_work.shutdown().await;
        let all = std::mem::take(&mut *self.outcomes.all());
        Ok(Ended(all))
    }
}

/// What came of hostile callers.
pub(super) struct Ended(BTreeMap<&'static str, BTreeMap<String, u32>>);

impl Ended {
    /// Returns the number of all requests and connections.
    pub(super) fn all(&self) -> u32 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }

    /// Returns the number of those that the server should have answered otherwise: an unending statement that was not refused
    /// as such, and an internal error.
    pub(super) fn faults(&self) -> u32 {
        let outcomes = self.0.values().flatten();
        outcomes
            .filter(|(outcome, _)| [NOT_REFUSED, "500"].contains(&outcome.as_str()))
            .map(|(_, n)| n)
            .sum()
    }

    /// Returns a row for each kind, with how often it came to what.
    pub(super) fn rows(&self, engine: &str) -> Vec<Vec<String>> {
        let rows = self.0.iter().map(|(kind, outcomes)| {
            let outcomes: Vec<_> =
                outcomes.iter().map(|(outcome, number)| format!("{outcome}: {number}")).collect();
            vec![engine.to_owned(), (*kind).to_owned(), outcomes.join(", ")]
        });
        rows.collect()
    }
}

/// What every hostile caller needs.
#[derive(Clone)]
struct Cast {
    author: Caller,
    outcomes: Arc<Outcomes>,
}

impl Cast {
    /// Has statements tried that the gate refuses.
    async fn send_refused(self) -> Result<()> {
        let kind = "previews that the gate refuses";
        let statements = statements(UNENDING);
        let mut ticks = interval(SECOND / 5);
        for statement in statements.iter().cycle() {
            ticks.tick().await;
            let reply = self.author.preview(statement).await;
            match &reply {
                Ok(reply) if reply.status == 422 && !reply.body.contains(REFUSAL) => {
                    self.outcomes.count(kind, NOT_REFUSED);
                }
                Ok(Reply { status: 200, .. }) => self.outcomes.count(kind, NOT_REFUSED),
                _ => self.outcomes.reply(kind, &reply),
            }
        }
        Ok(())
    }

    /// Has statements tried that the gate lets through, one after the other.
    async fn send_heavy(self, first: usize) -> Result<()> {
        // Those of several callers are not the same at a time.
        for (kind, statement) in LET_THROUGH.iter().cycle().skip(first) {
            self.outcomes.reply(kind, &self.author.preview(statement).await);
            sleep(SECOND).await;
        }
        Ok(())
    }

    /// Asks in time zones that do not exist.
    async fn invent_zones(self) -> Result<()> {
        let mut ticks = interval(SECOND / 5);
        for number in 0_u64.. {
            ticks.tick().await;
            let target = format!("{}?timezone=Mars/Crater_{number}", catalog::path(3));
            self.outcomes.reply("made-up time zones", &self.author.get(&target, false).await);
        }
        Ok(())
    }

    /// Makes metrics of constants that are new each time, asks for them, and deletes them.
    async fn fold_constants(self) -> Result<()> {
        let kind = "metrics of folded constants";
        let mut ticks = interval(SECOND);
        for number in 0_u64.. {
            ticks.tick().await;
            let sql = format!(
                "SELECT 7 * 1000 + {number} AS n, length(repeat('x', 10000)) AS m, \
                 md5(repeat('{number}', 1000)) AS h"
            );
            let Ok(path) = self.author.create(&sql).await else {
                self.outcomes.count(kind, "not made");
                continue;
            };
            self.outcomes.reply(kind, &self.author.get(&path, false).await);
            self.outcomes.reply("their deletion", &self.author.delete(&path).await);
        }
        Ok(())
    }

    /// Tries tokens that no issuer has signed.
    async fn guess_tokens(self) -> Result<()> {
        let mut ticks = interval(SECOND / 10);
        for number in 0_u64.. {
            ticks.tick().await;
            // A true one whose signature is not, and one that is none.
            let token = match number % 2 {
                0 => format!("{}{number}", self.author.token),
                _ => format!("a.guess.{number}"),
            };
            let reply = self.author.with_token(token).get(&catalog::path(4), false).await;
            self.outcomes.reply("wrong tokens", &reply);
        }
        Ok(())
    }

    /// Sends many requests in one write, and reads nothing for a second.
    async fn pipeline(self) -> Result<()> {
        let request = self.request(&(catalog::path(5) + WINDOW), "").repeat(PIPELINED);
        let mut ticks = interval(SECOND * 2);
        loop {
            ticks.tick().await;
            let outcome = match self.connect(&request).await {
                Ok(stream) => left_unread(stream, SECOND).await,
                Err(_) => NO_ANSWER,
            };
            self.outcomes.count("100 requests in one write", outcome);
        }
    }

    /// Closes its side once it has asked, and reads what it is answered after a second.
    async fn close_half(self) -> Result<()> {
        let request = self.request(&(catalog::path(6) + WINDOW), "Cache-Control: no-cache\r\n");
        let mut ticks = interval(SECOND * 2);
        loop {
            ticks.tick().await;
            let outcome = match self.connect(&request).await {
                Ok(stream) => half_closed(stream).await,
                Err(_) => NO_ANSWER,
            };
            self.outcomes.count("half-closed connections", outcome);
        }
    }

    /// Asks for large answers, and reads nothing until the server closes.
    async fn read_nothing(self, large: String) -> Result<()> {
        let request = self.request(&large, "Cache-Control: no-cache\r\n");
        loop {
            let mut unread = JoinSet::new();
            for _ in 0..UNREAD {
                match self.connect(&request).await {
                    Ok(stream) => {
                        unread.spawn(left_unread(stream, UNREAD_TIME));
                    }
                    Err(_) => self.outcomes.count("large answers that are not read", NO_ANSWER),
                }
            }
            while let Some(outcome) = unread.join_next().await {
                self.outcomes.count("large answers that are not read", outcome?);
            }
            sleep(SECOND).await;
        }
    }

    /// Locks a table, and asks for the metrics that read it.
    async fn wait_for_locks(self, mut locker: PgConnection, paths: Vec<String>) -> Result<()> {
        loop {
            let mut lock = locker.begin().await?;
            lock.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE").await?;
            let mut waiting = JoinSet::new();
            for path in paths.clone() {
                let author = self.author.clone();
                waiting.spawn(async move { author.get(&path, true).await });
            }
            sleep(LOCK_TIME).await;
            lock.rollback().await?;
            while let Some(reply) = waiting.join_next().await {
                self.outcomes.reply("requests on a locked table", &reply?);
            }
            sleep(LOCK_TIME).await;
        }
    }

    fn request(&self, target: &str, header: &str) -> String {
        let Caller { server, token, .. } = &self.author;
        format!(
            "GET {target} HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {token}\r\n{header}\r\n"
        )
    }

    async fn connect(&self, request: &str) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        // So that little of an answer is taken from the server by the kernel.
        socket.set_recv_buffer_size(16 * 1_024)?;
        socket.bind((self.author.from, 0).into())?;
        let mut stream = socket.connect(self.author.server).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }
}

/// Waits until the server closes a connection of which nothing is read, for so long at most.
async fn left_unread(stream: TcpStream, time: Duration) -> &'static str {
    let is_closed = async {
        loop {
            // The end of what was sent is behind what is not read: a reset is seen at once.
            if matches!(stream.take_error(), Ok(Some(_)) | Err(_)) {
                return;
            }
            sleep(SECOND / 10).await;
        }
    };
    if timeout(time, is_closed).await.is_ok() { CLOSED } else { LEFT }
}

/// Closes its side, waits, and reads to the end, if the server has not closed the connection by then.
async fn half_closed(mut stream: TcpStream) -> &'static str {
    let mut answer = Vec::new();
    let read = async {
        stream.shutdown().await?;
        sleep(SECOND).await;
        stream.read_to_end(&mut answer).await
    };
    match timeout(UNREAD_TIME, read).await {
        Ok(Ok(1..)) if answer.starts_with(b"HTTP/1.1 200") => "200",
        Ok(Ok(1..)) => "another status",
        Ok(_) => CLOSED,
        Err(_) => LEFT,
    }
}

/// The statements of a file, in which an empty line is between two.
fn statements(file: &'static str) -> Vec<&'static str> {
    let blocks = file.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks.filter(|block| block.lines().any(|line| !line.starts_with("--"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_of_the_file_is_no_statement() {
        let statements = statements(UNENDING);
        assert!(statements.len() > 50, "{}", statements.len());
        assert!(statements.iter().all(|sql| !sql.starts_with("--")), "{statements:?}");
    }
}

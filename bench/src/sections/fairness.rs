//! What a caller with quick queries waits for beside another who keeps the queue full.

use std::{
    net::Ipv4Addr,
    ops::ControlFlow::{Break, Continue},
    time::Duration,
};

use anyhow::{Context as _, Result};
use metricd_acceptance::process;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;

use crate::{
    caller::Caller,
    catalog::{self, WINDOW},
    extent::Extent,
    ground::{Ground, POOL},
    report::{Findings, RATES, Table, Target, rates_row},
    rounds::middle,
    server::Server,
    wrk::{Load, Measured},
};

const DATABASE: &str = "fairness";

/// A query that takes seconds, and that the planner thinks well below `limits.max_cost`.
const HEAVY: &str =
    "SELECT count(*) AS n FROM generate_series(1, 10000) AS a, generate_series(1, 10000) AS b";

/// How many metrics read the table that another session locks: of the requests for the same one, the first has it described while
/// the others wait for that, and together they would have one permit.
const ON_THE_TABLE: usize = 12;

/// The queries that the noisy caller has at once: all permits but the one that is kept for quick ones.
const RUNNING: i64 = POOL as i64 - 1;

/// How long a request that was refused at once waits before it is sent again.
const PAUSE: Duration = Duration::from_millis(10);

/// What the quiet caller is beside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noise {
    None,
    Heavy,
    Locked,
}

const SITUATIONS: [(&str, Noise, usize); 5] = [
    ("alone", Noise::None, 0),
    ("beside 12 requests for a heavy query", Noise::Heavy, 12),
    ("beside 100 requests for a heavy query", Noise::Heavy, 100),
    ("beside 12 requests on a locked table", Noise::Locked, 12),
    ("beside 100 requests on a locked table", Noise::Locked, 100),
];

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let stage = Stage::prepare(ground).await?;
    let mut ours = vec![Vec::new(); SITUATIONS.len()];
    let mut limits = vec![Vec::new(); SITUATIONS.len()];
    for round in 0..=extent.rounds() {
        let seconds = if round == 0 { 1 } else { extent.seconds() };
        for (place, (name, noise, requests)) in SITUATIONS.into_iter().enumerate() {
            let (one, limit) =
                stage.measure(noise, requests, seconds).await.with_context(|| name.to_owned())?;
            // The first round warms up.
            if round > 0 {
                ours[place].push(one);
                limits[place].extend(limit);
            }
        }
    }
    stage.end().await?;
    Ok(findings(&ours, &limits))
}

/// The servers, and who asks them.
struct Stage<'a> {
    ground: &'a Ground,
    metricd: Server,
    limit: Server,
    quiet: Load,
    noisy: Caller,
    heavy: String,
    locked: Vec<String>,
}

impl<'a> Stage<'a> {
    async fn prepare(ground: &'a Ground) -> Result<Self> {
        ground.database(DATABASE).await?;
        let grant = "GRANT SELECT ON busy TO metricd_reader";
        let table = "CREATE TABLE busy AS SELECT n FROM generate_series(1, 10) AS n";
        catalog::run(&ground.postgres, DATABASE, &[table, grant]).await?;
        let mut settings = ground.settings(DATABASE);
        // As it is by default: the others of the noisy caller's requests wait in it.
        settings.insert("METRICD_LIMITS__QUEUED_QUERIES".into(), "100".into());
        let metricd = ground.serve_with(settings).await?;
        let limit = ground.limit(&metricd, Some(DATABASE)).await?;
        let noisy =
            Caller::new(metricd.address, Ipv4Addr::LOCALHOST, ground.token_of("noisy").await?)?;
        let heavy = noisy.create(HEAVY).await?;
        let mut locked = Vec::new();
        for number in 0..ON_THE_TABLE {
            let path = noisy.create(&format!("SELECT n + {number} AS n FROM busy")).await?;
            // What has not ended by itself yet gets half of the permits at most.
            noisy.get(&path, true).await?;
            locked.push(path);
        }
        let quiet = Load::new(catalog::path(1) + WINDOW, &ground.token, 1)
            .with("Cache-Control", "no-cache");
        Ok(Self { ground, metricd, limit, quiet, noisy, heavy, locked })
    }

    /// Loads metricd beside the noise; and beside the same, where it takes the processor's time, axum with one prepared query,
    /// which has no queue.
    async fn measure(
        &self,
        noise: Noise,
        requests: usize,
        seconds: u32,
    ) -> Result<(Measured, Option<Measured>)> {
        let mut locker = self.ground.postgres.connect(DATABASE).await?;
        // What it sees of others stays the same within a transaction.
        let mut observer = self.ground.postgres.connect(DATABASE).await?;
        if noise == Noise::Locked {
            locker.execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE").await?;
        }
        let mut asking = JoinSet::new();
        let heavy = std::slice::from_ref(&self.heavy);
        let paths = if noise == Noise::Locked { &self.locked } else { heavy };
        for path in paths.iter().cycle().take(requests) {
            asking.spawn(ask_again_and_again(self.noisy.clone(), path.clone()));
        }
        if requests > 0 {
            self.until_running(&mut observer, RUNNING).await?;
        }
        let one = self.quiet.run(&self.metricd, seconds).await?;
        let limit = match noise {
            Noise::Heavy => Some(self.quiet.run(&self.limit, seconds).await?),
            Noise::None | Noise::Locked => None,
        };
        asking.shutdown().await;
        self.until_running(&mut observer, 0).await?;
        observer.close().await?;
        locker.close().await?;
        Ok((one, limit))
    }

    /// Waits until the noisy caller has so many queries in PostgreSQL.
    async fn until_running(&self, connection: &mut PgConnection, queries: i64) -> Result<()> {
        let asked = "SELECT count(*) FROM pg_stat_activity \
            WHERE usename = 'metricd_reader' AND datname = $1 AND state <> 'idle'";
        process::poll_until(async || {
            let running: i64 =
                sqlx::query_scalar(asked).bind(DATABASE).fetch_one(&mut *connection).await?;
            Ok(if running == queries {
                Break(())
            } else {
                Continue(format!("{running} queries run, not {queries}"))
            })
        })
        .await
    }

    async fn end(self) -> Result<()> {
        self.limit.stop().await?;
        self.metricd.stop().await
    }
}

/// Keeps one request in flight, however it is answered.
async fn ask_again_and_again(caller: Caller, path: String) {
    loop {
        match caller.get(&path, true).await {
            Ok(reply) if reply.status == 200 => {}
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn findings(ours: &[Vec<Measured>], limits: &[Vec<Measured>]) -> Findings {
    let mut found = Findings::default();
    let mut rows = Vec::new();
    let alone = middle(&ours[0]);
    for (place, (name, noise, _)) in SITUATIONS.into_iter().enumerate() {
        let one = middle(&ours[place]);
        rows.push(rates_row(format!("metricd, {name}"), &one));
        // Heavy queries take the core from the quick one: how much, the processor's scheduler says.
        let target = (noise == Noise::Locked).then_some(Target::AtMost(3.0));
        if noise != Noise::None {
            found.compare_micros(
                &format!("quiet caller's p99, {name}"),
                one.p99,
                ("alone", alone.p99),
                target,
            );
        }
        if !limits[place].is_empty() {
            let limit = middle(&limits[place]);
            rows.push(rates_row(format!("axum with one prepared query, {name}"), &limit));
            found.compare_micros(
                &format!("quiet caller's p99, {name}"),
                one.p99,
                ("axum, one prepared query, beside the same", limit.p99),
                Some(Target::AtMost(2.0)),
            );
        }
    }
    found.tables.push(Table {
        title: "A quiet caller beside a noisy one".into(),
        note: "The quiet one has one connection and asks for an uncached metric, one request after another. The \
               noisy one, with another token, keeps so many requests in flight: on a query that takes seconds of \
               PostgreSQL's core, on which wrk is too, or on a table that another session has locked. axum has \
               connections of its own and no queue: what it waits for is the core.",
        head: RATES,
        rows,
    });
    found
}

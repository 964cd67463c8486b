//! `make soak`: honest callers by themselves, then among hostile ones, and what becomes of their answers, of the servers' memory and of
//! the queries that were begun.
//!
//! Must never load another machine than this one.

mod honest;
mod hostile;
mod memory;

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use anyhow::Result;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::{
    honest::{Honest, Tally},
    hostile::{Ended, Hostile},
    memory::Samples,
};
use crate::{
    caller::Caller,
    extent::Extent,
    ground::{Ground, IMPORT},
    report::{Findings, Ratio, Table, Target, megabytes, micros, number},
    server::Server,
};

const DATABASE: &str = "soak";

/// Where hostile callers call from: limits of an address do not concern the honest ones.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How long everything has to end.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Limits that are reached sooner than by default. All others are the defaults, the rate limits too.
const SETTINGS: [(&str, &str); 4] = [
    ("METRICD_LIMITS__QUERY_TIMEOUT", "5s"),
    ("METRICD_LIMITS__MAX_TEMP_BYTES", "268435456"),
    ("METRICD_HTTP__WRITE_TIMEOUT", "5s"),
    ("METRICD_LOG", "error"),
];

/// How long a part takes.
struct Course {
    /// The honest callers by themselves.
    baseline: Duration,
    /// What counts as a minute of the mix.
    minute: Duration,
    /// All of the mix.
    mix: Duration,
}

impl Course {
    fn of(engine: Engine, extent: Extent) -> Self {
        let (baseline, minute, mix) = match (extent, engine) {
            (Extent::Full, Engine::Native) => (60, 60, 540),
            (Extent::Full, Engine::Embedded) => (60, 60, 180),
            (Extent::Quick, _) => (10, 10, 30),
        };
        let [baseline, minute, mix] = [baseline, minute, mix].map(Duration::from_secs);
        Self { baseline, minute, mix }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Native,
    Embedded,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Embedded => "embedded",
        }
    }
}

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    ground.database(DATABASE).await?;
    Hostile::prepare(&ground.postgres, DATABASE).await?;
    ground.metricd(&IMPORT, &Ground::silent_settings()).await?;
    let [mut latencies, mut memories, mut outcomes] = [Vec::new(), Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for engine in [Engine::Native, Engine::Embedded] {
        let course = Course::of(engine, extent);
        let soaked = soak(ground, engine, &course).await?;
        ratios.extend(soaked.ratios(engine, &course));
        latencies.extend(soaked.latencies(engine));
        memories.extend(
            soaked
                .memory
                .iter()
                .map(|of| vec![engine.name().to_owned(), of.what.to_owned(), megabytes(of.most())]),
        );
        outcomes.extend(soaked.hostile.rows(engine.name()));
    }
    let tables = vec![
        Table {
            title: "Honest callers".into(),
            note: "50 cached requests in a second, and twice in a second a dashboard of ten metrics from the database, all at \
                   once, whether or not those before are answered; by themselves, then among the hostile callers. A latency \
                   is from the moment at which a request was due.",
            head: &["", "", "", "requests", "p50", "p99", "refused", "wrong", "the first of both"],
            rows: latencies,
        },
        Table {
            title: "Hostile callers".into(),
            note: "How often which status, or what else, came of each kind.",
            head: &["", "", ""],
            rows: outcomes,
        },
        Table {
            title: "Memory at most".into(),
            note: "Resident; of PostgreSQL's processes, without what they share. It is flat if its median in the last \
                   minute is at most 1.25 times that in the second one of the mix: the same callers are at work in \
                   both, and in the first one caches and sessions have grown to what they need.",
            head: &["", "", "at most"],
            rows: memories,
        },
    ];
    Ok(Findings { ratios, tables })
}

/// What came of a part.
struct Soaked {
    before: [Tally; 2],
    during: [Tally; 2],
    names: [&'static str; 2],
    memory: Vec<Samples>,
    hostile: Ended,
    /// Answers of `/health` after the end: those that told of a fault, and all.
    health: (u32, u32),
    /// The sessions of the reader after that: those that were not idle, and all. The embedded engine has none.
    sessions: Option<(u32, u32)>,
    /// A dashboard after that.
    last: Tally,
    /// Whether `/health` told of no fault after that.
    is_well: bool,
}

async fn soak(ground: &Ground, engine: Engine, course: &Course) -> Result<Soaked> {
    let is_native = engine == Engine::Native;
    let mut settings = if is_native {
        [("DATABASE_URL".to_owned(), ground.postgres.url(DATABASE))].into()
    } else {
        BTreeMap::new()
    };
    settings.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let server = ground.serve_with(settings).await?;
    let mut callers = Vec::new();
    for (subject, from) in
        [("ann", Ipv4Addr::LOCALHOST), ("bob", Ipv4Addr::LOCALHOST), ("mallory", ELSEWHERE)]
    {
        callers.push(Caller::new(server.address, from, ground.token_of(subject).await?)?);
    }
    let [ann, bob, author] = &callers[..] else { unreachable!("there are three") };
    let [cached, uncached] = Honest::callers(ann.clone(), bob.clone()).await?;

    let before =
        tokio::try_join!(cached.ask_for(course.baseline), uncached.ask_for(course.baseline))?;
    let lock = is_native.then_some((&ground.postgres, DATABASE));
    // A core is left to everything else.
    let heavy = ground.cores.number_of_others() - 1;
    let hostile = Hostile::begin(author, heavy, lock).await?;
    let (first, second, memory) = tokio::try_join!(
        cached.ask_for(course.mix),
        uncached.ask_for(course.mix),
        memory::sample(&server, is_native, course.mix),
    )?;
    let hostile = hostile.end().await?;
    let health = health_afterwards(ann).await;
    let sessions = if is_native { Some(sessions(ground).await?) } else { None };
    let last = uncached.ask_once().await;
    let is_well = is_well(ann).await;
    end(server).await?;
    Ok(Soaked {
        before: before.into(),
        during: [first, second],
        names: [cached.name, uncached.name],
        memory,
        hostile,
        health,
        sessions,
        last,
        is_well,
    })
}

/// Stops a server that must still be there.
async fn end(mut server: Server) -> Result<()> {
    server.check()?;
    server.stop().await
}

/// Asks for `/health` until everything has to have ended, and counts the answers that tell of a fault, and all.
async fn health_afterwards(caller: &Caller) -> (u32, u32) {
    let begun = Instant::now();
    let (mut faults, mut all) = (0, 0);
    while begun.elapsed() < AFTERWARDS {
        faults += u32::from(!is_well(caller).await);
        all += 1;
        sleep(Duration::from_millis(500)).await;
    }
    (faults, all)
}

/// Whether `/health` tells of no fault.
async fn is_well(caller: &Caller) -> bool {
    let Ok(reply) = caller.get("/health", false).await else { return false };
    let body = serde_json::from_str::<Value>(&reply.body);
    reply.status == 200 && body.is_ok_and(|body| body["degraded"] != true)
}

/// Counts the reader's sessions that are not idle, and all.
async fn sessions(ground: &Ground) -> Result<(u32, u32)> {
    let mut connection = ground.postgres.connect(DATABASE).await?;
    let asked = "SELECT count(*) FILTER (WHERE state <> 'idle'), count(*) FROM pg_stat_activity \
        WHERE usename = 'metricd_reader' AND datname = $1";
    let (busy, all): (i64, i64) =
        sqlx::query_as(asked).bind(DATABASE).fetch_one(&mut connection).await?;
    Ok((u32::try_from(busy)?, u32::try_from(all)?))
}

impl Soaked {
    fn ratios(&self, engine: Engine, course: &Course) -> Vec<Ratio> {
        let (name, none) = (engine.name(), Some(Target::AtMost(0.0)));
        let mut found = Findings::default();
        let mut shares = Vec::new();
        for ((kind, before), during) in self.names.iter().zip(&self.before).zip(&self.during) {
            // The embedded engine has one connection, and no way to end what runs on it: who needs it waits, or is told so.
            let may_wait = engine == Engine::Embedded && *kind == "uncached";
            found.compare_micros(
                &format!("{name}: {kind} p99 among hostile callers"),
                during.percentile(99),
                ("before", before.percentile(99)),
                (!may_wait).then_some(Target::AtMost(3.0)),
            );
            let (refused, wrong, all) = (
                before.refused + during.refused,
                before.wrong + during.wrong,
                before.requests() + during.requests(),
            );
            let target = if may_wait { None } else { none };
            shares.push(share(name, &format!("{kind} requests refused"), refused, all, target));
            shares.push(share(name, &format!("{kind} answers wrong"), wrong, all, none));
        }
        let (faults, polls) = self.health;
        // The embedded engine is started anew to be rid of the last query.
        let target = if engine == Engine::Embedded { None } else { none };
        let what = "`/health` with a fault, in ten seconds after";
        shares.push(share(name, what, faults, polls, target));
        if let Some((busy, sessions)) = self.sessions {
            let what = "the reader's queries after ten seconds";
            shares.push(share(name, what, busy, sessions, none));
        }
        let failed = self.last.refused + self.last.wrong + u32::from(!self.is_well);
        let what = "failures after ten seconds, of a dashboard and `/health`";
        shares.push(share(name, what, failed, self.last.requests() + 1, none));
        let (faults, all) = (self.hostile.faults(), self.hostile.all());
        let what = "hostile requests that are not refused, or 500";
        shares.push(share(name, what, faults, all, none));
        let growth = self.memory.iter().map(|of| of.growth(name, course.minute, course.mix));
        found.ratios.into_iter().chain(shares).chain(growth).collect()
    }

    fn latencies(&self, engine: Engine) -> Vec<Vec<String>> {
        let phases = [("by itself", &self.before), ("among hostile callers", &self.during)];
        let rows = phases.into_iter().flat_map(|(phase, tallies)| {
            self.names.iter().zip(tallies).map(move |(kind, tally)| {
                let time = |of| tally.percentile(of).map_or_else(|| "–".to_owned(), micros);
                let first = tally.first.as_deref().unwrap_or_default().replace(['\n', '|'], " ");
                vec![
                    engine.name().to_owned(),
                    (*kind).to_owned(),
                    phase.to_owned(),
                    count(tally.requests()),
                    time(50),
                    time(99),
                    tally.refused.to_string(),
                    tally.wrong.to_string(),
                    first.chars().take(120).collect(),
                ]
            })
        });
        rows.collect()
    }
}

/// A number of things, with its thousands apart.
fn count(things: u32) -> String {
    if things < 100 { things.to_string() } else { number(things.into()) }
}

/// How many of all are what none should be.
fn share(engine: &str, what: &str, some: u32, all: u32, target: Option<Target>) -> Ratio {
    Ratio {
        what: format!("{engine}: {what}"),
        ours: some.to_string(),
        beside: format!("of {}", count(all)),
        times: f64::from(some) / f64::from(all.max(1)),
        target,
    }
}

//! Answers that bypass the cache.

use anyhow::{Result, ensure};

use crate::{
    catalog::{self, WINDOW},
    extent::Extent,
    ground::Ground,
    report::{Findings, Target},
    rounds::{Contender, in_turns},
    wrk::Load,
};

const CONNECTIONS: u32 = 16;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "uncached";
    ground.database(database).await?;
    let metricd = ground.serve(database).await?;
    let reference = ground.reference(&metricd, database).await?;
    let prepared = ground.limit(&metricd, Some(database)).await?;

    let target = catalog::path(1) + WINDOW;
    let mut rows = Vec::new();
    for server in [&metricd, &prepared, &reference] {
        rows.push(ground.ask(server, &target, &[("Cache-Control", "no-cache")]).await?.records()?);
    }
    ensure!(rows[0] == rows[1], "axum answers other rows: {} and {}", rows[0], rows[1]);
    ensure!(rows[0] == rows[2], "the reference answers other rows: {} and {}", rows[0], rows[2]);

    let load = || Load::new(&target, &ground.token, CONNECTIONS).with("Cache-Control", "no-cache");
    let contenders = [
        Contender::http("axum with one prepared query", &prepared, load()),
        Contender::http("metricd", &metricd, load()),
        Contender::http("Python reference", &reference, load()),
        Contender::pgbench("pgbench, prepared", ground, database, CONNECTIONS),
    ];
    let runs = in_turns(&contenders, extent).await?;
    let mut found = Findings::rates(
        "Answers from the database",
        "16 connections (`Cache-Control: no-cache`), 10 to PostgreSQL, which shares its core with wrk. All \
         but the reference run the statement that metricd sends; pgbench has 16 connections of its own.",
        &contenders,
        &runs,
    );
    let [query, ours, theirs, database_alone] = &runs;
    let axum = "axum, one prepared query";
    found.compare_rates("uncached", ours, (axum, query), Some(Target::AtLeast(0.8)));
    found.compare_micros("uncached, processor's time", ours.cpu, (axum, query.cpu), None);
    found.compare_micros(
        "uncached, processor's time with PostgreSQL's",
        ours.cpu_with_database,
        (axum, query.cpu_with_database),
        Some(Target::AtMost(1.15)),
    );
    found.compare_rates("uncached", ours, ("pgbench", database_alone), None);
    found.compare_rates("uncached", ours, ("Python", theirs), Some(Target::AtLeast(5.0)));
    for server in [metricd, reference, prepared] {
        server.stop().await?;
    }
    Ok(found)
}

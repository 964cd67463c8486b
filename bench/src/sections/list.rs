//! The first page of the list of metrics.

use anyhow::Result;

use crate::{
    Extent, catalog,
    ground::Ground,
    report::Findings,
    rounds::{Contender, in_turns},
    wrk::Load,
};

const CONNECTIONS: u32 = 16;
const METRICS: u32 = 1_000;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "list";
    ground.database(database).await?;
    catalog::grow_metrics(&ground.postgres, database, METRICS).await?;
    let metricd = ground.serve(database).await?;
    let reference = ground.reference(&metricd, database).await?;
    let load = || Load::new("/metrics?limit=50", &ground.token, CONNECTIONS);
    let contenders = [
        Contender::http("metricd", &metricd, load()),
        Contender::http("Python reference", &reference, load()),
    ];
    let runs = in_turns(&contenders, extent).await?;
    let mut found = Findings::rates(
        "A page of the list",
        "16 connections; 50 of 1,000 metrics with their layouts, read from the database each time.",
        &contenders,
        &runs,
    );
    let [ours, theirs] = &runs;
    found.compare_rates("list, a page of 50", ours, ("Python", theirs), None);
    for server in [metricd, reference] {
        server.stop().await?;
    }
    Ok(found)
}

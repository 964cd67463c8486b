//! A mix of cache hits and misses: mostly the same window, sometimes a new one.

use anyhow::Result;

use crate::{
    Extent, catalog,
    ground::Ground,
    report::Findings,
    rounds::{Contender, in_turns},
    wrk::Load,
};

const CONNECTIONS: u32 = 32;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "mixed";
    ground.database(database).await?;
    let metricd = ground.serve(database).await?;
    let reference = ground.reference(&metricd, database).await?;
    let path = catalog::path(1);
    let load = || Load::new(&path, &ground.token, CONNECTIONS).windows(20);
    let contenders = [
        Contender::http("metricd", &metricd, load()),
        Contender::http("Python reference", &reference, load()),
    ];
    let runs = in_turns(&contenders, extent).await?;
    let mut found = Findings::rates(
        "Mixed",
        "32 connections; 95 of 100 ask for the same window, 5 for one that was not asked for before.",
        &contenders,
        &runs,
    );
    let [ours, theirs] = &runs;
    found.compare_rates("mixed 95/5", ours, ("Python", theirs), None);
    for server in [metricd, reference] {
        server.stop().await?;
    }
    Ok(found)
}

//! Adding records, one a request.

use anyhow::Result;

use crate::{
    Extent, catalog,
    ground::Ground,
    report::Findings,
    rounds::{Contender, in_turns},
    wrk::Load,
};

const CONNECTIONS: u32 = 16;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "records";
    ground.database(database).await?;
    let metricd = ground.serve(database).await?;
    let reference = ground.reference(&metricd, database).await?;
    let path = catalog::path(1) + "/metric-records";
    let load = || Load::new(&path, &ground.token, CONNECTIONS).script("record.lua", &[]);
    let contenders = [
        Contender::http("metricd", &metricd, load()),
        Contender::http("Python reference", &reference, load()),
    ];
    let runs = in_turns(&contenders, extent).await?;
    let mut found = Findings::rates(
        "Adding a record",
        "16 connections. Each answer is a transaction with the record and the audit's event (metricd: the \
         log of changes too), on a PostgreSQL that does not `fsync`.",
        &contenders,
        &runs,
    );
    let [ours, theirs] = &runs;
    found.compare_rates("adding a record", ours, ("Python", theirs), None);
    for server in [metricd, reference] {
        server.stop().await?;
    }
    Ok(found)
}

//! Speed with growing numbers of metrics, records and connections.

use anyhow::Result;

use crate::{
    catalog::{self, METRICS, WINDOW},
    extent::Extent,
    ground::Ground,
    report::{Findings, Target},
    rounds::{Contender, many_in_turns},
    server::Server,
    wrk::Load,
};

/// So few connections that no request is queued.
const FEW: u32 = 4;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let mut found = metrics(ground, extent).await?;
    for more in [records(ground, extent).await?, connections(ground, extent).await?] {
        found.tables.extend(more.tables);
    }
    Ok(found)
}

async fn metrics(ground: &Ground, extent: Extent) -> Result<Findings> {
    let sizes: &[u32] = extent.of(&[METRICS, 1_000, 100_000], &[METRICS, 1_000]);
    let servers = grown(ground, "metrics", sizes, async |database, size| {
        catalog::grow_metrics(&ground.postgres, database, size).await
    })
    .await?;
    let spread = |metrics: u32| {
        Load::new("/", &ground.token, FEW).script("spread.lua", &[&metrics.to_string(), WINDOW])
    };
    let mut contenders = Vec::new();
    for (size, server) in sizes.iter().zip(&servers) {
        let name = format!("cached, 10 of {size} metrics in turn");
        contenders.push(Contender::http(name, server, spread(METRICS)));
    }
    for (size, server) in sizes.iter().zip(&servers).skip(1) {
        // There are more of them than a warm-up takes.
        spread(1_000).run(server, 5).await?;
        let name = format!("cached, 1000 of {size} metrics in turn");
        contenders.push(Contender::http(name, server, spread(1_000)));
    }
    for (size, server) in sizes.iter().zip(&servers) {
        let load = Load::new("/metrics?limit=50", &ground.token, FEW);
        contenders.push(Contender::http(format!("list, {size} metrics"), server, load));
    }
    let runs = many_in_turns(&contenders, extent).await?;
    let mut found = Findings::rates("More metrics", "4 connections.", &contenders, &runs);
    let (few, many) = (&runs[0], &runs[sizes.len() - 1]);
    let most = sizes[sizes.len() - 1];
    found.compare_micros(
        &format!("cached p50, {most} metrics"),
        many.p50,
        ("10 metrics", few.p50),
        Some(Target::AtMost(1.1)),
    );
    stop(servers).await?;
    Ok(found)
}

async fn records(ground: &Ground, extent: Extent) -> Result<Findings> {
    let sizes: &[u32] =
        extent.of(&[1_000, 10_000, 100_000, 1_000_000, 10_000_000], &[1_000, 10_000, 100_000]);
    let servers = grown(ground, "records", sizes, async |database, size| {
        catalog::grow_records(&ground.postgres, database, size).await
    })
    .await?;
    let load = || {
        let load = Load::new(catalog::path(1) + WINDOW, &ground.token, FEW);
        load.with("Cache-Control", "no-cache")
    };
    let contenders: Vec<_> = sizes
        .iter()
        .zip(&servers)
        .map(|(size, server)| Contender::http(format!("{size} records"), server, load()))
        .collect();
    let runs = many_in_turns(&contenders, extent).await?;
    let note =
        "4 connections, uncached: the same thirty days of one metric, which has 1,000 records.";
    let found = Findings::rates("More records", note, &contenders, &runs);
    stop(servers).await?;
    Ok(found)
}

async fn connections(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "connections";
    ground.database(database).await?;
    let server = ground.serve(database).await?;
    let load = |connections| Load::new(catalog::path(1) + WINDOW, &ground.token, connections);
    let contenders: Vec<_> = [1, 16, 64, 256]
        .into_iter()
        .map(|n| Contender::http(format!("{n} connections"), &server, load(n)))
        .collect();
    let runs = many_in_turns(&contenders, extent).await?;
    let found = Findings::rates("More connections", "Cached.", &contenders, &runs);
    server.stop().await?;
    Ok(found)
}

/// A server for each size, on a database that has grown to it.
async fn grown(
    ground: &Ground,
    what: &str,
    sizes: &[u32],
    grow: impl AsyncFn(&str, u32) -> Result<()>,
) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for size in sizes {
        let database = format!("{what}-{size}");
        ground.database(&database).await?;
        grow(&database, *size).await?;
        servers.push(ground.serve(&database).await?);
    }
    Ok(servers)
}

async fn stop(servers: Vec<Server>) -> Result<()> {
    for server in servers {
        server.stop().await?;
    }
    Ok(())
}

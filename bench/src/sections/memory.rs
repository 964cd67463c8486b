//! The memory of a server: at idle, with many cached answers, and with many connections.

use std::time::Duration;

use anyhow::Result;

use crate::{
    catalog::{self, WINDOW},
    extent::Extent,
    ground::Ground,
    report::{Findings, Table, megabytes, number},
    server::Server,
    wrk::Load,
};

const CONNECTIONS: u32 = 256;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "memory";
    ground.database(database).await?;
    let keys = extent.of(100_000, 10_000);
    let metricd = ground.serve(database).await?;
    let reference = ground.reference(&metricd, database).await?;
    let mut rows = Vec::new();
    for (name, server) in [("metricd", &metricd), ("Python reference", &reference)] {
        rows.push(grown(ground, name, server, keys).await?);
    }
    for server in [metricd, reference] {
        server.stop().await?;
    }
    let embedded = ground.serve_with(Ground::silent_settings()).await?;
    let idle = at_idle(&embedded).await?;
    rows.push(vec!["metricd with the embedded engine".into(), idle, "–".into(), "–".into()]);
    embedded.stop().await?;
    let table = Table {
        title: format!("Memory, with up to {} different answers", number(f64::from(keys))),
        note: "Resident, one server after the other; answers may take 256 MiB.",
        head: &["", "at idle", "then under 256 connections", "then after so many answers"],
        rows,
    };
    Ok(Findings { ratios: Vec::new(), tables: vec![table] })
}

async fn at_idle(server: &Server) -> Result<String> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(megabytes(server.resident()?))
}

async fn grown(ground: &Ground, name: &str, server: &Server, keys: u32) -> Result<Vec<String>> {
    let idle = at_idle(server).await?;
    let target = catalog::path(1) + WINDOW;
    ground.ask(server, &target, &[]).await?;
    let load = Load::new(target, &ground.token, CONNECTIONS);
    let under_way = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.resident()
    };
    let (asked, connected) = tokio::join!(load.run(server, 2), under_way);
    asked?;
    let connected = megabytes(connected?);
    Load::new(catalog::path(1), &ground.token, 32).ask_windows(server, keys).await?;
    Ok(vec![name.to_owned(), idle, connected, megabytes(server.resident()?)])
}

//! From the start of the process to its first answers.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Result;

use crate::{
    catalog::{self, WINDOW},
    extent::Extent,
    ground::{Ground, IMPORT},
    report::{Findings, Table, micros},
    rounds::median,
};

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "start";
    ground.database(database).await?;
    ground.metricd(&IMPORT, &Ground::silent_settings()).await?;
    let native = ground.settings(database);
    let embedded = Ground::silent_settings();
    let mut rows = Vec::new();
    for (name, settings, is_new) in [
        ("a PostgreSQL server", &native, false),
        ("embedded, an existing folder", &embedded, false),
        ("embedded, a new folder", &embedded, true),
    ] {
        let (mut healthy, mut answered) = (Vec::new(), Vec::new());
        for round in 0..extent.rounds() {
            let data_dir = if is_new { format!("new-{round}") } else { "data".to_owned() };
            let (health, answer) = start(ground, settings, &data_dir, is_new).await?;
            healthy.push(health);
            answered.extend(answer);
        }
        let answered = if is_new { "–".to_owned() } else { micros(median(answered)) };
        rows.push(vec![name.to_owned(), micros(median(healthy)), answered]);
    }
    let table = Table {
        title: "From the start of the process".into(),
        note: "",
        head: &["", "to the first answer of `/health`", "to the first answer of a metric"],
        rows,
    };
    Ok(Findings { ratios: Vec::new(), tables: vec![table] })
}

/// The microseconds to the first answer of `/health` and, where there are metrics, of one of them.
async fn start(
    ground: &Ground,
    settings: &BTreeMap<String, String>,
    data_dir: &str,
    is_new: bool,
) -> Result<(f64, Option<f64>)> {
    let begun = Instant::now();
    let mut server = ground.spawn(settings.clone(), data_dir).await?;
    ground.first_answer(&mut server, "/health").await?;
    let healthy = begun.elapsed();
    let mut answered = None;
    if !is_new {
        ground.first_answer(&mut server, &(catalog::path(1) + WINDOW)).await?;
        answered = Some(begun.elapsed().as_secs_f64() * 1e6);
    }
    server.stop().await?;
    Ok((healthy.as_secs_f64() * 1e6, answered))
}

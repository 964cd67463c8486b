//! Loading a million records, beside `\copy`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use metricd_acceptance::native;

use crate::{
    Extent, catalog,
    command::{self, Usage},
    ground::Ground,
    report::{Findings, Ratio, Table, Target, megabytes, micros, number},
    rounds::median,
};

/// The limit on the memory of one load.
const MEMORY: f64 = 200e6;

/// Tables that the same rows are copied into, and how metricd fills them.
const WAYS: [(&str, &str, &[&str]); 2] = [
    (
        "`import --records`, JSON",
        "metrics",
        &[
            "import",
            "--metrics",
            "metrics.json",
            "--queries",
            "queries.csv",
            "--records",
            "many.json",
        ],
    ),
    ("`load`, CSV", "loaded", &["load", "rows.csv", "--table", "loaded"]),
];

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "load";
    ground.database(database).await?;
    let records = extent.of(1_000_000, 100_000);
    catalog::write_records(&ground.folder().join("many.json"), records)?;

    let mut found = Findings::default();
    let mut rows = Vec::new();
    for (name, table, arguments) in WAYS {
        if !knows(ground, arguments[0]).await? {
            continue;
        }
        let (mut ours, mut copies) = (Vec::new(), Vec::new());
        for _ in 0..extent.of(3, 1) {
            if arguments[0] == "load" {
                // It creates the table.
                let drop = format!("DROP TABLE IF EXISTS {table}");
                catalog::run(&ground.postgres, database, &[&drop, "CHECKPOINT"]).await?;
            } else {
                empty(ground, database, table).await?;
            }
            ours.push(metricd(ground, database, arguments).await?);
            // The same rows that were loaded.
            let out = format!("\\copy {table} TO 'rows.csv' CSV HEADER");
            psql(ground, database, &out).await?;
            empty(ground, database, table).await?;
            let back = format!("\\copy {table} FROM 'rows.csv' CSV HEADER");
            copies.push(psql(ground, database, &back).await?);
        }
        let middle = |taken: &[Usage]| {
            let seconds = median(taken.iter().map(|one| one.time.as_secs_f64()).collect());
            let bytes = taken.iter().map(|one| one.memory).max().unwrap_or_default();
            (f64::from(records) / seconds, seconds, bytes)
        };
        let (rate, seconds, bytes) = middle(&ours);
        let (copy_rate, copy_seconds, copy_bytes) = middle(&copies);
        for (way, seconds, rate, bytes) in [
            (name.to_owned(), seconds, rate, bytes),
            (format!("`\\copy {table}`"), copy_seconds, copy_rate, copy_bytes),
        ] {
            rows.push(vec![way, micros(seconds * 1e6), number(rate), megabytes(bytes)]);
        }
        found.ratios.push(Ratio {
            what: format!("{name}, records/s"),
            ours: number(rate),
            beside: format!("\\copy: {}", number(copy_rate)),
            times: rate / copy_rate,
            target: Some(Target::AtLeast(0.5)),
        });
        #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
        let times = bytes as f64 / MEMORY;
        found.ratios.push(Ratio {
            what: format!("{name}, memory at most"),
            ours: megabytes(bytes),
            beside: "200 MB".into(),
            times,
            target: Some(Target::AtMost(1.0)),
        });
    }
    found.tables.push(Table {
        title: format!("Loading {} records", number(f64::from(records))),
        note: "The same rows in the same table with the same indexes, on the core of the servers, while \
               PostgreSQL has the others. `import` also checks each record, makes its key, and writes nothing \
               if one is wrong.",
        head: &["", "time", "records/s", "memory at most"],
        rows,
    });
    Ok(found)
}

/// Whether the binary has a command: one that `METRICD` names may be older.
async fn knows(ground: &Ground, command: &str) -> Result<bool> {
    let help = ground.metricd(&["help"], &BTreeMap::new()).await?;
    Ok(help.lines().any(|line| line.split_whitespace().next() == Some(command)))
}

async fn metricd(ground: &Ground, database: &str, arguments: &[&str]) -> Result<Usage> {
    command::run(ground, ground.binary(), arguments, ground.settings(database)).await
}

async fn psql(ground: &Ground, database: &str, order: &str) -> Result<Usage> {
    let (program, url) = (native::program("psql")?, ground.postgres.url(database));
    let arguments = ["--no-psqlrc", "--quiet", "--command", order, &url];
    command::run(ground, Path::new(&program), &arguments, BTreeMap::new()).await
}

async fn empty(ground: &Ground, database: &str, table: &str) -> Result<()> {
    let truncate = format!("TRUNCATE {table}");
    catalog::run(&ground.postgres, database, &[&truncate, "CHECKPOINT"]).await
}

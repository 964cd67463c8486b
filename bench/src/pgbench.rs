//! PostgreSQL without any service around it: pgbench with the statement that metricd runs.

use std::{fs, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use metricd_acceptance::native;
use tokio::process::Command;

use crate::{ground::Ground, wrk::Measured};

/// Runs the statement that metricd has run last for the usual window, from the core of the servers.
pub(crate) async fn run(
    ground: &Ground,
    database: &str,
    clients: u32,
    seconds: u32,
) -> Result<Measured> {
    let script = ground.folder().join("pgbench.sql");
    if !script.exists() {
        let statement = ground.statement(database).await?;
        let statement = statement.replace("$1", ":start").replace("$2", ":end");
        fs::write(&script, format!("{statement};\n"))?;
    }
    let program = native::program("pgbench")?;
    let mut pgbench = Command::new("taskset");
    pgbench.args(["--cpu-list", &ground.cores.server]).arg(program);
    pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=1"]);
    pgbench.args([format!("--client={clients}"), format!("--time={seconds}")]);
    pgbench.args(["--define=start=2025-06-01", "--define=end=2025-06-30"]);
    pgbench.arg("--file").arg(&script).arg(ground.postgres.url(database));
    let output = pgbench.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse::<f64>().ok())
            .with_context(|| format!("pgbench does not tell {name}{text}"))
    };
    let failed = figure("number of failed transactions: ")?;
    ensure!(failed == 0.0, "{failed} transactions of pgbench failed");
    Ok(Measured {
        rate: figure("tps = ")?,
        p50: None,
        p99: None,
        cpu: None,
        cpu_with_database: None,
        busy: None,
    })
}

//! The load generator: wrk, with its results and the kernel's accounting of a run.

use std::{cell::Cell, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::server::Server;

/// The requests of a load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The path and the query string.
    pub(crate) target: String,
    /// The headers of each request.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The number of concurrent connections.
    pub(crate) connections: u32,
    /// The script, in `bench/wrk`.
    pub(crate) script: &'static str,
    /// The arguments of the script.
    pub(crate) arguments: Vec<String>,
    /// The number of new windows requested so far.
    windows: Cell<u64>,
}

/// The script that counts the windows that it requests.
const WINDOWS: &str = "windows.lua";

/// The result of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Answers in a second.
    pub(crate) rate: f64,
    /// The latency that half of the answers had at most, in microseconds.
    pub(crate) p50: Option<f64>,
    /// The latency that 99 of 100 answers had at most, in microseconds.
    pub(crate) p99: Option<f64>,
    /// The processor's time that the server took for an answer, in microseconds.
    pub(crate) cpu: Option<f64>,
    /// The same with what PostgreSQL took beside it.
    pub(crate) cpu_with_database: Option<f64>,
    /// The share of its core that the server kept busy, from 0 to 1.
    pub(crate) busy: Option<f64>,
}

/// What `summary.lua` prints.
#[derive(Deserialize)]
struct Summary {
    requests: u32,
    micros: u32,
    failed: u64,
    p50: u32,
    p99: u32,
}

impl Load {
    /// How long one run of many takes, in seconds.
    const A_WHILE: u32 = 5;

    /// Creates a load of one target with one token over these connections.
    pub(crate) fn new(target: impl Into<String>, token: &str, connections: u32) -> Self {
        Self {
            target: target.into(),
            headers: vec![("Authorization", format!("Bearer {token}"))],
            connections,
            script: "summary.lua",
            arguments: Vec::new(),
            windows: Cell::new(0),
        }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the script.
    pub(crate) fn script(mut self, script: &'static str, arguments: &[&str]) -> Self {
        self.script = script;
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self
    }

    /// Requests the usual window and, once in `every` requests, a new one.
    pub(crate) fn windows(self, every: u32) -> Self {
        let path = self.target.clone();
        self.script(WINDOWS, &[&path, &every.to_string()])
    }

    /// Requests `number` windows of `server`, each once, and returns its peak memory, in bytes.
    pub(crate) async fn ask_windows(self, server: &Server, number: u32) -> Result<u64> {
        let load = self.windows(1);
        let mut most = 0;
        while load.windows.get() < u64::from(number) {
            load.run(server, Self::A_WHILE).await?;
            most = server.resident()?.max(most);
        }
        Ok(most)
    }

    /// Loads `server` for some seconds.
    ///
    /// # Errors
    /// When a request failed: the figures would mean nothing.
    pub(crate) async fn run(&self, server: &Server, seconds: u32) -> Result<Measured> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrk");
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--timeout", "20s", "--latency"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{seconds}s"), "--script"]).arg(scripts.join(self.script));
        for (name, value) in &self.headers {
            wrk.args(["--header", &format!("{name}: {value}")]);
        }
        wrk.arg(format!("http://{}{}", server.address, self.target));
        wrk.arg("--").args(&self.arguments);
        if self.script == WINDOWS {
            wrk.arg(self.windows.get().to_string());
        }
        wrk.stdin(Stdio::null()).kill_on_drop(true);
        let (before, database_before) = (server.cpu()?, server.database_cpu()?);
        let output = wrk.output().await.context("cannot start wrk")?;
        let cpu = server.cpu()?.saturating_sub(before);
        let with_database = cpu + server.database_cpu()?.saturating_sub(database_before);
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("summary "));
        let line = line
            .with_context(|| format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
        let summary: Summary = serde_json::from_str(line)?;
        ensure!(summary.failed == 0, "{} of {} answers failed", summary.failed, summary.requests);
        ensure!(summary.requests > 0, "there was no answer");
        // Requests that were still in flight count too.
        let asked = summary.requests + self.connections;
        self.windows.set(self.windows.get() + u64::from(asked));
        let took = Duration::from_micros(summary.micros.into());
        let requests = f64::from(summary.requests);
        Ok(Measured {
            rate: requests / took.as_secs_f64(),
            p50: Some(summary.p50.into()),
            p99: Some(summary.p99.into()),
            cpu: Some(cpu.as_secs_f64() * 1e6 / requests),
            cpu_with_database: Some(with_database.as_secs_f64() * 1e6 / requests),
            busy: Some(cpu.as_secs_f64() / took.as_secs_f64()),
        })
    }
}

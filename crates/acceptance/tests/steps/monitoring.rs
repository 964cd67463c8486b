//! What operators collect: metrics, as Prometheus does, and traces.

use std::{
    ops::ControlFlow::{Break, Continue},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{World, collector::TraceCollector, logs::LogLine, process};

use super::{Step, items, pages, rows};

#[when("Prometheus collects")]
async fn collect(world: &mut World) -> Step {
    let lines = world.server.logs.lines();
    let told = lines.iter().rfind(|line| line.says("INFO", "Serving metrics for Prometheus"));
    let address = told.and_then(|line| line.field("listen")).context("it serves none")?;
    let answer = reqwest::get(format!("http://{address}/metrics")).await?.error_for_status()?;
    let kind = answer.headers().get("content-type").context("it has no type")?.to_str()?;
    ensure!(kind.starts_with("application/openmetrics-text;"), "{kind}");
    world.collected = answer.text().await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} {int} times")]
async fn ask_often(world: &mut World, id: String, times: u32) -> Step {
    for _ in 0..times {
        let answer = world.get(&format!("/metrics/{id}")).await?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    }
    Ok(())
}

#[when("I ask for each metric there is")]
async fn ask_for_each(world: &mut World) -> Step {
    let mut ids = Vec::new();
    for page in pages(world, None, "/metrics?limit=50").await? {
        let of_page = items(&page)?.iter().filter_map(|item| item.at("id")?.as_text());
        ids.extend(of_page.map(str::to_owned));
    }
    ensure!(!ids.is_empty(), "there is none");
    for id in ids {
        world.get(&format!("/metrics/{id}")).await?;
    }
    Ok(())
}

/// The series without comments.
fn series(collected: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = collected.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' '))
}

/// Each row is a series and its value; `<something>` stands for any value but 0.
#[then("it has collected")]
fn has(world: &mut World, step: &gherkin::Step) -> Step {
    for row in rows(step)? {
        let [name, wanted] = row.as_slice() else {
            return Err(anyhow::anyhow!("a row has a series and a value").into());
        };
        let found = series(&world.collected).find(|(series, _)| series == name);
        let (_, value) = found.with_context(|| format!("no {name} in\n{}", world.collected))?;
        // Whole numbers are written without a fraction.
        let is_it = if wanted == "<something>" { value != "0" } else { value == wanted };
        ensure!(is_it, "{name} is {value}");
    }
    Ok(())
}

#[then(expr = "it has collected no more than {int} series")]
fn at_most(world: &mut World, most: usize) -> Step {
    let number = series(&world.collected).count();
    ensure!(number <= most && number > 0, "{number} in\n{}", world.collected);
    Ok(())
}

#[then(expr = "it has collected nothing that contains {string}")]
fn nothing_with(world: &mut World, part: String) -> Step {
    let part = world.variables.expand(&part);
    let found = world.collected.lines().find(|line| line.contains(&part));
    ensure!(found.is_none(), "{}", found.unwrap_or_default());
    Ok(())
}

/// Each row of the guide's table of metrics begins with the name.
#[then("the guide names all that it has collected")]
fn all_are_documented(world: &mut World) -> Step {
    let guide =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/monitoring.md");
    let guide = std::fs::read_to_string(guide)?;
    let types = world.collected.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for (name, kind) in types.filter_map(|line| line.split_once(' ')) {
        let name = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        ensure!(guide.contains(&format!("| `{name}")), "{name} is not in the guide");
    }
    Ok(())
}

#[given("a collector of traces")]
async fn collector(world: &mut World) -> Step {
    let collector = TraceCollector::start().await?;
    world.server.settings.insert("METRICD_TELEMETRY__TRACES_ENDPOINT".into(), collector.url());
    world.collector = Some(Arc::new(collector));
    Ok(())
}

/// Spans are sent some at a time, so the server has to stop first, or they come soon.
#[then(expr = "the collector soon has a span {string} of the trace {string}")]
async fn has_span(world: &mut World, name: String, trace: String) -> Step {
    let collector = Arc::clone(world.collector.as_ref().context("there is no collector")?);
    let trace = bytes(&world.variables.expand(&trace))?;
    // A text of protobuf has its length before it.
    let mut named = vec![u8::try_from(name.len())?];
    named.extend_from_slice(name.as_bytes());
    let found = process::poll_until(async || {
        let is_there = collector.has(&trace) && collector.has(&named);
        Ok(if is_there { Break(()) } else { Continue(format!("no span {name}")) })
    });
    Ok(found.await?)
}

#[then(expr = "the collector has nothing of the trace {string}")]
fn has_nothing(world: &mut World, trace: String) -> Step {
    let collector = world.collector.as_ref().context("there is no collector")?;
    ensure!(!collector.has(&bytes(&trace)?), "it has");
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2).context("an odd length"));
    pairs.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect()
}

#[then(expr = "{int} lines say {string} with {word} {string}")]
async fn lines_say(
    world: &mut World,
    count: usize,
    event: String,
    field: String,
    value: String,
) -> Step {
    world.server.settle().await?;
    let lines = world.server.logs.lines();
    let is_it = |line: &&LogLine| {
        line.field("event").as_deref() == Some(event.as_str())
            && line.field(&field).as_deref() == Some(value.as_str())
    };
    let found = lines.iter().filter(is_it).count();
    ensure!(found == count, "{found} such lines in\n{}", world.server.logs.text());
    Ok(())
}

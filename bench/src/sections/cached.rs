//! Cache hits: with a body, and 304 for a client that has it.

use anyhow::{Result, ensure};

use crate::{
    catalog::{self, WINDOW},
    extent::Extent,
    ground::Ground,
    report::{Findings, Target},
    rounds::{Contender, in_turns},
    wrk::Load,
};

const CONNECTIONS: u32 = 64;

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    let database = "cached";
    ground.database(database).await?;
    let metricd = ground.serve(database).await?;
    let mut logging = ground.settings(database);
    logging.insert("METRICD_LOG".into(), "info".into());
    let mut sampling = logging.clone();
    sampling.insert("METRICD_LOG__SAMPLE_HITS".into(), "10".into());
    let logging = ground.serve_with(logging).await?;
    let sampling = ground.serve_with(sampling).await?;
    let reference = ground.reference(&metricd, database).await?;

    let target = catalog::path(1) + WINDOW;
    let mut tags = Vec::new();
    for server in [&metricd, &logging, &sampling, &reference] {
        ground.ask(server, &target, &[]).await?;
        let again = ground.ask(server, &target, &[]).await?;
        let status = again.header("cache-status")?;
        ensure!(status.contains("hit"), "an answer does not come from memory: {status}");
        tags.push(again.header("etag")?);
    }
    let bare = ground.limit(&metricd, None).await?;

    let load = || Load::new(&target, &ground.token, CONNECTIONS);
    let unchanged = |tag: &String| load().with("If-None-Match", tag);
    let contenders = [
        Contender::http("bare axum", &bare, load()),
        Contender::http("metricd", &metricd, load()),
        Contender::http("Python reference", &reference, load()),
        Contender::http("bare axum, 304", &bare, unchanged(&tags[0])),
        Contender::http("metricd, 304", &metricd, unchanged(&tags[0])),
        Contender::http("Python reference, 304", &reference, unchanged(&tags[3])),
        Contender::http("metricd that logs each request", &logging, load()),
        Contender::http("metricd that logs one hit in ten", &sampling, load()),
    ];
    let runs = in_turns(&contenders, extent).await?;
    let mut found = Findings::rates(
        "Answers from memory",
        "64 connections, one token, one window: the same 2 KB.",
        &contenders,
        &runs,
    );
    let [bare_run, ours, theirs, bare_304, ours_304, theirs_304, logged, sampled] = &runs;
    let bare_axum = "bare axum";
    found.compare_rates("cached", ours, (bare_axum, bare_run), Some(Target::AtLeast(0.7)));
    found.compare_micros(
        "cached, p99",
        ours.p99,
        (bare_axum, bare_run.p99),
        Some(Target::AtMost(3.0)),
    );
    found.compare_micros("cached, processor's time", ours.cpu, (bare_axum, bare_run.cpu), None);
    found.compare_rates("cached", ours, ("Python", theirs), Some(Target::AtLeast(10.0)));
    found.compare_rates("304", ours_304, (bare_axum, bare_304), None);
    found.compare_rates("304", ours_304, ("Python", theirs_304), None);
    let silent = ("metricd silent", ours);
    let (all, some) = (Target::AtLeast(0.75), Target::AtLeast(0.85));
    found.compare_rates("cached, each request logged", logged, silent, Some(all));
    found.compare_rates("cached, one hit in ten logged", sampled, silent, Some(some));
    for server in [metricd, logging, sampling, reference, bare] {
        server.stop().await?;
    }
    Ok(found)
}

//! Runs every scenario of `features/` on both database engines.
//!
//! Cucumber's own options work: `cargo test -p metricd-acceptance --test acceptance -- --name
//! "half-open"`. `ACCEPTANCE_BINARY` names a binary to test in place of the one that is built here, `ACCEPTANCE_EDGE` a
//! reverse proxy to send all requests through.

#![expect(clippy::needless_pass_by_value, reason = "cucumber gives each step its own texts")]

use std::{
    env,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use cucumber::{
    World as _, cli, event::ScenarioFinished, parser, runner, tag::Ext as _, writer,
    writer::Stats as _,
};
use metricd_acceptance::{TestEngine, TestRun, World, binary};

mod steps;

/// The embedded engine takes 250 MB for each running server.
const AT_ONCE: usize = 4;

/// Cucumber's own command line.
type Options = cli::Opts<parser::basic::Cli, runner::basic::Cli, writer::basic::Cli>;

static PASSED: AtomicUsize = AtomicUsize::new(0);
static FAILED: AtomicUsize = AtomicUsize::new(0);
/// The failures, repeated at the end of a long log.
static FAILURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[tokio::main]
async fn main() -> Result<ExitCode> {
    // Test runners that list the tests of every binary find none here: this one runs by itself.
    if env::args().any(|argument| argument == "--list") {
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::parsed();
    let binary = binary::find().await?;
    for &engine in TestEngine::of_run() {
        let stage = TestRun::set(engine, binary.clone()).await?;
        run(engine, options.clone()).await;
        stage.end().await?;
    }
    for failure in FAILURES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        say(failure);
    }
    let (passed, failed) = (PASSED.load(Ordering::Relaxed), FAILED.load(Ordering::Relaxed));
    say(&format!("acceptance: {passed} passed, {failed} failed"));
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(engine: TestEngine, mut options: Options) {
    say(&format!("\n=== {engine} PostgreSQL ==="));
    // Given on the command line, these two would take the place of the filter by engine.
    let (name, tags) = (options.re_filter.take(), options.tags_filter.take());
    let finished = World::cucumber()
        .with_cli(options)
        .max_concurrent_scenarios(AT_ONCE)
        .after(move |_, _, scenario, outcome, app| {
            let failed = !matches!(outcome, ScenarioFinished::StepPassed);
            if failed {
                FAILED.fetch_add(1, Ordering::Relaxed);
                let failure = format!("failed on {engine}: {}: {}", scenario.name, reason(outcome));
                FAILURES.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            } else {
                PASSED.fetch_add(1, Ordering::Relaxed);
            }
            Box::pin(async move {
                let Some(app) = app else { return };
                let evidence = if failed { app.evidence() } else { String::new() };
                if !evidence.is_empty() {
                    say(&format!("--- {}\n{evidence}", scenario.name));
                }
                app.close().await.expect("the scenario is cleaned up");
            })
        })
        .fail_on_skipped()
        .filter_run(
            concat!(env!("CARGO_MANIFEST_DIR"), "/features"),
            move |feature, rule, scenario| {
                let of_rule = rule.into_iter().flat_map(|rule| &rule.tags);
                let all = feature.tags.iter().chain(of_rule).chain(&scenario.tags);
                engine.runs(all.clone())
                    && name.as_ref().is_none_or(|name| name.is_match(&scenario.name))
                    && tags.as_ref().is_none_or(|tags| tags.eval(all))
            },
        )
        .await;
    // Features that do not parse and clean-ups that fail belong to no scenario.
    FAILED.fetch_add(finished.parsing_errors() + finished.hook_errors(), Ordering::Relaxed);
}

fn reason(outcome: &ScenarioFinished) -> String {
    match outcome {
        ScenarioFinished::StepFailed(_, _, error) => error.to_string(),
        ScenarioFinished::BeforeHookFailed(_) => "a hook failed".into(),
        ScenarioFinished::StepSkipped => "a step is not known".into(),
        ScenarioFinished::StepPassed => String::new(),
    }
}

#[expect(clippy::print_stdout, reason = "the report of the run")]
fn say(text: &str) {
    println!("{text}");
}

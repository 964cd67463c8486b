//! What there is before anything happens, and the life of the server.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{TestApp, engine::Content};

use super::{Step, document};

#[given("an empty catalog")]
fn empty_catalog(app: &mut TestApp) {
    app.content = Content::Migrated;
}

#[given("the sample catalog")]
fn sample_catalog(app: &mut TestApp) {
    app.content = Content::Sample;
}

#[given("a database that metricd has never seen")]
fn untouched_database(app: &mut TestApp) {
    app.content = Content::Untouched;
}

#[given(expr = "the clock says {string}")]
fn clock(app: &mut TestApp, instant: String) {
    app.settings.insert("METRICD_CLOCK".into(), instant);
}

#[given("the clock is the machine's own")]
fn machine_clock(app: &mut TestApp) {
    app.settings.remove("METRICD_CLOCK");
}

#[given(expr = "the setting {string} is {string}")]
fn setting(app: &mut TestApp, name: String, value: String) {
    app.settings.insert(name, value);
}

#[given("metricd seeds itself from the catalog files")]
fn seeds(app: &mut TestApp) {
    for (setting, file) in [
        ("METRICS_SEED_JSON", "metrics.json"),
        ("QUERIES_SEED_CSV", "queries.csv"),
        ("METRIC_RECORDS_SEED_JSON", "metric_records.json"),
    ] {
        app.settings.insert(setting.into(), format!("{{folder}}/{file}"));
    }
}

#[given("metricd is running")]
#[when("metricd starts")]
#[when("metricd starts again")]
async fn start(app: &mut TestApp) -> Step {
    Ok(app.start(&[]).await?)
}

#[given(expr = "metricd is running with {string}")]
#[when(expr = "metricd starts with {string}")]
async fn start_with(app: &mut TestApp, options: String) -> Step {
    let options = app.fill(&options);
    Ok(app.start(&options.split(' ').collect::<Vec<_>>()).await?)
}

#[given("metricd is running twice on one database")]
async fn start_twice(app: &mut TestApp) -> Step {
    app.start(&[]).await?;
    app.turn();
    Ok(app.start(&[]).await?)
}

#[when("I turn to the other metricd")]
fn turn(app: &mut TestApp) {
    app.turn();
}

#[when("metricd stops")]
async fn stop(app: &mut TestApp) -> Step {
    Ok(app.stop().await?)
}

#[when("metricd is killed")]
async fn kill(app: &mut TestApp) -> Step {
    Ok(app.kill().await?)
}

#[when("the database goes away")]
async fn database_goes_away(app: &mut TestApp) -> Step {
    Ok(app.discard_database().await?)
}

#[given(expr = "in the file {string} {string} becomes {string}")]
fn replace_first(app: &mut TestApp, file: String, old: String, new: String) -> Step {
    Ok(app.catalog.replace_first(&file, &unescaped(&old), &unescaped(&new))?)
}

#[given(expr = "in the file {string} every {string} becomes {string}")]
fn replace_all(app: &mut TestApp, file: String, old: String, new: String) -> Step {
    Ok(app.catalog.replace_all(&file, &unescaped(&old), &unescaped(&new))?)
}

#[given(expr = "the file {string} holds no UTF-8 after {string}")]
fn spoil(app: &mut TestApp, file: String, part: String) -> Step {
    Ok(app.catalog.spoil_after(&file, &part)?)
}

#[given(expr = "the file {string} begins with a byte-order mark")]
fn byte_order_mark(app: &mut TestApp, file: String) -> Step {
    let path = app.folder().join(&file);
    let content = std::fs::read(&path)?;
    Ok(app.catalog.write(&file, [b"\xef\xbb\xbf", content.as_slice()].concat())?)
}

#[given(expr = "the file {string} is")]
fn write(app: &mut TestApp, file: String, step: &gherkin::Step) -> Step {
    Ok(app.catalog.write(&file, format!("{}\n", document(step)?.trim_end()))?)
}

#[given(expr = "the file {string} is {string}")]
fn write_line(app: &mut TestApp, file: String, content: String) -> Step {
    Ok(app.catalog.write(&file, unescaped(&content))?)
}

#[then(expr = "the file {string} holds")]
fn holds(app: &mut TestApp, file: String, step: &gherkin::Step) -> Step {
    let content = std::fs::read_to_string(app.folder().join(&file))?;
    let expected = document(step)?.trim();
    ensure!(content.trim() == expected, "it holds {content}");
    Ok(())
}

#[given(expr = "the query {string} in the file is {string}")]
fn query(app: &mut TestApp, id: String, sql: String) -> Step {
    Ok(app.catalog.set_query(&id, &unescaped(&sql))?)
}

#[given(expr = "the metric {string} is taken out of the files")]
#[when(expr = "the metric {string} is taken out of the files")]
fn take_out(app: &mut TestApp, id: String) -> Step {
    Ok(app.catalog.remove_metric(&id)?)
}

#[given("in the database, somebody has run")]
async fn somebody_has_run(app: &mut TestApp, step: &gherkin::Step) -> Step {
    Ok(app.execute(document(step)?).await?)
}

#[given("in the database, somebody writes without an end")]
async fn somebody_writes(app: &mut TestApp, step: &gherkin::Step) -> Step {
    Ok(app.begin(document(step)?).await?)
}

#[when("what is written in the database is committed")]
async fn somebody_commits(app: &mut TestApp) -> Step {
    Ok(app.commit().await?)
}

#[then(expr = "in the database, {string} gives")]
async fn sql_gives(app: &mut TestApp, statement: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| app.fill(text))?;
    let actual = app.sql(&statement).await?;
    ensure!(actual == expected, "it gives {actual}");
    Ok(())
}

#[then(expr = "in the database, {string} soon gives")]
async fn sql_soon_gives(app: &mut TestApp, statement: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| app.fill(text))?;
    Ok(app.sql_until(&statement, &expected).await?)
}

#[then(expr = "nobody else may look into the folder {string}")]
fn private_folder(app: &mut TestApp, name: String) -> Step {
    let path = app.folder().join(name);
    let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
    ensure!(mode == 0o700, "its mode is {mode:o}");
    Ok(())
}

#[then(expr = "there is no folder {string}")]
fn no_folder(app: &mut TestApp, name: String) -> Step {
    let path = app.folder().join(name);
    ensure!(!path.try_exists().context("cannot look")?, "{} is there", path.display());
    Ok(())
}

/// Texts in a table have no line breaks of their own.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
}

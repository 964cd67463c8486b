//! The data and settings before a scenario, and the server's life cycle.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{World, engine::Content, tools};

use super::{Step, document};

#[given("an empty catalog")]
fn empty_catalog(world: &mut World) {
    world.server.database.content = Content::Migrated;
}

#[given("the sample catalog")]
fn sample_catalog(world: &mut World) {
    world.server.database.content = Content::Sample;
}

#[given("a database that metricd has never seen")]
fn untouched_database(world: &mut World) {
    world.server.database.content = Content::Untouched;
}

#[given(expr = "the clock says {string}")]
fn clock(world: &mut World, instant: String) {
    world.server.settings.insert("METRICD_CLOCK".into(), instant);
}

#[given("the clock is the machine's own")]
fn machine_clock(world: &mut World) {
    world.server.settings.remove("METRICD_CLOCK");
}

#[given(expr = "the setting {string} is {string}")]
fn setting(world: &mut World, name: String, value: String) {
    world.server.settings.insert(name, value);
}

#[given("metricd seeds itself from the catalog files")]
fn seeds(world: &mut World) {
    for (setting, file) in [
        ("METRICS_SEED_JSON", "metrics.json"),
        ("QUERIES_SEED_CSV", "queries.csv"),
        ("METRIC_RECORDS_SEED_JSON", "metric_records.json"),
    ] {
        world.server.settings.insert(setting.into(), format!("{{folder}}/{file}"));
    }
}

#[given("metricd is running")]
#[when("metricd starts")]
#[when("metricd starts again")]
async fn start(world: &mut World) -> Step {
    Ok(world.server.start(&[]).await?)
}

#[given(expr = "metricd is running with {string}")]
#[when(expr = "metricd starts with {string}")]
async fn start_with(world: &mut World, options: String) -> Step {
    let options = world.variables.expand(&options);
    Ok(world.server.start(&options.split(' ').collect::<Vec<_>>()).await?)
}

#[given("metricd is running twice on one database")]
async fn start_twice(world: &mut World) -> Step {
    world.server.start(&[]).await?;
    world.server.switch();
    Ok(world.server.start(&[]).await?)
}

#[when("I switch to the other metricd")]
fn switch(world: &mut World) {
    world.server.switch();
}

#[when("metricd stops")]
async fn stop(world: &mut World) -> Step {
    Ok(world.server.stop().await?)
}

#[when("metricd is told to stop")]
async fn tell_to_stop(world: &mut World) -> Step {
    Ok(world.server.tell_to_stop().await?)
}

#[then("metricd stops")]
async fn has_stopped(world: &mut World) -> Step {
    Ok(world.server.wait_for_stop().await?)
}

#[when("metricd is killed")]
async fn kill(world: &mut World) -> Step {
    Ok(world.server.kill().await?)
}

#[when("the database goes away")]
async fn database_goes_away(world: &mut World) -> Step {
    Ok(world.server.database.discard().await?)
}

#[given(expr = "in the file {string} {string} becomes {string}")]
fn replace_first(world: &mut World, file: String, old: String, new: String) -> Step {
    Ok(world.catalog.replace_first(&file, &unescaped(&old), &unescaped(&new))?)
}

#[given(expr = "in the file {string} every {string} becomes {string}")]
fn replace_all(world: &mut World, file: String, old: String, new: String) -> Step {
    Ok(world.catalog.replace_all(&file, &unescaped(&old), &unescaped(&new))?)
}

#[given(expr = "the file {string} holds no UTF-8 after {string}")]
fn corrupt(world: &mut World, file: String, part: String) -> Step {
    Ok(world.catalog.corrupt_after(&file, &part)?)
}

#[given(expr = "the file {string} begins with a byte-order mark")]
fn byte_order_mark(world: &mut World, file: String) -> Step {
    let path = world.folder().join(&file);
    let content = std::fs::read(&path)?;
    Ok(world.catalog.write(&file, [b"\xef\xbb\xbf", content.as_slice()].concat())?)
}

#[given(expr = "the file {string} is")]
fn write(world: &mut World, file: String, step: &gherkin::Step) -> Step {
    Ok(world.catalog.write(&file, format!("{}\n", document(step)?.trim_end()))?)
}

#[given(expr = "the file {string} is {string}")]
fn write_line(world: &mut World, file: String, content: String) -> Step {
    Ok(world.catalog.write(&file, unescaped(&content))?)
}

#[then(expr = "the file {string} holds")]
fn holds(world: &mut World, file: String, step: &gherkin::Step) -> Step {
    let content = std::fs::read_to_string(world.folder().join(&file))?;
    let expected = document(step)?.trim();
    ensure!(content.trim() == expected, "it holds {content}");
    Ok(())
}

#[given(expr = "the query {string} in the file is {string}")]
fn query(world: &mut World, id: String, sql: String) -> Step {
    Ok(world.catalog.set_query(&id, &unescaped(&sql))?)
}

#[given(expr = "the metric {string} is taken out of the files")]
#[when(expr = "the metric {string} is taken out of the files")]
fn take_out(world: &mut World, id: String) -> Step {
    Ok(world.catalog.remove_metric(&id)?)
}

#[given("this SQL was run in the database")]
async fn sql_was_run(world: &mut World, step: &gherkin::Step) -> Step {
    Ok(world.server.database.execute(document(step)?).await?)
}

#[given("this SQL is run in a transaction that stays open")]
async fn open_transaction(world: &mut World, step: &gherkin::Step) -> Step {
    Ok(world.server.database.begin(document(step)?).await?)
}

#[when("the open transaction is committed")]
async fn commit(world: &mut World) -> Step {
    Ok(world.server.database.commit().await?)
}

/// The engine gets a copy of its files, of which the zone's is taken away.
#[given(expr = "the embedded engine has no data of the time zone {string}")]
fn no_zone(world: &mut World, zone: String) -> Step {
    let cache = tools::user_cache()?;
    let own = world.folder().join("cache");
    let engine = own.join("pglite-oxide");
    std::fs::create_dir_all(&engine)?;
    for entry in std::fs::read_dir(cache.join("pglite-oxide"))? {
        let entry = entry?;
        if entry.file_name() != "runtime" {
            symlink(entry.path(), engine.join(entry.file_name()))?;
        }
    }
    let script = r#"cp -a "$1" "$2" && find "$2" -path "*/timezone/$3" -delete -print"#;
    let mut copy = std::process::Command::new("sh");
    copy.args(["-c", script, "sh"]).arg(cache.join("pglite-oxide/runtime")).arg(&engine);
    let copied = copy.arg(&zone).output()?;
    let said = String::from_utf8_lossy(&copied.stdout);
    ensure!(copied.status.success() && said.lines().count() == 1, "no one file of {zone}: {said}");
    world.server.settings.insert("XDG_CACHE_HOME".into(), own.display().to_string());
    Ok(())
}

#[then(expr = "in the database, {string} gives")]
async fn sql_gives(world: &mut World, statement: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| world.variables.expand(text))?;
    let actual = world.server.database.rows(&statement).await?;
    ensure!(actual == expected, "it gives {actual}");
    Ok(())
}

#[then(expr = "in the database, {string} soon gives")]
async fn sql_soon_gives(world: &mut World, statement: String, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| world.variables.expand(text))?;
    Ok(world.server.database.wait_for_rows(&statement, &expected).await?)
}

#[then(expr = "only its owner may look into the folder {string}")]
fn private_folder(world: &mut World, name: String) -> Step {
    let path = world.folder().join(name);
    let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
    ensure!(mode == 0o700, "its mode is {mode:o}");
    Ok(())
}

#[then(expr = "there is no folder {string}")]
fn no_folder(world: &mut World, name: String) -> Step {
    let path = world.folder().join(name);
    ensure!(!path.try_exists().context("cannot look")?, "{} is there", path.display());
    Ok(())
}

/// Texts in a table have no line breaks of their own.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\r", "\r")
}

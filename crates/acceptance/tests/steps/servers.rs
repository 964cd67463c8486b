//! PostgreSQL servers of a scenario's own, and poolers. `{name}` stands for host, port and path of a server's URL.

use anyhow::Context as _;
use cucumber::{given, then, when};
use metricd_acceptance::{World, engine::DatabaseLocation};

use super::Step;

#[given(expr = "a PostgreSQL server {string}")]
async fn start(world: &mut World, name: String) -> Step {
    // What is committed is sent to a standby at once.
    let settings = vec!["synchronous_commit=on".into()];
    let address = world.servers.start(&name, settings).await?.address();
    world.variables.set(&name, address);
    Ok(())
}

#[given(expr = "a PostgreSQL server {string} with TLS, whose certificate is the file {string}")]
async fn start_with_tls(world: &mut World, name: String, file: String) -> Step {
    let server = world.servers.start(&name, Vec::new()).await?;
    let address = server.address();
    std::fs::copy(server.encrypt().await?, world.folder().join(file))?;
    world.variables.set(&name, address);
    Ok(())
}

#[given(expr = "a hot standby {string} of the server {string}")]
async fn follow(world: &mut World, name: String, primary: String) -> Step {
    let address = world.servers.follow(&name, &primary).await?.address();
    world.variables.set(&name, address);
    Ok(())
}

#[given(expr = "on the server {string}, {string} was run")]
#[when(expr = "on the server {string}, {string} is run")]
async fn execute(world: &mut World, name: String, statements: String) -> Step {
    Ok(world.servers.execute(&name, &statements).await?)
}

#[when(expr = "on the server {string}, {string} is run in a transaction that stays open")]
async fn begin(world: &mut World, name: String, statements: String) -> Step {
    Ok(world.servers.begin(&name, &statements).await?)
}

#[when("the open transaction of the server is committed")]
async fn commit(world: &mut World) -> Step {
    Ok(world.servers.commit().await?)
}

#[when(regex = r#"^the standby "([^"]+)" replays (nothing more|again)$"#)]
async fn replay(world: &mut World, name: String, how: String) -> Step {
    Ok(world.servers.replay(&name, how == "again").await?)
}

#[then(expr = "the answer is of an instant before {string}")]
fn as_of_is_before(world: &mut World, instant: String) -> Step {
    let answer = world.client.answer()?.json()?;
    let as_of = answer.at("as_of").context("it has no as_of")?.to_string();
    // Written alike, earlier instants come first.
    ensure!(as_of.trim_matches('"') < instant.as_str(), "it is {as_of}");
    Ok(())
}

#[given(expr = "PgBouncer stands before the server {string}, with {string}")]
async fn pool(world: &mut World, server: String, settings: String) -> Step {
    let url = world.servers.pool(Some(&server), "postgres", &listed(&settings)).await?;
    world.server.settings.insert("DATABASE_URL".into(), url);
    Ok(())
}

#[given(expr = "PgBouncer stands before the database, with {string}")]
async fn pool_of_the_run(world: &mut World, settings: String) -> Step {
    let location = world.server.database.location().await?;
    let DatabaseLocation::Native { name, .. } = location else {
        return Err(anyhow::anyhow!("only a server has a pooler: tag it @native").into());
    };
    let url = world.servers.pool(None, &name, &listed(&settings)).await?;
    world.server.settings.insert("DATABASE_URL".into(), url);
    Ok(())
}

fn listed(settings: &str) -> Vec<String> {
    settings.split(", ").map(str::to_owned).collect()
}

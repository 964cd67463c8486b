//! PostgreSQL servers of a scenario's own. `{name}` stands for the URL of the server of that name, up to its parameters.

use cucumber::{given, when};
use metricd_acceptance::World;

use super::Step;

#[given(expr = "a PostgreSQL server {string}")]
async fn start(world: &mut World, name: String) -> Step {
    let url = world.servers.start(&name, Vec::new()).await?.tcp_url("postgres");
    world.variables.set(&name, url);
    Ok(())
}

#[given(expr = "a PostgreSQL server {string} with TLS, whose certificate is the file {string}")]
async fn start_with_tls(world: &mut World, name: String, file: String) -> Step {
    let server = world.servers.start(&name, Vec::new()).await?;
    let url = server.tcp_url("postgres");
    std::fs::copy(server.encrypt().await?, world.folder().join(file))?;
    world.variables.set(&name, url);
    Ok(())
}

#[given(expr = "on the server {string}, {string} was run")]
#[when(expr = "on the server {string}, {string} is run")]
async fn execute(world: &mut World, name: String, statements: String) -> Step {
    Ok(world.servers.execute(&name, &statements).await?)
}

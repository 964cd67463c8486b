//! What other people's tools make of the OpenAPI document, and of the server by it.

use cucumber::when;
use metricd_acceptance::{World, api_tools::ApiTools, caller::TestUser};

use super::Step;

#[when("redocly lints the OpenAPI document")]
async fn lint(world: &mut World) -> Step {
    let tools = tools(world).await?;
    world.keep_output(tools.lint().await?);
    Ok(())
}

#[when("a generated TypeScript client is compiled and calls metricd")]
async fn call_in_typescript(world: &mut World) -> Step {
    let tools = tools(world).await?;
    let (url, token) = address(world).await?;
    world.keep_output(tools.call_in_typescript(&url, &token).await?);
    Ok(())
}

#[when("a generated Python client is compiled and calls metricd")]
async fn call_in_python(world: &mut World) -> Step {
    let tools = tools(world).await?;
    let (url, token) = address(world).await?;
    world.keep_output(tools.call_in_python(&url, &token).await?);
    Ok(())
}

#[when("schemathesis tries every operation")]
async fn try_every_operation(world: &mut World) -> Step {
    let tools = tools(world).await?;
    let (url, token) = address(world).await?;
    world.keep_output(tools.try_every_operation(&url, &token).await?);
    Ok(())
}

async fn tools(world: &mut World) -> anyhow::Result<ApiTools> {
    let document = world.get("/openapi.json").await?.body.clone();
    ApiTools::new(world.folder(), &document)
}

async fn address(world: &mut World) -> anyhow::Result<(String, String)> {
    let token = world.server.token_of(&TestUser::new("admin")).await?;
    Ok((world.server.url("")?, token))
}

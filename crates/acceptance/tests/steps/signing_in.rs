//! Callers, and where their tokens come from.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    World,
    caller::{TestCaller, TestUser},
    http::HttpAnswer,
    idp::{self, AUDIENCE, SCOPE},
    json::Json,
};

use super::{Step, known, named, rows};

#[given("I have no token")]
#[when("I have no token")]
fn no_token(world: &mut World) {
    world.client.caller = Some(TestCaller::Anonymous);
}

/// Any text; `{token}` is the last token that a command printed or a provider issued.
#[given(expr = "I have the token {string}")]
#[when(expr = "I have the token {string}")]
fn any_token(world: &mut World, token: String) {
    world.client.caller = Some(TestCaller::Bearer(world.variables.expand(&token)));
}

/// The development issuer's own tokens.
#[given(
    regex = r#"^I (?:am|ask as) an? (viewer|editor|admin)(?: named "([^"]+)")?(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
#[when(
    regex = r#"^I (?:am|ask as) an? (viewer|editor|admin)(?: named "([^"]+)")?(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
fn caller(world: &mut World, role: String, name: String, claim: String, value: String) {
    world.client.caller = Some(person(world, &role, &name, &claim, &value));
}

#[given(
    regex = r#"^"([^"]+)" is an? (viewer|editor|admin)(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
fn named_caller(world: &mut World, name: String, role: String, claim: String, value: String) {
    let caller = person(world, &role, &name, &claim, &value);
    world.callers.insert(name, caller);
}

#[given(regex = r#"^"([^"]+)" is an? (viewer|editor|admin) with the claims$"#)]
fn named_caller_with_claims(
    world: &mut World,
    name: String,
    role: String,
    step: &gherkin::Step,
) -> Step {
    let mut person = named(&role, &name);
    for row in rows(step)? {
        let [claim, value] = row.as_slice() else {
            return Err(anyhow::anyhow!("a claim has a name and a value").into());
        };
        person.claims.insert(claim.clone(), world.variables.expand(value));
    }
    world.callers.insert(name, TestCaller::User(person));
    Ok(())
}

fn person(world: &World, role: &str, name: &str, claim: &str, value: &str) -> TestCaller {
    let mut person = TestUser::new(role);
    person.name = Some(name.to_owned()).filter(|name| !name.is_empty());
    if !claim.is_empty() {
        person.claims.insert(claim.to_owned(), world.variables.expand(value));
    }
    TestCaller::User(person)
}

/// From here on "I" is a caller that an earlier step has named.
#[given(expr = "I am {string}")]
#[when(expr = "I am {string}")]
fn become_named(world: &mut World, name: String) -> Step {
    world.client.caller = Some(known(world, &name)?);
    Ok(())
}

#[when(expr = "{string} asks for {string}")]
async fn asks(world: &mut World, name: String, path: String) -> Step {
    let caller = known(world, &name)?;
    world.get_as(caller, &path).await?;
    Ok(())
}

#[when(expr = "{string} asks for the metric {string}")]
async fn asks_for_metric(world: &mut World, name: String, id: String) -> Step {
    let caller = known(world, &name)?;
    world.get_as(caller, &format!("/metrics/{id}")).await?;
    Ok(())
}

#[when(expr = "{string} asks for the metric {string} with {string}")]
async fn asks_for_metric_with(
    world: &mut World,
    name: String,
    id: String,
    parameters: String,
) -> Step {
    let caller = known(world, &name)?;
    world.get_as(caller, &format!("/metrics/{id}?{parameters}")).await?;
    Ok(())
}

/// The issuer does not exist, and need not as long as no caller shows its tokens.
#[given("metricd trusts some issuer")]
fn trusts_an_issuer(world: &mut World) {
    for (name, value) in [
        ("AWS_REGION", "eu-central-1"),
        ("USER_POOL_ID", "eu-central-1_EXAMPLE"),
        ("USER_POOL_CLIENT_ID", "some-client"),
    ] {
        world.server.settings.insert(name.into(), value.into());
    }
}

#[given(expr = "metricd trusts the Cognito client {string}")]
async fn trusts_cognito(world: &mut World, client: String) -> Step {
    let settings = world.cognito().await?.settings(&client)?;
    world.server.settings.extend(settings);
    Ok(())
}

#[given("metricd trusts the OpenID provider")]
async fn trusts_openid(world: &mut World) -> Step {
    trusts_openid_for(world, AUDIENCE.into()).await
}

#[given(expr = "metricd trusts the OpenID provider for the audience {string}")]
async fn trusts_openid_for(world: &mut World, audience: String) -> Step {
    let openid = world.openid().await?;
    let issuer =
        format!(r#"[{{issuer="{}", audience="{audience}", scope="{SCOPE}"}}]"#, openid.issuer());
    world.server.settings.insert("METRICD_AUTH__ISSUERS".into(), issuer);
    Ok(())
}

#[given(expr = "I have a token of the Cognito client {string}")]
#[when(expr = "I have a token of the Cognito client {string}")]
async fn cognito_token(world: &mut World, client: String) -> Step {
    cognito_token_with(world, client, SCOPE.into()).await
}

#[given(expr = "I have a token of the Cognito client {string} with the scope {string}")]
#[when(expr = "I have a token of the Cognito client {string} with the scope {string}")]
async fn cognito_token_with(world: &mut World, client: String, scope: String) -> Step {
    let cognito = world.cognito().await?;
    world.variables.set("client", cognito.client_id(&client)?);
    let answer = cognito.grant(&client, None, &scope).await?;
    carry_issued(world, &answer)
}

#[when(expr = "the Cognito client {string} asks for a token with the secret {string}")]
async fn cognito_asks(world: &mut World, client: String, secret: String) -> Step {
    let answer = world.cognito().await?.grant(&client, Some(&secret), SCOPE).await?;
    world.client.keep(answer);
    Ok(())
}

#[given(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at Cognito$"#)]
#[when(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at Cognito$"#)]
async fn cognito_person(world: &mut World, kind: String, name: String) -> Step {
    let tokens = world.cognito().await?.sign_in(&name).await?;
    carry(world, if kind == "ID" { tokens.id } else { tokens.access });
    Ok(())
}

#[given(expr = "I have a token of the OpenID client {string}")]
#[when(expr = "I have a token of the OpenID client {string}")]
async fn openid_token(world: &mut World, client: String) -> Step {
    let answer = world.openid().await?.grant(&client, SCOPE, AUDIENCE).await?;
    carry_issued(world, &answer)
}

#[given(expr = "I have a token of the OpenID client {string} with the scope {string}")]
#[when(expr = "I have a token of the OpenID client {string} with the scope {string}")]
async fn openid_token_with(world: &mut World, client: String, scope: String) -> Step {
    let answer = world.openid().await?.grant(&client, &scope, AUDIENCE).await?;
    carry_issued(world, &answer)
}

#[given(expr = "I have a token of the OpenID client {string} for the audience {string}")]
#[when(expr = "I have a token of the OpenID client {string} for the audience {string}")]
async fn openid_token_for(world: &mut World, client: String, audience: String) -> Step {
    let answer = world.openid().await?.grant(&client, SCOPE, &audience).await?;
    carry_issued(world, &answer)
}

#[given(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at the OpenID provider$"#)]
#[when(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at the OpenID provider$"#)]
async fn openid_person(world: &mut World, kind: String, name: String) -> Step {
    let tokens = world.openid().await?.sign_in(&name).await?;
    carry(world, if kind == "ID" { tokens.id } else { tokens.access });
    Ok(())
}

/// A provider that may be stopped: the shared one serves all scenarios.
#[given("the scenario has an OpenID provider of its own")]
async fn own_openid(world: &mut World) -> Step {
    Ok(world.start_own_openid().await?)
}

#[when("the OpenID provider goes away")]
async fn openid_goes_away(world: &mut World) -> Step {
    Ok(world.stop_own_openid().await?)
}

/// `{name.header}`, `{name.claims}` and `{name.signature}` stand for them from then on.
#[given(expr = "I remember the parts of the token as {string}")]
#[when(expr = "I remember the parts of the token as {string}")]
fn remember_parts(world: &mut World, name: String) -> Step {
    let token = world.variables.expand("{token}");
    let parts: Vec<_> = token.split('.').collect();
    ensure!(parts.len() == 3, "the last token has {} parts", parts.len());
    for (part, value) in ["header", "claims", "signature"].into_iter().zip(parts) {
        world.variables.set(&format!("{name}.{part}"), value);
    }
    Ok(())
}

/// The last command was `metricd token`.
#[given("I have the token that it has printed")]
#[when("I have the token that it has printed")]
fn printed_token(world: &mut World) -> Step {
    let printed = world.output()?.stdout.trim().to_owned();
    let is_token = printed.split('.').count() == 3 && !printed.contains(char::is_whitespace);
    ensure!(is_token, "it is not just a token: {}", world.output()?.text());
    carry(world, printed);
    Ok(())
}

#[then("no token is in its logs")]
async fn token_nowhere(world: &mut World) -> Step {
    world.server.settle().await?;
    let leak = world.leak();
    ensure!(leak.is_none(), "{}", leak.map(|line| line.raw).unwrap_or_default());
    Ok(())
}

#[then("it shows public keys alone")]
fn public_keys(world: &mut World) -> Step {
    let body = world.client.answer()?.json()?;
    let keys = body.at("keys").and_then(Json::as_list).context("it has no keys")?;
    ensure!(!keys.is_empty(), "there is no key");
    for key in keys {
        for member in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            ensure!(key.at(member).is_none(), "a key has the private member {member}");
        }
        for member in ["kty", "kid"] {
            ensure!(key.at(member).is_some(), "a key has no {member}: {key}");
        }
    }
    Ok(())
}

fn carry_issued(world: &mut World, answer: &HttpAnswer) -> Step {
    carry(world, idp::token_in(answer)?);
    Ok(())
}

fn carry(world: &mut World, token: String) {
    world.variables.set("token", token.clone());
    world.client.protect(&token);
    world.client.caller = Some(TestCaller::Bearer(token));
}

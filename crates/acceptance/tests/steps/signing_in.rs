//! Who asks, and where their tokens come from.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    TestApp,
    answer::Answer,
    caller::{Caller, Person},
    idp::{self, AUDIENCE, SCOPE},
    json::Json,
};
use reqwest::Method;

use super::{Step, known, named, rows};

#[given("I have no token")]
#[when("I have no token")]
fn no_token(app: &mut TestApp) {
    app.caller = Some(Caller::Nobody);
}

/// Any text at all; `{token}` stands for the last one that a command printed or a provider gave.
#[given(expr = "I have the token {string}")]
#[when(expr = "I have the token {string}")]
fn any_token(app: &mut TestApp, token: String) {
    app.caller = Some(Caller::Bearer(app.fill(&token)));
}

/// The development issuer's own tokens.
#[given(
    regex = r#"^I (?:am|ask as) an? (viewer|editor|admin)(?: named "([^"]+)")?(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
#[when(
    regex = r#"^I (?:am|ask as) an? (viewer|editor|admin)(?: named "([^"]+)")?(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
fn somebody(app: &mut TestApp, role: String, name: String, claim: String, value: String) {
    app.caller = Some(person(app, &role, &name, &claim, &value));
}

#[given(
    regex = r#"^"([^"]+)" is an? (viewer|editor|admin)(?: with the claim "([^"]+)" "([^"]*)")?$"#
)]
fn somebody_else(app: &mut TestApp, name: String, role: String, claim: String, value: String) {
    let caller = person(app, &role, &name, &claim, &value);
    app.callers.insert(name, caller);
}

#[given(regex = r#"^"([^"]+)" is an? (viewer|editor|admin) with the claims$"#)]
fn somebody_with_claims(
    app: &mut TestApp,
    name: String,
    role: String,
    step: &gherkin::Step,
) -> Step {
    let mut person = named(&role, &name);
    for row in rows(step)? {
        let [claim, value] = row.as_slice() else {
            return Err(anyhow::anyhow!("a claim has a name and a value").into());
        };
        person.claims.insert(claim.clone(), app.fill(value));
    }
    app.callers.insert(name, Caller::Person(person));
    Ok(())
}

fn person(app: &TestApp, role: &str, name: &str, claim: &str, value: &str) -> Caller {
    let mut person = Person::new(role);
    person.name = Some(name.to_owned()).filter(|name| !name.is_empty());
    if !claim.is_empty() {
        person.claims.insert(claim.to_owned(), app.fill(value));
    }
    Caller::Person(person)
}

/// From here on everything that "I" do is done by somebody who was named before.
#[given(expr = "I am {string}")]
#[when(expr = "I am {string}")]
fn become_somebody(app: &mut TestApp, name: String) -> Step {
    app.caller = Some(known(app, &name)?);
    Ok(())
}

#[when(expr = "{string} asks for {string}")]
async fn asks(app: &mut TestApp, name: String, path: String) -> Step {
    let caller = known(app, &name)?;
    app.request_as(caller, Method::GET, &path, None).await?;
    Ok(())
}

#[when(expr = "{string} asks for the metric {string}")]
async fn asks_for_metric(app: &mut TestApp, name: String, id: String) -> Step {
    let caller = known(app, &name)?;
    app.request_as(caller, Method::GET, &format!("/metrics/{id}"), None).await?;
    Ok(())
}

#[when(expr = "{string} asks for the metric {string} with {string}")]
async fn asks_for_metric_with(
    app: &mut TestApp,
    name: String,
    id: String,
    parameters: String,
) -> Step {
    let caller = known(app, &name)?;
    app.request_as(caller, Method::GET, &format!("/metrics/{id}?{parameters}"), None).await?;
    Ok(())
}

/// One that exists nowhere, and need not as long as nobody shows its tokens.
#[given("metricd trusts some issuer")]
fn trusts_somebody(app: &mut TestApp) {
    for (name, value) in [
        ("AWS_REGION", "eu-central-1"),
        ("USER_POOL_ID", "eu-central-1_EXAMPLE"),
        ("USER_POOL_CLIENT_ID", "some-client"),
    ] {
        app.settings.insert(name.into(), value.into());
    }
}

#[given(expr = "metricd trusts the Cognito client {string}")]
async fn trusts_cognito(app: &mut TestApp, client: String) -> Step {
    let settings = app.cognito().await?.settings(&client)?;
    app.settings.extend(settings);
    Ok(())
}

#[given("metricd trusts the OpenID provider")]
async fn trusts_openid(app: &mut TestApp) -> Step {
    trusts_openid_for(app, AUDIENCE.into()).await
}

#[given(expr = "metricd trusts the OpenID provider for the audience {string}")]
async fn trusts_openid_for(app: &mut TestApp, audience: String) -> Step {
    let openid = app.openid().await?;
    let issuer =
        format!(r#"[{{issuer="{}", audience="{audience}", scope="{SCOPE}"}}]"#, openid.issuer());
    app.settings.insert("METRICD_AUTH__ISSUERS".into(), issuer);
    Ok(())
}

#[given(expr = "I have a token of the Cognito client {string}")]
#[when(expr = "I have a token of the Cognito client {string}")]
async fn cognito_token(app: &mut TestApp, client: String) -> Step {
    cognito_token_with(app, client, SCOPE.into()).await
}

#[given(expr = "I have a token of the Cognito client {string} with the scope {string}")]
#[when(expr = "I have a token of the Cognito client {string} with the scope {string}")]
async fn cognito_token_with(app: &mut TestApp, client: String, scope: String) -> Step {
    let cognito = app.cognito().await?;
    app.remember("client", cognito.client_id(&client)?);
    let answer = cognito.grant(&client, None, &scope).await?;
    show(app, &answer)
}

#[when(expr = "the Cognito client {string} asks for a token with the secret {string}")]
async fn cognito_asks(app: &mut TestApp, client: String, secret: String) -> Step {
    let answer = app.cognito().await?.grant(&client, Some(&secret), SCOPE).await?;
    app.keep(answer);
    Ok(())
}

#[given(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at Cognito$"#)]
#[when(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at Cognito$"#)]
async fn cognito_person(app: &mut TestApp, kind: String, name: String) -> Step {
    let tokens = app.cognito().await?.sign_in(&name).await?;
    carry(app, if kind == "ID" { tokens.id } else { tokens.access });
    Ok(())
}

#[given(expr = "I have a token of the OpenID client {string}")]
#[when(expr = "I have a token of the OpenID client {string}")]
async fn openid_token(app: &mut TestApp, client: String) -> Step {
    let answer = app.openid().await?.grant(&client, SCOPE, AUDIENCE).await?;
    show(app, &answer)
}

#[given(expr = "I have a token of the OpenID client {string} with the scope {string}")]
#[when(expr = "I have a token of the OpenID client {string} with the scope {string}")]
async fn openid_token_with(app: &mut TestApp, client: String, scope: String) -> Step {
    let answer = app.openid().await?.grant(&client, &scope, AUDIENCE).await?;
    show(app, &answer)
}

#[given(expr = "I have a token of the OpenID client {string} for the audience {string}")]
#[when(expr = "I have a token of the OpenID client {string} for the audience {string}")]
async fn openid_token_for(app: &mut TestApp, client: String, audience: String) -> Step {
    let answer = app.openid().await?.grant(&client, SCOPE, &audience).await?;
    show(app, &answer)
}

#[given(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at the OpenID provider$"#)]
#[when(regex = r#"^I have the (access|ID) token of (?:"([^"]+)") at the OpenID provider$"#)]
async fn openid_person(app: &mut TestApp, kind: String, name: String) -> Step {
    let tokens = app.openid().await?.sign_in(&name).await?;
    carry(app, if kind == "ID" { tokens.id } else { tokens.access });
    Ok(())
}

/// One that may be stopped: the other one serves all scenarios.
#[given("the scenario has an OpenID provider of its own")]
async fn own_openid(app: &mut TestApp) -> Step {
    Ok(app.start_own_openid().await?)
}

#[when("the OpenID provider goes away")]
async fn openid_goes_away(app: &mut TestApp) -> Step {
    Ok(app.stop_own_openid().await?)
}

/// `{name.header}`, `{name.claims}` and `{name.signature}` stand for them from then on.
#[given(expr = "I remember the parts of the token as {string}")]
#[when(expr = "I remember the parts of the token as {string}")]
fn remember_parts(app: &mut TestApp, name: String) -> Step {
    let token = app.fill("{token}");
    let parts: Vec<_> = token.split('.').collect();
    ensure!(parts.len() == 3, "the last token has {} parts", parts.len());
    for (part, value) in ["header", "claims", "signature"].into_iter().zip(parts) {
        app.remember(&format!("{name}.{part}"), value);
    }
    Ok(())
}

/// The last command was `metricd token`.
#[given("I have the token that it has printed")]
#[when("I have the token that it has printed")]
fn printed_token(app: &mut TestApp) -> Step {
    let printed = app.output()?.stdout.trim().to_owned();
    let is_token = printed.split('.').count() == 3 && !printed.contains(char::is_whitespace);
    ensure!(is_token, "it is no token alone: {}", app.output()?.text());
    carry(app, printed);
    Ok(())
}

#[then("no token is in its logs")]
async fn token_nowhere(app: &mut TestApp) -> Step {
    app.settle().await?;
    let leak = app.leak();
    ensure!(leak.is_none(), "{}", leak.map(|line| line.raw).unwrap_or_default());
    Ok(())
}

#[then("it shows public keys alone")]
fn public_keys(app: &mut TestApp) -> Step {
    let body = app.answer()?.json()?;
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

fn show(app: &mut TestApp, answer: &Answer) -> Step {
    carry(app, idp::token_in(answer)?);
    Ok(())
}

fn carry(app: &mut TestApp, token: String) {
    app.remember("token", token.clone());
    app.keep_out_of_logs(&token);
    app.caller = Some(Caller::Bearer(token));
}

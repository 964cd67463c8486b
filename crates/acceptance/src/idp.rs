//! Identity providers that issue genuine tokens, started on this machine's loopback from what
//! `scripts/setup test` has installed.
//!
//! Their secrets protect nothing, and they lose all state when they end. Nothing here reads a
//! token: only metricd does.

use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow::{Break, Continue},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};

use crate::{
    http::{self, HttpAnswer},
    json::Json,
    process, tools,
    watchdog::Watchdog,
};

/// The scope that opens metricd, unless it is told another.
pub const SCOPE: &str = "api/backend_access";
/// The audience of the generic provider's tokens, unless another is asked for.
pub const AUDIENCE: &str = "https://metricd.example";

const REGION: &str = "eu-central-1";
const PASSWORD: &str = "Corr3ct-horse-battery!";
const LOOPBACK: &str = "http://127.0.0.1:";

/// The tokens of a person who has signed in.
#[derive(Clone)]
pub struct Tokens {
    /// For APIs.
    pub access: String,
    /// For the application that has signed the person in, and for no API.
    pub id: String,
}

/// An AWS Cognito with two user pools: one that metricd trusts, and one that it does not.
///
/// Of the clients, `machine` and `stranger` belong to the first pool and `foreign` to the second;
/// people sign in to the first through `people`.
#[derive(Debug)]
pub struct Cognito {
    program: Program,
    client: Client,
    pool: String,
    clients: BTreeMap<&'static str, Credentials>,
}

#[derive(Debug)]
struct Credentials {
    id: String,
    secret: String,
}

impl Cognito {
    /// Starts it in `folder`, which must not exist yet, and makes its pools and clients.
    ///
    /// # Errors
    /// When it is not installed or does not come up; the text is its log.
    pub async fn start(folder: &Path, watchdog: Arc<Watchdog>) -> Result<Self> {
        let python = tools::installed("idp")?.join("python/bin/python");
        let own = |name: &str| (name.to_owned(), folder.display().to_string());
        let mut settings = BTreeMap::from([own("HOME"), own("TMPDIR"), own("STATE_DIR")]);
        for (name, value) in [
            ("BIND_HOST", "127.0.0.1"),
            ("GATEWAY_PORT", "0"),
            ("SERVICES", "cognito-idp"),
            // This one would listen on every interface, whatever BIND_HOST says.
            ("IOT_MTLS_ENABLED", "0"),
            ("SFTP_ENABLED", "0"),
            ("MINISTACK_REGION", REGION),
            ("PYTHONUNBUFFERED", "1"),
        ] {
            settings.insert(name.into(), value.into());
        }
        fs::create_dir(folder)?;
        let mut command = process::command(&python, folder, &settings);
        command.args(["-m", "ministack"]);
        let program = Program::start(command, folder, watchdog).await?;
        let mut cognito = Self {
            program,
            client: http::client()?,
            pool: String::new(),
            clients: BTreeMap::new(),
        };
        let prepared = cognito.prepare().await;
        prepared.with_context(|| format!("Cognito has logged:\n{}", cognito.log()))?;
        Ok(cognito)
    }

    async fn prepare(&mut self) -> Result<()> {
        self.pool = self.make_pool("metricd").await?;
        let foreign = self.make_pool("elsewhere").await?;
        for (name, pool) in
            [("machine", &self.pool), ("stranger", &self.pool), ("foreign", &foreign)]
        {
            let input = json!({
                "UserPoolId": pool,
                "ClientName": name,
                "GenerateSecret": true,
                "AllowedOAuthFlowsUserPoolClient": true,
                "AllowedOAuthFlows": ["client_credentials"],
                "AllowedOAuthScopes": [SCOPE, "other/scope"],
            });
            let made = self.call("CreateUserPoolClient", &input).await?;
            self.clients.insert(name, credentials(&made)?);
        }
        let input = json!({
            "UserPoolId": self.pool,
            "ClientName": "people",
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        });
        let made = self.call("CreateUserPoolClient", &input).await?;
        self.clients.insert("people", credentials(&made)?);
        Ok(())
    }

    async fn make_pool(&self, name: &str) -> Result<String> {
        let made = self.call("CreateUserPool", &json!({"PoolName": name})).await?;
        let pool = made["UserPool"]["Id"].as_str().context("a pool without an id")?;
        for (server, scope) in [("api", "backend_access"), ("other", "scope")] {
            let input = json!({
                "UserPoolId": pool,
                "Identifier": server,
                "Name": server,
                "Scopes": [{"ScopeName": scope, "ScopeDescription": scope}],
            });
            self.call("CreateResourceServer", &input).await?;
        }
        Ok(pool.to_owned())
    }

    async fn call(&self, operation: &str, input: &Value) -> Result<Value> {
        let request = self.client.post(&self.program.root).body(input.to_string());
        let request = request
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", format!("AWSCognitoIdentityProviderService.{operation}"));
        let answer = HttpAnswer::read(request.send().await?).await?;
        ensure!(answer.status == 200, "{operation}: {}: {}", answer.status, answer.text());
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Returns the settings with which metricd trusts one client of the first pool.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn settings(&self, client: &str) -> Result<BTreeMap<String, String>> {
        let keys = format!("{}/{}/.well-known/jwks.json", self.program.root, self.pool);
        let client = self.client_of(client)?.id.clone();
        Ok([
            ("AWS_REGION", REGION.to_owned()),
            ("USER_POOL_ID", self.pool.clone()),
            ("USER_POOL_CLIENT_ID", client),
            ("METRICD_COGNITO__JWKS_URI", keys),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
    }

    fn client_of(&self, name: &str) -> Result<&Credentials> {
        self.clients.get(name).with_context(|| format!("Cognito has no client {name}"))
    }

    /// Returns the id of a client, which is also the subject of its tokens.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn client_id(&self, name: &str) -> Result<&str> {
        Ok(&self.client_of(name)?.id)
    }

    /// Requests a token for a client, with its own secret unless another is given, and returns the
    /// answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn grant(
        &self,
        client: &str,
        secret: Option<&str>,
        scope: &str,
    ) -> Result<HttpAnswer> {
        let client = self.client_of(client)?;
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let url = format!("{}/oauth2/token", self.program.root);
        let secret = secret.unwrap_or(&client.secret);
        post(&self.client, &url, (&client.id, secret), &form).await
    }

    /// Signs a person in with a password.
    ///
    /// # Errors
    /// When Cognito refuses.
    pub async fn sign_in(&self, person: &str) -> Result<Tokens> {
        let (pool, client) = (&self.pool, self.client_id("people")?);
        let user = json!({"UserPoolId": pool, "Username": person, "MessageAction": "SUPPRESS"});
        // Signing in a second time needs no second account.
        let _ = self.call("AdminCreateUser", &user).await;
        let password = json!({
            "UserPoolId": pool, "Username": person, "Password": PASSWORD, "Permanent": true,
        });
        self.call("AdminSetUserPassword", &password).await?;
        let input = json!({
            "ClientId": client,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": person, "PASSWORD": PASSWORD},
        });
        let answer = self.call("InitiateAuth", &input).await?;
        let token = |name| answer["AuthenticationResult"][name].as_str().map(str::to_owned);
        Ok(Tokens {
            access: token("AccessToken").context("no access token")?,
            id: token("IdToken").context("no ID token")?,
        })
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self) -> Result<()> {
        self.program.stop().await
    }
}

fn credentials(made: &Value) -> Result<Credentials> {
    let client = &made["UserPoolClient"];
    Ok(Credentials {
        id: client["ClientId"].as_str().context("a client without an id")?.to_owned(),
        secret: client["ClientSecret"].as_str().unwrap_or_default().to_owned(),
    })
}

/// A provider of `OpenID Connect` like any other. Its clients are those of `idp/provider.mjs`.
#[derive(Debug)]
pub struct OpenId {
    program: Program,
    client: Client,
}

impl OpenId {
    /// Starts it in `folder`, which must not exist yet.
    ///
    /// # Errors
    /// When it is not installed or does not come up; the text is its log.
    pub async fn start(folder: &Path, watchdog: Arc<Watchdog>) -> Result<Self> {
        let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/idp/provider.mjs"));
        fs::create_dir(folder)?;
        let mut command = process::command(Path::new("node"), folder, &BTreeMap::new());
        command.arg(script).arg(tools::installed("idp")?);
        let program = Program::start(command, folder, watchdog).await?;
        Ok(Self { program, client: http::client()? })
    }

    /// Returns its issuer URL, which is also its address.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.program.root
    }

    /// Requests a token of this audience for a client, and returns the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn grant(&self, client: &str, scope: &str, audience: &str) -> Result<HttpAnswer> {
        let form = [("grant_type", "client_credentials"), ("scope", scope), ("resource", audience)];
        self.post("token", client, &form).await
    }

    /// Signs a person in who confirms it on another device.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn sign_in(&self, person: &str) -> Result<Tokens> {
        let scope = format!("openid {SCOPE}");
        let form = [("login_hint", person), ("scope", &scope), ("resource", AUDIENCE)];
        let asked = self.post("backchannel", "people", &form).await?;
        let request = member(&asked, "auth_req_id")?;
        let grant = "urn:openid:params:grant-type:ciba";
        let form = [("grant_type", grant), ("auth_req_id", &request), ("resource", AUDIENCE)];
        let answer = self.post("token", "people", &form).await?;
        Ok(Tokens { access: member(&answer, "access_token")?, id: member(&answer, "id_token")? })
    }

    async fn post(&self, path: &str, client: &str, form: &[(&str, &str)]) -> Result<HttpAnswer> {
        let url = format!("{}/{path}", self.program.root);
        let secret = format!("secret-of-{client}");
        post(&self.client, &url, (client, &secret), form).await
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self) -> Result<()> {
        self.program.stop().await
    }
}

/// Returns the access token in a provider's answer.
///
/// # Errors
/// When it holds none.
pub fn token_in(answer: &HttpAnswer) -> Result<String> {
    member(answer, "access_token")
}

fn member(answer: &HttpAnswer, name: &str) -> Result<String> {
    let body = answer.json()?;
    let value = body.at(name).and_then(Json::as_text).map(str::to_owned);
    value.with_context(|| format!("no {name}: {} {}", answer.status, answer.text()))
}

async fn post(
    client: &Client,
    url: &str,
    (id, secret): (&str, &str),
    form: &[(&str, &str)],
) -> Result<HttpAnswer> {
    let encoded = Url::parse_with_params(url, form)?;
    let request = client
        .post(url)
        .basic_auth(id, Some(secret))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded.query().unwrap_or_default().to_owned());
    HttpAnswer::read(request.send().await?).await
}

/// A server that logs its address.
#[derive(Debug)]
struct Program {
    child: Mutex<Child>,
    pid: u32,
    log: PathBuf,
    root: String,
    watchdog: Arc<Watchdog>,
}

impl Program {
    async fn start(mut command: Command, folder: &Path, watchdog: Arc<Watchdog>) -> Result<Self> {
        let name = command.as_std().get_program().display().to_string();
        let log = folder.join("log");
        let file = fs::File::create(&log)?;
        let child = command.stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().with_context(|| format!("{name} has ended"))?;
        watchdog.watch(pid);
        let mut program =
            Self { child: Mutex::new(child), pid, log, root: String::new(), watchdog };
        program.root = process::poll_until(async || {
            let logged = program.log();
            if let Some(root) = address_in(&logged) {
                return Ok(Break(root));
            }
            if let Some(status) = program.child.get_mut().try_wait()? {
                program.watchdog.leave(pid);
                bail!("{name} has ended ({status}):\n{logged}");
            }
            Ok(Continue(format!("{name} does not come up:\n{logged}")))
        })
        .await?;
        Ok(program)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once; it keeps nothing that could be lost.
    async fn stop(&self) -> Result<()> {
        self.child.lock().await.kill().await?;
        self.watchdog.leave(self.pid);
        Ok(())
    }
}

/// Returns the first loopback address in a log, unless its end is still to be written.
fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(LOOPBACK)?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    Some(format!("{LOOPBACK}{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_when_its_end_is_there() {
        let running = "INFO Running on http://127.0.0.1:34155 (CTRL + C to quit)";
        assert_eq!(address_in(running).as_deref(), Some("http://127.0.0.1:34155"));
        assert_eq!(address_in(r#"{"issuer":"http://127.0.0.1:7"}"#).unwrap(), "http://127.0.0.1:7");
        assert_eq!(address_in("INFO Running on http://127.0.0.1:341"), None);
        assert_eq!(address_in("INFO Starting"), None);
    }

    #[tokio::test]
    async fn cognito_gives_tokens_to_clients_that_know_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let watchdog = Arc::new(Watchdog::start(&folder.path().join("none")).unwrap());
        let cognito = Cognito::start(&folder.path().join("cognito"), watchdog).await.unwrap();

        for client in ["machine", "stranger", "foreign"] {
            let granted = cognito.grant(client, None, SCOPE).await.unwrap();
            assert_eq!(token_in(&granted).unwrap().split('.').count(), 3, "{client}");
            let refused = cognito.grant(client, Some("guess"), SCOPE).await.unwrap();
            assert_eq!(refused.status, 400, "{client}");
            assert!(token_in(&refused).is_err(), "{client}");
        }
        assert!(token_in(&cognito.grant("machine", None, "no/scope").await.unwrap()).is_err());
        let tokens = cognito.sign_in("ann").await.unwrap();
        assert_ne!(tokens.access, tokens.id);

        let pid = cognito.program.pid;
        cognito.stop().await.unwrap();
        assert!(!Path::new("/proc").join(pid.to_string()).exists());
    }

    #[tokio::test]
    async fn the_openid_provider_gives_signed_tokens_of_the_audience_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let watchdog = Arc::new(Watchdog::start(&folder.path().join("none")).unwrap());
        let provider = OpenId::start(&folder.path().join("openid"), watchdog).await.unwrap();

        let granted = provider.grant("machine", SCOPE, AUDIENCE).await.unwrap();
        assert_eq!(token_in(&granted).unwrap().split('.').count(), 3, "it is opaque");
        let refused = provider.grant("machine", SCOPE, "https://unknown.example").await.unwrap();
        assert!(token_in(&refused).is_err());
        let tokens = provider.sign_in("ann").await.unwrap();
        assert_ne!(tokens.access, tokens.id);

        provider.stop().await.unwrap();
        assert!(provider.grant("machine", SCOPE, AUDIENCE).await.is_err());
    }
}

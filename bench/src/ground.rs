//! The environment of a run: a folder, a PostgreSQL and the servers under test, all removed at its end.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use metricd_acceptance::{
    native::Postgres, process, test_run::short_temporary_folder, watchdog::Watchdog,
};
use reqwest::{Client, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use sqlx::Connection as _;
use tempfile::TempDir;

use crate::{
    catalog::{self, WINDOW},
    machine::Cores,
    server::{Program, Server, free_address},
};

/// The number of database connections of every contender.
pub(crate) const POOL: u32 = 10;

/// The database that those of all sections are copied from.
const BASE: &str = "base";

/// Loads the catalog of the run.
pub(crate) const IMPORT: [&str; 7] = [
    "import",
    "--metrics",
    "metrics.json",
    "--queries",
    "queries.csv",
    "--records",
    "records.json",
];

/// The environment of a run.
pub(crate) struct Ground {
    /// The database server.
    pub(crate) postgres: Postgres,
    /// The cores.
    pub(crate) cores: Cores,
    /// A token of an editor's.
    pub(crate) token: String,
    /// Ends the servers if the run cannot.
    pub(crate) watchdog: Arc<Watchdog>,
    metricd: PathBuf,
    client: Client,
    folder: TempDir,
    started: AtomicU32,
}

/// A response, as a client received it.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Result<String> {
        let value = self.headers.get(name).with_context(|| format!("there is no {name}"))?;
        Ok(value.to_str()?.to_owned())
    }

    /// The rows.
    pub(crate) fn records(&self) -> Result<Value> {
        let mut body: Value = serde_json::from_str(&self.body)?;
        Ok(body["records"].take())
    }
}

impl Ground {
    /// Starts the database, and loads the catalog of the run into it.
    pub(crate) async fn prepare(cores: Cores) -> Result<Self> {
        let folder = short_temporary_folder()?;
        let watchdog = Arc::new(Watchdog::start(folder.path())?);
        let postgres = Postgres::start(&folder.path().join("pg"), Arc::clone(&watchdog)).await?;
        let metricd = binary()?;
        let client = Client::builder().no_proxy().timeout(process::TIMEOUT).build()?;
        let started = AtomicU32::new(0);
        let token = String::new();
        let mut ground =
            Self { postgres, cores, token, watchdog, metricd, client, folder, started };
        ground.postgres.create_database(BASE, "template0").await?;
        catalog::write(ground.folder.path())?;
        ground.metricd(&IMPORT, &ground.settings(BASE)).await?;
        catalog::run(&ground.postgres, BASE, &["VACUUM (ANALYZE)"]).await?;
        ground.token = ground.token_of("editor").await?;
        Ok(ground)
    }

    /// Makes a token of an editor with this name.
    pub(crate) async fn token_of(&self, subject: &str) -> Result<String> {
        let token = ["token", "--role", "editor", "--ttl", "12h", "--subject", subject];
        Ok(self.metricd(&token, &BTreeMap::new()).await?.trim().into())
    }

    /// A folder for files of the run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The binary under test.
    pub(crate) fn binary(&self) -> &Path {
        &self.metricd
    }

    /// Makes a database with the catalog of the run.
    pub(crate) async fn database(&self, name: &str) -> Result<()> {
        self.postgres.create_database(name, BASE).await
    }

    /// Returns the settings of every section: the database, no rate limit, and few logs.
    pub(crate) fn settings(&self, database: &str) -> BTreeMap<String, String> {
        let mut settings = Self::silent_settings();
        settings.insert("DATABASE_URL".into(), self.postgres.url(database));
        settings
    }

    /// The same without a database: the embedded one.
    pub(crate) fn silent_settings() -> BTreeMap<String, String> {
        let settings = [
            ("METRICD_LIMITS__REQUESTS_PER_SECOND", "0"),
            ("METRICD_LIMITS__QUEUED_QUERIES", "1000"),
            ("METRICD_LOG", "warn"),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Runs a command of metricd to its end, and returns its output.
    pub(crate) async fn metricd(
        &self,
        arguments: &[&str],
        settings: &BTreeMap<String, String>,
    ) -> Result<String> {
        let mut command = process::command(&self.metricd, self.folder(), settings);
        command.args(["--data-dir", "data"]).args(arguments);
        let output = process::run(command).await?;
        ensure!(output.status.success(), "metricd {}: {}", arguments.join(" "), output.text());
        Ok(output.stdout)
    }

    /// Starts metricd on a database.
    pub(crate) async fn serve(&self, database: &str) -> Result<Server> {
        self.serve_with(self.settings(database)).await
    }

    /// Starts metricd with these settings.
    pub(crate) async fn serve_with(&self, settings: BTreeMap<String, String>) -> Result<Server> {
        let mut server = self.spawn(settings, "data").await?;
        server.wait_until_up().await?;
        Ok(server)
    }

    /// Starts metricd, and does not wait for it.
    pub(crate) async fn spawn(
        &self,
        settings: BTreeMap<String, String>,
        data_dir: &str,
    ) -> Result<Server> {
        let address = free_address().await?;
        let binary = self.metricd.display().to_string();
        let listen = address.to_string();
        let command =
            [&binary, "serve", "--listen", &listen, "--data-dir", data_dir].map(str::to_owned);
        let program = self.program(&command, settings, self.folder());
        Server::spawn(&program, address, self.postgres.pid(), &self.watchdog)
    }

    /// Starts axum with what `metricd` answers to the usual question: the same bytes each time or, on a
    /// database, what the statement that metricd runs gives.
    pub(crate) async fn limit(&self, metricd: &Server, database: Option<&str>) -> Result<Server> {
        let target = catalog::path(1) + WINDOW;
        let headers = [("Cache-Control", "no-cache")];
        let answer = self.ask(metricd, &target, if database.is_some() { &headers } else { &[] });
        let answer = self.written(&answer.await?)?;
        let limit = sibling("limit")?.display().to_string();
        let address = free_address().await?;
        let mut command = vec![limit, address.to_string(), answer.display().to_string()];
        if let Some(database) = database {
            let statement = self.folder().join("statement.sql");
            fs::write(&statement, self.statement(database).await?)?;
            let (url, statement) = (self.postgres.url(database), statement.display().to_string());
            command.extend(["--database".into(), url, "--statement".into(), statement]);
            command.extend(["--connections".into(), POOL.to_string()]);
        }
        let program = self.program(&command, BTreeMap::new(), self.folder());
        let mut server = Server::spawn(&program, address, self.postgres.pid(), &self.watchdog)?;
        server.wait_until_up().await?;
        Ok(server)
    }

    /// Starts the reference, which takes the tokens of `metricd`'s issuer.
    pub(crate) async fn reference(&self, metricd: &Server, database: &str) -> Result<Server> {
        let address = free_address().await?;
        let python = python()?.display().to_string();
        let port = address.port().to_string();
        let command = [
            &python,
            "-m",
            "uvicorn",
            "reference.app:app",
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--no-access-log",
            "--log-level",
            "warning",
        ];
        let url = self.postgres.url(database).replacen("postgres:", "postgresql+asyncpg:", 1);
        let settings = [
            ("DATABASE_URL", url),
            ("JWKS_URL", format!("http://{}/.well-known/jwks.json", metricd.address)),
            ("MAX_CONNECTIONS", POOL.to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
        let command = command.map(str::to_owned);
        let program = self.program(&command, settings, &folder);
        let mut server = Server::spawn(&program, address, self.postgres.pid(), &self.watchdog)?;
        server.wait_until_up().await?;
        Ok(server)
    }

    fn program<'a>(
        &'a self,
        command: &'a [String],
        settings: BTreeMap<String, String>,
        folder: &'a Path,
    ) -> Program<'a> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.folder().join(format!("log-{number}"));
        Program { command, settings, folder, log, core: &self.cores.server }
    }

    /// Sends one request to a server.
    pub(crate) async fn ask(
        &self,
        server: &Server,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Answer> {
        let mut request = self.client.get(format!("http://{}{target}", server.address));
        request = request.bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await?;
        let is_well = status.is_success() || status == StatusCode::NOT_MODIFIED;
        ensure!(is_well, "{target}: {status}: {body}\n{}", server.words());
        Ok(Answer { headers, body })
    }

    /// Retries until a starting server has answered.
    pub(crate) async fn first_answer(&self, server: &mut Server, target: &str) -> Result<()> {
        let url = format!("http://{}{target}", server.address);
        loop {
            let sent = self.client.get(&url).bearer_auth(&self.token).send().await;
            match sent {
                Ok(response) if response.status().is_success() => return Ok(()),
                _ => server.check()?,
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Writes an answer down in parts, for the limit.
    fn written(&self, answer: &Answer) -> Result<PathBuf> {
        let own = ["connection", "content-length", "date", "transfer-encoding"];
        let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers
            .map(|(name, value)| anyhow::Ok((name.as_str(), value.to_str()?)))
            .collect::<Result<Vec<_>>>()?;
        let start = answer.body.find("\"records\":[").context("an answer has no records")? + 11;
        let end = start + answer.body[start..].find(']').context("the records have no end")?;
        let parts = json!({
            "headers": headers,
            "before": &answer.body[..start],
            "rows": &answer.body[start..end],
            "after": &answer.body[end..],
        });
        let path = self.folder().join("answer.json");
        fs::write(&path, parts.to_string())?;
        Ok(path)
    }

    /// Returns the last statement of metricd, as PostgreSQL received it, but for the condition that its relations are as they
    /// were.
    pub(crate) async fn statement(&self, database: &str) -> Result<String> {
        let mut connection = self.postgres.connect(database).await?;
        let asked = "SELECT query FROM pg_stat_activity \
            WHERE usename = 'metricd_reader' AND datname = $1 AND query LIKE '%FROM metrics%' \
            ORDER BY query_start DESC LIMIT 1";
        let found = sqlx::query_scalar::<_, String>(asked).bind(database);
        let sql = found.fetch_optional(&mut connection).await?;
        let sql = sql.context("PostgreSQL remembers no query of metricd's")?;
        let size: i64 = sqlx::query_scalar(
            "SELECT pg_size_bytes(current_setting('track_activity_query_size'))",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        ensure!(sql.len() + 1 < usize::try_from(size)?, "the statement was cut off: {sql}");
        let (sql, _) =
            sql.rsplit_once("\nHAVING ").context("the statement does not look at its relations")?;
        ensure!(
            sql.contains("$2") && !sql.contains("$3"),
            "the statement has other parameters: {sql}"
        );
        Ok(sql.to_owned())
    }

    /// Stops the database. Servers are stopped by those who started them.
    pub(crate) async fn end(self) -> Result<()> {
        self.postgres.stop().await
    }
}

/// The binary that `METRICD` names, else the one that was built beside this one.
fn binary() -> Result<PathBuf> {
    match env::var_os("METRICD") {
        Some(path) => {
            let path = PathBuf::from(path);
            path.canonicalize().with_context(|| format!("METRICD: {}", path.display()))
        }
        None => sibling("metricd"),
    }
}

/// A binary that was built beside this one.
fn sibling(name: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(name);
    ensure!(path.is_file(), "{} is not built: `make bench` does", path.display());
    Ok(path)
}

/// The Python that `scripts/setup bench` has made for the reference.
fn python() -> Result<PathBuf> {
    let below = |name: &str, path: &str| Some(PathBuf::from(env::var_os(name)?).join(path));
    let tools = below("TOOLS_DIR", "")
        .or_else(|| below("XDG_CACHE_HOME", "metricd/tools"))
        .or_else(|| below("HOME", ".cache/metricd/tools"))
        .context("neither TOOLS_DIR nor HOME is set")?;
    let python = tools.join("bench/python/bin/python");
    ensure!(python.is_file(), "{} is not installed: `make bench` does", python.display());
    Ok(python)
}

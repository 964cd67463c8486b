//! Settings: defaults, then `metricd.toml`, then the environment, then flags. All of them are read
//! and checked before anything starts, and every fault is listed at once.

mod auth;
mod generation;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::http::HeaderValue;
use chrono::{DateTime, Utc};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Tag, Value},
};
use ipnet::IpNet;
use metricd_application::freshness;
use metricd_core::sql::{Gate, GateExtension};
use serde::de::DeserializeOwned;
use tracing_subscriber::filter::Targets;

use auth::OneOrMore;
pub(crate) use auth::{AuthSettings, TrustedIssuer};
pub(crate) use generation::GenerationSettings;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// `listen`: address and port; port 0 takes a free one. Default `127.0.0.1:8000`.
    pub(crate) listen: SocketAddr,
    /// `data_dir`: the embedded database and what else is kept. Default `.metricd`.
    pub(crate) data_dir: PathBuf,
    /// `log`: what is logged, as `tracing` directives. Default `info`.
    pub(crate) log: Targets,
    /// `clock`: an instant at which the clock stands still, for tests. Default none.
    pub(crate) clock: Option<DateTime<Utc>>,
    /// `[database]`
    pub(crate) database: DatabaseSettings,
    /// `[limits]`
    pub(crate) limits: LimitSettings,
    /// `[cache]`
    pub(crate) cache: CacheSettings,
    /// `[seed]`
    pub(crate) seed: SeedSettings,
    /// `[sql]`: what stored SQL may hold, metricd's own lists and what is added to them. Default: nothing
    /// is added.
    pub(crate) gate: Arc<Gate>,
    /// `[generation]`
    pub(crate) generation: GenerationSettings,
    /// `[cognito]`, `[auth]`, `[roles]` and `[claims]`
    pub(crate) auth: AuthSettings,
    /// `policy.file`: who may do what. Default: the policies that come with metricd.
    pub(crate) policy_file: Option<PathBuf>,
    /// `[http]`
    pub(crate) http: HttpSettings,
}

/// `[http]`: who else stands between metricd and its callers.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    /// `cors_origins`: web pages of these origins may ask. Default none.
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// `trusted_proxies`: addresses or networks whose `X-Forwarded-For` is believed. Default none.
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// `[database]`: where the data is.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseSettings {
    /// `url` (also `DATABASE_URL`): an external PostgreSQL; without one the embedded engine runs.
    pub(crate) url: Option<Secret>,
    /// `reader_url` (also `READER_DATABASE_URL`): the same database, as a role that can only read, for
    /// stored SQL. Default: metricd makes one, `reader_role`.
    pub(crate) reader_url: Option<Secret>,
    /// `max_connections`: the size of each of two pools, metricd's own and the one that runs stored SQL.
    /// Default 10; the embedded engine has one connection for both.
    pub(crate) max_connections: u32,
    /// `acquire_timeout`: how long a request waits for a connection. Default `5s`.
    pub(crate) acquire_timeout: Duration,
    /// `reader_role`: the role that stored SQL runs as, and whose grants say what it may read; made
    /// unless `reader_url` is given. Default `metricd_reader`.
    pub(crate) reader_role: String,
}

/// `[limits]`: what a request may cost.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    /// `max_rows`: the most rows of one answer. Default 10,000.
    pub(crate) max_rows: u32,
    /// `max_result_bytes`: the most bytes of one answer's rows. Default 10,485,760.
    pub(crate) max_result_bytes: u32,
    /// `concurrent_queries`: how many metrics' SQL runs at once; the embedded engine runs one. Default:
    /// `database.max_connections`, which is also the most.
    pub(crate) concurrent_queries: u32,
    /// `queued_queries`: how many more wait, for `database.acquire_timeout` at most. Default 100.
    pub(crate) queued_queries: u32,
    /// `max_body_bytes`: the largest body of a request. Default 1,048,576.
    pub(crate) max_body_bytes: usize,
    /// `max_upload_bytes`: the largest body of many records. Default 268,435,456.
    pub(crate) max_upload_bytes: u32,
    /// `max_header_bytes`: the most that all header fields of a request take. Default 32,768.
    pub(crate) max_header_bytes: usize,
    /// `requests_per_second`: how often one caller may ask, on average; 0 for no limit. Default 100.
    pub(crate) requests_per_second: Option<NonZeroU32>,
    /// `burst`: how many requests one caller may make at once. Default 500.
    pub(crate) burst: NonZeroU32,
    /// `request_timeout`: the longest that a request may take. Default `30s`.
    pub(crate) request_timeout: Duration,
    /// `upload_timeout`: the same where its body is many records. Default `10m`.
    pub(crate) upload_timeout: Duration,
    /// `max_cost`: the most that PostgreSQL's planner may think a metric's SQL costs, in its own
    /// units. Default 10,000,000.
    pub(crate) max_cost: u32,
    /// `query_timeout`: the longest that a metric's SQL may run. Default `25s`.
    pub(crate) query_timeout: Duration,
    /// `export_timeout`: the longest that giving all rows as CSV may take. Default `10m`.
    pub(crate) export_timeout: Duration,
}

/// `[cache]`: what is kept in memory.
#[derive(Debug, Clone)]
pub(crate) struct CacheSettings {
    /// `ttl`: how long an answer is used again, as long as nobody tells of a change; `0s`: not at all.
    /// Default `5m`.
    pub(crate) ttl: Duration,
    /// `max_stale`: how much longer one is given while a newer one is fetched. Default `0s`.
    pub(crate) max_stale: Duration,
    /// `max_bytes`: the most bytes that answers take. Default 268,435,456.
    pub(crate) max_bytes: u64,
    /// `max_definition_bytes`: the most bytes that metrics with their queries take. Default 67,108,864.
    pub(crate) max_definition_bytes: u64,
}

impl CacheSettings {
    /// How answers are kept.
    pub(crate) fn answers(&self) -> freshness::CacheSettings {
        let Self { ttl, max_stale, max_bytes, .. } = *self;
        freshness::CacheSettings { ttl, max_stale, max_bytes }
    }
}

/// `[seed]`: files that fill empty tables at start.
#[derive(Debug, Clone)]
pub(crate) struct SeedSettings {
    /// `metrics` (also `METRICS_SEED_JSON`)
    pub(crate) metrics: Option<PathBuf>,
    /// `queries` (also `QUERIES_SEED_CSV`)
    pub(crate) queries: Option<PathBuf>,
    /// `records` (also `METRIC_RECORDS_SEED_JSON`)
    pub(crate) records: Option<PathBuf>,
}

/// A value that is never printed.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The value, for the one who needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What the command line sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`
    pub(crate) config: Option<PathBuf>,
    /// `--data-dir`
    pub(crate) data_dir: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<String>,
}

/// Everything that is wrong with the settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings have faults:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

impl std::error::Error for Faults {}

/// The plain names in the environment, beside `METRICD_…`.
const PLAIN_NAMES: [(&str, &str); 8] = [
    ("AWS_REGION", "cognito.region"),
    ("USER_POOL_ID", "cognito.user_pool_id"),
    ("USER_POOL_CLIENT_ID", "cognito.client_id"),
    ("DATABASE_URL", "database.url"),
    ("READER_DATABASE_URL", "database.reader_url"),
    ("METRICS_SEED_JSON", "seed.metrics"),
    ("QUERIES_SEED_CSV", "seed.queries"),
    ("METRIC_RECORDS_SEED_JSON", "seed.records"),
];

/// What stands before keys that a person names.
const CLAIMS: &str = "claims.";

/// Every key that a file may hold, but those of claims.
const KEYS: [&str; 52] = [
    "auth.issuers",
    "cache.max_bytes",
    "cache.max_definition_bytes",
    "cache.max_stale",
    "cache.ttl",
    "cognito.client_id",
    "cognito.jwks_uri",
    "cognito.region",
    "cognito.scope",
    "cognito.user_pool_id",
    "generation.api_key",
    "generation.approval",
    "generation.attempts",
    "generation.base_url",
    "generation.model",
    "generation.send_samples",
    "generation.timeout",
    "http.cors_origins",
    "http.trusted_proxies",
    "limits.burst",
    "limits.max_header_bytes",
    "limits.requests_per_second",
    "policy.file",
    "roles.admin",
    "roles.editor",
    "roles.viewer",
    "listen",
    "data_dir",
    "log",
    "clock",
    "database.url",
    "database.max_connections",
    "database.acquire_timeout",
    "database.reader_role",
    "database.reader_url",
    "limits.concurrent_queries",
    "limits.max_result_bytes",
    "limits.queued_queries",
    "limits.max_cost",
    "limits.max_rows",
    "limits.max_body_bytes",
    "limits.request_timeout",
    "limits.query_timeout",
    "limits.export_timeout",
    "limits.max_upload_bytes",
    "limits.upload_timeout",
    "seed.metrics",
    "seed.queries",
    "seed.records",
    "sql.functions",
    "sql.tables",
    "sql.types",
];

impl Config {
    /// Reads the settings from all their sources.
    pub(crate) fn load(flags: &Flags) -> Result<Self, Faults> {
        Self::read(flags, true)
    }

    fn read(flags: &Flags, environment: bool) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let file = flags.config.clone().unwrap_or_else(|| "metricd.toml".into());
        let mut figment = Figment::new();
        if file.is_file() {
            match settings_of(&file) {
                Ok((settings, unknown)) => {
                    faults.extend(unknown);
                    figment = settings;
                }
                Err(error) => faults.push(format!("{}: {error}", file.display())),
            }
        } else if flags.config.is_some() {
            faults.push(format!("--config: there is no file {}", file.display()));
        }
        if environment {
            faults.extend(unknown_variables());
            figment =
                figment.merge(Env::prefixed("METRICD_").split("__").filter(|key| key != "config"));
            for (name, key) in PLAIN_NAMES {
                if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
                    let text = value.to_string_lossy().into_owned();
                    figment = figment.merge(Serialized::global(key, text));
                }
            }
        }
        if let Some(dir) = &flags.data_dir {
            figment = figment.merge(Serialized::global("data_dir", dir));
        }
        if let Some(listen) = &flags.listen {
            figment = figment.merge(Serialized::global("listen", listen));
        }
        Reader { figment, faults }.config()
    }
}

/// Reads a settings file, once, and gives a fault for each key that means nothing: it is more likely
/// misspelt than meant.
fn settings_of(file: &Path) -> Result<(Figment, Vec<String>), Box<figment::Error>> {
    fn walk(prefix: &str, value: &Value, unknown: &mut Vec<String>) {
        let Value::Dict(_, entries) = value else {
            if !is_key(prefix) {
                unknown.push(prefix.to_owned());
            }
            return;
        };
        for (key, value) in entries {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            walk(&path, value, unknown);
        }
    }
    let settings = Figment::from(Toml::file_exact(file));
    let entries = settings.extract::<Dict>()?;
    let mut unknown = Vec::new();
    walk("", &Value::Dict(Tag::Default, entries), &mut unknown);
    let told = |key: String| format!("{}: there is no setting `{key}`", file.display());
    Ok((settings, unknown.into_iter().map(told).collect()))
}

/// The same for variables of the environment.
fn unknown_variables() -> Vec<String> {
    std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter_map(|name| unknown_variable(&name))
        .collect()
}

fn unknown_variable(name: &str) -> Option<String> {
    let key = name.to_lowercase().strip_prefix("metricd_")?.replace("__", ".");
    // Kubernetes tells every pod of a service called `metricd` where it is, in such names.
    let is_address = key.starts_with("service_") || key == "port" || key.starts_with("port_");
    let is_known = is_address || key == "config" || is_key(&key);
    (!is_known).then(|| format!("{name}: there is no setting `{key}`"))
}

fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || key.strip_prefix(CLAIMS).is_some_and(|name| !name.is_empty())
}

/// Takes settings one by one and remembers what is wrong with each.
struct Reader {
    figment: Figment,
    faults: Vec<String>,
}

impl Reader {
    fn config(mut self) -> Result<Config, Faults> {
        let max_connections = self.at_least("database.max_connections", 1, 10);
        let config = Config {
            listen: self.parsed("listen", "127.0.0.1:8000", |text| {
                text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:8000")
            }),
            data_dir: self.value("data_dir").unwrap_or_else(|| ".metricd".into()),
            log: self.parsed("log", "info", str::parse::<Targets>),
            clock: self.clock(),
            database: DatabaseSettings {
                url: self.value::<String>("database.url").map(Secret),
                reader_url: self.value::<String>("database.reader_url").map(Secret),
                max_connections,
                acquire_timeout: self.duration("database.acquire_timeout", "5s"),
                reader_role: self.parsed("database.reader_role", "metricd_reader", role),
            },
            limits: LimitSettings {
                max_rows: self.at_least("limits.max_rows", 1, 10_000),
                max_result_bytes: self.at_least("limits.max_result_bytes", 1_024, 10_485_760),
                concurrent_queries: self.at_least("limits.concurrent_queries", 1, max_connections),
                queued_queries: self.at_least("limits.queued_queries", 0, 100),
                max_body_bytes: self.at_least("limits.max_body_bytes", 1_024, 1_048_576) as usize,
                max_upload_bytes: self.at_least(
                    "limits.max_upload_bytes",
                    1_024,
                    256 * 1024 * 1024,
                ),
                max_header_bytes: self.at_least("limits.max_header_bytes", 1_024, 32_768) as usize,
                requests_per_second: NonZeroU32::new(self.at_least(
                    "limits.requests_per_second",
                    0,
                    100,
                )),
                burst: NonZeroU32::new(self.at_least("limits.burst", 1, 500))
                    .unwrap_or(NonZeroU32::MIN),
                request_timeout: self.duration("limits.request_timeout", "30s"),
                upload_timeout: self.duration("limits.upload_timeout", "10m"),
                max_cost: self.at_least("limits.max_cost", 1, 10_000_000),
                query_timeout: self.duration("limits.query_timeout", "25s"),
                export_timeout: self.duration("limits.export_timeout", "10m"),
            },
            cache: CacheSettings {
                ttl: self.duration_or_none("cache.ttl", "5m"),
                max_stale: self.duration_or_none("cache.max_stale", "0s"),
                max_bytes: self.at_least("cache.max_bytes", 1, 256 * 1024 * 1024).into(),
                max_definition_bytes: self
                    .at_least("cache.max_definition_bytes", 1, 64 * 1024 * 1024)
                    .into(),
            },
            seed: SeedSettings {
                metrics: self.value("seed.metrics"),
                queries: self.value("seed.queries"),
                records: self.value("seed.records"),
            },
            gate: self.gate(),
            generation: self.generation(),
            auth: self.auth(),
            policy_file: self.value("policy.file"),
            http: HttpSettings {
                cors_origins: self.list("http.cors_origins", origin),
                trusted_proxies: self.list("http.trusted_proxies", network),
            },
        };
        if let Some(model) = &config.generation.model
            && model.timeout * 3 > config.limits.request_timeout * 2
        {
            let why = "must be at most two thirds of limits.request_timeout: others answer when \
                       the model does not";
            self.faults.push(format!("generation.timeout: {why}"));
        }
        if config.database.reader_url.is_some() && config.database.url.is_none() {
            let why = "DATABASE_URL is missing, and the embedded engine has no roles";
            self.faults.push(format!("database.reader_url: {why}"));
        }
        if config.limits.concurrent_queries > max_connections {
            let most = "must be at most database.max_connections";
            self.faults
                .push(format!("limits.concurrent_queries: {most}, which is {max_connections}"));
        }
        if self.faults.is_empty() { Ok(config) } else { Err(Faults(self.faults)) }
    }

    fn value<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        match self.figment.extract_inner::<T>(key) {
            Ok(value) => Some(value),
            Err(error) if error.missing() => None,
            Err(error) => {
                for fault in error {
                    // The value itself may be a secret: only its kind is told.
                    let fault = match fault.kind {
                        figment::error::Kind::InvalidType(_, expected)
                        | figment::error::Kind::InvalidValue(_, expected) => {
                            format!("{key}: must be {expected}")
                        }
                        kind => format!("{key}: {kind}"),
                    };
                    self.faults.push(fault);
                }
                None
            }
        }
    }

    fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        let text = self.value::<String>(key).unwrap_or_else(|| default.to_owned());
        parse(&text).unwrap_or_else(|error| {
            self.faults.push(format!("{key}: {error}"));
            parse(default).unwrap_or_else(|_| unreachable!("the default of {key} parses"))
        })
    }

    /// A list, or a text with its parts between commas.
    fn list<T>(&mut self, key: &str, read: fn(&str) -> Option<T>) -> Vec<T> {
        let texts = self.value::<OneOrMore>(key).map(OneOrMore::into_vec).unwrap_or_default();
        let mut read_all = Vec::new();
        for text in texts {
            match read(&text) {
                Some(value) => read_all.push(value),
                None => self.faults.push(format!("{key}: `{text}` is none")),
            }
        }
        read_all
    }

    fn duration(&mut self, key: &str, default: &str) -> Duration {
        self.parsed(key, default, |text| match humantime::parse_duration(text) {
            Ok(duration) if !duration.is_zero() => Ok(duration),
            _ => Err("must be a time such as 30s or 1m 30s"),
        })
    }

    fn duration_or_none(&mut self, key: &str, default: &str) -> Duration {
        self.parsed(key, default, |text| {
            humantime::parse_duration(text)
                .map_err(|_| "must be a time such as 30s or 1m 30s, or 0s")
        })
    }

    fn at_least(&mut self, key: &str, least: u32, default: u32) -> u32 {
        let value = self.value(key).unwrap_or(default);
        if value < least {
            self.faults.push(format!("{key}: must be at least {least}"));
        }
        value
    }

    fn gate(&mut self) -> Arc<Gate> {
        let mut names = |key| self.list(key, |text| Some(text.to_owned()));
        let extension = GateExtension {
            tables: names("sql.tables"),
            functions: names("sql.functions"),
            types: names("sql.types"),
        };
        let gate = Gate::extended(&extension).unwrap_or_else(|faults| {
            self.faults.extend(faults);
            Gate::default()
        });
        Arc::new(gate)
    }

    fn clock(&mut self) -> Option<DateTime<Utc>> {
        let text = self.value::<String>("clock")?;
        let instant = DateTime::parse_from_rfc3339(&text);
        if instant.is_err() {
            self.faults.push("clock: must be an instant such as 2025-06-30T12:00:00Z".into());
        }
        instant.ok().map(|instant| instant.to_utc())
    }
}

/// The name of a role that can be made: PostgreSQL would cut a longer one, and keeps some to itself.
fn role(text: &str) -> Result<String, &'static str> {
    let is_reserved = text.starts_with("pg_") || matches!(text, "public" | "none");
    if text.is_empty() || text.len() > 63 || text.contains('\0') || is_reserved {
        return Err("must be a role's name: 1 to 63 bytes, and not one of PostgreSQL's own");
    }
    Ok(text.to_owned())
}

/// An origin as browsers send it: scheme, host and port, and nothing behind them.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, host) = text.split_once("://")?;
    let fits = matches!(scheme, "http" | "https")
        && !host.is_empty()
        && !host.contains(|c: char| "/?#@*".contains(c) || c.is_whitespace())
        && text == text.to_ascii_lowercase();
    HeaderValue::try_from(text).ok().filter(|_| fits)
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, Faults> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("metricd.toml");
        std::fs::write(&file, toml).unwrap();
        // The machine's own variables are none of a test's business.
        Config::read(&Flags { config: Some(file), ..Flags::default() }, false)
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_value_is_repeated() {
        let faults = load(
            "listen = 'nowhere'\nmax_rows = 5\n\
             [database]\nmax_connections = 'hunter2'\n\
             [limits]\nrequest_timeout = 'soon'\nmax_rows = 0\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "listen: must be an address",
            "no setting `max_rows`",
            "database.max_connections: must be",
            "limits.request_timeout: must be a time",
            "limits.max_rows: must be at least 1",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert!(!faults.contains("hunter2"), "{faults}");
    }

    #[test]
    fn a_variable_that_sets_nothing_is_a_fault() {
        for name in ["METRICD_LIMITS_MAX_ROWS", "metricd_limits__max_row", "METRICD_READER_URL"] {
            assert!(unknown_variable(name).is_some_and(|fault| fault.contains(name)), "{name}");
        }
        for name in [
            "METRICD_LIMITS__MAX_ROWS",
            "METRICD_CONFIG",
            "METRICD_PORT",
            "METRICD_PORT_8000_TCP_ADDR",
            "METRICD_SERVICE_HOST",
            "PATH",
        ] {
            assert_eq!(unknown_variable(name), None);
        }
    }

    #[test]
    fn a_file_that_is_not_toml_is_one_fault() {
        let Faults(faults) = load("listen = ").unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    #[test]
    fn what_can_never_be_allowed_is_a_fault() {
        let faults = load(
            "[sql]\nfunctions = ['net', 'pg_sleep']\ntypes = 'regclass'\n\
             tables = ['sales.*', 'pg_catalog.pg_class']\n",
        )
        .unwrap_err()
        .to_string();
        for part in ["pg_sleep", "regclass", "pg_catalog.pg_class"] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert_eq!(faults.lines().count(), 4, "{faults}");
        assert!(load("[sql]\nfunctions = ['net', 'shop.vat']\ntables = 'sales.*'\n").is_ok());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let config = load("[database]\nurl = 'postgres://ann:hunter2@db/shop'\n").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(config.database.url.unwrap().expose().contains("hunter2"));
    }

    #[test]
    fn a_model_is_configured_whole_or_not_at_all() {
        assert!(load("").unwrap().generation.model.is_none());
        assert!(
            load("[generation]\nbase_url = ''\nmodel = ''\n").unwrap().generation.model.is_none()
        );
        let model = |more: &str| {
            load(&format!(
                "[generation]\nmodel = 'qwen'\nbase_url = 'http://127.0.0.1:11434/v1'\n{more}"
            ))
        };
        let local = model("").unwrap().generation.model.unwrap();
        assert_eq!((local.attempts, local.timeout), (3, Duration::from_secs(20)));
        assert!(!local.send_samples && local.api_key.is_none());
        let set = model("attempts = 2\ntimeout = '5s'\nsend_samples = true\napi_key = 'hunter2'\n");
        let set = set.unwrap();
        assert!(!format!("{set:?}").contains("hunter2"));
        let set = set.generation.model.unwrap();
        assert_eq!((set.attempts, set.timeout), (2, Duration::from_secs(5)));
        assert!(set.send_samples && set.api_key.is_some());

        for (toml, fault) in [
            ("base_url = 'http://127.0.0.1/v1'", "generation.model: is missing"),
            ("model = 'qwen'", "generation.base_url: is missing"),
            ("api_key = 'hunter2'", "generation.api_key: there is no base_url"),
            ("model = 'qwen'\nbase_url = 'nowhere'", "generation.base_url: must be an address"),
            (
                "model = 'qwen'\nbase_url = 'https://x:hunter2@a.example'",
                "generation.base_url: must hold neither",
            ),
            (
                "model = 'qwen'\nbase_url = 'http://models.example/v1'\napi_key = 'hunter2'",
                "generation.base_url: a key goes over https",
            ),
            (
                "model = 'qwen'\nbase_url = 'https://a.example'\napi_key = 'hunter2 x'",
                "generation.api_key: must be visible",
            ),
            ("attempts = 0", "generation.attempts: must be at least 1"),
            ("attempts = 11", "generation.attempts: must be at most 10"),
            ("timeout = '0s'", "generation.timeout: must be a time"),
            ("send_samples = 'hunter2'", "generation.send_samples: must be"),
            (
                "model = 'qwen'\nbase_url = 'https://a.example'\ntimeout = '21s'",
                "generation.timeout: must be at most two thirds of limits.request_timeout",
            ),
        ] {
            let faults = load(&format!("[generation]\n{toml}\n")).unwrap_err().to_string();
            assert!(faults.contains(fault), "{fault} is missing in {faults}");
            assert_eq!(faults.lines().count(), 2, "{faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
        let unsealed = "[generation]\nmodel = 'qwen'\nbase_url = 'http://vllm:8000/v1'\n";
        assert!(load(unsealed).unwrap().generation.model.is_some());
    }

    #[test]
    fn the_reader_is_checked_and_its_address_is_a_secret() {
        let faults = load(
            "[database]\nreader_url = 'postgres://ann:hunter2@db/shop'\nreader_role = 'pg_x'\n\
             max_connections = 4\n[limits]\nconcurrent_queries = 5\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "database.reader_url: DATABASE_URL is missing",
            "database.reader_role: must be a role's name",
            "limits.concurrent_queries: must be at most",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert!(!faults.contains("hunter2"), "{faults}");

        let config = load(
            "[database]\nurl = 'postgres://db/shop'\nmax_connections = 4\n\
             reader_url = 'postgres://ann:hunter2@db/shop'\n",
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.limits.concurrent_queries, 4);
    }

    #[test]
    fn a_part_of_a_user_pool_is_not_enough() {
        let faults =
            load("[cognito]\nuser_pool_id = 'eu-central-1_EXAMPLE'\n").unwrap_err().to_string();
        assert!(
            faults.contains("AWS_REGION") && faults.contains("USER_POOL_CLIENT_ID"),
            "{faults}"
        );
        assert!(!faults.contains("USER_POOL_ID)"), "{faults}");
        let faults = load("[cognito]\nscope = 'api/read'\n").unwrap_err().to_string();
        for name in ["AWS_REGION", "USER_POOL_ID", "USER_POOL_CLIENT_ID"] {
            assert!(faults.contains(name), "{name} is missing in {faults}");
        }
        assert!(load("[cognito]\nregion = 'eu-central-1'\n").unwrap().auth.issuers.is_empty());
    }

    #[test]
    fn a_user_pool_is_of_its_region() {
        let pool = |region: &str| {
            load(&format!(
                "[cognito]\nregion = '{region}'\nuser_pool_id = 'eu-central-1_EXAMPLE'\n\
                 client_id = ['a', 'b']\n"
            ))
        };
        let config = pool("eu-central-1").unwrap();
        let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE";
        assert_eq!(config.auth.issuers[0].config.issuer, issuer);
        assert_eq!(config.auth.issuers[0].client_id.as_deref(), Some("a"));
        assert!(pool("us-east-1").unwrap_err().to_string().contains("cognito.user_pool_id"));
        assert!(pool("evil.example/").unwrap_err().to_string().contains("cognito.region"));
    }

    #[test]
    fn an_issuer_says_all_that_it_must_and_nothing_unknown() {
        let faults = load(
            "[[auth.issuers]]\nissuer = 'https://a.example'\n\
             [[auth.issuers]]\naudience = ''\njwks_uri = 'nowhere'\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "auth.issuers[0]: audience is missing",
            "auth.issuers[1]: issuer is missing",
            "auth.issuers[1]: audience is missing",
            "auth.issuers[1]: the address cannot be read",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        let faults = load(
            "[[auth.issuers]]\nissuer = 'https://a.example'\naudience = 'x'\naudiense = 'x'\n",
        );
        let faults = faults.unwrap_err().to_string();
        assert!(faults.contains("auth.issuers") && faults.contains("audiense"), "{faults}");
    }

    #[test]
    fn roles_claims_and_origins_are_checked() {
        let faults = load(
            "[roles]\nadmin = ['ops']\n[claims]\nTenant = 'x'\ntenant = ''\n\
             [http]\ncors_origins = ['https://a.example/', '*']\ntrusted_proxies = ['10.0.0.0/99']\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "roles.admin: a rule",
            "claims.Tenant: a claim name is",
            "claims.tenant: the name",
            "`https://a.example/`",
            "`*`",
            "`10.0.0.0/99`",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        let config = load(
            "[claims]\ntenant_id = 'custom:tenant_id'\n\
             [http]\ncors_origins = 'https://a.example, http://localhost:5173'\n\
             trusted_proxies = '10.0.0.0/8, ::1'\n",
        )
        .unwrap();
        assert_eq!(config.http.cors_origins.len(), 2);
        assert_eq!(config.http.trusted_proxies.len(), 2);
        let claim = config.auth.claims.first_key_value().unwrap();
        assert_eq!((claim.0.as_str(), claim.1.as_str()), ("tenant_id", "custom:tenant_id"));
    }
}

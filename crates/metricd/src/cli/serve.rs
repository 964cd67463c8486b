//! `metricd serve`

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use metricd_application::{
    catalog::{CatalogFiles, Place, Report, Severity, seed},
    context::Context,
};
use metricd_core::actor::Actor;
use metricd_infrastructure::{
    db::{ConnectError, Database, OverriddenDefault},
    loaders::{RecordFile, load_metrics, load_queries},
    policy::CedarPolicies,
};
use metricd_web::{App, AppParts, AppSettings, ConnectionLimits, WritePace};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info, warn};

use crate::{
    app,
    config::{Config, SeedSettings},
    demo,
    identity::{self, IdentityProvider},
    memory,
    telemetry::{self, Monitoring},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Load the sample catalog, with made-up records up to today
    #[arg(long)]
    demo: bool,
    /// Accept tokens of the development issuer from other machines too. Anyone who can read its key, or
    /// intercepts a token, is an administrator
    #[arg(long)]
    insecure_development_tokens_on_the_network: bool,
}

pub(crate) async fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    // Before it is asked for an issuer: the slim image, as it comes, has neither.
    if cfg!(not(feature = "embedded")) && config.database.url.is_none() {
        return Err(ConnectError::NotBuiltIn.into());
    }
    let identity = identity::open(config, app::clock(config))?;
    identity
        .require_loopback(config.general.listen, args.insecure_development_tokens_on_the_network)?;
    // From here on SIGHUP reloads the policies and does not end the process.
    let hangup = signal(SignalKind::hangup())?;
    let policies = app::policies(config, None)?;
    telemetry::log_panics();
    let database = app::connect(config, config.database.start_timeout).await?;
    info!(database = database.address(), "Database connected");
    let reloadable = Arc::clone(&policies);
    let context = app::context(config, &database, policies)?;
    let supervisor = context.supervisor.clone();
    supervisor.spawn_essential("reload of the policies", |stopping| async move {
        let _ = stopping.run_until_cancelled(reload_on_hangup(hangup, reloadable)).await;
    });
    supervisor.spawn("release of memory", memory::give_back);
    let served = serve(config, args, &database, context, identity).await;
    // Neither a background task nor a query that the engine cannot cancel may hold up the end of the process.
    if tokio::time::timeout(STOP_TIMEOUT, supervisor.stopped()).await.is_err() {
        warn!("Background tasks are still running; exiting without them");
    }
    if tokio::time::timeout(STOP_TIMEOUT, database.close()).await.is_err() {
        warn!("A query is still running; exiting without it");
    }
    served?;
    Ok(ExitCode::SUCCESS)
}

/// How long background tasks, then queries, may take once no request is in flight.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to tell those whose requests are broken off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a connection may take for the head of a request, or stay idle before one: longer than the
/// minute for which load balancers keep theirs.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Enough for a head that is somewhat too large to be told so.
const LEAST_HEAD_BUFFER_BYTES: usize = 128 * 1024;

async fn serve(
    config: &Config,
    args: &Args,
    database: &Database,
    context: Context,
    identity: IdentityProvider,
) -> anyhow::Result<()> {
    database.migrate().await?;
    require_connections(database).await?;
    warn_of_defaults(config, database).await?;
    seed_empty_tables(&config.seed, &context).await?;
    if args.demo {
        demo::load(&config.general.data_dir, &context).await?;
    }
    let listener = TcpListener::bind(config.general.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.general.listen))?;
    let address = listener.local_addr()?;
    let demo_token = if args.demo { identity.demo_token(context.clock.as_ref())? } else { None };
    let (change_feed, supervisor) = (Arc::clone(&context.change_feed), context.supervisor.clone());
    supervisor.spawn_essential("change feed", async move |stopping| {
        change_feed.follow(stopping).await;
    });
    let monitored = context.clone();
    let parts = AppParts {
        context,
        development_keys: identity.development_keys(),
        verifier: identity.verifier,
        sign_in: identity.sign_in,
    };
    if parts.sign_in.development {
        warn!("No issuer is configured; tokens are made by `metricd token`, for development");
    }
    let app = App::new(parts, app_settings(config));
    if let Some(address) = config.telemetry.metrics_listen {
        let monitoring = Monitoring::new(&app, monitored, database);
        let collected = monitoring.listen(address, supervisor.stopping().clone()).await?;
        supervisor.spawn("metrics for Prometheus", |_| collected);
    }
    let stop = stop_signal()?;
    info!(
        listen = %address,
        database = database.engine_name(),
        version = env!("CARGO_PKG_VERSION"),
        "Starting service"
    );
    if args.demo {
        super::output::print(&demo::welcome(address, demo_token.as_deref()))?;
    }
    let metrics = app.metrics().clone();
    let handle = move |peer, request| {
        let app = app.clone();
        async move { app.handle(peer, request).await }
    };
    let serving = metricd_web::serve(listener, handle, connection_limits(config), metrics, async {
        stop.await;
        info!("Shutting down service");
        supervisor.stop();
    });
    let overdue = async {
        supervisor.stopping().cancelled().await;
        tokio::time::sleep(config.shutdown.grace).await;
        warn!("Requests are still in flight; breaking them off");
        supervisor.grace_is_over().cancel();
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue => {}
        () = supervisor.failed() => bail!("a background task has failed"),
    }
    Ok(())
}

fn app_settings(config: &Config) -> AppSettings {
    AppSettings {
        request_timeout: config.limits.request_timeout,
        upload_timeout: config.limits.upload_timeout,
        max_upload_bytes: config.limits.max_upload_bytes.into(),
        max_body_bytes: config.limits.max_body_bytes,
        max_header_bytes: config.limits.max_header_bytes,
        requests_per_second: config.limits.requests_per_second,
        burst: config.limits.burst,
        concurrent_requests_per_caller: config.limits.concurrent_requests_per_caller,
        concurrent_requests_per_client: config.http.max_connections_per_client,
        max_bytes_in_flight: config.http.max_bytes_in_flight.into(),
        origins: config.http.cors_origins.clone(),
        proxies: config.http.trusted_proxies.clone(),
        sample_hits: config.log.sample_hits,
        has_traces: config.telemetry.traces().is_some(),
        has_metrics: config.telemetry.metrics_listen.is_some(),
    }
}

fn connection_limits(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        head_timeout: HEAD_TIMEOUT,
        max_head_bytes: LEAST_HEAD_BUFFER_BYTES.max(config.limits.max_header_bytes * 2),
        pace: WritePace {
            timeout: config.http.write_timeout,
            min_bytes_per_second: config.http.min_write_rate,
        },
        max_connections: config.http.max_connections as usize,
        max_connections_per_client: config.http.max_connections_per_client,
        proxies: config.http.trusted_proxies.clone(),
    }
}

/// Ends the start where the server does not give the connections that the settings are for: requests would fail once there
/// are many.
async fn require_connections(database: &Database) -> anyhow::Result<()> {
    let faults = database.connection_faults().await?;
    if !faults.is_empty() {
        bail!("there are too few connections:\n  - {}", faults.join("\n  - "));
    }
    Ok(())
}

/// Says which defaults of the database and its roles stored SQL does not have.
async fn warn_of_defaults(config: &Config, database: &Database) -> anyhow::Result<()> {
    let timezone = config.query.timezone.name();
    for default in database.overridden_defaults(timezone).await? {
        let OverriddenDefault { of, setting, value, applied } = default;
        let hint = match setting {
            "TimeZone" => "set query.timezone to have it as the zone of requests that name none",
            "search_path" => "name the schema of tables outside of public",
            "DateStyle" => "write dates as YYYY-MM-DD",
            _ => "intervals are written as `1 day 02:00:00`",
        };
        warn!(
            of,
            setting, value, applied, hint, "A default of the database does not apply to stored SQL"
        );
    }
    Ok(())
}

/// Resolves when the process is asked to end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Reloads the policies on SIGHUP. The previous ones stay in force until the new ones are valid.
async fn reload_on_hangup(mut hangup: Signal, policies: Arc<CedarPolicies>) {
    while hangup.recv().await.is_some() {
        let policies = Arc::clone(&policies);
        let reloaded = tokio::task::spawn_blocking(move || policies.reload()).await;
        let refusal = match reloaded {
            Ok(Ok(())) => continue,
            Ok(Err(refusal)) => anyhow::Error::from(refusal),
            Err(panic) => panic.into(),
        };
        error!(
            error = format!("{refusal:#}"),
            "Policy reload failed; the previous policies stay in force"
        );
    }
}

/// Loads the seed files into empty tables. A file that is missing or invalid does not stop the start: the service
/// is of use without it.
async fn seed_empty_tables(settings: &SeedSettings, context: &Context) -> anyhow::Result<()> {
    let files = CatalogFiles {
        queries: present(settings.queries.as_deref()).map(load_queries),
        metrics: present(settings.metrics.as_deref()).map(load_metrics),
        records: present(settings.records.as_deref())
            .map(|path| Box::new(RecordFile::open(path)) as _),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the process that starts metricd is the operator"
    )]
    let operator = Actor::operator();
    if let Some(report) = seed(&operator, context, files).await? {
        log_findings(&report);
    }
    Ok(())
}

fn present(path: Option<&Path>) -> Option<&Path> {
    let path = path?;
    if path.is_file() {
        return Some(path);
    }
    let resolved = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    warn!(path = %resolved.display(), "Seed file missing");
    None
}

/// Logs the findings. A finding's message may quote a record, so only its place is logged.
fn log_findings(report: &Report) {
    for finding in report.findings.listed() {
        let Place { file, line, path } = &finding.place;
        let severity = finding.severity.as_str();
        let path = path.as_deref();
        match finding.severity {
            Severity::Note => info!(file, line, path, severity, "Seed finding"),
            Severity::Warning | Severity::Repair => {
                warn!(file, line, path, severity, "Seed finding");
            }
            Severity::Rejection => error!(file, line, path, severity, "Seed finding"),
        }
    }
    if report.written {
        let counts = &report.counts;
        info!(
            queries = counts.queries.created,
            metrics = counts.metrics.created,
            layouts = counts.layouts.created,
            records = counts.records.created,
            "Seeded"
        );
    } else {
        error!("Seed files rejected: nothing was loaded; `metricd validate` says why");
    }
}

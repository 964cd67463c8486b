//! `metricd serve`

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use metricd_application::{
    catalog::{CatalogFiles, Place, Report, Severity, seed},
    context::Context,
};
use metricd_core::actor::Actor;
use metricd_infrastructure::{
    db::Database,
    loaders::{RecordFile, load_metrics, load_queries},
    policy::CedarPolicies,
};
use metricd_web::{App, AppParts, AppSettings};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info, warn};

use crate::{
    app,
    config::{Config, SeedSettings},
    demo,
    identity::{self, Identity},
    telemetry,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Load the sample catalog, with made-up records up to today
    #[arg(long)]
    demo: bool,
    /// Take tokens of the development issuer from other machines too. Whoever can read its key, or
    /// overhears a token, is an administrator
    #[arg(long)]
    insecure_development_tokens_on_the_network: bool,
}

pub(crate) async fn run(config: &Config, args: &Args) -> anyhow::Result<ExitCode> {
    let identity = identity::open(config, app::clock(config))?;
    identity.refuse_strangers(config.listen, args.insecure_development_tokens_on_the_network)?;
    // From here on SIGHUP reloads the policies instead of ending the process.
    let hangup = signal(SignalKind::hangup())?;
    let policies = app::policies(config, None)?;
    telemetry::log_panics();
    tokio::spawn(reload_on_hangup(hangup, Arc::clone(&policies)));
    let database = app::connect(config).await?;
    let context = app::context(config, &database, policies)?;
    let served = serve(config, args, &database, context, identity).await;
    // A query that the engine cannot cancel must not keep the process running.
    if tokio::time::timeout(GRACE_PERIOD, database.close()).await.is_err() {
        warn!("A query is still running; stopping without it");
    }
    served?;
    Ok(ExitCode::SUCCESS)
}

/// The time that requests in flight, and then queries, have to finish when the service stops.
const GRACE_PERIOD: Duration = Duration::from_secs(10);

/// The time that a connection has for the head of a request, or may be idle before one: longer than the
/// minute for which load balancers keep theirs open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

async fn serve(
    config: &Config,
    args: &Args,
    database: &Database,
    context: Context,
    identity: Identity,
) -> anyhow::Result<()> {
    database.migrate().await?;
    seed_empty_tables(&config.seed, &context).await?;
    if args.demo {
        demo::load(&config.data_dir, &context).await?;
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let settings = AppSettings {
        request_timeout: config.limits.request_timeout,
        upload_timeout: config.limits.upload_timeout,
        max_upload_bytes: config.limits.max_upload_bytes.into(),
        max_body_bytes: config.limits.max_body_bytes,
        max_header_bytes: config.limits.max_header_bytes,
        requests_per_second: config.limits.requests_per_second,
        burst: config.limits.burst,
        origins: config.http.cors_origins.clone(),
        proxies: config.http.trusted_proxies.clone(),
    };
    let demo_token = if args.demo { identity.demo_token(context.clock.as_ref())? } else { None };
    let change_feed = Arc::clone(&context.change_feed);
    let parts = AppParts {
        context,
        development_keys: identity.development_keys(),
        verifier: identity.verifier,
        sign_in: identity.sign_in,
    };
    if parts.sign_in.development {
        warn!("No issuer is configured; tokens are made by `metricd token`, for development");
    }
    let app = App::new(parts, settings);
    let stop = stop_signal()?;
    let engine = if config.database.url.is_some() { "external" } else { "embedded" };
    info!(
        listen = %address,
        database = engine,
        version = env!("CARGO_PKG_VERSION"),
        "Starting service"
    );
    if args.demo {
        super::print(&demo::welcome(address, demo_token.as_deref()))?;
    }
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let handle = move |peer, request| {
        let app = app.clone();
        async move { app.handle(peer, request).await }
    };
    let serving = metricd_web::serve(listener, handle, HEAD_TIMEOUT, async {
        stop.await;
        info!("Shutting down service");
        let _ = stopping.send(());
    });
    let overdue = async {
        let _ = stopped.await;
        tokio::time::sleep(GRACE_PERIOD).await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue => warn!("Requests are still in flight; stopping without them"),
        never = change_feed.follow() => match never {},
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

/// Reloads the policies on SIGHUP. The old ones stay in force until the new ones are valid.
async fn reload_on_hangup(mut hangup: Signal, policies: Arc<CedarPolicies>) {
    while hangup.recv().await.is_some() {
        let policies = Arc::clone(&policies);
        let reloaded = tokio::task::spawn_blocking(move || policies.reload()).await;
        let refusal = match reloaded {
            Ok(Ok(())) => continue,
            Ok(Err(refusal)) => anyhow::Error::from(refusal),
            Err(panic) => panic.into(),
        };
        error!(error = format!("{refusal:#}"), "Policies refused; the old ones stay in force");
    }
}

/// Fills empty tables from the seed files. A file that is missing or invalid does not stop the start.
async fn seed_empty_tables(settings: &SeedSettings, context: &Context) -> anyhow::Result<()> {
    let files = CatalogFiles {
        queries: present(settings.queries.as_deref()).map(load_queries),
        metrics: present(settings.metrics.as_deref()).map(load_metrics),
        records: present(settings.records.as_deref())
            .map(|path| Box::new(RecordFile::open(path)) as _),
    };
    #[expect(clippy::disallowed_methods, reason = "the process is started by the operator")]
    let operator = Actor::operator();
    if let Some(report) = seed(&operator, context, files).await? {
        log_report(&report);
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

/// Logs the findings. A finding's text may quote a record, so only its place is logged.
fn log_report(report: &Report) {
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
        error!("Seed files rejected; nothing was loaded. Run `metricd validate` for the reasons");
    }
}

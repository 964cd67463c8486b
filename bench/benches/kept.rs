//! A cached answer, through the whole app and without a connection: without verification, with a cached token,
//! with a new token, and for a client that has the answer already.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, Request, StatusCode, header},
    response::Response,
};
use criterion::{BatchSize, Criterion, criterion_group};
use metricd_application::{
    admission::Admission,
    context::{Adapters, Approval, Context, ContextSettings},
    freshness::AnswerCacheSettings,
    metrics::{CreateMetric, QuerySource, create_metric},
    ports::{Clock, TokenError, TokenVerifier},
};
use metricd_core::actor::{Actor, Identity, Role};
use metricd_infrastructure::{
    auth::{DevelopmentIssuer, RoleRules, TokenRequest, Verifier},
    db::{Database, DatabaseConfig, EngineCommand, Target, run_embedded_engine},
    policy::{CedarPolicies, PolicySource},
    system::{RandomIds, SystemClock},
};
use metricd_web::{App, AppParts, AppSettings, JsonAnswers, SignIn};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Has this program be the embedded engine of another one.
const ENGINE_ARGUMENT: &str = "embedded-engine";

/// Accepts every token as one caller's.
struct NoVerification(Arc<Identity>);

#[async_trait::async_trait]
impl TokenVerifier for NoVerification {
    async fn verify(&self, _: &str) -> Result<Arc<Identity>, TokenError> {
        Ok(Arc::clone(&self.0))
    }
}

/// The client's address.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// An app that verifies tokens and one that does not, over one database.
struct Kept {
    checking: App,
    trusting: App,
    issuer: DevelopmentIssuer,
    clock: Arc<dyn Clock>,
    path: String,
    database: Database,
}

impl Kept {
    /// A metric of the embedded engine in `folder`, with thirty rows.
    async fn make(folder: &TempDir) -> anyhow::Result<Self> {
        let command = EngineCommand {
            program: std::env::current_exe()?,
            arguments: vec![ENGINE_ARGUMENT.into()],
        };
        let target = Target::Embedded { data_dir: folder.path().to_owned(), command };
        let database = Database::connect(DatabaseConfig::new(target)).await?;
        database.migrate().await?;
        let context = context(&database)?;
        let sql =
            "SELECT n AS day, n * 1.25 AS cost, n % 7 AS alerts FROM generate_series(1, 30) AS n";
        let metric = CreateMetric::new(QuerySource::Sql(sql.into()));
        #[expect(clippy::disallowed_methods, reason = "who made the metric does not matter")]
        let operator = Actor::operator();
        let made = create_metric(&operator, &context, metric, None).await?.executed();
        let id = made.context("the metric is not new")?.id;
        let issuer = DevelopmentIssuer::open(folder.path())?;
        let clock = Arc::clone(&context.clock);
        let config = issuer.issuer_config(RoleRules::default());
        let verifier = Verifier::new(vec![config], BTreeMap::new(), Arc::clone(&clock))?;
        let known = verifier.verify(&issuer.mint(&editor(), clock.now())?).await?;
        let checking = app(&context, Arc::new(verifier));
        let trusting = app(&context, Arc::new(NoVerification(known)));
        let path = format!("/metrics/{id}");
        Ok(Self { checking, trusting, issuer, clock, path, database })
    }

    fn token(&self) -> String {
        self.issuer.mint(&editor(), self.clock.now()).expect("the issuer makes tokens")
    }

    /// Sends a request and reads its response to the end.
    async fn send(&self, app: &App, headers: &[(HeaderName, &str)]) -> Response<()> {
        let mut request = Request::get(&self.path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Body::empty()).expect("the request is well formed");
        let response = app.handle(PEER, request).await;
        let (parts, body) = response.into_parts();
        to_bytes(body, usize::MAX).await.expect("a kept body has an end");
        Response::from_parts(parts, ())
    }
}

fn kept(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("this machine has threads");
    let folder = TempDir::new().expect("this machine has a folder for temporary files");
    let kept = runtime.block_on(Kept::make(&folder)).expect("the embedded engine works");
    let same = format!("Bearer {}", kept.token());
    let asked = [(header::AUTHORIZATION, same.as_str())];
    let first = runtime.block_on(kept.send(&kept.checking, &asked));
    let tag = first.headers()[header::ETAG].to_str().expect("a tag is a text").to_owned();
    let again = runtime.block_on(kept.send(&kept.checking, &asked));
    assert_eq!(again.status(), StatusCode::OK);
    assert!(again.headers().contains_key(header::AGE));
    let unchanged = [(header::AUTHORIZATION, same.as_str()), (header::IF_NONE_MATCH, tag.as_str())];
    let has_it = runtime.block_on(kept.send(&kept.checking, &unchanged));
    assert_eq!(has_it.status(), StatusCode::NOT_MODIFIED);

    for (name, app, headers) in [
        ("kept/no verification", &kept.trusting, &asked[..]),
        ("kept/remembered token", &kept.checking, &asked[..]),
        ("kept/304", &kept.checking, &unchanged[..]),
    ] {
        criterion.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| kept.send(app, headers));
        });
    }
    criterion.bench_function("kept/new token", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || format!("Bearer {}", kept.token()),
            async |token| {
                kept.send(&kept.checking, &[(header::AUTHORIZATION, token.as_str())]).await
            },
            BatchSize::SmallInput,
        );
    });
    runtime.block_on(kept.database.close());
}

fn context(database: &Database) -> anyhow::Result<Context> {
    let policies = CedarPolicies::load(PolicySource::Default, &BTreeSet::new())?;
    let adapters = Adapters {
        catalog: database.catalog(),
        changes: database.changes(),
        is_shared: database.is_shared(),
        store: Box::new(|sink| database.store(sink)),
        policies: Arc::new(policies),
        audit: database.audit(),
        runner: database.runner(),
        schema: database.schema(),
        generators: Arc::new([]),
        writer: Arc::new(JsonAnswers),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
    };
    let answers = AnswerCacheSettings {
        ttl: Duration::from_hours(1),
        max_stale: Duration::ZERO,
        max_bytes: 1 << 26,
    };
    let settings = ContextSettings {
        admission: Admission::new(Arc::default(), f64::INFINITY, 0.0),
        answers,
        max_definition_bytes: 1 << 26,
        generation_time: Duration::from_mins(5),
        approval: Approval::NotNeeded,
        claims: Arc::default(),
        max_rows: 10_000,
        zones: metricd_application::context::Zones::default(),
    };
    Ok(Context::new(adapters, settings))
}

fn editor() -> TokenRequest {
    TokenRequest {
        role: Role::Editor,
        ttl: Duration::from_hours(1),
        subject: None,
        claims: serde_json::Map::new(),
    }
}

fn app(context: &Context, verifier: Arc<dyn TokenVerifier>) -> App {
    let parts = AppParts {
        context: context.clone(),
        verifier,
        sign_in: SignIn { development: true, issuers: Vec::new() },
        development_keys: None,
    };
    let settings = AppSettings {
        upload_timeout: Duration::from_mins(10),
        max_upload_bytes: 1 << 28,
        request_timeout: Duration::from_mins(1),
        max_body_bytes: 1_024,
        max_header_bytes: 32_768,
        requests_per_second: None,
        burst: std::num::NonZeroU32::MIN,
        concurrent_requests_per_caller: u32::MAX,
        concurrent_requests_per_client: u32::MAX,
        max_bytes_in_flight: u64::MAX,
        origins: Vec::new(),
        proxies: Vec::new(),
        sample_hits: 1,
        has_traces: false,
        has_metrics: false,
    };
    App::new(parts, settings)
}

criterion_group!(benches, kept);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(ENGINE_ARGUMENT) {
        return run_embedded_engine();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    ExitCode::SUCCESS
}

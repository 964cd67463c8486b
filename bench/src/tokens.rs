//! What it costs to know who is calling, beside not asking at all: through the whole router, to a
//! page that is not there, and to a metric of the embedded engine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use metricd_application::{
    admission::Admission,
    freshness::{Answers, CacheSettings, Definitions, News},
    metrics::{CreateMetric, QuerySource, create_metric},
    ports::{Approval, Ports, TokenError, TokenVerifier},
};
use metricd_core::actor::{Actor, Identity, Role};
use metricd_infrastructure::{
    auth::{DevelopmentIssuer, RoleRules, TokenRequest, Verifier},
    db::{Database, DatabaseConfig, Target},
    policy::{CedarPolicies, PolicySource},
    system::{RandomIds, SystemClock},
};
use metricd_web::{App, JsonAnswers, Limits, SignIn, router};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::rounds::{AsyncRequest, in_turns, report};

/// Believes everybody to be one caller.
struct NoVerification(Arc<Identity>);

#[async_trait::async_trait]
impl TokenVerifier for NoVerification {
    async fn verify(&self, _: &str) -> Result<Arc<Identity>, TokenError> {
        Ok(Arc::clone(&self.0))
    }
}

pub(crate) async fn run() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let target = Target::Embedded { data_dir: folder.path().to_owned() };
    let database = Database::connect(DatabaseConfig::new(target)).await?;
    database.migrate().await?;
    let ports = ports(&database)?;
    let metric = CreateMetric {
        is_editable: true,
        layouts: Vec::new(),
        source: QuerySource::Sql("SELECT 1 AS one".into()),
        name: None,
        description: None,
        tags: Vec::new(),
        cache_ttl: None,
    };
    #[expect(clippy::disallowed_methods, reason = "who made the metric does not matter")]
    let operator = Actor::operator();
    let id = create_metric(&operator, &ports, metric).await?.id;

    let issuer = DevelopmentIssuer::open(folder.path())?;
    let clock = Arc::clone(&ports.clock);
    let mint = || issuer.mint(&editor(), clock.now());
    let verifier = || {
        let config = issuer.issuer_config(RoleRules::default());
        Verifier::new(vec![config], BTreeMap::new(), Arc::clone(&clock)).map(Arc::new)
    };
    let known = verifier()?.verify(&mint()?).await?;
    let checking = app(&ports, verifier()?);
    let trusting = app(&ports, Arc::new(NoVerification(known)));

    for (what, path, requests) in [
        ("an empty answer", "/nothing".to_owned(), 500),
        ("a metric", format!("/metrics/{id}"), 50),
    ] {
        let token = mint()?;
        let both =
            [status(&checking, &path, &token).await?, status(&trusting, &path, &token).await?];
        ensure!(both[0] == both[1] && both[0] != 401, "the answers are {both:?}");
        // Every token that is to be verified in full has to be a new one.
        let mut fresh = Vec::new();
        for _ in 0..requests * 42 {
            fresh.push(mint()?);
        }
        let [no_check, remembered, in_full] = in_turns(
            requests,
            [
                Box::new(Same {
                    router: trusting.clone(),
                    path: path.clone(),
                    token: token.clone(),
                }),
                Box::new(Same { router: checking.clone(), path: path.clone(), token }),
                Box::new(Fresh { router: checking.clone(), path, tokens: fresh }),
            ],
        )
        .await;
        let beside = format!("{what}, no verification");
        report(&format!("{what}, remembered token"), remembered, &beside, no_check);
        report(&format!("{what}, token verified in full"), in_full, &beside, no_check);
    }
    database.close().await;
    Ok(())
}

fn ports(database: &Database) -> anyhow::Result<Ports> {
    let policies = CedarPolicies::load(PolicySource::Default, &std::collections::BTreeSet::new())?;
    let (catalog, news) =
        (database.catalog(), Arc::new(News::new(database.changes(), database.is_shared())));
    let definitions = Definitions::new(Arc::clone(&catalog), Arc::clone(&news), 1 << 26);
    let settings = CacheSettings { ttl: Duration::ZERO, max_stale: Duration::ZERO, max_bytes: 1 };
    let writer = Arc::new(JsonAnswers);
    let answers = Answers::new(definitions.clone(), Arc::clone(&news), writer, settings);
    Ok(Ports {
        catalog,
        definitions,
        answers,
        store: database.store(Arc::clone(&news) as _),
        news,
        changes: database.changes(),
        policies: Arc::new(policies),
        audit: database.audit(),
        runner: database.runner(),
        admission: Admission::new(Arc::default(), f64::INFINITY),
        schema: database.schema(),
        generators: Arc::new([]),
        generation_time: Duration::from_mins(5),
        approval: Approval::NotNeeded,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        claims: Arc::default(),
        max_rows: 10_000,
    })
}

fn editor() -> TokenRequest {
    TokenRequest {
        role: Role::Editor,
        ttl: Duration::from_hours(1),
        subject: None,
        claims: serde_json::Map::new(),
    }
}

fn app(ports: &Ports, verifier: Arc<dyn TokenVerifier>) -> Router {
    let app = App {
        ports: ports.clone(),
        verifier,
        sign_in: SignIn { development: true, issuers: Vec::new() },
        development_keys: None,
    };
    let limits = Limits {
        request_timeout: Duration::from_mins(1),
        max_body_bytes: 1_024,
        max_header_bytes: 32_768,
        requests_per_second: None,
        burst: std::num::NonZeroU32::MIN,
        origins: Vec::new(),
        proxies: Vec::new(),
    };
    router(app, limits)
}

async fn status(router: &Router, path: &str, token: &str) -> anyhow::Result<u16> {
    let request = request(path, token)?;
    let response = router.clone().oneshot(request).await?;
    let status = response.status().as_u16();
    to_bytes(response.into_body(), usize::MAX).await?;
    Ok(status)
}

fn request(path: &str, token: &str) -> anyhow::Result<Request<Body>> {
    Request::get(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .context("no request")
}

/// The same token again and again.
struct Same {
    router: Router,
    path: String,
    token: String,
}

#[async_trait::async_trait]
impl AsyncRequest for Same {
    async fn send(&mut self) {
        let _ = status(&self.router, &self.path, &self.token).await;
    }
}

/// A token that was never seen before, each time.
struct Fresh {
    router: Router,
    path: String,
    tokens: Vec<String>,
}

#[async_trait::async_trait]
impl AsyncRequest for Fresh {
    async fn send(&mut self) {
        let token = self.tokens.pop().unwrap_or_default();
        let _ = status(&self.router, &self.path, &token).await;
    }
}

//! The upper limit to compare metricd with: axum that returns a fixed answer, or the rows of one
//! prepared query. It verifies no token, checks nothing, and caches nothing.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::NaiveDate;
use clap::Parser as _;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use tokio::net::TcpListener;

#[derive(clap::Parser)]
struct Args {
    /// Where to listen
    listen: SocketAddr,
    /// An answer of metricd's, as the bench writes it down
    answer: PathBuf,
    /// The database to ask; without it, the answer is always the same
    #[arg(long, requires = "statement")]
    database: Option<String>,
    /// A file with the statement, whose $1 and $2 are the first and the last day
    #[arg(long)]
    statement: Option<PathBuf>,
    /// The most connections to the database
    #[arg(long, default_value_t = 10)]
    connections: u32,
}

/// An answer, split around its rows.
#[derive(Deserialize)]
struct Parts {
    headers: Vec<(String, String)>,
    before: String,
    rows: String,
    after: String,
}

#[derive(Clone)]
struct Fixed {
    headers: HeaderMap,
    body: Bytes,
}

struct LimitRequest {
    headers: HeaderMap,
    before: String,
    after: String,
    pool: PgPool,
    statement: &'static str,
}

#[derive(Deserialize)]
struct Window {
    start_date: NaiveDate,
    end_date: NaiveDate,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let parts: Parts = serde_json::from_slice(&fs::read(&args.answer)?)?;
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| anyhow::Ok((name.parse::<HeaderName>()?, value.parse()?)))
        .collect::<Result<HeaderMap<HeaderValue>, _>>()?;
    let router = if let Some((database, statement)) = args.database.zip(args.statement) {
        let options = PgPoolOptions::new().max_connections(args.connections);
        let pool = options.test_before_acquire(false).connect(&database).await?;
        // It lives as long as the process, as a statement in a program's text does.
        let statement = fs::read_to_string(&statement)
            .with_context(|| format!("cannot read {}", statement.display()))?
            .leak();
        let Parts { before, after, .. } = parts;
        let asked = Arc::new(LimitRequest { headers, before, after, pool, statement });
        Router::new().route("/metrics/{id}", get(ask)).with_state(asked)
    } else {
        let body = [parts.before, parts.rows, parts.after].concat().into();
        Router::new().route("/metrics/{id}", get(same)).with_state(Fixed { headers, body })
    };
    let listener = TcpListener::bind(args.listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

/// Returns the answer, or 304.
async fn same(State(fixed): State<Fixed>, asked: HeaderMap) -> Response {
    if asked.contains_key(header::IF_NONE_MATCH) {
        let mut headers = fixed.headers;
        headers.remove(header::CONTENT_TYPE);
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (fixed.headers, fixed.body).into_response()
}

/// Returns the answer with current rows.
async fn ask(
    State(asked): State<Arc<LimitRequest>>,
    Query(window): Query<Window>,
) -> Result<(HeaderMap, String), StatusCode> {
    let query = sqlx::query(AssertSqlSafe(asked.statement));
    let row = query.bind(window.start_date).bind(window.end_date).fetch_one(&asked.pool).await;
    let rows = row.and_then(|row| row.try_get::<Option<String>, _>(0));
    let rows = rows.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.unwrap_or_default();
    let mut body = String::with_capacity(asked.before.len() + rows.len() + asked.after.len());
    for part in [&asked.before, &rows, &asked.after] {
        body.push_str(part);
    }
    Ok((asked.headers.clone(), body))
}

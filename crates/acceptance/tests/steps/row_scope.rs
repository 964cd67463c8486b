//! Row scope under concurrent requests.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use cucumber::then;
use metricd_acceptance::{World, caller::TestUser, http::HttpAnswer, random::SeededRandom};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{Step, admin, make, named};

/// A caller whose token names a tenant and a region, or does not.
struct ScopedCaller {
    token: String,
    tenant: Option<usize>,
    region: Option<String>,
}

/// How many records each tenant has, one a day from the first of June.
const RECORDS: usize = 6;
const SEED: u64 = 20_250_601;
/// More than the server has connections.
const AT_ONCE: usize = 24;

const OWN_ROWS: &str = "SELECT alert_category AS marker FROM metrics \
                        WHERE alert_type = :claim_tenant_id ORDER BY date";
const OWN_WINDOW: &str = "SELECT alert_category AS marker FROM metrics \
                          WHERE alert_type = :claim_tenant_id AND date >= :start_date ORDER BY date";
const OWN_REGION: &str = "SELECT :claim_region || ' ' || alert_category AS marker FROM metrics \
                          WHERE alert_type = :claim_tenant_id AND date >= :start_date ORDER BY date";
const OF_ALL: &str = "SELECT count(*) AS marker FROM metrics";

/// Names of tenants that are nearly alike, or would change the query if they were not bound.
const NEARLY_ALIKE: [&str; 10] = [
    "acme",
    "acme ",
    "ACME",
    "acme%",
    "acme' OR '1'='1",
    "acme'--",
    "$1",
    ":claim_region",
    "acme\\",
    "ácme",
];

/// Callers of many tenants and regions, some without a claim, ask for metrics with windows, at random.
/// Every value of a tenant's rows has a text in it that is found nowhere else.
#[then(
    expr = "callers of {int} tenants who ask {int} times at once get their own rows and no others"
)]
async fn own_rows(world: &mut World, tenants: usize, times: usize) -> Step {
    let mut random = SeededRandom::new(SEED);
    let tenants: Vec<String> = (0..tenants)
        .map(|index| {
            let alike = NEARLY_ALIKE.get(index).map(|name| (*name).to_owned());
            alike.unwrap_or_else(|| format!("tenant-{}", random.below(1 << 40)))
        })
        .collect();
    let mut metrics = Vec::new();
    for query in [OWN_ROWS, OWN_WINDOW, OWN_REGION, OF_ALL] {
        metrics.push((query, make(world, json!({ "query": query })).await?));
    }
    add_records(world, &metrics[0].1, &tenants).await?;
    let callers = callers(world, &tenants).await?;

    let client = reqwest::Client::builder().no_proxy().build()?;
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut sent = JoinSet::new();
    for _ in 0..times {
        let who = random.below(callers.len());
        let (query, id) = random.one_of(&metrics).clone();
        let first = 1 + random.below(RECORDS + 1);
        let url = world.server.url(&format!("/metrics/{id}?start_date=2025-06-{first:02}"))?;
        let request = client.get(url).bearer_auth(&callers[who].token);
        let permits = Arc::clone(&permits);
        sent.spawn(async move {
            let _permit = permits.acquire().await?;
            let answer = HttpAnswer::read(request.send().await?).await?;
            anyhow::Ok((who, query, first, answer))
        });
    }
    let count = tenants.len() * RECORDS;
    for sent in sent.join_all().await {
        let (who, query, first, answer) = sent?;
        let ScopedCaller { tenant, region, .. } = &callers[who];
        let place = format!("seed {SEED}: {tenant:?} {region:?} {query} from {first}");
        let text = answer.text();
        let own = |day: usize| {
            let row = marker((*tenant)?, day);
            if query == OWN_REGION {
                Some(format!("{} {row}", region.as_ref()?))
            } else {
                Some(row)
            }
        };
        let days = if query == OWN_ROWS { 1..=RECORDS } else { first..=RECORDS };
        let rows: Option<Vec<_>> = match query {
            OF_ALL => Some(vec![json!({ "marker": count })]),
            _ if tenant.is_none() || (query == OWN_REGION && region.is_none()) => None,
            _ => days.map(|day| own(day).map(|row| json!({ "marker": row }))).collect(),
        };
        match rows {
            None => ensure!(answer.status == 403, "{place}: {} {text}", answer.status),
            Some(rows) => {
                ensure!(answer.status == 200, "{place}: {} {text}", answer.status);
                let body: Value = serde_json::from_str(&text)?;
                ensure!(body["records"] == Value::from(rows), "{place}: {text}");
            }
        }
        let others = (0..tenants.len()).filter(|other| Some(*other) != *tenant);
        let leaked = others.map(|other| format!("row-of-{other}-")).find(|row| text.contains(row));
        ensure!(leaked.is_none(), "{place}: it holds {leaked:?}: {text}");
    }
    Ok(())
}

/// A text that is found in one record of one tenant, and nowhere else.
fn marker(tenant: usize, day: usize) -> String {
    format!("row-of-{tenant}-{day}-{SEED:x}")
}

/// Adds the records of all tenants to the data of one metric.
async fn add_records(world: &mut World, metric: &str, tenants: &[String]) -> Result<()> {
    let path = format!("/metrics/{metric}/metric-records");
    for (index, tenant) in tenants.iter().enumerate() {
        for day in 1..=RECORDS {
            let record = json!({
                "alert_type": tenant, "alert_category": marker(index, day),
                "date": format!("2025-06-{day:02}T12:00:00"),
            });
            let record = record.to_string();
            let answer = world.send_json_as(admin(), Method::POST, &path, &record).await?;
            anyhow::ensure!(answer.status == 201, "{}: {}", answer.status, answer.text());
        }
    }
    Ok(())
}

/// Returns two callers for each tenant, of different regions, and some without the claims.
async fn callers(world: &mut World, tenants: &[String]) -> Result<Vec<ScopedCaller>> {
    let mut callers = Vec::new();
    let mut add =
        async |tenant: Option<usize>, region: Option<String>, claims: Vec<(&str, String)>| {
            let claims: BTreeMap<_, _> =
                claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let name = format!("caller-{}", callers.len());
            let person = TestUser { claims, ..named("viewer", &name) };
            let token = world.server.token_of(&person).await?;
            world.client.protect(&token);
            callers.push(ScopedCaller { token, tenant, region });
            anyhow::Ok(())
        };
    for (index, tenant) in tenants.iter().enumerate() {
        for region in ["north", "south"] {
            let claims = vec![("tenant", tenant.clone()), ("region", region.to_owned())];
            add(Some(index), Some(region.to_owned()), claims).await?;
        }
    }
    let listed = serde_json::to_string(&tenants[..2.min(tenants.len())])?;
    add(Some(0), None, vec![("tenant", tenants[0].clone())]).await?;
    add(None, Some("north".into()), vec![("tenant", listed), ("region", "north".into())]).await?;
    add(None, None, Vec::new()).await?;
    Ok(callers)
}

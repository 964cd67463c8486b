//! `GET /metrics`

use std::sync::Arc;

use axum::{Json, extract::State};
use metricd_application::{
    context::Context,
    metrics::{MAX_PAGE, Page, PageRequest, list_metrics},
    query_health::QueryHealth,
};
use metricd_core::{actor::Action, ids::MetricId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    caller::Caller,
    check::Checked,
    extract::QueryParams,
    failures::{Forbidden, Invalid, Unavailable},
    problem::Problem,
    validation::ValidationErrors,
    wire::ListedMetricBody,
};

const DEFAULT_LIMIT: u32 = 50;

/// A page of metrics.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricPage {
    /// The metrics, ordered by id.
    items: Vec<ListedMetricBody>,
    /// Send it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

impl MetricPage {
    fn new(page: &Page, health: &QueryHealth) -> Self {
        Self {
            items: page.items.iter().map(|metric| ListedMetricBody::new(metric, health)).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// The metrics that the caller may read, without records
#[utoipa::path(
    get, path = "/metrics", operation_id = "list_metrics", tag = "metrics",
    params(
        ("limit" = Option<u32>, Query, description = "The most metrics of a page, 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<Uuid>, Query, description = "The `next_cursor` of the page before"),
        ("q" = Option<String>, Query, max_length = 200, pattern = r"^[^\u0000]*$", description = "Only metrics whose name, description or tags contain this text"),
    ),
    responses(
        (status = 200, description = "A page", body = MetricPage),
        Forbidden, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    query: QueryParams,
) -> Result<Json<MetricPage>, Problem> {
    let request = read(&query).accept(&caller, &context, Action::Read).await?;
    let page = list_metrics(&caller.actor, &context, request).await?;
    Ok(Json(MetricPage::new(&page, &context.health)))
}

fn read(query: &QueryParams) -> Checked<PageRequest> {
    let mut errors = ValidationErrors::default();
    let limit = query.limit(MAX_PAGE, DEFAULT_LIMIT, &mut errors);
    let after = query.cursor(&mut errors, |text| Uuid::try_parse(text).ok().map(MetricId));
    let text = query.read("q", "value_error", &mut errors, |text| {
        let fits = text.chars().count() <= 200 && !text.contains('\0');
        if fits {
            Ok(text.to_owned())
        } else {
            Err("must be at most 200 characters, none of them NUL")
        }
    });
    let text = text.filter(|text| !text.is_empty());
    let request = PageRequest { limit, after, text };
    Checked::new(request, errors)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{METRIC, TestApp, auth_tests, get};

    auth_tests!("list_metrics", get("/metrics"));

    #[tokio::test]
    async fn a_page_of_metrics_is_listed() {
        let response = TestApp::new().send(get("/metrics?limit=1")).await;
        assert_eq!(response.status, 200);
        let page = response.json();
        assert_eq!(page["items"][0]["id"], METRIC);
        assert_eq!(page["items"][0]["name"], "Orders");
        assert_eq!(page["items"][0]["health"], json!(null));
        assert_eq!(page["next_cursor"], json!(null));
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_is_refused() {
        let response = TestApp::new().send(get("/metrics?limit=0&cursor=x&q=%00")).await;
        let expected =
            ["query.limit: out_of_range", "query.cursor: value_error", "query.q: value_error"];
        assert_eq!(response.errors(), expected);
        let response = TestApp::new().send(get("/metrics?limit=many")).await;
        assert_eq!(response.errors(), ["query.limit: int_parsing"]);
    }
}

//! `PATCH /metrics/{id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use deserr::Deserr;
use metricd_application::{
    context::Context,
    metrics::{Patch, update_metric},
};
use metricd_core::{
    actor::Action,
    metric::{CacheTtl, MetricName, Tag},
};
use utoipa::ToSchema;

use crate::{
    check::{Faults, Refused},
    extract::{Body, Caller, MetricPath},
    failures::ChangesSql,
    problem::Problem,
    wire::{Change, DisplayBody, MetricBody, cache_ttl, name, optional, prose, tags},
};

/// What to change. A field that is left out stays as it is; `null` removes a description, an
/// owner or a time of its own in the cache.
#[derive(Debug, Deserr, ToSchema)]
#[deserr(error = Faults)]
pub(crate) struct MetricPatch {
    #[deserr(default, try_from(Change<String>) = changed_name -> Refused)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<MetricName>,
    #[deserr(default, try_from(Change<Option<String>>) = changed_prose -> Refused)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    description: Change<Option<String>>,
    #[deserr(default, try_from(Change<Option<String>>) = changed_prose -> Refused)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    owner: Change<Option<String>>,
    /// New SQL. It also changes every other metric that the same query answers.
    #[deserr(default)]
    #[schema(value_type = Option<String>)]
    query: Change<String>,
    #[deserr(default, try_from(Change<Vec<String>>) = changed_tags -> Refused)]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Vec<Tag>>,
    #[deserr(default)]
    #[schema(value_type = Option<DisplayBody>)]
    display: Change<DisplayBody>,
    /// How many seconds its answers are used again, 0 for not at all; `null` for as long as the server's
    /// setting says.
    #[deserr(default, try_from(Change<Option<i64>>) = changed_cache_ttl -> Refused)]
    #[schema(value_type = Option<u32>, maximum = 604_800)]
    cache_ttl_seconds: Change<Option<CacheTtl>>,
    /// `false` locks the metric; `true` unlocks it, which needs a right of its own.
    #[deserr(default)]
    #[schema(value_type = Option<bool>)]
    is_editable: Change<bool>,
}

fn changed_name(change: Change<String>) -> Result<Option<MetricName>, Refused> {
    optional(change.into_option(), |text| name(&text))
}

fn changed_prose(change: Change<Option<String>>) -> Result<Change<Option<String>>, Refused> {
    change.read(prose)
}

fn changed_tags(change: Change<Vec<String>>) -> Result<Option<Vec<Tag>>, Refused> {
    optional(change.into_option(), tags)
}

fn changed_cache_ttl(change: Change<Option<i64>>) -> Result<Change<Option<CacheTtl>>, Refused> {
    change.read(cache_ttl)
}

impl From<MetricPatch> for Patch {
    fn from(body: MetricPatch) -> Self {
        Self {
            name: body.name,
            description: body.description.into_option(),
            owner: body.owner.into_option(),
            query: body.query.into_option(),
            tags: body.tags,
            display: body.display.into_option().map(Into::into),
            cache_ttl: body.cache_ttl_seconds.into_option(),
            is_editable: body.is_editable.into_option(),
        }
    }
}

/// Change a metric
#[utoipa::path(
    patch, path = "/metrics/{id}", operation_id = "update_metrics_configuration", tag = "metrics",
    params(("id" = Uuid, Path, description = "The metric")),
    request_body = MetricPatch,
    responses(
        (status = 200, description = "The metric as it is now", body = MetricBody),
        ChangesSql,
    ),
)]
pub(crate) async fn handler(
    Caller(actor): Caller,
    State(context): State<Arc<Context>>,
    MetricPath(id): MetricPath,
    Body(body): Body<MetricPatch>,
) -> Result<Json<MetricBody>, Problem> {
    let (id, patch) = id.and(body).accept(&actor, &context, Action::Edit).await?;
    let compiled = update_metric(&actor, &context, id, patch.into()).await?;
    Ok(Json((&compiled.metric).into()))
}

//! `GET /audit`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, SecondsFormat, Utc};
use metricd_application::{
    audit::{AuditPage, MAX_EVENTS, list_audit},
    context::Context,
    ports::{AuditFilter, StoredEvent},
};
use metricd_core::{
    actor::Action,
    audit::{AuditOutcome, AuditedAction, AuditedObject},
    ids::MetricId,
    sql::TableName,
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::schema::Object};
use uuid::Uuid;

use crate::{
    caller::Caller,
    check::Checked,
    extract::QueryParams,
    failures::{Forbidden, Invalid, Unavailable},
    problem::Problem,
    validation::{ValidationError, ValidationErrors},
    wire::word_schema,
};

const DEFAULT_LIMIT: u32 = 100;

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(crate) struct AuditPageBody {
    /// The events, the latest first.
    items: Vec<AuditEventBody>,
    /// Send it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// Something that was done or denied.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventBody {
    /// Greater for later events; not every number is there.
    sequence: i64,
    #[schema(value_type = DateTime<Utc>)]
    at: String,
    /// Who did it: unique for its issuer.
    subject: String,
    /// Who vouches for the caller.
    issuer: String,
    #[schema(schema_with = action_schema)]
    action: &'static str,
    object: AuditedObjectBody,
    /// The object's version afterwards: of its layouts for `arrange`, else of its query.
    version: Option<i64>,
    /// The machine that asked.
    address: Option<String>,
    request_id: Option<String>,
    #[schema(schema_with = outcome_schema)]
    outcome: &'static str,
}

/// What something was done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditedObject)]
pub(crate) struct AuditedObjectBody {
    #[schema(schema_with = kind_schema)]
    kind: &'static str,
    /// Which metric or table.
    id: Option<String>,
}

/// The schema of an [`AuditedAction`].
pub(crate) fn action_schema() -> Object {
    let words = Action::ALL.iter().map(|action| action.as_str());
    let words = words.chain([AuditedAction::Enter.as_str()]);
    word_schema(words, "What was done or tried.")
}

/// The schema of an [`AuditOutcome`].
pub(crate) fn outcome_schema() -> Object {
    let words = [AuditOutcome::Done, AuditOutcome::Denied].map(AuditOutcome::as_str);
    word_schema(words, "How it ended.")
}

fn kind_schema() -> Object {
    word_schema(["catalog", "metric", "table"], "What kind of object it is.")
}

impl From<AuditedObject> for AuditedObjectBody {
    fn from(object: AuditedObject) -> Self {
        match object {
            AuditedObject::Catalog => Self { kind: "catalog", id: None },
            AuditedObject::Metric(id) => Self { kind: "metric", id: Some(id.to_string()) },
            AuditedObject::Table(name) => Self { kind: "table", id: Some(name) },
        }
    }
}

impl From<StoredEvent> for AuditEventBody {
    fn from(StoredEvent { sequence, event }: StoredEvent) -> Self {
        Self {
            sequence,
            at: event.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            subject: event.subject,
            issuer: event.issuer,
            action: event.action.as_str(),
            object: event.object.into(),
            version: event.version,
            address: event.address.map(|address| address.to_string()),
            request_id: event.request_id,
            outcome: event.outcome.as_str(),
        }
    }
}

impl From<AuditPage> for AuditPageBody {
    fn from(page: AuditPage) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|sequence| sequence.to_string()),
        }
    }
}

/// What was done and what was denied
///
/// Every write, and every request that a known caller had no right to. For administrators.
#[utoipa::path(
    get, path = "/audit", operation_id = "list_audit_events", tag = "audit",
    params(
        ("limit" = Option<u32>, Query, description = "The most events of a page, 100 by default", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,18}$", description = "The `next_cursor` of the page before"),
        ("subject" = Option<String>, Query, min_length = 1, max_length = 500, pattern = r"^[^\u0000]*$", description = "Only events of this caller"),
        ("action" = Option<String>, Query, description = "Only this action"),
        ("metric_id" = Option<Uuid>, Query, description = "Only events of this metric"),
        ("table" = Option<String>, Query, description = "Only events of this table, as SQL names it, by itself in the schema `public`; not together with `metric_id`"),
        ("outcome" = Option<String>, Query, description = "Only `done` or only `denied`"),
        ("request_id" = Option<String>, Query, min_length = 1, max_length = 500, pattern = r"^[^\u0000]*$", description = "Only events of this request"),
        ("since" = Option<DateTime<Utc>>, Query, description = "Only events at or after this instant"),
        ("until" = Option<DateTime<Utc>>, Query, description = "Only events before this instant"),
    ),
    responses(
        (status = 200, description = "A page", body = AuditPageBody),
        Forbidden, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    query: QueryParams,
) -> Result<Json<AuditPageBody>, Problem> {
    let filter = read(&query).accept(&caller, &context, Action::Audit).await?;
    let page = list_audit(&caller.actor, &context, filter).await?;
    Ok(Json(page.into()))
}

fn read(query: &QueryParams) -> Checked<AuditFilter> {
    let mut errors = ValidationErrors::default();
    let limit = query.limit(MAX_EVENTS, DEFAULT_LIMIT, &mut errors);
    let before = query.cursor(&mut errors, |text| text.parse().ok());
    let action = query.read("action", "value_error", &mut errors, |text| {
        AuditedAction::from_word(text).ok_or("must be an action, such as edit")
    });
    let metric = query.read("metric_id", "uuid_parsing", &mut errors, |text| {
        Uuid::try_parse(text)
            .map(|id| AuditedObject::Metric(MetricId(id)))
            .map_err(|_| "must be a UUID")
    });
    let table = query.read("table", "table", &mut errors, |text| {
        text.parse().map(|table: TableName| AuditedObject::Table(table.with_schema()))
    });
    if metric.is_some() && table.is_some() {
        let message = "must not be given together with metric_id";
        errors.0.push(ValidationError::at(&["query", "table"], "value_error", message));
    }
    let outcome = query.read("outcome", "value_error", &mut errors, |text| {
        AuditOutcome::from_word(text).ok_or("must be done or denied")
    });
    let filter = AuditFilter {
        limit,
        before,
        subject: text(query, "subject", &mut errors),
        action,
        object: metric.or(table),
        outcome,
        request_id: text(query, "request_id", &mut errors),
        since: instant(query, "since", &mut errors),
        until: instant(query, "until", &mut errors),
    };
    Checked::new(filter, errors)
}

fn text(query: &QueryParams, name: &str, errors: &mut ValidationErrors) -> Option<String> {
    query.read(name, "value_error", errors, |text| {
        let fits = (1..=500).contains(&text.chars().count()) && !text.contains('\0');
        if fits {
            Ok(text.to_owned())
        } else {
            Err("must be 1 to 500 characters, none of them NUL")
        }
    })
}

fn instant(
    query: &QueryParams,
    name: &str,
    errors: &mut ValidationErrors,
) -> Option<DateTime<Utc>> {
    query.read(name, "date_parsing", errors, |text| {
        // A plus sign in a query string is a space.
        DateTime::parse_from_rfc3339(&text.replace(' ', "+"))
            .map(|instant| instant.to_utc())
            .map_err(|_| "must be an instant such as 2025-06-30T12:00:00Z")
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use crate::test_support::{METRIC, TestApp, auth_tests, get, metric, patch, post};

    auth_tests!("list_audit_events", get("/audit"));

    #[tokio::test]
    async fn events_are_listed() {
        let app = TestApp::new();
        let name = json!({"name": "Sales"});
        assert_eq!(app.send(patch(metric("")).json(&name)).await.status, 200);
        assert_eq!(app.send(post(metric("/metric-records")).json(&json!({}))).await.status, 201);
        let later = app.send(get("/audit?since=2100-01-01T00:00:00Z")).await;
        assert_eq!(later.json()["items"], json!([]));
        let response = app.send(get("/audit?action=record&since=2025-06-30T12:00:00Z")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let page = response.json();
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        let event = &page["items"][0];
        assert_eq!(event["action"], "record");
        assert_eq!(event["subject"], "ann");
        assert_eq!(event["object"], json!({"kind": "metric", "id": METRIC}));
        assert_eq!(event["outcome"], "done");
        assert_eq!(event["address"], "127.0.0.1");
        assert_eq!(page["next_cursor"], json!(null));
    }

    #[tokio::test]
    async fn a_filter_with_errors_is_refused() {
        let query = "limit=0&cursor=x&action=x&metric_id=x&outcome=x&subject=&since=x";
        let response = TestApp::new().send(get(format!("/audit?{query}"))).await;
        let mut errors = response.errors();
        errors.sort();
        let expected = [
            "query.action: value_error",
            "query.cursor: value_error",
            "query.limit: out_of_range",
            "query.metric_id: uuid_parsing",
            "query.outcome: value_error",
            "query.since: date_parsing",
            "query.subject: value_error",
        ];
        assert_eq!(errors, expected);
    }
}

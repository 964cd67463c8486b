//! The ways in which endpoints fail, as the OpenAPI document describes them.

use std::collections::BTreeMap;

use metricd_application::error::Cause;
use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, HeaderBuilder, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        Type, path::Operation, security::SecurityRequirement,
    },
};

use crate::problem::type_of;

/// A failure that endpoints name among their responses, with the causes that give it a type of its own.
macro_rules! failures {
    ($($name:ident = $status:literal, $description:literal, [$($cause:ident),*];)*) => {$(
        #[doc = $description]
        pub(crate) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let response = problem($description, &[$(Cause::$cause),*]);
                BTreeMap::from([($status.to_owned(), response)])
            }
        }
    )*};
}

failures! {
    Unauthorized = "401", "The caller is not authenticated", [];
    Forbidden = "403", "Permission denied", [];
    NoKeys = "404", "Token issuing is disabled", [];
    MetricNotFound = "404", "Metric not found", [MetricNotFound];
    TableNotFound = "404", "Table not found", [TableNotFound];
    InProgress = "409", "A request with this Idempotency-Key is in progress, or another write came between", [IdempotencyKeyInProgress, CatalogModified];
    Locked = "409", "The metric is locked, or another write came between", [MetricLocked, CatalogModified];
    SqlLocked = "409", "The metric or its query is locked, or was modified concurrently", [MetricLocked, QueryLocked, QueryModified, CatalogModified];
    QueryConflict = "409", "The query was modified concurrently", [QueryModified, CatalogModified];
    AwaitsApproval = "409", "The metric awaits approval", [MetricAwaitsApproval];
    Stale = "412", "Precondition failed: modified concurrently", [LayoutsModified];
    StaleMetric = "412", "Precondition failed: modified concurrently", [MetricModified];
    NotAcceptable = "406", "The answer is not in an accepted format", [];
    TooLarge = "413", "The body is too large", [];
    NotJson = "415", "The body is of a type, in a charset or an encoding that is not understood", [];
    Invalid = "422", "The request is invalid", [InvalidRequest];
    QueryUnprocessable = "422", "The request is invalid, its answer would be too expensive, or the query failed on its data", [InvalidRequest, InvalidWindow, QueryTooExpensive, RowTooLarge, QueryFailed];
    InvalidRecord = "422", "The request is invalid", [InvalidRequest, IdempotencyKeyReused];
    InvalidMetric = "422", "The request is invalid, or its query is too expensive", [InvalidRequest, InvalidSql, SentenceNotUnderstood, QueryTooExpensive, RowTooLarge];
    InvalidNewMetric = "422", "The request is invalid, or its query is too expensive", [InvalidRequest, InvalidSql, SentenceNotUnderstood, QueryTooExpensive, RowTooLarge, IdempotencyKeyReused];
    InvalidSql = "422", "The request is invalid, or its query is too expensive", [InvalidRequest, InvalidSql, QueryTooExpensive];
    InvalidRollback = "422", "The request is invalid, or its query is too expensive", [InvalidRequest, UnknownVersion, InvalidSql, QueryTooExpensive];
    TooMany = "429", "Rate limit exceeded (`about:blank`), or too many requests at once", [TooManyRequestsAtOnce];
    MetricBroken = "424", "The metric's query no longer fits the database", [MetricBroken];
    Failed = "500", "The server failed", [Internal];
    Unavailable = "503", "The server is busy or stopping, the database is busy, unreachable or out of room, or tokens cannot be verified", [ServerBusy, ServerStopping, DatabaseUnavailable, DiskFull, IssuerUnavailable];
    Busy = "503", "The server is busy or stopping, the database is busy, unreachable or out of room, or tokens cannot be verified", [ServerBusy, ServerStopping, QueueFull, DatabaseUnavailable, DiskFull, IssuerUnavailable];
    TimedOut = "504", "The answer took too long", [QueryTimeout, DeadlineExceeded];
}

/// Failures that go together.
macro_rules! groups {
    ($($(#[$doc:meta])* $name:ident = $($part:ident)|+;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let mut all = BTreeMap::new();
                $(all.extend($part::responses());)+
                all
            }
        }
    )*};
}

groups! {
    /// The failures of every operation that has the database look at SQL.
    RunsSql = Failed | Busy | TimedOut;
    /// The failures of an operation that answers a metric.
    AnswersMetric = Forbidden | MetricNotFound | AwaitsApproval | QueryUnprocessable | MetricBroken | RunsSql;
    /// The failures of an operation that tries a metric.
    PreviewsMetric = Forbidden | TooLarge | NotJson | InvalidMetric | RunsSql;
    /// The failures of an operation that makes a metric.
    MakesMetric = PreviewsMetric | InProgress | InvalidNewMetric;
    /// The failures of an operation that gives a metric new SQL.
    ChangesSql = Forbidden | MetricNotFound | SqlLocked | TooLarge | NotJson | InvalidSql | RunsSql;
    /// The failures of an operation that gives a metric earlier SQL.
    RollsBack = ChangesSql | InvalidRollback;
}

/// Says of every operation of `document` that it needs a token, and how it fails without a good one.
pub(crate) fn demand_token(document: &mut OpenApi) {
    for operation in operations(document) {
        let needed = SecurityRequirement::new(BEARER, Vec::<String>::new());
        operation.security = Some(vec![needed]);
        let responses = &mut operation.responses.responses;
        let has_body = responses.iter().any(|(status, response)| {
            matches!(response, RefOr::T(response) if status.starts_with('2') && !response.content.is_empty())
        });
        responses.extend(Unauthorized::responses());
        responses.extend(TooMany::responses().into_iter().map(tells_when_to_come_back));
        if has_body {
            responses.extend(NotAcceptable::responses());
        }
    }
}

fn tells_when_to_come_back(
    (status, mut response): (String, RefOr<Response>),
) -> (String, RefOr<Response>) {
    if let RefOr::T(response) = &mut response {
        for (name, description) in [
            ("Retry-After", "After how many seconds to repeat the request"),
            (
                "RateLimit",
                "What is left, such as `\"caller\";r=0;t=1`; every answer to a caller has it",
            ),
            ("RateLimit-Policy", "The rate limit, such as `\"caller\";q=500;w=5`"),
        ] {
            let header = HeaderBuilder::new().schema(Some(Object::with_type(Type::String)));
            let header = header.description(Some(description)).build();
            response.headers.insert(name.to_owned(), header.into());
        }
    }
    (status, response)
}

/// Says of every operation of `document` that it needs no token.
pub(crate) fn demand_nothing(document: &mut OpenApi) {
    for operation in operations(document) {
        operation.security = Some(Vec::new());
    }
}

/// The name of the one way to sign in, in the OpenAPI document.
pub(crate) const BEARER: &str = "bearer";

pub(crate) fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    })
}

fn problem(description: &str, causes: &[Cause]) -> RefOr<Response> {
    let types = match causes {
        [] => vec![type_of(None)],
        causes => causes.iter().map(|cause| type_of(Some(*cause))).collect(),
    };
    let types: Vec<String> = types.iter().map(|name| format!("`{name}`")).collect();
    let description = format!("{description}. Type: {}", types.join(", "));
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    RefOr::T(response)
}

#[cfg(test)]
mod tests {
    use crate::{
        openapi::document,
        problem::{type_of, typed},
    };

    #[test]
    fn every_problem_type_is_named_by_an_operation() {
        let document = serde_json::to_value(document()).unwrap();
        let paths = document["paths"].to_string();
        for cause in typed() {
            let named = format!("`{}`", type_of(Some(cause)));
            assert!(paths.contains(&named), "no operation names {named}");
        }
    }
}

//! The ways in which endpoints fail, as the OpenAPI document describes them.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{
        ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, path::Operation,
        security::SecurityRequirement,
    },
};

/// A failure that endpoints name among their responses.
macro_rules! failures {
    ($($name:ident = $status:literal, $description:literal;)*) => {$(
        #[doc = $description]
        pub(crate) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([($status.to_owned(), problem($description))])
            }
        }
    )*};
}

failures! {
    Unauthorized = "401", "Who is calling is not known";
    Forbidden = "403", "Not allowed";
    NoKeys = "404", "This server is no issuer";
    MetricNotFound = "404", "Metric not found";
    TableNotFound = "404", "There is no such table";
    InProgress = "409", "A request with this Idempotency-Key is being worked on";
    Locked = "409", "The metric is locked";
    Moved = "409", "Somebody else has changed it meanwhile";
    Waiting = "409", "The metric waits for approval";
    Stale = "412", "Somebody else was faster";
    TooLarge = "413", "The body is too large";
    NotJson = "415", "The body is not JSON";
    Invalid = "422", "The request has faults";
    TooMany = "429", "Asked too often";
    QueryFailed = "500", "The metric's query failed";
    Unavailable = "503", "The database is busy or not reachable";
    TooLate = "504", "The answer took too long";
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
    /// Of whatever has the database look at SQL.
    RunsSql = Invalid | QueryFailed | Unavailable | TooLate;
    /// Of whatever makes a metric, or would.
    MakesMetric = Forbidden | TooLarge | NotJson | RunsSql;
    /// Of whatever may give a metric new SQL.
    ChangesSql = Forbidden | MetricNotFound | Locked | TooLarge | NotJson | RunsSql;
}

/// Says of every operation of `document` that it needs a token, and how it fails without a good one.
pub(crate) fn demand_token(document: &mut OpenApi) {
    for operation in operations(document) {
        let needed = SecurityRequirement::new(BEARER, Vec::<String>::new());
        operation.security = Some(vec![needed]);
        for (status, response) in Unauthorized::responses().into_iter().chain(TooMany::responses())
        {
            operation.responses.responses.insert(status, response);
        }
    }
}

/// Says of every operation of `document` that it needs no token.
pub(crate) fn demand_nothing(document: &mut OpenApi) {
    for operation in operations(document) {
        operation.security = Some(Vec::new());
    }
}

/// The name of the one way to sign in, in the OpenAPI document.
pub(crate) const BEARER: &str = "bearer";

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    })
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    RefOr::T(response)
}

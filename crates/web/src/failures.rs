//! The ways in which endpoints fail, as the OpenAPI document describes them.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
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
    Forbidden = "403", "Not allowed";
    MetricNotFound = "404", "Metric not found";
    Locked = "409", "The metric is locked";
    Stale = "412", "Somebody else was faster";
    TooLarge = "413", "The body is too large";
    NotJson = "415", "The body is not JSON";
    Invalid = "422", "The request has faults";
    QueryFailed = "500", "The metric's query failed";
    Unavailable = "503", "The database is busy or not reachable";
    TooLate = "504", "The answer took too long";
}

fn problem(description: &str) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build();
    RefOr::T(response)
}

//! What the OpenAPI document says besides the routes.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{failures::BEARER, problem::ProblemBody};

/// The title, the tags and the shared components of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "metricd",
        description = "Business metrics as SQL in PostgreSQL, served for a date window.\n\nQuery parameters and fields \
                       that are unknown or given twice are refused. Every answer to a caller with a valid token \
                       tells in `RateLimit` what is left of the rate limit.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "The server that the document comes from")),
    components(schemas(ProblemBody)),
    modifiers(&Bearer),
    tags(
        (name = "health", description = "Whether the service is up."),
        (name = "metrics", description = "Asking for metrics, making and changing them."),
        (name = "auth", description = "How to come by a token."),
        (name = "audit", description = "What was done and denied."),
        (name = "tables", description = "The tables that SQL may read, and what others write to them."),
        (name = "records", description = "Adding data to the built-in table `metrics`."),
    ),
)]
pub(crate) struct ApiInfo;

/// Adds the security scheme: a bearer token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    }
}

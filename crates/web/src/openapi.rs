//! The OpenAPI document, made from the routes.

use utoipa::{OpenApi, openapi::OpenApi as Document};

use crate::problem::ProblemBody;

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "metricd",
        description = "Business metrics as SQL in PostgreSQL, served for a date window.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "health", description = "Whether the service is up."),
        (name = "metrics", description = "Asking for metrics, making and changing them."),
        (name = "records", description = "Adding data to the built-in table `metrics`."),
    ),
)]
pub(crate) struct Info;

/// The document of all routes.
#[must_use]
pub fn document() -> Document {
    crate::router::routes().into_openapi()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_a_summary_and_says_how_it_fails() {
        let document = serde_json::to_value(document()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 6);
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                assert!(operation["operationId"].is_string(), "{place}");
                assert!(operation["summary"].is_string(), "{place}");
                let answers = operation["responses"].as_object().unwrap();
                let has_failure = answers.keys().any(|status| status.starts_with(['4', '5']));
                assert!(has_failure, "{place} names no way to fail");
            }
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        let document = serde_json::to_value(document()).unwrap();
        let text = document.to_string();
        let named = text.split("\"#/components/schemas/").skip(1);
        for name in named.filter_map(|rest| rest.split('"').next()) {
            assert!(document["components"]["schemas"][name].is_object(), "{name} is missing");
        }
    }

    #[test]
    fn the_document_is_the_one_that_was_agreed() {
        insta::assert_json_snapshot!("openapi", document());
    }
}

//! The OpenAPI document, made from the routes.

use utoipa::openapi::OpenApi as Document;

/// Returns the document of all routes.
#[must_use]
pub fn document() -> Document {
    crate::router::documented().document
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
                if ["get_auth_config", "get_health_live"]
                    .iter()
                    .any(|id| operation["operationId"] == *id)
                {
                    continue; // Nothing that they do can fail.
                }
                let has_failure = answers.keys().any(|status| status.starts_with(['4', '5']));
                assert!(has_failure, "{place} names no way to fail");
            }
        }
    }

    #[test]
    fn every_operation_says_whether_it_needs_a_token() {
        let document = serde_json::to_value(document()).unwrap();
        let mut open = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                let security = operation["security"].as_array().expect(&place);
                if security.is_empty() {
                    open.push(place);
                } else {
                    assert_eq!(*security, [serde_json::json!({ "bearer": [] })], "{place}");
                    for status in ["401", "403", "429"] {
                        assert!(operation["responses"][status].is_object(), "{status} of {place}");
                    }
                }
            }
        }
        let expected = [
            "get /.well-known/jwks.json",
            "get /auth/config",
            "get /health",
            "get /health/live",
            "get /health/ready",
        ];
        assert_eq!(open, expected);
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    }

    #[test]
    fn operations_that_compile_sql_document_its_failures() {
        let document = serde_json::to_value(document()).unwrap();
        for (method, path) in [
            ("post", "/metrics"),
            ("post", "/metrics/preview"),
            ("get", "/metrics/{id}"),
            ("patch", "/metrics/{id}"),
            ("post", "/metrics/{id}/rollback"),
        ] {
            let responses = &document["paths"][path][method]["responses"];
            for status in ["403", "422", "500", "503", "504"] {
                assert!(responses[status].is_object(), "{status} of {method} {path}");
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
    fn the_readme_lists_every_path() {
        let readme = include_str!("../../../README.md");
        let document = serde_json::to_value(document()).unwrap();
        for path in document["paths"].as_object().unwrap().keys() {
            let forms = [format!(" {path}`"), format!("`{path}`"), format!(" {path}?")];
            let listed = forms.iter().any(|form| readme.contains(form));
            assert!(listed, "the table of endpoints does not list {path}");
        }
    }

    #[test]
    fn the_document_is_the_one_that_was_agreed() {
        insta::assert_json_snapshot!("openapi", document());
    }
}

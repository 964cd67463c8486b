//! What the head of a request to a closed route may say, by the OpenAPI document: which query parameters, and
//! which media types of an answer.
//!
//! Must never refuse a request: the findings travel with it to where its permission is checked.

use axum::{body::HttpBody as _, extract::Request, http::HeaderMap};
use metricd_core::claim::ClaimName;
use utoipa::openapi::{
    RefOr,
    path::{Operation, ParameterIn},
};

use crate::{
    negotiation,
    query_string::pairs,
    validation::{ValidationError, ValidationErrors, clipped, unknown},
};

/// What the head of a request to one operation may say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HeadRules {
    /// The query parameters, each of which is given once at most.
    parameters: Vec<String>,
    /// The media types of the answer; none where it has no body.
    media_types: Vec<String>,
    takes_body: bool,
}

/// What is wrong with the head of a request.
#[derive(Debug, Clone)]
pub(crate) enum RejectedHead {
    /// Query parameters that are unknown or repeated; a body where there is none.
    Invalid(ValidationErrors),
    /// No media type of the answer is accepted: these there are.
    NotAcceptable(String),
}

impl HeadRules {
    /// Returns the rules of an operation as its description has them.
    pub(crate) fn of(operation: &Operation) -> Self {
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| {
            let RefOr::T(parameter) = parameter else { return None };
            (parameter.parameter_in == ParameterIn::Query).then(|| parameter.name.clone())
        });
        let answers = operation.responses.responses.iter();
        let answers = answers.filter(|(status, _)| status.starts_with('2'));
        let media_types = answers.flat_map(|(_, answer)| match answer {
            RefOr::T(answer) => answer.content.keys().cloned().collect(),
            RefOr::Ref(_) => Vec::new(),
        });
        Self {
            parameters: parameters.collect(),
            media_types: media_types.collect(),
            takes_body: operation.request_body.is_some(),
        }
    }

    /// Returns what is wrong with the head of a request, if anything is.
    pub(crate) fn check(&self, request: &Request) -> Option<RejectedHead> {
        if !self.accepts_an_answer(request.headers()) {
            return Some(RejectedHead::NotAcceptable(self.media_types.join(" or ")));
        }
        let mut errors =
            request.uri().query().map(|query| self.check_query(query)).unwrap_or_default();
        if !self.takes_body && !request.body().is_end_stream() {
            errors.0.push(ValidationError::at(
                &["body"],
                "unknown",
                "this operation takes no body",
            ));
        }
        (!errors.0.is_empty()).then_some(RejectedHead::Invalid(errors))
    }

    fn accepts_an_answer(&self, headers: &HeaderMap) -> bool {
        self.media_types.is_empty()
            || negotiation::accepts_any(headers, self.media_types.iter().map(String::as_str))
    }

    fn check_query(&self, query: &str) -> ValidationErrors {
        let mut errors = ValidationErrors::default();
        let mut given = vec![false; self.parameters.len()];
        for (name, _) in pairs(query) {
            // Of proxies and of those who count visits.
            if name.starts_with('_') || name.starts_with("utm_") {
                continue;
            }
            let (kind, message) = match self.parameters.iter().position(|known| *known == name) {
                Some(index) if given[index] => ("repeated", "is given more than once".to_owned()),
                Some(index) => {
                    given[index] = true;
                    continue;
                }
                None if name.starts_with(ClaimName::PREFIX) => {
                    let message = "is taken from the caller's token and cannot be given";
                    ("claim", message.to_owned())
                }
                None => ("unknown", unknown(&name, &self.parameters)),
            };
            errors.0.push(ValidationError::at(&["query", &clipped(&name)], kind, message));
            if errors.0.len() == ValidationErrors::MOST {
                break;
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use serde_json::Value;

    use crate::{
        openapi::document,
        test_support::{METRIC, TestApp, TestRequest, get, metric, post},
    };

    #[tokio::test]
    async fn a_parameter_that_is_unknown_or_repeated_is_refused() {
        let app = TestApp::new();
        for (query, expected) in [
            ("start=2025-06-01", "query.start: unknown"),
            ("startDate=2025-06-01&_=1", "query.startDate: unknown"),
            ("day_range=7&day_range=7", "query.day_range: repeated"),
            ("day_range=7&day%5Frange=8", "query.day_range: repeated"),
            ("claim_tenant=acme", "query.claim_tenant: claim"),
            ("=1", "query.: unknown"),
        ] {
            let response = app.send(get(metric(&format!("?{query}")))).await;
            assert_eq!(response.errors(), [expected], "{query}");
        }
        let response = app.send(get(metric("?start=2025-06-01"))).await;
        let message = response.json()["errors"][0]["msg"].as_str().unwrap().to_owned();
        assert!(message.contains("did you mean start_date?"), "{message}");
        let ignored = "?_=1&_=2&utm_source=mail&utm_source=mail&";
        assert_eq!(app.send(get(metric(ignored))).await.status, 200);
        // An open route ignores all of them.
        assert_eq!(app.send(get("/health?check=1&check=1")).await.status, 200);
        assert_eq!(app.send(get("/openapi.json?v=1")).await.status, 200);
        assert_eq!(app.database.writes(), 0);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_accepted_is_refused_before_anything_is_done() {
        let app = TestApp::new();
        for (accept, status) in [
            ("text/html", 406),
            ("application/problem+json", 406),
            ("application/json;q=0, text/html", 406),
            ("text/html, */*;q=0.1", 200),
            ("application/*", 200),
            ("text/csv", 200),
            ("application/json; charset=utf-8", 200),
            ("", 200),
            ("text/html;q=high", 200),
        ] {
            let response = app.send(get(metric("")).header(header::ACCEPT, accept)).await;
            assert_eq!(response.status, status, "{accept}");
            if status == 406 {
                assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json");
            }
        }
        let csv = |request: TestRequest| request.header(header::ACCEPT, "text/csv");
        assert_eq!(app.send(csv(get("/metrics"))).await.status, 406);
        let new = serde_json::json!({"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"});
        assert_eq!(app.send(csv(post("/metrics").json(&new))).await.status, 406);
        assert_eq!(app.database.writes(), 0);
        // There is no body whose format could be wrong.
        assert_eq!(app.send(csv(post("/tables/orders/changed"))).await.status, 204);
    }

    #[tokio::test]
    async fn every_documented_parameter_is_known_to_its_operation() {
        let app = TestApp::new();
        let document = serde_json::to_value(document()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let closed = !operation["security"].as_array().unwrap().is_empty();
                if !closed {
                    continue;
                }
                let none = Vec::new();
                let parameters = operation["parameters"].as_array().unwrap_or(&none);
                let names = parameters.iter().filter(|known| known["in"] == "query");
                let mut query: Vec<_> = names.filter_map(|known| known["name"].as_str()).collect();
                query.push("unheard_of");
                let path = path.replace("{id}", METRIC).replace("{name}", "orders");
                let method = method.to_uppercase().parse().unwrap();
                let request = TestRequest::new(method, format!("{path}?{}", query.join("&")));
                let response = app.send(request).await;
                let errors = response.json()["errors"].clone();
                let unknown = errors.as_array().unwrap().iter();
                let unknown: Vec<_> = unknown.filter(|error| error["type"] == "unknown").collect();
                assert_eq!(unknown.len(), 1, "{path}: {errors}");
                assert_eq!(unknown[0]["loc"], Value::from(vec!["query", "unheard_of"]), "{path}");
            }
        }
    }
}

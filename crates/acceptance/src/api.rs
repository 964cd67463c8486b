//! The operations of an OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use reqwest::Method;

use crate::json::Json;

/// One operation of an OpenAPI document.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its `operationId`.
    pub id: String,
    /// The method.
    pub method: Method,
    /// The path, with the names of its parameters in braces.
    pub path: String,
    /// The names of the security schemes, one of which it needs; `None` where the document has none.
    pub security: Option<Vec<String>>,
    /// The statuses that it may answer with.
    pub statuses: BTreeSet<u16>,
}

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// Returns all operations of an OpenAPI document.
///
/// # Errors
/// When it is not one.
pub fn operations(document: &Json) -> Result<Vec<Operation>> {
    let paths = members(document.at("paths").context("the document has no paths")?)?;
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in members(methods)? {
            // Other members apply to all methods.
            let Some(method) =
                METHODS.iter().find(|known| known.as_str().eq_ignore_ascii_case(method))
            else {
                continue;
            };
            let operation = read(method.clone(), path, operation);
            operations.push(operation.with_context(|| format!("the operation at {path}"))?);
        }
    }
    Ok(operations)
}

fn read(method: Method, path: &str, operation: &Json) -> Result<Operation> {
    let id = operation.at("operationId").and_then(Json::as_text).context("it has no id")?;
    let responses = members(operation.at("responses").context("it has no responses")?)?;
    let statuses = responses.keys().filter_map(|status| status.parse().ok()).collect();
    let security = match operation.at("security") {
        Some(needed) => {
            let mut names = Vec::new();
            for one in needed.as_list().context("its security is not a list")? {
                names.extend(members(one)?.keys().cloned());
            }
            Some(names)
        }
        None => None,
    };
    Ok(Operation { id: id.to_owned(), method, path: path.to_owned(), security, statuses })
}

fn members(value: &Json) -> Result<&BTreeMap<String, Json>> {
    match value {
        Json::Object(members) => Ok(members),
        _ => anyhow::bail!("{value} is not an object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_with_their_security_and_statuses() {
        let document = r#"{"paths": {"/things/{id}": {
            "parameters": [],
            "get": {"operationId": "get_thing", "security": [{"bearer": []}],
                    "responses": {"200": {}, "404": {}}},
            "delete": {"operationId": "delete_thing", "security": [], "responses": {"204": {}}},
            "put": {"operationId": "put_thing", "responses": {"default": {}}}
        }}}"#;
        let operations = operations(&Json::parse(document).unwrap()).unwrap();
        let told: Vec<_> = operations
            .iter()
            .map(|Operation { id, method, security, .. }| {
                (id.as_str(), method.as_str(), security.as_ref().map(Vec::len))
            })
            .collect();
        assert_eq!(
            told,
            [
                ("delete_thing", "DELETE", Some(0)),
                ("get_thing", "GET", Some(1)),
                ("put_thing", "PUT", None)
            ]
        );
        assert_eq!(operations[1].statuses, BTreeSet::from([200, 404]));
    }
}

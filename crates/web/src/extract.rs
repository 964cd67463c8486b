//! Extractors: the path, the query string, the headers, the body.
//!
//! Must never fail on what a client sent: an extractor returns the errors, and the handler checks permission first.

use std::convert::Infallible;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use deserr::Deserr;
use metricd_core::{
    audit::AuditedObject,
    ids::MetricId,
    parameters::ParameterRequest,
    sql::{InvalidTableName, TableName},
    window::{self, ParamName, WindowRequest},
};
use uuid::Uuid;

use crate::{
    check::Checked,
    negotiation::{self, is_json},
    problem::Problem,
    query_string::pairs,
    strict_json,
    validation::{ValidationError, ValidationErrors},
};

/// The metric in the path.
pub(crate) struct MetricPath(pub(crate) Checked<MetricId>);

impl<S: Send + Sync> FromRequestParts<S> for MetricPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let id = params
            .ok()
            .and_then(|params| {
                let text = params.iter().find(|(name, _)| *name == "id")?.1;
                Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
            })
            .map(MetricId);
        if let Some(id) = id {
            tracing::Span::current().record("metric_id", tracing::field::display(id));
        }
        let error = || ValidationError::at(&["path", "id"], "uuid_parsing", "must be a UUID");
        let checked: Checked<MetricId> = id.ok_or_else(|| error().into()).into();
        Ok(Self(match id {
            Some(id) => checked.about(id.into()),
            None => checked,
        }))
    }
}

/// The table in the path.
pub(crate) struct TablePath(pub(crate) Checked<TableName>);

impl<S: Send + Sync> FromRequestParts<S> for TablePath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let named = params.ok().and_then(|params| {
            Some(params.iter().find(|(name, _)| *name == "name")?.1.parse::<TableName>())
        });
        let table = named.unwrap_or(Err(InvalidTableName));
        let about = table.as_ref().ok().map(|table| AuditedObject::Table(table.with_schema()));
        let to_errors = |error: InvalidTableName| {
            ValidationError::at(&["path", "name"], "table", error.to_string()).into()
        };
        let checked: Checked<TableName> = table.map_err(to_errors).into();
        Ok(Self(match about {
            Some(about) => checked.about(about),
            None => checked,
        }))
    }
}

/// The decoded parameters of a query string. Which there are is checked by its
/// [rules](crate::head_rules::HeadRules).
pub(crate) struct QueryParams(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl QueryParams {
    fn parse(query: &str) -> Self {
        Self(pairs(query).map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Returns the value of the parameter `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of `name` read by `parse`, or adds an error of the type `kind`.
    pub(crate) fn read<T, E: std::fmt::Display>(
        &self,
        name: &str,
        kind: &'static str,
        errors: &mut ValidationErrors,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                errors.0.push(ValidationError::at(&["query", name], kind, error.to_string()));
                None
            }
        }
    }

    /// Returns the requested parameters of a metric.
    pub(crate) fn parameters(&self) -> Checked<ParameterRequest> {
        let mut errors = ValidationErrors::default();
        let date = |name: ParamName, errors: &mut ValidationErrors| {
            self.read(name.as_str(), "date_parsing", errors, window::parse_date)
        };
        let start_date = date(ParamName::StartDate, &mut errors);
        let end_date = date(ParamName::EndDate, &mut errors);
        let day_range = self.day_range(&mut errors);
        let name = ParamName::Timezone.as_str();
        let timezone = self.read(name, "timezone_unknown", &mut errors, window::parse_timezone);
        let window = WindowRequest { start_date, end_date, day_range, timezone };
        Checked::new(ParameterRequest { window }, errors)
    }

    fn day_range(&self, errors: &mut ValidationErrors) -> Option<u32> {
        self.whole_number(ParamName::DayRange.as_str(), errors, window::parse_day_range)
    }

    /// Returns the most items of a page, `default` if the client named no `limit`.
    pub(crate) fn limit(&self, max: u32, default: u32, errors: &mut ValidationErrors) -> u32 {
        let limit = self.whole_number("limit", errors, |text| {
            let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
            limit.ok_or_else(|| format!("must be a whole number from 1 to {max}"))
        });
        limit.unwrap_or(default)
    }

    /// Returns where the page before ended: `cursor` read by `parse`.
    pub(crate) fn cursor<T>(
        &self,
        errors: &mut ValidationErrors,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.read("cursor", "value_error", errors, |text| {
            parse(text).ok_or("must be a next_cursor of an earlier page")
        })
    }

    /// Returns the whole number `name` read by `parse`, which rejects what is out of range.
    pub(crate) fn whole_number<T, E: std::fmt::Display>(
        &self,
        name: &str,
        errors: &mut ValidationErrors,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.get(name)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let kind = if is_whole { "out_of_range" } else { "int_parsing" };
        self.read(name, kind, errors, parse)
    }
}

/// The headers of a request, taken out of it: extractors that read headers come before.
pub(crate) struct Headers(pub(crate) HeaderMap);

impl<S: Send + Sync> FromRequestParts<S> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(std::mem::take(&mut parts.headers)))
    }
}

/// What a JSON body is read as.
pub(crate) trait JsonInput: Deserr<ValidationErrors> {
    /// The fields that are accepted and ignored; any other that is unknown is refused.
    const IGNORED: &'static [&'static [&'static str]] = &[];
}

/// A JSON body, or all of its errors. A missing content type counts as JSON.
pub(crate) struct JsonBody<T>(pub(crate) Checked<T>);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: JsonInput,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON: send Content-Type: application/json";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
            return Ok(Self(Checked::unreadable(problem)));
        }
        if let Err(problem) = check_coding(request.headers()) {
            return Ok(Self(Checked::unreadable(problem)));
        }
        Ok(Self(match Bytes::from_request(request, state).await {
            Ok(bytes) => read_json(&bytes).into(),
            Err(rejection) => Checked::unreadable(unreadable(&rejection)),
        }))
    }
}

/// Reads a body of JSON.
pub(crate) fn read_json<T: JsonInput>(bytes: &[u8]) -> Result<T, ValidationErrors> {
    let mut value = strict_json::parse(bytes)?;
    if let serde_json::Value::Object(fields) = &mut value {
        for name in T::IGNORED.iter().copied().flatten() {
            fields.remove(*name);
        }
    }
    deserr::deserialize(value)
}

/// Refuses a body that is encoded, or in another charset than UTF-8.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    if !negotiation::is_utf8(headers) {
        return refused("The body must be in UTF-8");
    }
    if negotiation::is_encoded(headers) {
        let plain = HeaderValue::from_static("identity");
        return refused("The body must not be encoded: send it without Content-Encoding")
            .map_err(|problem| problem.with_header(header::ACCEPT_ENCODING, plain));
    }
    Ok(())
}

/// Returns the problem of a body that could not be read.
pub(crate) fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "The body ended early"),
    }
}

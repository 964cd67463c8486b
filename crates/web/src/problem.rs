//! Errors as callers see them: RFC 9457 problem documents. The one place where a classified error
//! becomes an HTTP status and a problem type.
//!
//! Never shows what caused a failure of the server: that is for its log.

use std::{borrow::Cow, error::Error, sync::Arc};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use metricd_application::{
    Forbidden,
    error::{Cause, Classified, Classify, ErrorKind, InputFault, InputField},
};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, ObjectBuilder, Type},
};

use crate::{
    quota::{QuotaExceeded, QuotaLeft},
    validation::{ValidationError, ValidationErrors},
};

/// A refused or failed request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// `None`: the status says it all.
    cause: Option<Cause>,
    detail: Cow<'static, str>,
    hint: Option<&'static str>,
    errors: Vec<ValidationError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    failure: Option<Arc<dyn Error + Send + Sync>>,
}

/// What the log says of a problem; travels beside the response to where it is logged, once.
#[derive(Debug, Clone)]
pub(crate) enum LoggedError {
    /// The faults of the request.
    Validation(Vec<String>),
    /// A failure of the server.
    Failure(Arc<dyn Error + Send + Sync>),
    /// The server has as much to do as it may have.
    Overload,
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    #[serde(rename = "type")]
    #[schema(schema_with = type_schema)]
    kind: Cow<'static, str>,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong, for people.
    #[schema(example = "Metric not found")]
    detail: Cow<'static, str>,
    /// What the caller can do about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "Read the metric again and repeat the request with its current layout version."
    )]
    hint: Option<&'static str>,
    /// All faults of the request, when the status is 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ValidationError>,
}

/// The type of a problem of which its status says everything.
const BLANK: &str = "about:blank";

/// What only commands can run into, and no request.
const COMMANDS_ONLY: [Cause; 6] = [
    Cause::InvalidFile,
    Cause::TableExists,
    Cause::TableReserved,
    Cause::TableUnsupported,
    Cause::TableNotOwned,
    Cause::TableInUse,
];

/// The problem type of `cause`, a URI.
pub(crate) fn type_of(cause: Option<Cause>) -> Cow<'static, str> {
    match cause {
        None | Some(Cause::Forbidden | Cause::Internal) => BLANK.into(),
        Some(cause) => format!("urn:metricd:problem:{}", cause.name()).into(),
    }
}

/// The causes that have a problem type of their own.
pub(crate) fn typed() -> impl Iterator<Item = Cause> {
    let all = Cause::ALL.iter().copied();
    all.filter(|cause| type_of(Some(*cause)) != BLANK && !COMMANDS_ONLY.contains(cause))
}

fn type_schema() -> Object {
    let types = std::iter::once(type_of(None)).chain(typed().map(|cause| type_of(Some(cause))));
    let meanings = typed().map(|cause| format!("- `{}`: {}", cause.name(), cause.summary()));
    let description = format!(
        "What kind of problem it is. `{BLANK}`: the status says it all. Otherwise \
         `urn:metricd:problem:` and one of:\n\n{}",
        meanings.collect::<Vec<_>>().join("\n"),
    );
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(types))
        .examples([serde_json::json!(type_of(Some(Cause::MetricNotFound)))])
        .build()
}

const fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Stale => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Invalid | ErrorKind::TooExpensive => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Busy | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Broken => StatusCode::FAILED_DEPENDENCY,
        ErrorKind::Deadline => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// After how many seconds the same request may succeed.
const fn retry_after_seconds(cause: Cause) -> Option<u16> {
    match (cause, cause.kind()) {
        (Cause::IssuerUnavailable | Cause::DiskFull, _) => Some(10),
        (Cause::IdempotencyKeyInProgress, _)
        | (_, ErrorKind::TooMany | ErrorKind::Busy | ErrorKind::Unavailable) => Some(1),
        _ => None,
    }
}

impl From<InputFault> for ValidationError {
    fn from(InputFault { field, message }: InputFault) -> Self {
        let (loc, kind) = match field {
            InputField::Sql => (["body", "query"], "sql"),
            InputField::SqlOfVersion => (["body", "version"], "sql"),
            InputField::Version => (["body", "version"], "unknown"),
            InputField::Sentence => (["body", "query_generation_prompt"], "ungrounded"),
            InputField::IdempotencyKey => (["header", "idempotency-key"], "key_taken"),
            InputField::Window(param) => (["query", param.as_str()], "window"),
        };
        Self::at(&loc, kind, message)
    }
}

impl<E: Classify + Error + Send + Sync + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        let classified = error.classify();
        let kind = classified.cause.kind();
        let problem = Self::of(classified);
        match kind {
            ErrorKind::Unavailable | ErrorKind::Internal => {
                Self { failure: Some(Arc::new(error)), ..problem }
            }
            _ => problem,
        }
    }
}

impl Problem {
    /// A problem with nothing to add to its status and a sentence.
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            cause: None,
            detail: detail.into(),
            hint: None,
            errors: Vec::new(),
            headers: Vec::new(),
            failure: None,
        }
    }

    fn of(classified: impl Into<Classified>) -> Self {
        let mut classified = classified.into();
        let cause = classified.cause;
        let status = status_of(cause.kind());
        if status.is_server_error() {
            classified = cause.into();
        }
        let problem = Self {
            cause: Some(cause),
            hint: classified.hint,
            errors: classified.faults.into_iter().map(Into::into).collect(),
            ..Self::new(status, classified.detail)
        };
        match retry_after_seconds(cause) {
            Some(seconds) => problem.with_header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            None => problem,
        }
    }

    /// A request with faults: 422.
    pub(crate) fn invalid(faults: ValidationErrors) -> Self {
        let detail = match faults.0.len() {
            1 => "The request is invalid: 1 error".to_owned(),
            count => format!("The request is invalid: {count} errors"),
        };
        Self { errors: faults.0, detail: detail.into(), ..Self::of(Cause::InvalidRequest) }
    }

    /// The same of one with more faults than are listed: `all` in number.
    pub(crate) fn invalid_of(listed: ValidationErrors, all: usize) -> Self {
        let count = listed.0.len();
        let problem = Self::invalid(listed);
        if all == count {
            return problem;
        }
        let detail =
            format!("The request is invalid: {all} errors, of which the first {count} are listed");
        Self { detail: detail.into(), ..problem }
    }

    /// Its faults.
    #[cfg(test)]
    pub(crate) fn summary(&self) -> String {
        self.errors.iter().map(ValidationError::summary).collect::<Vec<_>>().join("; ")
    }

    /// A failure of the server that the caller can do nothing about: 500.
    pub(crate) fn internal(failure: impl Error + Send + Sync + 'static) -> Self {
        Self { failure: Some(Arc::new(failure)), ..Self::of(Cause::Internal) }
    }

    /// The caller is not authenticated: 401. `error` is RFC 6750's word for what is wrong with the
    /// token, if one was sent at all.
    pub(crate) fn unauthorized(error: Option<&'static str>, detail: &'static str) -> Self {
        let challenge = match error {
            Some(error) => format!("Bearer error=\"{error}\", error_description=\"{detail}\""),
            None => "Bearer".to_owned(),
        };
        let challenge = HeaderValue::try_from(challenge);
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
        Self::new(StatusCode::UNAUTHORIZED, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The caller's token lacks the scope for metricd: 403.
    pub(crate) fn lacks_scope(required: &str) -> Self {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{required}\"");
        let challenge = HeaderValue::try_from(challenge);
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
        Self::from(Forbidden).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The caller exceeds its rate limit: 429 with a time to come back.
    pub(crate) fn too_many(QuotaExceeded(left): QuotaExceeded) -> Self {
        let seconds = left.reset_after_seconds();
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded");
        Self { hint: Some("Wait as long as Retry-After says."), ..problem }
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
            .with_quota(left)
    }

    /// The caller has as many requests at once as it may have: 429.
    pub(crate) fn too_many_at_once() -> Self {
        Self::of(Cause::TooManyRequestsAtOnce)
    }

    /// The client has as many connections, or requests through a proxy, as it may have: 429.
    pub(crate) fn too_many_of_client(detail: &'static str) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { hint: Some("Try again when others have ended."), ..problem }
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The server has as much to do as it may have: 503.
    pub(crate) fn server_busy() -> Self {
        Self::of(Cause::ServerBusy)
    }

    /// The issuer's keys are not available: 503.
    pub(crate) fn unverifiable() -> Self {
        Self::of(Cause::IssuerUnavailable)
    }

    /// The server stops before there is a response: 503.
    pub(crate) fn stopping() -> Self {
        Self::of(Cause::ServerStopping)
    }

    /// The request ran into its time limit: 504.
    pub(crate) fn deadline() -> Self {
        Self::of(Cause::DeadlineExceeded)
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Tells what is left of the caller's quota.
    pub(crate) fn with_quota(self, left: QuotaLeft) -> Self {
        self.with_quota_if_any(Some(left))
    }

    /// The same, where there is a quota.
    pub(crate) fn with_quota_if_any(mut self, left: Option<QuotaLeft>) -> Self {
        self.headers.extend(left.into_iter().flat_map(QuotaLeft::fields));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let is_busy = self.cause.is_some_and(|cause| cause.kind() == ErrorKind::Busy);
        let logged = match self.failure {
            _ if is_busy => Some(LoggedError::Overload),
            Some(failure) => Some(LoggedError::Failure(failure)),
            None if self.errors.is_empty() => None,
            None => Some(LoggedError::Validation(
                self.errors.iter().map(ValidationError::summary).collect(),
            )),
        };
        let body = ProblemBody {
            kind: type_of(self.cause),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
            hint: self.hint,
            errors: self.errors,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        if let Some(logged) = logged {
            response.extensions_mut().insert(logged);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// An error of `cause` whose texts hold a secret.
    #[derive(Debug, thiserror::Error)]
    #[error("secret")]
    struct Sample(Cause);

    impl Classify for Sample {
        fn classify(&self) -> Classified {
            let fault = InputFault { field: InputField::Sql, message: "secret".into() };
            Classified { detail: "secret".into(), faults: vec![fault], ..self.0.into() }
        }
    }

    async fn answered(problem: Problem) -> (Response<()>, Value) {
        let (parts, body) = problem.into_response().into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn every_cause_has_a_status_and_a_type() {
        let mut lines = Vec::new();
        for cause in Cause::ALL.iter().copied().filter(|cause| !COMMANDS_ONLY.contains(cause)) {
            let (head, body) = answered(Sample(cause).into()).await;
            assert_eq!(body["status"], head.status().as_u16(), "{cause:?}");
            assert_eq!(body["title"], head.status().canonical_reason().unwrap(), "{cause:?}");
            assert_eq!(body.get("hint").and_then(Value::as_str), cause.hint(), "{cause:?}");
            let retry = head.headers().get(header::RETRY_AFTER);
            let retry = retry.map(|value| format!(" after {}", value.to_str().unwrap()));
            let (status, kind) = (&body["status"], body["type"].as_str().unwrap());
            lines.push(format!("{status} {kind}{}", retry.unwrap_or_default()));
        }
        insta::assert_snapshot!(lines.join("\n"), @r"
        403 about:blank
        404 urn:metricd:problem:metric-not-found
        404 urn:metricd:problem:table-not-found
        409 urn:metricd:problem:metric-locked
        409 urn:metricd:problem:query-locked
        409 urn:metricd:problem:metric-awaits-approval
        409 urn:metricd:problem:query-modified
        412 urn:metricd:problem:layouts-modified
        412 urn:metricd:problem:metric-modified
        409 urn:metricd:problem:catalog-modified
        409 urn:metricd:problem:idempotency-key-in-progress after 1
        422 urn:metricd:problem:idempotency-key-reused
        422 urn:metricd:problem:invalid-request
        422 urn:metricd:problem:invalid-window
        422 urn:metricd:problem:invalid-sql
        422 urn:metricd:problem:unknown-version
        422 urn:metricd:problem:sentence-not-understood
        422 urn:metricd:problem:query-too-expensive
        422 urn:metricd:problem:row-too-large
        429 urn:metricd:problem:too-many-requests-at-once after 1
        503 urn:metricd:problem:server-busy after 1
        503 urn:metricd:problem:queue-full after 1
        503 urn:metricd:problem:database-unavailable after 1
        503 urn:metricd:problem:disk-full after 10
        503 urn:metricd:problem:server-stopping after 1
        503 urn:metricd:problem:issuer-unavailable after 10
        504 urn:metricd:problem:query-timeout
        504 urn:metricd:problem:deadline-exceeded
        422 urn:metricd:problem:query-failed
        424 urn:metricd:problem:metric-broken
        500 about:blank
        ");
    }

    #[tokio::test]
    async fn a_failure_of_the_server_is_logged_and_never_shown() {
        for cause in Cause::ALL.iter().copied() {
            let (head, body) = answered(Sample(cause).into()).await;
            let is_failure = head.status().is_server_error();
            assert_eq!(body.to_string().contains("secret"), !is_failure, "{cause:?}");
            let logged = head.extensions().get::<LoggedError>();
            match cause.kind() {
                ErrorKind::Deadline => assert!(logged.is_none(), "{cause:?}"),
                ErrorKind::Busy => assert!(matches!(logged, Some(LoggedError::Overload))),
                _ if is_failure => {
                    let Some(LoggedError::Failure(failure)) = logged else { panic!("{cause:?}") };
                    assert_eq!(failure.to_string(), "secret");
                }
                _ => assert!(matches!(logged, Some(LoggedError::Validation(_))), "{cause:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_problem_without_a_cause_is_typed_by_its_status() {
        let (_, body) = answered(Problem::new(StatusCode::NOT_FOUND, "Not here")).await;
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "detail": "Not here"
            })
        );
    }

    /// The rows of the guide's table: the name, then what it says of it.
    fn documented() -> BTreeMap<&'static str, Vec<&'static str>> {
        let guide = include_str!("../../../docs/guide/errors.md");
        let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
        let mut all = BTreeMap::new();
        for row in rows {
            let cells: Vec<_> = row.split(" | ").map(str::trim).collect();
            let name = cells[0].strip_suffix('`').unwrap();
            assert!(all.insert(name, cells[1..].to_vec()).is_none(), "{name} stands there twice");
        }
        all
    }

    #[test]
    fn the_guide_lists_every_cause_with_its_status() {
        let mut rows = documented();
        for cause in Cause::ALL.iter().copied() {
            let name = cause.name();
            let row = rows.remove(name).unwrap_or_else(|| panic!("no row for {name}"));
            let status = if COMMANDS_ONLY.contains(&cause) {
                "–".to_owned()
            } else {
                status_of(cause.kind()).as_u16().to_string()
            };
            assert_eq!(row[0], status, "{name}");
            assert_eq!(row.len(), 4, "{name}: status, exit code, meaning, what to do");
        }
        assert!(rows.is_empty(), "rows without a cause: {rows:?}");
    }
}

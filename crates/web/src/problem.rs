//! Errors as callers see them: RFC 9457 problem documents. The one place where an error of a use
//! case becomes an HTTP status.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use metricd_application::{
    Forbidden,
    audit::AuditError,
    compile::CompileError,
    generation::{GenerationError, PreviewError},
    idempotency::KeyError,
    metrics::{
        ApproveError, CreateError, DeleteError, GetError, ListError, QueryError,
        ReplaceLayoutsError, RollbackError, UpdateError,
    },
    ports::{RunError, StoreError},
    records::{CreateRecordError, CreateRecordsError},
    tables::AnnounceError,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::validation::{ValidationError, ValidationErrors};

/// A refused or failed request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<ValidationError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a problem was caused by; travels beside the response to where it is logged, once.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// The request's own faults.
    Validation(Vec<String>),
    /// An error of ours.
    Failure(Arc<dyn Error + Send + Sync>),
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What went wrong, for people.
    #[schema(example = "Metric not found")]
    detail: String,
    /// All faults of the request, when the status is 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ValidationError>,
}

impl Problem {
    /// A problem with nothing to add to its status and a sentence.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// A request with faults: 422.
    pub(crate) fn invalid(faults: ValidationErrors) -> Self {
        let detail = match faults.0.len() {
            1 => "The request has a fault".to_owned(),
            count => format!("The request has {count} faults"),
        };
        Self { errors: faults.0, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// The same of one with more faults than are told: `all` in number.
    pub(crate) fn invalid_of(told: ValidationErrors, all: usize) -> Self {
        let listed = told.0.len();
        let problem = Self::invalid(told);
        if all == listed {
            return problem;
        }
        let detail = format!("The request has {all} faults; the first {listed} are listed");
        Self { detail, ..problem }
    }

    /// Its faults.
    #[cfg(test)]
    pub(crate) fn summary(&self) -> String {
        self.errors.iter().map(ValidationError::summary).collect::<Vec<_>>().join("; ")
    }

    /// An error of ours that a caller can do nothing about: 500.
    pub(crate) fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").caused_by(cause)
    }

    /// The server cannot answer at present: 503 with a time to come back.
    fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database is busy or not reachable")
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
            .caused_by(cause)
    }

    /// Nobody was verified: 401. `error` is RFC 6750's word for what is wrong with the token, if one
    /// was sent at all.
    pub(crate) fn unauthorized(error: Option<&'static str>, detail: &str) -> Self {
        let challenge = match error {
            Some(error) => format!("Bearer error=\"{error}\", error_description=\"{detail}\""),
            None => "Bearer".to_owned(),
        };
        let challenge = HeaderValue::try_from(challenge);
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
        Self::new(StatusCode::UNAUTHORIZED, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The caller is known, and their token was not made for metricd: 403.
    pub(crate) fn lacks_scope(required: &str) -> Self {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{required}\"");
        let challenge = HeaderValue::try_from(challenge);
        let challenge = challenge.unwrap_or(HeaderValue::from_static("Bearer"));
        Self::from(Forbidden).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The caller asks too often: 429 with a time to come back.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "You ask too often")
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Nobody can be verified at present: 503.
    pub(crate) fn unverifiable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Tokens cannot be verified at present")
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("10"))
    }

    /// The answer did not come in time: 504.
    pub(crate) fn deadline() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "The answer took too long")
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Metric not found")
    }

    fn ungrounded(explanation: String) -> Self {
        let loc = ["body", "query_generation_prompt"];
        Self::invalid(ValidationError::at(&loc, "ungrounded", explanation).into())
    }

    fn query_fault(error: &CompileError) -> Self {
        Self::bad_sql(error.to_string())
    }

    fn bad_sql(message: String) -> Self {
        Self::invalid(ValidationError::at(&["body", "query"], "sql", message).into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let cause = match self.cause {
            Some(cause) => Some(Cause::Failure(cause)),
            None if self.errors.is_empty() => None,
            None => {
                Some(Cause::Validation(self.errors.iter().map(ValidationError::summary).collect()))
            }
        };
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

impl From<Forbidden> for Problem {
    fn from(_: Forbidden) -> Self {
        Self::new(StatusCode::FORBIDDEN, "You may not do this")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<StoreError>> for Problem {
    fn from(error: Arc<StoreError>) -> Self {
        match *error {
            StoreError::Unavailable(_) => Self::unavailable(error),
            StoreError::Duplicate { .. } | StoreError::Reference { .. } => {
                Self::new(StatusCode::CONFLICT, "The catalog was changed by someone else")
            }
            StoreError::Damaged { .. } | StoreError::Failed(_) => Self::internal(error),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::InProgress => {
                let mut problem = Self::new(StatusCode::CONFLICT, error.to_string());
                problem.headers.push((header::RETRY_AFTER, HeaderValue::from_static("1")));
                problem
            }
            KeyError::Reused => {
                let loc = ["header", "idempotency-key"];
                Self::invalid(ValidationError::at(&loc, "key_taken", error.to_string()).into())
            }
        }
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<RunError>> for Problem {
    fn from(error: Arc<RunError>) -> Self {
        match *error {
            RunError::Deadline => Self::deadline(),
            RunError::Unavailable(_) | RunError::QueueFull => Self::unavailable(error),
            RunError::TooExpensive { has_days, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                if has_days {
                    "The metric's query is too dear for this window; ask for fewer days"
                } else {
                    "The metric's query is too dear"
                },
            ),
            RunError::RowTooLarge { .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "A row of the answer is too large")
            }
            RunError::Rejected { .. } | RunError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The metric's query failed")
                    .caused_by(error)
            }
        }
    }
}

impl From<GetError> for Problem {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Forbidden(error) => error.into(),
            GetError::NotFound => Self::not_found(),
            GetError::Waiting => Self::new(StatusCode::CONFLICT, error.to_string()),
            GetError::Window(faults) => Self::invalid(ValidationErrors(
                faults
                    .into_iter()
                    .map(|fault| {
                        let loc = ["query", fault.param.as_str()];
                        ValidationError::at(&loc, "window", fault.reason.to_string())
                    })
                    .collect(),
            )),
            GetError::Run(error) => error.into(),
            GetError::Store(error) => error.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Forbidden(error) => error.into(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Forbidden(error) => error.into(),
            QueryError::NotFound => Self::not_found(),
            QueryError::Store(error) => error.into(),
        }
    }
}

impl From<GenerationError> for Problem {
    fn from(error: GenerationError) -> Self {
        match error {
            GenerationError::Query(CompileError::Forbidden(error)) => error.into(),
            GenerationError::Query(CompileError::Database(error)) | GenerationError::Run(error) => {
                error.into()
            }
            GenerationError::Query(_) => Self::internal(error),
            GenerationError::Ungrounded { explanation } => Self::ungrounded(explanation),
            GenerationError::Store(error) => error.into(),
        }
    }
}

impl From<PreviewError> for Problem {
    fn from(error: PreviewError) -> Self {
        match error {
            PreviewError::Forbidden(error)
            | PreviewError::Query(CompileError::Forbidden(error)) => error.into(),
            PreviewError::Query(CompileError::Database(error)) if !error.is_query_fault() => {
                error.into()
            }
            PreviewError::Query(error) => Self::query_fault(&error),
            // Whoever wrote it may know what the database says of it.
            PreviewError::Run(RunError::Failed(fault)) => Self::bad_sql(fault.to_string()),
            PreviewError::Run(error) => error.into(),
            PreviewError::Generate(error) => error.into(),
        }
    }
}

impl From<ApproveError> for Problem {
    fn from(error: ApproveError) -> Self {
        match error {
            ApproveError::Forbidden(error) => error.into(),
            ApproveError::NotFound => Self::not_found(),
            ApproveError::Changed { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            ApproveError::Store(error) => error.into(),
        }
    }
}

impl From<RollbackError> for Problem {
    fn from(error: RollbackError) -> Self {
        match error {
            RollbackError::UnknownVersion(_) => {
                let fault = ValidationError::at(&["body", "version"], "unknown", error.to_string());
                Self::invalid(fault.into())
            }
            RollbackError::Update(UpdateError::Query(fault)) if !is_ours(&fault) => {
                let loc = ["body", "version"];
                Self::invalid(ValidationError::at(&loc, "sql", fault.to_string()).into())
            }
            RollbackError::Update(error) => error.into(),
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Forbidden(error) | CreateError::Query(CompileError::Forbidden(error)) => {
                error.into()
            }
            CreateError::Query(CompileError::Database(error)) if !error.is_query_fault() => {
                error.into()
            }
            CreateError::Query(error) => Self::query_fault(&error),
            CreateError::Generate(error) => error.into(),
            CreateError::Key(error) => error.into(),
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Forbidden(error) | UpdateError::Query(CompileError::Forbidden(error)) => {
                error.into()
            }
            UpdateError::NotFound => Self::not_found(),
            UpdateError::Locked(detail) => Self::new(StatusCode::CONFLICT, detail),
            UpdateError::Moved => Self::new(StatusCode::CONFLICT, error.to_string()),
            UpdateError::Query(CompileError::Database(error)) if !error.is_query_fault() => {
                error.into()
            }
            UpdateError::Query(error) => Self::query_fault(&error),
            UpdateError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Forbidden(error) => error.into(),
            DeleteError::NotFound => Self::not_found(),
            DeleteError::Locked => Self::new(StatusCode::CONFLICT, error.to_string()),
            DeleteError::Store(error) => error.into(),
        }
    }
}

impl From<ReplaceLayoutsError> for Problem {
    fn from(error: ReplaceLayoutsError) -> Self {
        match error {
            ReplaceLayoutsError::Forbidden(error) => error.into(),
            ReplaceLayoutsError::NotFound => Self::not_found(),
            ReplaceLayoutsError::Locked => Self::new(StatusCode::CONFLICT, error.to_string()),
            ReplaceLayoutsError::Stale { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, error.to_string())
            }
            ReplaceLayoutsError::Store(error) => error.into(),
        }
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Forbidden(error) => error.into(),
            AuditError::Store(error) => error.into(),
        }
    }
}

impl From<CreateRecordError> for Problem {
    fn from(error: CreateRecordError) -> Self {
        match error {
            CreateRecordError::Forbidden(error) => error.into(),
            CreateRecordError::NotFound => Self::not_found(),
            CreateRecordError::Key(error) => error.into(),
            CreateRecordError::Store(error) => error.into(),
        }
    }
}

impl From<CreateRecordsError> for Problem {
    fn from(error: CreateRecordsError) -> Self {
        match error {
            CreateRecordsError::Forbidden(error) => error.into(),
            CreateRecordsError::NotFound => Self::not_found(),
            CreateRecordsError::Key(error) => error.into(),
            CreateRecordsError::Unread(error) => Self::internal(error),
            CreateRecordsError::Store(error) => error.into(),
        }
    }
}

impl From<AnnounceError> for Problem {
    fn from(error: AnnounceError) -> Self {
        match error {
            AnnounceError::Forbidden(error) => error.into(),
            AnnounceError::NotFound => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            AnnounceError::Store(error) => error.into(),
        }
    }
}

/// Whether what stopped SQL from compiling is no fault of the SQL.
fn is_ours(error: &CompileError) -> bool {
    match error {
        CompileError::Forbidden(_) => true,
        CompileError::Database(error) => !error.is_query_fault(),
        _ => false,
    }
}

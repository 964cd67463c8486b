//! Taking a request apart: the caller, the path, the query string, the body.

use std::convert::Infallible;

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
};
use deserr::Deserr;
use metricd_application::ports::IdempotentRequest;
use metricd_core::{
    actor::Actor,
    audit::AuditedObject,
    claim::ClaimName,
    idempotency::{IdempotencyKey, InvalidKey},
    ids::MetricId,
    parameters::ParameterRequest,
    sql::{InvalidTableName, TableName},
    window::{self, ParamName, WindowRequest},
};
use uuid::Uuid;

use crate::{
    check::{Checked, Fault, Faults},
    problem::Problem,
};

/// Who is calling. Only routes that stand behind
/// [`Authenticate`](crate::middleware::authenticate::Authenticate) have one.
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.remove::<Actor>();
        actor.map(Self).ok_or_else(|| Problem::internal(NobodyAsked))
    }
}

/// A route wants to know its caller and does not stand where callers are verified.
#[derive(Debug, thiserror::Error)]
#[error("the route does not verify its callers")]
struct NobodyAsked;

/// The metric that the path names.
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
        let fault = || Fault::at(&["path", "id"], "uuid_parsing", "must be a UUID");
        let checked: Checked<MetricId> = id.ok_or_else(|| fault().into()).into();
        Ok(Self(match id {
            Some(id) => checked.about(id.into()),
            None => checked,
        }))
    }
}

/// The table that the path names.
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
        let fault = |error: InvalidTableName| {
            Fault::at(&["path", "name"], "table", error.to_string()).into()
        };
        let checked: Checked<TableName> = table.map_err(fault).into();
        Ok(Self(match about {
            Some(about) => checked.about(about),
            None => checked,
        }))
    }
}

/// The parameters of a query string, decoded. The last one of a name counts.
pub(crate) struct QueryParams(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl QueryParams {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Self(pairs.collect())
    }

    /// The value of the parameter `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name` read by `parse`, or a fault of the type `kind`.
    pub(crate) fn read<T, E: std::fmt::Display>(
        &self,
        name: &str,
        kind: &'static str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.get(name)?) {
            Ok(value) => Some(value),
            Err(error) => {
                faults.0.push(Fault::at(&["query", name], kind, error.to_string()));
                None
            }
        }
    }

    /// Reads the parameters of a metric.
    pub(crate) fn parameters(&self) -> Checked<ParameterRequest> {
        let mut faults = Faults::default();
        let date = |name: ParamName, faults: &mut Faults| {
            self.read(name.as_str(), "date_parsing", faults, window::parse_date)
        };
        let start_date = date(ParamName::StartDate, &mut faults);
        let end_date = date(ParamName::EndDate, &mut faults);
        let day_range = self.day_range(&mut faults);
        let name = ParamName::Timezone.as_str();
        let timezone = self.read(name, "timezone_unknown", &mut faults, window::parse_timezone);
        let claims = self.0.iter().filter(|(name, _)| name.starts_with(ClaimName::PREFIX));
        faults.0.extend(claims.take(Faults::MOST).map(|(name, _)| {
            let message = "is taken from the caller's token and cannot be given";
            Fault::at(&["query", name], "claim", message)
        }));
        let window = WindowRequest { start_date, end_date, day_range, timezone };
        let request = ParameterRequest { window };
        if faults.0.is_empty() { Ok(request) } else { Err(faults) }.into()
    }

    fn day_range(&self, faults: &mut Faults) -> Option<u32> {
        self.whole_number(ParamName::DayRange.as_str(), faults, window::parse_day_range)
    }

    /// The whole number `name` read by `parse`, which refuses what is out of range.
    pub(crate) fn whole_number<T, E: std::fmt::Display>(
        &self,
        name: &str,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.get(name)?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let kind = if is_whole { "out_of_range" } else { "int_parsing" };
        self.read(name, kind, faults, parse)
    }
}

fn decoded(text: &str) -> String {
    if !text.bytes().any(|b| b == b'+' || b == b'%') {
        return text.to_owned();
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The header fields of a request. They are taken out of it: whatever else looks at them comes before.
pub(crate) struct Headers(pub(crate) HeaderMap);

impl<S: Send + Sync> FromRequestParts<S> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(std::mem::take(&mut parts.headers)))
    }
}

/// A JSON body, or everything that is wrong with it. A missing content type is taken as JSON.
pub(crate) struct Body<T>(pub(crate) Checked<T>);

impl<T, S> FromRequest<S> for Body<T>
where
    T: Deserr<Faults>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON: send Content-Type: application/json";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
            return Ok(Self(Checked::unread(problem)));
        }
        Ok(Self(match Bytes::from_request(request, state).await {
            Ok(bytes) => read_json(&bytes),
            Err(rejection) => Checked::unread(unreadable(&rejection)),
        }))
    }
}

fn read_json<T: Deserr<Faults>>(bytes: &[u8]) -> Checked<T> {
    let read = serde_json::from_slice::<serde_json::Value>(bytes).map_err(|error| {
        let message = format!("is not JSON: {error}");
        Fault::at(&["body"], "json_invalid", message).into()
    });
    read.and_then(deserr::deserialize).into()
}

/// A JSON body, and whether what it asks is to take effect once.
pub(crate) struct Keyed<T> {
    pub(crate) once: Checked<Option<IdempotentRequest>>,
    pub(crate) body: Checked<T>,
}

/// What a caller calls a request that is to take effect once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl<T, S> FromRequest<S> for Keyed<T>
where
    T: Deserr<Faults>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        if !request.headers().contains_key(IDEMPOTENCY_KEY) {
            let Body(body) = Body::from_request(request, state).await?;
            return Ok(Self { once: Ok(None).into(), body });
        }
        let key = key(request.headers());
        let mut hash = fingerprint_of_head(&request);
        let (parts, body) = request.into_parts();
        let sent = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        if let Ok(bytes) = &sent {
            hash.update(bytes);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.finish().as_ref());
        let once = key.map(|key| key.map(|key| IdempotentRequest { key, fingerprint }));
        let Body(body) = match sent {
            Ok(bytes) => {
                Body::from_request(Request::from_parts(parts, bytes.into()), state).await?
            }
            Err(rejection) => Body(Checked::unread(unreadable(&rejection))),
        };
        Ok(Self { once: once.into(), body })
    }
}

/// The hash of a request, before its body.
pub(crate) fn fingerprint_of_head(request: &Request) -> digest::Context {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [request.method().as_str(), request.uri().path()] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hash
}

/// The key of a request, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Faults> {
    let mut all = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let key = IdempotencyKey::parse(value.to_str().unwrap_or_default()).ok();
    let key = key.filter(|_| all.next().is_none());
    key.map(Some).ok_or_else(|| {
        let loc = ["header", "idempotency-key"];
        Fault::at(&loc, "value_error", InvalidKey.to_string()).into()
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "The body ended early"),
    }
}

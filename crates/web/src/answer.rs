//! A metric's answer as a response: its body, encoded as negotiated, and the headers on its age and origin.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use chrono::{NaiveDate, SecondsFormat};
use metricd_application::{
    context::Context,
    freshness::{Answer, AnswerSource, BoundQuery, MissReason, SourcedAnswer},
    ports::{AnswerDraft, AnswerHead, AnswerWriter, RenderedAnswer},
};
use metricd_core::{
    metric::{Column, CompiledMetric},
    parameters::Parameters,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    middleware::{
        compress::{self, compress},
        headers::{self, CACHE_STATUS, SERVER_TIMING},
    },
    negotiation::{self, ContentEncoding},
    preconditions::revision,
    wire::{ColumnBody, MetricBody},
};

/// Smaller bodies are not worth compressing.
const MIN_COMPRESSED_BYTES: usize = 1_024;

/// What stands before the rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnswerHead)]
pub(crate) struct AnswerHeadBody {
    #[serde(flatten)]
    metric: MetricBody,
    /// The columns of the records.
    columns: Vec<ColumnBody>,
}

/// What stands behind the rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerTail {
    /// Whether records were left out because there were more than the server allows.
    truncated: bool,
    /// What the query was run with.
    params: ParamsBody,
}

/// The parameters that an answer was made with. A part that the metric's query has no place for is
/// null.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Params)]
pub(crate) struct ParamsBody {
    /// First day, inclusive.
    start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    end_date: Option<NaiveDate>,
    /// Days back from today, which is inclusive.
    day_range: Option<u32>,
    /// The time zone that decides which day is today, and when a day begins; null when nothing depends on it.
    #[schema(example = "UTC")]
    timezone: Option<&'static str>,
    /// Parameters that were given and have no effect on this metric.
    ignored: Vec<&'static str>,
}

impl From<&Parameters> for ParamsBody {
    fn from(parameters: &Parameters) -> Self {
        let shown = parameters.shown();
        Self {
            start_date: shown.start_date,
            end_date: shown.end_date,
            day_range: shown.day_range,
            timezone: shown.timezone_name(),
            ignored: shown.ignored.iter().map(|param| param.as_str()).collect(),
        }
    }
}

/// Writes answers as JSON.
#[derive(Debug, Clone, Copy)]
pub struct JsonAnswers;

impl AnswerWriter for JsonAnswers {
    fn write_head(&self, compiled: &CompiledMetric, columns: &[Column]) -> AnswerHead {
        let head = AnswerHeadBody {
            metric: (&compiled.metric).into(),
            columns: columns.iter().map(Into::into).collect(),
        };
        let mut text = json(&head);
        text.pop();
        text.extend_from_slice(b",\"records\":");
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&compiled.query.version.to_be_bytes());
        hash.update(&text);
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.finish().as_ref());
        let revision = revision(&head.metric).into();
        AnswerHead { text: text.into(), revision, digest }
    }

    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer {
        let head = answer.head;
        let tail = AnswerTail { truncated: answer.truncated, params: answer.parameters.into() };
        let tail = json(&tail);
        let as_of = answer.as_of.to_rfc3339_opts(SecondsFormat::Millis, true);
        let as_of = format!(",\"as_of\":\"{as_of}\"}}");
        // The cache keeps it for long and counts its length: spare capacity would not be counted.
        let length = head.text.len() + answer.rows.len() + tail.len() - 1 + as_of.len();
        let mut body = Vec::with_capacity(length);
        body.extend_from_slice(&head.text);
        let start = body.len();
        body.extend_from_slice(answer.rows);
        let rows = start..body.len();
        body.push(b',');
        body.extend_from_slice(&tail[1..tail.len() - 1]);
        let tag = tag(head, &body[start..]);
        body.extend_from_slice(as_of.as_bytes());
        RenderedAnswer { body: body.into(), rows, tag }
    }

    fn encodings(&self) -> usize {
        ContentEncoding::ALL.len()
    }
}

fn json(part: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(part).expect("texts, numbers and lists of them are JSON")
}

/// A weak entity tag: bodies with the same one are equivalent, byte for byte or not. Its first part names the
/// metric, for changes that are meant for the metric as it was read.
fn tag(head: &AnswerHead, content: &[u8]) -> Arc<str> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&head.digest);
    hash.update(content);
    let content = hex::encode(&hash.finish().as_ref()[..16]);
    format!("W/\"{}-{content}\"", head.revision).into()
}

/// Returns the response: the answer, or 304 if the client has it already.
pub(crate) async fn respond(
    context: &Context,
    answer: SourcedAnswer,
    headers: &HeaderMap,
) -> Response {
    let SourcedAnswer { query, answer, source } = answer;
    let mut response = if negotiation::has_entity(headers, answer.tag()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        *response.headers_mut() = headers::not_modified();
        response
    } else {
        let (body, encoding) = encoded(context, &query, &answer, source, headers).await;
        let mut headers = headers::answer(body.len());
        if let Some(encoding) = encoding {
            let name = HeaderValue::from_static(encoding.as_str());
            headers.insert(header::CONTENT_ENCODING, name);
        }
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        response
    };
    describe(response.headers_mut(), &answer, source);
    response
}

/// The body as negotiated. One that is cached is compressed once, and the result cached beside it; any other
/// is left to the middleware that compresses every response.
async fn encoded(
    context: &Context,
    query: &BoundQuery,
    answer: &Arc<Answer>,
    source: AnswerSource,
    headers: &HeaderMap,
) -> (Bytes, Option<ContentEncoding>) {
    let plain = || answer.body().clone();
    let is_cached =
        matches!(source, AnswerSource::Hit { .. } | AnswerSource::Miss { stored: true, .. });
    let encoding = ContentEncoding::negotiate(headers)
        .filter(|_| is_cached && answer.body().len() >= MIN_COMPRESSED_BYTES);
    let Some(encoding) = encoding else {
        return (plain(), None);
    };
    let index = encoding as usize;
    if let Some(compressed) = answer.encoded(index) {
        return (compressed.clone(), Some(encoding));
    }
    let turn = compress::turn().await;
    // Another caller may have compressed it meanwhile.
    if let Some(compressed) = answer.encoded(index) {
        return (compressed.clone(), Some(encoding));
    }
    let body = plain();
    // A large body takes too long for a thread of the runtime. One that has begun goes on without its caller.
    let compressed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        compress(&body, encoding)
    })
    .await;
    match compressed {
        Ok(Ok(compressed)) => {
            let compressed = context.answers.keep_encoded(query.key(), answer, index, compressed);
            (compressed, Some(encoding))
        }
        _ => (plain(), None),
    }
}

/// Adds the headers on an answer's origin, age and identity.
fn describe(headers: &mut HeaderMap, answer: &Answer, source: AnswerSource) {
    let text = |text: String| HeaderValue::try_from(text).expect("the value is ASCII");
    let (status, timing) = match source {
        AnswerSource::Hit { fresh_for, age } => {
            headers.insert(header::AGE, age.as_secs().into());
            let stale = if fresh_for.is_zero() { "; detail=stale" } else { "" };
            let status = format!("metricd; hit; ttl={}{stale}", fresh_for.as_secs());
            (status, HeaderValue::from_static("cache"))
        }
        AnswerSource::Miss { reason, stored, collapsed, took } => {
            let reason = match reason {
                MissReason::Absent => "uri-miss",
                MissReason::Expired => "stale",
                MissReason::Bypassed => "request",
                MissReason::Uncacheable => "bypass",
            };
            let stored = if stored { "; stored" } else { "" };
            let collapsed = if collapsed { "; collapsed" } else { "" };
            headers.insert(header::AGE, 0.into());
            let millis = took.as_secs_f64() * 1_000.0;
            let status = format!("metricd; fwd={reason}{stored}{collapsed}");
            (status, text(format!("db;dur={millis:.1}")))
        }
    };
    headers.insert(CACHE_STATUS, text(status));
    headers.insert(SERVER_TIMING, timing);
    headers.insert(header::ETAG, text(answer.tag().to_owned()));
}

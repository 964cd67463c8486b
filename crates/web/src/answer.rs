//! A metric's answer as a body, packed as its caller likes it, and what is said of its age.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::digest;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use chrono::{NaiveDate, SecondsFormat};
use flate2::write::GzEncoder;
use metricd_application::{
    context::Context,
    freshness::{Answer, MissReason, Question, Served, Source},
    ports::{AnswerDraft, AnswerWriter, RenderedAnswer},
};
use metricd_core::parameters::Parameters;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    middleware::headers::{self, CACHE_STATUS, SERVER_TIMING},
    wire::{ColumnBody, MetricBody},
};

/// Bodies below this are not worth packing.
const WORTH_PACKING: usize = 1_024;

/// What stands before the rows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerHead {
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
    params: Params,
}

/// The parameters that an answer was made with. A part that the metric's query has no place for is
/// null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Params {
    /// First day.
    start_date: Option<NaiveDate>,
    /// Last day, inclusive.
    end_date: Option<NaiveDate>,
    /// Days back from today.
    day_range: Option<u32>,
    /// Time zone that decides which day is today; null when nothing depends on it.
    #[schema(example = "UTC")]
    timezone: Option<&'static str>,
    /// Parameters that were given and have no effect on this metric.
    ignored: Vec<&'static str>,
}

impl From<&Parameters> for Params {
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
    fn write(&self, answer: AnswerDraft<'_>) -> RenderedAnswer {
        let head = AnswerHead {
            metric: (&answer.compiled.metric).into(),
            columns: answer.compiled.query.columns.iter().map(Into::into).collect(),
        };
        let tail = AnswerTail { truncated: answer.truncated, params: answer.parameters.into() };
        let mut body = json(&head);
        body.pop();
        body.extend_from_slice(b",\"records\":");
        let start = body.len();
        body.extend_from_slice(answer.rows);
        let rows = start..body.len();
        body.push(b',');
        body.extend_from_slice(&json(&tail)[1..]);
        body.pop();
        let tag = tag(&body, answer.compiled.query.version);
        let as_of = answer.as_of.to_rfc3339_opts(SecondsFormat::Millis, true);
        // Writing to a vector cannot fail.
        let _ = write!(body, ",\"as_of\":\"{as_of}\"}}");
        // It is kept for long, and counted by what it holds: no room to grow may come with it.
        body.shrink_to_fit();
        RenderedAnswer { body: body.into(), rows, tag }
    }
}

fn json(part: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(part).expect("texts, numbers and lists of them are JSON")
}

/// A weak tag: bodies of the same one mean the same, byte for byte or not.
fn tag(said: &[u8], query_version: i64) -> Arc<str> {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&query_version.to_be_bytes());
    hash.update(said);
    let mut tag = String::from("W/\"");
    for byte in &hash.finish().as_ref()[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag.into()
}

/// A way to pack a body, of those that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Brotli,
    Gzip,
}

impl Packing {
    /// The best first.
    const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The one that the caller likes best, if it is liked as much as the plain body.
    fn wanted(headers: &HeaderMap) -> Option<Self> {
        let (mut likes, mut plain, mut any) = ([None; Self::ALL.len()], None, None);
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        for item in texts.flat_map(|text| text.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let like = weight.map_or(Some(1.0_f32), |weight| weight.parse().ok());
            let place = Self::ALL.iter().position(|known| known.name().eq_ignore_ascii_case(name));
            match place {
                Some(place) => likes[place] = like,
                None if name.eq_ignore_ascii_case("identity") => plain = like,
                None if name == "*" => any = like,
                None => {}
            }
        }
        let wanted = Self::ALL.into_iter().zip(likes).filter_map(|(packing, like)| {
            like.or(any).filter(|like| *like > 0.0).map(|like| (packing, like))
        });
        // The first of those that are liked as much.
        let best = wanted.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.filter(|(_, like)| plain.is_none_or(|plain| *like >= plain))
            .map(|(packing, _)| packing)
    }

    fn pack(self, body: &Bytes) -> io::Result<Bytes> {
        let mut packed = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Brotli => {
                let settings = BrotliEncoderParams { quality: 5, ..Default::default() };
                brotli::BrotliCompress(&mut body.as_ref(), &mut packed, &settings)?;
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(packed, flate2::Compression::default());
                encoder.write_all(body)?;
                packed = encoder.finish()?;
            }
        }
        Ok(packed.into())
    }
}

/// How old an answer a request puts up with: what its `Cache-Control` says.
pub(crate) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let ages = texts.flat_map(|text| text.split(',')).filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("no-cache") || name.eq_ignore_ascii_case("no-store") {
            Some(Duration::ZERO)
        } else if name.eq_ignore_ascii_case("max-age") {
            // Whoever cannot say how old means something new.
            Some(Duration::from_secs(value.parse().unwrap_or(0)))
        } else {
            None
        }
    });
    ages.min()
}

/// The response: the whole answer, or word that the caller has it.
pub(crate) async fn respond(context: &Context, served: Served, headers: &HeaderMap) -> Response {
    let Served { question, answer, source } = served;
    let mut response = if has(headers, answer.tag()) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        *response.headers_mut() = headers::of_unchanged();
        response
    } else {
        let (body, packing) = packed(context, &question, &answer, source, headers).await;
        let mut headers = headers::of_answers(body.len());
        if let Some(packing) = packing {
            let name = HeaderValue::from_static(packing.name());
            headers.insert(header::CONTENT_ENCODING, name);
        }
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        response
    };
    describe(response.headers_mut(), &answer, source);
    response
}

/// Whether the caller has the body of this tag.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(str::trim);
    known.any(|known| known == "*" || without_strength(known) == without_strength(tag))
}

fn without_strength(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The body as the caller likes it. What is kept is packed once; the rest is left to the layer that packs
/// everything.
async fn packed(
    context: &Context,
    question: &Question,
    answer: &Arc<Answer>,
    source: Source,
    headers: &HeaderMap,
) -> (Bytes, Option<Packing>) {
    let plain = || answer.body().clone();
    let is_kept = matches!(source, Source::Kept { .. } | Source::Read { stored: true, .. });
    let wanted = Packing::wanted(headers);
    let Some(packing) = wanted.filter(|_| is_kept && answer.body().len() >= WORTH_PACKING) else {
        return (plain(), None);
    };
    let place = packing as usize;
    if let Some(packed) = answer.packed(place) {
        return (packed.clone(), Some(packing));
    }
    let body = plain();
    // A large body takes long.
    let packed = tokio::task::spawn_blocking(move || packing.pack(&body)).await;
    match packed {
        Ok(Ok(packed)) => {
            let packed = context.answers.keep_packed(&question.key, answer, place, packed);
            (packed, Some(packing))
        }
        _ => (plain(), None),
    }
}

/// Says where an answer comes from, how old it is, and what it may be taken for.
fn describe(headers: &mut HeaderMap, answer: &Answer, source: Source) {
    let text = |text: String| HeaderValue::try_from(text).expect("it is plain ASCII");
    let (status, timing) = match source {
        Source::Kept { fresh_for, age } => {
            headers.insert(header::AGE, age.as_secs().into());
            let stale = if fresh_for.is_zero() { "; detail=stale" } else { "" };
            let status = format!("metricd; hit; ttl={}{stale}", fresh_for.as_secs());
            (status, HeaderValue::from_static("cache"))
        }
        Source::Read { why, stored, collapsed, took } => {
            let why = match why {
                MissReason::Absent => "uri-miss",
                MissReason::Expired => "stale",
                MissReason::Bypassed => "request",
                MissReason::Uncacheable => "bypass",
            };
            let stored = if stored { "; stored" } else { "" };
            let collapsed = if collapsed { "; collapsed" } else { "" };
            headers.insert(header::AGE, 0.into());
            let millis = took.as_secs_f64() * 1_000.0;
            let status = format!("metricd; fwd={why}{stored}{collapsed}");
            (status, text(format!("db;dur={millis:.1}")))
        }
    };
    headers.insert(CACHE_STATUS, text(status));
    headers.insert(SERVER_TIMING, timing);
    headers.insert(header::ETAG, text(answer.tag().to_owned()));
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_body_is_packed_as_its_caller_likes_it() {
        use Packing::{Brotli, Gzip};
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some(Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Brotli)),
            (&["br;q=0.5, gzip;q=0.8"], Some(Gzip)),
            (&["GZIP ; q=1"], Some(Gzip)),
            (&["*"], Some(Brotli)),
            (&["*, br;q=0"], Some(Gzip)),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.5, identity"], None),
            (&["br;q=0", "gzip"], Some(Gzip)),
            (&["zstd"], None),
            (&["gzip;q=x"], None),
        ] {
            let headers = headers(&header::ACCEPT_ENCODING, values);
            assert_eq!(Packing::wanted(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn what_is_packed_is_the_body() {
        use std::io::Read as _;
        let body = Bytes::from("a body ".repeat(1_000));
        let mut plain = Vec::new();
        let gzip = Packing::Gzip.pack(&body).unwrap();
        flate2::read::GzDecoder::new(gzip.as_ref()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
        let brotli = Packing::Brotli.pack(&body).unwrap();
        plain.clear();
        brotli::BrotliDecompress(&mut brotli.as_ref(), &mut plain).unwrap();
        assert_eq!(plain, body);
    }

    #[test]
    fn a_request_says_how_old_an_answer_it_puts_up_with() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (values, expected) in [
            (&[][..], None),
            (&["private"], None),
            (&["no-cache"], seconds(0)),
            (&["No-Store"], seconds(0)),
            (&["max-age=60"], seconds(60)),
            (&["max-age=\"60\", max-age=5"], seconds(5)),
            (&["max-age=60", "no-cache"], seconds(0)),
            (&["max-age=soon"], seconds(0)),
        ] {
            assert_eq!(max_age(&headers(&header::CACHE_CONTROL, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn a_tag_is_known_whatever_its_strength() {
        let knows = |values: &[&str]| has(&headers(&header::IF_NONE_MATCH, values), "W/\"a\"");
        assert!(knows(&["W/\"a\""]) && knows(&["\"a\""]) && knows(&["*"]));
        assert!(knows(&["\"b\", W/\"a\""]) && knows(&["\"b\"", "\"a\""]));
        assert!(!knows(&[]) && !knows(&["\"b\""]) && !knows(&["a"]));
    }
}

//! A metric's rows as CSV: what callers prefer, and a body that grows as its rows come.
//!
//! A body that cannot be finished must never look like a whole one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use metricd_application::{
    metrics::MetricExport,
    ports::{RowStream, RunError},
};
use metricd_core::metric::Column;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::{Span, warn};

use crate::middleware::{
    headers::{CACHE_STATUS, make_private},
    request::chain,
};

const CSV: &str = "text/csv";
const JSON: &str = "application/json";

/// Whether a request likes CSV better than JSON.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ACCEPT) && like(headers, CSV) > like(headers, JSON)
}

/// How much a request likes a media type, from 0 to 1: what its `Accept` says of the narrowest range that
/// holds it.
fn like(headers: &HeaderMap, wanted: &str) -> f32 {
    let family = wanted.split('/').next().unwrap_or_default();
    let values = headers.get_all(header::ACCEPT).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let ranges = texts.flat_map(|text| text.split(',')).filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let breadth = if range.eq_ignore_ascii_case(wanted) {
            0
        } else if range.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family)) {
            1
        } else if range == "*/*" {
            2
        } else {
            return None;
        };
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
        Some((breadth, weight.unwrap_or(0.0)))
    });
    ranges.min_by_key(|(breadth, _)| *breadth).map_or(0.0, |(_, weight)| weight)
}

/// The response: all rows, below a line with the names of their columns.
pub(crate) fn respond(export: MetricExport) -> Response {
    let compiled = &export.definition.compiled;
    let rows = CsvBody {
        head: Some(head(&compiled.query.columns)),
        rows: export.rows,
        span: Span::current(),
    };
    let mut response = Response::new(Body::new(rows));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(file) = HeaderValue::from_str(&disposition(compiled.metric.details.name.as_str())) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    let status = HeaderValue::from_static("metricd; fwd=bypass");
    headers.insert(CACHE_STATUS, status);
    make_private(headers);
    response
}

/// The line above the rows.
fn head(columns: &[Column]) -> Bytes {
    let names: Vec<String> = columns.iter().map(|column| field(&column.name)).collect();
    format!("{}\r\n", names.join(",")).into()
}

fn field(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// What RFC 8187 lets stand as it is, and no more.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The file that a browser stores it as: named after the metric.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' })
        .collect();
    let full = utf8_percent_encode(name, PLAIN);
    format!("attachment; filename=\"{plain}.csv\"; filename*=UTF-8''{full}.csv")
}

/// Rows on their way to a caller. It breaks the transfer off when they end before the last one.
struct CsvBody {
    head: Option<Bytes>,
    rows: RowStream,
    /// The request's, which has been answered long ago.
    span: Span,
}

impl hyper::body::Body for CsvBody {
    type Data = Bytes;
    type Error = RunError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RunError>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        self.rows.poll_next(context).map(|next| {
            next.map(|lines| {
                lines.map(Frame::data).inspect_err(|error| {
                    self.span.in_scope(|| warn!(error = chain(error), "MetricExport broken off"));
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_for_whoever_likes_it_better() {
        for (values, expected) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/csv"], true),
            (&["Text/CSV; header=present"], true),
            (&["text/*"], true),
            (&["application/json, text/csv"], false),
            (&["text/csv, */*"], false),
            (&["text/csv, */*;q=0.9"], true),
            (&["application/json;q=0.5", "text/csv;q=0.6"], true),
            (&["application/*;q=0.5, text/csv;q=0.5"], false),
            (&["text/csv;q=0"], false),
            (&["text/csv;q=much"], false),
            (&["text/*, text/csv;q=0.1, application/json;q=0.2"], false),
            (&["text/html"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            assert_eq!(is_wanted(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn a_file_is_named_after_its_metric() {
        assert_eq!(
            disposition("net \"Größe\"/1.csv"),
            "attachment; filename=\"net__Gr__e__1.csv.csv\"; \
             filename*=UTF-8''net%20%22Gr%C3%B6%C3%9Fe%22%2F1.csv.csv"
        );
    }

    #[test]
    fn names_of_columns_are_quoted_where_they_must_be() {
        let named = |name: &str| Column { name: name.into(), ty: "int4".into() };
        let columns = ["a", "b c", "d,e", "\"f\"", "", "g\nh"].map(named);
        assert_eq!(head(&columns), "a,b c,\"d,e\",\"\"\"f\"\"\",\"\",\"g\nh\"\r\n");
    }
}

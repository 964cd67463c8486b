//! A metric's rows as CSV, streamed as they are read.
//!
//! Must never end a body that is incomplete as if it were whole: the connection is broken off.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use hyper::body::Frame;
use metricd_application::{
    error_chain,
    metrics::MetricExport,
    ports::{RowStream, RunError},
};
use metricd_core::metric::Column;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::{Span, warn};

use crate::middleware::headers::{CACHE_STATUS, make_private};

/// Returns the response: all rows below a header line.
pub(crate) fn respond(export: MetricExport) -> Response {
    let compiled = &export.definition.compiled;
    let rows = CsvBody {
        head: Some(head(&export.description.columns)),
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

/// The header line.
fn head(columns: &[Column]) -> Bytes {
    let names: Vec<String> = columns.iter().map(|column| field(&column.name)).collect();
    format!("{}\r\n", names.join(",")).into()
}

fn field(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// The characters that RFC 8187 requires to be encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// `Content-Disposition`, with a file name made from the metric's.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' })
        .collect();
    let full = utf8_percent_encode(name, PLAIN);
    format!("attachment; filename=\"{plain}.csv\"; filename*=UTF-8''{full}.csv")
}

/// A streamed body. An error in it breaks the transfer off.
struct CsvBody {
    head: Option<Bytes>,
    rows: RowStream,
    /// The request's span, which outlives the handler here.
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
                    self.span.in_scope(|| warn!(error = error_chain(error), "Export broken off"));
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! `If-Match`: the state of a metric that a change is meant for.
//!
//! Must never compare rows: those of an answer may differ while the metric is the same.

use aws_lc_rs::digest;
use axum::http::HeaderMap;
use metricd_application::metrics::ExpectedState;

use crate::{
    check::Checked,
    negotiation::expected_entities,
    validation::{ValidationError, ValidationErrors},
    wire::MetricBody,
};

/// Returns the name of a metric's state: 16 characters, the same on every server. Whatever the body of a metric
/// holds is a part of it: only what is stored with the metric may be there.
pub(crate) fn revision(metric: &MetricBody) -> String {
    let json = serde_json::to_vec(metric).expect("texts, numbers and lists of them are JSON");
    hex::encode(&digest::digest(&digest::SHA256, &json).as_ref()[..8])
}

/// The states of which a metric has to be in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Precondition(Vec<String>);

impl Precondition {
    /// Returns the precondition in `If-Match`; none if the header is missing or `*`.
    pub(crate) fn of(headers: &HeaderMap) -> Checked<Option<Self>> {
        let read = expected_entities(headers).map_err(|()| {
            let message = "must be an ETag as the metric was read with it, in its quotation marks";
            let error = ValidationError::at(&["header", "if-match"], "value_error", message);
            ValidationErrors::from(error)
        });
        read.map(|tags| tags.map(|tags| Self(tags.into_iter().map(state).collect()))).into()
    }

    /// Returns whether a metric is in one of the states, as a check for use cases.
    pub(crate) fn expected_metric(self) -> ExpectedState {
        Box::new(move |metric| self.has(&revision(&metric.into())))
    }

    /// The same for its layouts, whose version names their state as well.
    pub(crate) fn expected_layouts(self) -> ExpectedState {
        Box::new(move |metric| {
            self.has(&metric.layout_version.to_string()) || self.has(&revision(&metric.into()))
        })
    }

    fn has(&self, state: &str) -> bool {
        self.0.iter().any(|expected| expected == state)
    }
}

/// The part of an entity tag that names the metric's state, without quotation marks.
fn state(tag: &str) -> String {
    let tag = tag.trim_matches('"');
    tag.split('-').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use metricd_core::{
        ids::{MetricId, QueryId},
        metric::{Metric, MetricDetails, MetricName},
    };
    use uuid::Uuid;

    use super::*;

    fn metric(name: &str) -> Metric {
        let details = MetricDetails::named(MetricName::parse(name).unwrap());
        Metric::new(MetricId(Uuid::nil()), QueryId::parse("orders").unwrap(), details)
    }

    #[test]
    fn any_tag_of_a_metrics_state_names_it() {
        let (orders, sales) = (metric("Orders"), metric("Sales"));
        let revision = revision(&(&orders).into());
        assert_eq!(revision.len(), 16);
        for tag in [format!("\"{revision}\""), format!("\"{revision}-0123\"")] {
            let precondition = Precondition(vec![state("\"other\""), state(&tag)]);
            assert!(precondition.clone().expected_metric()(&orders), "{tag}");
            assert!(!precondition.clone().expected_metric()(&sales), "{tag}");
            assert!(precondition.clone().expected_layouts()(&orders), "{tag}");
        }
        let version = Precondition(vec![state("\"1\"")]);
        assert!(version.clone().expected_layouts()(&sales) && !version.expected_metric()(&sales));
    }
}

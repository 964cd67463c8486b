//! The fallback for a prompt that no generator understood: the metric's own raw records.

use metricd_core::{ids::QueryId, sql::quoted_text};

/// Returns the SQL for the records of the query `id`. Without an upper bound: future records are included.
pub(super) fn sql(id: &QueryId, prompt: &str) -> String {
    let title: String = prompt.chars().filter(|c| !c.is_control()).take(120).collect();
    let id = quoted_text(id.as_str());
    format!(
        "-- {title}\n\
         SELECT obsolescence_val, obsolescence, parts_flagged, alert_type, alert_category\n\
         FROM metrics\n\
         WHERE id = {id}\n  \
           AND date >= CURRENT_DATE - :day_range\n\
         ORDER BY date, metric_id"
    )
}

#[cfg(test)]
mod tests {
    use metricd_core::sql::{Draft, Gate};

    use super::*;

    #[test]
    fn neither_a_prompt_nor_an_id_can_break_out_of_the_template() {
        for prompt in ["qwertz", "x\n; DROP TABLE metrics; --", "*/ ' :nonsense", "", "\u{2028}x"] {
            let id = QueryId::parse("o'brien").unwrap();
            let draft = Draft::parse(&sql(&id, prompt), &Gate::default()).expect(prompt);
            let tables: Vec<_> = draft.tables().iter().map(ToString::to_string).collect();
            assert_eq!(tables, ["metrics"]);
        }
    }
}

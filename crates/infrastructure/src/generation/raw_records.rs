//! The generator of last resort: whatever the sentence says, the metric's own raw records.

use async_trait::async_trait;
use metricd_application::ports::{GenerateError, Generated, GenerationSource, QueryGenerator};
use metricd_core::{actor::Actor, ids::QueryId};

/// Understands no sentence and says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawRecords;

#[async_trait]
impl QueryGenerator for RawRecords {
    async fn generate(
        &self,
        _actor: &Actor,
        id: &QueryId,
        prompt: &str,
    ) -> Result<Generated, GenerateError> {
        Ok(Generated {
            sql: template(id, prompt),
            source: GenerationSource::Fallback,
            grounded: false,
            explanation: "The prompt was not understood in terms of the tables and columns that \
                          can be read; the metric returns its own raw records of the last \
                          day_range days."
                .to_owned(),
        })
    }
}

/// The records of the query `id`. There is no upper bound: a record dated ahead is shown too.
fn template(id: &QueryId, prompt: &str) -> String {
    let title: String = prompt.chars().filter(|c| !c.is_control()).take(120).collect();
    let literal = id.as_str().replace('\'', "''");
    format!(
        "-- {title}\n\
         SELECT obsolescence_val, obsolescence, parts_flagged, alert_type, alert_category\n\
         FROM metrics\n\
         WHERE id = '{literal}'\n  \
           AND date >= CURRENT_DATE - :day_range\n\
         ORDER BY date, metric_id"
    )
}

#[cfg(test)]
mod tests {
    use metricd_core::sql::Draft;

    use super::*;

    #[test]
    fn neither_a_prompt_nor_an_id_can_break_out_of_the_template() {
        for prompt in ["qwertz", "x\n; DROP TABLE metrics; --", "*/ ' :nonsense", "", "\u{2028}x"] {
            let id = QueryId::parse("o'brien").unwrap();
            let draft = Draft::parse(&template(&id, prompt)).expect(prompt);
            let tables: Vec<_> = draft.tables().iter().map(ToString::to_string).collect();
            assert_eq!(tables, ["metrics"]);
        }
    }
}

//! What stands between a stored query and its run: today's gate, and what the planner thinks that it
//! costs.

use std::sync::Arc;

use metricd_core::{
    sql::{Contents, FieldName, Gate, SqlError, TableName, Template, Value},
    window::Window,
};
use moka::sync::Cache;
use thiserror::Error;
use tracing::warn;

use crate::ports::{QueryRunner, RunError};

/// How much of what has passed is remembered, in bytes of SQL.
const MEMORY: u64 = 16 * 1024 * 1024;

/// How long a cost is believed: tables grow.
const COST_TTL: std::time::Duration = std::time::Duration::from_hours(1);

/// Lets templates run. What has passed is remembered by the template's own text, so that whatever
/// changes a stored query, metricd or not, it is looked at again.
#[derive(Clone)]
pub struct Admission {
    gate: Arc<Gate>,
    ceiling: f64,
    gated: Cache<Arc<str>, ()>,
    costs: Cache<(Arc<str>, u32), f64>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("ceiling", &self.ceiling).finish_non_exhaustive()
    }
}

/// A stored query holds what is not let through any more.
#[derive(Debug, Error)]
enum Refused {
    #[error("the gate does not let the stored query through")]
    Gate(#[source] SqlError),
    #[error("stored SQL may not read {} any more", name_all(.0))]
    Tables(Vec<TableName>),
}

impl From<Refused> for RunError {
    fn from(refused: Refused) -> Self {
        Self::Failed(refused.into())
    }
}

/// Tables as a sentence names them.
pub(crate) fn name_all(tables: &[TableName]) -> String {
    tables.iter().map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ")
}

impl Admission {
    /// Lets through what `gate` does and what costs no more than `ceiling`, in the planner's units.
    #[must_use]
    pub fn new(gate: Arc<Gate>, ceiling: f64) -> Self {
        let weight = |sql: &str| u32::try_from(sql.len() + 64).unwrap_or(u32::MAX);
        Self {
            gate,
            ceiling,
            gated: Cache::builder()
                .max_capacity(MEMORY)
                .weigher(move |sql: &Arc<str>, ()| weight(sql))
                .build(),
            costs: Cache::builder()
                .max_capacity(MEMORY)
                .weigher(move |(sql, _): &(Arc<str>, u32), _| weight(sql))
                .time_to_live(COST_TTL)
                .build(),
        }
    }

    /// What a query may hold.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Lets `template` run with `values`, which are those of `window`. The planner is asked once for
    /// windows whose lengths lie between the same powers of two.
    ///
    /// # Errors
    /// [`RunError::Failed`] when the gate refuses it, [`RunError::TooExpensive`] when it costs too much.
    pub(crate) async fn admit(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        window: &Window,
        values: &[Value],
    ) -> Result<(), RunError> {
        let sql = key(template);
        if self.gated.get(&sql).is_none() {
            let Contents { tables, fields } = self.gate.recheck(template).map_err(Refused::Gate)?;
            let tables: Vec<TableName> = tables.into_iter().collect();
            let unreadable = runner.unreadable(&tables).await?;
            if !unreadable.is_empty() {
                return Err(Refused::Tables(unreadable).into());
            }
            self.check_fields(runner, &fields).await?.map_err(Refused::Gate)?;
            self.gated.insert(Arc::clone(&sql), ());
        }
        self.afford(runner, template, window, values).await
    }

    /// Asks the database what it would call by the names behind a query's dots. The inner error is the
    /// gate's.
    pub(crate) async fn check_fields(
        &self,
        runner: &dyn QueryRunner,
        fields: &[FieldName],
    ) -> Result<Result<(), SqlError>, RunError> {
        let callable = runner.callable(fields).await?;
        let mut checks = fields.iter().zip(&callable).map(|(f, all)| self.gate.check_field(f, all));
        Ok(checks.find(Result::is_err).unwrap_or(Ok(())))
    }

    /// Lets through what is cheap enough, and does not look at what `template` holds.
    pub(crate) async fn afford(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        window: &Window,
        values: &[Value],
    ) -> Result<(), RunError> {
        let length = length_class(window);
        let key = (key(template), length);
        let cost = if let Some(cost) = self.costs.get(&key) {
            cost
        } else {
            let cost = runner.cost(template, values).await?;
            self.costs.insert(key, cost);
            cost
        };
        if cost > self.ceiling {
            warn!(cost, ceiling = self.ceiling, "Query too expensive");
            return Err(RunError::TooExpensive {
                cost,
                ceiling: self.ceiling,
                has_days: length > 0,
            });
        }
        Ok(())
    }
}

/// What a template is remembered by. What fills a `$n` matters too: the same text may be bound to other
/// parts of a window.
fn key(template: &Template) -> Arc<str> {
    format!("{:?} {}", template.parameters, template.sql).into()
}

/// The power of two that a window's length in days lies below: the same for 4 to 7 days, say.
fn length_class(window: &Window) -> u32 {
    let between = match (window.start_date, window.end_date) {
        (Some(start), Some(end)) => (end - start).num_days().unsigned_abs() + 1,
        _ => 0,
    };
    let days = between.max(window.day_range.unwrap_or_default().into());
    u64::BITS - days.leading_zeros()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use metricd_core::{
        sql::{Callable, CallableKind, Draft},
        window::WindowRequest,
    };

    use super::*;
    use crate::ports::{Description, RowStream, Rows};

    /// A planner that puts every query at a thousand and counts how often it is asked.
    #[derive(Default)]
    struct Planner(AtomicU32);

    #[async_trait]
    impl QueryRunner for Planner {
        async fn cost(&self, _: &Template, _: &[Value]) -> Result<f64, RunError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(1_000.0)
        }

        async fn describe(&self, _: &str) -> Result<Description, RunError> {
            unreachable!("admission describes nothing")
        }

        async fn unreadable(&self, tables: &[TableName]) -> Result<Vec<TableName>, RunError> {
            Ok(tables.iter().filter(|table| table.name == "closed").cloned().collect())
        }

        async fn callable(&self, fields: &[FieldName]) -> Result<Vec<Vec<Callable>>, RunError> {
            let called = |field: &FieldName| Callable {
                schema: "public".into(),
                name: field.name.clone(),
                kind: CallableKind::Function,
            };
            let is_planted = |field: &&FieldName| field.name == "planted";
            Ok(fields
                .iter()
                .map(|f| Some(f).filter(is_planted).map(called).into_iter().collect())
                .collect())
        }

        async fn session(&self) -> Result<Box<dyn QueryRunner>, RunError> {
            unreachable!("admission is given a runner")
        }

        async fn run(&self, _: &Template, _: &[Value], _: u32) -> Result<Rows, RunError> {
            unreachable!("admission runs nothing")
        }

        async fn stream(&self, _: &Template, _: &[Value]) -> Result<RowStream, RunError> {
            unreachable!("admission runs nothing")
        }
    }

    fn template(sql: &str) -> Template {
        Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap()
    }

    /// The windows of so many days each, admitted one after the other.
    async fn admitted(ceiling: f64, sql: &str, lengths: &[u32]) -> (u32, Vec<bool>) {
        let (planner, template) = (Planner::default(), template(sql));
        let admission = Admission::new(Arc::default(), ceiling);
        let now = "2025-06-30T12:00:00Z".parse().unwrap();
        let mut admitted = Vec::new();
        for days in lengths {
            let end = chrono::NaiveDate::from_ymd_opt(2025, 6, 30);
            let request = WindowRequest {
                start_date: end.map(|end| end - chrono::Days::new(u64::from(*days) - 1)),
                end_date: end,
                day_range: Some(*days),
                ..WindowRequest::default()
            };
            let window = Window::resolve(&template.slots, &request, now).unwrap();
            let done = admission.admit(&planner, &template, &window, &[]).await;
            assert!(matches!(done, Ok(()) | Err(RunError::TooExpensive { .. })), "{done:?}");
            admitted.push(done.is_ok());
        }
        (planner.0.into_inner(), admitted)
    }

    const DATES: &str = "SELECT 1 AS x WHERE now() BETWEEN :start_date AND :end_date";
    const DAYS: &str = "SELECT 1 AS x WHERE now() > CURRENT_DATE - :day_range";

    #[tokio::test]
    async fn the_planner_is_asked_once_between_two_powers_of_two() {
        for sql in [DATES, DAYS] {
            assert_eq!(admitted(1e6, sql, &[4, 5, 7, 6, 4]).await.0, 1, "{sql}");
            assert_eq!(admitted(1e6, sql, &[7, 8, 15, 16, 3, 7]).await.0, 4, "{sql}");
        }
        assert_eq!(admitted(1e6, "SELECT 1 AS x", &[1, 100, 10_000]).await.0, 1);
    }

    #[tokio::test]
    async fn what_is_stored_is_held_to_the_tables_and_names_of_today() {
        let planner = Planner::default();
        let admission = Admission::new(Arc::default(), 1e6);
        let now = "2025-06-30T12:00:00Z".parse().unwrap();
        let run = async |sql: &str| {
            let template = template(sql);
            let window = Window::resolve(&template.slots, &WindowRequest::default(), now).unwrap();
            match admission.admit(&planner, &template, &window, &[]).await {
                Err(RunError::Failed(refused)) => {
                    let cause = refused.source().map(ToString::to_string).unwrap_or_default();
                    format!("{refused} {cause}")
                }
                other => format!("{other:?}"),
            }
        };
        for _ in 0..2 {
            assert_eq!(run("SELECT o.total AS t FROM orders o").await, "Ok(())");
            let tables = run("SELECT 1 AS x FROM orders o, closed c").await;
            assert!(tables.contains("may not read `closed` any more"), "{tables}");
            let call = run("SELECT o.planted AS x FROM orders o").await;
            assert!(
                call.contains("line 1, column 8") && call.contains("public.planted()"),
                "{call}"
            );
            assert!(call.contains("sql.functions"), "{call}");
        }
        assert_eq!(planner.0.into_inner(), 1, "what is refused is not costed");
    }

    #[tokio::test]
    async fn what_is_too_expensive_stays_so_without_asking_again() {
        assert_eq!(admitted(999.0, DAYS, &[4, 5, 8]).await, (2, vec![false, false, false]));
        assert_eq!(admitted(1_000.0, DAYS, &[4, 5, 8]).await, (2, vec![true, true, true]));
    }
}

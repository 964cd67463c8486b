//! Admission: the checks of a stored query before each run. The current gate, the tables that may be
//! read, and the planner's cost.
//!
//! Must never admit by a query's id: passed checks are cached by the statement itself, so that a changed
//! query is checked again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metricd_core::{
    parameters::Parameters,
    sql::{BoundValue, Contents, FieldName, Gate, OperatorUse, SqlError, TableName, Template},
};
use thiserror::Error;
use tracing::warn;

use crate::{
    answer_columns::{ColumnFault, check_columns},
    plan_cache::{PlanCache, PlanKey, StatementSet, length_class},
    ports::{QueryRunner, RunError, TemplateDescription},
};

/// How often a query is described because its tables are redefined meanwhile.
const MAX_DESCRIPTIONS: u32 = 3;

/// The time to live of a cached cost: tables grow.
const COST_TTL: Duration = Duration::from_hours(1);

/// Checks templates before they run, and caches what passed.
#[derive(Clone)]
pub struct Admission {
    gate: Arc<Gate>,
    ceiling: f64,
    quick_cost: f64,
    gated: Arc<StatementSet>,
    tried: Arc<PlanCache<()>>,
    costs: Arc<PlanCache<Cost>>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("ceiling", &self.ceiling).finish_non_exhaustive()
    }
}

/// The reason why a stored query is no longer admitted.
#[derive(Debug, Error)]
enum Refused {
    #[error("the gate rejects the stored query")]
    Gate(#[source] SqlError),
    #[error("stored SQL may no longer read {}", name_all(.0))]
    Tables(Vec<TableName>),
    #[error(transparent)]
    Columns(ColumnFault),
}

impl From<Refused> for RunError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.into())
    }
}

/// Lists tables for a message.
pub(crate) fn name_all(tables: &[TableName]) -> String {
    tables.iter().map(|table| format!("`{table}`")).collect::<Vec<_>>().join(", ")
}

impl Admission {
    /// Creates an admission of what `gate` accepts and of costs up to `ceiling`, in the planner's units, of which those up to
    /// `quick_cost` are quick.
    #[must_use]
    pub fn new(gate: Arc<Gate>, ceiling: f64, quick_cost: f64) -> Self {
        Self {
            gate,
            ceiling,
            quick_cost,
            gated: Arc::default(),
            tried: Arc::default(),
            costs: Arc::default(),
        }
    }

    /// Returns the gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Admits `template` with `values`, which `parameters` bind. The planner's cost is cached for the claims that are
    /// bound, and for windows whose lengths lie between the same powers of two.
    ///
    /// # Errors
    /// [`RunError::Refused`] when the gate rejects it, [`RunError::TooExpensive`] when it costs too much.
    pub(crate) async fn admit(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) -> Result<(), RunError> {
        if !self.gated.has(template) {
            let Contents { tables, fields, operators } = self.recheck(template)?;
            let tables: Vec<TableName> = tables.into_iter().collect();
            let unreadable = runner.unreadable(&tables).await?;
            if !unreadable.is_empty() {
                return Err(Refused::Tables(unreadable).into());
            }
            self.check_names(runner, template, &fields, &operators).await?;
            self.gated.insert(template);
        }
        self.check_cost(runner, template, parameters, values).await
    }

    /// Returns what the database says of a stored query, held to what is asked of a new one.
    ///
    /// # Errors
    /// [`RunError::Refused`] when the gate rejects it, before it reaches the database, or when its columns cannot be those
    /// of an answer.
    pub(crate) async fn describe(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
    ) -> Result<TemplateDescription, RunError> {
        let Contents { fields, operators, .. } = self.recheck(template)?;
        let mut more = 1..MAX_DESCRIPTIONS;
        let description = loop {
            match runner.describe_template(template).await {
                Err(RunError::Redefined) if more.next().is_some() => {}
                described => break described?,
            }
        };
        // What a name means depends on the columns: where there is none, it may call a function.
        self.check_names(runner, template, &fields, &operators).await?;
        check_columns(&description.columns).map_err(Refused::Columns)?;
        Ok(description)
    }

    fn recheck(&self, template: &Template) -> Result<Contents, RunError> {
        Ok(self.gate.recheck(template).map_err(Refused::Gate)?)
    }

    /// Checks the functions that PostgreSQL would call for the names behind a query's dots. The inner
    /// error is the gate's.
    pub(crate) async fn check_fields(
        &self,
        runner: &dyn QueryRunner,
        fields: &[FieldName],
    ) -> Result<Result<(), SqlError>, RunError> {
        let callable = runner.callable(fields).await?;
        let mut checks = fields.iter().zip(&callable).map(|(f, all)| self.gate.check_field(f, all));
        Ok(checks.find(Result::is_err).unwrap_or(Ok(())))
    }

    /// Checks the operators that PostgreSQL would take in place of its own. The inner error is the gate's.
    pub(crate) async fn check_operators(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        operators: &[OperatorUse],
    ) -> Result<Result<(), SqlError>, RunError> {
        let tables: Vec<TableName> = template.tables.iter().cloned().collect();
        let called: Vec<String> = template.called_names().into_iter().collect();
        let found = runner.foreign_operators(operators, &tables, &called).await?;
        Ok(self.gate.check_operators(operators, &found))
    }

    /// Checks the names of a stored query whose meaning only the database knows.
    async fn check_names(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        fields: &[FieldName],
        operators: &[OperatorUse],
    ) -> Result<(), RunError> {
        self.check_fields(runner, fields).await?.map_err(Refused::Gate)?;
        let checked = self.check_operators(runner, template, operators).await?;
        Ok(checked.map_err(Refused::Gate)?)
    }

    /// Whether a run of `template` with such values has ended by itself.
    pub(crate) fn is_tried(
        &self,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) -> bool {
        self.tried.get(&PlanKey::new(template, parameters, values)).is_some()
    }

    /// A run of `template` with such values has ended by itself.
    pub(crate) fn mark_tried(
        &self,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) {
        self.tried.insert(&PlanKey::new(template, parameters, values), ());
    }

    /// Whether it is known that `template` with `values` costs little.
    pub(crate) fn is_quick(
        &self,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) -> bool {
        let key = PlanKey::new(template, parameters, values);
        self.costs.get(&key).is_some_and(|cost| cost.units <= self.quick_cost)
    }

    /// Checks the cost alone, not the gate or the tables.
    pub(crate) async fn check_cost(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) -> Result<(), RunError> {
        let cost = self.estimate(runner, template, parameters, values).await?;
        if cost > self.ceiling {
            warn!(cost, ceiling = self.ceiling, "Query too expensive");
            let (ceiling, has_days) = (self.ceiling, length_class(parameters) > 0);
            return Err(RunError::TooExpensive { cost, ceiling, has_days });
        }
        Ok(())
    }

    /// Returns the planner's estimate of the cost, in its own units.
    pub(crate) async fn estimate(
        &self,
        runner: &dyn QueryRunner,
        template: &Template,
        parameters: &Parameters,
        values: &[BoundValue],
    ) -> Result<f64, RunError> {
        let key = PlanKey::new(template, parameters, values);
        let known = self.costs.get(&key);
        if let Some(cost) = known.filter(|cost| cost.estimated_at.elapsed() < COST_TTL) {
            return Ok(cost.units);
        }
        let units = runner.cost(template, values).await?;
        self.costs.insert(&key, Cost { units, estimated_at: Instant::now() });
        Ok(units)
    }
}

/// The planner's estimate.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// In the planner's units.
    units: f64,
    estimated_at: Instant,
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use chrono::DateTime;
    use chrono_tz::Tz;
    use metricd_core::{
        parameters::ParameterRequest,
        sql::{Callable, CallableKind, Draft, ForeignOperator},
        window::WindowRequest,
    };

    use super::*;
    use crate::ports::{Description, RowStream, Rows, SessionNeeds};

    /// A planner that estimates every query at a thousand, that of the tenant `huge` at a million, and counts its calls.
    #[derive(Default)]
    struct Planner(AtomicU32);

    #[async_trait]
    impl QueryRunner for Planner {
        async fn cost(&self, _: &Template, values: &[BoundValue]) -> Result<f64, RunError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let is_huge = values.contains(&BoundValue::Text("huge".into()));
            Ok(if is_huge { 1e6 } else { 1_000.0 })
        }

        async fn describe(&self, _: &str) -> Result<Description, RunError> {
            unreachable!("admission describes nothing")
        }

        async fn describe_template(&self, _: &Template) -> Result<TemplateDescription, RunError> {
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

        async fn foreign_operators(
            &self,
            _: &[OperatorUse],
            _: &[TableName],
            _: &[String],
        ) -> Result<Vec<ForeignOperator>, RunError> {
            Ok(Vec::new())
        }

        async fn session(&self, _: SessionNeeds) -> Result<Box<dyn QueryRunner>, RunError> {
            unreachable!("admission is given a runner")
        }

        async fn run(&self, _: &Template, _: &[BoundValue], _: u32) -> Result<Rows, RunError> {
            unreachable!("admission runs nothing")
        }

        async fn stream(&self, _: &Template, _: &[BoundValue]) -> Result<RowStream, RunError> {
            unreachable!("admission runs nothing")
        }
    }

    fn template(sql: &str) -> Template {
        Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap()
    }

    /// Admits windows of the given numbers of days, one after the other.
    async fn admitted(ceiling: f64, sql: &str, lengths: &[u32]) -> (u32, Vec<bool>) {
        let (planner, template) = (Planner::default(), template(sql));
        let admission = Admission::new(Arc::default(), ceiling, 0.0);
        let now = DateTime::parse_from_rfc3339("2025-06-30T12:00:00Z").unwrap();
        let now = now.with_timezone(&Tz::UTC);
        let mut admitted = Vec::new();
        for days in lengths {
            let end = chrono::NaiveDate::from_ymd_opt(2025, 6, 30);
            let window = WindowRequest {
                start_date: end.map(|end| end - chrono::Days::new(u64::from(*days) - 1)),
                end_date: end,
                day_range: Some(*days),
                ..WindowRequest::default()
            };
            let request = ParameterRequest { window };
            let parameters = Parameters::resolve(&template.slots, &request, now).unwrap();
            let done = admission.admit(&planner, &template, &parameters, &[]).await;
            assert!(matches!(done, Ok(()) | Err(RunError::TooExpensive { .. })), "{done:?}");
            admitted.push(done.is_ok());
        }
        (planner.0.into_inner(), admitted)
    }

    const DATES: &str = "SELECT 1 AS x WHERE now() BETWEEN :start_date AND :end_date";
    const DAYS: &str = "SELECT 1 AS x WHERE now() > CURRENT_DATE - :day_range";

    #[tokio::test]
    async fn the_cost_is_cached_between_two_powers_of_two() {
        for sql in [DATES, DAYS] {
            assert_eq!(admitted(1e6, sql, &[4, 5, 7, 6, 4]).await.0, 1, "{sql}");
            assert_eq!(admitted(1e6, sql, &[7, 8, 15, 16, 3, 7]).await.0, 4, "{sql}");
        }
        assert_eq!(admitted(1e6, "SELECT 1 AS x", &[1, 100, 10_000]).await.0, 1);
    }

    #[tokio::test]
    async fn a_stored_query_is_checked_against_current_tables_and_names() {
        let planner = Planner::default();
        let admission = Admission::new(Arc::default(), 1e6, 0.0);
        let now = DateTime::parse_from_rfc3339("2025-06-30T12:00:00Z").unwrap();
        let now = now.with_timezone(&Tz::UTC);
        let run = async |sql: &str| {
            let template = template(sql);
            let request = ParameterRequest::default();
            let parameters = Parameters::resolve(&template.slots, &request, now).unwrap();
            match admission.admit(&planner, &template, &parameters, &[]).await {
                Err(RunError::Refused(refused)) => {
                    let cause = refused.source().map(ToString::to_string).unwrap_or_default();
                    format!("{refused} {cause}")
                }
                other => format!("{other:?}"),
            }
        };
        for _ in 0..2 {
            assert_eq!(run("SELECT o.total AS t FROM orders o").await, "Ok(())");
            let tables = run("SELECT 1 AS x FROM orders o, closed c").await;
            assert!(tables.contains("may no longer read `closed`"), "{tables}");
            let call = run("SELECT o.planted AS x FROM orders o").await;
            assert!(
                call.contains("line 1, column 8") && call.contains("public.planted()"),
                "{call}"
            );
            assert!(call.contains("sql.functions"), "{call}");
        }
        assert_eq!(planner.0.into_inner(), 1, "a rejected query is not costed");
    }

    #[tokio::test]
    async fn the_cost_for_one_tenant_says_nothing_of_another() {
        for order in [["huge", "small"], ["small", "huge"]] {
            let planner = Planner::default();
            let admission = Admission::new(Arc::default(), 1e5, 0.0);
            let template =
                template("SELECT count(*) AS n FROM orders WHERE tenant = :claim_tenant");
            let now = DateTime::parse_from_rfc3339("2025-06-30T12:00:00Z").unwrap();
            let request = ParameterRequest::default();
            let now = now.with_timezone(&Tz::UTC);
            let parameters = Parameters::resolve(&template.slots, &request, now).unwrap();
            for _ in 0..2 {
                for tenant in order {
                    let values = [BoundValue::Text(tenant.into())];
                    let admitted = admission.admit(&planner, &template, &parameters, &values).await;
                    let is_refused = matches!(admitted, Err(RunError::TooExpensive { .. }));
                    assert_eq!(is_refused, tenant == "huge", "{order:?}: {admitted:?}");
                }
            }
            assert_eq!(planner.0.into_inner(), 2, "each is cached");
        }
    }

    #[tokio::test]
    async fn an_expensive_query_is_rejected_from_the_cached_cost() {
        assert_eq!(admitted(999.0, DAYS, &[4, 5, 8]).await, (2, vec![false, false, false]));
        assert_eq!(admitted(1_000.0, DAYS, &[4, 5, 8]).await, (2, vec![true, true, true]));
    }
}

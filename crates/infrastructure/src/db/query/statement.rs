//! The statements that run a template, and what they give.

use std::sync::Arc;

use metricd_application::ports::Rows;
use metricd_core::{
    changes::Snapshot,
    sql::{BoundValue, Template},
};
use quick_cache::{Equivalent, Weighter, sync::Cache};
use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, Row as _, postgres::PgArguments};

use crate::db::reader::Lag;

/// How much is cached, in bytes of SQL (in which cache: `docs/adr/0013-which-cache-for-what.md`).
const MAX_CACHED_BYTES: u64 = 8 * 1024 * 1024;

/// About as many statements as that is.
const CACHED_ITEMS: usize = 4 * 1024;

/// Statements that give the rows of a template as one text. Writing one takes longer than finding it,
/// and a new text would be copied for the driver.
pub(super) struct WrappedStatements {
    max_bytes: u64,
    cache: Cache<StatementKey, WrappedStatement, StatementSize>,
}

/// A statement that gives the rows of a template.
#[derive(Debug, Clone)]
pub(super) struct WrappedStatement {
    pub(super) sql: Arc<str>,
    /// Whether a session that has run it keeps large values of it.
    pub(super) is_large: bool,
}

#[derive(PartialEq, Eq, Hash)]
struct StatementKey {
    template: Box<str>,
    max_rows: u32,
    condition: Option<Box<str>>,
}

/// The key as it is looked up: nothing is copied, and its hash is that of [`StatementKey`].
#[derive(Hash)]
struct StatementKeyRef<'a> {
    template: &'a str,
    max_rows: u32,
    condition: Option<&'a str>,
}

impl Equivalent<StatementKey> for StatementKeyRef<'_> {
    fn equivalent(&self, key: &StatementKey) -> bool {
        (self.template, self.max_rows, self.condition)
            == (&*key.template, key.max_rows, key.condition.as_deref())
    }
}

#[derive(Clone)]
struct StatementSize;

impl Weighter<StatementKey, WrappedStatement> for StatementSize {
    fn weight(&self, key: &StatementKey, statement: &WrappedStatement) -> u64 {
        let condition = key.condition.as_ref().map_or(0, |condition| condition.len());
        (key.template.len() + condition + statement.sql.len()) as u64
    }
}

impl WrappedStatements {
    /// Statements whose rows have at most `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        let cache = Cache::with_weighter(CACHED_ITEMS, MAX_CACHED_BYTES, StatementSize);
        Self { max_bytes, cache }
    }

    /// Returns the statement that gives at most `max_rows` rows of a template, and nothing at all if `condition`
    /// does not hold.
    pub(super) fn get(
        &self,
        template: &Template,
        max_rows: u32,
        condition: Option<&str>,
    ) -> WrappedStatement {
        let sql = template.sql.as_str();
        let key = StatementKeyRef { template: sql, max_rows, condition };
        if let Some(statement) = self.cache.get(&key) {
            return statement;
        }
        let statement = WrappedStatement {
            sql: wrapped(sql, max_rows, self.max_bytes, condition).into(),
            is_large: template.makes_large_values(),
        };
        let condition = condition.map(Box::from);
        let key = StatementKey { template: sql.into(), max_rows, condition };
        self.cache.insert(key, statement.clone());
        statement
    }
}

/// The statement that gives the rows of `sql` as one text, each row as JSON and a comma between them,
/// with what is to be said of it: whether rows were left out, whether one of them alone is too large, and
/// the snapshot that they were read from. The condition is the last of it: a server shows the first kilobyte of
/// what runs.
fn wrapped(sql: &str, max_rows: u32, max_bytes: u64, condition: Option<&str>) -> String {
    let having = condition.map(|condition| format!("\nHAVING {condition}")).unwrap_or_default();
    // `q.*` as an argument is the whole row, even where a column is called `q`. A subquery that
    // orders its rows is not flattened, and LIMIT, a window over all rows and an aggregate above it
    // keep the order.
    format!(
        "SELECT string_agg(json, ',') FILTER (WHERE number <= {max_rows} AND total <= {max_bytes}), \
             coalesce(bool_or(number > {max_rows} OR total > {max_bytes}), false), \
             coalesce(bool_or(bytes > {max_bytes} AND number <= {max_rows} \
                 AND total - bytes <= {max_bytes}), false), \
             pg_current_snapshot()::text FROM (\n\
         SELECT json, octet_length(json) AS bytes, row_number() OVER (ROWS UNBOUNDED PRECEDING) \
             AS number, sum(octet_length(json)) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM (\n\
         SELECT row_to_json(q.*)::text AS json FROM (\n{sql}\n) AS q LIMIT {limit}) AS r) AS r{having}",
        limit = u64::from(max_rows) + 1,
    )
}

/// What a wrapped statement gives.
pub(super) enum Fetched {
    Rows(Rows),
    /// One row alone is too large.
    RowTooLarge,
    /// The condition does not hold: the relations are no longer those that were expected.
    Redefined,
}

impl Fetched {
    /// The same, as a hot standby gives it that is so far behind.
    pub(super) fn of_standby(self, Lag { behind }: Lag) -> Self {
        match self {
            // What runs on the primary is not in a standby's snapshot, unless it has begun after all that is.
            Self::Rows(Rows { json, truncated, snapshot, .. }) => {
                Self::Rows(Rows { json, truncated, snapshot: snapshot.without_gaps(), behind })
            }
            other => other,
        }
    }
}

/// Runs a wrapped statement.
pub(super) async fn fetch(
    connection: &mut PgConnection,
    statement: Arc<str>,
    values: &[BoundValue],
) -> Result<Fetched, sqlx::Error> {
    let query = sqlx::query_with(AssertSqlSafe(statement), arguments(values)?);
    let Some(row) = query.fetch_optional(connection).await? else {
        return Ok(Fetched::Redefined);
    };
    let is_too_large: bool = row.try_get(2)?;
    if is_too_large {
        return Ok(Fetched::RowTooLarge);
    }
    let truncated = row.try_get(1)?;
    let snapshot: &str = row.try_get(3)?;
    let snapshot =
        snapshot.parse::<Snapshot>().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let rows: &str = row.try_get::<Option<&str>, _>(0)?.unwrap_or_default();
    let mut json = String::with_capacity(rows.len() + 2);
    json.push('[');
    json.push_str(rows);
    json.push(']');
    Ok(Fetched::Rows(Rows { json, truncated, snapshot, behind: None }))
}

/// The values of a statement's parameters, as the driver takes them.
pub(super) fn arguments(values: &[BoundValue]) -> Result<PgArguments, sqlx::Error> {
    /// About the most bytes of a value other than a text, with its length.
    const VALUE_BYTES: usize = 12;
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), values.len() * VALUE_BYTES);
    for value in values {
        let added = match value {
            BoundValue::Date(day) => arguments.add(*day),
            BoundValue::Timestamp(time) => arguments.add(*time),
            BoundValue::TimestampTz(instant) | BoundValue::Now(instant) => arguments.add(*instant),
            BoundValue::Text(text) => arguments.add(&**text),
            BoundValue::Timezone(timezone) => arguments.add(timezone.name()),
            BoundValue::Int(number) => arguments.add(*number),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use metricd_core::sql::{Draft, Gate};

    use super::*;

    #[test]
    fn a_statement_is_written_once_for_each_template_and_limit() {
        let template = |sql: &str| Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let statements = WrappedStatements::new(1_024);
        let first = template("SELECT 1");
        let one = statements.get(&first, 10, None);
        assert!(Arc::ptr_eq(&one.sql, &statements.get(&first, 10, None).sql));
        assert!(!one.is_large);
        for (sql, max_rows, is_large) in [
            ("SELECT 1", 11, false),
            ("SELECT 2", 10, false),
            ("SELECT repeat('a', 5000)", 10, true),
        ] {
            let other = statements.get(&template(sql), max_rows, None);
            assert!(other.sql.contains(sql), "{}", other.sql);
            assert!(other.sql.contains(&format!("LIMIT {}", max_rows + 1)), "{}", other.sql);
            assert_ne!(one.sql, other.sql);
            assert_eq!(other.is_large, is_large, "{sql}");
        }
    }
}

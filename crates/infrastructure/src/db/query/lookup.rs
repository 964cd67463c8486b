//! What the database knows of a statement and of the names in it, without running it.

use std::collections::{BTreeMap, BTreeSet};

use metricd_application::ports::Description;
use metricd_core::{
    metric::Column,
    sql::{
        Callable, CallableKind, FieldName, ForeignOperator, OperatorUse, ParameterType, TableName,
        TimeColumns, TimeKind, listed_types,
    },
};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor, PgConnection, Row as _, SqlSafeStr,
    Statement,
    postgres::{PgColumn, PgTypeInfo, types::Oid},
};

/// Describes the parameters and columns of `sql`.
pub(super) async fn describe(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<Description, sqlx::Error> {
    // A cached statement would be described as its tables were when it was cached.
    connection.clear_cached_statements().await?;
    let prepared = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await;
    let (parameters, columns) = match prepared {
        Ok(statement) => {
            let parameters = match statement.parameters() {
                Some(sqlx::Either::Left(types)) => types.iter().map(type_oid).collect(),
                _ => Vec::new(),
            };
            (parameters, columns_of(statement.columns()))
        }
        // PostgreSQL has accepted it, with a type that the driver cannot look up, such as a multirange.
        Err(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Protocol(_)) => {
            describe_by_oids(connection, sql).await?
        }
        Err(error) => return Err(error),
    };
    let oids: Vec<Oid> = columns.iter().map(|(_, oid)| *oid).collect();
    let names = type_names(connection, &oids).await?;
    let columns =
        columns.into_iter().zip(names).map(|((name, _), ty)| Column { name, ty }).collect();
    Ok(Description { parameters: parameters.into_iter().map(parameter_type).collect(), columns })
}

/// The types of parameters, and the names and types of columns.
type DescribedOids = (Vec<Oid>, Vec<(String, Oid)>);

/// Describes a statement without having the driver look up its types: the one row of a join with none of its
/// rows has its columns.
async fn describe_by_oids(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<DescribedOids, sqlx::Error> {
    // The driver does not know of the statement that it failed to describe.
    sqlx::raw_sql("DEALLOCATE ALL").execute(&mut *connection).await?;
    let prepare = format!(
        "PREPARE metricd_described AS SELECT q.* FROM (VALUES (1)) AS one \
         LEFT JOIN (SELECT * FROM (\n{sql}\n) AS q LIMIT 0) AS q ON true"
    );
    // By the extended protocol, which takes one statement alone.
    sqlx::query(AssertSqlSafe(prepare)).persistent(false).execute(&mut *connection).await?;
    let parameters: Vec<Oid> = sqlx::query_scalar(
        "SELECT parameter_types::oid[] FROM pg_catalog.pg_prepared_statements \
         WHERE name = 'metricd_described'",
    )
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?;
    let values = vec!["NULL"; parameters.len()].join(", ");
    let values = if values.is_empty() { values } else { format!(" ({values})") };
    // By the simple protocol, with which the driver takes types as they are.
    let execute = format!("EXECUTE metricd_described{values}");
    let row = sqlx::raw_sql(AssertSqlSafe(execute)).fetch_one(&mut *connection).await?;
    sqlx::raw_sql("DEALLOCATE metricd_described").execute(&mut *connection).await?;
    Ok((parameters, columns_of(row.columns())))
}

fn columns_of(columns: &[PgColumn]) -> Vec<(String, Oid)> {
    let column = |column: &PgColumn| (column.name().to_owned(), type_oid(column.type_info()));
    columns.iter().map(column).collect()
}

fn type_oid(ty: &PgTypeInfo) -> Oid {
    ty.oid().unwrap_or_default()
}

/// Whether each named table is one that stored SQL may read: what the reader was granted, or columns of
/// it (on an engine without roles, what is in `public`). metricd's and PostgreSQL's own schemas stay
/// closed. An unqualified name counts as what it finds, so that nothing of `pg_catalog` passes for
/// a table of ours; a qualified one is looked up by itself, because `to_regclass` fails where the
/// schema is closed to us.
const READABLE: &str = "
    SELECT c.oid IS NOT NULL AND n.nspname NOT IN ('metricd', 'information_schema')
        AND NOT pg_catalog.starts_with(n.nspname::text, 'pg_')
        AND CASE WHEN $3 THEN pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
            ELSE true END
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
    LEFT JOIN pg_catalog.pg_class c
        ON c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND CASE WHEN named.schema IS NULL THEN c.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(named.name))::oid
            ELSE c.relname = named.name AND c.relnamespace = (
                SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = named.schema) END
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    ORDER BY named.ordinal";

/// What `x.name` can call, for each distinct name: a function that takes one argument, or a type that
/// is none of a row's. An enum only reads a text.
const CALLABLE: &str = "
    SELECT named.name, n.nspname::text, called.is_type
    FROM pg_catalog.unnest($1::text[]) AS named (name)
    CROSS JOIN LATERAL (
        SELECT p.pronamespace AS namespace, false AS is_type FROM pg_catalog.pg_proc p
        WHERE p.proname = named.name::name
            AND p.pronargs >= 1 AND p.pronargs - p.pronargdefaults <= 1
        UNION
        SELECT t.typnamespace, true FROM pg_catalog.pg_type t
        WHERE t.typname = named.name::name AND t.typrelid = 0::oid AND t.typtype NOT IN ('e', 'p')
    ) AS called
    JOIN pg_catalog.pg_namespace n ON n.oid = called.namespace
    ORDER BY 1, 2, 3";

/// The columns of each named table that hold wall times or instants, be it in an array, a range, a domain or a row; and
/// of each view, what the columns hold that its definition reads, with those of the views in it.
const TIMES: &str = "
    WITH RECURSIVE named (ordinal, oid, relkind) AS (
        SELECT named.ordinal, c.oid, c.relkind
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
        JOIN pg_catalog.pg_class c ON c.oid = CASE
            WHEN named.schema IS NULL THEN pg_catalog.to_regclass(pg_catalog.quote_ident(named.name))::oid
            ELSE (SELECT t.oid FROM pg_catalog.pg_class t
                JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
                WHERE t.relname = named.name AND n.nspname = named.schema
                    AND t.relkind IN ('r', 'p', 'v', 'm', 'f')) END),
    reading (ordinal, oid, attnum, view_between) AS (
        SELECT named.ordinal, d.refobjid, d.refobjsubid,
            EXISTS (SELECT FROM pg_catalog.pg_class v WHERE v.oid = d.refobjid AND v.relkind = 'v')
        FROM named
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = named.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass::oid AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::regclass::oid AND d.refobjid <> named.oid
        WHERE named.relkind = 'v'
        UNION
        SELECT reading.ordinal, d.refobjid, d.refobjsubid,
            EXISTS (SELECT FROM pg_catalog.pg_class v WHERE v.oid = d.refobjid AND v.relkind = 'v')
        FROM reading
        JOIN pg_catalog.pg_class c ON c.oid = reading.oid AND c.relkind = 'v'
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass::oid AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::regclass::oid AND d.refobjid <> c.oid),
    held (ordinal, name, type, of_records) AS (
        SELECT named.ordinal, a.attname::text, a.atttypid, NULL::bool
        FROM named JOIN pg_catalog.pg_attribute a ON a.attrelid = named.oid
        WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT reading.ordinal, NULL, a.atttypid,
            reading.oid = pg_catalog.to_regclass('public.metrics')::oid OR reading.view_between
        FROM reading JOIN pg_catalog.pg_attribute a ON a.attrelid = reading.oid AND a.attnum = reading.attnum),
    parts (type, oid) AS (
        SELECT type, type FROM held
        UNION
        SELECT parts.type, part.oid
        FROM parts
        JOIN pg_catalog.pg_type t ON t.oid = parts.oid
        CROSS JOIN LATERAL (
            SELECT t.typbasetype
            UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
            UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid
            UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part (oid)
        WHERE part.oid <> 0::oid),
    kinds (type, is_wall_time) AS (
        SELECT type, bool_or(oid IN (1114::oid, 4533::oid)) FROM parts WHERE oid IN (1114::oid, 4533::oid, 1184::oid, 1266::oid, 4534::oid) GROUP BY 1)
    SELECT named.ordinal, named.relkind = 'v' AS is_view, held.name, kinds.is_wall_time,
        bool_and(held.of_records)
    FROM named
    LEFT JOIN (held JOIN kinds USING (type)) ON held.ordinal = named.ordinal
    GROUP BY 1, 2, 3, 4";

/// Whether each named table has each named column.
const HAS_COLUMN: &str = "
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attname = named.name::name AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attrelid = CASE
                WHEN named.schema IS NULL THEN pg_catalog.to_regclass(pg_catalog.quote_ident(named.relation))::oid
                ELSE (SELECT c.oid FROM pg_catalog.pg_class c
                    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.relname = named.relation::name AND n.nspname = named.schema::name) END)
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
        AS named (schema, relation, name, ordinal)
    ORDER BY named.ordinal";

/// Whether stored SQL may read each of `tables`, where `by_grants` says that grants decide it.
pub(super) async fn readable(
    connection: &mut PgConnection,
    tables: &[TableName],
    by_grants: bool,
) -> Result<Vec<bool>, sqlx::Error> {
    let schemas: Vec<_> = tables.iter().map(|table| table.schema.as_deref()).collect();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let asked = sqlx::query_scalar(READABLE).bind(schemas).bind(names).bind(by_grants);
    asked.fetch_all(connection).await
}

/// A row of [`TIMES`]: the table's position, whether it is a view, a column of its own or none for one that the view
/// reads, whether that holds wall times, and whether what the view reads of them is of the records.
type TimesRow = (i64, bool, Option<String>, Option<bool>, Option<bool>);

/// The columns of each of `tables` that hold times.
pub(super) async fn times(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> Result<BTreeMap<TableName, TimeColumns>, sqlx::Error> {
    let schemas: Vec<_> = tables.iter().map(|table| table.schema.as_deref()).collect();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let found: Vec<TimesRow> =
        sqlx::query_as(TIMES).bind(schemas).bind(names).fetch_all(connection).await?;
    let mut times = BTreeMap::new();
    for (ordinal, is_view, column, is_wall_time, of_records) in found {
        let Some(table) = usize::try_from(ordinal - 1).ok().and_then(|at| tables.get(at)) else {
            continue;
        };
        let of: &mut TimeColumns = times.entry(table.clone()).or_default();
        let is_wall_time = is_wall_time.unwrap_or_default();
        if let Some(column) = column {
            let kind = if is_wall_time { TimeKind::WallTime } else { TimeKind::Instant };
            of.columns.insert(column, kind);
        } else if is_view {
            let view = of.view.get_or_insert_default();
            view.reads_wall_times |= is_wall_time;
            view.only_records |= is_wall_time && of_records.unwrap_or_default();
        }
        if is_view {
            of.view.get_or_insert_default();
        }
    }
    Ok(times)
}

/// What PostgreSQL could call by each of `fields` that is no column for certain.
pub(super) async fn callable(
    connection: &mut PgConnection,
    fields: &[FieldName],
) -> Result<Vec<Vec<Callable>>, sqlx::Error> {
    let names: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let found: Vec<(String, String, bool)> =
        sqlx::query_as(CALLABLE).bind(names).fetch_all(&mut *connection).await?;
    let mut known: BTreeMap<String, Vec<Callable>> = BTreeMap::new();
    for (name, schema, is_type) in found {
        let kind = if is_type { CallableKind::Type } else { CallableKind::Function };
        known.entry(name.clone()).or_default().push(Callable { schema, name, kind });
    }
    // A long statement names the same column many times.
    let mut columns = BTreeMap::new();
    let mut all = Vec::with_capacity(fields.len());
    for field in fields {
        let called = known.get(&field.name).cloned().unwrap_or_default();
        let mut is_column = false;
        if !called.is_empty() && !field.tables.is_empty() {
            let key = (&field.name, &field.tables, &field.row);
            is_column = if let Some(is_column) = columns.get(&key) {
                *is_column
            } else {
                let is_column = have_column(connection, field).await?;
                columns.insert(key, is_column);
                is_column
            };
        }
        all.push(if is_column { Vec::new() } else { called });
    }
    Ok(all)
}

/// Whether a field is a column, which PostgreSQL prefers to a call: of each set of tables that it may be of
/// one has it, and none has a column of the name of its row.
async fn have_column(
    connection: &mut PgConnection,
    field: &FieldName,
) -> Result<bool, sqlx::Error> {
    let of_field = field.tables.iter().flatten().map(|table| (table, &field.name));
    let of_row = field.row.iter().flat_map(|row| row.tables.iter().map(move |t| (t, &row.name)));
    let asked: Vec<_> = of_field.chain(of_row).collect();
    let schemas: Vec<_> = asked.iter().map(|(table, _)| table.schema.as_deref()).collect();
    let tables: Vec<_> = asked.iter().map(|(table, _)| table.name.as_str()).collect();
    let names: Vec<_> = asked.iter().map(|(_, name)| name.as_str()).collect();
    let query = sqlx::query_scalar(HAS_COLUMN).bind(schemas).bind(tables).bind(names);
    let have: Vec<bool> = query.fetch_all(connection).await?;
    let mut have = have.into_iter();
    let is_column = field.tables.iter().all(|one_of| {
        let have: Vec<_> = have.by_ref().take(one_of.len()).collect();
        have.contains(&true)
    });
    // What is left is of the row; it is not reached where the field is no column.
    Ok(is_column && !have.any(|has| has))
}

/// The operators outside `pg_catalog` that `operators` may mean.
const FOREIGN_OPERATORS: &str = include_str!("operators.sql");

/// The operators outside `pg_catalog` that `operators` may mean over columns of `tables`, and over what `called` give.
pub(super) async fn foreign_operators(
    connection: &mut PgConnection,
    operators: &[OperatorUse],
    tables: &[TableName],
    called: &[String],
) -> Result<Vec<ForeignOperator>, sqlx::Error> {
    let names: Vec<&str> = operators.iter().map(|used| used.name.as_str()).collect();
    let of_any: Vec<bool> = operators.iter().map(|used| used.columns.is_none()).collect();
    let pair = |used: &'_ OperatorUse| {
        let name = used.name.clone();
        used.columns
            .iter()
            .flatten()
            .cloned()
            .map(move |column| (name.clone(), column))
            .collect::<Vec<_>>()
    };
    let (paired, columns): (Vec<String>, Vec<String>) = operators.iter().flat_map(pair).unzip();
    let schemas: Vec<_> = tables.iter().map(|table| table.schema.as_deref()).collect();
    let table_names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let found: Vec<(String, String, String, Option<String>)> = sqlx::query_as(FOREIGN_OPERATORS)
        .bind(names)
        .bind(of_any)
        .bind(paired)
        .bind(columns)
        .bind(schemas)
        .bind(table_names)
        .bind(called)
        .bind(listed_types())
        .fetch_all(connection)
        .await?;
    let operator =
        |(schema, name, operands, extension)| ForeignOperator { schema, name, operands, extension };
    Ok(found.into_iter().map(operator).collect())
}

/// The type of slot that an inferred type takes.
fn parameter_type(ty: Oid) -> Option<ParameterType> {
    match ty.0 {
        1082 => Some(ParameterType::Date),
        1114 => Some(ParameterType::Timestamp),
        1184 => Some(ParameterType::TimestampTz),
        // text, varchar, bpchar, name
        25 | 1043 | 1042 | 19 => Some(ParameterType::Text),
        23 => Some(ParameterType::Int),
        _ => None,
    }
}

/// PostgreSQL's names of types: `int8`, and `int8[]` for an array.
async fn type_names(
    connection: &mut PgConnection,
    oids: &[Oid],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT CASE WHEN t.typcategory = 'A' AND e.typname IS NOT NULL \
             THEN e.typname || '[]' ELSE coalesce(t.typname, 'unknown')::text END \
         FROM pg_catalog.unnest($1::oid[]) WITH ORDINALITY AS named (oid, ordinal) \
         LEFT JOIN pg_catalog.pg_type t ON t.oid = named.oid \
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
         ORDER BY named.ordinal",
    )
    .bind(oids)
    .fetch_all(connection)
    .await
}

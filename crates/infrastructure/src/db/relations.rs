//! The versions of relations' definitions, by the catalogs' own rows: each change of one is another transaction's row.
//!
//! Never needs a trigger. What a view reads and what a table is made of count as its own.

use std::collections::BTreeMap;

use metricd_application::ports::Relations;
use metricd_core::sql::TableName;
use sqlx::{PgConnection, postgres::types::Oid};

/// The version of the names and columns of the relations in `$n`, as part of a statement.
pub(super) fn columns_version(parameter: usize) -> String {
    format!(
        "(SELECT sum(a.attrelid::int8 * 31 + a.attnum * 4294967296 + a.xmin::text::int8 \
             + c.xmin::text::int8 + n.xmin::text::int8)::text \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE a.attrelid = ANY(${parameter}) AND a.attnum > 0)"
    )
}

/// For each named relation that exists, its number and the version of its definition. A row of a catalog that is
/// changed has the number of the transaction that did it. Functions are qualified, so that nothing in `public` is called;
/// `unnest` of several arrays is a form of the grammar.
const DEFINITIONS: &str = "
    WITH RECURSIVE named (ordinal, oid) AS (
        SELECT named.ordinal, c.oid
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
        JOIN pg_catalog.pg_class c ON c.oid = CASE
            WHEN named.schema IS NULL THEN pg_catalog.to_regclass(pg_catalog.quote_ident(named.name))
            ELSE (SELECT t.oid FROM pg_catalog.pg_class t
                JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
                WHERE t.relname = named.name AND n.nspname = named.schema
                    AND t.relkind IN ('r', 'p', 'v', 'm', 'f')) END),
    made_of (ordinal, oid) AS (
        SELECT ordinal, oid FROM named
        UNION
        SELECT made_of.ordinal, below.oid FROM made_of CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = made_of.oid
            UNION ALL
            SELECT d.refobjid FROM pg_catalog.pg_rewrite r
            JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
                AND d.refclassid = 'pg_catalog.pg_class'::regclass
            WHERE r.ev_class = made_of.oid AND r.ev_type = '1') AS below (oid))
    SELECT named.ordinal, named.oid, (
        SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', c.oid, c.xmin, n.xmin,
            (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attnum, a.xmin), ' ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
            (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', r.oid, r.xmin), ' ' ORDER BY r.oid)
                FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid),
            (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', p.oid, p.xmin), ' ' ORDER BY p.oid)
                FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)), 0::int8))::text
        FROM made_of
        JOIN pg_catalog.pg_class c ON c.oid = made_of.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE made_of.ordinal = named.ordinal)
    FROM named";

/// Returns the number and the version of each of `tables` that exists.
pub(super) async fn definitions(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> Result<BTreeMap<TableName, (Oid, String)>, sqlx::Error> {
    let schemas: Vec<_> = tables.iter().map(|table| table.schema.as_deref()).collect();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    let found: Vec<(i64, Oid, String)> =
        sqlx::query_as(DEFINITIONS).bind(schemas).bind(names).fetch_all(connection).await?;
    let of_table = |(ordinal, oid, version): (i64, Oid, String)| {
        let table = usize::try_from(ordinal - 1).ok().and_then(|at| tables.get(at))?;
        Some((table.clone(), (oid, version)))
    };
    Ok(found.into_iter().filter_map(of_table).collect())
}

/// Returns what there is of `tables` now.
pub(super) async fn read(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> Result<Relations, sqlx::Error> {
    if tables.is_empty() {
        return Ok(Relations::default());
    }
    let definitions = definitions(&mut *connection, tables).await?;
    let oids: Vec<Oid> = definitions.values().map(|(oid, _)| *oid).collect();
    let sql = format!("SELECT {}", columns_version(1));
    let columns: Option<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&oids).fetch_one(connection).await?;
    Ok(Relations {
        oids: oids.into_iter().map(|oid| oid.0).collect(),
        columns_version: columns.unwrap_or_default(),
        definitions: definitions
            .into_iter()
            .map(|(table, (_, version))| (table, version))
            .collect(),
    })
}

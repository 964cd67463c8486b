//! The versions of definitions, by the catalogs' own rows: each change of one is another transaction's row.
//!
//! Never needs a trigger. What a view reads and calls and what a table is made of count as its own.

use std::collections::BTreeMap;

use metricd_application::ports::Relations;
use metricd_core::changes::DefinedName;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, postgres::PgRow};

use super::simple_query::execute;

/// For each name that exists, the version of its definition. A row of a catalog that is changed has the number of the
/// transaction that did it. Tables come first in the order of names, then what is called. A table is looked up in the
/// statement's snapshot, which `to_regclass` does not go by. Functions are qualified, so that nothing in `public` is
/// called; `unnest` of several arrays is a form of the grammar. What came with PostgreSQL is not in `pg_depend`.
const DEFINITIONS: &str = "
    WITH RECURSIVE named (ordinal, class, oid) AS (
        SELECT named.ordinal, 'pg_catalog.pg_class'::regclass::oid, c.oid
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (schema, name, ordinal)
        JOIN pg_catalog.pg_namespace n ON n.nspname = named.schema::name
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = named.name::name
            AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION ALL
        SELECT pg_catalog.cardinality($2::text[]) + named.ordinal, called.class, called.oid
        FROM pg_catalog.unnest($3::text[]) WITH ORDINALITY AS named (name, ordinal)
        CROSS JOIN LATERAL (
            SELECT 'pg_catalog.pg_proc'::regclass::oid, p.oid FROM pg_catalog.pg_proc p
            WHERE p.proname = named.name::name AND p.pronamespace <> 'pg_catalog'::regnamespace::oid
            UNION ALL
            SELECT 'pg_catalog.pg_type'::regclass::oid, t.oid FROM pg_catalog.pg_type t
            WHERE t.typname = named.name::name AND t.typnamespace <> 'pg_catalog'::regnamespace::oid
        ) AS called (class, oid)),
    made_of (ordinal, class, oid) AS (
        SELECT ordinal, class, oid FROM named
        UNION
        SELECT made_of.ordinal, below.class, below.oid FROM made_of CROSS JOIN LATERAL (
            SELECT made_of.class, i.inhrelid FROM pg_catalog.pg_inherits i
            WHERE made_of.class = 'pg_catalog.pg_class'::regclass::oid AND i.inhparent = made_of.oid
            UNION ALL
            SELECT 'pg_catalog.pg_rewrite'::regclass::oid, r.oid FROM pg_catalog.pg_rewrite r
            WHERE made_of.class = 'pg_catalog.pg_class'::regclass::oid AND r.ev_class = made_of.oid AND r.ev_type = '1'
            UNION ALL
            SELECT 'pg_catalog.pg_policy'::regclass::oid, p.oid FROM pg_catalog.pg_policy p
            WHERE made_of.class = 'pg_catalog.pg_class'::regclass::oid AND p.polrelid = made_of.oid
            UNION ALL
            SELECT 'pg_catalog.pg_class'::regclass::oid, t.typrelid FROM pg_catalog.pg_type t
            WHERE made_of.class = 'pg_catalog.pg_type'::regclass::oid AND t.oid = made_of.oid AND t.typrelid <> 0::oid
            UNION ALL
            SELECT 'pg_catalog.pg_constraint'::regclass::oid, c.oid FROM pg_catalog.pg_constraint c
            WHERE made_of.class = 'pg_catalog.pg_type'::regclass::oid AND c.contypid = made_of.oid
            UNION ALL
            SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
            WHERE d.classid = made_of.class AND d.objid = made_of.oid
                AND (d.refclassid = 'pg_catalog.pg_type'::regclass::oid
                    OR made_of.class <> 'pg_catalog.pg_class'::regclass::oid AND d.refclassid IN (
                        'pg_catalog.pg_class'::regclass::oid, 'pg_catalog.pg_proc'::regclass::oid,
                        'pg_catalog.pg_operator'::regclass::oid))) AS below (class, oid))
    SELECT made_of.ordinal, sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', made_of.class, made_of.oid, CASE made_of.class
            WHEN 'pg_catalog.pg_class'::regclass::oid THEN (
                SELECT pg_catalog.concat_ws(' ', c.xmin, n.xmin,
                    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attnum, a.xmin), ' ' ORDER BY a.attnum)
                        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0))
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.oid = made_of.oid)
            WHEN 'pg_catalog.pg_rewrite'::regclass::oid THEN (
                SELECT r.xmin::text FROM pg_catalog.pg_rewrite r WHERE r.oid = made_of.oid)
            WHEN 'pg_catalog.pg_policy'::regclass::oid THEN (
                SELECT p.xmin::text FROM pg_catalog.pg_policy p WHERE p.oid = made_of.oid)
            WHEN 'pg_catalog.pg_proc'::regclass::oid THEN (
                SELECT p.xmin::text FROM pg_catalog.pg_proc p WHERE p.oid = made_of.oid)
            WHEN 'pg_catalog.pg_constraint'::regclass::oid THEN (
                SELECT c.xmin::text FROM pg_catalog.pg_constraint c WHERE c.oid = made_of.oid)
            WHEN 'pg_catalog.pg_type'::regclass::oid THEN (
                SELECT pg_catalog.concat_ws(' ', t.xmin,
                    (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', e.oid, e.xmin), ' ' ORDER BY e.oid)
                        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid))
                FROM pg_catalog.pg_type t WHERE t.oid = made_of.oid)
            END), 0::int8))::text";

/// Whether a function is called, and the condition that what has the names is unchanged: the same rows of the catalogs are there, and no others about the
/// columns. Its numbers are written out: the planner knows them, and each look at a catalog is one by its index.
const UNCHANGED: &str = ", (
    SELECT coalesce(pg_catalog.string_agg(held.condition, ' AND '), 'true') FROM (
        SELECT pg_catalog.format(
            'NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = %1$L AND attnum > 0 AND xmin NOT IN (%2$s)) '
            'AND EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = %1$L AND xmin = %3$L) '
            'AND EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE oid = %4$L AND xmin = %5$L)',
            c.oid,
            (SELECT coalesce(pg_catalog.string_agg(DISTINCT pg_catalog.quote_literal(a.xmin::text), ', '), '''0''')
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
            c.xmin, n.oid, n.xmin)
        FROM named JOIN pg_catalog.pg_class c ON c.oid = named.oid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE named.class = 'pg_catalog.pg_class'::regclass::oid
        UNION
        SELECT pg_catalog.format('EXISTS (SELECT FROM pg_catalog.pg_proc WHERE oid = %L AND xmin = %L)', p.oid, p.xmin)
        FROM named JOIN pg_catalog.pg_proc p ON p.oid = named.oid
        WHERE named.class = 'pg_catalog.pg_proc'::regclass::oid) AS held (condition)),
    bool_or(made_of.class = 'pg_catalog.pg_proc'::regclass::oid)";

/// Finds `names` by one statement, and so in one snapshot: the position and version of each that exists, and `more`.
/// Returns the order in which they were asked for, too.
async fn find<'a, Found>(
    connection: &mut PgConnection,
    names: &'a [DefinedName],
    more: &str,
) -> Result<(Vec<&'a DefinedName>, Vec<Found>), sqlx::Error>
where
    Found: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let (mut ordered, mut schemas, mut relations) = (Vec::new(), Vec::new(), Vec::new());
    let mut called = Vec::new();
    for name in names {
        match name {
            DefinedName::Relation(table) => {
                schemas.push(table.schema());
                relations.push(table.name.as_str());
                ordered.push(name);
            }
            DefinedName::Called(called_name) => called.push(called_name.as_str()),
        }
    }
    ordered.extend(names.iter().filter(|name| matches!(name, DefinedName::Called(_))));
    let sql = format!("{DEFINITIONS}{more} FROM made_of GROUP BY made_of.ordinal");
    let found = sqlx::query_as(AssertSqlSafe(sql)).bind(schemas).bind(relations).bind(called);
    Ok((ordered, found.fetch_all(connection).await?))
}

fn name_at(ordered: &[&DefinedName], ordinal: i64) -> Option<DefinedName> {
    usize::try_from(ordinal - 1).ok().and_then(|at| ordered.get(at)).map(|name| (*name).clone())
}

/// Returns the version of each of `names` that exists.
pub(super) async fn definitions(
    connection: &mut PgConnection,
    names: &[DefinedName],
) -> Result<BTreeMap<DefinedName, String>, sqlx::Error> {
    let (ordered, found) = find::<(i64, String)>(connection, names, "").await?;
    let of_name = |(ordinal, version)| Some((name_at(&ordered, ordinal)?, version));
    Ok(found.into_iter().filter_map(of_name).collect())
}

/// Returns what there is of `names` now.
pub(super) async fn read(
    connection: &mut PgConnection,
    names: &[DefinedName],
) -> Result<Relations, sqlx::Error> {
    let mut relations = Relations::default();
    if names.is_empty() {
        return Ok(relations);
    }
    // The planner expects much of the statement, and would compile it for longer than it runs.
    execute(&mut *connection, "SET jit = off").await?;
    let (ordered, found) =
        find::<(i64, String, String, bool)>(&mut *connection, names, UNCHANGED).await?;
    execute(&mut *connection, "RESET jit").await?;
    for (ordinal, version, unchanged, calls_functions) in found {
        relations.calls_functions |= calls_functions;
        if let Some(name) = name_at(&ordered, ordinal) {
            relations.definitions.insert(name, version);
            relations.unchanged = unchanged;
        }
    }
    Ok(relations)
}

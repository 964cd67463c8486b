//! Where the rows of a table come from, by the database's catalogs.

use std::collections::BTreeSet;

use metricd_application::ports::ResolvedTable;
use metricd_core::sql::TableName;
use sea_orm::{DbErr, QueryResult, Value};

/// For each table asked for, by its position: whether all that changes its rows is known, and one row for
/// each table of it.
///
/// `reads` goes down: to what views read, to partitions and children. `written` goes up from there: a
/// write to a partition through its parent is noted as one to the parent. What a view calls is in
/// its rule's tree, where `pg_depend` has nothing of what came with PostgreSQL: there a view shows that it
/// reads catalogs or the clock.
pub(super) const RESOLVE: &str = "
    WITH RECURSIVE asked (position, oid) AS (
        SELECT position, pg_catalog.to_regclass(CASE schema WHEN '' THEN '' ELSE pg_catalog.quote_ident(schema) || '.' END
            || pg_catalog.quote_ident(name))::oid
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (schema, name, position)),
    reads (position, oid) AS (
        SELECT position, oid FROM asked WHERE oid IS NOT NULL
        UNION
        SELECT reads.position, below.oid FROM reads CROSS JOIN LATERAL (
            SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = reads.oid
            UNION ALL
            SELECT d.refobjid FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1'
            JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass::oid
                AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass::oid
            WHERE c.oid = reads.oid AND c.relkind = 'v') AS below (oid)),
    written (position, oid) AS (
        SELECT position, oid FROM reads
        UNION
        SELECT written.position, i.inhparent FROM written
        JOIN pg_catalog.pg_inherits i ON i.inhrelid = written.oid),
    rules (oid, id, tree) AS (
        SELECT c.oid, r.oid, r.ev_action::text FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1'
        WHERE c.relkind = 'v' AND c.oid IN (SELECT oid FROM reads)),
    opaque (oid) AS (
        SELECT c.oid FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid IN (SELECT oid FROM reads) AND (
            c.relkind NOT IN ('r', 'p', 'v') OR c.relpersistence = 't' OR c.relrowsecurity
            OR n.nspname IN ('pg_catalog', 'information_schema', 'metricd'))
        UNION ALL
        SELECT rules.oid FROM rules WHERE pg_catalog.strpos(tree, '{SQLVALUEFUNCTION ') > 0
        UNION ALL
        SELECT rules.oid FROM rules JOIN pg_catalog.pg_depend d
            ON d.classid = 'pg_catalog.pg_rewrite'::regclass::oid AND d.objid = rules.id
            AND d.refclassid IN ('pg_catalog.pg_proc'::regclass::oid, 'pg_catalog.pg_operator'::regclass::oid)
        UNION ALL
        SELECT rules.oid FROM rules
        CROSS JOIN LATERAL pg_catalog.regexp_matches(tree, ':relid ([0-9]+)', 'g') AS relation
        JOIN pg_catalog.pg_class c ON c.oid = relation[1]::oid
        WHERE c.relnamespace = 'pg_catalog'::regnamespace::oid
        UNION ALL
        SELECT rules.oid FROM rules
        CROSS JOIN LATERAL pg_catalog.regexp_matches(tree, ':funcid ([0-9]+)', 'g') AS call
        JOIN pg_catalog.pg_proc p ON p.oid = call[1]::oid
        WHERE p.provolatile = 'v'
            OR p.proname IN ('now', 'transaction_timestamp', 'statement_timestamp')
            OR p.proname = 'age' AND p.pronargs = 1)
    SELECT asked.position, n.nspname AS schema, c.relname AS name,
        asked.oid IS NOT NULL AND NOT EXISTS (
            SELECT FROM reads JOIN opaque ON opaque.oid = reads.oid
            WHERE reads.position = asked.position) AS is_whole
    FROM asked
    LEFT JOIN written ON written.position = asked.position
    LEFT JOIN pg_catalog.pg_class c ON c.oid = written.oid
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

pub(super) fn values(tables: &[TableName]) -> Vec<Value> {
    let schemas = tables.iter().map(|table| table.schema.clone().unwrap_or_default());
    let names = tables.iter().map(|table| table.name.clone());
    vec![schemas.collect::<Vec<String>>().into(), names.collect::<Vec<String>>().into()]
}

pub(super) fn resolved(count: usize, rows: &[QueryResult]) -> Result<Vec<ResolvedTable>, DbErr> {
    let unknown = ResolvedTable { tables: BTreeSet::new(), is_whole: false };
    let mut resolved = vec![unknown; count];
    for row in rows {
        let position: i64 = row.try_get("", "position")?;
        let index = usize::try_from(position - 1).unwrap_or(usize::MAX);
        let Some(table) = resolved.get_mut(index) else {
            continue;
        };
        table.is_whole = row.try_get("", "is_whole")?;
        if let Some(name) = row.try_get("", "name")? {
            table.tables.insert(TableName { schema: row.try_get("", "schema")?, name });
        }
    }
    Ok(resolved)
}

-- The operators outside `pg_catalog` that a statement may mean: those whose operands are of types of PostgreSQL's that
-- queries may make, and those of a type that a column under the operator has, that a function or cast of the statement
-- gives, or that a value of PostgreSQL's becomes by itself where there is no operator of its own.
--
-- $1, $2: the operators, and whether their operands may be any column; $3, $4: operators and columns, in pairs;
-- $5, $6: the tables; $7: the functions and types that the statement names; $8: the types that queries may make.
WITH RECURSIVE
used (name, is_of_any) AS (SELECT * FROM unnest($1::text[], $2::bool[])),
pairs (name, column_name) AS (SELECT * FROM unnest($3::text[], $4::text[])),
found AS (
    SELECT o.oid, o.oprname, o.oprleft, o.oprright, n.nspname
    FROM used
    JOIN pg_catalog.pg_operator o ON o.oprname = used.name::name
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace AND n.nspname = 'public'),
tables (oid) AS (
    SELECT c.oid
    FROM unnest($5::text[], $6::text[]) AS named (schema, name)
    JOIN pg_catalog.pg_class c ON c.oid = CASE
        WHEN named.schema IS NULL THEN pg_catalog.to_regclass(pg_catalog.quote_ident(named.name))::oid
        ELSE (SELECT t.oid FROM pg_catalog.pg_class t
            JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
            WHERE t.relname = named.name::name AND n.nspname = named.schema::name) END),
reached (name, type) AS (
    SELECT used.name, a.atttypid
    FROM used CROSS JOIN tables
    JOIN pg_catalog.pg_attribute a ON a.attrelid = tables.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE used.is_of_any OR EXISTS (
        SELECT FROM pairs WHERE pairs.name = used.name AND pairs.column_name::name = a.attname)
    UNION
    SELECT used.name, p.prorettype FROM used CROSS JOIN pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname <> 'pg_catalog'
    WHERE p.proname::text = ANY ($7::text[])
    UNION
    SELECT used.name, t.oid FROM used CROSS JOIN pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace AND n.nspname <> 'pg_catalog'
    WHERE t.typname::text = ANY ($7::text[])),
parts (name, type) AS (
    SELECT name, type FROM reached
    UNION
    SELECT parts.name, part.oid
    FROM parts
    JOIN pg_catalog.pg_type t ON t.oid = parts.type
    CROSS JOIN LATERAL (
        SELECT t.typbasetype
        UNION ALL SELECT t.typelem
        UNION ALL SELECT t.typarray
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part (oid)
    WHERE part.oid <> 0::oid),
operands (operator, is_own, is_possible) AS (
    SELECT found.oid, n.nspname = 'pg_catalog',
        EXISTS (SELECT FROM parts WHERE parts.name = found.oprname::text AND parts.type = t.oid)
        OR CASE n.nspname WHEN 'pg_catalog' THEN
            t.typtype = 'p' OR t.typname::text = ANY ($8::text[])
                OR EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typname::text = ANY ($8::text[]))
        ELSE
            EXISTS (
                SELECT FROM pg_catalog.pg_cast c
                JOIN pg_catalog.pg_type s ON s.oid = c.castsource
                JOIN pg_catalog.pg_namespace sn ON sn.oid = s.typnamespace AND sn.nspname = 'pg_catalog'
                WHERE c.casttarget = t.oid AND c.castcontext = 'i' AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_operator own
                    JOIN pg_catalog.pg_namespace of ON of.oid = own.oprnamespace AND of.nspname = 'pg_catalog'
                    WHERE own.oprname = found.oprname AND own.oprleft = c.castsource
                        AND own.oprright = c.castsource))
        END
    FROM found CROSS JOIN LATERAL (VALUES (found.oprleft), (found.oprright)) AS side (type)
    JOIN pg_catalog.pg_type t ON t.oid = side.type
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace)
SELECT found.nspname::text, found.oprname::text,
    pg_catalog.concat_ws(', ', pg_catalog.format_type(nullif(found.oprleft, 0::oid), NULL),
        pg_catalog.format_type(nullif(found.oprright, 0::oid), NULL)),
    e.extname::text
FROM found
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_operator'::regclass::oid AND d.objid = found.oid
    AND d.refclassid = 'pg_catalog.pg_extension'::regclass::oid AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE NOT EXISTS (SELECT FROM operands WHERE operands.operator = found.oid AND operands.is_own AND NOT operands.is_possible)
    AND (NOT EXISTS (SELECT FROM operands WHERE operands.operator = found.oid AND NOT operands.is_own)
        OR EXISTS (SELECT FROM operands
            WHERE operands.operator = found.oid AND NOT operands.is_own AND operands.is_possible))
ORDER BY 1, 2, 3

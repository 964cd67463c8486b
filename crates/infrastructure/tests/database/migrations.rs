use metricd_infrastructure::db::{Database, MigrateError, Target, entities};
use sea_orm::{ColumnTrait, ColumnType, EntityTrait, Iterable};

use crate::support::*;

/// Everything that metricd made, by name.
const OURS: &str = "SELECT format('%s.%s', n.nspname, c.relname) FROM pg_class c \
                    JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE n.nspname IN ('public', 'metricd') ORDER BY 1";

/// What is there once all migrations have run.
const MADE: [&str; 32] = [
    "metricd.audit_events",
    "metricd.audit_events_action_sequence_idx",
    "metricd.audit_events_at_idx",
    "metricd.audit_events_object_id_sequence_idx",
    "metricd.audit_events_outcome_sequence_idx",
    "metricd.audit_events_pkey",
    "metricd.audit_events_request_id_sequence_idx",
    "metricd.audit_events_sequence_seq",
    "metricd.audit_events_subject_sequence_idx",
    "metricd.changes",
    "metricd.changes_pruned_idx",
    "metricd.changes_xid_idx",
    "metricd.compatibility",
    "metricd.idempotency_keys",
    "metricd.idempotency_keys_at_idx",
    "metricd.idempotency_keys_pkey",
    "metricd.layout_items",
    "metricd.layout_items_pkey",
    "metricd.metric_configurations",
    "metricd.metric_configurations_pkey",
    "metricd.metric_configurations_query_id_idx",
    "metricd.migrations",
    "metricd.migrations_pkey",
    "metricd.queries",
    "metricd.queries_pkey",
    "metricd.query_versions",
    "metricd.query_versions_pkey",
    "metricd.reader_roles",
    "metricd.reader_roles_pkey",
    "public.metrics",
    "public.metrics_id_date_idx",
    "public.metrics_pkey",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_up_and_down_and_up_again() {
    on_each_engine(async |db, engine| {
        for _ in 0..2 {
            db.migrate().await.unwrap();
            db.migrate().await.unwrap();
            assert_eq!(texts(db.pool(), OURS).await, MADE, "{engine:?}");

            // Each migration takes away what it made, and no more than that.
            let mut left = MADE.len();
            for steps in 1.. {
                db.migrate_down(Some(steps)).await.unwrap();
                let there = texts(db.pool(), OURS).await;
                assert!(there.len() <= left, "{engine:?}: {there:?}");
                if there.is_empty() {
                    break;
                }
                left = there.len();
                db.migrate().await.unwrap();
                assert_eq!(texts(db.pool(), OURS).await, MADE, "{engine:?}");
            }
            db.migrate().await.unwrap();

            db.migrate_down(None).await.unwrap();
            db.migrate_down(None).await.unwrap();
            assert!(texts(db.pool(), OURS).await.is_empty(), "{engine:?}");
            let functions = "SELECT count(*) FROM pg_proc \
                             WHERE proname IN ('refuse_audit_change', 'note_change')";
            assert_eq!(number(db.pool(), functions).await, 0, "{engine:?}");
            let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'metricd'";
            assert_eq!(number(db.pool(), schemas).await, 0, "{engine:?}");
        }
    })
    .await;
}

/// What Citus's `create_distributed_table('metrics', 'id')` does not take: a unique key without the column, a foreign
/// key from or to the table, a trigger, a rule, an identity or a sequence of its columns, row security, inheritance.
const NOT_DISTRIBUTABLE: &str = "
    WITH records AS (SELECT 'public.metrics'::regclass AS oid)
    SELECT format('key %s', i.indexrelid::regclass) FROM pg_index i, records
        WHERE i.indrelid = records.oid AND (i.indisunique OR i.indisexclusion)
            AND NOT EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = i.indrelid AND a.attname = 'id' AND a.attnum = ANY (i.indkey))
    UNION ALL SELECT format('constraint %s', c.conname) FROM pg_constraint c, records
        WHERE records.oid IN (c.conrelid, c.confrelid) AND c.contype IN ('f', 't', 'x')
    UNION ALL SELECT format('trigger %s', t.tgname) FROM pg_trigger t, records WHERE t.tgrelid = records.oid
    UNION ALL SELECT format('rule %s', r.rulename) FROM pg_rewrite r, records WHERE r.ev_class = records.oid
    UNION ALL SELECT format('default %s', a.attname) FROM pg_attribute a, records
        WHERE a.attrelid = records.oid AND a.attnum > 0 AND (a.attidentity <> '' OR a.atthasdef)
    UNION ALL SELECT 'row security' FROM pg_class c, records
        WHERE c.oid = records.oid AND (c.relrowsecurity OR c.relkind <> 'r' OR c.relpersistence <> 'p')
    UNION ALL SELECT 'inheritance' FROM pg_inherits i, records WHERE records.oid IN (i.inhrelid, i.inhparent)";

#[tokio::test(flavor = "multi_thread")]
async fn the_records_can_be_distributed_by_the_query_that_they_are_of() {
    on_each_engine_migrated(async |db, engine| {
        let nothing: [String; 0] = [];
        assert_eq!(texts(db.pool(), NOT_DISTRIBUTABLE).await, nothing, "{engine:?}");
        // Each of them would be found.
        execute(
            db.pool(),
            "CREATE TABLE others (id text PRIMARY KEY); CREATE UNIQUE INDEX one ON metrics (metric_id); \
             ALTER TABLE metrics ADD CONSTRAINT two FOREIGN KEY (id) REFERENCES others; \
             ALTER TABLE metrics ALTER COLUMN alert_type SET DEFAULT ''; \
             CREATE RULE three AS ON DELETE TO metrics DO ALSO NOTHING; \
             ALTER TABLE metrics ENABLE ROW LEVEL SECURITY; CREATE TABLE four () INHERITS (metrics)",
        )
        .await;
        let found = texts(db.pool(), NOT_DISTRIBUTABLE).await.join(", ");
        for what in ["key one", "constraint two", "trigger RI_", "default", "rule three", "row", "inh"] {
            assert!(found.contains(what), "{found}, {engine:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entities_are_what_the_migrations_made() {
    on_each_engine_migrated(async |db, _| {
        agree::<entities::audit_events::Entity>(db).await;
        agree::<entities::idempotency_keys::Entity>(db).await;
        agree::<entities::queries::Entity>(db).await;
        agree::<entities::query_versions::Entity>(db).await;
        agree::<entities::metric_configurations::Entity>(db).await;
        agree::<entities::layout_items::Entity>(db).await;
        agree::<entities::records::Entity>(db).await;
    })
    .await;
}

async fn agree<E: EntityTrait>(db: &Database) {
    let entity = E::default();
    let schema = entity.schema_name().expect("an entity names its schema");
    let table = entity.table_name();
    let mut expected: Vec<String> = E::Column::iter()
        .map(|column| {
            let definition = column.def();
            let ty = postgres_name(definition.get_column_type());
            let null = if definition.is_null() { "null" } else { "not null" };
            format!("{} {ty} {null}", sea_orm::IdenStatic::as_str(&column))
        })
        .collect();
    expected.sort();
    let columns = format!(
        "SELECT format('%s %s %s', column_name, udt_name, \
             CASE is_nullable WHEN 'YES' THEN 'null' ELSE 'not null' END) \
         FROM information_schema.columns \
         WHERE table_schema = '{schema}' AND table_name = '{table}'"
    );
    let mut migrated = texts(db.pool(), &columns).await;
    migrated.sort();
    assert_eq!(migrated, expected, "{schema}.{table}");

    let mut keys: Vec<String> =
        E::PrimaryKey::iter().map(|key| sea_orm::IdenStatic::as_str(&key).to_owned()).collect();
    keys.sort();
    let primary_key = format!(
        "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
         WHERE i.indisprimary AND i.indrelid = '{schema}.{table}'::regclass ORDER BY 1"
    );
    assert_eq!(texts(db.pool(), &primary_key).await, keys, "{schema}.{table}");
}

fn postgres_name(ty: &ColumnType) -> String {
    match ty {
        ColumnType::Text => "text".into(),
        ColumnType::Uuid => "uuid".into(),
        ColumnType::BigInteger => "int8".into(),
        ColumnType::Integer => "int4".into(),
        ColumnType::Boolean => "bool".into(),
        ColumnType::Double => "float8".into(),
        ColumnType::DateTime => "timestamp".into(),
        ColumnType::TimestampWithTimeZone => "timestamptz".into(),
        ColumnType::JsonBinary => "jsonb".into(),
        ColumnType::Array(element) => format!("_{}", postgres_name(element)),
        other => panic!("no entity has had a column of type {other:?} yet"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_our_names_from_elsewhere_are_refused_and_left_alone() {
    let foreign = [
        ("CREATE TABLE metrics (theirs int); INSERT INTO metrics VALUES (1)", "public.metrics"),
        ("CREATE VIEW metrics AS SELECT 1 AS theirs", "public.metrics"),
        ("CREATE SCHEMA metricd; CREATE TABLE metricd.queries (theirs int)", "metricd.queries"),
        (
            "CREATE SCHEMA metricd; CREATE TABLE metricd.migrations (theirs int)",
            "metricd.migrations",
        ),
    ];
    on_each_engine(async |db, engine| {
        for (made, name) in foreign {
            execute(db.pool(), made).await;
            let before = texts(db.pool(), OURS).await;
            let error = db.migrate().await.unwrap_err();
            let MigrateError::Foreign { relations } = &error else { panic!("{error:?}") };
            assert_eq!(relations, &[name], "{engine:?}");
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(texts(db.pool(), OURS).await, before, "{engine:?}");
            let kind = if made.contains("VIEW") { "VIEW" } else { "TABLE" };
            execute(db.pool(), &format!("DROP {kind} {name}; DROP SCHEMA IF EXISTS metricd")).await;
        }
        db.migrate().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_there_and_empty_is_used() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    execute(db.pool(), "CREATE SCHEMA metricd").await;
    db.migrate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_another_server_are_forgotten() {
    on_each_engine_migrated(async |db, engine| {
        let restored = "DELETE FROM metricd.changes; \
            INSERT INTO metricd.changes (xid, kind) VALUES ('4611686018427387904', 'pruned'); \
            INSERT INTO metricd.changes (kind, table_schema, table_name) VALUES ('table', 'public', 'metrics')";
        execute(db.pool(), restored).await;
        db.migrate().await.unwrap();
        let kinds = texts(db.pool(), "SELECT kind FROM metricd.changes").await;
        assert_eq!(kinds, ["table"], "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_may_start_at_once() {
    let server = NativeServer::start();
    let first = connect(Target::Url(server.url().into())).await;
    let second = connect(Target::Url(server.url().into())).await;
    let (one, other) = tokio::join!(first.migrate(), second.migrate());
    one.unwrap();
    other.unwrap();
}

//! Triggers by which tables that other programs write note their changes. Never waits long for a table's
//! lock: every writer of the table would queue behind.

use async_trait::async_trait;
use metricd_application::ports::{WatchError, WatchStep, Watched, Watching};
use metricd_core::{changes::Changed, sql::TableName};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{
    changes::records_table,
    errors::{sqlstate, store_error},
    unit_of_work::PgUnitOfWork,
};

/// How long the trigger waits for a table's lock.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '3s'";

/// The table, then what it is divided into, then its children. What is asked about rights is what the
/// statements need: `TRIGGER` for a trigger to be made, ownership for it to be enabled or dropped.
const FAMILY: &str = "
    WITH RECURSIVE family (oid, depth) AS (
        SELECT c.oid, 0 FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2
        UNION
        SELECT i.inhrelid, depth + 1 FROM family JOIN pg_catalog.pg_inherits i ON i.inhparent = oid)
    SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, t.tgenabled::text AS enabled,
        pg_catalog.pg_has_role(c.relowner, 'USAGE') AS is_owner,
        pg_catalog.has_table_privilege(c.oid, 'TRIGGER') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_watch,
        pg_catalog.quote_ident(current_user) AS me, pg_catalog.format('%I.%I', n.nspname, c.relname) AS quoted
    FROM (SELECT oid, min(depth) AS depth FROM family GROUP BY oid) AS member
    JOIN pg_catalog.pg_class c ON c.oid = member.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = 'metricd_note_change'
        AND t.tgfoid = 'metricd.note_change()'::regprocedure
    WHERE c.relkind NOT IN ('i', 'I', 'c', 't', 'S')
    ORDER BY member.depth, 1, 2";

/// A table, partition or child.
struct Member {
    table: TableName,
    kind: String,
    /// Whether our trigger is there, and then whether it fires.
    fires: Option<bool>,
    is_owner: bool,
    may_watch: bool,
    /// Our own role, as SQL names it.
    me: String,
    /// The table, as SQL names it.
    quoted: String,
}

impl Member {
    fn read(row: &QueryResult) -> Result<Self, DbErr> {
        let enabled: Option<String> = row.try_get("", "enabled")?;
        Ok(Self {
            table: TableName { schema: row.try_get("", "schema")?, name: row.try_get("", "name")? },
            kind: row.try_get("", "kind")?,
            fires: enabled.map(|enabled| enabled != "D"),
            is_owner: row.try_get("", "is_owner")?,
            may_watch: row.try_get("", "may_watch")?,
            me: row.try_get("", "me")?,
            quoted: row.try_get("", "quoted")?,
        })
    }

    fn not_allowed(&self, remedy: String) -> WatchError {
        WatchError::NotAllowed { table: self.table.to_string(), remedy }
    }

    /// What makes it watched, if it is not.
    fn watching(&self) -> Result<Option<String>, WatchError> {
        let Self { quoted, me, .. } = self;
        match self.fires {
            Some(true) => Ok(None),
            Some(false) => {
                let enable = format!("ALTER TABLE {quoted} ENABLE TRIGGER metricd_note_change");
                if self.is_owner { Ok(Some(enable)) } else { Err(self.not_allowed(enable)) }
            }
            None if self.may_watch => Ok(Some(format!(
                "CREATE TRIGGER metricd_note_change \
                 AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {quoted} \
                 FOR EACH STATEMENT EXECUTE FUNCTION metricd.note_change()"
            ))),
            None => {
                let schema = quote(self.table.schema());
                Err(self.not_allowed(format!(
                    "GRANT USAGE ON SCHEMA {schema} TO {me}; GRANT TRIGGER ON {quoted} TO {me}"
                )))
            }
        }
    }

    /// What makes it no longer watched, if it is.
    fn unwatching(&self) -> Result<Option<String>, WatchError> {
        if self.fires.is_none() {
            return Ok(None);
        }
        let drop = format!("DROP TRIGGER metricd_note_change ON {}", self.quoted);
        if self.is_owner { Ok(Some(drop)) } else { Err(self.not_allowed(drop)) }
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl PgUnitOfWork {
    /// `table` with what it is divided into.
    async fn family(&self, table: &TableName) -> Result<Vec<Member>, WatchError> {
        let named = table.to_string();
        let full = table.clone().qualified();
        if full == records_table() {
            return Err(WatchError::Reserved { table: named });
        }
        if matches!(full.schema(), "metricd" | "pg_catalog" | "information_schema" | "pg_toast") {
            return Err(WatchError::System { table: named });
        }
        let values = [full.schema().into(), full.name.as_str().into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, FAMILY, values);
        let rows = self.tx.query_all_raw(statement).await.map_err(store_error)?;
        let family: Vec<Member> =
            rows.iter().map(Member::read).collect::<Result<_, _>>().map_err(store_error)?;
        let Some(first) = family.first() else {
            return Err(WatchError::Missing { table: named });
        };
        let kind = match first.kind.as_str() {
            "r" | "p" => return Ok(family),
            "v" => "a view",
            "m" => "a materialized view",
            "f" => "a foreign table",
            _ => "no table",
        };
        Err(WatchError::NotATable { table: named, kind })
    }

    async fn change_watch(
        &mut self,
        table: &TableName,
        statement: fn(&Member) -> Result<Option<String>, WatchError>,
    ) -> Result<Vec<Watched>, WatchError> {
        let family = self.family(table).await?;
        self.tx.execute_unprepared(LOCK_TIMEOUT).await.map_err(store_error)?;
        let mut watched = Vec::with_capacity(family.len());
        for member in family {
            let step = match member.kind.as_str() {
                "r" | "p" => match statement(&member)? {
                    Some(statement) => {
                        let done = self.tx.execute_unprepared(&statement).await;
                        done.map_err(|error| failure(&member, error))?;
                        WatchStep::Done
                    }
                    None => WatchStep::Unchanged,
                },
                _ => WatchStep::Foreign,
            };
            watched.push(Watched { table: member.table, step });
        }
        Ok(watched)
    }
}

fn failure(member: &Member, error: DbErr) -> WatchError {
    let table = member.table.to_string();
    match sqlstate(&error) {
        // lock_not_available
        Some("55P03") => WatchError::Busy { table },
        // Citus has no code of its own for it: internal_error, in other versions feature_not_supported.
        Some("XX000" | "0A000") if error.to_string().contains("distributed tables") => {
            WatchError::Distributed { table }
        }
        _ => store_error(error).into(),
    }
}

#[async_trait]
impl Watching for PgUnitOfWork {
    async fn watch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError> {
        let watched = self.change_watch(table, Member::watching).await?;
        // What was written before was not noted.
        for Watched { table, .. } in watched.iter().filter(|of| of.step == WatchStep::Done) {
            self.touched.add(Changed::rows_of(table));
        }
        Ok(watched)
    }

    async fn unwatch(&mut self, table: &TableName) -> Result<Vec<Watched>, WatchError> {
        self.change_watch(table, Member::unwatching).await
    }
}

//! Loading a table from a file, inside a unit of work.

use std::fmt::Write as _;

use async_trait::async_trait;
use metricd_application::ports::{Loading, NextRow, StoreError, StoredColumn, StoredTable};
use metricd_core::{
    cell::CellType,
    sql::{TableName, quoted_name},
};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::{
    copying,
    errors::{DatabaseFault, store_error},
    unit_of_work::PgUnitOfWork,
};

/// A table, and each of its columns that a row can give; a table without any is one row.
const COLUMNS: &str = "
    SELECT c.relkind IN ('r', 'p') AS takes_rows, a.attname::text AS name, t.typname::text AS type
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY a.attnum";

const READABLE: &str = "
    SELECT pg_catalog.has_schema_privilege($1, $2, 'USAGE') AND pg_catalog.has_table_privilege($1, $3, 'SELECT') AS readable";

/// A table's name as SQL writes it.
fn quoted(table: &TableName) -> String {
    format!("{}.{}", quoted_name(table.schema()), quoted_name(&table.name))
}

impl PgUnitOfWork {
    async fn ask(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = sea_orm::Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.tx.query_all_raw(statement).await.map_err(store_error)
    }

    async fn do_it(&self, sql: &str) -> Result<(), StoreError> {
        self.tx.execute_unprepared(sql).await.map_err(store_error)?;
        Ok(())
    }
}

#[async_trait]
impl Loading for PgUnitOfWork {
    async fn find_table(&mut self, table: &TableName) -> Result<Option<StoredTable>, StoreError> {
        let names = [table.schema().to_owned().into(), table.name.clone().into()];
        let rows = self.ask(COLUMNS, names).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let takes_rows = first.try_get("", "takes_rows").map_err(store_error)?;
        let mut columns = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: Option<String> = row.try_get("", "name").map_err(store_error)?;
            if let Some(name) = name {
                columns
                    .push(StoredColumn { name, ty: row.try_get("", "type").map_err(store_error)? });
            }
        }
        Ok(Some(StoredTable { takes_rows, columns }))
    }

    async fn create_table(
        &mut self,
        table: &TableName,
        columns: &[(String, CellType)],
    ) -> Result<bool, StoreError> {
        let name = quoted(table);
        let mut create = format!("CREATE TABLE {name} (");
        for (at, (column, ty)) in columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(create, "{comma}{} {ty}", quoted_name(column));
        }
        create.push(')');
        // undefined_schema and the like; duplicate_column: a header that is a column of the system's
        let rejected = |error| rejected(&["3F", "42"], error);
        self.tx.execute_unprepared(&create).await.map_err(rejected)?;
        // An engine without roles lets stored SQL read every table.
        let Some(reader) = self.reader.clone() else { return Ok(true) };
        self.do_it(&format!("GRANT SELECT ON {name} TO {}", quoted_name(&reader))).await?;
        let values = [reader.to_string().into(), table.schema().to_owned().into(), name.into()];
        let rows = self.ask(READABLE, values).await?;
        let readable = rows.first().map_or(Ok(false), |row| row.try_get("", "readable"));
        readable.map_err(store_error)
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<(), StoreError> {
        self.do_it(&format!("TRUNCATE {}", quoted(table))).await
    }

    async fn copy_rows(
        &mut self,
        table: &TableName,
        columns: &[String],
        next: NextRow<'_>,
    ) -> Result<u64, StoreError> {
        let names: Vec<String> = columns.iter().map(|name| quoted_name(name)).collect();
        let copy = format!("COPY {} ({}) FROM STDIN", quoted(table), names.join(", "));
        self.permit.is_upload();
        let chunks = || copying::chunk(|lines| next(lines));
        // Of its rows, where it is about data or a constraint.
        self.tx.copy_in(&copy, chunks).await.map_err(|error| rejected(&["22", "23"], error))
    }
}

/// What the file is to blame for, by the classes of SQLSTATE. Who loads a file is the operator, who is told all.
fn rejected(classes: &[&str], error: DbErr) -> StoreError {
    let fault = DatabaseFault::whole(&error).filter(|fault| classes.contains(&&fault.code[..2]));
    match (store_error(error), fault) {
        (StoreError::Unavailable(error), _) => StoreError::Unavailable(error),
        (StoreError::DiskFull(error), _) => StoreError::DiskFull(error),
        (_, Some(fault)) => StoreError::Rejected(fault.into()),
        (other, None) => other,
    }
}

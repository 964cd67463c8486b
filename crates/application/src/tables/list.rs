//! Lists the tables that a caller may write SQL over, page by page. Must never read a value of their rows.

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::AuditedObject,
    schema::Table,
    sql::TableName,
};

use crate::{authorize, context::Context, listing::ListError, rights::permits};

/// The maximum number of tables on one page.
pub const MAX_TABLES: u32 = 200;

/// A request for a page of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePageRequest {
    /// The maximum number of tables, 1 to [`MAX_TABLES`].
    pub limit: u32,
    /// The last table of the previous page.
    pub after: Option<TableName>,
}

/// A page of tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePage {
    /// The tables and views, ordered by schema and name, byte by byte.
    pub items: Vec<Table>,
    /// The cursor of the next page, if there is one.
    pub next: Option<TableName>,
}

/// Lists the tables and views that stored SQL may read and the caller may write SQL over. A table that
/// was just created or granted appears when the cached schema is refreshed.
///
/// # Errors
/// See [`ListError`].
pub async fn list_tables(
    actor: &Actor,
    context: &Context,
    request: TablePageRequest,
) -> Result<TablePage, ListError> {
    authorize(actor, context, Action::WriteSql, AuditedObject::Catalog).await?;
    let limit = request.limit.clamp(1, MAX_TABLES) as usize;
    let after = request.after.map(TableName::qualified);
    let schema = context.schema.schema().await?;
    let mut tables: Vec<(TableName, &Table)> = schema
        .tables
        .iter()
        .map(|table| (table.name.clone().qualified(), table))
        .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
        .collect();
    tables.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    // The schema is in memory and decisions are cached, so there is no bound on the tables looked at.
    let may = |table: &Table| permits(actor, context, Action::WriteSql, Object::Table(&table.name));
    let mut permitted = tables.into_iter().filter(|(_, table)| may(table));
    let page = permitted.by_ref().take(limit);
    let items: Vec<Table> = page.map(|(name, table)| Table { name, ..table.clone() }).collect();
    let next = permitted.next().and_then(|_| items.last()).map(|table| table.name.clone());
    Ok(TablePage { items, next })
}

//! `GET /tables`

use std::sync::Arc;

use axum::{Json, extract::State};
use metricd_application::{
    context::Context,
    tables::{MAX_TABLES, TablePage, TablePageRequest, list_tables},
};
use metricd_core::{
    actor::Action,
    schema::{Table, TableColumn},
    sql::TableName,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    caller::Caller,
    check::Checked,
    extract::QueryParams,
    failures::{Forbidden, Invalid, Unavailable},
    problem::Problem,
    validation::ValidationErrors,
};

const DEFAULT_LIMIT: u32 = 50;

/// A page of tables.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TablePage)]
pub(crate) struct TablePageBody {
    /// The tables and views, ordered by schema and then by name, byte by byte.
    items: Vec<TableBody>,
    /// Send it back as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
}

/// A table or view that SQL may read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Table)]
pub(crate) struct TableBody {
    /// The schema and the name. A part that holds a dot or a quotation mark is quoted as in SQL.
    #[schema(example = "public.orders")]
    name: String,
    /// The comment on it (`COMMENT ON TABLE`).
    comment: Option<String>,
    /// The columns that SQL may read, in the table's order.
    columns: Vec<TableColumnBody>,
}

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TableColumn)]
pub(crate) struct TableColumnBody {
    #[schema(example = "ordered_at")]
    name: String,
    /// PostgreSQL's name of its type; a domain has the type that it is made of.
    #[schema(example = "timestamptz")]
    #[serde(rename = "type")]
    ty: String,
    /// The comment on it (`COMMENT ON COLUMN`).
    comment: Option<String>,
}

impl From<TableColumn> for TableColumnBody {
    fn from(column: TableColumn) -> Self {
        Self { name: column.name, ty: column.ty, comment: column.comment }
    }
}

impl From<Table> for TableBody {
    fn from(table: Table) -> Self {
        Self {
            name: table.name.with_schema(),
            comment: table.comment,
            columns: table.columns.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<TablePage> for TablePageBody {
    fn from(page: TablePage) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|table| table.with_schema()),
        }
    }
}

/// The tables and views that the caller may write SQL over
///
/// Those that stored SQL may read at all, of which policies permit the caller `writeSql`, with their
/// columns and comments and without any value of a row. A table that was just created or granted
/// appears within about 15 seconds, when the cached schema is refreshed.
#[utoipa::path(
    get, path = "/tables", operation_id = "list_tables", tag = "tables",
    params(
        ("limit" = Option<u32>, Query, description = "The most tables of a page, 50 by default", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = TablePageBody),
        Forbidden, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    query: QueryParams,
) -> Result<Json<TablePageBody>, Problem> {
    let request = read(&query).accept(&caller, &context, Action::WriteSql).await?;
    let page = list_tables(&caller.actor, &context, request).await?;
    Ok(Json(page.into()))
}

fn read(query: &QueryParams) -> Checked<TablePageRequest> {
    let mut errors = ValidationErrors::default();
    let limit = query.limit(MAX_TABLES, DEFAULT_LIMIT, &mut errors);
    let after = query.cursor(&mut errors, |text| text.parse::<TableName>().ok());
    let request = TablePageRequest { limit, after };
    Checked::new(request, errors)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use metricd_application::ports::Policies;
    use metricd_core::actor::{Action, Identity, Object};
    use serde_json::json;

    use crate::test_support::{Run, SAMPLE, TestApp, auth_tests, get};

    auth_tests!("list_tables", get("/tables"));

    #[tokio::test]
    async fn tables_are_listed_in_order_without_values_of_their_rows() {
        let response = TestApp::new().send(get("/tables")).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let columns = json!([
            {"name": "id", "type": "int8", "comment": null},
            {"name": "state", "type": "text", "comment": "How far it has come"},
        ]);
        let expected = json!({
            "items": [
                {"name": "archive.\"Orders.2024\"", "comment": null, "columns": columns},
                {"name": "public.orders", "comment": null, "columns": columns},
            ],
            "next_cursor": null,
        });
        assert_eq!(response.json(), expected);
        assert!(!response.text().contains(SAMPLE), "{}", response.text());
    }

    #[tokio::test]
    async fn a_page_ends_with_the_cursor_of_the_next_one() {
        let app = TestApp::new();
        let page = app.send(get("/tables?limit=1")).await.json();
        assert_eq!(page["items"][0]["name"], "archive.\"Orders.2024\"");
        assert_eq!(page["next_cursor"], "archive.\"Orders.2024\"");
        let page = app.send(get("/tables?limit=1&cursor=archive.%22Orders.2024%22")).await.json();
        assert_eq!(page["items"][0]["name"], "public.orders");
        assert_eq!(page["next_cursor"], json!(null));
    }

    /// Permits SQL over `public.orders` alone.
    struct OnlyOrders;

    impl Policies for OnlyOrders {
        fn permits(&self, _: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool {
            let is_orders =
                matches!(object, Object::Table(table) if table.with_schema() == "public.orders");
            action == Action::WriteSql && is_orders
        }

        fn might_permit(&self, _: &Arc<Identity>, _: Action) -> bool {
            true
        }
    }

    #[tokio::test]
    async fn a_table_without_permission_is_neither_listed_nor_a_cursor() {
        let app = TestApp::with(Run::OneRow, |parts, _| {
            parts.context.policies = Arc::new(OnlyOrders);
        });
        let page = app.send(get("/tables?limit=1")).await.json();
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["items"][0]["name"], "public.orders");
        assert_eq!(page["next_cursor"], json!(null));
        assert_eq!(app.database.denials(), 0);
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_is_refused() {
        let response = TestApp::new().send(get("/tables?limit=201&cursor=a.b.c")).await;
        assert_eq!(response.errors(), ["query.limit: out_of_range", "query.cursor: value_error"]);
    }

    #[tokio::test]
    async fn a_schema_that_cannot_be_read_is_unavailable() {
        let app = TestApp::new();
        app.database.take_down();
        assert_eq!(app.send(get("/tables")).await.status, 503);
    }
}

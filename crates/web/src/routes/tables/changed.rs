//! `POST /tables/{name}/changed`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use metricd_application::{context::Context, tables::announce_change};
use metricd_core::actor::Action;

use crate::{
    caller::Caller,
    extract::TablePath,
    failures::{Forbidden, Invalid, TableNotFound, Unavailable},
    problem::Problem,
};

/// Say that a table has changed
///
/// For clients that write to a table without metricd, such as a job that loads it: what metricd has
/// cached of the table is dropped. Say it after the commit; a table that is watched (`metricd watch`) needs none of it.
#[utoipa::path(
    post, path = "/tables/{name}/changed", operation_id = "announce_table_change", tag = "tables",
    params((
        "name" = String, Path, example = "public.orders",
        description = "The table or view, with its schema unless that is `public`; nothing is folded to lower case. A part that holds a dot is quoted as in SQL",
    )),
    responses(
        (status = 204, description = "Noted"),
        Forbidden, TableNotFound, Invalid, Unavailable,
    ),
)]
pub(crate) async fn handler(
    caller: Caller,
    State(context): State<Arc<Context>>,
    TablePath(table): TablePath,
) -> Result<StatusCode, Problem> {
    let table = table.accept(&caller, &context, Action::AnnounceChange).await?;
    announce_change(&caller.actor, &context, table).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
pub(crate) mod tests {
    use metricd_core::changes::Changed;

    use crate::test_support::{TestApp, auth_tests, post};

    auth_tests!("announce_table_change", post("/tables/orders/changed"));

    #[tokio::test]
    async fn the_change_of_a_table_is_noted() {
        let app = TestApp::new();
        let response = app.send(post("/tables/orders/changed")).await;
        assert_eq!((response.status, response.text()), (204, ""));
        let changes = app.database.changes();
        assert!(matches!(&changes[..], [Changed::Table { ids: None, .. }]), "{changes:?}");
    }

    #[tokio::test]
    async fn an_unknown_table_is_not_found() {
        assert_eq!(TestApp::new().send(post("/tables/nothing/changed")).await.status, 404);
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_refused() {
        let response = TestApp::new().send(post("/tables/a.b.c.d/changed")).await;
        assert_eq!(response.errors(), ["path.name: table"]);
    }
}

//! What is taken for a value of a type, PostgreSQL reads as one, and no digit of it is lost.

use metricd_core::cell::{Cell, CellType};
use metricd_infrastructure::db::Target;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::runtime::Runtime;

use crate::support::*;

/// Texts that are nearly, or quite, values of some type.
fn nearly() -> impl Strategy<Value = String> {
    prop_oneof![
        "[-+]?[0-9]{1,22}",
        "-?[0-9]{0,6}[.]?[0-9]{0,30}([eE][-+]?[0-9]{1,4})?",
        "(true|TRUE|False|t|yes|f|N|on|off|1|0)",
        "-?(NaN|Infinity|infinity)",
        "[0-9]{4,7}-[01][0-9]-[0-3][0-9]( BC)?",
        "[0-9]{4,6}-[01][0-9]-[0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9]([-+][0-9]{2}(:[0-6][0-9]){0,2})?( BC)?",
        r#"[\[{]?"?[a-z\\u0-9,:"]{0,8}"?[\]}]?"#,
        r#"\{"a": ?(\[(1|-0|2\.5|1e9|null|true|"\\\\u00[0-9]f"),?\]|"[ -~]{0,3}")\}"#,
        "[0-9]{4}-[01][0-9]-[0-3][0-9]",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.][0-9]{1,7})?)?(Z|[-+][0-9]{2}(:?[0-6][0-9])?)?",
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[ -~]{0,12}",
    ]
}

async fn cast(pool: &PgPool, text: &str, ty: CellType) -> Result<String, sqlx::Error> {
    let sql = AssertSqlSafe(format!("SELECT ($1::text::{ty})::text"));
    sqlx::query_scalar(sql).bind(text).fetch_one(pool).await
}

#[test]
fn what_a_type_takes_is_a_value_of_it() {
    let runtime = Runtime::new().unwrap();
    let native = NativeServer::start();
    let db = runtime.block_on(connect(Target::Url(native.url().into())));
    let config = Config { cases: 1_500, source_file: Some(file!()), ..Config::default() };
    let outcome = TestRunner::new(config).run(&nearly(), |text| {
        for ty in CellType::ALL {
            for cell in [Cell::Plain(&text), Cell::Quoted(&text)] {
                if !ty.reads(cell) {
                    continue;
                }
                let read = runtime.block_on(cast(db.pool(), cell.text(), ty));
                let read = read.map_err(|error| TestCaseError::fail(format!("{ty}: {error}")))?;
                // An exponent is written out, and there is no negative zero.
                let is_rewritten = text.contains(['e', 'E']) || text.starts_with("-0");
                let is_exact = ty.takes(cell)
                    && matches!(ty, CellType::Int8 | CellType::Date | CellType::Text)
                    || ty.takes(cell) && ty == CellType::Numeric && !is_rewritten;
                prop_assert!(!is_exact || read == text, "{ty}: {read}");
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

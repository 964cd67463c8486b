//! Quotes names and texts for SQL.

/// Quotes a name: it means exactly this object, whatever it is called.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text as a constant.
#[must_use]
pub fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use pg_query::NodeEnum;
    use proptest::prelude::*;

    use super::*;
    use crate::sql::{
        grammar, scan,
        tree::{string_constant, target},
    };

    proptest! {
        #[test]
        fn what_is_quoted_is_read_as_it_was(name in "[^\0]{1,20}", text in "[^\0]{0,20}") {
            let sql = format!("SELECT {} AS {}", quoted_text(&text), quoted_name(&name));
            let scanned = scan::placeholders(&sql).unwrap();
            let tree = grammar::parse(&sql, &scanned).unwrap();
            let Some(NodeEnum::SelectStmt(select)) = tree.node else {
                panic!("{sql}");
            };
            let target = target(&select.target_list[0]).unwrap();
            prop_assert_eq!(&target.name, &name);
            let value = target.val.as_deref().unwrap();
            prop_assert_eq!(string_constant(value).unwrap().0, text.as_str());
        }
    }
}

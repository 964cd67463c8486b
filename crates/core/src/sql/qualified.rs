//! Names with or without a schema, as they stand in a parse tree.

use pg_query::Node;

use super::{error::SqlFault, tree::sval};

/// PostgreSQL's schema of everything that comes with it. The grammar itself writes it out.
pub(super) const CATALOG: &str = "pg_catalog";

/// The schema of a table, function or type that is named without one.
pub(super) const PUBLIC: &str = "public";

/// Splits a name into its schema, if it has one, and its last part.
pub(super) fn qualified(names: &[Node], location: i32) -> Result<(Option<&str>, &str), SqlFault> {
    let part = |node| sval(node).unwrap_or_default();
    match names {
        [name] => Ok((None, part(name))),
        [schema, name] => Ok((Some(part(schema)), part(name))),
        _ => {
            let name = names.iter().map(part).collect::<Vec<_>>().join(".");
            Err(names_database(&name, location))
        }
    }
}

/// The fault of a name that begins with a database's.
pub(super) fn names_database(name: &str, location: i32) -> SqlFault {
    SqlFault::new(location, format!("{name}: a database cannot be named here"))
        .hint("leave out the name of the database")
}

/// Whether a name of `schema` is one of PostgreSQL's own.
pub(super) fn is_builtin(schema: Option<&str>) -> bool {
    schema.is_none_or(|schema| schema == CATALOG)
}

/// Writes a name as an author would.
pub(super) fn written(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) if schema != CATALOG => format!("{schema}.{name}"),
        _ => name.to_owned(),
    }
}

//! The name of a table or view.
//!
//! Never asks whether there is such a table.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::quoting::quoted_name;

/// A table or view as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema, if it is named.
    pub schema: Option<String>,
    /// The table.
    pub name: String,
}

impl TableName {
    /// Returns the schema. A table that is named without one is looked up in `public` alone.
    #[must_use]
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// Returns the same table with its schema named.
    #[must_use]
    pub fn qualified(self) -> Self {
        Self { schema: Some(self.schema().to_owned()), name: self.name }
    }

    /// Returns `schema.table`, as policies and the audit write it. A part with a dot or a quotation
    /// mark is quoted as in SQL, so that no two tables share a name.
    #[must_use]
    pub fn with_schema(&self) -> String {
        let part = |text: &str| {
            if text.contains(['.', '"']) { quoted_name(text) } else { text.to_owned() }
        };
        format!("{}.{}", part(self.schema()), part(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A text that does not name a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a table, or a schema and a table, such as public.orders")]
pub struct InvalidTableName;

impl FromStr for TableName {
    type Err = InvalidTableName;

    /// Parses what [`TableName::with_schema`] writes; the schema may be left out. Nothing is folded to
    /// lower case.
    fn from_str(text: &str) -> Result<Self, InvalidTableName> {
        let (first, rest) = name_part(text)?;
        if rest.is_empty() {
            return Ok(Self { schema: None, name: first });
        }
        match name_part(rest.strip_prefix('.').ok_or(InvalidTableName)?)? {
            (name, "") => Ok(Self { schema: Some(first), name }),
            _ => Err(InvalidTableName),
        }
    }
}

/// Splits a name into its first part and the rest.
fn name_part(text: &str) -> Result<(String, &str), InvalidTableName> {
    let (part, rest) = match text.strip_prefix('"') {
        None => {
            let (part, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
            if part.contains('"') {
                return Err(InvalidTableName);
            }
            (part.to_owned(), rest)
        }
        Some(quoted) => {
            let mut part = String::new();
            let mut rest = quoted;
            loop {
                let (before, after) = rest.split_once('"').ok_or(InvalidTableName)?;
                part.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        rest = more;
                    }
                    None => break (part, after),
                }
            }
        }
    };
    // PostgreSQL's names may hold anything else.
    if part.is_empty() || part.contains('\0') {
        return Err(InvalidTableName);
    }
    Ok((part, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(schema: Option<&str>, name: &str) -> TableName {
        TableName { schema: schema.map(Into::into), name: name.into() }
    }

    #[test]
    fn a_table_is_named_with_or_without_its_schema() {
        for (text, table) in [
            ("orders", named(None, "orders")),
            ("Sales.Orders 2025", named(Some("Sales"), "Orders 2025")),
            ("\"a.b\".\"c\"\"d\"", named(Some("a.b"), "c\"d")),
            ("\"orders\"", named(None, "orders")),
        ] {
            assert_eq!(text.parse(), Ok(table), "{text}");
        }
        for text in [
            "", ".", ".orders", "sales.", "a.b.c", "\"a", "\"a\"b", "a\"b", "\"\"", "a.\"\"", "a\0",
        ] {
            assert_eq!(text.parse::<TableName>(), Err(InvalidTableName), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(schema in "[a.\" é]{1,6}", name in "[a.\" é]{1,6}") {
            let table = named(Some(&schema), &name);
            prop_assert_eq!(table.with_schema().parse(), Ok(table));
        }

        #[test]
        fn what_is_read_is_one_table(text in "[a.\"]{0,8}") {
            if let Ok(table) = text.parse::<TableName>() {
                prop_assert_eq!(table.with_schema().parse(), Ok(table.qualified()));
            }
        }
    }
}

//! What the database reports of a query that it was running.
//!
//! Its text may quote values of rows: shown as it is, or logged, it never does.

use std::fmt;

use crate::error::{Cause, Classified, InputField};

/// The database's error about a query.
#[derive(Clone, PartialEq, Eq)]
pub struct QueryFault {
    /// Its code, five characters.
    pub sqlstate: String,
    /// Its message, which may quote values of rows.
    message: String,
    /// What it adds in detail and suggests, which may quote them too.
    more: Option<String>,
    /// Where in the template's SQL, in characters from 0.
    pub offset: Option<usize>,
}

impl QueryFault {
    /// Creates a fault as the database words it.
    #[must_use]
    pub fn new(
        sqlstate: String,
        message: String,
        more: Option<String>,
        offset: Option<usize>,
    ) -> Self {
        Self { sqlstate, message, more, offset }
    }

    /// Whether the query no longer fits the database: what it names is gone, of another type, or not granted. Else it
    /// failed on the data that it read.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        ["42", "0A", "3F"].contains(&self.class()) || self.sqlstate == "55000"
    }

    /// The message with what it quotes of rows, for callers who may write SQL over the query's tables.
    #[must_use]
    pub fn whole(&self) -> String {
        let Self { message, sqlstate, .. } = self;
        match &self.more {
            Some(more) => format!("{message} (SQLSTATE {sqlstate}; {more})"),
            None => format!("{message} (SQLSTATE {sqlstate})"),
        }
    }

    /// What the author of SQL that is not stored yet is told.
    pub(crate) fn for_author(&self) -> Classified {
        let cause = if self.is_broken() { Cause::InvalidSql } else { Cause::QueryFailed };
        Classified::faulty(cause, InputField::Sql, &self.whole())
    }

    fn class(&self) -> &str {
        self.sqlstate.get(..2).unwrap_or_default()
    }
}

/// The message without what it quotes of rows.
impl fmt::Display for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match self.sqlstate.as_str() {
            // Only what is said of tables, columns and functions is kept whole.
            "42501" | "42P01" | "42703" | "42883" => &self.message,
            // RAISE and ASSERT: the text is made by a function, of whatever it has read.
            "P0001" | "P0004" => "a function raised an error",
            _ => before_values(&self.message),
        };
        write!(f, "{message} (SQLSTATE {})", self.sqlstate)
    }
}

impl fmt::Debug for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryFault({self})")
    }
}

impl std::error::Error for QueryFault {}

/// What a message says before it quotes anything, whatever the quotes of its language are.
#[must_use]
pub fn before_values(message: &str) -> &str {
    let mut previous = ' ';
    let end = message.find(|c: char| {
        let starts_number = c.is_ascii_digit() && !previous.is_alphanumeric();
        previous = c;
        starts_number || (!c.is_alphanumeric() && !" ,;-_/()".contains(c))
    });
    let said = message[..end.unwrap_or(message.len())].trim_end_matches([' ', '-', '(']);
    if said.is_empty() { "a value was refused" } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_data_ends_before_the_data() {
        let messages = [
            ("division by zero", "division by zero"),
            ("date/time field value out of range: \"x\"", "date/time field value out of range"),
            (
                "ungültige Eingabesyntax für Typ integer: »x«",
                "ungültige Eingabesyntax für Typ integer",
            ),
            ("value \"x\" is out of range for type int4", "value"),
            ("\"x\" is out of range for type real", "a value was refused"),
            ("type int4 takes no -17 of them", "type int4 takes no"),
            ("", "a value was refused"),
        ];
        for (message, said) in messages {
            assert_eq!(before_values(message), said);
        }
    }

    #[test]
    fn only_the_whole_message_quotes_a_value() {
        let fault = |sqlstate: &str, message: &str| {
            QueryFault::new(sqlstate.into(), message.into(), Some("ask 17".into()), None)
        };
        let data = fault("22P02", "invalid input syntax for type integer: \"17\"");
        assert_eq!(data.to_string(), "invalid input syntax for type integer (SQLSTATE 22P02)");
        assert_eq!(format!("{data:?}"), format!("QueryFault({data})"));
        assert_eq!(
            data.whole(),
            "invalid input syntax for type integer: \"17\" (SQLSTATE 22P02; ask 17)"
        );
        assert!(!data.is_broken());
        let raised = fault("P0001", "customer Ann is blocked");
        assert_eq!(raised.to_string(), "a function raised an error (SQLSTATE P0001)");
        assert!(raised.whole().starts_with("customer Ann is blocked"));
        let gone = fault("42703", "column \"a\" does not exist");
        assert_eq!(gone.to_string(), "column \"a\" does not exist (SQLSTATE 42703)");
        assert!(gone.is_broken());
    }

    #[test]
    fn the_sqlstate_tells_a_query_that_no_longer_fits_from_one_that_failed_on_data() {
        let fault = |sqlstate: &str| QueryFault::new(sqlstate.into(), String::new(), None, None);
        for broken in ["42501", "42P01", "42703", "42883", "0A000", "3F000", "55000"] {
            assert!(fault(broken).is_broken(), "{broken}");
        }
        for failed in ["22003", "22012", "22P02", "21000", "53400", "P0001"] {
            assert!(!fault(failed).is_broken(), "{failed}");
        }
    }
}

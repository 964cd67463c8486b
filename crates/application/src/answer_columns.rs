//! What the columns of an answer have to be.

use std::collections::BTreeSet;

use metricd_core::metric::Column;
use thiserror::Error;

/// Why rows of some columns cannot be an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ColumnFault {
    /// There are none.
    #[error(
        "the answer has no columns: write what is to be selected, as in `SELECT count(*) AS orders FROM …`"
    )]
    NoColumns,
    /// A column has no name.
    #[error("column {0} of the answer has no name: give it one, as in `count(*) AS orders`")]
    Unnamed(usize),
    /// Two columns have the same name.
    #[error("two columns of the answer are named `{0}`: give each its own name with AS")]
    Duplicate(String),
}

/// Checks that each column has a name of its own, because rows are JSON objects.
///
/// # Errors
/// See [`ColumnFault`].
pub(crate) fn check_columns(columns: &[Column]) -> Result<(), ColumnFault> {
    if columns.is_empty() {
        return Err(ColumnFault::NoColumns);
    }
    let mut seen = BTreeSet::new();
    for (index, Column { name, .. }) in columns.iter().enumerate() {
        if name.is_empty() || name == "?column?" {
            return Err(ColumnFault::Unnamed(index + 1));
        }
        if !seen.insert(name) {
            return Err(ColumnFault::Duplicate(name.clone()));
        }
    }
    Ok(())
}

//! The error of every port to the database.

use thiserror::Error;

use crate::error::{Cause, Classified, Classify};

/// The reason why a read or write failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A row with this id exists already.
    #[error("a {what} with this id already exists")]
    Duplicate {
        /// `metric`, `query` or `record`.
        what: &'static str,
    },
    /// The row is referred to, or refers to a row that does not exist.
    #[error("the {what} is in use or refers to something that does not exist")]
    Reference {
        /// `metric` or `query`.
        what: &'static str,
    },
    /// The stored row is corrupt.
    #[error("the stored {what} {id} is corrupt")]
    Corrupt {
        /// `metric` or `query`.
        what: &'static str,
        /// Its id.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database cannot be reached, no connection came free in time, or the transaction lost to a concurrent one:
    /// a later attempt may succeed.
    #[error("the database is busy or unreachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no room on the database's disk: a later attempt may succeed.
    #[error("the database's disk is full")]
    DiskFull(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database does not accept a row that is to be written.
    #[error("the database does not accept a row")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Any other error of the database.
    #[error("the database reported an error")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for StoreError {
    fn classify(&self) -> Classified {
        match self {
            Self::Duplicate { .. } | Self::Reference { .. } => Cause::CatalogModified.into(),
            // A use case that writes rows of a caller's own says what that means.
            Self::Corrupt { .. } | Self::Rejected(_) | Self::Failed(_) => Cause::Internal.into(),
            Self::Unavailable(_) => Cause::DatabaseUnavailable.into(),
            Self::DiskFull(_) => Cause::DiskFull.into(),
        }
    }
}

//! What the use cases that list something have in common.

use thiserror::Error;

use crate::{
    Forbidden,
    error::{Classified, Classify},
    ports::StoreError,
};

/// The reason why a list was not returned.
#[derive(Debug, Error)]
pub enum ListError {
    /// The caller may not list this.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ListError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

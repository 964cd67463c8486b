//! Reading the audit.

use metricd_core::actor::{Action, Actor, Object};
use thiserror::Error;

use crate::{
    Forbidden, authorize_on,
    context::Context,
    error::{Classified, Classify},
    ports::{AuditFilter, StoreError, StoredEvent},
};

/// The most events of one page.
pub const MAX_EVENTS: u32 = 500;

/// A page of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The events, the latest first.
    pub items: Vec<StoredEvent>,
    /// What to give as [`AuditFilter::before`] for the next page, if there is one.
    pub next: Option<i64>,
}

/// Why the audit is not shown.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The caller may not read the audit.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for AuditError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::Store(error) => error.classify(),
        }
    }
}

/// The events that `filter` asks for, at most [`MAX_EVENTS`] of them.
///
/// # Errors
/// See [`AuditError`].
pub async fn list_audit(
    actor: &Actor,
    context: &Context,
    mut filter: AuditFilter,
) -> Result<AuditPage, AuditError> {
    authorize_on(actor, context, Action::Audit, Object::Catalog).await?;
    let limit = filter.limit.clamp(1, MAX_EVENTS);
    // One more than is shown says whether there is more.
    filter.limit = limit + 1;
    let mut items = context.audit.page(&filter).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|stored| stored.sequence);
    Ok(AuditPage { items, next })
}

//! Lists audit events. Must never change them.

use metricd_core::actor::{Action, Actor, Object};

use crate::{
    authorize_on,
    context::Context,
    listing::ListError,
    ports::{AuditFilter, StoredEvent},
};

/// The maximum number of events on one page.
pub const MAX_EVENTS: u32 = 500;

/// A page of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The events, the latest first.
    pub items: Vec<StoredEvent>,
    /// The [`AuditFilter::before`] of the next page, if there is one.
    pub next: Option<i64>,
}

/// Returns the events that match `filter`, at most [`MAX_EVENTS`].
///
/// # Errors
/// See [`ListError`].
pub async fn list_audit(
    actor: &Actor,
    context: &Context,
    mut filter: AuditFilter,
) -> Result<AuditPage, ListError> {
    authorize_on(actor, context, Action::Audit, Object::Catalog).await?;
    let limit = filter.limit.clamp(1, MAX_EVENTS);
    // One more than the page holds tells whether there is a next page.
    filter.limit = limit + 1;
    let mut items = context.audit.page(&filter).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|stored| stored.sequence);
    Ok(AuditPage { items, next })
}

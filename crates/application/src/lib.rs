//! The use cases of metricd, one file each, and the ports that they need.
//!
//! A use case takes the [`Actor`] first and asks for leave before it
//! reads. One that writes opens one unit of work and passes it down; nothing else (a generator, a
//! cache, HTTP) is called while it is open.

#![warn(missing_docs)]

pub mod catalog;
pub mod compile;
pub mod metrics;
pub mod ports;
pub mod records;

use metricd_core::actor::{Action, Actor};
use thiserror::Error;

/// The caller may not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("you may not do this")]
pub struct Forbidden;

/// Asks leave for `action`.
///
/// # Errors
/// When the actor may not.
pub fn authorize(actor: &Actor, action: Action) -> Result<(), Forbidden> {
    if actor.may(action) { Ok(()) } else { Err(Forbidden) }
}

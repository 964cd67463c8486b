//! The rules that say who may do what.

use std::sync::Arc;

use metricd_core::actor::{Action, Identity, Object};

/// Decides by rules. Never waits for anything.
pub trait Policies: Send + Sync {
    /// Whether the rules permit `who` to do `action` to `object`.
    fn permits(&self, who: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool;

    /// Whether there could be an object to which the rules permit `who` to do `action`. May say yes
    /// where there is none, never no where there is one.
    fn might_permit(&self, who: &Arc<Identity>, action: Action) -> bool;
}

//! The port to the policies that grant permissions.

use std::sync::Arc;

use metricd_core::actor::{Action, Identity, Object};

/// The policies. Must never block.
pub trait Policies: Send + Sync {
    /// Whether the policies permit `who` to do `action` to `object`.
    fn permits(&self, who: &Arc<Identity>, action: Action, object: &Object<'_>) -> bool;

    /// Whether there could be an object to which the policies permit `who` to do `action`. May be a false
    /// positive, never a false negative.
    fn might_permit(&self, who: &Arc<Identity>, action: Action) -> bool;
}

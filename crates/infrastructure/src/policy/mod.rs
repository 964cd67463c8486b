//! Permissions as Cedar policies: the file is read and checked here, and callers are authorized by it.

mod explanation;
mod fault;
mod head;
mod loaded;
mod policies;
mod schema;
#[cfg(test)]
mod tests;

pub use explanation::{Explanation, PolicyMention};
pub use fault::{PolicyError, PolicyFault, Position};
pub use policies::{CedarPolicies, PolicySource};
pub use schema::{ObjectKind, caller_name};

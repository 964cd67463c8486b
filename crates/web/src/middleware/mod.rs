//! What happens around every request.

pub(crate) mod deadline;
pub(crate) mod request;
pub(crate) mod slash;

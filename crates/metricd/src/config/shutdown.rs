//! `[shutdown]`: how the process ends.

use std::time::Duration;

use super::{declare::settings, types::duration};

settings! {
    /// How the process ends once it is told to ([guide](operating.md#stopping)).
    pub(crate) struct ShutdownSettings in "shutdown" {
        /// How long requests in flight may take until they are broken off. What starts and stops servers has to allow ten
        /// seconds more.
        grace: Duration = duration("35s");
    }
}

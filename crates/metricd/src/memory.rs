//! Memory that is free, given back to the system.
//!
//! Must never hold memory of its own.

use std::{ffi::c_long, hint::black_box, time::Duration};

use libmimalloc_sys::{mi_option_set, mi_option_t};
use tokio_util::sync::CancellationToken;

/// How long free memory is kept, in milliseconds: that of a burst is there for the next one, and gone soon after. A system
/// that has to clear pages anew for each large answer takes longer for that than everything else, and others wait meanwhile.
const KEPT_FOR_MILLIS: c_long = 10_000;

/// The allocator's `mi_option_purge_delay`, for which the crate has no name.
const PURGE_DELAY: mi_option_t = 15;

/// How often what has been free for so long is given back.
const INTERVAL: Duration = Duration::from_secs(1);

/// A block of which the allocator gives its pages back to its arena at once.
const BLOCK_BYTES: usize = 4 << 20;

/// Gives free memory back until `stopping` is cancelled. The allocator looks for what has been free for a while when it
/// takes back a large block, which an idle server never frees.
pub(crate) async fn give_back(stopping: CancellationToken) {
    keep_for(KEPT_FOR_MILLIS);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(interval.tick()).await.is_some() {
        drop(black_box(Vec::<u8>::with_capacity(black_box(BLOCK_BYTES))));
    }
}

#[expect(unsafe_code, reason = "the allocator's settings have no other interface")]
fn keep_for(millis: c_long) {
    // SAFETY: it stores a number, and may be called at any time.
    unsafe { mi_option_set(PURGE_DELAY, millis) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "the allocator's settings have no other interface")]
    fn the_option_is_the_one_that_is_meant() {
        // SAFETY: it reads a number.
        let default = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(default, 1_000, "that of the neighbours is not");
    }
}

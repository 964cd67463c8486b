//! Memory that is free, given back to the system.
//!
//! Must never hold memory of its own.

use std::{hint::black_box, time::Duration};

use tokio_util::sync::CancellationToken;

/// How often it is given back: the memory of a burst is there for the next one, and gone soon after.
const INTERVAL: Duration = Duration::from_secs(1);

/// A block of which the allocator gives its pages back to its arena at once.
const BLOCK_BYTES: usize = 4 << 20;

/// Gives free memory back until `stopping` is cancelled. The allocator looks for what has been free for a while when it
/// takes back a large block, which an idle server never frees.
pub(crate) async fn give_back(stopping: CancellationToken) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(interval.tick()).await.is_some() {
        drop(black_box(Vec::<u8>::with_capacity(black_box(BLOCK_BYTES))));
    }
}

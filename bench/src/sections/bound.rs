//! Whether the answer cache stays within its memory limit.

use anyhow::Result;

use crate::{
    Extent, catalog,
    ground::Ground,
    report::{Findings, Ratio, Table, Target, megabytes, number},
    wrk::Load,
};

const MAX_BYTES: u32 = 64 << 20;
const CONNECTIONS: u32 = 32;
const DATABASE: &str = "bound";

pub(crate) async fn run(ground: &Ground, extent: Extent) -> Result<Findings> {
    ground.database(DATABASE).await?;
    let keys = extent.of(1_000_000, 100_000);
    let with = resident(ground, ("METRICD_CACHE__MAX_BYTES", &MAX_BYTES.to_string()), keys).await?;
    let without = resident(ground, ("METRICD_CACHE__TTL", "0s"), keys / 20).await?;
    let kept = with.saturating_sub(without);
    let bound = u64::from(MAX_BYTES);
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
    let times = kept as f64 / bound as f64;
    let ratio = Ratio {
        what: format!("answers kept, of {} different ones", number(f64::from(keys))),
        ours: megabytes(kept),
        beside: format!("cache.max_bytes: {}", megabytes(bound)),
        times,
        target: Some(Target::AtMost(1.1)),
    };
    let table = Table {
        title: "The bound of the cache".into(),
        note: "The most that was resident while so many different windows were asked for, and the same of a \
               server that keeps no answer: what is between them is the cache, with all that the allocator \
               loses to it.",
        head: &["keeps no answer", "keeps answers", "between them", "may keep"],
        rows: vec![[without, with, kept, bound].map(megabytes).to_vec()],
    };
    Ok(Findings { ratios: vec![ratio], tables: vec![table] })
}

/// The most bytes that a server with one more setting holds while it is asked for so many windows.
async fn resident(ground: &Ground, setting: (&str, &str), windows: u32) -> Result<u64> {
    let mut settings = ground.settings(DATABASE);
    settings.insert(setting.0.into(), setting.1.into());
    let server = ground.serve_with(settings).await?;
    let load = Load::new(catalog::path(1), &ground.token, CONNECTIONS);
    let most = load.ask_windows(&server, windows).await?;
    server.stop().await?;
    Ok(most)
}

//! How much of the database is used at present.

use sqlx::PgPool;

use super::queue::QueueUsage;

/// How much of a database is used.
#[derive(Debug, Clone)]
pub struct DatabaseStatistics {
    /// The queue of authors' queries.
    pub queue: QueueUsage,
    /// The sessions that were told to end and have not.
    pub unended_queries: u32,
    /// The pools of connections.
    pub pools: Vec<PoolUsage>,
    /// How often the embedded engine was started again; none on a server.
    pub engine_restarts: Option<u64>,
}

/// How much of a pool is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUsage {
    /// What it is for: `store` or `reader`.
    pub pool: &'static str,
    /// The connections that are idle.
    pub idle: usize,
    /// The connections that are in use.
    pub in_use: usize,
    /// The most connections.
    pub max: usize,
}

impl PoolUsage {
    pub(super) fn of(name: &'static str, pool: &PgPool) -> Self {
        let (open, idle) = (pool.size() as usize, pool.num_idle());
        let max = pool.options().get_max_connections() as usize;
        Self { pool: name, idle, in_use: open.saturating_sub(idle), max }
    }
}

//! What stored SQL may read.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_core::schema::Schema;

use super::StoreError;

/// Tells what sentences can be grounded in.
#[async_trait]
pub trait SchemaSource: Send + Sync {
    /// The tables that stored SQL may read, as they were a short time ago at most.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn schema(&self) -> Result<Arc<Schema>, StoreError>;
}

//! The port to the schema that stored SQL may read.

use std::sync::Arc;

use async_trait::async_trait;
use metricd_core::schema::{SampledSchema, Schema};

use super::StoreError;

/// A source of the schema that stored SQL may read, cached for a short time.
#[async_trait]
pub trait SchemaSource: Send + Sync {
    /// Returns the tables, and values of their rows. For generators of queries alone.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn sampled(&self) -> Result<Arc<SampledSchema>, StoreError>;

    /// Returns the tables. Reads none of their rows.
    ///
    /// # Errors
    /// When the database cannot be reached.
    async fn schema(&self) -> Result<Arc<Schema>, StoreError>;
}

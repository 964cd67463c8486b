//! Query generators: adapters that turn a sentence into SQL.

pub mod model;
pub mod offline;

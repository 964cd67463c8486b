//! Query generators: adapters that turn a prompt into SQL. Their suggestions are never trusted.

pub mod model;
pub mod offline;

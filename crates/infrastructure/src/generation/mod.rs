//! Query generators: they turn a sentence into SQL.

pub mod model;
pub mod offline;

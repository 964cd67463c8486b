//! Query generators: who turns a sentence into SQL.

pub mod model;
pub mod offline;

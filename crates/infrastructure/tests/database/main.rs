//! The adapters on real databases: a PostgreSQL that the tests start from the installed server
//! binaries, and the embedded one. What both can do is tested on both.

#![expect(clippy::disallowed_methods, reason = "the tests act as the operator")]

mod audit;
mod catalog;
mod cells;
mod changes;
mod changing;
mod compiling;
mod connecting;
mod embedded;
mod ending;
mod freshness;
mod generation;
mod indexes;
mod loading;
mod migrations;
mod model;
mod questions;
mod reader;
mod reader_limits;
mod records;
mod redefining;
mod running;
mod support;
mod templates;
mod tls;
mod types;
mod unit_of_work;
mod upgrading;

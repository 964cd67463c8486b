//! Query templates: an author's SELECT, parsed by PostgreSQL's own grammar, with slots for the
//! window that a caller asks for.
//!
//! `pg_query` stays private to this module: nothing outside sees a parse tree. On its way from text
//! to [`Template`] a query passes `scan` (placeholders), `grammar` (parse), `gate` (what it may not
//! be), `clock`, `defaults`, `words`, `slots` and `holes` (what a window fills) and `grammar` again (print).

mod bounds;
mod clock;
mod comment;
mod defaults;
mod dependencies;
mod draft;
mod error;
mod fields;
mod gate;
mod grammar;
mod holes;
mod lists;
mod literals;
mod names;
mod parameter;
mod quoting;
mod scan;
mod slots;
mod stack;
mod table_name;
mod template;
mod tree;
mod walk;
mod words;

pub use comment::leading_comment;
pub use dependencies::TableDependency;
pub use draft::Draft;
pub use error::SqlError;
pub use fields::FieldName;
pub use gate::{Callable, CallableKind, Contents, Gate, GateExtension};
pub use parameter::{BoundValue, Parameter, ParameterSource, ParameterType};
pub use quoting::{quoted_name, quoted_text};
pub use table_name::{InvalidTableName, TableName};
pub use template::{SlotNote, Template};

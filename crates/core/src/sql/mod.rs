//! Query templates: an author's SELECT, parsed by PostgreSQL's own grammar, with slots for what a
//! request may vary.
//!
//! `pg_query` stays private to this module: no parse tree leaves it. On its way from text to
//! [`Template`] a query passes `scan` (named placeholders), `grammar` (parse), `gate` (what it may
//! hold), `clock`, `defaults`, `special_dates` and `candidates` (what becomes a placeholder), `last_day`
//! (what loses a day), `placeholders` (what becomes a parameter) and `grammar` again (print).

mod additions;
mod author_position;
mod bounds;
mod candidates;
mod clock;
mod comment;
mod date_parts;
mod date_words;
mod defaults;
mod dependencies;
mod draft;
mod error;
mod estimates;
mod fields;
mod gate;
mod grain;
mod grammar;
mod inspection;
mod intervals;
mod last_day;
mod length_mentions;
mod lists;
mod literals;
mod mentions;
mod names;
mod notes;
mod operators;
mod output_mentions;
mod outputs;
mod parameter;
mod period;
mod placeholders;
mod present;
mod qualified;
mod quoting;
mod ranges;
mod scan;
mod series;
mod sizes;
mod special_dates;
mod stack;
mod table_name;
mod template;
mod tree;
mod upper_conditions;
mod walk;
mod zone_dependence;

pub use additions::GateExtension;
pub use author_position::author_position;
pub use comment::leading_comment;
pub use dependencies::TableDependency;
pub use draft::Draft;
pub use error::SqlError;
pub use fields::{FieldName, RowName};
pub use gate::{Callable, CallableKind, Contents, ForeignOperator, Gate, listed_types};
pub use notes::NoteSeverity;
pub use operators::OperatorUse;
pub use parameter::{BoundValue, Parameter, ParameterSource, ParameterType};
pub use quoting::{quoted_name, quoted_text};
pub use series::series_fault;
pub use table_name::{InvalidTableName, TableName};
pub use template::{SlotNote, Template};
pub use zone_dependence::{TimeColumns, TimeKind, TimesRead, ViewTimes, ZoneDependence};

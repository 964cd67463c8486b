//! What an operator adds to the lists: tables, functions and types of their own.
//!
//! Never overrides what `lists.txt` refuses for good.

use std::collections::HashSet;

use super::{lists::LISTS, qualified::PUBLIC, table_name::TableName};

/// The names that an operator adds to the lists, as the settings write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateExtension {
    /// Tables outside `public` that may be read, as `schema.table` or `schema.*`.
    pub tables: Vec<String>,
    /// Functions that may be called, as `name` or `schema.name`.
    pub functions: Vec<String>,
    /// Types that may be cast to, as `name` or `schema.name`.
    pub types: Vec<String>,
    /// Operators outside `pg_catalog`, as the name of the extension that they come with, or as `schema.operator`.
    pub operators: Vec<String>,
}

impl GateExtension {
    /// The extensions whose operators are allowed unless an operator of metricd says otherwise.
    pub const DEFAULT_OPERATORS: [&str; 4] = ["citext", "hstore", "ltree", "pg_trgm"];
}

impl Default for GateExtension {
    fn default() -> Self {
        Self {
            tables: Vec::new(),
            functions: Vec::new(),
            types: Vec::new(),
            operators: Self::DEFAULT_OPERATORS.map(str::to_owned).to_vec(),
        }
    }
}

/// An operator's names, each with its schema.
#[derive(Debug)]
pub(super) struct Additions {
    schemas: HashSet<String>,
    tables: HashSet<(String, String)>,
    functions: HashSet<(String, String)>,
    types: HashSet<(String, String)>,
    /// The extensions whose operators may be used.
    extensions: HashSet<String>,
    operators: HashSet<(String, String)>,
}

impl Default for Additions {
    fn default() -> Self {
        let mut added = Self::none();
        added.extensions = GateExtension::DEFAULT_OPERATORS.map(str::to_owned).into();
        added
    }
}

impl Additions {
    fn none() -> Self {
        Self {
            schemas: HashSet::new(),
            tables: HashSet::new(),
            functions: HashSet::new(),
            types: HashSet::new(),
            extensions: HashSet::new(),
            operators: HashSet::new(),
        }
    }

    /// Parses the entries of `extension`.
    ///
    /// # Errors
    /// One sentence for each entry that cannot be added.
    pub(super) fn parse(extension: &GateExtension) -> Result<Self, Vec<String>> {
        let mut added = Self::none();
        let mut faults = Vec::new();
        for entry in &extension.tables {
            match table_entry(entry) {
                Ok((schema, None)) => drop(added.schemas.insert(schema)),
                Ok((schema, Some(table))) => drop(added.tables.insert((schema, table))),
                Err(why) => faults.push(format!("sql.tables: {entry:?} {why}")),
            }
        }
        for entry in &extension.functions {
            match entry_of(entry, |name| LISTS.refused_function(name)) {
                Ok(name) => drop(added.functions.insert(name)),
                Err(why) => faults.push(format!("sql.functions: {entry:?} {why}")),
            }
        }
        for entry in &extension.types {
            match entry_of(entry, |name| LISTS.refused_type(name)) {
                Ok(name) => drop(added.types.insert(name)),
                Err(why) => faults.push(format!("sql.types: {entry:?} {why}")),
            }
        }
        for entry in &extension.operators {
            match operator_entry(entry) {
                Ok((schema, Some(name))) => drop(added.operators.insert((schema, name))),
                Ok((extension, None)) => drop(added.extensions.insert(extension)),
                Err(why) => faults.push(format!("sql.operators: {entry:?} {why}")),
            }
        }
        if faults.is_empty() { Ok(added) } else { Err(faults) }
    }

    pub(super) fn has_table(&self, table: &TableName) -> bool {
        let schema = table.schema();
        self.schemas.contains(schema)
            || self.tables.contains(&(schema.to_owned(), table.name.clone()))
    }

    pub(super) fn has_function(&self, schema: Option<&str>, name: &str) -> bool {
        has(&self.functions, schema, name)
    }

    /// Whether an operator of this name was added, by whatever extension it comes with.
    pub(super) fn has_operator(&self, schema: Option<&str>, name: &str) -> bool {
        has(&self.operators, schema, name)
    }

    pub(super) fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }

    pub(super) fn has_type(&self, schema: Option<&str>, name: &str) -> bool {
        has(&self.types, schema, name)
    }
}

/// Whether an operator added a name. A name without a schema is one of `public`.
fn has(added: &HashSet<(String, String)>, schema: Option<&str>, name: &str) -> bool {
    !added.is_empty() && added.contains(&(schema.unwrap_or(PUBLIC).to_owned(), name.to_owned()))
}

/// Parses the entry of a function or type into its schema and name.
fn entry_of(
    entry: &str,
    refused: impl Fn(&str) -> Option<&'static str>,
) -> Result<(String, String), String> {
    let (schema, name) = match identifiers(entry).as_deref() {
        Some([name]) => (PUBLIC.to_owned(), name.clone()),
        Some([schema, name]) => (schema.clone(), name.clone()),
        _ => return Err("is not a name; write name or schema.name".into()),
    };
    schema_entry(&schema)?;
    match refused(&name) {
        Some(reason) => Err(format!("can never be allowed: {reason}")),
        None => Ok((schema, name)),
    }
}

/// Parses the entry of a table; one for all of a schema has no name.
fn table_entry(entry: &str) -> Result<(String, Option<String>), String> {
    let (schema, name) = match entry.strip_suffix(".*").map(identifiers) {
        Some(Some(names)) if names.len() == 1 => (names.concat(), None),
        Some(_) => return Err("is not the name of a table; write schema.table or schema.*".into()),
        None => match identifiers(entry).as_deref() {
            Some([schema, name]) => (schema.clone(), Some(name.clone())),
            _ => return Err("is not the name of a table; write schema.table or schema.*".into()),
        },
    };
    schema_entry(&schema).map(|()| (schema, name))
}

/// Parses the entry of an operator into its schema and name, or that of an extension.
fn operator_entry(entry: &str) -> Result<(String, Option<String>), String> {
    let is_sign = |c: char| "+-*/<>=~!@#%^&|`?".contains(c);
    let (schema, name) = match entry.rsplit_once('.') {
        Some((schema, name)) if !name.is_empty() && name.chars().all(is_sign) => {
            (schema, Some(name))
        }
        _ => (entry, None),
    };
    match (identifiers(schema).as_deref(), name) {
        (Some([schema]), Some(name)) => {
            schema_entry(schema)?;
            Ok((schema.clone(), Some(name.to_owned())))
        }
        (Some([extension]), None) => Ok((extension.clone(), None)),
        _ => Err("is neither the name of an extension nor schema.operator".into()),
    }
}

fn schema_entry(schema: &str) -> Result<(), String> {
    if LISTS.schemas_refused.has(schema) {
        return Err(format!("can never be allowed: {schema} is a system schema"));
    }
    Ok(())
}

/// Splits a name as SQL writes it: lower case unless quoted, with dots between.
fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').filter(|end| *end > 0)?;
            names.push(quoted.get(..end)?.to_owned());
            quoted.get(end + 1..)?
        } else {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let name = rest.get(..end)?;
            if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                return None;
            }
            names.push(name.to_lowercase());
            rest.get(end..)?
        };
        if after.is_empty() {
            return Some(names);
        }
        rest = after.strip_prefix('.')?;
    }
}

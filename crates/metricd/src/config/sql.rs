//! `[sql]`: what stored SQL may use beyond metricd's own lists.

use std::sync::Arc;

use metricd_core::sql::{Gate, GateExtension};

use super::{
    declare::{SectionDeclaration, SettingsSection, settings},
    reader::SettingsReader,
    types::strings,
};

settings! {
    /// What stored SQL may use beyond metricd's own lists ([guide](writing-sql.md#how-to-allow-more)).
    struct AllowedNames in "sql" {
        /// Tables outside the schema `public` that stored SQL may read on the embedded engine.
        tables: Vec<String> = strings("`schema.table` or `schema.*`");
        /// Functions that stored SQL may call.
        functions: Vec<String> = strings("`name` or `schema.name`");
        /// Types that stored SQL may cast to.
        types: Vec<String> = strings("`name` or `schema.name`");
        /// Operators outside `pg_catalog` that stored SQL may use: those of extensions, and single ones.
        operators: Vec<String> = strings("the name of an extension or `schema.operator`")
            .or(&GateExtension::DEFAULT_OPERATORS);
    }
}

/// What stored SQL may hold.
#[derive(Debug, Clone)]
pub(crate) struct SqlSettings {
    /// metricd's own lists, with what the settings add.
    pub(crate) gate: Arc<Gate>,
}

impl SettingsSection for SqlSettings {
    fn declarations() -> Vec<SectionDeclaration> {
        AllowedNames::declarations()
    }

    fn read(reader: &mut SettingsReader) -> Self {
        let AllowedNames { tables, functions, types, operators } = AllowedNames::read(reader);
        let gate = Gate::extended(&GateExtension { tables, functions, types, operators });
        let gate = gate.unwrap_or_else(|faults| {
            reader.reject_all(faults);
            Gate::default()
        });
        Self { gate: Arc::new(gate) }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn what_can_never_be_allowed_is_a_fault() {
        let faults = load(
            "[sql]\nfunctions = ['net', 'pg_sleep']\ntypes = 'regclass'\n\
             tables = ['sales.*', 'pg_catalog.pg_class']\n",
        )
        .unwrap_err()
        .to_string();
        for part in ["pg_sleep", "regclass", "pg_catalog.pg_class"] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        assert_eq!(faults.lines().count(), 4, "{faults}");
        assert!(load("[sql]\nfunctions = ['net', 'shop.vat']\ntables = 'sales.*'\n").is_ok());
    }
}

//! The declaration of settings: name, type, default and meaning stand once, and whatever else knows
//! settings derives from it: accepted keys, environment variables, the reference page.
//!
//! No crate that derives settings from a struct reports all faults at once, hence a macro.

use super::reader::SettingsReader;

/// Declares a section: a struct with one field for each setting, read from the sources by
/// [`SettingsSection::read`]. The doc comments are the text of the reference page.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident in $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $ty:ty = $setting_type:expr $(, env $variable:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $doc])+ $vis $field: $ty, )+
        }

        impl $crate::config::declare::SettingsSection for $name {
            fn declarations() -> Vec<$crate::config::declare::SectionDeclaration> {
                use $crate::config::{declare, types::SettingType};
                let settings = vec![$(
                    declare::Setting {
                        key: declare::key($section, stringify!($field)),
                        variable: None $( .or(Some($variable)) )?,
                        meaning: concat!($($doc),+).trim(),
                        description: SettingType::<$ty>::describe(&$setting_type),
                    },
                )+];
                let about = concat!($($about),+).trim();
                vec![declare::SectionDeclaration { name: $section, about, settings }]
            }

            fn read(reader: &mut $crate::config::reader::SettingsReader) -> Self {
                use $crate::config::{declare, types::SettingType};
                Self {$(
                    $field: SettingType::<$ty>::read(
                        &$setting_type,
                        &declare::key($section, stringify!($field)),
                        reader,
                    ),
                )+}
            }
        }
    };
}

pub(super) use settings;

/// One setting, as declared.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Its key in the settings file, with the section's name: `limits.max_rows`.
    pub(super) key: String,
    /// A variable of the environment beside `METRICD_…`.
    pub(super) variable: Option<&'static str>,
    /// What it means, in Markdown.
    pub(super) meaning: &'static str,
    pub(super) description: TypeDescription,
}

/// What the reference page says about a setting's type.
#[derive(Debug, Clone, Default)]
pub(super) struct TypeDescription {
    /// The type and its constraint, such as `integer, at least 1`.
    pub(super) values: String,
    /// The default, in Markdown.
    pub(super) default: String,
    /// The placeholder of a name that the operator chooses, where the setting is a table of them.
    pub(super) entry: Option<&'static str>,
    /// The settings of each element, where the setting is a list of tables.
    pub(super) fields: Vec<Setting>,
}

/// A section as declared: its name in the settings file, and its settings in order.
#[derive(Debug, Clone)]
pub(super) struct SectionDeclaration {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) settings: Vec<Setting>,
}

/// A part of the settings that is declared and read together.
pub(super) trait SettingsSection: Sized {
    /// Returns what is declared; several sections where the part spans them.
    fn declarations() -> Vec<SectionDeclaration>;

    /// Reads all settings; faults go to `reader`.
    fn read(reader: &mut SettingsReader) -> Self;
}

impl Setting {
    /// Returns the key as documented, with a placeholder for a name that the operator chooses.
    pub(super) fn documented_key(&self) -> String {
        match self.description.entry {
            Some(entry) => format!("{}.{entry}", self.key),
            None => self.key.clone(),
        }
    }

    /// Returns the name of its `METRICD_…` variable.
    pub(super) fn prefixed_variable(&self) -> String {
        let key = self.documented_key().to_uppercase().replace('.', "__");
        format!("{PREFIX}{key}")
    }

    /// Whether `key` in a settings file sets it.
    pub(super) fn accepts(&self, key: &str) -> bool {
        match self.description.entry {
            Some(_) => key
                .strip_prefix(&self.key)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|name| !name.is_empty()),
            None => key == self.key,
        }
    }
}

/// The prefix of metricd's variables in the environment.
pub(super) const PREFIX: &str = "METRICD_";

/// Returns the key of `field` in `section`; the unnamed section holds the top level.
pub(super) fn key(section: &str, field: &str) -> String {
    if section.is_empty() { field.to_owned() } else { format!("{section}.{field}") }
}

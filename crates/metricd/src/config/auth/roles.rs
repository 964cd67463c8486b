//! `[roles]`: which claims give which roles.

use metricd_core::actor::Role;
use metricd_infrastructure::auth::RoleRules;

use super::trusted_issuer::DEFAULT_SCOPE;
use crate::config::{declare::settings, reader::SettingsReader, types::optional_strings};

settings! {
    /// Which claims give which roles ([guide](signing-in.md#roles)). Each rule is written
    /// `claim=value`.
    pub(super) struct RoleSettings in "roles" {
        /// What makes a caller a viewer.
        viewer: Option<Vec<String>> = optional_strings("list of rules", "none");
        /// What makes a caller an editor.
        editor: Option<Vec<String>> = optional_strings(
            "list of rules",
            "`scope=api/backend_access` where no role is set",
        );
        /// What makes a caller an admin.
        admin: Option<Vec<String>> = optional_strings("list of rules", "none");
    }
}

impl RoleSettings {
    /// Returns all rules, or the default where no role has any.
    pub(super) fn rules(self, reader: &mut SettingsReader) -> RoleRules {
        let Self { viewer, editor, admin } = self;
        let mut all = RoleRules::default();
        let mut is_set = false;
        for (role, rules) in [(Role::Viewer, viewer), (Role::Editor, editor), (Role::Admin, admin)]
        {
            let Some(rules) = rules else { continue };
            is_set = true;
            for rule in rules {
                match RoleRules::parse([(role, rule.as_str())]) {
                    Ok(rule) => all = all.and(rule),
                    Err(error) => reader.reject(&format!("roles.{role}"), error),
                }
            }
        }
        if is_set {
            return all;
        }
        let default = format!("scope={DEFAULT_SCOPE}");
        RoleRules::parse([(Role::Editor, default.as_str())])
            .unwrap_or_else(|_| unreachable!("the default rule parses"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declare::SettingsSection;

    #[test]
    fn every_role_has_a_setting() {
        let declared = RoleSettings::declarations().remove(0).settings;
        let keys: Vec<_> = declared.into_iter().map(|setting| setting.key).collect();
        assert_eq!(keys, Role::ALL.map(|role| format!("roles.{role}")));
    }
}

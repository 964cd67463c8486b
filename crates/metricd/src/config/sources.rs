//! Where settings come from: the file, then the environment, then flags; later sources win. A key or
//! variable that no declaration accepts is a fault: it is more likely misspelt than meant.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Tag, UncasedStr, Value},
};

use super::declare::{PREFIX, Setting};

/// What the command line sets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`
    pub(crate) config: Option<PathBuf>,
    /// `--data-dir`
    pub(crate) data_dir: Option<PathBuf>,
    /// `--listen`
    pub(crate) listen: Option<String>,
}

/// Merges the sources, and returns the faults that were found on the way.
pub(super) fn merge(
    flags: &Flags,
    reads_environment: bool,
    settings: &[Setting],
) -> (Figment, Vec<String>) {
    let mut faults = Vec::new();
    let file = flags.config.clone().unwrap_or_else(|| "metricd.toml".into());
    let mut figment = Figment::new();
    if file.is_file() {
        match read_file(&file, settings) {
            Ok((values, unknown)) => {
                faults.extend(unknown);
                figment = values;
            }
            Err(error) => faults.push(format!("{}: {error}", file.display())),
        }
    } else if flags.config.is_some() {
        faults.push(format!("--config: there is no file {}", file.display()));
    }
    if reads_environment {
        faults.extend(unknown_variables(settings));
        figment = merge_environment(figment, settings);
    }
    if let Some(dir) = &flags.data_dir {
        figment = figment.merge(Serialized::global("data_dir", dir));
    }
    if let Some(listen) = &flags.listen {
        figment = figment.merge(Serialized::global("listen", listen));
    }
    (figment, faults)
}

/// Merges `METRICD_…` variables, and then those with a name of their own, which win.
fn merge_environment(figment: Figment, settings: &[Setting]) -> Figment {
    let own_names: Vec<_> = settings.iter().filter_map(|setting| setting.variable).collect();
    let is_key = move |key: &UncasedStr| {
        key != "config" && !own_names.iter().any(|name| is_variable(name, key))
    };
    let mut figment = figment.merge(Env::prefixed(PREFIX).filter(is_key).split("__"));
    for setting in settings {
        let Some(name) = setting.variable else { continue };
        if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
            let text = value.to_string_lossy().into_owned();
            figment = figment.merge(Serialized::global(&setting.key, text));
        }
    }
    figment
}

/// Whether `METRICD_<rest>` is the variable `name`.
fn is_variable(name: &str, rest: &UncasedStr) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|name| rest == name)
}

/// Reads a settings file, once, and returns a fault for each unknown key.
fn read_file(
    file: &Path,
    settings: &[Setting],
) -> Result<(Figment, Vec<String>), Box<figment::Error>> {
    let values = Figment::from(Toml::file_exact(file));
    let unknown = unknown_keys(values.extract()?, settings);
    let fault = |key| format!("{}: there is no setting `{key}`", file.display());
    Ok((values, unknown.into_iter().map(fault).collect()))
}

/// Returns the keys of `entries` that no setting accepts.
pub(super) fn unknown_keys(entries: Dict, settings: &[Setting]) -> Vec<String> {
    fn walk(prefix: &str, value: &Value, settings: &[Setting], unknown: &mut Vec<String>) {
        let Value::Dict(_, entries) = value else {
            if !is_known(prefix, settings) {
                unknown.push(prefix.to_owned());
            }
            return;
        };
        for (key, value) in entries {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            walk(&path, value, settings, unknown);
        }
    }
    let mut unknown = Vec::new();
    walk("", &Value::Dict(Tag::Default, entries), settings, &mut unknown);
    unknown
}

fn unknown_variables(settings: &[Setting]) -> Vec<String> {
    std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter_map(|name| unknown_variable(&name, settings))
        .collect()
}

/// Returns a fault if `name` is a variable of metricd that sets nothing.
pub(super) fn unknown_variable(name: &str, settings: &[Setting]) -> Option<String> {
    let key = name.to_lowercase().strip_prefix(&PREFIX.to_lowercase())?.replace("__", ".");
    // Kubernetes gives every pod the addresses of a service called `metricd` in such names.
    let is_address = key.starts_with("service_") || key == "port" || key.starts_with("port_");
    let has_own_name = settings.iter().any(|setting| setting.variable == Some(name));
    let accepted = is_address || has_own_name || key == "config" || is_known(&key, settings);
    (!accepted).then(|| format!("{name}: there is no setting `{key}`"))
}

fn is_known(key: &str, settings: &[Setting]) -> bool {
    settings.iter().any(|setting| setting.accepts(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declared_settings;

    #[test]
    fn a_variable_that_sets_nothing_is_a_fault() {
        let settings = declared_settings();
        for name in ["METRICD_LIMITS_MAX_ROWS", "metricd_limits__max_row", "METRICD_READER_URL"] {
            assert!(
                unknown_variable(name, &settings).is_some_and(|fault| fault.contains(name)),
                "{name}"
            );
        }
        for name in [
            "METRICD_LIMITS__MAX_ROWS",
            "METRICD_CONFIG",
            "METRICD_LOG",
            "METRICD_LOG__SAMPLE_HITS",
            "METRICD_PORT",
            "METRICD_PORT_8000_TCP_ADDR",
            "METRICD_SERVICE_HOST",
            "PATH",
        ] {
            assert_eq!(unknown_variable(name, &settings), None);
        }
    }
}

//! The reference page of all settings, made from their declarations. Tests compare it, the table in
//! the README, and the settings that the guides name.

use std::fmt::Write as _;

use super::{
    Config,
    declare::{SectionDeclaration, Setting, SettingsSection},
};

const INTRODUCTION: &str = "\
# Settings

<!-- Generated from crates/metricd/src/config by `UPDATE_DOCS=1 cargo test -p metricd reference`. -->

Defaults, then `metricd.toml` (or the file that `--config` names), then the environment, then flags; later ones win. All
faults are listed at once, and metricd does not start with one.

A duration is written as `30s`, `1m 30s` or `2h`. A list may also be written as one string with commas between its parts,
as the environment needs it: `METRICD_HTTP__TRUSTED_PROXIES=10.0.0.0/8,::1`. Secrets are in no log.
";

/// Returns the page, in Markdown.
pub(crate) fn reference() -> String {
    let sections = Config::declarations();
    std::iter::once(INTRODUCTION.to_owned()).chain(sections.iter().map(section)).collect()
}

fn section(section: &SectionDeclaration) -> String {
    let mut text = format!(
        "\n## {}\n\n{}\n\n\
         | key | environment | values | default | meaning |\n\
         | --- | --- | --- | --- | --- |\n",
        heading(section),
        section.about,
    );
    for setting in &section.settings {
        text.push_str(&row(&setting.documented_key(), &variables(setting), setting));
        for field in &setting.description.fields {
            text.push_str(&row(&format!("{}[].{}", setting.key, field.key), "", field));
        }
    }
    text
}

fn heading(section: &SectionDeclaration) -> String {
    match (section.name, section.settings.as_slice()) {
        ("", [table]) if table.description.entry.is_some() => format!("`[{}]`", table.key),
        ("", _) => "Top level".to_owned(),
        (name, _) => format!("`[{name}]`"),
    }
}

fn row(key: &str, variables: &str, setting: &Setting) -> String {
    let mut row = String::new();
    let Setting { meaning, description, .. } = setting;
    let (values, default) = (&description.values, &description.default);
    // Writing to a String cannot fail.
    let _ = writeln!(row, "| `{key}` | {variables} | {values} | {default} | {meaning} |");
    row
}

fn variables(setting: &Setting) -> String {
    let prefixed = setting.prefixed_variable();
    match setting.variable {
        Some(name) => format!("`{name}`, `{prefixed}`"),
        None => format!("`{prefixed}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use figment::{
        Figment,
        providers::{Format, Toml},
    };

    use super::*;
    use crate::config::{declared_settings, sources};

    /// What the README shows: what a new user needs.
    const README_KEYS: [&str; 14] = [
        "listen",
        "data_dir",
        "log.filter",
        "database.url",
        "limits.max_rows",
        "limits.request_timeout",
        "cache.ttl",
        "cognito.region",
        "cognito.user_pool_id",
        "cognito.client_id",
        "auth.issuers",
        "seed.metrics",
        "seed.queries",
        "seed.records",
    ];

    /// Members of answers that look like settings.
    const MEMBERS_OF_ANSWERS: [&str; 2] = ["generation.grounded", "generation.source"];

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Compares a file with what it should hold, or writes it where `UPDATE_DOCS` is set.
    fn assert_current(path: &Path, expected: &str) {
        let is_current = fs::read_to_string(path).is_ok_and(|text| text == expected);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(path, expected).unwrap();
        } else {
            assert!(
                is_current,
                "{} differs from the declared settings; run: UPDATE_DOCS=1 cargo test -p metricd reference",
                path.display()
            );
        }
    }

    #[test]
    fn the_reference_page_is_what_is_declared() {
        assert_current(&root().join("docs/guide/settings.md"), &reference());
    }

    #[test]
    fn the_table_of_the_readme_is_what_is_declared() {
        let (begin, end) = ("<!-- settings -->\n", "<!-- /settings -->");
        let path = root().join("README.md");
        let readme = fs::read_to_string(&path).unwrap();
        let (before, rest) = readme.split_once(begin).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        let settings = declared_settings();
        let mut table = "| `metricd.toml` | environment | default | meaning |\n\
                         | --- | --- | --- | --- |\n"
            .to_owned();
        for key in README_KEYS {
            let setting = settings.iter().find(|setting| setting.key == key).unwrap();
            let prefixed = setting.prefixed_variable();
            let variable = setting.variable.unwrap_or(&prefixed);
            let default = &setting.description.default;
            let meaning = setting.meaning.replace("](", "](docs/guide/");
            writeln!(table, "| `{key}` | `{variable}` | {default} | {meaning} |").unwrap();
        }
        assert_current(&path, &format!("{before}{begin}{table}{end}{after}"));
    }

    #[test]
    fn the_default_of_editors_is_the_one_that_is_documented() {
        let config = crate::config::tests::load("").unwrap();
        let editor = crate::config::tests::load("[roles]\neditor = 'scope=api/backend_access'\n");
        assert_eq!(format!("{:?}", config.auth.roles), format!("{:?}", editor.unwrap().auth.roles));
    }

    #[test]
    fn documents_name_settings_that_exist() {
        let settings = declared_settings();
        let sections: Vec<&str> = settings
            .iter()
            .filter_map(|setting| Some(setting.key.split_once('.')?.0))
            .chain(["claims"])
            .collect();
        let is_known = |key: &str| settings.iter().any(|setting| setting.accepts(key));
        for path in documents() {
            let text = fs::read_to_string(&path).unwrap();
            let (prose, files) = fenced(&text);
            let mut unknown: Vec<String> = prose
                .split('`')
                .skip(1)
                .step_by(2)
                .map(|code| {
                    code.split(|c: char| c.is_whitespace() || ":=".contains(c)).next().unwrap()
                })
                .filter(|key| key.split_once('.').is_some_and(|(name, _)| sections.contains(&name)))
                .filter(|key| !is_known(key) && !MEMBERS_OF_ANSWERS.contains(key))
                .map(str::to_owned)
                .collect();
            for toml in files {
                let entries = Figment::from(Toml::string(&toml)).extract().unwrap();
                unknown.extend(sources::unknown_keys(entries, &settings));
            }
            for (at, prefix) in text.match_indices("METRICD_") {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let name = text[at..].split(|c| !is_part(c)).next().unwrap();
                if name != prefix {
                    unknown.extend(sources::unknown_variable(name, &settings));
                }
            }
            assert!(unknown.is_empty(), "{} names {unknown:?}", path.display());
        }
    }

    /// The guides, without the page that is generated, and the README.
    fn documents() -> Vec<PathBuf> {
        let guides = fs::read_dir(root().join("docs/guide")).unwrap();
        let guides = guides.map(|entry| entry.unwrap().path());
        guides
            .filter(|path| !path.ends_with("settings.md"))
            .chain([root().join("README.md")])
            .collect()
    }

    /// Parts a document into its prose and its blocks of TOML; other blocks are left out.
    fn fenced(text: &str) -> (String, Vec<String>) {
        let mut prose = String::new();
        let mut files = Vec::new();
        for (index, part) in text.split("```").enumerate() {
            match (index % 2, part.strip_prefix("toml\n")) {
                (0, _) => prose.push_str(part),
                (_, Some(toml)) => files.push(toml.to_owned()),
                _ => {}
            }
        }
        (prose, files)
    }
}

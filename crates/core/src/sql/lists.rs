//! The lists of what a query may hold, parsed from `lists.txt` beside this file.
//!
//! Holds data and no rule: what follows from a name being listed is the gate's decision.

use std::{collections::BTreeSet, sync::LazyLock};

/// The lists that come with metricd.
pub(super) static LISTS: LazyLock<Lists> =
    LazyLock::new(|| Lists::parse(include_str!("lists.txt")));

#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) functions: NameList,
    pub(super) row_functions: NameList,
    pub(super) operators: NameList,
    /// Operators of extensions that are allowed unless the settings say otherwise.
    pub(super) extension_operators: NameList,
    pub(super) types: NameList,
    pub(super) sampling: NameList,
    pub(super) collations: NameList,
    pub(super) schemas_refused: NameList,
    /// Refused functions' names that columns may have all the same.
    pub(super) columns: NameList,
    /// Functions whose result is of a refused type, which a cast to text makes harmless.
    pub(super) object_names: NameList,
    pub(super) columns_refused: NameList,
    pub(super) relations_refused: NameList,
    functions_refused: Vec<Reason>,
    types_refused: Vec<Reason>,
}

/// The lines of a file of sections, each with the title of its section.
pub(super) fn entries(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut section = "";
    text.lines().map(str::trim).filter_map(move |line| {
        // `#` is an operator too: only before a blank it begins a comment.
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            return None;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = title;
            return None;
        }
        Some((section, line))
    })
}

/// Names, some with a `*` that matches any text.
#[derive(Debug, Default)]
pub(super) struct NameList {
    whole: BTreeSet<&'static str>,
    patterns: Vec<&'static str>,
}

#[derive(Debug)]
struct Reason {
    reason: &'static str,
    names: NameList,
}

impl Lists {
    /// Returns why a function is never allowed; `None` if it may be.
    pub(super) fn refused_function(&self, name: &str) -> Option<&'static str> {
        let reason = || reason(&self.functions_refused, name);
        if self.functions.has(name) { None } else { reason() }
    }

    /// Returns why a type is never allowed; `None` if it may be.
    pub(super) fn refused_type(&self, name: &str) -> Option<&'static str> {
        reason(&self.types_refused, name)
    }

    /// Returns why `t.name` is never allowed: without a column of that name it calls the function.
    pub(super) fn refused_field(&self, name: &str) -> Option<&'static str> {
        self.refused_function(name).filter(|_| !self.columns.has(name))
    }

    fn parse(text: &'static str) -> Self {
        let mut lists = Self::default();
        for (section, line) in entries(text) {
            lists.add(section, line);
        }
        lists
    }

    fn add(&mut self, section: &str, line: &'static str) {
        let reasons = match section {
            "refused functions" => &mut self.functions_refused,
            "refused types" => &mut self.types_refused,
            other => {
                if let Some(names) = self.names(other) {
                    names.add(line);
                }
                return;
            }
        };
        if let Some((reason, words)) = line.split_once(": ") {
            let mut names = NameList::default();
            names.add(words);
            reasons.push(Reason { reason, names });
        }
    }

    fn names(&mut self, section: &str) -> Option<&mut NameList> {
        Some(match section {
            "functions" => &mut self.functions,
            "row functions" => &mut self.row_functions,
            "operators" => &mut self.operators,
            "extension operators" => &mut self.extension_operators,
            "types" => &mut self.types,
            "table sampling" => &mut self.sampling,
            "collations" => &mut self.collations,
            "columns" => &mut self.columns,
            "names of objects" => &mut self.object_names,
            "refused columns" => &mut self.columns_refused,
            "refused relations" => &mut self.relations_refused,
            "refused schemas" => &mut self.schemas_refused,
            _ => return None,
        })
    }
}

impl NameList {
    pub(super) fn has(&self, name: &str) -> bool {
        self.whole.contains(name) || self.patterns.iter().any(|pattern| fits(pattern, name))
    }

    /// The names that are no patterns.
    pub(super) fn whole(&self) -> impl Iterator<Item = &'static str> {
        self.whole.iter().copied()
    }

    fn add(&mut self, line: &'static str) {
        for name in line.split_whitespace() {
            // The operators `*`, `*=` and `~~*` are no patterns.
            if name.contains('*') && name.contains(|c: char| c.is_ascii_alphabetic() || c == '_') {
                self.patterns.push(name);
            } else {
                self.whole.insert(name);
            }
        }
    }
}

fn reason(reasons: &[Reason], name: &str) -> Option<&'static str> {
    reasons.iter().find(|reason| reason.names.has(name)).map(|reason| reason.reason)
}

/// Whether `name` is `pattern` with some text for each `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            let mut starts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            starts.any(|at| tail.get(at..).is_some_and(|tail| fits(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_in_a_known_section() {
        let mut lists = Lists::default();
        for (section, line) in entries(include_str!("lists.txt")) {
            let has_reasons = section == "refused functions" || section == "refused types";
            assert!(has_reasons || lists.names(section).is_some(), "{section}");
            assert!(!has_reasons || line.contains(": "), "{line}");
        }
    }

    #[test]
    fn no_name_is_both_allowed_and_refused() {
        for reason in &LISTS.functions_refused {
            let both: Vec<_> = reason.names.whole.intersection(&LISTS.functions.whole).collect();
            assert!(both.is_empty(), "{both:?}");
        }
        for ty in &LISTS.types.whole {
            assert_eq!(LISTS.refused_type(ty), None, "{ty}");
        }
        assert!(LISTS.row_functions.whole.is_subset(&LISTS.functions.whole));
        assert!(LISTS.object_names.whole.is_subset(&LISTS.functions.whole));
        assert!(LISTS.columns.whole.iter().all(|name| LISTS.refused_function(name).is_some()));
        assert!(LISTS.functions.patterns.is_empty() && LISTS.types.patterns.is_empty());
    }

    #[test]
    fn the_lists_are_read() {
        let functions = ["lower", "percentile_cont", "jsonb_path_query", "generate_series"];
        assert!(functions.iter().all(|name| LISTS.functions.has(name)));
        assert!(["#", "*", "~~*", "*<=", "->>"].iter().all(|op| LISTS.operators.has(op)));
        assert!(!LISTS.operators.has("+-"));
        assert!(LISTS.refused_function("pg_sleep").is_some());
        assert!(LISTS.refused_function("pg_size_pretty").is_none());
        assert!(LISTS.refused_function("has_table_privilege").is_some());
        assert!(LISTS.refused_function("similarity").is_none());
        assert!(LISTS.refused_field("pg_sleep").is_some());
        assert!(
            LISTS.refused_field("version").is_none() && LISTS.refused_field("region").is_none()
        );
        assert!(LISTS.refused_type("regclass").is_some());
        assert!(LISTS.schemas_refused.has("pg_toast") && !LISTS.schemas_refused.has("public"));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let cases = [
            ("pg_*", "pg_", true),
            ("pg_*", "xpg_a", false),
            ("has_*_privilege", "has_a_b_privilege", true),
            ("has_*_privilege", "has_privilege", false),
            ("*-x-icu", "de-x-icu", true),
            ("*_*", "de_DE.utf8", true),
            ("*_*", "é", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}

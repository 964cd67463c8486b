//! What is known of functions, operators and types, parsed from `rules.txt` beside this file.
//!
//! Holds data and no rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use crate::sql::lists::entries;

pub(super) static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::parse(include_str!("rules.txt")));

type Names = BTreeSet<&'static str>;
type Reasons = BTreeMap<&'static str, &'static str>;

#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) collect: Names,
    pub(super) small: Names,
    pub(super) small_types: Names,
    pub(super) arrays: Names,
    pub(super) small_operators: Names,
    pub(super) twice: Names,
    pub(super) four_times: Names,
    pub(super) picks: Names,
    pub(super) aggregates: Names,
    pub(super) cleans: Names,
    pub(super) parts: Names,
    /// Functions and operators that take time as the product of two arguments, with the reason.
    pub(super) super_linear: Reasons,
    pub(super) super_linear_operators: Reasons,
    pub(super) super_linear_alone: Reasons,
    pub(super) super_linear_in_depth: Reasons,
}

impl Rules {
    fn parse(text: &'static str) -> Self {
        let mut rules = Self::default();
        for (section, line) in entries(text) {
            rules.add(section, line);
        }
        rules
    }

    fn add(&mut self, section: &str, line: &'static str) {
        if let Some(names) = self.names(section) {
            names.extend(line.split_whitespace());
        } else if let (Some(reasons), Some((names, reason))) =
            (self.reasons(section), line.split_once(": "))
        {
            reasons.extend(names.split_whitespace().map(|name| (name, reason)));
        }
    }

    fn names(&mut self, section: &str) -> Option<&mut Names> {
        Some(match section {
            "collect" => &mut self.collect,
            "small" => &mut self.small,
            "small types" => &mut self.small_types,
            "arrays" => &mut self.arrays,
            "small operators" => &mut self.small_operators,
            "twice" => &mut self.twice,
            "four times" => &mut self.four_times,
            "picks" => &mut self.picks,
            "aggregates" => &mut self.aggregates,
            "cleans" => &mut self.cleans,
            "parts" => &mut self.parts,
            _ => return None,
        })
    }

    fn reasons(&mut self, section: &str) -> Option<&mut Reasons> {
        Some(match section {
            "super-linear" => &mut self.super_linear,
            "super-linear operators" => &mut self.super_linear_operators,
            "super-linear alone" => &mut self.super_linear_alone,
            "super-linear in depth" => &mut self.super_linear_in_depth,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lists::LISTS;

    #[test]
    fn every_line_of_the_file_is_in_a_known_section() {
        let mut rules = Rules::default();
        for (section, line) in entries(include_str!("rules.txt")) {
            if rules.names(section).is_none() {
                assert!(rules.reasons(section).is_some(), "{section}");
                assert!(line.contains(": "), "{line}");
            }
        }
    }

    /// What stands for the functions over JSON that are keywords.
    const BY_GRAMMAR: &str = "json_query";

    #[test]
    fn every_name_is_one_that_a_query_may_hold() {
        let functions = [
            &RULES.collect,
            &RULES.small,
            &RULES.twice,
            &RULES.four_times,
            &RULES.picks,
            &RULES.parts,
            &RULES.arrays,
        ];
        let reasons =
            [&RULES.super_linear, &RULES.super_linear_alone, &RULES.super_linear_in_depth];
        let named = functions.into_iter().flatten().copied();
        for name in named.chain(reasons.into_iter().flat_map(BTreeMap::keys).copied()) {
            assert!(LISTS.functions.has(name) || name == BY_GRAMMAR, "{name}");
        }
        for name in RULES.small_operators.iter().chain(RULES.super_linear_operators.keys()) {
            assert!(LISTS.operators.has(name), "{name}");
        }
        assert!(RULES.small_types.iter().all(|name| LISTS.types.has(name)));
    }
}

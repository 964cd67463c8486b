//! Bounds what a constant path of JSON can be made to do: each list of subscripts takes as many copies of what follows as
//! it has entries, and each filter within a filter goes over all elements again.

use crate::sql::error::SqlFault;

/// The most copies that lists of subscripts may make of a value.
const MAX_COPIES: usize = 1_000;

/// The most filters within one another, and the most wildcards that go through all levels.
const MAX_FILTERS: usize = 3;
const MAX_DEEP_WILDCARDS: usize = 2;

/// Checks a path that stands at `location` as a constant.
pub(super) fn check(path: &str, location: i32) -> Result<(), SqlFault> {
    let refuse = |what: &str| Err(SqlFault::new(location, format!("this path of JSON has {what}")));
    let (mut copies, mut entries) = (1_usize, 1_usize);
    let (mut filters, mut parentheses) = (0_usize, Vec::new());
    let mut quoted = false;
    let mut letters = path.chars().filter(|c| !c.is_whitespace()).peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => {
                letters.next();
            }
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' => entries = 1,
            ',' => entries += 1,
            ']' => {
                copies = copies.saturating_mul(entries);
                entries = 1;
            }
            '(' => {
                let is_filter = before == '?';
                filters += usize::from(is_filter);
                parentheses.push(is_filter);
                if filters > MAX_FILTERS {
                    return refuse(&format!("more than {MAX_FILTERS} filters within one another"));
                }
            }
            ')' => filters -= usize::from(parentheses.pop().unwrap_or_default()),
            _ => {}
        }
        before = letter;
    }
    if copies > MAX_COPIES {
        return refuse(&format!("lists of subscripts that give more than {MAX_COPIES} copies"));
    }
    if path.matches("**").count() > MAX_DEEP_WILDCARDS {
        return refuse(&format!("more than {MAX_DEEP_WILDCARDS} wildcards for all levels"));
    }
    Ok(())
}

/// Whether a path can compare each element with each other: a filter or a comparison with two wildcards, or one and
/// another way from the top.
pub(super) fn pairs(path: &str) -> bool {
    let condition = match path.split_once('?') {
        Some((_, condition)) => condition,
        None if ["==", "!=", "<", ">"].iter().any(|sign| path.contains(sign)) => path,
        None => return false,
    };
    let packed: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    let wildcards = packed.matches("[*]").count() + packed.matches(".*").count();
    let again = packed.matches('$').count();
    wildcards > 1
        || wildcards == 1 && again > 0 && path.contains('?')
        || path.contains("**") && wildcards > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_pairs_elements_where_it_compares_them() {
        for path in [
            "$[*] ? (@ == $[*])",
            "$.a[*] == $.b[*]",
            "$ ? (@.a[*] == @.b[*])",
            "$[*] ? (@ == $v[*])",
        ] {
            assert!(pairs(path), "{path}");
        }
        for path in
            ["$[*].items[*].price", "$[*] ? (@.price * @.qty > 10)", "$[*] ? (@.tags[*] == \"a\")"]
        {
            assert!(!pairs(path), "{path}");
        }
    }

    #[test]
    fn a_path_does_not_multiply_what_it_goes_over() {
        for path in [
            format!("${}", "[0,0]".repeat(10)),
            "$[0 , 0][0,0,0,0,0,0,0,0,0,0][0,0,0,0,0,0,0,0,0,0][0,0,0,0,0,0]".into(),
            "$.** .**.**".into(),
            "$[*] ? ($[*] ? ($[*] ? ($[*] ? (@ > 0) > 0) > 0) > 0)".into(),
        ] {
            assert!(check(&path, 0).is_err(), "{path}");
        }
        for path in [
            "$.items[*].price",
            "$[0, 1, 2].a[0]",
            "$.** ? (@.a == \"x[0,0](),\\\"\")",
            "$.a ? (@.b > 1) ? (exists (@.c ? (@ > (2 + 3)))).d ? (@ < 5)",
            "strict $.track.segments[*] ? (@.HR > 130).\"start time\"",
        ] {
            assert_eq!(check(path, 0), Ok(()), "{path}");
        }
    }
}

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

/// Whether a path can compare each element with each other: a comparison has a path on both of its sides, of which each may
/// be an array.
pub(super) fn pairs(path: &str) -> bool {
    let has_path = |side: &str| side.contains(['@', '$']);
    path.split("&&").flat_map(|part| part.split("||")).any(|part| {
        let mut sides = part.split(['=', '<', '>', '!']).filter(|side| !side.is_empty());
        // What stands before a filter is no side of its comparison.
        let first = sides.next().unwrap_or_default();
        let first = first.rsplit('?').next().unwrap_or_default();
        has_path(first) && sides.any(has_path)
    })
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

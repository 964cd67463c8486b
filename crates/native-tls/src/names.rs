//! Whether a certificate's common name is that of a host.

/// Whether the common name `name` is that of `host`: it is the same, or it has an asterisk in place of the first label of a
/// host that `may_have_labels`, as an address has not.
pub(crate) fn matches(name: &str, host: &str, may_have_labels: bool) -> bool {
    let host = host.trim_end_matches('.');
    if !name.is_ascii() || name.is_empty() || name.contains('\0') {
        return false;
    }
    match name.strip_prefix("*.") {
        Some(domain) if may_have_labels => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && rest.eq_ignore_ascii_case(domain) && domain.contains('.')
        }),
        Some(_) => false,
        None => name.eq_ignore_ascii_case(host),
    }
}

/// What an error says of the names that a certificate is for.
pub(crate) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("; it is for {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_its_host_alone() {
        for (name, host, may_have_labels, expected) in [
            ("db.example", "db.example", true, true),
            ("DB.example", "db.EXAMPLE.", true, true),
            ("db.example", "db.example.org", true, false),
            ("*.shop.example", "db.shop.example", true, true),
            ("*.shop.example", "a.db.shop.example", true, false),
            ("*.shop.example", "shop.example", true, false),
            ("*.example", "db.example", true, false),
            ("*", "db", true, false),
            ("127.0.0.1", "127.0.0.1", false, true),
            ("*.0.0.1", "127.0.0.1", false, false),
            ("db.example\0.evil", "db.example", true, false),
            ("", "", true, false),
        ] {
            assert_eq!(matches(name, host, may_have_labels), expected, "{name} of {host}");
        }
    }
}

//! The query string of a request's target, as names and values.

use std::borrow::Cow;

/// Returns the names and values in a query, decoded. Most queries have nothing to decode, and are only cut.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let (plain, encoded) = if query.contains(['%', '+']) { ("", query) } else { (query, "") };
    let cut = |pair| str::split_once(pair, '=').unwrap_or((pair, ""));
    let plain = plain.split('&').filter(|pair| !pair.is_empty()).map(cut);
    plain
        .map(|(name, value)| (name.into(), value.into()))
        .chain(form_urlencoded::parse(encoded.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn a_query_is_cut_as_it_is_decoded() {
        for query in [
            "",
            "a",
            "=",
            "a=1&b=2",
            "&&a=1&&",
            "a==b=&=c&d",
            "a=ü&ü=\u{1F600}",
            "a=1+2&b%5Fc=%C3%BC",
            "a=%&b=%zz&c=%ff+",
        ] {
            let expected = form_urlencoded::parse(query.as_bytes());
            assert_eq!(pairs(query).collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{query}");
        }
    }
}

//! Content negotiation and conditional requests: what a request's headers say that it sends, accepts and has.
//!
//! Must never fail a request: a header that cannot be read counts as one that was not sent.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, header};

const CSV: &str = "text/csv";
pub(crate) const JSON: &str = "application/json";

/// A content encoding that is cached beside an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Brotli,
    Gzip,
}

impl ContentEncoding {
    /// All of them, the preferred one first.
    pub(crate) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// Returns its name in `Accept-Encoding` and `Content-Encoding`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Returns the encoding with the highest weight in `Accept-Encoding`, unless `identity` has a higher one.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let (mut weights, mut identity, mut any) = ([None; Self::ALL.len()], None, None);
        for (name, weight) in weighted_items(headers, &header::ACCEPT_ENCODING) {
            let index =
                Self::ALL.iter().position(|known| known.as_str().eq_ignore_ascii_case(name));
            match index {
                Some(index) => weights[index] = weight,
                None if name.eq_ignore_ascii_case("identity") => identity = weight,
                None if name == "*" => any = weight,
                None => {}
            }
        }
        let accepted = Self::ALL.into_iter().zip(weights).filter_map(|(encoding, weight)| {
            weight.or(any).filter(|weight| *weight > 0.0).map(|weight| (encoding, weight))
        });
        // The first of those with equal weights.
        let best = accepted.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.filter(|(_, weight)| identity.is_none_or(|identity| *weight >= identity))
            .map(|(encoding, _)| encoding)
    }
}

/// The format of a body of many records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordFormat {
    JsonLines,
    Csv,
}

impl RecordFormat {
    /// Returns the format of a media type, without its parameters.
    pub(crate) fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/x-ndjson" | "application/jsonl" => Some(Self::JsonLines),
            CSV => Some(Self::Csv),
            _ => None,
        }
    }

    /// Returns the format that `Content-Type` names; none for a single record.
    pub(crate) fn of_body(headers: &HeaderMap) -> Option<Self> {
        Self::from_media_type(&content_type(headers)?)
    }
}

/// Returns whether `Content-Type` is JSON. A missing header counts as JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::CONTENT_TYPE) {
        return true;
    }
    let media_type = content_type(headers).unwrap_or_default();
    media_type == JSON || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Returns whether `Accept` gives CSV a higher weight than JSON.
pub(crate) fn prefers_csv(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ACCEPT)
        && accept_weight(headers, CSV) > accept_weight(headers, JSON)
}

/// Returns whether `Accept` gives one of the media types a weight. A header that is missing or cannot be
/// read gives every one.
pub(crate) fn accepts_any<'a>(
    headers: &HeaderMap,
    mut media_types: impl Iterator<Item = &'a str>,
) -> bool {
    let mut ranges = weighted_items(headers, &header::ACCEPT);
    let is_readable = ranges.any(|(range, weight)| !range.is_empty() && weight.is_some());
    !is_readable || media_types.any(|media_type| accept_weight(headers, media_type) > 0.0)
}

/// Returns whether the body is in UTF-8, as far as `Content-Type` says.
pub(crate) fn is_utf8(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONTENT_TYPE).iter();
    let parameters = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';').skip(1))
        .filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, charset)| charset.trim().trim_matches('"'));
    // ASCII is a part of UTF-8.
    charsets.all(|charset| {
        ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
    })
}

/// Returns whether `Content-Encoding` says that the body is encoded.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = items(headers, &header::CONTENT_ENCODING);
    encodings.any(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
}

/// Returns the greatest age of an answer that `Cache-Control` accepts, if it says anything.
pub(crate) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let ages = items(headers, &header::CACHE_CONTROL).filter_map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("no-cache") || name.eq_ignore_ascii_case("no-store") {
            Some(Duration::ZERO)
        } else if name.eq_ignore_ascii_case("max-age") {
            // An age that cannot be read counts as zero: the answer is fresh at least.
            Some(Duration::from_secs(value.parse().unwrap_or(0)))
        } else {
            None
        }
    });
    ages.min()
}

/// Returns the entity tags in `If-Match`, each in its quotation marks and without `W/`; none if the header is
/// missing or `*`. `Err` is a header that cannot be read.
pub(crate) fn expected_entities(headers: &HeaderMap) -> Result<Option<Vec<&str>>, ()> {
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        for tag in value.to_str().map_err(|_| ())?.split(',').map(str::trim) {
            if tag == "*" {
                return Ok(None);
            }
            let tag = without_strength(tag);
            let is_quoted = tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
            if !is_quoted {
                return Err(());
            }
            tags.push(tag);
        }
    }
    Ok((!tags.is_empty()).then_some(tags))
}

/// Returns whether `If-None-Match` names `tag`, strong or weak.
pub(crate) fn has_entity(headers: &HeaderMap, tag: &str) -> bool {
    let same = |known: &str| without_strength(known) == without_strength(tag);
    items(headers, &header::IF_NONE_MATCH).any(|known| known == "*" || same(known))
}

fn without_strength(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The media type in `Content-Type`, in lower case and without parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The weight of a media type from 0 to 1: that of the narrowest range in `Accept` that holds it.
fn accept_weight(headers: &HeaderMap, media_type: &str) -> f32 {
    let family = media_type.split('/').next().unwrap_or_default();
    let ranges = weighted_items(headers, &header::ACCEPT).filter_map(|(range, weight)| {
        let breadth = if range.eq_ignore_ascii_case(media_type) {
            0
        } else if range.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family)) {
            1
        } else if range == "*/*" {
            2
        } else {
            return None;
        };
        Some((breadth, weight.unwrap_or(0.0)))
    });
    ranges.min_by_key(|(breadth, _)| *breadth).map_or(0.0, |(_, weight)| weight)
}

/// The items of a list header, with their `q`: 1 without one, none if it cannot be read.
fn weighted_items<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = (&'a str, Option<f32>)> {
    items(headers, name).map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let value = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        (value, weight.map_or(Some(1.0), |weight| weight.parse().ok()))
    })
}

/// The items of a list header, which may be sent more than once.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_accepted_encoding_with_the_highest_weight_is_chosen() {
        use ContentEncoding::{Brotli, Gzip};
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some(Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Brotli)),
            (&["br;q=0.5, gzip;q=0.8"], Some(Gzip)),
            (&["GZIP ; q=1"], Some(Gzip)),
            (&["*"], Some(Brotli)),
            (&["*, br;q=0"], Some(Gzip)),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.5, identity"], None),
            (&["br;q=0", "gzip"], Some(Gzip)),
            (&["zstd"], None),
            (&["gzip;q=x"], None),
        ] {
            let headers = headers(&header::ACCEPT_ENCODING, values);
            assert_eq!(ContentEncoding::negotiate(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn csv_is_chosen_where_its_weight_is_higher_than_that_of_json() {
        for (values, expected) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["text/csv"], true),
            (&["Text/CSV; header=present"], true),
            (&["text/*"], true),
            (&["application/json, text/csv"], false),
            (&["text/csv, */*"], false),
            (&["text/csv, */*;q=0.9"], true),
            (&["application/json;q=0.5", "text/csv;q=0.6"], true),
            (&["application/*;q=0.5, text/csv;q=0.5"], false),
            (&["text/csv;q=0"], false),
            (&["text/csv;Q=0"], false),
            (&["text/csv;q=much"], false),
            (&["text/*, text/csv;q=0.1, application/json;q=0.2"], false),
            (&["text/html"], false),
        ] {
            assert_eq!(prefers_csv(&headers(&header::ACCEPT, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn cache_control_gives_the_greatest_age_that_is_accepted() {
        let seconds = |n| Some(Duration::from_secs(n));
        for (values, expected) in [
            (&[][..], None),
            (&["private"], None),
            (&["no-cache"], seconds(0)),
            (&["No-Store"], seconds(0)),
            (&["max-age=60"], seconds(60)),
            (&["max-age=\"60\", max-age=5"], seconds(5)),
            (&["max-age=60", "no-cache"], seconds(0)),
            (&["max-age=soon"], seconds(0)),
        ] {
            assert_eq!(max_age(&headers(&header::CACHE_CONTROL, values)), expected, "{values:?}");
        }
    }

    #[test]
    fn an_entity_tag_matches_whether_strong_or_weak() {
        let matches =
            |values: &[&str]| has_entity(&headers(&header::IF_NONE_MATCH, values), "W/\"a\"");
        assert!(matches(&["W/\"a\""]) && matches(&["\"a\""]) && matches(&["*"]));
        assert!(matches(&["\"b\", W/\"a\""]) && matches(&["\"b\"", "\"a\""]));
        assert!(!matches(&[]) && !matches(&["\"b\""]) && !matches(&["a"]));
    }

    #[test]
    fn the_expected_entities_are_read_from_all_lists() {
        let read = |values: &[&str]| {
            let headers = headers(&header::IF_MATCH, values);
            expected_entities(&headers)
                .map(|tags| tags.map(|tags| tags.iter().map(ToString::to_string).collect()))
        };
        let tags =
            |tags: &[&str]| Ok(Some(tags.iter().map(ToString::to_string).collect::<Vec<_>>()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(None));
        assert_eq!(read(&["\"3\""]), tags(&["\"3\""]));
        assert_eq!(read(&["W/\"a-b\", \"c\"", "\"\""]), tags(&["\"a-b\"", "\"c\"", "\"\""]));
        for unreadable in ["3", "\"", "\"3", "", "W/3", "\"3\" \"4"] {
            assert_eq!(read(&[unreadable]), Err(()), "{unreadable}");
        }
    }

    #[test]
    fn a_body_is_read_in_utf_8_and_not_encoded() {
        for (value, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/json;CHARSET=\"UTF-8\"", true),
            ("text/csv; header=present; charset=us-ascii", true),
            ("application/json; charset=iso-8859-1", false),
            ("application/json; charset=utf-16", false),
            ("application/json; charset=", false),
        ] {
            assert_eq!(is_utf8(&headers(&header::CONTENT_TYPE, &[value])), expected, "{value}");
        }
        for (values, expected) in [
            (&[][..], false),
            (&["identity"], false),
            (&["Identity", ""], false),
            (&["gzip"], true),
            (&["identity, br"], true),
            (&["identity", "unheard-of"], true),
        ] {
            let headers = headers(&header::CONTENT_ENCODING, values);
            assert_eq!(is_encoded(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn a_content_type_is_read_without_parameters_and_case() {
        let of = |value: &str| {
            let headers = headers(&header::CONTENT_TYPE, &[value]);
            (is_json(&headers), RecordFormat::of_body(&headers))
        };
        assert_eq!(of("application/JSON; charset=utf-8"), (true, None));
        assert_eq!(of("application/merge-patch+json"), (true, None));
        assert_eq!(of("text/csv; header=present"), (false, Some(RecordFormat::Csv)));
        assert_eq!(of("application/x-ndjson"), (false, Some(RecordFormat::JsonLines)));
        assert_eq!(of("text/plain"), (false, None));
        assert!(is_json(&HeaderMap::new()));
    }
}

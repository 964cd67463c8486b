//! Trailing slashes, which are ignored.

use axum::{extract::Request, http::Uri};

/// Removes trailing slashes from the path. `/docs/` keeps its own: the page's relative links need it.
pub(crate) fn trim<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri();
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() || trimmed == "/docs" {
        return request;
    }
    let target = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    if let Ok(target) = target.parse::<Uri>() {
        *request.uri_mut() = target;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_slashes_at_the_end_of_the_path_go() {
        let trimmed = |uri: &str| {
            let request = Request::builder().uri(uri).body(()).unwrap();
            trim(request).uri().to_string()
        };
        assert_eq!(trimmed("/metrics/"), "/metrics");
        assert_eq!(trimmed("/metrics/a//?x=1/"), "/metrics/a?x=1/");
        assert_eq!(trimmed("/"), "/");
        assert_eq!(trimmed("//"), "//");
        assert_eq!(trimmed("/docs/"), "/docs/");
    }
}

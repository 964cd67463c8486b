//! The idempotency key of a request that takes effect once, however often it is sent.

use thiserror::Error;

/// An idempotency key: it names one request of one caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// A text that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Parses the header's value, bare or as a quoted string.
    ///
    /// # Errors
    /// [`InvalidKey`] when it is empty, too long, or holds anything but visible ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let is_visible = bare.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !(1..=255).contains(&bare.len()) {
            return Err(InvalidKey);
        }
        Ok(Self(bare.to_owned()))
    }

    /// Returns the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_visible_text() {
        let key = |text: &str| IdempotencyKey::parse(text).map(|key| key.0);
        assert_eq!(key("8e03978e-40d5"), Ok("8e03978e-40d5".into()));
        assert_eq!(key("\"8e03978e\""), Ok("8e03978e".into()));
        assert_eq!(key(&"x".repeat(255)), Ok("x".repeat(255)));
        for refused in ["", "\"\"", "a b", "ä", "a\n", &"x".repeat(256)] {
            assert_eq!(key(refused), Err(InvalidKey), "{refused:?}");
        }
    }
}

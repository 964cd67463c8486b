//! The position of a metric's tile on the dashboard: react-grid-layout's model.

use std::fmt;

use thiserror::Error;

/// The screen width class of a layout, such as `lg`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Breakpoint(String);

/// A text that is not the name of a breakpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a breakpoint is 1 to {} letters, digits, `-` or `_`", Breakpoint::MAX_CHARS)]
pub struct InvalidBreakpoint;

impl Breakpoint {
    /// The most characters that a breakpoint's name may have.
    pub const MAX_CHARS: usize = 32;

    /// Checks and wraps `text`.
    ///
    /// # Errors
    /// When it is empty, too long, or holds anything but letters, digits, `-` and `_`.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidBreakpoint> {
        let text = text.into();
        let fits = !text.is_empty()
            && text.len() <= Self::MAX_CHARS
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(text)) } else { Err(InvalidBreakpoint) }
    }

    /// Returns the name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A position of a metric's tile, in grid units. A metric may have several for one breakpoint, in the
/// author's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayoutItem {
    /// The width class.
    pub breakpoint: Breakpoint,
    /// Columns from the left, at least 0.
    pub x: i32,
    /// Rows from the top, at least 0; `9999999` is the bottom.
    pub y: i32,
    /// Width in columns, at least 1.
    pub w: i32,
    /// Height in rows, at least 1.
    pub h: i32,
    /// Whether the tile may not be dragged; `None` if the author does not say.
    pub is_static: Option<bool>,
}

/// A position or size that is not valid on a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{field}` must be at least {least}")]
pub struct OffGrid {
    /// `x`, `y`, `w` or `h`.
    pub field: &'static str,
    /// The least value that it may have.
    pub least: i32,
}

impl LayoutItem {
    /// The least `x` and `y`.
    pub const LEAST_POSITION: i32 = 0;
    /// The least `w` and `h`.
    pub const LEAST_SIZE: i32 = 1;

    /// Returns every fault of the four numbers, in the order x, y, w, h.
    #[must_use]
    pub fn faults(&self) -> Vec<OffGrid> {
        let positions = [("x", self.x), ("y", self.y)].map(|(f, v)| (f, v, Self::LEAST_POSITION));
        let sizes = [("w", self.w), ("h", self.h)].map(|(f, v)| (f, v, Self::LEAST_SIZE));
        positions
            .into_iter()
            .chain(sizes)
            .filter(|(_, value, least)| value < least)
            .map(|(field, _, least)| OffGrid { field, least })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_a_place_are_named_at_once() {
        let place = LayoutItem {
            breakpoint: Breakpoint::parse("lg").unwrap(),
            x: -1,
            y: 9_999_999,
            w: 0,
            h: 1,
            is_static: None,
        };
        let fields: Vec<_> = place.faults().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["x", "w"]);
    }

    #[test]
    fn a_breakpoint_is_a_plain_word() {
        assert_eq!(Breakpoint::parse("lg").unwrap().as_str(), "lg");
        assert_eq!(Breakpoint::parse(""), Err(InvalidBreakpoint));
        assert_eq!(Breakpoint::parse("l g"), Err(InvalidBreakpoint));
    }
}

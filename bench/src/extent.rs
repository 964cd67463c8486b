//! How much a run measures.

/// The extent of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    Quick,
}

impl Extent {
    /// Returns the number of rounds of each contender.
    pub(crate) fn rounds(self) -> u32 {
        self.of(5, 2)
    }

    /// Returns the length of one round.
    pub(crate) fn seconds(self) -> u32 {
        self.of(4, 2)
    }

    pub(crate) fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

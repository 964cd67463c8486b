//! How much a run measures.

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    Quick,
}

impl Extent {
    /// How often each contender has its turn.
    pub(crate) fn rounds(self) -> u32 {
        self.of(5, 2)
    }

    /// How long a turn takes.
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

//! The fault of a reading: why a sentence does not fit a table.

/// Why a sentence does not fit a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The table.
    pub(crate) table: String,
    /// The words without a meaning, else those at which every reading ended.
    pub(crate) words: Vec<String>,
    /// Whether the words have no meaning at all.
    pub(crate) is_unknown: bool,
    /// The contradiction, if there is one.
    pub(crate) reason: Option<String>,
    /// How close it is: how much of the table's name is given, how many names of its columns and values,
    /// and how many phrases were read.
    pub(crate) named: u32,
    pub(crate) grounds: usize,
    pub(crate) reached: usize,
}

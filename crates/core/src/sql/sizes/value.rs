//! How large a value can be, before anything runs.
//!
//! Knows no rows: what comes from a table, a placeholder or a short constant has the size 1, whatever it is.

/// A value of more than this size has no bound: what made it can make it as large as the server lets it.
const LARGEST: f64 = 1_000.0;

/// The size of the digits before the point of the longest number.
pub(super) const MOST_DIGITS: f64 = 13_107.2;

/// The most that a statement may make of a single row: some ten megabytes.
const HUGE: f64 = 1_000_000.0;

/// The characters of a constant that count as one value.
pub(super) const CONSTANT_CHARACTERS: f64 = 10.0;

/// The most that an expression, or the statement of a subquery, can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Value {
    /// Where 1 is the size of a column's value.
    pub(super) size: f64,
    /// The same of each element, where it is an array.
    pub(super) element: f64,
    /// The same once it is a text, where it is a number.
    pub(super) digits: f64,
    /// The parts of its expression once the planner has put in what it refers to.
    pub(super) parts: f64,
    /// Whether the statement makes a text of it: it can be anything.
    pub(super) is_made: bool,
    /// Whether the statement computes it: as a text it can be anything.
    pub(super) is_computed: bool,
    /// Whether a constant of the statement gives it a word, which can be a part of a time zone's name.
    pub(super) has_word: bool,
    /// Whether it ends in such a word, which is one zone as long as nothing comes after it.
    pub(super) ends_in_word: bool,
    /// Whether it holds ranges in order, over which PostgreSQL goes once.
    pub(super) is_ranges: bool,
    /// Whether it may be nested as deep as it is large.
    pub(super) is_deep: bool,
    /// The ASCII characters that replacing has put into it, as bits.
    pub(super) replaced: u128,
}

impl Value {
    /// A column of a table, a placeholder, a number.
    pub(super) const ONE: Self = Self {
        size: 1.0,
        element: 1.0,
        digits: 1.0,
        parts: 1.0,
        is_made: false,
        is_computed: false,
        has_word: false,
        ends_in_word: false,
        is_ranges: false,
        is_deep: false,
        replaced: 0,
    };

    /// A constant of so many characters.
    #[expect(clippy::cast_precision_loss, reason = "a text has fewer than 2^52 characters")]
    pub(super) fn constant(characters: usize) -> Self {
        let size = (characters as f64 / CONSTANT_CHARACTERS).floor().max(1.0);
        Self { size, element: size, digits: size, parts: 0.0, ..Self::ONE }
    }

    /// One that holds all of `values`.
    pub(super) fn sum(values: &[Self]) -> Self {
        let total = |of: fn(&Self) -> f64| values.iter().map(of).sum::<f64>();
        Self {
            size: total(|value| value.size).max(1.0),
            element: most(values, |value| value.element),
            digits: total(|value| value.digits).max(1.0),
            parts: 1.0 + total(|value| value.parts),
            is_made: values.iter().any(|value| value.is_made),
            is_computed: values.iter().any(|value| value.is_computed),
            has_word: values.iter().any(|value| value.has_word || value.ends_in_word),
            ends_in_word: false,
            is_ranges: false,
            is_deep: values.iter().any(|value| value.is_deep),
            replaced: values.iter().fold(0, |all, value| all | value.replaced),
        }
    }

    /// One that is any of `values`.
    pub(super) fn any(values: &[Self]) -> Self {
        Self {
            size: most(values, |value| value.size),
            element: most(values, |value| value.element),
            digits: most(values, |value| value.digits),
            parts: 1.0 + values.iter().map(|value| value.parts).sum::<f64>(),
            is_made: values.iter().any(|value| value.is_made),
            is_computed: values.iter().any(|value| value.is_computed),
            has_word: values.iter().any(|value| value.has_word),
            ends_in_word: values.iter().any(|value| value.ends_in_word),
            is_ranges: !values.is_empty() && values.iter().all(|value| value.is_ranges),
            is_deep: values.iter().any(|value| value.is_deep),
            replaced: values.iter().fold(0, |all, value| all | value.replaced),
        }
    }

    /// One of the same parts that is as small as a column's.
    pub(super) fn small(self) -> Self {
        Self { parts: self.parts, ..Self::ONE }
    }

    /// One that holds a value of each row, as a text or a document.
    pub(super) fn collected(self) -> Self {
        self.sized(f64::INFINITY)
    }

    /// An array of a value of each row.
    pub(super) fn array_of_rows(self) -> Self {
        Self { element: self.size, ..self.collected() }
    }

    /// A number of as many digits as one can have.
    pub(super) fn long_number(self) -> Self {
        Self { digits: MOST_DIGITS, ..self }
    }

    /// A number of so many characters, or of its own digits if those are more.
    pub(super) fn number_of(self, characters: f64) -> Self {
        let digits = self.digits.max(characters / CONSTANT_CHARACTERS);
        Self { digits: digits.min(MOST_DIGITS), ..self }
    }

    /// A number raised to a power.
    pub(super) fn raised(self, power: Option<f64>) -> Self {
        match power {
            Some(power) => self.number_of(self.digits * CONSTANT_CHARACTERS * power.abs()),
            None => self.long_number(),
        }
    }

    /// The same where it may be a row or an array, of which a text has quotes and backslashes twice.
    pub(super) fn quoted(self) -> Self {
        self.times(2.0)
    }

    /// The same as a text.
    pub(super) fn as_text(self) -> Self {
        if self.digits > self.size { self.sized(self.digits) } else { self }
    }

    /// One of the same parts whose size is another.
    pub(super) fn sized(self, size: f64) -> Self {
        Self { size: size.max(1.0), element: size.max(1.0), digits: size.max(1.0), ..self }
    }

    /// One that is so many times as large.
    pub(super) fn times(self, factor: f64) -> Self {
        self.sized(self.size * factor)
    }

    /// An element of it.
    pub(super) fn of_element(self) -> Self {
        Self { size: self.element, ..self }
    }

    /// The same behind what the planner does not look through.
    pub(super) fn fenced(self) -> Self {
        Self { parts: 1.0, ..self }
    }

    /// The same, made by the statement.
    pub(super) fn made(self) -> Self {
        Self { is_made: true, is_computed: true, ..self }
    }

    /// Whether it is made larger than anything needs to be, whatever the rows hold.
    pub(super) fn is_huge(&self) -> bool {
        self.size > HUGE && self.size.is_finite()
    }

    /// Whether it is known to be an array: its elements are smaller than it is.
    pub(super) fn is_array(&self) -> bool {
        self.element < self.size
    }

    /// Whether its size is that of a text that was repeated, and not of rows that were collected.
    pub(super) fn is_repeated(&self) -> bool {
        self.is_unbounded() && self.size.is_finite()
    }

    pub(super) fn is_unbounded(&self) -> bool {
        self.size > LARGEST
    }
}

fn most(values: &[Value], of: fn(&Value) -> f64) -> f64 {
    values.iter().map(of).fold(1.0, f64::max)
}

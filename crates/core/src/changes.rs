//! Changes of the data, ordered by transaction. A read whose snapshot does not see a transaction does not
//! contain its change, whatever any clock said.

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

use crate::{
    ids::{MetricId, QueryId},
    sql::TableName,
};

/// The id of a transaction, PostgreSQL's `xid8`: later ones began to write later, and may commit earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A snapshot, PostgreSQL's `pg_snapshot`: which transactions had ended at a read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Every transaction before this one had ended.
    xmin: TransactionId,
    /// This one and every later one had not.
    xmax: TransactionId,
    /// Those between that had not, in their order.
    in_progress: Box<[TransactionId]>,
}

/// A text that is not a [`Snapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a snapshot is written xmin:xmax:xip,xip…")]
pub struct InvalidSnapshot;

impl Snapshot {
    /// Whether `transaction` had ended when the snapshot was taken. Its writes were then seen, unless it
    /// was rolled back.
    #[must_use]
    pub fn sees(&self, transaction: TransactionId) -> bool {
        transaction < self.xmin
            || transaction < self.xmax && self.in_progress.binary_search(&transaction).is_err()
    }

    /// The same without what it sees after a transaction that may have gone on: all that it sees for certain where those in
    /// progress are not told.
    #[must_use]
    pub fn without_gaps(self) -> Self {
        Self { xmax: self.xmin, in_progress: Box::default(), ..self }
    }

    /// Returns the first transaction that may not have ended: all before it are seen.
    #[must_use]
    pub fn xmin(&self) -> TransactionId {
        self.xmin
    }
}

impl FromStr for Snapshot {
    type Err = InvalidSnapshot;

    /// Parses PostgreSQL's text: `xmin:xmax:xip,xip…`.
    fn from_str(text: &str) -> Result<Self, InvalidSnapshot> {
        let id = |text: &str| text.parse().map(TransactionId).map_err(|_| InvalidSnapshot);
        let mut parts = text.split(':');
        let (Some(xmin), Some(xmax), Some(list), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidSnapshot);
        };
        let (xmin, xmax) = (id(xmin)?, id(xmax)?);
        let in_progress = match list {
            "" => Box::default(),
            list => list.split(',').map(id).collect::<Result<Box<[_]>, _>>()?,
        };
        let is_ordered = in_progress.is_sorted_by(|earlier, later| earlier < later);
        let are_between = in_progress.iter().all(|id| (xmin..xmax).contains(id));
        if xmin > xmax || !is_ordered || !are_between {
            return Err(InvalidSnapshot);
        }
        Ok(Self { xmin, xmax, in_progress })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (index, id) in self.in_progress.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{id}")?;
        }
        Ok(())
    }
}

/// A write that was recorded in the change log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The transaction that wrote it.
    pub by: TransactionId,
    /// The object of a write.
    pub what: Changed,
}

/// The name of something that is defined in the database and can be redefined.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DefinedName {
    /// A table or view.
    Relation(TableName),
    /// All functions and types of this name that did not come with PostgreSQL, whatever their schema.
    Called(String),
}

/// The object of a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Changed {
    /// Rows of a table.
    Table {
        /// The table, always with its schema.
        table: TableName,
        /// Of `public.metrics`: the ids (of queries) whose rows were written, and no others were.
        /// `None`: any row may have been.
        ids: Option<BTreeSet<String>>,
    },
    /// A metric's definition or layouts, or its existence.
    Metric(MetricId),
    /// A query, or its existence.
    Query(QueryId),
}

impl Changed {
    /// Any rows of `table`.
    #[must_use]
    pub fn rows_of(table: &TableName) -> Self {
        Self::Table { table: table.clone().qualified(), ids: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshot(text: &str) -> Result<Snapshot, InvalidSnapshot> {
        text.parse()
    }

    #[test]
    fn without_gaps_a_snapshot_sees_no_transaction_after_one_that_may_go_on() {
        let snapshot = snapshot("10:20:").unwrap().without_gaps();
        let seen = [9, 10, 19, 20].map(|id| snapshot.sees(TransactionId(id)));
        assert_eq!(seen, [true, false, false, false]);
        assert_eq!(snapshot.to_string(), "10:10:");
    }

    #[test]
    fn a_snapshot_sees_what_had_ended() {
        let snapshot = snapshot("10:20:10,14,15").unwrap();
        for (id, is_seen) in
            [(0, true), (9, true), (10, false), (11, true), (14, false), (19, true), (20, false)]
        {
            assert_eq!(snapshot.sees(TransactionId(id)), is_seen, "{id}");
        }
        assert_eq!(snapshot.xmin(), TransactionId(10));
    }

    #[test]
    fn only_snapshots_are_read_as_such() {
        for text in ["1:1:", "0:0:", "3:9:3,8", "18446744073709551615:18446744073709551615:"] {
            assert_eq!(snapshot(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            ":",
            "::",
            "1:2",
            "1:2:3:4",
            "2:1:",
            "1:5:0",
            "1:5:5",
            "1:5:3,2",
            "1:5:3,3",
            "1:5:,",
            "1:5:2,",
            "-1:5:",
            "1:x:",
            "1: 5:",
            "1:18446744073709551616:",
        ] {
            assert_eq!(snapshot(text), Err(InvalidSnapshot), "{text}");
        }
    }

    proptest! {
        // The definition: a transaction is seen that came before all that run, or between them and
        // the next one to begin while not running itself.
        #[test]
        fn whatever_runs_or_comes_later_is_not_seen(
            xmin in 0_u64..50,
            running in proptest::collection::btree_set(0_u64..40, 0..12),
            beyond in 0_u64..10,
        ) {
            let running: BTreeSet<u64> = running.into_iter().map(|id| xmin + id).collect();
            let xmax = running.last().map_or(xmin, |last| last + 1) + beyond;
            let list: Vec<String> = running.iter().map(u64::to_string).collect();
            let text = format!("{xmin}:{xmax}:{}", list.join(","));
            let snapshot: Snapshot = text.parse().unwrap();
            prop_assert_eq!(snapshot.to_string(), text);
            for id in 0..xmax + 5 {
                let is_seen = id < xmax && !running.contains(&id);
                prop_assert_eq!(snapshot.sees(TransactionId(id)), is_seen, "{}", id);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9:,]{0,20}") {
            if let Ok(snapshot) = text.parse::<Snapshot>() {
                prop_assert!(!snapshot.sees(snapshot.xmax));
            }
        }
    }
}

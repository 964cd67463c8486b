//! Classifies every use case's errors once, for all surfaces: the [`Cause`] says what happened, its
//! [`ErrorKind`] what a surface makes of it (an HTTP status, an exit code).
//!
//! Never knows a surface: no status, no header, no place in a body.

use std::{borrow::Cow, sync::Arc};

use metricd_core::window::{ParamName, WindowFault};

/// What an error means to the caller, whatever the surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller lacks a permission.
    Forbidden,
    /// The object does not exist, as far as the caller may know.
    NotFound,
    /// The object's present state does not permit it.
    Conflict,
    /// The object was modified since the caller read it.
    Stale,
    /// The input is faulty: the same request fails again.
    Invalid,
    /// The answer would cost more than a limit allows.
    TooExpensive,
    /// The caller has too much in progress: a later attempt may succeed.
    TooMany,
    /// A queue is full or a lock is held: a later attempt may succeed.
    Busy,
    /// A stored query no longer fits the database that it reads.
    Broken,
    /// The time was up before there was an answer.
    Deadline,
    /// A dependency cannot be reached: a later attempt may succeed.
    Unavailable,
    /// A defect of the server, its data or a stored query.
    Internal,
}

/// Declares [`Cause`]: each variant with its name, its kind, its summary and, where there is something
/// to do, a hint.
macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident = $name:literal, $kind:ident, $summary:literal $(, $hint:literal)?;)*) => {
        /// What happened, machine-readable: a closed list whose names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$doc])* $cause,)*
        }

        impl Cause {
            /// All causes.
            pub const ALL: &[Self] = &[$(Self::$cause),*];

            /// Its stable name in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => $name,)* }
            }

            /// Its kind.
            #[must_use]
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$cause => ErrorKind::$kind,)* }
            }

            /// What happened, for people; safe to show to every caller.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$cause => $summary,)* }
            }

            /// What the caller can do about it.
            #[must_use]
            pub const fn hint(self) -> Option<&'static str> {
                match self { $(Self::$cause => causes!(@hint $($hint)?),)* }
            }
        }
    };
    (@hint) => { None };
    (@hint $hint:literal) => { Some($hint) };
}

causes! {
    /// The caller lacks a permission.
    Forbidden = "forbidden", Forbidden, "Permission denied";
    /// No metric has this id, or the caller may not read it.
    MetricNotFound = "metric-not-found", NotFound, "Metric not found";
    /// No table has this name.
    TableNotFound = "table-not-found", NotFound, "Table not found";
    /// The metric is not editable.
    MetricLocked = "metric-locked", Conflict, "The metric is locked",
        "Unlock the metric first by setting is_editable to true.";
    /// Another metric that the query answers is not editable.
    QueryLocked = "query-locked", Conflict, "The query also answers a metric that is locked",
        "Unlock every metric of this query first.";
    /// A generated query awaits approval.
    MetricAwaitsApproval = "metric-awaits-approval", Conflict, "The metric awaits approval",
        "A caller with the permission to approve has to approve the metric first.";
    /// The query is at another version than the caller gave, or was replaced meanwhile.
    QueryModified = "query-modified", Conflict, "The query was modified concurrently",
        "Read the query again and repeat the request with its current version.";
    /// The layouts are at another version than the caller gave.
    LayoutsModified = "layouts-modified", Stale, "Precondition failed: the layouts were modified concurrently",
        "Read the metric again and repeat the request with its current layout version.";
    /// The metric is in another state than the caller gave.
    MetricModified = "metric-modified", Stale, "Precondition failed: the metric was modified concurrently",
        "Read the metric again and repeat the request with its current ETag.";
    /// A write collided with another one.
    CatalogModified = "catalog-modified", Conflict, "The catalog was modified concurrently",
        "Repeat the request.";
    /// A request with the same idempotency key has not ended.
    IdempotencyKeyInProgress = "idempotency-key-in-progress", Conflict,
        "A request with this Idempotency-Key is in progress",
        "Repeat the request later with the same key to get its response.";
    /// The idempotency key belongs to another request.
    IdempotencyKeyReused = "idempotency-key-reused", Invalid,
        "The Idempotency-Key was used for a different request",
        "Use a new key for each request; repeat a request only with the same body.";
    /// A part of the request is faulty.
    InvalidRequest = "invalid-request", Invalid, "The request is invalid";
    /// The window is impossible or too long.
    InvalidWindow = "invalid-window", Invalid, "The window is invalid";
    /// The SQL does not compile.
    InvalidSql = "invalid-sql", Invalid, "The SQL was rejected";
    /// The query never had this version.
    UnknownVersion = "unknown-version", Invalid, "The query has no such version",
        "List the query's versions.";
    /// No generator understood the sentence.
    SentenceNotUnderstood = "sentence-not-understood", Invalid, "The sentence was not understood",
        "Rephrase the sentence, or write the SQL.";
    /// The planner's cost exceeds the limit.
    QueryTooExpensive = "query-too-expensive", TooExpensive, "The query is too expensive",
        "Simplify the query, or have the operator raise limits.max_cost.";
    /// One row alone exceeds the limit.
    RowTooLarge = "row-too-large", TooExpensive, "A row of the result is too large",
        "Select fewer columns, or have the operator raise limits.max_result_bytes.";
    /// As many of the caller's requests are in progress as may be.
    TooManyRequestsAtOnce = "too-many-requests-at-once", TooMany,
        "The caller has too many requests at once",
        "Send fewer requests at once, and read their responses.";
    /// There are as many connections, or as many bytes are being sent, as may be.
    ServerBusy = "server-busy", Busy, "The server is busy: too many connections, or too much to send",
        "Try again later.";
    /// The queue of queries is full.
    QueueFull = "queue-full", Busy, "The database is busy: too many queries are queued",
        "Try again later.";
    /// No connection could be had.
    DatabaseUnavailable = "database-unavailable", Unavailable, "The database is busy or unreachable",
        "Try again later.";
    /// There is no room on the database's disk.
    DiskFull = "disk-full", Unavailable, "The database's disk is full: nothing can be written",
        "Metrics are still answered. Try again once the operator has made room.";
    /// The server stops, and the request had all the time that was left.
    ServerStopping = "server-stopping", Unavailable, "The server is stopping",
        "Try again: another server answers, or this one once it has started again.";
    /// The keys of the token's issuer could not be fetched.
    IssuerUnavailable = "issuer-unavailable", Unavailable, "Tokens cannot be verified at present",
        "Try again later.";
    /// The query ran into its time limit.
    QueryTimeout = "query-timeout", Deadline, "The query took too long",
        "Ask for fewer days, or simplify the query.";
    /// The request ran into its time limit.
    DeadlineExceeded = "deadline-exceeded", Deadline, "The request took too long",
        "Try again later, or ask for less.";
    /// The query failed on the data that it read.
    QueryFailed = "query-failed", Invalid, "The metric's query failed",
        "Ask for other parameters, or have the metric's owner correct its query.";
    /// The stored query no longer fits the database, or is no longer permitted.
    MetricBroken = "metric-broken", Broken, "The metric is broken: its query no longer fits the database",
        "Have the metric's owner correct its query.";
    /// A defect of the server or its data.
    Internal = "internal", Internal, "Internal server error",
        "Give the operator the request's id; the server's log has the details.";
    /// The file as a whole is faulty.
    InvalidFile = "invalid-file", Invalid, "The file is invalid";
    /// The table to be created exists.
    TableExists = "table-exists", Conflict, "The table already exists";
    /// The table belongs to PostgreSQL or to metricd.
    TableReserved = "table-reserved", Invalid, "The table is reserved";
    /// It is a view or a foreign table.
    TableUnsupported = "table-unsupported", Invalid, "The object is not a table of this server";
    /// metricd's role does not own the table.
    TableNotOwned = "table-not-owned", Forbidden, "The table belongs to another role";
    /// Another transaction holds the table's lock.
    TableInUse = "table-in-use", Busy, "The table is in use";
}

/// An input that a fault can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputField {
    /// The SQL of a metric.
    Sql,
    /// The number of an earlier version.
    Version,
    /// The SQL of the earlier version that was asked for.
    SqlOfVersion,
    /// The sentence that a query is to be generated from.
    Sentence,
    /// The idempotency key.
    IdempotencyKey,
    /// A parameter of the window.
    Window(ParamName),
}

/// What is wrong with one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFault {
    /// Which input.
    pub field: InputField,
    /// What is wrong with it, for people.
    pub message: String,
}

impl From<&WindowFault> for InputFault {
    fn from(fault: &WindowFault) -> Self {
        Self { field: InputField::Window(fault.param), message: fault.reason.to_string() }
    }
}

/// An error as a surface reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What happened.
    pub cause: Cause,
    /// The same with its particulars; the cause's summary unless the error has any.
    pub detail: Cow<'static, str>,
    /// What the caller can do about it.
    pub hint: Option<&'static str>,
    /// What is wrong with which input, if that is what happened.
    pub faults: Vec<InputFault>,
}

impl From<Cause> for Classified {
    fn from(cause: Cause) -> Self {
        let faults = Vec::new();
        Self { cause, detail: cause.summary().into(), hint: cause.hint(), faults }
    }
}

impl Classified {
    /// A faulty input.
    pub(crate) fn faulty(cause: Cause, field: InputField, message: &impl ToString) -> Self {
        let fault = InputFault { field, message: message.to_string() };
        Self { faults: vec![fault], ..cause.into() }
    }

    /// Adds particulars that every caller may see.
    pub(crate) fn with_detail(self, detail: &impl ToString) -> Self {
        Self { detail: detail.to_string().into(), ..self }
    }
}

/// An error of a use case or a port, as every surface understands it.
pub trait Classify {
    /// Classifies the error.
    fn classify(&self) -> Classified;
}

impl<E: Classify + ?Sized> Classify for Arc<E> {
    fn classify(&self) -> Classified {
        (**self).classify()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let names: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for name in names {
            let is_kebab = name.split('-').all(|word| {
                !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase())
            });
            assert!(is_kebab, "{name}");
        }
    }
}

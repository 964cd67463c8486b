//! PostgreSQL's own parser and printer.
//!
//! The only file that calls them. Never prints a tree without checking that the text parses back to
//! the same tree.

use pg_query::{
    Node, NodeEnum,
    protobuf::{ParseResult, RawStmt, Token},
};

use super::{
    error::SqlFault,
    scan::{Scanned, range, slice, tokens},
    walk::{Visitor, walk},
};

/// The most bytes of SQL.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// The most levels of a parse tree, chains left out.
pub(super) const MAX_DEPTH: usize = 45;

/// The most operators, or set operations, that follow one another. The parser's own stack has room for a few
/// more, in every build.
pub(super) const MAX_CHAIN: usize = 700;

/// Parses the author's text, with `$n` for its placeholders, to its one SELECT.
pub(super) fn parse(text: &str, scanned: &Scanned) -> Result<Node, SqlFault> {
    let parsed = pg_query::parse(&scanned.sql, 0);
    let statements = parsed.map_err(|error| syntax_fault(text, scanned, &error))?.protobuf.stmts;
    let mut statements = statements.into_iter();
    let first = statements.next().and_then(|statement| statement.stmt);
    let Some(select) = first else {
        return Err(SqlFault::new(0_usize, "the query is empty"));
    };
    if let Some(second) = statements.next() {
        let at = usize::try_from(second.stmt_location).unwrap_or(0);
        let blank = text.get(at..).map_or(0, |rest| rest.len() - rest.trim_start().len());
        return Err(SqlFault::new(at + blank, "a second statement begins here")
            .hint("a query is one SELECT; remove everything after its semicolon"));
    }
    match &select.node {
        Some(NodeEnum::SelectStmt(_)) => Ok(*select),
        _ => Err(not_a_select(text)),
    }
}

/// Parses the text of a template.
pub(super) fn parse_printed(sql: &str) -> Result<Node, SqlFault> {
    parse(sql, &Scanned { sql: sql.to_owned(), placeholders: Vec::new() })
}

/// Prints `tree`, and checks that the text parses to the same tree and prints to the same text.
pub(super) fn print(tree: &Node) -> Result<String, SqlFault> {
    let sql = deparse(tree)?;
    let reread = pg_query::parse(&sql, 0)
        .map_err(|error| if too_deep(&error.to_string()) { depth_fault() } else { unstable() })?;
    let again = reread.protobuf.stmts.into_iter().next().and_then(|statement| statement.stmt);
    let again = again.ok_or_else(unstable)?;
    if without_locations(&again)? != without_locations(tree)? || deparse(&again)? != sql {
        return Err(unstable());
    }
    Ok(sql)
}

/// Returns `tree` without byte offsets: two spellings of the same are then equal.
pub(super) fn without_locations(tree: &Node) -> Result<Node, SqlFault> {
    let mut tree = tree.clone();
    walk(&mut tree, &mut Strip)?;
    Ok(tree)
}

struct Strip;

impl Visitor for Strip {
    fn number(&mut self, field: &'static str, value: &mut i32) {
        let fields = [
            "location",
            "list_start",
            "list_end",
            "rexpr_list_start",
            "rexpr_list_end",
            "name_location",
        ];
        if fields.contains(&field) {
            *value = 0;
        }
    }
}

pub(super) fn deparse(tree: &Node) -> Result<String, SqlFault> {
    let statement = RawStmt { stmt: Some(Box::new(tree.clone())), stmt_location: 0, stmt_len: 0 };
    let result = ParseResult { version: 0, stmts: vec![statement] };
    pg_query::deparse(&result, pg_query::DeparseOptions::default())
        .map_err(|error| if too_deep(&error.to_string()) { depth_fault() } else { unstable() })
}

fn unstable() -> SqlFault {
    SqlFault::new(
        0_usize,
        "this query cannot be stored: its printed form does not parse back to the same query",
    )
    .hint("simplify it, or put parentheses around its expressions")
}

/// Returns the fault of a tree deeper than [`MAX_DEPTH`].
pub(super) fn depth_fault() -> SqlFault {
    let message = format!(
        "this query is nested too deeply: more than {MAX_DEPTH} levels, or {MAX_CHAIN} operators in a row"
    );
    SqlFault::new(0_usize, message).hint(
        "about 15 subqueries, or 40 joins or CASE branches in a row, are the most; split it into CTEs",
    )
}

fn too_deep(message: &str) -> bool {
    ["recursion limit", "stack depth", "memory exhausted", "nested too deeply"]
        .iter()
        .any(|sign| message.contains(sign))
}

fn not_a_select(text: &str) -> SqlFault {
    let tokens = tokens(text).unwrap_or_default();
    let first = tokens.iter().find(|t| !matches!(t.token(), Token::SqlComment | Token::CComment));
    let (at, word) = first.map_or((0, ""), |token| (range(token).start, slice(text, token)));
    SqlFault::new(at, format!("a query must be a SELECT, not {}", word.to_uppercase()))
}

/// Converts the parser's message, which has no position, into one about the author's text.
fn syntax_fault(text: &str, scanned: &Scanned, error: &pg_query::Error) -> SqlFault {
    let message = match error {
        pg_query::Error::Parse(message) => message.clone(),
        other => other.to_string(),
    };
    if too_deep(&message) {
        return depth_fault();
    }
    if message == "syntax error at end of input" {
        return SqlFault::new(text.trim_end().len(), "syntax error at the end of the query");
    }
    let Some(offset) = offending_token(&scanned.sql, &message) else {
        return SqlFault::new(0_usize, message);
    };
    match scanned.placeholders.iter().find(|placeholder| placeholder.offset == offset) {
        Some(placeholder) => {
            let message = format!("syntax error at or near \":{}\"", placeholder.name);
            SqlFault::new(offset, message).hint(
                "a placeholder is allowed only where a value is; write `:start_date` alone, not \
                 `DATE :start_date`, and `:day_range * INTERVAL '1 day'`",
            )
        }
        None => SqlFault::new(offset, message),
    }
}

/// Returns the offset of the token at which the parser failed: the first one of that text up to which the
/// statement fails in the same way. Up to every later one it does, too.
fn offending_token(sql: &str, message: &str) -> Option<usize> {
    let near = message.split_once("at or near \"")?.1.strip_suffix('"')?;
    let tokens = tokens(sql).ok()?;
    let same: Vec<_> = tokens.iter().filter(|token| slice(sql, token) == near).collect();
    let fails = |end: usize| {
        let upto = sql.get(..end).map(|text| pg_query::parse(text, 0));
        upto.is_some_and(|upto| {
            upto.is_err_and(|e| e == pg_query::Error::Parse(message.to_owned()))
        })
    };
    let first = same.partition_point(|token| !fails(range(token).end));
    same.get(first).map(|token| range(token).start)
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHAIN, too_deep};
    use crate::sql::{Draft, Gate, stack};

    fn error(sql: &str) -> String {
        Draft::parse(sql, &Gate::default()).unwrap_err().to_string()
    }

    #[test]
    fn a_query_is_one_select() {
        for sql in [
            "SELECT 1",
            "SELECT 1;",
            "SELECT 1 ; ; -- done\n",
            "VALUES (1), (2)",
            "TABLE t",
            "(SELECT 1)",
            "SELECT",
            "\u{a0}SELECT 1".trim(),
        ] {
            assert!(Draft::parse(sql, &Gate::default()).is_ok(), "{sql}");
        }
        let cases = [
            ("SELECT 1; SELECT 2", "line 1, column 11: a second statement begins here"),
            ("SELECT 1;\n\n  DROP TABLE t", "line 3, column 3: a second statement begins here"),
            ("-- x\nDROP TABLE t", "line 2, column 1: a query must be a SELECT, not DROP"),
            (
                "/* x */ insert into t values (1)",
                "line 1, column 9: a query must be a SELECT, not INSERT",
            ),
            ("EXPLAIN SELECT 1", "line 1, column 1: a query must be a SELECT, not EXPLAIN"),
            ("COPY t TO STDOUT", "line 1, column 1: a query must be a SELECT, not COPY"),
            ("DO $$ $$", "line 1, column 1: a query must be a SELECT, not DO"),
            ("SET ROLE x", "line 1, column 1: a query must be a SELECT, not SET"),
            (
                "CREATE TABLE t AS SELECT 1",
                "line 1, column 1: a query must be a SELECT, not CREATE",
            ),
        ];
        for (sql, expected) in cases {
            assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
        }
    }

    #[test]
    fn syntax_errors_have_the_place_of_their_token() {
        let cases = [
            ("SELECT a,\n  b c d FROM t", "line 2, column 7: syntax error at or near \"d\""),
            ("SELECT a FROM WHERE", "line 1, column 15: syntax error at or near \"WHERE\""),
            (
                "SELECT a, FROM t, (SELECT a FROM t)",
                "line 1, column 11: syntax error at or near \"FROM\"",
            ),
            ("SELECT (a FROM t", "line 1, column 11: syntax error at or near \"FROM\""),
            ("SELECT 'ä' b c", "line 1, column 14: syntax error at or near \"c\""),
            ("SELECT a FROM ", "line 1, column 14: syntax error at the end of the query"),
            (
                "SELECT a FROM t LIMIT 1 :end_date",
                "line 1, column 25: syntax error at or near \":end_date\"",
            ),
        ];
        for (sql, expected) in cases {
            assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let many = |n: usize, text: &str| text.repeat(n);
        let deep = [
            format!("SELECT {}1{}", many(100_000, "("), many(100_000, ")")),
            format!("SELECT {}1{}", many(30_000, "("), many(30_000, ")")),
            format!("SELECT a{}", many(10_000, "+a")),
            format!("SELECT {}a", many(30_000, "- ")),
            format!("SELECT {}a", many(10_000, "NOT ")),
            format!("SELECT a{}", many(10_000, "::int")),
            format!("SELECT 1{}", many(5_000, " UNION SELECT 1")),
            format!("SELECT 1{}", many(3_000, " UNION TABLE t")),
            format!("SELECT {}1{}", many(5_000, "(SELECT "), many(5_000, ")")),
            format!("SELECT * FROM t{}", many(3_000, " JOIN t USING (a)")),
            format!("SELECT {}1{}", many(1_000, "CASE WHEN a THEN b ELSE "), many(1_000, " END")),
            format!("SELECT a{}", many(1_100, "+a")),
            format!("SELECT {}a", many(60, "NOT ")),
            format!("SELECT {}a", many(250_000, "-+")),
            format!("SELECT {}1{}", many(30, "(SELECT "), many(30, ")")),
        ];
        for sql in deep {
            let error = error(&sql);
            assert!(
                error.contains("nested too deeply") || error.contains("longer than 256 KiB"),
                "{error}"
            );
        }
        assert!(
            error(&format!("SELECT {}1", many(50_000, "1, "))).contains("more than 100000 parts")
        );
        assert!(error(&format!("SELECT '{}'", many(270_000, "x"))).contains("longer than 256 KiB"));
        assert_eq!(error("SELECT\n '\0'"), "line 2, column 3: the SQL contains a NUL character");
        let long = [
            format!("SELECT {}1{}", many(2_000, "("), many(2_000, ")")),
            format!("SELECT a{}", many(690, "+a")),
            format!("SELECT a{}", many(340, " || coalesce(b, '') || ','")),
            format!("SELECT 1{}", many(690, " UNION ALL SELECT 1")),
            format!("SELECT 1 WHERE a{}", many(2_000, " AND a")),
            format!("SELECT {}1", many(5_000, "1, ")),
        ];
        for sql in long {
            assert!(Draft::parse(&sql, &Gate::default()).is_ok(), "{}", error(&sql));
        }
    }

    #[test]
    fn the_parser_itself_goes_little_further_than_the_bound_on_chains() {
        let parsed = |operators: usize| {
            let sql = format!("SELECT a{}", "+a".repeat(operators));
            stack::deep(&sql, || Ok(pg_query::parse(&sql, 0).map(drop))).unwrap()
        };
        assert!(parsed(MAX_CHAIN).is_ok());
        let refused = parsed(MAX_CHAIN + 50).unwrap_err().to_string();
        assert!(too_deep(&refused), "{refused}");
    }
}

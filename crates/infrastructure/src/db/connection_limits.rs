//! Whether a server gives as many connections as this process may take.

use sqlx::{PgConnection, PgPool, Row as _};

/// What a server, a role and a database say of connections, as one who is connected reads it.
#[derive(Clone)]
struct GivenConnections {
    /// Which start of which server it is: the same for all that are connected to it.
    server: String,
    /// How many the server gives to the role: what it reserves, superusers may use.
    of_server: i64,
    role: String,
    /// `None` where the role has as many as it likes.
    of_role: Option<i64>,
    database: String,
    of_database: Option<i64>,
}

/// Superusers are bound by the server's `max_connections` alone.
const LIMITS: &str = "
    SELECT pg_catalog.pg_postmaster_start_time()::text,
        pg_catalog.current_setting('max_connections')::int8
            - CASE WHEN r.rolsuper THEN 0 ELSE pg_catalog.current_setting('superuser_reserved_connections')::int8
                + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int8 END,
        pg_catalog.quote_ident(r.rolname), nullif(r.rolconnlimit, -1)::int8,
        pg_catalog.quote_ident(d.datname), nullif(d.datconnlimit, -1)::int8, r.rolsuper
    FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
    WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()";

impl GivenConnections {
    /// Reads those of a connection.
    async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(LIMITS).persistent(false).fetch_one(connection).await?;
        let is_superuser: bool = row.try_get(6)?;
        let unless_superuser = |limit: Option<i64>| limit.filter(|_| !is_superuser);
        Ok(Self {
            server: row.try_get(0)?,
            of_server: row.try_get(1)?,
            role: row.try_get(2)?,
            of_role: unless_superuser(row.try_get(3)?),
            database: row.try_get(4)?,
            of_database: unless_superuser(row.try_get(5)?),
        })
    }
}

/// How many connections a process takes as each of two roles, beside those of the pools.
pub(super) struct Needs {
    /// The size of each pool: `database.max_connections`.
    pub(super) pool: u32,
    /// Beside the pool of metricd's own role.
    pub(super) own: u32,
    /// Beside the pool of the reader.
    pub(super) reader: u32,
}

/// All that a process needs and is not given, each with its remedy. `own` leads to the server as metricd's own role, and
/// `reader` as the reader, maybe to another.
///
/// # Errors
/// When one of them reports an error.
pub(super) async fn faults(
    own: &PgPool,
    reader: &mut PgConnection,
    needs: &Needs,
) -> Result<Vec<String>, sqlx::Error> {
    let reader = GivenConnections::read(reader).await?;
    let own = GivenConnections::read(&mut *own.acquire().await?).await?;
    Ok(compare(&own, &reader, needs))
}

fn compare(own: &GivenConnections, reader: &GivenConnections, needs: &Needs) -> Vec<String> {
    let own_needs = i64::from(needs.pool + needs.own);
    let reader_needs = i64::from(needs.pool + needs.reader);
    let mut faults = Vec::new();
    let mut check = |what: &str, gives: Option<i64>, needed: i64, pools: i64, remedy: &str| {
        let Some(gives) = gives.filter(|gives| *gives < needed) else { return };
        let most = i64::from(needs.pool) + (gives - needed).div_euclid(pools);
        let or = if most > 0 {
            format!(", or set database.max_connections to {most} at most")
        } else {
            String::new()
        };
        faults.push(format!(
            "{what} gives {gives} connections, and metricd takes up to {needed}: {remedy}{or}"
        ));
    };
    let mut check_place = |place: &str, limits: &GivenConnections, needed: i64, pools: i64| {
        let reserved = needed - limits.of_server;
        let remedy = format!("raise max_connections there by {reserved} at least, and restart it");
        let server = format!("the server{place}");
        check(&server, Some(limits.of_server), needed, pools, &remedy);
        let remedy = format!("ALTER DATABASE {} CONNECTION LIMIT {needed}", limits.database);
        let database = format!("the database {}{place}", limits.database);
        check(&database, limits.of_database, needed, pools, &remedy);
    };
    if own.server == reader.server {
        // The reader may not use what is reserved, even where all others are taken.
        let stricter = if reader.of_server < own.of_server { reader } else { own };
        let of_database = [own.of_database, reader.of_database].into_iter().flatten().min();
        let both = GivenConnections { of_database, ..stricter.clone() };
        check_place("", &both, own_needs + reader_needs, 2);
    } else {
        check_place(" of DATABASE_URL", own, own_needs, 1);
        check_place(" of READER_DATABASE_URL", reader, reader_needs, 1);
    }
    for (limits, needed) in [(own, own_needs), (reader, reader_needs)] {
        let remedy = format!("ALTER ROLE {} CONNECTION LIMIT {needed}", limits.role);
        check(&format!("the role {}", limits.role), limits.of_role, needed, 1, &remedy);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(server: &str, of_server: i64, role: &str, of_role: Option<i64>) -> GivenConnections {
        GivenConnections {
            server: server.into(),
            of_server,
            role: role.into(),
            of_role,
            database: "shop".into(),
            of_database: None,
        }
    }

    #[test]
    fn all_that_is_not_given_is_a_fault_with_its_remedy() {
        let needs = Needs { pool: 10, own: 3, reader: 4 };
        let enough = limits("a", 27, "metricd", None);
        assert!(compare(&enough, &limits("a", 27, "reader", Some(14)), &needs).is_empty());

        let own =
            GivenConnections { of_database: Some(25), ..limits("a", 20, "metricd", Some(12)) };
        assert_eq!(
            compare(&own, &limits("a", 20, "reader", Some(3)), &needs),
            [
                "the server gives 20 connections, and metricd takes up to 27: raise max_connections there by 7 at \
                 least, and restart it, or set database.max_connections to 6 at most",
                "the database shop gives 25 connections, and metricd takes up to 27: ALTER DATABASE shop CONNECTION \
                 LIMIT 27, or set database.max_connections to 9 at most",
                "the role metricd gives 12 connections, and metricd takes up to 13: ALTER ROLE metricd CONNECTION \
                 LIMIT 13, or set database.max_connections to 9 at most",
                "the role reader gives 3 connections, and metricd takes up to 14: ALTER ROLE reader CONNECTION LIMIT \
                 14",
            ]
        );
    }

    #[test]
    fn two_servers_give_to_one_role_each() {
        let needs = Needs { pool: 10, own: 3, reader: 4 };
        let enough = limits("a", 13, "metricd", None);
        assert!(compare(&enough, &limits("b", 14, "reader", None), &needs).is_empty());
        let [fault] = &compare(&enough, &limits("b", 9, "reader", None), &needs)[..] else {
            panic!("one is too small")
        };
        assert!(fault.starts_with("the server of READER_DATABASE_URL gives 9"), "{fault}");
        assert!(fault.ends_with("database.max_connections to 5 at most"), "{fault}");

        let few = |limits| GivenConnections { of_database: Some(12), ..limits };
        let reader = few(limits("b", 14, "reader", None));
        assert_eq!(
            compare(&few(enough), &reader, &needs),
            [
                "the database shop of DATABASE_URL gives 12 connections, and metricd takes up to 13: ALTER DATABASE \
                 shop CONNECTION LIMIT 13, or set database.max_connections to 9 at most",
                "the database shop of READER_DATABASE_URL gives 12 connections, and metricd takes up to 14: ALTER \
                 DATABASE shop CONNECTION LIMIT 14, or set database.max_connections to 8 at most",
            ]
        );
    }

    #[test]
    fn what_binds_the_reader_binds_a_superuser_beside_it() {
        let needs = Needs { pool: 10, own: 3, reader: 4 };
        let superuser = limits("a", 30, "postgres", None);
        let reader = GivenConnections { of_database: Some(26), ..limits("a", 26, "reader", None) };
        let faults = compare(&superuser, &reader, &needs);
        assert!(faults[0].starts_with("the server gives 26 connections"), "{faults:?}");
        assert!(faults[1].starts_with("the database shop gives 26 connections"), "{faults:?}");
        assert_eq!(faults.len(), 2);
    }
}

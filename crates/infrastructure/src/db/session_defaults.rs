//! Defaults that the database, or a role, gives to sessions, and that stored SQL does not have: its sessions are the
//! same on every server.

use sqlx::PgPool;

/// A setting of a database or a role that does not apply to stored SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverriddenDefault {
    /// Whose setting it is, such as `database shop`.
    pub of: String,
    /// The setting, such as `TimeZone`.
    pub setting: &'static str,
    /// Its value there.
    pub value: String,
    /// The value that stored SQL has.
    pub applied: String,
}

/// The `DateStyle` of stored SQL's sessions.
pub(super) const DATE_STYLE: &str = "ISO, MDY";

/// The `IntervalStyle` of stored SQL's sessions.
pub(super) const INTERVAL_STYLE: &str = "postgres";

/// The `search_path` of stored SQL's sessions.
pub(super) const SEARCH_PATH: &str = "public";

const DEFAULTS: &str = "
    SELECT coalesce(nullif(pg_catalog.concat_ws(' in ', 'role ' || pg_catalog.quote_ident(r.rolname::text),
            'database ' || pg_catalog.quote_ident(d.datname::text)), ''), 'every role'),
        pg_catalog.lower(pg_catalog.split_part(setting, '=', 1)),
        pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1)
    FROM pg_catalog.pg_db_role_setting s
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    CROSS JOIN pg_catalog.unnest(s.setconfig) AS setting
    WHERE (s.setdatabase = 0::oid OR d.datname = pg_catalog.current_database())
        AND (s.setrole = 0::oid OR r.rolname IN (current_user, $1))
        -- metricd's own, which each session replaces
        AND NOT (s.setrole <> 0::oid AND r.rolname = $1 AND setting = 'TimeZone=UTC')
    ORDER BY 1, 2";

/// Reads the defaults of the database and of the roles that metricd connects as which differ from what stored SQL has;
/// `timezone` is its default zone.
pub(super) async fn overridden(
    pool: &PgPool,
    reader: &str,
    timezone: &str,
) -> Result<Vec<OverriddenDefault>, sqlx::Error> {
    let found: Vec<(String, String, String)> =
        sqlx::query_as(DEFAULTS).bind(reader).fetch_all(pool).await?;
    let settings = [
        ("TimeZone", timezone),
        ("DateStyle", DATE_STYLE),
        ("IntervalStyle", INTERVAL_STYLE),
        ("search_path", SEARCH_PATH),
    ];
    let differs = |(of, name, value): (String, String, String)| {
        let known = settings.iter().find(|(setting, _)| setting.eq_ignore_ascii_case(&name));
        let (setting, applied) = known.copied()?;
        let is_same = is_same(&value, applied);
        (!is_same).then(|| OverriddenDefault { of, setting, value, applied: applied.to_owned() })
    };
    Ok(found.into_iter().filter_map(differs).collect())
}

/// Returns which of a role's settings differ from those that are about to replace them; `of` says whose they are.
pub(super) fn replaced(
    of: &str,
    has: &[String],
    applied: &[(&'static str, String)],
) -> Vec<OverriddenDefault> {
    let differs = |(name, value): (&str, &str)| {
        let meaning = ["TimeZone", "DateStyle", "IntervalStyle", "search_path"];
        let setting = meaning.into_iter().find(|setting| setting.eq_ignore_ascii_case(name))?;
        let (_, applied) = applied.iter().find(|(name, _)| *name == setting)?;
        (!is_same(value, applied)).then(|| OverriddenDefault {
            of: of.to_owned(),
            setting,
            value: value.to_owned(),
            applied: applied.clone(),
        })
    };
    has.iter().filter_map(|entry| differs(entry.split_once('=')?)).collect()
}

/// Whether two values of a setting mean the same.
fn is_same(value: &str, applied: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| c == ',' || c == '"' || c.is_whitespace());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (value, applied) = (words(value), words(applied));
    // `ISO` alone keeps the order of the default.
    value == applied || (!value.is_empty() && applied.starts_with(&value) && applied.len() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_makes_no_difference() {
        for (value, applied, same) in [
            ("ISO, MDY", "ISO, MDY", true),
            ("iso,mdy", "ISO, MDY", true),
            ("ISO", "ISO, MDY", true),
            ("SQL, DMY", "ISO, MDY", false),
            ("\"public\"", "public", true),
            ("sales, public", "public", false),
            ("utc", "UTC", true),
            ("Europe/Berlin", "UTC", false),
        ] {
            assert_eq!(is_same(value, applied), same, "{value}");
        }
    }
}

//! The checks, one function for each thing.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use metricd_infrastructure::{
    auth::Verifier,
    db::{ConnectError, Database, ReaderState, SchemaState},
    disk,
};

use super::diagnosis::Diagnosis;
use crate::{
    app,
    config::{Config, InvalidSettings},
    identity,
};

/// Below this much room writing will end soon; below that the embedded engine is given nothing to write.
const LITTLE_ROOM_BYTES: u64 = 1024 * 1024 * 1024;
const NO_ROOM_BYTES: u64 = 256 * 1024 * 1024;

/// From which difference on "today" and the times of tokens are not what they should be. The second is the tolerance for
/// an issuer's clock.
const CLOCK_WARNING: TimeDelta = TimeDelta::seconds(2);
const CLOCK_FAULT: TimeDelta = TimeDelta::seconds(60);

/// What is wrong with the settings.
pub(super) fn settings(faults: InvalidSettings) -> Vec<Diagnosis> {
    let remedy = "docs/guide/settings.md lists all settings, and so does `metricd settings`";
    faults
        .into_faults()
        .into_iter()
        .map(|fault| Diagnosis::fault("settings", fault, remedy))
        .collect()
}

pub(super) async fn all(config: &Config) -> Vec<Diagnosis> {
    let mut findings = vec![Diagnosis::ok("settings", "every setting has a meaning")];
    findings.push(policies(config));
    if uses_data_dir(config) {
        findings.push(rights(&config.general.data_dir));
        findings.push(room_in("data", &existing(&config.general.data_dir)));
    }
    findings.push(room_in("uploads", &std::env::temp_dir()));
    findings.extend(issuers(config).await);
    findings.extend(database(config).await);
    findings
}

fn policies(config: &Config) -> Diagnosis {
    match app::policies(config, None) {
        Ok(_) => Diagnosis::ok("policies", "they are valid"),
        Err(error) => Diagnosis::fault(
            "policies",
            format!("{:#}", anyhow::Error::from(error)),
            "`metricd policy check --policy FILE` says what is wrong",
        ),
    }
}

/// Whether anything is kept in the data folder: the embedded database, or the key of the development issuer.
fn uses_data_dir(config: &Config) -> bool {
    config.database.url.is_none() || config.auth.issuers.is_empty()
}

/// The room in `dir`, which `what` is kept in.
fn room_in(what: &str, dir: &Path) -> Diagnosis {
    match disk::free_bytes(dir) {
        Ok(free) => room(what, dir, free),
        Err(error) => Diagnosis::fault(
            "disk",
            format!("{}, for {what}, cannot be looked at: {error}", dir.display()),
            "make the folder, or name another by `data_dir` or TMPDIR",
        ),
    }
}

/// Whether this user may work with the data folder, and no other.
fn rights(dir: &Path) -> Diagnosis {
    let shown = dir.display();
    let Ok(metadata) = dir.metadata() else {
        let parent = existing(dir);
        if !disk::may_write(&parent) {
            let message =
                format!("{shown} cannot be made: {} may not be written", parent.display());
            let remedy = "make the folder and give it to the user of the service, or name another by `data_dir`";
            return Diagnosis::fault("folder", message, remedy);
        }
        return Diagnosis::ok("folder", format!("{shown} is made at the first start"));
    };
    if metadata.permissions().mode() & 0o022 != 0 {
        let message = format!("{shown} may be written by other users");
        return Diagnosis::fault("folder", message, format!("chmod go-w {shown}"));
    }
    if !disk::may_write(dir) {
        let remedy = "run this as the user of the service, or give that user the folder by chown";
        return Diagnosis::fault("folder", format!("{shown} may not be written"), remedy);
    }
    Diagnosis::ok("folder", format!("{shown} may be written by its owner alone"))
}

/// The folder, or the nearest one above it that is there.
fn existing(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|dir| dir.is_dir()).map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn room(what: &str, dir: &Path, free: u64) -> Diagnosis {
    let message = format!("{} MiB free in {}, for {what}", free / (1024 * 1024), dir.display());
    let remedy = "make room: on a full disk metrics are answered, and nothing is written";
    if free < NO_ROOM_BYTES {
        Diagnosis::fault("disk", message, remedy)
    } else if free < LITTLE_ROOM_BYTES {
        Diagnosis::warning("disk", message, remedy)
    } else {
        Diagnosis::ok("disk", message)
    }
}

/// The issuers, and whether their keys can be fetched.
async fn issuers(config: &Config) -> Vec<Diagnosis> {
    if config.auth.issuers.is_empty() {
        // Opening it would make its key.
        let message =
            "no issuer is configured: tokens are made by `metricd token`, for development";
        let remedy =
            "before others may call, configure [cognito] or auth.issuers: docs/guide/signing-in.md";
        return vec![Diagnosis::warning("issuer", message, remedy)];
    }
    let verifier = match identity::verifier(config, app::clock(config)) {
        Ok(verifier) => verifier,
        Err(error) => {
            let remedy = "correct [cognito] or auth.issuers: docs/guide/signing-in.md";
            return vec![Diagnosis::fault("issuer", format!("{error:#}"), remedy)];
        }
    };
    keys(&verifier).await
}

async fn keys(verifier: &Verifier) -> Vec<Diagnosis> {
    let remedy = "its keys must be reachable from here: check the name, the way out (HTTPS_PROXY), and the certificates";
    let found = verifier.probe().await.into_iter();
    found
        .map(|probe| match probe.keys {
            Ok(keys) => Diagnosis::ok("issuer", format!("{}: {keys} keys", probe.issuer)),
            Err(reason) => {
                Diagnosis::fault("issuer", format!("{}: {reason}", probe.issuer), remedy)
            }
        })
        .collect()
}

/// The database, and all that only it knows.
async fn database(config: &Config) -> Vec<Diagnosis> {
    let is_embedded = config.database.url.is_none();
    if cfg!(not(feature = "embedded")) && is_embedded {
        let remedy = "set DATABASE_URL, or use the build with the embedded engine";
        return vec![Diagnosis::fault("database", ConnectError::NotBuiltIn.to_string(), remedy)];
    }
    if is_embedded && !config.general.data_dir.join("postgres").is_dir() {
        let dir = config.general.data_dir.display();
        return vec![Diagnosis::ok("database", format!("the first start makes one in {dir}"))];
    }
    let database = match app::connect(config, Duration::ZERO).await {
        Ok(database) => database,
        Err(error) => return unreachable(&error).into_iter().collect(),
    };
    let mut findings = vec![Diagnosis::ok("database", database.address())];
    findings.push(schema(&database).await);
    findings.push(clock(config, &database).await);
    findings.extend(reader(&database).await);
    database.close().await;
    findings
}

fn unreachable(error: &anyhow::Error) -> Option<Diagnosis> {
    let message = format!("{error:#}");
    Some(match error.downcast_ref::<ConnectError>() {
        Some(ConnectError::FolderInUse { .. }) => {
            let remedy = "that is so while metricd serves: `metricd health` asks it. To have the database checked, stop it";
            Diagnosis::warning("database", message, remedy)
        }
        // Told of the folder.
        Some(ConnectError::FolderOpen { .. }) => return None,
        Some(ConnectError::FolderPathTooLong { .. }) => {
            Diagnosis::fault("database", message, "name another by `data_dir`")
        }
        Some(ConnectError::UnfinishedRestore { .. }) => {
            Diagnosis::fault("database", message, "one of the two")
        }
        Some(ConnectError::Embedded { .. }) => {
            let remedy = "the user of metricd must own the folder, and its disk must have room";
            Diagnosis::fault("database", message, remedy)
        }
        _ => {
            let remedy = "check DATABASE_URL, whether the server runs and lets this machine in, and the password";
            Diagnosis::fault("database", message, remedy)
        }
    })
}

async fn schema(database: &Database) -> Diagnosis {
    let state = match database.schema_state().await {
        Ok(state) => state,
        Err(error) => return failed("schema", &error.into()),
    };
    let SchemaState { applied, missing, .. } = &state;
    let last = applied.last().map_or("no migration", String::as_str);
    let newer = state.newer();
    if !newer.is_empty() {
        let message = format!("a newer version of metricd has migrated it: {}", newer.join(", "));
        return if state.works() {
            Diagnosis::warning("schema", message, "this version works with it; update when you can")
        } else {
            Diagnosis::fault("schema", message, "run that version, or restore the backup of before")
        };
    }
    if missing.is_empty() {
        return Diagnosis::ok("schema", format!("up to date: {last}"));
    }
    let message = format!("at {last}, without {}", missing.join(", "));
    Diagnosis::warning(
        "schema",
        message,
        "`metricd migrate`, or the next start, brings it up to date",
    )
}

async fn clock(config: &Config, database: &Database) -> Diagnosis {
    match database.now().await {
        Ok(theirs) => compare(app::clock(config).now(), theirs, config.general.clock.is_some()),
        Err(error) => failed("clock", &error.into()),
    }
}

fn compare(ours: DateTime<Utc>, theirs: DateTime<Utc>, is_fixed: bool) -> Diagnosis {
    let difference = (ours - theirs).abs();
    let way = if ours < theirs { "behind" } else { "ahead of" };
    let remedy = if is_fixed {
        "leave out the setting `clock`: it is for tests"
    } else {
        "have both machines' clocks set by NTP"
    };
    let message = format!("{} s {way} the database's clock", difference.num_seconds());
    match difference {
        _ if difference >= CLOCK_FAULT => Diagnosis::fault("clock", message, remedy),
        _ if difference >= CLOCK_WARNING => Diagnosis::warning("clock", message, remedy),
        _ if is_fixed => Diagnosis::warning("clock", "it stands still", remedy),
        _ => Diagnosis::ok("clock", "that of the database"),
    }
}

async fn reader(database: &Database) -> Vec<Diagnosis> {
    let state = match database.check_reader().await {
        Ok(Some(state)) => state,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![failed("reader", &error.into())],
    };
    let ReaderState { role, violations, connection_faults } = state;
    let remedy = "as it says; until then metricd does not start";
    let connections =
        connection_faults.into_iter().map(|fault| Diagnosis::fault("sessions", fault, remedy));
    let mut findings = match violations {
        None => vec![Diagnosis::warning(
            "reader",
            format!("`{role}` is not there yet"),
            "`metricd migrate`, or the next start, makes it",
        )],
        Some(violations) if violations.is_empty() => {
            let message = format!("`{role}` can read what it was granted, and nothing else");
            vec![Diagnosis::ok("reader", message)]
        }
        Some(violations) => violations
            .into_iter()
            .map(|violation| {
                let message = format!("`{role}`: {}", violation.what);
                Diagnosis::fault("reader", message, violation.remedy)
            })
            .collect(),
    };
    findings.extend(connections);
    findings
}

fn failed(check: &'static str, error: &anyhow::Error) -> Diagnosis {
    Diagnosis::fault(check, format!("{error:#}"), "the database's log says more")
}

#[cfg(test)]
mod tests {
    use super::{super::diagnosis::DiagnosisLevel, *};

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let theirs: DateTime<Utc> = "2025-08-05T12:00:00Z".parse().unwrap();
        for (seconds, is_fixed, expected) in [
            (0, false, DiagnosisLevel::Ok),
            (1, false, DiagnosisLevel::Ok),
            (-1, true, DiagnosisLevel::Warning),
            (2, false, DiagnosisLevel::Warning),
            (-59, false, DiagnosisLevel::Warning),
            (60, false, DiagnosisLevel::Fault),
            (-3600, true, DiagnosisLevel::Fault),
        ] {
            let finding = compare(theirs + TimeDelta::seconds(seconds), theirs, is_fixed);
            assert_eq!(finding.status, expected, "{seconds}");
        }
        let behind = compare(theirs - TimeDelta::hours(1), theirs, false);
        assert_eq!(behind.message, "3600 s behind the database's clock");
        assert!(behind.remedy.unwrap().contains("NTP"));
    }

    #[test]
    fn a_disk_is_judged_by_its_room() {
        let status = |free| room("data", Path::new("/data"), free).status;
        assert_eq!(status(NO_ROOM_BYTES - 1), DiagnosisLevel::Fault);
        assert_eq!(status(NO_ROOM_BYTES), DiagnosisLevel::Warning);
        assert_eq!(status(LITTLE_ROOM_BYTES), DiagnosisLevel::Ok);
    }
}

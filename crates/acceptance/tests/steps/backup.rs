//! Backups of the embedded engine, and what is done to them.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result};
use cucumber::{gherkin, given, then};
use metricd_acceptance::World;

use super::{Step, rows};

/// Replaces what the file holds before it was compressed.
const REPLACE: &str = r#"gunzip <"$1" | LC_ALL=C sed "$2" | gzip -1 >"$1.new" && mv "$1.new" "$1""#;

/// Each row says what is done to a copy, and a part of what `metricd restore` says of it.
#[then(expr = "these copies of the backup {string} are not restored")]
async fn refused(world: &mut World, name: String, step: &gherkin::Step) -> Step {
    let copy = world.folder().join("copy.backup");
    let copy_name = copy.display().to_string();
    let folder = world.folder().join("not-restored");
    let folder_name = folder.display().to_string();
    for row in rows(step)? {
        let [what, said] = row.as_slice() else { continue };
        std::fs::copy(world.folder().join(&name), &copy)?;
        spoil(&copy, what)?;
        let output = world.run(&["restore", &copy_name, "--data-dir", &folder_name]).await?;
        let text = output.text();
        ensure!(!output.status.success() && text.contains(said), "one {what}: {text}");
        let is_empty = !folder.exists() || std::fs::read_dir(&folder)?.next().is_none();
        ensure!(is_empty, "one {what} leaves something in the folder");
    }
    Ok(())
}

fn spoil(path: &Path, what: &str) -> Result<()> {
    let mut content = std::fs::read(path)?;
    let middle = content.len() / 2;
    match what {
        "cut in the middle" => content.truncate(middle),
        "with one byte changed" => content[middle] ^= 0x55,
        "a text" => content = b"not compressed at all\n".into(),
        // The last of the manifest's migrations, which stand before the first line's end.
        "of a schema of the year 2999" => {
            return replace(path, r#"1s/"m2025\([0-9_a-z]*"\]\)/"m2999\1/"#);
        }
        "of PostgreSQL 99" => {
            return replace(path, r#"1s/"postgresql":"17"/"postgresql":"99"/"#);
        }
        // As long as before, for the archive.
        "of a format to come" => {
            let script = r#"1s/"format":1,\(.*\)"postgresql":"17"/"format":2,\1"pg_version":"18"/"#;
            return replace(path, script);
        }
        other => anyhow::bail!("{other} is not known"),
    }
    Ok(std::fs::write(path, content)?)
}

fn replace(path: &Path, script: &str) -> Result<()> {
    let before = std::fs::read(path)?;
    let replaced = Command::new("sh").args(["-c", REPLACE, "sh"]).arg(path).arg(script).output()?;
    let said = String::from_utf8_lossy(&replaced.stderr).into_owned();
    anyhow::ensure!(replaced.status.success() && std::fs::read(path)? != before, "{said}");
    Ok(())
}

/// A file system has a folder by itself.
#[given(expr = "a restore into the file system {string} was killed")]
fn killed(world: &mut World, name: String) -> Step {
    let folder = world.folder().join(name);
    for made in ["lost+found", "run", "postgres/tmp/pglite", "restoring/global"] {
        std::fs::create_dir_all(folder.join(made))?;
    }
    std::fs::write(folder.join("metricd.lock"), "")?;
    Ok(std::fs::write(folder.join("restoring/PG_VERSION"), "17\n")?)
}

#[then(expr = "only its owner may read the file {string}")]
fn private_file(world: &mut World, name: String) -> Step {
    let metadata = std::fs::metadata(world.folder().join(&name)).with_context(|| name)?;
    let mode = metadata.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "its mode is {mode:o}");
    Ok(())
}

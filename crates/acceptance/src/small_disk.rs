//! A disk that is soon full: memory, mounted in namespaces of its own, which takes no right on this machine.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{native, process};

const MEBIBYTE: u64 = 1024 * 1024;

/// Mounts it, and keeps it until the end of its input.
const HOLD: &str =
    r#"mount -t tmpfs -o "size=$1m,mode=0700" tmpfs "$2" && echo mounted && exec cat"#;

/// PostgreSQL refuses to run as root, which the holder of the disk is in its namespace.
const SERVE: &str = r#"
"$1/initdb" --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync --pgdata "$2" >&2 &&
exec "$1/postgres" -D "$2" -k "$3" -c listen_addresses= -c fsync=off -c wal_keep_size=0 >&2
"#;

/// A mounted disk, and the programs that work on it. Dropped, they end.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    pid: u32,
    postgres: Option<Child>,
    _holder: Child,
}

impl SmallDisk {
    /// Mounts a disk of so many MiB at `folder`, which must not exist yet.
    ///
    /// # Errors
    /// When the system allows no namespaces of users.
    pub async fn mount(folder: &Path, mebibytes: u64) -> Result<Self> {
        fs::create_dir(folder)?;
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "sh", "-c", HOLD, "sh"]);
        unshare.arg(mebibytes.to_string()).arg(folder);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut holder = unshare.spawn().context("cannot start unshare")?;
        let pid = holder.id().context("unshare has ended")?;
        let mut said = BufReader::new(holder.stdout.take().context("no output")?).lines();
        let mounted = said.next_line().await?;
        ensure!(mounted.as_deref() == Some("mounted"), "the disk cannot be mounted: {mounted:?}");
        Ok(Self { folder: folder.to_owned(), pid, postgres: None, _holder: holder })
    }

    /// The words before a program and its arguments by which it sees the disk, and runs in `folder`.
    #[must_use]
    pub fn entering(&self, folder: &Path) -> Vec<String> {
        let pid = self.pid.to_string();
        let words = ["nsenter", "--target", &pid, "--user", "--mount", "--preserve-credentials"];
        let inside = ["sh", "-c", r#"cd "$0" && exec "$@""#];
        let words = words.into_iter().chain(inside).map(str::to_owned);
        words.chain([folder.display().to_string()]).collect()
    }

    /// Fills it but for so many MiB.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn fill(&self, but_for_mebibytes: u64) -> Result<()> {
        let mut ballast = File::create(self.ballast())?;
        let block = vec![0; 256 * 1024];
        let full = loop {
            if let Err(error) = ballast.write_all(&block) {
                break error;
            }
        };
        ensure!(full.kind() == ErrorKind::StorageFull, full);
        let size = ballast.metadata()?.len();
        ballast.set_len(size.saturating_sub(but_for_mebibytes * MEBIBYTE))?;
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn clear(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        // As the holder sees it.
        let inside = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new("/proc").join(self.pid.to_string()).join("root").join(inside).join("ballast")
    }

    /// Starts a PostgreSQL whose files are on the disk, with its socket in `sockets`, and returns its `DATABASE_URL`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_postgres(&mut self, sockets: &Path) -> Result<String> {
        let programs = native::program("postgres")?;
        let programs = programs.parent().context("a program is in a folder")?;
        let words = self.entering(Path::new("/"));
        let mut serve = Command::new(&words[0]);
        serve.args(&words[1..]).args(["unshare", "--user", "--map-user=1000", "--map-group=1000"]);
        serve
            .args(["sh", "-c", SERVE, "sh"])
            .arg(programs)
            .arg(self.folder.join("pg"))
            .arg(sockets);
        serve.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.postgres = Some(serve.spawn().context("cannot start nsenter")?);
        let socket = sockets.join(".s.PGSQL.5432");
        process::poll_until(async || {
            let ended = self.postgres.as_mut().map_or(Ok(None), Child::try_wait)?;
            ensure!(ended.is_none(), "PostgreSQL has ended: {ended:?}");
            Ok(if socket.exists() {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue("PostgreSQL does not come up".to_owned())
            })
        })
        .await?;
        let host = sockets.display().to_string().replace('/', "%2F");
        Ok(format!("postgres:///postgres?host={host}&user=postgres"))
    }
}

//! A PostgreSQL server of a test's own: from the installed binaries, in a temporary folder, over a
//! Unix socket.

use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt as _, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// Stopped and removed when dropped.
pub(crate) struct NativeServer {
    dir: TempDir,
    process: Child,
    settings: Vec<String>,
    port: u16,
    /// The most address space of each of its processes, in kilobytes.
    max_memory: Option<u32>,
}

impl NativeServer {
    pub(crate) fn start() -> Self {
        Self::with_settings(&["log_min_messages=panic"])
    }

    /// Listens on 127.0.0.1, too.
    pub(crate) fn start_on_tcp() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = ["log_min_messages=panic", "listen_addresses=127.0.0.1"];
        Self::with_port(&settings, port)
    }

    /// Writes down every statement and every value, where [`NativeServer::log`] finds them.
    pub(crate) fn start_logging() -> Self {
        Self::with_settings(&["log_statement=all", "log_min_duration_statement=0"])
    }

    /// Each of its processes has no more address space than so many kilobytes, as a service manager would have it.
    pub(crate) fn start_with_memory(kilobytes: u32) -> Self {
        let mut server = Self::start();
        server.max_memory = Some(kilobytes);
        server.restart();
        server
    }

    fn with_settings(settings: &[&str]) -> Self {
        Self::with_port(settings, 5432)
    }

    fn with_port(settings: &[&str], port: u16) -> Self {
        let dir = tempfile::Builder::new().prefix("metricd-pg-").tempdir().unwrap();
        if let Some((user, group)) = drop_to() {
            chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        let made = command("initdb")
            .arg("--pgdata")
            .arg(dir.path().join("data"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--no-sync", "--no-instructions"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        let process = serve(dir.path(), &settings, port, None);
        Self { dir, process, settings, port, max_memory: None }
    }

    /// What the server has written down.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// From now on this role signs in by its password, once the server has read its settings again.
    pub(crate) fn ask_password_of(&self, role: &str) {
        let rules = format!("local all {role} scram-sha-256\nlocal all all trust\n");
        fs::write(self.dir.path().join("data/pg_hba.conf"), rules).unwrap();
    }

    /// Ends every session at once, as a crash would, and starts the server again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.process = serve(self.dir.path(), &self.settings, self.port, self.max_memory);
    }

    /// Gives the server files that it keeps beside its data, and has it read its settings again. Keys are its own alone.
    pub(crate) fn configure(&self, files: &[(&str, &[u8])]) {
        for (name, content) in files {
            let path = self.dir.path().join("data").join(name);
            fs::write(&path, content).unwrap();
            if let Some((user, group)) = drop_to() {
                chown(&path, Some(user), Some(group)).unwrap();
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let loaded = || self.psql("SELECT pg_conf_load_time()");
        let before = loaded();
        assert_eq!(self.psql("SELECT pg_reload_conf()").trim(), "t");
        // A session begins with what the server has read: once this one does, every later one does.
        while loaded() == before {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres", "postgres")
    }

    /// What PostgreSQL's own client, `psql`, prints for a statement, without titles and borders.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.psql_in("UTC", &[sql.to_owned()]).concat()
    }

    /// What `psql` prints for each of the statements in one session, after `SET TimeZone`.
    pub(crate) fn psql_in(&self, timezone: &str, statements: &[String]) -> Vec<String> {
        const END: &str = "-- the end of what a statement has printed --\n";
        let mut psql = command("psql");
        psql.args([
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
        ]);
        psql.args(["--dbname", &self.url()]);
        psql.args(["--command", &format!("SET TimeZone = '{timezone}'")]);
        for statement in statements {
            psql.args(["--command", statement, "--command", &format!("\\echo {}", END.trim_end())]);
        }
        let asked = psql.output().unwrap();
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        let printed = String::from_utf8(asked.stdout).unwrap();
        let mut printed: Vec<_> = printed.split(END).map(str::to_owned).collect();
        let last = statements.get(printed.len() - 1);
        assert!(asked.status.success(), "{said}\n{}", last.map_or("", String::as_str));
        printed.truncate(statements.len());
        printed
    }

    /// Makes the database `to` of a dump of the database `from`, by PostgreSQL's own programs.
    pub(crate) fn copy_database(&self, from: &str, to: &str) {
        let made =
            command("createdb").arg("-h").arg(self.folder()).args(["-U", "postgres", to]).status();
        assert!(made.unwrap().success());
        let dump = self.folder().join(format!("{to}.dump"));
        let dumped = command("pg_dump")
            .args(["--format=custom", "--dbname", &self.url_of("postgres", from)])
            .arg("--file")
            .arg(&dump)
            .status();
        assert!(dumped.unwrap().success());
        let restored = command("pg_restore")
            .args(["--exit-on-error", "--dbname", &self.url_of("postgres", to)])
            .arg(&dump)
            .status();
        assert!(restored.unwrap().success());
    }

    pub(crate) fn url_of(&self, role: &str, database: &str) -> String {
        let folder = self.dir.path().display();
        format!("postgresql://{role}@localhost:{}/{database}?host={folder}", self.port)
    }

    /// The URL of a role by TCP, with parameters.
    pub(crate) fn tcp_url(&self, role: &str, host: &str, parameters: &str) -> String {
        format!("postgresql://{role}@{host}:{}/postgres?{parameters}", self.port)
    }

    fn stop(&mut self) {
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        let _ = self.process.wait();
    }
}

impl Drop for NativeServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(dir: &Path, settings: &[String], port: u16, max_memory: Option<u32>) -> Child {
    let log = fs::File::create(dir.join("log")).unwrap();
    let limit = max_memory.map_or("unlimited".to_owned(), |kilobytes| kilobytes.to_string());
    // The shell becomes the server, which inherits the limit.
    let mut process = as_user(Path::new("/bin/sh"))
        .args(["-c", "ulimit -v \"$0\" && exec \"$@\"", &limit])
        .arg(bin_dir().join("postgres"))
        .arg("-D")
        .arg(dir.join("data"))
        .arg("-k")
        .arg(dir)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", &format!("port={port}")])
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .args(["-c", "track_activity_query_size=16kB"])
        .stderr(log)
        .spawn()
        .unwrap();
    let ready = || {
        let mut asked = command("pg_isready");
        asked.arg("-h").arg(dir).args(["-p", &port.to_string()]).stdout(Stdio::null());
        asked.status().unwrap().success()
    };
    for _ in 0..600 {
        if ready() {
            return process;
        }
        if let Some(status) = process.try_wait().unwrap() {
            panic!("postgres ended before it was ready: {status}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("postgres does not become ready");
}

fn command(program: &str) -> Command {
    as_user(&bin_dir().join(program))
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = drop_to() {
        command.uid(user).gid(group).current_dir("/");
    }
    command
}

/// The server refuses to run as root: whom to run it as then.
fn drop_to() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<_> = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("as root, the tests need a user called postgres")
        .split(':')
        .collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

/// The folder of `initdb`, `postgres` and `psql`: what `pg_config` says, else the newest that Debian or Red
/// Hat has installed, else on the path.
fn bin_dir() -> PathBuf {
    let asked = Command::new("pg_config").arg("--bindir").output();
    let asked = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let mut installed = BTreeSet::new();
    for (folder, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
            installed.extend(version.map(|version: u32| (version, entry.path().join("bin"))));
        }
    }
    let path = env::var_os("PATH").unwrap_or_default();
    asked
        .map(|text| PathBuf::from(text.trim()))
        .into_iter()
        .chain(installed.into_iter().rev().map(|(_, folder)| folder))
        .chain(env::split_paths(&path))
        .find(|folder| {
            ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file())
        })
        .expect("the tests need PostgreSQL's server and psql (Debian: postgresql)")
}

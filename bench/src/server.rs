//! A server under test: a process on the core for servers, with its use of resources.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::ControlFlow::{Break, Continue},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use metricd_acceptance::{process, watchdog::Watchdog};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// How long a tick of the kernel's accounting is: 100 are a second in every Linux.
const TICK: Duration = Duration::from_millis(10);

/// A running server.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    process: Child,
    pid: u32,
    /// PostgreSQL's first process, whose others answer its queries.
    database: u32,
    log: PathBuf,
    watchdog: Arc<Watchdog>,
}

/// How a program is started.
pub(crate) struct Program<'a> {
    /// The program and its arguments.
    pub(crate) command: &'a [String],
    /// Its environment, beside what every program needs.
    pub(crate) settings: BTreeMap<String, String>,
    /// Where it runs.
    pub(crate) folder: &'a Path,
    /// The file that takes what it logs.
    pub(crate) log: PathBuf,
    /// The core that it runs on.
    pub(crate) core: &'a str,
}

impl Program<'_> {
    /// The command that runs it on its core.
    pub(crate) fn command(&self) -> Result<Command> {
        let log = fs::File::create(&self.log)?;
        let mut command = process::command(Path::new("taskset"), self.folder, &self.settings);
        command.args(["--cpu-list", self.core]).args(self.command);
        command.stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

/// Returns a free address of this machine.
pub(crate) async fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?)
}

impl Server {
    /// Starts a program that will listen on `address`. Does not wait until it does.
    pub(crate) fn spawn(
        program: &Program<'_>,
        address: SocketAddr,
        database: u32,
        watchdog: &Arc<Watchdog>,
    ) -> Result<Self> {
        let name = program.command.first().map_or("", String::as_str);
        let process = program.command()?.spawn().with_context(|| format!("cannot start {name}"))?;
        // taskset becomes the program.
        let pid = process.id().with_context(|| format!("{name} has ended"))?;
        watchdog.watch(pid);
        let (log, watchdog) = (program.log.clone(), Arc::clone(watchdog));
        Ok(Self { address, process, pid, database, log, watchdog })
    }

    /// Waits until it accepts connections.
    pub(crate) async fn wait_until_up(&mut self) -> Result<()> {
        process::poll_until(async || {
            self.check()?;
            Ok(match TcpStream::connect(self.address).await {
                Ok(_) => Break(()),
                Err(error) => Continue(format!("{} does not listen: {error}", self.address)),
            })
        })
        .await
    }

    /// Fails, with its log, if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.process.try_wait()? {
            bail!("a server has ended ({status}): {}", self.words());
        }
        Ok(())
    }

    /// Returns its log.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns its CPU time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        Ok(TICK * Account::parse(&stat)?.ticks)
    }

    /// Returns the CPU time of all of PostgreSQL's processes so far.
    pub(crate) fn database_cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")? {
            // A process may end meanwhile; its time is then in its parent's account.
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            let account = Account::parse(&stat)?;
            if account.parent == self.database {
                ticks += account.ticks;
            } else if stat.starts_with(&format!("{} ", self.database)) {
                ticks += account.ticks + account.ticks_of_ended;
            }
        }
        Ok(TICK * ticks)
    }

    /// Returns its resident memory, in bytes, with that of its embedded engine, if it has one.
    pub(crate) fn resident(&self) -> Result<u64> {
        let own = memory(self.pid, "VmRSS").context("a server has ended")?;
        let children = process::children(self.pid)?;
        Ok(own + children.into_iter().filter_map(|child| memory(child, "VmRSS")).sum::<u64>())
    }

    /// Returns the resident memory of PostgreSQL's processes, in bytes, without what they share.
    pub(crate) fn database_private(&self) -> Result<u64> {
        let sessions = process::children(self.database)?.into_iter().chain([self.database]);
        Ok(sessions.filter_map(|pid| memory(pid, "RssAnon")).sum())
    }

    /// Stops it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        process::signal(self.pid, "TERM").await?;
        tokio::time::timeout(process::TIMEOUT, self.process.wait())
            .await
            .context("a server hangs")??;
        self.watchdog.leave(self.pid);
        Ok(())
    }
}

/// What the kernel has accounted to a process, in ticks.
struct Account {
    parent: u32,
    ticks: u32,
    /// Those of its children that have ended.
    ticks_of_ended: u32,
}

impl Account {
    /// Parses `/proc/…/stat`.
    fn parse(stat: &str) -> Result<Self> {
        // The name of the program, in parentheses, may hold anything.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let fields: Vec<&str> = fields.collect();
        let field = |number: usize| -> Result<u32> {
            Ok(fields.get(number).context("the kernel's account is cut short")?.parse()?)
        };
        let (ticks, ticks_of_ended) = (field(11)? + field(12)?, field(13)? + field(14)?);
        Ok(Self { parent: field(1)?, ticks, ticks_of_ended })
    }
}

/// Returns a figure of a process's memory from the kernel, in bytes, if the process exists.
pub(crate) fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

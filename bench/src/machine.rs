//! The machine of a run: its cores and its description.

use std::{fs, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The cores of a run. Servers under test have one of their own, so that neither the load nor the
/// database takes time from them, and a rate tells what a core can do.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    /// The core of servers under test.
    pub(crate) server: String,
    /// The cores of everything else: the load, the database and the bench itself.
    pub(crate) others: String,
}

impl Cores {
    /// Returns those that this process may use.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        Self::of_list(list.context("the kernel does not tell which cores there are")?.trim())
    }

    /// Parses a list such as `0-3,8`.
    fn of_list(text: &str) -> Result<Self> {
        let mut cores = Vec::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            cores.extend(first.parse::<u32>()?..=last.parse::<u32>()?);
        }
        ensure!(
            cores.len() > 1,
            "this machine has one core: servers and those who ask them would take turns on it, and \
             nothing could be told from the rates"
        );
        let (server, others) = (cores[0], &cores[1..]);
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        Ok(Self { server: server.to_string(), others: others.join(",") })
    }

    /// Moves this process, and with it all that it starts, off the core of the servers.
    pub(crate) async fn make_room(&self) -> Result<()> {
        Self::move_to(&self.others).await
    }

    /// The same cores for all, as they are outside a bench: what one leaves idle another uses.
    pub(crate) fn shared(self) -> Self {
        let all = format!("{},{}", self.server, self.others);
        Self { server: all.clone(), others: all }
    }

    /// Returns how many there are for what is not a server under test.
    pub(crate) fn number_of_others(&self) -> usize {
        self.others.split(',').count()
    }

    async fn move_to(cores: &str) -> Result<()> {
        let pid = std::process::id().to_string();
        let mut taskset = Command::new("taskset");
        taskset.args(["--all-tasks", "--cpu-list", "--pid", cores, &pid]);
        let moved = taskset.stdout(Stdio::null()).status().await.context("cannot start taskset")?;
        ensure!(moved.success(), "taskset has failed");
        Ok(())
    }
}

/// Describes the machine and the programs for the report, a line each.
pub(crate) async fn describe(cores: &Cores) -> Vec<String> {
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        line.unwrap_or_default().trim_matches([' ', '\t', ':']).to_owned()
    };
    let memory = field("/proc/meminfo", "MemTotal").replace(" kB", "");
    let memory = memory.parse::<u64>().unwrap_or_default() / (1 << 20);
    let mut lines = vec![
        said("date", &["--utc", "+%Y-%m-%d %H:%M UTC"]).await,
        format!(
            "{}, {memory} GiB; servers on core {}, everything else on {}",
            field("/proc/cpuinfo", "model name"),
            cores.server,
            cores.others,
        ),
    ];
    let mut versions = vec![format!("Linux {}", said("uname", &["-r"]).await)];
    for (program, argument) in
        [("rustc", "--version"), ("psql", "--version"), ("wrk", "-v"), ("python3", "--version")]
    {
        versions.push(said(program, &[argument]).await);
    }
    lines.push(versions.join("; "));
    lines
}

/// Returns the first line that a program prints, without a suffix of its version.
async fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().await;
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().replace("(PostgreSQL) ", "");
    let end = [" (", " ["].iter().filter_map(|mark| line.find(mark)).min();
    line[..end.unwrap_or(line.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_a_core_of_their_own() {
        let of = |list| Cores::of_list(list).map(|cores| (cores.server, cores.others)).ok();
        assert_eq!(of("0-1"), Some(("0".into(), "1".into())));
        assert_eq!(of("2,4-6"), Some(("2".into(), "4,5,6".into())));
        assert_eq!(of("3"), None);
    }
}

//! metricd under test: its settings, its database, its processes and what they write.
//!
//! A server knows nothing of the answers that its clients get.

use std::{
    collections::BTreeMap,
    ops::ControlFlow::{Break, Continue},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{
    TestRun,
    caller::TestUser,
    database::ScenarioDatabase,
    edge::{self, Edge},
    http,
    logs::{LogLine, Logs},
    process::{self, Output},
    small_disk::SmallDisk,
    usual_settings::usual_settings,
    variables::Variables,
};

/// metricd as a shell script calls it: with the scenario's options, unless it names a data folder itself. Where it is to
/// serve, it does so until it has started.
const SHELL_METRICD: &str = r#"
metricd() {
  local options=(OPTIONS) pid
  if [ "${1-}" = serve ]; then options=(--data-dir served --listen 127.0.0.1:0); fi
  case " $* " in *' --data-dir'*) options=() ;; esac
  if [ "${1-}" != serve ]; then PROGRAM "$@" "${options[@]}"; return; fi
  PROGRAM "$@" "${options[@]}" >served.log 2>&1 &
  pid=$!
  trap "kill $pid 2>/dev/null || true" EXIT
  for _ in $(seq 1000); do
    if grep -q 'Starting service' served.log; then kill "$pid"; wait "$pid"; return; fi
    if ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  cat served.log
  return 1
}
"#;

/// metricd with a scenario's settings. Nothing runs until a step starts it.
#[derive(Debug)]
pub struct Server {
    /// Settings from the environment, in which variables are expanded.
    pub settings: BTreeMap<String, String>,
    /// The disk that it sees in its folder, if it is not this machine's alone.
    pub disk: Option<SmallDisk>,
    /// Its database.
    pub database: ScenarioDatabase,
    /// The log lines since the scenario began.
    pub logs: Logs,
    /// The lines on standard output since the scenario began.
    pub printed: Logs,
    started: Option<Started>,
    standby: Option<Started>,
    tokens: BTreeMap<TokenRequest, String>,
    variables: Variables,
    folder: PathBuf,
    run: Arc<TestRun>,
}

/// What a token of the development issuer depends on: the command line, which names the data folder,
/// and the clock.
type TokenRequest = (Vec<String>, Option<String>);

/// What a step that starts metricd has started: one process, or as many as the run's edge has behind it.
#[derive(Debug)]
struct Started {
    processes: Vec<ServerProcess>,
    edge: Option<Edge>,
    /// The beginning of its URLs, without a slash at the end.
    url: String,
    data_dir: Vec<String>,
}

impl Started {
    fn first(&self) -> Result<&ServerProcess> {
        self.processes.first().context("no server was started")
    }
}

#[derive(Debug)]
struct ServerProcess {
    child: Child,
    pid: u32,
    address: String,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(
        run: Arc<TestRun>,
        folder: &Path,
        name: String,
        variables: Variables,
    ) -> Self {
        Self {
            settings: usual_settings(),
            disk: None,
            database: ScenarioDatabase::new(Arc::clone(&run), folder, name),
            logs: Logs::default(),
            printed: Logs::default(),
            started: None,
            standby: None,
            tokens: BTreeMap::new(),
            variables,
            folder: folder.to_owned(),
            run,
        }
    }

    async fn command(&mut self, arguments: &[&str]) -> Result<Command> {
        let location = self.database.location().await?;
        let mut settings = location.settings();
        let own = self.settings.iter();
        settings.extend(own.map(|(name, value)| (name.clone(), self.variables.expand(value))));
        let entering = self.disk.iter().flat_map(|disk| disk.entering(&self.folder));
        let mut words = entering.chain([self.run.binary().display().to_string()]);
        let program = words.next().context("a command has a program")?;
        let mut command = process::command(Path::new(&program), &self.folder, &settings);
        command.args(words).args(arguments);
        if data_dir_in(arguments).is_empty() {
            command.args(location.arguments());
        }
        Ok(command)
    }

    /// Runs one of metricd's commands to its end.
    ///
    /// # Errors
    /// When it hangs; a refusal is no error but an [`Output`].
    pub async fn run(&mut self, arguments: &[&str]) -> Result<Output> {
        process::run(self.command(arguments).await?).await
    }

    /// Runs a shell script to its end, in which `metricd` is the one under test and curl fails where an answer is no
    /// success.
    ///
    /// # Errors
    /// When it hangs; a refusal is no error but an [`Output`].
    pub async fn shell(&mut self, script: &str, variables: &[(&str, &str)]) -> Result<Output> {
        let metricd = self.command(&[]).await?;
        let metricd = metricd.as_std();
        let folder = metricd.get_current_dir().context("a command has a folder")?;
        let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.display());
        let options: Vec<String> = metricd.get_args().map(quoted).collect();
        let program = quoted(metricd.get_program());
        let as_function =
            SHELL_METRICD.replace("PROGRAM", &program).replace("OPTIONS", &options.join(" "));
        tokio::fs::write(folder.join(".curlrc"), "fail-with-body\nsilent\nshow-error\n").await?;
        let mut bash = Command::new("bash");
        bash.arg("-euo").arg("pipefail").arg("-c").arg(format!("{as_function}\n{script}"));
        bash.env_clear();
        for (name, value) in metricd.get_envs() {
            if let Some(value) = value {
                bash.env(name, value);
            }
        }
        bash.env("CURL_HOME", folder).envs(variables.iter().copied()).current_dir(folder);
        bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        process::run(bash).await
    }

    /// Starts the server with more arguments, if any, and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead; the text is its output.
    pub async fn start(&mut self, options: &[&str]) -> Result<()> {
        ensure!(self.started.is_none(), "metricd is running already");
        let mut processes = Vec::new();
        for _ in 0..edge::servers()? {
            // One after the other: the first one prepares the database and the development issuer's key.
            processes.push(self.start_process(options).await?);
        }
        let addresses: Vec<_> = processes.iter().map(|process| process.address.as_str()).collect();
        let edge = Edge::start(&addresses, &self.folder).await?;
        let url = match &edge {
            Some(edge) => edge.url.clone(),
            None => format!("http://{}", addresses.concat()),
        };
        self.started = Some(Started { processes, edge, url, data_dir: data_dir_in(options) });
        Ok(())
    }

    async fn start_process(&mut self, options: &[&str]) -> Result<ServerProcess> {
        let listen = ["--listen", "127.0.0.1:0"].as_slice();
        let listen = if options.contains(&"--listen") { &[] } else { listen };
        let arguments = [&["serve"], listen, options].concat();
        let mut child = self.command(&arguments).await?.spawn().context("cannot start metricd")?;
        let pid = child.id().context("metricd has ended")?;
        self.run.watchdog().watch(pid);

        let seen = self.logs.lines().len();
        let readers = vec![
            self.logs.follow(child.stderr.take().context("no standard error")?),
            self.printed.follow(child.stdout.take().context("no standard output")?),
        ];
        let mut process = ServerProcess { child, pid, address: String::new(), readers };
        match self.wait_for_address(&mut process, seen).await? {
            Ok(address) => {
                process.address = address;
                Ok(process)
            }
            Err(status) => {
                self.reap(process).await;
                bail!("metricd ended ({status}):\n{}{}", self.printed.text(), self.logs.text());
            }
        }
    }

    /// Polls for the address in the log lines after the first `seen`, or for the end of the process.
    async fn wait_for_address(
        &self,
        process: &mut ServerProcess,
        seen: usize,
    ) -> Result<std::result::Result<String, ExitStatus>> {
        process::poll_until(async || {
            let lines = self.logs.lines();
            let started =
                lines.iter().skip(seen).find(|line| line.says("INFO", "Starting service"));
            if let Some(started) = started {
                let address = started.field("listen").context("the line has no `listen`")?;
                return Ok(Break(Ok(address)));
            }
            Ok(match process.child.try_wait()? {
                Some(status) => Break(Err(status)),
                None => Continue(format!("metricd does not start:\n{}", self.logs.text())),
            })
        })
        .await
    }

    /// Switches to the other one of two processes on one database.
    pub fn switch(&mut self) {
        std::mem::swap(&mut self.started, &mut self.standby);
    }

    fn started(&self) -> Result<&Started> {
        self.started.as_ref().context("metricd is not running")
    }

    fn take_started(&mut self) -> Result<Started> {
        self.started.take().context("metricd is not running")
    }

    /// Whether the server has been started, and neither stopped nor killed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.started.is_some()
    }

    /// Returns the id of its process, or of the first one.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.started()?.first()?.pid)
    }

    /// Returns the id of the process of its embedded engine.
    ///
    /// # Errors
    /// When it has none.
    pub async fn engine(&self) -> Result<u32> {
        process::child_of(self.pid()?).await
    }

    /// Tells the server to read its files again.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn reload(&self) -> Result<()> {
        self.signal("HUP").await
    }

    /// Requests the server to stop, and waits for it.
    ///
    /// # Errors
    /// When it hangs or ends with a failure.
    pub async fn stop(&mut self) -> Result<()> {
        self.tell_to_stop().await?;
        self.wait_for_stop().await
    }

    /// Tells the server to stop, and goes on.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn tell_to_stop(&mut self) -> Result<()> {
        self.signal("TERM").await
    }

    async fn signal(&self, name: &str) -> Result<()> {
        for process in &self.started()?.processes {
            process::signal(process.pid, name).await?;
        }
        Ok(())
    }

    /// Waits until the server has stopped, as it should.
    ///
    /// # Errors
    /// When it is not running, does not stop or ends with a fault.
    pub async fn wait_for_stop(&mut self) -> Result<()> {
        let started = self.take_started()?;
        for mut process in started.processes {
            let status = tokio::time::timeout(process::TIMEOUT, process.child.wait());
            let status = status.await.context("metricd does not stop")??;
            self.reap(process).await;
            ensure!(status.success(), "metricd ended with {status}");
        }
        stop(started.edge).await
    }

    /// Ends the server at once, as a crash would.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&mut self) -> Result<()> {
        let started = self.take_started()?;
        for mut process in started.processes {
            process.child.kill().await?;
            self.reap(process).await;
        }
        stop(started.edge).await
    }

    async fn reap(&self, process: ServerProcess) {
        self.run.watchdog().leave(process.pid);
        for reader in process.readers {
            let _ = reader.await;
        }
    }

    /// Ends all processes, and removes the database.
    ///
    /// # Errors
    /// When either is refused.
    pub async fn close(&mut self) -> Result<()> {
        for _ in 0..2 {
            if self.started.is_some() {
                self.kill().await?;
            }
            self.switch();
        }
        self.disk = None;
        self.database.discard().await
    }

    /// Returns the URL of a path.
    ///
    /// # Errors
    /// When the server is not running.
    pub fn url(&self, path: &str) -> Result<String> {
        Ok(format!("{}{}", self.started()?.url, self.variables.expand(path)))
    }

    /// Returns the memory of the server that is in use, in bytes.
    ///
    /// # Errors
    /// When it is not running, or the system does not tell.
    pub fn memory_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? * 1_024)
    }

    /// Whether it is set to trust other issuers than its own.
    #[must_use]
    pub fn trusts_other_issuers(&self) -> bool {
        ["USER_POOL_ID", "METRICD_AUTH__ISSUERS"]
            .iter()
            .any(|name| self.settings.contains_key(*name))
    }

    /// Returns a token of the development issuer, at the running server's clock and from its data
    /// folder.
    ///
    /// # Errors
    /// When metricd refuses; the text is its output.
    pub async fn token_of(&mut self, user: &TestUser) -> Result<String> {
        let mut arguments = user.arguments();
        arguments.extend(self.started.iter().flat_map(|started| started.data_dir.iter().cloned()));
        let clock = self.settings.get("METRICD_CLOCK").cloned();
        let request = (arguments, clock);
        if let Some(token) = self.tokens.get(&request) {
            return Ok(token.clone());
        }
        let arguments: Vec<_> = request.0.iter().map(String::as_str).collect();
        let output = self.run(&arguments).await?;
        ensure!(output.status.success(), "metricd gives no token: {}", output.stderr);
        let token = output.stdout.trim().to_owned();
        self.tokens.insert(request, token.clone());
        Ok(token)
    }

    /// Waits until everything that was done so far is in the log: the server writes lines in order,
    /// so one more request marks the place.
    ///
    /// # Errors
    /// When that request is not logged.
    pub async fn settle(&self) -> Result<()> {
        let Some(started) = &self.started else { return Ok(()) };
        let mark = uuid::Uuid::new_v4().to_string();
        let client = http::client()?;
        for process in &started.processes {
            let health = format!("http://{}/health", process.address);
            client.get(health).header("X-Request-Id", &mark).send().await?;
        }
        let is_mark = |line: &&LogLine| {
            line.says("INFO", "Endpoint called") && line.field("request_id").as_ref() == Some(&mark)
        };
        process::poll_until(async || {
            Ok(if self.logs.lines().iter().filter(is_mark).count() == started.processes.len() {
                Break(())
            } else {
                Continue(format!("request {mark} is not logged:\n{}", self.logs.text()))
            })
        })
        .await?;
        self.logs.forget_request(&mark);
        Ok(())
    }

    /// Waits for the line on standard output that begins like this.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn printed_line(&self, beginning: &str) -> Result<String> {
        process::poll_until(async || {
            let lines = self.printed.lines();
            let line = lines.iter().find(|line| line.raw.trim().starts_with(beginning));
            Ok(match line {
                Some(line) => Break(line.raw.trim().to_owned()),
                None => Continue(format!("it has printed:\n{}", self.printed.text())),
            })
        })
        .await
    }
}

async fn stop(edge: Option<Edge>) -> Result<()> {
    match edge {
        Some(edge) => edge.stop().await,
        None => Ok(()),
    }
}

/// The arguments that name a data folder.
fn data_dir_in(arguments: &[&str]) -> Vec<String> {
    let Some(at) = arguments.iter().position(|argument| argument.starts_with("--data-dir")) else {
        return Vec::new();
    };
    let words = if arguments[at].contains('=') { 1 } else { 2 };
    arguments[at..].iter().take(words).map(|&word| word.to_owned()).collect()
}

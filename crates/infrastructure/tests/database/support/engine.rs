//! The process of the embedded engine: this binary of tests, as one of them.

use std::{fs, path::Path, process::Command};

use metricd_infrastructure::db::{EngineCommand, run_embedded_engine};

/// Starts this binary as the engine.
pub(crate) fn command() -> EngineCommand {
    let arguments = ["--exact", "support::engine::runs", "--ignored", "--nocapture"];
    EngineCommand {
        program: std::env::current_exe().unwrap(),
        arguments: arguments.map(Into::into).into(),
    }
}

#[test]
#[ignore = "it is the engine of the other tests, which start it"]
fn runs() {
    let _ = run_embedded_engine();
}

/// The id of the process of the engine that works in `dir`, if there is one.
pub(crate) fn engine_pid(dir: &Path) -> Option<u32> {
    let variable = format!("METRICD_EMBEDDED_ENGINE={}", dir.canonicalize().unwrap().display());
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
        variables.split(|byte| *byte == 0).any(|it| it == variable.as_bytes()).then_some(pid)
    })
}

/// Sends a signal such as `KILL` to the process of the engine that works in `dir`.
pub(crate) fn signal_engine(dir: &Path, signal: &str) {
    let pid = engine_pid(dir).expect("the engine runs");
    let sent = Command::new("sh").args(["-c", &format!("kill -s {signal} {pid}")]).status();
    assert!(sent.unwrap().success());
}

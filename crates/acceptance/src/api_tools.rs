//! What other people's tools make of the OpenAPI document: linters, generators of clients, and schemathesis, from what
//! `scripts/setup test` has installed.
//!
//! They send requests to the scenario's own server alone, and a bounded number of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::{
    process::{self, Output},
    tools,
};

/// The files of the tests: clients' programs and the tools' settings.
const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// The tools, in a scenario's folder that holds the document.
#[derive(Debug)]
pub struct ApiTools {
    installed: PathBuf,
    folder: PathBuf,
}

impl ApiTools {
    /// Prepares a scenario's folder, into which the document is written.
    ///
    /// # Errors
    /// When the tools are not installed.
    pub fn new(folder: &Path, document: &[u8]) -> Result<Self> {
        let installed = tools::installed("clients")?;
        fs::write(folder.join("openapi.json"), document)?;
        symlink(installed.join("node_modules"), folder.join("node_modules"))?;
        for file in fs::read_dir(FILES)? {
            let file = file?;
            if file.file_type()?.is_file() {
                fs::copy(file.path(), folder.join(file.file_name()))?;
            }
        }
        Ok(Self { installed, folder: folder.to_owned() })
    }

    /// Lints the document.
    ///
    /// # Errors
    /// When the linter cannot be started.
    pub async fn lint(&self) -> Result<Output> {
        let mut command = self.node("@redocly/cli/bin/cli.js");
        command.args(["lint", "openapi.json", "--config", "redocly.yaml", "--format", "stylish"]);
        process::run(command).await
    }

    /// Generates a TypeScript client, compiles a program that uses it, and runs the program.
    ///
    /// # Errors
    /// When a step before the last one fails; the text is its output.
    pub async fn call_in_typescript(&self, url: &str, token: &str) -> Result<Output> {
        let mut generate = self.node("openapi-typescript/bin/cli.js");
        generate.args(["openapi.json", "--output", "schema.d.ts"]);
        done(&process::run(generate).await?)?;
        let mut compile = self.node("typescript/bin/tsc");
        compile.args(["--project", "tsconfig.json"]);
        done(&process::run(compile).await?)?;
        let mut call = self.command(Path::new("node"));
        call.args(["call.js", url, token]);
        process::run(call).await
    }

    /// Generates a Python client, compiles it, and runs a program that uses it.
    ///
    /// # Errors
    /// When a step before the last one fails; the text is its output.
    pub async fn call_in_python(&self, url: &str, token: &str) -> Result<Output> {
        let mut generate = self.python("openapi-python-client");
        generate.args(["generate", "--path", "openapi.json", "--output-path", "metricd_client"]);
        generate.args([
            "--meta",
            "none",
            "--config",
            "openapi-python-client.yaml",
            "--fail-on-warning",
        ]);
        done(&process::run(generate).await?)?;
        let mut compile = self.python("python");
        compile.args(["-m", "compileall", "-q", "metricd_client"]);
        done(&process::run(compile).await?)?;
        let mut call = self.python("python");
        call.args(["call.py", url, token]);
        process::run(call).await
    }

    /// Lets schemathesis try every operation with a fixed seed.
    ///
    /// # Errors
    /// When it cannot be started or hangs.
    pub async fn try_every_operation(&self, url: &str, token: &str) -> Result<Output> {
        let mut command = self.python("schemathesis");
        command.args(["--config-file", "schemathesis.toml", "run", "openapi.json", "--url", url]);
        command.env("SCHEMATHESIS_TOKEN", token);
        process::run(command).await
    }

    fn node(&self, script: &str) -> Command {
        let mut command = self.command(Path::new("node"));
        command.arg(self.installed.join("node_modules").join(script));
        command
    }

    fn python(&self, program: &str) -> Command {
        self.command(&self.installed.join("python/bin").join(program))
    }

    fn command(&self, program: &Path) -> Command {
        // None of them is to look for a newer version or to tell that it was used.
        let settings = [
            ("REDOCLY_TELEMETRY", "off"),
            ("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true"),
            ("NO_COLOR", "1"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ];
        let settings: BTreeMap<_, _> =
            settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        process::command(program, &self.folder, &settings)
    }
}

fn done(output: &Output) -> Result<()> {
    ensure!(output.status.success(), "{}: {}", output.status, output.text());
    Ok(())
}

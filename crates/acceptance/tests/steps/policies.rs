//! The policies that a scenario writes.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::Result;
use cucumber::{gherkin, given, when};
use metricd_acceptance::{TestApp, process};

use super::{Step, document};

const POLICIES: &str = "rights.cedar";

#[given(regex = r"^(the policies are|beside the usual policies there is)$")]
async fn policies(app: &mut TestApp, which: String, step: &gherkin::Step) -> Step {
    write_policies(app, which != "the policies are", document(step)?).await?;
    app.settings.insert("METRICD_POLICY__FILE".into(), format!("{{folder}}/{POLICIES}"));
    Ok(())
}

/// Waits until the server has taken the new policies or said that it does not.
#[when(regex = r"^the policies become( the usual ones and)?$")]
async fn policies_become(app: &mut TestApp, usual: String, step: &gherkin::Step) -> Step {
    write_policies(app, !usual.is_empty(), document(step)?).await?;
    read_again(app).await
}

#[when("the file of policies is gone")]
async fn policies_gone(app: &mut TestApp) -> Step {
    std::fs::remove_file(app.folder().join(POLICIES))?;
    read_again(app).await
}

async fn write_policies(app: &mut TestApp, with_usual: bool, more: &str) -> Result<()> {
    let mut text = String::new();
    if with_usual {
        let set = app.settings.remove("METRICD_POLICY__FILE");
        let output = app.run(&["policy", "show"]).await?;
        anyhow::ensure!(output.status.success(), "policy show: {}", output.text());
        text.clone_from(&output.stdout);
        app.settings.extend(set.map(|file| ("METRICD_POLICY__FILE".to_owned(), file)));
    }
    text.push_str(more);
    Ok(std::fs::write(app.folder().join(POLICIES), text)?)
}

async fn read_again(app: &TestApp) -> Step {
    let answers = |app: &TestApp| {
        let lines = app.logs.lines();
        let is_answer = |event: &str| {
            event.starts_with("Policies reloaded") || event.starts_with("Policy reload failed")
        };
        lines.iter().filter_map(|line| line.field("event")).filter(|event| is_answer(event)).count()
    };
    let before = answers(app);
    app.hang_up().await?;
    process::until(async || {
        Ok(if answers(app) > before {
            Break(())
        } else {
            Continue(format!("it does not say what it thinks of them:\n{}", app.logs.text()))
        })
    })
    .await?;
    Ok(())
}

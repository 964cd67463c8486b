//! Policy files that a scenario writes.

use std::ops::ControlFlow::{Break, Continue};

use anyhow::Result;
use cucumber::{gherkin, given, when};
use metricd_acceptance::{World, process};

use super::{Step, document};

const POLICIES: &str = "rights.cedar";

#[given(regex = r"^(the policies are|beside the usual policies there is)$")]
async fn policies(world: &mut World, which: String, step: &gherkin::Step) -> Step {
    write_policies(world, which != "the policies are", document(step)?).await?;
    world.server.settings.insert("METRICD_POLICY__FILE".into(), format!("{{folder}}/{POLICIES}"));
    Ok(())
}

/// Waits until the server has loaded the new policies or refused them.
#[when(regex = r"^the policies become( the usual ones and)?$")]
async fn policies_become(world: &mut World, usual: String, step: &gherkin::Step) -> Step {
    write_policies(world, !usual.is_empty(), document(step)?).await?;
    reload(world).await
}

#[when("the file of policies is gone")]
async fn policies_gone(world: &mut World) -> Step {
    std::fs::remove_file(world.folder().join(POLICIES))?;
    reload(world).await
}

async fn write_policies(world: &mut World, with_usual: bool, more: &str) -> Result<()> {
    let mut text = String::new();
    if with_usual {
        let set = world.server.settings.remove("METRICD_POLICY__FILE");
        let output = world.run(&["policy", "show"]).await?;
        anyhow::ensure!(output.status.success(), "policy show: {}", output.text());
        text.clone_from(&output.stdout);
        world.server.settings.extend(set.map(|file| ("METRICD_POLICY__FILE".to_owned(), file)));
    }
    text.push_str(more);
    Ok(std::fs::write(world.folder().join(POLICIES), text)?)
}

async fn reload(world: &World) -> Step {
    let answers = |world: &World| {
        let lines = world.server.logs.lines();
        let is_answer = |event: &str| {
            event.starts_with("Policies reloaded") || event.starts_with("Policy reload failed")
        };
        lines.iter().filter_map(|line| line.field("event")).filter(|event| is_answer(event)).count()
    };
    let before = answers(world);
    world.server.reload().await?;
    process::poll_until(async || {
        Ok(if answers(world) > before {
            Break(())
        } else {
            Continue(format!("it neither reloads nor refuses them:\n{}", world.server.logs.text()))
        })
    })
    .await?;
    Ok(())
}

//! The documentation: its pages are followed as a reader would.

use cucumber::{gherkin, then, when};
use metricd_acceptance::{
    World,
    guide::{NOT_RUN, ROOT, follow, run_statements},
    page::DocPage,
};

use super::{Step, document};

#[when(expr = "I follow {string}")]
async fn follow_page(world: &mut World, name: String) -> Step {
    let text = tokio::fs::read_to_string(format!("{ROOT}/{name}")).await?;
    Ok(follow(world, &DocPage::parse(&name, &text)).await?)
}

#[when(expr = "I run the statements of {string}")]
async fn run_statements_of(world: &mut World, name: String) -> Step {
    let text = tokio::fs::read_to_string(format!("{ROOT}/{name}")).await?;
    Ok(run_statements(world, &DocPage::parse(&name, &text)).await?)
}

/// Texts in a table have no line breaks of their own, and a step's document no fences.
#[then("this page is refused")]
async fn refused(world: &mut World, step: &gherkin::Step) -> Step {
    let text = document(step)?.replace("'''", "```").replace("\\n", "\n");
    let followed = follow(world, &DocPage::parse("a page", &text)).await;
    ensure!(followed.is_err(), "it is not");
    Ok(())
}

#[then("every page is followed by a scenario of this feature")]
fn every_page(_: &mut World) -> Step {
    let feature = include_str!("../../features/guides.feature");
    for entry in std::fs::read_dir(format!("{ROOT}/docs/guide"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(feature.contains(&name), "{name} is followed by none");
    }
    for left in &NOT_RUN {
        let is_there = std::path::Path::new(ROOT).join(left.page).is_file();
        ensure!(is_there, "there is no page {}, of which {:?} is not run", left.page, left.text);
    }
    Ok(())
}

//! Rows as CSV.

use cucumber::{gherkin, then, when};
use metricd_acceptance::World;

use super::{Step, document};

fn prefer_csv(world: &mut World) {
    world.client.headers.push(("Accept".into(), "text/csv".into()));
}

#[when(expr = "I ask for the metric {string} as CSV")]
async fn metric(world: &mut World, id: String) -> Step {
    prefer_csv(world);
    world.get(&format!("/metrics/{id}")).await?;
    Ok(())
}

#[when(expr = "I ask for the metric {string} as CSV in the background")]
async fn metric_in_background(world: &mut World, id: String) -> Step {
    prefer_csv(world);
    Ok(world.client.get_in_background(&mut world.server, &format!("/metrics/{id}")).await?)
}

#[when("I disconnect")]
fn disconnect(world: &mut World) -> Step {
    Ok(world.client.disconnect()?)
}

#[then(expr = "the metric {string} as CSV breaks off")]
async fn breaks_off(world: &mut World, id: String) -> Step {
    prefer_csv(world);
    let is_whole =
        world.client.is_answered_in_full(&mut world.server, &format!("/metrics/{id}")).await?;
    ensure!(!is_whole, "it comes to its end");
    Ok(())
}

/// Lines end in CR and LF; a line break in a value is written as `⏎`.
#[then("the body is the CSV")]
fn body_is(world: &mut World, step: &gherkin::Step) -> Step {
    let lines = document(step)?.trim().lines().map(|line| line.replace('⏎', "\n") + "\r\n");
    let (expected, actual) = (lines.collect::<String>(), world.client.answer()?.text());
    ensure!(actual == expected, "it is {actual:?}");
    Ok(())
}

#[then(expr = "the body has {int} lines")]
fn body_has_lines(world: &mut World, count: usize) -> Step {
    let lines = world.client.answer()?.text().lines().count();
    ensure!(lines == count, "it has {lines}");
    Ok(())
}

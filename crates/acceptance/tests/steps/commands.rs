//! The command line: commands, their exit codes and their output.

use anyhow::Context as _;
use cucumber::{gherkin, given, then, when};
use metricd_acceptance::{
    World,
    json::{Json, Match},
    process::Output,
};

use super::{Step, matches, rows};

/// Words are split at spaces; no argument of a scenario holds one.
#[given(expr = "I run {string}")]
#[when(expr = "I run {string}")]
async fn run(world: &mut World, line: String) -> Step {
    let line = world.variables.expand(&line);
    let arguments: Vec<_> = line.split(' ').skip_while(|word| *word == "metricd").collect();
    world.run(&arguments).await?;
    Ok(())
}

#[when(regex = r"^I (import|validate) the catalog$")]
async fn load(world: &mut World, command: String) -> Step {
    load_with(world, command, String::new()).await
}

#[when(regex = r#"^I (import|validate) the catalog with "([^"]+)"$"#)]
async fn load_with(world: &mut World, command: String, options: String) -> Step {
    let line = format!("{command} {} --format json {options}", world.catalog.arguments());
    let arguments: Vec<_> = line.split_whitespace().collect();
    world.run(&arguments).await?;
    Ok(())
}

#[then("it succeeds")]
fn succeeds(world: &mut World) -> Step {
    ends_with(world, 0)
}

#[then("it fails")]
fn fails(world: &mut World) -> Step {
    let output = world.output()?;
    ensure!(!output.status.success(), "it succeeds: {}", output.text());
    ensure!(output.status.code().is_some(), "it crashed: {}", output.text());
    Ok(())
}

#[then(expr = "it exits with {int}")]
fn ends_with(world: &mut World, code: i32) -> Step {
    let output = world.output()?;
    ensure!(output.status.code() == Some(code), "{}: {}", output.status, output.text());
    Ok(())
}

#[then(expr = "it says {string}")]
fn says(world: &mut World, part: String) -> Step {
    let (text, part) = (world.output()?.text(), world.variables.expand(&part));
    ensure!(text.to_lowercase().contains(&part.to_lowercase()), "it says {text}");
    Ok(())
}

#[then(expr = "it does not say {string}")]
fn does_not_say(world: &mut World, part: String) -> Step {
    let text = world.output()?.text();
    ensure!(!text.contains(&part), "it says {text}");
    Ok(())
}

#[then("it prints")]
fn prints(world: &mut World, step: &gherkin::Step) -> Step {
    let expected = super::json_document(step, |text| world.variables.expand(text))?;
    let actual = Json::parse(world.output()?.stdout.trim())?;
    Ok(matches(&actual, &expected, Match::Contains)?)
}

#[then("it prints nothing")]
fn prints_nothing(world: &mut World) -> Step {
    let Output { stdout, .. } = world.output()?;
    ensure!(stdout.is_empty(), "it prints {stdout}");
    Ok(())
}

#[then(expr = "it prints {string}")]
fn prints_text(world: &mut World, part: String) -> Step {
    let Output { stdout, .. } = world.output()?;
    ensure!(stdout.contains(&part), "it prints {stdout}");
    Ok(())
}

/// Each row names a kind of thing and how many of it were created, updated, unchanged and removed.
#[then("the report counts")]
fn counts(world: &mut World, step: &gherkin::Step) -> Step {
    let report = world.report()?;
    for row in rows(step)? {
        let [what, numbers @ ..] = row.as_slice() else {
            continue;
        };
        let outcomes = ["created", "updated", "unchanged", "removed"];
        for (outcome, expected) in outcomes.iter().zip(numbers) {
            let actual = report.count(what, outcome);
            let actual =
                actual.with_context(|| format!("no {what} {outcome}: {}", report.json()))?;
            ensure!(actual.to_string() == *expected, "{what}: {actual} {outcome}");
        }
    }
    Ok(())
}

/// Each row is one finding; there are no others.
#[then("the report finds exactly")]
fn finds_exactly(world: &mut World, step: &gherkin::Step) -> Step {
    let findings = world.report()?.findings()?;
    let expected = rows(step)?;
    for row in expected {
        find(world, row)?;
    }
    ensure!(findings.len() == expected.len(), "it finds {findings:#?}");
    Ok(())
}

/// Each row is one finding among others.
#[then("the report finds")]
fn finds(world: &mut World, step: &gherkin::Step) -> Step {
    for row in rows(step)? {
        find(world, row)?;
    }
    Ok(())
}

#[then(regex = r"^the report says that it (wrote|wrote nothing)$")]
fn written(world: &mut World, what: String) -> Step {
    let report = world.report()?;
    let written = report.json().at("written").context("no `written`")?.to_string();
    ensure!(written == (what == "wrote").to_string(), "written is {written}");
    Ok(())
}

#[then("the report contains")]
fn report_contains(world: &mut World, step: &gherkin::Step) -> Step {
    prints(world, step)
}

#[then("the report says of each query what may vary in it")]
fn slots(world: &mut World) -> Step {
    let report = world.report()?;
    let slots = report.json().at("slots").and_then(Json::as_list).context("no slots")?;
    for query in [
        "cmcw1zaxw0003p1qk1fo9ss8m",
        "cmcw3crxh0001poqkt5ctjjb0",
        "cmcw3etd80002poqk6era3ko9",
        "cmcxgnpq10001wpqk36vpzseb",
        "cmcxhohny0001ykqk3fnzs1qy",
    ] {
        let said = slots.iter().any(|slot| {
            slot.at("query").and_then(Json::as_text) == Some(query)
                && slot.at("slot") == Some(&Json::Bool(true))
        });
        ensure!(said, "nothing of {query} in {}", report.json());
    }
    Ok(())
}

/// `severity | file | place | message`: the place is a line, the beginning of a JSON path, a line
/// and such a path, or `?` for any place at all.
fn find(world: &World, row: &[String]) -> anyhow::Result<()> {
    let [severity, file, place, message] = row else {
        anyhow::bail!("a finding has a severity, a file, a place and a message");
    };
    let findings = world.report()?.findings()?;
    let matches = findings.iter().any(|finding| {
        let placed = place.split_whitespace().all(|place| match place.parse::<u64>() {
            Ok(line) => finding.line == Some(line),
            Err(_) if place == "?" => finding.line.is_some() || finding.path.is_some(),
            Err(_) => finding.path.as_ref().is_some_and(|path| path.starts_with(place)),
        });
        finding.severity == *severity
            && finding.file.ends_with(file.as_str())
            && placed
            && finding.text.to_lowercase().contains(&message.to_lowercase())
    });
    anyhow::ensure!(matches, "no {severity} at {file} {place} with {message:?} in {findings:#?}");
    Ok(())
}

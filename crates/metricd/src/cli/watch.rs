//! `metricd watch` and `metricd unwatch`

use std::process::ExitCode;

use metricd_application::{
    ports::{WatchStep, Watched},
    tables::{unwatch_table, watch_table},
};
use metricd_core::{actor::Actor, sql::TableName};

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The table, with its schema unless that is `public`; nothing is folded to lower case
    #[arg(value_name = "TABLE")]
    table: TableName,
}

pub(crate) async fn watch(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let operator = Actor::operator();
    let watched = super::database::with_database(config, async |context| {
        Ok(watch_table(&operator, &context, args.table).await?)
    })
    .await?;
    print_steps(&watched, "is watched from now on", "was watched already")
}

pub(crate) async fn unwatch(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let operator = Actor::operator();
    let watched = super::database::with_database(config, async |context| {
        Ok(unwatch_table(&operator, &context, args.table).await?)
    })
    .await?;
    print_steps(&watched, "is no longer watched", "was not watched")
}

fn print_steps(watched: &[Watched], done: &str, already: &str) -> anyhow::Result<ExitCode> {
    let mut lines = String::new();
    for Watched { table, step } in watched {
        let outcome = match step {
            WatchStep::Done => done,
            WatchStep::Unchanged => already,
            WatchStep::Foreign => "is a foreign table and cannot be watched",
        };
        lines.push_str(&table.with_schema());
        lines.push(' ');
        lines.push_str(outcome);
        lines.push('\n');
    }
    super::output::print(&lines)?;
    Ok(ExitCode::SUCCESS)
}

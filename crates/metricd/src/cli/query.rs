//! `metricd query`

use std::{collections::HashMap, process::ExitCode, time::Duration};

use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use metricd_application::{
    bind::ReadError,
    freshness::SourcedAnswer,
    metrics::{AnswerRequest, get_metric},
};
use metricd_core::{
    actor::Actor,
    claim::ClaimName,
    ids::MetricId,
    parameters::{ParameterRequest, Parameters},
    window::{ParamName, WindowRequest, parse_date, parse_day_range, parse_timezone},
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    exit::CommandError,
    output::OutputFormat,
    parsers::{parse_claim, refuse_repeated},
};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The metric
    id: Uuid,
    /// First day, inclusive; by default the author's, else 30 days before the last
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    start_date: Option<chrono::NaiveDate>,
    /// Last day, inclusive; by default the author's, else today
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    end_date: Option<chrono::NaiveDate>,
    /// Days back from today; by default the author's, else 30
    #[arg(long, value_name = "DAYS", value_parser = parse_day_range)]
    day_range: Option<u32>,
    /// Time zone that decides which day is today
    #[arg(long, value_name = "ZONE", value_parser = parse_timezone)]
    timezone: Option<chrono_tz::Tz>,
    /// A claim of the caller whose rows to return, such as `tenant_id=acme`. May be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    claims: Vec<(ClaimName, String)>,
    /// How to print the records
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub(crate) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    refuse_repeated("--claim", args.claims.iter().map(|(name, _)| name.as_str()));
    let window = WindowRequest {
        start_date: args.start_date,
        end_date: args.end_date,
        day_range: args.day_range,
        timezone: args.timezone,
    };
    let parameters = ParameterRequest { window };
    let request = AnswerRequest { parameters, max_age: Some(Duration::ZERO) };
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let actor = Actor::operator_claiming(args.claims.into_iter().collect());
    let answer = super::database::with_database(config, async |context| {
        get_metric(&actor, &context, MetricId(args.id), &request).await.map_err(explain)
    })
    .await?;
    let text = match args.format {
        OutputFormat::Json => {
            let mut text = String::from_utf8(answer.answer.rows().into())?;
            text.push('\n');
            text
        }
        OutputFormat::Table => table(&answer)?,
    };
    super::output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Says more of an error than the use case does, where a person can do something about it.
fn explain(error: ReadError) -> anyhow::Error {
    let message = match &error {
        ReadError::Window(faults) => {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        ReadError::Forbidden(_) => {
            "the metric's rows depend on the caller's claims: set them with --claim NAME=VALUE"
                .to_owned()
        }
        _ => return error.into(),
    };
    CommandError::new(&error, message).into()
}

fn table(SourcedAnswer { query, answer, .. }: &SourcedAnswer) -> anyhow::Result<String> {
    let json = answer.rows();
    let rows: Vec<HashMap<String, &RawValue>> =
        serde_json::from_slice(&json).context("the rows are not valid JSON objects")?;
    let compiled = &query.definition().compiled;
    let columns = &compiled.query.columns;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|column| column.name.as_str()));
    for row in &rows {
        table.add_row(
            columns
                .iter()
                .map(|column| row.get(&column.name).map_or_else(String::new, |value| cell(value))),
        );
    }
    let name = compiled.metric.details.name.as_str();
    let cut = if answer.is_truncated() { ", cut off" } else { "" };
    let count = rows.len();
    let plural = if count == 1 { "" } else { "s" };
    Ok(format!("{name}\n{table}\n{count} row{plural}{cut}{}\n", shown(query.parameters())))
}

/// Formats a cell: a string without quotes, null as nothing, anything else as PostgreSQL wrote it.
fn cell(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
    }
}

fn shown(parameters: &Parameters) -> String {
    let shown = parameters.shown();
    let parts = [
        (ParamName::StartDate, shown.start_date.map(|day| day.to_string())),
        (ParamName::EndDate, shown.end_date.map(|day| day.to_string())),
        (ParamName::DayRange, shown.day_range.map(|days| days.to_string())),
        (ParamName::Timezone, shown.timezone_name().map(str::to_owned)),
    ];
    parts
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!(" · {name} {value}")))
        .collect()
}

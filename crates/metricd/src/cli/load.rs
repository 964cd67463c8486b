//! `metricd load`

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use metricd_application::tables::{
    LoadMode, LoadReport, LoadTable, LoadedColumn, RejectedRow, load_table,
};
use metricd_core::{actor::Actor, cell::CellType, sql::TableName};
use metricd_infrastructure::loaders::{TableFormat, open_table};
use serde::Serialize;

use super::{exit::REJECTED, files::progress_bar, output::OutputFormat};
use crate::config::Config;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// The file: CSV with a header (.csv), or a JSON object a line (.jsonl, .ndjson)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The table, with its schema unless that is `public`; nothing is folded to lower case
    #[arg(long, value_name = "TABLE")]
    table: TableName,
    /// The file's format, where its name does not say so
    #[arg(long, value_enum)]
    input: Option<Input>,
    /// Add the rows to those of the table
    #[arg(long)]
    append: bool,
    /// Replace the rows of the table; grants, indexes and views stay
    #[arg(long, conflicts_with = "append")]
    replace: bool,
    /// A column's type, instead of the inferred one: `amount=numeric`
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = parse_type)]
    types: Vec<(String, CellType)>,
    /// Skip rejected rows, and load the others
    #[arg(long)]
    skip_rejected: bool,
    /// Where to write rejected rows with their reasons, as CSV [default: FILE.rejected.csv]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Do everything, then roll back
    #[arg(long)]
    dry_run: bool,
    /// How to print the report
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Input {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

fn parse_type(text: &str) -> Result<(String, CellType), String> {
    let (name, word) = text.split_once('=').ok_or("must be written column=type")?;
    let ty = CellType::from_word(word).ok_or_else(|| {
        let all = CellType::ALL.map(CellType::as_str).join(", ");
        format!("the types are {all}")
    })?;
    Ok((name.to_owned(), ty))
}

pub(crate) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let format = match args.input {
        Some(Input::Csv) => Some(TableFormat::Csv),
        Some(Input::Jsonl) => Some(TableFormat::JsonLines),
        None => TableFormat::of(&args.file),
    };
    let format = format
        .context("the file's name does not tell its format: add --input csv or --input jsonl")?;
    let named = || args.file.display().to_string();
    let mut file = open_table(&args.file, format).with_context(named)?;
    let request = LoadTable {
        table: args.table,
        mode: match (args.append, args.replace) {
            (true, _) => LoadMode::Append,
            (_, true) => LoadMode::Replace,
            _ => LoadMode::Create,
        },
        types: BTreeMap::from_iter(args.types),
        skip_rejected: args.skip_rejected,
        dry_run: args.dry_run,
    };
    let mut rejected =
        RejectedRowsFile::at(args.rejected.unwrap_or_else(|| rejected_path(&args.file)));
    #[expect(clippy::disallowed_methods, reason = "the caller of a command is the operator")]
    let operator = Actor::operator();
    let report = super::database::with_database(config, async |context| {
        let (bar, on_progress) = progress_bar("rows");
        let mut on_rejected = |row: &RejectedRow| rejected.write(row);
        let loaded =
            load_table(&operator, &context, request, file.as_mut(), &on_progress, &mut on_rejected)
                .await;
        bar.finish_and_clear();
        loaded.with_context(named)
    })
    .await?;
    rejected.finish()?;
    let rejected_file = (report.rejected > 0).then_some(rejected.path.as_path());
    super::output::print(&match args.format {
        OutputFormat::Table => summary(&report, rejected_file, args.dry_run),
        OutputFormat::Json => {
            format!("{}\n", serde_json::to_string_pretty(&document(&report, rejected_file))?)
        }
    })?;
    let refused = report.rejected > 0 && !args.skip_rejected;
    Ok(if refused { ExitCode::from(REJECTED) } else { ExitCode::SUCCESS })
}

fn rejected_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".rejected.csv");
    path.into()
}

/// A CSV file of rejected rows, created with the first one.
struct RejectedRowsFile {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
}

impl RejectedRowsFile {
    fn at(path: PathBuf) -> Self {
        Self { path, writer: None }
    }

    fn write(&mut self, row: &RejectedRow) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let mut writer = csv::Writer::from_writer(File::create(&self.path)?);
                writer.write_record(["line", "reason", "row"])?;
                none.insert(writer)
            }
        };
        writer.write_record([row.line.to_string().as_str(), &row.reason, &row.raw])?;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), csv::Writer::flush)
    }
}

fn summary(report: &LoadReport, rejected_file: Option<&Path>, dry_run: bool) -> String {
    let mut columns = Table::new();
    columns.load_style(presets::UTF8_FULL_CONDENSED);
    columns.set_content_arrangement(ContentArrangement::Disabled);
    columns.set_header(["column", "type", "in the file"]);
    for LoadedColumn { header, name, ty, text_since } in &report.columns {
        let ty = match text_since {
            Some(line) => format!("{ty}, because of line {line}"),
            None => ty.clone(),
        };
        columns.add_row([name, &ty, header]);
    }
    // Writing to a String cannot fail.
    let mut text = format!("{columns}\n\n");
    if let Some(path) = rejected_file {
        for RejectedRow { line, reason, .. } in &report.first_rejected {
            let _ = writeln!(text, "  rejected  line {line}  {reason}");
        }
        let path = path.display();
        let _ = match report.rejected {
            1 => writeln!(text, "1 row rejected; it is in {path}"),
            many => writeln!(text, "{many} rows rejected, all of them in {path}"),
        };
    }
    let table = report.table.with_schema();
    let rows = match report.rows {
        1 => "1 row".to_owned(),
        many => format!("{many} rows"),
    };
    let _ = if report.written {
        writeln!(text, "Loaded: {rows} into {table}.")
    } else if dry_run {
        writeln!(text, "Nothing was written: {rows} would go into {table}.")
    } else {
        let hint = "Correct the rows, or skip them with --skip-rejected.";
        writeln!(text, "Nothing was written. {hint}")
    };
    if report.made == Some(false) {
        let schema = report.table.schema();
        let _ =
            writeln!(text, "Stored SQL may not read it yet: grant USAGE on its schema {schema}.");
    }
    text
}

#[derive(Serialize)]
struct Document<'a> {
    table: String,
    columns: Vec<ColumnDocument<'a>>,
    rows: u64,
    rejected: u64,
    first_rejected: Vec<RejectedDocument<'a>>,
    rejected_file: Option<&'a Path>,
    made: bool,
    written: bool,
}

#[derive(Serialize)]
struct ColumnDocument<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    ty: &'a str,
    header: &'a str,
    text_since_line: Option<u64>,
}

#[derive(Serialize)]
struct RejectedDocument<'a> {
    line: u64,
    reason: &'a str,
}

fn document<'a>(report: &'a LoadReport, rejected_file: Option<&'a Path>) -> Document<'a> {
    let column = |column: &'a LoadedColumn| ColumnDocument {
        name: &column.name,
        ty: &column.ty,
        header: &column.header,
        text_since_line: column.text_since,
    };
    let rejected = |row: &'a RejectedRow| RejectedDocument { line: row.line, reason: &row.reason };
    Document {
        table: report.table.with_schema(),
        columns: report.columns.iter().map(column).collect(),
        rows: report.rows,
        rejected: report.rejected,
        first_rejected: report.first_rejected.iter().map(rejected).collect(),
        rejected_file,
        made: report.made.is_some(),
        written: report.written,
    }
}

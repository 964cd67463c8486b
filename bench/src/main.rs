//! `make bench`: measures metricd beside an upper limit and beside a reference, all in turns in one run,
//! because a figure alone says more of the machine than of metricd.

mod catalog;
mod command;
mod extent;
mod ground;
mod machine;
mod pgbench;
mod report;
mod rounds;
mod sections;
mod server;
mod wrk;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use clap::{Parser as _, ValueEnum};

use crate::{extent::Extent, ground::Ground, machine::Cores, report::Findings};

/// Measures metricd, and writes what was found into bench/RESULTS.md
#[derive(clap::Parser)]
#[command(name = "bench", disable_version_flag = true)]
struct Args {
    /// Only these sections; RESULTS.md is left as it is
    sections: Vec<Section>,
    /// A few minutes: less of everything; RESULTS.md is left as it is
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Answers from memory
    Cached,
    /// Answers from the database
    Uncached,
    /// Changing windows among those that are kept
    Mixed,
    /// Adding records
    Records,
    /// A page of the list
    List,
    /// From the start of the process to its first answers
    Start,
    /// Loading a million records
    Load,
    /// What a server holds of memory
    Memory,
    /// The bound of the cache
    Bound,
    /// More metrics, records and connections
    Growth,
}

// A single thread: the bench must not take cores from the servers under test.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let cores = Cores::of_this_machine()?;
    cores.make_room().await?;
    let extent = if args.quick { Extent::Quick } else { Extent::Full };
    let is_whole = args.sections.is_empty() && !args.quick;
    let sections =
        if args.sections.is_empty() { Section::value_variants() } else { &args.sections[..] };
    let machine = machine::describe(&cores).await;
    let ground = Ground::prepare(cores).await?;
    let mut ended = Ok(());
    let mut all = Findings::default();
    for section in sections {
        match measure(*section, &ground, extent).await {
            Ok(found) => {
                for table in &found.tables {
                    print(&format!("{table}\n"));
                }
                all.ratios.extend(found.ratios);
                all.tables.extend(found.tables);
            }
            Err(error) => {
                ended = Err(error.context(format!("{section:?}")));
                break;
            }
        }
    }
    print(&report::ratios(&all.ratios));
    ground.end().await?;
    ended?;
    if is_whole {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        fs::write(&path, page(&machine, &all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure(section: Section, ground: &Ground, extent: Extent) -> Result<Findings> {
    match section {
        Section::Cached => sections::cached::run(ground, extent).await,
        Section::Uncached => sections::uncached::run(ground, extent).await,
        Section::Mixed => sections::mixed::run(ground, extent).await,
        Section::Records => sections::records::run(ground, extent).await,
        Section::List => sections::list::run(ground, extent).await,
        Section::Start => sections::start::run(ground, extent).await,
        Section::Load => sections::load::run(ground, extent).await,
        Section::Memory => sections::memory::run(ground, extent).await,
        Section::Bound => sections::bound::run(ground, extent).await,
        Section::Growth => sections::growth::run(ground, extent).await,
    }
}

#[expect(clippy::print_stdout, reason = "the report of the run")]
fn print(text: &str) {
    println!("{text}");
}

/// Writes the whole page.
fn page(machine: &[String], found: &Findings) -> Result<String> {
    let mut page = String::from(INTRODUCTION);
    for line in machine {
        writeln!(page, "- {line}")?;
    }
    writeln!(page, "\n## Ratios\n\n{}\n## Figures", report::ratios(&found.ratios))?;
    for table in &found.tables {
        write!(page, "\n{table}")?;
    }
    Ok(page)
}

const INTRODUCTION: &str = "\
# Results

`make bench` measured all of this in one run, and wrote this page. Each server under test has one core to itself, while those \
who ask (wrk, tokens on) and PostgreSQL have the others; contenders take turns, and each figure is the median of its rounds. A \
server's processor's time for an answer is what the kernel accounted to it: it says what a core can do also where the core was not \
busy all the time. Logs are off and callers unlimited for all, unless a row says otherwise.

";

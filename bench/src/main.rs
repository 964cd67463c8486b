//! `make bench`: measures metricd beside an upper limit and beside a reference, all in turns in one run,
//! because a figure alone says more of the machine than of metricd.

mod caller;
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
mod soak;
mod wrk;

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser as _, ValueEnum};

use crate::{
    extent::Extent,
    ground::Ground,
    machine::Cores,
    report::{Findings, Ratio},
};

/// Measures metricd, and writes what was found into bench/RESULTS.md, or bench/SOAK.md for the soak
#[derive(clap::Parser)]
#[command(name = "bench", disable_version_flag = true)]
struct Args {
    /// Only these sections; RESULTS.md is left as it is [default: all but the soak]
    sections: Vec<Section>,
    /// A few minutes: less of everything; nothing is written
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
    /// A quiet caller beside a noisy one
    Fairness,
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
    /// Honest callers among hostile ones, by itself; fails where a target is not met
    Soak,
}

impl Section {
    /// Returns those of a whole run.
    fn of_a_whole_run() -> Vec<Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|section| *section != Self::Soak).collect()
    }
}

/// A page of results that a run writes.
struct Page {
    file: &'static str,
    introduction: &'static str,
}

const RESULTS: Page = Page { file: "RESULTS.md", introduction: INTRODUCTION };
const SOAK: Page = Page { file: "SOAK.md", introduction: INTRODUCTION_OF_SOAK };

impl Args {
    /// Returns the page that this run writes, if it measures all of it.
    fn page(&self) -> Option<Page> {
        match &self.sections[..] {
            _ if self.quick => None,
            [] => Some(RESULTS),
            [Section::Soak] => Some(SOAK),
            _ => None,
        }
    }
}

// A single thread: the bench must not take cores from the servers under test.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut cores = Cores::of_this_machine()?;
    if args.sections.contains(&Section::Soak) {
        ensure!(args.sections.len() == 1, "the soak shares its cores: it runs by itself");
        cores = cores.shared();
    }
    cores.make_room().await?;
    let extent = if args.quick { Extent::Quick } else { Extent::Full };
    let page = args.page();
    let sections = if args.sections.is_empty() { Section::of_a_whole_run() } else { args.sections };
    let machine = machine::describe(&cores).await;
    let ground = Ground::prepare(cores).await?;
    let mut ended = Ok(());
    let mut all = Findings::default();
    let mut is_soaked_well = true;
    for section in sections {
        match measure(section, &ground, extent).await {
            Ok(found) => {
                if section == Section::Soak {
                    is_soaked_well = found.ratios.iter().all(Ratio::is_met);
                }
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
    if let Some(page) = page {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page.file);
        fs::write(&path, text(&page, &machine, &all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(is_soaked_well, "the soak: a target is not met");
    Ok(())
}

async fn measure(section: Section, ground: &Ground, extent: Extent) -> Result<Findings> {
    match section {
        Section::Cached => sections::cached::run(ground, extent).await,
        Section::Uncached => sections::uncached::run(ground, extent).await,
        Section::Mixed => sections::mixed::run(ground, extent).await,
        Section::Fairness => sections::fairness::run(ground, extent).await,
        Section::Records => sections::records::run(ground, extent).await,
        Section::List => sections::list::run(ground, extent).await,
        Section::Start => sections::start::run(ground, extent).await,
        Section::Load => sections::load::run(ground, extent).await,
        Section::Memory => sections::memory::run(ground, extent).await,
        Section::Bound => sections::bound::run(ground, extent).await,
        Section::Growth => sections::growth::run(ground, extent).await,
        Section::Soak => soak::run(ground, extent).await,
    }
}

#[expect(clippy::print_stdout, reason = "the report of the run")]
fn print(text: &str) {
    println!("{text}");
}

/// Writes the whole page.
fn text(page: &Page, machine: &[String], found: &Findings) -> Result<String> {
    let mut text = String::from(page.introduction);
    for line in machine {
        writeln!(text, "- {line}")?;
    }
    writeln!(text, "\n## Ratios\n\n{}\n## Figures", report::ratios(&found.ratios))?;
    for table in &found.tables {
        write!(text, "\n{table}")?;
    }
    Ok(text)
}

const INTRODUCTION: &str = "\
# Results

`make bench` measured all of this in one run, and wrote this page. Each server under test has one core to itself, while those \
who ask (wrk, tokens on) and PostgreSQL have the others; contenders take turns, and each figure is the median of its rounds. A \
server's processor's time for an answer is what the kernel accounted to it: it says what a core can do also where the core was not \
busy all the time. Logs are off and callers unlimited for all, unless a row says otherwise.

";

const INTRODUCTION_OF_SOAK: &str = "\
# Soak

`make soak` measured all of this in one run, and wrote this page: honest callers by themselves, then among hostile ones, on a \
PostgreSQL server and, for less long, on the embedded engine. metricd, PostgreSQL and all who ask share the cores, all but one of \
which heavy statements keep busy. Hostile statements are ended after five seconds or 256 MiB of temporary files, and clients that do not read are closed \
after five seconds; all other limits are as they are by default. The run fails where a target is not met.

";

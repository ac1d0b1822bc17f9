//! Spakky against peers: the same work on the same database in one run.
//!
//! `cargo xtask bench` provides the server and runs this. Times are measured in rounds in which all contenders have their
//! turn; what goes over the line is counted by a proxy; and after each turn the database must hold what the work must
//! have left there.

mod backend;
mod contender;
mod domain;
mod instructions;
mod measure;
mod network;
mod report;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::backend::Backend;
use crate::contender::Name;
use crate::measure::{Extent, Scope};
use crate::network::Network;
use crate::workload::Workload;

/// Whatever went wrong, in a contender or beside it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Where the server is.
const SERVER: &str = "SPAKKY_TEST_POSTGRES_URL";

#[derive(Parser)]
#[command(name = "cargo xtask bench", about = "Spakky against peers")]
struct Arguments {
    /// Few rounds: all of it in less than a minute and a half
    #[arg(long)]
    quick: bool,
    /// Write one JSON object a line for each workload and contender
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the tables and the plot, or the table of instructions, into the documentation
    #[arg(long)]
    write_docs: bool,
    /// Count the instructions of `get` and `load_save` by callgrind, in place of times
    #[arg(long)]
    instructions: bool,
    /// Compare the instructions with those of this commit, whose library is built beside the present one
    #[arg(long, value_name = "REV", requires = "instructions", conflicts_with = "contenders")]
    baseline: Option<String>,
    /// Fail where the instructions are more than so many times those of the baseline
    #[arg(long, value_name = "RATIO", requires = "baseline")]
    max: Option<f64>,
    /// The bench as it was built with the library of the baseline
    #[arg(long, value_name = "FILE", hide = true)]
    baseline_program: Option<PathBuf>,
    /// Run one workload of one contender so many times on the database that the environment names, and measure nothing
    #[arg(long, value_name = "RUNS", hide = true)]
    repeat: Option<usize>,
    /// Only these contenders
    #[arg(long, value_enum, value_delimiter = ',')]
    contenders: Option<Vec<Name>>,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',')]
    workloads: Option<Vec<Workload>>,
    /// Only these backends
    #[arg(long, value_enum, value_delimiter = ',')]
    backends: Option<Vec<Backend>>,
    /// Only these networks
    #[arg(long, value_enum, value_delimiter = ',')]
    networks: Option<Vec<Network>>,
    /// How often each contender has its turn
    #[arg(long)]
    rounds: Option<usize>,
    /// How long a turn takes, in milliseconds
    #[arg(long)]
    turn: Option<u64>,
}

impl Arguments {
    fn scope(&self) -> Scope {
        let (rounds, turn) = if self.quick { (3, 70) } else { (15, 200) };
        let extent =
            Extent { rounds: self.rounds.unwrap_or(rounds), turn: Duration::from_millis(self.turn.unwrap_or(turn)) };
        let given = |names: &Option<Vec<Name>>| names.clone().unwrap_or_else(|| Name::ALL.to_vec());
        Scope {
            contenders: given(&self.contenders),
            workloads: self.workloads.clone().unwrap_or_else(|| Workload::ALL.to_vec()),
            backends: self.backends.clone().unwrap_or_else(|| vec![Backend::Postgres, Backend::Sqlite]),
            networks: self.networks.clone().unwrap_or_else(|| vec![Network::Direct, Network::Millisecond]),
            extent,
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // On a worker of the runtime, where the requests of a server run.
    match tokio::spawn(run(Arguments::parse())).await.map_err(Into::into).flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let url = std::env::var(SERVER).map_err(|_| format!("set `{SERVER}`, or run `cargo xtask bench`"))?;
    let scope = arguments.scope();
    if let Some(runs) = arguments.repeat {
        let (Some(contender), Some(workload)) = (scope.contenders.first(), scope.workloads.first()) else {
            return Err("nothing to repeat".into());
        };
        return instructions::repeat(*contender, *workload, &url, runs).await;
    }
    let server = backend::postgres::Server::prepare(&url).await?;
    if arguments.instructions {
        let counted = match &arguments.baseline {
            Some(revision) => compare_instructions(&arguments, revision, &server).await,
            None => count_instructions(&arguments, &server).await,
        };
        server.close().await?;
        return counted;
    }
    let outcomes = measure::run(&scope, &server).await?;
    print!("{}", report::table(&outcomes));
    if let Some(file) = &arguments.json {
        report::write_json(&outcomes, file)?;
    }
    if arguments.write_docs {
        let measured = format!("Measured on PostgreSQL {}.\n\n", server.version().await?);
        report::docs::write_section("times", &(measured + &report::docs::tables(&outcomes)))?;
        report::plot::write(&outcomes, &report::docs::folder().join("performance.svg"))?;
    }
    server.close().await
}

async fn count_instructions(arguments: &Arguments, server: &backend::postgres::Server) -> Result<()> {
    let contenders = arguments.contenders.clone();
    let contenders = contenders.unwrap_or_else(|| {
        let named = ["limit", "spakky", "diesel-async"];
        Name::ALL.iter().copied().filter(|name| named.contains(&name.as_str())).collect()
    });
    let workloads = arguments.workloads.clone().unwrap_or_else(|| vec![Workload::Get, Workload::LoadSave]);
    let counted = instructions::count(server, &contenders, &workloads).await?;
    let table = report::docs::instructions(&counted);
    print!("{table}");
    if arguments.write_docs { report::docs::write_section("instructions", &table) } else { Ok(()) }
}

async fn compare_instructions(arguments: &Arguments, revision: &str, server: &backend::postgres::Server) -> Result<()> {
    let program = arguments.baseline_program.as_deref().ok_or("run `cargo xtask bench`, which builds the baseline")?;
    let workloads = arguments.workloads.clone().unwrap_or_else(|| {
        vec![Workload::Get, Workload::LoadSave, Workload::Place, Workload::Page, Workload::SaveMany]
    });
    let compared = instructions::compare(server, program, &workloads).await?;
    print!("{}", report::docs::compared(&compared, revision));
    let limit = arguments.max.unwrap_or(f64::INFINITY);
    let above = compared.iter().filter(|one| one.ratio() > limit).map(|one| format!("`{}`", one.workload));
    match above.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => Ok(()),
        above => Err(format!("more than {limit} times the instructions of {revision}: {above}").into()),
    }
}

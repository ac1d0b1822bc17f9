//! Instructions of the program for one unit of work, counted by callgrind: what time cannot show on a busy machine.
//!
//! A unit is run some times and then many times, each in a process of its own under callgrind; the difference leaves out
//! what starting takes. Those of the database's server are not counted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::Result;
use crate::backend::{Backend, Facts, postgres};
use crate::contender::Name;
use crate::workload::{Runner, Workload};

/// How often a unit runs in the two processes: a large one less often.
fn runs(workload: Workload) -> [usize; 2] {
    if workload == Workload::SaveMany { [25, 125] } else { [100, 600] }
}

/// How often the two programs of a comparison have their turns, one after the other; the medians are compared.
const TURNS: usize = 3;

/// The instructions of one unit.
#[derive(Debug)]
pub(crate) struct Instructions {
    pub(crate) workload: Workload,
    pub(crate) contender: Name,
    pub(crate) count: u64,
}

/// The instructions of one unit of Spakky, by the program of another commit and by this one.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) workload: Workload,
    pub(crate) baseline: u64,
    pub(crate) present: u64,
}

impl Compared {
    /// The present instructions as a multiple of the other commit's.
    pub(crate) fn ratio(&self) -> f64 {
        self.present as f64 / self.baseline as f64
    }
}

/// Runs one unit of work again and again, and nothing else: what callgrind looks at.
pub(crate) async fn repeat(contender: Name, workload: Workload, url: &str, runs: usize) -> Result<()> {
    let contender = Arc::from(contender.connect(Backend::Postgres, url, 1).await?);
    let mut runner = Runner::new(workload, contender, Facts::default());
    for _ in 0..runs {
        runner.run().await?;
    }
    Ok(())
}

/// Counts the instructions of these workloads for these contenders.
///
/// # Errors
/// When valgrind is not installed, or a contender fails.
pub(crate) async fn count(
    server: &postgres::Server,
    contenders: &[Name],
    workloads: &[Workload],
) -> Result<Vec<Instructions>> {
    let program = std::env::current_exe()?;
    let mut counted = Vec::new();
    for contender in contenders {
        let database = server.database(*contender).await?;
        for workload in workloads {
            eprint!("\rinstructions of {workload:<12} by {contender:<14}");
            let count = of_unit(&program, *contender, *workload, &database).await?;
            counted.push(Instructions { workload: *workload, contender: *contender, count });
        }
        server.clear([database]).await?;
    }
    eprintln!();
    Ok(counted)
}

/// Counts the instructions of these workloads for Spakky, by the program of another commit and by this one.
///
/// # Errors
/// When valgrind is not installed, or a program fails.
pub(crate) async fn compare(
    server: &postgres::Server,
    baseline: &Path,
    workloads: &[Workload],
) -> Result<Vec<Compared>> {
    let present = std::env::current_exe()?;
    let database = server.database(Name::Spakky).await?;
    let mut compared = Vec::new();
    for workload in workloads {
        let mut counts = [Vec::new(), Vec::new()];
        for turn in 1..=TURNS {
            for (program, counts) in [baseline, &present].into_iter().zip(&mut counts) {
                eprint!("\rinstructions of {workload:<12} turn {turn} of {TURNS}");
                counts.push(of_unit(program, Name::Spakky, *workload, &database).await?);
            }
        }
        let [baseline, present] = counts.map(median);
        compared.push(Compared { workload: *workload, baseline, present });
    }
    eprintln!();
    server.clear([database]).await?;
    Ok(compared)
}

fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or_default()
}

async fn of_unit(program: &Path, contender: Name, workload: Workload, database: &postgres::Database) -> Result<u64> {
    database.reset().await?;
    let [few, many] = runs(workload);
    let of_few = under_callgrind(program, contender, workload, database.url(), few)?;
    let of_many = under_callgrind(program, contender, workload, database.url(), many)?;
    Ok(of_many.saturating_sub(of_few) / (many - few) as u64)
}

fn under_callgrind(program: &Path, contender: Name, workload: Workload, url: &str, runs: usize) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["--contenders", contender.as_str(), "--workloads", workload.as_str()]);
    command.args(["--repeat", &runs.to_string()]).env(crate::SERVER, url).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("start `valgrind`: {error}; install it"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    match collected {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("`valgrind` failed ({}): {said}", output.status).into()),
    }
}

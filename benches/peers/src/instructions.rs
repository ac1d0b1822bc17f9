//! Instructions of the program for one unit of work, counted by callgrind: what time cannot show on a busy machine.
//!
//! A unit is run some times and then many times, each in a process of its own under callgrind; the difference leaves out
//! what starting takes. Those of the database's server are not counted.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::Result;
use crate::backend::{Backend, Facts, postgres};
use crate::contender::Name;
use crate::workload::{Runner, Workload};

/// How often a unit runs in the two processes.
const RUNS: [usize; 2] = [100, 600];

/// The instructions of one unit.
#[derive(Debug)]
pub(crate) struct Instructions {
    pub(crate) workload: Workload,
    pub(crate) contender: Name,
    pub(crate) count: u64,
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
    let mut counted = Vec::new();
    for contender in contenders {
        let database = server.database(*contender).await?;
        for workload in workloads {
            eprint!("\rinstructions of {workload:<12} by {contender:<14}");
            database.reset().await?;
            let few = under_callgrind(*contender, *workload, database.url(), RUNS[0])?;
            let many = under_callgrind(*contender, *workload, database.url(), RUNS[1])?;
            let count = many.saturating_sub(few) / (RUNS[1] - RUNS[0]) as u64;
            counted.push(Instructions { workload: *workload, contender: *contender, count });
        }
        server.clear([database]).await?;
    }
    eprintln!();
    Ok(counted)
}

fn under_callgrind(contender: Name, workload: Workload, url: &str, runs: usize) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
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

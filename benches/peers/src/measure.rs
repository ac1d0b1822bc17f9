//! Rounds in which every contender has its turn, so that whatever else the machine does falls on all of them.

mod count;
mod sample;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use count::Cost;
pub(crate) use sample::Sample;

use crate::Result;
use crate::backend::{Backend, Facts, postgres, sqlite};
use crate::contender::{Contender, Name};
use crate::network::{Line, Network};
use crate::workload::{Runner, Workload};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// How often each contender has its turn.
    pub(crate) rounds: usize,
    /// How long a turn takes, about.
    pub(crate) turn: Duration,
}

/// How many connections each contender may keep.
const POOL: usize = 10;
/// Runs before each turn that are not measured: the turns of others left their rows in the caches.
const WARM_UP: usize = 3;
/// How many runs a turn has at least.
const FEWEST: usize = 3;
/// How long a turn may take at most: whoever waits for ever is named.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many rows a turn may store before tables are cleared, in runs of `bulk_insert`.
const MOST_INSERTS: usize = 20;

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) contenders: Vec<Name>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) backends: Vec<Backend>,
    pub(crate) networks: Vec<Network>,
    pub(crate) extent: Extent,
}

/// One contender with one workload.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) workload: Workload,
    pub(crate) contender: Name,
    pub(crate) backend: Backend,
    pub(crate) network: Network,
    pub(crate) sample: Sample,
    pub(crate) cost: Cost,
}

/// A contender's database.
enum Database {
    Postgres(postgres::Database),
    Sqlite(sqlite::Database),
}

impl Database {
    async fn reset(&self) -> Result<()> {
        match self {
            Database::Postgres(database) => database.reset().await,
            Database::Sqlite(database) => database.reset(),
        }
    }

    async fn facts(&self) -> Result<Facts> {
        match self {
            Database::Postgres(database) => database.facts().await,
            Database::Sqlite(database) => database.facts(),
        }
    }
}

/// A contender with its database and its pool.
struct Lane {
    name: Name,
    database: Database,
    contender: Arc<dyn Contender>,
}

/// Measures everything in the scope, on PostgreSQL at this URL.
///
/// # Errors
/// When a contender fails, or leaves another result than it must.
pub(crate) async fn run(scope: &Scope, server: &postgres::Server) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    if scope.backends.contains(&Backend::Postgres) {
        outcomes.extend(run_postgres(scope, server).await?);
    }
    if scope.backends.contains(&Backend::Sqlite) {
        outcomes.extend(run_sqlite(scope).await?);
    }
    Ok(outcomes)
}

async fn run_postgres(scope: &Scope, server: &postgres::Server) -> Result<Vec<Outcome>> {
    let mut databases = Vec::new();
    for name in &scope.contenders {
        databases.push((*name, server.database(*name).await?));
    }
    let costs = count::costs(&scope.workloads, &databases).await?;
    let mut outcomes = Vec::new();
    for network in &scope.networks {
        let mut lanes = Vec::new();
        for (name, database) in databases {
            let url = match network {
                Network::Direct => database.url().to_owned(),
                Network::Millisecond => Line::open(database.url())?.url().to_owned(),
            };
            let contender = name.connect(Backend::Postgres, &url, POOL).await?.into();
            lanes.push(Lane { name, database: Database::Postgres(database), contender });
        }
        for workload in &scope.workloads {
            let samples = measure(*workload, &lanes, *network, scope.extent).await?;
            outcomes.extend(lanes.iter().zip(samples).map(|(lane, sample)| Outcome {
                workload: *workload,
                contender: lane.name,
                backend: Backend::Postgres,
                network: *network,
                sample,
                cost: costs.get(&(lane.name, workload.unit())).copied().unwrap_or_default(),
            }));
        }
        let back = |lane: Lane| match lane.database {
            Database::Postgres(database) => Some((lane.name, database)),
            Database::Sqlite(_) => None,
        };
        databases = lanes.into_iter().filter_map(back).collect();
    }
    server.clear(databases.into_iter().map(|(_, database)| database)).await?;
    Ok(outcomes)
}

async fn run_sqlite(scope: &Scope) -> Result<Vec<Outcome>> {
    let mut lanes = Vec::new();
    for name in scope.contenders.iter().filter(|name| name.has_sqlite()) {
        let database = sqlite::Database::create(*name)?;
        let contender: Arc<dyn Contender> = name.connect(Backend::Sqlite, database.url(), POOL).await?.into();
        database.seed(&*contender).await?;
        lanes.push(Lane { name: *name, database: Database::Sqlite(database), contender });
    }
    let mut outcomes = Vec::new();
    for workload in scope.workloads.iter().filter(|workload| workload.runs_on(Backend::Sqlite)) {
        let samples = measure(*workload, &lanes, Network::Direct, scope.extent).await?;
        outcomes.extend(lanes.iter().zip(samples).map(|(lane, sample)| Outcome {
            workload: *workload,
            contender: lane.name,
            backend: Backend::Sqlite,
            network: Network::Direct,
            sample,
            cost: Cost::default(),
        }));
    }
    Ok(outcomes)
}

/// One workload, all lanes by turns.
async fn measure(workload: Workload, lanes: &[Lane], network: Network, extent: Extent) -> Result<Vec<Sample>> {
    let mut turns = Vec::new();
    for lane in lanes {
        lane.database.reset().await?;
        let facts = lane.database.facts().await?;
        turns.push((lane, Runner::new(workload, lane.contender.clone(), facts), Sample::default()));
    }
    for round in 0..extent.rounds {
        eprint!("\r{workload:<12} {network:<7} round {:>2} of {}", round + 1, extent.rounds);
        // Each round another one begins.
        let count = turns.len();
        turns.rotate_left(usize::from(round > 0).min(count));
        for (lane, runner, sample) in &mut turns {
            let failed = |error| format!("{}: {workload} ({network}): {error}", lane.name);
            let turn = turn(workload, lane, runner, sample, extent.turn);
            let ended = tokio::time::timeout(PATIENCE, turn).await;
            ended.unwrap_or_else(|_| Err(format!("no end after {PATIENCE:?}").into())).map_err(failed)?;
        }
    }
    eprintln!();
    let mut samples = lanes.iter().map(|_| Sample::default()).collect::<Vec<_>>();
    for (lane, _, sample) in turns {
        if let Some(at) = lanes.iter().position(|other| other.name == lane.name) {
            samples[at] = sample;
        }
    }
    Ok(samples)
}

async fn turn(
    workload: Workload,
    lane: &Lane,
    runner: &mut Runner,
    sample: &mut Sample,
    limit: Duration,
) -> Result<()> {
    for _ in 0..WARM_UP {
        runner.run().await?;
    }
    let (begun, mut runs) = (Instant::now(), 0);
    while runs < FEWEST || begun.elapsed() < limit {
        let time = runner.run().await?;
        sample.add(time.as_secs_f64() * 1e6 / workload.units() as f64);
        runs += 1;
        if workload == Workload::BulkInsert && runs == MOST_INSERTS {
            break;
        }
    }
    runner.check(lane.database.facts().await?)?;
    if workload == Workload::BulkInsert || workload == Workload::Place {
        lane.database.reset().await?;
        runner.start_from(lane.database.facts().await?);
    }
    Ok(())
}

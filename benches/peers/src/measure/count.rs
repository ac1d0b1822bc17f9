//! What goes over the line for one unit of work, counted exactly.
//!
//! The counting proxy holds every first answer back for a moment, to know for certain what a contender sends without having
//! seen it. That costs time, so that what is counted is not what is timed. There is one connection, on which every statement
//! is prepared before anything is counted.

use std::collections::HashMap;
use std::time::Duration;

use spakky::testing::proxy::CountingProxy;

use crate::Result;
use crate::backend::{Backend, postgres};
use crate::contender::Name;
use crate::workload::{Runner, Workload};

/// How long a contender must be silent before it is given the first answer.
const SETTLE: Duration = Duration::from_millis(2);
/// Runs before those that are counted.
const WARM_UP: usize = 3;
/// Runs that are counted.
const COUNTED: usize = 2;

/// What one unit of work sends and is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) round_trips: f64,
    pub(crate) bytes: f64,
}

/// The cost of each workload for each contender.
pub(super) async fn costs(
    workloads: &[Workload],
    databases: &[(Name, postgres::Database)],
) -> Result<HashMap<(Name, Workload), Cost>> {
    let mut costs = HashMap::new();
    for (name, database) in databases {
        eprint!("\rround trips of {name:<14}");
        let proxy = CountingProxy::start(database.url()).await?;
        proxy.set_settle(SETTLE);
        let contender = std::sync::Arc::from(name.connect(Backend::Postgres, proxy.url(), 1).await?);
        for workload in workloads.iter().map(|workload| workload.unit()) {
            if costs.contains_key(&(*name, workload)) {
                continue;
            }
            database.reset().await?;
            let facts = database.facts().await?;
            let mut runner = Runner::new(workload, std::sync::Arc::clone(&contender), facts);
            let failed = |error| format!("{name}: {workload} (counted): {error}");
            for _ in 0..WARM_UP {
                runner.run().await.map_err(failed)?;
            }
            let before = proxy.counts();
            for _ in 0..COUNTED {
                runner.run().await.map_err(failed)?;
            }
            let counts = proxy.counts().since(before);
            runner.check(database.facts().await?).map_err(failed)?;
            let bytes = (counts.bytes_to_server + counts.bytes_to_client) as f64;
            let (round_trips, runs) = (counts.round_trips as f64, COUNTED as f64);
            costs.insert((*name, workload), Cost { round_trips: round_trips / runs, bytes: bytes / runs });
        }
    }
    eprintln!();
    Ok(costs)
}

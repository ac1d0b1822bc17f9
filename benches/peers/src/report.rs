//! What was measured, for people and for programs.

pub(crate) mod docs;
pub(crate) mod plot;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::Result;
use crate::contender::Name;
use crate::measure::Outcome;

/// One line of the file of results.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    workload: &'static str,
    contender: &'static str,
    backend: &'static str,
    network: &'static str,
    median_us: f64,
    p99_us: f64,
    round_trips: f64,
    bytes: u64,
    ratio_to_limit: Option<f64>,
}

/// The median of another contender in the same place.
pub(crate) fn median_of(outcomes: &[Outcome], of: &Outcome, contender: Name) -> Option<f64> {
    let same = |other: &&Outcome| {
        (other.workload, other.backend, other.network, other.contender)
            == (of.workload, of.backend, of.network, contender)
    };
    outcomes.iter().find(same).map(|other| other.sample.median())
}

fn record(outcomes: &[Outcome], outcome: &Outcome) -> Record {
    let median = outcome.sample.median();
    Record {
        workload: outcome.workload.as_str(),
        contender: outcome.contender.as_str(),
        backend: outcome.backend.as_str(),
        network: outcome.network.as_str(),
        median_us: rounded(median, 10.0),
        p99_us: rounded(outcome.sample.p99(), 10.0),
        round_trips: rounded(outcome.cost.round_trips, 100.0),
        bytes: outcome.cost.bytes.round() as u64,
        ratio_to_limit: median_of(outcomes, outcome, Name::Limit).map(|limit| rounded(median / limit, 1000.0)),
    }
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

/// Writes one JSON object a line.
pub(crate) fn write_json(outcomes: &[Outcome], file: &Path) -> Result<()> {
    let mut text = String::new();
    for outcome in outcomes {
        text.push_str(&serde_json::to_string(&record(outcomes, outcome))?);
        text.push('\n');
    }
    fs::write(file, text).map_err(|error| format!("write `{}`: {error}", file.display()).into())
}

/// The table for the terminal.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut place = None;
    for outcome in outcomes {
        if place != Some((outcome.backend, outcome.network)) {
            place = Some((outcome.backend, outcome.network));
            let (backend, network) = (outcome.backend, outcome.network);
            let _ = writeln!(
                text,
                "\n{backend}, {network}\n{:<12} {:<13} {:>10} {:>8} {:>10} {:>6} {:>7} {:>7} {:>9} {:>9}",
                "workload",
                "contender",
                "median us",
                "spread",
                "p99 us",
                "trips",
                "bytes",
                "runs",
                "to limit",
                "to spakky"
            );
        }
        let median = outcome.sample.median();
        let ratio = |name| match median_of(outcomes, outcome, name) {
            Some(other) => format!("{:.2}", median / other),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "{:<12} {:<13} {:>10.1} {:>8.1} {:>10.1} {:>6} {:>7.0} {:>7} {:>9} {:>9}",
            outcome.workload,
            outcome.contender,
            median,
            outcome.sample.spread(),
            outcome.sample.p99(),
            rounded(outcome.cost.round_trips, 100.0),
            outcome.cost.bytes,
            outcome.sample.len(),
            ratio(Name::Limit),
            ratio(Name::Spakky)
        );
    }
    text
}

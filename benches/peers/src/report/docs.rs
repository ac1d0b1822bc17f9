//! What is measured goes into `docs/PERFORMANCE.md` by itself: into the sections that begin and end with a mark.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::{median_of, rounded};
use crate::Result;
use crate::backend::Backend;
use crate::contender::Name;
use crate::instructions::{Compared, Instructions};
use crate::measure::Outcome;
use crate::network::Network;
use crate::workload::Workload;

/// The folder of the documentation.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("..").join("docs")
}

/// Writes a section of the document anew.
///
/// # Errors
/// When the document cannot be read or written, or has no such section.
pub(crate) fn write_section(name: &str, text: &str) -> Result<()> {
    let file = folder().join("PERFORMANCE.md");
    let failed = |error| format!("`{}`: {error}", file.display());
    let document = fs::read_to_string(&file).map_err(failed)?;
    let document =
        with_section(&document, name, text).ok_or_else(|| format!("{}: no section `{name}`", file.display()))?;
    Ok(fs::write(&file, document).map_err(failed)?)
}

fn with_section(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let from = document.find(&begin)? + begin.len();
    let to = from + document[from..].find(&end)?;
    Some(format!("{}\n{}\n{}", &document[..from], text.trim(), &document[to..]))
}

/// The tables of times, of round trips and of bytes.
pub(crate) fn tables(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (backend, network, title) in [
        (Backend::Postgres, Network::Direct, "PostgreSQL over loopback"),
        (Backend::Postgres, Network::Millisecond, "PostgreSQL, 1 ms for each round trip"),
        (Backend::Sqlite, Network::Direct, "SQLite, file in memory"),
    ] {
        let here = |outcome: &&Outcome| outcome.backend == backend && outcome.network == network;
        let here = outcomes.iter().filter(here).collect::<Vec<_>>();
        if !here.is_empty() {
            let _ = writeln!(text, "### {title}\n\nMicroseconds: median ± median distance from it, × the limit.\n");
            matrix(&mut text, &here, |outcome| {
                let median = outcome.sample.median();
                let ratio = median_of(outcomes, outcome, Name::Limit).map_or(1.0, |limit| median / limit);
                format!("{} ± {} ({ratio:.2}×)", micros(median), micros(outcome.sample.spread()))
            });
        }
    }
    let counted = |outcome: &&Outcome| outcome.backend == Backend::Postgres && outcome.network == Network::Direct;
    let counted = outcomes.iter().filter(counted).collect::<Vec<_>>();
    let _ = writeln!(text, "### Round trips and bytes\n\nFor one unit of work, every statement prepared.\n");
    matrix(&mut text, &counted, |outcome| {
        format!("{} · {:.0}", rounded(outcome.cost.round_trips, 100.0), outcome.cost.bytes)
    });
    text
}

fn micros(time: f64) -> String {
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

/// A table of workloads by contenders.
fn matrix(text: &mut String, outcomes: &[&Outcome], cell: impl Fn(&Outcome) -> String) {
    let has = |name: Name| outcomes.iter().any(|outcome| outcome.contender == name);
    let names = Name::ALL.iter().copied().filter(|name| has(*name)).collect::<Vec<_>>();
    let heads = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(text, "| | {heads} |\n|---|{}", "---:|".repeat(names.len()));
    for workload in Workload::ALL {
        let row = |name: &Name| {
            let found = outcomes.iter().find(|outcome| (outcome.workload, outcome.contender) == (workload, *name));
            found.map(|outcome| cell(outcome)).unwrap_or_default()
        };
        let cells = names.iter().map(row).collect::<Vec<_>>();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(text, "| `{workload}` | {} |", cells.join(" | "));
        }
    }
    text.push('\n');
}

/// The table of instructions.
pub(crate) fn instructions(counted: &[Instructions]) -> String {
    let mut text = String::from("| | contender | instructions | × the limit |\n|---|---|---:|---:|\n");
    for one in counted {
        let limit = |other: &&Instructions| other.workload == one.workload && other.contender == Name::Limit;
        let ratio = counted.iter().find(limit).map(|limit| one.count as f64 / limit.count as f64);
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {} | {} | {ratio} |", one.workload, one.contender, one.count);
    }
    text
}

/// The table of instructions beside those of another commit.
pub(crate) fn compared(compared: &[Compared], revision: &str) -> String {
    let mut text = format!("| | {revision} | present | ratio |\n|---|---:|---:|---:|\n");
    for one in compared {
        let _ = writeln!(text, "| `{}` | {} | {} | {:.3} |", one.workload, one.baseline, one.present, one.ratio());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_exchanged_and_the_rest_stays() {
        let document = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n";
        let exchanged = with_section(document, "x", "new\n").unwrap();
        assert_eq!(exchanged, "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb\n");
        assert_eq!(with_section(&exchanged, "x", "new").unwrap(), exchanged);
        assert_eq!(with_section(document, "y", ""), None);
    }
}

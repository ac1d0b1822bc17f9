//! Runs cargo and takes the time.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// What is measured, with everything the crate depends on built before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// `cargo check` of the whole crate.
    Check,
    /// `cargo check` after one of its files was edited.
    Incremental,
    /// `cargo build --release` of the whole crate.
    Release,
}

impl Work {
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        match name {
            "check" => Ok(Work::Check),
            "incremental" => Ok(Work::Incremental),
            "release" => Ok(Work::Release),
            other => Err(format!("unknown work `{other}`; expected one of `check`, `incremental`, `release`")),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Work::Check => "check",
            Work::Incremental => "incremental",
            Work::Release => "release",
        })
    }
}

/// The median time of so many runs, in seconds.
pub(crate) fn median(folder: &Path, work: Work, runs: usize) -> Result<f64, String> {
    cargo(folder, work)?;
    let mut times = Vec::new();
    for run in 0..runs {
        change(folder, work, run)?;
        let start = Instant::now();
        cargo(folder, work)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn cargo(folder: &Path, work: Work) -> Result<(), String> {
    let (arguments, incremental): (&[&str], _) = match work {
        Work::Check => (&["check", "--quiet"], "0"),
        Work::Incremental => (&["check", "--quiet"], "1"),
        Work::Release => (&["build", "--release", "--quiet"], "0"),
    };
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_INCREMENTAL", incremental)
        .env("CARGO_TARGET_DIR", crate::here().join("target").join("checked"))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("failed to run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo failed in {}", folder.display())) }
}

/// Gives cargo something to do: edits a file where the compiler remembers the others, else touches one.
fn change(folder: &Path, work: Work, run: usize) -> Result<(), String> {
    let source = folder.join("src");
    let changed = if work == Work::Incremental {
        let file = source.join("table0.rs");
        fs::read_to_string(&file).and_then(|text| {
            let text = text.lines().filter(|line| !line.starts_with("pub const EDITED")).collect::<Vec<_>>().join("\n");
            fs::write(&file, format!("{text}\npub const EDITED: usize = {run};\n"))
        })
    } else {
        let lib = fs::File::options().append(true).open(source.join("lib.rs"));
        lib.and_then(|file| file.set_modified(SystemTime::now()))
    };
    changed.map_err(|error| format!("failed to change {}: {error}", source.display()))
}

//! Runs `cargo check` and takes the time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// The median time, in seconds, of checking the crate again after its source was touched.
pub(crate) fn median(folder: &Path, runs: usize) -> Result<f64, String> {
    check(folder)?;
    let mut times = Vec::new();
    for _ in 0..runs {
        touch(&folder.join("src").join("lib.rs"))?;
        let start = Instant::now();
        check(folder)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn check(folder: &Path) -> Result<(), String> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["check", "--quiet"])
        .current_dir(folder)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", crate::here().join("target").join("checked"))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("failed to run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo check` failed in {}", folder.display())) }
}

fn touch(file: &Path) -> Result<(), String> {
    let touched = fs::File::options().append(true).open(file).and_then(|file| file.set_modified(SystemTime::now()));
    touched.map_err(|error| format!("failed to touch {}: {error}", file.display()))
}

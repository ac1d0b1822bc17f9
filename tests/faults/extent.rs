//! How much is tried, as the environment says.

use std::str::FromStr;

/// Which sequence of random choices; 1 unless told otherwise.
pub(crate) fn seed() -> u64 {
    told("SPAKKY_FAULTS_SEED").unwrap_or(1)
}

/// How many cases; `few` unless told otherwise.
pub(crate) fn cases(few: u64) -> u64 {
    told("SPAKKY_FAULTS_CASES").unwrap_or(few)
}

/// Whether every case is tried where there are only so many, instead of a part of them.
pub(crate) fn is_whole() -> bool {
    told("SPAKKY_FAULTS_WHOLE").is_some_and(|whole: u8| whole != 0)
}

fn told<T: FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{variable}` is `{text}`, which is no number")))
}

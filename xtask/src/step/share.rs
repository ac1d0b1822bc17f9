//! How many minutes each part of `cargo xtask test` has: the table in `CONTRIBUTING.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;

/// The document with the table.
const DOCUMENT: &str = include_str!("../../../CONTRIBUTING.md");
/// The parts whose steps run once for each release of PostgreSQL that is asked for.
const REPEATED: &str = "tests on another release";

/// The minutes of each part.
pub(crate) struct Shares {
    minutes: BTreeMap<String, u64>,
    patience: f64,
    releases: u32,
}

impl Shares {
    /// The shares of the table, each so many times as long; tests run on so many other releases of PostgreSQL.
    ///
    /// # Errors
    /// When the document has no such table.
    pub(crate) fn of_document(patience: f64, releases: usize) -> Result<Self> {
        let table = DOCUMENT
            .split_once("<!-- minutes: begin -->")
            .and_then(|(_, rest)| rest.split_once("<!-- minutes: end -->"));
        let (table, _) = table.ok_or("`CONTRIBUTING.md` has no section `minutes`")?;
        let shares = Shares::parse(table, patience)?;
        Ok(Shares { releases: u32::try_from(releases)?.max(1), ..shares })
    }

    /// The shares of a table whose rows are a part and its minutes.
    pub(super) fn parse(table: &str, patience: f64) -> Result<Self> {
        let row = |line: &str| {
            let (part, minutes) = line.trim().trim_matches('|').split_once('|')?;
            Some((part.trim().to_owned(), minutes.trim().parse().ok()?))
        };
        let minutes: BTreeMap<String, u64> = table.lines().filter_map(row).collect();
        if !patience.is_finite() || patience <= 0.0 {
            return Err(format!("a patience of {patience} is none; give a number above 0").into());
        }
        if minutes.is_empty() {
            Err("no part has minutes".into())
        } else {
            Ok(Shares { minutes, patience, releases: 1 })
        }
    }

    /// Compares what a part took with its share.
    ///
    /// # Errors
    /// When it took more, or is not in the table.
    pub(super) fn check(&self, part: &str, spent: Duration) -> Result<()> {
        let minutes =
            self.minutes.get(part).ok_or_else(|| format!("the table in `CONTRIBUTING.md` has no part `{part}`"))?;
        let releases = if part == REPEATED { self.releases } else { 1 };
        let share = *minutes as f64 * self.patience * f64::from(releases);
        let spent = spent.as_secs_f64() / 60.0;
        if spent <= share {
            return Ok(());
        }
        Err(format!(
            "the part `{part}` took {spent:.1} minutes, more than its {share:.0} (the table in `CONTRIBUTING.md`): make it \
             faster, or give it another part's minutes; if the machine is slow or busy, give `--patience 2`"
        )
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_document_stay_below_the_limit() {
        let shares = Shares::of_document(1.0, 1).unwrap();
        assert!(shares.minutes.len() >= 8, "{:?}", shares.minutes);
        assert!(shares.minutes.values().sum::<u64>() < 55, "{:?}", shares.minutes);
    }

    #[test]
    fn every_step_belongs_to_a_part_of_the_document() {
        let shares = Shares::of_document(1.0, 1).unwrap();
        let parts = include_str!("../test.rs").split("steps.run(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let unknown = parts.clone().filter(|part| !shares.minutes.contains_key(*part)).collect::<Vec<_>>();
        assert!(parts.count() >= 8 && unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn a_part_has_its_minutes_times_patience_and_releases() {
        let shares = Shares {
            releases: 3,
            ..Shares::parse("| part | minutes |\n|---|---:|\n| tests on another release | 2 |\n| a | 2 |", 2.0).unwrap()
        };
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert!(shares.check("tests on another release", minutes(12)).is_ok());
        assert!(shares.check("tests on another release", minutes(13)).is_err());
        assert!(shares.check("a", minutes(4)).is_ok());
        let error = shares.check("a", minutes(5)).unwrap_err().to_string();
        assert!(error.starts_with("the part `a` took 5.0 minutes, more than its 4 (the table"), "{error}");
        assert_eq!(
            shares.check("b", minutes(0)).unwrap_err().to_string(),
            "the table in `CONTRIBUTING.md` has no part `b`"
        );
        assert!(Shares::parse("", 1.0).is_err() && Shares::parse("| a | 1 |", 0.0).is_err());
    }
}

//! The steps of a long command: announced, timed, held to the share of their part, stopped at the first failure, summed up at
//! the end.

mod share;

use std::fmt;
use std::time::{Duration, Instant};

use crate::Result;

pub(crate) use share::Shares;

/// What ran so far.
pub(crate) struct Steps {
    shares: Shares,
    done: Vec<Done>,
}

struct Done {
    part: String,
    name: String,
    took: Duration,
}

impl Steps {
    /// No step yet.
    pub(crate) fn new(shares: Shares) -> Self {
        Steps { shares, done: Vec::new() }
    }

    /// Runs one step of a part.
    ///
    /// # Errors
    /// When the step fails, or its part has taken more than its share: the summary so far is printed, and the error names it.
    pub(crate) fn run<T>(&mut self, part: &str, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        match outcome {
            Ok(value) => {
                self.done.push(Done { part: part.to_owned(), name: name.to_owned(), took });
                let spent = self.done.iter().filter(|done| done.part == part).map(|done| done.took).sum();
                match self.shares.check(part, spent) {
                    Ok(()) => Ok(value),
                    Err(error) => {
                        eprint!("{self}");
                        Err(error)
                    }
                }
            }
            Err(error) => {
                eprint!("{self}");
                eprintln!("{:>8.1} s  {name}: FAILED", took.as_secs_f64());
                Err(format!("step `{name}` failed: {error}").into())
            }
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for Done { name, took, .. } in &self.done {
            writeln!(f, "{:>8.1} s  {name}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        Steps::new(Shares::parse("| tests | 1 |\n| lints | 0 |\n", 1.0).unwrap())
    }

    #[test]
    fn a_failing_step_is_named_and_the_ones_before_are_kept() {
        let mut steps = steps();
        assert_eq!(steps.run("tests", "first", || Ok(7)).unwrap(), 7);
        let error = steps.run("tests", "second", || -> Result<()> { Err("it broke".into()) }).unwrap_err();
        assert_eq!(error.to_string(), "step `second` failed: it broke");
        assert!(steps.to_string().contains("s  first") && !steps.to_string().contains("second"), "{steps}");
    }

    #[test]
    fn a_part_over_its_share_fails() {
        let error = steps().run("lints", "format", || Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("the part `lints` took 0.0 minutes, more than its 0"), "{error}");
    }
}

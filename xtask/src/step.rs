//! The steps of a long command: announced, timed, stopped at the first failure, summed up at the end.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Result;

/// What ran so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step.
    ///
    /// # Errors
    /// When the step fails: the summary so far is printed, and the error names the step.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        let took = started.elapsed();
        match outcome {
            Ok(value) => {
                self.done.push((name.to_owned(), took));
                Ok(value)
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
        for (name, took) in &self.done {
            writeln!(f, "{:>8.1} s  {name}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_is_named_and_the_ones_before_are_kept() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Ok(7)).unwrap(), 7);
        let error = steps.run("second", || -> Result<()> { Err("it broke".into()) }).unwrap_err();
        assert_eq!(error.to_string(), "step `second` failed: it broke");
        assert!(steps.to_string().contains("s  first") && !steps.to_string().contains("second"), "{steps}");
    }
}

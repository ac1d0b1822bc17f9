//! Running other programs and saying clearly what went wrong with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::Result;

/// Runs a program whose output is only of interest if it fails.
///
/// # Errors
/// When it cannot be started, or ends with a failure; the error holds what it said.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{}` failed ({}): {}{}", describe(command), output.status, said, complaint.trim_end()).into())
}

/// Runs a program that speaks to the user itself.
///
/// # Errors
/// When it cannot be started, or ends with a failure.
pub(crate) fn loud(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("start `{}`: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", describe(command)).into()) }
}

/// Runs a program and keeps what it printed, whatever its outcome.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| format!("start `{}`: {error}", command.get_program().display()).into())
}

/// The program of this name on the search path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether this is a file that can be run.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The last lines of a text, such as a log.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all = text.lines().collect::<Vec<_>>();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_what_it_said() {
        let error = quiet(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err().to_string();
        assert_eq!(error, "`sh -c echo out; echo err >&2; exit 3` failed (exit status: 3): out\nerr");
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = quiet(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(error.starts_with("start `no-such-program-here`: "), "{error}");
        assert_eq!(find("no-such-program-here"), None);
    }
}

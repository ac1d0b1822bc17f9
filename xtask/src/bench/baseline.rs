//! The bench built twice: with the library of this checkout, and with that of another commit.
//!
//! The other commit's files come out of git. Its own bench is exchanged for the present one, and with it the versions of all
//! dependencies, so that both programs do the same work and differ in the library alone. Both are built in one way, into
//! one target folder and without peers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, program, workspace};

/// What of the bench is needed to build it; its target folder is not.
const BENCH: [&str; 4] = ["Cargo.toml", "Cargo.lock", "peers", "absent"];

/// The two programs.
pub(super) struct Programs {
    /// With the library of this checkout.
    pub(super) present: PathBuf,
    /// With that of the other commit.
    pub(super) baseline: PathBuf,
}

/// Builds both programs.
///
/// # Errors
/// When there is no such commit, or the present bench cannot be built with its library.
pub(super) fn build(revision: &str) -> Result<Programs> {
    let commit = commit(revision)?;
    let home = workspace::target().join("instructions");
    let files = home.join(&commit);
    if !files.is_dir() {
        unpack(&commit, &home, &files)?;
    }
    let (ours, theirs) = (workspace::root().join("benches"), files.join("benches"));
    for part in BENCH {
        exchange(&ours.join(part), &theirs.join(part))?;
    }
    eprintln!("building the bench with the library of {commit}");
    let baseline = build_in(&theirs, &home, "baseline", &[])?;
    eprintln!("building the bench with the present library");
    let present = build_in(&ours, &home, "present", &["--locked"])?;
    Ok(Programs { present, baseline })
}

/// The full name of a commit.
fn commit(revision: &str) -> Result<String> {
    let mut git = git();
    git.args(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")]);
    let said =
        program::quiet(&mut git).map_err(|_| format!("no commit `{revision}` here; fetch it, or name another"))?;
    Ok(said.trim().to_owned())
}

/// Writes the files of a commit; the folder is there only if all of them are.
fn unpack(commit: &str, home: &Path, files: &Path) -> Result<()> {
    let partial = home.join(format!("{commit}.partial"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).map_err(|error| format!("create `{}`: {error}", partial.display()))?;
    let archive = partial.with_extension("tar");
    program::quiet(git().args(["archive", "--format=tar", "--output"]).arg(&archive).arg(commit))?;
    program::quiet(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&partial))?;
    fs::remove_file(&archive)?;
    Ok(fs::rename(&partial, files)?)
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).stdin(Stdio::null());
    git
}

/// Makes a file or folder the same as another one. What is the same already keeps its time, so that cargo builds it once.
fn exchange(from: &Path, to: &Path) -> Result<()> {
    let failed = |error| format!("copy `{}` to `{}`: {error}", from.display(), to.display());
    if from.is_dir() {
        fs::create_dir_all(to).map_err(failed)?;
        for entry in fs::read_dir(to).map_err(failed)?.flatten() {
            let gone = !from.join(entry.file_name()).exists();
            match entry.path() {
                path if gone && path.is_dir() => fs::remove_dir_all(path).map_err(failed)?,
                path if gone => fs::remove_file(path).map_err(failed)?,
                _ => {}
            }
        }
        for entry in fs::read_dir(from).map_err(failed)?.flatten() {
            exchange(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let text = fs::read(from).map_err(failed)?;
    if fs::read(to).is_ok_and(|there| there == text) {
        return Ok(());
    }
    Ok(fs::write(to, text).map_err(failed)?)
}

/// Builds the bench in this folder, and keeps the program under a name of its own.
fn build_in(benches: &Path, home: &Path, name: &str, options: &[&str]) -> Result<PathBuf> {
    let built = home.join("target");
    let mut cargo = workspace::cargo(["build", "--quiet", "--release", "--package", "peers", "--no-default-features"]);
    cargo.args(options).arg("--manifest-path").arg(benches.join("Cargo.toml")).arg("--target-dir").arg(&built);
    program::loud(&mut cargo)?;
    let program = home.join(name);
    // The file that cargo left is a link of one that it goes on using.
    let _ = fs::remove_file(&program);
    let copied = fs::copy(built.join("release").join("peers"), &program);
    copied.map_err(|error| format!("keep the bench as `{}`: {error}", program.display()))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchanged_folder_has_the_files_of_the_other_and_no_more() {
        let home = std::env::temp_dir().join(format!("spakky-xtask-baseline-{}", std::process::id()));
        let (from, to) = (home.join("from"), home.join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::create_dir_all(to.join("gone")).unwrap();
        fs::write(from.join("deep").join("a"), "new").unwrap();
        fs::write(from.join("same"), "same").unwrap();
        fs::write(to.join("same"), "same").unwrap();
        fs::write(to.join("old"), "old").unwrap();
        let time = |file: &Path| fs::metadata(file).unwrap().modified().unwrap();
        let before = time(&to.join("same"));

        exchange(&from, &to).unwrap();
        let mut left = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        left.sort();
        let text = fs::read_to_string(to.join("deep").join("a")).unwrap();
        let after = time(&to.join("same"));
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(left, ["deep", "same"]);
        assert_eq!(text, "new");
        assert_eq!(before, after);
    }

    #[test]
    fn a_commit_that_is_not_there_is_named() {
        let error = commit("no-such-commit").unwrap_err().to_string();
        assert_eq!(error, "no commit `no-such-commit` here; fetch it, or name another");
    }
}

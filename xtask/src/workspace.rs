//! Where the workspace is, its cargo, and the features of its facade.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The root of the checkout that this command was called in.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
    let manifest = PathBuf::from(manifest);
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    // A relative one is seen from the root, where cargo runs.
    root().join(given.unwrap_or_else(|| OsString::from("target")))
}

/// The cargo that called us, at the root and without input.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo features of the facade, read from its manifest so that a new one is not forgotten.
pub(crate) fn features() -> Result<Vec<String>> {
    let path = root().join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).map_err(|error| format!("read `{}`: {error}", path.display()))?;
    let found = features_of(&manifest);
    if found.is_empty() {
        return Err(format!("`{}` has no `[features]`; the lints of each feature need them", path.display()).into());
    }
    Ok(found)
}

fn features_of(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().trim_matches('"').to_owned())
        .filter(|name| name != "default")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_the_keys_of_the_features_table_without_default() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = []\n# one backend\npostgres = [\"a/b\"]\n\"tls\" = []\n\n[dependencies]\nserde = \"1\"\n";
        assert_eq!(features_of(manifest), ["postgres", "tls"]);
    }

    #[test]
    fn the_facade_has_both_backends_as_features() {
        let found = features().unwrap();
        assert!(["postgres", "sqlite"].iter().all(|name| found.iter().any(|feature| feature == name)), "{found:?}");
    }
}

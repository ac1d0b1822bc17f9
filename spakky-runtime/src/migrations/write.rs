//! A diff as a folder that diesel's command understands too.

use std::fs;
use std::io::{ErrorKind as IoKind, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::diff::{Files, SchemaDiff};
use crate::error::{Error, ErrorKind};

/// How a migration is written.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct WriteOptions {
    allow_destructive: bool,
    at: Option<DateTime<Utc>>,
}

impl WriteOptions {
    /// Refuses what may lose data; the version is the time it is written.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes steps too that may lose data, or fail on the data there is.
    pub fn allow_destructive(mut self) -> Self {
        self.allow_destructive = true;
        self
    }

    /// Another time as the version.
    pub fn at(mut self, time: DateTime<Utc>) -> Self {
        self.at = Some(time);
        self
    }
}

impl SchemaDiff {
    /// Writes the migration into a folder of its own, `<dir>/<timestamp>_<name>/`, and answers which. An empty diff writes
    /// nothing. A value added to a type comes in a migration ahead of the rest, since PostgreSQL lets nobody use it
    /// before that is committed: then there are two folders. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`is_schema`](Error::is_schema) when a step may lose data and that is not allowed; [`is_config`](Error::is_config)
    /// for a name that is none, or when the files cannot be written.
    pub fn write(&self, dir: impl AsRef<Path>, name: &str, options: WriteOptions) -> Result<Vec<PathBuf>, Error> {
        if name.is_empty() || !name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_') {
            let message = format!("call a migration `{name}`: use letters without accents, digits and `_`");
            return Err(Error::new(ErrorKind::Config, message));
        }
        if !options.allow_destructive {
            self.check_harmless(name)?;
        }
        let dir = dir.as_ref();
        let at = options.at.unwrap_or_else(Utc::now);
        self.files().iter().map(|files| write(dir, name, at, files)).collect()
    }

    fn check_harmless(&self, name: &str) -> Result<(), Error> {
        let dangers: Vec<_> =
            self.steps().iter().filter_map(|step| step.danger().map(|danger| format!("{step}: {danger}"))).collect();
        if dangers.is_empty() {
            return Ok(());
        }
        let message = format!(
            "write migration `{name}`: {}; allow it with `allow_destructive` (`--allow-destructive`), or change the row \
             type",
            dangers.join("; ")
        );
        Err(Error::new(ErrorKind::Schema, message))
    }
}

fn write(dir: &Path, name: &str, at: DateTime<Utc>, files: &Files) -> Result<PathBuf, Error> {
    let failed = |path: &Path, error: std::io::Error| {
        Error::new(ErrorKind::Config, format!("write `{}`", path.display())).with_source(error)
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let folder = reserve(dir, &format!("{name}{}", files.suffix), at).map_err(|error| failed(dir, error))?;
    let mut contents = vec![("down.sql", files.down.as_str())];
    if !files.run_in_transaction {
        contents.push(("metadata.toml", "run_in_transaction = false\n"));
    }
    // What makes the folder a migration comes last.
    contents.push(("up.sql", files.up.as_str()));
    for (file, text) in contents {
        let path = folder.join(file);
        let written = fs::File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&path, error))?;
    }
    Ok(folder)
}

/// Makes the folder, under the first number of this second that no other has.
fn reserve(dir: &Path, name: &str, at: DateTime<Utc>) -> std::io::Result<PathBuf> {
    let second = at.format("%Y-%m-%d-%H%M%S").to_string();
    let mut number = 0_u32;
    loop {
        let version = format!("{second}-{number:04}_");
        let mut taken = false;
        for entry in fs::read_dir(dir)? {
            taken |= entry?.file_name().to_string_lossy().starts_with(&version);
        }
        number += 1;
        if taken {
            continue;
        }
        let folder = dir.join(format!("{version}{name}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == IoKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

//! Migrations out of diesel's own sources: folders, and what `embed_migrations!` took into the program.
//!
//! Diesel hands a migration a connection to run itself on. Ours only writes down the text, so that one runner serves
//! both backends and can say which statement failed.

use std::any::Any;
use std::path::Path;

use diesel::QueryResult;
use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::MigrationSource;
use diesel_migrations::{FileBasedMigrations, MigrationError};

use crate::error::{Error, ErrorKind};

/// The texts are the same for every backend; diesel wants one named.
#[cfg(feature = "postgres")]
pub type AnyBackend = diesel::pg::Pg;
/// The texts are the same for every backend; diesel wants one named.
#[cfg(not(feature = "postgres"))]
pub type AnyBackend = diesel::sqlite::Sqlite;

/// One migration.
#[derive(Debug, Clone)]
pub(crate) struct Migration {
    /// The folder's name.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) up: String,
    pub(crate) down: Option<String>,
    pub(crate) run_in_transaction: bool,
}

/// The migrations of a folder, by version.
///
/// # Errors
/// When the folder is not there, or holds something else than migrations.
pub(crate) fn from_dir(path: &Path) -> Result<Vec<Migration>, Error> {
    check_inside(path)?;
    let source = FileBasedMigrations::from_path(path).map_err(|error| {
        let message = match &error {
            MigrationError::UnknownMigrationFormat(folder) => format!(
                "read the migrations in `{}`: `{}` is none; a migration is a folder called `<timestamp>_<name>` with a \
                 file `up.sql` in it",
                path.display(),
                folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
            ),
            _ => format!("read the migrations in `{}`; is the folder there?", path.display()),
        };
        Error::new(ErrorKind::Config, message).with_source(error)
    })?;
    from_source(&source)
}

/// Refuses links that lead out of the folder: what they lead to is run with all that the database's role may do.
fn check_inside(path: &Path) -> Result<(), Error> {
    // The folder itself may be reached by a link, and is looked for elsewhere where it is not there.
    let Ok(home) = path.canonicalize() else { return Ok(()) };
    let unread = |error| {
        Error::new(ErrorKind::Config, format!("read the migrations in `{}`", path.display())).with_source(error)
    };
    for folder in std::fs::read_dir(&home).map_err(unread)? {
        let folder = folder.map_err(unread)?.path();
        let files = ["up.sql", "down.sql", "metadata.toml"].map(|file| folder.join(file));
        for entry in std::iter::once(&folder).chain(&files) {
            // What a link leads to that is not there is nobody's text.
            let Ok(place) = entry.canonicalize() else { continue };
            if !place.starts_with(&home) {
                let shown = entry.strip_prefix(&home).unwrap_or(entry);
                let message = format!(
                    "read the migrations in `{}`: `{}` is a link that leads out of the folder; put the file itself there",
                    path.display(),
                    shown.display()
                );
                return Err(Error::new(ErrorKind::Config, message));
            }
        }
    }
    Ok(())
}

/// The migrations of a source, by version.
///
/// # Errors
/// When one cannot be read, is not SQL alone, or two have the same version.
pub(crate) fn from_source(source: &impl MigrationSource<AnyBackend>) -> Result<Vec<Migration>, Error> {
    let unread = |name: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Config, format!("read {name}")).with_source(error)
    };
    let found = source.migrations().map_err(|error| unread("the migrations", error))?;
    let mut migrations = Vec::with_capacity(found.len());
    for migration in found {
        let name = migration.name().to_string();
        let version = migration.name().version().to_string();
        let mut up = Collector::default();
        migration.run(&mut up).map_err(|error| unread(&format!("migration `{name}`"), error))?;
        let mut down = Collector::default();
        let down = match migration.revert(&mut down) {
            Ok(()) => Some(down.text),
            Err(error) if is_absent(error.as_ref()) => None,
            Err(error) => return Err(unread(&format!("migration `{name}`"), error)),
        };
        let run_in_transaction = migration.metadata().run_in_transaction();
        migrations.push(Migration { name, version, up: up.text, down, run_in_transaction });
    }
    migrations.sort_by(|a, b| a.version.cmp(&b.version));
    if let Some([one, other]) = migrations.array_windows().find(|[one, other]| one.version == other.version) {
        let message = format!(
            "order the migrations: `{}` and `{}` have the same version `{}`; rename one",
            one.name, other.name, one.version
        );
        return Err(Error::new(ErrorKind::Config, message));
    }
    Ok(migrations)
}

fn is_absent(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref::<MigrationError>(), Some(MigrationError::NoMigrationRevertFile))
}

/// Writes down what it is asked to run.
#[derive(Default)]
struct Collector {
    text: String,
}

impl SimpleConnection for Collector {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.text.push_str(query);
        self.text.push('\n');
        Ok(())
    }
}

impl BoxableConnection<AnyBackend> for Collector {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

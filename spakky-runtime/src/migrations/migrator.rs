//! The migrations of a folder or a source, as programs run them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use diesel::migration::MigrationSource;

use super::checksum;
use super::run::{Direction, Run, SELECT_VERSIONS};
use super::source::{self, AnyBackend, Migration};
use super::status::{MigrationState, MigrationStatus};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};
use crate::session::SessionManager;

/// Runs migrations and takes them back.
///
/// ```no_run
/// # async fn example(sessions: spakky_runtime::SessionManager) -> Result<(), spakky_runtime::Error> {
/// use spakky_runtime::migrations::Migrator;
///
/// let migrator = Migrator::from_dir("migrations")?;
/// for name in migrator.up(&sessions).await? {
///     println!("ran {name}");
/// }
/// # Ok(()) }
/// ```
///
/// Each migration runs in one transaction with the note that it ran, unless its `metadata.toml` says otherwise: it has
/// run as a whole or not at all. One process migrates at a time: on PostgreSQL under an advisory lock of the connection,
/// on SQLite under the lock of the file, for one migration after the other.
#[derive(Debug, Clone)]
pub struct Migrator {
    migrations: Vec<Migration>,
    lock_wait: Duration,
    accept_changed: bool,
}

impl Migrator {
    /// The migrations in a folder, as diesel lays them out: `<timestamp>_<name>/up.sql`, `down.sql`, `metadata.toml`.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) when the folder is not there, holds something else, or two migrations have one
    /// version.
    pub fn from_dir(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self::of(source::from_dir(path.as_ref())?))
    }

    /// Migrations from one of diesel's sources, such as those taken into the program by
    /// [`embed!`](crate::migrations::embed). They must be SQL: one in Rust that asks diesel for its connection has none.
    ///
    /// # Errors
    /// [`is_config`](Error::is_config) when one cannot be read, or two have one version.
    pub fn from_source(source: &impl MigrationSource<AnyBackend>) -> Result<Self, Error> {
        Ok(Self::of(source::from_source(source)?))
    }

    fn of(migrations: Vec<Migration>) -> Self {
        Migrator { migrations, lock_wait: Duration::from_secs(300), accept_changed: false }
    }

    /// How long to wait while another process migrates; five minutes unless set.
    #[must_use]
    pub fn lock_wait(mut self, limit: Duration) -> Self {
        self.lock_wait = limit;
        self
    }

    /// Takes the files of migrations that have run as they are now, although they were changed since:
    /// [`up`](Self::up) refuses such, since the database may not be what the files say.
    #[must_use]
    pub fn accept_changed(mut self) -> Self {
        self.accept_changed = true;
        self
    }

    /// The names of all migrations, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().map(|migration| migration.name.as_str())
    }

    /// Runs what has not run yet, in order, and answers what this call ran. On PostgreSQL it installs `spakky_raise` too,
    /// as [`create_tables`](SessionManager::create_tables) does.
    ///
    /// # Errors
    /// The migration, the statement and its line, with the kind that the database's failure has; those before it stay.
    /// [`is_schema`](Error::is_schema) when the file of a migration was changed after it ran, ahead of all else.
    /// [`is_lock_timeout`](Error::is_lock_timeout) when another process migrates for too long,
    /// [`is_config`](Error::is_config) behind a pooler that cannot keep a lock, and
    /// [`is_invalid_transaction`](Error::is_invalid_transaction) inside a unit of work that has a connection.
    ///
    /// # Cancellation
    /// The migration under way is stopped and rolled back, unless its COMMIT was sent.
    pub async fn up(&self, sessions: &SessionManager) -> Result<Vec<String>, Error> {
        let mut run = Run::begin(sessions, self.lock_wait).await?;
        let mut done = Vec::new();
        let result = async {
            run.prepare().await?;
            run.check_unchanged(&self.migrations, self.accept_changed).await?;
            for migration in &self.migrations {
                if run.apply(migration, Direction::Up).await? {
                    done.push(migration.name.clone());
                }
            }
            Ok(())
        };
        let result = result.await;
        run.end(sessions).await;
        result.map(|()| done)
    }

    /// Takes back the last `count` migrations that ran, the latest first, and answers which.
    ///
    /// # Errors
    /// As [`up`](Self::up), and [`is_config`](Error::is_config) when one of them has no `down.sql` or is unknown to the
    /// program.
    ///
    /// # Cancellation
    /// As for [`up`](Self::up).
    pub async fn down(&self, sessions: &SessionManager, count: usize) -> Result<Vec<String>, Error> {
        let mut run = Run::begin(sessions, self.lock_wait).await?;
        let result = self.take_back(&mut run, count).await;
        run.end(sessions).await;
        result
    }

    async fn take_back(&self, run: &mut Run, count: usize) -> Result<Vec<String>, Error> {
        run.prepare().await?;
        let mut done = Vec::new();
        for version in run.versions().await?.iter().rev().take(count) {
            let Some(migration) = self.migrations.iter().find(|migration| migration.version == *version) else {
                let message = format!(
                    "take back version `{version}`: it has run, and there is no migration of that version here"
                );
                return Err(Error::new(ErrorKind::Config, message));
            };
            if run.apply(migration, Direction::Down).await? {
                done.push(migration.name.clone());
            }
        }
        Ok(done)
    }

    /// What has run and what has not, by version. Changes nothing.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn status(&self, sessions: &SessionManager) -> Result<Vec<MigrationStatus>, Error> {
        let there = match sessions.backend() {
            Backend::Postgres => "SELECT count(*) FROM pg_class WHERE oid = to_regclass('__diesel_schema_migrations')",
            Backend::Sqlite => {
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations'"
            }
        };
        let (count,): (i64,) = sessions.sql(there).fetch_one().await?;
        let kept = match count {
            0 => 0,
            _ => sessions.sql(checksum::is_kept(sessions.backend())).fetch_one::<(i64,)>().await?.0,
        };
        let applied: BTreeMap<String, Option<String>> = match (count, kept) {
            (0, _) => BTreeMap::new(),
            (_, 0) => {
                let versions: Vec<(String,)> = sessions.sql(SELECT_VERSIONS).fetch_all().await?;
                versions.into_iter().map(|(version,)| (version, None)).collect()
            }
            _ => sessions.sql(checksum::select()).fetch_all().await?.into_iter().collect(),
        };
        let mut found: Vec<_> = self
            .migrations
            .iter()
            .map(|migration| {
                let state = match applied.get(&migration.version) {
                    None => MigrationState::Pending,
                    Some(Some(known)) if *known != checksum::of(&migration.up) => MigrationState::Changed,
                    Some(_) => MigrationState::Applied,
                };
                (migration.version.clone(), MigrationStatus::new(&migration.name, state))
            })
            .collect();
        let known: HashSet<&String> = self.migrations.iter().map(|migration| &migration.version).collect();
        let unknown = applied.keys().filter(|version| !known.contains(version));
        found.extend(unknown.map(|version| (version.clone(), MigrationStatus::new(version, MigrationState::Unknown))));
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found.into_iter().map(|(_, status)| status).collect())
    }
}

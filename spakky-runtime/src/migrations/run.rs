//! Runs migrations, each once, however many processes start together.
//!
//! What has run is noted in diesel's own table, so that diesel's command and this one can take turns. A migration and its
//! note are one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::checksum;
use super::diff::VERSIONS;
use super::script::{self, Statement};
use super::source::Migration;
use crate::backend::{Answer, Backend, Bind, Connection, Step};
use crate::config::Pooler;
use crate::error::{DatabaseError, Error, ErrorKind};
use crate::instrument::Ending;
use crate::pool::Lease;
use crate::schema::raise;
use crate::session::{SessionManager, give_back};
use crate::transaction::TransactionMode;
use crate::value::{ColumnType, ColumnValue, ScalarType, Value};

/// The lock on PostgreSQL. Advisory locks belong to one database, so that one number does for all.
const LOCK: i64 = 7_308_620_183_142_853_484;
/// How often it is asked for. Whoever waits in the server itself would keep `CREATE INDEX CONCURRENTLY` from finishing.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// How long what a caller left behind may take to be undone.
const CLEANUP_DEADLINE: Duration = Duration::from_secs(5);

pub(super) const SELECT_VERSIONS: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// A connection that migrates.
pub(super) struct Run {
    sessions: SessionManager,
    connection: Arc<Connection>,
    /// Taken when the run ends.
    lease: Option<Lease>,
    lock_wait: Duration,
    /// Whether the notes have checksums.
    checksums: bool,
}

impl Run {
    pub(super) async fn begin(sessions: &SessionManager, lock_wait: Duration) -> Result<Self, Error> {
        if sessions.backend() == Backend::Postgres && sessions.config().pooler != Pooler::None {
            return Err(Error::new(
                ErrorKind::Config,
                "migrate through a pooler: it may give every transaction another connection, and the lock that keeps \
                 others from migrating belongs to one; connect to the server itself, with `pooler = none`",
            ));
        }
        if crate::session::holds_connection(sessions, None) {
            return Err(Error::new(
                ErrorKind::InvalidTransaction,
                "migrate inside a unit of work of the same database, which a migration might wait for; migrate before it",
            ));
        }
        let lease = sessions.lease(true).await?;
        let connection = lease.connection().clone();
        let run = Run { sessions: sessions.clone(), connection, lease: Some(lease), lock_wait, checksums: false };
        if run.is_postgres() {
            sessions.observe_migration_wait(run.lock()).await?;
        }
        Ok(run)
    }

    fn is_postgres(&self) -> bool {
        self.sessions.backend() == Backend::Postgres
    }

    /// Gives the lock and the connection back. A connection that failed is closed instead, and the lock goes with it.
    pub(super) async fn end(mut self, sessions: &SessionManager) {
        let unlocked = match self.sessions.backend() {
            Backend::Postgres => self.query(&format!("SELECT pg_advisory_unlock({LOCK})"), Vec::new()).await.is_ok(),
            Backend::Sqlite => self.control("PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON").await.is_ok(),
        };
        sessions.schema_changed(&self.connection).await;
        // What a script has set is undone on the way back to the pool.
        #[cfg(feature = "postgres")]
        if let Connection::Postgres(connection) = &*self.connection {
            connection.touch();
        }
        if let Some(lease) = self.lease.take()
            && unlocked
        {
            give_back(lease).await;
        }
    }

    async fn send(&self, steps: Vec<Step>) -> Result<Vec<Answer>, DatabaseError> {
        self.sessions.echo(&steps);
        self.connection.send(steps).await.map_err(|failure| failure.error)
    }

    async fn control(&self, sql: &str) -> Result<(), DatabaseError> {
        self.send(vec![Step::Control(sql.to_owned().into())]).await.map(drop)
    }

    async fn query(&self, sql: &str, binds: Vec<Bind>) -> Result<Vec<Vec<Value>>, DatabaseError> {
        let statement = crate::backend::Statement {
            sql: sql.into(),
            binds,
            cached: false,
            guard: None,
            meaning: None,
            by_user: false,
        };
        let answers = self.send(vec![Step::Statement(statement)]).await?;
        Ok(answers.into_iter().flat_map(|answer| answer.rows).collect())
    }

    async fn lock(&self) -> Result<(), Error> {
        let sql = format!("SELECT pg_try_advisory_lock({LOCK})");
        let end = tokio::time::Instant::now() + self.lock_wait;
        loop {
            let rows = self.query(&sql, Vec::new()).await.map_err(Error::from_database)?;
            if first(rows) == Some(Value::Bool(true)) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= end {
                return Err(self.locked_out());
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    fn locked_out(&self) -> Error {
        let message = format!("migrate: another process has been migrating for {:?}; try again later", self.lock_wait);
        Error::new(ErrorKind::LockTimeout, message)
    }

    /// Makes room for the notes and their checksums.
    pub(super) async fn prepare(&mut self) -> Result<(), Error> {
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {VERSIONS} (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL \
             DEFAULT CURRENT_TIMESTAMP)"
        );
        if self.is_postgres() {
            self.control(&table).await.map_err(Error::from_database)?;
            self.checksums = self.add_checksums().await.map_err(Error::from_database)?;
            return self.control(raise::INSTALL).await.map_err(Error::from_database);
        }
        self.wait_to_begin().await?;
        let made = match self.control(&table).await {
            Ok(()) => self.add_checksums().await,
            Err(error) => Err(error),
        };
        self.checksums = *made.as_ref().unwrap_or(&false);
        self.finish(made.map(drop)).await.map_err(Error::from_database)
    }

    /// Adds the column for checksums where it is missing; answers whether it is there. A role that does not own the table
    /// cannot add it, and migrates without.
    async fn add_checksums(&self) -> Result<bool, DatabaseError> {
        let there = self.query(&checksum::is_kept(self.sessions.backend()), Vec::new()).await?;
        if first(there) != Some(Value::I64(0)) {
            return Ok(true);
        }
        match self.control(&checksum::add()).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == "42501" => {
                tracing::warn!(
                    "the role that migrates does not own `{VERSIONS}`: changes of files that have run will not be seen"
                );
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Refuses migrations whose text is no longer the one that has run, and notes the checksums of those that ran without.
    pub(super) async fn check_unchanged(&self, migrations: &[Migration], accept_changed: bool) -> Result<(), Error> {
        if !self.checksums {
            return Ok(());
        }
        let rows = self.query(&checksum::select(), Vec::new()).await.map_err(Error::from_database)?;
        let noted: BTreeMap<String, Option<String>> = rows
            .into_iter()
            .filter_map(|row| {
                let mut values = row.into_iter().map(|value| String::from_value(value).ok());
                Some((values.next()??, values.next()?))
            })
            .collect();
        let mut changed = Vec::new();
        let mut noting = Vec::new();
        for migration in migrations {
            let Some(known) = noted.get(&migration.version) else { continue };
            let current = checksum::of(&migration.up);
            if known.as_ref() == Some(&current) {
                continue;
            }
            if known.is_some() {
                changed.push(format!("`{}`", migration.name));
            }
            noting.push((migration, current));
        }
        if !changed.is_empty() && !accept_changed {
            let (what, their) = if changed.len() == 1 { ("was", "its") } else { ("were", "their") };
            let message = format!(
                "migrate: {} {what} changed after {their} `up.sql` had run; put the change into a new migration and the file back, \
                 or take it as it is with `accept_changed` (`up --accept-changed`)",
                changed.join(", ")
            );
            return Err(Error::new(ErrorKind::Schema, message));
        }
        if noting.is_empty() {
            return Ok(());
        }
        self.wait_to_begin().await?;
        let mut noted = Ok(());
        for (migration, current) in noting {
            if noted.is_ok() {
                noted = self.note_checksum(&migration.version, current).await;
            }
        }
        self.finish(noted).await.map_err(Error::from_database)
    }

    async fn note_checksum(&self, version: &str, current: String) -> Result<(), DatabaseError> {
        let places = if self.is_postgres() { ["$1", "$2"] } else { ["?1", "?2"] };
        let sql = format!("UPDATE {VERSIONS} SET {} = {} WHERE version = {}", checksum::COLUMN, places[0], places[1]);
        self.query(&sql, vec![text(current), text(version.to_owned())]).await.map(drop)
    }

    /// What has run.
    pub(super) async fn versions(&self) -> Result<Vec<String>, Error> {
        let rows = self.query(SELECT_VERSIONS, Vec::new()).await.map_err(Error::from_database)?;
        rows.into_iter()
            .filter_map(|row| row.into_iter().next())
            .map(|value| {
                String::from_value(value)
                    .map_err(|error| Error::new(ErrorKind::Mapping, format!("read a version of `{VERSIONS}`: {error}")))
            })
            .collect()
    }

    async fn begin_transaction(&self) -> Result<(), Error> {
        let end = tokio::time::Instant::now() + self.lock_wait;
        loop {
            match self.send(vec![Step::Begin(TransactionMode::default())]).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == ErrorKind::LockTimeout && tokio::time::Instant::now() < end => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(error) if error.kind == ErrorKind::LockTimeout => return Err(self.locked_out()),
                Err(error) => return Err(Error::from_database(error)),
            }
        }
    }

    /// Begins a transaction, which waits for the lock on SQLite.
    async fn wait_to_begin(&self) -> Result<(), Error> {
        match self.sessions.backend() {
            Backend::Postgres => self.begin_transaction().await,
            Backend::Sqlite => self.sessions.observe_migration_wait(self.begin_transaction()).await,
        }
    }

    /// Ends the transaction as its last step did.
    async fn finish(&self, result: Result<(), DatabaseError>) -> Result<(), DatabaseError> {
        match result {
            Ok(()) => self.send(vec![Step::Commit]).await.map(drop),
            Err(error) => {
                // The step's own failure is the one to tell.
                let _ = self.send(vec![Step::Rollback]).await;
                Err(error)
            }
        }
    }

    /// Runs a migration if it is due, in a span of its own; answers whether it was.
    pub(super) async fn apply(&self, migration: &Migration, direction: Direction) -> Result<bool, Error> {
        let mut watch = None;
        let result = self.apply_watched(migration, direction, &mut watch).await;
        if let Some(mut watch) = watch {
            watch.end_migration(result.as_ref().err());
        }
        result
    }

    /// The same, which is watched once it is known to be due.
    async fn apply_watched(
        &self,
        migration: &Migration,
        direction: Direction,
        watch: &mut Option<Ending>,
    ) -> Result<bool, Error> {
        let text = match direction {
            Direction::Up => &migration.up,
            Direction::Down => migration.down.as_ref().ok_or_else(|| {
                let message = format!("take back migration `{}`: it has no `down.sql`", migration.name);
                Error::new(ErrorKind::Config, message)
            })?,
        };
        let statements = script::statements(text, self.sessions.backend());
        let off = script::inside_foreign_keys_off(&statements).filter(|_| !self.is_postgres());
        let failed =
            |at: Option<&Statement<'_>>, error: DatabaseError| failed(migration, direction, &statements, at, error);
        if !migration.run_in_transaction && off.is_none() {
            if self.is_applied(migration).await? == (direction == Direction::Up) {
                return Ok(false);
            }
            *watch = Some(self.watch(migration, direction));
            for statement in &statements {
                self.control(statement.sql).await.map_err(|error| failed(Some(statement), error))?;
            }
            self.note(migration, direction).await.map_err(|error| failed(None, error))?;
            return Ok(true);
        }

        if off.is_some() {
            self.control(super::diff::FOREIGN_KEYS_OFF[0]).await.map_err(|error| failed(None, error))?;
        }
        self.wait_to_begin().await?;
        let statements_open = off.unwrap_or(&statements);
        let result = self.run_open(migration, direction, statements_open, off.is_some(), watch, &failed).await;
        let result = match result {
            Ok(true) => self.send(vec![Step::Commit]).await.map(|_| true).map_err(|error| failed(None, error)),
            other => {
                let _ = self.send(vec![Step::Rollback]).await;
                other
            }
        };
        if off.is_some() {
            self.control("PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON")
                .await
                .map_err(|error| failed(None, error))?;
        }
        result
    }

    /// The migration inside its transaction, which sees what others have noted.
    async fn run_open(
        &self,
        migration: &Migration,
        direction: Direction,
        statements: &[Statement<'_>],
        foreign_keys_off: bool,
        watch: &mut Option<Ending>,
        failed: &impl Fn(Option<&Statement<'_>>, DatabaseError) -> Error,
    ) -> Result<bool, Error> {
        if self.is_applied(migration).await? == (direction == Direction::Up) {
            return Ok(false);
        }
        *watch = Some(self.watch(migration, direction));
        let broken = async || match foreign_keys_off {
            true => self.query("PRAGMA foreign_key_check", Vec::new()).await.map(|rows| rows.len()),
            false => Ok(0),
        };
        let before = broken().await.map_err(|error| failed(None, error))?;
        for statement in statements {
            self.control(statement.sql).await.map_err(|error| failed(Some(statement), error))?;
        }
        if broken().await.map_err(|error| failed(None, error))? > before {
            let message = "rows refer to others that are not there any more";
            return Err(failed(None, DatabaseError::new(ErrorKind::ForeignKeyViolation, "", message)));
        }
        self.note(migration, direction).await.map_err(|error| failed(None, error))?;
        Ok(true)
    }

    fn watch(&self, migration: &Migration, direction: Direction) -> Ending {
        let direction = if direction == Direction::Up { "up" } else { "down" };
        self.sessions.watch_migration(&migration.name, &migration.version, direction)
    }

    async fn is_applied(&self, migration: &Migration) -> Result<bool, Error> {
        Ok(self.versions().await?.contains(&migration.version))
    }

    async fn note(&self, migration: &Migration, direction: Direction) -> Result<(), DatabaseError> {
        let places = if self.is_postgres() { ["$1", "$2"] } else { ["?1", "?2"] };
        let mut binds = vec![text(migration.version.clone())];
        let sql = match direction {
            Direction::Up if self.checksums => {
                binds.push(text(checksum::of(&migration.up)));
                let column = checksum::COLUMN;
                format!("INSERT INTO {VERSIONS} (version, {column}) VALUES ({}, {})", places[0], places[1])
            }
            Direction::Up => format!("INSERT INTO {VERSIONS} (version) VALUES ({})", places[0]),
            Direction::Down => format!("DELETE FROM {VERSIONS} WHERE version = {}", places[0]),
        };
        self.query(&sql, binds).await.map(drop)
    }
}

fn text(text: String) -> Bind {
    Bind { ty: ColumnType::scalar(ScalarType::Text), value: Value::Text(text) }
}

/// A run whose caller went away: what it is doing is stopped and undone in the background. Closing the connection gives
/// the lock back; SQLite has none that outlives the transaction, and a database in memory needs its connection.
impl Drop for Run {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let (connection, keep) = (self.connection.clone(), !self.is_postgres());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                connection.cancel().await;
                let restore = Step::Control("PRAGMA legacy_alter_table = OFF".into());
                if connection.reset(CLEANUP_DEADLINE).await && keep && connection.send(vec![restore]).await.is_ok() {
                    lease.release();
                }
            });
        }
    }
}

fn first(rows: Vec<Vec<Value>>) -> Option<Value> {
    rows.into_iter().next()?.into_iter().next()
}

fn failed(
    migration: &Migration,
    direction: Direction,
    statements: &[Statement<'_>],
    at: Option<&Statement<'_>>,
    error: DatabaseError,
) -> Error {
    let (verb, file) = match direction {
        Direction::Up => ("run", "up.sql"),
        Direction::Down => ("take back", "down.sql"),
    };
    let kind = error.kind;
    let inner = Error::from_database(error);
    let place = at.map_or_else(
        || "at its end".to_owned(),
        |at| {
            let number = statements.iter().position(|other| std::ptr::eq(other.sql, at.sql)).unwrap_or_default() + 1;
            format!("statement {number} of {}, at line {} of its `{file}`", statements.len(), at.line)
        },
    );
    let rest = if migration.run_in_transaction || script::inside_foreign_keys_off(statements).is_some() {
        "nothing of it was kept"
    } else {
        "it has no transaction, so what came before is kept"
    };
    let message = format!("{verb} migration `{}`: {place}: failed to {inner}; {rest}", migration.name);
    let mut made = Error::new(kind, message).with_constraint(inner.constraint().map(str::to_owned));
    if let Some(table) = inner.table() {
        made = made.with_table(table.to_owned());
    }
    made.with_source(inner)
}

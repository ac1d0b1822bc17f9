//! Repositories: aggregates in and out of one table.
//!
//! Writes are queued (`add`, `save`, `delete`: no I/O, so nothing to await) and travel with COMMIT, or executed at once
//! (`add_now`, `save_now`, …), which gives the database's verdict at the call.

mod aggregate;
mod batch;
mod bulk;
mod find;
mod load;
mod page;
mod plan;
mod project;
mod query;
mod scoped;
mod search;
mod soft_delete;
mod stream;
mod upsert_by;
mod write;
mod write_now;

pub use aggregate::{Holds, NumberColumn};
pub use find::LockWait;
pub(crate) use load::equal_pairs;
pub(crate) use project::Source;
pub use query::QueryBuilder;
pub(crate) use query::{unexpected, unnamed};
pub use stream::RowStream;

use std::marker::PhantomData;

use crate::backend::{Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::mutation::Mutation;
use crate::schema::{Record, RecordReader, RecordWriter, Table};
use crate::scope::{Visibility, is_deleted};
use crate::session::{Call, HasSessions, Session, SessionManager};
use crate::unit_of_work::{RowKey, constraint_of, key_of, leave_out, show_key};
use crate::value::Value;

/// The aggregates stored in the table of `Row`.
///
/// A repository finds the session of the scope it is used in. Outside any scope it reads by itself and refuses to write,
/// unless [`autocommit`](Self::autocommit) makes each call a transaction of its own.
///
/// Cheap to clone and to make; keep one per service.
pub struct Repository<Row> {
    manager: SessionManager,
    session: Option<Session>,
    autocommit: bool,
    untracked: bool,
    visibility: Visibility,
    marker: PhantomData<fn() -> Row>,
}

impl<Row> Clone for Repository<Row> {
    fn clone(&self) -> Self {
        Repository {
            manager: self.manager.clone(),
            session: self.session.clone(),
            autocommit: self.autocommit,
            untracked: self.untracked,
            visibility: self.visibility,
            marker: PhantomData,
        }
    }
}

impl<Row: Table> std::fmt::Debug for Repository<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("table", &Row::descriptor().name).finish_non_exhaustive()
    }
}

/// A domain value with the version it was loaded with, to be carried to another request (an `ETag`) and back into
/// [`Repository::save_if`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The domain value.
    pub value: T,
    /// The row's version.
    pub version: i64,
}

/// For a service that is no more than a repository: `#[transactional(sessions = repository)]`.
impl<Row> HasSessions for Repository<Row> {
    fn sessions(&self) -> &SessionManager {
        &self.manager
    }
}

impl<Row> Repository<Row> {
    /// A repository on the database of `manager`.
    pub fn new(manager: &SessionManager) -> Self {
        Repository {
            autocommit: manager.config().autocommit,
            manager: manager.clone(),
            session: None,
            untracked: false,
            visibility: Visibility::default(),
            marker: PhantomData,
        }
    }

    /// The same repository, working in `session` wherever it is called. With a session of another manager each of its calls
    /// fails: [`is_invalid_transaction`](Error::is_invalid_transaction).
    #[must_use]
    pub fn in_session(&self, session: &Session) -> Self {
        let is_own = session.manager().id() == self.manager.id();
        let session = if is_own { session.clone() } else { session.foreign() };
        Repository { session: Some(session), ..self.clone() }
    }

    /// The same repository; outside a scope each of its `_now` calls is a transaction of its own.
    ///
    /// # Cancellation
    /// Dropping such a call stops it in the database, in the background. It may have been committed by then: listeners to
    /// mutations are told of it if it was.
    #[must_use]
    pub fn autocommit(&self) -> Self {
        Repository { autocommit: true, ..self.clone() }
    }

    /// The same repository; what it loads is not remembered by the session, and cannot be saved without
    /// [`attach`](Repository::attach). For reads of many rows.
    #[must_use]
    pub fn untracked(&self) -> Self {
        Repository { untracked: true, ..self.clone() }
    }

    /// The session to work in, if there is one.
    fn place(&self) -> Option<Session> {
        let session = self.session.clone().or_else(|| self.manager.find_current())?;
        Some(Session { visibility: self.visibility, ..session })
    }

    /// The session to write in.
    fn writing(&self, table: &str) -> Result<Session, Error> {
        self.place().ok_or_else(|| {
            Error::new(
                ErrorKind::NoSession,
                format!(
                    "write to `{table}` outside a scope: mark the method `#[transactional]`, use \
                     `sessions.transaction(..)`, or make each call a transaction of its own with the `_now` methods of \
                     `Repository::autocommit()`"
                ),
            )
        })
    }
}

impl<Row: Table> Repository<Row> {
    /// The one value of a query that returns one.
    async fn scalar(&self, statement: Statement) -> Result<Value, Error> {
        let answers = match self.place() {
            Some(session) => session.execute(Call::query(&session, vec![statement])).await?,
            None => self.manager.run_alone(vec![Step::Statement(statement)]).await?,
        };
        let value = answers.into_iter().flat_map(|answer| answer.rows).flatten().next();
        value.ok_or_else(|| Error::new(ErrorKind::Database, "read the result: the database returned no row"))
    }

    /// Runs a write on any number of rows and answers how many there were.
    async fn bulk(&self, statement: Statement, mutation: Mutation) -> Result<u64, Error> {
        self.bulk_unnamed(statement, mutation).await.map_err(|error| {
            let name = constraint_of(Row::descriptor(), error.kind(), error.columns());
            let name = error.constraint().map(str::to_owned).or(name);
            error.with_constraint(name)
        })
    }

    async fn bulk_unnamed(&self, statement: Statement, mutation: Mutation) -> Result<u64, Error> {
        let table = Row::descriptor();
        let answers = match self.place() {
            None if self.autocommit => {
                let guard = self.manager.catalog_guard(std::iter::once(table));
                vec![self.manager.write_alone(Step::Statement(statement), Some(mutation), guard).await?]
            }
            None => return self.writing(table.name).map(|_| 0),
            Some(session) => {
                session.check_writable()?;
                let call = Call { statements: vec![statement], flush: true, writes: true, transaction: true };
                let guard = self.manager.catalog_guard(std::iter::once(table));
                let answers = session.execute_behind(call, guard).await?;
                let mut state = session.state();
                state.map.expire(session.depth, Some(table.row_type));
                state.map.expire_holders(session.depth, table.row_type);
                if let Some(frame) = state.frames.get_mut(session.depth) {
                    frame.hooks.mutations.push(mutation);
                }
                // It may have been a deletion.
                state.map.expire_dependents(session.depth, table.row_type);
                drop(state);
                answers
            }
        };
        Ok(answers.first().map_or(0, |answer| answer.affected))
    }
}

impl<Row: Table + Mappable> Repository<Row> {
    /// The domain value of a record.
    fn domain(&self, mut record: Record, saves: u64) -> Result<Row::Domain, Error> {
        let table = Row::descriptor();
        if !self.visibility.with_deleted {
            leave_out(table, &mut record, &is_deleted);
        }
        let version = crate::unit_of_work::version_of(table, &record);
        let row = Row::decode(&mut RecordReader::new(table, record))?;
        let id = row.id();
        let mut domain = row.to_domain().map_err(|error| {
            let key = Row::encode_id(&id).map(|key| show_key(&key));
            error.into_error::<Row>(&key.unwrap_or_default())
        })?;
        let undone = self.manager.undone_versions();
        if let Some(version) = version.filter(|_| saves == 0 && !undone.is_empty()) {
            // From now on a value has the version by right.
            undone.forget(table, &Row::encode_id(&id)?, version);
        }
        if version.is_some() {
            Row::set_revision(&mut domain, crate::mappable::Revision::of(version, saves));
        }
        Ok(domain)
    }

    /// Takes note of a record that was read, and makes the domain value the caller gets.
    fn take_in(&self, session: Option<&Session>, record: Record) -> Result<Row::Domain, Error> {
        self.take_in_as(session, record, false)
    }

    /// The same of a record that the session may have written itself.
    fn take_in_as(&self, session: Option<&Session>, record: Record, is_own: bool) -> Result<Row::Domain, Error> {
        let table = Row::descriptor();
        let Some(session) = session.filter(|session| self.tracks(session)) else {
            return self.domain(record, 0);
        };
        let key = RowKey::new(table, key_of(table, &record));
        let (record, saves, is_own, wrote) = {
            let mut state = session.state();
            let wrote = state.wrote;
            let is_own = is_own || wrote && state.map.get(&key).is_some_and(|entry| entry.saves > 0);
            let with_deleted = self.visibility.with_deleted && table.has_deletable_children();
            let record = state.map.note_loaded(session.depth, table, key.clone(), record, with_deleted);
            let saves = state.map.get(&key).map_or(0, |entry| entry.saves);
            (record, saves, is_own, wrote)
        };
        let mut domain = self.domain(Record::clone(&record), saves)?;
        if wrote {
            tell_fate::<Row>(session, key, is_own, &mut domain);
        }
        Ok(domain)
    }

    /// The domain value of a row that the session knows.
    fn known_domain(&self, session: Option<&Session>, record: Record, saves: u64) -> Result<Row::Domain, Error> {
        let table = Row::descriptor();
        let Some(session) = session.filter(|_| table.version.is_some()) else { return self.domain(record, saves) };
        let key = (saves > 0).then(|| RowKey::new(table, key_of(table, &record)));
        let mut domain = self.domain(record, saves)?;
        if let Some(key) = key {
            tell_fate::<Row>(session, key, true, &mut domain);
        }
        Ok(domain)
    }

    /// Drops what the session knows of these rows, since they are read anew.
    fn forget(&self, session: &Session, records: &[Record]) {
        let table = Row::descriptor();
        let mut state = session.state();
        for record in records {
            state.map.forget(session.depth, &RowKey::new(table, key_of(table, record)));
        }
    }

    fn tracks(&self, session: &Session) -> bool {
        !self.untracked && !session.inner.mode.read_only
    }
}

/// A version that was read behind writes of its own unit of work never came to be if that is undone: a `Revision` shares the
/// fate of the scope, and a number of a row that `is_own`, which the session wrote, is remembered.
fn tell_fate<Row: Table + Mappable>(session: &Session, key: RowKey, is_own: bool, domain: &mut Row::Domain) {
    let Some(revision) = Row::revision(domain) else { return };
    let Some(version) = revision.version() else { return };
    let mut state = session.state();
    if is_own && let Some(frame) = state.frames.get_mut(session.depth) {
        frame.given.push((key, version));
    }
    if !revision.is_bare() {
        let fate = state.fate(session.depth);
        drop(state);
        Row::set_revision(domain, revision.read_in(&fate));
    }
}

/// A row as values.
fn encode<Row: Table>(row: &Row) -> Result<Record, Error> {
    let mut writer = RecordWriter::new(Row::descriptor());
    row.encode(&mut writer)?;
    Ok(writer.finish())
}

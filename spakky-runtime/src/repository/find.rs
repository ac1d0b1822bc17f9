//! Reading aggregates by key.

use super::load::{Spellings, Strays, attach_children, child_queries};
use super::{Repository, Versioned};
use crate::backend::{Answer, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::hash::{FastMap, FastSet};
use crate::mappable::Mappable;
use crate::query::Condition;
use crate::schema::fit::Checked;
use crate::schema::{Record, Table, TableDescriptor, canonical};
use crate::scope::Sight;
use crate::session::{Call, Session};
use crate::statement::{Lock, Select};
use crate::unit_of_work::{RowKey, key_of, show_ids, show_key, version_of};
use crate::value::Value;

/// What locking a row does when another transaction holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockWait {
    /// Waits for it, up to the lock time-out.
    #[default]
    Wait,
    /// Fails at once with [`is_lock_timeout`](Error::is_lock_timeout).
    NoWait,
    /// Finds nothing.
    SkipLocked,
}

impl From<LockWait> for Lock {
    fn from(wait: LockWait) -> Self {
        match wait {
            LockWait::Wait => Lock::Wait,
            LockWait::NoWait => Lock::NoWait,
            LockWait::SkipLocked => Lock::SkipLocked,
        }
    }
}

/// What a session knows of a row that it need not ask for.
enum Known {
    /// The row, and how often it was saved.
    Row(Record, u64),
    /// The row was deleted in this session.
    Deleted,
}

impl<Row: Table + Mappable> Repository<Row> {
    /// The aggregate with this id.
    ///
    /// In a scope the session remembers it: a second `get` costs no query and sees what was saved in between.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found), naming table and id.
    ///
    /// # Cancellation
    /// Dropping the future has no effect.
    pub async fn get(&self, id: Row::Id) -> Result<Row::Domain, Error> {
        let key = Row::encode_id(&id)?;
        self.find_by(&key).await?.ok_or_else(|| not_found::<Row>(&[key]))
    }

    /// The aggregate with this id, if there is one.
    ///
    /// # Errors
    /// What the database says.
    ///
    /// # Cancellation
    /// Dropping the future has no effect.
    pub async fn find(&self, id: Row::Id) -> Result<Option<Row::Domain>, Error> {
        self.find_by(&Row::encode_id(&id)?).await
    }

    /// Whether there is an aggregate with this id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn exists(&self, id: Row::Id) -> Result<bool, Error> {
        let key = Row::encode_id(&id)?;
        let session = self.place();
        match self.known(session.as_ref(), &key)? {
            Some(known) => Ok(matches!(known, Known::Row(..))),
            None => Ok(self.select_key(session.as_ref(), &key).await?.is_some()),
        }
    }

    /// The aggregates with these ids, in their order; an id given twice is answered twice.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found), naming every id that has no row.
    pub async fn get_many(&self, ids: impl IntoIterator<Item = Row::Id>) -> Result<Vec<Row::Domain>, Error> {
        let keys = encode_ids::<Row>(ids)?;
        let found = self.find_by_keys(&keys).await?;
        let missing: Vec<Vec<Value>> =
            keys.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(key, _)| key.clone()).collect();
        if missing.is_empty() {
            return Ok(found.into_iter().flatten().collect());
        }
        Err(not_found::<Row>(&missing))
    }

    /// For each id in turn the aggregate, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn find_many(&self, ids: impl IntoIterator<Item = Row::Id>) -> Result<Vec<Option<Row::Domain>>, Error> {
        self.find_by_keys(&encode_ids::<Row>(ids)?).await
    }

    /// The aggregate with this id and its version, to be carried across requests and given to
    /// [`save_if`](Self::save_if).
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found); [`is_invalid_query`](Error::is_invalid_query) on a table without a version.
    pub async fn get_versioned(&self, id: Row::Id) -> Result<Versioned<Row::Domain>, Error> {
        let table = Row::descriptor();
        if table.version.is_none() {
            return Err(no_version(table.name));
        }
        let key = Row::encode_id(&id)?;
        let session = self.place();
        let (record, value) = match self.known(session.as_ref(), &key)? {
            Some(Known::Deleted) => return Err(not_found::<Row>(&[key])),
            Some(Known::Row(record, saves)) => (record.clone(), self.known_domain(session.as_ref(), record, saves)?),
            None => match self.select_key(session.as_ref(), &key).await? {
                Some(record) => (record.clone(), self.take_in(session.as_ref(), record)?),
                None => return Err(not_found::<Row>(&[key])),
            },
        };
        Ok(Versioned { value, version: version_of(table, &record).unwrap_or_default() })
    }

    /// The aggregate with this id, locked against writers until the transaction ends. It is always read anew and replaces
    /// what the session knew of it: copies loaded before are stale.
    ///
    /// On SQLite, which has one writer at a time, the whole database is locked against writers.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found); [`is_lock_timeout`](Error::is_lock_timeout);
    /// [`is_no_session`](Error::is_no_session) outside a scope, where the lock would be gone at once.
    ///
    /// # Cancellation
    /// Dropping the future leaves the scope rollback-only.
    pub async fn lock(&self, id: Row::Id) -> Result<Row::Domain, Error> {
        let key = Row::encode_id(&id)?;
        self.lock_by(&key, LockWait::Wait).await?.ok_or_else(|| not_found::<Row>(&[key]))
    }

    /// The same as [`lock`](Self::lock), with a choice of what happens when another transaction holds the row; `None` if
    /// there is no such row, or with [`LockWait::SkipLocked`] if it is locked.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Cancellation
    /// Dropping the future leaves the scope rollback-only.
    pub async fn find_locked(&self, id: Row::Id, wait: LockWait) -> Result<Option<Row::Domain>, Error> {
        self.lock_by(&Row::encode_id(&id)?, wait).await
    }

    async fn lock_by(&self, key: &[Value], wait: LockWait) -> Result<Option<Row::Domain>, Error> {
        let table = Row::descriptor();
        let Some(session) = self.place() else {
            return Err(lock_outside::<Row>());
        };
        session.check_writable()?;
        let statements = self.by_keys(Some(&session), vec![key.to_vec()], Some(wait.into()))?;
        let call = Call { statements, flush: true, writes: true, transaction: true };
        let found = self.read(Some(&session), call).await?.pop();
        session.state().map.forget(session.depth, &RowKey::new(table, key.to_vec()));
        found.map(|record| self.take_in(Some(&session), record)).transpose()
    }

    async fn find_by(&self, key: &[Value]) -> Result<Option<Row::Domain>, Error> {
        let session = self.place();
        match self.known(session.as_ref(), key)? {
            Some(Known::Row(record, saves)) => self.known_domain(session.as_ref(), record, saves).map(Some),
            Some(Known::Deleted) => Ok(None),
            None => match self.select_key(session.as_ref(), key).await? {
                Some(record) => self.take_in(session.as_ref(), record).map(Some),
                None => Ok(None),
            },
        }
    }

    async fn find_by_keys(&self, keys: &[Vec<Value>]) -> Result<Vec<Option<Row::Domain>>, Error> {
        let table = Row::descriptor();
        let session = self.place();
        let mut wanted = Vec::new();
        let mut seen = FastSet::default();
        // Sending what is pending may have the session ask again for what it knows now.
        let mut known = FastMap::default();
        for key in keys {
            match self.known(session.as_ref(), key)? {
                Some(row) => drop(known.insert(key, row)),
                None if seen.insert(key) => wanted.push(key.clone()),
                None => {}
            }
        }
        let mut loaded = FastMap::default();
        if !wanted.is_empty() {
            let flush = session.as_ref().is_some_and(|session| self.asks_behind_queue(session, &wanted));
            let statements = self.by_keys(session.as_ref(), wanted, None)?;
            let call = Call { statements, flush, writes: false, transaction: false };
            for record in self.read(session.as_ref(), call).await? {
                loaded.insert(key_of(table, &record), record);
            }
            if table.key_columns().any(|column| column.ty.has_several_spellings())
                || is_spelled_otherwise(table, &seen, &loaded)
            {
                self.read_spelled_otherwise(session.as_ref(), &seen, &mut loaded).await?;
            }
        }
        keys.iter()
            .map(|key| match self.known(session.as_ref(), key)? {
                Some(Known::Row(record, saves)) => self.known_domain(session.as_ref(), record, saves).map(Some),
                Some(Known::Deleted) => Ok(None),
                None => match (loaded.get(key), known.get(key)) {
                    (Some(record), _) => self.take_in(session.as_ref(), record.clone()).map(Some),
                    (None, Some(Known::Row(record, saves))) => {
                        self.known_domain(session.as_ref(), record.clone(), *saves).map(Some)
                    }
                    (None, _) => Ok(None),
                },
            })
            .collect()
    }

    /// Rows whose keys the database spells in its own way (`citext`, a collation to which case is nothing, a numeric's zeros, the
    /// sign of zero) come back under other keys than they were asked for. Asks for those that seem to be missing one by one, in one round trip.
    async fn read_spelled_otherwise(
        &self,
        session: Option<&Session>,
        asked: &FastSet<&Vec<Value>>,
        loaded: &mut FastMap<Vec<Value>, Record>,
    ) -> Result<(), Error> {
        let backend = self.manager.backend();
        let missing: Vec<&Vec<Value>> = asked.iter().copied().filter(|key| !loaded.contains_key(*key)).collect();
        if missing.is_empty() || loaded.is_empty() {
            return Ok(());
        }
        let by_key = |key: &&Vec<Value>| Ok(self.by_keys(session, vec![key.to_vec()], None)?.swap_remove(0));
        let statements: Result<Vec<Statement>, Error> = missing.iter().map(by_key).collect();
        let call = Call { statements: statements?, flush: false, writes: false, transaction: false };
        for (key, answer) in missing.into_iter().zip(self.answers(session, call).await?) {
            let Some(row) = answer.rows.into_iter().next() else { continue };
            let stored = key_of(Row::descriptor(), &canonical(Row::descriptor(), row, backend)?);
            // The row as it was loaded, with its children.
            if let Some(record) = loaded.get(&stored).cloned() {
                loaded.insert(key.clone(), record);
            }
        }
        Ok(())
    }

    fn known(&self, session: Option<&Session>, key: &[Value]) -> Result<Option<Known>, Error> {
        let Some(session) = session.filter(|session| self.tracks(session)) else { return Ok(None) };
        session.check()?;
        let (table, mut state) = (Row::descriptor(), session.state());
        let asks = session.manager().config().autoflush;
        if asks && state.is_concerned(session.depth, table.row_type) {
            return Ok(None);
        }
        let key = RowKey::new(table, key.to_vec());
        let entry = state.map.get(&key);
        let known = match session.scope().sight(table, entry)? {
            Sight::Unknown => return Ok(None),
            Sight::Gone => return Ok(Some(Known::Deleted)),
            Sight::Row(record) => Known::Row(Record::clone(record), entry.map_or(0, |entry| entry.saves)),
        };
        match &known {
            // A child may have gone to another row.
            Known::Row(record, _) if asks && state.is_given_elsewhere(session.depth, table, &key, record) => Ok(None),
            _ => Ok(Some(known)),
        }
    }

    /// Whether rows are asked for behind the writes that are pending: the session wrote them itself and knows them only in part,
    /// or what is pending may be about them in another way.
    fn asks_behind_queue(&self, session: &Session, keys: &[Vec<Value>]) -> bool {
        let (table, state) = (Row::descriptor(), session.state());
        session.manager().config().autoflush && state.is_concerned(session.depth, table.row_type)
            || keys.iter().any(|key| state.map.get(&RowKey::new(table, key.clone())).is_some())
    }

    /// The rows with these keys, in no order, each once; behind them their children. A change of a child that is committed
    /// between the two raises the version of its row, so that a save of what was read is refused.
    fn by_keys(
        &self,
        session: Option<&Session>,
        keys: Vec<Vec<Value>>,
        lock: Option<Lock>,
    ) -> Result<Vec<Statement>, Error> {
        let (table, backend, scope) = (Row::descriptor(), self.manager.backend(), self.scope(session));
        let first: Vec<Value> = keys.iter().filter_map(|key| key.first().cloned()).collect();
        let condition = scope.narrow(table, Condition::Keys(keys))?;
        let mut statements = vec![Select { lock, ..Select::filtered(table, condition) }.rows(backend)?];
        statements.extend(child_queries(backend, &scope, table, &first)?);
        Ok(statements)
    }

    async fn select_key(&self, session: Option<&Session>, key: &[Value]) -> Result<Option<Record>, Error> {
        let statements = self.by_keys(session, vec![key.to_vec()], None)?;
        let flush = session.is_some_and(|session| self.asks_behind_queue(session, &[key.to_vec()]));
        let call = Call { statements, flush, writes: false, transaction: false };
        Ok(self.read(session, call).await?.into_iter().next())
    }

    /// Runs a query for whole rows in the session, or by itself outside any. The queries for their children may come behind
    /// it; else these follow, once it is known whose.
    pub(super) async fn read(&self, session: Option<&Session>, call: Call) -> Result<Vec<Record>, Error> {
        let (table, backend) = (Row::descriptor(), self.manager.backend());
        let has_children_behind = call.statements.len() > 1;
        let mut answers = self.answers(session, call).await?.into_iter();
        let rows = answers.next().map(|answer| answer.rows).unwrap_or_default();
        let records: Result<Vec<Record>, Error> = rows.into_iter().map(|row| canonical(table, row, backend)).collect();
        let mut records = records?;
        if has_children_behind {
            let (spellings, mut strays) = (Spellings::default(), Strays::default());
            attach_children(backend, table, &mut records, &mut answers, &spellings, &mut strays)?;
            self.read_strays(session, &mut records, strays).await?;
        } else {
            self.read_children(session, &mut records).await?;
        }
        Ok(records)
    }

    /// Reads the children of rows that were read.
    pub(super) async fn read_children(&self, session: Option<&Session>, records: &mut [Record]) -> Result<(), Error> {
        let (table, backend) = (Row::descriptor(), self.manager.backend());
        if records.is_empty() || table.relations.is_empty() {
            return Ok(());
        }
        let statements = child_queries(backend, &self.scope(session), table, &first_of_keys(table, records))?;
        let call = Call { statements, flush: false, writes: false, transaction: false };
        let mut answers = self.answers(session, call).await?.into_iter();
        let (spellings, mut strays) = (Spellings::default(), Strays::default());
        attach_children(backend, table, records, &mut answers, &spellings, &mut strays)?;
        self.read_strays(session, records, strays).await
    }

    /// Asks the database whose the children are that spell the key of their row in a way of their own, and reads all children
    /// again in the same round trip. One that is nobody's by its word was written meanwhile, or belongs to a row out of sight.
    async fn read_strays(
        &self,
        session: Option<&Session>,
        records: &mut [Record],
        strays: Strays,
    ) -> Result<(), Error> {
        if strays.is_empty() || !self.manager.has_catalog() {
            return Ok(());
        }
        let (table, backend) = (Row::descriptor(), self.manager.backend());
        let mut statements = strays.questions(backend)?;
        statements.extend(child_queries(backend, &self.scope(session), table, &first_of_keys(table, records))?);
        let call = Call { statements, flush: false, writes: false, transaction: false };
        // Seldom needed, so that it is no part of the futures of those who read.
        let mut answers = Box::pin(self.answers(session, call)).await?.into_iter();
        let spellings = strays.spellings(backend, &mut answers)?;
        attach_children(backend, table, records, &mut answers, &spellings, &mut Strays::default())
    }

    async fn answers(&self, session: Option<&Session>, call: Call) -> Result<Vec<Answer>, Error> {
        let table = Row::descriptor();
        let guard = self.manager.comparison_guard(|| Checked::below(table));
        match session {
            Some(session) => session.execute_behind(call, guard).await,
            None => {
                let steps = call.statements.into_iter().map(Step::Statement).collect();
                self.manager.run_alone_behind(steps, guard).await
            }
        }
    }
}

/// Whether texts that were asked for may have come back as others, or may be equal to others that were asked for, too. That
/// they are is for the database to say; what cannot be need not be asked.
fn is_spelled_otherwise(
    table: &TableDescriptor,
    asked: &FastSet<&Vec<Value>>,
    loaded: &FastMap<Vec<Value>, Record>,
) -> bool {
    if !table.key_columns().any(|column| column.ty.may_be_spelled_otherwise()) {
        return false;
    }
    if loaded.keys().any(|key| !asked.contains(key)) {
        return true;
    }
    let folded = |key: &Vec<Value>| -> Vec<Value> {
        let fold = |value: &Value| match value {
            Value::Text(text) => Value::Text(text.trim_end().to_lowercase()),
            other => other.clone(),
        };
        key.iter().map(fold).collect()
    };
    let mut missing = asked.iter().filter(|key| !loaded.contains_key(**key)).peekable();
    if missing.peek().is_none() {
        return false;
    }
    let known: FastSet<Vec<Value>> = loaded.keys().map(folded).collect();
    missing.any(|key| known.contains(&folded(key)))
}

/// What children refer to the records by.
fn first_of_keys(table: &TableDescriptor, records: &[Record]) -> Vec<Value> {
    records.iter().filter_map(|record| key_of(table, record).into_iter().next()).collect()
}

fn encode_ids<Row: Table>(ids: impl IntoIterator<Item = Row::Id>) -> Result<Vec<Vec<Value>>, Error> {
    ids.into_iter().map(|id| Row::encode_id(&id)).collect()
}

pub(super) fn lock_outside<Row: Table>() -> Error {
    let table = Row::descriptor().name;
    let message = format!("lock a row of `{table}` outside a scope: the lock would be gone at once");
    Error::new(ErrorKind::NoSession, message).with_table(table)
}

pub(super) fn not_found<Row: Table>(keys: &[Vec<Value>]) -> Error {
    let table = Row::descriptor();
    let ids: Vec<String> = keys.iter().map(|key| show_key(key)).collect();
    let message = format!("find `{}` with id {} in `{}`", table.rust_name, show_ids(&ids), table.name);
    Error::new(ErrorKind::NotFound, message).with_table(table.name).with_ids(ids)
}

pub(super) fn no_version(table: &str) -> Error {
    Error::new(
        ErrorKind::InvalidQuery,
        format!("use the version of `{table}`, which has none; mark an `i64` field `#[table(version)]`"),
    )
    .with_table(table)
}

//! Queries by condition.

use super::Repository;
use super::find::LockWait;
use crate::backend::Statement;
use crate::error::{Error, ErrorKind};
use crate::mappable::Mappable;
use crate::mutation::{Mutation, MutationKind};
use crate::projection::{Projection, ProjectionQuery};
use crate::query::{Assignment, Condition, Order, Ordering, Predicate};
use crate::schema::{SoftDelete, Table};
use crate::scope::{Mark, Scope};
use crate::session::Call;
use crate::statement::{Lock, Select, delete_where, mark_where, update_where};
use crate::value::Value;

/// A query under construction, from [`Repository::filter`], [`Repository::query`] or, of a request from outside,
/// [`Repository::search`].
///
/// In a scope it sees what is pending: queued writes are sent ahead of it (unless `autoflush` is off). Rows that the
/// session already knows come back as the session knows them.
#[must_use = "a query is run by `all`, `one`, `first`, `page`, `cursor_page`, `count`, `exists`, `sum`, `stream`, `update` or `delete`"]
pub struct QueryBuilder<Row> {
    pub(super) repository: Repository<Row>,
    pub(super) condition: Condition,
    pub(super) order: Vec<Ordering>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
    pub(super) lock: Option<Lock>,
    /// Part of it comes from a request, so that its text may be any.
    pub(super) requested: bool,
    /// The most rows of a page, by the rules for requests.
    pub(super) page_limit: Option<u64>,
}

impl<Row: Table> Repository<Row> {
    /// A query for every row.
    pub fn query(&self) -> QueryBuilder<Row> {
        QueryBuilder {
            repository: self.clone(),
            condition: Condition::Constant(true),
            order: Vec::new(),
            limit: None,
            offset: None,
            lock: None,
            requested: false,
            page_limit: None,
        }
    }

    /// A query for the rows that fulfil `predicate`.
    pub fn filter(&self, predicate: Predicate<Row>) -> QueryBuilder<Row> {
        self.query().filter(predicate)
    }
}

impl<Row: Table> QueryBuilder<Row> {
    /// Narrows the query to rows that fulfil `predicate` as well.
    pub fn filter(mut self, predicate: Predicate<Row>) -> Self {
        self.condition = std::mem::replace(&mut self.condition, Condition::Constant(true)).and(predicate.condition);
        self
    }

    /// Sorts by `order`, after what was asked for before.
    pub fn order_by(mut self, order: Order<Row>) -> Self {
        self.order.push(order.ordering);
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Leaves out the first rows.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Locks the rows until the transaction ends; refused outside a scope. What the session knew of them is replaced.
    pub fn for_update(mut self, wait: LockWait) -> Self {
        self.lock = Some(wait.into());
        self
    }

    /// What the query is confined to, and its condition with that.
    fn scoped(&self) -> Result<(Scope, Condition), Error> {
        let scope = self.repository.scope(self.repository.place().as_ref());
        let condition = scope.narrow(Row::descriptor(), self.condition.clone())?;
        Ok((scope, condition))
    }

    pub(super) fn select(&self) -> Result<Select<'static>, Error> {
        Ok(Select {
            condition: self.scoped()?.1,
            order: self.order.clone(),
            limit: self.limit,
            offset: self.offset,
            lock: self.lock,
            ..Select::new(Row::descriptor())
        })
    }

    pub(super) fn rows(&self) -> Result<Statement, Error> {
        self.select()?.rows(self.repository.manager.backend()).map(unnamed)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) for a condition that cannot be written, else what the database says.
    pub async fn count(self) -> Result<u64, Error> {
        let statement = unnamed(self.select()?.count(self.repository.manager.backend())?);
        match self.repository.scalar(statement).await? {
            Value::I64(count) => Ok(u64::try_from(count).unwrap_or_default()),
            other => Err(unexpected("count", &other)),
        }
    }

    /// Whether there is such a row.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub async fn exists(self) -> Result<bool, Error> {
        let statement = unnamed(self.select()?.exists(self.repository.manager.backend())?);
        match self.repository.scalar(statement).await? {
            Value::Bool(exists) => Ok(exists),
            Value::I64(exists) => Ok(exists != 0),
            other => Err(unexpected("bool", &other)),
        }
    }

    /// Sets columns in every row that fulfils the condition, in one statement, and answers how many there were. Versions go
    /// up; what the session knew of the table's rows is read again when next needed. Domain types are not involved.
    ///
    /// # Errors
    /// [`is_no_session`](Error::is_no_session) outside a scope without [`autocommit`](Repository::autocommit),
    /// [`is_invalid_query`](Error::is_invalid_query) with an order or a limit, else what the database says.
    ///
    /// # Cancellation
    /// Dropping the future after the statement was sent leaves the scope rollback-only.
    pub async fn update(self, assignments: impl IntoIterator<Item = Assignment<Row>>) -> Result<u64, Error> {
        self.check_bulk("update")?;
        let assignments: Vec<_> = assignments.into_iter().map(|assignment| assignment.assigned).collect();
        let backend = self.repository.manager.backend();
        let (scope, condition) = self.scoped()?;
        let statement = update_where(Row::descriptor(), &assignments, &condition, &scope, backend)?;
        let changed = assignments.iter().map(|assigned| assigned.column.clone()).collect();
        let mutation = Mutation::of_many(Row::descriptor(), MutationKind::Update, changed);
        self.repository.bulk(unnamed(statement), mutation).await
    }

    /// Deletes every row that fulfils the condition, in one statement, and answers how many there were. Soft-deleted rows
    /// stay, unless the repository is one [`with_deleted`](Repository::with_deleted).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancellation
    /// As [`update`](Self::update).
    pub async fn delete(self) -> Result<u64, Error> {
        self.check_bulk("delete")?;
        let statement = delete_where(Row::descriptor(), &self.scoped()?.1, self.repository.manager.backend())?;
        let mutation = Mutation::of_many(Row::descriptor(), MutationKind::Delete, Vec::new());
        self.repository.bulk(unnamed(statement), mutation).await
    }

    /// Soft-deletes every row that fulfils the condition and is not soft-deleted yet, in one statement, and answers how many
    /// there were. Versions go up, as by [`update`](Self::update).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancellation
    /// As [`update`](Self::update).
    pub async fn soft_delete(self) -> Result<u64, Error>
    where
        Row: SoftDelete,
    {
        self.mark(Mark::Deleted).await
    }

    /// Restores every soft-deleted row that fulfils the condition, in one statement, and answers how many there were.
    /// Versions go up, as by [`update`](Self::update).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancellation
    /// As [`update`](Self::update).
    pub async fn restore(self) -> Result<u64, Error>
    where
        Row: SoftDelete,
    {
        self.mark(Mark::Restored).await
    }

    async fn mark(mut self, mark: Mark) -> Result<u64, Error> {
        let table = Row::descriptor();
        self.check_bulk(mark.verb())?;
        // Deleted rows keep the stamp they have, and living ones are not restored.
        self.repository = self.repository.with_deleted();
        let (scope, condition) = self.scoped()?;
        let deleted_at = table.deleted_at().map(|at| table.columns[at].name.clone()).unwrap_or_default();
        let condition = condition.and(Condition::Null { column: deleted_at, negated: mark == Mark::Restored });
        let statement = mark_where(table, mark.into(), &condition, &scope, self.repository.manager.backend())?;
        let kind = match mark {
            Mark::Deleted => MutationKind::SoftDelete,
            Mark::Restored => MutationKind::Restore,
        };
        self.repository.bulk(unnamed(statement), Mutation::of_many(table, kind, Vec::new())).await
    }

    /// A query for views of the rows that this one finds.
    pub fn project<View: Projection<Row = Row>>(self) -> ProjectionQuery<View> {
        let lock =
            self.lock.map(|_| "a view is read without a lock; leave it out, or lock the rows by their repository");
        let condition = match lock {
            Some(problem) => Condition::Invalid(problem.to_owned()),
            None => self.condition,
        };
        let mut query = ProjectionQuery::new(self.repository);
        (query.condition, query.order) = (condition, self.order);
        (query.limit, query.offset) = (self.limit, self.offset);
        (query.requested, query.page_limit) = (self.requested, self.page_limit);
        query
    }

    /// Whether neither a limit nor a lock is asked for.
    pub(super) fn is_whole(&self) -> bool {
        self.limit.is_none() && self.offset.is_none() && self.lock.is_none()
    }

    fn check_bulk(&self, verb: &str) -> Result<(), Error> {
        if self.order.is_empty() && self.is_whole() {
            return Ok(());
        }
        let table = Row::descriptor().name;
        let message = format!("{verb} `{table}` by a query with an order, a limit or a lock: leave them out");
        Err(Error::new(ErrorKind::InvalidQuery, message).with_table(table))
    }
}

/// Conditions come in any number of shapes, so that their texts are not worth a place in the statement cache.
pub(crate) fn unnamed(statement: Statement) -> Statement {
    Statement { cached: false, ..statement }
}

pub(crate) fn unexpected(expected: &str, found: &Value) -> Error {
    Error::new(ErrorKind::Mapping, format!("read the result: expected {expected}, found {}", found.kind()))
}

impl<Row: Table + Mappable> QueryBuilder<Row> {
    /// Every aggregate found, in order.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) for a condition that cannot be written, else what the database says.
    ///
    /// # Cancellation
    /// Dropping the future has no effect on the scope, unless rows were to be locked.
    pub async fn all(self) -> Result<Vec<Row::Domain>, Error> {
        let repository = &self.repository;
        let session = repository.place();
        let statement = self.rows()?;
        let call = match (&session, self.lock) {
            (Some(session), Some(_)) => {
                session.check_writable()?;
                Call { statements: vec![statement], flush: true, writes: true, transaction: true }
            }
            (None, Some(_)) => return Err(super::find::lock_outside::<Row>()),
            (Some(session), None) => Call::query(session, vec![statement]),
            (None, None) => Call::by_key(statement),
        };
        let records = repository.read(session.as_ref(), call).await?;
        if self.lock.is_some()
            && let Some(session) = &session
        {
            repository.forget(session, &records);
        }
        records.into_iter().map(|record| repository.take_in(session.as_ref(), record)).collect()
    }

    /// The only aggregate found.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is none, [`is_invalid_query`](Error::is_invalid_query) if there are
    /// several, else as [`all`](Self::all).
    pub async fn one(self) -> Result<Row::Domain, Error> {
        let table = Row::descriptor();
        let limit = self.limit.map_or(2, |limit| limit.min(2));
        let mut found = self.limit(limit).all().await?;
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Error::new(
                ErrorKind::NotFound,
                format!("find one `{}` in `{}`: there is none", table.rust_name, table.name),
            )
            .with_table(table.name)),
            (Some(_), false) => Err(Error::new(
                ErrorKind::InvalidQuery,
                format!("find one `{}` in `{}`: there are several; use `first` or `all`", table.rust_name, table.name),
            )
            .with_table(table.name)),
        }
    }

    /// The first aggregate found, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn first(self) -> Result<Option<Row::Domain>, Error> {
        let limit = self.limit.map_or(1, |limit| limit.min(1));
        Ok(self.limit(limit).all().await?.pop())
    }
}

impl<Row: Table> std::fmt::Debug for QueryBuilder<Row> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryBuilder").field("table", &Row::descriptor().name).finish_non_exhaustive()
    }
}

//! Plain SQL on either backend.

use super::execute::Call;
use super::{Session, SessionManager};
use crate::backend::{Answer, Backend, Bind, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::schema::{RecordReader, Table};
use crate::sql::{control, first_word, placeholder};
use crate::value::{ColumnType, ColumnValue, Value, ValueError};

/// A statement of the caller's own, from [`Session::sql`] or [`SessionManager::sql`]. Values stand in it as `$1`, `$2`, … on
/// both backends.
///
/// Pending writes are sent ahead of it. Unless it is a `SELECT`, the session takes it for a write: rows that it knows are
/// read again when they are next asked for, and COMMIT is waited for.
///
/// What it sets on the connection ends with the transaction, and outside any scope with the statement: settings, also by
/// `set_config`, role, advisory locks, `LISTEN`, cursors and temporary tables on PostgreSQL; PRAGMAs, attached databases and
/// temporary tables on SQLite.
#[derive(Debug)]
#[must_use = "the statement is sent by one of its `fetch` methods or `execute`"]
pub struct PlainSql {
    manager: SessionManager,
    session: Option<Session>,
    sql: String,
    binds: Vec<Result<Bind, Error>>,
}

impl Session {
    /// Plain SQL in this transaction, with values as `$1`, `$2`, …
    ///
    /// ```no_run
    /// # async fn example(session: spakky_runtime::session::Session) -> Result<(), spakky_runtime::Error> {
    /// let (count,): (i64,) = session.sql("SELECT count(*) FROM orders WHERE status = $1").bind("paid").fetch_one().await?;
    /// # Ok(()) }
    /// ```
    pub fn sql(&self, sql: impl Into<String>) -> PlainSql {
        PlainSql::new(self.manager().clone(), Some(self.clone()), sql.into())
    }

    /// Runs statements without values, such as DDL, in this transaction.
    pub(crate) async fn control(&self, statements: Vec<String>) -> Result<(), Error> {
        let backend = self.manager().backend();
        let by_us = |sql: String| Statement { by_user: false, ..statement(backend, &sql, Vec::new()) };
        let statements = statements.into_iter().map(by_us);
        let call = Call { statements: statements.collect(), flush: true, writes: true, transaction: true };
        self.execute(call).await?;
        self.state().map.expire(self.depth, None);
        Ok(())
    }
}

fn statement(backend: Backend, sql: &str, binds: Vec<Bind>) -> Statement {
    let sql = match backend {
        Backend::Postgres => sql.into(),
        Backend::Sqlite => placeholder::numbered(sql).into(),
    };
    Statement { sql, binds, cached: false, guard: None, meaning: None, by_user: true }
}

impl PlainSql {
    pub(crate) fn new(manager: SessionManager, session: Option<Session>, sql: String) -> Self {
        PlainSql { manager, session, sql, binds: Vec::new() }
    }

    /// The next value: the first call gives `$1`. A statement takes as many values as it names: another number of them is
    /// [`is_invalid_query`](Error::is_invalid_query).
    pub fn bind(mut self, value: impl BindValue) -> Self {
        let number = self.binds.len() + 1;
        let (ty, value) = value.into_bind();
        let storable = |value: Value| self.manager.backend().check(&value).map(|()| value);
        self.binds.push(match value.and_then(storable) {
            Ok(value) => Ok(Bind { ty, value }),
            Err(error) => Err(Error::of_value(format!("bind value `${number}`"), error).with_given(true)),
        });
        self
    }

    /// Every row, as tuples or as rows of a table (then the statement has to select all of its columns in order).
    ///
    /// # Errors
    /// What the database says, or a value that is not of the type asked for.
    ///
    /// # Cancellation
    /// Dropping the future of a `SELECT` has no effect on the scope; of anything else it leaves it rollback-only.
    pub async fn fetch_all<T: FromRecord>(self) -> Result<Vec<T>, Error> {
        let writes = !self.is_select();
        self.run(writes).await?.rows.into_iter().map(T::from_record).collect()
    }

    /// The only row.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is none, [`is_invalid_query`](Error::is_invalid_query) if there are
    /// several, else as [`fetch_all`](Self::fetch_all).
    pub async fn fetch_one<T: FromRecord>(self) -> Result<T, Error> {
        self.fetch_optional()
            .await?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "fetch one row: the statement returned none"))
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    /// [`is_invalid_query`](Error::is_invalid_query) if there are several, else as [`fetch_all`](Self::fetch_all).
    pub async fn fetch_optional<T: FromRecord>(self) -> Result<Option<T>, Error> {
        let mut rows = self.fetch_all::<T>().await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            count => Err(Error::new(
                ErrorKind::InvalidQuery,
                format!("fetch one row: the statement returned {count}; add a condition, or use `fetch_all`"),
            )),
        }
    }

    /// Runs the statement and answers how many rows it wrote.
    ///
    /// # Errors
    /// What the database says.
    ///
    /// # Cancellation
    /// Dropping the future leaves the scope rollback-only.
    pub async fn execute(self) -> Result<u64, Error> {
        Ok(self.run(true).await?.affected)
    }

    /// Whether the statement only reads, as far as its first word tells.
    fn is_select(&self) -> bool {
        let word = first_word(&self.sql, self.manager.backend().into()).to_ascii_lowercase();
        ["select", "values", "show", "pragma"].contains(&word.as_str())
    }

    /// Refuses what no database takes, and what would end the scope's transaction behind its back, or leave one open on a
    /// pooled connection.
    fn check(&self) -> Result<(), Error> {
        if self.sql.contains('\0') {
            let message = "run plain SQL: the statement holds a NUL character, which no database takes; remove it";
            return Err(Error::new(ErrorKind::InvalidQuery, message));
        }
        match control::controls(&self.sql, self.manager.backend().into()).first() {
            Some(control) => Err(Error::new(
                ErrorKind::InvalidQuery,
                format!(
                    "run `{}` as plain SQL: a scope begins and ends its transaction itself; use `transaction(..)`, \
                     `nested`, or `set_rollback_only`",
                    control.word()
                ),
            )),
            None => Ok(()),
        }
    }

    async fn run(self, writes: bool) -> Result<Answer, Error> {
        self.check()?;
        placeholder::check_count(&self.sql, self.binds.len(), self.manager.backend())?;
        let binds = self.binds.into_iter().collect::<Result<Vec<_>, _>>()?;
        let statement = statement(self.manager.backend(), &self.sql, binds);
        let Some(session) = self.session.or_else(|| self.manager.find_current()) else {
            return run_alone(&self.manager, statement, writes).await;
        };
        if writes {
            session.check_writable()?;
        }
        let call = Call { statements: vec![statement], flush: true, writes, transaction: writes };
        let mut answers = session.execute(call).await?;
        session.touch();
        if writes {
            session.state().map.expire(session.depth, None);
        }
        Ok(answers.pop().unwrap_or_default())
    }
}

/// Outside any scope: the statement is its own transaction.
async fn run_alone(manager: &SessionManager, statement: Statement, writes: bool) -> Result<Answer, Error> {
    let step = Step::Statement(statement);
    if writes {
        return manager.write_alone(step, None, None).await;
    }
    Ok(manager.run_alone(vec![step]).await?.pop().unwrap_or_default())
}

/// What [`PlainSql::bind`] takes: a value of any type that a column can have, `&str` and `&[u8]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound in plain SQL",
    label = "not a value of a column",
    note = "derive `ColumnValue` for `{Self}`, or bind a value of a column's type"
)]
pub trait BindValue {
    /// The type and the value, unless it cannot be stored.
    #[doc(hidden)]
    fn into_bind(self) -> (ColumnType, Result<Value, ValueError>);
}

impl<T: ColumnValue> BindValue for T {
    fn into_bind(self) -> (ColumnType, Result<Value, ValueError>) {
        (T::TYPE, self.to_value())
    }
}

macro_rules! borrowed {
    ($($borrowed:ty => $owned:ty, $from:expr;)+) => {$(
        impl BindValue for &$borrowed {
            fn into_bind(self) -> (ColumnType, Result<Value, ValueError>) {
                $from(self).into_bind()
            }
        }

        impl BindValue for Option<&$borrowed> {
            fn into_bind(self) -> (ColumnType, Result<Value, ValueError>) {
                self.map($from).into_bind()
            }
        }
    )+};
}

borrowed! {
    str => String, str::to_owned;
    [u8] => Vec<u8>, <[u8]>::to_vec;
}

/// A type that a result row can be read into.
#[diagnostic::on_unimplemented(
    message = "a result row cannot be read into `{Self}`",
    label = "neither a tuple of column types nor a table row",
    note = "use a tuple, also for one column: `(i64,)`; or a type that derives `Table`"
)]
pub trait FromRecord: Sized {
    /// Reads the row.
    ///
    /// # Errors
    /// When the number of columns or the type of one does not fit.
    fn from_record(record: Vec<Value>) -> Result<Self, Error>;
}

impl<Row: Table> FromRecord for Row {
    fn from_record(record: Vec<Value>) -> Result<Self, Error> {
        let table = Row::descriptor();
        check_width(record.len(), table.columns.len(), table.rust_name)?;
        Row::decode(&mut RecordReader::new(table, record.into()))
    }
}

fn check_width(found: usize, expected: usize, what: &str) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Mapping, format!("read {found} columns into `{what}`, which has {expected}")))
}

fn read_column<T: ColumnValue>(position: usize, value: Value) -> Result<T, Error> {
    let advice = match value {
        // The error itself says what to do.
        Value::Null | Value::Native(_) | Value::Unreadable(_) => "",
        _ => "; cast it in the statement, or ask for another type",
    };
    T::from_value(value).map_err(|error| {
        let message = format!("read column {} of the result: {error}{advice}", position + 1);
        let made = Error::new(ErrorKind::Mapping, message);
        match error.into_detail() {
            Some(detail) => made.with_source(detail),
            None => made,
        }
    })
}

macro_rules! tuples {
    ($(($($name:ident $position:tt),+);)+) => {$(
        impl<$($name: ColumnValue),+> FromRecord for ($($name,)+) {
            fn from_record(record: Vec<Value>) -> Result<Self, Error> {
                const WIDTH: usize = [$($position),+].len();
                check_width(record.len(), WIDTH, "tuple")?;
                let mut values = record.into_iter();
                Ok(($(read_column::<$name>($position, values.next().unwrap_or(Value::Null))?,)+))
            }
        }
    )+};
}

tuples! {
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4, F 5);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}

//! Plain SQL on either backend.

use super::execute::Call;
use super::{Session, SessionManager, placeholder};
use crate::backend::{Answer, Backend, Bind, Statement, Step};
use crate::error::{Error, ErrorKind};
use crate::schema::{RecordReader, Table};
use crate::value::{ColumnValue, Value};

/// A statement of the caller's own, from [`Session::sql`]. Values stand in it as `$1`, `$2`, … on both backends.
///
/// Pending writes are sent ahead of it. Unless it is a `SELECT`, the session takes it for a write: rows that it knows are
/// read again when they are next asked for, and COMMIT is waited for.
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
    /// let (count,): (i64,) = session.sql("SELECT count(*) FROM orders WHERE status = $1").bind("paid".to_owned()).fetch_one().await?;
    /// # Ok(()) }
    /// ```
    pub fn sql(&self, sql: impl Into<String>) -> PlainSql {
        PlainSql::new(self.manager().clone(), Some(self.clone()), sql.into())
    }

    /// Runs statements without values, such as DDL, in this transaction.
    pub(crate) async fn control(&self, statements: Vec<String>) -> Result<(), Error> {
        let statements = statements.into_iter().map(|sql| statement(self.manager().backend(), &sql, Vec::new()));
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
    Statement { sql, binds, cached: false, guard: None, meaning: None }
}

impl PlainSql {
    pub(crate) fn new(manager: SessionManager, session: Option<Session>, sql: String) -> Self {
        PlainSql { manager, session, sql, binds: Vec::new() }
    }

    /// The next value: the first call gives `$1`. A statement takes as many values as it names: another number of them is
    /// [`is_invalid_query`](Error::is_invalid_query).
    pub fn bind<T: ColumnValue>(mut self, value: T) -> Self {
        let number = self.binds.len() + 1;
        let storable = |value: Value| self.manager.backend().check(&value).map(|()| value);
        self.binds.push(match value.to_value().and_then(storable) {
            Ok(value) => Ok(Bind { ty: T::TYPE, value }),
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
        let text = self.sql.trim_start();
        let word: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
        ["select", "values", "show", "pragma"].contains(&word.to_ascii_lowercase().as_str())
    }

    /// Refuses what would end the scope's transaction behind its back, or leave one open on a pooled connection.
    fn check_no_control(&self) -> Result<(), Error> {
        let mut words = self.sql.split_whitespace().map(|word| word.trim_end_matches(';').to_ascii_lowercase());
        let word = words.next().unwrap_or_default();
        let controls = match word.as_str() {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => true,
            "prepare" => words.next().as_deref() == Some("transaction"),
            _ => false,
        };
        if !controls {
            return Ok(());
        }
        let message = format!(
            "run `{}` as plain SQL: a scope begins and ends its transaction itself; use `transaction(..)`, `nested`, or \
             `set_rollback_only`",
            word.to_ascii_uppercase()
        );
        Err(Error::new(ErrorKind::InvalidQuery, message))
    }

    async fn run(self, writes: bool) -> Result<Answer, Error> {
        self.check_no_control()?;
        placeholder::check_count(&self.sql, self.binds.len())?;
        let binds = self.binds.into_iter().collect::<Result<Vec<_>, _>>()?;
        let statement = statement(self.manager.backend(), &self.sql, binds);
        let Some(session) = self.session else {
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

//! Making and dropping tables.

use tokio::runtime::Handle;
use tracing::Span;

use super::SessionManager;
use crate::backend::{Backend, Connection};
use crate::error::{Error, ErrorKind};
use crate::schema::default::{ADVICE, unreadable};
use crate::schema::{Constant, SchemaRegistry, TableDescriptor};
#[cfg(feature = "testing")]
use crate::session::check_runtime;
use crate::transaction::{TransactionOptions, Unstoppable, commit_token};
use crate::value::{ColumnType, ColumnValue, ScalarType, Value, ValueError};

impl SessionManager {
    /// Creates the tables of `registry` that do not exist yet, with all that belongs to them, in one transaction.
    ///
    /// # Errors
    /// [`is_schema`](Error::is_schema) if the tables do not fit together, else whatever the database says.
    pub async fn create_tables(&self, registry: &SchemaRegistry) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        if let Some(memory) = self.inner.pool.target().memory() {
            check_runtime()?;
            return memory.create_tables(registry).await;
        }
        let mut statements = registry.create_statements(self.backend())?;
        self.check_defaults(registry.tables()?).await?;
        if self.writes_commit_tokens() {
            statements.push(commit_token::CREATE.to_owned());
        }
        self.run_ddl(statements).await
    }

    /// Creates the table that [`commit_token`](crate::config::DatabaseConfig::commit_token) needs, if it is not there yet,
    /// where tables without a schema go. For programs whose tables are made by migrations;
    /// [`create_tables`](Self::create_tables) does it too where the setting is on. Does nothing on SQLite.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn create_commit_token_table(&self) -> Result<(), Error> {
        if self.backend() != Backend::Postgres {
            return Ok(());
        }
        self.run_ddl(vec![commit_token::CREATE.to_owned()]).await
    }

    /// Drops the tables of `registry`, as far as they exist, in one transaction.
    ///
    /// # Errors
    /// As [`create_tables`](Self::create_tables); a table outside the registry that refers to one in it stops it.
    pub async fn drop_tables(&self, registry: &SchemaRegistry) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        if let Some(memory) = self.inner.pool.target().memory() {
            check_runtime()?;
            return memory.drop_tables(registry).await;
        }
        self.run_ddl(registry.drop_statements(self.backend())?).await
    }

    /// Asks SQLite what the SQL of defaults gives, which it takes whatever it is when a table is made. PostgreSQL looks
    /// itself.
    ///
    /// # Errors
    /// [`is_schema`](Error::is_schema) for a default that fails, or that no row could be read with.
    pub(crate) async fn check_defaults(&self, tables: &[&'static TableDescriptor]) -> Result<(), Error> {
        if self.backend() != Backend::Sqlite {
            return Ok(());
        }
        let columns = tables.iter().flat_map(|table| table.columns.iter().map(move |column| (*table, column)));
        let unknown: Vec<_> = columns
            .filter_map(|(table, column)| {
                let default = column.default?;
                let known = matches!(default.constant(column.ty), Some(Ok(Constant::Value(_))));
                default.given_sql().filter(|_| !known).map(|sql| (table, column, default, sql))
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let transaction = self.begin_with(TransactionOptions::new().name("schema defaults"));
        for (table, column, default, sql) in unknown {
            let refused = |message: String| {
                Error::new(ErrorKind::Schema, message).with_table(table.name).with_columns(vec![column.name.clone()])
            };
            let given = transaction.session().sql(format!("SELECT ({sql})")).fetch_one::<(Given,)>().await;
            let (Given(value),) = given.map_err(|error| {
                if !matches!(error.kind(), ErrorKind::Database | ErrorKind::Schema | ErrorKind::Mapping) {
                    return error;
                }
                refused(format!(
                    "create table `{}`: SQLite cannot work out the default `{sql}` of column `{}`; {ADVICE}",
                    table.name, column.name
                ))
                .with_source(error)
            })?;
            let stored = column.ty.by_affinity(value);
            default.check(column, stored).map_err(|error| {
                refused(format!("create table `{}`: {}", table.name, unreadable(table, column, &error)))
            })?;
        }
        transaction.rollback().await;
        Ok(())
    }

    async fn run_ddl(&self, statements: Vec<String>) -> Result<(), Error> {
        let transaction = self.begin_with(TransactionOptions::new().name("schema"));
        transaction.session().control(statements).await?;
        transaction.commit().await?;
        self.forget_checked();
        self.look_again().await;
        Ok(())
    }

    /// DDL has run on this connection: types may have been made, and `spakky_raise` installed.
    pub(crate) async fn schema_changed(&self, connection: &Connection) {
        self.forget_checked();
        connection.refresh_types().await;
        self.inner.pool.target().find_raise(connection).await;
    }

    async fn look_again(&self) {
        if self.inner.backend == Backend::Postgres
            && let Ok(lease) = self.lease(true).await
        {
            let manager = self.clone();
            let refreshing = async move {
                manager.schema_changed(lease.connection()).await;
                lease.release();
            };
            Unstoppable::new(Handle::try_current().ok(), Span::none(), drop, refreshing).await;
        }
    }
}

/// Whatever the database gives.
struct Given(Value);

impl ColumnValue for Given {
    const TYPE: ColumnType = ColumnType::scalar(ScalarType::Text).nullable();

    fn to_value(&self) -> Result<Value, ValueError> {
        Ok(self.0.clone())
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(Given(value))
    }
}

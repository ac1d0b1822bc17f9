//! The databases' own connections, lent inside the transaction: the way to whatever the library does not offer.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::PostgresLoan;

use super::Session;
use super::execute::Call;
use crate::backend::Connection;
use crate::error::{Error, ErrorKind};

impl Session {
    /// Opens the transaction and sends what is pending, so that the lent connection sees it.
    async fn flush_before_lending(&self, connection: &Connection) -> Result<(), Error> {
        let writes = !self.inner.mode.read_only;
        let outgoing = self.assemble(Call { statements: Vec::new(), flush: true, writes, transaction: true })?;
        self.exchange(connection, outgoing).await?;
        self.state().ran_text = true;
        Ok(())
    }
}

fn other_backend(wanted: &str, method: &str) -> Error {
    let message = format!("lend the {wanted} connection: this database is another; `{method}` is for {wanted}");
    Error::new(ErrorKind::InvalidQuery, message)
}

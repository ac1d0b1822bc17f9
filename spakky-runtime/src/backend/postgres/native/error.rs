//! Errors between the server, diesel and the library.

use super::super::error;
use super::super::exchange::{End, Failure};
use super::super::server_error::ServerError;
use crate::error::{DatabaseError, ErrorKind};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// A failure as diesel tells it.
pub(super) fn to_diesel(failure: Failure) -> DieselError {
    match failure {
        Failure::Server(error) => from_server(error),
        Failure::Unsent(error) => DieselError::SerializationError(error.message.into()),
        Failure::Closed(end) | Failure::Ended(end) => match &*end {
            End::Server(error) => from_server(error.clone()),
            End::Line(message) => {
                DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(message.clone()))
            }
        },
        Failure::RolledBack => {
            let message = "the server answered COMMIT with ROLLBACK, since a statement before it had failed";
            DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
        }
    }
}

fn from_server(error: ServerError) -> DieselError {
    let kind = match &*error.code {
        "23505" => DatabaseErrorKind::UniqueViolation,
        "23503" => DatabaseErrorKind::ForeignKeyViolation,
        "23001" => DatabaseErrorKind::RestrictViolation,
        "23P01" => DatabaseErrorKind::ExclusionViolation,
        "23502" => DatabaseErrorKind::NotNullViolation,
        "23514" => DatabaseErrorKind::CheckViolation,
        "40001" => DatabaseErrorKind::SerializationFailure,
        "25006" => DatabaseErrorKind::ReadOnlyTransaction,
        _ if error.is_fatal() => DatabaseErrorKind::ClosedConnection,
        _ => DatabaseErrorKind::Unknown,
    };
    DieselError::DatabaseError(kind, Box::new(Answer(error)))
}

/// Diesel's error as the library tells it; `sqlstate` is what diesel does not pass on.
pub(super) fn classify(error: DieselError, sqlstate: Option<String>) -> DatabaseError {
    let DieselError::DatabaseError(kind, information) = error else {
        let kind = match &error {
            DieselError::NotFound => ErrorKind::NotFound,
            DieselError::SerializationError(_) | DieselError::DeserializationError(_) => ErrorKind::Mapping,
            _ => ErrorKind::Database,
        };
        let mut made = DatabaseError::new(kind, "", error.to_string());
        made.source = Some(Box::new(error));
        return made;
    };
    let code = sqlstate.unwrap_or_default();
    let (classified, retryable) = match kind {
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => (ErrorKind::Connection, true),
        _ => error::classify(&code),
    };
    let mut made = DatabaseError::new(classified, code, information.message());
    made.retryable = retryable;
    made.table = information.table_name().map(str::to_owned);
    made.constraint = information.constraint_name().map(str::to_owned);
    made.columns = information.column_name().map(str::to_owned).into_iter().collect();
    made.source = Some(Box::new(DieselError::DatabaseError(kind, information)));
    made
}

/// What the server said.
struct Answer(ServerError);

impl DatabaseErrorInformation for Answer {
    fn message(&self) -> &str {
        &self.0.message
    }

    fn details(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    fn table_name(&self) -> Option<&str> {
        self.0.table.as_deref()
    }

    fn column_name(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    fn constraint_name(&self) -> Option<&str> {
        self.0.constraint.as_deref()
    }

    fn statement_position(&self) -> Option<i32> {
        self.0.position
    }
}

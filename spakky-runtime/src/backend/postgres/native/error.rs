//! Errors between the driver, diesel and the library.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use super::super::core::Core;
use super::super::error;
use crate::error::{DatabaseError, ErrorKind};

/// The driver's error as diesel tells it.
pub(super) fn to_diesel(core: &Core, error: tokio_postgres::Error) -> DieselError {
    let Some(answer) = error.as_db_error().cloned() else {
        if let Some(cause) = std::error::Error::source(&error).filter(|_| core.is_usable() && !error.is_closed()) {
            return DieselError::SerializationError(cause.to_string().into());
        }
        let error = core.failure(error);
        return DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(error.message));
    };
    let kind = match *answer.code() {
        SqlState::UNIQUE_VIOLATION => DatabaseErrorKind::UniqueViolation,
        SqlState::FOREIGN_KEY_VIOLATION => DatabaseErrorKind::ForeignKeyViolation,
        SqlState::RESTRICT_VIOLATION => DatabaseErrorKind::RestrictViolation,
        SqlState::EXCLUSION_VIOLATION => DatabaseErrorKind::ExclusionViolation,
        SqlState::NOT_NULL_VIOLATION => DatabaseErrorKind::NotNullViolation,
        SqlState::CHECK_VIOLATION => DatabaseErrorKind::CheckViolation,
        SqlState::T_R_SERIALIZATION_FAILURE => DatabaseErrorKind::SerializationFailure,
        SqlState::READ_ONLY_SQL_TRANSACTION => DatabaseErrorKind::ReadOnlyTransaction,
        _ if error::is_fatal(&error) => DatabaseErrorKind::ClosedConnection,
        _ => DatabaseErrorKind::Unknown,
    };
    // Notes a connection that is gone.
    core.failure(error);
    DieselError::DatabaseError(kind, Box::new(Answer(answer)))
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
struct Answer(DbError);

impl DatabaseErrorInformation for Answer {
    fn message(&self) -> &str {
        self.0.message()
    }

    fn details(&self) -> Option<&str> {
        self.0.detail()
    }

    fn hint(&self) -> Option<&str> {
        self.0.hint()
    }

    fn table_name(&self) -> Option<&str> {
        self.0.table()
    }

    fn column_name(&self) -> Option<&str> {
        self.0.column()
    }

    fn constraint_name(&self) -> Option<&str> {
        self.0.constraint()
    }

    fn statement_position(&self) -> Option<i32> {
        match self.0.position()? {
            ErrorPosition::Original(position) | ErrorPosition::Internal { position, .. } => {
                i32::try_from(*position).ok()
            }
        }
    }
}

//! The driver's errors in the library's terms, by SQLSTATE and never by the words of a message.

use std::io;

use tokio_postgres::error::{DbError, Severity};

use super::negotiate::NoTls;
use crate::error::{DatabaseError, ErrorKind};
use crate::schema::raise;

/// A setting is missing or wrong; `message` goes on from "failed to".
pub(super) fn config_error(message: impl Into<String>) -> DatabaseError {
    DatabaseError::new(ErrorKind::Config, "", message)
}

pub(super) fn mapping_error(message: impl Into<String>) -> DatabaseError {
    DatabaseError::new(ErrorKind::Mapping, "", message)
}

/// The line is gone; `message` says what is known.
pub(super) fn connection_error(message: impl Into<String>) -> DatabaseError {
    let mut error = DatabaseError::new(ErrorKind::Connection, "", message);
    error.retryable = true;
    error
}

/// Whether the connection cannot be used after this error.
pub(super) fn is_fatal(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(error) => matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
        None => true,
    }
}

/// The driver's error, classified.
pub(super) fn from_driver(error: tokio_postgres::Error) -> DatabaseError {
    let Some(answer) = error.as_db_error() else {
        let mut made = match is_misconfigured(&error) {
            true => config_error(missing_setting(&error)),
            false => connection_error(error.to_string()),
        };
        made.retryable &= !is_tls_refusal(&error);
        made.source = Some(Box::new(error));
        return made;
    };
    let code = answer.code().code();
    let (kind, retryable) = classify(code);
    let mut made = DatabaseError::new(kind, code, answer.message());
    made.retryable = retryable;
    made.table = answer.table().map(str::to_owned).or_else(|| missing_table(answer));
    made.constraint = answer.constraint().map(str::to_owned);
    made.columns = columns(answer);
    made.source = Some(Box::new(error));
    made
}

/// Whether the driver finds its settings wanting, which it tells by nothing but its first words.
fn is_misconfigured(error: &tokio_postgres::Error) -> bool {
    error.to_string().starts_with("invalid configuration")
}

/// What the driver finds wanting in its settings.
fn missing_setting(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error).map(ToString::to_string) {
        Some(reason) if reason == "password missing" => {
            "sign in to the server: it asks for a password, and the settings have none; write it into `url` \
             (`postgres://user:password@host/database`) or set `credentials`"
                .to_owned()
        }
        reason => format!("connect to the server: the settings do not fit: {}", reason.unwrap_or_default()),
    }
}

/// Whether one side will not have the other's encryption, which trying again does not change.
fn is_tls_refusal(error: &tokio_postgres::Error) -> bool {
    let chain = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let by_rustls = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    chain.into_iter().any(|error| error.is::<NoTls>() || error.downcast_ref::<io::Error>().is_some_and(by_rustls))
}

/// What kind of failure a SQLSTATE is, and whether running the transaction again may succeed.
pub(super) fn classify(code: &str) -> (ErrorKind, bool) {
    let kind = match code {
        "23505" | "23P01" => ErrorKind::UniqueViolation,
        "23503" | "23001" => ErrorKind::ForeignKeyViolation,
        "23502" => ErrorKind::NotNullViolation,
        "23514" | "44000" => ErrorKind::CheckViolation,
        "40001" => ErrorKind::SerializationFailure,
        "40P01" => ErrorKind::Deadlock,
        "55P03" => ErrorKind::LockTimeout,
        // Cancelled, and the time limits of the server for what is idle or long in a transaction.
        "57014" | "25P03" | "25P04" => ErrorKind::Timeout,
        "25006" => ErrorKind::ReadOnly,
        "25P02" => ErrorKind::RollbackOnly,
        // A table, column, type, function, schema that is not there, or a value of another type than its column.
        "42P01" | "42703" | "42704" | "42883" | "3F000" | "42804" => ErrorKind::Schema,
        // Wrong user or password, no such database: as unreachable as a host that is down, but for good.
        "28000" | "28P01" | "3D000" => return (ErrorKind::Connection, false),
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => return (ErrorKind::Connection, true),
        raise::SQLSTATE => ErrorKind::Conflict,
        // A division by zero; a bind that does not fit its statement.
        "22012" | "08P01" => ErrorKind::Database,
        _ => match code.get(..2) {
            Some("08") => return (ErrorKind::Connection, true),
            Some("22") => ErrorKind::Mapping,
            Some("53") => ErrorKind::ResourceExhausted,
            _ => ErrorKind::Database,
        },
    };
    (kind, matches!(kind, ErrorKind::SerializationFailure | ErrorKind::Deadlock | ErrorKind::LockTimeout))
}

/// The table that is not there, which the server names in its message only: `relation "orders" does not exist`.
fn missing_table(error: &DbError) -> Option<String> {
    let names = (error.code().code() == "42P01").then(|| error.message())?;
    names.split('"').nth(1).map(str::to_owned)
}

/// The columns concerned. A unique violation names them only in its detail, `Key (a, b)=(1, 2) already exists`.
fn columns(error: &DbError) -> Vec<String> {
    if let Some(column) = error.column() {
        return vec![column.to_owned()];
    }
    if !matches!(error.code().code(), "23505" | "23503" | "23P01") {
        return Vec::new();
    }
    let list = error
        .detail()
        .and_then(|detail| detail.split_once('('))
        .and_then(|(_, rest)| rest.split_once(")=("))
        .map_or("", |(list, _)| list);
    list.split(", ").filter(|name| !name.is_empty()).map(|name| name.trim_matches('"').to_owned()).collect()
}

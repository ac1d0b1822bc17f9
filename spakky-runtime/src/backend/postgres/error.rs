//! The server's errors in the library's terms, by SQLSTATE and never by the words of a message.

use super::server_error::ServerError;
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

/// The server's error, classified.
pub(super) fn from_server(answer: ServerError) -> DatabaseError {
    let (kind, retryable) = match answer.is_fatal() {
        true => classify_end(&answer),
        false => classify(&answer.code),
    };
    let message = match kind {
        ErrorKind::Config => config_advice(&answer.message),
        _ => answer.message.clone(),
    };
    let mut made = DatabaseError::new(kind, answer.code.clone(), message);
    made.retryable = retryable;
    made.table = answer.table.clone().or_else(|| missing_table(&answer));
    made.constraint = answer.constraint.clone();
    made.columns = columns(&answer);
    made.source = Some(Box::new(answer));
    made
}

/// What kind of failure ends a connection. On another one it may go well, unless the server will not have us at all.
fn classify_end(answer: &ServerError) -> (ErrorKind, bool) {
    let is_refusal = matches!(&*answer.code, "28000" | "28P01" | "3D000");
    match classify(&answer.code).0 {
        _ if answer.code == "08P01" => classify_pooler(&answer.message),
        ErrorKind::Database => (ErrorKind::Connection, true),
        kind => (kind, !is_refusal),
    }
}

/// What a pooler means that ends a connection. PgBouncer has one code for all of it, so that nothing but its words (of 1.18.0 to
/// 1.25.2, which are in no language but English) tells one from another.
fn classify_pooler(message: &str) -> (ErrorKind, bool) {
    let says = |words: &str| message.contains(words);
    if says("query_wait_timeout") {
        (ErrorKind::PoolTimeout, true)
    } else if says("query_timeout")
        || says("query timeout")
        || says("idle_transaction_timeout")
        || says("idle transaction timeout")
    {
        (ErrorKind::Timeout, true)
    } else if says("unsupported startup parameter") || says("not allowed in statement pooling mode") {
        (ErrorKind::Config, false)
    } else {
        (ErrorKind::Connection, true)
    }
}

/// What to do about a setting that a pooler refuses.
fn config_advice(message: &str) -> String {
    match message.contains("startup parameter") {
        true => format!(
            "sign in by way of the pooler: it refuses settings of the connection ({message}); set `pooler` to say which one it is, \
             so that they travel with each transaction"
        ),
        false => format!(
            "use a pooler that shares a connection after each statement ({message}); set it to transaction mode"
        ),
    }
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
            // Too many connections: one of them may end.
            Some("53") if code == "53300" => return (ErrorKind::ResourceExhausted, true),
            Some("53") => ErrorKind::ResourceExhausted,
            _ => ErrorKind::Database,
        },
    };
    (kind, matches!(kind, ErrorKind::SerializationFailure | ErrorKind::Deadlock | ErrorKind::LockTimeout))
}

/// The table that is not there, which the server names in its message only: `relation "orders" does not exist`.
fn missing_table(error: &ServerError) -> Option<String> {
    let names = (error.code == "42P01").then_some(&error.message)?;
    names.split('"').nth(1).map(str::to_owned)
}

/// The columns concerned. A unique violation names them only in its detail, `Key (a, b)=(1, 2) already exists`.
fn columns(error: &ServerError) -> Vec<String> {
    if let Some(column) = &error.column {
        return vec![column.clone()];
    }
    if !matches!(&*error.code, "23505" | "23503" | "23P01") {
        return Vec::new();
    }
    let list = error
        .detail
        .as_deref()
        .and_then(|detail| detail.split_once('('))
        .and_then(|(_, rest)| rest.split_once(")=("))
        .map_or("", |(list, _)| list);
    list.split(", ").filter(|name| !name.is_empty()).map(|name| name.trim_matches('"').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fatal(code: &str, message: &str) -> DatabaseError {
        from_server(ServerError {
            severity: "FATAL".into(),
            code: code.into(),
            message: message.into(),
            ..ServerError::default()
        })
    }

    #[test]
    fn what_a_pooler_ends_a_connection_for_is_told_by_what_it_means() {
        // The words of PgBouncer 1.18.0 and 1.25.2.
        for (message, kind, retryable) in [
            ("server login has been failing, try again later (server_login_retry)", ErrorKind::Connection, true),
            ("server conn crashed?", ErrorKind::Connection, true),
            ("query_wait_timeout", ErrorKind::PoolTimeout, true),
            ("query_timeout", ErrorKind::Timeout, true),
            ("idle transaction timeout", ErrorKind::Timeout, true),
            ("unsupported startup parameter: options", ErrorKind::Config, false),
            ("transaction blocks not allowed in statement pooling mode", ErrorKind::Config, false),
        ] {
            let made = fatal("08P01", message);
            assert_eq!((made.kind, made.retryable), (kind, retryable), "{message}");
        }
        assert!(fatal("08P01", "unsupported startup parameter: options").message.contains("set `pooler`"));
    }

    #[test]
    fn what_ends_a_connection_has_the_kind_of_its_code_and_may_be_tried_again() {
        for (code, kind, retryable) in [
            ("57P01", ErrorKind::Connection, true),
            ("25P03", ErrorKind::Timeout, true),
            ("25P04", ErrorKind::Timeout, true),
            ("40001", ErrorKind::SerializationFailure, true),
            ("53300", ErrorKind::ResourceExhausted, true),
            ("XX000", ErrorKind::Connection, true),
            ("28P01", ErrorKind::Connection, false),
            ("3D000", ErrorKind::Connection, false),
        ] {
            let made = fatal(code, "the end");
            assert_eq!((made.kind, made.retryable), (kind, retryable), "{code}");
        }
    }
}

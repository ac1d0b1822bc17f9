//! The server's errors in the library's terms.

use std::time::Duration;

use super::support::*;
use crate::backend::postgres::{PostgresConnection, PostgresOptions};
use crate::config::SslMode;
use crate::error::{DatabaseError, ErrorKind};

async fn refused(connection: &PostgresConnection, sql: &str) -> DatabaseError {
    failure(connection, vec![query(sql)]).await.error
}

#[tokio::test]
async fn violations_name_their_constraint() {
    let database = TestDatabase::create().await;
    database
        .run(
            "CREATE TABLE a (id int8 CONSTRAINT pk_a PRIMARY KEY, x int4 NOT NULL CONSTRAINT ck_x CHECK (x > 0), y int4, \
             CONSTRAINT uq_a_x_y UNIQUE (x, y)); \
             CREATE TABLE b (a_id int8 CONSTRAINT fk_b REFERENCES a); INSERT INTO a VALUES (1, 1, 1)",
        )
        .await;
    let connection = database.connect().await;

    let error = refused(&connection, "INSERT INTO a VALUES (2, 1, 1)").await;
    assert_eq!(error.kind, ErrorKind::UniqueViolation);
    assert_eq!(error.table.as_deref(), Some("a"));
    assert_eq!(error.constraint.as_deref(), Some("uq_a_x_y"));
    assert_eq!(error.columns, ["x", "y"]);

    let error = refused(&connection, "INSERT INTO b VALUES (9)").await;
    assert_eq!(error.kind, ErrorKind::ForeignKeyViolation);
    assert_eq!((error.table.as_deref(), error.constraint.as_deref()), (Some("b"), Some("fk_b")));
    assert_eq!(error.columns, ["a_id"]);

    let error = refused(&connection, "INSERT INTO a VALUES (3, NULL)").await;
    assert_eq!((error.kind, error.columns), (ErrorKind::NotNullViolation, vec!["x".to_owned()]));

    let error = refused(&connection, "INSERT INTO a VALUES (3, -1)").await;
    assert_eq!((error.kind, error.constraint.as_deref()), (ErrorKind::CheckViolation, Some("ck_x")));
}

#[tokio::test]
async fn what_the_server_refuses_is_told_apart_by_its_code() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    for (sql, kind, retryable) in [
        ("SELECT * FROM nowhere", ErrorKind::Schema, false),
        ("SELECT nothing", ErrorKind::Schema, false),
        ("SELECT nothing()", ErrorKind::Schema, false),
        ("SELECT 1::nothing", ErrorKind::Schema, false),
        ("SELEC 1", ErrorKind::Database, false),
        ("SELECT 'x'::int", ErrorKind::Mapping, false),
        ("SELECT 1 / 0", ErrorKind::Database, false),
        ("DO $$ BEGIN RAISE EXCEPTION 'row 7' USING ERRCODE = 'SPK01'; END $$", ErrorKind::Conflict, false),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$", ErrorKind::SerializationFailure, true),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$", ErrorKind::Deadlock, true),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '55P03'; END $$", ErrorKind::LockTimeout, true),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '53100'; END $$", ErrorKind::ResourceExhausted, false),
        ("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '23P01'; END $$", ErrorKind::UniqueViolation, false),
    ] {
        let error = refused(&connection, sql).await;
        assert_eq!((error.kind, error.retryable), (kind, retryable), "{sql}: {error}");
    }
    assert!(connection.is_usable());
}

#[tokio::test]
async fn an_unreachable_server_is_a_connection_error_without_the_password() {
    let options = PostgresOptions::from_url("postgres://me:secret@127.0.0.1:1/x", None).unwrap();
    assert!(!format!("{options:?}").contains("secret"));
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection);
    assert!(error.retryable);
    assert!(!format!("{error} {error:?}").contains("secret"));

    for (url, message) in [
        ("postgres://me:secret@[", "read the database URL: its `host` has a value it cannot have"),
        ("postgres://me:secret/x", "read the database URL: its `port` has a value it cannot have"),
        (
            "host=h password=my secret",
            "read the database URL; its form is `postgres://user:password@host:port/database`",
        ),
    ] {
        let error = PostgresOptions::from_url(url, None).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Config, message));
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn a_missing_database_is_no_passing_failure() {
    let mut url = server_url();
    url.push_str("_that_is_not_there");
    let options = PostgresOptions::from_url(&url, None).unwrap();
    let error = PostgresConnection::connect(&options).await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Connection, false));
}

#[test]
fn times_of_the_url_are_in_the_units_of_libpq() {
    let url = "postgres://h/d?tcp_user_timeout=1500&connect_timeout=7";
    let options = PostgresOptions::from_url(url, Some(SslMode::Disable)).unwrap();
    assert_eq!(options.opening().unwrap().user_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(options.connect_timeout, Duration::from_secs(7));
}

#[test]
fn the_certificates_of_the_system_are_trusted_for_the_servers_name_alone() {
    let open = |query: &str| {
        let options = PostgresOptions::from_url(&format!("postgres://h/d?{query}"), None).unwrap();
        options.opening().map(|opening| opening.mode).map_err(|error| error.message)
    };
    assert_eq!(open("sslrootcert=system"), Ok(SslMode::VerifyFull));
    assert_eq!(open("sslrootcert=system&sslmode=verify-full"), Ok(SslMode::VerifyFull));
    for mode in ["disable", "prefer", "require", "verify-ca"] {
        let told = format!(
            "connect to the server: `sslrootcert` = `system` needs `sslmode` = `verify-full`: with `{mode}`, a server of \
             whatever name would be trusted"
        );
        assert_eq!(open(&format!("sslrootcert=system&sslmode={mode}")), Err(told));
    }
}

#[test]
fn the_ssl_mode_of_the_options_wins_over_the_urls() {
    let mode = |url: &str, mode| PostgresOptions::from_url(url, mode).map(|options| options.ssl_mode).unwrap();
    assert_eq!(mode("postgres://h/d", None), SslMode::Prefer);
    assert_eq!(mode("postgres://h/d?sslmode=verify-full&sslrootcert=%2Fa%20b", None), SslMode::VerifyFull);
    assert_eq!(mode("postgres://h/d?sslmode=require", Some(SslMode::Disable)), SslMode::Disable);
    assert_eq!(mode("host=h dbname=d sslmode=require", None), SslMode::Require);
    let error = PostgresOptions::from_url("postgres://h/d?sslmode=allow", None).unwrap_err();
    assert_eq!(
        error.message,
        "use sslmode `allow`; it is one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`"
    );
    // All up to the last `@` may be meant as a password.
    let error = PostgresOptions::from_url("postgres://u:p@ss?sslnegotiation=word@h/d", None).unwrap_err();
    assert_eq!(error.message, "read the database URL: its `sslnegotiation` is none of `postgres`, `direct`");
}

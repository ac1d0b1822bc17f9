//! The spans of migrations.

use std::time::Duration;

use spakky::Backend;
use spakky::prelude::*;

use super::capture::Capture;
use crate::migration::folder::Folder;
use crate::support::{Cancelled, cancel_after, eventually};

/// Two migrations, the second of which fails where it is run twice.
fn two() -> Folder {
    let folder = Folder::new();
    folder
        .file("2026-01-01-000000_make", "up.sql", "CREATE TABLE runs (step INTEGER PRIMARY KEY);")
        .file("2026-01-01-000000_make", "down.sql", "DROP TABLE runs;")
        .file("2026-01-02-000000_fill", "up.sql", "INSERT INTO runs VALUES (2);")
        .file("2026-01-02-000000_fill", "down.sql", "INSERT INTO runs VALUES (2);");
    folder
}

fn told(capture: &Capture) -> Vec<[String; 3]> {
    let spans = capture.spans("spakky.migration");
    assert!(spans.iter().all(|span| span.is_closed));
    spans.iter().map(|span| ["otel.name", "version", "outcome"].map(|name| span.fields[name].clone())).collect()
}

#[spakky::test]
async fn each_migration_that_runs_is_a_span(sessions: SessionManager) {
    let folder = two();
    let capture = Capture::begin();
    folder.migrator().up(&sessions).await.unwrap();
    let made = ["migrate up 2026-01-01-000000_make", "20260101000000", "done"];
    let filled = ["migrate up 2026-01-02-000000_fill", "20260102000000", "done"];
    assert_eq!(told(&capture), [made, filled]);
    let span = &capture.spans("spakky.migration")[0];
    let system = if sessions.backend() == Backend::Postgres { "postgresql" } else { "sqlite" };
    let named = ["otel.kind", "db.system.name", "name", "direction"].map(|name| span.fields[name].as_str());
    assert_eq!(named, ["internal", system, "2026-01-01-000000_make", "up"]);
    // On PostgreSQL the lock is one for all, on SQLite one for each transaction, of which the first makes the table of notes.
    let waits = capture.spans("spakky.migration_wait");
    let given = if sessions.backend() == Backend::Postgres { 1 } else { 3 };
    assert_eq!(waits.iter().filter(|wait| wait.fields["outcome"] == "given").count(), given);
    assert_eq!(waits.len(), given);

    // What has run is none.
    let capture = Capture::begin();
    folder.migrator().up(&sessions).await.unwrap();
    assert_eq!(told(&capture), Vec::<[String; 3]>::new());
}

#[spakky::test]
async fn a_migration_that_fails_tells_the_code(sessions: SessionManager) {
    let folder = two();
    folder.migrator().up(&sessions).await.unwrap();
    let capture = Capture::begin();
    let error = folder.migrator().down(&sessions, 2).await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!(told(&capture), [["migrate down 2026-01-02-000000_fill", "20260102000000", "failed"]]);
    let span = &capture.spans("spakky.migration")[0];
    let code = if sessions.backend() == Backend::Postgres { "23505" } else { "1555" };
    let named = ["otel.status_code", "db.response.status_code"].map(|name| span.fields[name].as_str());
    assert_eq!(named, ["ERROR", code]);
}

#[spakky::test]
async fn spans_of_migrations_end_wherever_the_future_is_dropped(sessions: SessionManager) {
    let folder = two();
    for polls in 1..1_000 {
        let capture = Capture::begin();
        let completed = matches!(cancel_after(polls, false, folder.migrator().up(&sessions)).await, Cancelled::No(_));
        let waits = capture.spans("spakky.migration_wait");
        assert!(waits.iter().all(|wait| wait.is_closed), "{polls}: {waits:?}");
        let outcomes: Vec<_> = told(&capture).into_iter().map(|[.., outcome]| outcome).collect();
        assert!(outcomes.iter().all(|outcome| ["done", "abandoned"].contains(&&**outcome)), "{polls}: {outcomes:?}");
        let at_rest = async || sessions.status().in_use == 0;
        eventually("the connection is back", Duration::from_secs(60), at_rest).await;
        if completed {
            return;
        }
    }
    panic!("it never completed");
}

//! A database against a registry.

use super::rows::farm;
use crate::support::{Database, on_each_backend};

on_each_backend![
    right_after_create_tables_there_is_no_difference,
    a_migration_on_an_empty_database_is_what_create_tables_would_run,
    after_the_migration_there_is_no_difference,
];

/// Runs statements one by one, as a migration does.
pub(crate) async fn run(database: &Database, sql: &str) {
    let folder = tempfile::tempdir().unwrap();
    let migration = folder.path().join("2000-01-01-000000_test");
    std::fs::create_dir(&migration).unwrap();
    std::fs::write(migration.join("up.sql"), sql).unwrap();
    if sql.contains("PRAGMA foreign_keys") {
        std::fs::write(migration.join("metadata.toml"), "run_in_transaction = false").unwrap();
    }
    let migrator = spakky::migrations::Migrator::from_dir(folder.path()).unwrap();
    let result = migrator.up(&database.sessions).await;
    result.unwrap_or_else(|error| panic!("{error}: {:?}\n{sql}", std::error::Error::source(&error)));
    database.execute("DELETE FROM __diesel_schema_migrations").await;
}

async fn right_after_create_tables_there_is_no_difference(database: Database) {
    database.sessions.create_tables(&farm()).await.unwrap();
    let diff = farm().diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "the database fits the tables of the program\n");
    assert!(diff.is_empty() && diff.steps().is_empty());
    assert_eq!((diff.up_sql(), diff.down_sql()), (String::new(), String::new()));
}

async fn a_migration_on_an_empty_database_is_what_create_tables_would_run(database: Database) {
    let diff = farm().diff(&database.sessions).await.unwrap();
    let without_comments: Vec<_> =
        diff.up_sql().lines().filter(|line| !line.starts_with("--") && !line.is_empty()).map(str::to_owned).collect();
    let ddl = farm().ddl(database.backend()).unwrap();
    // `create_tables` of the bank has installed the function.
    let ddl = ddl.split_once("$spakky$;\n").map_or(ddl.as_str(), |(_, tables)| tables);
    let mut expected: Vec<_> = ddl.lines().collect();
    let mut found: Vec<_> = without_comments.iter().map(String::as_str).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

async fn after_the_migration_there_is_no_difference(database: Database) {
    let diff = farm().diff(&database.sessions).await.unwrap();
    run(&database, &diff.up_sql()).await;
    assert_eq!(
        farm().diff(&database.sessions).await.unwrap().to_string(),
        "the database fits the tables of the program\n"
    );
    run(&database, &diff.down_sql()).await;
    let again = farm().diff(&database.sessions).await.unwrap();
    assert_eq!(again.up_sql(), diff.up_sql());
}

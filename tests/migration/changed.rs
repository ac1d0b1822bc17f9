//! What has run is what the files say: changes of a file that has run, and files that are not of the folder.

use spakky::migrations::MigrationState;

use super::folder::Folder;
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_file_that_was_changed_after_it_ran_is_told,
    a_changed_file_is_taken_as_it_is_where_that_is_wanted,
    notes_of_earlier_versions_and_of_diesels_command_are_filled_in,
    a_change_of_line_ends_or_of_the_way_back_is_none,
    what_is_taken_back_may_be_changed,
];

const FIRST: &str = "2024-01-01-000000_first";
const SECOND: &str = "2024-01-02-000000_second";

fn two() -> Folder {
    let folder = Folder::new();
    folder
        .file(FIRST, "up.sql", "CREATE TABLE runs (step INTEGER);\nINSERT INTO runs VALUES (1);\n")
        .file(FIRST, "down.sql", "DROP TABLE runs;\n")
        .file(SECOND, "up.sql", "INSERT INTO runs VALUES (2);\n")
        .file(SECOND, "down.sql", "DELETE FROM runs WHERE step = 2;\n");
    folder
}

async fn states(folder: &Folder, database: &Database) -> Vec<MigrationState> {
    let status = folder.migrator().status(&database.sessions).await.unwrap();
    status.iter().map(|migration| migration.state()).collect()
}

async fn a_file_that_was_changed_after_it_ran_is_told(database: Database) {
    let folder = two();
    folder.migrator().up(&database.sessions).await.unwrap();
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied; 2]);

    folder.file(SECOND, "up.sql", "INSERT INTO runs VALUES (22);\n");
    folder.file("2024-01-03-000000_third", "up.sql", "INSERT INTO runs VALUES (3);\n");
    let expected = [MigrationState::Applied, MigrationState::Changed, MigrationState::Pending];
    assert_eq!(states(&folder, &database).await, expected);
    let error = folder.migrator().up(&database.sessions).await.unwrap_err();
    assert!(error.is_schema() && !error.is_retryable());
    assert_eq!(
        error.to_string(),
        "migrate: `2024-01-02-000000_second` was changed after its `up.sql` had run; put the change into a new migration and the \
         file back, or take it as it is with `accept_changed` (`up --accept-changed`)"
    );
    // Nothing has run.
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2]);
    assert_eq!(states(&folder, &database).await, expected);

    folder.file(FIRST, "up.sql", "SELECT 1;\n");
    let error = folder.migrator().up(&database.sessions).await.unwrap_err();
    let both =
        "migrate: `2024-01-01-000000_first`, `2024-01-02-000000_second` were changed after their `up.sql` had run;";
    assert!(error.to_string().starts_with(both), "{error}");
}

async fn a_changed_file_is_taken_as_it_is_where_that_is_wanted(database: Database) {
    let folder = two();
    folder.migrator().up(&database.sessions).await.unwrap();
    folder.file(FIRST, "up.sql", "-- explained\nCREATE TABLE runs (step INTEGER);\nINSERT INTO runs VALUES (1);\n");
    assert_eq!(folder.migrator().accept_changed().up(&database.sessions).await.unwrap(), [""; 0]);
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied; 2]);
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [""; 0]);
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2]);
}

async fn notes_of_earlier_versions_and_of_diesels_command_are_filled_in(database: Database) {
    database
        .execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL \
             DEFAULT CURRENT_TIMESTAMP)",
        )
        .await;
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000')").await;
    database.execute("CREATE TABLE runs (step INTEGER)").await;
    let folder = two();
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied, MigrationState::Pending]);
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [SECOND]);
    // Diesel's command, or an earlier version of a program that starts beside this one.
    folder.file("2024-01-03-000000_third", "up.sql", "SELECT 1;\n");
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20240103000000')").await;
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied; 3]);
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [""; 0]);
    // From here on a change is seen, whoever ran it.
    folder.file(FIRST, "up.sql", "SELECT 2;\n").file("2024-01-03-000000_third", "up.sql", "SELECT 2;\n");
    let expected = [MigrationState::Changed, MigrationState::Applied, MigrationState::Changed];
    assert_eq!(states(&folder, &database).await, expected);
    assert!(folder.migrator().up(&database.sessions).await.unwrap_err().is_schema());
}

async fn a_change_of_line_ends_or_of_the_way_back_is_none(database: Database) {
    let folder = two();
    folder.migrator().up(&database.sessions).await.unwrap();
    folder.file(FIRST, "up.sql", "CREATE TABLE runs (step INTEGER);\r\nINSERT INTO runs VALUES (1);");
    folder.file(SECOND, "down.sql", "DELETE FROM runs WHERE step IN (2);\n");
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied; 2]);
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [""; 0]);
}

async fn what_is_taken_back_may_be_changed(database: Database) {
    let folder = two();
    folder.migrator().up(&database.sessions).await.unwrap();
    folder.file(SECOND, "up.sql", "INSERT INTO runs VALUES (22);\n");
    assert_eq!(folder.migrator().down(&database.sessions, 1).await.unwrap(), [SECOND]);
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [SECOND]);
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 22]);
    assert_eq!(states(&folder, &database).await, [MigrationState::Applied; 2]);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use spakky::migrations::Migrator;

    use super::*;

    #[test]
    fn a_link_that_leads_out_of_the_folder_is_refused_and_one_inside_is_followed() {
        let elsewhere = Folder::new();
        elsewhere.file("20240102_other", "up.sql", "DROP TABLE runs;\n");
        let other = elsewhere.path().join("20240102_other");

        let linked = two();
        symlink(&other, linked.path().join("20240102_other")).unwrap();
        let refused = |folder: &Folder| {
            let error = Migrator::from_dir(folder.path()).unwrap_err();
            assert!(error.is_config());
            error.to_string().replace(&folder.path().display().to_string(), "DIR")
        };
        assert_eq!(
            refused(&linked),
            "read the migrations in `DIR`: `20240102_other` is a link that leads out of the folder; put the file itself there"
        );

        for file in ["up.sql", "down.sql", "metadata.toml"] {
            let linked = two();
            let _ = std::fs::remove_file(linked.path().join(SECOND).join(file));
            symlink(other.join("up.sql"), linked.path().join(SECOND).join(file)).unwrap();
            let message = refused(&linked);
            assert!(
                message.contains(&format!("`{SECOND}/{file}` is a link that leads out of the folder")),
                "{message}"
            );
        }

        let inside = two();
        std::fs::remove_file(inside.path().join(SECOND).join("down.sql")).unwrap();
        symlink(inside.path().join(FIRST).join("down.sql"), inside.path().join(SECOND).join("down.sql")).unwrap();
        // The folder itself may be reached by a link.
        let home = Folder::new();
        symlink(inside.path(), home.path().join("migrations")).unwrap();
        assert_eq!(Migrator::from_dir(home.path().join("migrations")).unwrap().names().count(), 2);
    }
}

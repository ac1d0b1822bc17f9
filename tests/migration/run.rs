//! Migrations run once, as a whole, and are taken back.

use spakky::migrations::{MigrationState, Migrator};

use super::folder::{Folder, whole};
use crate::support::{Cancelled, Database, cancel_after, eventually, on_each_backend, on_postgres};

/// What takes longer hangs.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

on_each_backend![
    ten_that_start_at_once_migrate_once,
    a_migration_that_fails_leaves_nothing_and_names_its_statement,
    migrations_are_taken_back_from_the_last,
    the_status_shows_what_has_run,
    a_migration_without_a_way_back_says_so,
    a_migration_that_ran_and_is_unknown_cannot_be_taken_back,
    notes_of_diesels_own_command_count,
    a_migration_may_do_without_a_transaction,
    two_migrations_of_one_version_are_refused,
    a_folder_that_is_none_is_refused,
    a_migration_can_be_part_of_the_program,
    who_waits_too_long_gives_up,
    migrating_inside_a_unit_of_work_is_refused,
    a_migration_dropped_at_any_await_has_run_as_a_whole_or_not_at_all,
];

mod on_one {
    use super::*;
    on_postgres![
        guarded_writes_find_their_function_after_a_migration,
        a_pooler_in_between_is_refused,
        an_index_is_made_concurrently_while_others_wait,
        a_migration_that_is_dropped_gives_its_lock_back
    ];
}

/// Three migrations, the second of which fails where it is run twice.
fn three() -> Folder {
    let folder = Folder::new();
    folder
        .file("2024-01-01-000000_first", "up.sql", "CREATE TABLE runs (step INTEGER);\nINSERT INTO runs VALUES (1);")
        .file("2024-01-01-000000_first", "down.sql", "DROP TABLE runs;")
        .file("2024-01-02-000000_second", "up.sql", "INSERT INTO runs VALUES (2);")
        .file("2024-01-02-000000_second", "down.sql", "DELETE FROM runs WHERE step = 2;")
        .file("20240103_third", "up.sql", "-- done;\nINSERT INTO runs\n  VALUES (3);\n")
        .file("20240103_third", "down.sql", "DELETE FROM runs WHERE step = 3;");
    folder
}

async fn ten_that_start_at_once_migrate_once(database: Database) {
    let folder = three();
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(10));
    let starts = (0..10).map(|_| {
        let (migrator, barrier, config) = (folder.migrator(), barrier.clone(), database.config());
        tokio::spawn(async move {
            let sessions = spakky::SessionManager::from_config(config.pool_size(1)).await.unwrap();
            barrier.wait().await;
            migrator.up(&sessions).await
        })
    });
    let mut ran = Vec::new();
    for start in futures_util::future::join_all(starts).await {
        ran.extend(start.unwrap().unwrap_or_else(|error| panic!("{}", whole(&error))));
    }
    ran.sort();
    assert_eq!(ran, ["2024-01-01-000000_first", "2024-01-02-000000_second", "20240103_third"]);
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2, 3]);
}

async fn a_migration_that_fails_leaves_nothing_and_names_its_statement(database: Database) {
    let folder = three();
    folder.file(
        "20240104_fourth",
        "up.sql",
        "CREATE TABLE more (id INTEGER PRIMARY KEY);\n\nINSERT INTO more VALUES (1);\nINSERT INTO more\nVALUES (1);\nSELECT 1;",
    );
    let error = folder.migrator().up(&database.sessions).await.unwrap_err();
    assert!(error.is_unique_violation());
    let inner = match database.is_sqlite() {
        true => "write a value on `more` that is taken: unique constraint",
        false => "write a value on `more` that is taken: unique constraint `more_pkey`",
    };
    assert_eq!(
        error.to_string(),
        format!(
            "run migration `20240104_fourth`: statement 3 of 4, at line 4 of its `up.sql`: failed to {inner}; nothing of \
             it was kept"
        )
    );
    // Those before it stay.
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2, 3]);
    database.execute("CREATE TABLE more (id INTEGER)").await;
    assert_eq!(database.numbers("SELECT count(*) FROM __diesel_schema_migrations").await, [3]);
}

async fn migrations_are_taken_back_from_the_last(database: Database) {
    let migrator = three().migrator();
    assert_eq!(migrator.up(&database.sessions).await.unwrap().len(), 3);
    assert_eq!(migrator.up(&database.sessions).await.unwrap(), [""; 0]);
    let back = migrator.down(&database.sessions, 2).await.unwrap();
    assert_eq!(back, ["20240103_third", "2024-01-02-000000_second"]);
    assert_eq!(database.numbers("SELECT step FROM runs").await, [1]);
    assert_eq!(migrator.up(&database.sessions).await.unwrap(), ["2024-01-02-000000_second", "20240103_third"]);
    assert_eq!(migrator.down(&database.sessions, 99).await.unwrap().len(), 3);
    assert_eq!(migrator.down(&database.sessions, 1).await.unwrap(), [""; 0]);
}

fn states(found: &[spakky::migrations::MigrationStatus]) -> Vec<(&str, MigrationState)> {
    found.iter().map(|status| (status.name(), status.state())).collect()
}

async fn the_status_shows_what_has_run(database: Database) {
    let folder = three();
    let migrator = folder.migrator();
    assert!(
        migrator.status(&database.sessions).await.unwrap().iter().all(|found| found.state() == MigrationState::Pending)
    );
    migrator.up(&database.sessions).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("2024-01-02-000000_second")).unwrap();
    folder.file("20240105_fifth", "up.sql", "SELECT 1");
    assert_eq!(
        states(&folder.migrator().status(&database.sessions).await.unwrap()),
        [
            ("2024-01-01-000000_first", MigrationState::Applied),
            ("20240102000000", MigrationState::Unknown),
            ("20240103_third", MigrationState::Applied),
            ("20240105_fifth", MigrationState::Pending),
        ]
    );
}

async fn a_migration_without_a_way_back_says_so(database: Database) {
    let folder = Folder::new();
    folder.file("1_only", "up.sql", "SELECT 1");
    let migrator = folder.migrator();
    migrator.up(&database.sessions).await.unwrap();
    let error = migrator.down(&database.sessions, 1).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!(error.to_string(), "take back migration `1_only`: it has no `down.sql`");
}

async fn a_migration_that_ran_and_is_unknown_cannot_be_taken_back(database: Database) {
    three().migrator().up(&database.sessions).await.unwrap();
    let folder = Folder::new();
    let error = folder.migrator().down(&database.sessions, 1).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!(
        error.to_string(),
        "take back version `20240103`: it has run, and there is no migration of that version here"
    );
}

async fn notes_of_diesels_own_command_count(database: Database) {
    // As diesel makes it.
    database
        .execute(
            "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL \
             DEFAULT CURRENT_TIMESTAMP)",
        )
        .await;
    database.execute("CREATE TABLE runs (step INTEGER)").await;
    database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000')").await;
    let ran = three().migrator().up(&database.sessions).await.unwrap();
    assert_eq!(ran, ["2024-01-02-000000_second", "20240103_third"]);
    let versions: Vec<(String,)> = database
        .observer()
        .sql("SELECT version FROM __diesel_schema_migrations ORDER BY version")
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(
        versions.iter().map(|(version,)| version.as_str()).collect::<Vec<_>>(),
        ["20240101000000", "20240102000000", "20240103"]
    );
}

async fn a_migration_may_do_without_a_transaction(database: Database) {
    let alone = if database.is_sqlite() { "VACUUM" } else { "CREATE INDEX CONCURRENTLY ix ON runs (step)" };
    let folder = three();
    folder.file("3_alone", "up.sql", &format!("INSERT INTO runs VALUES (4);\n{alone};\nSELECT * FROM nowhere;"));
    folder.file("3_alone", "metadata.toml", "run_in_transaction = false");
    let error = folder.migrator().up(&database.sessions).await.unwrap_err();
    let inner = "run the statement on `nowhere`: a table, column or type it names is not in the database; have the \
                 migrations run?";
    assert_eq!(
        error.to_string(),
        format!(
            "run migration `3_alone`: statement 3 of 3, at line 3 of its `up.sql`: failed to {inner}; it has no \
             transaction, so what came before is kept"
        )
    );
    assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2, 3, 4]);
    folder.file("3_alone", "up.sql", "INSERT INTO runs VALUES (5);");
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), ["3_alone"]);
}

async fn two_migrations_of_one_version_are_refused(_database: Database) {
    let folder = Folder::new();
    folder.file("7_a", "up.sql", "SELECT 1").file("7_b", "up.sql", "SELECT 1");
    let error = Migrator::from_dir(folder.path()).unwrap_err();
    assert!(error.is_config());
    let text = error.to_string();
    assert!(
        text == "order the migrations: `7_a` and `7_b` have the same version `7`; rename one"
            || text == "order the migrations: `7_b` and `7_a` have the same version `7`; rename one",
        "{text}"
    );
}

async fn a_folder_that_is_none_is_refused(_database: Database) {
    let folder = Folder::new();
    let missing = folder.path().join("missing");
    let error = Migrator::from_dir(&missing).unwrap_err();
    assert!(error.is_config());
    assert_eq!(error.to_string(), format!("read the migrations in `{}`; is the folder there?", missing.display()));
    folder.file("notes", "readme.txt", "no migration");
    let error = Migrator::from_dir(folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "read the migrations in `{}`: `notes` is none; a migration is a folder called `<timestamp>_<name>` with a \
             file `up.sql` in it",
            folder.path().display()
        )
    );
}

async fn a_migration_can_be_part_of_the_program(database: Database) {
    let migrator = Migrator::from_source(&spakky::migrations::embed!("tests/migration/embedded")).unwrap();
    assert_eq!(migrator.names().collect::<Vec<_>>(), ["2024-01-01-000000_embedded"]);
    migrator.up(&database.sessions).await.unwrap();
    assert_eq!(database.numbers("SELECT count(*) FROM embedded").await, [1]);
    migrator.down(&database.sessions, 1).await.unwrap();
}

async fn who_waits_too_long_gives_up(database: Database) {
    let migrator = three().migrator().lock_wait(std::time::Duration::from_millis(200));
    let other = database.connect(|config| config.lock_timeout(std::time::Duration::from_millis(100))).await;
    let holder = database.sessions.begin();
    match database.is_sqlite() {
        true => drop(holder.session().sql("CREATE TABLE held (id INTEGER)").execute().await.unwrap()),
        false => {
            let sql = "SELECT pg_advisory_lock(7308620183142853484)::text";
            let _: Vec<(String,)> = holder.session().sql(sql).fetch_all().await.unwrap();
        }
    }
    let error = migrator.up(&other).await.unwrap_err();
    assert!(error.is_lock_timeout(), "{}", whole(&error));
    assert_eq!(error.to_string(), "migrate: another process has been migrating for 200ms; try again later");
    if !database.is_sqlite() {
        let sql = "SELECT pg_advisory_unlock(7308620183142853484)::text";
        let _: Vec<(String,)> = holder.session().sql(sql).fetch_all().await.unwrap();
    }
    holder.rollback().await;
    assert_eq!(migrator.up(&other).await.unwrap().len(), 3);
}

async fn migrating_inside_a_unit_of_work_is_refused(database: Database) {
    let migrator = three().migrator();
    let sessions = &database.sessions;
    let body = async |session: spakky::Session| {
        session.sql("DELETE FROM accounts").execute().await?;
        let error = migrator.up(sessions).await.unwrap_err();
        assert!(error.is_invalid_transaction());
        assert_eq!(
            error.to_string(),
            "migrate inside a unit of work of the same database, which a migration might wait for; migrate before it"
        );
        Ok::<_, spakky::Error>(())
    };
    sessions.transaction(spakky::TransactionOptions::new(), body).await.unwrap();
}

async fn a_migration_dropped_at_any_await_has_run_as_a_whole_or_not_at_all(database: Database) {
    // Long enough that the answer is not there at once.
    let insert = |step: i32| {
        format!(
            "INSERT INTO runs WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50000) \
             SELECT {step} WHERE (SELECT max(x) FROM n) > 0;"
        )
    };
    let folder = Folder::new();
    folder.file("1_runs", "up.sql", &format!("CREATE TABLE runs (step INTEGER); {} {}", insert(1), insert(2))).file(
        "1_runs",
        "down.sql",
        "DROP TABLE runs",
    );
    let migrator = folder.migrator();
    migrator.up(&database.sessions).await.unwrap();
    migrator.down(&database.sessions, 1).await.unwrap();
    let find = match database.is_sqlite() {
        true => "SELECT count(*) FROM sqlite_master WHERE name = 'runs'",
        false => "SELECT count(*) FROM pg_class WHERE oid = to_regclass('runs')",
    };
    let mut awaits = 1;
    loop {
        let cancelled = cancel_after(awaits, false, migrator.up(&database.sessions)).await;
        database.is_at_rest().await;
        let noted = database.numbers("SELECT count(*) FROM __diesel_schema_migrations").await;
        assert_eq!(database.numbers(find).await, noted, "dropped at await {awaits}");
        if noted == [1] {
            assert_eq!(database.numbers("SELECT step FROM runs ORDER BY step").await, [1, 2]);
            migrator.down(&database.sessions, 1).await.unwrap();
        }
        if let Cancelled::No(done) = cancelled {
            assert_eq!(done.unwrap(), ["1_runs"]);
            break;
        }
        awaits += 1;
    }
    assert!(awaits > 2, "{awaits}");
}

async fn a_migration_that_is_dropped_gives_its_lock_back(database: Database) {
    let folder = Folder::new();
    folder.file("1_slow", "up.sql", "SELECT pg_sleep(300)");
    let migrator = folder.migrator();
    let sessions = database.sessions.clone();
    let running = tokio::spawn(async move { migrator.up(&sessions).await });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(300)' \
                  AND pid <> pg_backend_pid()";
    eventually("it sleeps", LIMIT, async || database.numbers(asleep).await == [1]).await;
    running.abort();
    folder.file("1_slow", "up.sql", "SELECT 1");
    let ran = folder.migrator().lock_wait(LIMIT).up(&database.sessions).await.unwrap();
    assert_eq!(ran, ["1_slow"]);
}

async fn guarded_writes_find_their_function_after_a_migration(database: Database) {
    database.execute("DROP FUNCTION spakky_raise(text)").await;
    Folder::new().migrator().up(&database.sessions).await.unwrap();
    let there = "SELECT count(*) FROM pg_proc WHERE proname = 'spakky_raise'";
    assert_eq!(database.numbers(there).await, [1]);
    // The first migration of a diff makes it too, for those who run it by other means.
    database.execute("DROP FUNCTION spakky_raise(text)").await;
    let diff = super::rows::farm().diff(&database.sessions).await.unwrap();
    assert_eq!(diff.steps()[0].to_string(), "install the function `spakky_raise`");
}

async fn a_pooler_in_between_is_refused(database: Database) {
    let sessions = database.connect(|config| config.pooler(spakky::config::Pooler::PgBouncer)).await;
    let error = three().migrator().up(&sessions).await.unwrap_err();
    assert!(error.is_config());
    assert_eq!(
        error.to_string(),
        "migrate through a pooler: it may give every transaction another connection, and the lock that keeps others from \
         migrating belongs to one; connect to the server itself, with `pooler = none`"
    );
}

async fn an_index_is_made_concurrently_while_others_wait(database: Database) {
    let folder = three();
    folder.file("3_index", "up.sql", "CREATE INDEX CONCURRENTLY ix ON runs (step)");
    folder.file("3_index", "metadata.toml", "run_in_transaction = false");
    let starts = (0..4).map(|_| async {
        let sessions = database.connect(|config| config.pool_size(1)).await;
        folder.migrator().up(&sessions).await.unwrap().len()
    });
    let ran: usize = futures_util::future::join_all(starts).await.into_iter().sum();
    assert_eq!(ran, 4);
}

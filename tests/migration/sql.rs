//! The SQL of typical changes, word by word, and what is refused.

use chrono::{TimeZone, Utc};
use spakky::migrations::{DiffOptions, WriteOptions};
use spakky::prelude::*;

use super::folder::{Folder, migrate};
use crate::support::{Database, on_each_backend};

on_each_backend![
    typical_changes_have_the_sql_that_one_would_write,
    what_may_lose_data_is_refused_unless_it_is_allowed,
    an_empty_diff_writes_nothing,
    nothing_is_ever_overwritten,
    a_migration_needs_a_proper_name,
    tables_of_others_are_left_alone_unless_asked,
    a_table_that_is_ignored_is_left_alone,
    a_table_that_cannot_be_made_is_named,
];

mod sqlite_alone {
    #[test]
    fn diesels_own_harness_runs_what_is_written_and_takes_it_back() {
        crate::support::run(spakky::Backend::Sqlite, super::diesels_own_harness_runs_what_is_written_and_takes_it_back);
    }
}

mod before {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(name = "products", index(name), check(cheap, "price < 100"))]
    pub(super) struct ProductRow {
        #[table(id, generated)]
        id: i64,
        name: String,
        price: i32,
        note: Option<String>,
        #[table(unique)]
        code: String,
    }
}

mod after {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(name = "makers")]
    pub(super) struct MakerRow {
        #[table(id)]
        id: i64,
        #[table(index, length = 40)]
        name: String,
    }

    #[derive(Debug, Clone, Table)]
    #[table(
        name = "products",
        index(name desc, name = "ix_products_name", where = "stock > 0"),
        check(cheap, "price < 1000"),
        unique(code, name)
    )]
    pub(super) struct ProductRow {
        #[table(id, generated)]
        id: i64,
        name: String,
        price: i64,
        #[table(renamed_from = "note", default = "'none'")]
        remark: String,
        code: Option<String>,
        #[table(default = "0")]
        stock: i32,
        weight: Option<f64>,
        #[table(references(MakerRow, on_delete = set_null))]
        maker: Option<i64>,
    }
}

fn expected(database: &Database, file: &str) -> &'static str {
    match (database.is_sqlite(), file) {
        (true, "up") => include_str!("expected/sqlite_up.sql"),
        (true, _) => include_str!("expected/sqlite_down.sql"),
        (false, "up") => include_str!("expected/postgres_up.sql"),
        (false, _) => include_str!("expected/postgres_down.sql"),
    }
}

async fn typical_changes_have_the_sql_that_one_would_write(database: Database) {
    database.sessions.create_tables(&schema![before::ProductRow]).await.unwrap();
    let registry = schema![after::MakerRow, after::ProductRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(diff.up_sql(), expected(&database, "up"));
    assert_eq!(diff.down_sql(), expected(&database, "down"));
    assert!(diff.steps().iter().all(|step| !step.is_destructive()));

    let (folder, migrator) = migrate(&database, &diff).await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    let [migration] = &folder.names()[..] else { panic!("one migration") };
    let read = |file: &str| std::fs::read_to_string(folder.path().join(migration).join(file)).ok();
    assert_eq!(read("up.sql").as_deref(), Some(expected(&database, "up")));
    assert_eq!(read("down.sql").as_deref(), Some(expected(&database, "down")));
    let metadata = database.is_sqlite().then_some("run_in_transaction = false\n");
    assert_eq!(read("metadata.toml").as_deref(), metadata);

    migrator.down(&database.sessions, 1).await.unwrap();
    assert!(schema![before::ProductRow].diff(&database.sessions).await.unwrap().is_empty());
}

async fn what_may_lose_data_is_refused_unless_it_is_allowed(database: Database) {
    database.sessions.create_tables(&schema![after::MakerRow, after::ProductRow]).await.unwrap();
    let diff = schema![before::ProductRow].diff(&database.sessions).await.unwrap();
    let dangers: Vec<_> = diff.steps().iter().filter_map(|step| Some(format!("{step}: {}", step.danger()?))).collect();
    let mut expected = vec![
        "drop column `remark` of `products`: its values are lost",
        "drop column `stock` of `products`: its values are lost",
        "drop column `weight` of `products`: its values are lost",
        "drop column `maker` of `products`: its values are lost",
    ];
    if !database.is_sqlite() {
        expected.push(
            "change column `price` of `products` from bigint to int4: values that int4 cannot hold are refused or lost",
        );
    }
    expected.push(
        "make column `code` of `products` required: it fails if a row has no value there; fill them first, or give the \
         column a `default`",
    );
    assert_eq!(dangers, expected);

    let folder = Folder::new();
    let error = diff.write(folder.path(), "shrink", WriteOptions::new()).unwrap_err();
    assert!(error.is_schema());
    assert_eq!(
        error.to_string(),
        format!(
            "write migration `shrink`: {}; allow it with `allow_destructive` (`--allow-destructive`), or change the row type",
            expected.join("; ")
        )
    );
    assert_eq!(folder.names(), [""; 0]);

    let up = diff.up_sql();
    for danger in expected {
        assert!(up.contains(&format!("-- DESTRUCTIVE: {danger}\n")), "{up}");
    }
    migrate(&database, &diff).await;
    assert!(schema![before::ProductRow].diff(&database.sessions).await.unwrap().is_empty());
}

async fn an_empty_diff_writes_nothing(database: Database) {
    let registry = schema![after::MakerRow];
    database.sessions.create_tables(&registry).await.unwrap();
    let diff = registry.diff(&database.sessions).await.unwrap();
    let folder = Folder::new();
    let written = diff.write(folder.path().join("inner"), "nothing", WriteOptions::new()).unwrap();
    assert_eq!((written.len(), folder.names().len()), (0, 0));
}

async fn nothing_is_ever_overwritten(database: Database) {
    let diff = schema![after::MakerRow].diff(&database.sessions).await.unwrap();
    let folder = Folder::new();
    let options = WriteOptions::new().at(Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 5).unwrap());
    for name in ["makers", "makers", "others"] {
        diff.write(folder.path(), name, options.clone()).unwrap();
    }
    let expected = ["2024-02-29-123005-0000_makers", "2024-02-29-123005-0001_makers", "2024-02-29-123005-0002_others"];
    assert_eq!(folder.names(), expected);
}

async fn a_migration_needs_a_proper_name(database: Database) {
    let diff = schema![after::MakerRow].diff(&database.sessions).await.unwrap();
    for name in ["", "../up", "add orders"] {
        let error = diff.write(Folder::new().path(), name, WriteOptions::new()).unwrap_err();
        assert!(error.is_config());
        let expected = format!("call a migration `{name}`: use letters without accents, digits and `_`");
        assert_eq!(error.to_string(), expected);
    }
}

async fn tables_of_others_are_left_alone_unless_asked(database: Database) {
    database.sessions.create_tables(&schema![before::ProductRow, after::MakerRow]).await.unwrap();
    database.execute("CREATE TABLE guests (id INTEGER PRIMARY KEY)").await;
    let registry = schema![before::ProductRow];
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());

    let options = DiffOptions::new().drop_unknown().ignore("accounts").ignore("postings");
    let options = ["guests", "notes", "logs"].iter().fold(options, |options, table| options.ignore(*table));
    let diff = registry.diff_with(&database.sessions, &options).await.unwrap();
    let steps: Vec<_> = diff.steps().iter().map(ToString::to_string).collect();
    assert!(steps.contains(&"drop table `makers`".to_owned()), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("guests") || step.contains("diesel")), "{steps:?}");
    assert!(diff.steps().iter().all(|step| step.danger() == Some("its rows are lost")));
    migrate(&database, &diff).await;
    assert!(registry.diff_with(&database.sessions, &options).await.unwrap().is_empty());
    assert_eq!(database.numbers("SELECT count(*) FROM guests").await, [0]);
}

async fn a_table_that_is_ignored_is_left_alone(database: Database) {
    let registry = schema![after::MakerRow, after::ProductRow];
    let options = DiffOptions::new().ignore("products");
    let diff = registry.diff_with(&database.sessions, &options).await.unwrap();
    let steps: Vec<_> = diff.steps().iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["create table `makers`"]);
}

async fn a_table_that_cannot_be_made_is_named(database: Database) {
    #[derive(Debug, Clone, Table)]
    #[table(name = "broken", check(odd, "nothing > 0"))]
    struct BrokenRow {
        #[table(id)]
        id: i64,
    }
    let diff = schema![BrokenRow].diff(&database.sessions).await;
    if database.is_sqlite() {
        // SQLite looks at a condition only when the table is made.
        assert_eq!(diff.unwrap().steps().len(), 1);
        return;
    }
    let error = diff.unwrap_err();
    assert!(error.is_schema());
    assert_eq!(error.to_string(), "compare table `broken` with the database: it cannot be made as it is described");
    assert_eq!(error.table(), Some("broken"));
}

async fn diesels_own_harness_runs_what_is_written_and_takes_it_back(database: Database) {
    use diesel::Connection;
    use spakky::migrations::diesel_migrations::{FileBasedMigrations, MigrationHarness};

    database.sessions.create_tables(&schema![before::ProductRow]).await.unwrap();
    database.execute("INSERT INTO products (name, price, code) VALUES ('nut', 5, 'n')").await;
    let registry = schema![after::MakerRow, after::ProductRow];
    let folder = Folder::new();
    let diff = registry.diff(&database.sessions).await.unwrap();
    diff.write(folder.path(), "change", WriteOptions::new()).unwrap();

    let path = database.url().strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
    let mut connection = diesel::SqliteConnection::establish(path).unwrap();
    let source = || FileBasedMigrations::from_path(folder.path()).unwrap();
    connection.run_pending_migrations(source()).unwrap();
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), [""; 0]);
    assert_eq!(database.numbers("SELECT count(*) FROM products WHERE remark = 'none'").await, [1]);

    connection.revert_last_migration(source()).unwrap();
    assert!(schema![before::ProductRow].diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap().len(), 1);
}

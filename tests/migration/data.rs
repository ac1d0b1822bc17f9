//! What is in the tables stays there.

use spakky::prelude::*;

use super::folder::{Folder, migrate, whole};
use crate::support::{Database, on_each_backend, on_postgres};

on_each_backend![
    rows_and_those_that_refer_to_them_outlive_a_change_of_their_table,
    a_required_column_is_filled_with_its_default,
    values_that_do_not_fit_stop_the_migration,
];

mod on_one {
    use super::*;
    on_postgres![times_change_between_zones_as_utc];
}

mod before {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(name = "authors")]
    pub(super) struct AuthorRow {
        #[table(id, generated)]
        id: i64,
        name: String,
        born: i32,
        note: Option<String>,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "books")]
    pub(super) struct BookRow {
        #[table(id)]
        id: i64,
        #[table(references(AuthorRow, on_delete = cascade))]
        author: i64,
    }
}

mod after {
    use super::*;

    #[derive(Debug, Clone, Table)]
    #[table(name = "authors", check(alive, "born > 0"))]
    pub(super) struct AuthorRow {
        #[table(id, generated)]
        id: i64,
        name: String,
        born: i64,
        #[table(default = "'none'")]
        note: String,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "books")]
    pub(super) struct BookRow {
        #[table(id)]
        id: i64,
        #[table(references(AuthorRow, on_delete = cascade))]
        author: i64,
    }
}

async fn fill(database: &Database) {
    database.sessions.create_tables(&schema![before::AuthorRow, before::BookRow]).await.unwrap();
    database.execute("INSERT INTO authors (name, born, note) VALUES ('Woolf', 1882, 'x'), ('Eco', 1932, NULL)").await;
    database.execute("INSERT INTO books VALUES (1, 1), (2, 2), (3, 2)").await;
    database.execute("INSERT INTO authors (name, born) VALUES ('Nobody', 1)").await;
    database.execute("DELETE FROM authors WHERE name = 'Nobody'").await;
}

async fn rows_and_those_that_refer_to_them_outlive_a_change_of_their_table(database: Database) {
    fill(&database).await;
    let trigger = match database.is_sqlite() {
        true => "CREATE TRIGGER aged AFTER UPDATE ON authors BEGIN UPDATE books SET author = author; END",
        false => "CREATE VIEW names AS SELECT name FROM authors",
    };
    database.execute(trigger).await;
    database.execute("CREATE INDEX by_length ON authors (length(name))").await;
    let registry = schema![after::AuthorRow, after::BookRow];
    let (_folder, migrator) = migrate(&database, &registry.diff(&database.sessions).await.unwrap()).await;

    assert_eq!(database.numbers("SELECT author FROM books ORDER BY id").await, [1, 2, 2]);
    assert_eq!(database.numbers("SELECT born FROM authors ORDER BY id").await, [1882, 1932]);
    let left = match database.is_sqlite() {
        true => "SELECT count(*) FROM sqlite_master WHERE name IN ('aged', 'by_length')",
        false => "SELECT count(*) FROM pg_class WHERE relname IN ('names', 'by_length')",
    };
    assert_eq!(database.numbers(left).await, [2]);
    // A number that was given out is not given out again.
    database.execute("INSERT INTO authors (name, born) VALUES ('Levi', 1919)").await;
    assert_eq!(database.numbers("SELECT max(id) FROM authors").await, [4]);
    // Foreign keys hold again.
    database.observer().sql("INSERT INTO books VALUES (9, 99)").execute().await.unwrap_err();
    database.sessions.sql("INSERT INTO books VALUES (9, 99)").execute().await.unwrap_err();

    migrator.down(&database.sessions, 1).await.unwrap();
    assert!(schema![before::AuthorRow, before::BookRow].diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(database.numbers("SELECT author FROM books ORDER BY id").await, [1, 2, 2]);
    assert_eq!(database.numbers(left).await, [2]);
}

async fn a_required_column_is_filled_with_its_default(database: Database) {
    fill(&database).await;
    migrate(&database, &schema![after::AuthorRow].diff(&database.sessions).await.unwrap()).await;
    let notes: Vec<(String,)> =
        database.observer().sql("SELECT note FROM authors ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(notes, [("x".to_owned(),), ("none".to_owned(),)]);
}

async fn values_that_do_not_fit_stop_the_migration(database: Database) {
    fill(&database).await;
    database.execute("UPDATE authors SET born = -5 WHERE name = 'Eco'").await;
    let diff = schema![after::AuthorRow].diff(&database.sessions).await.unwrap();
    let folder = Folder::new();
    diff.write(folder.path(), "strict", Default::default()).unwrap();
    let name = &folder.names()[0];
    let error = folder.migrator().up(&database.sessions).await.unwrap_err();
    assert!(error.is_check_violation(), "{}", whole(&error));
    let place = match database.is_sqlite() {
        true => {
            "statement 4 of 12, at line 16 of its `up.sql`: failed to write a value that a check refuses: check constraint \
             `ck_authors_alive`"
        }
        false => {
            "statement 5 of 5, at line 12 of its `up.sql`: failed to write a value on `authors` that a check refuses: \
             check constraint `ck_authors_alive`"
        }
    };
    assert_eq!(error.to_string(), format!("run migration `{name}`: {place}; nothing of it was kept"));
    // Nothing is half done, and the connection that failed is as good as any.
    assert!(schema![before::AuthorRow, before::BookRow].diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(database.numbers("SELECT author FROM books ORDER BY id").await, [1, 2, 2]);
    database.sessions.sql("INSERT INTO books VALUES (9, 99)").execute().await.unwrap_err();
    assert_eq!(database.numbers("SELECT count(*) FROM __diesel_schema_migrations").await, [0]);

    database.execute("UPDATE authors SET born = 5 WHERE name = 'Eco'").await;
    assert_eq!(folder.migrator().up(&database.sessions).await.unwrap(), std::slice::from_ref(name));
}

async fn times_change_between_zones_as_utc(database: Database) {
    #[derive(Debug, Clone, Table)]
    #[table(name = "moments")]
    struct MomentRow {
        #[table(id)]
        id: i64,
        at: chrono::DateTime<chrono::Utc>,
        day: chrono::NaiveDate,
    }
    database.execute("CREATE TABLE moments (id int8 CONSTRAINT pk_moments PRIMARY KEY, at timestamp NOT NULL, day text NOT NULL)").await;
    database.execute("INSERT INTO moments VALUES (1, '2024-06-01 12:00:00', '2024-06-01')").await;
    let diff = schema![MomentRow].diff(&database.sessions).await.unwrap();
    assert_eq!(
        diff.up_sql(),
        "-- change column `at` of `moments` from timestamp without time zone to timestamptz\n\
         ALTER TABLE \"moments\" ALTER COLUMN \"at\" TYPE timestamptz USING \"at\" AT TIME ZONE 'UTC';\n\n\
         -- DESTRUCTIVE: change column `day` of `moments` from text to date: values that date cannot hold are refused or lost\n\
         ALTER TABLE \"moments\" ALTER COLUMN \"day\" TYPE date USING \"day\"::date;\n"
    );
    migrate(&database, &diff).await;
    let same = "SELECT count(*) FROM moments WHERE at = '2024-06-01 12:00:00Z' AND day = date '2024-06-01'";
    assert_eq!(database.numbers(same).await, [1]);
}

//! Tables that were made by others, moved here.

use spakky::prelude::*;

use super::folder::migrate;
use crate::support::{Database, on_each_backend, on_postgres};

on_each_backend![
    a_table_made_by_hand_is_taken_over_with_its_rows,
    what_a_descriptor_cannot_say_is_left_alone,
    a_view_in_the_place_of_a_table_is_refused,
];

mod on_one {
    use super::*;
    on_postgres![tables_in_schemas_are_made_and_compared];
}

#[test]
fn sqlite_does_not_mind_the_case_of_names() {
    crate::support::run(spakky::Backend::Sqlite, names_in_another_case_are_the_same);
}

async fn names_in_another_case_are_the_same(database: Database) {
    database
        .execute(
            "CREATE TABLE People (ID INTEGER CONSTRAINT PK_People PRIMARY KEY AUTOINCREMENT, EMail TEXT NOT NULL \
             CONSTRAINT uq_people_EMAIL UNIQUE CONSTRAINT ck_people_email_length CHECK (length(email) <= 80), city TEXT, \
             Boss INTEGER CONSTRAINT fk_people_boss REFERENCES PEOPLE (Id) ON DELETE SET NULL) STRICT",
        )
        .await;
    database.execute("CREATE INDEX Ix_People_City ON PEOPLE (CITY)").await;
    let diff = schema![PersonRow].diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "the database fits the tables of the program\n");
    // What really differs is found under either spelling, and the rows stay.
    database.execute("INSERT INTO people (email) VALUES ('a@b')").await;
    database.execute("DROP INDEX ix_people_city").await;
    let diff = schema![PersonRow].diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "add index `ix_people_city` to `people`\n");
    migrate(&database, &diff).await;
    assert!(schema![PersonRow].diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(database.numbers("SELECT count(*) FROM people").await, [1]);
    // A view under either spelling is no table.
    database.execute("DROP TABLE people").await;
    database.execute("CREATE VIEW PEOPLE AS SELECT 1 AS id").await;
    let error = schema![PersonRow].diff(&database.sessions).await.unwrap_err();
    assert!(error.is_schema(), "{error:?}");
    assert!(error.to_string().contains("`PEOPLE`"), "{error}");
}

#[derive(Debug, Clone, Table)]
#[table(name = "people", index(city))]
struct PersonRow {
    #[table(id, generated)]
    id: i64,
    #[table(unique, length = 80)]
    email: String,
    city: Option<String>,
    #[table(references(PersonRow, on_delete = set_null))]
    boss: Option<i64>,
}

async fn a_table_made_by_hand_is_taken_over_with_its_rows(database: Database) {
    let made = match database.is_sqlite() {
        true => {
            "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, email VARCHAR(80) NOT NULL UNIQUE, city TEXT, \
             boss INTEGER REFERENCES people ON DELETE SET NULL)"
        }
        false => {
            "CREATE TABLE people (id bigserial PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, city text, \
             boss int8 REFERENCES people ON DELETE SET NULL)"
        }
    };
    database.execute(made).await;
    database.execute("INSERT INTO people (email, boss) VALUES ('a@b', NULL), ('c@d', 1)").await;
    let diff = schema![PersonRow].diff(&database.sessions).await.unwrap();
    let steps: Vec<_> = diff.steps().iter().map(ToString::to_string).collect();
    let postgres = [
        "rename constraint `people_pkey` of `people` to `pk_people`",
        "rename constraint `people_email_key` of `people` to `uq_people_email`",
        "rename constraint `people_boss_fkey` of `people` to `fk_people_boss`",
        "add index `ix_people_city` to `people`",
    ];
    let sqlite = [
        "name a constraint of `people` `pk_people`",
        "name a constraint of `people` `uq_people_email`",
        "name a constraint of `people` `fk_people_boss`",
        "change column `email` of `people` from VARCHAR(80) to TEXT",
        "make table `people` strict",
        "add check `ck_people_email_length` to `people`",
        "add index `ix_people_city` to `people`",
    ];
    assert_eq!(steps, if database.is_sqlite() { &sqlite[..] } else { &postgres[..] });
    migrate(&database, &diff).await;
    assert!(schema![PersonRow].diff(&database.sessions).await.unwrap().is_empty());
    assert_eq!(database.numbers("SELECT coalesce(boss, 0) FROM people ORDER BY id").await, [0, 1]);
}

async fn what_a_descriptor_cannot_say_is_left_alone(database: Database) {
    database.sessions.create_tables(&schema![PersonRow]).await.unwrap();
    database.execute("CREATE INDEX by_lower ON people (lower(email))").await;
    database.execute("CREATE UNIQUE INDEX one_each ON people (city, boss)").await;
    let computed = if database.is_sqlite() { "VIRTUAL" } else { "STORED" };
    let text = if database.is_sqlite() { "TEXT" } else { "text" };
    database
        .execute(&format!("ALTER TABLE people ADD COLUMN shout {text} GENERATED ALWAYS AS (upper(email)) {computed}"))
        .await;
    assert_eq!(schema![PersonRow].diff(&database.sessions).await.unwrap().up_sql(), "");
    // A plain index that the row type does not have is another matter.
    database.execute("CREATE INDEX plain ON people (boss DESC)").await;
    let diff = schema![PersonRow].diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "drop index `plain` of `people`\n");
    assert_eq!(diff.up_sql(), "-- drop index `plain` of `people`\nDROP INDEX \"plain\";\n");
    assert!(
        diff.down_sql().ends_with("\nCREATE INDEX \"plain\" ON \"people\" (\"boss\" DESC);\n"),
        "{}",
        diff.down_sql()
    );
}

async fn a_view_in_the_place_of_a_table_is_refused(database: Database) {
    database.execute("CREATE VIEW people AS SELECT 1 AS id").await;
    let error = schema![PersonRow].diff(&database.sessions).await.unwrap_err();
    assert!(error.is_schema());
    assert_eq!(
        error.to_string(),
        "compare `people` with the database: it is a view there, or another kind of relation"
    );
}

async fn tables_in_schemas_are_made_and_compared(database: Database) {
    #[derive(Debug, Clone, Table)]
    #[table(name = "people", schema = "Other shop", index(person))]
    struct GuestRow {
        #[table(id)]
        id: i64,
        #[table(references(PersonRow))]
        person: i64,
    }
    let registry = schema![PersonRow, GuestRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(
        diff.to_string(),
        "create schema `Other shop`\ncreate table `people`\ncreate table `Other shop.people`\n"
    );
    let (_folder, migrator) = migrate(&database, &diff).await;
    assert_eq!(registry.diff(&database.sessions).await.unwrap().up_sql(), "");
    migrator.down(&database.sessions, 1).await.unwrap();
    assert_eq!(
        registry.diff(&database.sessions).await.unwrap().to_string(),
        "create table `people`\ncreate table `Other shop.people`\n"
    );
}

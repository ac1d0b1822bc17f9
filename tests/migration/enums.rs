//! Native enums of PostgreSQL.

use spakky::migrations::Command;
use spakky::prelude::*;

use super::folder::{Folder, migrate};
use crate::support::{Database, on_postgres};

on_postgres![
    an_enum_is_made_with_its_values_and_goes_with_its_table,
    a_value_is_added_in_its_place_and_can_be_used_behind,
    a_value_that_the_program_does_not_have_is_noted_and_stays,
    another_order_is_noted,
    a_type_that_is_no_enum_is_left_alone,
    an_enum_is_made_and_dropped_with_the_tables_that_share_it,
    an_enum_that_something_else_uses_stays,
    what_is_no_enum_is_neither_made_nor_dropped_with_its_table,
    a_missing_type_of_unknown_values_is_an_error,
];

mod before {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
    #[column(pg_type = "task_state")]
    pub(super) enum State {
        Open,
        Done,
    }

    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "tasks")]
    #[mappable(domain = Self)]
    pub(super) struct TaskRow {
        #[table(id)]
        pub(super) id: i64,
        #[table(default = "'open'")]
        pub(super) state: State,
        pub(super) states: Vec<State>,
    }
}

mod after {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
    #[column(pg_type = "task_state")]
    pub(super) enum State {
        New,
        Open,
        Paused,
        Done,
    }

    #[derive(Debug, Clone, Table)]
    #[table(name = "tasks", check(fresh, "state <> 'paused' OR id > 0"))]
    pub(super) struct TaskRow {
        #[table(id)]
        id: i64,
        #[table(default = "'new'")]
        state: State,
        states: Vec<State>,
    }
}

async fn an_enum_is_made_with_its_values_and_goes_with_its_table(database: Database) {
    let registry = schema![before::TaskRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(
        diff.up_sql(),
        "-- create type `task_state`\n\
         CREATE TYPE task_state AS ENUM ('open', 'done');\n\n\
         -- create table `tasks`\n\
         CREATE TABLE \"tasks\" (\n    \"id\" int8 NOT NULL,\n    \"state\" task_state NOT NULL DEFAULT ('open'),\n    \
         \"states\" task_state[] NOT NULL,\n    CONSTRAINT \"pk_tasks\" PRIMARY KEY (\"id\")\n);\n"
    );
    let (_folder, migrator) = migrate(&database, &diff).await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    // Sessions know the new type at once.
    let tasks = database.sessions.repository::<before::TaskRow>().autocommit();
    let mut task = before::TaskRow { id: 1, state: before::State::Done, states: vec![before::State::Open] };
    tasks.add_now(&mut task).await.unwrap();
    assert_eq!(tasks.get(1).await.unwrap().state, before::State::Done);
    migrator.down(&database.sessions, 1).await.unwrap();
    assert_eq!(database.numbers("SELECT count(*) FROM pg_type WHERE typname = 'task_state'").await, [0]);
}

async fn a_value_is_added_in_its_place_and_can_be_used_behind(database: Database) {
    migrate(&database, &schema![before::TaskRow].diff(&database.sessions).await.unwrap()).await;
    let registry = schema![after::TaskRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    let folder = Folder::new();
    diff.write(folder.path(), "pause", Default::default()).unwrap();
    let names = folder.names();
    assert!(
        names.len() == 2 && names[0].ends_with("-0000_pause_values") && names[1].ends_with("-0001_pause"),
        "{names:?}"
    );
    let read = |name: &str, file: &str| std::fs::read_to_string(folder.path().join(name).join(file)).unwrap();
    assert_eq!(
        read(&names[0], "up.sql"),
        "-- add value `new` to type `task_state`\n\
         ALTER TYPE task_state ADD VALUE IF NOT EXISTS 'new' BEFORE 'open';\n\n\
         -- add value `paused` to type `task_state`\n\
         ALTER TYPE task_state ADD VALUE IF NOT EXISTS 'paused' AFTER 'open';\n"
    );
    let migrator = folder.migrator();
    migrator.up(&database.sessions).await.unwrap();
    assert_eq!(registry.diff(&database.sessions).await.unwrap().up_sql(), "");
    let labels: Vec<(String,)> = database
        .observer()
        .sql("SELECT enumlabel::text FROM pg_enum ORDER BY enumsortorder")
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(labels.iter().map(|(label,)| label.as_str()).collect::<Vec<_>>(), ["new", "open", "paused", "done"]);
    migrator.down(&database.sessions, 2).await.unwrap();
    // Values stay; the rest is as before.
    assert_eq!(schema![before::TaskRow].diff(&database.sessions).await.unwrap().up_sql(), "");
}

async fn a_value_that_the_program_does_not_have_is_noted_and_stays(database: Database) {
    let created = schema![after::TaskRow].diff(&database.sessions).await.unwrap();
    assert_eq!(created.notes(), [""; 0]);
    migrate(&database, &created).await;
    let note = "type `task_state` has the values `new`, `paused`, which the program does not have; PostgreSQL cannot take \
                values away, so see that no row holds one";
    let registry = schema![before::TaskRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(diff.notes(), [note]);
    assert!(!diff.is_empty() && diff.to_string().ends_with(&format!("\nnote: {note}\n")), "{diff}");
    migrate(&database, &diff).await;

    let diff = registry.diff(&database.sessions).await.unwrap();
    assert!(diff.is_empty());
    assert_eq!((diff.up_sql(), diff.down_sql()), (String::new(), String::new()));
    assert_eq!(diff.to_string(), format!("the database fits the tables of the program\nnote: {note}\n"));
    let command = Command::from_args(["migrations", "--url", database.url(), "diff", "--check"]).unwrap();
    let mut output = Vec::new();
    assert!(command.run(&registry, &mut output).await.unwrap());
    assert_eq!(String::from_utf8(output).unwrap(), diff.to_string());
}

async fn another_order_is_noted(database: Database) {
    database.execute("CREATE TYPE task_state AS ENUM ('done', 'lost', 'open')").await;
    let registry = schema![before::TaskRow];
    migrate(&database, &registry.diff(&database.sessions).await.unwrap()).await;
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert!(diff.is_empty());
    assert_eq!(
        diff.notes(),
        [
            "type `task_state` has the value `lost`, which the program does not have; PostgreSQL cannot take values away, so \
             see that no row holds one",
            "type `task_state` has its values in the order `done`, `open`, by which PostgreSQL sorts and compares them, and \
             the program in another; declare them in that order, or make the type anew",
        ]
    );
}

async fn a_type_that_is_no_enum_is_left_alone(database: Database) {
    database.execute("CREATE DOMAIN task_state AS text").await;
    let registry = schema![before::TaskRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "create table `tasks`\n");
    migrate(&database, &diff).await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
}

/// A second table with the same type.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "jobs")]
#[mappable(domain = Self)]
struct JobRow {
    #[table(id)]
    id: i64,
    state: before::State,
    former: Option<before::State>,
}

/// Rust knows it as a text, so that nobody knows its values.
#[derive(Debug, Clone, Table)]
#[table(name = "moods")]
struct MoodRow {
    #[table(id)]
    id: i64,
    mood: Mood,
}

#[derive(Debug, Clone, ColumnValue)]
#[column(pg_type = "unknown_mood")]
struct Mood(String);

async fn types(database: &Database) -> Vec<i64> {
    database.numbers("SELECT count(*) FROM pg_type WHERE typname = 'task_state'").await
}

async fn an_enum_is_made_and_dropped_with_the_tables_that_share_it(database: Database) {
    let registry = schema![before::TaskRow, JobRow];
    database.sessions.create_tables(&registry).await.unwrap();
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    database.sessions.create_tables(&registry).await.unwrap();

    let jobs = database.sessions.repository::<JobRow>();
    let mut job = JobRow { id: 1, state: before::State::Done, former: Some(before::State::Open) };
    jobs.autocommit().add_now(&mut job).await.unwrap();
    assert_eq!(jobs.get(1).await.unwrap(), job);

    database.sessions.drop_tables(&registry).await.unwrap();
    assert_eq!(types(&database).await, [0]);
    database.sessions.drop_tables(&registry).await.unwrap();
    let ddl = registry.ddl(spakky::Backend::Postgres).unwrap();
    assert_eq!(ddl.matches("CREATE TYPE").count(), 1);
    assert!(ddl.contains(";\nCREATE TYPE task_state AS ENUM ('open', 'done');\nCREATE TABLE "), "{ddl}");
    assert!(!registry.ddl(spakky::Backend::Sqlite).unwrap().contains("TYPE"));
}

async fn an_enum_that_something_else_uses_stays(database: Database) {
    database.sessions.create_tables(&schema![before::TaskRow, JobRow]).await.unwrap();
    database.sessions.drop_tables(&schema![before::TaskRow]).await.unwrap();
    assert_eq!(types(&database).await, [1]);
    database.sessions.drop_tables(&schema![JobRow]).await.unwrap();
    assert_eq!(types(&database).await, [0]);
}

async fn what_is_no_enum_is_neither_made_nor_dropped_with_its_table(database: Database) {
    database.execute("CREATE DOMAIN task_state AS text").await;
    let registry = schema![before::TaskRow];
    database.sessions.create_tables(&registry).await.unwrap();
    database.sessions.drop_tables(&registry).await.unwrap();
    assert_eq!(types(&database).await, [1]);
}

async fn a_missing_type_of_unknown_values_is_an_error(database: Database) {
    let error = database.sessions.create_tables(&schema![MoodRow]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run the statement: a table, column or type it names is not in the database; have the migrations run?"
    );
}

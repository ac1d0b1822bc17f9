//! Native enums of PostgreSQL.

use spakky::prelude::*;

use super::folder::{Folder, migrate};
use crate::support::{Database, on_postgres};

on_postgres![
    an_enum_is_made_with_its_values_and_goes_with_its_table,
    a_value_is_added_in_its_place_and_can_be_used_behind,
    a_type_that_is_no_enum_is_left_alone,
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

async fn a_type_that_is_no_enum_is_left_alone(database: Database) {
    database.execute("CREATE DOMAIN task_state AS text").await;
    let registry = schema![before::TaskRow];
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert_eq!(diff.to_string(), "create table `tasks`\n");
    migrate(&database, &diff).await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
}

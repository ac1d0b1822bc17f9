//! What a column gets that is not given: values that mean the same on either backend, and SQL that is checked.

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use spakky::Backend;
use spakky::prelude::*;
use uuid::Uuid;

use super::folder::migrate;
use crate::support::{Database, on_each_backend};

on_each_backend![
    each_backend_has_its_own_words_for_a_default,
    nothing_differs_behind_a_default,
    a_required_time_is_added_to_rows_that_are_there,
    sql_that_gives_nothing_readable_is_refused_before_there_is_a_table,
    sql_that_gives_what_is_stored_is_taken,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
enum State {
    Open,
}

#[derive(Debug, Clone, Table)]
#[table(name = "bills")]
struct Bill {
    #[table(id)]
    id: i64,
    #[table(default = now)]
    at: DateTime<Utc>,
    #[table(default = now)]
    local: NaiveDateTime,
    #[table(default = [])]
    tags: Vec<i64>,
    #[table(json, default = [])]
    notes: Vec<String>,
    #[table(default = -5)]
    small: i16,
    #[table(default = 12.50)]
    amount: Decimal,
    #[table(default = true)]
    open: bool,
    #[table(default = text("it's"))]
    name: String,
    #[table(default = State::Open)]
    state: State,
    #[table(default = "NULL")]
    nothing: Option<String>,
}

async fn each_backend_has_its_own_words_for_a_default(database: Database) {
    let ddl = schema![Bill].ddl(database.backend()).unwrap();
    let lines: Vec<&str> =
        ddl.lines().filter(|line| line.contains("NOT NULL DEFAULT") || line.contains("nothing")).collect();
    let expected = match database.backend() {
        Backend::Postgres => [
            r#"    "at" timestamptz NOT NULL DEFAULT (now()),"#,
            r#"    "local" timestamp NOT NULL DEFAULT ((now() AT TIME ZONE 'UTC')),"#,
            r#"    "tags" int8[] NOT NULL DEFAULT ('{}'),"#,
            r#"    "notes" jsonb NOT NULL DEFAULT ('[]'),"#,
            r#"    "small" int2 NOT NULL DEFAULT (-5),"#,
            r#"    "amount" numeric NOT NULL DEFAULT (12.50),"#,
            r#"    "open" bool NOT NULL DEFAULT (true),"#,
            r#"    "name" text NOT NULL DEFAULT ('it''s'),"#,
            r#"    "state" text NOT NULL DEFAULT ('open'),"#,
            r#"    "nothing" text,"#,
        ],
        _ => [
            r#"    "at" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),"#,
            r#"    "local" TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000', 'now')),"#,
            r#"    "tags" TEXT NOT NULL DEFAULT ('[]'),"#,
            r#"    "notes" TEXT NOT NULL DEFAULT ('[]'),"#,
            r#"    "small" INTEGER NOT NULL DEFAULT (-5),"#,
            r#"    "amount" TEXT NOT NULL DEFAULT ('12.50'),"#,
            r#"    "open" INTEGER NOT NULL DEFAULT (true),"#,
            r#"    "name" TEXT NOT NULL DEFAULT ('it''s'),"#,
            r#"    "state" TEXT NOT NULL DEFAULT ('open'),"#,
            r#"    "nothing" TEXT,"#,
        ],
    };
    assert_eq!(lines, expected);
}

async fn nothing_differs_behind_a_default(database: Database) {
    let registry = schema![Bill];
    database.sessions.create_tables(&registry).await.unwrap();
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert!(diff.is_empty(), "{diff}");
    database.sessions.drop_tables(&registry).await.unwrap();
    migrate(&database, &registry.diff(&database.sessions).await.unwrap()).await;
    let diff = registry.diff(&database.sessions).await.unwrap();
    assert!(diff.is_empty(), "{diff}");
}

mod before {
    use super::*;

    #[derive(Debug, Clone, Table, Mappable)]
    #[table(name = "visits")]
    #[mappable(domain = Self)]
    pub(super) struct Visit {
        #[table(id)]
        pub(super) id: i64,
    }
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "visits")]
#[mappable(domain = Self)]
struct Visit {
    #[table(id)]
    id: i64,
    #[table(default = now)]
    at: DateTime<Utc>,
    #[table(default = [])]
    tags: Vec<String>,
}

async fn a_required_time_is_added_to_rows_that_are_there(database: Database) {
    database.sessions.create_tables(&schema![before::Visit]).await.unwrap();
    let visits = database.sessions.repository::<before::Visit>();
    visits.autocommit().add_now(&mut before::Visit { id: 1 }).await.unwrap();
    let registry = schema![Visit];
    migrate(&database, &registry.diff(&database.sessions).await.unwrap()).await;
    assert!(registry.diff(&database.sessions).await.unwrap().is_empty());
    visits.autocommit().add_now(&mut before::Visit { id: 2 }).await.unwrap();
    for visit in database.sessions.repository::<Visit>().query().all().await.unwrap() {
        let age = (Utc::now() - visit.at).num_seconds();
        assert!((-5..600).contains(&age) && visit.tags.is_empty(), "{visit:?}");
    }
}

macro_rules! with_default {
    ($name:ident, $ty:ty, $default:literal) => {
        mod $name {
            use super::*;

            #[derive(Debug, Clone, Table, Mappable)]
            #[table(name = "faulty")]
            #[mappable(domain = Self)]
            pub(super) struct Faulty {
                #[table(id)]
                pub(super) id: i64,
                #[table(default = $default)]
                pub(super) value: $ty,
            }
        }
    };
}

with_default!(now, DateTime<Utc>, "now()");
with_default!(current, DateTime<Utc>, "CURRENT_TIMESTAMP");
with_default!(date_of_text, Option<DateTime<Utc>>, "'2026-01-01'");
with_default!(word, String, "open");
with_default!(random, Uuid, "gen_random_uuid()");
with_default!(computed, i64, "1 + 2");
with_default!(number_as_text, i64, "'5'");
with_default!(upper, State, "lower('OPEN')");

const ADVICE: &str = "write `default = now`, `default = []`, a value of the field's type, or SQL that gives what the library stores there";

async fn sql_that_gives_nothing_readable_is_refused_before_there_is_a_table(database: Database) {
    let unknown = |sql: &str| {
        format!("create table `faulty`: SQLite cannot work out the default `{sql}` of column `value`; {ADVICE}")
    };
    let unreadable = |sql: &str| {
        format!(
            "create table `faulty`: the default `{sql}` of column `value` of `faulty` is nothing that the column can be \
             read with: the stored text is not a timestamptz; {ADVICE}"
        )
    };
    for (tables, expected) in [
        (schema![now::Faulty], unknown("now()")),
        (schema![current::Faulty], unreadable("CURRENT_TIMESTAMP")),
        (schema![date_of_text::Faulty], unreadable("'2026-01-01'")),
        (schema![word::Faulty], unknown("open")),
        (schema![random::Faulty], unknown("gen_random_uuid()")),
    ] {
        let (made, compared) =
            (database.sessions.create_tables(&tables).await, tables.diff(&database.sessions).await.map(drop));
        if database.is_sqlite() {
            for refused in [made, compared] {
                let refused = refused.unwrap_err();
                assert!(refused.is_schema());
                assert_eq!(refused.to_string(), expected);
            }
            assert_eq!(database.numbers("SELECT count(*) FROM sqlite_schema WHERE name = 'faulty'").await, [0]);
        } else if expected == unknown("open") {
            // A column cannot be the default of another.
            assert!(made.is_err() && compared.is_err());
        } else {
            made.unwrap();
            compared.unwrap();
            database.sessions.drop_tables(&tables).await.unwrap();
        }
    }
}

async fn sql_that_gives_what_is_stored_is_taken(database: Database) {
    for (tables, read) in [(schema![computed::Faulty], 3), (schema![number_as_text::Faulty], 5)] {
        database.sessions.create_tables(&tables).await.unwrap();
        assert!(tables.diff(&database.sessions).await.unwrap().is_empty());
        database.execute("INSERT INTO faulty (id) VALUES (1)").await;
        assert_eq!(database.sessions.repository::<computed::Faulty>().get(1).await.unwrap().value, read);
        database.sessions.drop_tables(&tables).await.unwrap();
    }
    let tables = schema![upper::Faulty];
    database.sessions.create_tables(&tables).await.unwrap();
    database.execute("INSERT INTO faulty (id) VALUES (1)").await;
    assert_eq!(database.sessions.repository::<upper::Faulty>().get(1).await.unwrap().value, State::Open);
}

//! The question to the catalog ahead of the first write to a table.

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use spakky::prelude::*;
use spakky::{Error, SessionManager};
use uuid::Uuid;

use crate::support::{Database, Line, on_each_backend, on_pgbouncer, on_postgres};

on_each_backend![
    each_kind_of_write_is_refused,
    what_is_written_along_is_not_stored,
    a_nested_scope_alone_is_undone,
    each_manager_asks_once_for_a_table,
    a_write_that_fails_has_the_next_one_ask_again,
    tables_that_change_are_looked_up_again,
    two_first_writes_at_once_are_both_refused,
    a_setting_turns_it_off,
    a_table_that_is_missing_is_told_by_the_write,
    children_are_looked_up_with_their_row,
];

mod texts {
    use super::*;

    on_postgres![
        columns_that_do_not_fit_are_named_with_both_types,
        it_raises_where_no_function_may_be_installed,
        tables_are_found_where_the_write_finds_them,
        the_first_write_takes_one_round_trip,
        what_is_committed_and_cannot_be_read_is_told_as_such,
    ];

    mod sqlite {
        #[test]
        fn columns_that_do_not_fit_are_named_with_their_declared_types() {
            crate::support::run(
                spakky::Backend::Sqlite,
                super::super::columns_that_do_not_fit_are_named_with_their_declared_types,
            );
        }
    }
}

mod pooled {
    use super::*;

    on_pgbouncer![each_kind_of_write_is_refused, each_manager_asks_once_for_a_table];
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "items", unique(code))]
#[mappable(domain = Self)]
struct Item {
    #[table(id)]
    id: i64,
    code: String,
    price: Decimal,
}

fn item(id: i64) -> Item {
    Item { id, code: format!("code {id}"), price: Decimal::new(1230, 2) }
}

/// Items whose prices are kept as something else.
async fn make_items(db: &Database) {
    let price = if db.is_sqlite() { "decimal(10,2)" } else { "double precision" };
    db.execute(&format!(
        "CREATE TABLE items (id bigint PRIMARY KEY, code text NOT NULL CONSTRAINT uq_items_code UNIQUE, price {price} NOT NULL)"
    ))
    .await;
    db.execute("INSERT INTO items VALUES (1, 'code 1', 1), (2, 'code 2', 2)").await;
}

async fn stored(db: &Database) -> Vec<i64> {
    db.numbers("SELECT id FROM items ORDER BY id").await
}

fn refused(db: &Database) -> &'static str {
    if db.is_sqlite() {
        "write to `items`: column `price` is declared `decimal(10,2)`, which does not give back a `Decimal` as it was written; \
         make the field a newtype with a `sql_type` of diesel's, or the column `TEXT`"
    } else {
        "write to `items`: column `price` is `double precision`, which does not give back a `Decimal` as it was written; make \
         the field an `f64`, or the column `numeric`"
    }
}

fn check<T: std::fmt::Debug>(db: &Database, done: Result<T, Error>) {
    let error = done.unwrap_err();
    assert!(error.is_schema() && !error.is_retryable(), "{error:?}");
    assert_eq!(error.to_string(), refused(db));
    assert_eq!((error.table(), error.columns()), (Some("items"), &["price".to_owned()][..]));
}

async fn each_kind_of_write_is_refused(db: Database) {
    make_items(&db).await;
    let items = db.sessions.repository::<Item>();
    let alone = items.clone().autocommit();
    let c = Item::COLUMNS;
    for in_scope in [false, true] {
        let scope = TransactionOptions::new();
        macro_rules! write {
            (|$repo:ident| $call:expr) => {{
                let done = if in_scope {
                    let $repo = &items;
                    db.sessions.transaction(scope, async |_| $call.await.map(drop)).await
                } else {
                    let $repo = &alone;
                    $call.await.map(drop)
                };
                check(&db, done);
                assert_eq!(stored(&db).await, [1, 2]);
            }};
        }
        write!(|repo| repo.add_now(&mut item(3)));
        write!(|repo| repo.add_all_now(&mut [item(3), item(4)]));
        write!(|repo| repo.upsert_now(&mut item(1)));
        write!(|repo| repo.upsert_by_now(Item::UQ_CODE, &mut item(1)));
        write!(|repo| repo.delete_by_id_now(1));
        write!(|repo| repo.update_where(c.id.eq(1), [c.code.set("other".to_owned())]));
        write!(|repo| repo.delete_where(c.id.eq(1)));
    }
    let queued = db.sessions.transaction(TransactionOptions::new(), async |_| items.add(&mut item(3))).await;
    check(&db, queued);
    assert_eq!(stored(&db).await, [1, 2]);
    assert_eq!(db.numbers("SELECT count(*) FROM items WHERE code = 'other'").await, [0]);
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
}

fn note(id: i64) -> Note {
    Note { id, text: String::new() }
}

async fn what_is_written_along_is_not_stored(db: Database) {
    make_items(&db).await;
    db.observer().create_tables(&schema![Note]).await.unwrap();
    let (items, notes) = (db.sessions.repository::<Item>(), db.sessions.repository::<Note>());
    for order in [false, true] {
        let done = db.sessions.transaction(TransactionOptions::new(), async |session| {
            if order {
                notes.add(&mut note(1))?;
                session.flush().await?;
            }
            items.add(&mut item(3))?;
            notes.add(&mut note(2))
        });
        check(&db, done.await);
        assert_eq!(db.numbers("SELECT count(*) FROM notes").await, [0]);
        assert_eq!(stored(&db).await, [1, 2]);
    }
}

async fn a_nested_scope_alone_is_undone(db: Database) {
    make_items(&db).await;
    db.observer().create_tables(&schema![Note]).await.unwrap();
    let (items, notes) = (db.sessions.repository::<Item>(), db.sessions.repository::<Note>());
    let nested = TransactionOptions::new().propagation(Propagation::Nested);
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            notes.add(&mut note(1))?;
            check(&db, db.sessions.transaction(nested, async |_| items.add_now(&mut item(3)).await).await);
            notes.add(&mut note(2))
        })
        .await
        .unwrap();
    assert_eq!(db.numbers("SELECT id FROM notes ORDER BY id").await, [1, 2]);
    assert_eq!(stored(&db).await, [1, 2]);
}

async fn each_manager_asks_once_for_a_table(db: Database) {
    db.observer().create_tables(&schema![Note]).await.unwrap();
    let write = async |sessions: &SessionManager, id| {
        let notes = sessions.repository::<Note>();
        sessions.transaction(TransactionOptions::new(), async |_| notes.add(&mut note(id))).await.unwrap();
        notes
            .autocommit()
            .update_where(Note::COLUMNS.id.eq(id), [Note::COLUMNS.text.set("x".to_owned())])
            .await
            .unwrap();
    };
    let before = db.sessions.statistics().statements;
    write(&db.sessions, 1).await;
    let first = db.sessions.statistics().statements - before;
    assert_eq!(db.catalog_asked(), 1);
    write(&db.sessions, 2).await;
    assert_eq!(db.catalog_asked(), 0);
    // The manager's own question is not counted as a statement of the unit of work.
    assert_eq!(db.sessions.statistics().statements - before, 2 * first);
    let other = db.connect(|config| config.echo(true)).await;
    write(&other, 3).await;
    assert_eq!(db.catalog_asked(), 1);
    let unprepared = db.connect(|config| config.echo(true).statement_cache_size(0)).await;
    write(&unprepared, 4).await;
    assert_eq!(db.catalog_asked(), 1);
    assert_eq!(db.numbers("SELECT count(*) FROM notes WHERE text = 'x'").await, [4]);
}

async fn a_write_that_fails_has_the_next_one_ask_again(db: Database) {
    db.observer().create_tables(&schema![Note]).await.unwrap();
    db.execute("INSERT INTO notes VALUES (1, '')").await;
    let notes = db.sessions.repository::<Note>();
    let add = async |id| notes.clone().autocommit().add_now(&mut note(id)).await;
    assert!(add(1).await.unwrap_err().is_unique_violation());
    assert_eq!(db.catalog_asked(), 1);
    add(2).await.unwrap();
    assert_eq!(db.catalog_asked(), 1);
    assert!(add(1).await.unwrap_err().is_unique_violation());
    assert_eq!(db.catalog_asked(), 0);
}

async fn tables_that_change_are_looked_up_again(db: Database) {
    db.sessions.create_tables(&schema![Note]).await.unwrap();
    let notes = db.sessions.repository::<Note>().autocommit();
    notes.add_now(&mut note(1)).await.unwrap();
    assert_eq!(db.catalog_asked(), 1);
    db.sessions.create_tables(&schema![Item]).await.unwrap();
    notes.add_now(&mut note(2)).await.unwrap();
    assert_eq!(db.catalog_asked(), 1);
}

async fn two_first_writes_at_once_are_both_refused(db: Database) {
    make_items(&db).await;
    let items = db.sessions.repository::<Item>().autocommit();
    let (mut first, mut second) = (item(3), item(4));
    let (first, second) = tokio::join!(items.add_now(&mut first), items.add_now(&mut second));
    check(&db, first);
    check(&db, second);
    assert_eq!(stored(&db).await, [1, 2]);
}

async fn a_setting_turns_it_off(db: Database) {
    make_items(&db).await;
    let sessions = db.connect(|config| config.echo(true).catalog_guard(false)).await;
    sessions.repository::<Item>().autocommit().add_now(&mut item(3)).await.unwrap();
    assert_eq!(db.catalog_asked(), 0);
    assert_eq!(stored(&db).await, [1, 2, 3]);
}

async fn a_table_that_is_missing_is_told_by_the_write(db: Database) {
    let error = db.sessions.repository::<Item>().autocommit().add_now(&mut item(1)).await.unwrap_err();
    assert_eq!(
        error.to_string().split(" (queued at ").next(),
        Some(
            "run the statement on `items`: a table, column or type it names is not in the database; have the migrations run?"
        )
    );
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "crates")]
#[mappable(domain = Self)]
struct Crate {
    #[table(id)]
    id: i64,
    #[table(has_many(by = crate_id))]
    parts: Vec<PartOf>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parts")]
#[mappable(domain = Self)]
struct PartOf {
    #[table(id)]
    id: Uuid,
    #[table(references(Crate))]
    crate_id: i64,
}

async fn children_are_looked_up_with_their_row(db: Database) {
    db.execute("CREATE TABLE crates (id bigint PRIMARY KEY)").await;
    let id = if db.is_sqlite() { "char(32)" } else { "text" };
    db.execute(&format!("CREATE TABLE parts (id {id} PRIMARY KEY, crate_id bigint NOT NULL REFERENCES crates)")).await;
    let crates = db.sessions.repository::<Crate>().autocommit();
    let part = PartOf { id: Uuid::from_u128(7), crate_id: 0 };
    let error = crates.add_now(&mut Crate { id: 1, parts: vec![part] }).await.unwrap_err();
    assert!(error.is_schema(), "{error:?}");
    assert_eq!((error.table(), error.columns()), (Some("parts"), &["id".to_owned()][..]));
    assert_eq!(db.catalog_asked(), 1);
    assert_eq!(db.numbers("SELECT count(*) FROM crates").await, [0]);
    // A row without children writes to its own table alone.
    crates.add_now(&mut Crate { id: 2, parts: Vec::new() }).await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM crates").await, [2]);
}

#[derive(Debug, Clone, ColumnValue)]
#[column(pg_type = "mood")]
struct Mood(String);

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "odd")]
#[mappable(domain = Self)]
struct Odd {
    #[table(id)]
    id: String,
    at: DateTime<Utc>,
    local: NaiveDateTime,
    uuid: Uuid,
    rate: f64,
    ratio: f64,
    tags: Vec<String>,
    mood: Mood,
    kept: Option<String>,
}

fn odd() -> Odd {
    Odd {
        id: "a".into(),
        at: DateTime::UNIX_EPOCH,
        local: NaiveDateTime::default(),
        uuid: Uuid::nil(),
        rate: 1.5,
        ratio: 1.5,
        tags: Vec::new(),
        mood: Mood("ab".into()),
        kept: None,
    }
}

async fn columns_that_do_not_fit_are_named_with_both_types(db: Database) {
    for sql in [
        "CREATE EXTENSION citext",
        "CREATE TYPE mood AS ENUM ('ab')",
        "CREATE DOMAIN \"Code\" AS varchar(40)",
        "CREATE TABLE odd (id citext PRIMARY KEY, at timestamp(3), local timestamptz, uuid char(32), rate integer, ratio real, \
         tags text, mood varchar(9), kept \"Code\")",
    ] {
        db.execute(sql).await;
    }
    let sessions = db.connect(|config| config).await;
    let error = sessions.repository::<Odd>().autocommit().add_now(&mut odd()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "write to `odd`: column `id` is `citext`, to which texts are equal that are not equal to a `String`, and rows are found \
         by it; make the field a newtype with `#[column(pg_type = \"citext\")]`, or the column `text`; column `at` is `timestamp(3) \
         without time zone`, which does not give back a `DateTime<Utc>` as it was written; make the field a `NaiveDateTime`, or \
         the column `timestamp with time zone`; column `local` is `timestamp with time zone`, which does not give back a \
         `NaiveDateTime` as it was written; make the field a `DateTime<Utc>`, or the column `timestamp without time zone`; column \
         `uuid` is `character(32)`, which does not give back a `Uuid` as it was written; make the column `uuid`; column `rate` is \
         `integer`, which does not give back an `f64` as it was written; make the field an `i32`, or the column `double precision`; \
         column `ratio` is `real`, which does not give back an `f64` as it was written; make the field an `f32`, or the column \
         `double precision`; column `tags` is `text`, which does not give back a `Vec<String>` as it was written; make the column \
         `text[]`; column `mood` is `character varying(9)`, and its field says `mood`; make the one what the other is"
    );
    assert_eq!(error.columns(), ["id", "at", "local", "uuid", "rate", "ratio", "tags", "mood"]);
    assert_eq!(db.numbers("SELECT count(*) FROM odd").await, [0]);
}

async fn columns_that_do_not_fit_are_named_with_their_declared_types(db: Database) {
    db.execute(
        "CREATE TABLE odd (id varchar(20) COLLATE NOCASE PRIMARY KEY, at datetime, local timestamp, uuid char(32), rate text, \
         ratio decimal(4,1), tags JSON, mood varchar(9), kept)",
    )
    .await;
    let error = db.sessions.repository::<Odd>().autocommit().add_now(&mut odd()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "write to `odd`: column `id` is declared `varchar(20)` with the collation `NOCASE`, to which texts are equal that are not \
         equal to the program, and rows are found by it; give it a collation to which only equal texts are equal; column `at` is \
         declared `datetime`, which does not give back a `DateTime<Utc>` as it was written; make the field a newtype with a \
         `sql_type` of diesel's, or the column `TEXT`; column `local` is declared `timestamp`, which does not give back a \
         `NaiveDateTime` as it was written; make the field a newtype with a `sql_type` of diesel's, or the column `TEXT`; column \
         `uuid` is declared `char(32)`, which does not give back a `Uuid` as it was written; make the field a `String`, or the \
         column `BLOB`; column `rate` is declared `TEXT`, which does not give back an `f64` as it was written; make the field a \
         `String`, or the column `REAL`"
    );
    assert_eq!(db.numbers("SELECT count(*) FROM odd").await, [0]);
}

async fn it_raises_where_no_function_may_be_installed(db: Database) {
    make_items(&db).await;
    db.execute("DROP FUNCTION spakky_raise(text)").await;
    let sessions = db.connect(|config| config).await;
    check(&db, sessions.repository::<Item>().autocommit().add_now(&mut item(3)).await);
    let cols = Item::COLUMNS;
    let set = [cols.code.set("other".to_owned())];
    check(&db, sessions.repository::<Item>().autocommit().update_where(cols.id.eq(1), set).await);
    assert_eq!(stored(&db).await, [1, 2]);
}

async fn tables_are_found_where_the_write_finds_them(db: Database) {
    // The one that the search path finds first is the one that counts, whatever others are there by the name.
    for sql in [
        "CREATE SCHEMA \"Other\"",
        "CREATE TABLE \"Other\".items (id bigint PRIMARY KEY, code text NOT NULL UNIQUE, price numeric(10,2) NOT NULL)",
    ] {
        db.execute(sql).await;
    }
    make_items(&db).await;
    db.execute(
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET search_path = \"Other\", public'; END $$",
    )
    .await;
    let sessions = db.connect(|config| config).await;
    sessions.repository::<Item>().autocommit().add_now(&mut item(3)).await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM \"Other\".items").await, [3]);
}

async fn the_first_write_takes_one_round_trip(db: Database) {
    db.observer().create_tables(&schema![Note]).await.unwrap();
    let line = Line::new(&db).await;
    let notes = line.sessions.repository::<Note>().autocommit();
    let mut first = note(1);
    let cost = line.cost(notes.add_now(&mut first)).await;
    cost.value.unwrap();
    assert_eq!(cost.round_trips, 1);
    let line = Line::new(&db).await;
    let notes = line.sessions.repository::<Note>().autocommit();
    let by = Note::COLUMNS;
    let cost = line.cost(notes.update_where(by.id.eq(1), [by.text.set("x".to_owned())])).await;
    assert_eq!((cost.value.unwrap(), cost.round_trips), (1, 1));
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "alarms")]
#[mappable(domain = Self)]
struct Alarm {
    #[table(id, generated)]
    id: i64,
    at: DateTime<Utc>,
}

/// No type of a column says that a trigger makes of each value one that no Rust type can hold.
async fn what_is_committed_and_cannot_be_read_is_told_as_such(db: Database) {
    db.observer().create_tables(&schema![Alarm]).await.unwrap();
    let body = "BEGIN NEW.at := 'infinity'; RETURN NEW; END";
    db.execute(&format!("CREATE FUNCTION postpone() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
    db.execute("CREATE TRIGGER postpone BEFORE INSERT ON alarms FOR EACH ROW EXECUTE FUNCTION postpone()").await;
    let alarms = db.sessions.repository::<Alarm>();
    let mut alarm = Alarm { id: 0, at: DateTime::UNIX_EPOCH };
    let error = alarms.clone().autocommit().add_now(&mut alarm).await.unwrap_err();
    assert!(error.is_post_commit(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "read back what was inserted into `alarms`, which is stored: read column `at` of `alarms`: the stored timestamp is infinite, \
         which no Rust type can hold"
    );
    assert_eq!((error.table(), error.columns()), (Some("alarms"), &["at".to_owned()][..]));
    assert_eq!(db.numbers("SELECT count(*) FROM alarms").await, [1]);
    let done = db.sessions.transaction(TransactionOptions::new(), async |_| alarms.add_now(&mut alarm).await).await;
    assert!(done.unwrap_err().is_mapping());
    assert_eq!(db.numbers("SELECT count(*) FROM alarms").await, [1]);
}

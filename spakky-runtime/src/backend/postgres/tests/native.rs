//! Diesel's DSL on the connection.

use std::io::Write;
use std::task::{Context, Waker};

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};

use super::support::*;
use crate::backend::Step;
use crate::backend::postgres::{PgConnection, PostgresConnection, Returned};
use crate::error::ErrorKind;
use crate::value::Value;

#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "mood"))]
pub struct MoodType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = MoodType)]
enum Mood {
    Sad,
    Happy,
}

impl ToSql<MoodType, Pg> for Mood {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(match self {
            Mood::Sad => b"sad",
            Mood::Happy => b"happy",
        })?;
        Ok(IsNull::No)
    }
}

impl FromSql<MoodType, Pg> for Mood {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"sad" => Ok(Mood::Sad),
            b"happy" => Ok(Mood::Happy),
            _ => Err("no mood".into()),
        }
    }
}

diesel::table! {
    use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid};
    use super::MoodType;

    person (id) {
        id -> BigInt,
        name -> Text,
        mood -> Nullable<MoodType>,
        moods -> Array<MoodType>,
        key -> Uuid,
        since -> Timestamptz,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable, AsChangeset, Selectable)]
#[diesel(table_name = person, check_for_backend(Pg))]
struct Person {
    id: i64,
    name: String,
    mood: Option<Mood>,
    moods: Vec<Mood>,
    key: uuid::Uuid,
    since: chrono::DateTime<chrono::Utc>,
}

fn somebody(id: i64) -> Person {
    Person {
        id,
        name: format!("person {id}"),
        mood: (id % 2 == 0).then_some(Mood::Happy),
        moods: vec![Mood::Sad, Mood::Happy],
        key: uuid::Uuid::now_v7(),
        since: crate::value::now_micros(),
    }
}

const SCHEMA: &str = "CREATE TYPE mood AS ENUM ('sad', 'happy'); \
    CREATE TABLE person (id int8 PRIMARY KEY, name text NOT NULL, mood mood, moods mood[] NOT NULL, key uuid NOT NULL, \
    since timestamptz NOT NULL)";

async fn with_people() -> (TestDatabase, PostgresConnection) {
    let database = TestDatabase::create().await;
    database.run(SCHEMA).await;
    let connection = database.connect().await;
    (database, connection)
}

async fn count(connection: &mut PgConnection) -> i64 {
    person::table.count().get_result(connection).await.unwrap()
}

#[tokio::test]
async fn diesels_dsl_loads_inserts_and_updates() {
    let (_database, connection) = with_people().await;
    let mut lent = connection.lend(false);
    let people: Vec<_> = (0..3).map(somebody).collect();
    for _ in 0..3 {
        // Unprepared at first, then prepared.
        diesel::delete(person::table).execute(&mut lent).await.unwrap();
        for person in &people {
            let inserted = diesel::insert_into(person::table).values(person).execute(&mut lent).await.unwrap();
            assert_eq!(inserted, 1);
        }
        let loaded: Vec<Person> =
            person::table.order(person::id).select(Person::as_select()).load(&mut lent).await.unwrap();
        assert_eq!(loaded, people);
    }
    let changed: Person = diesel::update(person::table.find(1))
        .set((person::mood.eq(Some(Mood::Sad)), person::name.eq("other")))
        .get_result(&mut lent)
        .await
        .unwrap();
    assert_eq!((changed.mood, changed.name.as_str()), (Some(Mood::Sad), "other"));
    let sad: Vec<i64> =
        person::table.filter(person::mood.eq_any([Mood::Sad])).select(person::id).load(&mut lent).await.unwrap();
    assert_eq!(sad, [1]);
    let named: Option<String> =
        person::table.filter(person::name.eq("nobody")).select(person::name).first(&mut lent).await.optional().unwrap();
    assert_eq!(named, None);
    let plain: i64 = diesel::select(diesel::dsl::sql::<BigInt>("41 + ").bind::<BigInt, _>(1_i64))
        .get_result(&mut lent)
        .await
        .unwrap();
    assert_eq!(plain, 42);
    assert_eq!(lent.returned(), Returned::Intact);
    assert!(connection.reset(LIMIT).await);
}

#[tokio::test]
async fn a_transaction_on_a_lent_connection_is_a_savepoint() {
    let (database, connection) = with_people().await;
    answers(&connection, vec![begin()]).await;
    let mut lent = connection.lend(true);
    diesel::insert_into(person::table).values(somebody(1)).execute(&mut lent).await.unwrap();
    let undone: Result<(), diesel::result::Error> = lent
        .transaction(async |lent| {
            diesel::insert_into(person::table).values(somebody(2)).execute(lent).await?;
            Err(diesel::result::Error::RollbackTransaction)
        })
        .await;
    assert!(undone.is_err());
    lent.transaction::<_, diesel::result::Error, _>(async |lent| {
        let twice = diesel::insert_into(person::table).values(somebody(1)).execute(lent).await;
        assert!(twice.is_err());
        Err::<(), _>(diesel::result::Error::RollbackTransaction)
    })
    .await
    .unwrap_err();
    assert_eq!(count(&mut lent).await, 1);
    assert_eq!(lent.returned(), Returned::Intact);
    drop(lent);
    answers(&connection, vec![Step::Commit]).await;
    assert_eq!(database.number("SELECT count(*) FROM person").await, 1);
}

#[tokio::test]
async fn what_was_left_open_failed_or_abandoned_is_told_on_return() {
    let (_database, connection) = with_people().await;

    answers(&connection, vec![begin()]).await;
    let mut lent = connection.lend(true);
    lent.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(lent.returned(), Returned::Unbalanced);
    drop(lent);
    assert!(connection.reset(LIMIT).await);

    answers(&connection, vec![begin()]).await;
    let mut lent = connection.lend(true);
    {
        // A nested transaction whose future is dropped.
        let nested = lent.transaction::<(), diesel::result::Error, _>(async |lent| {
            diesel::sql_query("SELECT pg_sleep(600)").execute(lent).await?;
            Ok(())
        });
        let mut nested = Box::pin(nested);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut nested).await.is_err());
    }
    assert_eq!(lent.returned(), Returned::Abandoned);
    drop(lent);
    assert!(connection.reset(LIMIT).await);

    answers(&connection, vec![begin()]).await;
    let mut lent = connection.lend(true);
    diesel::sql_query("SELECT 1 / 0").execute(&mut lent).await.unwrap_err();
    assert_eq!(lent.returned(), Returned::Failed);
    assert_eq!(lent.last_sqlstate().as_deref(), Some("22012"));
    diesel::sql_query("SELECT 1").execute(&mut lent).await.unwrap_err();
    assert_eq!(lent.last_sqlstate().as_deref(), Some("22012"), "what was refused for it is not the cause");
    drop(lent);
    assert!(connection.reset(LIMIT).await);

    let mut lent = connection.lend(false);
    lent.batch_execute("BEGIN").await.unwrap();
    assert_eq!(lent.returned(), Returned::Unbalanced);
    assert!(connection.reset(LIMIT).await);
    assert_eq!(value(&connection, "SELECT 1").await, Value::I32(1));
}

#[tokio::test]
async fn a_future_that_was_never_polled_has_done_nothing() {
    let (database, connection) = with_people().await;
    let mut lent = connection.lend(false);
    drop(diesel::insert_into(person::table).values(somebody(1)).execute(&mut lent));
    assert_eq!(lent.returned(), Returned::Intact);
    let mut sent = Box::pin(diesel::insert_into(person::table).values(somebody(2)).execute(&mut lent));
    assert!(sent.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(sent);
    assert_eq!(lent.returned(), Returned::Abandoned);
    assert_eq!(value(&connection, "SELECT count(*) FROM person").await, Value::I64(1));
    assert_eq!(database.number("SELECT id FROM person").await, 2);
}

#[tokio::test]
async fn types_made_after_the_connection_was_opened_are_found() {
    let database = TestDatabase::create().await;
    let connection = database.connect().await;
    database.run(SCHEMA).await;
    let mut lent = connection.lend(false);
    diesel::insert_into(person::table).values(vec![somebody(1), somebody(2)]).execute(&mut lent).await.unwrap();
    let moods: Vec<Vec<Mood>> = person::table
        .filter(person::moods.eq(vec![Mood::Sad, Mood::Happy]))
        .select(person::moods)
        .load(&mut lent)
        .await
        .unwrap();
    assert_eq!(moods, vec![vec![Mood::Sad, Mood::Happy]; 2]);

    database.run("DROP TABLE person; DROP TYPE mood").await;
    let other = database.connect().await;
    let mut lent = other.lend(false);
    let error = diesel::select(Mood::Happy.into_sql::<MoodType>()).get_result::<Mood>(&mut lent).await.unwrap_err();
    assert!(error.to_string().contains("mood"), "{error}");
}

#[tokio::test]
async fn errors_keep_what_the_server_said() {
    let (_database, connection) = with_people().await;
    let mut lent = connection.lend(false);
    diesel::insert_into(person::table).values(somebody(1)).execute(&mut lent).await.unwrap();
    let error = diesel::insert_into(person::table).values(somebody(1)).execute(&mut lent).await.unwrap_err();
    let diesel::result::Error::DatabaseError(kind, said) = &error else { panic!("{error}") };
    assert!(matches!(kind, diesel::result::DatabaseErrorKind::UniqueViolation));
    assert_eq!((said.table_name(), said.constraint_name()), (Some("person"), Some("person_pkey")));
    let error = lent.classify(error);
    assert_eq!((error.kind, error.code()), (ErrorKind::UniqueViolation, "23505"));
    assert_eq!(error.constraint.as_deref(), Some("person_pkey"));

    let error =
        lent.batch_execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$").await.unwrap_err();
    let error = lent.classify(error);
    assert_eq!((error.kind, error.retryable), (ErrorKind::Deadlock, true));
}

#[tokio::test]
async fn one_can_be_opened_on_its_own() {
    let (database, _connection) = with_people().await;
    let mut own = PgConnection::establish(database.url()).await.unwrap();
    own.transaction::<_, diesel::result::Error, _>(async |own| {
        diesel::insert_into(person::table).values(somebody(1)).execute(own).await?;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(count(&mut own).await, 1);
    // A failure that the closure keeps to itself does not become a success.
    let false_success: Result<(), diesel::result::Error> = own
        .transaction(async |own| {
            diesel::insert_into(person::table).values(somebody(2)).execute(own).await?;
            let _ = diesel::sql_query("SELECT 1 / 0").execute(own).await;
            Ok(())
        })
        .await;
    assert!(false_success.is_err());
    assert_eq!(count(&mut own).await, 1);
    let names: Vec<String> =
        diesel::select(diesel::dsl::sql::<Array<Text>>("ARRAY['a', 'b']")).get_result(&mut own).await.unwrap();
    assert_eq!(names, ["a", "b"]);
    assert!(PgConnection::establish("postgres://me:secret@127.0.0.1:1/x").await.is_err());
}

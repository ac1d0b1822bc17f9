//! Plain SQL.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Cancelled, Database, Posting, account, cancel_after, facts, on_each_backend, posting};

on_each_backend![
    values_are_bound_in_the_order_of_their_numbers,
    rows_come_as_tuples_or_as_rows_of_a_table,
    one_row_means_one_row,
    execute_tells_how_many_rows_it_wrote,
    pending_writes_are_seen_and_rows_known_before_are_read_again,
    what_does_not_fit_is_an_error_that_names_the_column,
    an_error_of_the_database_is_classified_and_dooms_the_scope,
    outside_a_scope_a_statement_is_its_own_transaction,
    a_read_that_is_dropped_does_no_harm_and_a_write_does,
    transactions_are_not_controlled_by_plain_sql,
    a_statement_takes_as_many_values_as_it_names,
    an_enum_of_the_databases_own_is_bound_without_a_cast,
];

const WORK: TransactionOptions = TransactionOptions::new().name("work");

async fn values_are_bound_in_the_order_of_their_numbers(db: Database) {
    let answer: (String, i64, String, Option<i64>) = db
        .sessions
        .sql("SELECT $2, $1 + 1, '$1', $3 -- $4")
        .bind(7_i64)
        .bind("seven".to_owned())
        .bind(None::<i64>)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(answer, ("seven".to_owned(), 8, "$1".to_owned(), None));
    let twice: (i64, i64) = db.sessions.sql("SELECT $1 + 0, $1 + 1").bind(1_i64).fetch_one().await.unwrap();
    assert_eq!(twice, (1, 2));
}

async fn rows_come_as_tuples_or_as_rows_of_a_table(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let postings = db.sessions.repository::<Posting>();
        postings.add(&mut posting(1, 1, 5))?;
        let rows: Vec<Posting> = session.sql("SELECT id, account, amount, text FROM postings").fetch_all().await?;
        assert_eq!(rows, [posting(1, 1, 5)]);
        let rows: Vec<(i64, String)> = session.sql("SELECT id, owner FROM accounts ORDER BY id").fetch_all().await?;
        assert_eq!(rows, [(1, "ann".to_owned()), (2, "bob".to_owned())]);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
}

async fn one_row_means_one_row(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let ask = |id: i64| db.sessions.sql("SELECT balance FROM accounts WHERE id >= $1").bind(id);
    assert_eq!(ask(2).fetch_one::<(i64,)>().await.unwrap(), (20,));
    assert_eq!(ask(2).fetch_optional::<(i64,)>().await.unwrap(), Some((20,)));
    assert_eq!(ask(3).fetch_optional::<(i64,)>().await.unwrap(), None);
    let error = ask(3).fetch_one::<(i64,)>().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "fetch one row: the statement returned none");
    for error in [ask(1).fetch_one::<(i64,)>().await.unwrap_err(), ask(1).fetch_optional::<(i64,)>().await.unwrap_err()]
    {
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), "fetch one row: the statement returned 2; add a condition, or use `fetch_all`");
    }
}

async fn execute_tells_how_many_rows_it_wrote(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let work = db.sessions.transaction(WORK, async |session| {
        let raise = "UPDATE accounts SET balance = balance + $1 WHERE balance > $2";
        assert_eq!(session.sql(raise).bind(1_i64).bind(15_i64).execute().await?, 1);
        assert_eq!(session.sql(raise).bind(1_i64).bind(99_i64).execute().await?, 0);
        let returned = session.sql("UPDATE accounts SET balance = balance + 1 RETURNING id").fetch_all::<(i64,)>();
        assert_eq!(returned.await?.len(), 2);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    assert_eq!(db.numbers("SELECT balance FROM accounts ORDER BY id").await, [11, 22]);
}

async fn pending_writes_are_seen_and_rows_known_before_are_read_again(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.get(1).await?;
        accounts.add(&mut account(2, "bob", 20))?;
        let (count,): (i64,) = session.sql("SELECT count(*) FROM accounts").fetch_one().await?;
        assert_eq!(count, 2);
        session.sql("UPDATE accounts SET balance = 99, version = version + 1 WHERE id = 1").execute().await?;
        let mut ann = accounts.get(1).await?;
        assert_eq!(ann.balance, 99);
        ann.balance = 100;
        accounts.save(&mut ann)
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 100, 3), facts(2, "bob", 20, 1)]);
}

async fn what_does_not_fit_is_an_error_that_names_the_column(db: Database) {
    let sql = |text: &str| db.sessions.sql(text);
    let error = sql("SELECT 1, 2").fetch_one::<(i64,)>().await.unwrap_err();
    assert!(error.is_mapping());
    assert_eq!(error.to_string(), "read 2 columns into `tuple`, which has 1");
    let error = sql("SELECT 'a', NULL").fetch_one::<(String, i64)>().await.unwrap_err();
    assert!(error.is_mapping());
    assert!(error.to_string().starts_with("read column 2 of the result: "), "{error}");
    let error = sql("SELECT 'a'").fetch_one::<(i64,)>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read column 1 of the result: expected int8, found text; cast it in the statement, or ask for another type"
    );
    let error = sql("SELEC 1").execute().await.unwrap_err();
    let code = if db.is_sqlite() { "1" } else { "42601" };
    assert_eq!(
        error.to_string(),
        format!("run the statement: the database refused it with code {code}; its words are the error's source")
    );
    let error = sql("SELECT id FROM postings").fetch_all::<Posting>().await;
    assert_eq!(error.unwrap().len(), 0);
    let error = sql("SELECT $1").bind("a\0b".to_owned()).fetch_one::<(String,)>().await.unwrap_err();
    assert!(error.is_mapping(), "{error:?}");
}

async fn an_error_of_the_database_is_classified_and_dooms_the_scope(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let mut kinds = Vec::new();
    let work = db.sessions.transaction(WORK, async |session| {
        let add = "INSERT INTO accounts (id, owner, balance, version) VALUES (2, 'ann', 1, 1)";
        let error = session.sql(add).execute().await.unwrap_err();
        kinds.push((error.is_unique_violation(), error.table().map(str::to_owned), error.columns().to_vec()));
        assert!(session.is_rollback_only());
        Ok::<_, Error>(())
    });
    assert!(work.await.unwrap_err().is_rollback_only());
    assert_eq!(kinds, [(true, Some("accounts".to_owned()), vec!["owner".to_owned()])]);
    let error = db.sessions.sql("SELEC 1").fetch_one::<(i64,)>().await.unwrap_err();
    assert!(error.is_database(), "{error:?}");
    assert!(!error.to_string().contains("SELEC"), "{error}");
    let error = db.sessions.sql("SELECT * FROM nowhere").fetch_all::<(i64,)>().await.unwrap_err();
    assert!(error.is_schema() || db.is_sqlite(), "{error:?}");
}

async fn outside_a_scope_a_statement_is_its_own_transaction(db: Database) {
    let add = "INSERT INTO accounts (id, owner, balance, version) VALUES ($1, $2, 1, 1)";
    assert_eq!(db.sessions.sql(add).bind(1_i64).bind("ann".to_owned()).execute().await.unwrap(), 1);
    assert_eq!(db.accounts().await, [facts(1, "ann", 1, 1)]);
    let error = db.sessions.sql(add).bind(1_i64).bind("bob".to_owned()).execute().await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(db.sessions.status().in_use, 0);
}

async fn a_read_that_is_dropped_does_no_harm_and_a_write_does(db: Database) {
    let transaction = db.sessions.begin();
    let session = transaction.session();
    session.sql("SELECT 1").fetch_one::<(i64,)>().await.ok();
    // Long enough not to be done at once.
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) SELECT i FROM n";
    let read = session.sql(format!("SELECT count(*) FROM ({many}) AS numbers")).fetch_one::<(i64,)>();
    assert!(matches!(cancel_after(1, false, read).await, Cancelled::Yes));
    assert!(!session.is_rollback_only());
    session.sql("SELECT count(*) FROM accounts").fetch_one::<(i64,)>().await.unwrap();
    let write = session.sql(format!("DELETE FROM accounts WHERE id IN ({many})")).execute();
    assert!(matches!(cancel_after(1, false, write).await, Cancelled::Yes));
    assert!(session.is_rollback_only());
    assert!(transaction.commit().await.unwrap_err().is_rollback_only());
}

async fn transactions_are_not_controlled_by_plain_sql(db: Database) {
    for sql in ["BEGIN", " begin;", "COMMIT", "Rollback", "SAVEPOINT a", "END", "PREPARE TRANSACTION 'a'"] {
        let error = db.sessions.sql(sql).execute().await.unwrap_err();
        assert!(error.is_invalid_query(), "{sql}: {error:?}");
    }
    let accounts = db.account_repository();
    let work = db.sessions.transaction(WORK, async |session| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        let error = session.sql("ROLLBACK").execute().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "run `ROLLBACK` as plain SQL: a scope begins and ends its transaction itself; use `transaction(..)`, `nested`, or \
             `set_rollback_only`"
        );
        accounts.add(&mut account(2, "bob", 20))
    });
    work.await.unwrap();
    assert_eq!(db.accounts().await, [facts(1, "ann", 10, 1), facts(2, "bob", 20, 1)]);
}

async fn a_statement_takes_as_many_values_as_it_names(db: Database) {
    let work = db.sessions.transaction(WORK, async |session| {
        let sql = |text: &str| session.sql(text);
        let odd = [
            (sql("SELECT 1").bind(1_i64), "no value, and 1 was bound"),
            (sql("SELECT $1 + 0").bind(1_i64).bind(2_i64), "a value as `$1`, and 2 were bound"),
            (sql("SELECT $1 + $2").bind(1_i64), "values up to `$2`, and 1 was bound"),
            (sql("SELECT '$2', $1 + 0 -- $3").bind(1_i64).bind(2_i64), "a value as `$1`, and 2 were bound"),
            (sql("SELECT $1 + 0"), "a value as `$1`, and none was bound"),
        ];
        for (statement, what) in odd {
            let error = statement.fetch_all::<(i64,)>().await.unwrap_err();
            assert!(error.is_invalid_query(), "{error:?}");
            assert_eq!(error.to_string(), format!("run plain SQL: the statement names {what}"));
        }
        let error = sql("DELETE FROM accounts").bind(1_i64).execute().await.unwrap_err();
        assert!(error.is_invalid_query(), "{error:?}");
        // Nothing was sent.
        assert_eq!(session.statistics().statements, 0);
        Ok::<_, Error>(())
    });
    work.await.unwrap();
    let error = db.sessions.sql("SELECT 1").bind(1_i64).fetch_all::<(i64,)>().await.unwrap_err();
    assert!(error.is_invalid_query(), "{error:?}");
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
#[column(pg_type = "parcel_state")]
enum State {
    Packed,
    Sent,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parcels")]
#[mappable(domain = Self)]
struct Parcel {
    #[table(id)]
    id: i64,
    state: State,
}

async fn an_enum_of_the_databases_own_is_bound_without_a_cast(db: Database) {
    if !db.is_sqlite() {
        db.execute("CREATE TYPE parcel_state AS ENUM ('packed', 'sent')").await;
    }
    db.observer().create_tables(&schema![Parcel]).await.unwrap();
    let parcels = db.sessions.repository::<Parcel>().autocommit();
    let mut both = [Parcel { id: 1, state: State::Packed }, Parcel { id: 2, state: State::Sent }];
    parcels.add_all_now(&mut both).await.unwrap();
    let found = "SELECT id, state FROM parcels WHERE state = $1 AND $2 <> 'packed'";
    let found: Vec<Parcel> =
        db.sessions.sql(found).bind(State::Sent).bind("sent".to_owned()).fetch_all().await.unwrap();
    assert_eq!(found, both[1..]);
    let update = "UPDATE parcels SET state = $1 WHERE state = $2";
    assert_eq!(db.sessions.sql(update).bind(State::Sent).bind(State::Packed).execute().await.unwrap(), 1);
    assert_eq!(parcels.count_where(Parcel::COLUMNS.state.eq(State::Sent)).await.unwrap(), 2);
    let unknown = db.sessions.sql("SELECT $1").bind(State::Sent).fetch_one::<(State,)>().await.unwrap();
    assert_eq!(unknown, (State::Sent,));
}

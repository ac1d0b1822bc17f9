//! Writes.

use spakky::prelude::*;
use spakky::{Error, session::SessionStatistics};

use crate::support::{
    Account, Database, Letter, Line, Posting, Ticket, account, facts, letter, on_pgbouncer, on_postgres, posting,
    ticket,
};

on_postgres![
    load_save_and_commit_are_two_round_trips,
    load_save_and_commit_are_two_round_trips_on_a_cold_connection,
    one_row_is_one_round_trip,
    five_hundred_rows_in_three_tables_are_one_round_trip,
    five_hundred_rows_are_one_round_trip_on_a_cold_connection,
    a_hundred_changed_rows_are_one_statement,
    an_unchanged_save_costs_nothing,
    what_is_added_and_deleted_again_costs_nothing,
    rows_whose_ids_the_database_assigns_are_one_round_trip,
    pending_writes_travel_with_the_next_now_call,
    an_update_by_query_is_one_round_trip,
    autocommit_is_one_round_trip,
];

on_pgbouncer![
    load_save_and_commit_are_two_round_trips_on_a_cold_connection,
    five_hundred_rows_are_one_round_trip_on_a_cold_connection,
    rows_whose_ids_the_database_assigns_are_one_round_trip,
    autocommit_is_one_round_trip,
];

const WRITE: TransactionOptions = TransactionOptions::new().name("write");

/// Takes one from the balance.
async fn take_one(line: &Line) -> SessionStatistics {
    let accounts = line.accounts();
    let work = line.sessions.transaction(WRITE, async |session| {
        let mut ann = accounts.get(1).await?;
        ann.balance -= 1;
        accounts.save(&mut ann)?;
        Ok::<_, Error>(session)
    });
    work.await.unwrap().statistics()
}

async fn load_save_and_commit_are_two_round_trips(db: Database) {
    db.store(&[account(1, "ann", 100)]).await;
    let line = Line::new(&db).await;
    let cost = line.warm_cost(async || take_one(&line).await).await;
    assert_eq!(cost.round_trips, 2);
    let run = cost.run();
    assert!(run[0].starts_with("BEGIN"), "{run:?}");
    assert_eq!(run[1..], ["…", "…", "COMMIT"]);
    assert_eq!(cost.value.round_trips, 2);
    assert_eq!((cost.value.statements, cost.value.rows_read, cost.value.rows_written), (4, 1, 1));
}

async fn load_save_and_commit_are_two_round_trips_on_a_cold_connection(db: Database) {
    db.store(&[account(1, "ann", 100)]).await;
    let line = Line::new(&db).await;
    let cost = line.cost(take_one(&line)).await;
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words(), ["BEGIN", "SELECT", "WITH", "COMMIT"]);
    assert_eq!(cost.value.round_trips, 2);
    assert_eq!(db.accounts().await, [facts(1, "ann", 99, 2)]);
}

async fn one_row_is_one_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let mut id = 0;
    let mut add = async || {
        id += 1;
        let mut ann = account(id, &format!("ann {id}"), 10);
        let work = line.sessions.transaction(WRITE, async |session| {
            accounts.add(&mut ann)?;
            Ok::<_, Error>(session)
        });
        work.await.unwrap().statistics()
    };
    let cold = line.cost(add()).await;
    assert_eq!(cold.round_trips, 1);
    assert_eq!(cold.words(), ["BEGIN", "INSERT", "COMMIT"]);
    let warm = line.warm_cost(&mut add).await;
    assert_eq!(warm.round_trips, 1);
    assert!(warm.run()[0].starts_with("BEGIN"));
    assert_eq!(warm.run()[1..], ["…", "COMMIT"]);
    assert_eq!((warm.value.round_trips, warm.value.statements, warm.value.rows_written), (1, 3, 1));
}

/// Adds 500 rows: 100 accounts, 300 postings on them, 100 letters.
async fn add_five_hundred(line: &Line, round: i64) -> SessionStatistics {
    let first = round * 1_000;
    let mut accounts: Vec<Account> = (0..100).map(|n| account(first + n, &format!("owner {round}.{n}"), n)).collect();
    let mut postings: Vec<Posting> = (0..300).map(|n| posting(first + n, first + n % 100, n)).collect();
    let mut letters: Vec<Letter> = (0..100).map(|n| letter(first + n, "dear")).collect();
    let work = line.sessions.transaction(WRITE, async |session| {
        // Children first: the order of the calls is not the order of the statements.
        line.sessions.repository::<Posting>().add_all(&mut postings)?;
        line.accounts().add_all(&mut accounts)?;
        line.sessions.repository::<Letter>().add_all(&mut letters)?;
        Ok::<_, Error>(session)
    });
    work.await.unwrap().statistics()
}

async fn five_hundred_rows_in_three_tables_are_one_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let mut round = 0;
    let cost = line
        .warm_cost(async || {
            round += 1;
            add_five_hundred(&line, round).await
        })
        .await;
    assert_eq!(cost.round_trips, 1);
    assert!(cost.run()[0].starts_with("BEGIN"));
    assert_eq!(cost.run()[1..], ["…", "…", "…", "COMMIT"]);
    assert_eq!((cost.value.round_trips, cost.value.statements, cost.value.rows_written), (1, 5, 500));
    assert_eq!(db.numbers("SELECT count(*) FROM postings").await, [round * 300]);
}

async fn five_hundred_rows_are_one_round_trip_on_a_cold_connection(db: Database) {
    let line = Line::new(&db).await;
    let cost = line.cost(add_five_hundred(&line, 0)).await;
    assert_eq!(cost.round_trips, 1);
    let run = cost.run();
    assert_eq!(run.len(), 5);
    assert!(run[0].starts_with("BEGIN"));
    let position = |table: &str| run.iter().position(|sql| sql.contains(table)).unwrap();
    assert!(position("INSERT INTO \"accounts\"") < position("INSERT INTO \"postings\""), "{run:?}");
    assert_eq!(run[4], "COMMIT");
    assert_eq!(db.numbers("SELECT count(*) FROM accounts").await, [100]);
}

async fn a_hundred_changed_rows_are_one_statement(db: Database) {
    let line = Line::new(&db).await;
    add_five_hundred(&line, 0).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(WRITE, async |session| {
        let mut all = accounts.get_many(0..100).await?;
        for account in &mut all {
            account.balance += 1;
        }
        accounts.save_all(&mut all)?;
        Ok::<_, Error>(session)
    });
    let cost = line.cost(work).await;
    assert_eq!(cost.round_trips, 2);
    let words = cost.words();
    assert_eq!((words.len(), words[0].as_str(), words[3].as_str()), (4, "BEGIN", "COMMIT"));
    assert_eq!(cost.value.unwrap().statistics().rows_written, 100);
    assert_eq!(db.numbers("SELECT sum(balance)::int8 FROM accounts").await, [4_950 + 100]);
}

async fn an_unchanged_save_costs_nothing(db: Database) {
    db.store(&[account(1, "ann", 100)]).await;
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let transaction = line.sessions.begin();
    let session = transaction.session().clone();
    let accounts = accounts.in_session(&session);
    let mut ann = accounts.get(1).await.unwrap();
    accounts.save(&mut ann).unwrap();
    session.flush().await.unwrap();
    assert_eq!(session.statistics().round_trips, 1);
    transaction.commit().await.unwrap();
    assert_eq!(session.statistics().round_trips, 1);
    assert_eq!(db.accounts().await, [facts(1, "ann", 100, 1)]);
}

async fn what_is_added_and_deleted_again_costs_nothing(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(WRITE, async |_| {
        let mut ann = account(1, "ann", 10);
        accounts.add(&mut ann)?;
        accounts.delete(&mut ann)
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 0, "{:?}", cost.run());
}

async fn rows_whose_ids_the_database_assigns_are_one_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let tickets = line.sessions.repository::<Ticket>();
    let work = line.sessions.transaction(WRITE, async |session| {
        let mut batch = [ticket("a"), ticket("b"), ticket("c")];
        tickets.add_all_now(&mut batch).await?;
        assert_eq!(session.statistics().round_trips, 1);
        Ok::<_, Error>(batch.map(|ticket| ticket.id))
    });
    let cost = line.cost(work).await;
    assert_eq!(cost.value.as_ref().unwrap(), &[1, 2, 3]);
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words(), ["BEGIN", "SELECT", "INSERT", "COMMIT"]);
}

async fn pending_writes_travel_with_the_next_now_call(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts();
    let work = line.sessions.transaction(WRITE, async |session| {
        accounts.add(&mut account(1, "ann", 10))?;
        accounts.add(&mut account(2, "bob", 10))?;
        accounts.add_now(&mut account(3, "cy", 10)).await?;
        assert_eq!(session.statistics().round_trips, 1);
        Ok::<_, Error>(())
    });
    let cost = line.cost(work).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 2);
    assert_eq!(cost.words(), ["BEGIN", "WITH", "COMMIT"]);
    assert_eq!(db.accounts().await.len(), 3);
}

async fn an_update_by_query_is_one_round_trip(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20)]).await;
    let line = Line::new(&db).await;
    let balance = crate::support::AccountRow::COLUMNS.balance;
    let accounts = line.accounts().autocommit();
    let cost = line.cost(accounts.filter(balance.gt(15)).update([balance.set(7)])).await;
    assert_eq!((cost.value.unwrap(), cost.round_trips), (1, 1));
}

async fn autocommit_is_one_round_trip(db: Database) {
    let line = Line::new(&db).await;
    let accounts = line.accounts().autocommit();
    let cost = line.cost(accounts.add_now(&mut account(1, "ann", 10))).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 1);
    assert_eq!(cost.words(), ["BEGIN", "INSERT", "COMMIT"]);
}

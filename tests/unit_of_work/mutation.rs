//! What listeners are told of committed writes.

use std::sync::{Arc, Mutex};

use spakky::prelude::*;
use spakky::{Error, MutationEvent, MutationKind, RequestContext};

use crate::support::{AccountRow, Database, Ticket, account, on_each_backend, posting, ticket};

on_each_backend![
    each_statement_of_a_committed_transaction_is_told,
    what_is_rolled_back_is_not_told,
    a_nested_scope_that_is_undone_is_not_told,
    writes_outside_a_scope_are_told,
    writes_by_condition_concern_the_whole_table,
    an_id_that_the_database_assigned_is_told,
    a_conflict_is_not_told,
    the_data_is_committed_when_a_listener_is_called,
    a_listener_that_panics_harms_nothing,
    events_of_one_row_come_in_the_order_of_its_versions,
];

type Told = Arc<Mutex<Vec<MutationEvent>>>;

fn listen(db: &Database) -> Told {
    let told = Told::default();
    let events = Arc::clone(&told);
    db.sessions.on_mutation(move |event| events.lock().unwrap().push(event.clone()));
    told
}

fn take(told: &Told) -> Vec<(&'static str, MutationKind, Vec<String>, Vec<String>)> {
    let events = std::mem::take(&mut *told.lock().unwrap());
    events.into_iter().map(|event| (event.table, event.kind, event.ids, event.changed)).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn each_statement_of_a_committed_transaction_is_told(db: Database) {
    db.store(&[account(1, "ann", 10), account(2, "bob", 20), account(3, "cy", 30)]).await;
    let told = listen(&db);
    let accounts = db.account_repository();
    let work = db.sessions.transaction(TransactionOptions::new(), async |session| {
        let mut ann = accounts.get(1).await?;
        ann.balance = 11;
        accounts.save(&mut ann)?;
        accounts.delete_by_id(3)?;
        accounts.upsert(&mut account(4, "di", 40))?;
        session.flush().await?;
        assert_eq!(take(&told), [], "before the commit");
        let postings = db.sessions.repository::<crate::support::Posting>();
        postings.add_all(&mut [posting(7, 1, 1), posting(8, 1, 2)])
    });
    RequestContext::new().tenant("acme").scope(work).await.unwrap();
    assert!(told.lock().unwrap().iter().all(|event| event.tenant.as_deref() == Some("acme")));
    let tags: Vec<String> = told.lock().unwrap().last().unwrap().tags();
    assert_eq!(tags, ["postings", "postings:7", "postings:8"]);
    assert_eq!(
        take(&told),
        [
            ("accounts", MutationKind::Delete, texts(&["3"]), vec![]),
            ("accounts", MutationKind::Update, texts(&["1"]), texts(&["balance"])),
            ("accounts", MutationKind::Upsert, texts(&["4"]), texts(&["owner", "balance"])),
            ("postings", MutationKind::Insert, texts(&["7", "8"]), texts(&["id", "account", "amount", "text"])),
        ]
    );
    // Nothing was changed.
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            let mut ann = accounts.get(1).await?;
            accounts.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(take(&told), []);
}

async fn what_is_rolled_back_is_not_told(db: Database) {
    let told = listen(&db);
    let accounts = db.account_repository();
    let failed = db.sessions.transaction(TransactionOptions::new(), async |_| {
        accounts.add_now(&mut account(1, "ann", 10)).await?;
        accounts.get(9).await.map(drop)
    });
    assert!(failed.await.unwrap_err().is_not_found());
    // Nor what fails at the commit.
    let failed =
        db.sessions.transaction(TransactionOptions::new(), async |_| accounts.add(&mut account(1, "ann", -10)));
    assert!(failed.await.unwrap_err().is_check_violation());
    assert_eq!(take(&told), []);
}

async fn a_nested_scope_that_is_undone_is_not_told(db: Database) {
    let told = listen(&db);
    let accounts = db.account_repository();
    let nested = TransactionOptions::new().propagation(Propagation::Nested);
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            let undone = db.sessions.transaction(nested, async |_| {
                accounts.add_now(&mut account(1, "ann", 10)).await?;
                accounts.get(9).await.map(drop)
            });
            assert!(undone.await.is_err());
            db.sessions.transaction(nested, async |_| accounts.add_now(&mut account(2, "bob", 10)).await).await
        })
        .await
        .unwrap();
    let ids: Vec<_> = take(&told).into_iter().map(|event| event.2).collect();
    assert_eq!(ids, [texts(&["2"])]);
}

async fn writes_outside_a_scope_are_told(db: Database) {
    let told = listen(&db);
    let accounts = db.account_repository().autocommit();
    accounts.add_now(&mut account(1, "ann", 10)).await.unwrap();
    accounts.delete_by_id_now(1).await.unwrap();
    let kinds: Vec<_> = take(&told).into_iter().map(|event| (event.1, event.2)).collect();
    assert_eq!(kinds, [(MutationKind::Insert, texts(&["1"])), (MutationKind::Delete, texts(&["1"]))]);
}

async fn writes_by_condition_concern_the_whole_table(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let told = listen(&db);
    let (accounts, a) = (db.account_repository(), AccountRow::COLUMNS);
    accounts.autocommit().update_where(a.id.gt(0), [a.balance.set(5)]).await.unwrap();
    assert_eq!(take(&told), [("accounts", MutationKind::Update, vec![], texts(&["balance"]))]);
    db.sessions
        .transaction(TransactionOptions::new(), async |_| accounts.delete_where(a.id.gt(0)).await.map(drop))
        .await
        .unwrap();
    assert_eq!(take(&told), [("accounts", MutationKind::Delete, vec![], vec![])]);
}

async fn an_id_that_the_database_assigned_is_told(db: Database) {
    let told = listen(&db);
    let mut one = ticket("one");
    db.sessions.repository::<Ticket>().autocommit().add_now(&mut one).await.unwrap();
    assert_eq!(
        take(&told),
        [("tickets", MutationKind::Insert, vec![one.id.to_string()], texts(&["title", "version"]))]
    );
}

async fn a_conflict_is_not_told(db: Database) {
    db.store(&[account(1, "ann", 10)]).await;
    let told = listen(&db);
    let error = db.account_repository().autocommit().save_if_now(&mut account(1, "ann", 5), 7).await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(take(&told), []);
}

async fn the_data_is_committed_when_a_listener_is_called(db: Database) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Mutex::new(Some(sender));
    let others = db.observer().clone();
    db.sessions.on_mutation(move |_| {
        let (sender, others) = (sender.lock().unwrap().take().unwrap(), others.clone());
        tokio::spawn(async move {
            let seen: Vec<(i64,)> = others.sql("SELECT id FROM accounts").fetch_all().await.unwrap();
            sender.send(seen).unwrap();
        });
    });
    db.account_repository().autocommit().add_now(&mut account(1, "ann", 10)).await.unwrap();
    assert_eq!(receiver.await.unwrap(), [(1,)]);
}

async fn a_listener_that_panics_harms_nothing(db: Database) {
    db.sessions.on_mutation(|_| panic!("as it should"));
    let told = listen(&db);
    db.account_repository().autocommit().add_now(&mut account(1, "ann", 10)).await.unwrap();
    assert_eq!(take(&told).len(), 1);
}

async fn events_of_one_row_come_in_the_order_of_its_versions(db: Database) {
    db.store(&[account(1, "ann", 0)]).await;
    let told: Arc<Mutex<Vec<i64>>> = Arc::default();
    let (versions, accounts) = (Arc::clone(&told), db.account_repository());
    db.sessions.on_mutation(move |event| versions.lock().unwrap().extend(&event.versions));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (sessions, accounts) = (db.sessions.clone(), accounts.clone());
            tokio::spawn(async move {
                for _ in 0..5 {
                    sessions
                        .transaction(TransactionOptions::new(), async |_| {
                            let mut ann = accounts.lock(1).await?;
                            ann.balance += 1;
                            accounts.save(&mut ann)
                        })
                        .await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*told.lock().unwrap(), (2..=41).collect::<Vec<i64>>());
    assert_eq!(db.numbers("SELECT balance FROM accounts").await, [40]);
}

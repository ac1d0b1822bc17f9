//! Ids in scopes: undone, nested, side by side, dropped, of tenants, and told to listeners.

use std::sync::{Arc, Mutex};

use spakky::prelude::*;
use spakky::{Error, MutationKind, RequestContext};

use super::{Shelf, create, full, full_items, items, names, shelf};
use crate::support::{Cancelled, Database, cancel_after, on_each_backend};

on_each_backend![
    what_is_rolled_back_leaves_nothing,
    a_nested_scope_that_is_undone_leaves_nothing,
    a_nested_scope_sends_its_own_rows,
    a_transaction_beside_draws_ids_of_its_own,
    tasks_side_by_side_never_share_an_id,
    a_dropped_scope_has_stored_all_or_nothing,
    listeners_hear_the_ids,
    a_listener_hears_of_a_new_row_before_its_changes,
    rows_of_tenants_are_drawn_alike,
];

const NESTED: TransactionOptions = TransactionOptions::new().propagation(Propagation::Nested);

async fn what_is_rolled_back_leaves_nothing(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    let work = db.sessions.transaction(TransactionOptions::new(), async |session| {
        shelves.add(&mut full("one"))?;
        session.flush().await?;
        session.set_rollback_only("as it should be");
        Ok::<_, Error>(())
    });
    assert!(work.await.unwrap_err().is_rollback_only());
    assert_eq!(items(&db).await, []);
    let mut two = full("two");
    shelves.autocommit().add_now(&mut two).await.unwrap();
    assert_eq!(items(&db).await, full_items(&["two"]));
    // A sequence does not go back, SQLite's count does.
    assert_eq!(two.id, if db.is_sqlite() { 1 } else { 2 });
}

async fn a_nested_scope_that_is_undone_leaves_nothing(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            shelves.add(&mut full("one"))?;
            let mut lost = 0;
            let nested = db.sessions.transaction(NESTED, async |session| {
                shelves.add(&mut full("two"))?;
                session.flush().await?;
                lost = names_in(&session).await.len() as i64;
                assert_eq!(shelves.get(lost).await?.name, "two");
                shelves.get(99).await.map(drop)
            });
            assert!(nested.await.unwrap_err().is_not_found());
            assert!(shelves.find(lost).await?.is_none());
            shelves.add(&mut full("three"))
        })
        .await
        .unwrap();
    assert_eq!(names(&db).await, ["one", "three"]);
    assert_eq!(items(&db).await, full_items(&["one", "three"]));
}

async fn names_in(session: &Session) -> Vec<(String,)> {
    session.sql("SELECT name FROM shelves ORDER BY id").fetch_all().await.unwrap()
}

async fn a_nested_scope_sends_its_own_rows(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            shelves.add(&mut full("one"))?;
            db.sessions
                .transaction(NESTED, async |session| {
                    let mut two = full("two");
                    shelves.add_now(&mut two).await?;
                    assert_eq!(session.statistics().round_trips, 1);
                    assert_eq!((two.id, two.bins[0].id), (2, 3));
                    Ok::<_, Error>(())
                })
                .await?;
            assert_eq!(shelves.get(2).await?.name, "two");
            assert_eq!(shelves.get(1).await?.name, "one");
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    assert_eq!(items(&db).await, full_items(&["one", "two"]));
}

async fn a_transaction_beside_draws_ids_of_its_own(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            shelves.add(&mut full("outer"))?;
            let beside = TransactionOptions::new().propagation(Propagation::RequiresNew);
            db.sessions.transaction(beside, async |_| shelves.add(&mut full("inner"))).await
        })
        .await
        .unwrap();
    assert_eq!(names(&db).await, ["inner", "outer"]);
    assert_eq!(items(&db).await, full_items(&["inner", "outer"]));
}

async fn tasks_side_by_side_never_share_an_id(db: Database) {
    create(&db).await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let sessions = db.sessions.clone();
            tokio::spawn(async move {
                let shelves = sessions.repository::<Shelf>();
                for number in 0..5 {
                    sessions
                        .transaction(TransactionOptions::new(), async |_| {
                            shelves.add(&mut full(&format!("{task}-{number}-a")))?;
                            shelves.add_now(&mut full(&format!("{task}-{number}-b"))).await
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
    assert_eq!(db.numbers("SELECT count(*) FROM shelves").await, [160]);
    let mut expected = names(&db).await;
    expected.sort();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(items(&db).await, full_items(&expected));
}

async fn a_dropped_scope_has_stored_all_or_nothing(db: Database) {
    create(&db).await;
    db.slow_down().await;
    let shelves = db.sessions.repository::<Shelf>();
    for polls in 1..500 {
        let before = names(&db).await.len();
        let (one, two) = (format!("{polls}-a"), format!("{polls}-b"));
        let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
            shelves.add_now(&mut full(&one)).await?;
            shelves.add(&mut full(&two))
        });
        let outcome = cancel_after(polls, polls % 2 == 0, work).await;
        db.is_at_rest().await;
        // The next writer comes after whatever is still under way.
        shelves.autocommit().add_now(&mut shelf(&polls.to_string(), Vec::new())).await.unwrap();
        let after = names(&db).await.len() - before;
        assert!(after == 1 || after == 3, "{after} after {polls} polls");
        assert_eq!(items(&db).await.len() % 6, 0, "after {polls} polls");
        if let Cancelled::No(result) = outcome {
            result.unwrap();
            assert_eq!(after, 3);
            return;
        }
    }
    panic!("the use case does not end");
}

type Told = Arc<Mutex<Vec<(&'static str, MutationKind, Vec<String>, Vec<i64>)>>>;

fn listen(db: &Database) -> Told {
    let told = Told::default();
    let events = Arc::clone(&told);
    db.sessions.on_mutation(move |event| {
        events.lock().unwrap().push((event.table, event.kind, event.ids.clone(), event.versions.clone()));
    });
    told
}

async fn listeners_hear_the_ids(db: Database) {
    create(&db).await;
    let told = listen(&db);
    let shelves = db.sessions.repository::<Shelf>();
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            shelves.add(&mut full("one"))?;
            session.flush().await?;
            shelves.add_all([&mut full("two"), &mut shelf("three", Vec::new())])
        })
        .await
        .unwrap();
    let ids = |ids: &[i64]| ids.iter().map(i64::to_string).collect::<Vec<_>>();
    let insert = MutationKind::Insert;
    assert_eq!(
        *told.lock().unwrap(),
        [
            ("shelves", insert, ids(&[1]), vec![1]),
            ("bins", insert, ids(&[1, 2]), vec![]),
            ("items", insert, ids(&[1, 2, 3]), vec![]),
            ("shelves", insert, ids(&[2, 3]), vec![1, 1]),
            ("bins", insert, ids(&[3, 4]), vec![]),
            ("items", insert, ids(&[4, 5, 6]), vec![]),
        ]
    );
}

async fn a_listener_hears_of_a_new_row_before_its_changes(db: Database) {
    create(&db).await;
    let told: Arc<Mutex<Vec<(String, i64)>>> = Arc::default();
    let events = Arc::clone(&told);
    db.sessions.on_mutation(move |event| {
        if event.table == "shelves" {
            events.lock().unwrap().extend(event.ids.iter().cloned().zip(event.versions.iter().copied()));
        }
    });
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let sessions = db.sessions.clone();
            tokio::spawn(async move {
                let shelves = sessions.repository::<Shelf>();
                for number in 0..5 {
                    let name = format!("{task}-{number}");
                    let add = async |_| shelves.add(&mut shelf(&name, Vec::new()));
                    sessions.transaction(TransactionOptions::new(), add).await?;
                    let change = async |_| {
                        let mut all = shelves.query().all().await?;
                        let Some(mine) = all.iter_mut().find(|shelf| shelf.name == name) else { return Ok(()) };
                        mine.name.push('!');
                        shelves.save(mine)
                    };
                    sessions.transaction(TransactionOptions::new(), change).await?;
                }
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let told = told.lock().unwrap().clone();
    assert_eq!(told.len(), 40);
    for id in 1..=20 {
        let versions: Vec<i64> =
            told.iter().filter(|(told, _)| *told == id.to_string()).map(|(_, version)| *version).collect();
        assert_eq!(versions, [1, 2], "of {id}");
    }
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "memos", tenanted)]
#[mappable(domain = Self)]
struct Memo {
    #[table(id, generated)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    text: String,
}

async fn rows_of_tenants_are_drawn_alike(db: Database) {
    db.observer().create_tables(&schema![Memo]).await.unwrap();
    let memos = db.sessions.repository::<Memo>();
    let memo = |text: &str| Memo { id: 0, tenant: String::new(), text: text.to_owned() };
    for tenant in ["acme", "zeta"] {
        let work = db.sessions.transaction(TransactionOptions::new(), async |session| {
            memos.add(&mut memo("queued"))?;
            let mut now = memo("now");
            memos.add_now(&mut now).await?;
            assert_eq!(now.tenant, tenant);
            assert_eq!(memos.get(now.id).await?, now);
            assert_eq!(session.statistics().round_trips, 1);
            Ok::<_, Error>(())
        });
        RequestContext::new().tenant(tenant).scope(work).await.unwrap();
    }
    let stored: Vec<(i64, String)> =
        db.observer().sql("SELECT id, tenant FROM memos ORDER BY id").fetch_all().await.unwrap();
    let expected = [(1, "acme"), (2, "acme"), (3, "zeta"), (4, "zeta")];
    assert_eq!(stored, expected.map(|(id, tenant)| (id, tenant.to_owned())));
    let other = RequestContext::new().tenant("acme").scope(memos.find(3)).await;
    assert!(other.unwrap().is_none());
}

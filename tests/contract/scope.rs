//! Transactions: what is committed and what is undone, nested scopes, hooks.

use std::sync::{Arc, Mutex};

use spakky::prelude::*;
use spakky::{Propagation, RetryOn, RetryPolicy};

use super::{Failure, Purchase, Store, WORK, ids, on_each_store, purchase};

on_each_store![
    an_error_undoes_everything,
    nobody_sees_what_is_not_committed,
    a_failed_nested_scope_is_undone_alone,
    nested_scopes_nest,
    rollback_only_undoes_everything,
    after_a_failure_the_transaction_can_only_be_rolled_back,
    a_scope_that_only_reads_refuses_to_write,
    a_dropped_transaction_is_undone,
    a_transaction_of_its_own_stays_when_the_one_around_it_fails,
    hooks_run_around_the_end,
    writers_do_not_lose_each_others_updates,
    a_service_runs_its_transactional_methods,
];

async fn an_error_undoes_everything(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .undone(WORK, async |session| {
            purchases.add(&mut purchase(2))?;
            session.flush().await?;
            purchases.delete_by_id(1)?;
            session.flush().await
        })
        .await;
    assert_eq!(store.stored().await, [Purchase { version: 1, ..purchase(1) }]);
}

async fn nobody_sees_what_is_not_committed(store: Store) {
    let purchases = store.fill([1]).await;
    let others = purchases.autocommit();
    store
        .work(async |session| {
            purchases.add(&mut purchase(2))?;
            session.flush().await?;
            assert_eq!(purchases.query().count().await?, 2);
            let seen = tokio::spawn({
                let others = others.clone();
                async move { others.query().count().await }
            });
            assert_eq!(seen.await.unwrap()?, 1);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(others.query().count().await.unwrap(), 2);
}

async fn a_failed_nested_scope_is_undone_alone(store: Store) {
    let purchases = store.fill([1]).await;
    let nested = WORK.propagation(Propagation::Nested);
    store
        .work(async |_| {
            purchases.add(&mut purchase(2))?;
            let inner = store.sessions.transaction(nested, async |_| {
                purchases.add(&mut purchase(3))?;
                // Taken.
                purchases.add_now(&mut Purchase { code: "other".into(), ..purchase(1) }).await
            });
            assert!(inner.await.unwrap_err().is_unique_violation());
            assert_eq!(purchases.find(3).await?, None);
            purchases.add(&mut purchase(4))
        })
        .await
        .unwrap();
    assert_eq!(ids(&store.stored().await), [1, 2, 4]);
}

async fn nested_scopes_nest(store: Store) {
    let purchases = store.fill([]).await;
    let nested = || WORK.propagation(Propagation::Nested);
    store
        .work(async |_| {
            purchases.add_now(&mut purchase(1)).await?;
            store
                .sessions
                .transaction(nested(), async |_| {
                    purchases.add_now(&mut purchase(2)).await?;
                    store.undone(nested(), async |_| purchases.add_now(&mut purchase(3)).await).await;
                    purchases.add_now(&mut purchase(4)).await
                })
                .await
        })
        .await
        .unwrap();
    assert_eq!(ids(&store.stored().await), [1, 2, 4]);
}

async fn rollback_only_undoes_everything(store: Store) {
    let purchases = store.fill([1]).await;
    let answer = store.work(async |session| {
        purchases.add_now(&mut purchase(2)).await?;
        session.set_rollback_only("a rehearsal");
        Ok(())
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_rollback_only() && error.to_string().contains("a rehearsal"), "{error}");
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn after_a_failure_the_transaction_can_only_be_rolled_back(store: Store) {
    let purchases = store.fill([1]).await;
    let answer = store.work(async |_| {
        let taken = purchases.add_now(&mut Purchase { code: "other".into(), ..purchase(1) }).await;
        assert!(taken.unwrap_err().is_unique_violation());
        assert!(purchases.add_now(&mut purchase(2)).await.unwrap_err().is_rollback_only());
        Ok(())
    });
    assert!(answer.await.unwrap_err().is_rollback_only());
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn a_scope_that_only_reads_refuses_to_write(store: Store) {
    let purchases = store.fill([1]).await;
    let tx = store.sessions.read_only();
    let reader = purchases.in_session(tx.session());
    assert_eq!(reader.query().count().await.unwrap(), 1);
    assert!(reader.add_now(&mut purchase(2)).await.unwrap_err().is_read_only());
    tx.rollback().await;
    assert_eq!(ids(&store.stored().await), [1]);
}

async fn a_dropped_transaction_is_undone(store: Store) {
    let purchases = store.fill([1]).await;
    let tx = store.sessions.begin();
    purchases.in_session(tx.session()).add_now(&mut purchase(2)).await.unwrap();
    drop(tx);
    // Waits for the writer that was dropped.
    purchases.autocommit().add_now(&mut purchase(3)).await.unwrap();
    assert_eq!(ids(&store.stored().await), [1, 3]);
}

async fn a_transaction_of_its_own_stays_when_the_one_around_it_fails(store: Store) {
    let purchases = store.fill([1]).await;
    store
        .undone(WORK, async |_| {
            let mut one = purchases.get(1).await?;
            let own = WORK.propagation(Propagation::RequiresNew);
            store.sessions.transaction(own, async |_| purchases.add(&mut purchase(2))).await?;
            one.total = 0;
            purchases.save(&mut one)
        })
        .await;
    let stored: Vec<_> = store.stored().await.into_iter().map(|one| (one.id, one.total)).collect();
    assert_eq!(stored, [(1, 10), (2, 20)]);
}

async fn hooks_run_around_the_end(store: Store) {
    let purchases = store.fill([]).await;
    let story = Arc::new(Mutex::new(Vec::new()));
    let listen = |session: &Session, names: [&'static str; 3]| {
        let teller = |name| {
            let story = Arc::clone(&story);
            move || async move {
                story.lock().unwrap().push(name);
                Ok(())
            }
        };
        session.before_commit(teller(names[0]));
        session.after_commit(teller(names[1]));
        session.on_rollback(teller(names[2]));
    };
    store
        .work(async |session| {
            listen(&session, ["before", "after", "never"]);
            purchases.add(&mut purchase(1))?;
            let repository = purchases.clone();
            session.before_commit(move || async move { repository.add(&mut purchase(2)) });
            Ok(())
        })
        .await
        .unwrap();
    store
        .undone(WORK, async |session| {
            listen(&session, ["never", "never", "undone"]);
            Ok(())
        })
        .await;
    assert_eq!(*story.lock().unwrap(), ["before", "after", "undone"]);
    assert_eq!(ids(&store.stored().await), [1, 2]);
}

async fn writers_do_not_lose_each_others_updates(store: Store) {
    let purchases = store.fill([1]).await;
    let policy = RetryPolicy { attempts: 100, backoff: std::time::Duration::from_millis(1), on: RetryOn::Conflict };
    let add_ten = async || {
        for _ in 0..10 {
            let again = store.sessions.transaction_with_retry(WORK.retry(policy), |_| async {
                let mut one = purchases.get(1).await?;
                one.total += 1;
                purchases.save(&mut one)
            });
            again.await.unwrap();
        }
    };
    tokio::join!(add_ten(), add_ten());
    let one = purchases.get(1).await.unwrap();
    assert_eq!((one.total, one.version), (30, 21));
}

#[derive(HasSessions)]
struct Shop {
    sessions: SessionManager,
    purchases: Repository<Purchase>,
}

impl Shop {
    #[transactional]
    async fn buy(&self, id: i64) -> Result<(), Failure> {
        self.purchases.add(&mut purchase(id))?;
        if id == 13 { Err(Failure::Enough) } else { Ok(()) }
    }
}

async fn a_service_runs_its_transactional_methods(store: Store) {
    let purchases = store.fill([]).await;
    let shop = Shop { sessions: store.sessions.clone(), purchases };
    shop.buy(1).await.unwrap();
    assert!(matches!(shop.buy(13).await, Err(Failure::Enough)));
    assert_eq!(ids(&store.stored().await), [1]);
}

//! `#[spakky::test(rollback)]`: all that a test does is one transaction, whose scopes look to the test as if they were
//! transactions.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use spakky::__private::testing::{Setup, run};
use spakky::prelude::*;
use spakky::testing::{Recorder, TestContext};
use spakky::{Backend, Error, Isolation, MutationKind, Propagation, RequestContext, RetryOn, RetryPolicy, Transaction};

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes", unique(text))]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    text: String,
    #[table(version)]
    version: i64,
}

/// In the databases of one test alone, so that no other one takes them.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "pages")]
#[mappable(domain = Self)]
struct Page {
    #[table(id)]
    id: i64,
}

fn note(id: i64) -> Note {
    Note { id, text: format!("note {id}"), version: 0 }
}

const UNIT: TransactionOptions = TransactionOptions::new().name("unit");
const OWN: TransactionOptions = TransactionOptions::new().name("own").propagation(Propagation::RequiresNew);

async fn ids(notes: &Repository<Note>) -> Vec<i64> {
    let all = notes.untracked().query().order_by(Note::COLUMNS.id.asc()).all().await.unwrap();
    all.into_iter().map(|note| note.id).collect()
}

#[test]
fn the_next_test_finds_the_same_database_as_it_was() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let setup = move || Setup::new(backend).schema(schema![Page]).rollback();
        let look = |context: &TestContext| {
            let (url, pages) = (context.database().url().to_owned(), context.sessions().repository::<Page>());
            async move {
                let found = pages.query().count().await.unwrap();
                pages.autocommit().add_now(&mut Page { id: 1 }).await.unwrap();
                assert_eq!(pages.query().count().await.unwrap(), 1);
                (url, found)
            }
        };
        // While one test is running, others share what was made.
        run(setup(), |context| {
            let first = context.database().url().to_owned();
            async move {
                let others = std::thread::spawn(move || [run(setup(), look), run(setup(), look)]);
                let [(second, empty), (third, empty_again)] = others.join().unwrap();
                assert_ne!(first, second);
                assert_eq!(second, third);
                assert_eq!((empty, empty_again), (0, 0));
            }
        });
    }
}

#[spakky::test(schema = [Note], rollback)]
async fn a_scope_that_ends_well_is_seen_by_the_next_and_runs_its_hooks(
    sessions: SessionManager,
    notes: Repository<Note>,
    recorder: Recorder,
) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (committed, rolled_back) = (Arc::clone(&seen), Arc::clone(&seen));
    let at_end = notes.clone();
    sessions
        .transaction(UNIT, async |session| {
            let before = notes.clone();
            session.before_commit(move || async move { before.add(&mut note(2)) });
            session.after_commit(move || async move {
                let found = ids(&at_end).await;
                committed.lock().unwrap().push(found);
                Ok(())
            });
            session.on_rollback(move || async move {
                rolled_back.lock().unwrap().push(vec![]);
                Ok(())
            });
            notes.add(&mut note(1))
        })
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [[1, 2]]);
    let told: Vec<_> = recorder.take().mutations.into_iter().map(|event| (event.kind, event.ids)).collect();
    assert_eq!(told, [(MutationKind::Insert, vec!["1".to_owned(), "2".to_owned()])]);
    assert_eq!(ids(&notes).await, [1, 2]);
}

#[spakky::test(schema = [Note], rollback)]
async fn a_unit_of_work_costs_the_round_trips_that_it_costs_elsewhere(
    sessions: SessionManager,
    notes: Repository<Note>,
    recorder: Recorder,
) {
    sessions.transaction(UNIT, async |_| notes.add_all(&mut [note(1), note(2)])).await.unwrap();
    let sent = recorder.take();
    assert_eq!((sent.round_trips, sent.rows_written), (1, 2));
    sessions
        .transaction(UNIT, async |session| {
            let mut read = notes.get(1).await?;
            assert_eq!(session.statistics().round_trips, 1);
            read.text = "changed".to_owned();
            notes.save(&mut read)
        })
        .await
        .unwrap();
    let sent = recorder.take();
    assert_eq!((sent.round_trips, sent.rows_read, sent.rows_written), (2, 1, 1));
    // A transaction of its own knows nothing of what others read.
    sessions.transaction(UNIT.read_only(), async |_| notes.get(1).await).await.unwrap();
    assert_eq!(recorder.take().round_trips, 1);
}

#[spakky::test(schema = [Note], rollback)]
async fn a_scope_that_fails_is_undone_and_the_test_goes_on(sessions: SessionManager, notes: Repository<Note>) {
    notes.autocommit().add_now(&mut note(1)).await.unwrap();
    let hooks = Arc::new(AtomicU32::new(0));
    for late in [false, true] {
        let count = Arc::clone(&hooks);
        let failed = sessions.transaction(UNIT, async |session| {
            session.on_rollback(move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            notes.add_now(&mut note(2)).await?;
            let taken = Note { text: "note 1".to_owned(), ..note(3) };
            if late { notes.add(&mut taken.clone()) } else { notes.add_now(&mut taken.clone()).await }
        });
        assert!(failed.await.unwrap_err().is_unique_violation());
        assert_eq!(ids(&notes).await, [1]);
    }
    assert_eq!(hooks.load(Ordering::SeqCst), 2);
    // So is one whose future is dropped.
    let work = sessions.transaction(UNIT, async |_| {
        notes.add_now(&mut note(4)).await?;
        std::future::pending::<Result<(), Error>>().await
    });
    tokio::select! {
        biased;
        ended = work => panic!("{ended:?}"),
        () = async { while sessions.statistics().rows_written < 4 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(ids(&notes).await, [1]);
    // And a statement that fails outside any scope.
    assert!(sessions.sql("SELECT missing FROM nowhere").execute().await.unwrap_err().is_schema());
    sessions.sql("DELETE FROM notes").execute().await.unwrap();
    assert!(ids(&notes).await.is_empty());
}

#[spakky::test(schema = [Note], rollback)]
async fn a_constraint_that_waits_for_commit_is_checked_at_the_end_of_each_scope(sessions: SessionManager) {
    let replies = "CREATE TABLE replies (id BIGINT PRIMARY KEY, note BIGINT REFERENCES notes (id) \
                   DEFERRABLE INITIALLY DEFERRED)";
    sessions.sql(replies).execute().await.unwrap();
    let write = async |parent_too: bool| {
        let work = sessions.transaction(UNIT, async |session| {
            session.sql("INSERT INTO replies (id, note) VALUES (1, 1)").execute().await?;
            if parent_too {
                session.sql("INSERT INTO notes (id, text, version) VALUES (1, 'late', 1)").execute().await?;
            }
            Ok::<_, Error>(())
        });
        work.await
    };
    let error = write(false).await.unwrap_err();
    assert!(error.is_foreign_key_violation(), "{error:?}");
    // It waits again for the next one.
    write(true).await.unwrap();
    let (count,): (i64,) = sessions.sql("SELECT count(*) FROM replies").fetch_one().await.unwrap();
    assert_eq!(count, 1);
}

#[spakky::test(schema = [Note], rollback)]
async fn a_new_transaction_inside_another_ends_by_itself_and_is_undone_with_it(
    sessions: SessionManager,
    notes: Repository<Note>,
) {
    let told = Arc::new(AtomicU32::new(0));
    let outer = sessions.transaction(UNIT, async |_| {
        notes.add_now(&mut note(1)).await?;
        let failed = sessions.transaction(OWN, async |_| {
            notes.add_now(&mut note(2)).await?;
            notes.get(9).await.map(drop)
        });
        assert!(failed.await.unwrap_err().is_not_found());
        let counted = Arc::clone(&told);
        let inner = sessions.transaction(OWN, async |session| {
            session.after_commit(move || async move {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
            notes.add(&mut note(3))
        });
        inner.await?;
        assert_eq!(told.load(Ordering::SeqCst), 1);
        assert_eq!(ids(&notes).await, [1, 3]);
        Err::<(), _>(Error::custom("changed my mind"))
    });
    outer.await.unwrap_err();
    assert!(ids(&notes).await.is_empty());
}

#[spakky::test(schema = [Note], rollback, flavor = "multi_thread", worker_threads = 2)]
async fn scopes_side_by_side_take_turns(sessions: SessionManager, notes: Repository<Note>) {
    notes.autocommit().add_now(&mut note(1)).await.unwrap();
    let edit = |number: i64| {
        let (sessions, notes) = (sessions.clone(), notes.clone());
        async move {
            let work = sessions.transaction(UNIT, async |_| {
                let mut read = notes.get(1).await?;
                tokio::task::yield_now().await;
                read.text.push('!');
                notes.save(&mut read)?;
                notes.add(&mut note(number))
            });
            work.await.unwrap();
        }
    };
    let spawned = tokio::spawn(edit(2));
    tokio::join!(edit(3), edit(4));
    spawned.await.unwrap();
    assert_eq!(notes.get(1).await.unwrap().text, "note 1!!!");
    assert_eq!(ids(&notes).await, [1, 2, 3, 4]);
}

#[spakky::test(schema = [Note], rollback)]
async fn handles_work_as_long_as_they_end_in_order(sessions: SessionManager, notes: Repository<Note>) {
    let first = sessions.begin();
    first.run(notes.add_now(&mut note(1))).await.unwrap();
    let first: Transaction = first.commit_and_chain().await.unwrap();
    first.run(notes.add_now(&mut note(2))).await.unwrap();

    let second = sessions.begin_with(TransactionOptions::new().name("second"));
    let error = second.run(notes.add_now(&mut note(3))).await.unwrap_err();
    assert!(error.is_rollback_only(), "{error:?}");
    assert!(
        error.to_string().contains(
            "begin `second` while another scope is open: the test is one transaction, whose scopes end in the order \
             opposite to that in which they began; remove `rollback` from its `#[spakky::test]`"
        ),
        "{error}"
    );
    second.rollback().await;
    first.rollback().await;
    assert_eq!(ids(&notes).await, [1]);
    drop(sessions.begin());
    sessions.begin().commit().await.unwrap();
    assert_eq!(ids(&notes).await, [1]);
}

#[spakky::test(schema = [Note], rollback)]
async fn options_are_held_to_by_the_library(sessions: SessionManager, notes: Repository<Note>) {
    let read_only = sessions.transaction(UNIT.read_only(), async |_| notes.add(&mut note(1))).await.unwrap_err();
    assert_eq!(read_only.to_string(), "write in `unit`, which is read-only; drop `read_only` from its scope");
    let strict = UNIT.isolation(Isolation::Serializable);
    let joined = sessions.transaction(strict, async |_| {
        sessions.transaction(strict, async |_| notes.add(&mut note(1))).await?;
        sessions.transaction(UNIT.read_only(), async |_| notes.get(1).await).await
    });
    assert!(joined.await.unwrap_err().is_invalid_transaction());
    let slow = sessions.transaction(UNIT.timeout(Duration::from_millis(5)), async |_| {
        notes.add_now(&mut note(1)).await?;
        std::future::pending::<Result<(), Error>>().await
    });
    assert!(slow.await.unwrap_err().is_timeout());
    assert!(ids(&notes).await.is_empty());
    let context = RequestContext::new().setting("app.tenant", "7");
    let refused = context.scope(sessions.transaction(UNIT, async |_| notes.add(&mut note(1)))).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "open `unit` with settings in the request's context: they would last until the end of the transaction around the \
         test; remove `rollback` from its `#[spakky::test]`"
    );
}

#[spakky::test(schema = [Note], rollback)]
async fn rows_are_streamed_inside_a_scope_and_outside(sessions: SessionManager, notes: Repository<Note>) {
    notes.autocommit().add_all_now(&mut [note(1), note(2)]).await.unwrap();
    let read = async || {
        let mut stream = notes.query().stream().await.unwrap();
        let mut count = 0;
        while let Some(read) = stream.next().await {
            read.unwrap();
            count += 1;
        }
        count
    };
    assert_eq!(read().await, 2);
    assert_eq!(sessions.transaction(UNIT, async |_| Ok::<_, Error>(read().await)).await.unwrap(), 2);
    drop(notes.query().stream().await.unwrap());
    assert_eq!(ids(&notes).await, [1, 2]);
}

#[spakky::test(backend = sqlite, schema = [Note], rollback)]
#[should_panic(
    expected = "a test with `rollback` has no `TestDatabase` of its own; take `sessions: SessionManager`, or \
                           remove `rollback`"
)]
async fn a_test_that_is_undone_has_no_database_to_write_to_otherwise(_: spakky::testing::TestDatabase) {}

#[spakky::test(schema = [Note], rollback)]
async fn each_transaction_remembers_the_rows_that_it_has_read_itself(
    sessions: SessionManager,
    notes: Repository<Note>,
    recorder: Recorder,
) {
    notes.autocommit().add_now(&mut note(1)).await.unwrap();
    let reads = || recorder.take().statements.iter().filter(|sql| sql.starts_with("SELECT")).count();
    let around = sessions.transaction(UNIT, async |_| {
        reads();
        notes.get(1).await?;
        assert_eq!(reads(), 1);
        sessions.transaction(OWN, async |_| notes.get(1).await).await?;
        assert_eq!(reads(), 1);
        notes.get(1).await?;
        assert_eq!(reads(), 0);
        Ok::<_, Error>(())
    });
    around.await.unwrap();
    sessions.transaction(UNIT, async |_| notes.get(1).await).await.unwrap();
    assert_eq!(reads(), 1);
}

#[spakky::test(schema = [Note], rollback)]
async fn a_failure_of_one_scope_is_no_reason_to_run_the_next_again(sessions: SessionManager, notes: Repository<Note>) {
    let retry = RetryPolicy { attempts: 3, backoff: Duration::from_millis(1), on: RetryOn::Conflict };
    notes.autocommit().add_now(&mut note(1)).await.unwrap();
    let outdated = sessions.transaction(UNIT, async |_| notes.save_if(&mut note(1), 7));
    assert!(outdated.await.unwrap_err().is_conflict());
    let runs = AtomicU32::new(0);
    let work = sessions.transaction_with_retry(UNIT.retry(retry), async |_| {
        runs.fetch_add(1, Ordering::SeqCst);
        Err::<(), _>(Error::custom("enough"))
    });
    assert!(work.await.unwrap_err().is_custom());
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

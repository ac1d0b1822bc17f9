//! Rows that are deleted and can be restored.

use spakky::prelude::*;

use super::tables::{ACME, Customer, Document, DocumentRow, Note, acting_for, begin, document, note, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_soft_deleted_row_stays_with_its_stamps,
    a_soft_delete_is_guarded_by_the_version,
    a_restored_row_lives_again,
    a_row_of_a_table_without_a_version_is_soft_deleted_and_restored,
    several_rows_are_soft_deleted_by_one_statement,
    several_rows_without_a_version_are_soft_deleted_by_one_statement,
    reads_skip_a_deleted_row_unless_asked,
    a_session_does_not_find_what_it_soft_deleted,
    a_row_loaded_with_deleted_is_none_to_a_plain_read,
    a_row_loaded_with_deleted_is_not_saved_by_a_plain_repository,
    a_repository_with_deleted_saves_deleted_rows,
    an_attached_copy_of_a_deleted_row_is_a_conflict,
    a_save_and_a_soft_delete_are_one_statement,
    what_is_added_and_soft_deleted_is_stored_deleted,
    soft_deleted_and_restored_before_the_flush_it_lives,
    a_hard_delete_leaves_deleted_rows_alone_unless_asked,
    a_row_that_replaces_a_deleted_one_lives,
    queries_soft_delete_and_restore,
    a_deletion_stamp_is_not_assigned_by_hand,
    a_rolled_back_soft_delete_is_none,
];

/// Another customer each time, all of them version 1.
async fn store(db: &Database, customers: &[(i64, &str)]) {
    for (id, email) in customers {
        db.execute(&format!("INSERT INTO customers (id, email, version) VALUES ({id}, '{email}', 1)")).await;
    }
}

async fn customers(db: &Database) -> Vec<(i64, i64, bool)> {
    let sql = "SELECT id, version, deleted_at IS NOT NULL FROM customers ORDER BY id";
    db.observer().sql(sql).fetch_all().await.unwrap()
}

async fn a_soft_deleted_row_stays_with_its_stamps(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    db.sent();
    documents.soft_delete(&mut one).unwrap();
    assert_eq!(one.revision.version(), Some(2));
    assert_eq!(db.sent(), Vec::<String>::new());
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ["1 one v2 root ann deleted ann", ACME[1], ACME[2]]);
    // By the database's clock, and with the stamp of the update.
    let apart = if db.is_sqlite() {
        "SELECT count(*) FROM documents WHERE id = 1 AND deleted_at = updated_at AND deleted_at > '2024'"
    } else {
        "SELECT count(*) FROM documents WHERE id = 1 AND deleted_at = updated_at AND deleted_at > '2024-01-01'"
    };
    assert_eq!(db.numbers(apart).await, [1]);
}

async fn a_soft_delete_is_guarded_by_the_version(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    db.execute("UPDATE documents SET version = 7 WHERE id = 1").await;
    documents.soft_delete(&mut one).unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!((error.ids(), error.expected_version()), (&["1".to_owned()][..], Some(1)));
    assert_eq!(stored(&db, "acme").await[0], "1 one v7 root root live -");
}

async fn a_restored_row_lives_again(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut three = documents.with_deleted().get(3).await.unwrap();
    documents.restore(&mut three).unwrap();
    assert_eq!(three.revision.version(), Some(2));
    assert_eq!(documents.get(3).await.unwrap(), three);
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, [ACME[0], ACME[1], "3 three v2 root ann live -"]);
    // One that lives stays as it is.
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    db.sent();
    documents.restore_now(&mut one).await.unwrap();
    assert_eq!(db.sent(), Vec::<String>::new());
    tx.commit().await.unwrap();
}

async fn a_row_of_a_table_without_a_version_is_soft_deleted_and_restored(db: Database) {
    prepare(&db).await;
    let notes = db.sessions.repository::<Note>().autocommit();
    let deleted = async || db.numbers("SELECT count(*) FROM notes WHERE deleted_at IS NOT NULL").await;
    let acme = acting_for("acme");
    acme.clone().scope(notes.add_now(&mut note(1, "", "a"))).await.unwrap();
    let tx = begin(&db, acme.clone()).await;
    let here = notes.in_session(tx.session());
    let mut found = here.get(1).await.unwrap();
    here.soft_delete_now(&mut found).await.unwrap();
    assert!(here.find(1).await.unwrap().is_none());
    tx.commit().await.unwrap();
    assert_eq!(deleted().await, [1]);
    let tx = begin(&db, acme).await;
    let here = notes.in_session(tx.session());
    let mut found = here.with_deleted().get(1).await.unwrap();
    assert!(found.deleted_at.is_some());
    here.restore_now(&mut found).await.unwrap();
    assert_eq!(here.get(1).await.unwrap().deleted_at, None);
    tx.commit().await.unwrap();
    assert_eq!(deleted().await, [0]);
}

async fn several_rows_are_soft_deleted_by_one_statement(db: Database) {
    prepare(&db).await;
    store(&db, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let tx = begin(&db, RequestContext::new().actor("ann")).await;
    let here = db.sessions.repository::<Customer>().in_session(tx.session());
    let mut all = here.get_many([3, 1, 2]).await.unwrap();
    db.sent();
    here.soft_delete_all_now(&mut all).await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("UPDATE")).count(), 1);
    tx.commit().await.unwrap();
    assert_eq!(customers(&db).await, [(1, 2, true), (2, 2, true), (3, 2, true)]);
    let tx = begin(&db, RequestContext::new()).await;
    let here = db.sessions.repository::<Customer>().with_deleted().in_session(tx.session());
    let mut all = here.query().all().await.unwrap();
    assert_eq!(all[0].deleted_by.as_deref(), Some("ann"));
    here.restore_all(&mut all).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(customers(&db).await, [(1, 3, false), (2, 3, false), (3, 3, false)]);
    let by = "SELECT count(*) FROM customers WHERE deleted_by IS NOT NULL";
    assert_eq!(db.numbers(by).await, [0]);
}

async fn several_rows_without_a_version_are_soft_deleted_by_one_statement(db: Database) {
    prepare(&db).await;
    let acme = acting_for("acme");
    let notes = db.sessions.repository::<Note>();
    let mut batch = [note(1, "", "a"), note(2, "", "b"), note(3, "", "c")];
    acme.clone().scope(notes.autocommit().add_all_now(&mut batch)).await.unwrap();
    let living = async || db.numbers("SELECT id FROM notes WHERE deleted_at IS NULL ORDER BY id").await;
    let tx = begin(&db, acme).await;
    let here = notes.in_session(tx.session());
    let mut found = here.get_many([1, 3]).await.unwrap();
    db.sent();
    here.soft_delete_all_now(&mut found).await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("UPDATE")).count(), 1);
    tx.commit_and_chain().await.unwrap().rollback().await;
    assert_eq!(living().await, [2]);
    let tx = begin(&db, acting_for("acme")).await;
    let here = notes.in_session(tx.session());
    let mut found = here.with_deleted().query().all().await.unwrap();
    db.sent();
    here.restore_all_now(&mut found).await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("UPDATE")).count(), 1);
    tx.commit().await.unwrap();
    assert_eq!(living().await, [1, 2, 3]);
}

async fn reads_skip_a_deleted_row_unless_asked(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    let all = documents.with_deleted();
    acting_for("acme")
        .scope(async {
            assert!(documents.get(3).await.unwrap_err().is_not_found());
            assert!(documents.find(3).await.unwrap().is_none());
            assert!(!documents.exists(3).await.unwrap());
            assert_eq!(documents.get_many([1, 3]).await.unwrap_err().ids(), ["3"]);
            assert_eq!(documents.query().count().await.unwrap(), 2);
            assert_eq!(all.get(3).await.unwrap().title, "three");
            assert!(all.exists(3).await.unwrap());
            assert_eq!(all.get_many([1, 3]).await.unwrap().len(), 2);
            assert_eq!(all.query().count().await.unwrap(), 3);
        })
        .await;
}

async fn a_session_does_not_find_what_it_soft_deleted(db: Database) {
    prepare(&db).await;
    for flush in [false, true] {
        let tx = begin(&db, acting_for("acme")).await;
        let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
        let mut one = documents.get(1).await.unwrap();
        documents.soft_delete(&mut one).unwrap();
        if flush {
            tx.session().flush().await.unwrap();
        }
        assert!(documents.find(1).await.unwrap().is_none());
        assert!(!documents.exists(1).await.unwrap());
        assert_eq!(documents.query().count().await.unwrap(), 1);
        assert_eq!(documents.query().all().await.unwrap().len(), 1);
        assert_eq!(documents.with_deleted().get(1).await.unwrap(), one);
        // The copy in hand is still good for a restoration.
        documents.restore(&mut one).unwrap();
        assert_eq!(documents.get(1).await.unwrap(), one);
        tx.rollback().await;
    }
}

async fn a_row_loaded_with_deleted_is_none_to_a_plain_read(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    documents.with_deleted().get(3).await.unwrap();
    db.sent();
    assert!(documents.find(3).await.unwrap().is_none());
    assert!(documents.get_versioned(3).await.unwrap_err().is_not_found());
    assert_eq!(documents.find_many([3, 3]).await.unwrap(), [None, None]);
    // Known, and so not asked for again.
    assert_eq!(db.sent(), Vec::<String>::new());
    assert_eq!(documents.with_deleted().get(3).await.unwrap().id, 3);
    tx.rollback().await;
}

async fn a_row_loaded_with_deleted_is_not_saved_by_a_plain_repository(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut three = documents.with_deleted().get(3).await.unwrap();
    three.title = "changed".into();
    let error = documents.save(&mut three).unwrap_err();
    assert!(error.is_not_loaded());
    assert_eq!(
        error.to_string(),
        "save `documents` with id 3: it is soft-deleted; `restore` it, or use a repository `with_deleted()`"
    );
    assert!(documents.delete(&mut three).unwrap_err().is_not_loaded());
    assert!(documents.soft_delete(&mut three).unwrap_err().is_not_loaded());
    assert!(documents.upsert(&mut three).unwrap_err().is_not_loaded());
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ACME);
}

async fn a_repository_with_deleted_saves_deleted_rows(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().with_deleted().in_session(tx.session());
    let mut three = documents.get(3).await.unwrap();
    three.title = "changed".into();
    documents.save(&mut three).unwrap();
    // Deleted already: its stamp stays.
    documents.soft_delete(&mut three).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[2], "3 changed v2 root ann deleted -");
}

async fn an_attached_copy_of_a_deleted_row_is_a_conflict(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let mut copy = Document { revision: Revision::loaded(1), ..document(3, "changed") };
    acting_for("acme")
        .scope(async {
            assert!(documents.save_now(&mut copy.clone()).await.unwrap_err().is_conflict());
            assert!(documents.save_if_now(&mut copy.clone(), 1).await.unwrap_err().is_conflict());
            assert!(documents.delete_now(&mut copy.clone()).await.unwrap_err().is_conflict());
            assert!(documents.soft_delete_now(&mut copy.clone()).await.unwrap_err().is_conflict());
            let error = documents.upsert_now(&mut copy.clone()).await.unwrap_err();
            assert!(error.is_conflict());
            assert!(
                error.to_string().starts_with(
                    "upsert into `documents` with id 3: the row there is another tenant's, or is soft-deleted"
                ),
                "{error}"
            );
            assert_eq!(stored(&db, "acme").await, ACME);
            documents.restore_now(&mut copy).await.unwrap();
        })
        .await;
    // Nothing is written but that it lives.
    assert_eq!(stored(&db, "acme").await[2], "3 three v2 root ann live -");
}

async fn a_save_and_a_soft_delete_are_one_statement(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    one.title = "last words".into();
    documents.save(&mut one).unwrap();
    documents.soft_delete(&mut one).unwrap();
    db.sent();
    tx.commit().await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("UPDATE")).count(), 1);
    assert_eq!(stored(&db, "acme").await[0], "1 last words v2 root ann deleted ann");
}

async fn what_is_added_and_soft_deleted_is_stored_deleted(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let (mut born, mut living) = (document(20, "short-lived"), document(21, "living"));
    documents.add_all([&mut born, &mut living]).unwrap();
    documents.soft_delete(&mut born).unwrap();
    assert!(documents.find(20).await.unwrap().is_none());
    tx.commit().await.unwrap();
    let acme = stored(&db, "acme").await;
    assert_eq!(acme[3..], ["20 short-lived v1 ann ann deleted ann", "21 living v1 ann ann live -"]);
}

async fn soft_deleted_and_restored_before_the_flush_it_lives(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let (mut one, mut three) = (documents.get(1).await.unwrap(), documents.with_deleted().get(3).await.unwrap());
    documents.soft_delete(&mut one).unwrap();
    documents.restore(&mut one).unwrap();
    documents.restore(&mut three).unwrap();
    three.title = "back".into();
    documents.save(&mut three).unwrap();
    tx.commit().await.unwrap();
    let acme = stored(&db, "acme").await;
    assert_eq!(acme, ["1 one v2 root ann live -", ACME[1], "3 back v2 root ann live -"]);
}

async fn a_hard_delete_leaves_deleted_rows_alone_unless_asked(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let d = DocumentRow::COLUMNS;
    acting_for("acme")
        .scope(async {
            documents.delete_by_id_now(3).await.unwrap();
            assert_eq!(documents.filter(d.id.eq(3)).delete().await.unwrap(), 0);
            assert_eq!(documents.filter(d.id.eq(3)).update([d.title.set("x")]).await.unwrap(), 0);
            assert_eq!(stored(&db, "acme").await, ACME);
            documents.with_deleted().delete_by_id_now(3).await.unwrap();
        })
        .await;
    assert_eq!(stored(&db, "acme").await, ACME[..2]);
}

async fn a_row_that_replaces_a_deleted_one_lives(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().with_deleted().in_session(tx.session());
    let mut three = documents.get(3).await.unwrap();
    documents.delete(&mut three).unwrap();
    documents.add(&mut document(3, "new three")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[2], "3 new three v2 root ann live -");
    db.execute("UPDATE documents SET deleted_at = created_at WHERE id = 3").await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().with_deleted().in_session(tx.session());
    documents.delete_by_id(3).unwrap();
    documents.add(&mut document(3, "newer three")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[2], "3 newer three v1 ann ann live -");
}

async fn queries_soft_delete_and_restore(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let d = DocumentRow::COLUMNS;
    acting_for("acme")
        .scope(async {
            assert_eq!(documents.filter(d.id.ge(2)).soft_delete().await.unwrap(), 1);
            assert_eq!(stored(&db, "acme").await, [ACME[0], "2 two v2 root ann deleted ann", ACME[2]]);
            let refused = documents.query().limit(1).restore().await.unwrap_err();
            assert_eq!(
                refused.to_string(),
                "restore `documents` by a query with an order, a limit or a lock: leave them out"
            );
            assert_eq!(documents.filter(d.id.eq(2).or(d.id.eq(12))).restore().await.unwrap(), 1);
        })
        .await;
    assert_eq!(stored(&db, "acme").await, [ACME[0], "2 two v3 root ann live -", ACME[2]]);
}

async fn a_deletion_stamp_is_not_assigned_by_hand(db: Database) {
    prepare(&db).await;
    let customers = db.sessions.repository::<Customer>().autocommit();
    let error = customers.query().update([Customer::COLUMNS.deleted_at.set(None)]).await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "query `customers`: column `deleted_at` is set by `soft_delete` and `restore`; use those"
    );
}

async fn a_rolled_back_soft_delete_is_none(db: Database) {
    prepare(&db).await;
    store(&db, &[(1, "a")]).await;
    let sessions = &db.sessions;
    let here = sessions.repository::<Customer>();
    let options = TransactionOptions::new().name("outer");
    let outcome = sessions.transaction(options, async |_| {
        let mut one = here.get(1).await?;
        let nested = TransactionOptions::new().name("inner").propagation(Propagation::Nested);
        let inner = sessions.transaction(nested, async |_| {
            here.soft_delete_now(&mut one.clone()).await?;
            assert!(here.find(1).await?.is_none());
            Err::<(), _>(here.get(99).await.unwrap_err())
        });
        assert!(inner.await.is_err());
        assert_eq!(here.get(1).await?, one);
        one.email = "b".into();
        here.save(&mut one)
    });
    outcome.await.unwrap();
    assert_eq!(customers(&db).await, [(1, 2, false)]);
}

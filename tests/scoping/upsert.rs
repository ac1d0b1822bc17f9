//! Upserts, which may meet rows that are out of reach.

use super::tables::{ACME, DocumentRow, GLOBEX, Note, acting_for, begin, document, note, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    an_upsert_does_not_overwrite_another_tenants_row,
    a_batch_of_upserts_names_the_rows_it_may_not_write,
    an_upsert_with_deleted_changes_a_deleted_row,
    an_upsert_that_is_undone_leaves_nothing_behind,
    a_soft_delete_behind_an_upsert_is_of_the_row_that_it_leaves,
];

async fn an_upsert_does_not_overwrite_another_tenants_row(db: Database) {
    prepare(&db).await;
    for now in [true, false] {
        let tx = begin(&db, acting_for("acme")).await;
        let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
        let error = if now {
            let error = documents.upsert_now(&mut document(11, "stolen")).await.unwrap_err();
            tx.rollback().await;
            error
        } else {
            documents.upsert(&mut document(11, "stolen")).unwrap();
            tx.commit().await.unwrap_err()
        };
        assert!(error.is_conflict());
        assert_eq!((error.table(), error.ids()), (Some("documents"), &["11".to_owned()][..]));
        assert!(error.origin().is_some());
    }
    assert_eq!(stored(&db, "globex").await, GLOBEX);
}

async fn a_batch_of_upserts_names_the_rows_it_may_not_write(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut batch = [12, 20, 1, 11, 3].map(|id| document(id, &format!("changed {id}")));
    documents.upsert_all(&mut batch).unwrap();
    let error = tx.commit().await.unwrap_err();
    assert!(error.is_conflict());
    assert_eq!(error.ids(), ["3", "11", "12"]);
    assert_eq!(stored(&db, "acme").await, ACME);
    assert_eq!(stored(&db, "globex").await, GLOBEX);
    // Without those it goes through, in one statement.
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut batch = [20, 1].map(|id| document(id, &format!("changed {id}")));
    db.sent();
    documents.upsert_all_now(&mut batch).await.unwrap();
    assert_eq!(db.sent().iter().filter(|sql| sql.contains("INSERT")).count(), 1);
    tx.commit().await.unwrap();
    let acme = stored(&db, "acme").await;
    assert_eq!(acme, ["1 changed 1 v2 root ann live -", ACME[1], ACME[2], "20 changed 20 v1 ann ann live -"]);
}

async fn an_upsert_with_deleted_changes_a_deleted_row(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().with_deleted().in_session(tx.session());
    documents.upsert(&mut document(3, "changed")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[2], "3 changed v2 root ann deleted -");
}

async fn an_upsert_that_is_undone_leaves_nothing_behind(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let here = db.sessions.repository::<Note>().in_session(tx.session());
    here.upsert(&mut note(1, "", "a")).unwrap();
    here.delete_by_id(1).unwrap();
    here.add(&mut note(2, "", "b")).unwrap();
    here.delete_by_id(2).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM notes").await, [0]);
}

async fn a_soft_delete_behind_an_upsert_is_of_the_row_that_it_leaves(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let here = db.sessions.repository::<Note>().in_session(tx.session());
    let mut one = note(1, "", "a");
    here.upsert(&mut one).unwrap();
    here.soft_delete(&mut one).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.numbers("SELECT count(*) FROM notes WHERE deleted_at IS NOT NULL").await, [1]);
}

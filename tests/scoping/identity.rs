//! One session knows rows of several tenants, and answers each call with those that are its own.

use spakky::prelude::*;

use super::tables::{ACME, Document, DocumentRow, GLOBEX, acting_for, begin, document, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_row_loaded_across_tenants_is_none_to_the_tenant,
    a_row_loaded_across_tenants_is_not_saved_for_the_tenant,
    what_is_queued_across_tenants_is_none_to_the_tenant,
    a_delete_by_id_for_the_tenant_says_nothing_of_another_tenants_row,
    a_write_for_one_tenant_does_not_join_one_for_another,
    a_copy_in_hand_is_saved_across_tenants,
    a_row_that_the_tenant_loaded_is_known_across_tenants,
];

async fn a_row_loaded_across_tenants_is_none_to_the_tenant(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    documents.across_tenants().get(11).await.unwrap();
    assert!(documents.find(11).await.unwrap().is_none());
    assert!(!documents.exists(11).await.unwrap());
    assert!(documents.get_versioned(11).await.unwrap_err().is_not_found());
    assert_eq!(documents.find_many([1, 11]).await.unwrap()[1], None);
    assert!(documents.lock(11).await.unwrap_err().is_not_found());
    assert_eq!(documents.across_tenants().get(11).await.unwrap().id, 11);
    tx.rollback().await;
}

async fn a_row_loaded_across_tenants_is_not_saved_for_the_tenant(db: Database) {
    prepare(&db).await;
    for write in 0..4 {
        let tx = begin(&db, acting_for("acme")).await;
        let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
        let mut theirs = documents.across_tenants().get(11).await.unwrap();
        theirs.title = "stolen".into();
        // The copy says its version, and so is taken for one from elsewhere: the database has none such.
        match write {
            0 => documents.save(&mut theirs),
            1 => documents.delete(&mut theirs),
            2 => documents.soft_delete(&mut theirs),
            _ => documents.upsert(&mut theirs),
        }
        .unwrap();
        assert!(tx.commit().await.unwrap_err().is_conflict(), "{write}");
        assert_eq!(stored(&db, "globex").await, GLOBEX);
    }
}

async fn what_is_queued_across_tenants_is_none_to_the_tenant(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let everybody = documents.across_tenants();
    let mut theirs = everybody.get(11).await.unwrap();
    theirs.title = "changed".into();
    everybody.save(&mut theirs).unwrap();
    assert!(documents.find(11).await.unwrap().is_none());
    assert_eq!(documents.query().count().await.unwrap(), 2);
    assert_eq!(documents.query().all().await.unwrap().len(), 2);
    assert_eq!(everybody.get(11).await.unwrap().title, "changed");
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "globex").await[0], "11 changed v2 root ann live -");
}

async fn a_delete_by_id_for_the_tenant_says_nothing_of_another_tenants_row(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    documents.delete_by_id(11).unwrap();
    assert!(documents.find(11).await.unwrap().is_none());
    assert_eq!(documents.across_tenants().get(11).await.unwrap().title, "one");
    tx.session().flush().await.unwrap();
    assert_eq!(documents.across_tenants().get(11).await.unwrap().title, "one");
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "globex").await, GLOBEX);
}

async fn a_write_for_one_tenant_does_not_join_one_for_another(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let everybody = documents.across_tenants();
    let mut theirs = everybody.get(11).await.unwrap();
    theirs.title = "changed".into();
    everybody.save(&mut theirs).unwrap();
    let mut stolen = Document { revision: Revision::loaded(1), ..document(11, "stolen") };
    let outcomes = [documents.save(&mut stolen), documents.upsert(&mut stolen), documents.delete_by_id(11)];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert!(error.is_tenant_mismatch());
        assert_eq!(
            error.to_string(),
            "write to `documents` with id 11: a write of it for another tenant is queued; flush it before"
        );
    }
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "globex").await[0], "11 changed v2 root ann live -");
}

async fn a_copy_in_hand_is_saved_across_tenants(db: Database) {
    prepare(&db).await;
    let tx = db.sessions.begin();
    let everybody = db.sessions.repository::<DocumentRow>().across_tenants().in_session(tx.session());
    let mut copies = [1, 11].map(|id| Document { revision: Revision::loaded(1), ..document(id, "changed") });
    // Nobody acts, and the one who changed a row may be unknown.
    everybody.save_all(&mut copies).unwrap();
    everybody.soft_delete_all(&mut copies).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[0], "1 changed v2 root - deleted -");
    assert_eq!(stored(&db, "globex").await[0], "11 changed v2 root - deleted -");
}

async fn a_row_that_the_tenant_loaded_is_known_across_tenants(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let one = documents.get(1).await.unwrap();
    db.sent();
    assert_eq!(documents.across_tenants().get(1).await.unwrap(), one);
    assert_eq!(db.sent(), Vec::<String>::new());
    tx.rollback().await;
    assert_eq!(stored(&db, "acme").await, ACME);
}

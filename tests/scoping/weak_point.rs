//! What systems of this kind get wrong, shown to be right here: one test for each weak point.

use spakky::prelude::*;

use super::tables::{ACME, Document, DocumentRow, GLOBEX, Note, acting_for, begin, document, note, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    an_add_is_stamped_though_the_entity_has_an_empty_field,
    save_and_delete_are_confined_to_the_tenant,
    a_save_does_not_write_tenant_and_creation_from_the_object,
    without_a_tenant_reads_do_not_fail_open,
    reads_filter_deleted_rows,
    nothing_of_a_tenant_stays_on_a_pooled_connection,
];

async fn an_add_is_stamped_though_the_entity_has_an_empty_field(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    db.sessions.repository::<Note>().in_session(tx.session()).add(&mut note(1, "", "x")).unwrap();
    db.sessions.repository::<DocumentRow>().in_session(tx.session()).add(&mut document(20, "x")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(db.numbers("SELECT id FROM notes WHERE tenant = 'acme'").await, [1]);
    assert_eq!(stored(&db, "acme").await[3], "20 x v1 ann ann live -");
}

async fn save_and_delete_are_confined_to_the_tenant(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    acting_for("acme")
        .scope(async {
            // The right version, of a row that is another tenant's.
            let stolen = Document { revision: Revision::loaded(1), ..document(11, "stolen") };
            assert!(documents.save_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            assert!(documents.soft_delete_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            assert!(documents.delete_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
        })
        .await;
    assert_eq!(stored(&db, "globex").await, GLOBEX);
}

async fn a_save_does_not_write_tenant_and_creation_from_the_object(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let mut copy = Document { revision: Revision::loaded(1), ..document(1, "changed") };
    db.sent();
    acting_for("acme").scope(documents.save_now(&mut copy)).await.unwrap();
    let sent = db.sent();
    let update = sent.iter().find(|sql| sql.contains("UPDATE")).unwrap();
    let set = update.split(" SET ").nth(1).unwrap().split(" WHERE ").next().unwrap();
    assert!(!set.contains("tenant") && !set.contains("created"), "{set}");
    assert_eq!(stored(&db, "acme").await[0], "1 changed v2 root ann live -");
}

async fn without_a_tenant_reads_do_not_fail_open(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    assert!(documents.query().all().await.unwrap_err().is_tenant_required());
    assert!(documents.query().count().await.unwrap_err().is_tenant_required());
    assert!(documents.get(1).await.unwrap_err().is_tenant_required());
    // A spawned task has no context of its own.
    let spawned = acting_for("acme").scope(async { tokio::spawn(async move { documents.get(1).await }).await });
    assert!(spawned.await.unwrap().unwrap_err().is_tenant_required());
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn reads_filter_deleted_rows(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    acting_for("acme")
        .scope(async {
            let tx = db.sessions.begin();
            let here = documents.in_session(tx.session());
            let mut one = here.get(1).await.unwrap();
            here.soft_delete(&mut one).unwrap();
            tx.commit().await.unwrap();
            assert!(documents.get(1).await.unwrap_err().is_not_found());
            assert_eq!(documents.query().count().await.unwrap(), 1);
        })
        .await;
    // Logical, not physical.
    assert_eq!(stored(&db, "acme").await, ["1 one v2 root ann deleted ann", ACME[1], ACME[2]]);
}

async fn nothing_of_a_tenant_stays_on_a_pooled_connection(db: Database) {
    prepare(&db).await;
    let sessions = db.connect(|config| config.pool_size(1)).await;
    let documents = sessions.repository::<DocumentRow>();
    for (tenant, count) in [("acme", 2), ("globex", 1), ("initech", 0), ("acme", 2)] {
        acting_for(tenant).scope(async { assert_eq!(documents.query().count().await.unwrap(), count) }).await;
    }
    assert!(documents.query().count().await.unwrap_err().is_tenant_required());
    sessions.close(std::time::Duration::from_secs(5)).await.unwrap();
}

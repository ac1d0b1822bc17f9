//! Rows that belong to tenants.

use spakky::prelude::*;
use spakky::{Error, ErrorKind};

use super::tables::{
    ACME, Badge, Document, DocumentRow, GLOBEX, Note, acting_for, badge, begin, document, note, prepare, stored,
};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_new_row_is_the_tenants_of_the_context,
    a_row_whose_id_the_database_assigns_is_the_tenants_of_the_context,
    a_row_that_says_another_tenant_is_refused_before_anything_is_sent,
    a_row_with_the_tenant_of_the_context_is_taken,
    a_save_never_changes_the_tenant,
    the_tenant_is_that_of_the_context_the_session_was_opened_in,
    outside_a_scope_the_current_context_counts,
    a_call_of_its_own_is_confined_too,
    a_batch_that_hits_a_row_of_another_tenant_fails_as_a_whole,
    a_delete_by_id_of_another_tenants_row_does_nothing,
    across_tenants_reads_everything,
    across_tenants_writes_rows_of_any_tenant,
    across_tenants_a_new_row_says_whose_it_is,
    across_tenants_the_tenant_of_a_row_never_changes,
    an_update_by_query_cannot_move_a_row_to_another_tenant,
    or_in_a_filter_does_not_reach_around_the_tenant,
];

async fn notes(db: &Database) -> Vec<(i64, String, String)> {
    db.observer().sql("SELECT id, tenant, text FROM notes ORDER BY id").fetch_all().await.unwrap()
}

fn row(id: i64, tenant: &str, text: &str) -> (i64, String, String) {
    (id, tenant.to_owned(), text.to_owned())
}

async fn a_new_row_is_the_tenants_of_the_context(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    let tx = begin(&db, acting_for("globex")).await;
    let here = documents.in_session(tx.session());
    here.add(&mut document(20, "new")).unwrap();
    here.add_all([&mut document(21, "newer"), &mut document(22, "newest")]).unwrap();
    tx.commit().await.unwrap();
    let added = ["20 new v1 ann ann live -", "21 newer v1 ann ann live -", "22 newest v1 ann ann live -"];
    assert_eq!(stored(&db, "globex").await, [&GLOBEX[..], &added[..]].concat());
    assert_eq!(stored(&db, "acme").await, ACME);
}

async fn a_row_whose_id_the_database_assigns_is_the_tenants_of_the_context(db: Database) {
    prepare(&db).await;
    let badges = db.sessions.repository::<Badge>().autocommit();
    acting_for("acme")
        .scope(async {
            let mut first = badge("first");
            badges.add_now(&mut first).await.unwrap();
            assert_eq!((first.tenant.as_str(), first.created_by.as_deref()), ("acme", Some("ann")));
            assert_eq!(badges.get(first.id).await.unwrap(), first);
            let tx = db.sessions.begin();
            badges.in_session(tx.session()).add(&mut badge("second")).unwrap();
            tx.commit().await.unwrap();
        })
        .await;
    let rows: Vec<(String, String)> =
        db.observer().sql("SELECT tenant, label FROM badges ORDER BY id").fetch_all().await.unwrap();
    assert_eq!(rows, [("acme".into(), "first".into()), ("acme".into(), "second".into())]);
}

async fn a_row_that_says_another_tenant_is_refused_before_anything_is_sent(db: Database) {
    prepare(&db).await;
    let notes = db.sessions.repository::<Note>();
    let tx = begin(&db, acting_for("acme")).await;
    let here = notes.in_session(tx.session());
    for outcome in [
        here.add(&mut note(1, "globex", "x")),
        here.upsert(&mut note(1, "globex", "x")),
        here.add_now(&mut note(1, "globex", "x")).await,
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TenantMismatch);
        assert_eq!(
            error.to_string(),
            "add to `notes` with id 1: it says that it is another tenant's than the context's; leave its tenant empty, or \
             write it in that tenant's context"
        );
    }
    here.add(&mut note(2, "", "mine")).unwrap();
    let error = here.save(&mut note(2, "globex", "theirs")).unwrap_err();
    assert!(error.is_tenant_mismatch());
    assert!(error.to_string().starts_with("save to `notes` with id 2: it says that it is another tenant's"));
    tx.rollback().await;
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn a_row_with_the_tenant_of_the_context_is_taken(db: Database) {
    prepare(&db).await;
    let repository = db.sessions.repository::<Note>();
    let tx = begin(&db, acting_for("acme")).await;
    let here = repository.in_session(tx.session());
    here.add(&mut note(1, "acme", "a")).unwrap();
    here.add(&mut note(2, "", "b")).unwrap();
    here.save(&mut note(1, "acme", "c")).unwrap();
    here.save(&mut note(2, "", "d")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(notes(&db).await, [row(1, "acme", "c"), row(2, "acme", "d")]);
}

async fn a_save_never_changes_the_tenant(db: Database) {
    prepare(&db).await;
    let repository = db.sessions.repository::<Note>();
    let tx = begin(&db, acting_for("acme")).await;
    repository.in_session(tx.session()).add(&mut note(1, "", "a")).unwrap();
    tx.commit().await.unwrap();
    let tx = begin(&db, acting_for("acme")).await;
    let here = repository.in_session(tx.session());
    let mut found = here.get(1).await.unwrap();
    found.text = "b".into();
    found.tenant = String::new();
    db.sent();
    here.save_now(&mut found).await.unwrap();
    let sent = db.sent();
    let update = sent.iter().find(|sql| sql.contains("UPDATE")).unwrap();
    assert!(update.contains("SET \"text\" = ") && !update.contains("\"tenant\" = $1"), "{update}");
    tx.commit().await.unwrap();
    assert_eq!(notes(&db).await, [row(1, "acme", "b")]);
}

async fn the_tenant_is_that_of_the_context_the_session_was_opened_in(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    let tx = begin(&db, acting_for("acme")).await;
    let here = documents.in_session(tx.session());
    acting_for("globex")
        .scope(async {
            assert_eq!(here.query().count().await.unwrap(), 2);
            assert!(here.find(11).await.unwrap().is_none());
            // A session of its own is opened in the context around it.
            let other = db.sessions.begin();
            assert_eq!(documents.in_session(other.session()).query().count().await.unwrap(), 1);
            other.rollback().await;
        })
        .await;
    tx.rollback().await;
}

async fn outside_a_scope_the_current_context_counts(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    assert!(documents.get(1).await.unwrap_err().is_tenant_required());
    acting_for("acme")
        .scope(async {
            assert_eq!(documents.get(1).await.unwrap().title, "one");
            assert!(documents.get(11).await.unwrap_err().is_not_found());
            assert!(!documents.exists(11).await.unwrap());
        })
        .await;
}

async fn a_call_of_its_own_is_confined_too(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let stolen = Document { revision: Revision::loaded(1), ..document(11, "stolen") };
    acting_for("acme")
        .scope(async {
            assert!(documents.save_if_now(&mut stolen.clone(), 1).await.unwrap_err().is_conflict());
            assert!(documents.save_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            assert!(documents.delete_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            assert!(documents.soft_delete_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            assert!(documents.upsert_now(&mut stolen.clone()).await.unwrap_err().is_conflict());
            documents.delete_by_id_now(11).await.unwrap();
            let d = DocumentRow::COLUMNS;
            assert_eq!(documents.filter(d.id.eq(11)).delete().await.unwrap(), 0);
            documents.add_now(&mut document(5, "mine")).await.unwrap();
        })
        .await;
    let error = documents.add_now(&mut document(6, "nobody's")).await.unwrap_err();
    assert!(error.is_tenant_required());
    assert_eq!(stored(&db, "globex").await, GLOBEX);
    assert_eq!(stored(&db, "acme").await[3], "5 mine v1 ann ann live -");
}

async fn a_batch_that_hits_a_row_of_another_tenant_fails_as_a_whole(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>();
    for delete in [false, true] {
        let tx = begin(&db, acting_for("acme")).await;
        let here = documents.in_session(tx.session());
        let mut batch =
            [1, 11, 2].map(|id| Document { revision: Revision::loaded(1), ..document(id, &format!("changed {id}")) });
        if delete { here.delete_all(&mut batch) } else { here.save_all(&mut batch) }.unwrap();
        let error = tx.commit().await.unwrap_err();
        assert!(error.is_conflict());
        assert_eq!(error.ids(), ["11"]);
    }
    assert_eq!(stored(&db, "acme").await, ACME);
    assert_eq!(stored(&db, "globex").await, GLOBEX);
}

async fn a_delete_by_id_of_another_tenants_row_does_nothing(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let here = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    here.delete_all_by_id([1, 11]).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ACME[1..]);
    assert_eq!(stored(&db, "globex").await, GLOBEX);
}

async fn across_tenants_reads_everything(db: Database) {
    prepare(&db).await;
    let everybody = db.sessions.repository::<DocumentRow>().across_tenants();
    let d = DocumentRow::COLUMNS;
    let ids = async |repo: &Repository<DocumentRow>| -> Vec<i64> {
        repo.query().order_by(d.id.asc()).all().await.unwrap().iter().map(|document| document.id).collect()
    };
    assert_eq!(ids(&everybody).await, [1, 2, 11]);
    assert_eq!(ids(&everybody.with_deleted()).await, [1, 2, 3, 11, 12]);
    let sent = db.sent();
    assert!(sent.iter().all(|sql| !sql.contains("\"tenant\" =")), "{sent:?}");
    // Of no effect on the repository it was made of.
    assert!(db.sessions.repository::<DocumentRow>().get(1).await.unwrap_err().is_tenant_required());
}

async fn across_tenants_writes_rows_of_any_tenant(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, RequestContext::new().actor("root")).await;
    let everybody = db.sessions.repository::<DocumentRow>().across_tenants().in_session(tx.session());
    let mut all = everybody.get_many([1, 11]).await.unwrap();
    for document in &mut all {
        document.title.push('!');
    }
    everybody.save_all(&mut all).unwrap();
    everybody.delete_by_id(2).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ["1 one! v2 root root live -", ACME[2]]);
    assert_eq!(stored(&db, "globex").await, ["11 one! v2 root root live -", GLOBEX[1]]);
}

async fn across_tenants_a_new_row_says_whose_it_is(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let everybody = db.sessions.repository::<Note>().across_tenants().in_session(tx.session());
    let error = everybody.add(&mut note(1, "", "whose?")).unwrap_err();
    assert!(error.is_tenant_required());
    assert_eq!(
        error.to_string(),
        "add to `notes` across tenants: the row does not say whose it is; set its column `tenant`, or the context's tenant"
    );
    everybody.add(&mut note(1, "globex", "theirs")).unwrap();
    everybody.upsert(&mut note(2, "initech", "others'")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(notes(&db).await, [row(1, "globex", "theirs"), row(2, "initech", "others'")]);
}

async fn across_tenants_the_tenant_of_a_row_never_changes(db: Database) {
    prepare(&db).await;
    let everybody = db.sessions.repository::<Note>().across_tenants();
    db.execute("INSERT INTO notes (id, tenant, text) VALUES (1, 'acme', 'a')").await;
    let tx = db.sessions.begin();
    let here = everybody.in_session(tx.session());
    let mut found = here.get(1).await.unwrap();
    found.tenant = "globex".into();
    let error = here.save(&mut found).unwrap_err();
    assert!(error.is_tenant_mismatch());
    assert_eq!(
        error.to_string(),
        "save to `notes` with id 1: it is another tenant's, and the tenant of a row never changes"
    );
    tx.rollback().await;
    let tx = db.sessions.begin();
    everybody.in_session(tx.session()).upsert(&mut note(1, "globex", "b")).unwrap();
    assert!(tx.commit().await.unwrap_err().is_conflict());
    assert_eq!(notes(&db).await, [row(1, "acme", "a")]);
}

async fn an_update_by_query_cannot_move_a_row_to_another_tenant(db: Database) {
    prepare(&db).await;
    let n = Note::COLUMNS;
    for notes in [db.sessions.repository::<Note>(), db.sessions.repository::<Note>().across_tenants()] {
        let update = notes.autocommit().query().update([n.tenant.set("globex")]);
        let error: Error = acting_for("acme").scope(update).await.unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), "query `notes`: column `tenant` is the tenant, which never changes");
    }
}

async fn or_in_a_filter_does_not_reach_around_the_tenant(db: Database) {
    prepare(&db).await;
    let d = DocumentRow::COLUMNS;
    let documents = db.sessions.repository::<DocumentRow>();
    acting_for("acme")
        .scope(async {
            let either = d.title.eq("one").or(d.title.eq("two"));
            assert_eq!(documents.filter(either.clone()).count().await.unwrap(), 2);
            assert_eq!(documents.filter(either).filter(d.id.gt(10).or(d.id.lt(2))).count().await.unwrap(), 1);
            assert_eq!(documents.filter(d.title.eq("three").or(d.id.gt(0))).count().await.unwrap(), 2);
            assert_eq!(documents.filter(!d.title.eq("one")).count().await.unwrap(), 1);
        })
        .await;
}

//! Who wrote a row, and when.

use chrono::{DateTime, Utc};
use spakky::prelude::*;
use uuid::Uuid;

use super::tables::{ACME, DocumentRow, acting_for, begin, document, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_new_row_says_who_made_it,
    a_save_says_who_changed_it_and_keeps_who_made_it,
    a_batch_says_who_changed_it,
    an_upsert_says_who_changed_the_row_that_is_there,
    an_update_by_query_says_who_changed_the_rows,
    an_actor_that_must_be_there_is_asked_for_before_anything_is_sent,
    an_actor_that_may_be_missing_is_null,
    an_unchanged_save_stamps_nothing,
    who_made_a_row_is_not_assigned_later,
    what_the_domain_says_of_the_stamps_is_not_written,
    an_actor_that_the_column_cannot_hold_is_refused,
    stamps_are_those_of_the_databases_clock,
];

/// Its stamps are in the domain type. Who made it need not be known; who changed it must be.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "entries")]
#[mappable(domain = Self)]
struct Entry {
    #[table(id)]
    id: i64,
    text: String,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(created_by)]
    created_by: Option<Uuid>,
    #[table(updated_by)]
    updated_by: i64,
}

fn entry(id: i64) -> Entry {
    Entry { id, text: "a".into(), created_at: DateTime::UNIX_EPOCH, created_by: None, updated_by: 0 }
}

async fn a_new_row_says_who_made_it(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, RequestContext::new().tenant("acme").actor("bob")).await;
    db.sessions.repository::<DocumentRow>().in_session(tx.session()).add(&mut document(20, "new")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[3], "20 new v1 bob bob live -");
}

async fn a_save_says_who_changed_it_and_keeps_who_made_it(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    one.title = "changed".into();
    documents.save(&mut one).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await[0], "1 changed v2 root ann live -");
    let unchanged = if db.is_sqlite() { "created_at < '2021'" } else { "created_at < '2021-01-01'" };
    assert_eq!(db.numbers(&format!("SELECT count(*) FROM documents WHERE id = 1 AND {unchanged}")).await, [1]);
}

async fn a_batch_says_who_changed_it(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut both = documents.get_many([1, 2]).await.unwrap();
    both.iter_mut().for_each(|document| document.title.push('!'));
    documents.save_all(&mut both).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ["1 one! v2 root ann live -", "2 two! v2 root ann live -", ACME[2]]);
}

async fn an_upsert_says_who_changed_the_row_that_is_there(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    documents.upsert_all([&mut document(1, "changed"), &mut document(20, "new")]).unwrap();
    tx.commit().await.unwrap();
    let rows = stored(&db, "acme").await;
    assert_eq!(rows, ["1 changed v2 root ann live -", ACME[1], ACME[2], "20 new v1 ann ann live -"]);
}

async fn an_update_by_query_says_who_changed_the_rows(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let d = DocumentRow::COLUMNS;
    let update = documents.filter(d.id.lt(3)).update([d.title.set("same")]);
    // Unique among what lives: one of the two.
    let error = acting_for("acme").scope(update).await.unwrap_err();
    assert!(error.is_unique_violation());
    assert_eq!(error.constraint(), Some(DocumentRow::UQ_TENANT_TITLE));
    let update = documents.filter(d.id.eq(2)).update([d.title.set("same")]);
    assert_eq!(acting_for("acme").scope(update).await.unwrap(), 1);
    assert_eq!(stored(&db, "acme").await[1], "2 same v2 root ann live -");
}

async fn an_actor_that_must_be_there_is_asked_for_before_anything_is_sent(db: Database) {
    prepare(&db).await;
    // An empty one is none.
    for context in [RequestContext::new().tenant("acme"), RequestContext::new().tenant("acme").actor("")] {
        let tx = begin(&db, context).await;
        let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
        for outcome in [
            documents.add(&mut document(20, "new")),
            documents.add_now(&mut document(20, "new")).await,
            documents.upsert(&mut document(20, "new")),
        ] {
            let error = outcome.unwrap_err();
            assert!(error.is_actor_required());
            assert_eq!((error.table(), error.columns()), (Some("documents"), &["created_by".to_owned()][..]));
            assert_eq!(
                error.to_string(),
                "store column `created_by` of `documents`: the context has no actor; set one with `RequestContext::actor` \
                 around the request, or make the field an `Option`"
            );
        }
        tx.rollback().await;
        assert_eq!(db.sent(), Vec::<String>::new());
    }
    db.observer().create_tables(&schema![Entry]).await.unwrap();
    db.execute(
        "INSERT INTO entries (id, text, created_at, updated_by) VALUES (1, 'a', '2020-01-01T00:00:00.000000Z', 7)",
    )
    .await;
    let tx = db.sessions.begin();
    let entries = db.sessions.repository::<Entry>().in_session(tx.session());
    let mut found = entries.get(1).await.unwrap();
    // Nothing to write, nothing to stamp.
    entries.save(&mut found).unwrap();
    found.text = "b".into();
    db.sent();
    assert!(entries.save(&mut found).unwrap_err().is_actor_required());
    let update = entries.query().update([Entry::COLUMNS.text.set("b")]).await;
    assert!(update.unwrap_err().is_actor_required());
    assert_eq!(db.sent(), Vec::<String>::new());
    tx.rollback().await;
}

async fn an_actor_that_may_be_missing_is_null(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, RequestContext::new().tenant("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let (mut one, mut two) = (documents.get(1).await.unwrap(), documents.get(2).await.unwrap());
    one.title = "changed".into();
    documents.save(&mut one).unwrap();
    documents.soft_delete(&mut two).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ["1 changed v2 root - live -", "2 two v2 root - deleted -", ACME[2]]);
}

async fn an_unchanged_save_stamps_nothing(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    let mut one = documents.get(1).await.unwrap();
    documents.save(&mut one).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&db, "acme").await, ACME);
}

async fn who_made_a_row_is_not_assigned_later(db: Database) {
    prepare(&db).await;
    let documents = db.sessions.repository::<DocumentRow>().autocommit();
    let d = DocumentRow::COLUMNS;
    let made = "is set when the row is inserted and never changes";
    for (assignment, why) in [
        (d.created_by.set("eve"), format!("column `created_by` {made}")),
        (d.created_at.set(Utc::now()), format!("column `created_at` {made}")),
        (d.updated_by.set("eve"), "column `updated_by` is set to the context's actor by itself".to_owned()),
    ] {
        let error = acting_for("acme").scope(documents.query().update([assignment])).await.unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), format!("query `documents`: {why}"));
    }
}

async fn what_the_domain_says_of_the_stamps_is_not_written(db: Database) {
    db.observer().create_tables(&schema![Entry]).await.unwrap();
    let (ann, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let _ = ann;
    let rows = async || -> Vec<(i64, bool, i64)> {
        let sql = "SELECT id, created_by IS NULL, updated_by FROM entries ORDER BY id";
        db.observer().sql(sql).fetch_all().await.unwrap()
    };
    let tx = begin(&db, RequestContext::new().actor("7")).await;
    let entries = db.sessions.repository::<Entry>().in_session(tx.session());
    // The actor is a number to one column and no UUID to the other.
    assert!(entries.add(&mut entry(1)).unwrap_err().is_mapping());
    tx.rollback().await;
    db.execute(
        "INSERT INTO entries (id, text, created_at, updated_by) VALUES (1, 'a', '2020-01-01T00:00:00.000000Z', 3)",
    )
    .await;
    let tx = begin(&db, RequestContext::new().actor("7")).await;
    let entries = db.sessions.repository::<Entry>().in_session(tx.session());
    let mut found = entries.get(1).await.unwrap();
    let forged = Entry { text: "b".into(), created_at: Utc::now(), created_by: Some(eve), updated_by: 99, id: 1 };
    found.clone_from(&forged);
    entries.save(&mut found).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rows().await, [(1, true, 7)]);
    let stamped = if db.is_sqlite() { "created_at < '2021'" } else { "created_at < '2021-01-01'" };
    assert_eq!(db.numbers(&format!("SELECT count(*) FROM entries WHERE {stamped}")).await, [1]);
}

async fn an_actor_that_the_column_cannot_hold_is_refused(db: Database) {
    db.observer().create_tables(&schema![Entry]).await.unwrap();
    db.sent();
    let tx = begin(&db, RequestContext::new().actor("ann")).await;
    let entries = db.sessions.repository::<Entry>().in_session(tx.session());
    let error = entries.add(&mut entry(1)).unwrap_err();
    assert!(error.is_mapping());
    assert_eq!(error.to_string(), "store column `created_by` of `entries`: the context's actor is not a UUID");
    tx.rollback().await;
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn stamps_are_those_of_the_databases_clock(db: Database) {
    prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let documents = db.sessions.repository::<DocumentRow>().in_session(tx.session());
    documents.add(&mut document(20, "new")).unwrap();
    let mut one = documents.get(1).await.unwrap();
    documents.soft_delete(&mut one).unwrap();
    db.sent();
    tx.session().flush().await.unwrap();
    let clock = if db.is_sqlite() { "strftime(" } else { "now()" };
    let sent = db.sent();
    let insert = sent.iter().find(|sql| sql.contains("INSERT INTO \"documents\"")).unwrap();
    assert_eq!(insert.matches(clock).count(), 2, "{insert}");
    let update = sent.iter().find(|sql| sql.contains("UPDATE \"documents\"")).unwrap();
    assert!(update.contains(&format!("\"deleted_at\" = {clock}")), "{update}");
    tx.rollback().await;
}

//! A domain type that knows whose it is and who wrote it.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use super::tables::{Tenant, acting_for, begin};
use crate::support::{Database, on_each_backend};

on_each_backend![
    a_domain_type_reads_what_the_runtime_wrote,
    a_domain_type_that_says_another_tenant_is_refused,
    a_domain_type_does_not_write_its_stamps,
    a_tenant_that_new_rows_are_given_is_not_that_of_rows_that_are_there,
];

#[derive(Debug, Clone, PartialEq)]
struct Letter {
    id: i64,
    text: String,
    owner: Tenant,
    author: Option<String>,
    made: DateTime<Utc>,
    gone: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "owned_letters")]
#[mappable(domain = Letter)]
struct LetterRow {
    #[table(id)]
    id: i64,
    text: String,
    #[table(tenant)]
    #[mappable(field = owner)]
    tenant: Tenant,
    #[table(created_by)]
    #[mappable(field = author)]
    created_by: Option<String>,
    #[table(created_at)]
    #[mappable(field = made)]
    created_at: DateTime<Utc>,
    #[table(deleted_at)]
    #[mappable(field = gone)]
    deleted_at: Option<DateTime<Utc>>,
}

fn letter(id: i64, owner: &str) -> Letter {
    let made = DateTime::UNIX_EPOCH;
    Letter { id, text: "dear".into(), owner: Tenant(owner.into()), author: None, made, gone: None }
}

async fn prepare(db: &Database) -> Repository<LetterRow> {
    db.observer().create_tables(&schema![LetterRow]).await.unwrap();
    db.sent();
    db.sessions.repository()
}

async fn a_domain_type_reads_what_the_runtime_wrote(db: Database) {
    let letters = prepare(&db).await.autocommit();
    acting_for("acme")
        .scope(async {
            letters.add_all_now([&mut letter(1, ""), &mut letter(2, "acme")]).await.unwrap();
            for found in letters.get_many([1, 2]).await.unwrap() {
                assert_eq!((found.owner.0.as_str(), found.author.as_deref()), ("acme", Some("ann")));
                assert!(found.made > DateTime::UNIX_EPOCH && found.gone.is_none());
            }
            let tx = db.sessions.begin();
            let here = letters.in_session(tx.session());
            let mut first = here.get(1).await.unwrap();
            here.soft_delete_now(&mut first).await.unwrap();
            assert!(here.with_deleted().get(1).await.unwrap().gone.is_some());
            tx.commit().await.unwrap();
        })
        .await;
}

async fn a_domain_type_that_says_another_tenant_is_refused(db: Database) {
    let letters = prepare(&db).await;
    let tx = begin(&db, acting_for("acme")).await;
    let here = letters.in_session(tx.session());
    assert!(here.add(&mut letter(1, "globex")).unwrap_err().is_tenant_mismatch());
    let mut own = letter(1, "acme");
    here.add(&mut own).unwrap();
    own.owner = Tenant("globex".into());
    assert!(here.save(&mut own).unwrap_err().is_tenant_mismatch());
    tx.rollback().await;
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn a_domain_type_does_not_write_its_stamps(db: Database) {
    let letters = prepare(&db).await.autocommit();
    acting_for("acme")
        .scope(async {
            let mut forged = Letter { author: Some("eve".into()), gone: Some(Utc::now()), ..letter(1, "") };
            letters.add_now(&mut forged).await.unwrap();
            let stored = letters.get(1).await.unwrap();
            assert_eq!((stored.author.as_deref(), stored.gone), (Some("ann"), None));
            let tx = db.sessions.begin();
            let here = letters.in_session(tx.session());
            let before = here.get(1).await.unwrap();
            let mut forged = Letter { author: None, gone: Some(Utc::now()), made: Utc::now(), ..before.clone() };
            db.sent();
            // None of these is written, and so nothing is.
            here.save_now(&mut forged).await.unwrap();
            assert_eq!(db.sent(), Vec::<String>::new());
            forged.text = "changed".into();
            here.save_now(&mut forged).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(letters.get(1).await.unwrap(), Letter { text: "changed".into(), ..before });
        })
        .await;
}

/// Rows of its own are of the tenant `main`; those of others can be read across tenants.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "owned_memos")]
#[mappable(domain = Memo)]
struct MemoRow {
    #[table(id)]
    id: i64,
    text: String,
    #[table(tenant)]
    #[mappable(row_only = Tenant("main".into()))]
    tenant: Tenant,
}

#[derive(Debug, Clone)]
struct Memo {
    id: i64,
    text: String,
}

async fn a_tenant_that_new_rows_are_given_is_not_that_of_rows_that_are_there(db: Database) {
    db.observer().create_tables(&schema![MemoRow]).await.unwrap();
    let sql = "INSERT INTO owned_memos (id, text, tenant) VALUES (1, 'a', 'acme')";
    db.observer().sql(sql).execute().await.unwrap();
    let memos = db.sessions.repository::<MemoRow>();
    let tx = begin(&db, acting_for("acme")).await;
    let here = memos.in_session(tx.session());
    let mut memo = here.get(1).await.unwrap();
    memo.text = "b".into();
    here.save(&mut memo).unwrap();
    tx.commit().await.unwrap();
    let found = db.observer().sql("SELECT text, tenant FROM owned_memos").fetch_one::<(String, String)>().await;
    assert_eq!(found.unwrap(), ("b".to_owned(), "acme".to_owned()));
}

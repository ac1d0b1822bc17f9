//! Tenants, soft deletion, and who wrote a row when.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    a_tenant_sees_its_own_rows_alone,
    without_a_tenant_nothing_is_done,
    a_row_of_another_tenant_is_not_written,
    a_soft_deleted_row_is_hidden_and_can_be_restored,
    soft_deletion_frees_unique_values,
    rows_are_soft_deleted_by_condition,
    rows_say_who_wrote_them_and_when,
];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    id: i64,
    title: String,
    revision: Revision,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "documents", tenanted, unique(tenant, title, where = live))]
#[mappable(domain = Document)]
pub(super) struct DocumentRow {
    #[table(id)]
    id: i64,
    title: String,
    #[table(tenant)]
    tenant: String,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(created_by)]
    created_by: String,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
    #[table(updated_by)]
    updated_by: Option<String>,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    deleted_by: Option<String>,
}

fn document(id: i64, title: &str) -> Document {
    Document { id, title: title.to_owned(), revision: Revision::default() }
}

fn acting(actor: &str, tenant: &str) -> RequestContext {
    RequestContext::new().tenant(tenant).actor(actor)
}

/// Does something as `ann` for a tenant.
async fn on_behalf<T>(
    store: &Store,
    actor: &str,
    tenant: &str,
    body: impl AsyncFnOnce(Repository<DocumentRow>) -> Result<T, spakky::Error>,
) -> Result<T, spakky::Error> {
    acting(actor, tenant).scope(store.work(async |_| body(store.of()).await)).await
}

async fn fill(store: &Store) {
    for (tenant, documents) in
        [("acme", [document(1, "one"), document(2, "two")]), ("globex", [document(11, "one"), document(12, "two")])]
    {
        let mut documents = documents;
        on_behalf(store, "ann", tenant, async |all| all.add_all(&mut documents)).await.unwrap();
    }
}

/// The titles that a tenant sees.
async fn titles(store: &Store, tenant: &str) -> Vec<String> {
    let d = DocumentRow::COLUMNS;
    let all = on_behalf(store, "eve", tenant, async |all| all.query().order_by(d.id.asc()).all().await);
    all.await.unwrap().into_iter().map(|document| document.title).collect()
}

async fn a_tenant_sees_its_own_rows_alone(store: Store) {
    fill(&store).await;
    assert_eq!(titles(&store, "acme").await, ["one", "two"]);
    on_behalf(&store, "ann", "acme", async |all| {
        assert_eq!(all.find(11).await?, None);
        assert_eq!(all.query().count().await?, 2);
        assert_eq!(all.across_tenants().query().count().await?, 4);
        assert_eq!(all.query().delete().await?, 2);
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(titles(&store, "globex").await, ["one", "two"]);
}

async fn without_a_tenant_nothing_is_done(store: Store) {
    fill(&store).await;
    assert!(store.of::<DocumentRow>().query().all().await.unwrap_err().is_tenant_required());
}

async fn a_row_of_another_tenant_is_not_written(store: Store) {
    fill(&store).await;
    let taken = on_behalf(&store, "ann", "acme", async |all| all.upsert(&mut document(11, "mine"))).await;
    assert!(taken.unwrap_err().is_conflict());
    let taken = on_behalf(&store, "ann", "acme", async |all| all.save_if(&mut document(12, "mine"), 1)).await;
    assert!(taken.unwrap_err().is_conflict());
    assert_eq!(titles(&store, "globex").await, ["one", "two"]);
    on_behalf(&store, "ann", "acme", async |all| all.upsert(&mut document(1, "new"))).await.unwrap();
    assert_eq!(titles(&store, "acme").await, ["new", "two"]);
}

async fn a_soft_deleted_row_is_hidden_and_can_be_restored(store: Store) {
    fill(&store).await;
    on_behalf(&store, "bob", "acme", async |all| {
        let mut one = all.get(1).await?;
        all.soft_delete(&mut one)
    })
    .await
    .unwrap();
    assert_eq!(titles(&store, "acme").await, ["two"]);
    on_behalf(&store, "bob", "acme", async |all| {
        assert_eq!(all.find(1).await?, None);
        let d = DocumentRow::COLUMNS;
        assert_eq!(all.with_deleted().filter(d.deleted_by.eq("bob")).count().await?, 1);
        let mut one = all.with_deleted().get(1).await?;
        all.with_deleted().restore(&mut one)
    })
    .await
    .unwrap();
    assert_eq!(titles(&store, "acme").await, ["one", "two"]);
}

async fn soft_deletion_frees_unique_values(store: Store) {
    fill(&store).await;
    let twice = on_behalf(&store, "bob", "acme", async |all| all.add(&mut document(3, "one"))).await.unwrap_err();
    assert_eq!((twice.is_unique_violation(), twice.constraint()), (true, Some("uq_documents_tenant_title")));
    on_behalf(&store, "bob", "acme", async |all| {
        let mut one = all.get(1).await?;
        all.soft_delete_now(&mut one).await?;
        all.add_now(&mut document(3, "one")).await
    })
    .await
    .unwrap();
    assert_eq!(titles(&store, "acme").await, ["two", "one"]);
    let back = on_behalf(&store, "bob", "acme", async |all| {
        let all = all.with_deleted();
        let mut one = all.get(1).await?;
        all.restore(&mut one)
    });
    assert!(back.await.unwrap_err().is_unique_violation());
}

async fn rows_are_soft_deleted_by_condition(store: Store) {
    fill(&store).await;
    let d = DocumentRow::COLUMNS;
    let deleted = on_behalf(&store, "bob", "acme", async |all| all.filter(d.title.eq("two")).soft_delete().await);
    assert_eq!(deleted.await.unwrap(), 1);
    assert_eq!(titles(&store, "acme").await, ["one"]);
    let back = on_behalf(&store, "bob", "acme", async |all| all.with_deleted().query().restore().await);
    back.await.unwrap();
    assert_eq!(titles(&store, "acme").await, ["one", "two"]);
}

async fn rows_say_who_wrote_them_and_when(store: Store) {
    fill(&store).await;
    let d = DocumentRow::COLUMNS;
    on_behalf(&store, "bob", "acme", async |all| {
        let mut one = all.get(1).await?;
        one.title = "changed".into();
        all.save(&mut one)?;
        all.update_where(d.id.eq(2), d.title.set("set")).await?;
        Ok(())
    })
    .await
    .unwrap();
    on_behalf(&store, "eve", "acme", async |all| {
        let by_bob = d.created_by.eq("ann").and(d.updated_by.eq("bob")).and(d.version.eq(2));
        assert_eq!(all.count_where(by_bob).await?, 2);
        assert_eq!(all.count_where(d.updated_at.ge(d.created_at)).await?, 2);
        let today = Utc::now() - chrono::Duration::days(1);
        assert_eq!(
            all.count_where(d.created_at.gt(today).and(d.created_at.lt(Utc::now() + chrono::Duration::days(1))))
                .await?,
            2
        );
        Ok(())
    })
    .await
    .unwrap();
}

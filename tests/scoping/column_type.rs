//! Tenants of every type that a column may have.

use spakky::prelude::*;
use uuid::Uuid;

use crate::support::{Database, on_each_backend};

on_each_backend![
    a_tenant_is_text_a_uuid_an_integer_or_a_newtype,
    a_tenant_that_the_column_cannot_hold_is_refused,
    a_tenant_that_reads_as_none_is_none,
    a_new_row_of_a_newtype_needs_no_default,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
struct Region(i16);

/// Neither has a `Default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ColumnValue)]
struct Company(Uuid);

macro_rules! tables {
    ($($row:ident $table:literal $ty:ty;)+) => {$(
        #[derive(Debug, Clone, Table, Mappable)]
        #[table(name = $table)]
        #[mappable(domain = Thing)]
        struct $row {
            #[table(id)]
            id: i64,
            name: String,
            #[table(tenant)]
            tenant: $ty,
            #[table(created_by)]
            created_by: Option<$ty>,
        }
    )+};
}

#[derive(Debug, Clone, PartialEq)]
struct Thing {
    id: i64,
    name: String,
}

tables! {
    ByText "by_text" String;
    ByUuid "by_uuid" Uuid;
    ByI16 "by_i16" i16;
    ByI32 "by_i32" i32;
    ByI64 "by_i64" i64;
    ByCompany "by_company" Company;
    ByRegion "by_region" Region;
}

fn thing(id: i64, name: &str) -> Thing {
    Thing { id, name: name.to_owned() }
}

async fn keeps_apart<Row: Table + Mappable<Domain = Thing>>(db: &Database, tenants: [&str; 2])
where
    Row::Id: From<i64>,
{
    db.observer().create_tables(&SchemaRegistry::of([Row::descriptor()])).await.unwrap();
    let things = db.sessions.repository::<Row>().autocommit();
    for (id, tenant) in [(1, tenants[0]), (2, tenants[1])] {
        let context = RequestContext::new().tenant(tenant).actor(tenant);
        context
            .scope(async {
                things.add_all_now([&mut thing(id, "a"), &mut thing(id + 10, "b")]).await.unwrap();
            })
            .await;
    }
    let context = RequestContext::new().tenant(tenants[0]).actor(tenants[0]);
    context
        .scope(async {
            assert_eq!(things.query().count().await.unwrap(), 2);
            assert!(things.find(Row::Id::from(2)).await.unwrap().is_none());
            let tx = db.sessions.begin();
            let here = things.in_session(tx.session());
            let mut own = here.get_many([Row::Id::from(1), Row::Id::from(11)]).await.unwrap();
            own.iter_mut().for_each(|thing| thing.name.push('!'));
            here.save_all_now(&mut own).await.unwrap();
            here.upsert_all_now([&mut thing(1, "c"), &mut thing(12, "stolen")]).await.unwrap_err();
            tx.rollback().await;
            let tx = db.sessions.begin();
            let here = things.in_session(tx.session());
            let mut own = here.get_many([Row::Id::from(1), Row::Id::from(11)]).await.unwrap();
            here.delete_all(&mut own).unwrap();
            here.delete_by_id(Row::Id::from(2)).unwrap();
            tx.commit().await.unwrap();
        })
        .await;
    let left = things.across_tenants().query().all().await.unwrap();
    assert_eq!(left.iter().map(|thing| thing.id).collect::<Vec<_>>(), [2, 12]);
}

async fn a_tenant_is_text_a_uuid_an_integer_or_a_newtype(db: Database) {
    let uuids = [Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string()];
    let uuids = [uuids[0].as_str(), uuids[1].as_str()];
    keeps_apart::<ByText>(&db, ["acme", "globex"]).await;
    keeps_apart::<ByUuid>(&db, uuids).await;
    keeps_apart::<ByI16>(&db, ["1", "2"]).await;
    keeps_apart::<ByI32>(&db, ["-1", "70000"]).await;
    keeps_apart::<ByI64>(&db, ["1", "5000000000"]).await;
    keeps_apart::<ByCompany>(&db, uuids).await;
    keeps_apart::<ByRegion>(&db, ["1", "2"]).await;
}

async fn a_tenant_that_the_column_cannot_hold_is_refused(db: Database) {
    let things = db.sessions.repository::<ByUuid>().autocommit();
    for outcome in [
        RequestContext::new().tenant("acme").scope(things.query().count()).await.map(drop),
        RequestContext::new().tenant("acme").scope(things.delete_by_id_now(1)).await,
    ] {
        let error = outcome.unwrap_err();
        assert!(error.is_mapping());
        assert_eq!(error.columns(), ["tenant"]);
        assert_eq!(error.to_string(), "store column `tenant` of `by_uuid`: the context's tenant is not a UUID");
    }
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn a_tenant_that_reads_as_none_is_none(db: Database) {
    let nil = Uuid::nil().to_string();
    let count = db.sessions.repository::<ByUuid>().query().count();
    assert!(RequestContext::new().tenant(nil).scope(count).await.unwrap_err().is_tenant_required());
    let count = db.sessions.repository::<ByI32>().query().count();
    assert!(RequestContext::new().tenant("0").scope(count).await.unwrap_err().is_tenant_required());
    assert_eq!(db.sent(), Vec::<String>::new());
}

async fn a_new_row_of_a_newtype_needs_no_default(db: Database) {
    db.observer().create_tables(&schema![ByCompany]).await.unwrap();
    let company = Uuid::from_u128(7);
    let things = db.sessions.repository::<ByCompany>().autocommit();
    RequestContext::new().tenant(company.to_string()).scope(things.add_now(&mut thing(1, "a"))).await.unwrap();
    let stored: Vec<(Company,)> = db.observer().sql("SELECT tenant FROM by_company").fetch_all().await.unwrap();
    assert_eq!(stored, [(Company(company),)]);
}

//! Upserts that find the row by a unique key.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use super::aggregate::{OrderRow, order};
use super::{Store, on_each_store};

on_each_store![
    a_row_is_found_by_its_unique_key_and_keeps_its_id,
    an_id_that_the_database_assigns_is_written_back,
    several_are_merged_and_told_in_their_order,
    what_is_merged_twice_has_the_last_values,
    a_session_sees_what_was_merged,
    what_was_merged_can_be_saved,
    the_row_of_another_tenant_or_a_deleted_one_is_a_conflict,
    a_key_of_living_rows_is_free_once_its_row_is_deleted,
    an_id_that_is_taken_is_a_violation_of_its_key,
    what_no_row_is_found_by_is_refused,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "members", unique(first, last))]
#[mappable(domain = Self)]
struct Member {
    #[table(id)]
    id: i64,
    #[table(unique)]
    email: String,
    #[table(unique)]
    phone: Option<String>,
    first: String,
    last: String,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "coupons")]
#[mappable(domain = Self)]
struct Coupon {
    #[table(id, generated)]
    id: i64,
    #[table(unique)]
    code: String,
    percent: i32,
}

/// Its number is one among all tenants, its name one among the living rows of each.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "devices", tenanted, unique(tenant, name, where = live))]
#[mappable(domain = Self)]
struct Device {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    #[table(unique)]
    number: i32,
    name: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parents")]
#[mappable(domain = Self)]
struct Parent {
    #[table(id)]
    id: i64,
    #[table(unique)]
    code: String,
    #[table(has_many(by = parent_id))]
    children: Vec<Child>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "children")]
#[mappable(domain = Self)]
struct Child {
    #[table(id)]
    id: i64,
    #[table(references(Parent))]
    parent_id: i64,
}

fn member(id: i64, email: &str, first: &str) -> Member {
    Member { id, email: email.into(), phone: None, first: first.into(), last: "Doe".into(), version: 0 }
}

fn coupon(code: &str, percent: i32) -> Coupon {
    Coupon { id: 0, code: code.into(), percent }
}

fn device(id: i64, number: i32, name: &str) -> Device {
    Device { id, tenant: String::new(), number, name: name.into(), deleted_at: None }
}

async fn members(store: &Store) -> Repository<Member> {
    store.sessions.create_tables(&schema![Member, Coupon, Device]).await.unwrap();
    let members = store.of::<Member>();
    members.autocommit().add_all_now(&mut [member(1, "a@x", "Ann"), member(2, "b@x", "Bob")]).await.unwrap();
    members
}

async fn all(store: &Store) -> Vec<(i64, String, String, i64)> {
    let all = store.of::<Member>().query().order_by(Member::COLUMNS.id.asc()).all().await.unwrap();
    all.into_iter().map(|member| (member.id, member.email, member.first, member.version)).collect()
}

fn row(id: i64, email: &str, first: &str, version: i64) -> (i64, String, String, i64) {
    (id, email.into(), first.into(), version)
}

async fn a_row_is_found_by_its_unique_key_and_keeps_its_id(store: Store) {
    let members = members(&store).await.autocommit();
    let mut ann = member(77, "a@x", "Anna");
    members.upsert_by_now(Member::UQ_EMAIL, &mut ann).await.unwrap();
    assert_eq!((ann.id, ann.version), (1, 2));
    let mut cid = member(3, "c@x", "Cid");
    members.upsert_by_now(Member::UQ_EMAIL, &mut cid).await.unwrap();
    assert_eq!((cid.id, cid.version), (3, 1));
    // By a key of two columns, queued.
    store.work(async |_| members.upsert_by(Member::UQ_FIRST_LAST, &mut member(78, "bob@x", "Bob"))).await.unwrap();
    assert_eq!(all(&store).await, [row(1, "a@x", "Anna", 2), row(2, "bob@x", "Bob", 2), row(3, "c@x", "Cid", 1)]);
}

async fn an_id_that_the_database_assigns_is_written_back(store: Store) {
    members(&store).await;
    let coupons = store.of::<Coupon>().autocommit();
    let mut first = coupon("ten", 10);
    coupons.upsert_by_now(Coupon::UQ_CODE, &mut first).await.unwrap();
    assert!(first.id > 0);
    let mut again = coupon("ten", 12);
    coupons.upsert_by_now(Coupon::UQ_CODE, &mut again).await.unwrap();
    assert_eq!(again, Coupon { percent: 12, ..first });
    assert_eq!(coupons.query().all().await.unwrap(), [again]);
}

async fn several_are_merged_and_told_in_their_order(store: Store) {
    let members = members(&store).await.autocommit();
    let mut batch = [member(11, "d@x", "Dan"), member(12, "b@x", "Bobby"), member(13, "a@x", "Anna")];
    members.upsert_all_by_now(Member::UQ_EMAIL, &mut batch).await.unwrap();
    assert_eq!(batch.each_ref().map(|member| (member.id, member.version)), [(11, 1), (2, 2), (1, 2)]);
    let expected = [row(1, "a@x", "Anna", 2), row(2, "b@x", "Bobby", 2), row(11, "d@x", "Dan", 1)];
    assert_eq!(all(&store).await, expected);
}

async fn what_is_merged_twice_has_the_last_values(store: Store) {
    let members = members(&store).await;
    store
        .work(async |_| {
            members.upsert_by(Member::UQ_EMAIL, &mut member(11, "d@x", "Dan"))?;
            members.upsert_by(Member::UQ_EMAIL, &mut member(12, "a@x", "Anna"))?;
            members.upsert_all_by(
                Member::UQ_EMAIL,
                &mut [member(13, "d@x", "Daniel"), member(14, "a@x", "Annabel"), member(15, "e@x", "Eve")],
            )
        })
        .await
        .unwrap();
    let expected =
        [row(1, "a@x", "Annabel", 3), row(2, "b@x", "Bob", 1), row(11, "d@x", "Daniel", 2), row(15, "e@x", "Eve", 1)];
    assert_eq!(all(&store).await, expected);
}

async fn a_session_sees_what_was_merged(store: Store) {
    let members = members(&store).await;
    store
        .work(async |session| {
            let before = members.get(1).await?;
            members.upsert_by(Member::UQ_EMAIL, &mut member(11, "a@x", "Anna"))?;
            session.flush().await?;
            assert_eq!((before.first.as_str(), members.get(1).await?.first.as_str()), ("Ann", "Anna"));
            let mut again = member(12, "a@x", "Annabel");
            members.upsert_by_now(Member::UQ_EMAIL, &mut again).await?;
            assert_eq!(members.get(1).await?, again);
            Ok(())
        })
        .await
        .unwrap();
}

async fn what_was_merged_can_be_saved(store: Store) {
    let members = members(&store).await;
    store
        .work(async |_| {
            let mut ann = member(11, "a@x", "Anna");
            members.upsert_by_now(Member::UQ_EMAIL, &mut ann).await?;
            ann.first = "Annabel".into();
            members.save(&mut ann)
        })
        .await
        .unwrap();
    assert_eq!(all(&store).await[0], row(1, "a@x", "Annabel", 3));
}

async fn the_row_of_another_tenant_or_a_deleted_one_is_a_conflict(store: Store) {
    members(&store).await;
    let devices = store.of::<Device>();
    let (acme, globex) = (RequestContext::new().tenant("acme"), RequestContext::new().tenant("globex"));
    acme.clone()
        .scope(devices.autocommit().add_all_now(&mut [device(1, 10, "printer"), device(2, 20, "scanner")]))
        .await
        .unwrap();
    acme.clone().scope(devices.autocommit().filter(Device::COLUMNS.id.eq(2)).soft_delete()).await.unwrap();
    for (context, number) in [(&globex, 10), (&acme, 20)] {
        let work = async {
            let mut mine = device(9, number, "mine");
            devices.autocommit().upsert_by_now(Device::UQ_NUMBER, &mut mine).await.unwrap_err()
        };
        let error = context.clone().scope(work).await;
        assert!(error.is_conflict(), "{error}");
        assert_eq!(
            error.message(),
            "upsert into `devices` by `uq_devices_number`: the row there is another tenant's, or is soft-deleted"
        );
        assert!(error.origin().is_some());
    }
    let everything = devices.across_tenants().with_deleted().query().order_by(Device::COLUMNS.id.asc());
    let names: Vec<String> = everything.all().await.unwrap().into_iter().map(|device| device.name).collect();
    assert_eq!(names, ["printer", "scanner"]);
    // With deleted rows in sight it is written, and stays deleted.
    let mut seen = device(9, 20, "copier");
    acme.scope(devices.autocommit().with_deleted().upsert_by_now(Device::UQ_NUMBER, &mut seen)).await.unwrap();
    assert_eq!((seen.id, seen.name.as_str(), seen.deleted_at.is_some()), (2, "copier", true));
}

async fn a_key_of_living_rows_is_free_once_its_row_is_deleted(store: Store) {
    members(&store).await;
    let devices = store.of::<Device>().autocommit();
    let acme = RequestContext::new().tenant("acme");
    acme.scope(async {
        let mut first = device(1, 10, "printer");
        devices.upsert_by_now(Device::UQ_TENANT_NAME, &mut first).await.unwrap();
        let mut again = device(5, 11, "printer");
        devices.upsert_by_now(Device::UQ_TENANT_NAME, &mut again).await.unwrap();
        assert_eq!((again.id, again.number), (1, 11));
        devices.filter(Device::COLUMNS.id.eq(1)).soft_delete().await.unwrap();
        let mut next = device(2, 12, "printer");
        devices.upsert_by_now(Device::UQ_TENANT_NAME, &mut next).await.unwrap();
        assert_eq!(next.id, 2);
        assert_eq!(devices.with_deleted().query().count().await.unwrap(), 2);
    })
    .await;
}

async fn an_id_that_is_taken_is_a_violation_of_its_key(store: Store) {
    let members = members(&store).await.autocommit();
    let error = members.upsert_by_now(Member::UQ_EMAIL, &mut member(2, "new@x", "New")).await.unwrap_err();
    assert!(error.is_unique_violation(), "{error}");
    assert_eq!(error.constraint(), Some("pk_members"));
    assert_eq!(all(&store).await.len(), 2);
}

async fn what_no_row_is_found_by_is_refused(store: Store) {
    let members = members(&store).await;
    let message = async |unique: &str| {
        let error = members.autocommit().upsert_by_now(unique, &mut member(5, "e@x", "Eve")).await.unwrap_err();
        assert!(error.is_invalid_query(), "{error}");
        error.message().to_owned()
    };
    assert_eq!(
        message("uq_members_emial").await,
        "upsert into `members` by `uq_members_emial`: the table has no such unique key; did you mean \
         `uq_members_email`?"
    );
    assert_eq!(
        message("no").await,
        "upsert into `members` by `no`: the table has no such unique key; it has `uq_members_email`, \
         `uq_members_phone`, `uq_members_first_last`"
    );
    assert_eq!(
        message(Member::UQ_PHONE).await,
        "upsert into `members` by `uq_members_phone`: column `phone` is NULL, which no row is found by"
    );
    let mut order = order(1);
    let error = store.of::<OrderRow>().autocommit().upsert_by_now("uq", &mut order).await.unwrap_err();
    assert_eq!(
        error.message(),
        "upsert into `orders` by `uq`: the table has no such unique key and no other; use `upsert`"
    );
    let mut parent = Parent { id: 1, code: "x".into(), children: Vec::new() };
    let error = store.of::<Parent>().autocommit().upsert_by_now(Parent::UQ_CODE, &mut parent).await.unwrap_err();
    assert_eq!(
        error.message(),
        "upsert into `parents` by `uq_parents_code`: the rows of `children` need the id of their row, which is not known; \
         use `upsert`"
    );
}

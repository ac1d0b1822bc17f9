//! Children are confined to the tenant and to living rows as their row is.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use spakky::prelude::*;
use spakky::{Error, RequestContext};

use crate::support::{Database, on_each_backend};

on_each_backend![
    every_statement_for_children_names_the_tenant,
    children_of_many_are_soft_deleted_and_restored_by_one_statement,
    an_actor_that_children_want_is_asked_for_before_anything_is_sent,
    the_children_of_another_tenant_are_out_of_reach,
    a_soft_deleted_child_is_not_loaded_and_stays_when_the_others_are_replaced,
    children_are_stamped_with_the_actor,
    a_stream_is_confined_to_the_context_in_which_it_was_made,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "carts", tenanted)]
#[mappable(domain = Self)]
struct Cart {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    name: String,
    #[table(has_many(by = cart))]
    goods: Vec<Good>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "goods", tenanted)]
#[mappable(domain = Self)]
struct Good {
    #[table(id)]
    id: i64,
    #[table(references(Cart))]
    cart: i64,
    #[table(tenant)]
    tenant: String,
    name: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(created_by)]
    created_by: Option<String>,
    #[table(updated_by)]
    updated_by: Option<String>,
}

fn good(id: i64, name: &str) -> Good {
    Good {
        id,
        cart: 0,
        tenant: String::new(),
        name: name.to_owned(),
        deleted_at: None,
        created_by: None,
        updated_by: None,
    }
}

fn cart(id: i64, goods: Vec<Good>) -> Cart {
    Cart { id, tenant: String::new(), name: "a".to_owned(), goods, version: 0 }
}

async fn create(db: &Database) -> Repository<Cart> {
    db.observer().create_tables(&schema![Cart, Good]).await.unwrap();
    db.sessions.repository()
}

async fn as_tenant<T>(tenant: &str, work: impl Future<Output = T>) -> T {
    let context = RequestContext::new().tenant(tenant).actor(format!("{tenant}'s ann"));
    Box::pin(context.scope(work)).await
}

fn names(cart: &Cart) -> Vec<&str> {
    cart.goods.iter().map(|good| good.name.as_str()).collect()
}

async fn every_statement_for_children_names_the_tenant(db: Database) {
    let carts = create(&db).await;
    as_tenant("acme", async {
        carts.autocommit().add_now(&mut cart(1, vec![good(11, "a"), good(12, "b")])).await.unwrap();
        db.sent();
        db.sessions
            .transaction(TransactionOptions::new(), async |_| {
                let mut known = carts.get(1).await?;
                known.goods[0].name = "c".to_owned();
                known.goods.remove(1);
                carts.save(&mut known)
            })
            .await
            .unwrap();
        carts.autocommit().save_if_now(&mut cart(1, vec![good(11, "d"), good(13, "e")]), 2).await.unwrap();
        let mut all = carts.query().all().await.unwrap();
        carts.autocommit().delete_by_id_now(all.remove(0).id).await.unwrap();
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
    let of_goods: Vec<String> = db.sent().into_iter().filter(|sql| sql.contains("\"goods\"")).collect();
    assert!(of_goods.len() >= 7, "{of_goods:?}");
    for sql in of_goods {
        assert!(sql.contains("\"tenant\""), "{sql}");
    }
    assert_eq!(db.numbers("SELECT count(*) FROM goods").await, [0]);
}

async fn the_children_of_another_tenant_are_out_of_reach(db: Database) {
    let carts = create(&db).await;
    as_tenant("acme", async {
        carts.autocommit().add_now(&mut cart(1, vec![good(11, "a")])).await.unwrap();
    })
    .await;
    // Somebody put a row of another tenant below the cart.
    db.execute("INSERT INTO goods (id, cart, tenant, name) VALUES (99, 1, 'globex', 'x')").await;
    as_tenant("acme", async {
        assert_eq!(names(&carts.get(1).await.unwrap()), ["a"]);
        carts.autocommit().save_if_now(&mut cart(1, vec![]), 1).await.unwrap();
    })
    .await;
    assert_eq!(db.numbers("SELECT id FROM goods WHERE deleted_at IS NULL").await, [99]);
    let error = carts.get(1).await.unwrap_err();
    assert!(error.is_tenant_required());
    as_tenant("globex", async {
        assert_eq!(carts.find(1).await.unwrap(), None);
        let error = carts.autocommit().add_now(&mut cart(2, vec![good(99, "y")])).await.unwrap_err();
        assert!(error.is_unique_violation());
    })
    .await;
    let seen = carts.across_tenants().get(1).await.unwrap();
    assert_eq!(names(&seen), ["x"]);
}

async fn a_soft_deleted_child_is_not_loaded_and_stays_when_the_others_are_replaced(db: Database) {
    let carts = create(&db).await;
    as_tenant("acme", async {
        carts.autocommit().add_now(&mut cart(1, vec![good(11, "a"), good(12, "b")])).await.unwrap();
        db.sessions
            .repository::<Good>()
            .autocommit()
            .query()
            .filter(Good::COLUMNS.id.eq(12))
            .soft_delete()
            .await
            .unwrap();
        assert_eq!(names(&carts.get(1).await.unwrap()), ["a"]);
        assert_eq!(names(&carts.with_deleted().get(1).await.unwrap()), ["a", "b"]);
        carts.autocommit().save_if_now(&mut cart(1, vec![good(13, "c")]), 1).await.unwrap();
        assert_eq!(names(&carts.get(1).await.unwrap()), ["c"]);
    })
    .await;
    let deleted = async |id: i64| {
        db.numbers(&format!("SELECT count(*) FROM goods WHERE deleted_at IS NOT NULL AND id = {id}")).await
    };
    assert_eq!((deleted(11).await, deleted(12).await, deleted(13).await), (vec![1], vec![1], vec![0]));
}

async fn children_are_stamped_with_the_actor(db: Database) {
    let carts = create(&db).await;
    as_tenant("acme", async {
        let mut forged = good(11, "a");
        forged.created_by = Some("mallory".to_owned());
        carts.autocommit().add_now(&mut cart(1, vec![forged, good(12, "b")])).await.unwrap();
        let context = RequestContext::new().tenant("acme").actor("bob");
        context
            .scope(db.sessions.transaction(TransactionOptions::new(), async |_| {
                let mut known = carts.get(1).await?;
                known.goods[0].name = "c".to_owned();
                carts.save(&mut known)
            }))
            .await
            .unwrap();
        let stored = carts.get(1).await.unwrap();
        let stamps = |good: &Good| (good.created_by.clone(), good.updated_by.clone(), good.tenant.clone());
        let who = |name: &str| Some(name.to_owned());
        assert_eq!(
            stored.goods.iter().map(stamps).collect::<Vec<_>>(),
            [
                (who("acme's ann"), who("bob"), "acme".to_owned()),
                (who("acme's ann"), who("acme's ann"), "acme".to_owned())
            ]
        );
    })
    .await;
}

async fn a_stream_is_confined_to_the_context_in_which_it_was_made(db: Database) {
    let carts = create(&db).await;
    for (tenant, id) in [("acme", 1), ("globex", 2)] {
        as_tenant(tenant, carts.autocommit().add_now(&mut cart(id, vec![good(id * 10, tenant)]))).await.unwrap();
    }
    let rows = as_tenant("acme", carts.query().stream()).await.unwrap();
    let read: Vec<Cart> = as_tenant("globex", rows.try_collect()).await.unwrap();
    assert_eq!((read.len(), names(&read[0])), (1, vec!["acme"]));
    let rows = as_tenant("acme", carts.query().stream()).await.unwrap();
    let read: Vec<Cart> = rows.try_collect().await.unwrap();
    assert_eq!((read.len(), names(&read[0])), (1, vec!["acme"]));
    assert!(carts.query().stream().await.is_err_and(|error| error.is_tenant_required()));
}

/// A cart that can be soft-deleted, with what is in it.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "bins", tenanted)]
#[mappable(domain = Self)]
struct Bin {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    #[table(has_many(by = bin))]
    goods: Vec<Waste>,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "wastes", tenanted)]
#[mappable(domain = Self)]
struct Waste {
    #[table(id)]
    id: i64,
    #[table(references(Bin))]
    bin: i64,
    #[table(tenant)]
    tenant: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(updated_by)]
    updated_by: String,
}

fn bin(id: i64) -> Bin {
    let waste = |number| Waste {
        id: id * 10 + number,
        bin: 0,
        tenant: String::new(),
        deleted_at: None,
        updated_by: String::new(),
    };
    Bin { id, tenant: String::new(), goods: vec![waste(1), waste(2)], version: 0, deleted_at: None }
}

async fn bins(db: &Database) -> Repository<Bin> {
    db.observer().create_tables(&schema![Bin, Waste]).await.unwrap();
    let bins = db.sessions.repository::<Bin>();
    as_tenant("acme", bins.autocommit().add_all_now(&mut [bin(1), bin(2)])).await.unwrap();
    // Somebody put a row of another tenant below one.
    db.execute("INSERT INTO wastes (id, bin, tenant, updated_by) VALUES (99, 1, 'globex', 'x')").await;
    bins
}

async fn children_of_many_are_soft_deleted_and_restored_by_one_statement(db: Database) {
    let bins = bins(&db).await;
    let living = async || db.numbers("SELECT id FROM wastes WHERE deleted_at IS NULL ORDER BY id").await;
    as_tenant("acme", async {
        for (number, left) in [vec![99], vec![11, 12, 21, 22, 99]].into_iter().enumerate() {
            db.sessions
                .transaction(TransactionOptions::new(), async |_| {
                    let mut both = bins.with_deleted().get_many([1, 2]).await?;
                    db.sent();
                    if number == 0 { bins.soft_delete_all(&mut both) } else { bins.restore_all(&mut both) }
                })
                .await
                .unwrap();
            let written: Vec<String> = db.sent().into_iter().filter(|sql| sql.contains("UPDATE")).collect();
            assert_eq!(written.len(), 2, "{written:?}");
            assert!(written.iter().all(|sql| sql.contains("\"tenant\"")), "{written:?}");
            assert_eq!(living().await, left);
        }
    })
    .await;
    let by = "SELECT count(*) FROM wastes WHERE updated_by = 'acme''s ann'";
    assert_eq!(db.numbers(by).await, [4]);
}

async fn an_actor_that_children_want_is_asked_for_before_anything_is_sent(db: Database) {
    let bins = bins(&db).await;
    let nobody = RequestContext::new().tenant("acme");
    let mut read = as_tenant("acme", bins.get(1)).await.unwrap();
    db.sent();
    let error = nobody.scope(bins.autocommit().soft_delete_now(&mut read)).await.unwrap_err();
    assert!(error.is_actor_required(), "{error}");
    assert_eq!(db.sent(), Vec::<String>::new());
}

mod server {
    use super::*;
    use crate::support::{Line, on_postgres};

    on_postgres![a_soft_deletion_with_children_is_one_round_trip_more_than_the_load];

    async fn a_soft_deletion_with_children_is_one_round_trip_more_than_the_load(db: Database) {
        bins(&db).await;
        let wire = Line::new(&db).await;
        let bins = wire.sessions.repository::<Bin>().with_deleted();
        as_tenant("acme", async {
            for restores in [false, true] {
                let cost = wire
                    .cost(wire.sessions.transaction(TransactionOptions::new(), async |_| {
                        let mut one = bins.get(1).await?;
                        if restores { bins.restore(&mut one) } else { bins.soft_delete(&mut one) }
                    }))
                    .await;
                cost.value.unwrap();
                assert_eq!(cost.round_trips, 2);
            }
        })
        .await;
    }
}

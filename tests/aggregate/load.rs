//! Children come with their row.

use spakky::Error;
use spakky::prelude::*;

use super::model::{Folder, OrderId, OrderLineRow, OrderRow, comment, create, full, line, order, store, through};
use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![
    an_aggregate_comes_with_its_children_in_their_order,
    many_aggregates_come_with_one_query_for_each_relation,
    a_query_that_finds_nothing_asks_for_no_children,
    an_aggregate_without_children_has_none,
    a_second_get_costs_no_query_and_sees_what_was_saved,
    a_locked_aggregate_is_read_with_its_children,
    changes_of_children_by_others_means_are_seen,
    plain_sql_reads_no_row_with_children,
    more_than_one_row_is_no_has_one,
];

async fn an_aggregate_comes_with_its_children_in_their_order(db: Database) {
    let orders = create(&db).await;
    let mut expected = full(1);
    expected.comments.push(comment(102, "later"));
    store(&db, expected.clone()).await;
    store(&db, full(2)).await;
    // The latest comment comes first, as `order_by` says.
    expected.comments.reverse();
    expected.revision = Revision::loaded(1);
    assert_eq!(orders.get(OrderId(1)).await.unwrap(), expected);
    assert_eq!(orders.get_versioned(OrderId(1)).await.unwrap().value, expected);
    assert_eq!(orders.find(OrderId(3)).await.unwrap(), None);
}

async fn many_aggregates_come_with_one_query_for_each_relation(db: Database) {
    let orders = create(&db).await;
    for id in 1..=20 {
        store(&db, full(id)).await;
    }
    db.sent();
    let found = orders.query().order_by(OrderRow::COLUMNS.id.asc()).all().await.unwrap();
    assert_eq!(found.len(), 20);
    for (order, id) in found.into_iter().zip(1..) {
        assert_eq!(order, super::model::Order { revision: Revision::loaded(1), ..full(id) });
    }
    // The orders, then lines, discounts, invoices and comments.
    assert_eq!(db.sent().len(), 5);

    let ids = [OrderId(3), OrderId(99), OrderId(1)];
    let found = orders.find_many(ids).await.unwrap();
    let shape: Vec<_> = found.iter().map(|order| order.as_ref().map(|order| order.lines.len())).collect();
    assert_eq!(shape, [Some(2), None, Some(2)]);
    assert_eq!(db.sent().len(), 5);
}

async fn a_query_that_finds_nothing_asks_for_no_children(db: Database) {
    let orders = create(&db).await;
    db.sent();
    assert_eq!(orders.query().all().await.unwrap(), []);
    assert_eq!(db.sent().len(), 1);
}

async fn an_aggregate_without_children_has_none(db: Database) {
    let orders = create(&db).await;
    store(&db, order(1, vec![])).await;
    let found = orders.get(OrderId(1)).await.unwrap();
    assert_eq!((found.lines, found.invoice, found.comments), (vec![], None, vec![]));
}

async fn a_second_get_costs_no_query_and_sees_what_was_saved(db: Database) {
    let orders = create(&db).await;
    store(&db, full(1)).await;
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            let mut order = orders.get(OrderId(1)).await?;
            order.lines.push(line(13, "screw", 1));
            orders.save(&mut order)?;
            db.sent();
            assert_eq!(orders.get(OrderId(1)).await?, order);
            assert_eq!(db.sent(), [] as [String; 0]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn a_locked_aggregate_is_read_with_its_children(db: Database) {
    let orders = create(&db).await;
    store(&db, full(1)).await;
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            assert_eq!(orders.get(OrderId(1)).await?.lines.len(), 2);
            db.execute("DELETE FROM order_lines WHERE id = 12").await;
            assert_eq!(orders.get(OrderId(1)).await?.lines.len(), 2);
            assert_eq!(orders.lock(OrderId(1)).await?.lines.len(), 1);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn changes_of_children_by_others_means_are_seen(db: Database) {
    let orders = create(&db).await;
    store(&db, full(1)).await;
    let lines = db.sessions.repository::<OrderLineRow>();
    let quantities =
        |order: super::model::Order| -> Vec<i32> { order.lines.iter().map(|line| line.quantity).collect() };
    db.sessions
        .transaction(TransactionOptions::new(), async |session| {
            assert_eq!(quantities(orders.get(OrderId(1)).await?), [5, 7]);
            lines.query().update([OrderLineRow::COLUMNS.quantity.set(9)]).await?;
            assert_eq!(quantities(orders.get(OrderId(1)).await?), [9, 9]);
            let mut bolt = lines.get(11).await?;
            bolt.quantity = 1;
            lines.save_now(&mut bolt).await?;
            assert_eq!(quantities(orders.get(OrderId(1)).await?), [1, 9]);
            session.sql("UPDATE order_lines SET quantity = 3").execute().await?;
            assert_eq!(quantities(orders.get(OrderId(1)).await?), [3, 3]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn plain_sql_reads_no_row_with_children(db: Database) {
    create(&db).await;
    store(&db, full(1)).await;
    let error = db.sessions.sql("SELECT * FROM folders").fetch_all::<Folder>().await;
    assert_eq!(error.unwrap(), []);
    let error = db.sessions.sql("SELECT id, customer, version FROM orders").fetch_all::<OrderRow>().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read `OrderRow` of `orders`: the rows of `lines` were not read with it; load it by its repository"
    );
}

/// Nothing in the database keeps a second one away.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "desks")]
#[mappable(domain = Self)]
struct Desk {
    #[table(id)]
    id: i64,
    #[table(has_one(by = desk))]
    lamp: Option<Lamp>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "lamps")]
#[mappable(domain = Self)]
struct Lamp {
    #[table(id)]
    id: i64,
    desk: i64,
}

async fn more_than_one_row_is_no_has_one(db: Database) {
    db.observer().create_tables(&schema![Desk, Lamp]).await.unwrap();
    let desks = db.sessions.repository::<Desk>().autocommit();
    // The key of the desk is filled in.
    desks.add_now(&mut Desk { id: 1, lamp: Some(Lamp { id: 5, desk: 0 }) }).await.unwrap();
    assert_eq!(desks.get(1).await.unwrap(), Desk { id: 1, lamp: Some(Lamp { id: 5, desk: 1 }) });
    db.execute("INSERT INTO lamps (id, desk) VALUES (6, 1)").await;
    let error = desks.get(1).await.unwrap_err();
    assert!(error.is_mapping());
    assert_eq!(
        error.to_string(),
        "read `lamp` of `desks`: `lamps` has 2 rows for one; make its foreign key unique, or use `has_many`"
    );
}

mod server {
    use super::*;

    on_postgres![an_aggregate_with_all_its_children_is_one_round_trip, a_list_with_all_children_is_two_round_trips];

    async fn an_aggregate_with_all_its_children_is_one_round_trip(db: Database) {
        create(&db).await;
        store(&db, full(1)).await;
        let line = Line::new(&db).await;
        let cost = line.cost(async { through(&line).get(OrderId(1)).await.unwrap() }).await;
        assert_eq!((cost.value.lines.len(), cost.round_trips), (2, 1));
    }

    async fn a_list_with_all_children_is_two_round_trips(db: Database) {
        create(&db).await;
        for id in 1..=3 {
            store(&db, full(id)).await;
        }
        let line = Line::new(&db).await;
        let cost = line.cost(async { through(&line).query().all().await.unwrap() }).await;
        assert_eq!((cost.value.len(), cost.round_trips), (3, 2));
    }
}

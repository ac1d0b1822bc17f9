//! Rows with the rows that are part of them.

use futures_util::TryStreamExt;
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    children_are_loaded_in_their_order,
    a_save_writes_the_difference_and_counts_the_version_of_the_root,
    a_deleted_root_takes_its_children_along,
    a_root_is_found_by_its_children,
    an_upsert_replaces_the_children,
    a_stream_brings_the_children_along,
    a_child_of_another_is_not_taken,
    ids_are_assigned_at_any_depth,
];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    id: i64,
    customer: String,
    lines: Vec<Line>,
    invoice: Option<Invoice>,
    revision: Revision,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    id: i64,
    sku: String,
    quantity: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invoice {
    number: String,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders")]
#[mappable(domain = Order)]
pub(super) struct OrderRow {
    #[table(id)]
    id: i64,
    customer: String,
    #[table(has_many(by = order_id, order_by = sku))]
    lines: Vec<LineRow>,
    #[table(has_one(by = order_id))]
    invoice: Option<InvoiceRow>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "order_lines", unique(order_id, sku))]
#[mappable(domain = Line)]
pub(super) struct LineRow {
    #[table(id)]
    id: i64,
    #[table(references(OrderRow))]
    #[mappable(parent)]
    order_id: i64,
    sku: String,
    quantity: i32,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "invoices")]
#[mappable(domain = Invoice)]
pub(super) struct InvoiceRow {
    #[table(id, references(OrderRow, on_delete = cascade))]
    #[mappable(parent)]
    order_id: i64,
    #[table(unique)]
    number: String,
}

fn line(id: i64, sku: &str, quantity: i32) -> Line {
    Line { id, sku: sku.to_owned(), quantity }
}

pub(super) fn order(id: i64) -> Order {
    Order {
        id,
        customer: format!("customer {id}"),
        lines: vec![line(id * 10 + 1, "b", 1), line(id * 10 + 2, "a", 2)],
        invoice: Some(Invoice { number: format!("i{id}") }),
        revision: Revision::default(),
    }
}

async fn fill(store: &Store) -> Repository<OrderRow> {
    let orders = store.of::<OrderRow>();
    store.work(async |_| orders.add_all(&mut [order(1), order(2)])).await.unwrap();
    orders
}

async fn children_are_loaded_in_their_order(store: Store) {
    let orders = fill(&store).await;
    let one = orders.get(1).await.unwrap();
    assert_eq!(one.lines, [line(12, "a", 2), line(11, "b", 1)]);
    assert_eq!(one.invoice, Some(Invoice { number: "i1".into() }));
    let all = orders.query().order_by(OrderRow::COLUMNS.id.desc()).all().await.unwrap();
    let lines: Vec<i64> = all.iter().flat_map(|order| &order.lines).map(|line| line.id).collect();
    assert_eq!(lines, [22, 21, 12, 11]);
}

async fn a_save_writes_the_difference_and_counts_the_version_of_the_root(store: Store) {
    let orders = fill(&store).await;
    store
        .work(async |_| {
            let mut one = orders.get(1).await?;
            one.lines.remove(0);
            one.lines[0].quantity = 9;
            one.lines.push(line(15, "c", 3));
            one.invoice = None;
            orders.save(&mut one)
        })
        .await
        .unwrap();
    let one = orders.get(1).await.unwrap();
    assert_eq!(one.lines, [line(11, "b", 9), line(15, "c", 3)]);
    assert_eq!((one.invoice, one.revision.version()), (None, Some(2)));
    assert_eq!(orders.get(2).await.unwrap().lines, [line(22, "a", 2), line(21, "b", 1)]);
}

async fn a_deleted_root_takes_its_children_along(store: Store) {
    let orders = fill(&store).await;
    store
        .work(async |_| {
            let mut one = orders.get(1).await?;
            orders.delete(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(orders.query().count().await.unwrap(), 1);
    assert_eq!(store.of::<LineRow>().query().count().await.unwrap(), 2);
    assert_eq!(store.of::<InvoiceRow>().query().count().await.unwrap(), 1);
}

async fn a_root_is_found_by_its_children(store: Store) {
    let orders = fill(&store).await;
    let (o, l) = (OrderRow::COLUMNS, LineRow::COLUMNS);
    let found = orders.filter(o.id.exists_in(l.order_id, l.id.eq(22))).all().await.unwrap();
    assert_eq!(found.iter().map(|order| order.id).collect::<Vec<_>>(), [2]);
    assert_eq!(orders.filter(o.id.exists_in(l.order_id, l.quantity.gt(5))).count().await.unwrap(), 0);
}

async fn an_upsert_replaces_the_children(store: Store) {
    let orders = fill(&store).await;
    let mut new = Order { lines: vec![line(11, "z", 7)], invoice: None, ..order(1) };
    store.work(async |_| orders.upsert(&mut new)).await.unwrap();
    let one = orders.get(1).await.unwrap();
    assert_eq!((one.lines, one.invoice), (vec![line(11, "z", 7)], None));
    assert_eq!(one.revision.version(), Some(2));
}

async fn a_child_of_another_is_not_taken(store: Store) {
    let orders = fill(&store).await;
    let answer = store.work(async |_| {
        let mut one = orders.get(1).await?;
        one.lines.push(line(21, "q", 1));
        orders.save(&mut one)
    });
    let error = answer.await.unwrap_err();
    assert!(error.is_unique_violation(), "{error:?}");
    assert_eq!(error.table(), Some("order_lines"));
    assert_eq!(orders.get(2).await.unwrap().lines.len(), 2);
}

async fn a_stream_brings_the_children_along(store: Store) {
    let orders = store.of::<OrderRow>();
    let expected: Vec<Order> = store
        .work(async |_| {
            for id in [2, 1, 3] {
                orders.add(&mut order(id))?;
            }
            orders.query().order_by(OrderRow::COLUMNS.id.desc()).all().await
        })
        .await
        .unwrap();
    let rows = orders.query().order_by(OrderRow::COLUMNS.id.desc()).stream().await.unwrap();
    let found: Vec<Order> = rows.try_collect().await.unwrap();
    assert_eq!(found.len(), 3);
    let shown = |orders: &[Order]| orders.iter().map(|order| (order.id, order.lines.clone())).collect::<Vec<_>>();
    assert_eq!(shown(&found), shown(&expected));
}

/// The database assigns its id, and those of its parcels and their labels.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "crates")]
#[mappable(domain = Self)]
pub(super) struct Crate {
    #[table(id, generated)]
    id: i64,
    text: String,
    #[table(has_many(by = crate_id))]
    parcels: Vec<Parcel>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "packets")]
#[mappable(domain = Self)]
pub(super) struct Parcel {
    #[table(id, generated)]
    id: i32,
    #[table(references(Crate))]
    crate_id: i64,
    #[table(has_many(by = parcel_id))]
    labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "packet_labels")]
#[mappable(domain = Self)]
pub(super) struct Label {
    #[table(id, generated)]
    id: i64,
    #[table(references(Parcel))]
    parcel_id: i32,
    text: String,
}

fn parcel(texts: &[&str]) -> Parcel {
    let label = |text: &&str| Label { id: 0, parcel_id: 0, text: (*text).to_owned() };
    Parcel { id: 0, crate_id: 0, labels: texts.iter().map(label).collect() }
}

async fn ids_are_assigned_at_any_depth(store: Store) {
    let crates = store.of::<Crate>();
    let new = |text: &str| Crate {
        id: 0,
        text: text.to_owned(),
        parcels: vec![parcel(&["a", "b"]), parcel(&[]), parcel(&["c"])],
        version: 0,
    };
    let (mut one, mut two) = (new("one"), new("two"));
    store
        .sessions
        .transaction(TransactionOptions::new(), async |session| {
            crates.add_all([&mut new("queued"), &mut new("queued too")])?;
            crates.add_all_now([&mut one, &mut two]).await?;
            let spent = session.statistics().round_trips;
            assert_eq!(crates.get(2).await?.text, "queued too");
            assert_eq!(crates.get(4).await?, two);
            assert_eq!(session.statistics().round_trips, spent);
            two.parcels.remove(0);
            two.parcels.push(parcel(&["d"]));
            crates.save(&mut two)
        })
        .await
        .unwrap();
    assert_eq!((one.id, one.parcels[2].id, one.parcels[2].labels[0].id), (3, 9, 9));
    assert_eq!(crates.get(3).await.unwrap(), one);
    let two = crates.get(4).await.unwrap();
    assert_eq!(two.parcels.iter().map(|parcel| parcel.id).collect::<Vec<_>>(), [11, 12, 13]);
    assert_eq!(two.parcels[2].labels, [Label { id: 13, parcel_id: 13, text: "d".to_owned() }]);
    assert_eq!(two.version, 2);
}

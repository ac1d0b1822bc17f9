//! What a projection holds, and what it costs.

use spakky::Error;
use spakky::prelude::*;

use super::model::{
    Cents, LineView, NoteView, OrderId, OrderRow, OrderView, PaidOrderView, ShopperView, SingleView, TagView, city,
    create,
};
use crate::support::{Database, on_each_backend};

on_each_backend![
    every_kind_of_field_is_loaded,
    a_profile_leaves_fields_and_their_queries_out,
    the_number_of_statements_does_not_depend_on_the_number_of_rows,
    nothing_found_asks_for_nothing_more,
    a_missing_row_is_an_error_where_the_field_is_no_option,
    several_rows_are_no_has_one,
    a_view_is_found_by_its_key,
    one_and_first_are_as_those_of_queries,
    a_scope_sees_what_it_has_queued,
    what_was_not_loaded_serializes_as_told,
];

fn tag(name: &str) -> TagView {
    TagView { name: name.to_owned() }
}

fn note(text: &str) -> NoteView {
    NoteView { text: text.to_owned() }
}

fn shopper(name: &str, from: Option<&str>, orders: i64) -> ShopperView {
    ShopperView { name: name.to_owned(), city: Loaded::Loaded(from.map(str::to_owned)), orders }
}

fn first() -> OrderView {
    OrderView {
        id: OrderId(1),
        remark: Some("soon".to_owned()),
        street: Loaded::Loaded("High St".to_owned()),
        extras: Loaded::Loaded(vec!["ribbon".to_owned()]),
        customer_name: "ann".to_owned(),
        payer_city: Loaded::Loaded(None),
        customer: Loaded::Loaded(shopper("ann", Some("Oslo"), 2)),
        payer: Loaded::Loaded(Some(shopper("bob", None, 1))),
        lines: Loaded::Loaded(vec![
            LineView { id: 12, amount: Cents(250), notes: vec![] },
            LineView { id: 11, amount: Cents(500), notes: vec![note("b"), note("a")] },
        ]),
        tags: vec![tag("gift"), tag("urgent")],
        line_count: 2,
        has_lines: true,
        total: Cents(750),
        weight: Loaded::Loaded(1.5),
        score: Loaded::Loaded(12),
        rank: Loaded::Loaded(10),
    }
}

async fn every_kind_of_field_is_loaded(db: Database) {
    let orders = create(&db).await;
    let found = orders.project::<OrderView>().order_by(OrderRow::COLUMNS.id.asc()).all().await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], first());
    // What is NULL was loaded all the same.
    assert_eq!((&found[1].payer, &found[1].payer_city), (&Loaded::Loaded(None), &Loaded::Loaded(None)));
    let third = OrderView {
        id: OrderId(3),
        remark: None,
        street: Loaded::Loaded("Mid St".to_owned()),
        extras: Loaded::Loaded(vec![]),
        customer_name: "bob".to_owned(),
        payer_city: city("Oslo"),
        customer: Loaded::Loaded(shopper("bob", None, 1)),
        payer: Loaded::Loaded(Some(shopper("ann", Some("Oslo"), 2))),
        lines: Loaded::Loaded(vec![]),
        tags: vec![],
        line_count: 0,
        has_lines: false,
        total: Cents(0),
        weight: Loaded::Loaded(0.0),
        // The loader of ranks leaves the third order out.
        score: Loaded::Loaded(0),
        rank: Loaded::Loaded(0),
    };
    assert_eq!(found[2], third);
}

async fn a_profile_leaves_fields_and_their_queries_out(db: Database) {
    let orders = create(&db).await;
    let found = orders.project::<OrderView>().profile(OrderView::LIST).get(OrderId(1)).await.unwrap();
    assert_eq!((found.customer_name.as_str(), found.line_count, found.total), ("ann", 2, Cents(750)));
    assert!(found.street.is_not_loaded() && found.customer.is_not_loaded() && found.lines.is_not_loaded());
    assert!(found.score.is_not_loaded() && found.payer_city.is_not_loaded());
    // The order, then customer, tags, and what is computed of lines; of each only what the profile needs.
    let sent = db.sent();
    assert_eq!(sent.len(), 4, "{sent:#?}");
    assert!(sent[0].contains(r#"SELECT "id", "note", "customer_id" FROM "shop_orders""#), "{sent:#?}");
    assert!(sent.iter().any(|sql| sql.contains(r#"SELECT "id", "name" FROM "shoppers""#)), "{sent:#?}");
}

async fn the_number_of_statements_does_not_depend_on_the_number_of_rows(db: Database) {
    let orders = create(&db).await;
    let query = || orders.project::<OrderView>().profile(OrderView::DETAIL);
    query().get(OrderId(1)).await.unwrap();
    let of_one = db.sent().len();
    for id in 100..200 {
        let order = "INSERT INTO shop_orders (id, customer_id, payer_id, note, extras, ship_street)";
        db.execute(&format!("{order} VALUES ({id}, 1, 2, NULL, '[]', 'x')")).await;
        let line = "INSERT INTO shop_lines (id, order_id, position, amount, weight)";
        db.execute(&format!("{line} VALUES ({id}, {id}, 1, {id}, 1.0)")).await;
    }
    assert_eq!(query().all().await.unwrap().len(), 103);
    // Orders; customers, payers, lines, tags, numbers of lines; orders of customers and of payers, notes; a loader's own.
    assert_eq!((of_one, db.sent().len()), (10, 10));
}

async fn nothing_found_asks_for_nothing_more(db: Database) {
    let orders = create(&db).await;
    assert_eq!(orders.project::<OrderView>().filter(OrderRow::COLUMNS.id.eq(OrderId(9))).all().await.unwrap(), []);
    assert_eq!(db.sent().len(), 1);
}

async fn a_missing_row_is_an_error_where_the_field_is_no_option(db: Database) {
    let orders = create(&db).await;
    let found = orders.project::<PaidOrderView>().get(OrderId(1)).await.unwrap();
    assert_eq!((found.id, found.payer.name.as_str()), (OrderId(1), "bob"));
    let error = orders.project::<PaidOrderView>().get(OrderId(2)).await.unwrap_err();
    assert!(error.is_mapping());
    assert_eq!(
        error.to_string(),
        "load `payer` of `PaidOrderView`: the row refers to none; make the field an `Option`"
    );
}

async fn several_rows_are_no_has_one(db: Database) {
    let orders = create(&db).await;
    let found = orders.project::<SingleView>().find(OrderId(2)).await.unwrap().unwrap();
    assert_eq!(found.line.unwrap().id, 21);
    assert_eq!(orders.project::<SingleView>().get(OrderId(3)).await.unwrap().line, None);
    let error = orders.project::<SingleView>().get(OrderId(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "load `line` of `SingleView`: `shop_lines` has 2 rows for one; make its foreign key unique, say which is meant with \
         `order_by`, or use `has_many`"
    );
}

async fn a_view_is_found_by_its_key(db: Database) {
    let orders = create(&db).await;
    assert_eq!(orders.project::<OrderView>().get(OrderId(1)).await.unwrap(), first());
    assert_eq!(orders.project::<OrderView>().find(OrderId(9)).await.unwrap(), None);
    let error = orders.project::<OrderView>().get(OrderId(9)).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "find `OrderRow` with id 9 in `shop_orders`");
    let only = orders.project::<OrderView>().filter(OrderRow::COLUMNS.note.is_null());
    assert_eq!(only.find(OrderId(1)).await.unwrap(), None);
}

async fn one_and_first_are_as_those_of_queries(db: Database) {
    let orders = create(&db).await;
    let (query, id) = (|| orders.project::<SingleOrder>(), OrderRow::COLUMNS.id);
    assert_eq!(query().filter(id.eq(OrderId(2))).one().await.unwrap().id, OrderId(2));
    assert!(query().filter(id.eq(OrderId(9))).one().await.unwrap_err().is_not_found());
    let error = query().one().await.unwrap_err();
    assert_eq!(error.to_string(), "find one `SingleOrder` in `shop_orders`: there are several; use `first` or `all`");
    assert_eq!(query().order_by(id.desc()).first().await.unwrap().unwrap().id, OrderId(3));
    let second = query().order_by(id.asc()).offset(1).limit(1).all().await.unwrap();
    assert_eq!(second.iter().map(|view| view.id).collect::<Vec<_>>(), [OrderId(2)]);
}

/// A view of one column.
#[derive(Debug, Projection)]
#[projection(row = OrderRow)]
struct SingleOrder {
    id: OrderId,
}

/// A row that is its own domain type, and a view of it.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "memos")]
#[mappable(domain = Self)]
struct Memo {
    #[table(id)]
    id: i64,
    text: String,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = Memo)]
struct MemoView {
    text: String,
}

async fn a_scope_sees_what_it_has_queued(db: Database) {
    db.observer().create_tables(&schema![Memo]).await.unwrap();
    let memos = db.sessions.repository::<Memo>();
    let text = |text: &str| MemoView { text: text.to_owned() };
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            let mut memo = Memo { id: 1, text: "new".to_owned() };
            memos.add(&mut memo)?;
            assert_eq!(memos.project::<MemoView>().get(1).await?, text("new"));
            memo.text = "newer".to_owned();
            memos.save(&mut memo)?;
            assert_eq!(memos.project::<MemoView>().all().await?, [text("newer")]);
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

async fn what_was_not_loaded_serializes_as_told(db: Database) {
    let orders = create(&db).await;
    let customers = db.sessions.repository::<super::model::ShopperRow>();
    let bob = customers.project::<ShopperView>().get(2).await.unwrap();
    let json = |view: &Shown| serde_json::to_string(view).unwrap();
    assert_eq!(json(&Shown { city: bob.city.clone(), town: bob.city }), r#"{"city":null,"town":null}"#);
    assert_eq!(json(&Shown { city: Loaded::NotLoaded, town: Loaded::NotLoaded }), r#"{"town":null}"#);
    let shown = Shown { city: city("Oslo"), town: Loaded::from(None) };
    assert_eq!(json(&shown), r#"{"city":"Oslo","town":null}"#);
    drop(orders);
}

#[derive(serde::Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Loaded::is_not_loaded")]
    city: Loaded<Option<String>>,
    town: Loaded<Option<String>>,
}

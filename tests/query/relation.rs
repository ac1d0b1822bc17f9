//! Conditions on rows of other tables.

use spakky::prelude::*;

use super::{Buyer, Purchase, ids, prepare, purchase, query};
use crate::support::{Database, on_each_backend};

on_each_backend![
    exists_is_correlated_with_the_row_outside,
    a_path_through_a_relation_gives_no_cartesian_product,
    a_path_leads_from_a_table_to_itself,
    a_path_takes_every_operator_and_nests,
    a_table_is_asked_for_its_children,
    conditions_nest_from_table_to_table,
    rows_are_written_by_a_condition_on_others,
];

async fn exists_is_correlated_with_the_row_outside(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let (p, b) = (Purchase::COLUMNS, Buyer::COLUMNS);
    db.sent();
    let found =
        purchases.filter(p.buyer_id.exists_in(b.id, b.name.eq("Bob"))).order_by(p.id.asc()).all().await.unwrap();
    assert_eq!(ids(&found), [2, 5]);
    let bind = if db.is_sqlite() { "?1" } else { "$1" };
    let condition = format!(
        r#" WHERE EXISTS (SELECT 1 FROM "buyers" AS "related_1" WHERE "related_1"."id" = "purchases"."buyer_id" AND ("name" = {bind})) ORDER"#
    );
    let sent = db.sent();
    assert!(sent[0].contains(&condition), "{sent:?}");
    let others = purchases.filter(!p.buyer_id.exists_in(b.id, b.name.eq("Bob"))).count().await.unwrap();
    assert_eq!(others, 4);
    // Nobody of the name: true for no row.
    assert_eq!(purchases.filter(p.buyer_id.exists_in(b.id, b.name.eq("Dan"))).count().await.unwrap(), 0);
}

async fn a_path_through_a_relation_gives_no_cartesian_product(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let asked = query("buyer.name[neq]=Bob&sort=id");
    let page = purchases.search(&asked).unwrap().page(&asked).await.unwrap();
    assert_eq!(ids(&page.items), [1, 3, 4, 6]);
    assert_eq!(page.total, spakky::Total::Exact(4));
}

async fn a_path_leads_from_a_table_to_itself(db: Database) {
    prepare(&db, []).await;
    let buyers = db.sessions.repository::<Buyer>();
    let names = async |text: &str| {
        let found = buyers.search(&query(text)).unwrap().order_by(Buyer::COLUMNS.id.asc()).all().await.unwrap();
        found.into_iter().map(|buyer| buyer.name).collect::<Vec<_>>()
    };
    assert_eq!(names("invited_by.name=Ann").await, ["Bob"]);
    assert_eq!(names("invited_by.name[is_not_null]=true").await, ["Bob", "Cid"]);
    // Whoever was invited by nobody has no inviter without a name.
    assert_eq!(names("invited_by.name[is_null]=true").await, [""; 0]);
    assert_eq!(names("invited_by.name=Ann&name=Bob").await, ["Bob"]);
}

async fn a_path_takes_every_operator_and_nests(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let found = async |json: &str| {
        let asked = Query::from_json(json).unwrap();
        ids(&purchases.search(&asked).unwrap().order_by(Purchase::COLUMNS.id.asc()).all().await.unwrap())
    };
    let json = r#"{"filter": {"and": [{"not": {"field": "buyer.name", "op": "in", "value": ["Ann", "Bob"]}},
                                      {"field": "total", "op": "gt", "value": 30}]}}"#;
    assert_eq!(found(json).await, [6]);
    let json = r#"{"filter": {"or": [{"field": "buyer.name", "op": "starts_with", "value": "A"},
                                     {"field": "id", "op": "between", "value": [2, 3]}]}}"#;
    assert_eq!(found(json).await, [1, 2, 3, 4]);
}

async fn a_table_is_asked_for_its_children(db: Database) {
    let purchases = prepare(&db, [purchase(1), purchase(4), purchase(2)]).await;
    let buyers = db.sessions.repository::<Buyer>();
    let (p, b) = (Purchase::COLUMNS, Buyer::COLUMNS);
    let buying = buyers.filter(b.id.exists_in(p.buyer_id, p.total.gt(5))).order_by(b.id.asc()).all().await.unwrap();
    assert_eq!(buying.iter().map(|buyer| buyer.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(purchases.query().count().await.unwrap(), 3);
}

async fn conditions_nest_from_table_to_table(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let (p, b) = (Purchase::COLUMNS, Buyer::COLUMNS);
    // Bought by somebody whom Ann invited.
    let invited = b.invited_by_id.exists_in(b.id, b.name.eq("Ann"));
    let found = purchases.filter(p.buyer_id.exists_in(b.id, invited)).order_by(p.id.asc()).all().await.unwrap();
    assert_eq!(ids(&found), [2, 5]);
}

async fn rows_are_written_by_a_condition_on_others(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await.autocommit();
    let (p, b) = (Purchase::COLUMNS, Buyer::COLUMNS);
    let of = |name: &'static str| p.buyer_id.exists_in(b.id, b.name.eq(name));
    assert_eq!(purchases.update_where(of("Ann"), p.total.set(0)).await.unwrap(), 2);
    assert_eq!(purchases.delete_where(of("Cid")).await.unwrap(), 2);
    assert_eq!(db.numbers("SELECT total FROM purchases ORDER BY id").await, [0, 20, 0, 50]);
}

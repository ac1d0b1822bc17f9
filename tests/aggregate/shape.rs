//! Random changes of an aggregate: what is stored is what was saved.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use spakky::Error;
use spakky::prelude::*;

use super::model::{Comment, Discount, Order, OrderId, OrderLine, create, invoice};
use crate::support::{Database, on_each_backend};

on_each_backend![what_is_stored_is_what_was_saved];

/// Children come out of few keys, so that they are kept, changed, replaced and removed.
fn shapes() -> impl Strategy<Value = Order> {
    let discounts = proptest::collection::btree_map(0..3_i32, 0..3_i32, 0..3);
    let lines = proptest::collection::btree_map(0..4_i64, (0..3_i32, discounts), 0..4);
    let comments = proptest::collection::btree_map(0..3_i64, "[ab]", 0..3);
    (0..3_u8, lines, proptest::option::of("[xy]"), comments).prop_map(|(customer, lines, bill, comments)| Order {
        id: OrderId(1),
        customer: customer.to_string(),
        lines: lines
            .into_iter()
            .map(|(id, (quantity, discounts))| OrderLine {
                id,
                sku: format!("sku {id}"),
                quantity,
                discounts: discounts.into_iter().map(|(number, percent)| Discount { number, percent }).collect(),
            })
            .collect(),
        invoice: bill.as_deref().and_then(invoice),
        comments: comments.into_iter().map(|(id, text)| Comment { id, text }).collect(),
        revision: Revision::default(),
    })
}

/// The same whatever the order of the children.
fn sorted(mut order: Order) -> Order {
    for line in &mut order.lines {
        line.discounts.sort_by_key(|discount| discount.number);
    }
    order.lines.sort_by_key(|line| line.id);
    order.comments.sort_by_key(|comment| comment.id);
    order.revision = Revision::default();
    order
}

/// How an aggregate is written.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Loaded and saved.
    Save,
    /// Saved twice before it is sent.
    SaveTwice,
    /// With its version alone.
    Attach,
    Upsert,
    DeleteAndAdd,
}

async fn write(db: &Database, way: Way, shape: &Order, before: &Order) -> Result<(), Error> {
    let orders = db.sessions.repository::<super::model::OrderRow>();
    db.sessions
        .transaction(TransactionOptions::new(), async |_| {
            let mut new = shape.clone();
            match way {
                Way::Save | Way::SaveTwice => {
                    let mut order = orders.get(OrderId(1)).await?;
                    if let Way::SaveTwice = way {
                        order.lines.clear();
                        order.invoice = None;
                        orders.save(&mut order)?;
                    }
                    order = Order { revision: order.revision, ..new };
                    orders.save(&mut order)
                }
                Way::Attach => {
                    let version = before.revision.version().unwrap_or_default();
                    orders.save_if(&mut new, version)
                }
                Way::Upsert => orders.upsert(&mut new),
                Way::DeleteAndAdd => {
                    let mut old = orders.get(OrderId(1)).await?;
                    orders.delete(&mut old)?;
                    orders.add(&mut new)
                }
            }
        })
        .await
}

async fn what_is_stored_is_what_was_saved(db: Database) {
    let orders = create(&db).await;
    let ways = proptest::sample::select(vec![Way::Save, Way::SaveTwice, Way::Attach, Way::Upsert, Way::DeleteAndAdd]);
    let steps = proptest::collection::vec((ways, shapes()), 1..6);
    // The runner is not async: the cases are drawn first.
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..40 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        db.execute("DELETE FROM discounts").await;
        for table in ["order_lines", "invoices", "comments", "orders"] {
            db.execute(&format!("DELETE FROM {table}")).await;
        }
        orders.autocommit().add_now(&mut super::model::order(1, vec![])).await.unwrap();
        for (number, (way, shape)) in steps.iter().enumerate() {
            let before = orders.get(OrderId(1)).await.unwrap();
            write(&db, *way, shape, &before).await.unwrap_or_else(|error| panic!("{error} at {number} of {steps:#?}"));
            let stored = orders.get(OrderId(1)).await.unwrap();
            assert_eq!(sorted(stored), sorted(shape.clone()), "after {number} of {steps:#?}");
        }
    }
}

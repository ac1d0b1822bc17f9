//! Sums that no float can hold.

use rust_decimal::Decimal;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![sums_of_decimals_are_exact_or_refused];

#[derive(Debug, Clone, Table)]
#[table(name = "bills")]
struct BillRow {
    #[table(id)]
    id: i64,
}

#[derive(Debug, Clone, Table)]
#[table(name = "fees")]
struct FeeRow {
    #[table(id)]
    id: i64,
    #[table(references(BillRow))]
    bill_id: i64,
    amount: Decimal,
    tax: Option<Decimal>,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = BillRow)]
struct BillView {
    id: i64,
    #[projection(sum(FeeRow.amount, by = bill_id))]
    total: Decimal,
    #[projection(sum(FeeRow.tax, by = bill_id))]
    tax: Decimal,
}

async fn sums_of_decimals_are_exact_or_refused(db: Database) {
    db.observer().create_tables(&schema![BillRow, FeeRow]).await.unwrap();
    db.execute("INSERT INTO bills (id) VALUES (1), (2)").await;
    db.execute(
        "INSERT INTO fees (id, bill_id, amount, tax) VALUES \
         (1, 1, '10000000000000000000.01', NULL), (2, 1, '0.02', '0.10'), (3, 1, '-0.01', '0.20')",
    )
    .await;
    let bills = db.sessions.repository::<BillRow>();
    let found = bills.project::<BillView>().order_by(BillRow::COLUMNS.id.asc()).all().await;
    if db.is_sqlite() {
        let error = found.unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(
            error.to_string(),
            "query `fees`: column `amount` is a decimal, which SQLite stores as text and cannot add up; load the rows and \
             add in the program, or store an integer"
        );
        return;
    }
    let decimal = |text: &str| text.parse::<Decimal>().unwrap();
    let first = BillView { id: 1, total: decimal("10000000000000000000.02"), tax: decimal("0.30") };
    // Of no rows it is zero.
    assert_eq!(found.unwrap(), [first, BillView { id: 2, total: Decimal::ZERO, tax: Decimal::ZERO }]);
}

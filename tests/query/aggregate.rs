//! Sums, means and extremes.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use spakky::prelude::*;
use spakky::query::Number;
use uuid::Uuid;

use super::{Purchase, Status, prepare, purchase};
use crate::support::{Database, on_each_backend};

on_each_backend![
    sums_means_and_extremes_are_of_the_columns_own_type,
    over_no_rows_there_is_no_value,
    values_that_are_null_are_left_out,
    a_sum_that_does_not_fit_its_type_is_refused_and_never_wraps,
    a_newtype_is_summed_as_itself,
    whatever_can_be_sorted_by_has_a_least_and_a_greatest,
    decimals_are_exact_or_refused,
    an_aggregate_of_a_query_with_an_order_or_a_limit_is_refused,
    an_aggregate_sees_what_is_pending,
];

async fn sums_means_and_extremes_are_of_the_columns_own_type(db: Database) {
    let purchases = prepare(&db, (1..=4).map(purchase)).await;
    let p = Purchase::COLUMNS;
    let all = || purchases.query();
    assert_eq!(all().sum(p.total).await.unwrap(), Some(100_i64));
    assert_eq!(all().sum(p.weight).await.unwrap(), Some(2.5_f64));
    assert_eq!(all().avg(p.total).await.unwrap(), Some(25.0));
    assert_eq!(all().avg(p.weight).await.unwrap(), Some(0.625));
    assert_eq!(all().min(p.total).await.unwrap(), Some(10));
    assert_eq!(all().max(p.placed_at).await.unwrap(), Some(purchase(4).placed_at));
    let since: DateTime<Utc> = purchase(2).placed_at;
    assert_eq!(purchases.filter(p.placed_at.gt(since)).sum(p.total).await.unwrap(), Some(70));
}

async fn over_no_rows_there_is_no_value(db: Database) {
    let purchases = prepare(&db, []).await;
    let p = Purchase::COLUMNS;
    assert_eq!(purchases.query().sum(p.total).await.unwrap(), None);
    assert_eq!(purchases.query().sum(p.weight).await.unwrap(), None);
    assert_eq!(purchases.query().avg(p.total).await.unwrap(), None);
    assert_eq!(purchases.query().min(p.total).await.unwrap(), None);
    assert_eq!(purchases.query().max(p.status).await.unwrap(), None);
}

async fn values_that_are_null_are_left_out(db: Database) {
    let purchases = prepare(&db, (1..=8).map(purchase)).await;
    let p = Purchase::COLUMNS;
    // 1, 2, 3, NULL, 1, 2, 3, NULL
    assert_eq!(purchases.query().sum::<i32>(p.rank).await.unwrap(), Some(12));
    assert_eq!(purchases.query().sum_as::<i64>(p.rank).await.unwrap(), Some(12));
    assert_eq!(purchases.query().avg(p.rank).await.unwrap(), Some(2.0));
    assert_eq!(purchases.query().min::<i32>(p.rank).await.unwrap(), Some(1));
    let greatest: Option<String> = purchases.query().max(p.note).await.unwrap();
    assert_eq!(greatest.as_deref(), Some("note 8"));
    let none = || purchases.filter(p.rank.is_null());
    assert_eq!(none().sum::<i32>(p.rank).await.unwrap(), None);
    assert_eq!(none().max::<i32>(p.rank).await.unwrap(), None);
}

async fn a_sum_that_does_not_fit_its_type_is_refused_and_never_wraps(db: Database) {
    let huge = |id: i64| Purchase { total: i64::MAX - id, rank: Some(i32::MAX), ..purchase(id) };
    let purchases = prepare(&db, (1..=3).map(huge)).await;
    let p = Purchase::COLUMNS;
    let error = purchases.query().sum(p.total).await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "sum column `total` of `purchases`: the sum does not fit int8; ask for a wider type with `sum_as`"
    );
    let exact = purchases.query().sum_as::<Decimal>(p.total).await.unwrap();
    assert_eq!(exact.unwrap().to_string(), (i128::from(i64::MAX) * 3 - 6).to_string());
    let error = purchases.query().sum::<i32>(p.rank).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "sum column `rank` of `purchases`: the sum does not fit int4; ask for a wider type with `sum_as`"
    );
    assert_eq!(purchases.query().sum_as::<i64>(p.rank).await.unwrap(), Some(i64::from(i32::MAX) * 3));

    // What comes near and goes back.
    let wild = [i64::MIN, i64::MAX, i64::MIN].into_iter().zip(1..);
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        purchases.delete_where(p.id.gt(0)).await?;
        purchases.add_all(&mut wild.map(|(total, id)| Purchase { total, ..purchase(id) }).collect::<Vec<_>>())
    });
    work.await.unwrap();
    assert!(purchases.query().sum(p.total).await.is_err());
    assert_eq!(purchases.filter(p.id.le(2)).sum(p.total).await.unwrap(), Some(-1));
    assert_eq!(purchases.filter(p.id.eq(1)).sum(p.total).await.unwrap(), Some(i64::MIN));
}

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
struct Cents(i64);

impl Number for Cents {}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "invoices")]
#[mappable(domain = Self)]
struct Invoice {
    #[table(id)]
    id: Uuid,
    amount: Cents,
    discount: Option<Cents>,
    price: Decimal,
    small: i16,
    single: f32,
    open: bool,
}

async fn invoices(db: &Database) -> Repository<Invoice> {
    db.sessions.create_tables(&schema![Invoice]).await.unwrap();
    let invoices = db.sessions.repository::<Invoice>();
    let made = |n: u8| Invoice {
        id: Uuid::from_u128(u128::from(n)),
        amount: Cents(i64::from(n) * 100),
        discount: (n > 1).then_some(Cents(i64::from(n))),
        price: Decimal::new(i64::from(n) * 105, 2),
        small: 20_000,
        single: 0.5,
        open: n > 2,
    };
    let work = db
        .sessions
        .transaction(TransactionOptions::new(), async |_| invoices.add_all(&mut (1..=3).map(made).collect::<Vec<_>>()));
    work.await.unwrap();
    invoices
}

async fn a_newtype_is_summed_as_itself(db: Database) {
    let invoices = invoices(&db).await;
    let i = Invoice::COLUMNS;
    assert_eq!(invoices.query().sum(i.amount).await.unwrap(), Some(Cents(600)));
    assert_eq!(invoices.query().sum::<Cents>(i.discount).await.unwrap(), Some(Cents(5)));
    assert!(invoices.query().sum(i.small).await.unwrap_err().to_string().contains("does not fit int2"));
    assert_eq!(invoices.query().sum_as::<i32>(i.small).await.unwrap(), Some(60_000));
    assert_eq!(invoices.query().sum(i.single).await.unwrap(), Some(1.5_f32));
}

async fn whatever_can_be_sorted_by_has_a_least_and_a_greatest(db: Database) {
    let invoices = invoices(&db).await;
    let i = Invoice::COLUMNS;
    assert_eq!(invoices.query().max(i.id).await.unwrap(), Some(Uuid::from_u128(3)));
    assert_eq!(invoices.query().min(i.open).await.unwrap(), Some(false));
    assert_eq!(invoices.query().max(i.single).await.unwrap(), Some(0.5));
    let purchases = prepare(&db, (1..=3).map(purchase)).await;
    assert_eq!(purchases.query().min(Purchase::COLUMNS.status).await.unwrap(), Some(Status::Cancelled));
}

async fn decimals_are_exact_or_refused(db: Database) {
    let invoices = invoices(&db).await;
    let i = Invoice::COLUMNS;
    let (sum, avg, max) =
        (invoices.query().sum(i.price).await, invoices.query().avg(i.price).await, invoices.query().max(i.price).await);
    if !db.is_sqlite() {
        assert_eq!(sum.unwrap(), Some(Decimal::new(630, 2)));
        assert_eq!(avg.unwrap(), Some(2.1));
        assert_eq!(max.unwrap(), Some(Decimal::new(315, 2)));
        return;
    }
    let message = "query `invoices`: column `price` is a decimal, which SQLite stores as text and cannot calculate with; \
                   calculate in the program, or store an integer";
    for error in [sum.unwrap_err(), avg.unwrap_err()] {
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), message);
    }
    assert!(max.unwrap_err().is_invalid_query());
}

async fn an_aggregate_of_a_query_with_an_order_or_a_limit_is_refused(db: Database) {
    let purchases = prepare(&db, []).await;
    let p = Purchase::COLUMNS;
    let error = purchases.query().order_by(p.total.asc()).sum(p.total).await.unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(error.to_string(), "sum over `purchases` by a query with an order, a limit or a lock: leave them out");
    assert!(purchases.query().limit(1).max(p.total).await.is_err());
    assert!(purchases.query().offset(1).avg(p.total).await.is_err());
}

async fn an_aggregate_sees_what_is_pending(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let work = db.sessions.transaction(TransactionOptions::new(), async |_| {
        purchases.add(&mut purchase(2))?;
        assert_eq!(purchases.query().sum(Purchase::COLUMNS.total).await?, Some(30));
        Ok::<_, spakky::Error>(())
    });
    work.await.unwrap();
}

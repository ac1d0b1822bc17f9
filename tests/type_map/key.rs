//! Keys that a database gives back spelled otherwise than they were asked for.

use rust_decimal::Decimal;
use spakky::prelude::*;

use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![rows_are_found_by_a_zero_of_either_sign];

mod on_one {
    use super::*;

    // To SQLite, which stores decimals as text, these are other keys.
    on_postgres![rows_are_found_by_a_decimal_with_other_zeros, many_keys_spelled_otherwise_cost_one_round_trip_more,];
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "marks")]
#[mappable(domain = Self)]
struct Mark {
    #[table(id)]
    at: f64,
    #[table(has_many(by = at))]
    notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    #[table(references(Mark))]
    at: f64,
}

async fn rows_are_found_by_a_zero_of_either_sign(db: Database) {
    db.sessions.create_tables(&schema![Mark, Note]).await.unwrap();
    let marks = db.sessions.repository::<Mark>();
    let mark = |at, notes| Mark { at, notes };
    let note = Note { id: 1, at: 0.0 };
    let mut both = [mark(-0.0, vec![note]), mark(1.5, Vec::new())];
    db.sessions.transaction(TransactionOptions::new(), async |_| marks.add_all(&mut both)).await.unwrap();
    for zero in [0.0, -0.0] {
        let found = marks.get_many([zero, 1.5, -zero]).await.unwrap();
        assert_eq!(found.iter().map(|mark| mark.notes.len()).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!(marks.find_many([7.0, zero]).await.unwrap()[1].as_ref().map(|mark| mark.notes.len()), Some(1));
    }
    let error = marks.get_many([-0.0, 2.5]).await.unwrap_err();
    assert_eq!(error.to_string(), "find `Mark` with id 2.5 in `marks`");
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "prices")]
#[mappable(domain = Self)]
struct Price {
    #[table(id)]
    amount: Decimal,
    text: String,
}

fn price(amount: &str) -> Price {
    Price { amount: amount.parse().unwrap(), text: amount.to_owned() }
}

async fn rows_are_found_by_a_decimal_with_other_zeros(db: Database) {
    db.sessions.create_tables(&schema![Price]).await.unwrap();
    let prices = db.sessions.repository::<Price>();
    let mut all = [price("1.50"), price("2"), price("3.000")];
    db.sessions.transaction(TransactionOptions::new(), async |_| prices.add_all(&mut all)).await.unwrap();
    let keys = || ["1.5", "2.00", "3.000"].map(|amount| amount.parse::<Decimal>().unwrap());
    let texts = |found: Vec<Price>| found.into_iter().map(|price| price.text).collect::<Vec<_>>();
    assert_eq!(texts(prices.get_many(keys()).await.unwrap()), ["1.50", "2", "3.000"]);
    let inside = db.sessions.transaction(TransactionOptions::new(), async |_| prices.get_many(keys()).await);
    assert_eq!(texts(inside.await.unwrap()), ["1.50", "2", "3.000"]);
    let missing = prices.get_many(["1.5", "9.90"].map(|amount| amount.parse::<Decimal>().unwrap())).await.unwrap_err();
    assert_eq!(missing.ids(), ["9.90"]);
}

async fn many_keys_spelled_otherwise_cost_one_round_trip_more(db: Database) {
    db.observer().create_tables(&schema![Price]).await.unwrap();
    let line = Line::new(&db).await;
    let prices = line.sessions.repository::<Price>();
    let mut all: Vec<Price> = (1..=50).map(|number| price(&format!("{number}.50"))).collect();
    prices.autocommit().add_all_now(&mut all).await.unwrap();
    let keys = |zeros: &str| (1..=50).map(|n| format!("{n}.5{zeros}").parse::<Decimal>().unwrap()).collect::<Vec<_>>();
    let as_stored = line.cost(prices.get_many(keys("0"))).await;
    assert_eq!((as_stored.value.unwrap().len(), as_stored.round_trips), (50, 1));
    let otherwise = line.cost(prices.get_many(keys(""))).await;
    assert_eq!((otherwise.value.unwrap().len(), otherwise.round_trips), (50, 2));
}

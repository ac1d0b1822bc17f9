//! Updates that write many different sets of columns.

use spakky::Error;
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![a_batch_is_widened_over_rows_that_were_loaded_and_no_others];

#[derive(Debug, Clone, PartialEq)]
struct Reading {
    id: i64,
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    e: i64,
    revision: Revision,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "readings")]
#[mappable(domain = Reading)]
struct ReadingRow {
    #[table(id)]
    id: i64,
    a: i64,
    b: i64,
    c: i64,
    d: i64,
    e: i64,
    #[mappable(row_only)]
    note: Option<String>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

/// Adds to those columns whose bits are set.
fn change(reading: &mut Reading, columns: i64) {
    let values = [&mut reading.a, &mut reading.b, &mut reading.c, &mut reading.d, &mut reading.e];
    for (bit, value) in values.into_iter().enumerate() {
        *value += columns >> bit & 1;
    }
}

/// The columns that each UPDATE sets.
fn updated(sent: &[String]) -> Vec<String> {
    let updates = sent.iter().filter(|sql| sql.contains("UPDATE \"readings\""));
    let sets = |sql: &String| {
        let set = sql.split(" SET ").nth(1).unwrap_or_default();
        let set = set.split(" FROM ").next().unwrap_or_default().split(" WHERE ").next().unwrap_or_default();
        ["a", "b", "c", "d", "e", "note"]
            .into_iter()
            .filter(|column| set.contains(&format!("\"{column}\" =")))
            .collect()
    };
    updates.map(sets).collect()
}

async fn a_batch_is_widened_over_rows_that_were_loaded_and_no_others(db: Database) {
    db.observer().create_tables(&schema![ReadingRow]).await.unwrap();
    for id in 1..=3 {
        db.execute(&format!("INSERT INTO readings VALUES ({id}, 0, 0, 0, 0, 0, 'kept', 1)")).await;
    }
    let readings = db.sessions.repository::<ReadingRow>();
    db.sent();
    let work = TransactionOptions::new();
    // Two rows in each statement; more sets of columns than have statements of their own.
    let mut sets = Vec::new();
    for columns in 1..32 {
        db.sessions
            .transaction(work, async |_| {
                let mut both = readings.get_many([1, 2]).await?;
                both.iter_mut().for_each(|reading| change(reading, columns));
                readings.save_all(&mut both)
            })
            .await
            .unwrap();
        sets.extend(updated(&db.sent()));
    }
    assert_eq!(sets.len(), 31);
    assert_eq!(sets[30], "abcde");

    db.sessions
        .transaction(work, async |_| {
            let mut both = readings.get_many([1, 2]).await?;
            change(&mut both[0], 1);
            change(&mut both[1], 2);
            readings.save_all(&mut both)?;
            // Not loaded: no more is known of it than its version.
            let mut third = Reading { id: 3, ..both[0].clone() };
            readings.attach(&third, 1)?;
            readings.save(&mut third)
        })
        .await
        .unwrap_or_else(|error: Error| panic!("{error:?}"));
    let mut last = updated(&db.sent());
    last.sort();
    assert_eq!(last.len(), 2, "{last:?}");
    assert_eq!(last[1], "abcde");
    let stored = "SELECT id, a, b, c, d, e, version FROM readings ORDER BY id";
    let stored: Vec<(i64, i64, i64, i64, i64, i64, i64)> = db.observer().sql(stored).fetch_all().await.unwrap();
    assert_eq!(stored, [(1, 17, 16, 16, 16, 16, 33), (2, 16, 17, 16, 16, 16, 33), (3, 17, 16, 16, 16, 16, 2)]);
    assert_eq!(db.numbers("SELECT count(*) FROM readings WHERE note = 'kept'").await, [3]);
}

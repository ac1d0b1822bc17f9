//! What drawing ids costs on PostgreSQL.

use spakky::Error;
use spakky::prelude::*;

use super::{Shelf, create, full, full_items, items, shelf};
use crate::support::{Database, Line, on_postgres};

on_postgres![
    a_new_aggregate_is_one_round_trip_cold_and_warm,
    each_table_is_drawn_and_written_once,
    a_transaction_of_its_own_is_one_round_trip,
];

async fn a_new_aggregate_is_one_round_trip_cold_and_warm(db: Database) {
    create(&db).await;
    let line = Line::new(&db).await;
    let shelves = line.sessions.repository::<Shelf>();
    let mut number = 0;
    let mut add = async || {
        number += 1;
        let mut new = [full(&format!("{number}-a")), full(&format!("{number}-b"))];
        line.sessions.transaction(TransactionOptions::new(), async |_| shelves.add_all(&mut new)).await
    };
    let cold = line.cost(add()).await;
    cold.value.as_ref().unwrap();
    assert_eq!(cold.round_trips, 1);
    assert_eq!(cold.words(), ["BEGIN", "SELECT", "WITH", "…", "INSERT", "…", "INSERT", "COMMIT"]);
    let warm = line.warm_cost(add).await;
    warm.value.unwrap();
    assert_eq!(warm.round_trips, 1);
    assert_eq!(line.sessions.repository::<Shelf>().query().count().await.unwrap(), number * 2);
}

async fn each_table_is_drawn_and_written_once(db: Database) {
    create(&db).await;
    let shelves = db.sessions.repository::<Shelf>();
    db.sent();
    db.sessions.transaction(TransactionOptions::new(), async |_| shelves.add(&mut full("one"))).await.unwrap();
    let sent = db.sent();
    let inserts: Vec<&String> = sent.iter().filter(|sql| sql.contains("INSERT")).collect();
    assert_eq!(
        inserts,
        [
            "INSERT INTO \"shelves\" (\"id\", \"name\", \"version\") OVERRIDING SYSTEM VALUE VALUES \
             ((current_setting($1)::bigint[])[$2], $3, 1) RETURNING pg_current_xact_id()::text",
            "INSERT INTO \"bins\" (\"id\", \"shelf_id\", \"label\") OVERRIDING SYSTEM VALUE SELECT \
             spakky_d0.ids[spakky_input.c0], spakky_d1.ids[spakky_input.c1], spakky_input.c2 FROM UNNEST($1, $2, $3) AS \
             spakky_input(c0, c1, c2) CROSS JOIN (SELECT current_setting($4)::bigint[] AS ids OFFSET 0) AS spakky_d0 CROSS \
             JOIN (SELECT current_setting($5)::bigint[] AS ids OFFSET 0) AS spakky_d1",
            "INSERT INTO \"items\" (\"id\", \"bin_id\", \"text\") OVERRIDING SYSTEM VALUE SELECT \
             spakky_d0.ids[spakky_input.c0], spakky_d1.ids[spakky_input.c1], spakky_input.c2 FROM UNNEST($1, $2, $3) AS \
             spakky_input(c0, c1, c2) CROSS JOIN (SELECT current_setting($4)::bigint[] AS ids OFFSET 0) AS spakky_d0 CROSS \
             JOIN (SELECT current_setting($5)::bigint[] AS ids OFFSET 0) AS spakky_d1",
        ]
    );
    assert_eq!(sent.iter().filter(|sql| sql.starts_with("SELECT set_config")).count(), 3);
    assert_eq!(items(&db).await, full_items(&["one"]));
}

async fn a_transaction_of_its_own_is_one_round_trip(db: Database) {
    create(&db).await;
    let line = Line::new(&db).await;
    let shelves = line.sessions.repository::<Shelf>().autocommit();
    let mut new: Vec<Shelf> = (0..3).map(|number| shelf(&number.to_string(), Vec::new())).collect();
    let cost = line.cost(shelves.add_all_now(&mut new)).await;
    cost.value.as_ref().unwrap();
    assert_eq!(cost.round_trips, 1);
    let ids: Vec<i64> = new.iter().map(|shelf| shelf.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    let mut one = full("one");
    let work = line.sessions.transaction(TransactionOptions::new(), async |_| {
        shelves.add_now(&mut one).await?;
        one.name = "changed".to_owned();
        shelves.save(&mut one)?;
        Ok::<_, Error>(())
    });
    assert_eq!(line.cost(work).await.round_trips, 2);
    assert_eq!(items(&db).await, full_items(&["changed"]));
}

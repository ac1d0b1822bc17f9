//! What pages cost: round trips, and how much of an index they read.

use spakky::prelude::*;
use spakky::{Total, TotalMode};

use super::{Purchase, ids, prepare, purchase};
use crate::support::{Database, Line, on_each_backend, on_postgres};

on_each_backend![
    the_row_comparison_of_a_cursor_bounds_the_index,
    keys_of_mixed_directions_are_bounded_by_the_first_one,
];

/// How the database would run what was sent last, with values in the place of parameters.
async fn plan(db: &Database, values: &[&str]) -> String {
    let mut sql = db.sent().pop().unwrap();
    for (number, value) in values.iter().enumerate().rev() {
        let number = number + 1;
        sql = sql.replace(&format!("${number}"), value).replace(&format!("?{number}"), value);
    }
    if db.is_sqlite() {
        type Step = (i64, i64, i64, String);
        let steps: Vec<Step> = db.observer().sql(format!("EXPLAIN QUERY PLAN {sql}")).fetch_all().await.unwrap();
        return steps.into_iter().map(|step| step.3).collect::<Vec<_>>().join("\n");
    }
    let lines: Vec<(String,)> = db.observer().sql(format!("EXPLAIN {sql}")).fetch_all().await.unwrap();
    lines.into_iter().map(|line| line.0).collect::<Vec<_>>().join("\n")
}

async fn the_row_comparison_of_a_cursor_bounds_the_index(db: Database) {
    let purchases = prepare(&db, (1..=2_000).map(purchase)).await;
    if !db.is_sqlite() {
        db.execute("ANALYZE purchases").await;
    }
    let p = Purchase::COLUMNS;
    let page =
        async |request: CursorRequest| purchases.query().order_by(p.total.desc()).cursor_page(request).await.unwrap();
    let first = page(CursorRequest::first(3)).await;
    db.sent();
    let second = page(CursorRequest::first(3).at(first.next.unwrap())).await;
    assert_eq!(ids(&second.items), [1_997, 1_996, 1_995]);
    let plan = plan(&db, &["19980", "1998"]).await;
    if db.is_sqlite() {
        // The id is the rowid here, which SQLite does not search for in an index.
        assert_eq!(plan, "SEARCH purchases USING INDEX ix_purchases_total_id (total<?)");
    } else {
        assert!(plan.contains("Index Scan Backward using ix_purchases_total_id"), "{plan}");
        assert!(plan.contains("Index Cond: (ROW(total, id) < ROW(19980, 1998))"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
}

async fn keys_of_mixed_directions_are_bounded_by_the_first_one(db: Database) {
    let purchases = prepare(&db, (1..=2_000).map(purchase)).await;
    if !db.is_sqlite() {
        db.execute("ANALYZE purchases").await;
    }
    let p = Purchase::COLUMNS;
    let query = || purchases.query().order_by(p.total.desc()).order_by(p.id.asc());
    let first = query().cursor_page(CursorRequest::first(3)).await.unwrap();
    db.sent();
    query().cursor_page(CursorRequest::first(3).at(first.next.unwrap())).await.unwrap();
    let plan = plan(&db, &["19980", "19980", "19980", "1998"]).await;
    if db.is_sqlite() {
        assert!(plan.starts_with("SEARCH purchases USING INDEX ix_purchases_total_id (total<?)"), "{plan}");
    } else {
        assert!(plan.contains("Index Cond: (total <= 19980)"), "{plan}");
    }
}

mod round_trips {
    use super::*;

    on_postgres![
        a_page_and_its_total_are_one_round_trip,
        a_page_by_cursor_is_one_round_trip_and_is_prepared_when_it_recurs,
        a_plan_that_is_kept_reads_no_more_of_the_index,
    ];

    async fn a_page_and_its_total_are_one_round_trip(db: Database) {
        prepare(&db, (1..=5).map(purchase)).await;
        let line = Line::new(&db).await;
        let purchases = line.sessions.repository::<Purchase>();
        for mode in [TotalMode::Exact, TotalMode::EstimateAbove(2), TotalMode::EstimateAbove(9)] {
            let request = PageRequest::new(1).size(2).total(mode);
            let cost = line.cost(purchases.query().page(request)).await;
            assert_ne!(cost.value.as_ref().unwrap().total, Total::Skipped);
            assert_eq!(cost.round_trips, 1);
            let scope = line.sessions.transaction(TransactionOptions::new().read_only(), async |session| {
                purchases.query().page(request).await?;
                Ok::<_, spakky::Error>(session.statistics().round_trips)
            });
            assert_eq!(scope.await.unwrap(), 1);
        }
    }

    async fn a_page_by_cursor_is_one_round_trip_and_is_prepared_when_it_recurs(db: Database) {
        prepare(&db, (1..=5).map(purchase)).await;
        let line = Line::new(&db).await;
        let purchases = line.sessions.repository::<Purchase>();
        let first = purchases.query().cursor_page(CursorRequest::first(2)).await.unwrap();
        let request = CursorRequest::first(2).at(first.next.unwrap());
        let cost = line.warm_cost(async || purchases.query().cursor_page(request.clone()).await.unwrap()).await;
        assert_eq!(ids(&cost.value.items), [3, 4]);
        assert_eq!(cost.round_trips, 1);
    }

    /// One that PostgreSQL makes once for a prepared statement, whatever the values.
    async fn a_plan_that_is_kept_reads_no_more_of_the_index(db: Database) {
        let purchases = prepare(&db, (1..=2_000).map(purchase)).await;
        db.execute("ANALYZE purchases").await;
        let query = || purchases.query().order_by(Purchase::COLUMNS.total.desc());
        let first = query().cursor_page(CursorRequest::first(50)).await.unwrap();
        db.sent();
        query().cursor_page(CursorRequest::first(50).at(first.next.unwrap())).await.unwrap();
        let sql = db.sent().pop().unwrap();
        assert!(sql.ends_with(" LIMIT 51"), "{sql}");
        let explained = db.observer().transaction(TransactionOptions::new(), async |session| {
            session.sql(format!("PREPARE page (bigint, bigint) AS {sql}")).execute().await?;
            session.sql("SET LOCAL plan_cache_mode = force_generic_plan").execute().await?;
            session.sql("EXPLAIN EXECUTE page (500, 50)").fetch_all::<(String,)>().await
        });
        let plan: Vec<String> = explained.await.unwrap().into_iter().map(|line| line.0).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("Index Scan Backward using ix_purchases_total_id"), "{plan}");
        assert!(plan.contains("Index Cond: (ROW(total, id) < ROW($1, $2))"), "{plan}");
    }
}

//! Requests from outside: what each operator finds.

use spakky::prelude::*;
use spakky::{Filter, FilterOperator};

use super::{Purchase, ids, prepare, purchase, query};
use crate::support::{Database, on_each_backend};

on_each_backend![
    every_operator_finds_what_it_says,
    null_is_asked_for_and_never_dropped,
    values_are_of_the_columns_type_in_either_form,
    like_wildcards_in_values_are_escaped,
    text_is_found_by_its_case_unless_the_endpoint_says_otherwise,
    a_request_narrows_what_the_program_asks_for,
    a_request_reads_the_same_from_json_and_from_a_query_string,
    logic_nests,
];

async fn found(purchases: &Repository<Purchase>, query: &Query) -> Vec<i64> {
    ids(&purchases.search(query).unwrap().order_by(Purchase::COLUMNS.id.asc()).all().await.unwrap())
}

async fn every_operator_finds_what_it_says(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let cases = [
        ("total=30", vec![3]),
        ("total[eq]=30", vec![3]),
        ("total[neq]=30", vec![1, 2, 4, 5, 6]),
        ("status[in]=paid,cancelled", vec![1, 2, 4, 5]),
        ("status[in]=", vec![]),
        ("status[not_in]=paid,cancelled", vec![3, 6]),
        ("status[not_in]=", vec![1, 2, 3, 4, 5, 6]),
        ("total[gt]=40", vec![5, 6]),
        ("total[gte]=40", vec![4, 5, 6]),
        ("total[lt]=20", vec![1]),
        ("total[lte]=20", vec![1, 2]),
        ("total[between]=20,40", vec![2, 3, 4]),
        ("note[contains]=ote 4", vec![4]),
        ("note[starts_with]=note", vec![2, 4, 6]),
        ("note[ends_with]=6", vec![6]),
        ("note[is_null]=true", vec![1, 3, 5]),
        ("note[is_not_null]=", vec![2, 4, 6]),
        ("total[gt]=10&total[lt]=60&gift=false", vec![3, 5]),
        ("", vec![1, 2, 3, 4, 5, 6]),
    ];
    for (text, expected) in cases {
        assert_eq!(found(&purchases, &query(text)).await, expected, "{text}");
    }
}

async fn null_is_asked_for_and_never_dropped(db: Database) {
    let purchases = prepare(&db, (1..=4).map(purchase)).await;
    let ask = |operator, value: serde_json::Value| Query::new().filter(Filter::new("note", operator, value));
    let null = serde_json::Value::Null;
    assert_eq!(found(&purchases, &ask(FilterOperator::Eq, null.clone())).await, [1, 3]);
    assert_eq!(found(&purchases, &ask(FilterOperator::Neq, null.clone())).await, [2, 4]);
    assert_eq!(found(&purchases, &ask(FilterOperator::In, serde_json::json!(["note 2", null]))).await, [1, 2, 3]);
    let error = purchases.search(&ask(FilterOperator::Gt, null)).unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(
        error.to_string(),
        "query `purchases`: filter by `note`: no value is before or after `null`, as `gt` asks; use `is_null`"
    );
}

async fn values_are_of_the_columns_type_in_either_form(db: Database) {
    let purchases = prepare(&db, (1..=4).map(purchase)).await;
    for value in [serde_json::json!(30), serde_json::json!("30")] {
        assert_eq!(found(&purchases, &Query::new().filter(Filter::eq("total", value))).await, [3]);
    }
    for value in [serde_json::json!(0.5), serde_json::json!("0.5")] {
        assert_eq!(found(&purchases, &Query::new().filter(Filter::eq("weight", value))).await, [2]);
    }
    for value in [serde_json::json!(true), serde_json::json!("true")] {
        assert_eq!(found(&purchases, &Query::new().filter(Filter::eq("gift", value))).await, [2, 4]);
    }
    let at = purchase(3).placed_at.with_timezone(&chrono::FixedOffset::east_opt(7_200).unwrap()).to_rfc3339();
    assert!(at.ends_with("+02:00"));
    assert_eq!(found(&purchases, &Query::new().filter(Filter::eq("placed_at", at.as_str()))).await, [3]);
    let link = Query::new().filter(Filter::eq("placed_at", at.as_str())).to_query_string();
    assert_eq!(found(&purchases, &query(&link)).await, [3]);
}

async fn like_wildcards_in_values_are_escaped(db: Database) {
    let notes = ["50% off", "50 off", "a_b", "aXb", r"a\b", "a*b", "a[b]"];
    let noted = |(id, note): (i64, &str)| Purchase { note: Some(note.to_owned()), ..purchase(id) };
    let purchases = prepare(&db, (1..).zip(notes).map(noted)).await;
    for (operator, text, expected) in [
        (FilterOperator::Contains, "%", vec![1]),
        (FilterOperator::Contains, "_", vec![3]),
        (FilterOperator::Contains, r"\", vec![5]),
        (FilterOperator::Contains, "*", vec![6]),
        (FilterOperator::Contains, "[", vec![7]),
        (FilterOperator::StartsWith, "50%", vec![1]),
        (FilterOperator::StartsWith, "a_", vec![3]),
        (FilterOperator::EndsWith, "_b", vec![3]),
        (FilterOperator::EndsWith, "b", vec![3, 4, 5, 6]),
    ] {
        let query = Query::new().filter(Filter::new("note", operator, text));
        assert_eq!(found(&purchases, &query).await, expected, "{operator:?} {text}");
    }
}

async fn text_is_found_by_its_case_unless_the_endpoint_says_otherwise(db: Database) {
    let noted = |(id, note): (i64, &str)| Purchase { note: Some(note.to_owned()), ..purchase(id) };
    let purchases = prepare(&db, [(1, "Tea"), (2, "tea"), (3, "50% TEA")].map(noted)).await;
    let asked = query("note[contains]=tea");
    assert_eq!(found(&purchases, &asked).await, [2]);
    let rules = QueryRules::new().ignore_case();
    let all = async |text: &str| {
        let found = purchases.search_within(&query(text), &rules).unwrap().order_by(Purchase::COLUMNS.id.asc());
        ids(&found.all().await.unwrap())
    };
    assert_eq!(all("note[contains]=tea").await, [1, 2, 3]);
    assert_eq!(all("note[contains]=%25 t").await, [3]);
    assert_eq!(all("note[starts_with]=TE").await, [1, 2]);
    // Equality always minds it.
    assert_eq!(all("note=tea").await, [2]);
}

async fn a_request_narrows_what_the_program_asks_for(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let p = Purchase::COLUMNS;
    let mine = purchases.search(&query("total[gt]=20&sort=-total")).unwrap().filter(p.buyer_id.eq(1));
    assert_eq!(ids(&mine.all().await.unwrap()), [4]);
    let either = r#"{"filter": {"or": [{"field": "total", "value": 10}, {"field": "total", "value": 20}]}}"#;
    let mine =
        purchases.filter(p.buyer_id.eq(1)).apply(&Query::from_json(either).unwrap(), &QueryRules::new()).unwrap();
    assert_eq!(ids(&mine.all().await.unwrap()), [1]);
    assert_eq!(purchases.search(&query("gift=true")).unwrap().count().await.unwrap(), 3);
}

async fn a_request_reads_the_same_from_json_and_from_a_query_string(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let json = r#"{"filter": {"and": [{"field": "status", "op": "eq", "value": "paid"},
                                      {"field": "total", "op": "gte", "value": "20"}]},
                   "sort": ["-placed_at", "id"], "page": {"number": 1, "size": 50}}"#;
    let from_json = Query::from_json(json).unwrap();
    let from_text = query("status=paid&total[gte]=20&sort=-placed_at,id&page=1&page_size=50");
    assert_eq!(from_json, from_text);
    assert_eq!(found(&purchases, &from_json).await, [4]);
}

async fn logic_nests(db: Database) {
    let purchases = prepare(&db, (1..=6).map(purchase)).await;
    let by = |field: &str, value: i64| Filter::eq(field, value);
    let filter = (!(by("id", 1).or(by("id", 2)))).and(Filter::eq("gift", false).or(by("total", 60)));
    assert_eq!(found(&purchases, &Query::new().filter(filter.clone())).await, [3, 5, 6]);
    let negated = Query::new().filter(!filter);
    assert_eq!(found(&purchases, &negated).await, [1, 2, 4]);
    // In a query string, too.
    assert_eq!(found(&purchases, &query(&negated.to_query_string())).await, [1, 2, 4]);
    assert_eq!(found(&purchases, &Query::new().filter(Filter::Or(vec![]))).await, [0; 0]);
    assert_eq!(found(&purchases, &Query::new().filter(Filter::And(vec![]))).await, [1, 2, 3, 4, 5, 6]);
}

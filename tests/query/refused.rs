//! Requests from outside that are refused, each with what is allowed or expected.

use spakky::prelude::*;
use spakky::{Filter, FilterOperator, Sort};

use super::{Purchase, prepare, purchase, query};
use crate::support::{Database, on_each_backend};

on_each_backend![
    sort_fields_are_allow_listed,
    filter_fields_are_allow_listed,
    an_endpoint_narrows_what_the_table_allows,
    a_value_of_another_type_is_refused_before_it_is_sent,
    an_operator_that_does_not_fit_is_refused,
    what_is_too_large_is_refused,
    a_table_that_allows_nothing_takes_no_filter,
];

fn refusal(purchases: &Repository<Purchase>, query: &Query) -> String {
    let error = purchases.search(query).unwrap_err();
    assert!(error.is_invalid_query());
    assert_eq!(error.table().unwrap_or("purchases"), "purchases");
    error.to_string()
}

async fn sort_fields_are_allow_listed(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let allowed = "allowed: `id`, `status`, `total`, `note`, `rank`, `placed_at`";
    // Fields of the row, columns of it, names of Rust, another row's.
    for field in ["secret", "buyer_id", "COLUMNS", "buyer.name", "id\"; DROP TABLE purchases; --", "1", "ID "] {
        let message = refusal(&purchases, &Query::new().sort(Sort::desc(field)));
        assert!(message.starts_with(&format!("query `purchases`: requests may not sort by `{field}`")), "{message}");
        assert!(message.ends_with(allowed), "{message}");
    }
    let message = refusal(&purchases, &query("sort=totla"));
    assert_eq!(
        message,
        format!("query `purchases`: requests may not sort by `totla` (did you mean `total`?); {allowed}")
    );
}

async fn filter_fields_are_allow_listed(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    for field in ["secret", "metadata", "buyer.id", "buyer.invited_by_id", "buyer.invited_by.name", "rank", "name"] {
        let message = refusal(&purchases, &query(&format!("{field}=x")));
        assert_eq!(
            message.replace(" (did you mean `note`?)", "").replace(" (did you mean `buyer_id`?)", ""),
            format!(
                "query `purchases`: requests may not filter by `{field}`; allowed: `id`, `status`, `total`, `note`, \
                 `weight`, `gift`, `placed_at`, `buyer_id`, `buyer.name`"
            )
        );
    }
    // Wherever it stands.
    let hidden = Filter::eq("id", 1).or(!Filter::eq("id", 2).and(Filter::eq("secret", "x")));
    assert!(refusal(&purchases, &Query::new().filter(hidden)).contains("may not filter by `secret`"));
}

async fn an_endpoint_narrows_what_the_table_allows(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let rules = QueryRules::new().filterable(["status", "total"]).sortable(["total"]);
    assert!(purchases.search_within(&query("status=paid&sort=-total"), &rules).is_ok());
    let refusal = |text: &str, rules: &QueryRules| {
        let error = purchases.search_within(&query(text), rules).unwrap_err();
        assert!(error.is_invalid_query());
        error.to_string()
    };
    assert_eq!(
        refusal("note=x", &rules),
        "query `purchases`: requests may not filter by `note`; allowed: `status`, `total`"
    );
    assert_eq!(refusal("sort=id", &rules), "query `purchases`: requests may not sort by `id`; allowed: `total`");
    let nothing = QueryRules::new().filterable([""; 0]);
    assert_eq!(
        refusal("note=x", &nothing),
        "query `purchases`: requests may not filter by `note`; no field is allowed"
    );
    // Rules never give more than the table.
    let more = QueryRules::new().sortable(["secret"]);
    assert_eq!(
        refusal("sort=id", &more),
        "query `purchases`: the rules take `secret`, which `sortable(..)` of the table does not have; allowed: `id`, \
         `status`, `total`, `note`, `rank`, `placed_at`"
    );
}

async fn a_value_of_another_type_is_refused_before_it_is_sent(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    db.sent();
    let cases = [
        ("total=many", "filter by `total`: expected a whole number, found `many`"),
        ("total=1.5", "filter by `total`: expected a whole number, found `1.5`"),
        ("total=9223372036854775808", "filter by `total`: expected a whole number, found `9223372036854775808`"),
        ("total=", "filter by `total`: expected a whole number, found ``"),
        ("total[in]=1,,2", "filter by `total`: expected a whole number, found ``"),
        ("weight=NaN", "filter by `weight`: expected a number, found `NaN`"),
        ("gift=1", "filter by `gift`: expected `true` or `false`, found `1`"),
        ("status=shipped", "filter by `status`: `shipped` is not a value of `Status`"),
        ("note=a%00b", "filter by `note`: text with a NUL character cannot be stored; remove it or store bytes"),
        (
            "placed_at=2026-03-01",
            "filter by `placed_at`: expected a time with its offset, such as `2026-03-01T12:00:00Z`, found `2026-03-01`",
        ),
        ("filter={\"field\":\"total\",\"value\":true}", "filter by `total`: expected a whole number, found a bool"),
        ("filter={\"field\":\"note\",\"value\":5}", "filter by `note`: expected text, found a number"),
        ("filter={\"field\":\"note\",\"value\":[5]}", "filter by `note`: expected text, found a list"),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&purchases, &query(text)), format!("query `purchases`: {expected}"), "{text}");
    }
    assert_eq!(db.sent(), [""; 0]);
}

async fn an_operator_that_does_not_fit_is_refused(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let ask = |field: &str, operator, value: serde_json::Value| {
        refusal(&purchases, &Query::new().filter(Filter::new(field, operator, value)))
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(
        ask("total", FilterOperator::Contains, json("\"1\"")),
        "query `purchases`: filter by `total`: `contains` needs a field that holds text"
    );
    assert_eq!(
        ask("note", FilterOperator::Contains, json("null")),
        "query `purchases`: filter by `note`: `contains` takes text"
    );
    assert_eq!(
        ask("note", FilterOperator::In, json("\"a\"")),
        "query `purchases`: filter by `note`: `in` takes a list"
    );
    assert_eq!(
        ask("total", FilterOperator::Between, json("[1]")),
        "query `purchases`: filter by `total`: `between` takes two values, found 1"
    );
    assert_eq!(
        ask("note", FilterOperator::IsNull, json("false")),
        "query `purchases`: filter by `note`: `is_null` takes no value but `true`"
    );
}

async fn what_is_too_large_is_refused(db: Database) {
    let purchases = prepare(&db, [purchase(1)]).await;
    let refused = |query: Query| refusal(&purchases, &query);
    let many = (0..51).fold(Query::new(), |query, n| query.filter(Filter::eq("total", n)));
    assert_eq!(refused(many), "read the query: 51 conditions, of which 50 are allowed");
    let deep = (0..9).fold(Filter::eq("total", 1), |filter, _| !filter);
    assert_eq!(refused(Query::new().filter(deep)), "read the query: and, or, not nest more than 8 levels deep");
    let list: Vec<i64> = (0..201).collect();
    assert_eq!(
        refused(Query::new().filter(Filter::new("total", FilterOperator::In, list))),
        "read the query: filter by `total`: 201 values in a list, of which 200 are allowed"
    );
    assert_eq!(
        refused(Query::new().filter(Filter::eq("note", "x".repeat(1_001)))),
        "read the query: filter by `note`: a text of 1001 bytes, of which 1000 are allowed"
    );
    let keys = (0..9).fold(Query::new(), |query, _| query.sort(Sort::asc("id")));
    assert_eq!(refused(keys), "read the query: 9 sort keys, of which 8 are allowed");
    assert_eq!(
        refused(Query::new().page_size(201)),
        "read the query: the page size must be between 1 and 200, found 201"
    );

    let rules = QueryRules::new().limits(|limits| {
        limits.conditions = 1;
        limits.page_size = 10;
    });
    let within = |text: &str| purchases.search_within(&query(text), &rules).map(|_| ());
    assert!(within("total=1&page_size=10").is_ok());
    assert_eq!(
        within("page_size=11").unwrap_err().to_string(),
        "read the query: the page size must be between 1 and 10, found 11"
    );
    assert_eq!(
        within("total=1&gift=true").unwrap_err().to_string(),
        "read the query: 2 conditions, of which 1 are allowed"
    );
}

async fn a_table_that_allows_nothing_takes_no_filter(db: Database) {
    let accounts = db.sessions.repository::<crate::support::AccountRow>();
    for text in ["owner=ann", "sort=owner"] {
        let message = accounts.search(&query(text)).unwrap_err().to_string();
        assert!(message.ends_with("; no field is allowed"), "{message}");
    }
    assert!(accounts.search(&Query::new()).is_ok());
}

//! Requests in their two forms.

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::{Error as PlainError, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, IntoDeserializer};
use serde_json::{Value as Json, json};

use super::*;

/// Names that tables have, and some that mean something else in a query string.
fn field() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,6}(\\.[a-z]{1,6})?", "(page|page_size|sort|filter|cursor)", "[a-z]{1,3}\\[[a-z]{0,2}\\]?"]
}

fn value() -> impl Strategy<Value = Json> {
    let text = prop_oneof![any::<String>(), "[a-z,&=+% \\[\\]]{0,8}"];
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9..1e9_f64).prop_map(Json::from),
        text.prop_map(|text| Json::from(text.chars().take(100).collect::<String>())),
    ];
    prop_oneof![3 => scalar.clone(), 1 => proptest::collection::vec(scalar, 0..4).prop_map(Json::from)]
}

fn filter() -> impl Strategy<Value = Filter> {
    let operator = proptest::sample::select(FilterOperator::NAMES);
    let leaf = (field(), operator, value()).prop_map(|(field, operator, value)| {
        let operator = FilterOperator::from_name(operator).unwrap();
        Filter::new(field, operator, if operator.takes_nothing() { json!(true) } else { value })
    });
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|inner| !inner),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let key = ("[a-z_]{1,6}", any::<bool>(), proptest::option::of(any::<bool>()));
    let key = key.prop_map(|(field, descending, nulls_first)| Sort { field, descending, nulls_first });
    let page = (
        proptest::option::of(1..crate::page::MOST_ROWS),
        proptest::option::of(1..=200_u64),
        proptest::option::of("[A-Za-z0-9_-]{0,40}"),
    );
    let page = page.prop_map(|(number, size, cursor)| Paging { number, size, cursor });
    (proptest::option::of(filter()), proptest::collection::vec(key, 0..4), page)
        .prop_map(|(filter, sort, page)| Query { filter, sort, page })
}

proptest! {
    #[test]
    fn a_request_written_and_read_again_is_the_same(query in query()) {
        prop_assert_eq!(&Query::from_json(&query.to_json()).unwrap(), &query);
        prop_assert_eq!(&Query::from_query_string(&query.to_query_string()).unwrap(), &query);
        prop_assert_eq!(&serde_json::from_value::<Query>(serde_json::to_value(&query).unwrap()).unwrap(), &query);
    }

    #[test]
    fn whatever_is_read_makes_no_panic(text in any::<String>(), json in value()) {
        for result in [Query::from_query_string(&text), Query::from_json(&text), Query::from_json(&json.to_string())] {
            if let Err(error) = result {
                prop_assert!(error.is_invalid_query());
                prop_assert!(error.to_string().starts_with(PREFIX));
            }
        }
    }
}

#[test]
fn simple_requests_have_simple_query_strings() {
    for text in [
        "status=paid&total%5Bgte%5D=100&sort=-created_at%2Cstatus&page=2&page_size=50",
        "note%5Bis_null%5D=true",
        "status%5Bin%5D=paid%2Cdraft",
        "filter%5Bpage%5D=1&filter%5Bsort%5D%5Bgt%5D=2",
        "sort=note%3Anulls_first&cursor=abc",
    ] {
        assert_eq!(Query::from_query_string(text).unwrap().to_query_string(), text);
    }
    assert_eq!(Query::new().to_query_string(), "");
    assert_eq!(Query::new().to_json(), "{}");
}

/// What the extractor of a web framework gives for a query string: a map of texts.
#[test]
fn a_query_string_deserializes_as_a_map_of_texts() {
    let pairs = [("status", "paid"), ("total[gte]", "100"), ("sort", "-created_at"), ("page", "2"), ("page_size", "5")];
    let map: MapDeserializer<'_, _, PlainError> = MapDeserializer::new(pairs.into_iter());
    let query = Query::deserialize(map).unwrap();
    assert_eq!(
        query,
        Query::from_query_string("status=paid&total[gte]=100&sort=-created_at&page=2&page_size=5").unwrap()
    );
    let map: MapDeserializer<'_, _, PlainError> = MapDeserializer::new([("page", "two")].into_iter());
    let error = Query::deserialize(map.into_deserializer()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read the query: `page` must be a whole number between 1 and 9223372036854775806, found `two`"
    );
}

#[test]
fn what_is_not_understood_is_named() {
    let operators = FilterOperator::NAMES.join(", ");
    let range = "between 1 and 9223372036854775806";
    let cases = [
        (
            "total[gtee]=1",
            format!("filter by `total`: there is no operator `gtee` (did you mean `gte`?); there are {operators}"),
        ),
        ("total[gt=1", "`total[gt` is not understood; write `field=value` or `field[op]=value`".to_owned()),
        ("[gt]=1", "`[gt]` is not understood; write `field=value` or `field[op]=value`".to_owned()),
        ("a=1&a=2", "`a` is given twice; for one of several values use `in`".to_owned()),
        ("page=x", format!("`page` must be a whole number {range}, found `x`")),
        ("page=0", "pages are counted from 1, found 0".to_owned()),
        ("page_size=0", "the page size must be between 1 and 9223372036854775806, found 0".to_owned()),
        ("page_size=-1", format!("`page_size` must be a whole number {range}, found `-1`")),
        (
            "page_size=99999999999999999999",
            format!("`page_size` must be a whole number {range}, found `99999999999999999999`"),
        ),
        ("sort=a,,b", "a sort key is empty; write the name of a field, with `-` before it for descending".to_owned()),
        ("sort=a:first", "`first` is no place for rows without a value; use `nulls_first` or `nulls_last`".to_owned()),
        ("filter=x", "`filter` is not JSON; write `field=value`, `field[op]=value` or JSON".to_owned()),
        ("note[is_null]=no", "filter by `note`: `is_null` takes no value but `true`".to_owned()),
    ];
    for (text, expected) in cases {
        let error = Query::from_query_string(text).unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), format!("read the query: {expected}"), "{text}");
    }
}

#[test]
fn json_that_is_not_understood_is_named() {
    let forms = "`{\"field\", \"op\", \"value\"}`, `{\"and\": […]}`, `{\"or\": […]}` or `{\"not\": {…}}`";
    let cases = [
        (
            "{\"filtre\": {}}",
            "unknown key `filtre`; there are `filter`, `sort` and `page`; did you mean `filter`?".to_owned(),
        ),
        ("{\"page\": {\"no\": 1}}", "unknown key `page.no`; there are `number`, `size` and `cursor`".to_owned()),
        (
            "{\"page\": {\"number\": 1.5}}",
            "`page.number` must be a whole number between 1 and 9223372036854775806, found `1.5`".to_owned(),
        ),
        ("{\"page\": {\"cursor\": 1}}", "`page.cursor` must be text, found a number".to_owned()),
        ("{\"page\": 1, \"page\": 2}", "`page` is given twice; for one of several values use `in`".to_owned()),
        ("{\"sort\": [1]}", "`sort` takes texts such as `-created_at`, found a number".to_owned()),
        ("{\"sort\": {}}", "`sort` takes a list such as `[\"-created_at\"]`, found an object".to_owned()),
        ("{\"filter\": []}", format!("a filter is {forms}, found a list")),
        ("{\"filter\": {}}", format!("a filter is {forms}; this one has another number of keys")),
        ("{\"filter\": {\"xor\": []}}", format!("unknown key `xor` in a filter, which is {forms}")),
        ("{\"filter\": {\"and\": {}}}", "`and` takes a list of filters, found an object".to_owned()),
        (
            "{\"filter\": {\"field\": \"a\", \"value\": 1, \"values\": 2}}",
            "unknown key `values`; there are `field`, `op` and `value`".to_owned(),
        ),
        ("{\"filter\": {\"field\": 1}}", "`field` must be text, found a number".to_owned()),
        (
            "{\"filter\": {\"field\": \"a\", \"op\": \"eq\"}}",
            "filter by `a`: `eq` needs a `value`; for no value use `is_null`".to_owned(),
        ),
        ("{\"filter\": ", "not valid JSON at line 1, column 11".to_owned()),
        ("[]", "invalid type: sequence, expected a query: a map of `filter`, `sort` and `page`".to_owned()),
    ];
    for (text, expected) in cases {
        let error = Query::from_json(text).unwrap_err();
        assert!(error.is_invalid_query());
        assert_eq!(error.to_string(), format!("read the query: {expected}"), "{text}");
    }
}

#[test]
fn a_request_is_read_within_bounds() {
    let refused = |result: Result<Query, Error>| result.unwrap_err().to_string();
    assert_eq!(
        refused(Query::from_query_string(&"a".repeat(16_385))),
        "read the query: 16385 bytes, of which 16384 are allowed"
    );
    assert_eq!(
        refused(Query::from_json(&" ".repeat(1_048_577))),
        "read the query: 1048577 bytes, of which 1048576 are allowed"
    );
    for depth in [17, 40, 100, 10_000] {
        let text = format!(
            "{{\"filter\": {}{}{}}}",
            "{\"not\": ".repeat(depth),
            "{\"field\": \"a\", \"value\": 1}",
            "}".repeat(depth)
        );
        let message = refused(Query::from_json(&text));
        assert!(message.contains("16 levels deep") || message.contains("127 levels deep"), "{message}");
    }
    assert_eq!(
        refused(Query::from_json(&format!("{{\"filter\": {}", "[".repeat(200)))),
        "read the query: nested more than 127 levels deep at line 1, column 138"
    );
    let many: Vec<_> = (0..1_001).map(|n| json!({"field": "a", "value": n})).collect();
    assert_eq!(
        refused(Query::from_json(&json!({"filter": {"or": many}}).to_string())),
        "read the query: more than 1000 conditions"
    );
}

/// A map of one entry, as serde hands it to whoever reads it.
fn entry<V>(key: &'static str, value: V) -> MapDeserializer<'static, std::iter::Once<(&'static str, V)>, PlainError>
where
    V: IntoDeserializer<'static, PlainError>,
{
    MapDeserializer::new(std::iter::once((key, value)))
}

/// Nobody reads an endless request to its end, whatever deserializer it comes through.
#[test]
fn a_request_without_an_end_is_refused_while_it_is_read() {
    let refusal = |result: Result<Query, PlainError>| result.unwrap_err().to_string();
    let keys = (0_u64..).map(|n| (format!("field_{n}"), ""));
    let keys: MapDeserializer<'_, _, PlainError> = MapDeserializer::new(keys);
    assert_eq!(refusal(Query::deserialize(keys)), "read the query: more than 1000 conditions");

    let list = SeqDeserializer::new(0_u64..);
    assert_eq!(refusal(Query::deserialize(entry("sort", list))), "read the query: more than 10000 values in a list");

    let lists = std::iter::repeat_with(|| SeqDeserializer::new(0_u64..9_000));
    let lists = entry("filter", entry("value", SeqDeserializer::new(lists)));
    assert_eq!(refusal(Query::deserialize(lists)), "read the query: more than 1048576 bytes");

    let empty = || entry("and", SeqDeserializer::new(std::iter::empty::<u64>()));
    let empties = entry("filter", entry("or", SeqDeserializer::new(std::iter::repeat_with(empty))));
    assert_eq!(refusal(Query::deserialize(empties)), "read the query: more than 1000 conditions");

    let texts = std::iter::repeat_with(|| "a".repeat(16_000));
    let texts = entry("filter", entry("value", SeqDeserializer::new(texts)));
    assert_eq!(refusal(Query::deserialize(texts)), "read the query: more than 1048576 bytes");

    let fields = (0_u64..).map(|n| (format!("field_{n}"), n));
    let fields = entry("page", MapDeserializer::new(fields));
    assert_eq!(refusal(Query::deserialize(fields)), "read the query: more than 1048576 bytes");
}

/// As the extractors of web frameworks read a body of their own limit, which may be far above ours.
#[test]
fn what_is_too_long_is_refused_where_it_stands() {
    let refusal = |text: String| serde_json::from_str::<Query>(&text).unwrap_err().to_string();
    let word = "e".repeat(100_000);
    for (text, expected) in [
        (format!(r#"{{"{word}": 1}}"#), "read the query: a key of 100000 bytes, of which 240 are allowed"),
        (format!(r#"{{"sort": "{word}"}}"#), "read the query: a text of 100000 bytes, of which 16384 are allowed"),
        (
            format!(r#"{{"filter": {{"field": "a", "op": "{word}", "value": 1}}}}"#),
            "read the query: a text of 100000 bytes, of which 16384 are allowed",
        ),
        (
            format!(r#"{{"filter": {{"field": "a", "op": "{}"}}}}"#, &word[..2_000]),
            "read the query: filter by `a`: there is no operator `eeee",
        ),
    ] {
        let message = refusal(text);
        assert!(message.starts_with(expected), "{message}");
        assert!(message.len() < 400 && !message.contains("did you mean"), "{message}");
    }
}

/// What a client writes can neither begin a line of a log nor command a terminal.
#[test]
fn what_is_quoted_is_one_line_of_what_can_be_seen() {
    for text in [
        "a%0aERROR%20forged%20line=1&a%0aERROR%20forged%20line=1",
        "sort=a:%0aERROR%20forged",
        "status[%1b[31m]=1",
        "page=1%0d%0aSet-Cookie:y",
        "filter%5b%e2%80%ae=1",
        "filter=%7b%22x%5cn%22:%7b%7d%7d",
        "%0d%0a[gt=1",
    ] {
        for message in [
            Query::from_query_string(text).unwrap_err().to_string(),
            Query::from_query_string(text).unwrap_err().message().to_owned(),
        ] {
            assert!(
                message.len() > PREFIX.len() && !message.contains(|c: char| c.is_control() || c == '\u{202e}'),
                "{message:?}"
            );
        }
    }
}

#[test]
fn a_number_with_all_its_digits_is_read_as_one() {
    let digits = entry("$serde_json::private::Number", "12.50");
    let filter = MapDeserializer::<_, PlainError>::new([("field", "total"), ("op", "gt")].into_iter());
    assert!(Filter::deserialize(filter).unwrap_err().to_string().contains("needs a `value`"));
    assert_eq!(bounded::Bounded { budget: &Default::default() }.deserialize(digits).unwrap(), json!(12.5));
}

//! The HTTP example, spoken to over TCP.

#[path = "../../examples/http/api.rs"]
mod api;
mod client;

use serde_json::json;
use spakky::prelude::*;

use crate::observability::capture::Capture;
use client::{Answer, Client};

const BOLTS: &str = r#"{"number": "A-1", "lines": [{"sku": "bolt", "quantity": 5}]}"#;

fn order(number: usize) -> String {
    json!({ "number": format!("A-{number:02}"), "lines": [{ "sku": format!("sku-{}", number % 2), "quantity": 1 }] })
        .to_string()
}

fn tuple(status: u16, error: &str, constraint: Option<&str>) -> (u16, String, Option<String>) {
    (status, error.to_owned(), constraint.map(str::to_owned))
}

/// Adds an order; where it is.
async fn added(client: Client, body: &str) -> String {
    let answer = client.post("/orders", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("location").to_owned()
}

#[spakky::test]
async fn an_order_is_read_with_its_version_as_the_etag(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    let read = client.get(&place).await;
    assert_eq!((read.status, read.header("etag")), (200, "\"1\""));
    let id = place.strip_prefix("/orders/").unwrap();
    assert_eq!(read.json(), json!({ "id": id, "number": "A-1", "lines": [{ "sku": "bolt", "quantity": 5 }] }));
    let by: Vec<(String,)> = sessions.sql("SELECT updated_by FROM orders").fetch_all().await.unwrap();
    assert_eq!(by, [("ann".to_owned(),)]);
}

#[spakky::test]
async fn an_order_that_the_client_has_is_304(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    for known in ["\"1\"", "W/\"1\"", "\"of another service\", \"1\"", "*"] {
        let answer = client.get_unless(&place, known).await;
        assert_eq!((answer.status, answer.header("etag"), answer.text()), (304, "\"1\"", ""), "{known}");
    }
    for other in ["\"2\"", "1", "\"11\""] {
        let answer = client.get_unless(&place, other).await;
        assert_eq!((answer.status, answer.json()["number"].as_str()), (200, Some("A-1")), "{other}");
    }
    assert_eq!(client.put(&place, "\"1\"", &order(2)).await.status, 204);
    let changed = client.get_unless(&place, "\"1\"").await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    // What another tenant has is not there, whatever the client says it knows.
    assert_eq!(client.tenant("globex").get_unless(&place, "*").await.status, 404);
}

#[spakky::test]
async fn an_order_is_replaced_under_the_etag_it_was_read_with(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    let nuts = r#"{"number": "A-2", "lines": [{"sku": "screw", "quantity": 1}, {"sku": "nut", "quantity": 7}]}"#;
    let replaced = client.put(&place, "\"1\"", nuts).await;
    assert_eq!((replaced.status, replaced.header("etag"), replaced.text()), (204, "\"2\"", ""));
    let read = client.get(&place).await;
    assert_eq!(read.header("etag"), "\"2\"");
    assert_eq!(read.json()["number"], "A-2");
    assert_eq!(read.json()["lines"], json!([{ "sku": "nut", "quantity": 7 }, { "sku": "screw", "quantity": 1 }]));
}

#[spakky::test]
async fn a_stale_etag_is_412_and_a_missing_one_428(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    assert_eq!(client.put(&place, "\"1\"", BOLTS).await.status, 204);
    let more = r#"{"number": "A-1", "lines": [{"sku": "bolt", "quantity": 6}]}"#;
    for stale in ["\"1\"", "\"7\"", "\"of another service\""] {
        let answer = client.put(&place, stale, more).await;
        let (status, error, _) = answer.problem();
        assert_eq!(status, 412, "{error}");
        let (id, version) = (place.trim_start_matches("/orders/"), stale.trim_matches('"').parse::<i64>().unwrap_or(0));
        assert_eq!(
            error,
            format!("failed to save to `orders` with id {id}: its version is no longer {version}, or it is gone")
        );
    }
    let answer = client.put(&place, "", more).await;
    assert_eq!(answer.problem(), tuple(428, "send the order's ETag as `If-Match`", None));
    assert_eq!(client.get(&place).await.json()["lines"][0]["quantity"], 5);
}

/// RFC 9110, 13.1.1.
#[spakky::test]
async fn any_etag_and_those_of_a_list_are_enough(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    for (tags, then) in
        [("*", "\"2\""), ("\"1\", \"2\"", "\"3\""), ("\"of another service\" ,\"3\"", "\"4\""), (" * ", "\"5\"")]
    {
        let answer = client.put(&place, tags, &order(2)).await;
        assert_eq!((answer.status, answer.text()), (204, ""), "{tags}");
        assert_eq!(client.get(&place).await.header("etag"), then);
    }
    for tags in ["W/\"5\"", "\"1\", \"4\"", "\"-1\"", "\"a\", W/\"5\"", "\"5", "**"] {
        assert_eq!(client.put(&place, tags, BOLTS).await.status, 412, "{tags}");
    }
    let nowhere = format!("/orders/{}", uuid::Uuid::nil());
    assert_eq!(client.put(&nowhere, "*", BOLTS).await.status, 412);
    assert_eq!(client.tenant("globex").put(&place, "*", BOLTS).await.status, 412);
    assert_eq!(client.get(&place).await.header("etag"), "\"5\"");
}

#[test]
fn a_header_is_matched_as_rfc_9110_says() {
    use spakky::http::ETag;

    for (header, matches, is_in) in [
        ("*", true, true),
        ("\"7\"", true, true),
        ("\"6\", \"7\",\"9\"", true, true),
        ("W/\"7\"", false, true),
        ("\"6\", W/\"7\"", false, true),
        ("W/W/\"7\"", false, false),
        ("\"6\"", false, false),
        ("7", false, false),
        ("\"07\"", false, false),
        ("", false, false),
    ] {
        assert_eq!((ETag::new(7).matches(header), ETag::new(7).is_in(header)), (matches, is_in), "{header}");
    }
    for (header, version) in
        [("\"1\", \"2\"", 2), ("\"2\",\"1\"", 2), ("W/\"3\", \"1\"", 1), ("\"x\"", 0), ("", 0), ("\"-1\"", 0)]
    {
        assert_eq!(ETag::of_if_match(header).version(), version, "{header}");
    }
    assert_eq!(ETag::of_if_match("*"), ETag::ANY);
}

#[spakky::test]
async fn a_number_that_is_taken_is_409_and_names_the_constraint(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    added(client, BOLTS).await;
    let taken = tuple(
        409,
        "failed to write a value on `orders` that is taken: unique constraint `uq_orders_tenant_number`",
        Some("uq_orders_tenant_number"),
    );
    assert_eq!(client.post("/orders", BOLTS).await.problem(), taken);
    let second = added(client, &order(2)).await;
    assert_eq!(client.put(&second, "\"1\"", BOLTS).await.problem(), taken);
    // To another tenant it is free.
    added(client.tenant("globex"), BOLTS).await;
}

#[spakky::test]
async fn what_the_domain_refuses_is_422_and_what_is_not_there_404(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    let refused = tuple(422, "an order has one line or more, each of one piece or more", None);
    let empty = r#"{"number": "A-2", "lines": []}"#;
    assert_eq!(client.post("/orders", empty).await.problem(), refused);
    assert_eq!(client.put(&place, "\"1\"", empty).await.problem(), refused);

    let nul = r#"{"number": "A-\u0000", "lines": [{"sku": "bolt", "quantity": 1}]}"#;
    let nul_refused = "failed to store column `number` of `orders`: text with a NUL character cannot be stored; remove it or store bytes";
    assert_eq!(client.post("/orders", nul).await.problem(), tuple(422, nul_refused, None));

    let nowhere = "/orders/00000000-0000-0000-0000-000000000007";
    let (status, error, _) = client.get(nowhere).await.problem();
    assert_eq!(
        (status, error.as_str()),
        (404, "failed to find `OrderRow` with id 00000000-0000-0000-0000-000000000007 in `orders`")
    );
    assert_eq!(client.put(nowhere, "\"1\"", BOLTS).await.status, 412);
    // The same for what another tenant has, and for nobody in particular.
    assert_eq!(client.tenant("globex").get(&place).await.status, 404);
    assert_eq!(client.tenant("globex").put(&place, "\"1\"", BOLTS).await.status, 412);
    assert_eq!(client.tenant("").get(&place).await.status, 400);
}

#[spakky::test]
async fn a_page_that_cannot_be_asked_for_is_400_with_the_reason(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let asked = async |query: &str| client.get(&format!("/orders?{query}")).await;
    assert_eq!(
        asked("tenant=globex").await.problem(),
        tuple(
            400,
            "failed to query `orders`: requests may not filter by `tenant`; allowed: `number`, `lines.sku`",
            None
        )
    );
    let (status, error, _) = asked("cursor=made-up").await.problem();
    assert_eq!(status, 400);
    assert!(error.contains("cursor"), "{error}");
    // This one is the extractor's, with the library's reason in it.
    let unreadable = asked("page_size=many").await;
    assert_eq!(unreadable.status, 400);
    assert!(unreadable.text().contains("page_size"), "{}", unreadable.text());
}

#[spakky::test]
async fn a_walk_by_cursors_shows_every_order_once(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    for number in 1..=7 {
        added(client, &order(number)).await;
    }
    added(client.tenant("globex"), &order(9)).await;
    assert_eq!(walk(client, "sort=-number&page_size=3").await, ["A-07 A-06 A-05", "A-04 A-03 A-02", "A-01"]);
    assert_eq!(walk(client, "lines.sku=sku-1&sort=number&page_size=2").await, ["A-01 A-03", "A-05 A-07"]);
}

/// The numbers of each page.
async fn walk(client: Client, query: &str) -> Vec<String> {
    let mut pages = Vec::new();
    let mut at = String::new();
    loop {
        let answer = client.get(&format!("/orders?{query}{at}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        let numbers: Vec<_> =
            page["items"].as_array().unwrap().iter().map(|item| item["number"].as_str().unwrap()).collect();
        pages.push(numbers.join(" "));
        match page["next"].as_str() {
            Some(next) => at = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

#[spakky::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_clients_with_the_same_etag_one_wins(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    for version in 1..=10 {
        let tag = format!("\"{version}\"");
        let body = |quantity: usize| json!({ "number": "A-1", "lines": [{ "sku": "bolt", "quantity": quantity }] });
        let (one, other) = (body(version * 10 + 1).to_string(), body(version * 10 + 2).to_string());
        let answers: (Answer, Answer) = tokio::join!(client.put(&place, &tag, &one), client.put(&place, &tag, &other));
        let winner = match (answers.0.status, answers.1.status) {
            (204, 412) => 1,
            (412, 204) => 2,
            both => panic!("{both:?}: {} {}", answers.0.text(), answers.1.text()),
        };
        let read = client.get(&place).await;
        assert_eq!(read.header("etag"), format!("\"{}\"", version + 1));
        assert_eq!(read.json()["lines"], json!([{ "sku": "bolt", "quantity": version * 10 + winner }]));
    }
}

#[spakky::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_clients_with_the_same_number_one_wins(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    for number in 1..=10 {
        let body = order(number);
        let (one, other) = tokio::join!(client.post("/orders", &body), client.post("/orders", &body));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", one.text(), other.text());
    }
    assert_eq!(walk(client, "page_size=200&sort=number").await[0].split(' ').count(), 10);
}

#[spakky::test]
async fn a_request_is_one_trace_down_to_its_commit(sessions: SessionManager) {
    let client = Client::of(&sessions).await;
    let place = added(client, BOLTS).await;
    let (capture, tag) = watching(client, &place).await;
    assert_eq!(client.put(&place, &tag, &order(2)).await.status, 204);
    let (unit, request) = (capture.units_of_work().pop().unwrap(), capture.spans("request").pop().unwrap());
    let told = ["name", "outcome", "round_trips", "statements"].map(|name| unit.fields[name].as_str());
    assert_eq!(told, ["replace order", "committed", "1", "5"]);
    assert_eq!(unit.parent, Some("request"));
    assert_eq!(["id", "method", "path"].map(|name| request.fields[name].as_str()), ["r-1", "PUT", &place]);
    let burst = capture.events("spakky::burst").pop().unwrap();
    assert_eq!((burst.fields["statements"].as_str(), burst.unit_of_work.as_deref()), ("5", Some("replace order")));
}

/// A capture that is known to see the service, and the ETag of the order. What another thread reaches for the first time while
/// a subscriber is set may go unseen until the next one is.
async fn watching(client: Client, place: &str) -> (Capture, String) {
    let mut tag = "\"1\"".to_owned();
    for number in 10..110 {
        let capture = Capture::begin();
        tag = client.put(place, &tag, &order(number)).await.header("etag").to_owned();
        let seen =
            [capture.units_of_work().len(), capture.spans("request").len(), capture.events("spakky::burst").len()];
        if seen == [1, 1, 1] {
            return (capture, tag);
        }
    }
    panic!("the service tells nothing");
}

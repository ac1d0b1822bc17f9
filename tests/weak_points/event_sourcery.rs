//! Event Sourcery: an event store over SQLAlchemy. What is wrong with streams, subscriptions and encryption is the event
//! store's; what is said of tables, tenants and versions is shown here.
//!
//! | point | what goes wrong there | how it is here |
//! |---|---|---|
//! | 1 | a key that is taken is the driver's error, and poisons the transaction | `contract::constraint::a_taken_key_names_the_primary_key`, `transactional::propagation::nested_that_fails_is_undone_alone`, and streams: later, with the event store |
//! | 2 | the guarded UPDATE does not name the tenant: a second tenant with the id makes both conflict | `weak_points::event_sourcery::an_id_and_version_of_another_tenant_make_no_conflict` |
//! | 3 | nor does the search for a snapshot | later, with the event store |
//! | 4 | a delete takes other tenants' rows along, and leaves what depends on them | `scoping::weak_point::save_and_delete_are_confined_to_the_tenant`, `scoping::key::batches_by_a_key_of_several_columns_are_confined`, `aggregate::save::a_delete_takes_the_children_along` |
//! | 5 | an impossible snapshot is believed | later, with the event store |
//! | 6 | a range is cut by a snapshot | later, with the event store |
//! | 7 | one column is shorter than another that it copies | `contract::constraint::a_text_that_is_too_long_is_refused`, and event names: later, with the event store |
//! | 8 | a batch of one waits for the whole limit | later, with the event store |
//! | 9 | so does a filtered subscription | later, with the event store |
//! | 10 | a gap before the batch is not seen | later, with the event store |
//! | 11 | a late commit is lost for ever | later, with the event store |
//! | 12 | ranges of an unversioned stream are empty | later, with the event store |
//! | 13 | a write loads all that was written before, and the session keeps it | `round_trip::write::load_save_and_commit_are_two_round_trips`, `aggregate::save::loading_and_saving_with_children_is_two_round_trips`, `aggregate::save::a_detached_save_with_children_is_one_round_trip` |
//! | 14 | the outbox loses the category | later, with the outbox |
//! | 15 | annotations inside optional or listed values are ignored in silence | `ui-tests/tests/ui/table/fail/type_of_elements_not_storable.rs`, and encryption: later, with the event store |
//! | 16 | a text that looks like JSON comes back as a number | `weak_points::event_sourcery::a_text_that_looks_like_json_stays_a_text` |
//! | 17 | readers of all tenants use the wrong key | later, with the event store |
//! | 17b | a subject is found differently by writes and reads | later, with the event store |
//! | 18 | the outbox: no back-off, dead letters or order | later, with the outbox |
//! | 19 | a nullable column in a unique index lets duplicates in | `weak_points::event_sourcery::a_key_with_a_nullable_column_is_what_sql_says` |
//! | 20 | versions that the caller gives are not checked | `unit_of_work::attached::save_if_refuses_another_version`, and streams: later, with the event store |
//! | 21 | no way to change stored types; times without a zone; the tenant has no index; idempotent writes fail | `type_map::enums::a_catch_all_variant_keeps_what_is_stored_through_a_save`, `type_map::limits::time_goes_from_the_year_1_to_the_year_9999_and_by_microseconds`, `contract::save::an_upsert_adds_or_replaces`, and events: later, with the event store |
//! | 22 | a release that does not load with the next version of its driver | none here: versions are pinned by the workspace |

use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    an_id_and_version_of_another_tenant_make_no_conflict,
    a_text_that_looks_like_json_stays_a_text,
    a_key_with_a_nullable_column_is_what_sql_says,
];

/// Two tenants may have the same number and name.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "streams", unique(tenant, category, name))]
#[mappable(domain = Self)]
struct Stream {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    number: i64,
    category: Option<String>,
    name: String,
    #[table(json)]
    data: serde_json::Value,
    #[table(version)]
    version: i64,
}

fn stream(id: i64, number: i64, name: &str) -> Stream {
    let data = serde_json::Value::String(name.to_owned());
    Stream { id, tenant: String::new(), number, category: None, name: name.to_owned(), data, version: 0 }
}

fn acting_for(tenant: &str) -> RequestContext {
    RequestContext::new().tenant(tenant)
}

async fn streams(db: &Database) -> Repository<Stream> {
    db.observer().create_tables(&schema![Stream]).await.unwrap();
    db.sessions.repository::<Stream>().autocommit()
}

async fn an_id_and_version_of_another_tenant_make_no_conflict(db: Database) {
    let streams = streams(&db).await;
    let (mut ours, mut theirs) = (stream(1, 7, "a"), stream(2, 7, "a"));
    acting_for("acme").scope(streams.add_now(&mut ours)).await.unwrap();
    acting_for("globex").scope(streams.add_now(&mut theirs)).await.unwrap();
    ours.name = "b".to_owned();
    acting_for("acme").scope(streams.save_now(&mut ours)).await.unwrap();
    theirs.name = "c".to_owned();
    acting_for("globex").scope(streams.save_now(&mut theirs)).await.unwrap();
    let all = streams.across_tenants().query().order_by(Stream::COLUMNS.id.asc()).all().await.unwrap();
    let seen: Vec<_> = all.iter().map(|row| (row.id, row.name.as_str(), row.version)).collect();
    assert_eq!(seen, [(1, "b", 2), (2, "c", 2)]);
}

async fn a_text_that_looks_like_json_stays_a_text(db: Database) {
    let streams = streams(&db).await;
    for (id, text) in (1..).zip(["12345", "null", "{}", "\"quoted\"", "[1]", "true", ""]) {
        let mut written = stream(id, id, text);
        acting_for("acme").scope(streams.add_now(&mut written)).await.unwrap();
        let read = acting_for("acme").scope(streams.get(id)).await.unwrap();
        assert_eq!((read.name.as_str(), &read.data), (text, &serde_json::Value::String(text.to_owned())));
    }
}

async fn a_key_with_a_nullable_column_is_what_sql_says(db: Database) {
    // Rows without a value are never equal to each other: a column that shall count in the key is not an `Option`.
    let streams = streams(&db).await;
    let outcome = acting_for("acme").scope(streams.add_all_now([&mut stream(1, 1, "a"), &mut stream(2, 2, "a")])).await;
    outcome.unwrap();
    let category = Some("orders".to_owned());
    let mut named = Stream { category: category.clone(), ..stream(3, 3, "a") };
    acting_for("acme").scope(streams.add_now(&mut named)).await.unwrap();
    let mut twin = Stream { category, ..stream(4, 4, "a") };
    let error = acting_for("acme").scope(streams.add_now(&mut twin)).await.unwrap_err();
    assert_eq!(error.constraint(), Some(Stream::UQ_TENANT_CATEGORY_NAME));
}

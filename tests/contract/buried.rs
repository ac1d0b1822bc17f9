//! Soft deletion of rows with the rows that are part of them.

use chrono::{DateTime, NaiveDateTime, Utc};
use spakky::prelude::*;
use spakky::{Error, RequestContext};

use super::{Store, on_each_store};

on_each_store![
    a_soft_deletion_takes_the_living_children_along,
    a_restoration_brings_back_what_was_deleted_with_the_row_alone,
    what_was_not_loaded_is_soft_deleted_and_restored_with_its_children,
    a_deletion_for_good_takes_the_soft_deleted_children_along,
    a_child_that_a_save_leaves_out_is_soft_deleted,
    a_child_that_is_added_again_is_restored,
    a_child_under_the_id_of_a_living_row_is_refused,
    a_child_that_moves_leaves_nothing_behind,
    what_replaces_an_aggregate_soft_deletes_the_children_that_it_leaves_out,
    changes_of_children_go_with_a_soft_deletion_or_restoration,
    what_is_added_and_soft_deleted_comes_back_whole,
    deleted_children_are_read_and_saved_only_where_asked_for,
    a_copy_that_was_read_without_the_deleted_children_leaves_them_alone,
    what_is_deleted_and_added_behind_an_upsert_can_be_soft_deleted,
];

/// With items, which have parts; a label; scans, which know no soft deletion.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parcels")]
#[mappable(domain = Self)]
struct Parcel {
    #[table(id)]
    id: i64,
    town: String,
    #[table(has_many(by = parcel_id))]
    items: Vec<Item>,
    #[table(has_one(by = parcel_id))]
    label: Option<Label>,
    #[table(has_many(by = parcel_id, unversioned))]
    scans: Vec<Scan>,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "parcel_items", unique(parcel_id, name, where = live))]
#[mappable(domain = Self)]
struct Item {
    #[table(id)]
    id: i64,
    #[table(references(Parcel))]
    parcel_id: i64,
    name: String,
    #[table(has_many(by = item_id))]
    parts: Vec<Part>,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    deleted_by: Option<String>,
}

/// Its key is in part that of its item, and its time is of another type.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "item_parts")]
#[mappable(domain = Self)]
struct Part {
    #[table(id, references(Item))]
    item_id: i64,
    #[table(id)]
    number: i32,
    colour: String,
    #[table(deleted_at)]
    deleted_at: Option<NaiveDateTime>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "labels")]
#[mappable(domain = Self)]
struct Label {
    #[table(id, references(Parcel))]
    parcel_id: i64,
    text: String,
    #[table(deleted_at)]
    deleted_at: Option<NaiveDateTime>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "scans")]
#[mappable(domain = Self)]
struct Scan {
    #[table(id)]
    id: i64,
    #[table(references(Parcel))]
    parcel_id: i64,
}

fn item(id: i64, name: &str, parts: &[i32]) -> Item {
    let part = |&number| Part { item_id: 0, number, colour: "red".into(), deleted_at: None };
    let (deleted_at, deleted_by) = (None, None);
    let parts = parts.iter().map(part).collect();
    Item { id, parcel_id: 0, name: name.into(), parts, version: 0, deleted_at, deleted_by }
}

fn label(text: &str) -> Option<Label> {
    Some(Label { parcel_id: 0, text: text.into(), deleted_at: None })
}

fn parcel(id: i64, items: Vec<Item>) -> Parcel {
    let scans = vec![Scan { id: id * 100, parcel_id: 0 }];
    Parcel { id, town: "Ulm".into(), items, label: label("fragile"), scans, version: 0, deleted_at: None }
}

/// A parcel with two items of two parts and of none, a label and a scan.
async fn prepare(store: &Store) -> Repository<Parcel> {
    store.sessions.create_tables(&schema![Parcel, Item, Part, Label, Scan]).await.unwrap();
    let parcels = store.of::<Parcel>();
    let mut one = parcel(1, vec![item(11, "pen", &[1, 2]), item(12, "ink", &[])]);
    parcels.autocommit().add_now(&mut one).await.unwrap();
    parcels
}

/// All rows that can be soft-deleted, with a `+` if they live.
async fn rows(store: &Store) -> Vec<String> {
    let alive = |deleted: bool| if deleted { '-' } else { '+' };
    let mut rows = Vec::new();
    for parcel in store.of::<Parcel>().with_deleted().query().order_by(Parcel::COLUMNS.id.asc()).all().await.unwrap() {
        rows.push(format!("{} v{} {}", parcel.id, parcel.version, alive(parcel.deleted_at.is_some())));
        rows.extend(parcel.label.map(|label| format!("{} {}", label.text, alive(label.deleted_at.is_some()))));
        for item in parcel.items {
            rows.push(format!("{} {} v{} {}", item.id, item.name, item.version, alive(item.deleted_at.is_some())));
            let part = |part: Part| {
                format!("{}.{} {} {}", item.id, part.number, part.colour, alive(part.deleted_at.is_some()))
            };
            rows.extend(item.parts.into_iter().map(part));
        }
    }
    rows
}

/// Those that live, as a plain read finds them.
async fn living(store: &Store) -> Vec<String> {
    let Some(parcel) = store.of::<Parcel>().find(1).await.unwrap() else { return Vec::new() };
    let parts = |item: &Item| item.parts.iter().map(|part| format!("{}.{}", item.id, part.number)).collect::<Vec<_>>();
    let items = parcel.items.iter().flat_map(|item| [vec![item.name.clone()], parts(item)].concat());
    parcel.label.iter().map(|label| label.text.clone()).chain(items).collect()
}

async fn a_soft_deletion_takes_the_living_children_along(store: Store) {
    let parcels = prepare(&store).await;
    let ann = RequestContext::new().actor("ann");
    ann.scope(store.work(async |_| {
        let mut one = parcels.get(1).await?;
        parcels.soft_delete(&mut one)
    }))
    .await
    .unwrap();
    let all = ["1 v2 -", "fragile -", "11 pen v2 -", "11.1 red -", "11.2 red -", "12 ink v2 -"];
    assert_eq!(rows(&store).await, all);
    let items = store.of::<Item>().with_deleted();
    assert_eq!(items.get(12).await.unwrap().deleted_by.as_deref(), Some("ann"));
    // At one instant, whatever the type.
    let whole = parcels.with_deleted().get(1).await.unwrap();
    assert!(whole.items.iter().all(|item| item.deleted_at == whole.deleted_at));
    assert_eq!(whole.label.unwrap().deleted_at, whole.deleted_at.map(|time| time.naive_utc()));
    assert_eq!(whole.items[0].parts[1].deleted_at, whole.deleted_at.map(|time| time.naive_utc()));
    // What knows no soft deletion stays.
    assert_eq!(store.of::<Scan>().query().count().await.unwrap(), 1);
    assert!(store.of::<Label>().find(1).await.unwrap().is_none());
}

async fn a_restoration_brings_back_what_was_deleted_with_the_row_alone(store: Store) {
    let parcels = prepare(&store).await;
    // One item went before, by itself; its parts go with it.
    let items = store.of::<Item>();
    store
        .work(async |_| {
            let mut pen = items.get(11).await?;
            items.soft_delete(&mut pen)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, ["fragile", "ink"]);
    // What is deleted in one transaction is deleted at one instant; this is another.
    store
        .work(async |_| {
            let mut one = parcels.get(1).await?;
            parcels.soft_delete(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, [""; 0]);
    store
        .work(async |_| {
            let mut one = parcels.with_deleted().get(1).await?;
            parcels.restore(&mut one)?;
            // Before anything was sent, and after.
            assert_eq!(names(&parcels.get(1).await?), ["ink"]);
            assert_eq!(names(&parcels.with_deleted().get(1).await?), ["pen", "ink"]);
            assert_eq!(names(&parcels.get(1).await?), ["ink"]);
            Ok(())
        })
        .await
        .unwrap();
    let all = ["1 v3 +", "fragile +", "11 pen v2 -", "11.1 red -", "11.2 red -", "12 ink v3 +"];
    assert_eq!(rows(&store).await, all);
    store
        .work(async |_| {
            let mut pen = items.with_deleted().get(11).await?;
            items.restore(&mut pen)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, ["fragile", "pen", "11.1", "11.2", "ink"]);
}

fn names(parcel: &Parcel) -> Vec<&str> {
    parcel.items.iter().map(|item| item.name.as_str()).collect()
}

async fn what_was_not_loaded_is_soft_deleted_and_restored_with_its_children(store: Store) {
    let parcels = prepare(&store).await;
    let mut bare = Parcel { version: 1, ..parcel(1, Vec::new()) };
    store
        .work(async |_| {
            parcels.attach(&bare, 1)?;
            parcels.soft_delete(&mut bare.clone())
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, [""; 0]);
    assert_eq!(rows(&store).await.len(), 6);
    bare.version = 2;
    store
        .work(async |_| {
            parcels.attach(&bare, 2)?;
            parcels.restore(&mut bare.clone())
        })
        .await
        .unwrap();
    let all = ["1 v3 +", "fragile +", "11 pen v3 +", "11.1 red +", "11.2 red +", "12 ink v3 +"];
    assert_eq!(rows(&store).await, all);
}

async fn a_deletion_for_good_takes_the_soft_deleted_children_along(store: Store) {
    let parcels = prepare(&store).await;
    store.of::<Item>().autocommit().filter(Item::COLUMNS.id.eq(11)).soft_delete().await.unwrap();
    store
        .work(async |_| {
            let mut one = parcels.get(1).await?;
            parcels.delete(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(rows(&store).await, [""; 0]);
    assert_eq!(store.of::<Item>().with_deleted().query().count().await.unwrap(), 0);
    assert_eq!(store.of::<Part>().with_deleted().query().count().await.unwrap(), 0);
}

async fn a_child_that_a_save_leaves_out_is_soft_deleted(store: Store) {
    let parcels = prepare(&store).await;
    store
        .work(async |_| {
            let mut one = parcels.get(1).await?;
            one.items.remove(0);
            one.label = None;
            // The name is free at once.
            one.items.push(item(13, "pen", &[]));
            parcels.save(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, ["ink", "pen"]);
    let all = ["1 v2 +", "fragile -", "11 pen v2 -", "11.1 red -", "11.2 red -", "12 ink v1 +", "13 pen v1 +"];
    assert_eq!(rows(&store).await, all);
    let whole = parcels.with_deleted().get(1).await.unwrap();
    let pen = &whole.items[0];
    assert!(pen.parts.iter().all(|part| part.deleted_at == pen.deleted_at.map(|time| time.naive_utc())));
}

async fn a_child_that_is_added_again_is_restored(store: Store) {
    let parcels = prepare(&store).await;
    store
        .work(async |session| {
            let mut one = parcels.get(1).await?;
            one.items.remove(0);
            one.label = None;
            parcels.save(&mut one)?;
            session.flush().await?;
            one.label = label("heavy");
            one.items.push(item(11, "quill", &[2]));
            parcels.save(&mut one)?;
            session.flush().await?;
            // And changed once more.
            one.items[1].name = "feather".into();
            parcels.save(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, ["heavy", "feather", "11.2", "ink"]);
    let parts: Vec<bool> = store
        .of::<Part>()
        .with_deleted()
        .query()
        .order_by(Part::COLUMNS.number.asc())
        .all()
        .await
        .unwrap()
        .iter()
        .map(|part| part.deleted_at.is_some())
        .collect();
    assert_eq!(parts, [true, false]);
    // A row has the version of every write.
    assert!(store.of::<Item>().get(11).await.unwrap().version >= 4);
}

async fn a_child_under_the_id_of_a_living_row_is_refused(store: Store) {
    let parcels = prepare(&store).await;
    let mut two = parcel(2, Vec::new());
    two.label = None;
    parcels.autocommit().add_now(&mut two).await.unwrap();
    let taken = store.work(async |_| {
        let mut two = parcels.get(2).await?;
        two.items.push(item(11, "mine", &[]));
        parcels.save(&mut two)
    });
    let error = taken.await.unwrap_err();
    assert!(error.is_unique_violation(), "{error}");
    assert_eq!(
        error.message(),
        "save to `parcel_items` with id 11: a row with it is there, or is part of another aggregate"
    );
    assert_eq!((error.ids(), error.constraint()), (&["11".to_owned()][..], Some("pk_parcel_items")));
    // Nor is one that is soft-deleted taken from another.
    store.of::<Item>().autocommit().filter(Item::COLUMNS.id.eq(11)).soft_delete().await.unwrap();
    let taken = store.work(async |_| {
        let mut two = parcels.get(2).await?;
        two.items.push(item(11, "mine", &[]));
        parcels.save(&mut two)
    });
    assert!(taken.await.unwrap_err().is_unique_violation());
    assert_eq!(store.of::<Item>().with_deleted().get(11).await.unwrap().name, "pen");
}

async fn a_child_that_moves_leaves_nothing_behind(store: Store) {
    let parcels = prepare(&store).await;
    let mut two = parcel(2, Vec::new());
    two.label = None;
    parcels.autocommit().add_now(&mut two).await.unwrap();
    store
        .work(async |_| {
            let (mut from, mut to) = (parcels.get(1).await?, parcels.get(2).await?);
            to.items.push(from.items.remove(0));
            parcels.save(&mut to)?;
            parcels.save(&mut from)
        })
        .await
        .unwrap();
    let all = ["1 v2 +", "fragile +", "12 ink v1 +", "2 v2 +", "11 pen v2 +", "11.1 red +", "11.2 red +"];
    assert_eq!(rows(&store).await, all);
}

async fn what_replaces_an_aggregate_soft_deletes_the_children_that_it_leaves_out(store: Store) {
    let parcels = prepare(&store).await;
    let mut put = parcel(1, vec![item(12, "pen", &[]), item(13, "ink", &[7])]);
    put.label = None;
    parcels.autocommit().save_if_now(&mut put, 1).await.unwrap();
    assert_eq!(living(&store).await, ["pen", "ink", "13.7"]);
    let whole = parcels.with_deleted().get(1).await.unwrap();
    assert_eq!(names(&whole), ["pen", "pen", "ink"]);
    let pen = &whole.items[0];
    assert!(pen.deleted_at.is_some() && whole.label.unwrap().deleted_at.is_some());
    assert!(pen.parts.iter().all(|part| part.deleted_at == pen.deleted_at.map(|time| time.naive_utc())));
    // And one that was left out comes back.
    let mut put = parcel(1, vec![item(11, "pen", &[1])]);
    parcels.autocommit().save_if_now(&mut put, 2).await.unwrap();
    assert_eq!(living(&store).await, ["fragile", "pen", "11.1"]);
}

async fn changes_of_children_go_with_a_soft_deletion_or_restoration(store: Store) {
    let parcels = prepare(&store).await;
    store
        .work(async |_| {
            let mut one = parcels.get(1).await?;
            one.items[0].name = "quill".into();
            one.items[0].parts.remove(0);
            one.items.push(item(13, "wax", &[3]));
            parcels.save(&mut one)?;
            parcels.soft_delete(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, [""; 0]);
    store
        .work(async |_| {
            let mut one = parcels.with_deleted().get(1).await?;
            parcels.restore(&mut one)?;
            one.items[0].name = "feather".into();
            one.items.retain(|item| item.name != "ink");
            parcels.save(&mut one)
        })
        .await
        .unwrap();
    // What was deleted at the same instant comes back with it, and so does the part that was left out then.
    assert_eq!(living(&store).await[..2], ["fragile", "feather"]);
    assert_eq!(names(&parcels.get(1).await.unwrap()), ["feather", "wax"]);
    assert_eq!(parcels.get(1).await.unwrap().items[1].parts.len(), 1);
}

async fn what_is_added_and_soft_deleted_comes_back_whole(store: Store) {
    let parcels = prepare(&store).await;
    store
        .work(async |_| {
            let mut two = parcel(2, vec![item(21, "cup", &[1])]);
            parcels.add(&mut two)?;
            parcels.soft_delete(&mut two)
        })
        .await
        .unwrap();
    assert!(parcels.find(2).await.unwrap().is_none());
    assert!(store.of::<Item>().find(21).await.unwrap().is_none());
    store
        .work(async |_| {
            let mut two = parcels.with_deleted().get(2).await?;
            parcels.restore(&mut two)
        })
        .await
        .unwrap();
    let two = parcels.get(2).await.unwrap();
    assert_eq!((names(&two), two.items[0].parts.len(), two.label.is_some()), (vec!["cup"], 1, true));
}

async fn deleted_children_are_read_and_saved_only_where_asked_for(store: Store) {
    let parcels = prepare(&store).await;
    store.of::<Item>().autocommit().filter(Item::COLUMNS.id.eq(11)).soft_delete().await.unwrap();
    let both = parcels.with_deleted();
    store
        .work(async |_| {
            assert_eq!(names(&parcels.get(1).await?), ["ink"]);
            let mut one = both.get(1).await?;
            assert_eq!(names(&one), ["pen", "ink"]);
            assert_eq!(names(&parcels.get(1).await?), ["ink"]);
            one.items[0].name = "quill".into();
            both.save(&mut one)
        })
        .await
        .unwrap();
    let all = rows(&store).await;
    assert_eq!(all[..3], ["1 v2 +", "fragile +", "11 quill v3 -"]);
    assert_eq!(living(&store).await, ["fragile", "ink"]);
}

async fn a_copy_that_was_read_without_the_deleted_children_leaves_them_alone(store: Store) {
    let parcels = prepare(&store).await;
    store.of::<Item>().autocommit().filter(Item::COLUMNS.id.eq(11)).soft_delete().await.unwrap();
    store
        .work(async |session| {
            let mut one = parcels.get(1).await?;
            parcels.with_deleted().get(1).await?;
            // Nothing changed.
            parcels.save(&mut one)?;
            session.flush().await?;
            assert_eq!(one.version, 1);
            one.town = "Bonn".into();
            parcels.save(&mut one)
        })
        .await
        .unwrap();
    let all = ["1 v2 +", "fragile +", "11 pen v2 -", "11.1 red +", "11.2 red +", "12 ink v1 +"];
    assert_eq!(rows(&store).await, all);
    let missing = |error: Error| error.is_not_found();
    assert!(store.of::<Item>().get(11).await.is_err_and(missing));
}

async fn what_is_deleted_and_added_behind_an_upsert_can_be_soft_deleted(store: Store) {
    let parcels = prepare(&store).await;
    let mut again = parcel(1, vec![item(13, "cap", &[])]);
    let mut one = parcels.get(1).await.unwrap();
    store
        .work(async |_| {
            parcels.upsert_now(&mut one).await?;
            parcels.delete(&mut one)?;
            parcels.add(&mut again)?;
            parcels.soft_delete(&mut again)
        })
        .await
        .unwrap();
    assert_eq!(living(&store).await, Vec::<String>::new());
    assert_eq!(rows(&store).await, ["1 v2 -", "fragile -", "13 cap v2 -"]);
}

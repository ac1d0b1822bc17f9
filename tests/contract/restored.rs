//! Children that are restored, of which the domain type tells less than their rows hold.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    what_the_domain_does_not_tell_of_a_restored_child_is_kept,
    a_restored_child_that_is_read_again_is_saved_by_difference,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "walls")]
#[mappable(domain = Wall)]
struct WallRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = wall_id))]
    pins: Vec<PinRow>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "wall_pins")]
#[mappable(domain = Pin)]
struct PinRow {
    #[table(id)]
    id: i64,
    #[table(references(WallRow))]
    #[mappable(parent)]
    wall_id: i64,
    text: String,
    #[table(default = "'red'")]
    #[mappable(row_only)]
    colour: String,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Wall {
    id: i64,
    pins: Vec<Pin>,
}

#[derive(Debug, Clone, PartialEq)]
struct Pin {
    id: i64,
    text: String,
}

fn pin(id: i64, text: &str) -> Pin {
    Pin { id, text: text.to_owned() }
}

/// A wall with two blue pins, of which the first was left out since.
async fn prepare(store: &Store) -> Repository<WallRow> {
    store.sessions.create_tables(&schema![WallRow, PinRow]).await.unwrap();
    let walls = store.of::<WallRow>();
    walls.autocommit().add_now(&mut Wall { id: 1, pins: vec![pin(1, "a"), pin(2, "b")] }).await.unwrap();
    let pins = store.of::<PinRow>().autocommit();
    pins.query().update([PinRow::COLUMNS.colour.set("blue".to_owned())]).await.unwrap();
    let leave_out = store.work(async |_| {
        let mut wall = walls.get(1).await?;
        wall.pins.remove(0);
        walls.save(&mut wall)
    });
    leave_out.await.unwrap();
    walls
}

/// Each living pin with its colour and its version.
async fn pins(store: &Store) -> Vec<(String, String, i64)> {
    #[derive(Debug, Clone, PartialEq, Table, Mappable)]
    #[table(name = "wall_pins")]
    #[mappable(domain = Self)]
    struct Whole {
        #[table(id)]
        id: i64,
        text: String,
        colour: String,
        #[table(version)]
        version: i64,
        #[table(deleted_at)]
        deleted_at: Option<DateTime<Utc>>,
    }
    let all = store.of::<Whole>().query().order_by(Whole::COLUMNS.id.asc()).all().await.unwrap();
    all.into_iter().map(|pin| (pin.text, pin.colour, pin.version)).collect()
}

fn told(pins: &[(&str, &str, i64)]) -> Vec<(String, String, i64)> {
    pins.iter().map(|&(text, colour, version)| (text.to_owned(), colour.to_owned(), version)).collect()
}

/// The session does not know the restored row whole, so that the save behind it writes all that is given.
async fn what_the_domain_does_not_tell_of_a_restored_child_is_kept(store: Store) {
    let walls = prepare(&store).await;
    let work = store.work(async |session| {
        let mut wall = walls.get(1).await?;
        wall.pins.insert(0, pin(1, "again"));
        walls.save(&mut wall)?;
        session.flush().await?;
        wall.pins[0].text = "once more".to_owned();
        walls.save(&mut wall)
    });
    work.await.unwrap();
    assert_eq!(pins(&store).await, told(&[("once more", "blue", 5), ("b", "blue", 3)]));
}

async fn a_restored_child_that_is_read_again_is_saved_by_difference(store: Store) {
    let walls = prepare(&store).await;
    let work = store.work(async |session| {
        let mut wall = walls.get(1).await?;
        wall.pins.insert(0, pin(1, "again"));
        walls.save(&mut wall)?;
        session.flush().await?;
        let mut wall = walls.get(1).await?;
        wall.pins[0].text = "once more".to_owned();
        walls.save(&mut wall)
    });
    work.await.unwrap();
    assert_eq!(pins(&store).await, told(&[("once more", "blue", 5), ("b", "blue", 2)]));
}

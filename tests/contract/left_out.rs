//! Children that a save leaves out, where saves of the same unit of work ahead of it did something with them: what is
//! soft-deleted is stored as it was given last.

use chrono::{DateTime, Utc};
use spakky::Error;
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    a_card_that_moved_goes_with_the_tray_that_it_moved_to,
    what_an_upsert_gave_is_soft_deleted_as_it_was_given,
    what_was_added_again_is_soft_deleted_as_it_was_given,
    what_replaced_others_is_soft_deleted_as_it_was_given,
    what_came_back_is_soft_deleted_as_it_was_given,
    what_an_older_copy_gave_is_soft_deleted_as_it_was_given,
    what_was_restored_is_soft_deleted_as_it_was_given,
    what_comes_from_another_aggregate_does_so_behind_a_save_that_gave_others,
    what_came_from_another_aggregate_leaves_it_though_another_one_comes_in_its_place,
];

#[derive(Debug, Clone, PartialEq)]
struct Desk {
    id: i64,
    trays: Vec<Tray>,
}

#[derive(Debug, Clone, PartialEq)]
struct Tray {
    id: i64,
    n: i64,
    cards: Vec<Card>,
}

#[derive(Debug, Clone, PartialEq)]
struct Card {
    id: i64,
    n: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "left_desks")]
#[mappable(domain = Desk)]
struct DeskRow {
    #[table(id)]
    id: i64,
    #[table(has_many(by = desk_id, order_by = id))]
    trays: Vec<TrayRow>,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "left_trays")]
#[mappable(domain = Tray)]
struct TrayRow {
    #[table(id)]
    id: i64,
    #[table(references(DeskRow))]
    #[mappable(parent)]
    desk_id: i64,
    n: i64,
    #[table(has_many(by = tray_id, order_by = id))]
    cards: Vec<CardRow>,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "left_cards")]
#[mappable(domain = Card)]
struct CardRow {
    #[table(id)]
    id: i64,
    #[table(references(TrayRow))]
    #[mappable(parent)]
    tray_id: i64,
    n: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

/// The trays as another program sees them.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "left_trays")]
#[mappable(domain = Self)]
struct RawTray {
    #[table(id)]
    id: i64,
    desk_id: i64,
    n: i64,
    deleted_at: Option<DateTime<Utc>>,
}

/// The cards as another program sees them.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "left_cards")]
#[mappable(domain = Self)]
struct RawCard {
    #[table(id)]
    id: i64,
    tray_id: i64,
    n: i64,
    deleted_at: Option<DateTime<Utc>>,
}

fn tray(id: i64, n: i64, cards: &[i64]) -> Tray {
    Tray { id, n, cards: cards.iter().map(|&id| Card { id, n: 0 }).collect() }
}

fn desk(trays: &[Tray]) -> Desk {
    Desk { id: 1, trays: trays.to_vec() }
}

/// Stores a desk, does the work and answers with all trays and cards that are stored then: where they are, and whether they
/// live.
async fn stored(
    store: &Store,
    before: Desk,
    work: impl AsyncFnOnce(Repository<DeskRow>, Session) -> Result<(), Error>,
) -> Vec<String> {
    store.sessions.create_tables(&schema![DeskRow, TrayRow, CardRow]).await.unwrap();
    let desks = store.of::<DeskRow>();
    desks.autocommit().add_now(&mut before.clone()).await.unwrap();
    store.work(async |session| work(desks, session).await).await.unwrap();
    let mark = |deleted: Option<DateTime<Utc>>| if deleted.is_some() { '-' } else { '+' };
    let trays = store.of::<RawTray>().query().order_by(RawTray::COLUMNS.id.asc()).all().await.unwrap();
    let cards = store.of::<RawCard>().query().order_by(RawCard::COLUMNS.id.asc()).all().await.unwrap();
    let trays = trays.into_iter().map(|tray| (tray.desk_id, tray.id, tray.n, tray.deleted_at));
    let cards = cards.into_iter().map(|card| (card.tray_id, card.id, card.n, card.deleted_at));
    trays.chain(cards).map(|(of, id, n, deleted)| format!("{of}.{id} n={n} {}", mark(deleted))).collect()
}

async fn a_card_that_moved_goes_with_the_tray_that_it_moved_to(store: Store) {
    let before = desk(&[tray(2, 0, &[]), tray(3, 0, &[4])]);
    let seen = stored(&store, before, async |desks, _| {
        let mut one = desks.get(1).await?;
        let card = one.trays[1].cards.remove(0);
        one.trays[0].cards.push(card);
        desks.save(&mut one)?;
        one.trays.remove(0);
        desks.save(&mut one)
    });
    assert_eq!(seen.await, ["1.2 n=0 -", "1.3 n=0 +", "2.4 n=0 -"]);
}

async fn what_an_upsert_gave_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[4])]), async |desks, _| {
        let (mut with, mut without) = (desk(&[tray(2, 0, &[4])]), desk(&[]));
        desks.upsert(&mut with)?;
        with.trays[0].n = 1;
        with.trays[0].cards[0].n = 1;
        desks.save_all([&mut with, &mut without])
    });
    assert_eq!(seen.await, ["1.2 n=1 -", "2.4 n=1 -"]);
}

async fn what_was_added_again_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 1, &[4])]), async |desks, _| {
        desks.delete_by_id(1)?;
        let mut again = desk(&[tray(2, 0, &[5])]);
        desks.add(&mut again)?;
        again.trays.clear();
        desks.save(&mut again)
    });
    assert_eq!(seen.await, ["1.2 n=0 -", "2.5 n=0 -"]);
}

async fn what_replaced_others_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[])]), async |desks, _| {
        let mut one = desk(&[tray(2, 1, &[4])]);
        desks.save_if(&mut one, 1)?;
        one.trays.clear();
        desks.save(&mut one)
    });
    assert_eq!(seen.await, ["1.2 n=1 -", "2.4 n=0 -"]);
}

async fn what_came_back_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[])]), async |desks, session| {
        let mut one = desks.get(1).await?;
        one.trays.clear();
        desks.save(&mut one)?;
        session.flush().await?;
        one.trays.push(tray(2, 5, &[]));
        desks.save(&mut one)?;
        one.trays.clear();
        desks.save(&mut one)
    });
    assert_eq!(seen.await, ["1.2 n=5 -"]);
}

async fn what_an_older_copy_gave_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[4])]), async |desks, _| {
        let mut old = desks.get(1).await?;
        let mut again = old.clone();
        desks.delete(&mut again)?;
        again.trays[0].cards.clear();
        desks.add(&mut again)?;
        desks.save_all([&mut old, &mut again])
    });
    assert_eq!(seen.await, ["1.2 n=0 +", "2.4 n=0 -"]);
}

async fn what_was_restored_is_soft_deleted_as_it_was_given(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[4])]), async |desks, session| {
        let mut one = desks.get(1).await?;
        desks.soft_delete(&mut one)?;
        session.flush().await?;
        let mut one = desks.with_deleted().get(1).await?;
        desks.restore(&mut one)?;
        one.trays[0].n = 1;
        one.trays[0].cards[0].n = 2;
        desks.save(&mut one)?;
        one.trays.clear();
        desks.save(&mut one)
    });
    assert_eq!(seen.await, ["1.2 n=1 -", "2.4 n=2 -"]);
}

async fn what_comes_from_another_aggregate_does_so_behind_a_save_that_gave_others(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[4])]), async |desks, session| {
        let mut other = Desk { id: 7, trays: Vec::new() };
        desks.add(&mut other)?;
        session.flush().await?;
        let mut one = desks.get(1).await?;
        let mut with = Desk { id: 7, trays: vec![tray(5, 0, &[])] };
        other.trays.append(&mut one.trays);
        desks.save_all([&mut one, &mut with, &mut other])
    });
    // Tray 5 was given and left out again, in one flush with what moved: nothing is left of it.
    assert_eq!(seen.await, ["7.2 n=0 +", "2.4 n=0 +"]);
}

async fn what_came_from_another_aggregate_leaves_it_though_another_one_comes_in_its_place(store: Store) {
    let seen = stored(&store, desk(&[tray(2, 0, &[])]), async |desks, session| {
        desks.add(&mut Desk { id: 7, trays: vec![tray(5, 0, &[])] })?;
        desks.add(&mut Desk { id: 8, trays: Vec::new() })?;
        session.flush().await?;
        let (one, seven, mut eight) = (desks.get(1).await?, desks.get(7).await?, desks.get(8).await?);
        eight.trays = one.trays.clone();
        desks.save(&mut eight)?;
        eight.trays = seven.trays.clone();
        desks.save(&mut eight)
    });
    assert_eq!(seen.await, ["8.2 n=0 -", "8.5 n=0 +"]);
}

//! Saves of rows of which other writes wait, most of them in a scope around: both are sent in one burst, so that the later one is
//! planned before the database has told anything of the earlier one.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use spakky::Propagation;
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    saves_behind_an_upsert_tell_no_version_that_nobody_knows,
    a_save_behind_a_replacement_tells_the_version_that_is_stored,
    a_save_behind_new_children_leaves_those_as_they_are_that_it_does_not_change,
    a_save_behind_new_children_changes_moves_and_leaves_out_others,
    a_child_beside_new_ones_goes_to_another_aggregate,
    what_was_soft_deleted_goes_with_a_child_that_goes_to_another_aggregate,
    what_was_soft_deleted_goes_with_a_child_whose_row_is_deleted_behind_it,
    a_save_behind_an_undone_one_leaves_those_as_they_are_that_it_does_not_change,
];

#[derive(Debug, Clone, PartialEq)]
struct Board {
    id: i64,
    n: i64,
    lists: Vec<List>,
    revision: Revision,
}

#[derive(Debug, Clone, PartialEq)]
struct List {
    id: i64,
    n: i64,
    notes: Vec<Note>,
    memos: Vec<Memo>,
}

#[derive(Debug, Clone, PartialEq)]
struct Memo {
    id: i64,
}

#[derive(Debug, Clone, PartialEq)]
struct Note {
    id: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "behind_boards")]
#[mappable(domain = Board)]
struct BoardRow {
    #[table(id)]
    id: i64,
    n: i64,
    #[table(has_many(by = board_id, order_by = id))]
    lists: Vec<ListRow>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "behind_lists")]
#[mappable(domain = List)]
struct ListRow {
    #[table(id, generated)]
    id: i64,
    #[table(references(BoardRow))]
    #[mappable(parent)]
    board_id: i64,
    n: i64,
    #[table(has_many(by = list_id, order_by = id))]
    notes: Vec<NoteRow>,
    #[table(has_many(by = list_id, order_by = id))]
    memos: Vec<MemoRow>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "behind_memos")]
#[mappable(domain = Memo)]
struct MemoRow {
    #[table(id)]
    id: i64,
    #[table(references(ListRow))]
    #[mappable(parent)]
    list_id: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "behind_notes")]
#[mappable(domain = Note)]
struct NoteRow {
    #[table(id)]
    id: i64,
    #[table(references(ListRow))]
    #[mappable(parent)]
    list_id: i64,
}

/// The lists as another program sees them.
#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "behind_lists")]
#[mappable(domain = Self)]
struct RawList {
    #[table(id)]
    id: i64,
    board_id: i64,
    n: i64,
    version: i64,
}

const NESTED: TransactionOptions = TransactionOptions::new().name("nested").propagation(Propagation::Nested);

fn list(n: i64, notes: &[i64]) -> List {
    List { id: 0, n, notes: notes.iter().map(|&id| Note { id }).collect(), memos: Vec::new() }
}

fn board(id: i64, lists: &[List]) -> Board {
    Board { id, n: 0, lists: lists.to_vec(), revision: Revision::default() }
}

async fn prepare(store: &Store, boards: &[Board]) -> Repository<BoardRow> {
    store.sessions.create_tables(&schema![BoardRow, ListRow, NoteRow, MemoRow]).await.unwrap();
    let rows = store.of::<BoardRow>();
    for board in boards {
        rows.autocommit().add_now(&mut board.clone()).await.unwrap();
    }
    rows
}

/// The lists that are stored, in the order in which they were made, each with its board.
async fn lists(store: &Store) -> Vec<String> {
    let lists = store.of::<RawList>().query().order_by(RawList::COLUMNS.id.asc()).all().await.unwrap();
    lists.into_iter().map(|list| format!("{}: n={} v{}", list.board_id, list.n, list.version)).collect()
}

async fn saves_behind_an_upsert_tell_no_version_that_nobody_knows(store: Store) {
    let boards = prepare(&store, &[board(1, &[])]).await;
    let saved = store.work(async |_| {
        let mut one = board(1, &[]);
        boards.upsert(&mut one)?;
        for n in 1..=3 {
            one.n = n;
            boards.save(&mut one)?;
        }
        Ok(one)
    });
    let mut one = saved.await.unwrap();
    assert_eq!(one.revision.version(), None);
    store
        .work(async |_| {
            assert_eq!(boards.get(1).await?.n, 3);
            one.n = 4;
            boards.save(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(boards.get(1).await.unwrap().n, 4);
}

async fn a_save_behind_a_replacement_tells_the_version_that_is_stored(store: Store) {
    let boards = prepare(&store, &[board(1, &[])]).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    store.sessions.on_mutation(move |event| heard.lock().unwrap().extend(event.versions.iter().copied()));
    store
        .work(async |_| {
            let mut one = boards.get(1).await?;
            boards.delete_by_id(1)?;
            boards.add(&mut one)?;
            boards.upsert(&mut one)?;
            one.n = 1;
            store.sessions.transaction(NESTED, async |_| boards.save(&mut one)).await
        })
        .await
        .unwrap();
    let stored = boards.get(1).await.unwrap();
    assert_eq!((stored.n, stored.revision.version()), (1, Some(2)));
    assert_eq!(told.lock().unwrap().last(), Some(&2));
}

async fn a_save_behind_new_children_leaves_those_as_they_are_that_it_does_not_change(store: Store) {
    let boards = prepare(&store, &[board(1, &[list(1, &[1]), list(2, &[])])]).await;
    store
        .work(async |_| {
            let (mut one, mut old) = (boards.get(1).await?, boards.get(1).await?);
            one.lists.push(list(3, &[3]));
            boards.save(&mut one)?;
            old.revision = one.revision.clone();
            store.sessions.transaction(NESTED, async |_| boards.save(&mut old)).await
        })
        .await
        .unwrap();
    assert_eq!(lists(&store).await, ["1: n=1 v1", "1: n=2 v1"]);
    assert_eq!(store.of::<NoteRow>().query().count().await.unwrap(), 1);
}

async fn a_save_behind_an_undone_one_leaves_those_as_they_are_that_it_does_not_change(store: Store) {
    let boards = prepare(&store, &[board(1, &[list(1, &[1]), list(2, &[])])]).await;
    store
        .work(async |_| {
            let (mut one, mut old) = (boards.get(1).await?, boards.get(1).await?);
            one.lists.push(list(3, &[3]));
            boards.save(&mut one)?;
            store
                .undone(NESTED, async |_| {
                    boards.delete_by_id(1)?;
                    boards.add_now(&mut board(2, &[])).await
                })
                .await;
            old.revision = one.revision.clone();
            store.sessions.transaction(NESTED, async |_| boards.save(&mut old)).await
        })
        .await
        .unwrap();
    assert_eq!(lists(&store).await, ["1: n=1 v1", "1: n=2 v1"]);
    assert_eq!(store.of::<NoteRow>().query().count().await.unwrap(), 1);
}

async fn a_save_behind_new_children_changes_moves_and_leaves_out_others(store: Store) {
    let boards = prepare(&store, &[board(1, &[list(1, &[1]), list(2, &[2]), list(3, &[])])]).await;
    store
        .work(async |_| {
            let (mut one, mut old) = (boards.get(1).await?, boards.get(1).await?);
            one.lists.push(list(4, &[4]));
            let moved = one.lists[1].notes.remove(0);
            one.lists[3].notes.push(moved);
            boards.save(&mut one)?;
            old.revision = one.revision.clone();
            old.lists.remove(2);
            old.lists[0].n = 5;
            let moved = old.lists[0].notes.remove(0);
            old.lists[1].notes.push(moved);
            store.sessions.transaction(NESTED, async |_| boards.save(&mut old)).await
        })
        .await
        .unwrap();
    let seen = lists(&store).await;
    assert!(matches!(&seen[..], [one, two] if one.starts_with("1: n=5 v2") && two.starts_with("1: n=2 v")), "{seen:?}");
    let notes: Vec<Vec<i64>> = boards.get(1).await.unwrap().lists.iter().map(ids).collect();
    assert_eq!(notes, [vec![], vec![1, 2]]);
    assert_eq!(store.of::<NoteRow>().query().count().await.unwrap(), 2);
}

fn ids(list: &List) -> Vec<i64> {
    list.notes.iter().map(|note| note.id).collect()
}

async fn a_child_beside_new_ones_goes_to_another_aggregate(store: Store) {
    let boards = prepare(&store, &[board(1, &[list(1, &[1])]), board(2, &[])]).await;
    store
        .work(async |_| {
            let (mut one, mut two) = (boards.get(1).await?, boards.get(2).await?);
            two.lists.push(one.lists[0].clone());
            one.lists.push(list(3, &[3]));
            boards.save(&mut one)?;
            store.sessions.transaction(NESTED, async |_| boards.save(&mut two)).await
        })
        .await
        .unwrap();
    assert_eq!(lists(&store).await, ["2: n=1 v2", "1: n=3 v1"]);
    assert_eq!(store.of::<NoteRow>().query().count().await.unwrap(), 2);
}

/// Two boards, the first one with two lists, of which the first one has a memo, and one that was soft-deleted.
async fn with_memos(store: &Store) -> Repository<BoardRow> {
    let with = List { memos: vec![Memo { id: 1 }, Memo { id: 2 }], ..list(1, &[]) };
    let boards = prepare(store, &[board(1, &[with, list(2, &[])]), board(2, &[])]).await;
    let mut one = boards.get(1).await.unwrap();
    one.lists[0].memos.remove(0);
    boards.autocommit().save_now(&mut one).await.unwrap();
    boards
}

/// How many memos there are, and how many of them live.
async fn memos(store: &Store) -> (u64, u64) {
    let memos = store.of::<MemoRow>();
    let all = memos.with_deleted().query().count().await.unwrap();
    (all, memos.query().count().await.unwrap())
}

async fn what_was_soft_deleted_goes_with_a_child_that_goes_to_another_aggregate(store: Store) {
    let boards = with_memos(&store).await;
    store
        .work(async |_| {
            let (mut one, mut old, mut two) = (boards.get(1).await?, boards.get(1).await?, boards.get(2).await?);
            one.lists.push(list(3, &[]));
            boards.save(&mut one)?;
            old.revision = one.revision.clone();
            two.lists.push(old.lists.remove(0));
            store.sessions.transaction(NESTED, async |_| boards.save_all([&mut old, &mut two])).await
        })
        .await
        .unwrap();
    let seen = lists(&store).await;
    assert!(matches!(&seen[..], [one, two] if one.starts_with("2: n=1") && two.starts_with("1: n=2")), "{seen:?}");
    assert_eq!(memos(&store).await, (2, 1));
}

async fn what_was_soft_deleted_goes_with_a_child_whose_row_is_deleted_behind_it(store: Store) {
    let boards = with_memos(&store).await;
    store
        .work(async |_| {
            let (mut one, mut two) = (boards.get(1).await?, boards.get(2).await?);
            two.lists.push(one.lists.remove(0));
            boards.save_all([&mut one, &mut two])?;
            boards.delete(&mut one)
        })
        .await
        .unwrap();
    assert_eq!(lists(&store).await, ["2: n=1 v3"]);
    assert_eq!(memos(&store).await, (2, 1));
}

//! Rows that can be soft-deleted below rows that cannot.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use super::{Store, on_each_store};

on_each_store![
    what_a_save_leaves_out_below_a_row_that_stays_is_soft_deleted,
    what_is_below_a_row_that_goes_for_good_goes_with_it,
    what_an_upsert_leaves_out_below_a_row_that_stays_is_soft_deleted,
    what_is_below_a_row_that_an_upsert_leaves_out_goes_with_it,
    an_upsert_of_other_aggregates_leaves_the_rest_alone,
];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "cabinets")]
#[mappable(domain = Self)]
struct Cabinet {
    #[table(id)]
    id: i64,
    #[table(has_many(by = cabinet_id))]
    drawers: Vec<Drawer>,
    #[table(version)]
    version: i64,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "drawers")]
#[mappable(domain = Self)]
struct Drawer {
    #[table(id)]
    id: i64,
    #[table(references(Cabinet))]
    cabinet_id: i64,
    #[table(has_many(by = drawer_id))]
    files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "files")]
#[mappable(domain = Self)]
struct File {
    #[table(id)]
    id: i64,
    #[table(references(Drawer))]
    drawer_id: i64,
    #[table(has_many(by = file_id))]
    notes: Vec<Note>,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "file_notes")]
#[mappable(domain = Self)]
struct Note {
    #[table(id)]
    id: i64,
    #[table(references(File))]
    file_id: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

fn file(id: i64) -> File {
    let note = Note { id: id * 10, file_id: id, deleted_at: None };
    File { id, drawer_id: 0, notes: vec![note], deleted_at: None }
}

fn drawer(id: i64, files: &[i64]) -> Drawer {
    Drawer { id, cabinet_id: 0, files: files.iter().copied().map(file).collect() }
}

fn cabinet(id: i64, drawers: Vec<Drawer>) -> Cabinet {
    Cabinet { id, drawers, version: 0 }
}

/// Two drawers of two files each, of which one is soft-deleted.
async fn prepare(store: &Store) -> Repository<Cabinet> {
    store.sessions.create_tables(&schema![Cabinet, Drawer, File, Note]).await.unwrap();
    let cabinets = store.of::<Cabinet>();
    let mut all =
        [cabinet(1, vec![drawer(11, &[111, 112]), drawer(12, &[121, 122])]), cabinet(2, vec![drawer(21, &[211])])];
    cabinets.autocommit().add_all_now(&mut all).await.unwrap();
    all[0].drawers[1].files.pop();
    let leave_out = store.work(async |_| {
        let mut one = cabinets.get(1).await?;
        one.drawers[1].files.pop();
        cabinets.save(&mut one)
    });
    leave_out.await.unwrap();
    assert_eq!(
        rows(store).await,
        ["11: 111+ (1110+) 112+ (1120+)", "12: 121+ (1210+) 122- (1220-)", "21: 211+ (2110+)"]
    );
    cabinets
}

/// All drawers with their files and the notes of those, with a `+` if they live.
async fn rows(store: &Store) -> Vec<String> {
    let alive = |deleted: Option<DateTime<Utc>>| if deleted.is_some() { '-' } else { '+' };
    let cabinets =
        store.of::<Cabinet>().with_deleted().query().order_by(Cabinet::COLUMNS.id.asc()).all().await.unwrap();
    let mut rows = Vec::new();
    for drawer in cabinets.into_iter().flat_map(|cabinet| cabinet.drawers) {
        let note = |note: Note| format!("{}{}", note.id, alive(note.deleted_at));
        let file = |file: File| {
            let notes: Vec<String> = file.notes.into_iter().map(note).collect();
            format!(" {}{} ({})", file.id, alive(file.deleted_at), notes.join(" "))
        };
        let files: Vec<String> = drawer.files.into_iter().map(file).collect();
        rows.push(format!("{}:{}", drawer.id, files.concat()));
    }
    let orphans = store.of::<File>().with_deleted().query().count().await.unwrap();
    assert_eq!(orphans, rows.iter().map(|row| row.matches('(').count() as u64).sum::<u64>());
    rows
}

async fn what_a_save_leaves_out_below_a_row_that_stays_is_soft_deleted(store: Store) {
    let cabinets = prepare(&store).await;
    let work = store.work(async |_| {
        let mut one = cabinets.get(1).await?;
        one.drawers[0].files.remove(0);
        cabinets.save(&mut one)
    });
    work.await.unwrap();
    assert_eq!(
        rows(&store).await,
        ["11: 111- (1110-) 112+ (1120+)", "12: 121+ (1210+) 122- (1220-)", "21: 211+ (2110+)"]
    );
}

async fn what_is_below_a_row_that_goes_for_good_goes_with_it(store: Store) {
    let cabinets = prepare(&store).await;
    let work = store.work(async |_| {
        let mut one = cabinets.get(1).await?;
        one.drawers.remove(1);
        cabinets.save(&mut one)
    });
    work.await.unwrap();
    assert_eq!(rows(&store).await, ["11: 111+ (1110+) 112+ (1120+)", "21: 211+ (2110+)"]);
}

async fn what_an_upsert_leaves_out_below_a_row_that_stays_is_soft_deleted(store: Store) {
    let cabinets = prepare(&store).await;
    let mut one = cabinet(1, vec![drawer(11, &[112]), drawer(12, &[])]);
    cabinets.autocommit().upsert_now(&mut one).await.unwrap();
    assert_eq!(
        rows(&store).await,
        ["11: 111- (1110-) 112+ (1120+)", "12: 121- (1210-) 122- (1220-)", "21: 211+ (2110+)"]
    );
}

async fn what_is_below_a_row_that_an_upsert_leaves_out_goes_with_it(store: Store) {
    let cabinets = prepare(&store).await;
    let mut one = cabinet(1, vec![drawer(11, &[111, 113])]);
    cabinets.autocommit().upsert_now(&mut one).await.unwrap();
    assert_eq!(rows(&store).await, ["11: 111+ (1110+) 112- (1120-) 113+ (1130+)", "21: 211+ (2110+)"]);
    cabinets.autocommit().upsert_now(&mut cabinet(1, Vec::new())).await.unwrap();
    assert_eq!(rows(&store).await, ["21: 211+ (2110+)"]);
}

async fn an_upsert_of_other_aggregates_leaves_the_rest_alone(store: Store) {
    let cabinets = prepare(&store).await;
    let mut both = [cabinet(2, vec![drawer(22, &[221])]), cabinet(3, vec![drawer(31, &[311])])];
    cabinets.autocommit().upsert_all_now(&mut both).await.unwrap();
    let mut both = [cabinet(2, vec![drawer(22, &[])]), cabinet(3, Vec::new())];
    cabinets.autocommit().upsert_all_now(&mut both).await.unwrap();
    assert_eq!(
        rows(&store).await,
        ["11: 111+ (1110+) 112+ (1120+)", "12: 121+ (1210+) 122- (1220-)", "22: 221- (2210-)"]
    );
}

//! A projection shows rows of one tenant that are not soft-deleted, whichever table they are of.

use chrono::{DateTime, Utc};
use spakky::prelude::*;

use crate::support::{Database, on_each_backend};

on_each_backend![
    only_living_rows_of_the_tenant_are_seen,
    without_a_tenant_nothing_is_sent,
    a_repository_that_sees_more_shows_more,
    a_table_with_tenants_below_one_without_needs_one_too,
    a_missing_owner_is_told_from_an_absent_one,
];

#[derive(Debug, Clone, Table)]
#[table(name = "desks", tenanted)]
struct DeskRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    label: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

/// The same table to those who know no soft deletion.
#[derive(Debug, Clone, Table)]
#[table(name = "desks", tenanted)]
struct LastingDeskRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    label: String,
}

#[derive(Debug, Clone, Table)]
#[table(name = "drawers", tenanted)]
struct DrawerRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    desk_id: i64,
    size: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "stickers", tenanted)]
struct StickerRow {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    text: String,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Table)]
#[table(name = "desk_stickers", tenanted)]
struct DeskStickerRow {
    #[table(id)]
    desk_id: i64,
    #[table(id)]
    sticker_id: i64,
    #[table(tenant)]
    tenant: String,
}

/// No tenants, but drawers of some.
#[derive(Debug, Clone, Table)]
#[table(name = "floors")]
struct FloorRow {
    #[table(id)]
    id: i64,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = StickerRow)]
struct StickerView {
    text: String,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = DrawerRow)]
struct DrawerView {
    id: i64,
    #[projection(joined(DeskRow.label, by = desk_id))]
    desk: Option<String>,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = DeskRow)]
struct DeskView {
    label: String,
    #[projection(has_many(by = desk_id))]
    drawers: Vec<DrawerView>,
    #[projection(count(DrawerRow, by = desk_id))]
    count: i64,
    #[projection(sum(DrawerRow.size, by = desk_id))]
    size: i64,
    #[projection(many_to_many(through = DeskStickerRow, from = desk_id, to = sticker_id))]
    stickers: Vec<StickerView>,
}

#[derive(Debug, Projection)]
#[projection(row = FloorRow)]
struct FloorView {
    #[projection(count(DrawerRow, by = desk_id))]
    _drawers: i64,
}

#[derive(Debug, PartialEq, Projection)]
#[projection(row = DrawerRow)]
struct StrictDrawer {
    #[projection(joined(LastingDeskRow.label, by = desk_id))]
    desk: String,
}

async fn create(db: &Database) -> Repository<DeskRow> {
    let tables = schema![DeskRow, DrawerRow, StickerRow, DeskStickerRow, FloorRow];
    db.observer().create_tables(&tables).await.unwrap();
    let gone = "'2020-01-01T00:00:00.000000Z'";
    for sql in [
        format!(
            "INSERT INTO desks (id, tenant, label, deleted_at) VALUES \
             (1, 'acme', 'oak', NULL), (2, 'acme', 'elm', {gone}), (3, 'globex', 'ash', NULL)"
        ),
        format!(
            "INSERT INTO drawers (id, tenant, desk_id, size, deleted_at) VALUES (11, 'acme', 1, 5, NULL), \
             (12, 'acme', 1, 7, {gone}), (13, 'globex', 1, 9, NULL), (21, 'acme', 2, 3, NULL), (31, 'acme', 3, 3, NULL)"
        ),
        format!(
            "INSERT INTO stickers (id, tenant, text, deleted_at) VALUES \
             (1, 'acme', 'hi', NULL), (2, 'acme', 'old', {gone}), (3, 'globex', 'alien', NULL), (4, 'acme', 'cat', NULL)"
        ),
        "INSERT INTO desk_stickers (desk_id, sticker_id, tenant) VALUES \
         (1, 1, 'acme'), (1, 2, 'acme'), (1, 3, 'acme'), (1, 4, 'globex')"
            .to_owned(),
        "INSERT INTO floors (id) VALUES (1)".to_owned(),
    ] {
        db.execute(&sql).await;
    }
    db.sent();
    db.sessions.repository()
}

fn acme() -> RequestContext {
    RequestContext::new().tenant("acme")
}

fn drawer(id: i64, desk: Option<&str>) -> DrawerView {
    DrawerView { id, desk: desk.map(str::to_owned) }
}

async fn only_living_rows_of_the_tenant_are_seen(db: Database) {
    let desks = create(&db).await;
    // The context is that in which the query is run.
    let found = acme().scope(desks.project::<DeskView>().all()).await.unwrap();
    let oak = DeskView {
        label: "oak".to_owned(),
        drawers: vec![drawer(11, Some("oak"))],
        count: 1,
        size: 5,
        stickers: vec![StickerView { text: "hi".to_owned() }],
    };
    assert_eq!(found, [oak]);
    let drawers = db.sessions.repository::<DrawerRow>();
    let query = async || drawers.project::<DrawerView>().order_by(DrawerRow::COLUMNS.id.asc()).all().await;
    // The desks of these drawers are there, deleted, and of another tenant.
    assert_eq!(acme().scope(query()).await.unwrap(), [drawer(11, Some("oak")), drawer(21, None), drawer(31, None)]);
}

async fn without_a_tenant_nothing_is_sent(db: Database) {
    let desks = create(&db).await;
    assert!(desks.project::<DeskView>().all().await.unwrap_err().is_tenant_required());
    assert!(desks.project::<DeskView>().find(1).await.unwrap_err().is_tenant_required());
    assert_eq!(db.sent(), [] as [String; 0]);
}

async fn a_repository_that_sees_more_shows_more(db: Database) {
    let desks = create(&db).await;
    let all = desks.across_tenants().with_deleted();
    let found = all.project::<DeskView>().order_by(DeskRow::COLUMNS.id.asc()).all().await.unwrap();
    let shape: Vec<_> =
        found.iter().map(|desk| (desk.drawers.len(), desk.count, desk.size, desk.stickers.len())).collect();
    assert_eq!(shape, [(3, 3, 21, 4), (1, 1, 3, 0), (1, 1, 3, 0)]);
}

async fn a_table_with_tenants_below_one_without_needs_one_too(db: Database) {
    create(&db).await;
    let floors = db.sessions.repository::<FloorRow>();
    let error = floors.project::<FloorView>().all().await.unwrap_err();
    assert!(error.is_tenant_required());
    assert_eq!(error.table(), Some("drawers"));
}

async fn a_missing_owner_is_told_from_an_absent_one(db: Database) {
    create(&db).await;
    let drawers = db.sessions.repository::<DrawerRow>();
    let error = acme().scope(async { drawers.project::<StrictDrawer>().get(31).await }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "load `desk` of `StrictDrawer`: there is no row for 3 in `desks`, or it is not to be seen; make the field an \
         `Option`"
    );
}

//! Children without a tenant of their own, at two depths: out of reach with their aggregate, whichever write names it.

use chrono::{DateTime, Utc};
use spakky::Error;
use spakky::prelude::*;

use super::every_operation::operations;
use super::tables::{acting_for, begin};
use crate::support::{Database, on_each_backend};

on_each_backend![no_write_reaches_the_children_of_another_tenants_row, no_write_reaches_the_children_of_a_deleted_row,];

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "folders", tenanted, unique(tenant, title))]
#[mappable(domain = Self)]
struct Folder {
    #[table(id)]
    id: i64,
    #[table(tenant)]
    tenant: String,
    title: String,
    #[table(version)]
    version: i64,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(has_many(by = folder_id, order_by = id))]
    sheets: Vec<Sheet>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "sheets")]
#[mappable(domain = Self)]
struct Sheet {
    #[table(id)]
    id: i64,
    #[table(references(Folder))]
    folder_id: i64,
    text: String,
    #[table(has_many(by = sheet_id, order_by = id))]
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "lines")]
#[mappable(domain = Self)]
struct Line {
    #[table(id)]
    id: i64,
    #[table(references(Sheet))]
    sheet_id: i64,
    text: String,
}

async fn create(db: &Database) {
    db.observer().create_tables(&schema![Folder, Sheet, Line]).await.unwrap();
}

/// Acme has 1, and 2, which is deleted; globex has 11, and 12, which is deleted. Each has a sheet with a line.
async fn fill(db: &Database) {
    let gone = "'2020-01-01T00:00:00.000000Z'";
    for sql in [
        &format!(
            "INSERT INTO folders (id, tenant, title, version, deleted_at) VALUES \
             (1, 'acme', 'title 1', 1, NULL), (2, 'acme', 'title 2', 1, {gone}), \
             (11, 'globex', 'title 11', 1, NULL), (12, 'globex', 'title 12', 1, {gone})"
        ),
        "INSERT INTO sheets (id, folder_id, text) VALUES (1, 1, ''), (2, 2, ''), (11, 11, ''), (12, 12, '')",
        "INSERT INTO lines (id, sheet_id, text) VALUES (1, 1, ''), (2, 2, ''), (11, 11, ''), (12, 12, '')",
    ] {
        db.execute(sql).await;
    }
}

async fn empty(db: &Database) {
    for table in ["lines", "sheets", "folders"] {
        db.execute(&format!("DELETE FROM {table}")).await;
    }
}

/// What is stored of the folders with these ids and below them, and of what took the ids of sheets and lines.
async fn stored(db: &Database, ids: [i64; 2]) -> Vec<String> {
    let [first, second] = ids;
    let within = format!("IN ({first}, {second})");
    let sql = format!(
        "SELECT 'folder ' || CAST(id AS text) || ' ' || tenant || ' ' || title || ' v' || CAST(version AS text) \
         || CASE WHEN deleted_at IS NULL THEN ' lives' ELSE ' deleted' END FROM folders WHERE id {within} \
         UNION ALL SELECT 'sheet ' || CAST(id AS text) || ' of ' || CAST(folder_id AS text) || ' ' || text FROM sheets \
         WHERE folder_id {within} OR id {within} \
         UNION ALL SELECT 'line ' || CAST(id AS text) || ' of ' || CAST(sheet_id AS text) || ' ' || text FROM lines \
         WHERE sheet_id {within} OR id {within} ORDER BY 1"
    );
    let rows: Vec<(String,)> = db.observer().sql(sql).fetch_all().await.unwrap();
    rows.into_iter().map(|(row,)| row).collect()
}

fn folder(id: i64, sheets: Vec<Sheet>) -> Folder {
    let title = format!("title {id}");
    Folder { id, tenant: String::new(), title, version: 1, deleted_at: None, sheets }
}

fn sheet(id: i64, of: i64, lines: &[i64]) -> Sheet {
    let lines = lines.iter().map(|line| Line { id: *line, sheet_id: id, text: "changed".to_owned() }).collect();
    Sheet { id, folder_id: of, text: "changed".to_owned(), lines }
}

/// What a caller may claim to be below a folder: nothing, what is there in another form, and rows of its own.
fn claims(id: i64) -> [Folder; 4] {
    [
        folder(id, Vec::new()),
        folder(id, vec![sheet(id, id, &[])]),
        folder(id, vec![sheet(id, id, &[id, id + 100])]),
        folder(id, vec![sheet(id + 100, id, &[id + 100])]),
    ]
}

/// Runs a write on two folders.
async fn write(name: &str, repo: &Repository<Folder>, both: &mut [Folder; 2]) -> Result<(), Error> {
    let columns = Folder::COLUMNS;
    let by = Folder::UQ_TENANT_TITLE;
    let ids = [both[0].id, both[1].id];
    let first = ids[0];
    match name {
        "Repository::update_where" => {
            repo.update_where(columns.id.eq(first), [columns.title.set("changed")]).await.map(drop)
        }
        "Repository::delete_where" => repo.delete_where(columns.id.in_list(ids)).await.map(drop),
        "QueryBuilder::update" => {
            repo.filter(columns.id.eq(first)).update([columns.title.set("changed")]).await.map(drop)
        }
        "QueryBuilder::delete" => repo.filter(columns.id.in_list(ids)).delete().await.map(drop),
        "QueryBuilder::soft_delete" => repo.filter(columns.id.in_list(ids)).soft_delete().await.map(drop),
        "QueryBuilder::restore" => repo.filter(columns.id.in_list(ids)).restore().await.map(drop),
        "Repository::add" => repo.add(&mut both[0]),
        "Repository::add_now" => repo.add_now(&mut both[0]).await,
        "Repository::add_all" => repo.add_all(both),
        "Repository::add_all_now" => repo.add_all_now(both).await,
        "Repository::save" => repo.save(&mut both[0]),
        "Repository::save_now" => repo.save_now(&mut both[0]).await,
        "Repository::save_all" => repo.save_all(both),
        "Repository::save_all_now" => repo.save_all_now(both).await,
        "Repository::attach" => repo.attach(&both[0], 1).and_then(|()| repo.save(&mut both[0])),
        "Repository::save_if" => repo.save_if(&mut both[0], 1),
        "Repository::save_if_now" => repo.save_if_now(&mut both[0], 1).await,
        "Repository::upsert" => repo.upsert(&mut both[0]),
        "Repository::upsert_now" => repo.upsert_now(&mut both[0]).await,
        "Repository::upsert_all" => repo.upsert_all(both),
        "Repository::upsert_all_now" => repo.upsert_all_now(both).await,
        "Repository::upsert_by" => repo.upsert_by(by, &mut both[0]),
        "Repository::upsert_by_now" => repo.upsert_by_now(by, &mut both[0]).await,
        "Repository::upsert_all_by" => repo.upsert_all_by(by, both),
        "Repository::upsert_all_by_now" => repo.upsert_all_by_now(by, both).await,
        "Repository::delete" => repo.delete(&mut both[0]),
        "Repository::delete_now" => repo.delete_now(&mut both[0]).await,
        "Repository::delete_all" => repo.delete_all(both),
        "Repository::delete_all_now" => repo.delete_all_now(both).await,
        "Repository::delete_by_id" => repo.delete_by_id(first),
        "Repository::delete_by_id_now" => repo.delete_by_id_now(first).await,
        "Repository::delete_all_by_id" => repo.delete_all_by_id(ids),
        "Repository::soft_delete" => repo.soft_delete(&mut both[0]),
        "Repository::soft_delete_now" => repo.soft_delete_now(&mut both[0]).await,
        "Repository::soft_delete_all" => repo.soft_delete_all(both),
        "Repository::soft_delete_all_now" => repo.soft_delete_all_now(both).await,
        "Repository::restore" => repo.restore(&mut both[0]),
        "Repository::restore_now" => repo.restore_now(&mut both[0]).await,
        "Repository::restore_all" => repo.restore_all(both),
        "Repository::restore_all_now" => repo.restore_all_now(both).await,
        other => panic!("`{other}` writes, and is not tried with children here"),
    }
}

/// The public methods that write.
fn writes() -> Vec<String> {
    let verbs = ["add", "save", "attach", "upsert", "update", "delete", "soft_delete", "restore"];
    let is_write = |name: &String| {
        let method = name.split("::").last().unwrap_or_default();
        verbs.iter().any(|verb| method == *verb || method.starts_with(&format!("{verb}_")))
    };
    operations().into_iter().filter(is_write).collect()
}

/// Runs a write and commits what it did.
async fn attempt(db: &Database, name: &str, repo: &Repository<Folder>, both: &mut [Folder; 2]) -> Result<(), Error> {
    let tx = begin(db, acting_for("acme")).await;
    match Box::pin(write(name, &repo.in_session(tx.session()), both)).await {
        Ok(()) => tx.commit().await,
        Err(error) => {
            tx.rollback().await;
            Err(error)
        }
    }
}

fn assert_refused(name: &str, claim: &Folder, error: &Error) {
    if name.contains("upsert") && name.contains("_by") {
        // The children need an id that is not known ahead.
        return assert!(
            error.to_string().ends_with("need the id of their row, which is not known; use `upsert`"),
            "{error}"
        );
    }
    let is_known = error.is_not_found()
        || error.is_conflict()
        || error.is_stale_copy()
        || error.is_not_loaded()
        || error.is_unique_violation()
        || error.is_foreign_key_violation();
    assert!(is_known, "{name} {claim:?}: {error}");
}

async fn no_write_reaches_the_children_of_another_tenants_row(db: Database) {
    create(&db).await;
    fill(&db).await;
    let repo = db.sessions.repository::<Folder>();
    let before = stored(&db, [11, 12]).await;
    assert_eq!(before.len(), 6);
    let names = writes();
    assert!(names.len() >= 38, "{names:?}");
    for name in names {
        for ids in [[11, 12], [12, 11], [1, 11]] {
            for claim in 0..claims(0).len() {
                for repo in [repo.clone(), repo.untracked(), repo.with_deleted()] {
                    let mut both = ids.map(|id| claims(id)[claim].clone());
                    let claimed = both[0].clone();
                    if let Err(error) = attempt(&db, &name, &repo, &mut both).await {
                        assert_refused(&name, &claimed, &error);
                    }
                    assert_eq!(stored(&db, [11, 12]).await, before, "{name} {ids:?} {claimed:?}");
                    empty(&db).await;
                    fill(&db).await;
                }
            }
        }
    }
}

async fn no_write_reaches_the_children_of_a_deleted_row(db: Database) {
    create(&db).await;
    fill(&db).await;
    let repo = db.sessions.repository::<Folder>();
    let before = stored(&db, [2, 12]).await;
    for name in writes().into_iter().filter(|name| !name.contains("restore")) {
        for claim in 0..claims(0).len() {
            for repo in [repo.clone(), repo.untracked()] {
                let mut both = [2, 12].map(|id| claims(id)[claim].clone());
                let claimed = both[0].clone();
                if let Err(error) = attempt(&db, &name, &repo, &mut both).await {
                    assert_refused(&name, &claimed, &error);
                }
                assert_eq!(stored(&db, [2, 12]).await, before, "{name} {claimed:?}");
                empty(&db).await;
                fill(&db).await;
            }
        }
    }
}

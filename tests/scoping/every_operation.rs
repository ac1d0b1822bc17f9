//! Every public operation of repositories and queries, confined to one tenant, and refused without any.
//!
//! The operations are read from the sources, so that a new one cannot be forgotten here.

use std::path::Path;

use futures_util::TryStreamExt;
use spakky::prelude::*;
use spakky::repository::QueryBuilder;
use spakky::{CursorRequest, Error, LockWait, PageRequest};

use super::tables::{ACME, Document, DocumentRow, GLOBEX, acting_for, begin, document, prepare, stored};
use crate::support::{Database, on_each_backend};

on_each_backend![
    every_statement_names_the_tenant,
    nothing_of_another_tenant_is_found_or_written,
    without_a_tenant_nothing_is_sent,
    deleted_rows_are_out_of_reach_of_every_operation,
];

/// What makes another repository or query, or describes one, and sends nothing.
const BUILDERS: [&str; 20] = [
    "Repository::new",
    "Repository::in_session",
    "Repository::autocommit",
    "Repository::untracked",
    "Repository::across_tenants",
    "Repository::with_deleted",
    "Repository::query",
    "Repository::filter",
    // Confined by its own tests.
    "Repository::project",
    "QueryBuilder::project",
    "Repository::search",
    "Repository::search_within",
    "QueryBuilder::apply",
    "QueryBuilder::filter",
    "QueryBuilder::order_by",
    "QueryBuilder::limit",
    "QueryBuilder::offset",
    "QueryBuilder::for_update",
    "Repository::fmt",
    "QueryBuilder::fmt",
];

/// The public methods of repositories and queries, as `Repository::get`.
pub(super) fn operations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("spakky-runtime/src/repository");
    let mut sources = vec![folder.with_extension("rs")];
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { sources.push(path) }
        }
    }
    let mut found = Vec::new();
    for source in sources {
        let text = std::fs::read_to_string(source).unwrap();
        let mut of = None;
        for line in text.lines() {
            if line.starts_with("impl") {
                let is_of = |name: &&str| line.contains(&format!("{name}<Row>")) && !line.contains(" for ");
                of = ["Repository", "QueryBuilder"].into_iter().find(is_of);
            }
            let line = line.trim_start();
            let method = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn "));
            if let (Some(of), Some(method)) = (of, method) {
                let name = method.split(['(', '<']).next().unwrap_or_default();
                found.push(format!("{of}::{name}"));
            }
        }
    }
    found.retain(|name| !BUILDERS.contains(&name.as_str()));
    found.sort();
    found
}

/// A document of the title that the row with this id has, each tenant's own.
fn titled(id: i64) -> Document {
    document(id, ["one", "two", "three"][usize::try_from(id % 10 - 1).unwrap()])
}

/// A document as another request has it.
fn carried(id: i64) -> Document {
    Document { revision: Revision::loaded(1), ..document(id, &format!("changed {id}")) }
}

fn query(repo: &Repository<DocumentRow>, ids: [i64; 2]) -> QueryBuilder<DocumentRow> {
    // One with `or`, which a condition behind it must not fall into.
    let d = DocumentRow::COLUMNS;
    repo.filter(d.id.eq(ids[0]).or(d.id.eq(ids[1])))
}

/// Runs an operation on two documents, and answers how many it met, where it tells.
async fn operate(name: &str, repo: &Repository<DocumentRow>, ids: [i64; 2]) -> Result<Option<u64>, Error> {
    let d = DocumentRow::COLUMNS;
    let [first, second] = ids;
    let mut one = carried(first);
    let mut both = ids.map(carried);
    let by_title = DocumentRow::UQ_TENANT_TITLE;
    let mut fresh = [document(first + 100, "fresh"), document(second + 100, "fresher")];
    let found = match name {
        "Repository::get" => repo.get(first).await.map(|_| 1)?,
        "Repository::find" => repo.find(first).await?.map_or(0, |_| 1),
        "Repository::exists" => repo.exists(first).await?.into(),
        "Repository::get_many" => repo.get_many(ids).await.map(|all| all.len() as u64)?,
        "Repository::find_many" => repo.find_many(ids).await?.iter().flatten().count() as u64,
        "Repository::get_versioned" => repo.get_versioned(first).await.map(|_| 1)?,
        "Repository::lock" => repo.lock(first).await.map(|_| 1)?,
        "Repository::find_locked" => repo.find_locked(first, LockWait::NoWait).await?.map_or(0, |_| 1),
        "QueryBuilder::all" => query(repo, ids).all().await?.len() as u64,
        "QueryBuilder::one" => repo.filter(d.id.eq(first)).one().await.map(|_| 1)?,
        "QueryBuilder::first" => query(repo, ids).first().await?.map_or(0, |_| 1),
        "QueryBuilder::page" => query(repo, ids).page(PageRequest::new(1)).await?.items.len() as u64,
        "QueryBuilder::cursor_page" => query(repo, ids).cursor_page(CursorRequest::first(9)).await?.items.len() as u64,
        "QueryBuilder::sum" => query(repo, ids).sum(d.version).await?.map_or(0, |_| 1),
        "QueryBuilder::sum_as" => query(repo, ids).sum_as::<f64>(d.version).await?.map_or(0, |_| 1),
        "QueryBuilder::avg" => query(repo, ids).avg(d.version).await?.map_or(0, |_| 1),
        "QueryBuilder::min" => query(repo, ids).min(d.id).await?.map_or(0, |_| 1),
        "QueryBuilder::max" => query(repo, ids).max(d.id).await?.map_or(0, |_| 1),
        "Repository::count_where" => repo.count_where(d.id.in_list(ids)).await?,
        "Repository::exists_where" => repo.exists_where(d.id.in_list(ids)).await?.into(),
        "Repository::update_where" => repo.update_where(d.id.eq(first), [d.title.set("changed")]).await?,
        "Repository::delete_where" => repo.delete_where(d.id.in_list(ids)).await?,
        "QueryBuilder::count" => query(repo, ids).count().await?,
        "QueryBuilder::exists" => query(repo, ids).exists().await?.into(),
        "QueryBuilder::stream" => query(repo, ids).stream().await?.try_collect::<Vec<_>>().await?.len() as u64,
        "QueryBuilder::update" => query(repo, [first, first]).update([d.title.set("changed")]).await?,
        "QueryBuilder::delete" => query(repo, ids).delete().await?,
        "QueryBuilder::soft_delete" => query(repo, ids).soft_delete().await?,
        "QueryBuilder::restore" => query(repo, ids).restore().await?,
        _ => {
            match name {
                "Repository::add" => repo.add(&mut fresh[0]),
                "Repository::add_now" => repo.add_now(&mut fresh[0]).await,
                "Repository::add_all" => repo.add_all(&mut fresh),
                "Repository::add_all_now" => repo.add_all_now(&mut fresh).await,
                "Repository::save" => repo.save(&mut one),
                "Repository::save_now" => repo.save_now(&mut one).await,
                "Repository::save_all" => repo.save_all(&mut both),
                "Repository::save_all_now" => repo.save_all_now(&mut both).await,
                "Repository::attach" => repo.attach(&one, 1).and_then(|()| repo.save(&mut one)),
                "Repository::save_if" => repo.save_if(&mut one, 1),
                "Repository::save_if_now" => repo.save_if_now(&mut one, 1).await,
                "Repository::upsert" => repo.upsert(&mut one),
                "Repository::upsert_now" => repo.upsert_now(&mut one).await,
                "Repository::upsert_all" => repo.upsert_all(&mut both),
                "Repository::upsert_all_now" => repo.upsert_all_now(&mut both).await,
                "Repository::upsert_by" => repo.upsert_by(by_title, &mut titled(first)),
                "Repository::upsert_by_now" => repo.upsert_by_now(by_title, &mut titled(first)).await,
                "Repository::upsert_all_by" => repo.upsert_all_by(by_title, &mut ids.map(titled)),
                "Repository::upsert_all_by_now" => repo.upsert_all_by_now(by_title, &mut ids.map(titled)).await,
                "Repository::delete" => repo.delete(&mut one),
                "Repository::delete_now" => repo.delete_now(&mut one).await,
                "Repository::delete_all" => repo.delete_all(&mut both),
                "Repository::delete_all_now" => repo.delete_all_now(&mut both).await,
                "Repository::delete_by_id" => repo.delete_by_id(first),
                "Repository::delete_by_id_now" => repo.delete_by_id_now(first).await,
                "Repository::delete_all_by_id" => repo.delete_all_by_id(ids),
                "Repository::soft_delete" => repo.soft_delete(&mut one),
                "Repository::soft_delete_now" => repo.soft_delete_now(&mut one).await,
                "Repository::soft_delete_all" => repo.soft_delete_all(&mut both),
                "Repository::soft_delete_all_now" => repo.soft_delete_all_now(&mut both).await,
                "Repository::restore" => repo.restore(&mut one),
                "Repository::restore_now" => repo.restore_now(&mut one).await,
                "Repository::restore_all" => repo.restore_all(&mut both),
                "Repository::restore_all_now" => repo.restore_all_now(&mut both).await,
                other => panic!("what `{other}` sends is not tested; run it here, or call it a builder"),
            }?;
            return Ok(None);
        }
    };
    Ok(Some(found))
}

/// Runs an operation in a transaction of its own, sends what it queued, and undoes it.
async fn attempt(
    db: &Database,
    context: RequestContext,
    name: &str,
    repo: &Repository<DocumentRow>,
    ids: [i64; 2],
) -> Result<Option<u64>, Error> {
    let tx = begin(db, context).await;
    let repo = repo.in_session(tx.session());
    let outcome = match Box::pin(operate(name, &repo, ids)).await {
        Ok(found) => tx.session().flush().await.map(|()| found),
        Err(error) => Err(error),
    };
    tx.rollback().await;
    outcome
}

/// What was sent besides transaction control.
fn statements(db: &Database) -> Vec<String> {
    let control = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "SELECT set_config"];
    db.sent().into_iter().filter(|sql| !control.iter().any(|word| sql.starts_with(word))).collect()
}

async fn every_statement_names_the_tenant(db: Database) {
    prepare(&db).await;
    let repo = db.sessions.repository::<DocumentRow>();
    let operations = operations();
    assert!(operations.len() > 40, "{operations:?}");
    for name in operations {
        for repo in [repo.clone(), repo.untracked(), repo.with_deleted()] {
            attempt(&db, acting_for("acme"), &name, &repo, [1, 2]).await.unwrap();
            let sent = statements(&db);
            // A page counts its rows, too, and what was found by another key than the id is read.
            let expected =
                if name == "QueryBuilder::page" || name.ends_with("by_now") && name.contains("upsert") { 2 } else { 1 };
            assert_eq!(sent.len(), expected, "{name}: {sent:?}");
            assert!(sent.iter().all(|sql| sql.contains("\"tenant\"")), "{name}: {sent:?}");
        }
    }
    assert_eq!(stored(&db, "acme").await, ACME);
}

async fn nothing_of_another_tenant_is_found_or_written(db: Database) {
    prepare(&db).await;
    let repo = db.sessions.repository::<DocumentRow>();
    for name in operations() {
        for ids in [[11, 12], [12, 11], [1, 11]] {
            for repo in [repo.clone(), repo.untracked(), repo.with_deleted()] {
                // Committed: what it wrote stays.
                let tx = begin(&db, acting_for("acme")).await;
                let here = repo.in_session(tx.session());
                let outcome = Box::pin(operate(&name, &here, ids)).await;
                let met = match outcome {
                    Ok(met) => tx.commit().await.map(|()| met),
                    Err(error) => {
                        tx.rollback().await;
                        Err(error)
                    }
                };
                let own = ids.iter().filter(|id| **id < 10).count() as u64;
                match met {
                    Ok(Some(met)) => assert!(met <= own, "{name} {ids:?} met {met}"),
                    Ok(None) => {}
                    Err(error) => assert!(error.is_not_found() || error.is_conflict(), "{name} {ids:?}: {error}"),
                }
                assert_eq!(stored(&db, "globex").await, GLOBEX, "{name} {ids:?}");
                db.execute("DELETE FROM documents").await;
                prepare(&db).await;
            }
        }
    }
}

async fn without_a_tenant_nothing_is_sent(db: Database) {
    prepare(&db).await;
    let repo = db.sessions.repository::<DocumentRow>();
    for name in operations() {
        // An empty tenant is none.
        for context in [RequestContext::new().actor("ann"), acting_for("")] {
            for repo in [repo.clone(), repo.untracked(), repo.with_deleted()] {
                let error = attempt(&db, context.clone(), &name, &repo, [1, 2]).await.unwrap_err();
                assert!(error.is_tenant_required(), "{name}: {error}");
                assert_eq!(
                    error.to_string(),
                    "use `documents` without a tenant: the context has none; set it with `RequestContext::tenant` around the \
                     request, or say `across_tenants()`"
                );
                assert_eq!(db.sent(), Vec::<String>::new(), "{name}");
            }
        }
    }
}

async fn deleted_rows_are_out_of_reach_of_every_operation(db: Database) {
    prepare(&db).await;
    let repo = db.sessions.repository::<DocumentRow>();
    // Those that are about deleted rows.
    let about_deleted = |name: &str| name.contains("restore");
    for name in operations().into_iter().filter(|name| !about_deleted(name)) {
        let tx = begin(&db, acting_for("acme")).await;
        let here = repo.in_session(tx.session());
        let outcome = match Box::pin(operate(&name, &here, [3, 3])).await {
            Ok(met) => tx.commit().await.map(|()| met),
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        };
        match outcome {
            Ok(met) => assert_eq!(met.unwrap_or_default(), 0, "{name}"),
            Err(error) => assert!(
                error.is_not_found()
                    || error.is_conflict()
                    || error.is_stale_copy()
                    || error.is_not_loaded()
                    || error.is_unique_violation(),
                "{name}: {error}"
            ),
        }
        let third = stored(&db, "acme").await.into_iter().find(|row| row.starts_with("3 "));
        assert_eq!(third.as_deref(), Some(ACME[2]), "{name}");
        db.execute("DELETE FROM documents WHERE id > 100").await;
    }
}

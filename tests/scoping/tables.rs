//! The tables of these tests, and the contexts that they are used in.

use chrono::{DateTime, Utc};
use spakky::prelude::*;
use spakky::session::Transaction;

use crate::support::Database;

#[derive(Debug, Clone, PartialEq, Eq, Hash, ColumnValue)]
pub(super) struct Tenant(pub(super) String);

/// Has a column of each kind. The domain type knows of none of them but the version.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) revision: Revision,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "documents", tenanted, unique(tenant, title, where = live))]
#[mappable(domain = Document)]
pub(super) struct DocumentRow {
    #[table(id)]
    id: i64,
    title: String,
    #[table(tenant)]
    tenant: Tenant,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
    #[table(created_at)]
    created_at: DateTime<Utc>,
    #[table(created_by)]
    created_by: String,
    #[table(updated_at)]
    updated_at: DateTime<Utc>,
    #[table(updated_by)]
    updated_by: Option<String>,
    #[table(deleted_at)]
    deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    deleted_by: Option<String>,
}

/// The row is the domain type, and nothing guards it but its key.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "notes")]
#[mappable(domain = Self)]
pub(super) struct Note {
    #[table(id)]
    pub(super) id: i64,
    #[table(tenant)]
    pub(super) tenant: String,
    pub(super) text: String,
    #[table(deleted_at)]
    pub(super) deleted_at: Option<DateTime<Utc>>,
}

/// Its id is assigned by the database.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "badges")]
#[mappable(domain = Self)]
pub(super) struct Badge {
    #[table(id, generated)]
    pub(super) id: i64,
    #[table(tenant)]
    pub(super) tenant: String,
    pub(super) label: String,
    #[table(created_by)]
    pub(super) created_by: Option<String>,
}

/// No tenants, but soft deletion.
#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "customers", unique(email, where = live))]
#[mappable(domain = Self)]
pub(super) struct Customer {
    #[table(id)]
    pub(super) id: i64,
    pub(super) email: String,
    #[table(version)]
    pub(super) version: i64,
    #[table(deleted_at)]
    pub(super) deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    pub(super) deleted_by: Option<String>,
}

pub(super) fn document(id: i64, title: &str) -> Document {
    Document { id, title: title.to_owned(), revision: Revision::default() }
}

pub(super) fn note(id: i64, tenant: &str, text: &str) -> Note {
    Note { id, tenant: tenant.to_owned(), text: text.to_owned(), deleted_at: None }
}

pub(super) fn badge(label: &str) -> Badge {
    Badge { id: 0, tenant: String::new(), label: label.to_owned(), created_by: None }
}

pub(super) fn customer(id: i64, email: &str) -> Customer {
    Customer { id, email: email.to_owned(), version: 0, deleted_at: None, deleted_by: None }
}

/// The context of a request of `ann`'s, for a tenant.
pub(super) fn acting_for(tenant: &str) -> RequestContext {
    RequestContext::new().tenant(tenant).actor("ann")
}

/// A transaction that is opened in a context.
pub(super) async fn begin(db: &Database, context: RequestContext) -> Transaction {
    context.scope(async { db.sessions.begin() }).await
}

/// Makes the tables; `documents` holds 1 and 2 of acme, and 3, which is deleted; 11 of globex, and 12, which is deleted.
pub(super) async fn prepare(db: &Database) {
    db.observer().create_tables(&schema![DocumentRow, Note, Badge, Customer]).await.unwrap();
    let rows = [
        (1, "one", "acme", "NULL"),
        (2, "two", "acme", "NULL"),
        (3, "three", "acme", "'2020-01-01T00:00:00.000000Z'"),
        (11, "one", "globex", "NULL"),
        (12, "two", "globex", "'2020-01-01T00:00:00.000000Z'"),
    ];
    for (id, title, tenant, deleted) in rows {
        let at = "'2020-01-01T00:00:00.000000Z'";
        db.execute(&format!(
            "INSERT INTO documents (id, title, tenant, version, created_at, created_by, updated_at, updated_by, deleted_at) \
             VALUES ({id}, '{title}', '{tenant}', 1, {at}, 'root', {at}, 'root', {deleted})"
        ))
        .await;
    }
    db.sent();
}

/// Everything that is stored of a tenant's documents, as one text for each.
pub(super) async fn stored(db: &Database, tenant: &str) -> Vec<String> {
    let deleted = "CASE WHEN deleted_at IS NULL THEN 'live' ELSE 'deleted' END";
    let sql = format!(
        "SELECT CAST(id AS text) || ' ' || title || ' v' || CAST(version AS text) || ' ' || created_by || ' ' \
         || coalesce(updated_by, '-') || ' ' || {deleted} || ' ' || coalesce(deleted_by, '-') \
         FROM documents WHERE tenant = '{tenant}' ORDER BY id"
    );
    let rows: Vec<(String,)> = db.observer().sql(sql).fetch_all().await.unwrap();
    rows.into_iter().map(|(row,)| row).collect()
}

/// What [`prepare`] stores of acme's documents.
pub(super) const ACME: [&str; 3] =
    ["1 one v1 root root live -", "2 two v1 root root live -", "3 three v1 root root deleted -"];

/// What [`prepare`] stores of globex's documents.
pub(super) const GLOBEX: [&str; 2] = ["11 one v1 root root live -", "12 two v1 root root deleted -"];

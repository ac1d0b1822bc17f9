//! Tenancy, soft deletion and stamps, in every form that compiles.
#![deny(warnings)]

use chrono::{DateTime, NaiveDateTime, Utc};
use spakky::prelude::*;
use uuid::Uuid;

#[derive(Debug, Clone, ColumnValue)]
pub struct TenantId(pub Uuid);

#[derive(Debug, Clone, ColumnValue)]
pub struct UserId(pub i64);

#[derive(Clone, Table, Mappable)]
#[table(tenanted, unique(tenant, email, where = live), unique(email, name = "uq_email", where = live,))]
#[mappable(domain = Customer)]
pub struct CustomerRow {
    #[table(id)]
    pub id: i64,
    pub email: String,
    #[table(tenant, index, references(TenantRow, on_delete = restrict))]
    pub tenant: TenantId,
    #[table(created_at)]
    pub created_at: DateTime<Utc>,
    #[table(updated_at)]
    pub updated_at: NaiveDateTime,
    #[table(created_by, default = "0")]
    #[mappable(field = author)]
    pub created_by: UserId,
    #[table(updated_by, references(UserRow))]
    pub updated_by: Option<i64>,
    #[table(deleted_at, index)]
    pub deleted_at: Option<DateTime<Utc>>,
    #[table(deleted_by)]
    pub deleted_by: Option<UserId>,
}

/// Knows who made it, and nothing else of what the row says.
pub struct Customer {
    pub id: i64,
    pub email: String,
    pub author: UserId,
}

/// Without the key on the struct, and with one row for each tenant.
#[derive(Clone, Table, Mappable)]
#[mappable(domain = Self)]
pub struct Settings {
    #[table(id)]
    pub id: i64,
    #[table(tenant, unique, length = 40)]
    pub tenant: String,
    #[table(created_by, length = 80)]
    pub created_by: String,
    #[table(updated_by)]
    pub updated_by: Option<Uuid>,
    #[table(deleted_at)]
    pub deleted_at: Option<NaiveDateTime>,
}

#[derive(Clone, Table)]
pub struct TenantRow {
    #[table(id)]
    pub id: TenantId,
}

#[derive(Clone, Table)]
pub struct UserRow {
    #[table(id)]
    pub id: i64,
}

pub fn delete(customers: &Repository<CustomerRow>, customer: &mut Customer) -> Result<(), spakky::Error> {
    customers.soft_delete(customer)?;
    customers.restore(customer)
}

fn main() {
    let _ = [CustomerRow::UQ_TENANT_EMAIL, CustomerRow::UQ_EMAIL, Settings::UQ_TENANT];
}

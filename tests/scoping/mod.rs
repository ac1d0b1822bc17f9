//! Whose rows a statement may touch, which of them are deleted, and who wrote them.

mod audit;
mod children;
mod column_type;
mod every_operation;
mod identity;
mod key;
mod mapped;
mod soft_delete;
mod tables;
mod tenancy;
mod tenant_setting;
mod unique;
mod upsert;
mod weak_point;

//! Migrations: a registry compared with the database, the SQL that comes of it, and how it is run.

mod changed;
mod command;
mod compare;
mod data;
mod default;
mod enums;
mod existing;
pub(crate) mod folder;
mod process;
mod property;
mod rename;
mod rows;
mod run;
mod schema;
mod sql;

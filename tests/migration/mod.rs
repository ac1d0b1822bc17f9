//! Migrations: a registry compared with the database, the SQL that comes of it, and how it is run.

mod compare;
mod property;
mod rows;
mod schema;

//! Migrations: what separates the database from the program's tables, written as SQL that anybody can read, and run
//! once however many processes start together.
//!
//! * [`SchemaRegistry::diff`](crate::SchemaRegistry::diff) compares; [`SchemaDiff::write`] writes a folder in diesel's own
//!   layout.
//! * [`Migrator`] runs folders, or what [`embed!`] took into the program.
//! * [`run_command`] makes a program of it: `diff`, `up`, `down`, `status`.

mod change;
mod checksum;
mod command;
mod danger;
mod diff;
mod live;
mod migrator;
mod plan;
mod render;
mod run;
mod script;
mod shape;
mod source;
mod status;
mod token;
mod wanted;
mod write;

pub use command::{Command, run_command};
pub use diesel_migrations;
pub use diff::{DiffOptions, DiffStep, SchemaDiff};
pub use migrator::Migrator;
pub use source::AnyBackend;
pub use status::{MigrationState, MigrationStatus};
pub use write::WriteOptions;

/// Takes the migrations of a folder, named from the manifest of the crate, into the program:
/// `Migrator::from_source(&embed!("migrations"))`.
///
/// Have a `build.rs` print `cargo:rerun-if-changed=migrations`, since Rust does not see new folders by itself.
#[macro_export]
#[doc(hidden)]
macro_rules! __embed_migrations {
    ($folder:literal) => {{
        use $crate::migrations::diesel_migrations;
        const MIGRATIONS: diesel_migrations::EmbeddedMigrations = diesel_migrations::embed_migrations!($folder);
        MIGRATIONS
    }};
}

pub use crate::__embed_migrations as embed;

//! What a migration said when it ran, as a checksum beside the note that it ran, so that a later change of its file is seen.
//!
//! The checksum is a column of diesel's own table, so that it goes with the note, whoever removes that. It is added to a
//! table that earlier versions or diesel's command have made; both go on working with it, and leave it NULL. A NULL is
//! filled in by the next run: from then on a change is seen.

use sha2::{Digest, Sha256};

use super::diff::VERSIONS;
use crate::backend::Backend;

/// Text, or NULL where it is not known.
pub(super) const COLUMN: &str = "checksum";

/// The checksum of a script. How its lines end does not matter: version control may change that.
pub(super) fn of(script: &str) -> String {
    let script = script.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    Sha256::digest(script.trim_end()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A query for whether the table has the column: a count.
pub(super) fn is_kept(backend: Backend) -> String {
    match backend {
        Backend::Postgres => format!(
            "SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('{VERSIONS}') AND attname = \
             '{COLUMN}' AND NOT attisdropped"
        ),
        Backend::Sqlite => format!("SELECT count(*) FROM pragma_table_info('{VERSIONS}') WHERE name = '{COLUMN}'"),
    }
}

/// Adds the column.
pub(super) fn add() -> String {
    format!("ALTER TABLE {VERSIONS} ADD COLUMN {COLUMN} VARCHAR(64)")
}

/// A query for what has run, with its checksum.
pub(super) fn select() -> String {
    format!("SELECT version, {COLUMN} FROM {VERSIONS} ORDER BY version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_line_does_not_matter_and_all_else_does() {
        let script = of("CREATE TABLE a (id int);\nSELECT 1;\n");
        for same in ["CREATE TABLE a (id int);\r\nSELECT 1;", "\u{feff}CREATE TABLE a (id int);\nSELECT 1;\n\n"] {
            assert_eq!(of(same), script);
        }
        for other in ["CREATE TABLE a (id int);\nSELECT 2;\n", "CREATE TABLE a (id  int);\nSELECT 1;\n", ""] {
            assert_ne!(of(other), script);
        }
        assert_eq!(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

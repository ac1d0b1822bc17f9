//! A migration's text as single statements, each with the line it begins on.

use super::diff::{FOREIGN_KEYS_OFF, FOREIGN_KEYS_ON};
use super::token;
use crate::backend::Backend;

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) sql: &'a str,
    pub(crate) line: usize,
}

/// The statements of a text.
pub(crate) fn statements(sql: &str, backend: Backend) -> Vec<Statement<'_>> {
    let parsed = crate::sql::statement::statements(sql, backend.into());
    let found = parsed.iter().filter_map(|statement| {
        let range = statement.range();
        let line = 1 + sql.get(..range.start)?.matches('\n').count();
        Some(Statement { sql: sql.get(range)?, line })
    });
    found.collect()
}

/// What stands inside a script that turns foreign keys off and has a transaction of its own, as `diff` writes it for
/// SQLite; `None` for any other.
pub(crate) fn inside_foreign_keys_off<'s, 'a>(statements: &'s [Statement<'a>]) -> Option<&'s [Statement<'a>]> {
    let is = |statement: &Statement<'_>, text: &str| token::normalized(statement.sql) == token::normalized(text);
    let ends = |found: &[Statement<'_>], expected: [&str; 2]| {
        found.len() == 2 && found.iter().zip(expected).all(|(found, expected)| is(found, expected))
    };
    let (head, rest) = statements.split_at_checked(2)?;
    let (inside, foot) = rest.split_at_checked(rest.len().checked_sub(2)?)?;
    (ends(head, FOREIGN_KEYS_OFF) && ends(foot, FOREIGN_KEYS_ON)).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str, backend: Backend) -> Vec<(usize, &str)> {
        statements(sql, backend).into_iter().map(|statement| (statement.line, statement.sql)).collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_are_not_inside_something() {
        assert_eq!(
            texts(
                "-- a; b\nSELECT ';' ;\n;\nCREATE FUNCTION f() RETURNS int AS $$ BEGIN; END $$ LANGUAGE plpgsql;\n\nSELECT 2",
                Backend::Postgres
            ),
            [
                (2, "SELECT ';'"),
                (4, "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; END $$ LANGUAGE plpgsql"),
                (6, "SELECT 2")
            ]
        );
    }

    #[test]
    fn the_body_of_a_trigger_is_one_statement() {
        let trigger =
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = CASE b WHEN 1 THEN 2 END; DELETE FROM c; END";
        let function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END";
        for (backend, made) in [(Backend::Sqlite, trigger), (Backend::Postgres, function)] {
            assert_eq!(
                texts(&format!("BEGIN; {made};{made}; COMMIT;"), backend),
                [(1, "BEGIN"), (1, made), (1, made), (1, "COMMIT")]
            );
        }
    }

    #[test]
    fn a_script_with_foreign_keys_off_is_known_by_its_ends() {
        let script = "PRAGMA foreign_keys=OFF; begin immediate; DROP TABLE a; COMMIT; PRAGMA foreign_keys = ON;";
        let found = statements(script, Backend::Sqlite);
        let inside: Vec<_> = inside_foreign_keys_off(&found).unwrap().iter().map(|statement| statement.sql).collect();
        assert_eq!(inside, ["DROP TABLE a"]);
        assert_eq!(inside_foreign_keys_off(&statements("PRAGMA foreign_keys=OFF; VACUUM", Backend::Sqlite)), None);
    }
}

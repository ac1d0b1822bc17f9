//! A migration's text as single statements, each with the line it begins on.

use super::diff::{FOREIGN_KEYS_OFF, FOREIGN_KEYS_ON};
use super::token::{self, Token};

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) sql: &'a str,
    pub(crate) line: usize,
}

/// The statements of a text. A semicolon ends one unless it stands in a text, in parentheses, or in the body of a
/// trigger or function that begins with `BEGIN`.
pub(crate) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let tokens = token::tokens(sql);
    let mut found = Vec::new();
    let mut start = 0;
    let mut depth = 0_i32;
    for (position, token) in tokens.iter().enumerate() {
        let inside = &tokens[start..position];
        let creates = inside.first().is_some_and(|first| first.is_word("CREATE"));
        if token.is('(') {
            depth += 1;
        } else if token.is(')') {
            depth -= 1;
        } else if creates && (token.is_word("BEGIN") || (depth > 0 && token.is_word("CASE"))) {
            depth += 1;
        } else if creates && depth > 0 && token.is_word("END") {
            depth -= 1;
        } else if token.is(';') && depth <= 0 {
            found.extend(statement(sql, inside));
            start = position + 1;
            depth = 0;
        }
    }
    found.extend(statement(sql, &tokens[start..]));
    found
}

fn statement<'a>(sql: &'a str, tokens: &[Token<'_>]) -> Option<Statement<'a>> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let line = 1 + sql[..first.start].matches('\n').count();
    Some(Statement { sql: &sql[first.start..last.end()], line })
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

    fn texts(sql: &str) -> Vec<(usize, &str)> {
        statements(sql).into_iter().map(|statement| (statement.line, statement.sql)).collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_are_not_inside_something() {
        assert_eq!(
            texts(
                "-- a; b\nSELECT ';' ;\n;\nCREATE FUNCTION f() RETURNS int AS $$ BEGIN; END $$ LANGUAGE plpgsql;\n\nSELECT 2"
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
        assert_eq!(
            texts(&format!("BEGIN; {trigger};{function};COMMIT;")),
            [(1, "BEGIN"), (1, trigger), (1, function), (1, "COMMIT")]
        );
    }

    #[test]
    fn a_script_with_foreign_keys_off_is_known_by_its_ends() {
        let script = "PRAGMA foreign_keys=OFF; begin immediate; DROP TABLE a; COMMIT; PRAGMA foreign_keys = ON;";
        let found = statements(script);
        let inside: Vec<_> = inside_foreign_keys_off(&found).unwrap().iter().map(|statement| statement.sql).collect();
        assert_eq!(inside, ["DROP TABLE a"]);
        assert_eq!(inside_foreign_keys_off(&statements("PRAGMA foreign_keys=OFF; VACUUM")), None);
    }
}

//! What a statement does to which tables, read from its text: `UPDATE orders`, `INSERT totals SELECT orders`.
//!
//! This is OpenTelemetry's `db.query.summary`: few different ones, and never a value. Left out are names that are no
//! tables of the database (functions, common table expressions) and subqueries that read from no other.

use std::borrow::Cow;

use crate::backend::Backend;
use crate::sql::{Dialect, Kind, Tokens};

/// A longer summary ends with a whole word.
const MAX_LENGTH: usize = 255;
const VERBS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// The summary of a statement's text.
pub(crate) fn summary(sql: &str, backend: Backend) -> String {
    let tokens = tokens(sql, backend.into());
    let first = tokens.iter().find_map(|token| match token {
        Token::Word(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    let first = first.unwrap_or_default();
    if !VERBS.contains(&first.as_str()) && !["WITH", "EXPLAIN"].contains(&first.as_str()) {
        return first;
    }
    let mut reader = Reader { tokens: &tokens, ..Reader::default() };
    for at in 0..tokens.len() {
        reader.read(at);
    }
    let operations = reader.operations;
    let last = operations.last().map_or(String::new(), |operation| operation.verb.to_owned());
    Some(join(operations)).filter(|text| !text.is_empty()).unwrap_or(last)
}

/// Each operation on tables once, in the order of the text.
fn join(operations: Vec<Operation>) -> String {
    let mut seen: Vec<Operation> = Vec::new();
    let mut text = String::new();
    for operation in operations {
        if operation.tables.is_empty() || seen.contains(&operation) {
            continue;
        }
        for word in [operation.verb].into_iter().chain(operation.tables.iter().map(String::as_str)) {
            if text.len() + 1 + word.len() > MAX_LENGTH {
                return text;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        seen.push(operation);
    }
    text
}

#[derive(Debug, Clone, PartialEq)]
enum Token<'a> {
    /// A bare word: a keyword, or a name.
    Word(&'a str),
    /// A name in quotes, or with its schema.
    Name(String),
    Sign(char),
    /// Text, a number, or the place of a bound value.
    Value,
}

impl Token<'_> {
    fn is_any(&self, keywords: &[&str]) -> bool {
        matches!(self, Token::Word(word) if keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)))
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Token::Word(word) => Some(Cow::Borrowed(word)),
            Token::Name(name) => Some(Cow::Borrowed(name)),
            Token::Sign(_) | Token::Value => None,
        }
    }
}

/// The tokens of a text; a name and its schema's are one.
fn tokens(sql: &str, dialect: Dialect) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut is_part = false;
    for token in Tokens::new(sql, dialect) {
        let joins = std::mem::take(&mut is_part);
        if joins
            && matches!(token.kind, Kind::Word | Kind::Quoted)
            && let Some(Token::Name(name)) = found.last_mut()
        {
            name.push_str(&token.name().unwrap_or_default());
            continue;
        }
        if token.is('.')
            && let Some(last) = found.last_mut()
            && let Some(name) = last.name().map(|name| format!("{name}."))
        {
            *last = Token::Name(name);
            is_part = true;
            continue;
        }
        found.push(match token.kind {
            Kind::Word => Token::Word(token.text),
            Kind::Quoted => Token::Name(token.name().unwrap_or_default()),
            Kind::Text | Kind::Number | Kind::Place => Token::Value,
            Kind::Sign => Token::Sign(token.text.chars().next().unwrap_or_default()),
        });
    }
    found
}

/// One operation and the tables it names.
#[derive(Debug, PartialEq)]
struct Operation {
    verb: &'static str,
    tables: Vec<String>,
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Expects {
    #[default]
    Nothing,
    Table,
    /// A comma, and then a further table.
    Comma,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    operations: Vec<Operation>,
    /// The operation that stands in the innermost parentheses.
    current: Option<usize>,
    expects: Expects,
    /// The same outside of each of the parentheses.
    outside: Vec<(Option<usize>, Expects)>,
    /// The names of common table expressions.
    own: Vec<String>,
}

impl Reader<'_> {
    fn read(&mut self, at: usize) {
        let token = &self.tokens[at];
        let next = self.tokens.get(at + 1);
        match token {
            Token::Sign('(') => {
                self.outside.push((self.current, self.expects));
                // `FROM (a JOIN b)`; all else that stands in parentheses is none of the operation's tables.
                if self.expects != Expects::Table {
                    self.current = None;
                    self.expects = Expects::Nothing;
                }
            }
            Token::Sign(')') => {
                let (current, expected) = self.outside.pop().unwrap_or_default();
                self.current = current;
                self.expects = if expected == Expects::Nothing { expected } else { Expects::Comma };
            }
            Token::Sign(',') if self.expects == Expects::Comma => self.expects = Expects::Table,
            Token::Sign(_) | Token::Value => {}
            token if token.is_any(&["FROM", "JOIN", "INTO", "USING"]) => {
                // `IS DISTINCT FROM`, `JOIN … USING (…)`.
                let other = self.follows(at, &["DISTINCT"]) || (token.is_any(&["USING"]) && is_open(next));
                if self.current.is_some() && !other {
                    self.expects = Expects::Table;
                }
            }
            token if token.is_any(&VERBS) => self.begin(token, at),
            token
                if token.is_any(&["AS"])
                    && next.is_some_and(|next| is_open(Some(next)) || next.is_any(&["MATERIALIZED"])) =>
            {
                self.own.extend(self.named_before(at));
            }
            token if self.expects == Expects::Table => self.add(token, next),
            token => {
                if token.is_any(&["WHERE", "SET", "ON", "GROUP", "ORDER", "LIMIT", "VALUES", "RETURNING"]) {
                    self.expects = Expects::Nothing;
                }
            }
        }
    }

    fn follows(&self, at: usize, keywords: &[&str]) -> bool {
        at > 0 && self.tokens[at - 1].is_any(keywords)
    }

    /// An operation begins, unless the word is part of another's clause: `FOR UPDATE`, `DO UPDATE`.
    fn begin(&mut self, token: &Token<'_>, at: usize) {
        let verb = VERBS.into_iter().find(|verb| token.is_any(&[verb]));
        self.expects = Expects::Nothing;
        if let Some(verb) = verb.filter(|_| !self.follows(at, &["FOR", "KEY", "DO", "THEN"])) {
            self.current = Some(self.operations.len());
            self.operations.push(Operation { verb, tables: Vec::new() });
            if verb == "UPDATE" {
                self.expects = Expects::Table;
            }
        }
    }

    /// What stands before `AS (`: a name, or a name with a list of columns.
    fn named_before(&self, at: usize) -> Option<String> {
        let before = &self.tokens[..at];
        let end = match before.last()? {
            Token::Sign(')') => before.iter().rposition(|token| *token == Token::Sign('('))?,
            _ => before.len(),
        };
        before[..end].last()?.name().map(Cow::into_owned)
    }

    /// Where a table may stand.
    fn add(&mut self, token: &Token<'_>, next: Option<&Token<'_>>) {
        if token.is_any(&["ONLY", "LATERAL", "OR", "IGNORE", "REPLACE", "ROLLBACK", "ABORT", "FAIL"]) {
            return;
        }
        self.expects = Expects::Comma;
        let Some(operation) = self.current.and_then(|at| self.operations.get_mut(at)) else { return };
        let is_function = is_open(next) && operation.verb != "INSERT";
        if let Some(name) = token.name().filter(|_| !is_function)
            && !self.own.iter().any(|own| *own == name)
            && !operation.tables.iter().any(|table| *table == name)
        {
            operation.tables.push(name.into_owned());
        }
    }
}

fn is_open(token: Option<&Token<'_>>) -> bool {
    token == Some(&Token::Sign('('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_summary(sql: &str, expected: &str) {
        for backend in [Backend::Postgres, Backend::Sqlite] {
            assert_eq!(summary(sql, backend), expected, "{sql}");
        }
    }

    #[test]
    fn an_operation_is_followed_by_its_tables() {
        assert_summary("SELECT * FROM orders WHERE id = 1", "SELECT orders");
        assert_summary("select a, (b) from orders o, \"Order Lines\" as l where a = b", "SELECT orders Order Lines");
        assert_summary("SELECT * FROM a JOIN b USING (id) LEFT JOIN s.c ON c.id = a.id", "SELECT a b s.c");
        assert_summary(r#"UPDATE "audit"."orders" SET a = 1"#, "UPDATE audit.orders");
        assert_summary("UPDATE OR IGNORE orders SET a = 1 FROM b WHERE TRUE", "UPDATE orders b");
        assert_summary("DELETE FROM ONLY orders RETURNING id", "DELETE orders");
        assert_summary("INSERT INTO orders (id, from_id) VALUES (1, 2), (3, 4)", "INSERT orders");
        assert_summary("INSERT INTO totals SELECT sum(x) FROM orders", "INSERT totals SELECT orders");
        assert_summary("EXPLAIN SELECT 1 FROM (a JOIN b ON TRUE), c", "SELECT a b c");
    }

    #[test]
    fn what_is_no_table_is_left_out() {
        assert_summary("SELECT extract(year FROM placed) FROM orders", "SELECT orders");
        assert_summary("SELECT a IS DISTINCT FROM b FROM orders FOR NO KEY UPDATE SKIP LOCKED", "SELECT orders");
        assert_summary("SELECT * FROM unnest($1, $2) AS t(a, b), orders", "SELECT orders");
        assert_summary("SELECT * FROM orders WHERE id IN (SELECT value FROM json_each(?1))", "SELECT orders");
        assert_summary("INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 2", "INSERT orders");
        assert_summary(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION SELECT x FROM n) SELECT * FROM n, orders",
            "SELECT orders",
        );
        assert_summary(
            "WITH w AS MATERIALIZED (UPDATE orders SET a = $1 RETURNING 1) SELECT count(*) FROM w",
            "UPDATE orders",
        );
    }

    #[test]
    fn what_works_on_no_table_is_named_by_its_verb() {
        assert_summary("SELECT 1", "SELECT");
        assert_summary("with a as (select 1) select * from a", "SELECT");
        assert_summary("savepoint spakky_1", "SAVEPOINT");
        assert_summary("CREATE TRIGGER t BEFORE UPDATE ON orders EXECUTE FUNCTION f()", "CREATE");
        assert_summary(" -- nothing\n ;", "");
    }

    #[test]
    fn values_are_never_part_of_it() {
        let around = |value: &str| format!("SELECT {value}, /* FROM secret */ 1 -- FROM secret\n FROM orders");
        for value in ["'x FROM secret'", "'it''s FROM secret'"] {
            assert_summary(&around(value), "SELECT orders");
        }
        for value in [r"E'\' FROM secret'", "$$ FROM secret $$", "$a$ FROM secret $$a$"] {
            assert_eq!(summary(&around(value), Backend::Postgres), "SELECT orders", "{value}");
        }
        for open in ["'", "\"", "$$", "$a$", "/*", "(", ")", "E'\\", "$", "a."] {
            for backend in [Backend::Postgres, Backend::Sqlite] {
                summary(&format!("SELECT a FROM b {open}"), backend);
                summary(&format!("SELECT {open}é"), backend);
            }
        }
    }

    #[test]
    fn a_summary_that_is_too_long_ends_with_a_whole_word() {
        let tables: Vec<String> = (0..100).map(|number| format!("table_{number}")).collect();
        let text = summary(&format!("SELECT * FROM {}", tables.join(", ")), Backend::Sqlite);
        assert!(text.len() <= MAX_LENGTH && text.ends_with(" table_27"), "{text}");
    }
}

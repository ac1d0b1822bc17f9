//! SQLite keeps the text of everything it made: tables are read from their own `CREATE TABLE`.

use super::{no_table, spelling, sqlite_table};
use crate::error::{Error, ErrorKind};
use crate::migrations::shape::{IndexShape, TableShape};
use crate::migrations::token;
use crate::session::SessionManager;

/// Every table of the database that can be read; one that is wanted must be a table, and readable.
pub(crate) async fn tables(sessions: &SessionManager, wanted: &[TableShape]) -> Result<Vec<TableShape>, Error> {
    let sql = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master \
               WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type = 'table' DESC, rowid";
    let rows: Vec<(String, String, String, String)> = sessions.sql(sql).fetch_all().await?;
    let is_wanted = |name: &str| wanted.iter().any(|table| table.name.name.eq_ignore_ascii_case(name));
    let mut tables: Vec<TableShape> = Vec::new();
    for (kind, name, table, sql) in rows {
        let home = tables.iter_mut().find(|shape| shape.name.name.eq_ignore_ascii_case(&table));
        match (kind.as_str(), home) {
            ("table", _) => match sqlite_table::parse(&name, &sql) {
                Ok(shape) if !is_virtual(&sql) => tables.push(shape),
                _ if !is_wanted(&name) => {}
                Err(problem) if !is_virtual(&sql) => {
                    let message = format!("read table `{name}` of the database: {problem}");
                    return Err(Error::new(ErrorKind::Schema, message).with_table(name));
                }
                _ => return Err(no_table(&name)),
            },
            ("view", _) if is_wanted(&name) => return Err(no_table(&name)),
            ("index", Some(home)) => home.indexes.push(index(&name, &sql)),
            ("trigger", Some(home)) => home.triggers.push(sql),
            _ => {}
        }
    }
    spelling::respell(&mut tables, wanted);
    name_targets(&mut tables);
    Ok(tables)
}

/// A reference that names no column means the key.
fn name_targets(tables: &mut [TableShape]) {
    let keys: Vec<_> =
        tables.iter().filter_map(|table| Some((table.name.clone(), table.key.clone()?.columns))).collect();
    for key in tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        if let (true, Some((_, columns))) =
            (key.target_columns.is_empty(), keys.iter().find(|(name, _)| *name == key.target))
        {
            key.target_columns.clone_from(columns);
        }
    }
}

fn is_virtual(sql: &str) -> bool {
    token::tokens(sql).get(1).is_some_and(|word| word.is_word("VIRTUAL"))
}

/// `CREATE INDEX name ON table (a, b DESC) WHERE …`; what is more than that is kept as it is written.
fn index(name: &str, sql: &str) -> IndexShape {
    let read = || -> Option<IndexShape> {
        let tokens = token::tokens(sql);
        let unique = tokens.get(1)?.is_word("UNIQUE");
        if !tokens.get(1 + usize::from(unique))?.is_word("INDEX") {
            return None;
        }
        let on = tokens.iter().position(|token| token.is_word("ON"))?;
        let rest = tokens.get(on + 2..)?;
        let close = token::closing(rest)?;
        let mut columns = Vec::new();
        for part in rest[1..close].split(|token| token.is(',')) {
            let (descending, column) = match part {
                [column] => (false, column),
                [column, word] if word.is_word("DESC") => (true, column),
                [column, word] if word.is_word("ASC") => (false, column),
                _ => return None,
            };
            columns.push((column.name().filter(|_| column.kind != token::Kind::Text)?, descending));
        }
        let filter = match rest.get(close + 1) {
            Some(word) if word.is_word("WHERE") => {
                let condition = sql[word.end()..].trim();
                Some(crate::migrations::shape::Expression::new(condition))
            }
            Some(_) => return None,
            None if unique => return None,
            None => None,
        };
        Some(IndexShape { name: name.to_owned(), columns, filter, unique, foreign: None })
    };
    read().unwrap_or_else(|| IndexShape {
        name: name.to_owned(),
        columns: Vec::new(),
        filter: None,
        unique: false,
        foreign: Some(sql.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_and_what_is_more_is_kept() {
        let plain = index("i", "CREATE INDEX \"i\" ON \"t\" (\"a\", \"b\" DESC) WHERE b > 0");
        assert_eq!(plain.columns, [("a".to_owned(), false), ("b".to_owned(), true)]);
        assert_eq!(plain.filter.unwrap().sql, "b > 0");
        for text in [
            "CREATE UNIQUE INDEX i ON t (a)",
            "CREATE INDEX i ON t (lower(a))",
            "CREATE INDEX i ON t (a COLLATE NOCASE)",
        ] {
            assert_eq!(index("i", text).foreign.as_deref(), Some(text));
        }
    }
}

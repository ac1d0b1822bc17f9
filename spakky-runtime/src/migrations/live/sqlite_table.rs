//! Reads a `CREATE TABLE` of SQLite: columns, keys, checks, references, whether they stand with a column or on their
//! own.

use crate::migrations::shape::{CheckShape, ColumnShape, Expression, ForeignKeyShape, KeyShape, TableName, TableShape};
use crate::migrations::token::{self, Kind, Token};

/// The table that a text makes.
///
/// # Errors
/// What was not understood.
pub(super) fn parse(name: &str, sql: &str) -> Result<TableShape, String> {
    let tokens = token::tokens(sql);
    let open = tokens.iter().position(|token| token.is('(')).ok_or("its definition has no columns")?;
    let close = token::closing(&tokens[open..]).ok_or("its definition does not end")? + open;
    let mut table = TableShape::new(TableName { schema: None, name: name.to_owned() });
    for item in items(&tokens[open + 1..close]) {
        let mut reader = Reader { sql, tokens: item, at: 0 };
        if reader.starts_constraint() {
            reader.table_constraint(&mut table)?;
        } else {
            reader.column(&mut table)?;
        }
    }
    let options = &tokens[close + 1..];
    table.strict = options.iter().any(|token| token.is_word("STRICT"));
    table.without_rowid = options.iter().any(|token| token.is_word("WITHOUT"));
    // The columns of a key hold no NULL in a strict table, and are the row's number if they are one integer.
    if let Some(key) = &table.key {
        let names = &key.columns;
        let inside = table.columns.iter_mut().filter(|column| names.contains(&column.name));
        let (strict, alone) = (table.strict || table.without_rowid, names.len() == 1);
        let filled = |column: &ColumnShape| strict || (alone && column.ty.sql.eq_ignore_ascii_case("integer"));
        inside.for_each(|column| column.nullable &= !filled(column));
    }
    Ok(table)
}

/// The tokens between the commas that are in no parentheses.
fn items<'s, 't>(tokens: &'s [Token<'t>]) -> Vec<&'s [Token<'t>]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            depth += i32::from(token.is('(')) - i32::from(token.is(')'));
            depth == 0 && token.is(',')
        })
        .filter(|item| !item.is_empty())
        .collect()
}

/// Words with which what follows a column's type begins.
const COLUMN_CONSTRAINTS: [&str; 10] =
    ["CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED"];

struct Reader<'s, 't> {
    sql: &'s str,
    tokens: &'s [Token<'t>],
    at: usize,
}

impl<'s, 't> Reader<'s, 't> {
    fn peek(&self) -> Option<&'s Token<'t>> {
        self.tokens.get(self.at)
    }

    fn peeks(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| token.is_word(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peeks(word);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Result<String, String> {
        let name = self.peek().and_then(|token| token.name()).ok_or("a name is missing in its definition")?;
        self.at += 1;
        Ok(name)
    }

    /// What stands in the parentheses that open here.
    fn group(&mut self) -> Result<&'s [Token<'t>], String> {
        let rest = &self.tokens[self.at..];
        let close = token::closing(rest).filter(|_| rest[0].is('('));
        let close = close.ok_or("a parenthesis is missing in its definition")?;
        self.at += close + 1;
        Ok(&rest[1..close])
    }

    fn text_of(&self, tokens: &[Token<'_>]) -> String {
        match tokens {
            [first, .., last] => self.sql[first.start..last.end()].to_owned(),
            [only] => only.text.to_owned(),
            [] => String::new(),
        }
    }

    fn names(&mut self) -> Result<Vec<String>, String> {
        let group = self.group()?;
        Ok(items(group).iter().filter_map(|item| item[0].name()).collect())
    }

    fn starts_constraint(&self) -> bool {
        ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| self.peeks(word))
    }

    fn table_constraint(&mut self, table: &mut TableShape) -> Result<(), String> {
        let name = if self.eat("CONSTRAINT") { self.name()? } else { String::new() };
        if self.eat("PRIMARY") {
            self.eat("KEY");
            table.key = Some(KeyShape { name, columns: self.names()? });
        } else if self.eat("UNIQUE") {
            let columns = self.names()?;
            table.uniques.push(KeyShape { name, columns });
        } else if self.eat("CHECK") {
            self.check(name, table)?;
        } else if self.eat("FOREIGN") {
            self.eat("KEY");
            let columns = self.names()?;
            self.references(name, columns, table)?;
        } else {
            return Err("a constraint of its definition is of no known kind".into());
        }
        Ok(())
    }

    fn column(&mut self, table: &mut TableShape) -> Result<(), String> {
        let name = self.name()?;
        let start = self.at;
        while let Some(token) = self.peek()
            && !(token.kind == Kind::Word && COLUMN_CONSTRAINTS.iter().any(|word| token.is_word(word)))
        {
            self.at += 1;
        }
        let ty = self.text_of(&self.tokens[start..self.at]);
        let mut column = ColumnShape {
            name: name.clone(),
            ty: Expression::new(ty),
            nullable: true,
            default: None,
            generated: false,
            collation: None,
            computed: None,
        };
        let mut constraint = String::new();
        while self.peek().is_some() {
            let named = std::mem::take(&mut constraint);
            if self.eat("CONSTRAINT") {
                constraint = self.name()?;
            } else if self.eat("PRIMARY") {
                table.key = Some(KeyShape { name: named, columns: vec![name.clone()] });
            } else if self.eat("AUTOINCREMENT") {
                column.generated = true;
            } else if self.eat("NOT") {
                self.eat("NULL");
                column.nullable = false;
            } else if self.eat("UNIQUE") {
                table.uniques.push(KeyShape { name: named, columns: vec![name.clone()] });
            } else if self.eat("CHECK") {
                self.check(named, table)?;
            } else if self.eat("DEFAULT") {
                column.default = Some(Expression::new(self.default()?));
            } else if self.eat("COLLATE") {
                column.collation = Some(self.name()?);
            } else if self.eat("REFERENCES") {
                self.at -= 1;
                self.references(named, vec![name.clone()], table)?;
            } else if self.peeks("GENERATED") || self.peeks("AS") {
                column.computed = Some(self.text_of(self.tokens));
                self.at += 1;
            } else {
                // `KEY`, `ASC`, `ON CONFLICT …`, `STORED` and the like.
                self.at += 1;
            }
        }
        table.columns.push(column);
        Ok(())
    }

    /// A literal, a signed number, or anything in parentheses.
    fn default(&mut self) -> Result<String, String> {
        if self.peek().is_some_and(|token| token.is('(')) {
            let group = self.group()?;
            return Ok(self.text_of(group));
        }
        let start = self.at;
        self.at += usize::from(self.peek().is_some_and(|token| token.is('-') || token.is('+')));
        self.at += 1;
        self.tokens.get(start..self.at).map(|tokens| self.text_of(tokens)).ok_or_else(|| "a default is missing".into())
    }

    fn check(&mut self, name: String, table: &mut TableShape) -> Result<(), String> {
        let group = self.group()?;
        let condition = Expression::new(self.text_of(group));
        table.checks.push(CheckShape { name, condition });
        Ok(())
    }

    fn references(&mut self, name: String, columns: Vec<String>, table: &mut TableShape) -> Result<(), String> {
        self.eat("REFERENCES");
        let target = TableName { schema: None, name: self.name()? };
        let target_columns = if self.peek().is_some_and(|token| token.is('(')) { self.names()? } else { Vec::new() };
        let mut key = ForeignKeyShape {
            name,
            columns,
            target,
            target_columns,
            on_delete: String::new(),
            on_update: String::new(),
            deferred: false,
        };
        loop {
            if self.eat("ON") {
                let delete = self.eat("DELETE");
                let _ = delete || self.eat("UPDATE");
                let action = self.action();
                *(if delete { &mut key.on_delete } else { &mut key.on_update }) = action;
            } else if self.eat("MATCH") {
                self.at += 1;
            } else if self.peeks("NOT") && self.tokens.get(self.at + 1).is_some_and(|next| next.is_word("DEFERRABLE")) {
                self.at += 2;
            } else if self.eat("DEFERRABLE") {
            } else if self.eat("INITIALLY") {
                key.deferred = self.peeks("DEFERRED");
                self.at += 1;
            } else {
                break;
            }
        }
        table.foreign_keys.push(key);
        Ok(())
    }

    fn action(&mut self) -> String {
        if self.eat("SET") {
            let action = if self.eat("NULL") { "SET NULL" } else { "SET DEFAULT" };
            self.at += usize::from(action == "SET DEFAULT");
            return action.into();
        }
        if self.eat("NO") {
            self.eat("ACTION");
            return String::new();
        }
        if self.eat("CASCADE") {
            "CASCADE".into()
        } else if self.eat("RESTRICT") {
            "RESTRICT".into()
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;
    use crate::fixture::{customers, order_lines, orders, samples};
    use crate::migrations::wanted;
    use crate::schema::TableOrder;
    use crate::schema::ddl::{self, Existing};

    #[test]
    fn what_create_tables_writes_is_read_back() {
        let tables = [customers(), orders(), order_lines(), samples()];
        let order = TableOrder::new(&tables);
        for table in tables {
            let statements = ddl::create_table(table, &order, Backend::Sqlite, Existing::Refused);
            let mut expected = wanted::shape_of(table, &order, Backend::Sqlite);
            expected.indexes.clear();
            assert_eq!(parse(table.name, &statements[0]).unwrap(), expected);
        }
    }

    #[test]
    fn a_table_in_other_words_is_read_too() {
        let table = parse(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(80) NOT NULL DEFAULT 'x' COLLATE NOCASE, \
             n INT CHECK (n > 0) DEFAULT -1, o INTEGER CONSTRAINT fk REFERENCES u ON DELETE SET NULL ON UPDATE CASCADE \
             DEFERRABLE INITIALLY DEFERRED, up TEXT GENERATED ALWAYS AS (upper(name)) STORED, UNIQUE (name, n))",
        )
        .unwrap();
        let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "name", "n", "o", "up"]);
        assert!(table.columns[0].generated);
        assert_eq!(table.columns[1].ty, Expression::new("VARCHAR(80)"));
        assert_eq!(table.columns[1].default, Some(Expression::new("'x'")));
        assert_eq!(table.columns[1].collation.as_deref(), Some("NOCASE"));
        assert_eq!(table.columns[2].default, Some(Expression::new("-1")));
        assert_eq!(table.columns[4].computed.as_deref(), Some("up TEXT GENERATED ALWAYS AS (upper(name)) STORED"));
        assert_eq!(table.key.unwrap().columns, ["id"]);
        assert_eq!(table.uniques[0].columns, ["name", "n"]);
        assert_eq!(table.checks[0].condition, Expression::new("n > 0"));
        let key = &table.foreign_keys[0];
        assert_eq!((key.name.as_str(), key.on_delete.as_str(), key.on_update.as_str()), ("fk", "SET NULL", "CASCADE"));
        assert!(key.deferred && !table.strict);
    }
}

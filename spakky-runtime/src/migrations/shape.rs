//! A table as a database has it, or would have it: what the two sides of a comparison are made of.
//!
//! A shape holds enough to write its table down again, so that the way back can be written too.

use super::token;

/// A table's name, with its schema where that is not the connection's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableShape {
    pub(crate) name: TableName,
    pub(crate) columns: Vec<ColumnShape>,
    pub(crate) key: Option<KeyShape>,
    pub(crate) uniques: Vec<KeyShape>,
    pub(crate) checks: Vec<CheckShape>,
    pub(crate) foreign_keys: Vec<ForeignKeyShape>,
    pub(crate) indexes: Vec<IndexShape>,
    /// `STRICT` and `WITHOUT ROWID` (SQLite).
    pub(crate) strict: bool,
    pub(crate) without_rowid: bool,
    /// Triggers as they were written: SQLite drops them with the table.
    pub(crate) triggers: Vec<String>,
}

/// SQL text, compared by what it says.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) sql: String,
    /// The text as the server writes it, which is what is compared.
    deparsed: String,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        token::normalized(&self.deparsed) == token::normalized(&other.deparsed)
    }
}

impl Eq for Expression {}

impl Expression {
    /// Text that is compared as it stands.
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        let sql = sql.into();
        Expression { deparsed: sql.clone(), sql }
    }

    /// Text of ours, compared as the server writes it.
    pub(crate) fn deparsed(mut self, text: &str) -> Self {
        text.clone_into(&mut self.deparsed);
        self
    }

    /// The text as the server writes it.
    pub(crate) fn as_deparsed(&self) -> &str {
        &self.deparsed
    }

    /// The same with a column or table renamed.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        self.sql = token::renamed(&self.sql, from, to);
        self.deparsed = token::renamed(&self.deparsed, from, to);
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnShape {
    pub(crate) name: String,
    pub(crate) ty: Expression,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Expression>,
    /// Identity column, or one of a sequence; `AUTOINCREMENT` on SQLite.
    pub(crate) generated: bool,
    /// The collation of the column alone (SQLite).
    pub(crate) collation: Option<String>,
    /// The definition of a computed column, as it was written.
    pub(crate) computed: Option<String>,
}

/// A primary or unique key. On SQLite it may have no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyShape {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckShape {
    pub(crate) name: String,
    pub(crate) condition: Expression,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKeyShape {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) target: TableName,
    pub(crate) target_columns: Vec<String>,
    /// `CASCADE` and the like; empty for `NO ACTION`.
    pub(crate) on_delete: String,
    pub(crate) on_update: String,
    pub(crate) deferred: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexShape {
    pub(crate) name: String,
    /// Columns, and whether their order is descending.
    pub(crate) columns: Vec<(String, bool)>,
    pub(crate) filter: Option<Expression>,
    /// No two rows of those that the filter lets through are alike in the columns.
    pub(crate) unique: bool,
    /// The whole text of an index that a descriptor cannot describe: over an expression, unique without a filter, of
    /// another method.
    pub(crate) foreign: Option<String>,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl TableShape {
    pub(crate) fn new(name: TableName) -> Self {
        TableShape {
            name,
            columns: Vec::new(),
            key: None,
            uniques: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            strict: false,
            without_rowid: false,
            triggers: Vec::new(),
        }
    }

    pub(crate) fn column(&self, name: &str) -> Option<&ColumnShape> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// A column has another name from now on, here and in what names it.
    pub(crate) fn rename_column(&mut self, from: &str, to: &str) {
        let rename = |name: &mut String| {
            if name == from {
                to.clone_into(name);
            }
        };
        self.columns.iter_mut().for_each(|column| {
            rename(&mut column.name);
            if let Some(text) = &mut column.computed {
                *text = token::renamed(text, from, to);
            }
        });
        let keys = self.key.iter_mut().chain(&mut self.uniques);
        keys.for_each(|key| key.columns.iter_mut().for_each(rename));
        self.checks.iter_mut().for_each(|check| check.condition.rename(from, to));
        self.foreign_keys.iter_mut().for_each(|key| key.columns.iter_mut().for_each(rename));
        for index in &mut self.indexes {
            index.columns.iter_mut().for_each(|(name, _)| rename(name));
            if let Some(filter) = &mut index.filter {
                filter.rename(from, to);
            }
            if let Some(text) = &mut index.foreign {
                *text = token::renamed(text, from, to);
            }
        }
        self.triggers.iter_mut().for_each(|text| *text = token::renamed(text, from, to));
    }
}

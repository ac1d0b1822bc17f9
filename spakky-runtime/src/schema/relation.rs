//! Rows that belong to a row: what `has_many` and `has_one` declare.

use std::any::TypeId;
use std::sync::OnceLock;

use super::spec::{ColumnName, full_name};
use super::{ForeignKeyAction, Record, RecordReader, RecordWriter, Table, TableDescriptor, TableEntry};
use crate::error::{Error, ErrorKind};
use crate::hash::FastMap;

/// Rows of another table that are part of this table's rows: loaded and saved with them.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The row type's field.
    pub field: &'static str,
    /// The table of the children.
    pub child: fn() -> &'static TableDescriptor,
    /// The children's column that holds the key of the row they belong to.
    pub column: String,
    /// The order in which the children are loaded: columns, and whether the order is descending. Their key decides what this
    /// leaves open.
    pub order: Vec<(String, bool)>,
    /// A change of a child is a change of the row it belongs to, whose version goes up.
    pub versioned: bool,
}

impl Relation {
    /// The table of the children.
    pub fn child(&self) -> &'static TableDescriptor {
        (self.child)()
    }

    /// The position of [`column`](Self::column) in the children's table.
    pub(crate) fn column_position(&self) -> usize {
        // Derived code takes the name from the column's own handle.
        self.child().position(&self.column).unwrap_or_default()
    }

    /// Whether the database deletes the children with the row they belong to.
    pub(crate) fn cascades(&self) -> bool {
        self.child()
            .foreign_keys
            .iter()
            .any(|key| key.column == self.column && key.on_delete == super::ForeignKeyAction::Cascade)
    }
}

/// The way from a child up to a row above it that can be soft-deleted: at each step the column that refers to the row above,
/// and that row's table.
#[derive(Debug, Clone)]
pub(crate) struct Lineage {
    pub(crate) steps: Vec<(String, &'static TableDescriptor)>,
}

impl Lineage {
    /// The way from the children at the end of `path` to the nearest row above them whose table knows soft deletion. `root`
    /// is the table that the path begins at, if its rows count.
    pub(crate) fn of(path: &[&'static Relation], root: Option<&'static TableDescriptor>) -> Option<Self> {
        let mut steps = Vec::new();
        for (at, relation) in path.iter().enumerate().rev() {
            let above = match at.checked_sub(1) {
                Some(above) => path[above].child(),
                None => root?,
            };
            steps.push((relation.column.clone(), above));
            if above.deleted_at().is_some() {
                return Some(Lineage { steps });
            }
        }
        None
    }

    /// The same up to the first row of the path, whatever is between.
    pub(crate) fn whole(path: &[&'static Relation], root: &'static TableDescriptor) -> Self {
        let above = |at: usize| if at == 0 { root } else { path[at - 1].child() };
        let steps = path.iter().enumerate().rev().map(|(at, relation)| (relation.column.clone(), above(at)));
        Lineage { steps: steps.collect() }
    }
}

/// A relation as derived code writes it down.
#[derive(Debug, Clone, Copy)]
pub struct RelationSpec {
    field: &'static str,
    child: fn() -> &'static TableDescriptor,
    column: ColumnName,
    order: &'static [(ColumnName, bool)],
    versioned: bool,
}

impl RelationSpec {
    /// The rows of `child` whose `column` holds the key.
    pub const fn new(field: &'static str, child: fn() -> &'static TableDescriptor, column: ColumnName) -> Self {
        RelationSpec { field, child, column, order: &[], versioned: true }
    }

    /// The order in which they are loaded.
    pub const fn order(mut self, order: &'static [(ColumnName, bool)]) -> Self {
        self.order = order;
        self
    }

    /// Their changes are none of the row they belong to.
    pub const fn unversioned(mut self) -> Self {
        self.versioned = false;
        self
    }

    pub(super) fn relation(&self) -> Relation {
        Relation {
            field: self.field,
            child: self.child,
            column: full_name(self.column),
            order: self.order.iter().map(|&(column, descending)| (full_name(column), descending)).collect(),
            versioned: self.versioned,
        }
    }
}

/// The type of a `#[table(has_many(..))]` or `#[table(has_one(..))]` field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold rows of a relation",
    label = "no rows",
    note = "a `has_many` field is a `Vec` and a `has_one` field an `Option` of a type that derives `Table`"
)]
pub trait ChildRows: Sized {
    /// The row type of the children.
    type Row: Table;

    /// The rows as records.
    ///
    /// # Errors
    /// When a value cannot be stored.
    fn encode(&self) -> Result<Vec<Record>, Error>;

    /// The rows from records; `relation` is the position among the relations of `table`.
    ///
    /// # Errors
    /// When a record cannot be read, or there are too many.
    fn decode(table: &TableDescriptor, relation: usize, records: Vec<Record>) -> Result<Self, Error>;

    /// Appends the rows to the record of the row that they belong to.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn write(&self, record: &mut RecordWriter<'_>) -> Result<(), Error> {
        record.relation(self.encode()?);
        Ok(())
    }

    /// Takes the rows out of the record of the row that they belong to.
    ///
    /// # Errors
    /// When they were not read, and as [`decode`](Self::decode).
    fn read(record: &mut RecordReader<'_>) -> Result<Self, Error> {
        let (table, relation, rows) = record.relation()?;
        Self::decode(table, relation, rows)
    }
}

fn encode<Row: Table>(row: &Row) -> Result<Record, Error> {
    let mut writer = RecordWriter::new(Row::descriptor());
    row.encode(&mut writer)?;
    Ok(writer.finish())
}

fn decode<Row: Table>(record: Record) -> Result<Row, Error> {
    Row::decode(&mut RecordReader::new(Row::descriptor(), record))
}

#[diagnostic::do_not_recommend]
impl<R: Table> ChildRows for Vec<R> {
    type Row = R;

    fn encode(&self) -> Result<Vec<Record>, Error> {
        self.iter().map(encode).collect()
    }

    fn decode(_: &TableDescriptor, _: usize, records: Vec<Record>) -> Result<Self, Error> {
        records.into_iter().map(decode).collect()
    }
}

#[diagnostic::do_not_recommend]
impl<R: Table> ChildRows for Option<R> {
    type Row = R;

    fn encode(&self) -> Result<Vec<Record>, Error> {
        self.iter().map(encode).collect()
    }

    fn decode(table: &TableDescriptor, relation: usize, mut records: Vec<Record>) -> Result<Self, Error> {
        let only = records.pop();
        if records.is_empty() {
            return only.map(decode).transpose();
        }
        let (child, field) = (R::descriptor().name, table.relations[relation].field);
        let message = format!(
            "read `{field}` of `{}`: `{child}` has {} rows for one; make its foreign key unique, or use `has_many`",
            table.name,
            records.len() + 1
        );
        Err(Error::new(ErrorKind::Mapping, message).with_table(child))
    }
}

impl Error {
    /// A row was read by itself, as plain SQL and streams do, but its type holds the rows of relations too.
    pub(crate) fn children_not_read(table: &TableDescriptor) -> Self {
        let field = table.relations.first().map_or("children", |relation| relation.field);
        let message = format!(
            "read `{}` of `{}`: the rows of `{field}` were not read with it; load it by its repository",
            table.rust_name, table.name
        );
        Error::new(ErrorKind::Mapping, message).with_table(table.name)
    }
}

/// The row types that hold rows of this type as their children, at any depth, among the tables linked into the program.
pub(crate) fn holders(row_type: TypeId) -> &'static [TypeId] {
    static HOLDERS: OnceLock<FastMap<TypeId, Vec<TypeId>>> = OnceLock::new();
    let holders = HOLDERS.get_or_init(|| {
        let mut holders: FastMap<TypeId, Vec<TypeId>> = FastMap::default();
        for entry in inventory::iter::<TableEntry>() {
            let holder = (entry.descriptor)();
            let mut parts: Vec<&'static TableDescriptor> = Vec::new();
            collect_parts(holder, &mut parts);
            for part in parts {
                holders.entry(part.row_type).or_default().push(holder.row_type);
            }
        }
        holders
    });
    holders.get(&row_type).map(Vec::as_slice).unwrap_or_default()
}

/// The table of a row type, among those linked into the program.
pub(crate) fn table_of(row_type: TypeId) -> Option<&'static TableDescriptor> {
    static TABLES: OnceLock<FastMap<TypeId, &'static TableDescriptor>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let tables = inventory::iter::<TableEntry>.into_iter().map(|entry| (entry.descriptor)());
        tables.map(|table| (table.row_type, table)).collect()
    });
    tables.get(&row_type).copied()
}

/// The row types whose rows the database removes or changes when it deletes rows of this type, among the tables linked into
/// the program.
pub(crate) fn dependents(row_type: TypeId) -> &'static [TypeId] {
    static DEPENDENTS: OnceLock<FastMap<TypeId, Vec<TypeId>>> = OnceLock::new();
    let dependents = DEPENDENTS.get_or_init(|| {
        let tables: Vec<&'static TableDescriptor> =
            inventory::iter::<TableEntry>.into_iter().map(|entry| (entry.descriptor)()).collect();
        tables.iter().map(|table| (table.row_type, collect_dependents(table, &tables))).collect()
    });
    dependents.get(&row_type).map(Vec::as_slice).unwrap_or_default()
}

fn collect_dependents(table: &TableDescriptor, tables: &[&'static TableDescriptor]) -> Vec<TypeId> {
    let mut found = Vec::new();
    let mut deleted: Vec<&TableDescriptor> = vec![table];
    let mut next = 0;
    while let Some(&parent) = deleted.get(next) {
        next += 1;
        for &child in tables {
            for key in &child.foreign_keys {
                let target = (key.target)();
                if (target.name, target.schema) != (parent.name, parent.schema) {
                    continue;
                }
                let deletes = key.on_delete == ForeignKeyAction::Cascade;
                if !deletes && key.on_delete != ForeignKeyAction::SetNull {
                    continue;
                }
                if !found.contains(&child.row_type) {
                    found.push(child.row_type);
                }
                if deletes && !deleted.iter().any(|known| known.row_type == child.row_type) {
                    deleted.push(child);
                }
            }
        }
    }
    found
}

fn collect_parts(table: &TableDescriptor, parts: &mut Vec<&'static TableDescriptor>) {
    for relation in &table.relations {
        let child = relation.child();
        if !parts.iter().any(|part| part.row_type == child.row_type) {
            parts.push(child);
            collect_parts(child, parts);
        }
    }
}

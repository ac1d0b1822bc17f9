//! Tables written by hand, so that a test can have any that it likes.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{LazyLock, RwLock};

use spakky::SchemaRegistry;
use spakky::schema::{
    Check, ColumnDefault, ColumnDescriptor, ForeignKey, ForeignKeyAction, Index, IndexColumn, Role, TableDescriptor,
    UniqueKey,
};
use spakky::value::{ColumnType, ScalarType};

/// How many tables there can be at once: two backends, two schemas, four tables.
const SLOTS: usize = 16;

struct Marker<const SLOT: usize>;

static TABLES: LazyLock<RwLock<HashMap<usize, &'static TableDescriptor>>> = LazyLock::new(RwLock::default);

fn table<const SLOT: usize>() -> &'static TableDescriptor {
    TABLES.read().unwrap()[&SLOT]
}

macro_rules! slots {
    ($($slot:literal)+) => {
        const FUNCTIONS: [(fn() -> &'static TableDescriptor, fn() -> TypeId); SLOTS] =
            [$((table::<$slot>, TypeId::of::<Marker<$slot>>)),+];
    };
}

slots!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

/// A set of tables as data.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Schema {
    pub(crate) tables: Vec<TableModel>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableModel {
    /// Which of the names it has.
    pub(crate) name: usize,
    pub(crate) key: KeyModel,
    pub(crate) columns: Vec<ColumnModel>,
    pub(crate) unique: Option<Vec<usize>>,
    pub(crate) indexes: Vec<IndexModel>,
    pub(crate) check: Option<usize>,
    /// Column and position of the target among the tables.
    pub(crate) references: Option<(usize, ForeignKeyAction)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum KeyModel {
    Integer,
    Generated,
    Uuid,
    Composite,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnModel {
    /// Which of the names it has.
    pub(crate) name: usize,
    pub(crate) ty: usize,
    pub(crate) nullable: bool,
    pub(crate) default: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IndexModel {
    pub(crate) columns: Vec<(usize, bool)>,
    pub(crate) partial: bool,
}

const NAMES: [&str; 4] = ["apples", "select", "Pe ars", "plums"];
const COLUMNS: [&str; 5] = ["red", "order", "Gre\"en", "blue", "white"];

/// Type, length, default, and a condition on a column of it.
const TYPES: [(ScalarType, bool, Option<u32>, &str, &str); 10] = [
    (ScalarType::I32, false, None, "7", "{} > 0 AND {} <> 5"),
    (ScalarType::I64, false, None, "1 + 1", "({} % 2) = 0"),
    (ScalarType::Text, false, None, "'a''b'", "{} <> '' OR length({}) > 3"),
    (ScalarType::Text, false, Some(20), "'x'", "{} LIKE 'a%'"),
    (ScalarType::Bool, false, None, "false", "{}"),
    (ScalarType::F64, false, None, "0.5", "{} < 1.5"),
    (ScalarType::Uuid, false, None, "", "{} IS NOT NULL"),
    (ScalarType::Date, false, None, "'2024-01-01'", "{} > '2020-01-01'"),
    (ScalarType::Text, true, None, "", "{} IS NULL"),
    (ScalarType::I16, false, None, "-1", "{} IN (1, 2, 3)"),
];

pub(crate) const TYPE_COUNT: usize = TYPES.len();

impl Schema {
    /// The set as a registry. Of two calls with different `place`s both can be used at once.
    pub(crate) fn registry(&self, place: usize) -> SchemaRegistry {
        let slots: Vec<_> = (0..self.tables.len()).map(|position| place * 4 + position).collect();
        let made: Vec<&'static TableDescriptor> = self
            .tables
            .iter()
            .enumerate()
            .map(|(position, table)| &*Box::leak(Box::new(table.descriptor(self, position, &slots))))
            .collect();
        let mut tables = TABLES.write().unwrap();
        tables.extend(slots.into_iter().zip(made.iter().copied()));
        drop(tables);
        SchemaRegistry::of(made)
    }
}

impl TableModel {
    fn descriptor(&self, schema: &Schema, position: usize, slots: &[usize]) -> TableDescriptor {
        let name = NAMES[self.name];
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let plain = |name: &str, ty: ColumnType| ColumnDescriptor {
            name: name.to_owned(),
            renamed_from: None,
            field: name.to_owned(),
            ty,
            role: Role::Plain,
            generated: false,
            default: None,
            length: None,
        };
        let id = |name: &str, ty: ScalarType, generated: bool| ColumnDescriptor {
            role: Role::Id,
            generated,
            ..plain(name, ColumnType::scalar(ty))
        };
        let mut columns = match self.key {
            KeyModel::Integer => vec![id("id", ScalarType::I64, false)],
            KeyModel::Generated => vec![id("id", ScalarType::I64, true)],
            KeyModel::Uuid => vec![id("id", ScalarType::Uuid, false)],
            KeyModel::Composite => vec![id("id", ScalarType::I64, false), id("second", ScalarType::Text, false)],
        };
        let key = (0..columns.len()).collect();
        let quoted = |column: usize| format!("\"{}\"", COLUMNS[column].replace('"', "\"\""));
        let condition = |position: usize| {
            let column = &self.columns[position];
            leak(TYPES[column.ty].4.replace("{}", &quoted(column.name)))
        };
        for column in &self.columns {
            let (scalar, array, length, default, _) = TYPES[column.ty];
            let ty = if array { ColumnType::scalar(scalar).array() } else { ColumnType::scalar(scalar) };
            columns.push(ColumnDescriptor {
                length,
                default: (column.default && !default.is_empty()).then(|| ColumnDefault::sql(default)),
                ..plain(COLUMNS[column.name], if column.nullable { ty.nullable() } else { ty })
            });
        }
        let column_name = |position: usize| COLUMNS[self.columns[position].name].to_owned();
        let mut foreign_keys = Vec::new();
        if let Some((target, on_delete)) = self.references
            && let Some(other) = schema.tables.get(target)
            && other.key != KeyModel::Composite
        {
            let scalar = if other.key == KeyModel::Uuid { ScalarType::Uuid } else { ScalarType::I64 };
            columns.push(plain("other", ColumnType::scalar(scalar).nullable()));
            foreign_keys.push(ForeignKey {
                name: format!("fk_{name}_other"),
                column: "other".into(),
                target: FUNCTIONS[slots[target]].0,
                on_delete,
            });
        }
        let indexes = self.indexes.iter().enumerate().map(|(number, index)| Index {
            name: format!("ix_{name}_{number}"),
            columns: index
                .columns
                .iter()
                .map(|(column, descending)| IndexColumn { name: column_name(*column), descending: *descending })
                .collect(),
            filter: index.partial.then(|| condition(index.columns[0].0)),
        });
        TableDescriptor {
            rust_name: name,
            row_type: FUNCTIONS[slots[position]].1(),
            name,
            schema: None,
            renamed_from: None,
            columns,
            key_name: leak(format!("pk_{name}")),
            key,
            version: None,
            uniques: self
                .unique
                .iter()
                .map(|columns| UniqueKey {
                    name: format!("uq_{name}"),
                    columns: columns.iter().map(|column| column_name(*column)).collect(),
                    live: false,
                })
                .collect(),
            indexes: indexes.collect(),
            checks: self
                .check
                .iter()
                .map(|column| Check { name: format!("ck_{name}"), sql: condition(*column) })
                .collect(),
            foreign_keys,
            relations: Vec::new(),
            filterable: Vec::new(),
            sortable: Vec::new(),
        }
    }
}

//! What is to be changed, one thing at a time, in words and in order.

use super::danger;
use super::shape::{CheckShape, ColumnShape, ForeignKeyShape, IndexShape, KeyShape, TableName, TableShape};
use crate::backend::Backend;

/// One change of a database's tables. Names are those after the renames, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    CreateSchema(String),
    InstallRaise,
    CreateType {
        name: String,
        labels: &'static [&'static str],
    },
    /// A value of a type, and where among the others it goes.
    AddLabel {
        name: String,
        label: &'static str,
        place: Option<Place>,
    },
    DropType(String),
    RenameTable {
        from: TableName,
        to: TableName,
    },
    RenameColumn {
        table: TableName,
        from: String,
        to: String,
    },
    DropForeignKey {
        table: TableName,
        key: ForeignKeyShape,
    },
    DropCheck {
        table: TableName,
        check: CheckShape,
    },
    DropIndex {
        table: TableName,
        index: IndexShape,
    },
    DropUnique {
        table: TableName,
        key: KeyShape,
    },
    DropKey {
        table: TableName,
        key: KeyShape,
    },
    DropTable(TableShape),
    RenameConstraint {
        table: TableName,
        from: String,
        to: String,
    },
    RenameIndex {
        table: TableName,
        from: String,
        to: IndexShape,
    },
    DropColumn {
        table: TableName,
        column: ColumnShape,
    },
    AddColumn {
        table: TableName,
        column: ColumnShape,
    },
    DropDefault {
        table: TableName,
        column: ColumnShape,
    },
    DropIdentity {
        table: TableName,
        column: ColumnShape,
    },
    AlterType {
        table: TableName,
        from: ColumnShape,
        to: ColumnShape,
    },
    SetDefault {
        table: TableName,
        column: ColumnShape,
    },
    SetNotNull {
        table: TableName,
        column: ColumnShape,
    },
    DropNotNull {
        table: TableName,
        column: ColumnShape,
    },
    AddIdentity {
        table: TableName,
        column: ColumnShape,
    },
    MakeStrict {
        table: TableName,
        strict: bool,
    },
    AddKey {
        table: TableName,
        key: KeyShape,
    },
    AddUnique {
        table: TableName,
        key: KeyShape,
    },
    AddCheck {
        table: TableName,
        check: CheckShape,
    },
    CreateTable(TableShape),
    AddIndex {
        table: TableName,
        index: IndexShape,
    },
    AddForeignKey {
        table: TableName,
        key: ForeignKeyShape,
    },
}

/// Where among the values of a type a new one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Before(&'static str),
    After(&'static str),
}

impl Change {
    /// Its turn: what is in the way goes first, what others need comes early.
    pub(crate) fn turn(&self) -> u8 {
        match self {
            Change::CreateSchema(_) => 0,
            Change::InstallRaise => 1,
            Change::CreateType { .. } => 2,
            Change::AddLabel { .. } => 3,
            Change::RenameTable { .. } => 4,
            Change::RenameColumn { .. } => 5,
            Change::DropForeignKey { .. } => 6,
            Change::DropTable(_) => 7,
            Change::DropCheck { .. } | Change::DropIndex { .. } | Change::DropUnique { .. } => 8,
            Change::DropKey { .. } => 9,
            Change::RenameConstraint { .. } | Change::RenameIndex { .. } => 10,
            Change::DropColumn { .. } => 11,
            Change::DropDefault { .. } | Change::DropIdentity { .. } => 12,
            Change::AlterType { .. } => 13,
            Change::AddColumn { .. } => 14,
            Change::SetDefault { .. } | Change::DropNotNull { .. } => 15,
            Change::SetNotNull { .. } => 16,
            Change::AddIdentity { .. } | Change::MakeStrict { .. } => 17,
            Change::AddKey { .. } => 18,
            Change::AddUnique { .. } | Change::AddCheck { .. } => 19,
            Change::CreateTable(_) => 20,
            Change::AddIndex { .. } => 21,
            Change::AddForeignKey { .. } => 22,
            Change::DropType(_) => 23,
        }
    }

    /// The table concerned, as it is called after the renames.
    pub(crate) fn table(&self) -> Option<&TableName> {
        match self {
            Change::CreateSchema(_)
            | Change::InstallRaise
            | Change::CreateType { .. }
            | Change::AddLabel { .. }
            | Change::DropType(_) => None,
            Change::DropTable(table) | Change::CreateTable(table) => Some(&table.name),
            Change::RenameTable { to: table, .. }
            | Change::RenameColumn { table, .. }
            | Change::DropForeignKey { table, .. }
            | Change::DropCheck { table, .. }
            | Change::DropIndex { table, .. }
            | Change::DropUnique { table, .. }
            | Change::DropKey { table, .. }
            | Change::RenameConstraint { table, .. }
            | Change::RenameIndex { table, .. }
            | Change::DropColumn { table, .. }
            | Change::AddColumn { table, .. }
            | Change::DropDefault { table, .. }
            | Change::DropIdentity { table, .. }
            | Change::AlterType { table, .. }
            | Change::SetDefault { table, .. }
            | Change::SetNotNull { table, .. }
            | Change::DropNotNull { table, .. }
            | Change::AddIdentity { table, .. }
            | Change::MakeStrict { table, .. }
            | Change::AddKey { table, .. }
            | Change::AddUnique { table, .. }
            | Change::AddCheck { table, .. }
            | Change::AddIndex { table, .. }
            | Change::AddForeignKey { table, .. } => Some(table),
        }
    }

    /// Why the change may lose data or fail on the data there is.
    pub(crate) fn danger(&self, backend: Backend) -> Option<String> {
        match self {
            Change::DropTable(_) => Some("its rows are lost".into()),
            Change::DropColumn { column, .. } if column.computed.is_none() => Some("its values are lost".into()),
            Change::AlterType { from, to, .. } => danger::of_type(&from.ty, &to.ty, backend),
            Change::SetNotNull { column, .. } if column.default.is_none() => {
                Some("it fails if a row has no value there; fill them first, or give the column a `default`".into())
            }
            Change::AddColumn { column, .. }
                if !column.nullable && column.default.is_none() && !column.generated && column.computed.is_none() =>
            {
                Some("it fails if the table has rows; give the column a `default`, or make it an `Option`".into())
            }
            _ => None,
        }
    }
}

/// The change in words: "add column `note` to `orders`".
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |name: &str, columns: &[String]| match name {
            "" => format!("over `{}`", columns.join("`, `")),
            name => format!("`{name}`"),
        };
        match self {
            Change::CreateSchema(name) => write!(f, "create schema `{name}`"),
            Change::InstallRaise => write!(f, "install the function `spakky_raise`"),
            Change::CreateType { name, .. } => write!(f, "create type `{name}`"),
            Change::AddLabel { name, label, .. } => write!(f, "add value `{label}` to type `{name}`"),
            Change::DropType(name) => write!(f, "drop type `{name}`"),
            Change::RenameTable { from, to } => write!(f, "rename table `{from}` to `{to}`"),
            Change::RenameColumn { table, from, to } => write!(f, "rename column `{from}` of `{table}` to `{to}`"),
            Change::DropForeignKey { table, key } => {
                write!(f, "drop foreign key {} of `{table}`", named(&key.name, &key.columns))
            }
            Change::DropCheck { table, check } if check.name.is_empty() => {
                write!(f, "drop a check without a name of `{table}`")
            }
            Change::DropCheck { table, check } => write!(f, "drop check `{}` of `{table}`", check.name),
            Change::DropIndex { table, index } => write!(f, "drop index `{}` of `{table}`", index.name),
            Change::DropUnique { table, key } => {
                write!(f, "drop unique key {} of `{table}`", named(&key.name, &key.columns))
            }
            Change::DropKey { table, key } => {
                write!(f, "drop primary key {} of `{table}`", named(&key.name, &key.columns))
            }
            Change::DropTable(table) => write!(f, "drop table `{}`", table.name),
            Change::RenameConstraint { table, from, to } if from.is_empty() => {
                write!(f, "name a constraint of `{table}` `{to}`")
            }
            Change::RenameConstraint { table, from, to } if to.is_empty() => {
                write!(f, "take the name of constraint `{from}` of `{table}` away")
            }
            Change::RenameConstraint { table, from, to } => {
                write!(f, "rename constraint `{from}` of `{table}` to `{to}`")
            }
            Change::RenameIndex { table, from, to } => {
                write!(f, "rename index `{from}` of `{table}` to `{}`", to.name)
            }
            Change::DropColumn { table, column } => write!(f, "drop column `{}` of `{table}`", column.name),
            Change::AddColumn { table, column } => write!(f, "add column `{}` to `{table}`", column.name),
            Change::DropDefault { table, column } => {
                write!(f, "drop the default of column `{}` of `{table}`", column.name)
            }
            Change::DropIdentity { table, column } => {
                write!(f, "have column `{}` of `{table}` no longer generated", column.name)
            }
            Change::AlterType { table, from, to } => {
                write!(f, "change column `{}` of `{table}` from {} to {}", to.name, from.ty.sql, to.ty.sql)
            }
            Change::SetDefault { table, column } => {
                write!(f, "set the default of column `{}` of `{table}`", column.name)
            }
            Change::SetNotNull { table, column } => write!(f, "make column `{}` of `{table}` required", column.name),
            Change::DropNotNull { table, column } => write!(f, "let column `{}` of `{table}` be empty", column.name),
            Change::AddIdentity { table, column } => write!(f, "have column `{}` of `{table}` generated", column.name),
            Change::MakeStrict { table, strict: true } => write!(f, "make table `{table}` strict"),
            Change::MakeStrict { table, strict: false } => write!(f, "make table `{table}` no longer strict"),
            Change::AddKey { table, key } => {
                write!(f, "add primary key {} to `{table}`", named(&key.name, &key.columns))
            }
            Change::AddUnique { table, key } => {
                write!(f, "add unique key {} to `{table}`", named(&key.name, &key.columns))
            }
            Change::AddCheck { table, check } if check.name.is_empty() => {
                write!(f, "add a check without a name to `{table}`")
            }
            Change::AddCheck { table, check } => write!(f, "add check `{}` to `{table}`", check.name),
            Change::CreateTable(table) => write!(f, "create table `{}`", table.name),
            Change::AddIndex { table, index } => write!(f, "add index `{}` to `{table}`", index.name),
            Change::AddForeignKey { table, key } => {
                write!(f, "add foreign key {} to `{table}`", named(&key.name, &key.columns))
            }
        }
    }
}

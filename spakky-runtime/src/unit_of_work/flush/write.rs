//! Queued writes with what the session knows of their rows, and which of them share a statement.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::Arc;

use super::children::ChildWrites;
use super::is_drawn;
use super::shape::Shape;
use crate::mappable::Mapping;
use crate::mutant::Mutant;
use crate::schema::{Record, Role, TableDescriptor};
use crate::scope::{Reach, is_deleted, tenant_of};
use crate::statement::{Kinship, Within};
use crate::unit_of_work::aggregate::differs;
use crate::unit_of_work::identity_map::{IdentityMap, version_of};
use crate::unit_of_work::order::{Kind, Node};
use crate::unit_of_work::pending::{Change, PendingWrite, Told};
use crate::unit_of_work::row_key::RowKey;
use crate::value::Value;

/// A queued write with what the session knows of the row when it is sent.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) table: &'static TableDescriptor,
    pub(super) key: Option<RowKey>,
    pub(super) change: Change,
    pub(super) origin: &'static Location<'static>,
    /// The row in the database.
    pub(super) base: Option<Arc<Record>>,
    /// It has children that are not in `base`: those whose keys nobody knows yet, and those above them.
    pub(super) has_others: bool,
    /// The version that guards the write.
    pub(super) expected: Option<i64>,
    pub(super) reach: Reach,
    /// The version goes up. It did already if the scope around wrote the same row before, under a savepoint of its own.
    pub(super) bumps: bool,
    /// The column that tells whose child it is: the row is found only while it is.
    pub(super) owner: Option<usize>,
    /// The way to it from the row that it is part of, where it may move between the children of that one.
    pub(super) kinship: Kinship,
    /// The row has nothing of its own to be written, but its guard is to hold and its stamps are to tell of a change of its
    /// children.
    pub(super) touches: bool,
    /// If the row is there, it is soft-deleted.
    pub(super) deleted: bool,
    /// Written as part of another row.
    pub(super) is_child: bool,
    /// The database fills in columns of the row's children.
    pub(super) children_partial: bool,
    /// The session cannot know what becomes of the row's children.
    pub(super) children_unknown: bool,
    /// The database has yet to tell the keys of some of the row's children.
    pub(super) children_drawn: bool,
    pub(super) told: Option<Told>,
}

impl Write {
    pub(super) fn of(write: PendingWrite, map: &IdentityMap, depth: usize) -> Self {
        let PendingWrite { table, key, change, origin, reach, told, .. } = write;
        let entry = key.as_ref().and_then(|key| map.known_at(depth, key));
        let (base, has_others, expected) = match (&change, entry) {
            (Change::Update { .. } | Change::Delete { must_exist: true }, Some(entry)) => {
                let (base, has_others) = entry.base(table);
                (base.map(Cow::into_owned), has_others, entry.version)
            }
            _ => (None, false, None),
        };
        let expected = expected.filter(|_| !Mutant::Unguarded.is_on());
        let bumps = match (&change, expected) {
            (Change::Update { record, .. }, Some(expected)) => version_of(table, record) != Some(expected),
            _ => true,
        };
        let of_child = Write::of_child(table, key, change, origin);
        let mut write = Write { base, has_others, expected, reach, bumps, told, is_child: false, ..of_child };
        write.date();
        write
    }

    /// Whether the row was deleted and is there again, and nobody knows which version it had: then it has the first one.
    pub(super) fn starts_anew(&self) -> bool {
        self.reach.renewed && self.expected.is_none()
    }

    /// Gives the row the version that it has behind the write: when it was saved, what waits around it may have hidden which one
    /// the database would have. It is read again then.
    fn date(&mut self) {
        let (table, Some(expected)) = (self.table, self.expected.filter(|_| self.bumps)) else { return };
        let version = expected.saturating_add(1);
        if let (Change::Update { record, .. }, Some(at)) = (&mut self.change, table.version)
            && version_of(table, record) != Some(version)
        {
            Arc::make_mut(record)[at] = Value::I64(version);
            self.children_partial = true;
        }
    }

    /// The write of a row that is part of another.
    pub(super) fn of_child(
        table: &'static TableDescriptor,
        key: Option<RowKey>,
        change: Change,
        origin: &'static Location<'static>,
    ) -> Self {
        let record = record_of(&change);
        let tenant = record.and_then(|record| tenant_of(table, record));
        let reach = Reach { tenant, live: table.deleted_at().is_some(), mark: None, by: None, renewed: false };
        Write {
            table,
            key,
            change,
            origin,
            base: None,
            has_others: false,
            expected: None,
            reach,
            bumps: true,
            owner: None,
            kinship: Kinship::default(),
            touches: false,
            deleted: false,
            is_child: true,
            children_partial: false,
            children_unknown: false,
            children_drawn: false,
            told: None,
        }
    }

    /// Takes note of what the session cannot know of the children that are written with the row, and of what they mean for it.
    pub(super) fn note_children(&mut self, children: &ChildWrites) {
        let is_drawn = |write: &Write| write.key.as_deref().is_some_and(is_drawn);
        self.children_unknown = children.is_unknown;
        self.children_drawn = children.writes.iter().any(is_drawn);
        if let (Change::Update { record, columns }, Some(base)) = (&self.change, &self.base) {
            self.touches = self.table.version.is_none()
                && tells_of_children(self.table)
                && !(children.writes.is_empty() && children.sweeps.is_empty())
                && differs(self.table, *columns, base, record, true);
        }
        self.children_partial |= children.is_unknown
            || children.writes.iter().any(|write| {
                let columns = match &write.change {
                    Change::Insert { columns, .. }
                    | Change::Update { columns, .. }
                    | Change::Upsert { columns, .. } => *columns,
                    Change::Delete { .. } => return false,
                };
                is_partial(write.table, columns, Kind::of(&write.change))
            });
    }

    /// What the write is confined to, besides its key.
    pub(super) fn within(&self) -> Within {
        let Reach { live, by, .. } = self.reach;
        Within { tenanted: self.reach.tenant.is_some(), live, deleted: self.deleted, owner: self.owner, by }
    }

    /// What the row is found by, in the order in which rows are written.
    pub(super) fn found_by(&self) -> Cow<'_, [Value]> {
        match (&self.key, self.reach.by, record_of(&self.change)) {
            (Some(key), ..) => Cow::Borrowed(key),
            (None, Some(by), Some(record)) => Cow::Owned(self.table.uniques[by].values(self.table, record)),
            (None, ..) => Cow::Borrowed(&[]),
        }
    }
}

/// Whether something of a row without a version is to be checked or stamped when its children change.
fn tells_of_children(table: &TableDescriptor) -> bool {
    let tells = |role| matches!(role, Role::Tenant | Role::DeletedAt | Role::UpdatedAt | Role::UpdatedBy);
    table.columns.iter().any(|column| tells(column.role))
}

/// Rows that go into one statement.
pub(super) struct Group {
    pub(super) node: Node,
    pub(super) shape: Shape,
    pub(super) writes: Vec<Write>,
}

impl Group {
    /// Whether another new row plainly is one more of those here, as most of a large unit of work are.
    pub(super) fn goes_on_with(&self, write: &Write) -> bool {
        let (Shape::Insert { deleted, drawn, told, .. }, Some(first)) = (&self.shape, self.writes.first()) else {
            return false;
        };
        match (&first.change, &write.change) {
            (Change::Insert { columns, .. }, Change::Insert { record, columns: others }) => {
                first.table.row_type == write.table.row_type
                    && columns == others
                    && *deleted == is_deleted(write.table, record)
                    && *told == write.told.is_some()
                    && drawn.is_empty()
                    && !is_drawn(record)
            }
            _ => false,
        }
    }

    /// Whether a row is written already, which one statement cannot do twice.
    pub(super) fn holds(&self, write: &Write) -> bool {
        write.reach.by.is_some() && self.writes.iter().any(|other| other.found_by() == write.found_by())
    }
}

pub(super) fn record_of(change: &Change) -> Option<&Arc<Record>> {
    change.record()
}

/// A record with nothing but its key, and the tenant where it is known.
pub(super) fn key_record(table: &TableDescriptor, write: &Write) -> Record {
    let mut record = Record::from(vec![Value::Null; table.columns.len()]);
    for (&at, value) in table.key.iter().zip(write.key.as_deref().unwrap_or_default()) {
        record[at] = value.clone();
    }
    if let (Some(at), Some(tenant)) = (table.tenant(), &write.reach.tenant) {
        record[at] = tenant.clone();
    }
    if let (Some(at), Some(base)) = (write.owner, &write.base) {
        record[at] = base[at].clone();
    }
    record
}

/// Whether the database fills in columns of a written row that the session can only guess.
pub(super) fn is_partial(table: &TableDescriptor, columns: Mapping, kind: Kind) -> bool {
    table.columns.iter().enumerate().any(|(at, column)| match column.role {
        Role::UpdatedAt => true,
        Role::CreatedAt => kind == Kind::Insert,
        Role::Plain => kind == Kind::Insert && (column.generated || column.default.is_some() && !columns.holds(at)),
        _ => false,
    })
}

/// The order of keys within a statement: any that is the same for everybody.
pub(super) fn compare_keys(a: &[Value], b: &[Value]) -> std::cmp::Ordering {
    a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::I16(a), Value::I16(b)) => a.cmp(b),
        (Value::I32(a), Value::I32(b)) => a.cmp(b),
        (Value::I64(a), Value::I64(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::TimestampTz(a), Value::TimestampTz(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Drawn(a), Value::Drawn(b)) => a.cmp(b),
        (a, b) => format!("{a:?}").cmp(&format!("{b:?}")),
    }
}

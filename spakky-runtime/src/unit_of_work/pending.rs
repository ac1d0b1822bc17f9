//! The queue of writes of one scope, one entry per row.

use std::any::TypeId;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use super::aggregate::{Id, note_keyed};
use super::{ByRow, RowKey};
use crate::error::Error;
use crate::hash::FastMap;
use crate::mappable::Mapping;
use crate::mutant::Mutant;
use crate::schema::{Record, Role, TableDescriptor, holders};
use crate::scope::{Mark, Reach};

/// What is to become of a row. What the database has of it, and at which version, is asked of the identity map when the
/// write is sent: another may have been sent before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// The row is new.
    Insert { record: Arc<Record>, columns: Mapping },
    /// The row exists.
    Update { record: Arc<Record>, columns: Mapping },
    /// The row may exist.
    Upsert { record: Arc<Record>, columns: Mapping },
    /// The row goes, guarded by its version. It may be gone already if `must_exist` is false; its version is of no
    /// interest then.
    Delete { must_exist: bool },
}

impl Change {
    /// The row with what is written.
    pub(crate) fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Change::Insert { record, .. } | Change::Update { record, .. } | Change::Upsert { record, .. } => {
                Some(record)
            }
            Change::Delete { .. } => None,
        }
    }
}

/// One queued write.
#[derive(Debug, Clone)]
pub(crate) struct PendingWrite {
    pub(crate) table: &'static TableDescriptor,
    /// `None` for a row whose key the database will assign.
    pub(crate) key: Option<RowKey>,
    pub(crate) change: Change,
    pub(crate) origin: &'static Location<'static>,
    /// What it is confined to; of no interest to an insert.
    pub(crate) reach: Reach,
    /// Where to tell how a new row was stored, if its caller wants to know.
    pub(crate) told: Option<Told>,
    /// The row was written again behind others.
    pub(crate) again: bool,
}

/// How a new row was stored, with the ids that the database assigned to it and to its children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Option<Result<Record, Error>>>>);

impl Told {
    pub(crate) fn tell(&self, stored: Result<Record, Error>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored);
    }

    pub(crate) fn take(&self) -> Option<Result<Record, Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The row, if the database assigned ids to children of it.
    ///
    /// # Errors
    /// When they are not known.
    pub(crate) fn take_with_new_ids(&self) -> Result<Option<Record>, Error> {
        self.take().transpose()
    }
}

/// The queued writes of one scope, in the order their rows were first written.
#[derive(Debug, Clone, Default)]
pub(crate) struct PendingQueue {
    writes: Vec<Option<PendingWrite>>,
    by_row: ByRow<usize>,
    kinds: Vec<QueuedKind>,
    /// The children that the writes give, once somebody has asked for them.
    given: Option<Given>,
}

/// The children that queued writes give, each with the row that it is given to last: one without a key if the database is yet
/// to assign that.
#[derive(Debug, Clone, Default)]
struct Given {
    rows: FastMap<Id, Option<RowKey>>,
    /// So many of the writes are looked through.
    seen: usize,
}

impl Given {
    fn note(&mut self, write: &PendingWrite) {
        let Some(record) = write.change.record() else { return };
        let mut below = Vec::new();
        note_keyed(write.table, record, &mut below);
        self.rows.extend(below.into_iter().map(|row| (row, write.key.clone())));
    }
}

/// The writes of one table in a queue.
#[derive(Debug, Clone)]
struct QueuedKind {
    row_type: TypeId,
    /// The position of the last one.
    last: usize,
    /// The position of the last one that finds its row by a unique key, so that nobody knows which row it is.
    last_by: Option<usize>,
}

impl PendingWrite {
    /// Whether it gives the row children.
    fn takes_children(&self) -> bool {
        !self.table.relations.is_empty() && self.reach.mark.is_none() && !matches!(self.change, Change::Delete { .. })
    }
}

impl PendingQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.iter().all(Option::is_none)
    }

    /// Makes room for so many more writes.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.writes.reserve(count);
        self.by_row.reserve(count);
    }

    /// Queues a write, merging it with what is queued for the same row, unless what was queued in between may be about the
    /// same rows: a write does not overtake another. Nor is it merged where `is_apart` says that the earlier one does what
    /// the later one does not undo.
    pub(crate) fn push(&mut self, write: PendingWrite, is_apart: impl FnOnce(&PendingWrite, &PendingWrite) -> bool) {
        let Some(row) = write.key.clone() else {
            self.append(write);
            return;
        };
        match self.by_row.get(&row) {
            Some(&position)
                if !self.is_overtaking(write.table, position) && !self.is_split(position, &write, is_apart) =>
            {
                // What the row is given may be what was given to others, behind it or ahead.
                let again = self.writes.len() > 1 && write.takes_children();
                let behind = again && position + 1 < self.writes.len();
                let merged = match self.writes[position].take() {
                    Some(earlier) => merge(earlier, write),
                    None => Some(write),
                };
                match merged {
                    Some(merged) if behind => {
                        self.by_row.insert(row, self.writes.len());
                        self.append(PendingWrite { again: true, ..merged });
                    }
                    merged => {
                        let merged = merged.map(|merged| PendingWrite { again: merged.again || again, ..merged });
                        if let (Some(given), Some(merged)) = (&mut self.given, &merged) {
                            given.note(merged);
                        }
                        self.writes[position] = merged;
                    }
                }
            }
            earlier => {
                let again = earlier.is_some_and(|&position| self.writes[position].is_some());
                self.by_row.insert(row, self.writes.len());
                self.append(PendingWrite { again, ..write });
            }
        }
    }

    /// Whether the write is no part of what is queued for its row: a row that may be new cannot be inserted and marked at once,
    /// and what became of children that it gives no more is not to be forgotten.
    fn is_split(
        &self,
        position: usize,
        write: &PendingWrite,
        is_apart: impl FnOnce(&PendingWrite, &PendingWrite) -> bool,
    ) -> bool {
        let Some(earlier) = &self.writes[position] else { return false };
        write.reach.mark.is_some() && matches!(earlier.change, Change::Upsert { .. })
            || !write.table.relations.is_empty() && is_apart(earlier, write)
    }

    /// Whether a write of another row gives a child that the row has.
    pub(crate) fn gives_elsewhere(&mut self, table: &'static TableDescriptor, key: &RowKey, record: &Record) -> bool {
        if table.relations.is_empty() || !self.kinds.iter().any(|kind| kind.row_type == table.row_type) {
            return false;
        }
        let mut below = Vec::new();
        note_keyed(table, record, &mut below);
        let given = self.given();
        below.iter().any(|row| given.get(row).is_some_and(|owner| owner.as_ref() != Some(key)))
    }

    /// The children that the writes give, each with the key of the row that it is given to last.
    pub(crate) fn given(&mut self) -> &FastMap<Id, Option<RowKey>> {
        let given = self.given.get_or_insert_default();
        self.writes[given.seen..].iter().flatten().for_each(|write| given.note(write));
        given.seen = self.writes.len();
        &given.rows
    }

    fn append(&mut self, write: PendingWrite) {
        let (row_type, last) = (write.table.row_type, self.writes.len());
        let by = write.reach.by.map(|_| last);
        match self.kinds.iter_mut().find(|kind| kind.row_type == row_type) {
            Some(kind) => {
                kind.last = last;
                kind.last_by = by.or(kind.last_by);
            }
            None => self.kinds.push(QueuedKind { row_type, last, last_by: by }),
        }
        self.writes.push(Some(write));
    }

    /// Whether a write of `table` that is merged with the one at `position` comes ahead of one that may be about the same rows:
    /// of a table whose rows are parts of these or have these as parts, or by a unique key.
    fn is_overtaking(&self, table: &TableDescriptor, position: usize) -> bool {
        self.kinds.iter().any(|kind| match kind.row_type == table.row_type {
            true => kind.last_by.is_some_and(|last| last > position),
            false => kind.last > position && are_related(kind.row_type, table.row_type),
        })
    }

    /// Whether a read of rows of this type may miss what is queued: for rows that are parts of these or have these as parts,
    /// or by a unique key.
    pub(crate) fn concerns(&self, row_type: TypeId) -> bool {
        let concerns = |kind: &QueuedKind| match kind.row_type == row_type {
            true => kind.last_by.is_some(),
            false => are_related(kind.row_type, row_type),
        };
        self.kinds.iter().any(concerns)
    }

    /// What is queued for a row.
    pub(crate) fn get(&self, row: &RowKey) -> Option<&PendingWrite> {
        let position = *self.by_row.get(row)?;
        self.writes.get(position)?.as_ref()
    }

    /// Whether something is queued for the row.
    pub(crate) fn holds(&self, row: &RowKey) -> bool {
        self.by_row.get(row).is_some_and(|&position| self.writes[position].is_some())
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Vec<PendingWrite> {
        self.by_row.clear();
        self.kinds.clear();
        self.given = None;
        std::mem::take(&mut self.writes).into_iter().flatten().collect()
    }
}

/// Whether the rows of one type are parts of those of the other.
pub(super) fn are_related(one: TypeId, other: TypeId) -> bool {
    holders(one).contains(&other) || holders(other).contains(&one)
}

/// One write with the effect of two on the same row; `None` if together they do nothing.
fn merge(earlier: PendingWrite, later: PendingWrite) -> Option<PendingWrite> {
    let table = later.table;
    // What is in the database is what the first of them found there.
    let mut reach = Reach { mark: later.reach.mark.or(earlier.reach.mark), ..earlier.reach };
    if matches!(earlier.change, Change::Delete { .. }) && table.deleted_at().is_some() {
        reach.mark = Some(Mark::Restored);
    }
    reach.renewed |= matches!(
        (&earlier.change, &later.change),
        (Change::Delete { .. }, Change::Insert { .. } | Change::Upsert { .. })
    );
    let change = match (earlier.change, later.change) {
        (Change::Delete { .. }, Change::Insert { record, columns }) if Mutant::ReplacedIsNew.is_on() => {
            Change::Insert { record, columns }
        }
        (Change::Insert { record, columns }, Change::Update { .. }) if Mutant::SaveOfNewIsLost.is_on() => {
            Change::Insert { record, columns }
        }
        (Change::Insert { .. }, Change::Delete { .. }) => return None,
        (Change::Insert { columns, record: earlier }, Change::Update { record, columns: later }) => {
            Change::Insert { record: on_top_of(table, &earlier, record, later), columns }
        }
        (Change::Insert { columns, .. }, Change::Insert { record, .. } | Change::Upsert { record, .. }) => {
            Change::Insert { record, columns }
        }
        (Change::Upsert { columns, record: earlier }, Change::Update { record, columns: later }) => {
            let mut record = on_top_of(table, &earlier, record, later);
            // Should the row be new, it is made by who upserted it.
            if let Some(at) = table.role(Role::CreatedBy) {
                Arc::make_mut(&mut record)[at] = earlier[at].clone();
            }
            Change::Upsert { record, columns }
        }
        (Change::Upsert { columns, .. }, Change::Insert { record, .. } | Change::Upsert { record, .. }) => {
            Change::Upsert { record, columns }
        }
        (Change::Upsert { .. }, Change::Delete { .. }) => Change::Delete { must_exist: false },
        (Change::Update { columns, record: earlier }, Change::Update { record, columns: later }) => {
            let record = on_top_of(table, &earlier, record, later);
            Change::Update { record, columns: if columns.is_nothing() { later } else { columns } }
        }
        (
            Change::Update { columns, .. },
            Change::Insert { record, columns: later } | Change::Upsert { record, columns: later },
        ) => Change::Update { record, columns: if columns.is_nothing() { later } else { columns } },
        (Change::Update { .. }, Change::Delete { must_exist }) => Change::Delete { must_exist },
        // Replacing a row by one of the same key is an update of every column.
        (Change::Delete { must_exist: true }, Change::Insert { record, .. } | Change::Upsert { record, .. }) => {
            Change::Update { record, columns: Mapping::WHOLE }
        }
        (Change::Delete { must_exist: false }, Change::Insert { record, .. } | Change::Upsert { record, .. }) => {
            Change::Upsert { record, columns: Mapping::WHOLE }
        }
        (Change::Delete { must_exist }, Change::Update { .. } | Change::Delete { .. }) => Change::Delete { must_exist },
    };
    let (told, again) = (later.told.or(earlier.told), earlier.again || later.again);
    Some(PendingWrite { table, key: later.key, change, origin: later.origin, reach, told, again })
}

/// What an UPDATE makes of the row of the write before it: one that only marks the row leaves its columns, and one that says
/// nothing of its children leaves these.
fn on_top_of(table: &TableDescriptor, earlier: &Record, mut record: Arc<Record>, columns: Mapping) -> Arc<Record> {
    if columns.is_nothing() {
        let record = Arc::make_mut(&mut record);
        let plain = table.columns.iter().enumerate().filter(|(_, column)| column.role == Role::Plain);
        plain.for_each(|(at, _)| record[at] = earlier[at].clone());
    }
    if let (None, Some(children)) = (record.children(), earlier.children()) {
        let children = children.to_vec();
        Arc::make_mut(&mut record).set_children(children);
    }
    record
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fixture::customers;
    use crate::value::Value;

    /// The domain type gives the address, not who sent the invitation.
    const MAPPED: Mapping = Mapping::of(&[true, true, false]);

    /// What the caller asks for.
    #[derive(Debug, Clone, Copy)]
    enum Operation {
        Add,
        Save,
        Delete,
        DeleteById,
        Upsert,
        Load,
    }

    /// What the session knows of a row, as far as it decides what may be queued.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Known {
        Nothing,
        /// With the column that is not mapped; after an upsert that is the default.
        Row(i64),
        Deleted,
    }

    /// The rows: the mapped column and the other one.
    type Rows = BTreeMap<i64, (i64, i64)>;

    fn record(id: i64, mapped: i64, other: i64) -> Arc<Record> {
        Arc::new(vec![Value::I64(id), Value::Text(mapped.to_string()), Value::I64(other)].into())
    }

    fn write(id: i64, change: Change) -> PendingWrite {
        PendingWrite {
            table: customers(),
            key: Some(RowKey::new(customers(), [Value::I64(id)])),
            change,
            origin: Location::caller(),
            reach: Reach::default(),
            told: None,
            again: false,
        }
    }

    /// The write that an operation queues, if the session lets it.
    fn queue(known: &mut Known, operation: Operation, id: i64, value: i64, stored: &Rows) -> Option<Change> {
        let columns = MAPPED;
        let (change, next) = match (operation, *known) {
            (Operation::Load, Known::Nothing) => {
                if let Some((_, other)) = stored.get(&id) {
                    *known = Known::Row(*other);
                }
                return None;
            }
            (Operation::Add, Known::Nothing | Known::Deleted) => {
                (Change::Insert { record: record(id, value, 0), columns }, Known::Row(0))
            }
            (Operation::Save, Known::Row(other)) => {
                (Change::Update { record: record(id, value, other), columns }, Known::Row(other))
            }
            (Operation::Delete, Known::Row(_)) => (Change::Delete { must_exist: true }, Known::Deleted),
            (Operation::DeleteById, _) => (Change::Delete { must_exist: false }, Known::Deleted),
            (Operation::Upsert, Known::Row(other)) => {
                (Change::Upsert { record: record(id, value, 0), columns }, Known::Row(other))
            }
            (Operation::Upsert, _) => (Change::Upsert { record: record(id, value, 0), columns }, Known::Row(0)),
            _ => return None,
        };
        *known = next;
        Some(change)
    }

    /// What the database makes of one write; `None` if it refuses it.
    fn apply(rows: &mut Rows, id: i64, change: &Change) -> Option<()> {
        let values = |record: &Record| match (&record[1], &record[2]) {
            (Value::Text(mapped), Value::I64(other)) => (mapped.parse().unwrap(), *other),
            other => panic!("{other:?}"),
        };
        let written = |columns: Mapping, record: &Record, old: (i64, i64)| {
            let new = values(record);
            (if columns.holds(1) { new.0 } else { old.0 }, if columns.holds(2) { new.1 } else { old.1 })
        };
        match change {
            Change::Insert { record, .. } => rows.insert(id, values(record)).is_none().then_some(()),
            Change::Update { record, columns } => {
                let row = rows.get_mut(&id)?;
                *row = written(*columns, record, *row);
                Some(())
            }
            Change::Upsert { record, columns } => {
                let new = rows.get(&id).map_or_else(|| values(record), |old| written(*columns, record, *old));
                rows.insert(id, new);
                Some(())
            }
            Change::Delete { must_exist } => {
                let found = rows.remove(&id).is_some();
                (found || !must_exist).then_some(())
            }
        }
    }

    fn operations() -> impl Strategy<Value = Vec<(Operation, i64)>> {
        use Operation::{Add, Delete, DeleteById, Load, Save, Upsert};
        let operation = proptest::sample::select(vec![Add, Save, Delete, DeleteById, Upsert, Load]);
        proptest::collection::vec((operation, 0..3_i64), 0..24)
    }

    proptest! {
        #[test]
        fn merged_writes_have_the_effect_of_all_of_them(operations in operations(), present in 0..8_u8) {
            let before: Rows =
                (0..3).filter(|id| present & (1 << id) != 0).map(|id| (id, (100 + id, 200 + id))).collect();
            let mut known = [Known::Nothing; 3];
            let mut one_by_one = before.clone();
            let mut fine = true;
            let mut pending = PendingQueue::default();
            for (position, (operation, id)) in operations.into_iter().enumerate() {
                let value = i64::try_from(position).unwrap();
                let at = usize::try_from(id).unwrap();
                let Some(change) = queue(&mut known[at], operation, id, value, &one_by_one) else { continue };
                fine &= apply(&mut one_by_one, id, &change).is_some();
                pending.push(write(id, change), |_, _| false);
                if !fine {
                    break;
                }
            }
            // What the database would have refused on the way may be merged away.
            prop_assume!(fine);
            let mut merged = before;
            let writes = pending.take();
            prop_assert!(pending.is_empty());
            prop_assert!(writes.len() <= 3);
            for write in writes {
                let Some([Value::I64(id)]) = write.key.as_deref() else { panic!("{write:?}") };
                prop_assert!(apply(&mut merged, *id, &write.change).is_some(), "{write:?}");
            }
            prop_assert_eq!(merged, one_by_one);
        }
    }

    /// What is done to one row of a table with soft deletion.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Step {
        Save,
        SoftDelete,
        Restore,
        Delete,
        Add,
    }

    const STEPS: [Step; 5] = [Step::Save, Step::SoftDelete, Step::Restore, Step::Delete, Step::Add];

    fn documents() -> &'static TableDescriptor {
        struct DocumentRow;
        static TABLE: std::sync::LazyLock<TableDescriptor> = std::sync::LazyLock::new(|| {
            let deleted_at = <Option<chrono::NaiveDateTime> as crate::value::ColumnValue>::TYPE;
            TableDescriptor::fixture::<DocumentRow>("documents").id::<i64>("id").column_of(
                "deleted_at",
                deleted_at,
                |column| column.role = crate::schema::Role::DeletedAt,
            )
        });
        &TABLE
    }

    /// The row after a step, and what is queued; `None` if there is no such step. A row is deleted, living or not there.
    fn step(row: Option<bool>, step: Step) -> Option<(Option<bool>, Change, Reach)> {
        let record = |deleted: bool| {
            let deleted = if deleted { Value::Timestamp(chrono::NaiveDateTime::default()) } else { Value::Null };
            Arc::new(Record::from(vec![Value::I64(1), deleted]))
        };
        let columns = Mapping::of(&[true, false]);
        let update = |deleted, mark| {
            let reach = Reach { live: mark != Some(Mark::Restored) && row == Some(false), mark, ..Reach::default() };
            (Some(deleted), Change::Update { record: record(deleted), columns }, reach)
        };
        Some(match (step, row) {
            (Step::Save, Some(deleted)) => update(deleted, None),
            (Step::SoftDelete, Some(false)) => update(true, Some(Mark::Deleted)),
            (Step::Restore, Some(true)) => update(false, Some(Mark::Restored)),
            (Step::Delete, Some(deleted)) => {
                let reach = Reach { live: !deleted, ..Reach::default() };
                (None, Change::Delete { must_exist: true }, reach)
            }
            (Step::Add, None) => (Some(false), Change::Insert { record: record(false), columns }, Reach::default()),
            _ => return None,
        })
    }

    #[test]
    fn merged_writes_leave_a_row_deleted_or_living_as_all_of_them_would() {
        let mut tried = 0;
        for stored in [None, Some(false), Some(true)] {
            for number in 0..STEPS.len().pow(5) {
                let steps = (0..5).map(|digit| STEPS[number / STEPS.len().pow(digit) % STEPS.len()]);
                let mut pending = PendingQueue::default();
                let mut row = stored;
                for taken in steps {
                    let Some((next, change, reach)) = step(row, taken) else { continue };
                    pending.push(
                        PendingWrite {
                            table: documents(),
                            key: Some(RowKey::new(documents(), [Value::I64(1)])),
                            reach,
                            ..write(1, change)
                        },
                        |_, _| false,
                    );
                    row = next;
                    tried += 1;
                }
                let mut merged = stored;
                for PendingWrite { change, reach, .. } in pending.take() {
                    assert!(!reach.live || stored == Some(false), "{change:?} {reach:?} of {stored:?}");
                    merged = match change {
                        Change::Insert { record, .. } => Some(!record[1].is_null()),
                        Change::Update { .. } => Some(match reach.mark {
                            Some(mark) => mark == Mark::Deleted,
                            None => stored == Some(true),
                        }),
                        Change::Delete { .. } => None,
                        other @ Change::Upsert { .. } => panic!("{other:?}"),
                    };
                }
                assert_eq!(merged, row, "{number} of {stored:?}");
            }
        }
        assert!(tried > 10_000);
    }

    #[test]
    fn rows_without_a_key_are_never_merged() {
        let mut pending = PendingQueue::default();
        for _ in 0..3 {
            let change = Change::Insert { record: record(0, 1, 0), columns: MAPPED };
            pending.push(PendingWrite { key: None, ..write(0, change) }, |_, _| false);
        }
        assert_eq!(pending.take().len(), 3);
    }
}

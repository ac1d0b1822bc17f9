//! From queued writes to statements, and from there to what the session knows afterwards.

mod children;
mod explain;
mod family;
mod shape;

use std::panic::Location;
use std::sync::Arc;

pub(crate) use explain::{constraint_of, show_ids, show_key};
pub(crate) use shape::{changed, insertable};

use self::children::{ChildWrites, Sweep, merge_sweep};
use self::family::parents_first;
use self::shape::{Shape, bounded, stamped};
use super::identity_map::{IdentityMap, RowKey, version_of};
use super::order::{Kind, Node, sorted};
use super::pending::{Change, PendingWrite};
use crate::backend::{Answer, Backend, Statement};
use crate::error::Error;
use crate::mappable::Mapping;
use crate::mutation::{Mutation, MutationEvent, MutationKind};
use crate::schema::{Record, Role, TableDescriptor};
use crate::scope::{Mark, Reach, tenant_of};
use crate::statement::{self, Conflict, RaiseStyle, Touch, Within};
use crate::value::Value;

/// What the statements depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlushContext {
    pub(crate) backend: Backend,
    pub(crate) raise: RaiseStyle,
    /// The transaction's id is not known yet: the first write answers with it.
    pub(crate) wants_xid: bool,
    /// Somebody listens to what is written.
    pub(crate) tells: bool,
}

/// The statements of a flush, in order.
#[derive(Debug, Default)]
pub(crate) struct FlushPlan {
    pub(crate) steps: Vec<FlushStep>,
}

/// One statement of a flush and the rows it writes.
#[derive(Debug)]
pub(crate) struct FlushStep {
    statement: Option<Statement>,
    table: &'static TableDescriptor,
    kind: Kind,
    rows: Vec<FlushedRow>,
    /// It answers with the row it wrote, and not with the transaction's id.
    returns_row: bool,
    /// Rows that are there already must belong to the same aggregate.
    owned: bool,
    /// What it does to its rows, for those who listen.
    does: (MutationKind, Vec<usize>),
}

/// One row of a flush.
#[derive(Debug)]
struct FlushedRow {
    key: Option<Vec<Value>>,
    origin: &'static Location<'static>,
    expected: Option<i64>,
    effect: Option<Effect>,
    /// Written as part of another row.
    is_child: bool,
}

/// What the session knows of the row once the statement has run.
#[derive(Debug)]
enum Effect {
    /// The row as given, at this version. `complete` unless only the mapped columns are known, `partial` if the database
    /// filled in some that the session can only guess.
    Stored { record: Arc<Record>, version: Option<i64>, complete: bool, partial: bool },
    /// The row is gone.
    Gone,
    /// The row is there, but how is the database's business.
    Unknown,
}

/// A queued write with what the session knows of the row when it is sent.
#[derive(Debug)]
struct Write {
    table: &'static TableDescriptor,
    key: Option<Vec<Value>>,
    change: Change,
    origin: &'static Location<'static>,
    /// The row in the database.
    base: Option<Arc<Record>>,
    /// The version that guards the write.
    expected: Option<i64>,
    reach: Reach,
    /// The version goes up. It did already if the scope around wrote the same row before, under a savepoint of its own.
    bumps: bool,
    /// The column that tells whose child it is, where a row of the same key may be another's.
    owner: Option<usize>,
    /// Written as part of another row.
    is_child: bool,
    /// The database fills in columns of the row's children.
    children_partial: bool,
    /// The database assigns keys of the row's children, or what became of them is not known.
    children_unknown: bool,
}

impl Write {
    fn of(write: PendingWrite, map: &IdentityMap) -> Self {
        let PendingWrite { table, key, change, origin, reach } = write;
        let entry = key.as_ref().and_then(|key| map.get(&RowKey::new(table, key.clone())));
        let (base, expected) = match (&change, entry) {
            (Change::Update { .. }, Some(entry)) => (entry.stored.clone(), entry.version),
            (Change::Delete { must_exist: true }, Some(entry)) => (None, entry.version),
            _ => (None, None),
        };
        let bumps = match (&change, expected) {
            (Change::Update { record, .. }, Some(expected)) => version_of(table, record) != Some(expected),
            _ => true,
        };
        Write { base, expected, reach, bumps, is_child: false, ..Write::of_child(table, key, change, origin) }
    }

    /// The write of a row that is part of another.
    fn of_child(
        table: &'static TableDescriptor,
        key: Option<Vec<Value>>,
        change: Change,
        origin: &'static Location<'static>,
    ) -> Self {
        let record = record_of(&change);
        let tenant = record.and_then(|record| tenant_of(table, record));
        let reach = Reach { tenant, live: table.deleted_at().is_some(), mark: None };
        Write {
            table,
            key,
            change,
            origin,
            base: None,
            expected: None,
            reach,
            bumps: true,
            owner: None,
            is_child: true,
            children_partial: false,
            children_unknown: false,
        }
    }

    /// Takes note of what the session cannot know of the children that are written with the row.
    fn note_children(&mut self, children: &ChildWrites) {
        self.children_unknown = children.writes.iter().any(|write| write.key.is_none());
        self.children_partial = children.writes.iter().any(|write| {
            let columns = match &write.change {
                Change::Insert { columns, .. } | Change::Update { columns, .. } | Change::Upsert { columns, .. } => {
                    *columns
                }
                Change::Delete { .. } => return false,
            };
            write.key.is_none() || is_partial(write.table, columns, Kind::of(&write.change))
        });
    }

    /// What the write is confined to, besides its key.
    fn within(&self) -> Within {
        Within { tenanted: self.reach.tenant.is_some(), live: self.reach.live, owner: self.owner }
    }
}

/// Rows that go into one statement.
struct Group {
    node: Node,
    shape: Shape,
    writes: Vec<Write>,
}

impl FlushPlan {
    /// Turns queued writes into statements.
    ///
    /// # Errors
    /// When a value cannot be stored.
    pub(crate) fn of(writes: Vec<PendingWrite>, map: &IdentityMap, context: &FlushContext) -> Result<Self, Error> {
        let mut groups: Vec<Group> = Vec::new();
        let mut sweeps: Vec<Sweep> = Vec::new();
        for write in writes {
            let mut write = Write::of(write, map);
            let children = ChildWrites::of(&write);
            write.note_children(&children);
            let ChildWrites { writes, sweeps: made, .. } = children;
            for write in [write].into_iter().chain(writes) {
                let Some(shape) = Shape::of(&write) else { continue };
                let node = (write.table, Kind::of(&write.change));
                let same = groups.iter_mut().position(|group| same_node(group.node, node) && group.shape.takes(&shape));
                match same {
                    Some(at) => groups[at].writes.push(write),
                    None => groups.push(Group { node, shape, writes: vec![write] }),
                }
            }
            made.into_iter().for_each(|sweep| merge_sweep(&mut sweeps, sweep));
        }
        let mut nodes: Vec<Node> = Vec::new();
        for node in groups.iter().map(|group| group.node).chain(sweeps.iter().map(Sweep::node)) {
            if !nodes.iter().any(|known| same_node(*known, node)) {
                nodes.push(node);
            }
        }
        let mut plan = FlushPlan::default();
        for node in sorted(&nodes) {
            for sweep in sweeps.iter().filter(|sweep| same_node(sweep.node(), node)) {
                plan.push_sweep(sweep, context)?;
            }
            for group in groups.iter_mut().filter(|group| same_node(group.node, node)) {
                plan.push(group.node, &group.shape, std::mem::take(&mut group.writes), context)?;
            }
        }
        Ok(plan)
    }

    fn push_sweep(&mut self, sweep: &Sweep, context: &FlushContext) -> Result<(), Error> {
        let wants_xid = context.wants_xid && self.steps.is_empty();
        let (table, kind) = sweep.node();
        let statement = statement::delete_all(context.backend, table, &sweep.condition(), wants_xid)?;
        let statement = Some(statement);
        let does = (MutationKind::Delete, Vec::new());
        self.steps.push(FlushStep { statement, table, kind, rows: Vec::new(), returns_row: false, owned: false, does });
        Ok(())
    }

    fn push(
        &mut self,
        (table, kind): Node,
        shape: &Shape,
        mut writes: Vec<Write>,
        context: &FlushContext,
    ) -> Result<(), Error> {
        writes.sort_by(|a, b| compare_keys(a.key.as_deref(), b.key.as_deref()));
        if kind == Kind::Insert {
            writes = parents_first(table, writes);
        }
        let wants_xid = context.wants_xid && self.steps.is_empty();
        let FlushContext { backend, raise, .. } = *context;
        let keys: Vec<Record>;
        let statements = match shape {
            Shape::Insert { columns, .. } | Shape::Generated { columns } => {
                let rows: Vec<&Record> = writes.iter().filter_map(|write| record_of(&write.change)).collect();
                statement::insert(backend, table, columns, &rows, Conflict::Fail, wants_xid)?
            }
            Shape::Upsert { columns, update, within, restores } => {
                let rows: Vec<&Record> = writes.iter().filter_map(|write| record_of(&write.change)).collect();
                let conflict = Conflict::Update { columns: update, within: *within, restores: *restores, raise };
                statement::insert(backend, table, columns, &rows, conflict, wants_xid)?
            }
            Shape::Update { columns, bumps, within, mark, .. } => {
                let mut columns = bounded(table, columns, &writes);
                columns.extend(stamped(table, *mark));
                let touch = Touch { bumps: *bumps, mark: *mark };
                let rows: Vec<(&Record, Option<i64>)> =
                    writes.iter().filter_map(|write| Some((record_of(&write.change)?, write.expected))).collect();
                statement::update(backend, raise, table, &columns, touch, *within, &rows)?
            }
            Shape::Delete { must_exist, within, .. } => {
                keys = writes.iter().map(|write| key_record(table, write)).collect();
                let rows: Vec<(&Record, Option<i64>)> =
                    keys.iter().zip(&writes).map(|(key, write)| (key, write.expected)).collect();
                statement::delete(backend, raise, table, &rows, *within, *must_exist)?
            }
        };
        let owned = matches!(shape, Shape::Upsert { within: Within { owner: Some(_), .. }, .. });
        let mut rows = writes.into_iter().map(|write| flushed(write, kind));
        for (statement, count) in statements {
            let rows = rows.by_ref().take(count).collect();
            let statement = Some(statement);
            let does = shape.does();
            self.steps.push(FlushStep { statement, table, kind, rows, returns_row: false, owned, does });
        }
        Ok(())
    }

    /// What the statements will have done once they are committed. Asked before [`apply`](Self::apply).
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        let of_step = |step: &FlushStep| {
            let (kind, changed) = &step.does;
            let ids: Vec<String> = step.rows.iter().filter_map(|row| row.key.as_deref()).map(show_key).collect();
            let versions = step.rows.iter().filter_map(|row| {
                let version = match &row.effect {
                    Some(Effect::Stored { version, .. }) => *version,
                    _ => row.expected.map(|expected| expected + 1),
                };
                Some(((step.table.name, show_key(row.key.as_deref()?)), version?))
            });
            let versions: Vec<_> = versions.collect();
            let told = *kind != MutationKind::Delete && versions.len() == ids.len();
            let shown = versions.iter().filter(|_| told).map(|(_, version)| *version).collect();
            let changed = changed.iter().map(|&at| step.table.columns[at].name.clone()).collect();
            Mutation {
                event: MutationEvent { ids, versions: shown, ..Mutation::of_many(step.table, *kind, changed).event },
                versions,
            }
        };
        self.steps.iter().map(of_step).collect()
    }

    /// Brings what the scope at `depth` knows in line with what the statements do. Right when they are sent: if one fails
    /// the scope can only be rolled back, and what is queued meanwhile goes on top.
    pub(crate) fn apply(&mut self, map: &mut IdentityMap, depth: usize) {
        for step in &mut self.steps {
            // What the session knows of these rows by themselves, or as parts of others, is read again.
            if step.rows.is_empty() || step.rows.iter().any(|row| row.is_child) {
                map.expire(depth, Some(step.table.row_type));
            }
            map.expire_holders(depth, step.table.row_type);
            if step.kind == Kind::Delete {
                map.expire_dependents(depth, step.table.row_type);
            }
            for row in &mut step.rows {
                let (Some(key), Some(effect)) = (&row.key, row.effect.take()) else { continue };
                map.update(depth, &RowKey::new(step.table, key.clone()), |entry| match &effect {
                    Effect::Stored { record, version, complete, partial } => {
                        entry.stored = complete.then(|| Arc::clone(record));
                        entry.version = *version;
                        entry.partial = *partial;
                    }
                    Effect::Gone => entry.deleted = true,
                    Effect::Unknown => {
                        entry.stored = None;
                        entry.version = None;
                        entry.partial = true;
                    }
                });
            }
        }
    }
}

fn same_node(one: Node, other: Node) -> bool {
    one.0.row_type == other.0.row_type && one.1 == other.1
}

fn record_of(change: &Change) -> Option<&Record> {
    match change {
        Change::Insert { record, .. } | Change::Update { record, .. } | Change::Upsert { record, .. } => Some(record),
        Change::Delete { .. } => None,
    }
}

/// A record with nothing but its key, and the tenant where it is known.
fn key_record(table: &TableDescriptor, write: &Write) -> Record {
    let mut record = Record::from(vec![Value::Null; table.columns.len()]);
    for (&at, value) in table.key.iter().zip(write.key.as_deref().unwrap_or_default()) {
        record[at] = value.clone();
    }
    if let (Some(at), Some(tenant)) = (table.tenant(), &write.reach.tenant) {
        record[at] = tenant.clone();
    }
    record
}

fn flushed(write: Write, kind: Kind) -> FlushedRow {
    let Write {
        table, key, change, origin, base, expected, reach, is_child, children_partial, children_unknown, ..
    } = write;
    if is_child {
        return FlushedRow { key, origin, expected, effect: None, is_child };
    }
    let stored = |record: Record| Arc::new(if children_unknown { record.without_children() } else { record });
    let effect = match change {
        Change::Insert { record, columns } => Effect::Stored {
            version: version_of(table, &record),
            record: stored(record),
            complete: true,
            partial: children_partial || is_partial(table, columns, kind),
        },
        Change::Update { .. } if table.version.is_some() && expected.is_none() => Effect::Unknown,
        Change::Update { record, columns } => Effect::Stored {
            version: version_of(table, &record),
            record: stored(record),
            complete: base.is_some(),
            partial: base.is_none()
                || children_partial
                || reach.mark == Some(Mark::Deleted)
                || is_partial(table, columns, kind),
        },
        Change::Upsert { .. } => Effect::Unknown,
        Change::Delete { .. } => Effect::Gone,
    };
    FlushedRow { key, origin, expected, effect: Some(effect), is_child }
}

/// Whether the database fills in columns of a written row that the session can only guess.
fn is_partial(table: &TableDescriptor, columns: Mapping, kind: Kind) -> bool {
    table.columns.iter().enumerate().any(|(at, column)| match column.role {
        Role::UpdatedAt => true,
        Role::CreatedAt => kind == Kind::Insert,
        Role::Plain => kind == Kind::Insert && column.default.is_some() && !columns.holds(at),
        _ => false,
    })
}

/// The order of keys within a statement: any that is the same for everybody.
fn compare_keys(a: Option<&[Value]>, b: Option<&[Value]>) -> std::cmp::Ordering {
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
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
        (a, b) => format!("{a:?}").cmp(&format!("{b:?}")),
    }
}

impl FlushStep {
    /// What an INSERT stands for that answers with its one row.
    pub(crate) fn insert_returning(table: &'static TableDescriptor, origin: &'static Location<'static>) -> Self {
        let row = FlushedRow { key: None, origin, expected: None, effect: None, is_child: false };
        FlushStep {
            statement: None,
            table,
            kind: Kind::Insert,
            rows: vec![row],
            returns_row: true,
            owned: false,
            does: (MutationKind::Insert, Vec::new()),
        }
    }

    /// The statement, which is sent once.
    pub(crate) fn take_statement(&mut self) -> Option<Statement> {
        self.statement.take()
    }

    /// How many rows it writes.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The transaction's id, if the statement answered with it.
    pub(crate) fn xid(&self, answer: &Answer) -> Option<String> {
        match answer.rows.first()?.first()? {
            Value::Text(xid) if !self.returns_row && answer.rows.len() == 1 && answer.rows[0].len() == 1 => {
                Some(xid.clone())
            }
            _ => None,
        }
    }
}

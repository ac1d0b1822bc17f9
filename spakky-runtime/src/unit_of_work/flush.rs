//! From queued writes to statements, and from there to what the session knows afterwards.

mod children;
mod draw;
mod explain;
mod family;
mod shape;
mod sweep;
mod told;
mod write;

use std::panic::Location;
use std::sync::Arc;

pub(crate) use draw::{Drawing, DrawnIds, is_drawn};
pub(crate) use explain::{constraint_of, show_ids, show_key};
pub(crate) use shape::{changed, insertable};
pub(crate) use told::untold;

use self::children::{Arriving, ChildWrites, note_arriving};
use self::draw::Draws;
use self::family::{lots, orders_within, parents_first};
use self::shape::{Shape, bounded, stamped};
use self::sweep::{Fate, Sweep, merge_sweep};
use self::told::{Returned, Telling};
use self::write::{Group, Write, compare_keys, is_partial, key_record, record_of};
use super::aggregate::key_of;
use super::identity_map::{Entry, IdentityMap, version_of};
use super::order::{Kind, Node, is_same, sorted};
use super::pending::{Change, PendingWrite};
use super::row_key::RowKey;
use crate::backend::{Answer, Backend, Draw, Statement};
use crate::error::Error;
use crate::mutation::{Mutation, MutationKind};
use crate::schema::{Record, TableDescriptor};
use crate::scope::{Mark, Scope};
use crate::statement::{self, Answering, Conflict, Guarded, RaiseStyle, Touch, Within};
use crate::value::Value;

/// What the statements depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlushContext<'a> {
    pub(crate) backend: Backend,
    pub(crate) raise: RaiseStyle,
    /// For whom it is made.
    pub(crate) scope: &'a Scope,
    /// The transaction's id is not known yet: the first write answers with it.
    pub(crate) wants_xid: bool,
    /// Somebody listens to what is written.
    pub(crate) tells: bool,
}

/// The statements of a flush, in order.
#[derive(Debug, Default)]
pub(crate) struct FlushPlan {
    pub(crate) steps: Vec<FlushStep>,
    /// The ids that are drawn for its rows.
    pub(crate) drawn: DrawnIds,
}

/// One statement of a flush and the rows it writes.
#[derive(Debug)]
pub(crate) struct FlushStep {
    statement: Option<Statement>,
    /// What has to be drawn ahead of it.
    draws: Vec<Draw>,
    table: &'static TableDescriptor,
    kind: Kind,
    rows: Vec<FlushedRow>,
    /// It answers with the rows it wrote.
    returns_rows: bool,
    /// What rows that are there already must be like.
    within: Within,
    /// What it does to its rows, for those who listen.
    does: (MutationKind, Vec<usize>),
}

/// One row of a flush.
#[derive(Debug)]
struct FlushedRow {
    key: Option<RowKey>,
    origin: &'static Location<'static>,
    expected: Option<i64>,
    effect: Option<Effect>,
    /// Written as part of another row.
    is_child: bool,
    telling: Option<Telling>,
}

impl FlushedRow {
    /// The key, if it is known before the database has answered.
    fn known_key(&self) -> Option<&[Value]> {
        self.key.as_deref().filter(|key| !is_drawn(key))
    }
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

impl FlushPlan {
    /// Turns queued writes into statements.
    ///
    /// # Errors
    /// When a value cannot be stored.
    pub(crate) fn of(writes: Vec<PendingWrite>, map: &IdentityMap, context: &FlushContext<'_>) -> Result<Self, Error> {
        let mut groups: Vec<Group> = Vec::new();
        let mut sweeps: Vec<Sweep> = Vec::new();
        let mut draws = Draws::default();
        let mut writes: Vec<Write> = writes.into_iter().map(|write| Write::of(write, map)).collect();
        let mut arriving = Arriving::new();
        for write in &mut writes {
            draws.assign(write);
            if let Some(record) = record_of(&write.change).filter(|_| write.table.has_deletable_children()) {
                note_arriving(write.table, write.base.as_deref(), record, &mut arriving);
            }
        }
        // Where the last one went.
        let mut last = 0;
        for mut write in writes {
            let children = ChildWrites::of(&write, &arriving, context.scope)?;
            write.note_children(&children);
            let ChildWrites { writes, sweeps: made, .. } = children;
            for write in [write].into_iter().chain(writes) {
                if let Some(group) = groups.get_mut(last).filter(|group| group.goes_on_with(&write)) {
                    group.writes.push(write);
                    continue;
                }
                let Some(shape) = Shape::of(&write) else { continue };
                let node = (write.table, Kind::of(&write.change));
                let fits =
                    |group: &mut Group| is_same(group.node, node) && !group.holds(&write) && group.shape.takes(&shape);
                let same = groups.iter_mut().position(fits);
                last = same.unwrap_or(groups.len());
                match same {
                    Some(at) => groups[at].writes.push(write),
                    None => groups.push(Group { node, shape, writes: vec![write] }),
                }
            }
            made.into_iter().for_each(|sweep| merge_sweep(&mut sweeps, sweep));
        }
        // What is deleted with a row above it is stamped as that is.
        sweeps.sort_by_key(Sweep::depth);
        let of_fate = |fate: Fate| sweeps.iter().filter(move |sweep| sweep.fate == fate);
        let mut nodes: Vec<Node> = Vec::new();
        for node in groups.iter().map(|group| group.node).chain(of_fate(Fate::Deleted).map(Sweep::node)) {
            if !nodes.iter().any(|known| is_same(*known, node)) {
                nodes.push(node);
            }
        }
        let mut plan = FlushPlan::default();
        for sweep in of_fate(Fate::Restored).chain(of_fate(Fate::Replaced)) {
            plan.push_sweep(sweep, context)?;
        }
        for node in sorted(&nodes, &orders_within(&nodes, &groups)) {
            for sweep in of_fate(Fate::Deleted).filter(|sweep| is_same(sweep.node(), node)) {
                plan.push_sweep(sweep, context)?;
            }
            for (group, writes) in lots(node, &mut groups) {
                let shape = &groups[group].shape;
                let taken = match shape {
                    Shape::Insert { drawn, .. } => draws.take(context.backend, drawn),
                    Shape::Upsert { .. } | Shape::Update { .. } | Shape::Delete { .. } => Vec::new(),
                };
                let first = plan.steps.len();
                plan.push(node, shape, writes, context)?;
                if let Some(step) = plan.steps.get_mut(first) {
                    step.draws = taken;
                }
            }
        }
        for sweep in of_fate(Fate::Buried) {
            plan.push_sweep(sweep, context)?;
        }
        Ok(plan)
    }

    /// Whether one of the statements answers with the transaction's id, if it was asked to: the first one does,
    /// unless a trigger keeps every row of an INSERT from being written.
    pub(crate) fn tells_xid(&self) -> bool {
        !self.steps.is_empty()
    }

    fn push_sweep(&mut self, sweep: &Sweep, context: &FlushContext<'_>) -> Result<(), Error> {
        let (table, kind) = sweep.node();
        let statement = Some(sweep.statement(context, context.wants_xid && !self.tells_xid())?);
        let does = (sweep.does(), Vec::new());
        let (draws, rows, within) = (Vec::new(), Vec::new(), Within::default());
        self.steps.push(FlushStep { statement, draws, table, kind, rows, returns_rows: false, within, does });
        Ok(())
    }

    fn push(
        &mut self,
        (table, kind): Node,
        shape: &Shape,
        mut writes: Vec<Write>,
        context: &FlushContext<'_>,
    ) -> Result<(), Error> {
        writes.sort_by(|a, b| compare_keys(&a.found_by(), &b.found_by()));
        if kind == Kind::Insert {
            writes = parents_first(table, writes);
        }
        let wants_xid = context.wants_xid && !self.tells_xid();
        let answering = if wants_xid { Answering::Xid } else { Answering::Nothing };
        let FlushContext { backend, raise, .. } = *context;
        let statements = match shape {
            Shape::Insert { columns, told, .. } => {
                let rows: Vec<Arc<Record>> =
                    writes.iter().filter_map(|write| record_of(&write.change).cloned()).collect();
                let answering = if *told { Answering::Rows { xid: wants_xid } } else { answering };
                statement::insert(backend, table, columns, &rows, Conflict::Fail, answering)?
            }
            Shape::Upsert { columns, update, within, restores } => {
                let rows: Vec<Arc<Record>> =
                    writes.iter().filter_map(|write| record_of(&write.change).cloned()).collect();
                let conflict = Conflict::Update { columns: update, within: *within, restores: *restores, raise };
                statement::insert(backend, table, columns, &rows, conflict, answering)?
            }
            Shape::Update { columns, bumps, within, mark, .. } => {
                let mut columns = bounded(table, columns, &writes);
                columns.extend(stamped(table, *mark));
                let touch = Touch { bumps: *bumps, mark: *mark };
                let guarded = |write: &Write| Some((Arc::clone(record_of(&write.change)?), write.expected));
                let rows: Vec<Guarded> = writes.iter().filter_map(guarded).collect();
                statement::update(backend, raise, table, &columns, touch, *within, &rows)?
            }
            Shape::Delete { must_exist, within, .. } => {
                let guarded = |write: &Write| (Arc::new(key_record(table, write)), write.expected);
                let rows: Vec<Guarded> = writes.iter().map(guarded).collect();
                statement::delete(backend, raise, table, &rows, *within, *must_exist)?
            }
        };
        let returns_rows = matches!(shape, Shape::Insert { told: true, .. });
        let within = match shape {
            Shape::Upsert { within, .. } => *within,
            _ => Within::default(),
        };
        let mut rows = writes.into_iter().map(|write| flushed(write, kind));
        for (statement, count) in statements {
            let rows = rows.by_ref().take(count).collect();
            let statement = Some(statement);
            let does = shape.does();
            let draws = Vec::new();
            self.steps.push(FlushStep { statement, draws, table, kind, rows, returns_rows, within, does });
        }
        Ok(())
    }

    /// What the statements will have done once they are committed. Asked before [`apply`](Self::apply).
    pub(crate) fn mutations(&self) -> Vec<Mutation> {
        let of_step = |step: &FlushStep| {
            let (kind, changed) = &step.does;
            let columns = changed.iter().map(|&at| &step.table.columns[at]).filter(|column| !column.generated);
            let mut made = Mutation::of_many(step.table, *kind, columns.map(|column| column.name.clone()).collect());
            for row in &step.rows {
                let Some(key) = row.key.as_deref() else { continue };
                let version = match &row.effect {
                    Some(Effect::Stored { version, .. }) => *version,
                    _ => row.expected.map(|expected| expected + 1),
                };
                made.push(key, version, &self.drawn);
            }
            made
        };
        self.steps.iter().map(of_step).collect()
    }

    /// Brings what the scope at `depth` knows in line with what the statements do. Right when they are sent: if one fails
    /// the scope can only be rolled back, and what is queued meanwhile goes on top.
    pub(crate) fn apply(&mut self, map: &mut IdentityMap, depth: usize) {
        for step in &mut self.steps {
            // What the session knows of these rows by themselves, or as parts of others, is read again.
            if step.rows.is_empty() || step.within.by.is_some() || step.rows.iter().any(|row| row.is_child) {
                map.expire(depth, Some(step.table.row_type));
            }
            map.expire_holders(depth, step.table.row_type);
            if step.kind == Kind::Delete {
                map.expire_dependents(depth, step.table.row_type);
            }
            for row in &mut step.rows {
                if row.known_key().is_none() {
                    // Its key comes with the answer.
                    continue;
                }
                let (Some(key), Some(effect)) = (&row.key, row.effect.take()) else { continue };
                map.update(depth, key, |entry| match &effect {
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

fn flushed(write: Write, kind: Kind) -> FlushedRow {
    let Write {
        table,
        key,
        change,
        origin,
        base,
        expected,
        reach,
        is_child,
        children_partial,
        children_unknown,
        told,
        ..
    } = write;
    if is_child {
        return FlushedRow { key, origin, expected, effect: None, is_child, telling: None };
    }
    let telling =
        told.zip(record_of(&change).cloned()).map(|(told, record)| Telling { told, record, children_partial });
    // A row that was there is read again.
    let unknown = children_unknown && !key.as_deref().is_some_and(is_drawn);
    let stored = |record: Arc<Record>| if unknown { Arc::new(record.without_children()) } else { record };
    let effect = match change {
        Change::Insert { record, columns } => Effect::Stored {
            version: version_of(table, &record),
            record: stored(record),
            complete: true,
            partial: children_partial || unknown || is_partial(table, columns, kind),
        },
        Change::Update { .. } if table.version.is_some() && expected.is_none() => Effect::Unknown,
        Change::Update { record, columns } => Effect::Stored {
            version: version_of(table, &record),
            record: stored(record),
            complete: base.is_some(),
            partial: base.is_none()
                || children_partial
                || unknown
                || reach.mark == Some(Mark::Deleted)
                || is_partial(table, columns, kind),
        },
        Change::Upsert { .. } => Effect::Unknown,
        Change::Delete { .. } => Effect::Gone,
    };
    FlushedRow { key, origin, expected, effect: Some(effect), is_child, telling }
}

impl FlushStep {
    /// What is drawn ahead of it, which is sent once.
    pub(crate) fn take_draws(&mut self) -> Vec<Draw> {
        std::mem::take(&mut self.draws)
    }

    /// The statement, which is sent once.
    pub(crate) fn take_statement(&mut self) -> Option<Statement> {
        self.statement.take()
    }

    /// How many rows it writes.
    pub(crate) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The calls that queued its rows.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.rows.iter().map(|row| row.origin)
    }

    /// The transaction's id, if the statement answered with it.
    pub(crate) fn xid(&self, answer: &Answer) -> Option<String> {
        let row = answer.rows.first()?;
        // It stands alone, or behind the columns of a row.
        let place = if self.returns_rows { self.table.columns.len() } else { 0 };
        match row.get(place)? {
            Value::Text(xid) if row.len() == place + 1 && (self.returns_rows || answer.rows.len() == 1) => {
                Some(xid.clone())
            }
            _ => None,
        }
    }

    /// Takes note of what the answer tells of new rows: their keys, and how they were stored.
    pub(crate) fn settle(&mut self, answer: &Answer, ids: &DrawnIds, backend: Backend) -> Vec<(RowKey, Entry)> {
        let table = self.table;
        let returned = if self.returns_rows { answer.rows.as_slice() } else { &[] };
        let mut returned = Returned::of(table, returned, backend, self.rows.len() == 1);
        let mut known = Vec::new();
        for row in &mut self.rows {
            let is_known = row.known_key().is_some();
            let mut stored = None;
            if let Some(Telling { told, record, children_partial }) = &row.telling {
                let taken = returned.take(record, ids);
                stored = taken.as_ref().ok().map(|stored| (stored.clone(), *children_partial));
                told.tell(taken);
            }
            let Some(Effect::Stored { record, partial, .. }) = row.effect.take_if(|_| !is_known) else { continue };
            if let Some((stored, partial)) = stored.or_else(|| Some((ids.record(&record)?, partial))) {
                let key = RowKey::new(table, key_of(table, &stored));
                known.push((key, Entry { partial, ..Entry::loaded(table, Arc::new(stored)) }));
            }
        }
        known
    }
}

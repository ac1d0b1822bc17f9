//! From queued writes to statements, and from there to what the session knows afterwards.

mod children;
mod circle;
mod dated;
mod draw;
mod explain;
mod facts;
mod family;
mod moves;
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

use self::children::ChildWrites;
use self::circle::{ByRow, Next, is_circle};
use self::dated::date_children;
use self::draw::Draws;
use self::facts::{Fact, Facts, are_alone};
use self::family::{lots, orders_within, parents_first};
use self::moves::{Known, Moves};
use self::shape::{Shape, bounded, stamped};
use self::sweep::{Fate, Sweep, merge_sweep};
use self::told::{Returned, Telling};
use self::write::{Group, Write, compare_keys, is_partial, key_record, record_of};
use super::aggregate::key_of;
use super::identity_map::{DrawnChild, Entry, IdentityMap, version_of};
use super::order::{Kind, Node, is_same, sorted};
use super::pending::{Change, PendingWrite, are_related};
use super::row_key::RowKey;
use crate::backend::{Answer, Backend, Draw, Statement};
use crate::error::Error;
use crate::mutation::{Mutation, MutationKind};
use crate::schema::{Record, TableDescriptor, UniqueKey, holders, table_of};
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
    /// Rows without a statement of their own: what was queued of them is what the database has, or becomes so by the
    /// statements of their children.
    unwritten: Vec<FlushedRow>,
    /// The session knows no other rows that may have rows in common with those of the flush.
    alone: bool,
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
    /// Rows without a statement of their own that learn something when this one, the last, is answered.
    unwritten: Vec<FlushedRow>,
    /// It answers with the rows it wrote.
    returns_rows: bool,
    /// What rows that are there already must be like.
    within: Within,
    /// The values by which an upsert finds its rows, if not by their keys.
    found_by: Vec<Vec<Value>>,
    /// The rows that refer to each other in a circle, if that is why it may fail.
    circle: Option<Arc<str>>,
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
    /// What became of the row, where the session may know it in several places.
    fact: Option<Fact>,
    telling: Option<Telling>,
    /// What the session knows of the row until the database has told the keys of its children, and the row with these.
    awaited: Option<AwaitedKeys>,
}

/// A row some of whose children get their keys from the database.
#[derive(Debug)]
struct AwaitedKeys {
    /// What the session knows of the row until then; `None` if that is not all that there is.
    hollow: Option<Arc<Record>>,
    /// The row as it is sent.
    sent: Arc<Record>,
    /// The database fills in columns that the session can only guess.
    partial: bool,
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
    /// Turns writes that are queued in the scope at `depth` into statements.
    ///
    /// # Errors
    /// When a value cannot be stored.
    pub(crate) fn of(
        writes: Vec<PendingWrite>,
        map: &IdentityMap,
        depth: usize,
        context: &FlushContext<'_>,
    ) -> Result<Self, Error> {
        let mut groups: Vec<Group> = Vec::new();
        let mut sweeps: Vec<Sweep> = Vec::new();
        let mut draws = Draws::default();
        let mut plan = FlushPlan::default();
        let again = writes.iter().any(|write| write.again);
        let mut writes: Vec<Write> = writes.into_iter().map(|write| Write::of(write, map, depth)).collect();
        plan.alone = are_alone(&writes, map, depth);
        let moves = Moves::of(&mut writes, &Known { map, depth }, plan.alone, again);
        for write in &mut writes {
            moves.keep_in(write, context.scope)?;
            draws.assign(write, &moves);
        }
        // Where the last one went.
        let mut last = 0;
        for mut write in writes {
            let mut children = ChildWrites::of(&write, &moves, context.scope)?;
            if children.is_outdated {
                date_children(&mut write, &moves, context.scope)?;
                children = ChildWrites::of(&write, &moves, context.scope)?;
            }
            write.note_children(&children);
            let ChildWrites { writes, sweeps: made, .. } = children;
            for write in [write].into_iter().chain(writes) {
                if let Some(group) = groups.get_mut(last).filter(|group| group.goes_on_with(&write)) {
                    group.writes.push(write);
                    continue;
                }
                let node = (write.table, Kind::of(&write.change));
                let Some(shape) = Shape::of(&write) else {
                    if !write.is_child {
                        plan.unwritten.push(flushed(write, node.1, false));
                    }
                    continue;
                };
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
        for sweep in of_fate(Fate::Restored).chain(of_fate(Fate::Replaced)) {
            plan.push_sweep(sweep, context)?;
        }
        let mut orders = orders_within(&nodes, &groups);
        orders.extend(kin_first(&groups));
        orders.extend(of_fate(Fate::Deleted).filter_map(|sweep| unknown_last(sweep, &groups)));
        if is_circle(&nodes, &orders) {
            for sweep in of_fate(Fate::Deleted).collect::<Vec<_>>().into_iter().rev() {
                plan.push_sweep(sweep, context)?;
            }
            plan.push_by_row(&mut groups, &mut draws, context)?;
            nodes.clear();
        }
        for node in sorted(&nodes, &orders) {
            for sweep in of_fate(Fate::Deleted).filter(|sweep| is_same(sweep.node(), node)) {
                plan.push_sweep(sweep, context)?;
            }
            for (group, writes) in lots(node, &mut groups) {
                plan.push_drawn(node, &groups[group].shape, writes, &mut draws, context)?;
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

    /// The rows of tables that refer to each other in a circle.
    fn push_by_row(
        &mut self,
        groups: &mut [Group],
        draws: &mut Draws,
        context: &FlushContext<'_>,
    ) -> Result<(), Error> {
        let mut rows = ByRow::of(groups);
        while let Some(next) = rows.next() {
            match next {
                Next::Owed(write) => {
                    let node = (write.table, Kind::Update);
                    if let Some(shape) = Shape::of(&write) {
                        self.push(node, &shape, vec![write], context)?;
                    }
                }
                Next::Lots { node, lots, circle } => {
                    let first = self.steps.len();
                    for (group, writes) in lots {
                        self.push_drawn(node, &groups[group].shape, writes, draws, context)?;
                    }
                    self.steps[first..].iter_mut().for_each(|step| step.circle.clone_from(&circle));
                }
            }
        }
        Ok(())
    }

    /// Rows of one shape, and ahead of them the ids that are drawn for them.
    fn push_drawn(
        &mut self,
        node: Node,
        shape: &Shape,
        writes: Vec<Write>,
        draws: &mut Draws,
        context: &FlushContext<'_>,
    ) -> Result<(), Error> {
        let taken = match shape {
            Shape::Insert { drawn, .. } => draws.take(context.backend, drawn),
            Shape::Upsert { .. } | Shape::Update { .. } | Shape::Delete { .. } => Vec::new(),
        };
        let first = self.steps.len();
        self.push(node, shape, writes, context)?;
        if let Some(step) = self.steps.get_mut(first) {
            step.draws = taken;
        }
        Ok(())
    }

    fn push_sweep(&mut self, sweep: &Sweep, context: &FlushContext<'_>) -> Result<(), Error> {
        let (table, kind) = sweep.node();
        let statement = Some(sweep.statement(context, context.wants_xid && !self.tells_xid())?);
        let does = (sweep.does(), Vec::new());
        let (draws, rows, unwritten, found_by) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let within = Within::default();
        self.steps.push(FlushStep {
            statement,
            draws,
            table,
            kind,
            rows,
            unwritten,
            returns_rows: false,
            within,
            found_by,
            circle: None,
            does,
        });
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
            Shape::Upsert { columns, update, within, restores, renews, kinship } => {
                let rows: Vec<Arc<Record>> =
                    writes.iter().filter_map(|write| record_of(&write.change).cloned()).collect();
                let (restores, renews) = (*restores, *renews);
                let conflict = Conflict::Update { columns: update, within: *within, restores, renews, kinship, raise };
                statement::insert(backend, table, columns, &rows, conflict, answering)?
            }
            Shape::Update { columns, bumps, within, mark, .. } => {
                let mut columns = bounded(table, columns, &writes);
                columns.extend(stamped(table, *mark));
                let touch = Touch { bumps: *bumps, mark: *mark };
                let guarded = |write: &Write| {
                    let row = Arc::clone(record_of(&write.change)?);
                    let found = write.base.clone().filter(|base| write.owner.is_some_and(|at| base[at] != row[at]));
                    Some(Guarded { row, expected: write.expected, found })
                };
                let rows: Vec<Guarded> = writes.iter().filter_map(guarded).collect();
                statement::update(backend, raise, table, &columns, touch, *within, &rows)?
            }
            Shape::Delete { must_exist, within, .. } => {
                let guarded = |write: &Write| {
                    let row = Arc::new(key_record(table, write));
                    Guarded { row, expected: write.expected, found: None }
                };
                let rows: Vec<Guarded> = writes.iter().map(guarded).collect();
                statement::delete(backend, raise, table, &rows, *within, *must_exist)?
            }
        };
        let returns_rows = matches!(shape, Shape::Insert { told: true, .. });
        let within = match shape {
            Shape::Upsert { within, .. } => *within,
            _ => Within::default(),
        };
        let is_shared = !holders(table.row_type).is_empty();
        let mut found_by: Vec<Vec<Value>> = match within.by {
            Some(_) => writes.iter().map(|write| write.found_by().into_owned()).collect(),
            None => Vec::new(),
        };
        let mut rows = writes.into_iter().map(|write| flushed(write, kind, is_shared));
        for (statement, count) in statements {
            let rows = rows.by_ref().take(count).collect();
            let statement = Some(statement);
            let does = shape.does();
            let (draws, unwritten) = (Vec::new(), Vec::new());
            let found_by = std::mem::take(&mut found_by);
            self.steps.push(FlushStep {
                statement,
                draws,
                table,
                kind,
                rows,
                unwritten,
                returns_rows,
                within,
                found_by,
                circle: None,
                does,
            });
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
                    _ => row.expected.map(|expected| expected.saturating_add(1)),
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
            if let Some(by) = step.within.by {
                step.forget_found(map, depth, &step.table.uniques[by]);
            }
            map.expire_holders(depth, step.table.row_type);
            if step.kind == Kind::Delete {
                map.expire_dependents(depth, step.table.row_type);
            }
            for row in &mut step.rows {
                row.apply(map, depth);
            }
        }
        for row in &mut self.unwritten {
            row.apply(map, depth);
        }
        let unwritten = self.unwritten.iter().filter_map(|row| row.key.as_ref());
        if let Some(facts) = Facts::of(&self.steps, unwritten, self.alone) {
            facts.teach(map, depth);
        }
        if let Some(last) = self.steps.last_mut() {
            last.unwritten = std::mem::take(&mut self.unwritten);
        }
    }
}

impl FlushedRow {
    fn apply(&mut self, map: &mut IdentityMap, depth: usize) {
        if self.known_key().is_none() {
            // Its key comes with the answer.
            return;
        }
        let is_waiting = self.awaited.is_some();
        let (Some(key), Some(effect)) = (&self.key, self.effect.take()) else { return };
        map.update(depth, key, |entry| {
            entry.drawn.is_waiting |= is_waiting;
            match &effect {
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
            }
        });
    }
}

/// Nodes of which one has to be ahead of the other: a child that moves within its aggregate is written before the row goes
/// that it was part of.
fn kin_first(groups: &[Group]) -> Vec<(Node, Node)> {
    // New parents whose keys nobody knows yet cannot be spared by a deletion behind them.
    let has_unknown = |parent: &&'static TableDescriptor| {
        groups.iter().any(|group| {
            group.node.0.row_type == parent.row_type
                && matches!(&group.shape, Shape::Insert { drawn, .. } if !drawn.is_empty())
        })
    };
    let mut orders = Vec::new();
    for group in groups {
        if let Shape::Upsert { kinship, .. } = &group.shape {
            let parents = kinship.parents().filter(|parent| !has_unknown(parent));
            orders.extend(parents.map(|parent| (group.node, (parent, Kind::Delete))));
        }
    }
    orders
}

/// Rows whose keys nobody knows yet cannot be spared by a deletion of all others, which therefore has to be ahead of them.
fn unknown_last(sweep: &Sweep, groups: &[Group]) -> Option<(Node, Node)> {
    let table = sweep.node().0;
    let is_unknown = |group: &Group| {
        is_same(group.node, (table, Kind::Insert))
            && matches!(&group.shape, Shape::Insert { drawn, .. } if !drawn.is_empty())
    };
    groups.iter().any(is_unknown).then_some(((table, Kind::Delete), (table, Kind::Insert)))
}

fn flushed(write: Write, kind: Kind, is_shared: bool) -> FlushedRow {
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
        children_drawn,
        told,
        ..
    } = write;
    let fact = (is_child || is_shared).then(|| match &change {
        Change::Insert { record, .. } => Fact::Row(Arc::clone(record)),
        Change::Update { record, .. } if base.is_some() && !is_drawn(record) => Fact::Row(Arc::clone(record)),
        Change::Update { .. } | Change::Upsert { .. } => Fact::Unknown,
        Change::Delete { .. } => Fact::Gone,
    });
    if is_child {
        return FlushedRow { key, origin, expected, effect: None, is_child, fact, telling: None, awaited: None };
    }
    let is_known = !key.as_deref().is_some_and(is_drawn);
    let telling = told
        .filter(|_| matches!(change, Change::Insert { .. }) || children_drawn)
        .zip(record_of(&change).cloned())
        .map(|(told, record)| Telling { told, record, children_partial });
    // A row that was there is read again.
    let unknown = children_unknown && is_known;
    let waits = children_drawn && is_known;
    let hollow = |record: Arc<Record>| if unknown || waits { Arc::new(record.without_children()) } else { record };
    let partial = children_partial
        || record_of(&change).is_some_and(|_| match &change {
            Change::Insert { columns, .. } => is_partial(table, *columns, kind),
            Change::Update { columns, .. } => {
                base.is_none() || reach.mark == Some(Mark::Deleted) || is_partial(table, *columns, kind)
            }
            Change::Upsert { .. } | Change::Delete { .. } => true,
        });
    let sent = record_of(&change).filter(|_| waits).cloned();
    let effect = match change {
        Change::Insert { record, .. } => Effect::Stored {
            version: version_of(table, &record),
            record: hollow(record),
            complete: true,
            partial: partial || unknown || waits,
        },
        Change::Update { .. } if table.version.is_some() && expected.is_none() => Effect::Unknown,
        Change::Update { record, .. } => Effect::Stored {
            version: version_of(table, &record),
            record: hollow(record),
            complete: base.is_some(),
            partial: partial || unknown || waits,
        },
        // It starts anew, so that its version is known.
        Change::Upsert { record, .. } if reach.renewed => {
            Effect::Stored { version: table.version.map(|_| 1), record: hollow(record), complete: true, partial: true }
        }
        Change::Upsert { .. } => Effect::Unknown,
        Change::Delete { .. } => Effect::Gone,
    };
    let awaited = sent.map(|sent| {
        let hollow = match &effect {
            Effect::Stored { record, complete: true, .. } if !unknown => Some(Arc::clone(record)),
            _ => None,
        };
        AwaitedKeys { hollow, sent, partial }
    });
    FlushedRow { key, origin, expected, effect: Some(effect), is_child, fact, telling, awaited }
}

impl FlushStep {
    /// What the session knew of rows that an upsert found by a unique key is known no longer.
    fn forget_found(&self, map: &mut IdentityMap, depth: usize, unique: &UniqueKey) {
        let is_found = |key: &RowKey, entry: &Entry| {
            let is_one = |row: &Arc<Record>| self.found_by.contains(&unique.values(self.table, row));
            key.row_type() == self.table.row_type && entry.stored.as_ref().is_some_and(is_one)
        };
        map.update_all(depth, is_found, |_, entry| {
            entry.stored = None;
            entry.version = None;
            entry.partial = true;
        });
    }

    /// What is drawn ahead of it, which is sent once.
    pub(crate) fn take_draws(&mut self) -> Vec<Draw> {
        std::mem::take(&mut self.draws)
    }

    /// The statement, which is sent once.
    pub(crate) fn take_statement(&mut self) -> Option<Statement> {
        self.statement.take()
    }

    /// The table that it writes.
    pub(crate) fn table(&self) -> &'static TableDescriptor {
        self.table
    }

    /// Whether it may be about rows of `table`: its own, or parts of them, or rows that these are parts of.
    pub(crate) fn is_about(&self, table: &TableDescriptor) -> bool {
        self.table.row_type == table.row_type || are_related(self.table.row_type, table.row_type)
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

    /// Takes note of what the answer tells: of new rows their keys, and how they were stored, and of others the keys of their
    /// new children.
    pub(crate) fn settle(&mut self, answer: &Answer, ids: &DrawnIds, backend: Backend) -> Settled {
        let table = self.table;
        let returned = if self.returns_rows { answer.rows.as_slice() } else { &[] };
        let mut returned = Returned::of(table, returned, backend, self.rows.len() == 1);
        let mut settled = Settled::default();
        for row in &mut self.rows {
            let is_known = row.known_key().is_some();
            let mut stored = None;
            if let (Some(Telling { told, record, children_partial }), true) = (&row.telling, self.returns_rows) {
                let taken = returned.take(record, ids);
                stored = taken.as_ref().ok().map(|stored| (stored.clone(), *children_partial));
                told.tell(taken);
            } else {
                row.tell(table, ids);
            }
            settled.learned.extend(row.learn(table, ids));
            let Some(Effect::Stored { record, partial, .. }) = row.effect.take_if(|_| !is_known) else { continue };
            if let Some((stored, partial)) = stored.or_else(|| Some((ids.record(&record)?, partial))) {
                let key = RowKey::new(table, key_of(table, &stored));
                settled.new.push((key, Entry { partial, ..Entry::loaded(table, Arc::new(stored)) }));
            }
        }
        for row in &mut self.unwritten {
            let Some(table) = row.key.as_ref().and_then(|key| table_of(key.row_type())) else { continue };
            row.tell(table, ids);
            settled.learned.extend(row.learn(table, ids));
        }
        settled
    }
}

/// What the answer to a step tells of the rows that it wrote.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// New rows, by the keys that the database gave them.
    pub(crate) new: Vec<(RowKey, Entry)>,
    /// Rows to whose children it gave keys.
    pub(crate) learned: Vec<(RowKey, DrawnChildren)>,
}

/// The keys of children that the database gave them.
#[derive(Debug)]
pub(crate) struct DrawnChildren {
    hollow: Option<Arc<Record>>,
    stored: Arc<Record>,
    partial: bool,
    children: Vec<DrawnChild>,
}

impl DrawnChildren {
    /// Brings what is known of the row in line with them.
    /// `is_old` if something behind it may be about the row.
    pub(crate) fn note_in(&self, entry: &mut Entry, is_old: bool) {
        entry.drawn.is_waiting = false;
        let known = entry.drawn.children.iter().chain(&self.children).cloned();
        entry.drawn.children = Arc::new(known.collect());
        // Nothing else was sent of the row meanwhile.
        if let (Some(hollow), Some(stored), false) = (&self.hollow, &entry.stored, is_old)
            && Arc::ptr_eq(hollow, stored)
        {
            entry.stored = Some(Arc::clone(&self.stored));
            if !entry.queued.is_any() {
                entry.current = Some(Arc::clone(&self.stored));
                entry.partial = self.partial;
            }
        }
    }
}

impl FlushedRow {
    /// Tells a row that was there, with the keys of its new children, to who waits for it.
    fn tell(&self, table: &TableDescriptor, ids: &DrawnIds) {
        if let Some(Telling { told, record, .. }) = &self.telling {
            told.tell(ids.record(record).ok_or_else(|| untold(table)));
        }
    }

    /// The keys of its new children.
    fn learn(&mut self, table: &'static TableDescriptor, ids: &DrawnIds) -> Option<(RowKey, DrawnChildren)> {
        let AwaitedKeys { hollow, sent, partial } = self.awaited.take()?;
        let stored = Arc::new(ids.record(&sent)?);
        let mut children = Vec::new();
        note_drawn(table, &sent, &stored, &mut children);
        Some((self.key.clone()?, DrawnChildren { hollow, stored, partial, children }))
    }
}

/// Takes note of the children that were sent without a key, with the keys that they have been given.
fn note_drawn(table: &'static TableDescriptor, sent: &Record, stored: &Record, drawn: &mut Vec<DrawnChild>) {
    let Some(parent) = table.key.first().map(|&at| stored[at].clone()) else { return };
    let rows = sent.children().unwrap_or_default().iter().zip(stored.children().unwrap_or_default());
    for (relation, (sent, stored)) in table.relations.iter().zip(rows) {
        let child = relation.child();
        for (sent, stored) in sent.iter().zip(stored) {
            if is_drawn(&key_of(child, sent)) {
                let (sent, key) = (sent.without_children(), key_of(child, stored));
                drawn.push(DrawnChild { row_type: child.row_type, parent: parent.clone(), sent, key });
            }
            note_drawn(child, sent, stored, drawn);
        }
    }
}

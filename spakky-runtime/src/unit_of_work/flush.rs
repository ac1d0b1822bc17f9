//! From queued writes to statements, and from there to what the session knows afterwards.

mod children;
mod circle;
mod dated;
mod draw;
mod explain;
mod facts;
mod family;
mod moves;
mod row;
mod shape;
mod step;
mod sweep;
mod told;
mod write;

use std::sync::Arc;

pub(crate) use draw::{Drawing, DrawnIds, is_drawn};
pub(crate) use explain::{constraint_of, show_ids, show_key};
pub(crate) use shape::{changed, insertable};
pub(crate) use step::{FlushStep, Settled};
pub(crate) use told::untold;

use self::children::ChildWrites;
use self::circle::{ByRow, Next, is_circle};
use self::dated::date_children;
use self::draw::Draws;
use self::facts::{Facts, are_alone};
use self::family::{lots, orders_within, parents_first};
use self::moves::{Known, Moves};
use self::row::{Effect, FlushedRow, flushed};
use self::shape::{Shape, bounded, stamped};
use self::sweep::{Fate, Sweep, merge_sweep};
use self::write::{Group, Write, compare_keys, key_record, record_of};
use super::identity_map::IdentityMap;
use super::order::{Kind, Node, is_same, sorted};
use super::pending::PendingWrite;
use crate::backend::Backend;
use crate::error::Error;
use crate::mutation::Mutation;
use crate::schema::{Record, TableDescriptor, holders};
use crate::scope::Scope;
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
        if !moves.is_empty() {
            sweeps.iter_mut().for_each(|sweep| sweep.spare_moving(&moves));
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
            Shape::Update { columns, version, within, mark, .. } => {
                let mut columns = bounded(table, columns, &writes);
                columns.extend(stamped(table, *mark));
                let touch = Touch { version: *version, mark: *mark };
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
